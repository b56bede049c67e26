/* SPDX-License-Identifier: MIT */
/*
 * The http source against a server in the same loop that answers by a script: whatever happens on
 * the way, the topic holds each record exactly once, in order, also over restarts.
 */
#include "connect/connect.h"
#include "format/json.h"
#include "serve/http.h"
#include "tree.h"
#include "world.h"

#include <zlib.h>

enum { RECORDS_MAX = 100000 };

/* An API with numbered records: {"items":[{"n":0},..],"next":..}. */
struct api {
    struct world w;
    struct http_server *server;
    uint16_t port;
    struct tree settings;
    struct source *source;
    const struct connector *connector;
    int total; /* records there are */
    int page_size;
    const char *script; /* one letter a request, then all is well */
    size_t requests;
    size_t good;
    int64_t request_ns[64];
    char last_target[512];
    char last_auth[128], last_key[64], last_condition[64];
    bool drained;
    struct http_exchange *held;
    struct http_fetch *unused;
};

static void answer_gzip(struct http_exchange *exchange, struct str text)
{
    uint8_t out[1 << 16];
    z_stream z = {0};
    deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    z.next_in = (Bytef *)(uintptr_t)text.ptr;
    z.avail_in = (uInt)text.bytes;
    z.next_out = out;
    z.avail_out = sizeof out;
    assert_int_equal(Z_STREAM_END, deflate(&z, Z_FINISH));
    http_exchange_answer(exchange, 200, "application/json", str_from(out, sizeof out - z.avail_out),
                         "Content-Encoding: gzip\r\n");
    deflateEnd(&z);
}

static void keep(char *to, size_t room, struct str from)
{
    snprintf(to, room, "%.*s", STR_ARG(from));
}

static int number_of(const struct http_exchange *exchange, const char *name, int fallback)
{
    struct buf value = {0};
    int64_t n = fallback;
    if (http_exchange_query(exchange, name, &value) && str_to_i64(buf_str(&value), &n) != OK)
        n = fallback;
    buf_deinit(&value);
    return (int)n;
}

static void make_page(struct api *api, const struct http_exchange *exchange, struct buf *out)
{
    int from = 0, to;
    struct buf since = {0};
    if (number_of(exchange, "page", 0))
        from = (number_of(exchange, "page", 1) - 1) * api->page_size;
    else if (http_exchange_query(exchange, "since", &since))
        from = number_of(exchange, "since", 0); /* the border record comes again */
    else
        from = number_of(exchange, "after", 0);
    buf_deinit(&since);
    to = from + api->page_size < api->total ? from + api->page_size : api->total;
    buf_text(out, "{\"items\":[");
    for (int i = from; i < to; i++)
        buf_printf(out, "%s{\"n\":%d, \"id\":\"k%d\"}", i > from ? "," : "", i, i);
    if (to < api->total)
        buf_printf(out, "],\"next\":\"%d\"}", to);
    else
        buf_text(out, "],\"next\":null}");
}

static void on_redirect_target(struct http_exchange *exchange, void *owner);

static void on_request(struct http_exchange *exchange, void *owner)
{
    struct api *api = owner;
    const struct http_request *r = http_exchange_request(exchange);
    char what = 0;
    if (api->requests < 64)
        api->request_ns[api->requests] = io_now_ns(api->w.io);
    if (api->script && api->requests < strlen(api->script))
        what = api->script[api->requests];
    api->requests++;
    keep(api->last_target, sizeof api->last_target, r->target);
    keep(api->last_auth, sizeof api->last_auth, http_header_get(r, "Authorization"));
    keep(api->last_key, sizeof api->last_key, http_header_get(r, "X-Key"));
    keep(api->last_condition, sizeof api->last_condition, http_header_get(r, "If-None-Match"));
    struct buf page = {0};
    make_page(api, exchange, &page);
    struct str text = buf_str(&page);
    switch (what) {
    case 'r': /* 429 */
        http_exchange_answer(exchange, 429, "text/plain", STR("slow down"), "Retry-After: 1\r\n");
        break;
    case '5':
        http_exchange_answer(exchange, 503, "text/plain", STR("no"), NULL);
        break;
    case '4':
        http_exchange_answer(exchange, 404, "text/html", STR("<html>"), NULL);
        break;
    case 't': /* half a document */
        http_exchange_answer(exchange, 200, "application/json", str_slice(text, 0, text.bytes / 2),
                             NULL);
        break;
    case 'd': /* the connection breaks */
        http_exchange_break(exchange, str_slice(text, 0, text.bytes / 2));
        break;
    case 'D': /* before a byte */
        http_exchange_break(exchange, STR(""));
        break;
    case 'e':
        http_exchange_answer(exchange, 200, "application/json", STR("{\"items\":[]}"), NULL);
        break;
    case 'h':
        http_exchange_answer(exchange, 200, "text/html", STR("<html>login</html>"), NULL);
        break;
    case 'g':
        answer_gzip(exchange, text);
        break;
    case 'R':
        http_exchange_answer(exchange, 302, NULL, STR(""), "Location: /moved\r\n");
        break;
    case 's': /* slow: never */
        api->held = exchange;
        break;
    case 'L': { /* too large */
        buf_reset(&page);
        buf_char(&page, '"');
        for (int i = 0; i < 300000; i++)
            buf_char(&page, 'x');
        buf_char(&page, '"');
        http_exchange_answer(exchange, 200, "application/json", buf_str(&page), NULL);
        break;
    }
    default:
        if (api->last_condition[0]) {
            http_exchange_answer(exchange, 304, NULL, STR(""), NULL);
        } else {
            api->good++;
            http_exchange_answer(exchange, 200, "application/json", text, "ETag: \"v1\"\r\n");
        }
    }
    buf_deinit(&page);
}

static void on_redirect_target(struct http_exchange *exchange, void *owner)
{
    (void)owner;
    http_exchange_answer(exchange, 200, "application/json",
                         STR("{\"items\":[{\"n\":0, \"id\":\"k0\"}]}"), NULL);
}

static void api_open(struct api *api, int32_t partitions)
{
    memset(api, 0, sizeof *api);
    world_open(&api->w, partitions, 0);
    assert_ok(http_server_new(api->w.loop, NULL, &api->server));
    http_server_route(api->server, "GET", "/items", 0, on_request, api);
    http_server_route(api->server, "GET", "/moved", 0, on_redirect_target, api);
    assert_ok(http_server_listen(api->server, "127.0.0.1:0", NULL, &api->port));
    tree_init(&api->settings);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/items", api->port);
    tree_set(&api->settings, "url", url);
    tree_set(&api->settings, "records", "$.items[*]");
    tree_set(&api->settings, "retry.backoff", "5ms..40ms");
    tree_set(&api->settings, "timeout", "300ms");
    tree_set(&api->settings, "max_answer", "256KB");
    api->connector = connector_find(STR("http"));
    api->page_size = 10;
    api->total = 95;
}

static void api_start(struct api *api)
{
    struct diag_list diags = {0};
    struct diag diag = {0};
    if (settings_check(&api->settings.root, api->connector->keys, "m", &diags) != OK ||
        api->connector->check(&api->settings.root, "m", &diags) != OK)
        fail_msg("%s", diags.items[0].message);
    if (api->connector->open(api->w.loop, &api->settings.root, "/tmp", STR("src"), api->w.feed,
                             &diag, &api->source) != OK)
        fail_msg("%s", diag.message);
    api->connector->start(api->source);
}

static void on_drained(void *owner)
{
    ((struct api *)owner)->drained = true;
}
static bool is_drained(void *owner)
{
    return ((struct api *)owner)->drained;
}
static void api_stop(struct api *api)
{
    api->drained = false;
    api->connector->stop(api->source, on_drained, api);
    assert_false(api->drained);
    world_until(&api->w, is_drained, api);
    api->connector->close(api->source);
    api->source = NULL;
}

static void api_close(struct api *api)
{
    if (api->source)
        api_stop(api);
    if (api->held)
        http_exchange_answer(api->held, 200, NULL, STR(""), NULL);
    http_server_free(api->server);
    tree_free(&api->settings);
    world_close(&api->w);
}

struct appended {
    struct api *api;
    uint64_t count;
};
static bool has_appended(void *owner)
{
    struct appended *a = owner;
    return world_count(&a->api->w) >= a->count;
}
static void wait_records(struct api *api, uint64_t count)
{
    struct appended a = {api, count};
    int64_t end = io_now_ns(api->w.io) + 10000000000;
    while (!has_appended(&a)) {
        struct source_status status = {0};
        if (io_now_ns(api->w.io) > end) {
            api->connector->status(api->source, &status);
            fail_msg("%zu of %llu records after %zu requests, last %s; %s", world_count(&api->w),
                     (unsigned long long)count, api->requests, api->last_target, status.detail);
        }
        io_loop_turn(api->w.loop, 2000000);
    }
}
struct asked {
    struct api *api;
    size_t requests;
};
static bool has_asked(void *owner)
{
    struct asked *a = owner;
    return a->api->requests >= a->requests;
}
static void wait_requests(struct api *api, size_t requests)
{
    struct asked a = {api, requests};
    world_until(&api->w, has_asked, &a);
}

struct numbers {
    uint8_t seen[RECORDS_MAX];
    int64_t last;
    bool ordered;
    size_t count;
};
static void number_seen(void *owner, const struct record *record)
{
    struct numbers *numbers = owner;
    int64_t n = -1;
    assert_ok(str_to_i64(json_member(record->value, "n"), &n));
    assert_in_range(n, 0, RECORDS_MAX - 1);
    if (numbers->seen[n]++)
        fail_msg("record %lld came twice", (long long)n);
    numbers->ordered = numbers->ordered && n > numbers->last;
    numbers->last = n;
    numbers->count++;
}
/* Each of 0..total-1 once, and in order within a partition. */
static void assert_exactly(struct api *api, size_t total)
{
    static struct numbers numbers;
    memset(&numbers, 0, sizeof numbers);
    numbers.ordered = true;
    for (int32_t i = 0; i < api->w.partitions; i++) {
        numbers.last = -1;
        world_records(&api->w, i, number_seen, &numbers);
    }
    assert_true(numbers.ordered);
    assert_int_equal(total, numbers.count);
    for (size_t i = 0; i < total; i++)
        assert_int_equal(1, numbers.seen[i]);
}

static void set_walk(struct api *api, const char *kind)
{
    if (strcmp(kind, "page") == 0) {
        tree_set(&api->settings, "page.param", "page");
        tree_set(&api->settings, "page.size.param", "size");
        tree_set(&api->settings, "page.size.value", "10");
    } else if (strcmp(kind, "cursor") == 0) {
        tree_set(&api->settings, "cursor.param", "after");
        tree_set(&api->settings, "cursor.from", "$.next");
    } else {
        tree_set(&api->settings, "until.param", "since");
        tree_set(&api->settings, "until.from", "$.n");
        tree_set(&api->settings, "until.start", "0");
        tree_set(&api->settings, "key", "$.id");
        tree_set(&api->settings, "every", "2ms");
    }
}

/* Every kind of walk, through every kind of fault, stopped and started in the middle; the API grows
 * meanwhile. */
static void walk_through_faults(const char *kind, const char *script)
{
    struct api api;
    api_open(&api, 2);
    set_walk(&api, kind);
    api.script = script;
    api_start(&api);
    wait_records(&api, 30);
    api_stop(&api);
    world_restart(&api.w);
    api_start(&api);
    wait_records(&api, 95);
    world_turn(&api.w, 60);
    assert_exactly(&api, 95);
    api.total = 103;
    wait_records(&api, 103);
    api_stop(&api);
    world_restart(&api.w);
    api.total = 131;
    api_start(&api);
    wait_records(&api, 131);
    world_turn(&api.w, 60);
    assert_exactly(&api, 131);
    api_close(&api);
}

static void test_walks(void **state)
{
    static const char *const kinds[] = {"page", "cursor", "until"};
    for (size_t i = 0; i < 3; i++) {
        walk_through_faults(kinds[i], "");
        walk_through_faults(kinds[i], "5.t.d.D.h.4.g.L..5555.g");
        walk_through_faults(kinds[i], ".tdDh4g.dDdD..t..5.h");
    }
    walk_through_faults("page", "e.ee.e5e..g.e");
}

/* An API whose pages are never full: each is passed when the one behind it holds records. */
static void test_short_pages(void **state)
{
    struct api api;
    api_open(&api, 1);
    set_walk(&api, "page");
    tree_set(&api.settings, "page.size.value", "12");
    api.total = 40;
    api_start(&api);
    wait_records(&api, 40);
    world_turn(&api.w, 100);
    assert_exactly(&api, 40);
    api_close(&api);
}

/* A power cut instead of a stop: what was flushed is there, the walk goes on behind it. */
static void test_walk_without_stop(void **state)
{
    struct api api;
    api_open(&api, 3);
    set_walk(&api, "page");
    api.total = 2000;
    api_start(&api);
    for (int round = 0; round < 5; round++) {
        wait_records(&api, (uint64_t)(round + 1) * 200);
        api.connector->close(api.source);
        world_restart(&api.w);
        api_start(&api);
    }
    wait_records(&api, 2000);
    world_turn(&api.w, 30);
    assert_exactly(&api, 2000);
    api_close(&api);
}

static void test_status_and_retry_after(void **state)
{
    struct api api;
    struct source_status status;
    api_open(&api, 1);
    set_walk(&api, "page");
    api.script = "rr5";
    api_start(&api);
    wait_requests(&api, 1);
    world_turn(&api.w, 30);
    api.connector->status(api.source, &status);
    assert_int_equal(SOURCE_WAITING, status.state);
    assert_non_null(strstr(status.detail, "HTTP 429"));
    assert_non_null(strstr(status.detail, "(Retry-After)"));
    assert_in_range(status.wait_ms, 500, 1000);
    assert_int_equal(1, status.failures_in_a_row);
    wait_records(&api, 95);
    assert_true(api.request_ns[1] - api.request_ns[0] >= 990000000);
    assert_true(api.request_ns[2] - api.request_ns[1] >= 990000000);
    api.connector->status(api.source, &status);
    assert_int_equal(0, status.failures_in_a_row);
    assert_int_equal(3, status.errors);
    assert_exactly(&api, 95);
    api_close(&api);
}

static void test_timeout(void **state)
{
    struct api api;
    struct source_status status;
    api_open(&api, 1);
    set_walk(&api, "page");
    api.script = "s";
    api_start(&api);
    wait_records(&api, 95);
    api.connector->status(api.source, &status);
    assert_int_equal(1, status.errors);
    api_close(&api);
}

static void test_nobody_there(void **state)
{
    struct api api;
    struct source_status status;
    api_open(&api, 1);
    tree_set(&api.settings, "url", "http://127.0.0.1:9/items");
    api_start(&api);
    world_turn(&api.w, 200);
    api.connector->status(api.source, &status);
    assert_true(status.errors >= 2);
    assert_non_null(strstr(status.detail, "no answer"));
    /* The wait grows: 5, 10, 20, 40, 40 .. at most, halves at least. */
    assert_in_range(status.requests, 3, 60);
    struct diag diag = {0};
    assert_err(ERR_NETWORK, api.connector->probe(api.w.io, &api.settings.root, "/tmp", &diag));
    assert_int_equal(1, diag.line);
    api_close(&api);
}

/* Polling: an unchanged answer is 304, and with a key even a full one adds nothing. */
static void test_polling(void **state)
{
    struct api api;
    struct feed_counters counters;
    api_open(&api, 2);
    tree_set(&api.settings, "every", "5ms");
    tree_set(&api.settings, "key", "$.id");
    api.script = ".....gg";
    api_start(&api);
    wait_requests(&api, 12);
    assert_string_equal("\"v1\"", api.last_condition);
    assert_exactly(&api, 10);
    api.page_size = 15;
    api.script = "............................................................g";
    api.requests = 60;
    wait_requests(&api, 62);
    wait_records(&api, 15);
    assert_exactly(&api, 15);
    feed_counters(api.w.feed, &counters);
    assert_true(counters.repeated >= 10);
    api_stop(&api);
    world_restart(&api.w);
    api_start(&api);
    wait_requests(&api, 66);
    world_turn(&api.w, 20);
    assert_exactly(&api, 15);
    api_close(&api);
}

static void test_polling_without_key(void **state)
{
    struct api api;
    api_open(&api, 1);
    tree_set(&api.settings, "every", "5ms");
    api.script = "g5gdg";
    api_start(&api);
    wait_requests(&api, 6);
    world_turn(&api.w, 20);
    /* Each good answer once: three packed ones and the first plain one, then 304. */
    assert_int_equal(40, world_count(&api.w));
    api_close(&api);
}

static void test_rate_limit(void **state)
{
    struct api api;
    api_open(&api, 1);
    set_walk(&api, "page");
    tree_set(&api.settings, "limit", "20/s");
    api.total = 50;
    int64_t start_ns = io_now_ns(api.w.io);
    api_start(&api);
    wait_records(&api, 50);
    /* Four pauses of 50 ms lie between five requests; a turn's clock may be a little behind. */
    assert_true(api.request_ns[4] - start_ns >= 190000000);
    api_close(&api);
}

static void test_request_parts(void **state)
{
    struct api api;
    api_open(&api, 1);
    set_walk(&api, "page");
    tree_set(&api.settings, "query.a b", "x&y");
    tree_set(&api.settings, "headers.X-Key", "secret");
    tree_set(&api.settings, "auth.basic.user", "me");
    tree_set(&api.settings, "auth.basic.password", "pass:word");
    api_start(&api);
    wait_requests(&api, 1);
    assert_string_equal("/items?a%20b=x%26y&size=10&page=1", api.last_target);
    assert_string_equal("Basic bWU6cGFzczp3b3Jk", api.last_auth);
    assert_string_equal("secret", api.last_key);
    api_close(&api);
    api_open(&api, 1);
    tree_set(&api.settings, "auth.bearer", "token");
    api.script = "R";
    api_start(&api);
    wait_records(&api, 1);
    assert_string_equal("Bearer token", api.last_auth);
    api_close(&api);
    api_open(&api, 1);
    tree_set(&api.settings, "auth.api_key.param", "k");
    tree_set(&api.settings, "auth.api_key.value", "v");
    api_start(&api);
    wait_requests(&api, 1);
    assert_string_equal("/items?k=v", api.last_target);
    struct diag diag = {0};
    (void)diag;
    api_close(&api);
}

/* The log refuses what was fetched: it is kept and tried again, and a stop does not wait for it. */
static void test_log_refuses(void **state)
{
    struct api api;
    struct source_status status = {0};
    api_open(&api, 1);
    set_walk(&api, "page");
    api_start(&api);
    wait_records(&api, 20);
    assert_ok(log_topic_delete(api.w.log, STR("t")));
    api.total = 1000;
    int64_t end = io_now_ns(api.w.io) + 10000000000;
    while (status.state != SOURCE_BLOCKED && io_now_ns(api.w.io) < end) {
        io_loop_turn(api.w.loop, 1000000);
        api.connector->status(api.source, &status);
    }
    assert_int_equal(SOURCE_BLOCKED, status.state);
    assert_non_null(strstr(status.detail, "cannot be appended"));
    world_turn(&api.w, 60);
    api_close(&api);
}

static void check_one(const char *path1, const char *text1, const char *path2, const char *text2,
                      const char *message)
{
    struct tree t;
    struct diag_list diags = {0};
    tree_init(&t);
    tree_set(&t, "url", "http://a/");
    tree_set(&t, path1, text1);
    if (path2)
        tree_set(&t, path2, text2);
    assert_err(ERR_INVALID, connector_find(STR("http"))->check(&t.root, "m", &diags));
    assert_int_equal(1, diags.count);
    if (!strstr(diags.items[0].message, message))
        fail_msg("%s", diags.items[0].message);
    diag_list_deinit(&diags);
    tree_free(&t);
}

static void test_check(void **state)
{
    check_one("page.param", "p", "cursor.param", "c", "in one way only");
    check_one("until.param", "u", NULL, NULL, "needs key:");
    check_one("auth.bearer", "u", "auth.basic.user", "x", "one of bearer");
    check_one("auth.api_key.value", "u", NULL, NULL, "either header: or param:");
    check_one("headers.X", "a\r\nB: c", NULL, NULL, "line break");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walks),
        cmocka_unit_test(test_short_pages),
        cmocka_unit_test(test_walk_without_stop),
        cmocka_unit_test(test_status_and_retry_after),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_polling),
        cmocka_unit_test(test_polling_without_key),
        cmocka_unit_test(test_rate_limit),
        cmocka_unit_test(test_request_parts),
        cmocka_unit_test(test_log_refuses),
        cmocka_unit_test(test_check),
    };
    return RUN_TESTS(tests);
}
