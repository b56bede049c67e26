/* SPDX-License-Identifier: MIT */
/* The CQL server's connections: handshakes of each version, framing, hostile input, events,
 * prepared statements over restarts, passwords, memory. */
#include "serve/cql/harness.h"

#include "base/prng.h"

static struct cql_request options_request(void)
{
    return (struct cql_request){.header = {.opcode = CQL_OPTIONS}};
}

static void make_table(struct client *client)
{
    struct answer answer =
        client_query(client, "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', "
                             "'replication_factor': 1}");
    assert_result(&answer, CQL_RESULT_SCHEMA_CHANGE);
    answer = client_query(client, "CREATE TABLE k.t (a int PRIMARY KEY, b text)");
    assert_result(&answer, CQL_RESULT_SCHEMA_CHANGE);
}

static struct answer register_for(struct client *client, const char *event)
{
    struct str name = str_of(event);
    struct cql_request request = {
        .header = {.opcode = CQL_REGISTER}, .options = &name, .option_count = 1};
    return client_ask(client, &request);
}

static struct answer prepare(struct client *client, const char *text)
{
    struct cql_request request = {.header = {.opcode = CQL_PREPARE}, .query = str_of(text)};
    return client_ask(client, &request);
}

static struct cql_prepared prepared(struct client *client, const char *text)
{
    struct answer answer = prepare(client, text);
    struct reader r = assert_result(&answer, CQL_RESULT_PREPARED);
    struct cql_prepared p;
    assert_ok(cql_prepared_read(&r, client->version, &client->rig->arena, &p));
    return p;
}

static struct answer execute(struct client *client, const struct cql_prepared *p,
                             struct cql_value *values, uint16_t count, bool skip)
{
    struct cql_request request = {
        .header = {.opcode = CQL_EXECUTE},
        .id = p->id,
        .result_id = p->result_id,
        .parameters = {.consistency = 1,
                       .flags = CQL_QUERY_VALUES | (skip ? CQL_QUERY_SKIP_METADATA : 0),
                       .values = values,
                       .value_count = count}};
    return client_ask(client, &request);
}

static struct cql_rows_metadata rows(struct client *client, const struct answer *answer,
                                     uint32_t expected)
{
    struct cql_rows_metadata metadata;
    struct reader r = assert_result(answer, CQL_RESULT_ROWS);
    assert_ok(cql_rows_metadata_read(&r, client->version, &client->rig->arena, &metadata));
    assert_int_equal(expected, reader_be32(&r));
    return metadata;
}

/* ---- handshakes ---- */

static void handshakes(void **state)
{
    static const char *const compressions[] = {NULL, "lz4", "snappy"};
    struct rig rig;
    rig_up(&rig, NULL);
    for (unsigned version = 3; version <= 5; version++)
        for (size_t c = 0; c < (version < 5 ? 3 : 2); c++) {
            struct client *client = client_new(&rig, version);
            struct cql_request request = options_request();
            struct answer answer = client_ask(client, &request);
            assert_int_equal(CQL_SUPPORTED, answer.header.opcode);
            assert_true(str_find(answer.body, STR("COMPRESSION"), 0) != SIZE_MAX);
            assert_true(str_find(answer.body, STR("3.4."), 0) != SIZE_MAX);
            assert_true(str_find(answer.body, STR("5/v5"), 0) != SIZE_MAX);
            client_startup(client, compressions[c], CQL_READY);
            request = options_request();
            answer = client_ask(client, &request);
            assert_int_equal(CQL_SUPPORTED, answer.header.opcode);
            answer = client_query(client, "SELECT key FROM system.local WHERE key = 'local'");
            rows(client, &answer, 1);
            assert_true(version < 5 || client->segments == 2);
            client_free(client);
        }
    rig_down(&rig);
}

static void unsupported_versions(void **state)
{
    static const unsigned versions[] = {1, 2, 6, 65, 66, 127};
    struct rig rig;
    rig_up(&rig, NULL);
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        struct client *client = client_new(&rig, 5);
        uint8_t bytes[9] = {(uint8_t)versions[i], 0, 0, 7, CQL_OPTIONS};
        char words[128];
        struct answer answer;
        client_raw(client, bytes, versions[i] < 3 ? 8 : 9);
        assert_true(client_next(client, &answer));
        assert_int_equal(5, answer.header.version);
        assert_int_equal(versions[i] < 3 ? 0 : 7, answer.header.stream);
        snprintf(words, sizeof words,
                 "Invalid or unsupported protocol version (%u); supported versions are (3/v3, "
                 "4/v4, 5/v5)",
                 versions[i]);
        assert_error(&rig, &answer, CQL_PROTOCOL_ERROR, words);
        assert_true(client_is_closed(client));
        client_free(client);
    }
    rig_down(&rig);
}

static void startup_refusals(void **state)
{
    struct rig rig;
    rig_up(&rig, NULL);
    struct client *client = client_new(&rig, 5);
    struct answer answer = client_query(client, "SELECT * FROM system.local");
    assert_error(&rig, &answer, CQL_PROTOCOL_ERROR,
                 "Unexpected message QUERY, expecting STARTUP or OPTIONS");
    struct str options[] = {STR("CQL_VERSION"), STR("3.0.0"), STR("COMPRESSION"), STR("gzip")};
    struct cql_request request = {
        .header = {.opcode = CQL_STARTUP}, .options = options, .option_count = 4};
    answer = client_ask(client, &request);
    assert_error(&rig, &answer, CQL_PROTOCOL_ERROR, "Unknown compression algorithm: gzip");
    options[3] = STR("snappy");
    answer = client_ask(client, &request);
    assert_error(&rig, &answer, CQL_PROTOCOL_ERROR, "Unsupported compression type");
    options[1] = STR("2.0.0");
    answer = client_ask(client, &request);
    assert_error(&rig, &answer, CQL_PROTOCOL_ERROR, "CQL version 2.0.0 is not supported");
    request.option_count = 0;
    answer = client_ask(client, &request);
    assert_error(&rig, &answer, CQL_PROTOCOL_ERROR, "Missing value CQL_VERSION");
    client_startup(client, "LZ4", CQL_READY);
    client->compression = CQL_LZ4;
    request.option_count = 2;
    options[1] = STR("3.4.7");
    answer = client_ask(client, &request);
    assert_error(&rig, &answer, CQL_PROTOCOL_ERROR, "Unexpected message STARTUP");
    answer = register_for(client, "NO_SUCH");
    assert_error(&rig, &answer, CQL_PROTOCOL_ERROR, "Invalid value 'NO_SUCH'");
    client_free(client);
    rig_down(&rig);
}

/* ---- framing ---- */

static void byte_by_byte(void **state)
{
    struct rig rig;
    rig_up(&rig, NULL);
    for (unsigned version = 3; version <= 5; version++) {
        struct client *client = client_new(&rig, version);
        client_startup(client, version == 4 ? "snappy" : "lz4", CQL_READY);
        struct buf out = {0}, wire = {0};
        for (int16_t i = 0; i < 3; i++) {
            struct cql_request request = {
                .header = {.opcode = CQL_QUERY, .version = (uint8_t)version, .stream = i},
                .query = STR("SELECT key FROM system.local WHERE key = 'local' -- and some words "
                             "that compress, compress, compress, compress"),
                .parameters = {.consistency = 1}};
            size_t at = out.bytes;
            cql_request_encode(&request, &out);
            if (version < 5)
                cql_body_compress(client->compression, &out, at);
        }
        if (version >= 5)
            cql_segments_append(buf_str(&out), CQL_LZ4, &wire);
        else
            buf_str_append(&wire, buf_str(&out));
        for (size_t i = 0; i < wire.bytes; i++)
            client_raw(client, wire.ptr + i, 1);
        for (int16_t i = 0; i < 3; i++) {
            struct answer answer;
            assert_true(client_answer(client, i, &answer));
            rows(client, &answer, 1);
        }
        buf_deinit(&out);
        buf_deinit(&wire);
        client_free(client);
    }
    rig_down(&rig);
}

/* What arrives together is answered together: one segment. */
static void many_at_once(void **state)
{
    struct rig rig;
    rig_up(&rig, NULL);
    for (unsigned version = 3; version <= 5; version++) {
        struct client *client = client_new(&rig, version);
        client_startup(client, NULL, CQL_READY);
        struct buf out = {0};
        for (int16_t i = 0; i < 500; i++) {
            struct cql_request request = options_request();
            request.header.version = (uint8_t)version;
            request.header.stream = i;
            cql_request_encode(&request, &out);
        }
        client_envelopes(client, buf_str(&out));
        bool seen[500] = {0};
        for (int i = 0; i < 500; i++) {
            struct answer answer;
            assert_true(client_next(client, &answer));
            assert_int_equal(CQL_SUPPORTED, answer.header.opcode);
            assert_false(seen[answer.header.stream]);
            seen[answer.header.stream] = true;
        }
        if (version == 5)
            assert_in_range(client->segments, 1, 2);
        buf_deinit(&out);
        client_free(client);
    }
    rig_down(&rig);
}

/* A request over many segments, and what follows it. */
static void big_requests(void **state)
{
    struct rig rig;
    struct cql_server_options options = {.request_bytes_max = 1 << 20};
    rig_up(&rig, &options);
    for (unsigned version = 4; version <= 5; version++) {
        struct client *client = client_new(&rig, version);
        client_startup(client, NULL, CQL_READY);
        struct buf text = {0};
        buf_text(&text, "SELECT key FROM system.local WHERE key = 'local' -- ");
        while (text.bytes < 700000)
            buf_text(&text, "more and more ");
        buf_char(&text, '\0');
        struct answer answer = client_query(client, (char *)text.ptr);
        rows(client, &answer, 1);
        /* Over the limit: refused under its stream id, and the connection lives. */
        buf_truncate(&text, text.bytes - 1);
        while (text.bytes < 1 << 20)
            buf_text(&text, "more and more ");
        buf_char(&text, '\0');
        answer = client_query(client, (char *)text.ptr);
        assert_error(&rig, &answer, CQL_INVALID, "Request is too big: length 10485");
        answer = client_query(client, "SELECT key FROM system.local WHERE key = 'local'");
        rows(client, &answer, 1);
        buf_deinit(&text);
        client_free(client);
    }
    rig_down(&rig);
}

static void hostile(void **state)
{
    struct rig rig;
    rig_up(&rig, NULL);
    struct client *good = client_new(&rig, 5), *client;
    struct answer answer;
    client_startup(good, NULL, CQL_READY);
    /* A response where a request is due. */
    client = client_new(&rig, 4);
    client_raw(client, "\x84\0\0\1\5\0\0\0\0", 9);
    assert_true(client_next(client, &answer));
    assert_error(&rig, &answer, CQL_PROTOCOL_ERROR, "Wrong protocol direction");
    assert_true(client_is_closed(client));
    client_free(client);
    /* A length that no body has. */
    client = client_new(&rig, 4);
    client_raw(client, "\4\0\0\1\5\377\377\377\377", 9);
    assert_true(client_next(client, &answer));
    assert_error(&rig, &answer, CQL_INVALID, "Request is too big");
    assert_true(client_is_closed(client));
    client_free(client);
    /* Another version behind STARTUP. */
    client = client_new(&rig, 4);
    client_startup(client, NULL, CQL_READY);
    client_raw(client, "\3\0\0\1\5\0\0\0\0", 9);
    assert_true(client_next(client, &answer));
    assert_error(&rig, &answer, CQL_PROTOCOL_ERROR,
                 "Invalid message version. Got 3/v3 but previous messages on this connection had "
                 "version 4/v4");
    assert_true(client_is_closed(client));
    client_free(client);
    /* Opcodes and bodies that are none: answered, and the connection lives. */
    client = client_new(&rig, 4);
    client_startup(client, NULL, CQL_READY);
    client_raw(client, "\4\0\0\1\x77\0\0\0\0", 9);
    assert_true(client_answer(client, 1, &answer));
    assert_error(&rig, &answer, CQL_PROTOCOL_ERROR, "Unknown opcode 119");
    client_raw(client, "\4\0\0\2\7\0\0\0\2ab", 11);
    assert_true(client_answer(client, 2, &answer));
    assert_error(&rig, &answer, CQL_PROTOCOL_ERROR, "Not enough bytes to read");
    client_raw(client, "\4\1\0\3\7\0\0\0\2ab", 11);
    assert_true(client_answer(client, 3, &answer));
    assert_error(&rig, &answer, CQL_PROTOCOL_ERROR, "compress");
    answer = client_query(client, "SELEC 1");
    assert_error(&rig, &answer, CQL_SYNTAX_ERROR, "line 1:0 no viable alternative");
    client_free(client);
    /* A segment whose sum is wrong. */
    client = client_new(&rig, 5);
    client_startup(client, NULL, CQL_READY);
    struct buf out = {0};
    cql_segments_append(str_from("\5\0\0\1\5\0\0\0\0", 9), CQL_UNCOMPRESSED, &out);
    out.ptr[out.bytes - 1] ^= 1;
    client_raw(client, out.ptr, out.bytes);
    assert_true(client_is_closed(client));
    buf_deinit(&out);
    client_free(client);
    /* An envelope that does not end with its self-contained segment. */
    client = client_new(&rig, 5);
    client_startup(client, NULL, CQL_READY);
    cql_segments_append(str_from("\5\0\0\1\5\0\0\0\7ab", 11), CQL_UNCOMPRESSED, &out);
    client_raw(client, out.ptr, out.bytes);
    assert_true(client_is_closed(client));
    buf_deinit(&out);
    client_free(client);
    answer = client_query(good, "SELECT key FROM system.local WHERE key = 'local'");
    rows(good, &answer, 1);
    client_free(good);
    rig_down(&rig);
}

/* Garbage of any kind, behind a good beginning or not: the server goes on. */
static void garbage(void **state)
{
    struct rig rig;
    struct prng prng = {99};
    rig_up(&rig, NULL);
    for (int turn = 0; turn < 300; turn++) {
        unsigned version = 3 + (unsigned)prng_below(&prng, 3);
        struct client *client = client_new(&rig, version);
        if (prng_below(&prng, 4))
            client_startup(client, NULL, CQL_READY);
        uint8_t bytes[400];
        size_t count = 1 + prng_below(&prng, sizeof bytes);
        for (size_t i = 0; i < count; i++)
            bytes[i] = (uint8_t)prng_next(&prng);
        if (prng_below(&prng, 2) && count >= 9) {
            bytes[0] = (uint8_t)version;
            bytes[4] = (uint8_t)prng_below(&prng, 17);
            put_be32(bytes + 5,
                     (uint32_t)(prng_below(&prng, 4) ? count - 9 : prng_below(&prng, 500)));
        }
        if (prng_below(&prng, 2))
            client_envelopes(client, str_from(bytes, count));
        else
            client_raw(client, bytes, count);
        rig_turns(&rig, 3);
        client_free(client);
    }
    struct cql_server_status status;
    rig_turns(&rig, 5);
    cql_server_status(rig.server, &status);
    assert_int_equal(0, status.connections);
    assert_true(status.errors > 50);
    rig_down(&rig);
}

/* ---- schema, events, prepared statements ---- */

static void schema_events(void **state)
{
    struct rig rig;
    rig_up(&rig, NULL);
    struct client *listener = client_new(&rig, 4), *framed = client_new(&rig, 5);
    struct client *deaf = client_new(&rig, 4), *maker = client_new(&rig, 4);
    client_startup(listener, NULL, CQL_READY);
    client_startup(framed, "lz4", CQL_READY);
    client_startup(deaf, NULL, CQL_READY);
    client_startup(maker, NULL, CQL_READY);
    register_for(listener, "SCHEMA_CHANGE");
    register_for(framed, "SCHEMA_CHANGE");
    register_for(deaf, "STATUS_CHANGE");
    make_table(maker);
    for (int i = 0; i < 2; i++) {
        struct client *client = i ? framed : listener;
        struct answer event;
        assert_true(client_answer(client, -1, &event));
        assert_int_equal(CQL_EVENT, event.header.opcode);
        assert_true(
            str_equal(event.body, str_from("\0\15SCHEMA_CHANGE\0\7CREATED\0\10KEYSPACE\0\1k", 37)));
        assert_true(client_answer(client, -1, &event));
        assert_true(str_equal(event.body,
                              str_from("\0\15SCHEMA_CHANGE\0\7CREATED\0\5TABLE\0\1k\0\1t", 37)));
    }
    /* What changed nothing is no event. */
    struct answer answer =
        client_query(maker, "CREATE TABLE IF NOT EXISTS k.t (a int PRIMARY KEY)");
    assert_result(&answer, CQL_RESULT_VOID);
    rig_pass(&rig, 100);
    assert_int_equal(0, listener->in.bytes + listener->flat.bytes);
    assert_int_equal(0, deaf->in.bytes);
    answer = client_query(maker, "CREATE TABLE k.t (a int PRIMARY KEY)");
    assert_error(&rig, &answer, CQL_ALREADY_EXISTS, "already existing table \"t\"");
    answer = client_query(maker, "USE nosuch");
    assert_error(&rig, &answer, CQL_INVALID, "Keyspace 'nosuch' does not exist");
    answer = client_query(maker, "USE k");
    struct reader r = assert_result(&answer, CQL_RESULT_SET_KEYSPACE);
    assert_str("k", cql_string_read(&r));
    answer = client_query(maker, "INSERT INTO t (a, b) VALUES (1, 'x')");
    assert_result(&answer, CQL_RESULT_VOID);
    answer = client_query(deaf, "INSERT INTO t (a, b) VALUES (1, 'x')");
    assert_error(&rig, &answer, CQL_INVALID, "No keyspace has been specified");
    client_free(listener);
    client_free(framed);
    client_free(deaf);
    client_free(maker);
    rig_down(&rig);
}

static void prepared_statements(void **state)
{
    struct rig rig;
    rig_up(&rig, NULL);
    struct client *client = client_new(&rig, 4);
    client_startup(client, NULL, CQL_READY);
    make_table(client);
    struct cql_prepared insert = prepared(client, "INSERT INTO k.t (a, b) VALUES (?, ?)");
    struct cql_prepared select = prepared(client, "SELECT * FROM k.t WHERE a = ?");
    assert_int_equal(2, insert.bind_count);
    assert_int_equal(1, insert.pk_count);
    assert_int_equal(0, insert.pk[0]);
    assert_int_equal(16, insert.id.bytes);
    assert_int_equal(2, select.result.column_count);
    struct cql_value values[] = {{.bytes = {"\0\0\0\1", 4}}, {.bytes = {"x", 1}}};
    struct answer answer = execute(client, &insert, values, 2, true);
    assert_result(&answer, CQL_RESULT_VOID);
    answer = execute(client, &select, values, 1, true);
    assert_true(rows(client, &answer, 1).no_metadata);
    /* The same text has the same id. */
    assert_true(str_equal(select.id, prepared(client, "SELECT * FROM k.t WHERE a = ?").id));
    struct cql_prepared unknown = {.id = STR("0123456789abcdef")};
    answer = execute(client, &unknown, values, 1, false);
    assert_error(&rig, &answer, CQL_UNPREPARED, "30313233343536373839616263646566");
    answer = prepare(client, "SELECT nosuch FROM k.t");
    assert_error(&rig, &answer, CQL_INVALID, "ndefined column name nosuch");
    /* They live through a restart. */
    client_free(client);
    rig_restart(&rig, NULL);
    client = client_new(&rig, 4);
    client_startup(client, NULL, CQL_READY);
    answer = execute(client, &select, values, 1, true);
    rows(client, &answer, 1);
    client_free(client);
    rig_down(&rig);
}

/* Sets sent out of order and twice: in order in collections, as they came in tuples and vectors. */
#define ONE_INT(n) "\0\0\0\4\0\0\0" n
#define CAME "\0\0\0\3" ONE_INT("\3") ONE_INT("\1") ONE_INT("\3")
#define SORTED "\0\0\0\2" ONE_INT("\1") ONE_INT("\3")
#define VALUE(text)                                                                                \
    {                                                                                              \
        .bytes = { text, sizeof(text) - 1 }                                                        \
    }
#define ROW_VALUE(text)                                                                            \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static void sets_of_clients(void **state)
{
    struct rig rig;
    rig_up(&rig, NULL);
    struct client *client = client_new(&rig, 4);
    client_startup(client, NULL, CQL_READY);
    make_table(client);
    struct answer answer = client_query(client, "CREATE TABLE k.s (a int PRIMARY KEY, s set<int>, "
                                                "l list<frozen<set<int>>>, t tuple<set<int>>, "
                                                "v vector<frozen<set<int>>, 1>)");
    assert_result(&answer, CQL_RESULT_SCHEMA_CHANGE);
    struct cql_prepared insert =
        prepared(client, "INSERT INTO k.s (a, s, l, t, v) VALUES (?, ?, ?, ?, ?)");
    struct cql_value values[] = {VALUE("\0\0\0\1"), VALUE(CAME), VALUE("\0\0\0\1\0\0\0\34" CAME),
                                 VALUE("\0\0\0\34" CAME), VALUE("\34" CAME)};
    answer = execute(client, &insert, values, 5, true);
    assert_result(&answer, CQL_RESULT_VOID);
    answer = client_query(client, "SELECT s, l, t, v FROM k.s");
    const struct str want[] = {ROW_VALUE(SORTED), ROW_VALUE("\0\0\0\1\0\0\0\24" SORTED),
                               ROW_VALUE("\0\0\0\34" CAME), ROW_VALUE("\34" CAME)};
    struct cql_rows_metadata metadata;
    struct reader r = assert_result(&answer, CQL_RESULT_ROWS);
    assert_ok(cql_rows_metadata_read(&r, 4, &rig.arena, &metadata));
    assert_int_equal(1, reader_be32(&r));
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(want[i].bytes, reader_be32(&r));
        assert_memory_equal(want[i].ptr, reader_take(&r, want[i].bytes), want[i].bytes);
    }
    client_free(client);
    rig_down(&rig);
}

static void assert_unprepared(struct client *client, const struct cql_prepared *p,
                              struct cql_value *values)
{
    struct answer answer = execute(client, p, values, 1, true);
    assert_error(client->rig, &answer, CQL_UNPREPARED, "not found");
}

static void changed(struct client *client, const char *text)
{
    struct answer answer = client_query(client, text);
    assert_result(&answer, CQL_RESULT_SCHEMA_CHANGE);
}

/* What a statement was planned by changes: it is to be prepared again, also after a restart. */
static void unprepared_by_changes(void **state)
{
    static const char *const changes[] = {
        "ALTER TABLE k.t ADD d int",
        "ALTER TABLE k.t DROP d",
        "ALTER TABLE k.t RENAME a TO aa",
        "ALTER TABLE k.t RENAME aa TO a",
        "ALTER TABLE k.t WITH default_time_to_live = 100",
        "ALTER TABLE k.t WITH gc_grace_seconds = 7",
        "CREATE INDEX i ON k.t (b)",
        "DROP INDEX k.i",
        "ALTER TYPE k.u ADD y int",
        "ALTER TYPE k.u RENAME y TO z",
    };
    struct rig rig;
    rig_up(&rig, NULL);
    struct client *client = client_new(&rig, 4);
    client_startup(client, NULL, CQL_READY);
    make_table(client);
    changed(client, "CREATE TYPE k.u (x int)");
    changed(client, "ALTER TABLE k.t ADD c u");
    struct cql_value values[] = {{.bytes = {"\0\0\0\1", 4}}};
    const char *text = "SELECT * FROM k.t LIMIT ?";
    struct answer answer;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct cql_prepared select = prepared(client, text);
        answer = execute(client, &select, values, 1, true);
        rows(client, &answer, 0);
        changed(client, changes[i]);
        if (i % 3 == 0) { /* what nobody executed since the start is known by its record only */
            client_free(client);
            rig_restart(&rig, NULL);
            client = client_new(&rig, 4);
            client_startup(client, NULL, CQL_READY);
        }
        assert_unprepared(client, &select, values);
    }
    struct cql_prepared select = prepared(client, text);
    changed(client, "ALTER TABLE k.t WITH comment = 'no matter'");
    answer = execute(client, &select, values, 1, true);
    rows(client, &answer, 0);
    changed(client, "DROP TABLE k.t");
    assert_unprepared(client, &select, values);
    answer = prepare(client, text);
    assert_error(&rig, &answer, CQL_INVALID, "does not exist");
    changed(client, "CREATE TABLE k.t (a int PRIMARY KEY, b text, c u)");
    assert_unprepared(client, &select, values);
    select = prepared(client, text);
    changed(client, "DROP KEYSPACE k");
    make_table(client);
    assert_unprepared(client, &select, values);
    client_free(client);
    rig_down(&rig);
}

/* The id stays the same, so that a client of an older version may execute what another prepared by
 * other columns than its own: it is told them, also after restarts. */
static void columns_of_others(void **state)
{
    struct rig rig;
    rig_up(&rig, NULL);
    struct client *client = client_new(&rig, 4);
    client_startup(client, NULL, CQL_READY);
    make_table(client);
    struct answer answer = client_query(client, "INSERT INTO k.t (a, b) VALUES (1, 'x')");
    struct cql_value values[] = {{.bytes = {"\0\0\0\1", 4}}};
    struct cql_prepared mine = prepared(client, "SELECT * FROM k.t WHERE a = ?");
    changed(client, "ALTER TABLE k.t ADD c int");
    for (int i = 0; i < 3; i++) {
        struct cql_prepared other = prepared(client, "SELECT * FROM k.t WHERE a = ?");
        assert_true(str_equal(mine.id, other.id));
        answer = execute(client, &mine, values, 1, true);
        struct cql_rows_metadata metadata = rows(client, &answer, 1);
        assert_false(metadata.no_metadata);
        assert_int_equal(3, metadata.column_count);
        client_free(client);
        rig_restart(&rig, NULL);
        client = client_new(&rig, 4);
        client_startup(client, NULL, CQL_READY);
    }
    client_free(client);
    rig_down(&rig);
}

static void metadata_changes(void **state)
{
    struct rig rig;
    rig_up(&rig, NULL);
    struct client *client = client_new(&rig, 5);
    client_startup(client, NULL, CQL_READY);
    make_table(client);
    struct answer answer = client_query(client, "INSERT INTO k.t (a, b) VALUES (1, 'x')");
    struct cql_prepared select = prepared(client, "SELECT * FROM k.t WHERE a = ?");
    struct cql_value values[] = {{.bytes = {"\0\0\0\1", 4}}};
    answer = execute(client, &select, values, 1, true);
    assert_true(rows(client, &answer, 1).no_metadata);
    changed(client, "ALTER TABLE k.t ADD c int");
    assert_unprepared(client, &select, values);
    /* Another client prepared it: this one is told that it knows old columns. */
    prepared(client, "SELECT * FROM k.t WHERE a = ?");
    answer = execute(client, &select, values, 1, true);
    struct cql_rows_metadata metadata = rows(client, &answer, 1);
    assert_false(metadata.no_metadata);
    assert_int_equal(3, metadata.column_count);
    assert_int_equal(16, metadata.new_id.bytes);
    assert_false(str_equal(metadata.new_id, select.result_id));
    /* Known from now on. */
    select.result_id = metadata.new_id;
    answer = execute(client, &select, values, 1, true);
    assert_true(rows(client, &answer, 1).no_metadata);
    /* A conditional statement always tells its columns. */
    struct cql_prepared insert = prepared(client, "INSERT INTO k.t (a) VALUES (?) IF NOT EXISTS");
    answer = execute(client, &insert, values, 1, true);
    metadata = rows(client, &answer, 1);
    assert_false(metadata.no_metadata);
    assert_null(metadata.new_id.ptr);
    assert_str("[applied]", metadata.columns[0].name);
    client_free(client);
    rig_down(&rig);
}

static void batches(void **state)
{
    struct rig rig;
    rig_up(&rig, NULL);
    struct client *client = client_new(&rig, 4);
    client_startup(client, "lz4", CQL_READY);
    make_table(client);
    struct cql_prepared insert = prepared(client, "INSERT INTO k.t (a, b) VALUES (?, ?)");
    struct cql_value values[] = {{.bytes = {"\0\0\0\7", 4}}, {.bytes = {"seven", 5}}};
    struct cql_batch_item items[] = {
        {.query = STR("INSERT INTO k.t (a, b) VALUES (1, 'one')")},
        {.id = insert.id, .values = values, .value_count = 2},
    };
    struct cql_request request = {.header = {.opcode = CQL_BATCH},
                                  .items = items,
                                  .item_count = 2,
                                  .parameters = {.consistency = 1}};
    struct answer answer = client_ask(client, &request);
    assert_result(&answer, CQL_RESULT_VOID);
    answer = client_query(client, "SELECT * FROM k.t");
    rows(client, &answer, 2);
    items[0].query = STR("SELECT * FROM k.t");
    answer = client_ask(client, &request);
    assert_error(&rig, &answer, CQL_INVALID, "Invalid statement in batch");
    items[0].query = STR("INSERT INTO k.t (a) VALUES (2)");
    items[1].id = STR("0123456789abcdef");
    answer = client_ask(client, &request);
    assert_error(&rig, &answer, CQL_UNPREPARED, "not found");
    answer = client_query(client, "SELECT * FROM k.t");
    rows(client, &answer, 2);
    client_free(client);
    rig_down(&rig);
}

static void descriptions(void **state)
{
    struct rig rig;
    rig_up(&rig, NULL);
    struct client *client = client_new(&rig, 4);
    client_startup(client, NULL, CQL_READY);
    make_table(client);
    struct cql_request request = {
        .header = {.opcode = CQL_QUERY},
        .query = STR("DESCRIBE KEYSPACES;"),
        .parameters = {.consistency = 1, .flags = CQL_QUERY_PAGE_SIZE, .page_size = 2}};
    uint32_t seen = 0;
    for (int page = 0; page < 20; page++) {
        struct answer answer = client_ask(client, &request);
        struct cql_rows_metadata metadata;
        struct reader r = assert_result(&answer, CQL_RESULT_ROWS);
        assert_ok(cql_rows_metadata_read(&r, 4, &rig.arena, &metadata));
        seen += reader_be32(&r);
        if (!metadata.paging_state.ptr)
            break;
        request.parameters.flags |= CQL_QUERY_PAGING_STATE;
        request.parameters.paging_state = metadata.paging_state;
    }
    assert_in_range(seen, 5, 20);
    struct str stale = request.parameters.paging_state;
    struct answer answer = client_query(client, "DROP TABLE k.t");
    assert_result(&answer, CQL_RESULT_SCHEMA_CHANGE);
    request.parameters.paging_state = stale;
    answer = client_ask(client, &request);
    assert_error(&rig, &answer, CQL_INVALID, "The schema has changed since the previous page");
    client_free(client);
    rig_down(&rig);
}

/* ---- passwords ---- */

static struct answer give_password(struct client *client, const char *token, size_t bytes)
{
    struct cql_request request = {.header = {.opcode = CQL_AUTH_RESPONSE}, .token = {token, bytes}};
    return client_ask(client, &request);
}

static void passwords(void **state)
{
    struct rig rig;
    struct cql_server_options options = {.user = STR("ann"), .password = STR("secret")};
    rig_up(&rig, &options);
    for (unsigned version = 3; version <= 5; version++) {
        struct client *client = client_new(&rig, version);
        client_startup(client, NULL, CQL_AUTHENTICATE);
        struct answer answer = client_query(client, "SELECT * FROM system.local");
        assert_error(&rig, &answer, CQL_PROTOCOL_ERROR,
                     "Unexpected message QUERY, expecting SASL_RESPONSE");
        answer = give_password(client, "\0ann\0wrong", 10);
        assert_error(&rig, &answer, CQL_BAD_CREDENTIALS,
                     "Provided username ann and/or password are incorrect");
        answer = give_password(client, "\0ann\0secret", 11);
        assert_int_equal(CQL_AUTH_SUCCESS, answer.header.opcode);
        answer = client_query(client, "SELECT key FROM system.local WHERE key = 'local'");
        rows(client, &answer, 1);
        client_free(client);
        client = client_new(&rig, version);
        client_startup(client, NULL, CQL_AUTHENTICATE);
        give_password(client, "\0bob\0secret", 11);
        give_password(client, "\0ann\0secretx", 12);
        answer = give_password(client, "\0ann\0", 5);
        assert_error(&rig, &answer, CQL_BAD_CREDENTIALS, "incorrect");
        assert_true(client_is_closed(client));
        client_free(client);
    }
    rig_down(&rig);
    /* Without a password nobody is asked. */
    rig_up(&rig, NULL);
    struct client *client = client_new(&rig, 4);
    client_startup(client, NULL, CQL_READY);
    client_free(client);
    rig_down(&rig);
}

/* ---- memory ---- */

enum { BIG = 300000 };

static struct buf big_query(unsigned version)
{
    struct buf text = {0}, out = {0};
    buf_text(&text, "SELECT key FROM system.local WHERE key = 'local' -- ");
    while (text.bytes < BIG)
        buf_text(&text, "0123456789");
    struct cql_request request = {.header = {.opcode = CQL_QUERY, .version = (uint8_t)version},
                                  .query = buf_str(&text),
                                  .parameters = {.consistency = 1}};
    cql_request_encode(&request, &out);
    buf_deinit(&text);
    return out;
}

/* Thirty bodies of 300 KB through a budget of 1 MB, all at once and piece by piece. */
static void memory_is_shared(void **state)
{
    struct rig rig;
    struct cql_server_options options = {.memory_bytes_max = 1 << 20};
    rig_up(&rig, &options);
    struct buf query = big_query(4);
    struct client *clients[30];
    for (int i = 0; i < 30; i++) {
        clients[i] = client_new(&rig, 4);
        client_startup(clients[i], NULL, CQL_READY);
    }
    for (size_t at = 0; at < query.bytes; at += 60000)
        for (int i = 0; i < 30; i++) {
            size_t left = query.bytes - at;
            client_raw(clients[i], query.ptr + at, left < 60000 ? left : 60000);
        }
    for (int i = 0; i < 30; i++) {
        struct answer answer;
        if (!client_next(clients[i], &answer))
            fail_msg("no answer for client %d", i);
        rows(clients[i], &answer, 1);
        client_free(clients[i]);
    }
    buf_deinit(&query);
    rig_down(&rig);
}

/* Who announces and does not send loses to those who wait. */
static void memory_is_not_held(void **state)
{
    struct rig rig;
    struct cql_server_options options = {.memory_bytes_max = 1 << 20};
    rig_up(&rig, &options);
    struct buf query = big_query(4);
    struct client *slow[3], *client = client_new(&rig, 4), *picky = client_new(&rig, 4);
    client_startup(client, NULL, CQL_READY);
    struct str overload[] = {STR("CQL_VERSION"), STR("3.0.0"), STR("THROW_ON_OVERLOAD"), STR("1")};
    struct cql_request request = {
        .header = {.opcode = CQL_STARTUP}, .options = overload, .option_count = 4};
    client_ask(picky, &request);
    for (int i = 0; i < 3; i++) {
        slow[i] = client_new(&rig, 4);
        client_startup(slow[i], NULL, CQL_READY);
        client_raw(slow[i], query.ptr, 1000);
    }
    rig_turns(&rig, 5);
    struct answer answer;
    client_raw(picky, query.ptr, query.bytes);
    assert_true(client_next(picky, &answer));
    assert_error(&rig, &answer, CQL_OVERLOADED, "overloaded");
    client_raw(client, query.ptr, query.bytes);
    assert_true(client_next(client, &answer));
    rows(client, &answer, 1);
    for (int i = 0; i < 3; i++) {
        assert_true(client_is_closed(slow[i]));
        client_free(slow[i]);
    }
    request = options_request();
    answer = client_ask(picky, &request);
    assert_int_equal(CQL_SUPPORTED, answer.header.opcode);
    client_free(client);
    client_free(picky);
    buf_deinit(&query);
    rig_down(&rig);
}

/* Half bodies that stop do not hold up the others: small requests not at all, big ones until the
 * half ones are closed, soon. */
static void memory_of_halves(void **state)
{
    struct rig rig;
    struct cql_server_options options = {.memory_bytes_max = 1 << 20};
    rig_up(&rig, &options);
    struct buf query = big_query(4);
    struct client *slow[6], *client = client_new(&rig, 4), *small = client_new(&rig, 4);
    client_startup(client, NULL, CQL_READY);
    client_startup(small, NULL, CQL_READY);
    for (int i = 0; i < 6; i++) {
        slow[i] = client_new(&rig, 4);
        client_startup(slow[i], NULL, CQL_READY);
        client_raw(slow[i], query.ptr, query.bytes - 1000);
    }
    rig_turns(&rig, 5);
    client_raw(client, query.ptr, query.bytes);
    rig_turns(&rig, 5);
    int64_t start_ns = io_loop_now_ns(rig.loop);
    struct answer answer = client_query(small, "SELECT key FROM system.local WHERE key = 'local'");
    rows(small, &answer, 1);
    assert_true(io_loop_now_ns(rig.loop) - start_ns < 1000000000);
    assert_true(client_next(client, &answer));
    rows(client, &answer, 1);
    assert_true(io_loop_now_ns(rig.loop) - start_ns < 30 * 1000000000LL);
    for (int i = 0; i < 6; i++)
        client_free(slow[i]);
    client_free(client);
    client_free(small);
    buf_deinit(&query);
    rig_down(&rig);
}

/* A client that does not read is not served on: its answers wait with it. */
static void answers_wait(void **state)
{
    struct rig rig;
    rig_up(&rig, NULL);
    for (unsigned version = 4; version <= 5; version++) {
        struct client *client = client_new(&rig, version);
        client_startup(client, NULL, CQL_READY);
        struct cql_server_status before, after;
        cql_server_status(rig.server, &before);
        io_stream_pause(client->stream, true);
        enum { ASKED = 60000 };
        struct buf out = {0};
        for (int i = 0; i < ASKED; i++) {
            struct cql_request request = options_request();
            request.header.version = (uint8_t)version;
            request.header.stream = (int16_t)(i % 30000);
            cql_request_encode(&request, &out);
        }
        client_envelopes(client, buf_str(&out));
        rig_pass(&rig, 500);
        cql_server_status(rig.server, &after);
        uint64_t served = after.requests - before.requests;
        assert_in_range(served, 1000, ASKED - 10000);
        io_stream_pause(client->stream, false);
        for (int i = 0; i < ASKED; i++) {
            struct answer answer;
            if (i % 1000 == 0)
                arena_reset(&rig.arena);
            if (!client_next(client, &answer))
                fail_msg("only %d answers", i);
        }
        buf_deinit(&out);
        client_free(client);
    }
    rig_down(&rig);
}

static void connection_limit(void **state)
{
    struct rig rig;
    struct cql_server_options options = {.connections_max = 3};
    rig_up(&rig, &options);
    struct client *clients[4];
    for (int i = 0; i < 4; i++)
        clients[i] = client_new(&rig, 4);
    for (int i = 0; i < 3; i++)
        client_startup(clients[i], NULL, CQL_READY);
    assert_true(client_is_closed(clients[3]));
    client_free(clients[0]);
    rig_turns(&rig, 5);
    clients[0] = client_new(&rig, 4);
    client_startup(clients[0], NULL, CQL_READY);
    for (int i = 0; i < 4; i++)
        client_free(clients[i]);
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshakes),
        cmocka_unit_test(unsupported_versions),
        cmocka_unit_test(startup_refusals),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(big_requests),
        cmocka_unit_test(hostile),
        cmocka_unit_test(garbage),
        cmocka_unit_test(schema_events),
        cmocka_unit_test(prepared_statements),
        cmocka_unit_test(sets_of_clients),
        cmocka_unit_test(unprepared_by_changes),
        cmocka_unit_test(columns_of_others),
        cmocka_unit_test(metadata_changes),
        cmocka_unit_test(batches),
        cmocka_unit_test(descriptions),
        cmocka_unit_test(passwords),
        cmocka_unit_test(memory_is_shared),
        cmocka_unit_test(memory_is_not_held),
        cmocka_unit_test(memory_of_halves),
        cmocka_unit_test(answers_wait),
        cmocka_unit_test(connection_limit),
    };
    return RUN_TESTS(tests);
}
