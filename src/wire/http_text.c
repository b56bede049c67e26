/* SPDX-License-Identifier: MIT */
/*
 * The small texts of HTTP: percent escapes (RFC 3986), query parameters, dates (RFC 9110 5.6.7),
 * chunked bodies (RFC 9112 7.1) and the heads of answers.
 *
 * Chunks are read by a state machine, byte by byte in the lines and in runs in the content, so that
 * a body may arrive cut anywhere. Chunk extensions and trailers are skipped but bounded; their
 * lines obey the same rules as those of the head: CRLF only.
 */
#include "wire/http.h"

#include "base/civil.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum err http_percent_decode(struct str text, bool plus, struct buf *out)
{
    for (size_t i = 0; i < text.bytes; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.bytes ? hex_digit(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.bytes ? hex_digit(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return ERR_SYNTAX;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        buf_char(out, c);
    }
    return buf_error(out);
}

void http_percent_encode(struct str text, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.bytes; i++) {
        uint8_t c = (uint8_t)text.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            buf_char(out, (char)c);
        } else {
            buf_char(out, '%');
            buf_char(out, digits[c >> 4]);
            buf_char(out, digits[c & 15]);
        }
    }
}

bool http_query_get(struct str query, const char *name, struct buf *out)
{
    struct str part;
    struct buf key = {.bytes_max = HTTP_HEAD_BYTES_MAX};
    bool found = false;
    while (!found && str_cut(&query, '&', &part)) {
        struct str key_text = STR("");
        if (!str_cut(&part, '=', &key_text))
            continue;
        buf_reset(&key);
        if (http_percent_decode(key_text, true, &key) != OK ||
            !str_equal(buf_str(&key), str_of(name)))
            continue;
        found = http_percent_decode(part, true, out) == OK;
    }
    buf_deinit(&key);
    return found;
}

/* ---- chunks ---- */

enum chunk_state {
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER_START,
    CHUNK_TRAILER,
    CHUNK_TRAILER_LF,
    CHUNK_END_LF,
    CHUNK_DONE,
};
enum { CHUNK_LINE_MAX = 4096 };

/* One byte of the frame around the content. */
static enum err chunk_byte(struct http_chunks *chunks, uint8_t c)
{
    switch (chunks->state) {
    case CHUNK_SIZE: {
        int digit = hex_digit((char)c);
        if (digit >= 0) {
            if (chunks->line_bytes == 15)
                return ERR_SYNTAX;
            chunks->left = chunks->left * 16 + (uint64_t)digit;
        } else if (chunks->line_bytes == 0) {
            return ERR_SYNTAX;
        } else if (c == '\r') {
            chunks->state = CHUNK_SIZE_LF;
        } else if (c == ';') {
            chunks->state = CHUNK_EXTENSION;
        } else {
            return ERR_SYNTAX;
        }
        break;
    }
    case CHUNK_EXTENSION:
        if (c == '\r')
            chunks->state = CHUNK_SIZE_LF;
        else if (c == '\n' || c == 0)
            return ERR_SYNTAX;
        break;
    case CHUNK_SIZE_LF:
        chunks->state = chunks->left ? CHUNK_DATA : CHUNK_TRAILER_START;
        chunks->line_bytes = 0;
        return c == '\n' ? OK : ERR_SYNTAX;
    case CHUNK_DATA_CR:
        chunks->state = CHUNK_DATA_LF;
        return c == '\r' ? OK : ERR_SYNTAX;
    case CHUNK_DATA_LF:
        chunks->state = CHUNK_SIZE;
        chunks->line_bytes = 0;
        return c == '\n' ? OK : ERR_SYNTAX;
    case CHUNK_TRAILER_START:
        chunks->state = c == '\r' ? CHUNK_END_LF : CHUNK_TRAILER;
        if (c == '\n' || c == 0 || c == ' ' || c == '\t')
            return ERR_SYNTAX;
        break;
    case CHUNK_TRAILER:
        if (c == '\r')
            chunks->state = CHUNK_TRAILER_LF;
        else if (c == '\n' || c == 0)
            return ERR_SYNTAX;
        break;
    case CHUNK_TRAILER_LF:
        chunks->state = CHUNK_TRAILER_START;
        return c == '\n' ? OK : ERR_SYNTAX;
    default:
        chunks->state = CHUNK_DONE;
        return c == '\n' ? OK : ERR_SYNTAX;
    }
    return ++chunks->line_bytes > CHUNK_LINE_MAX ? ERR_LIMIT : OK;
}

enum err http_chunks_feed(struct http_chunks *chunks, const uint8_t *data, size_t bytes,
                          size_t body_max, struct buf *out, size_t *ret_consumed, bool *ret_done)
{
    size_t at = 0;
    while (at < bytes && chunks->state != CHUNK_DONE) {
        if (chunks->state != CHUNK_DATA) {
            TRY(chunk_byte(chunks, data[at++]));
            continue;
        }
        /* Refused by its announced size, before the content is there. */
        if (chunks->left > body_max || out->bytes > body_max - (size_t)chunks->left)
            return ERR_LIMIT;
        size_t part = bytes - at < chunks->left ? bytes - at : (size_t)chunks->left;
        buf_append(out, data + at, part);
        TRY(buf_error(out));
        at += part;
        chunks->left -= part;
        if (chunks->left == 0)
            chunks->state = CHUNK_DATA_CR;
    }
    *ret_consumed = at;
    *ret_done = chunks->state == CHUNK_DONE;
    return OK;
}

/* ---- dates ---- */

static const char day_names[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

void http_date_print(struct buf *out, int64_t us)
{
    struct civil t;
    civil_from_us(us, &t);
    int64_t day = civil_days(t.year, t.month, t.day) % 7;
    buf_printf(out, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", day_names + 3 * ((day + 7) % 7),
               t.day, month_names + 3 * (t.month - 1), (int)t.year, t.hour, t.minute, t.second);
}

static bool two_digits(const char *at, int max, int *ret_value)
{
    if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9')
        return false;
    *ret_value = (at[0] - '0') * 10 + (at[1] - '0');
    return *ret_value <= max;
}

enum err http_date_parse(struct str text, int64_t *ret_us)
{
    struct civil t = {0};
    int century, year;
    const char *p = text.ptr;
    if (text.bytes != 29 || memcmp(p + 3, ", ", 2) != 0 || memcmp(p + 25, " GMT", 4) != 0)
        return ERR_SYNTAX;
    if (!two_digits(p + 5, 31, &t.day) || !two_digits(p + 12, 99, &century) ||
        !two_digits(p + 14, 99, &year) || !two_digits(p + 17, 23, &t.hour) ||
        !two_digits(p + 20, 59, &t.minute) || !two_digits(p + 23, 60, &t.second))
        return ERR_SYNTAX;
    for (int month = 0; month < 12; month++) {
        if (memcmp(p + 8, month_names + (size_t)(3 * month), 3) == 0)
            t.month = month + 1;
    }
    t.year = century * 100 + year;
    if (t.month == 0 || t.day == 0 || t.day > civil_days_in_month(t.year, t.month))
        return ERR_SYNTAX;
    if (t.second == 60) /* a leap second */
        t.second = 59;
    *ret_us = civil_to_us(&t);
    return OK;
}

/* ---- answers ---- */

struct status_text {
    int status;
    const char *text;
};
static const struct status_text status_texts[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

const char *http_status_text(int status)
{
    for (size_t i = 0; i < sizeof status_texts / sizeof *status_texts; i++) {
        if (status_texts[i].status == status)
            return status_texts[i].text;
    }
    return "Unknown";
}

static void number_append(struct buf *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buf_append(out, digits + at, sizeof digits - at);
}

void http_response_head(struct buf *out, int status, const char *content_type,
                        int64_t content_length, bool keep_alive, const char *extra)
{
    /* No printf: this is written once a request. */
    if (status == 200) {
        buf_str_append(out, STR("HTTP/1.1 200 OK\r\n"));
    } else {
        buf_str_append(out, STR("HTTP/1.1 "));
        number_append(out, (uint64_t)status);
        buf_char(out, ' ');
        buf_text(out, http_status_text(status));
        buf_str_append(out, STR("\r\n"));
    }
    if (content_type) {
        buf_str_append(out, STR("Content-Type: "));
        buf_text(out, content_type);
        buf_str_append(out, STR("\r\n"));
    }
    if (content_length == -1) {
        buf_str_append(out, STR("Transfer-Encoding: chunked\r\n"));
    } else if (content_length >= 0 && status >= 200 && status != 204 && status != 304) {
        buf_str_append(out, STR("Content-Length: "));
        number_append(out, (uint64_t)content_length);
        buf_str_append(out, STR("\r\n"));
    }
    if (keep_alive)
        buf_str_append(out, STR("Connection: keep-alive\r\n"));
    else
        buf_str_append(out, STR("Connection: close\r\n"));
    if (extra)
        buf_text(out, extra);
    buf_str_append(out, STR("\r\n"));
}
