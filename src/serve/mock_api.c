/* SPDX-License-Identifier: MIT */
/*
 * An offline randomuser.me: GET /api/ with results, page, seed, nat, gender, inc, exc, noinfo.
 *
 * As with the real service the same seed and page give the same users; user numbers run on over
 * pages ((page - 1) * results ..), so any page size walks the same sequence. Like the real service,
 * a `results` that is no number from 1 to 5000 means 1. What the real one offers and this does not
 * (csv, yaml, xml, pretty) is refused with 400.
 *
 * Faults come by chance from the seed, one at most for a request. The rate limit is a bucket of
 * rate_per_minute tokens that fills evenly.
 */
#include "serve/mock_private.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/prng.h"
#include "format/json.h"

enum { RESULTS_MAX = 5000, SLOW_MS_MIN = 500, SLOW_MS_SPAN = 2500 };

enum fault {
    FAULT_RATE_LIMIT,
    FAULT_500,
    FAULT_SLOW,
    FAULT_EMPTY,
    FAULT_TRUNCATE,
    FAULT_DROP,
    FAULT_COUNT
};
static const char *const fault_names[FAULT_COUNT] = {"rate-limit", "500",      "slow",
                                                     "empty",      "truncate", "drop"};
static const double fault_default = 0.05;

struct slow_answer {
    struct mock_api *api;
    struct http_exchange *exchange;
    struct io_timer timer;
    struct buf page;
    struct slow_answer *next, **link;
};

struct mock_api {
    struct http_server *server;
    struct io_loop *loop;
    struct mock_api_options options;
    uint16_t port;
    double faults[FAULT_COUNT];
    struct prng prng;
    uint64_t requests; /* without a seed */
    double tokens;
    int64_t tokens_ns;
    struct buf page;
    struct slow_answer *slow;
};

struct mock_request {
    char seed_text[128];
    uint64_t seed;
    uint64_t results;
    uint64_t page;
    bool no_info;
    struct mock_filter filter;
};

/* ---- reading the query ---- */

static void answer_error(struct http_exchange *exchange, int status, const char *message,
                         const char *extra)
{
    struct buf text = {0};
    struct json_writer w = {.out = &text};
    json_open(&w, '{');
    json_key(&w, "error");
    json_str(&w, str_of(message));
    json_close(&w, '}');
    http_exchange_answer(exchange, status, "application/json; charset=utf-8", buf_str(&text),
                         extra);
    buf_deinit(&text);
}

static uint64_t number_or(const struct http_exchange *exchange, const char *name, uint64_t max,
                          struct buf *value)
{
    uint64_t number = 1;
    buf_reset(value);
    if (!http_exchange_query(exchange, name, value) || str_to_u64(buf_str(value), &number) != OK ||
        number < 1 || number > max)
        return 1;
    return number;
}

static unsigned fields_of(struct str list)
{
    unsigned fields = 0;
    struct str part;
    while (str_cut(&list, ',', &part))
        fields |= mock_field_parse(str_trim(part));
    return fields;
}

static uint32_t nations_of(struct str list)
{
    uint32_t nations = 0;
    struct str part;
    while (str_cut(&list, ',', &part)) {
        for (size_t i = 0; i < mock_nation_count; i++) {
            if (str_equal_nocase(str_trim(part), str_of(mock_nations[i].code)))
                nations |= 1u << i;
        }
    }
    return nations;
}

static void request_seed(struct mock_api *api, const struct http_exchange *exchange,
                         struct mock_request *r, struct buf *value)
{
    buf_reset(value);
    if (http_exchange_query(exchange, "seed", value) && value->bytes) {
        size_t n = 0;
        /* What could not stand in a JSON string without escapes is left out. */
        for (size_t i = 0; i < value->bytes && n < sizeof r->seed_text - 1; i++) {
            uint8_t c = value->ptr[i];
            if (c >= ' ' && c < 0x7F && c != '"' && c != '\\')
                r->seed_text[n++] = (char)c;
        }
        r->seed_text[n] = 0;
        r->seed = hash_bytes(value->ptr, value->bytes, 0);
        return;
    }
    uint64_t own = api->options.never_repeat ? prng_mix(api->options.seed + api->requests++)
                                             : prng_mix(api->options.seed);
    snprintf(r->seed_text, sizeof r->seed_text, "%016llx", (unsigned long long)own);
    r->seed = hash_bytes(r->seed_text, 16, 0);
}

/* False: the exchange was answered. */
static bool request_read(struct mock_api *api, struct http_exchange *exchange,
                         struct mock_request *r)
{
    struct buf value = {.bytes_max = HTTP_HEAD_BYTES_MAX};
    bool fine = true;
    struct str version = http_exchange_param(exchange, "version");
    if (http_exchange_query(exchange, "format", &value) && value.bytes &&
        !str_equal_nocase(buf_str(&value), STR("json"))) {
        answer_error(exchange, 400, "this mock offers format=json only", NULL);
        fine = false;
    } else if (version.ptr && !str_equal(version, STR("1.4"))) {
        answer_error(exchange, 400, "this mock offers version 1.4 only", NULL);
        fine = false;
    } else {
        request_seed(api, exchange, r, &value);
        r->results = number_or(exchange, "results", RESULTS_MAX, &value);
        r->page = number_or(exchange, "page", 1u << 30, &value);
        buf_reset(&value);
        r->no_info = http_query_get(http_exchange_request(exchange)->query, "noinfo", &value);
        r->filter.fields = MOCK_ALL;
        buf_reset(&value);
        if (http_exchange_query(exchange, "inc", &value) && fields_of(buf_str(&value)))
            r->filter.fields = fields_of(buf_str(&value));
        buf_reset(&value);
        if (http_exchange_query(exchange, "exc", &value))
            r->filter.fields &= ~fields_of(buf_str(&value));
        buf_reset(&value);
        if (http_exchange_query(exchange, "nat", &value))
            r->filter.nations = nations_of(buf_str(&value));
        buf_reset(&value);
        if (http_exchange_query(exchange, "gender", &value))
            r->filter.gender = str_equal_nocase(buf_str(&value), STR("male"))     ? 'm'
                               : str_equal_nocase(buf_str(&value), STR("female")) ? 'f'
                                                                                  : 0;
    }
    buf_deinit(&value);
    return fine;
}

static void page_make(const struct mock_request *r, uint64_t count, struct buf *out)
{
    buf_reset(out);
    buf_text(out, "{\"results\":[");
    uint64_t first = (r->page - 1) * r->results;
    for (uint64_t i = 0; i < count; i++) {
        if (i)
            buf_char(out, ',');
        mock_user_append(r->seed, first + i, &r->filter, out);
    }
    buf_char(out, ']');
    if (!r->no_info)
        buf_printf(out,
                   ",\"info\":{\"seed\":\"%s\",\"results\":%llu,\"page\":%llu,\"version\":\"1.4\"}",
                   r->seed_text, (unsigned long long)count, (unsigned long long)r->page);
    buf_char(out, '}');
}

/* ---- faults ---- */

static enum fault fault_draw(struct mock_api *api)
{
    double chance = prng_real(&api->prng);
    for (int i = 0; i < FAULT_COUNT; i++) {
        if (chance < api->faults[i])
            return (enum fault)i;
        chance -= api->faults[i];
    }
    return FAULT_COUNT;
}

/* 0, or the seconds to wait. */
static int rate_take(struct mock_api *api)
{
    double per_minute = api->options.rate_per_minute;
    if (per_minute == 0)
        return 0;
    int64_t now_ns = io_loop_now_ns(api->loop);
    api->tokens += (double)(now_ns - api->tokens_ns) * per_minute / 60e9;
    api->tokens_ns = now_ns;
    if (api->tokens > per_minute)
        api->tokens = per_minute;
    if (api->tokens >= 1) {
        api->tokens -= 1;
        return 0;
    }
    return 1 + (int)((1 - api->tokens) * 60 / per_minute);
}

static void answer_429(struct http_exchange *exchange, int seconds)
{
    char extra[64];
    snprintf(extra, sizeof extra, "Retry-After: %d\r\n", seconds);
    answer_error(exchange, 429, "too many requests; slow down", extra);
}

static const char json_type[] = "application/json; charset=utf-8";
static const char cors[] = "Access-Control-Allow-Origin: *\r\n";

static void slow_free(struct slow_answer *slow)
{
    *slow->link = slow->next;
    if (slow->next)
        slow->next->link = slow->link;
    io_timer_stop(slow->api->loop, &slow->timer);
    buf_deinit(&slow->page);
    mem_free(slow);
}

static void slow_fire(struct io_timer *timer)
{
    struct slow_answer *slow = timer->owner;
    http_exchange_answer(slow->exchange, 200, json_type, buf_str(&slow->page), cors);
    slow_free(slow);
}

static void answer_slowly(struct mock_api *api, struct http_exchange *exchange,
                          const struct mock_request *r)
{
    struct slow_answer *slow = mem_zero(sizeof *slow);
    slow->api = api;
    slow->exchange = exchange;
    slow->timer.fire = slow_fire;
    slow->timer.owner = slow;
    slow->next = api->slow;
    slow->link = &api->slow;
    if (slow->next)
        slow->next->link = &slow->next;
    api->slow = slow;
    page_make(r, r->results, &slow->page);
    int64_t ms = SLOW_MS_MIN + (int64_t)prng_below(&api->prng, SLOW_MS_SPAN);
    io_timer_start(api->loop, &slow->timer, ms * 1000000);
}

static void handle(struct http_exchange *exchange, void *owner)
{
    struct mock_api *api = owner;
    struct mock_request r = {.page = 1};
    int wait_s = rate_take(api);
    if (wait_s) {
        answer_429(exchange, wait_s);
        return;
    }
    if (!request_read(api, exchange, &r))
        return;
    enum fault fault = fault_draw(api);
    switch (fault) {
    case FAULT_RATE_LIMIT:
        answer_429(exchange, 1 + (int)prng_below(&api->prng, 3));
        return;
    case FAULT_500:
        answer_error(exchange, 500, "the mock fails as it was told to", NULL);
        return;
    case FAULT_SLOW:
        answer_slowly(api, exchange, &r);
        return;
    default:
        break;
    }
    page_make(&r, fault == FAULT_EMPTY ? 0 : r.results, &api->page);
    struct str page = buf_str(&api->page);
    if (fault == FAULT_DROP)
        http_exchange_break(exchange, str_slice(page, 0, page.bytes / 2));
    else if (fault == FAULT_TRUNCATE)
        http_exchange_answer(exchange, 200, json_type, str_slice(page, 0, page.bytes / 2), cors);
    else
        http_exchange_answer(exchange, 200, json_type, page, cors);
}

/* ---- the server ---- */

static enum err fault_parse(struct mock_api *api, struct str part, struct diag *diag)
{
    struct str name = STR_NONE;
    if (!str_cut(&part, '=', &name))
        return OK;
    name = str_trim(name);
    double chance = fault_default;
    if (part.ptr && (str_to_f64(str_trim(part), &chance) != OK || chance < 0 || chance > 1))
        return diag_set(diag, ERR_INVALID, 0, 0, "the chance of '%.*s' is not between 0 and 1",
                        STR_ARG(name));
    for (int i = 0; i < FAULT_COUNT; i++) {
        if (str_equal(name, str_of(fault_names[i]))) {
            api->faults[i] = chance;
            return OK;
        }
    }
    enum err err = diag_set(diag, ERR_INVALID, 0, 0, "there is no fault '%.*s'", STR_ARG(name));
    diag_hint(diag, "faults: rate-limit, 500, slow, empty, truncate, drop");
    return err;
}

enum err mock_api_new(struct io_loop *loop, const struct mock_api_options *options,
                      struct diag *diag, struct mock_api **ret_api)
{
    struct mock_api *api = mem_zero(sizeof *api);
    api->loop = loop;
    api->options = *options;
    api->prng.state = options->seed;
    api->tokens = options->rate_per_minute;
    api->tokens_ns = io_loop_now_ns(loop);
    struct str faults = str_of(options->faults ? options->faults : ""), part;
    enum err err = OK;
    while (err == OK && faults.bytes && str_cut(&faults, ',', &part))
        err = fault_parse(api, part, diag);
    if (err == OK)
        err = http_server_new(loop, NULL, &api->server);
    if (err == OK) {
        static const char *const paths[] = {"/api", "/api/", "/api/{version}", "/api/{version}/"};
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
            http_server_route(api->server, "GET", paths[i], 0, handle, api);
        err = http_server_listen(api->server, options->address, NULL, &api->port);
        if (err != OK)
            diag_set(diag, err, 0, 0, "cannot listen on %s: %s", options->address, err_text(err));
    }
    if (err != OK) {
        mock_api_free(api);
        return err;
    }
    *ret_api = api;
    return OK;
}

uint16_t mock_api_port(const struct mock_api *api)
{
    return api->port;
}

void mock_api_free(struct mock_api *api)
{
    if (!api)
        return;
    /* Answered at once, so that nothing of this server waits for anything. */
    while (api->slow)
        slow_fire(&api->slow->timer);
    http_server_free(api->server);
    buf_deinit(&api->page);
    mem_free(api);
}
