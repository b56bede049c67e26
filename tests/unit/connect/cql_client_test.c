/* SPDX-License-Identifier: MIT */
/*
 * The CQL client against a scripted server on the simulated network: answers out of order, lost
 * preparations, overload, connections that break in the middle, servers that fall silent. What must
 * hold whatever happens: every call is answered once, and the server has seen every write.
 */
#include "test.h"

#include "base/endian.h"
#include "base/mem.h"
#include "connect/cql_client.h"
#include "io/sim.h"

enum { ROWS_MAX = 5000, HELD_MAX = 4096 };

/* ---- the server ---- */

struct served {
    struct server *server;
    struct io_stream *stream;
    bool prepared, logged_in;
    uint16_t held[HELD_MAX];
    size_t held_count;
    size_t seen;
    struct served *next;
};

struct server {
    struct io_loop *loop;
    struct io_listener *listener;
    char address[32];
    /* the script */
    bool backwards;          /* answers in blocks, last first */
    uint32_t forget_every;   /* UNPREPARED each that many EXECUTEs */
    uint32_t overload_every; /* 1001 */
    uint32_t break_every;    /* the connection is lost after that many */
    uint32_t silent_every;   /* never answers */
    uint16_t error_code;     /* for the row error_row */
    uint32_t error_row;
    bool wants_login;
    const char *datacenter;
    bool refuses_prepare;
    /* what it saw */
    uint32_t executes, prepares, connections, overloads;
    uint32_t in_flight_most;
    uint32_t writes[ROWS_MAX];
    int64_t timestamps[ROWS_MAX];
    bool timestamp_changed;
    char used[64];
    struct served *served;
    struct prng *prng;
};

static void answer(struct served *s, int16_t stream, uint8_t opcode, struct str body)
{
    CLEAN(buf_deinit) struct buf out = {0};
    size_t at = cql_envelope_begin(&out, 4, true, 0, stream, opcode);
    buf_str_append(&out, body);
    cql_envelope_end(&out, at);
    (void)!io_stream_write(s->stream, out.ptr, out.bytes);
}

static void answer_error(struct served *s, int16_t stream, enum cql_error_code code)
{
    CLEAN(buf_deinit) struct buf body = {0};
    struct cql_error error = {.code = code,
                              .message = STR("as the script says"),
                              .id = STR("id-1"),
                              .write_type = "SIMPLE"};
    cql_error_append(&body, 4, &error);
    answer(s, stream, CQL_ERROR, buf_str(&body));
}

static void answer_void(struct served *s, int16_t stream)
{
    answer(s, stream, CQL_RESULT, str_from("\0\0\0\1", 4));
}

static void flush_held(struct served *s)
{
    while (s->held_count)
        answer_void(s, (int16_t)s->held[--s->held_count]);
}

/* Body: id, row u32, timestamp i64. */
static void execute(struct served *s, int16_t stream, struct str body)
{
    struct server *v = s->server;
    struct reader r = reader_of(body.ptr, body.bytes);
    struct str id = cql_short_bytes_read(&r);
    uint32_t row = reader_be32(&r);
    int64_t timestamp = (int64_t)reader_be64(&r);
    assert_int_equal(OK, r.err);
    assert_str("id-1", id);
    assert_true(row < ROWS_MAX);
    v->executes++;
    s->seen++;
    if (!s->prepared || (v->forget_every && v->executes % v->forget_every == 0)) {
        s->prepared = false;
        answer_error(s, stream, CQL_UNPREPARED);
        return;
    }
    if (v->overload_every && v->executes % v->overload_every == 0) {
        v->overloads++;
        answer_error(s, stream, v->overloads % 2 ? CQL_OVERLOADED : CQL_WRITE_TIMEOUT);
        return;
    }
    if (v->error_code && row == v->error_row) {
        answer_error(s, stream, v->error_code);
        return;
    }
    v->writes[row]++;
    if (v->timestamps[row] && v->timestamps[row] != timestamp)
        v->timestamp_changed = true;
    v->timestamps[row] = timestamp;
    if (v->silent_every && v->executes % v->silent_every == 0)
        return;
    if (!v->backwards) {
        answer_void(s, stream);
        return;
    }
    if (s->held_count == HELD_MAX)
        flush_held(s);
    s->held[s->held_count++] = (uint16_t)stream;
    if (s->held_count > v->in_flight_most)
        v->in_flight_most = (uint32_t)s->held_count;
}

static void answer_query(struct served *s, int16_t stream, struct str body)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct reader r = reader_of(body.ptr, body.bytes);
    struct str text = cql_long_string_read(&r);
    if (str_starts(text, STR("USE "))) {
        snprintf(s->server->used, sizeof s->server->used, "%.*s", STR_ARG(text));
        buf_be32(&out, CQL_RESULT_SET_KEYSPACE);
        cql_string_append(&out, STR("shop"));
    } else if (str_starts(text, STR("SELECT data_center"))) {
        struct cql_column column = {STR("system"), STR("local"), STR("data_center"),
                                    cql_simple(CQL_TEXT)};
        struct cql_rows_metadata metadata = {.columns = &column, .column_count = 1};
        buf_be32(&out, CQL_RESULT_ROWS);
        cql_rows_metadata_append(&out, 4, &metadata);
        buf_be32(&out, 1);
        cql_bytes_append(&out, str_of(s->server->datacenter));
    } else {
        s->server->executes++;
        if (s->server->break_every) {
            io_stream_abort(s->stream, ERR_CANCELLED);
            return;
        }
        buf_be32(&out, CQL_RESULT_VOID);
    }
    answer(s, stream, CQL_RESULT, buf_str(&out));
}

static void serve_one(struct served *s, const struct cql_header *h, struct str body)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct server *v = s->server;
    assert_int_equal(4, h->version);
    if (h->opcode == CQL_OPTIONS) {
        answer(s, h->stream, CQL_SUPPORTED, str_from("\0\0", 2));
    } else if (h->opcode == CQL_STARTUP && v->wants_login) {
        cql_string_append(&out, STR("org.apache.cassandra.auth.PasswordAuthenticator"));
        answer(s, h->stream, CQL_AUTHENTICATE, buf_str(&out));
    } else if (h->opcode == CQL_STARTUP) {
        answer(s, h->stream, CQL_READY, STR(""));
    } else if (h->opcode == CQL_AUTH_RESPONSE) {
        struct reader r = reader_of(body.ptr, body.bytes);
        s->logged_in = str_equal(cql_bytes_read(&r), str_from("\0ann\0secret", 11));
        buf_be32(&out, UINT32_MAX);
        if (s->logged_in)
            answer(s, h->stream, CQL_AUTH_SUCCESS, buf_str(&out));
        else
            answer_error(s, h->stream, CQL_BAD_CREDENTIALS);
    } else if (h->opcode == CQL_PREPARE) {
        v->prepares++;
        if (v->refuses_prepare) {
            answer_error(s, h->stream, CQL_INVALID);
            return;
        }
        s->prepared = true;
        buf_be32(&out, CQL_RESULT_PREPARED);
        struct cql_rows_metadata none = {.no_metadata = true};
        cql_prepared_append(&out, 4, STR("id-1"), STR_NONE, NULL, 0, NULL, 0, &none);
        answer(s, h->stream, CQL_RESULT, buf_str(&out));
    } else if (h->opcode == CQL_EXECUTE) {
        execute(s, h->stream, body);
    } else if (h->opcode == CQL_QUERY) {
        answer_query(s, h->stream, body);
    }
}

static size_t server_data(void *owner, struct io_stream *stream, const uint8_t *data, size_t bytes)
{
    struct served *s = owner;
    struct server *v = s->server;
    size_t at = 0;
    while (bytes - at >= CQL_HEADER_BYTES) {
        struct cql_header h;
        assert_ok(cql_header_parse(data + at, CQL_BODY_BYTES_MAX, &h));
        if (bytes - at - CQL_HEADER_BYTES < h.body_bytes)
            break;
        serve_one(s, &h, str_from(data + at + CQL_HEADER_BYTES, h.body_bytes));
        at += CQL_HEADER_BYTES + h.body_bytes;
        if (v->break_every && s->seen >= v->break_every) {
            io_stream_abort(stream, ERR_CANCELLED);
            return bytes;
        }
    }
    flush_held(s);
    return at;
}

static void server_closed(void *owner, struct io_stream *stream, enum err why)
{
    struct served *s = owner;
    s->stream = NULL;
}

static void *server_accept(void *owner, struct io_stream *stream)
{
    struct server *v = owner;
    struct served *s = mem_zero(sizeof *s);
    *s = (struct served){.server = v, .stream = stream, .next = v->served};
    v->served = s;
    v->connections++;
    return s;
}

static const struct io_stream_events server_events = {.data = server_data, .closed = server_closed};
static const struct io_stream_limits server_limits = {.in_max = 64 << 20, .out_max = 64 << 20};

static void server_open(struct server *v, uint16_t port)
{
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    assert_ok(io_listen(v->loop, address, NULL, &server_events, &server_limits, server_accept, v,
                        &v->listener));
    snprintf(v->address, sizeof v->address, "127.0.0.1:%u", io_listener_port(v->listener));
}

static void server_shut(struct server *v)
{
    io_listener_close(v->listener);
    v->listener = NULL;
    for (struct served *s = v->served; s; s = s->next)
        if (s->stream)
            io_stream_abort(s->stream, ERR_CANCELLED);
}

/* ---- a world ---- */

struct row {
    struct cql_call call;
    uint8_t body[12];
    uint32_t answers;
    enum err err;
    enum cql_error_code code;
};

struct world {
    struct io *io;
    struct io_loop *loop;
    struct server server;
    struct arena arena;
    struct cql_place place;
    struct cql_client *client;
    struct row *rows;
    uint32_t row_count, answered;
    char message[200];
};

static void row_done(struct cql_call *call, const struct cql_reply *reply)
{
    struct row *row = (struct row *)call;
    struct world *w = call->owner;
    row->answers++;
    row->err = reply->err;
    row->code = reply->error.code;
    if (reply->err)
        snprintf(w->message, sizeof w->message, "%.*s", STR_ARG(reply->error.message));
    w->answered++;
}

static void open_world(struct world *w, uint64_t seed, uint32_t net_drop)
{
    *w = (struct world){0};
    struct io_sim_options options = {.seed = seed, .net_drop = net_drop, .net_delay_ms_max = 3};
    w->io = io_sim_new(&options);
    assert_ok(io_loop_new(w->io, &w->loop));
    w->server.loop = w->loop;
    server_open(&w->server, 0);
    arena_init(&w->arena, 1 << 20);
    assert_ok(cql_place_of_host(&w->arena, str_of(w->server.address), NULL, &w->place));
}

static void connect_world(struct world *w, struct cql_client_options options)
{
    options.place = &w->place;
    assert_ok(cql_client_new(w->loop, &options, NULL, &w->client));
}

static void submit(struct world *w, uint32_t count, bool once)
{
    struct cql_statement *statement = cql_client_statement(w->client, STR("INSERT .."));
    w->rows = mem_zero(count * sizeof *w->rows);
    w->row_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct row *row = &w->rows[i];
        put_be32(row->body, i);
        put_be64(row->body + 4, 1000 + i);
        row->call = (struct cql_call){.opcode = CQL_EXECUTE,
                                      .statement = statement,
                                      .body = str_from(row->body, sizeof row->body),
                                      .once = once,
                                      .done = row_done,
                                      .owner = w};
        cql_client_submit(w->client, &row->call);
    }
}

static void run(struct world *w, uint32_t answered)
{
    enum { TURNS_MAX = 2000000 };
    for (size_t i = 0; i < TURNS_MAX && w->answered < answered; i++)
        io_loop_turn(w->loop, 1000000000);
    assert_int_equal(answered, w->answered);
}

static void check_all_written(struct world *w)
{
    for (uint32_t i = 0; i < w->row_count; i++) {
        assert_int_equal(1, w->rows[i].answers);
        assert_int_equal(OK, w->rows[i].err);
        assert_true(w->server.writes[i] > 0);
        assert_int_equal(1000 + i, w->server.timestamps[i]);
    }
    assert_false(w->server.timestamp_changed);
}

static void close_world(struct world *w)
{
    cql_client_free(w->client);
    if (w->server.listener)
        server_shut(&w->server);
    for (size_t i = 0; i < 200; i++)
        io_loop_turn(w->loop, 0);
    io_sim_advance_ns(w->io, 1000000000);
    for (size_t i = 0; i < 200; i++)
        io_loop_turn(w->loop, 0);
    for (struct served *s = w->server.served; s;) {
        struct served *next = s->next;
        mem_free(s);
        s = next;
    }
    mem_free(w->rows);
    arena_deinit(&w->arena);
    io_loop_free(w->loop);
    io_free(w->io);
}

/* ---- tests ---- */

static void test_many_in_flight(void **state)
{
    struct world w;
    open_world(&w, 1, 0);
    w.server.backwards = true;
    connect_world(&w, (struct cql_client_options){0});
    submit(&w, 3000, false);
    run(&w, 3000);
    check_all_written(&w);
    assert_int_equal(1, w.server.prepares);
    assert_int_equal(3000, w.server.executes);
    assert_true(w.server.in_flight_most > 100);
    struct cql_client_status status;
    cql_client_status(w.client, &status);
    assert_int_equal(3000, status.acknowledged);
    assert_int_equal(0, status.in_flight + status.waiting + status.retries);
    assert_int_equal(1, status.connections);
    assert_str("", str_of(status.trouble));
    close_world(&w);
}

static void test_bytes_in_flight(void **state)
{
    struct world w;
    open_world(&w, 2, 0);
    w.server.backwards = true;
    /* Room for four requests of 9 + 12 bytes. */
    connect_world(&w, (struct cql_client_options){.in_flight_bytes_max = 4 * (9 + 12 + 6)});
    submit(&w, 500, false);
    run(&w, 500);
    check_all_written(&w);
    assert_true(w.server.in_flight_most >= 2 && w.server.in_flight_most <= 5);
    close_world(&w);
}

static void test_prepared_again(void **state)
{
    struct world w;
    open_world(&w, 3, 0);
    w.server.forget_every = 97;
    connect_world(&w, (struct cql_client_options){0});
    submit(&w, 2000, false);
    run(&w, 2000);
    check_all_written(&w);
    assert_true(w.server.prepares > 2);
    close_world(&w);
}

static void test_overload(void **state)
{
    struct world w;
    open_world(&w, 4, 0);
    w.server.overload_every = 10;
    connect_world(&w, (struct cql_client_options){0});
    submit(&w, 1500, false);
    run(&w, 1500);
    check_all_written(&w);
    assert_true(w.server.overloads > 100);
    close_world(&w);
}

static void test_connections_break(void **state)
{
    for (uint64_t seed = 10; seed < 20; seed++) {
        struct world w;
        open_world(&w, seed, 2000);
        w.server.break_every = 333;
        w.server.forget_every = 401;
        w.server.overload_every = 53;
        w.server.backwards = seed & 1;
        w.place.connections = (uint32_t)(seed % 3) + 1;
        connect_world(&w, (struct cql_client_options){.backoff_min_ms = 1});
        submit(&w, 2000, false);
        run(&w, 2000);
        check_all_written(&w);
        assert_true(w.server.connections > w.place.connections);
        close_world(&w);
    }
}

static void test_silence(void **state)
{
    struct world w;
    open_world(&w, 5, 0);
    w.server.silent_every = 100;
    w.place.timeout_ms = 500;
    connect_world(&w, (struct cql_client_options){0});
    submit(&w, 1000, false);
    run(&w, 1000);
    check_all_written(&w);
    assert_true(w.server.executes > 1000);
    close_world(&w);
}

static void test_once(void **state)
{
    struct world w;
    open_world(&w, 6, 0);
    w.server.overload_every = 5;
    connect_world(&w, (struct cql_client_options){0});
    submit(&w, 100, true);
    run(&w, 100);
    uint32_t overloaded = 0;
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(1, w.rows[i].answers);
        overloaded += w.rows[i].err == ERR_INVALID;
        assert_int_equal(w.rows[i].err == OK, w.server.writes[i]);
    }
    assert_int_equal(w.server.overloads, overloaded);
    assert_true(overloaded >= 20);
    close_world(&w);
}

static void test_once_is_not_sent_again(void **state)
{
    struct world w;
    open_world(&w, 7, 0);
    w.server.break_every = 1;
    connect_world(&w, (struct cql_client_options){0});
    CLEAN(buf_deinit) struct buf body = {0};
    cql_query_body(&body, STR("INSERT"), 1, 0, STR_NONE);
    struct row row = {.call = {.opcode = CQL_QUERY,
                               .body = buf_str(&body),
                               .once = true,
                               .done = row_done,
                               .owner = &w}};
    cql_client_submit(w.client, &row.call);
    run(&w, 1);
    assert_int_equal(ERR_CLOSED, row.err);
    for (int i = 0; i < 1000; i++)
        io_loop_turn(w.loop, 1000000);
    assert_int_equal(1, w.server.executes);
    assert_int_equal(1, row.answers);
    close_world(&w);
}

static void test_hard_error(void **state)
{
    static const enum cql_error_code codes[] = {CQL_INVALID, CQL_SYNTAX_ERROR, CQL_UNAUTHORIZED,
                                                CQL_CONFIG_ERROR, CQL_WRITE_FAILURE};
    for (size_t k = 0; k < sizeof codes / sizeof *codes; k++) {
        struct world w;
        open_world(&w, 8 + k, 0);
        w.server.error_code = (uint16_t)codes[k];
        w.server.error_row = 77;
        connect_world(&w, (struct cql_client_options){0});
        submit(&w, 200, false);
        run(&w, 200);
        for (uint32_t i = 0; i < 200; i++) {
            assert_int_equal(1, w.rows[i].answers);
            assert_int_equal(i == 77 ? ERR_INVALID : OK, w.rows[i].err);
        }
        assert_int_equal(codes[k], w.rows[77].code);
        assert_str("as the script says", str_of(w.message));
        close_world(&w);
    }
}

static void test_refused_statement(void **state)
{
    struct world w;
    open_world(&w, 9, 0);
    w.server.refuses_prepare = true;
    connect_world(&w, (struct cql_client_options){0});
    submit(&w, 50, false);
    run(&w, 50);
    for (uint32_t i = 0; i < 50; i++)
        assert_int_equal(CQL_INVALID, w.rows[i].code);
    close_world(&w);
}

static void test_login(void **state)
{
    struct world w;
    open_world(&w, 21, 0);
    char user[] = "ann", password[] = "secret", dc[] = "dc1";
    w.server.wants_login = true;
    w.server.datacenter = "dc1";
    w.place.user = user;
    w.place.password = password;
    w.place.datacenter = dc;
    connect_world(&w, (struct cql_client_options){.keyspace = "sh\"op"});
    submit(&w, 10, false);
    run(&w, 10);
    check_all_written(&w);
    assert_str("USE \"sh\"\"op\"", str_of(w.server.used));
    close_world(&w);
}

static void fails_with(struct world *w, const char *text)
{
    connect_world(w, (struct cql_client_options){.give_up = true});
    submit(w, 3, false);
    run(w, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(ERR_NETWORK, w->rows[i].err);
    if (!strstr(w->message, text))
        fail_msg("'%s' does not say '%s'", w->message, text);
    close_world(w);
}

static void test_gives_up(void **state)
{
    struct world w;
    char dc[] = "dc2", user[] = "ann", password[] = "wrong";
    open_world(&w, 22, 0);
    server_shut(&w.server);
    fails_with(&w, w.server.address);
    open_world(&w, 23, 0);
    w.server.wants_login = true;
    fails_with(&w, "asks for a login");
    open_world(&w, 24, 0);
    w.server.wants_login = true;
    w.place.user = user;
    w.place.password = password;
    fails_with(&w, "as the script says");
    open_world(&w, 25, 0);
    w.server.datacenter = "dc1";
    w.place.datacenter = dc;
    fails_with(&w, "datacenter 'dc1', not in 'dc2'");
}

/* Without give_up requests wait as long as it takes. */
static void test_waits_for_the_server(void **state)
{
    struct world w;
    open_world(&w, 26, 0);
    uint16_t port = io_listener_port(w.server.listener);
    connect_world(&w, (struct cql_client_options){.backoff_max_ms = 2000});
    submit(&w, 500, false);
    for (int i = 0; i < 20; i++)
        io_loop_turn(w.loop, 1000000);
    server_shut(&w.server);
    for (int i = 0; i < 3000; i++)
        io_loop_turn(w.loop, 100000000);
    struct cql_client_status status;
    cql_client_status(w.client, &status);
    assert_int_equal(500 - w.answered, status.waiting);
    assert_int_equal(0, status.connections);
    assert_true(status.trouble[0] && status.next_try_ms >= 0);
    server_open(&w.server, port);
    run(&w, 500);
    check_all_written(&w);
    cql_client_status(w.client, &status);
    assert_true(status.reconnects > 3);
    assert_str("", str_of(status.trouble));
    close_world(&w);
}

static void test_places(void **state)
{
    CLEAN(arena_deinit) struct arena arena = {.bytes_max = 1 << 20};
    struct cql_place p;
    struct diag diag = {0};
    assert_ok(cql_place_parse(&arena,
                              STR("cassandra://a,b:9043,[::1]:7?datacenter=dc1&user=u%40"
                                  "&password=p%26&consistency=one&tls=true&replicas=3"
                                  "&timeout_ms=5&connections=2&ca=/x.pem"),
                              &diag, &p));
    assert_int_equal(3, p.host_count);
    assert_str("a:9042", str_of(p.hosts[0]));
    assert_str("b:9043", str_of(p.hosts[1]));
    assert_str("[::1]:7", str_of(p.hosts[2]));
    assert_str("u@", str_of(p.user));
    assert_str("p&", str_of(p.password));
    assert_str("dc1", str_of(p.datacenter));
    assert_str("/x.pem", str_of(p.ca_path));
    assert_int_equal(1, p.consistency);
    assert_int_equal(3, p.replicas);
    assert_int_equal(2, p.connections);
    assert_int_equal(5, p.timeout_ms);
    assert_true(p.tls);
    assert_ok(cql_place_parse(&arena, STR("cassandra://ann:s%3Aecret@db/"), &diag, &p));
    assert_str("ann", str_of(p.user));
    assert_str("s:ecret", str_of(p.password));
    CLEAN(buf_deinit) struct buf text = {0};
    cql_place_print(&p, &text);
    assert_str("cassandra://db:9042", buf_str(&text));
    static const char *const bad[] = {"cassandra://",
                                      "cassandra:/a",
                                      "cassandra://a:0",
                                      "cassandra://a:x",
                                      "cassandra://a,,b",
                                      "cassandra://a/ks",
                                      "cassandra://a?b",
                                      "cassandra://a?tls=yes",
                                      "cassandra://a?datacenter=",
                                      "cassandra://a?dc=x",
                                      "cassandra://a?user=x",
                                      "cassandra://a?user=%4&password=x",
                                      "cassandra://u@a",
                                      "cassandra://[::1",
                                      "cassandra://a?consistency=most",
                                      "cassandra://a?ca=/x",
                                      "cassandra://a?tls=true&cert=/x",
                                      "cassandra://a?cert=/x&key=/y",
                                      "cassandra://a?user=x&password=y&geheim",
                                      "cassandra://x:geheim?geheim@a",
                                      "postgresql://a",
                                      "cassandra://a b",
                                      "cassandra://a?user=%00&password=x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        diag = (struct diag){0};
        if (cql_place_parse(&arena, str_of(bad[i]), &diag, &p) != ERR_INVALID || !diag.message[0])
            fail_msg("%s is taken", bad[i]);
        assert_null(strstr(diag.message, "geheim"));
        assert_null(strstr(diag.hint, "geheim"));
    }
    assert_ok(cql_place_parse(&arena, STR("cassandra://a?tls=true&cert=%2Fx&key=y"), &diag, &p));
    assert_string_equal("/x", p.cert_path);
    assert_string_equal("y", p.key_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_in_flight),
        cmocka_unit_test(test_bytes_in_flight),
        cmocka_unit_test(test_prepared_again),
        cmocka_unit_test(test_overload),
        cmocka_unit_test(test_connections_break),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_once_is_not_sent_again),
        cmocka_unit_test(test_hard_error),
        cmocka_unit_test(test_refused_statement),
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_gives_up),
        cmocka_unit_test(test_waits_for_the_server),
        cmocka_unit_test(test_places),
    };
    return RUN_TESTS(tests);
}
