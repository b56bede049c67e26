/* SPDX-License-Identifier: MIT */
/* What is read as committed: no markers, nothing of aborted transactions, nothing that is open. And
 * the URLs that name a Kafka. */
#include "tool.h"

#include "io/sim.h"
#include "log/kafka_trouble.h"

struct world {
    struct tool tool;
    struct log_partition *p;
    int32_t next[8]; /* sequence of each producer */
};

static void begin(struct world *w)
{
    struct io_sim_options options = {.seed = 1};
    struct log_topic_config config;
    struct log_topic *topic;
    *w = (struct world){.tool.io = io_sim_new(&options)};
    snprintf(w->tool.dir, sizeof w->tool.dir, "d");
    log_topic_config_default(&config);
    tool_open(&w->tool, NULL);
    assert_ok(log_topic_create(w->tool.log, STR("t"), &config, NULL, &topic));
    w->p = log_topic_partition(topic, 0);
}

static void end(struct world *w)
{
    log_close(w->tool.log);
    io_free(w->tool.io);
}

/* One batch of two records, in a transaction (id > 0) or plain. */
static void give(struct world *w, int id, const char *value)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct record_batch_builder b;
    int64_t now_ms = io_wall_us(w->tool.io) / 1000;
    record_batch_builder_init(&b, CODEC_NONE, 0);
    if (id > 0) {
        b.producer_id = id;
        b.producer_epoch = 0;
        b.base_sequence = w->next[id];
        b.attributes = BATCH_TRANSACTIONAL;
        w->next[id] += 2;
    }
    record_batch_builder_add(&b, now_ms, STR("k"), str_of(value), NULL, 0);
    record_batch_builder_add(&b, now_ms, STR("k"), str_of(value), NULL, 0);
    assert_ok(record_batch_builder_finish(&b, &out));
    record_batch_builder_deinit(&b);
    assert_ok(log_append_wait(w->p, out.ptr, out.bytes, NULL));
}

static void done(struct log_append *append)
{
    *(bool *)append->owner = true;
}

static void mark(struct world *w, int id, bool commit)
{
    CLEAN(buf_deinit) struct buf out = {0};
    bool answered = false;
    log_marker_encode(id, 0, commit, 0, io_wall_us(w->tool.io) / 1000, &out);
    struct log_append append = {
        .batches = out.ptr, .bytes = out.bytes, .done = done, .owner = &answered, .control = true};
    assert_ok(log_append(w->p, &append));
    while (!answered)
        log_step(w->tool.log);
    assert_ok(append.err);
}

/* "0=a 1=a | 5": offsets and values, and where to go on. */
static void committed_are(struct world *w, int64_t from, const char *want)
{
    CLEAN(buf_deinit) struct buf out = {0}, text = {0};
    struct log_read read;
    buf_text(&out, "before");
    assert_ok(log_read_committed(w->p, from, 1 << 20, &out, &read));
    assert_memory_equal(out.ptr, "before", 6);
    for (size_t at = 6; at < out.bytes;) {
        struct record_batch batch;
        struct record_iterator it;
        assert_ok(record_batch_parse(out.ptr + at, out.bytes - at, true, &batch));
        assert_ok(record_iterator_init(&it, &batch, 1 << 20));
        for (struct record r; record_iterator_next(&it, &r);)
            buf_printf(&text, "%d=%.*s ", (int)r.offset, STR_ARG(r.value));
        record_iterator_deinit(&it);
        at += batch.bytes_count;
    }
    buf_printf(&text, "| %d", (int)read.offset_next);
    assert_string_equal(want, buf_c_str(&text));
}

static void aborted_and_open_are_left_out(void **state)
{
    struct world world, *w = &world;
    begin(w);
    give(w, 0, "a");
    give(w, 1, "b");
    give(w, 2, "c");
    committed_are(w, 0, "0=a 1=a | 2");
    committed_are(w, 2, "| 2");
    mark(w, 2, true);
    committed_are(w, 0, "0=a 1=a | 2");
    mark(w, 1, false);
    committed_are(w, 0, "0=a 1=a 4=c 5=c | 8");
    committed_are(w, 3, "4=c 5=c | 8");
    committed_are(w, 6, "| 8");
    give(w, 1, "d");
    mark(w, 1, true);
    give(w, 0, "e");
    committed_are(w, 2, "4=c 5=c 8=d 9=d 11=e 12=e | 13");
    /* From inside of an aborted batch. */
    give(w, 2, "f");
    mark(w, 2, false);
    committed_are(w, 14, "| 16");
    committed_are(w, 12, "11=e 12=e | 16");
    end(w);
}

static void urls_of_a_kafka(void **state)
{
    static const char *const good[] = {
        "kafka://a:9092",
        "kafka://a:9092,b:9093,c",
        "kafka://[::1]:9092/",
        "kafka://a:1?security.protocol=SASL_SSL&sasl.mechanisms=PLAIN&sasl.password=%26x%3D",
    };
    static const struct {
        const char *url, *message, *hint;
    } bad[] = {
        {"http://user:geheim@a", "'http://' is not the URL of a Kafka",
         "write kafka://HOST:PORT,HOST:PORT"},
        {"kafka://", "'' is not the address of a Kafka broker",
         "write kafka://HOST:PORT,HOST:PORT"},
        {"kafka://user:geheim@a:1", "a Kafka takes no USER:PASSWORD@ before the host",
         "write "
         "?security.protocol=SASL_SSL&sasl.mechanisms=PLAIN&sasl.username=..&sasl.password=.. "
         "behind the brokers"},
        {"kafka://a:1?ssl.key.pem=geheim&security.protocol=x",
         "security.protocol of the Kafka connection: Invalid value \"x\" for configuration "
         "property "
         "\"security.protocol\"",
         ""},
        {"kafka://a:1?sasl.password=ab&geheim", "there is no = behind a & of the Kafka's URL",
         "write ?NAME=VALUE&NAME=VALUE, and %26 for a & inside a value"},
        {"kafka://a:0", "'a:0' is not the address of a Kafka broker",
         "write kafka://HOST:PORT,HOST:PORT"},
        {"kafka://a:1,:2", "':2' is not the address of a Kafka broker",
         "write kafka://HOST:PORT,HOST:PORT"},
        {"kafka://a:1?isolation.level=read_uncommitted",
         "'isolation.level' is not a setting of a Kafka connection",
         "write ?NAME=VALUE&NAME=VALUE, as ?security.protocol=SASL_SSL"},
        {"kafka://a:1?security.protocl=SSL",
         "'security.protocl' is not a setting of a Kafka connection",
         "did you mean 'security.protocol'?"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct diag diag = {0};
        assert_ok(log_kafka_check(str_of(good[i]), &diag));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct diag diag = {0};
        assert_err(ERR_INVALID, log_kafka_check(str_of(bad[i].url), &diag));
        assert_string_equal(bad[i].message, diag.message);
        assert_string_equal(bad[i].hint, diag.hint);
    }
    struct diag diag = {0};
    assert_err(ERR_INVALID, log_kafka_check(STR("kafka://a:1?security.protocol=none"), &diag));
}

/* What the library says, and what a person reads of it. */
static void troubles_of_a_kafka(void **state)
{
    static const struct {
        rd_kafka_resp_err_t code;
        enum err err;
        const char *reason, *text, *hint;
    } cases[] = {
        {RD_KAFKA_RESP_ERR__TRANSPORT, ERR_NETWORK,
         "a:1/bootstrap: Connect to ipv4#10.0.0.1:1 failed: Connection refused (after 0ms in state "
         "CONNECT)",
         "a:1: Connect to ipv4#10.0.0.1:1 failed: Connection refused", ""},
        {RD_KAFKA_RESP_ERR__TRANSPORT, ERR_INVALID,
         "a:1/bootstrap: Disconnected: verify that security.protocol is correctly configured, "
         "broker "
         "might require SASL authentication (after 2ms in state UP)",
         "a:1: it hangs up at once, as a port does that asks for a login",
         "set security.protocol to SASL_SSL or SASL_PLAINTEXT, and sasl.*"},
        {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, ERR_INVALID, "1/1 brokers are down",
         "a:1: it hangs up at once, as a port does that asks for a login",
         "set security.protocol to SASL_SSL or SASL_PLAINTEXT, and sasl.*"},
        {RD_KAFKA_RESP_ERR__AUTHENTICATION, ERR_DENIED,
         "sasl_ssl://a:1/3: SASL authentication error: Authentication failed: Invalid username or "
         "password (after 309ms in state AUTH_REQ, 1 identical error(s) suppressed)",
         "a:1: SASL authentication error: Authentication failed: Invalid username or password",
         "correct sasl.username and sasl.password"},
        {RD_KAFKA_RESP_ERR__TRANSPORT, ERR_DENIED, "sasl_ssl://a:1/3: Disconnected (after 1ms)",
         "a:1: SASL authentication error: Authentication failed: Invalid username or password",
         "correct sasl.username and sasl.password"},
        {RD_KAFKA_RESP_ERR__SSL, ERR_INVALID,
         "ssl://a:1/bootstrap: SSL handshake failed: error:0A000126:SSL routines::unexpected eof "
         "while reading (after 111ms in state SSL_HANDSHAKE)",
         "a:1: it does not speak TLS on this port",
         "set security.protocol to PLAINTEXT or SASL_PLAINTEXT, or take its port with TLS"},
    };
    struct log_kafka_trouble trouble;
    char text[300], hint[200];
    log_kafka_trouble_init(&trouble, NULL);
    assert_ok(log_kafka_trouble_get(&trouble, text, sizeof text, hint, sizeof hint));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        log_kafka_trouble_tell(&trouble, cases[i].code, cases[i].reason);
        assert_err(cases[i].err,
                   log_kafka_trouble_get(&trouble, text, sizeof text, hint, sizeof hint));
        assert_string_equal(cases[i].text, text);
        assert_string_equal(cases[i].hint, hint);
    }
    log_kafka_trouble_clear(&trouble);
    log_kafka_trouble_note(&trouble, "Local: Timed out");
    assert_err(ERR_NETWORK, log_kafka_trouble_get(&trouble, text, sizeof text, hint, sizeof hint));
    log_kafka_trouble_deinit(&trouble);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aborted_and_open_are_left_out),
        cmocka_unit_test(urls_of_a_kafka),
        cmocka_unit_test(troubles_of_a_kafka),
    };
    return RUN_TESTS(tests);
}
