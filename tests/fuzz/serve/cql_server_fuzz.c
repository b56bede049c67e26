/* SPDX-License-Identifier: MIT */
/*
 * Any sequence of requests, to a whole CQL server in the simulator. The input is read as choices:
 * which request on which of three connections (one a version), which of the statements below or
 * what is left of it after a part was cut or doubled, and values of all shapes; so most requests
 * get through the decoder and those that follow refer to what those before have made. A choice also
 * breaks a byte of what is sent, ends a connection or lets time pass. It has to end cleanly with
 * whatever is under way, and a table must still be readable.
 */
#include "base/check.h"
#include "io/sim.h"
#include "serve/cql/cql.h"
#include "wire/cql/cql.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { CLIENTS = 3, REQUESTS_MAX = 50, IDS_MAX = 16 };

static const char *const statements[] = {
    "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TYPE k.u (x int, y frozen<list<text>>)",
    "CREATE TABLE k.t (a int, b text, s int STATIC, l list<int>, m map<text, frozen<u>>, v varint, "
    "PRIMARY KEY (a, b)) WITH CLUSTERING ORDER BY (b DESC)",
    "CREATE TABLE k.c (a text PRIMARY KEY, n counter)",
    "CREATE INDEX i ON k.t (v)",
    "ALTER TABLE k.t ADD w vector<float, 2>",
    "ALTER TABLE k.t DROP v",
    "USE k",
    "INSERT INTO k.t (a, b, s, v) VALUES (?, ?, ?, ?)",
    "INSERT INTO k.t (a, b, l) VALUES (1, 'x', [1, 2, 3]) USING TTL 100 AND TIMESTAMP 5",
    "INSERT INTO k.t (a, b, m) VALUES (?, 'y', ?) IF NOT EXISTS",
    "INSERT INTO k.t JSON '{\"a\": 1, \"b\": \"j\", \"l\": [4], \"m\": {\"k\": {\"x\": 1}}}'",
    "UPDATE k.t SET l = l + ?, m['z'] = {x: 1, y: ['q']}, v = 12345678901234567890 WHERE a = 1 AND "
    "b = ?",
    "UPDATE k.t SET l[0] = 7, s = 3 WHERE a = 1 AND b = 'x' IF v > ?",
    "UPDATE k.c SET n = n + ? WHERE a = 'c'",
    "DELETE l[0], m['k'] FROM k.t WHERE a = 1 AND b = 'x'",
    "DELETE FROM k.t WHERE a = ? AND b > ?",
    "INSERT INTO k.t (a, s) VALUES (?, ?) IF NOT EXISTS",
    "BEGIN BATCH UPDATE k.t SET s = ? WHERE a = 1 IF s = ? AND s > 0; UPDATE k.t SET v = 1 WHERE a "
    "= 1 AND b = ? IF l[?] = 2 AND m['k'] != null; DELETE FROM k.t WHERE a = 1 AND b > 'c' APPLY "
    "BATCH",
    "DELETE FROM k.t WHERE a = 1",
    "BEGIN BATCH INSERT INTO k.t (a, b) VALUES (2, ?); UPDATE k.t SET s = ? WHERE a = 2 APPLY "
    "BATCH",
    "SELECT * FROM k.t",
    "SELECT * FROM k.t WHERE a = ? ORDER BY b ASC LIMIT ?",
    "SELECT a, count(*), max(b), writetime(s), ttl(s), token(a) FROM k.t GROUP BY a",
    "SELECT JSON * FROM k.t WHERE a IN (1, 2, ?) AND b >= ?",
    "SELECT l[0], m['k'].x, toJson(m), CAST(a AS text) FROM k.t WHERE v = ? ALLOW FILTERING",
    "SELECT DISTINCT a, s FROM k.t WHERE token(a) > ? PER PARTITION LIMIT 1",
    "SELECT * FROM k.c",
    "SELECT * FROM system_schema.columns WHERE keyspace_name = 'k'",
    "SELECT * FROM system.prepared_statements",
    "SELECT * FROM system_views.clients WHERE username = ?",
    "DESCRIBE KEYSPACE k",
    "DESCRIBE SCHEMA",
    "LIST ROLES",
    "TRUNCATE k.t",
    "DROP TABLE k.t",
    "DROP KEYSPACE k",
};
enum { STATEMENT_COUNT = sizeof statements / sizeof statements[0] };

static struct {
    struct io *io;
    struct io_loop *loop;
    struct table_store *store;
    struct cql_server *server;
    struct io_stream *clients[CLIENTS];
    bool connected[CLIENTS], framed[CLIENTS];
    struct arena arena;
    struct str ids[IDS_MAX];
    size_t id_count;
    char address[40];
    uint64_t bytes_back;
} rig;

/* ---- choices ---- */

static struct str text(struct reader *r)
{
    uint8_t choice = reader_u8(r);
    struct str s = str_of(statements[choice % STATEMENT_COUNT]);
    if (choice < 220)
        return s;
    /* A part of it is gone, or there twice. */
    size_t from = reader_u8(r) % s.bytes, to = reader_u8(r) % s.bytes;
    struct buf out = {0};
    buf_str_append(&out, str_slice(s, 0, from));
    buf_str_append(&out, str_slice(s, to, s.bytes));
    s = arena_str(&rig.arena, buf_str(&out));
    buf_deinit(&out);
    return s;
}

static struct cql_value value(struct reader *r)
{
    static const struct cql_value list[] = {
        {.bytes = {"\0\0\0\1", 4}},
        {.bytes = {"\0\0\0\2", 4}},
        {.bytes = {"x", 1}},
        {.bytes = {"y", 1}},
        {.bytes = {NULL, 0}},
        {.unset = true},
        {.bytes = {"", 0}},
        {.bytes = {"\0\0\0\0\0\0\0\5", 8}},
        {.bytes = {"\377\377\377\377\377\377\377\377", 8}},
        {.bytes = {"\0\0\0\1\0\0\0\4\0\0\0\11", 12}},
        {.bytes = {"\0\0\0\1\0\0\0\1k\0\0\0\10\0\0\0\4\0\0\0\1", 21}},
        {.bytes = {"\200\0\0\0", 4}},
        {.bytes = {"\377\377\377\377", 4}},
        {.bytes = {"\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17", 16}},
    };
    return list[reader_u8(r) % (sizeof list / sizeof list[0])];
}

static struct cql_value *values(struct reader *r, uint16_t *ret_count)
{
    uint16_t count = reader_u8(r) % 5;
    struct cql_value *list = arena_array(&rig.arena, count + 1U, sizeof *list);
    for (uint16_t i = 0; i < count; i++)
        list[i] = value(r);
    *ret_count = count;
    return list;
}

static struct str id(struct reader *r)
{
    uint8_t choice = reader_u8(r);
    return rig.id_count && choice < 240 ? rig.ids[choice % rig.id_count] : STR("0123456789abcdef");
}

static void parameters(struct reader *r, struct cql_parameters *p)
{
    uint8_t how = reader_u8(r);
    *p = (struct cql_parameters){.consistency = how % 11,
                                 .serial_consistency = 8,
                                 .timestamp_us = (int64_t)how * 1000,
                                 .page_size = how % 7,
                                 .now_s = how};
    p->flags = (how & 1 ? CQL_QUERY_PAGE_SIZE : 0) | (how & 2 ? CQL_QUERY_TIMESTAMP : 0) |
               (how & 4 ? CQL_QUERY_SERIAL : 0) | (how & 8 ? CQL_QUERY_SKIP_METADATA : 0) |
               (how & 16 ? CQL_QUERY_VALUES : 0);
    if (p->flags & CQL_QUERY_VALUES)
        p->values = values(r, &p->value_count);
}

static struct cql_request request(struct reader *r, uint8_t version)
{
    static struct str event[] = {{"SCHEMA_CHANGE", 13}};
    struct cql_request q = {.header = {.version = version, .stream = reader_u8(r)}};
    uint8_t kind = reader_u8(r) % 16;
    q.header.opcode = kind < 7    ? CQL_QUERY
                      : kind < 9  ? CQL_PREPARE
                      : kind < 13 ? CQL_EXECUTE
                      : kind < 14 ? CQL_BATCH
                      : kind < 15 ? CQL_REGISTER
                                  : CQL_OPTIONS;
    if (q.header.opcode == CQL_QUERY || q.header.opcode == CQL_PREPARE)
        q.query = text(r);
    if (q.header.opcode == CQL_EXECUTE) {
        q.id = id(r);
        q.result_id = STR("");
    }
    if (q.header.opcode == CQL_REGISTER) {
        q.options = event;
        q.option_count = 1;
    }
    if (q.header.opcode == CQL_BATCH) {
        q.batch_type = reader_u8(r) % 4;
        q.item_count = reader_u8(r) % 4;
        q.items = arena_zero(&rig.arena, 4 * sizeof *q.items);
        for (uint16_t i = 0; i < q.item_count; i++) {
            if (reader_u8(r) & 1)
                q.items[i].query = text(r);
            else
                q.items[i].id = id(r);
            q.items[i].values = values(r, &q.items[i].value_count);
        }
    }
    if (q.header.opcode != CQL_PREPARE && q.header.opcode != CQL_OPTIONS)
        parameters(r, &q.parameters);
    return q;
}

/* ---- clients ---- */

/* Ids of prepared statements are picked out of v3's answers. */
static size_t client_data(void *owner, struct io_stream *stream, const uint8_t *data, size_t bytes)
{
    struct io_stream **slot = owner;
    size_t at = 0;
    rig.bytes_back += bytes;
    while (slot == &rig.clients[0] && bytes - at >= CQL_HEADER_BYTES) {
        struct cql_header header;
        check(cql_header_parse(data + at, SIZE_MAX, &header) == OK);
        if (bytes - at < CQL_HEADER_BYTES + (size_t)header.body_bytes)
            return at;
        const uint8_t *body = data + at + CQL_HEADER_BYTES;
        if (header.opcode == CQL_RESULT && header.body_bytes > 22 &&
            get_be32(body) == CQL_RESULT_PREPARED && rig.id_count < IDS_MAX)
            rig.ids[rig.id_count++] = arena_str(&rig.arena, str_from(body + 6, 16));
        at += CQL_HEADER_BYTES + header.body_bytes;
    }
    return slot == &rig.clients[0] ? at : bytes;
}

static void client_closed(void *owner, struct io_stream *stream, enum err why)
{
    struct io_stream **slot = owner;
    rig.connected[slot - rig.clients] = false;
}

static void turns(int count)
{
    for (int i = 0; i < count; i++)
        io_loop_turn(rig.loop, 1000000);
}

static void send_bytes(size_t client, const void *data, size_t bytes)
{
    if (rig.connected[client] && io_stream_write(rig.clients[client], data, bytes) != OK)
        rig.connected[client] = false;
}

static void connect_client(size_t client)
{
    static const struct io_stream_events events = {.data = client_data, .closed = client_closed};
    static const struct io_stream_limits limits = {.in_max = 64 << 20, .out_max = 64 << 20};
    static struct str options[] = {{"CQL_VERSION", 11}, {"3.0.0", 5}};
    struct buf out = {0};
    check(io_connect(rig.loop, rig.address, NULL, NULL, &events, &limits, &rig.clients[client],
                     &rig.clients[client]) == OK);
    rig.connected[client] = true;
    turns(4);
    struct cql_request q = {.header = {.version = (uint8_t)(3 + client), .opcode = CQL_STARTUP},
                            .options = options,
                            .option_count = 2};
    cql_request_encode(&q, &out);
    send_bytes(client, out.ptr, out.bytes);
    buf_deinit(&out);
    turns(3);
    rig.framed[client] = client == 2;
}

static void up(void)
{
    struct io_sim_options sim = {.seed = 5};
    struct table_store_options store = {.memory = true};
    struct cql_server_options options = {.address = "127.0.0.1:0"};
    memset(&rig, 0, sizeof rig);
    arena_init(&rig.arena, SIZE_MAX / 2);
    rig.io = io_sim_new(&sim);
    check(io_loop_new(rig.io, &rig.loop) == OK);
    check(table_store_open(rig.io, "data", &store, NULL, &rig.store) == OK);
    check(cql_server_new(rig.loop, rig.store, &options, NULL, &rig.server) == OK);
    snprintf(rig.address, sizeof rig.address, "127.0.0.1:%u", cql_server_port(rig.server));
    for (size_t i = 0; i < CLIENTS; i++)
        connect_client(i);
}

static void down(void)
{
    for (size_t i = 0; i < CLIENTS; i++)
        if (rig.connected[i])
            io_stream_abort(rig.clients[i], ERR_CLOSED);
    cql_server_free(rig.server);
    turns(5);
    table_store_close(rig.store);
    io_loop_free(rig.loop);
    io_free(rig.io);
    arena_deinit(&rig.arena);
}

static void step(struct reader *r)
{
    size_t client = reader_u8(r) % CLIENTS;
    uint8_t how = reader_u8(r);
    struct buf out = {0}, wrapped = {0};
    if (!rig.connected[client])
        connect_client(client);
    struct cql_request q = request(r, (uint8_t)(3 + client));
    cql_request_encode(&q, &out);
    if (how >= 230 && out.bytes)
        out.ptr[reader_u8(r) % out.bytes] ^= reader_u8(r);
    if (rig.framed[client]) {
        cql_segments_append(buf_str(&out), CQL_UNCOMPRESSED, &wrapped);
        send_bytes(client, wrapped.ptr, wrapped.bytes);
    } else {
        send_bytes(client, out.ptr, out.bytes);
    }
    if (how == 229 && rig.connected[client])
        io_stream_abort(rig.clients[client], ERR_CLOSED);
    turns(how % 4);
    buf_deinit(&out);
    buf_deinit(&wrapped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct reader r = reader_of(data, bytes);
    up();
    /* Something to work on. */
    for (size_t i = 0; i < 4; i++) {
        struct buf out = {0};
        struct cql_request q = {.header = {.version = 3, .opcode = CQL_QUERY},
                                .query = str_of(statements[i]),
                                .parameters = {.consistency = 1}};
        cql_request_encode(&q, &out);
        send_bytes(0, out.ptr, out.bytes);
        buf_deinit(&out);
        turns(4);
    }
    for (int i = 0; i < REQUESTS_MAX && r.left; i++)
        step(&r);
    turns(5);
    check(rig.bytes_back > 0);
    down();
    return 0;
}
