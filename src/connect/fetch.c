/* SPDX-License-Identifier: MIT */
/* A blocking HTTP request by libcurl, for code that has no loop to go back to. */
#include "connect/fetch.h"

#include <curl/curl.h>
#include <stdio.h>

struct fetching {
    struct buf *out;
    size_t most;
};

static size_t received(char *data, size_t size, size_t count, void *owner)
{
    struct fetching *f = owner;
    if (f->out->bytes + size * count > f->most)
        return 0;
    buf_append(f->out, data, size * count);
    return buf_error(f->out) == OK ? size * count : 0;
}

static enum err outcome(CURLcode code, const char *url, const char *reason, struct diag *diag)
{
    switch (code) {
    case CURLE_OK:
        return OK;
    case CURLE_OPERATION_TIMEDOUT:
        return diag_set(diag, ERR_TIMEOUT, 0, 0, "%s did not answer in time", url);
    case CURLE_WRITE_ERROR:
        return diag_set(diag, ERR_LIMIT, 0, 0, "the answer of %s is too big", url);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return diag_set(diag, ERR_INVALID, 0, 0, "%s is not an address: %s", url, reason);
    default:
        return diag_set(diag, ERR_NETWORK, 0, 0, "%s: %s", url, reason);
    }
}

static void free_easy(CURL **curl)
{
    curl_easy_cleanup(*curl);
}

static void free_headers(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}

enum err fetch(struct io *io, const struct fetch_request *request, struct buf *out, int *ret_status,
               struct diag *diag)
{
    char reason[CURL_ERROR_SIZE] = "";
    struct fetching f = {out, request->answer_max ? request->answer_max : 256u << 20};
    CLEAN(free_easy) CURL *curl = curl_easy_init();
    CLEAN(free_headers) struct curl_slist *headers = NULL;
    if (!curl)
        return ERR_LIMIT;
    for (size_t i = 0; request->headers && request->headers[i]; i++)
        headers = curl_slist_append(headers, request->headers[i]);
    if (request->body.ptr) {
        char line[128];
        snprintf(line, sizeof line, "Content-Type: %s",
                 request->content_type ? request->content_type : "application/json");
        headers = curl_slist_append(headers, line);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.ptr);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.bytes);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, received);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &f);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                     (long)(request->timeout_ms ? request->timeout_ms : 30000));
    CURLcode code = curl_easy_perform(curl);
    TRY(outcome(code, request->url, reason[0] ? reason : curl_easy_strerror(code), diag));
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    *ret_status = (int)status;
    return OK;
}
