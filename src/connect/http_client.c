/* SPDX-License-Identifier: MIT */
/*
 * libcurl's multi interface, driven by our loop: libcurl tells which sockets it wants watched and
 * when it wants to be called again; nothing blocks and there is no second thread but the one with
 * which it resolves names.
 *
 * What is fixed: certificates are verified, only http and https (also behind redirects, five at
 * most), compressed answers are asked for and unpacked, and the body, unpacked, is bounded. The
 * library is initialised by the first client, since loading its tables costs a few milliseconds
 * that a program without such a source should not pay.
 */
#include "connect/http_client.h"

#include "base/check.h"
#include "base/mem.h"

#include <curl/curl.h>
#include <stdio.h>

enum { REDIRECTS_MAX = 5, CONNECT_TIMEOUT_MS_MAX = 10000, RESERVE_BYTES_MAX = 16 << 20 };

struct curl_watch {
    struct io_watch watch;
    struct http_client *client;
    struct curl_watch *next;
};

struct http_client {
    struct io_loop *loop;
    CURLM *multi;
    struct io_timer timer;
    struct curl_watch *spare; /* kept until the end: the loop may still look at one */
};

struct http_fetch {
    struct http_client *client;
    struct http_fetch_options options;
    CURL *easy;
    struct curl_slist *headers;     /* of all requests */
    struct curl_slist *conditional; /* of this one: these and the conditions */
    bool running;
    struct http_result result;
    struct buf head; /* texts of the result */
    char error[CURL_ERROR_SIZE];
    bool too_large;
};

/* ---- the multi interface ---- */

static void client_finish(struct http_client *client)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct http_fetch *fetch = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&fetch);
        curl_multi_remove_handle(client->multi, message->easy_handle);
        fetch->running = false;
        if (code == CURLE_OK) {
            long status = 0;
            curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
            fetch->result.status = (int)status;
        } else if (fetch->too_large) {
            fetch->result.error = "the answer is larger than allowed";
        } else {
            fetch->result.error = fetch->error[0] ? fetch->error : curl_easy_strerror(code);
        }
        fetch->options.done(fetch->options.owner, fetch);
    }
}

static void watch_ready(struct io_watch *watch, unsigned events)
{
    struct http_client *client = ((struct curl_watch *)watch)->client;
    int mask = (events & IO_READABLE ? CURL_CSELECT_IN : 0) |
               (events & IO_WRITABLE ? CURL_CSELECT_OUT : 0) |
               (events & IO_ERROR ? CURL_CSELECT_ERR : 0);
    int running;
    curl_multi_socket_action(client->multi, watch->fd, mask, &running);
    client_finish(client);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *owner, void *socket_owner)
{
    (void)easy;
    struct http_client *client = owner;
    struct curl_watch *watch = socket_owner;
    if (what == CURL_POLL_REMOVE) {
        if (watch) {
            check(io_watch_set(client->loop, &watch->watch, 0) == OK);
            watch->next = client->spare;
            client->spare = watch;
        }
        return 0;
    }
    if (!watch) {
        watch = mem_zero(sizeof *watch);
        watch->client = client;
        watch->watch.ready = watch_ready;
        watch->watch.fd = fd;
        curl_multi_assign(client->multi, fd, watch);
    }
    unsigned events =
        (what & CURL_POLL_IN ? IO_READABLE : 0u) | (what & CURL_POLL_OUT ? IO_WRITABLE : 0u);
    return io_watch_set(client->loop, &watch->watch, events) == OK ? 0 : -1;
}

static void timer_fire(struct io_timer *timer)
{
    struct http_client *client = timer->owner;
    int running;
    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    client_finish(client);
}

static int on_timer(CURLM *multi, long timeout_ms, void *owner)
{
    (void)multi;
    struct http_client *client = owner;
    if (timeout_ms < 0)
        io_timer_stop(client->loop, &client->timer);
    else
        io_timer_start(client->loop, &client->timer, (int64_t)timeout_ms * 1000000);
    return 0;
}

enum err http_client_new(struct io_loop *loop, struct http_client **ret_client)
{
    static bool initialised; /* sources open one after the other, in one thread */
    if (!initialised && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return ERR_UNSUPPORTED;
    initialised = true;
    CURLM *multi = curl_multi_init();
    if (!multi)
        return ERR_UNSUPPORTED;
    struct http_client *client = mem_zero(sizeof *client);
    client->loop = loop;
    client->multi = multi;
    client->timer.fire = timer_fire;
    client->timer.owner = client;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client);
    *ret_client = client;
    return OK;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    curl_multi_cleanup(client->multi);
    io_timer_stop(client->loop, &client->timer);
    while (client->spare) {
        struct curl_watch *next = client->spare->next;
        mem_free(client->spare);
        client->spare = next;
    }
    mem_free(client);
}

/* ---- one fetch ---- */

/* Room for what the other side announces, so that a growing body is not copied; it may lie. */
static void reserve_body(struct http_fetch *fetch)
{
    curl_off_t announced = 0;
    curl_easy_getinfo(fetch->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    if (announced > 0 && announced <= RESERVE_BYTES_MAX &&
        (size_t)announced <= fetch->options.body_max)
        (void)buf_reserve(&fetch->result.body, (size_t)announced);
}

static size_t on_body(char *data, size_t size, size_t count, void *owner)
{
    struct http_fetch *fetch = owner;
    size_t bytes = size * count;
    if (fetch->result.body.bytes + bytes > fetch->options.body_max) {
        fetch->too_large = true;
        return 0;
    }
    if (fetch->result.body.bytes == 0)
        reserve_body(fetch);
    buf_append(&fetch->result.body, data, bytes);
    return buf_error(&fetch->result.body) == OK ? bytes : 0;
}

static size_t on_header(char *data, size_t size, size_t count, void *owner)
{
    struct http_fetch *fetch = owner;
    size_t bytes = size * count;
    /* A status line begins a new answer: of a redirect's target, or behind a 100. */
    if (bytes > 5 && memcmp(data, "HTTP/", 5) == 0) {
        buf_reset(&fetch->head);
        buf_reset(&fetch->result.body);
    }
    buf_append(&fetch->head, data, bytes);
    return buf_error(&fetch->head) == OK ? bytes : 0;
}

struct http_fetch *http_fetch_new(struct http_client *client,
                                  const struct http_fetch_options *options)
{
    struct http_fetch *fetch = mem_zero(sizeof *fetch);
    fetch->client = client;
    fetch->options = *options;
    fetch->head.bytes_max = 256 << 10;
    fetch->easy = curl_easy_init();
    check(fetch->easy != NULL);
    int64_t connect_ms =
        options->timeout_ms < CONNECT_TIMEOUT_MS_MAX ? options->timeout_ms : CONNECT_TIMEOUT_MS_MAX;
    CURL *easy = fetch->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, fetch);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, fetch);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, fetch);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, fetch->error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L << 10);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "millrace");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    return fetch;
}

void http_fetch_cancel(struct http_fetch *fetch)
{
    if (fetch->running)
        curl_multi_remove_handle(fetch->client->multi, fetch->easy);
    fetch->running = false;
}

void http_fetch_free(struct http_fetch *fetch)
{
    if (!fetch)
        return;
    http_fetch_cancel(fetch);
    curl_easy_cleanup(fetch->easy);
    curl_slist_free_all(fetch->headers);
    curl_slist_free_all(fetch->conditional);
    buf_deinit(&fetch->result.body);
    buf_deinit(&fetch->head);
    mem_free(fetch);
}

void http_fetch_header(struct http_fetch *fetch, const char *line)
{
    struct curl_slist *list = curl_slist_append(fetch->headers, line);
    check(list != NULL);
    fetch->headers = list;
}

static void conditional_add(struct http_fetch *fetch, const char *line)
{
    struct curl_slist *list = curl_slist_append(fetch->conditional, line);
    check(list != NULL);
    fetch->conditional = list;
}

enum err http_fetch_start(struct http_fetch *fetch, const char *url, struct str etag,
                          struct str modified)
{
    check(!fetch->running);
    buf_reset(&fetch->result.body);
    buf_reset(&fetch->head);
    struct buf body = fetch->result.body;
    fetch->result = (struct http_result){.body = body};
    fetch->error[0] = 0;
    fetch->too_large = false;
    curl_slist_free_all(fetch->conditional);
    fetch->conditional = NULL;
    for (struct curl_slist *line = fetch->headers; line; line = line->next)
        conditional_add(fetch, line->data);
    char text[600];
    if (etag.bytes && etag.bytes < 500) {
        snprintf(text, sizeof text, "If-None-Match: %.*s", STR_ARG(etag));
        conditional_add(fetch, text);
    }
    if (modified.bytes && modified.bytes < 500) {
        snprintf(text, sizeof text, "If-Modified-Since: %.*s", STR_ARG(modified));
        conditional_add(fetch, text);
    }
    curl_easy_setopt(fetch->easy, CURLOPT_HTTPHEADER, fetch->conditional);
    if (curl_easy_setopt(fetch->easy, CURLOPT_URL, url) != CURLE_OK)
        return ERR_INVALID;
    if (curl_multi_add_handle(fetch->client->multi, fetch->easy) != CURLM_OK)
        return ERR_NETWORK;
    fetch->running = true;
    return OK;
}

static struct str head_value(const struct buf *head, const char *name)
{
    struct str rest = head->bytes ? buf_str(head) : STR_NONE, line, key;
    while (str_cut(&rest, '\n', &line)) {
        if (str_cut(&line, ':', &key) && line.ptr && str_equal_nocase(key, str_of(name)))
            return str_trim(line);
    }
    return STR("");
}

struct http_result *http_fetch_result(struct http_fetch *fetch)
{
    struct http_result *result = &fetch->result;
    result->content_type = head_value(&fetch->head, "Content-Type");
    result->etag = head_value(&fetch->head, "ETag");
    result->modified = head_value(&fetch->head, "Last-Modified");
    result->retry_after = head_value(&fetch->head, "Retry-After");
    return result;
}
