/* SPDX-License-Identifier: MIT */
/* Webhook bodies: what is taken, what is refused and how, all or nothing. */
#include "connect/webhook.h"
#include "source.h"

struct call {
    struct webhook_request request;
    struct webhook_answer answer;
    int answered;
};
static void on_answered(struct webhook_request *request, const struct webhook_answer *answer)
{
    struct call *call = request->owner;
    call->answer = *answer;
    call->answered++;
}
static bool is_answered(void *owner)
{
    return ((struct call *)owner)->answered > 0;
}
static void call_start(struct bench *b, struct call *call, const char *body, const char *type)
{
    call->request.body = str_of(body);
    call->request.content_type = str_of(type);
    call->request.answered = on_answered;
    call->request.owner = call;
    b->connector->webhook->accept(b->source, &call->request);
}
static int call(struct bench *b, struct call *call, const char *body, const char *type)
{
    call_start(b, call, body, type);
    world_until(&b->w, is_answered, call);
    assert_int_equal(1, call->answered);
    return call->answer.status;
}

struct row {
    const char *body, *type;
    int status;
    size_t records;
    const char *message;
};
static const struct row rows[] = {
    {"{\"a\":1}", "application/json", 200, 1, ""},
    {"[{\"a\":1},{\"a\":2}, 3]", "application/json", 200, 3, ""},
    {"[]", "application/json", 200, 0, ""},
    {" \r\n[{\"a\":1}, 2] ", "application/json", 200, 2, ""},
    {"{\"a\":1}\n{\"a\":2}\n", "application/x-ndjson", 200, 2, ""},
    {"{\"a\":1}\r\n\r\n{\"a\":2}", "application/x-ndjson", 200, 2, ""},
    {"{\"a\":1}\n{\"a\":2}\n", "application/json", 200, 2, ""},
    {"{\n\"a\":\n1}", NULL, 200, 1, ""},
    {"\"text\"", NULL, 200, 1, ""},
    {"", NULL, 400, 0, "line 1 column 1: the body is empty"},
    {" \n ", NULL, 400, 0, "line 1 column 1"},
    {"{\"a\":1", "application/json", 400, 0, "line 1 column 7"},
    {"[{\"a\":1},\n{\"a\":}]", "application/json", 400, 0, "line 2 column 6"},
    {"{\"a\":1}\n{\"a\":2}\n{\"a\"}\n", "application/x-ndjson", 400, 0, "line 3 column 5"},
    {"{\"a\":1}\n{\"a\"}", "application/json", 400, 0, "line 2 column 5"},
    {"<xml/>", "text/xml", 400, 0, "line 1 column 1"},
};

static void test_bodies(void **state)
{
    struct bench b;
    size_t total = 0;
    bench_open(&b, "webhook", 1);
    tree_set(&b.settings, "path", "/hooks/users");
    bench_start(&b);
    assert_str("/hooks/users", b.connector->webhook->path(b.source));
    assert_int_equal(1 << 20, b.connector->webhook->body_max(b.source));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct call c = {0};
        int status = call(&b, &c, rows[i].body, rows[i].type);
        if (status != rows[i].status || c.answer.records != rows[i].records ||
            strncmp(c.answer.message, rows[i].message, strlen(rows[i].message)) != 0)
            fail_msg("row %zu: %d, %llu, '%s'", i, status, (unsigned long long)c.answer.records,
                     c.answer.message);
        total += rows[i].records;
        assert_int_equal(total, world_count(&b.w));
    }
    bench_close(&b);
}

static void test_records_and_key(void **state)
{
    struct bench b;
    struct call c = {0};
    struct buf all = {0};
    bench_open(&b, "webhook", 1);
    tree_set(&b.settings, "path", "/h");
    tree_set(&b.settings, "records", "$.items[*]");
    tree_set(&b.settings, "key", "$.id");
    tree_set(&b.settings, "max_body", "100");
    bench_start(&b);
    assert_int_equal(200, call(&b, &c, "{\"items\":[{\"id\":\"x\"},{\"id\":7}]}", NULL));
    bench_collect(&b, &all);
    assert_str("{\"id\":\"x\"};{\"id\":7};", buf_str(&all));
    char body[200] = {0};
    memset(body, ' ', 150);
    body[0] = '1';
    c = (struct call){0};
    assert_int_equal(413, call(&b, &c, body, NULL));
    buf_deinit(&all);
    bench_close(&b);
}

static int with_auth(struct bench *b, const char *authorization, const char *api_key)
{
    struct call c = {0};
    c.request.authorization = str_of(authorization);
    c.request.api_key = str_of(api_key);
    return call(b, &c, "1", NULL);
}

static void test_auth(void **state)
{
    struct bench b;
    bench_open(&b, "webhook", 1);
    tree_set(&b.settings, "path", "/h");
    tree_set(&b.settings, "auth.bearer", "token");
    bench_start(&b);
    assert_int_equal(200, with_auth(&b, "Bearer token", NULL));
    assert_int_equal(200, with_auth(&b, "bearer token", NULL));
    assert_int_equal(401, with_auth(&b, "Bearer tokem", NULL));
    assert_int_equal(401, with_auth(&b, "Bearer tokentoken", NULL));
    assert_int_equal(401, with_auth(&b, "Bearer ", NULL));
    assert_int_equal(401, with_auth(&b, "token", NULL));
    assert_int_equal(401, with_auth(&b, NULL, "token"));
    bench_close(&b);
    bench_open(&b, "webhook", 1);
    tree_set(&b.settings, "path", "/h");
    tree_set(&b.settings, "auth.basic.user", "me");
    tree_set(&b.settings, "auth.basic.password", "pass:word");
    bench_start(&b);
    assert_int_equal(200, with_auth(&b, "Basic bWU6cGFzczp3b3Jk", NULL));
    assert_int_equal(401, with_auth(&b, "Basic bWU6cGFzczp3b3Jm", NULL));
    bench_close(&b);
    bench_open(&b, "webhook", 1);
    tree_set(&b.settings, "path", "/h");
    tree_set(&b.settings, "auth.api_key.value", "k1");
    bench_start(&b);
    assert_int_equal(200, with_auth(&b, NULL, "k1"));
    assert_int_equal(401, with_auth(&b, NULL, NULL));
    assert_int_equal(401, with_auth(&b, NULL, "k2"));
    bench_close(&b);
}

/* Many at once: some are refused with 429, and exactly those answered 200 are there. */
static void test_back_pressure(void **state)
{
    struct bench b;
    static struct call calls[200];
    memset(calls, 0, sizeof calls);
    memset(&b, 0, sizeof b);
    world_open(&b.w, 1, 20000);
    tree_init(&b.settings);
    b.connector = connector_find(STR("webhook"));
    tree_set(&b.settings, "path", "/h");
    bench_start(&b);
    for (int i = 0; i < 200; i++)
        call_start(&b, &calls[i], "[{\"some\":\"record of a few bytes\"},{\"and\":\"another\"}]",
                   NULL);
    size_t taken = 0, refused = 0;
    for (int i = 0; i < 200; i++) {
        world_until(&b.w, is_answered, &calls[i]);
        assert_int_equal(1, calls[i].answered);
        taken += calls[i].answer.records;
        refused += calls[i].answer.status == 429;
        assert_true(calls[i].answer.status == 200 || calls[i].answer.retry_after_s > 0);
    }
    assert_true(refused > 0);
    assert_true(taken > 0);
    assert_int_equal(taken, world_count(&b.w));
    /* It recovers by itself. */
    struct call c = {0};
    assert_int_equal(200, call(&b, &c, "1", NULL));
    /* Stopped with a request under way: it is answered first. */
    struct call last = {0}, late = {0};
    call_start(&b, &last, "2", NULL);
    b.drained = false;
    b.connector->stop(b.source, bench_drained, &b);
    call_start(&b, &late, "3", NULL);
    world_until(&b.w, bench_is_drained, &b);
    assert_int_equal(200, last.answer.status);
    assert_int_equal(503, late.answer.status);
    b.connector->close(b.source);
    b.source = NULL;
    assert_int_equal(taken + 2, world_count(&b.w));
    bench_close(&b);
}

/* The log refuses: 503, and the source can still be stopped. */
static void test_log_refuses(void **state)
{
    struct bench b;
    struct call c = {0}, after = {0};
    bench_open(&b, "webhook", 1);
    tree_set(&b.settings, "path", "/h");
    bench_start(&b);
    assert_int_equal(200, call(&b, &c, "1", NULL));
    assert_ok(log_topic_delete(b.w.log, STR("t")));
    assert_int_equal(503, call(&b, &after, "2", NULL));
    assert_true(after.answer.retry_after_s > 0);
    assert_int_equal(0, after.answer.records);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),      cmocka_unit_test(test_records_and_key),
        cmocka_unit_test(test_auth),        cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_log_refuses),
    };
    return RUN_TESTS(tests);
}
