/* SPDX-License-Identifier: MIT */
/* What a session has beside its statements: traces, roles that log in, events of what pipelines
 * do. */
#include "serve/cql/harness.h"

#include "base/endian.h"

static struct reader rows(struct client *client, const struct answer *answer, uint32_t count)
{
    struct cql_rows_metadata metadata;
    struct reader r = assert_result(answer, CQL_RESULT_ROWS);
    assert_ok(cql_rows_metadata_read(&r, client->version, &client->rig->arena, &metadata));
    assert_int_equal(count, reader_be32(&r));
    return r;
}

static const char *hex_of(struct rig *rig, const uint8_t *id)
{
    CLEAN(buf_deinit) struct buf text = {0};
    for (int i = 0; i < 16; i++)
        buf_printf(&text, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
    return arena_str(&rig->arena, buf_str(&text)).ptr;
}

/* ---- traces ---- */

static struct answer traced(struct client *client, struct cql_request *request, uint8_t id[16])
{
    request->header.flags = CQL_FLAG_TRACING;
    struct answer answer = client_ask(client, request);
    assert_true(answer.header.flags & CQL_FLAG_TRACING);
    assert_true(answer.body.bytes > 16);
    memcpy(id, answer.body.ptr, 16);
    answer.body = str_slice(answer.body, 16, answer.body.bytes);
    return answer;
}

static struct answer look_at(struct client *client, const char *query, const uint8_t id[16])
{
    CLEAN(buf_deinit) struct buf text = {0};
    buf_printf(&text, "%s WHERE session_id = %.36s", query, hex_of(client->rig, id));
    buf_u8(&text, 0);
    return client_query(client, (const char *)text.ptr);
}

static void traces(void **state)
{
    struct rig rig;
    rig_up(&rig, NULL);
    for (unsigned version = 3; version <= 5; version++) {
        uint8_t id[16], other[16];
        struct client *client = client_new(&rig, version);
        client_startup(client, NULL, CQL_READY);
        struct cql_request query = {.header = {.opcode = CQL_QUERY},
                                    .query = STR("SELECT key FROM system.local"),
                                    .parameters = {.consistency = 1}};
        struct answer answer = traced(client, &query, id);
        rows(client, &answer, 1);
        answer =
            look_at(client, "SELECT request, command, duration FROM system_traces.sessions", id);
        struct reader r = rows(client, &answer, 1);
        assert_str("Execute CQL3 query", cql_bytes_read(&r));
        assert_str("QUERY", cql_bytes_read(&r));
        assert_int_equal(4, cql_bytes_read(&r).bytes);
        answer = look_at(client, "SELECT activity FROM system_traces.events", id);
        r = rows(client, &answer, 4);
        assert_str("Parsing SELECT key FROM system.local", cql_bytes_read(&r));
        answer = look_at(client, "SELECT parameters['query'] FROM system_traces.sessions", id);
        r = rows(client, &answer, 1);
        assert_str("SELECT key FROM system.local", cql_bytes_read(&r));
        /* An error has an id too. */
        query.query = STR("SELECT nothing FROM system.local");
        answer = traced(client, &query, other);
        assert_int_equal(CQL_ERROR, answer.header.opcode);
        assert_memory_not_equal(id, other, 16);
        /* Whoever does not ask gets none. */
        answer = client_query(client, "SELECT key FROM system.local");
        assert_int_equal(0, answer.header.flags & CQL_FLAG_TRACING);
        rows(client, &answer, 1);
        client_free(client);
    }
    rig_down(&rig);
}

/* The oldest go first. */
static void traces_are_forgotten(void **state)
{
    struct rig rig;
    rig_up(&rig, NULL);
    uint8_t first[16], id[16];
    struct client *client = client_new(&rig, 4);
    client_startup(client, NULL, CQL_READY);
    struct cql_request query = {.header = {.opcode = CQL_QUERY},
                                .query = STR("SELECT key FROM system.local"),
                                .parameters = {.consistency = 1}};
    traced(client, &query, first);
    for (int i = 0; i < 999; i++)
        traced(client, &query, id);
    struct answer answer = look_at(client, "SELECT request FROM system_traces.sessions", first);
    rows(client, &answer, 1);
    traced(client, &query, id);
    answer = look_at(client, "SELECT request FROM system_traces.sessions", first);
    rows(client, &answer, 0);
    answer = look_at(client, "SELECT request FROM system_traces.sessions", id);
    rows(client, &answer, 1);
    client_free(client);
    rig_down(&rig);
}

/* ---- roles ---- */

static struct answer give_password(struct client *client, const char *user, const char *password)
{
    CLEAN(buf_deinit) struct buf token = {0};
    buf_u8(&token, 0);
    buf_text(&token, user);
    buf_u8(&token, 0);
    buf_text(&token, password);
    struct cql_request request = {.header = {.opcode = CQL_AUTH_RESPONSE},
                                  .token = buf_str(&token)};
    return client_ask(client, &request);
}

static struct client *logged_in(struct rig *rig, const char *user, const char *password)
{
    struct client *client = client_new(rig, 4);
    client_startup(client, NULL, CQL_AUTHENTICATE);
    struct answer answer = give_password(client, user, password);
    assert_int_equal(CQL_AUTH_SUCCESS, answer.header.opcode);
    return client;
}

static void refused(struct rig *rig, const char *user, const char *password, const char *words)
{
    struct client *client = client_new(rig, 4);
    client_startup(client, NULL, CQL_AUTHENTICATE);
    struct answer answer = give_password(client, user, password);
    assert_error(rig, &answer, CQL_BAD_CREDENTIALS, words);
    client_free(client);
}

static void must(struct client *client, const char *text)
{
    struct answer answer = client_query(client, text);
    assert_result(&answer, CQL_RESULT_VOID);
}

static void must_not(struct client *client, const char *text, enum cql_error_code code,
                     const char *words)
{
    struct answer answer = client_query(client, text);
    assert_error(client->rig, &answer, code, words);
}

static void roles_log_in(void **state)
{
    struct rig rig;
    struct cql_server_options options = {.user = STR("ann"), .password = STR("secret")};
    rig_up(&rig, &options);
    struct client *ann = logged_in(&rig, "ann", "secret");
    must(ann, "CREATE ROLE ada WITH PASSWORD = 'one' AND LOGIN = true");
    must(ann, "CREATE USER bob WITH PASSWORD 'two' SUPERUSER");
    must(ann, "CREATE ROLE shut WITH PASSWORD = 'three'");
    must(ann, "GRANT shut TO ada");
    must_not(ann, "CREATE ROLE ada", CQL_INVALID, "ada already exists");
    must_not(ann, "ALTER ROLE ann WITH PASSWORD = 'x'", CQL_INVALID, "listeners.cql_login");
    must_not(ann, "ALTER ROLE ada", CQL_INVALID, "ALTER [ROLE|USER] can't be empty");
    must_not(ann, "DROP ROLE ann", CQL_INVALID, "Cannot DROP primary role for current login");
    refused(&rig, "ada", "two", "Provided username ada and/or password are incorrect");
    refused(&rig, "nobody", "one", "Provided username nobody and/or password are incorrect");
    refused(&rig, "shut", "three", "shut is not permitted to log in");
    /* They are there after a restart, and their passwords nowhere. */
    client_free(ann);
    rig_restart(&rig, &options);
    struct client *ada = logged_in(&rig, "ada", "one");
    must_not(ada, "CREATE ROLE c WITH SUPERUSER = true", CQL_UNAUTHORIZED,
             "Only superusers can create a role with superuser status");
    must_not(ada, "ALTER ROLE bob WITH SUPERUSER = false", CQL_UNAUTHORIZED,
             "Only superusers are allowed to alter superuser status");
    must_not(ada, "ALTER ROLE ada WITH SUPERUSER = true", CQL_UNAUTHORIZED,
             "You aren't allowed to alter your own superuser status");
    must_not(ada, "DROP ROLE bob", CQL_UNAUTHORIZED,
             "Only superusers can drop a role with superuser status");
    must_not(ada, "DROP ROLE ada", CQL_INVALID, "Cannot DROP primary role for current login");
    must(ada, "ALTER ROLE ada WITH PASSWORD = 'four'");
    must_not(ada, "GRANT SELECT ON ALL KEYSPACES TO ada", CQL_INVALID,
             "GRANT operation is not supported by AllowAllAuthorizer");
    struct answer answer =
        client_query(ada, "SELECT salted_hash FROM system_auth.roles WHERE role = 'ada'");
    struct reader r = rows(ada, &answer, 1);
    struct str hash = cql_bytes_read(&r);
    assert_true(str_starts(hash, STR("pbkdf2-sha256$")));
    assert_true(str_find(hash, STR("four"), 0) == SIZE_MAX);
    refused(&rig, "ada", "one", "incorrect");
    client_free(ada);
    struct client *bob = logged_in(&rig, "bob", "two");
    must_not(bob, "DROP ROLE ann", CQL_INVALID, "listeners.cql_login");
    answer = client_query(bob, "SELECT member FROM system_auth.role_members WHERE role = 'shut'");
    r = rows(bob, &answer, 1);
    assert_str("ada", cql_bytes_read(&r));
    must(bob, "DROP ROLE shut");
    answer = client_query(bob, "LIST ROLES OF ada");
    rows(bob, &answer, 1);
    answer = client_query(bob, "SELECT role FROM system_auth.roles");
    rows(bob, &answer, 3);
    must(bob, "DROP ROLE ada");
    refused(&rig, "ada", "four", "incorrect");
    client_free(bob);
    rig_down(&rig);
}

/* What bcrypt made of "secret" elsewhere, and what could not be of it. */
static void hashed_passwords(void **state)
{
    static const char *const wrong[] = {
        "abc",
        "",
        "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
        "$2a$03$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
        "$2a$32$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
        "$2a$04$abcdefghijklmnopqrst!u2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    };
    struct rig rig;
    struct cql_server_options options = {.user = STR("ann"), .password = STR("secret")};
    rig_up(&rig, &options);
    struct client *ann = logged_in(&rig, "ann", "secret");
    must(ann, "CREATE ROLE ada WITH LOGIN = true AND HASHED PASSWORD = "
              "'$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW'");
    must(ann, "CREATE USER bob WITH HASHED PASSWORD "
              "'$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIr'"); /* one is missing */
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[200];
        snprintf(text, sizeof text, "ALTER ROLE ada WITH HASHED PASSWORD = '%s'", wrong[i]);
        must_not(ann, text, CQL_INVALID, "Invalid hashed password value. Please use jBcrypt.");
    }
    must_not(ann, "ALTER ROLE no WITH LOGIN = true", CQL_INVALID, "Role no doesn't exist");
    must_not(ann, "CREATE ROLE c WITH LOGIN = true AND LOGIN = true", CQL_SYNTAX_ERROR,
             "Multiple definition for property 'LOGIN'");
    client_free(ann);
    rig_restart(&rig, &options);
    refused(&rig, "ada", "secre", "Provided username ada and/or password are incorrect");
    refused(&rig, "bob", "secret", "Provided username bob and/or password are incorrect");
    struct client *ada = logged_in(&rig, "ada", "secret");
    struct answer answer =
        client_query(ada, "SELECT salted_hash FROM system_auth.roles WHERE role = 'ada'");
    struct reader r = rows(ada, &answer, 1);
    assert_str("$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", cql_bytes_read(&r));
    must(ada, "ALTER ROLE ada WITH PASSWORD = 'other'");
    client_free(ada);
    refused(&rig, "ada", "secret", "incorrect");
    client_free(logged_in(&rig, "ada", "other"));
    rig_down(&rig);
}

/* ---- connections as rows ---- */

static struct answer startup_of(struct client *client, struct str *options, uint16_t count)
{
    struct cql_request request = {
        .header = {.opcode = CQL_STARTUP}, .options = options, .option_count = count};
    return client_ask(client, &request);
}

/* Each row as JSON, in the order of ports, which is that of connecting. */
static void expect_clients(struct client *client, const char *const *expected, uint32_t count)
{
    struct answer answer = client_query(
        client, "SELECT JSON address, client_options, connection_stage, driver_name, "
                "driver_version, hostname, keyspace_name, protocol_version, request_count, "
                "ssl_cipher_suite, ssl_enabled, ssl_protocol, username FROM system_views.clients");
    struct reader r = rows(client, &answer, count);
    for (uint32_t i = 0; i < count; i++) {
        struct str row = cql_bytes_read(&r);
        size_t from = str_find(row, STR("\"client_options\""), 0);
        size_t end = str_find(row, STR(", \"ssl_enabled\": false"), 0);
        assert_true(str_starts(row, STR("{\"address\": \"127.0.0.1\", ")));
        assert_true(end != SIZE_MAX);
        CLEAN(buf_deinit) struct buf out = {0};
        buf_str_append(&out, str_slice(row, from, end));
        buf_str_append(&out, str_slice(row, str_find(row, STR(", \"username"), 0), row.bytes));
        assert_str(expected[i], buf_str(&out));
    }
}

#define HOST "\"driver_version\": %s, \"hostname\": \"localhost\", "

static void connections_as_rows(void **state)
{
    struct str named[] = {STR("DRIVER_VERSION"), STR("1.2"),   STR("CQL_VERSION"), STR("3.0.0"),
                          STR("DRIVER_NAME"),    STR("first"), STR("DRIVER_NAME"), STR("drv")};
    struct str wrong[] = {STR("CQL_VERSION"), STR("1.0.0")};
    struct str plain[] = {STR("CQL_VERSION"), STR("3.4.0")};
    struct rig rig;
    rig_up(&rig, NULL);
    struct client *one = client_new(&rig, 4), *two = client_new(&rig, 4),
                  *three = client_new(&rig, 5), *silent = client_new(&rig, 4);
    struct answer answer = startup_of(one, named, 8);
    assert_int_equal(CQL_READY, answer.header.opcode);
    answer = startup_of(two, wrong, 2);
    assert_error(&rig, &answer, CQL_PROTOCOL_ERROR, "CQL version 1.0.0 is not supported");
    three->framed = false;
    answer = startup_of(three, plain, 2);
    assert_int_equal(CQL_READY, answer.header.opcode);
    three->framed = true;
    /* Whoever only asked for options is not told of. */
    struct cql_request options = {.header = {.opcode = CQL_OPTIONS}};
    client_ask(silent, &options);
    answer = client_query(one, "USE system");
    assert_result(&answer, CQL_RESULT_SET_KEYSPACE);
    must_not(one, "SELEC", CQL_SYNTAX_ERROR, "SELEC");
    static const char *const expected[] = {
        "\"client_options\": {\"CQL_VERSION\": \"3.0.0\", \"DRIVER_NAME\": \"drv\", "
        "\"DRIVER_VERSION\": \"1.2\"}, \"connection_stage\": \"ready\", \"driver_name\": "
        "\"drv\", \"driver_version\": \"1.2\", \"hostname\": \"localhost\", \"keyspace_name\": "
        "\"system\", \"protocol_version\": 4, \"request_count\": 4, \"ssl_cipher_suite\": null, "
        "\"username\": \"anonymous\"}",
        "\"client_options\": null, \"connection_stage\": \"established\", \"driver_name\": null, "
        "\"driver_version\": null, \"hostname\": \"localhost\", \"keyspace_name\": null, "
        "\"protocol_version\": 4, \"request_count\": 1, \"ssl_cipher_suite\": null, "
        "\"username\": \"anonymous\"}",
        "\"client_options\": {\"CQL_VERSION\": \"3.4.0\"}, \"connection_stage\": \"ready\", "
        "\"driver_name\": null, \"driver_version\": null, \"hostname\": \"localhost\", "
        "\"keyspace_name\": null, \"protocol_version\": 5, \"request_count\": 1, "
        "\"ssl_cipher_suite\": null, \"username\": \"anonymous\"}"};
    expect_clients(one, expected, 3);
    client_free(two);
    client_free(silent);
    rig_turns(&rig, 5);
    answer = client_query(one, "SELECT port FROM system_views.clients WHERE "
                               "address = '127.0.0.1' ORDER BY port DESC");
    struct reader r = rows(one, &answer, 2);
    struct str last = cql_bytes_read(&r), first = cql_bytes_read(&r);
    assert_true(str_compare(last, first) > 0);
    must_not(one, "DELETE FROM system_views.clients WHERE address = '127.0.0.1'", CQL_INVALID,
             "Modification is not supported by table system_views.clients");
    client_free(one);
    client_free(three);
    rig_down(&rig);
}

static void logins_as_rows(void **state)
{
    struct rig rig;
    struct cql_server_options options = {.user = STR("ann"), .password = STR("secret")};
    rig_up(&rig, &options);
    struct client *waits = client_new(&rig, 4);
    client_startup(waits, NULL, CQL_AUTHENTICATE);
    /* What comes too early is not counted, what is wrong is. */
    must_not(waits, "SELECT * FROM system.local", CQL_PROTOCOL_ERROR, "expecting SASL_RESPONSE");
    struct answer answer = give_password(waits, "ann", "wrong");
    assert_error(&rig, &answer, CQL_BAD_CREDENTIALS, "incorrect");
    struct client *ann = logged_in(&rig, "ann", "secret");
    answer = client_query(ann, "SELECT connection_stage, request_count, username FROM "
                               "system_views.clients");
    struct reader r = rows(ann, &answer, 2);
    assert_str("authenticating", cql_bytes_read(&r));
    assert_int_equal(2, get_be64(cql_bytes_read(&r).ptr));
    assert_null(cql_bytes_read(&r).ptr);
    assert_str("ready", cql_bytes_read(&r));
    assert_int_equal(3, get_be64(cql_bytes_read(&r).ptr));
    assert_str("ann", cql_bytes_read(&r));
    client_free(waits);
    client_free(ann);
    rig_down(&rig);
}

/* ---- events ---- */

static struct table *pipeline_makes(struct rig *rig, const char *name, size_t columns)
{
    const struct table_column all[] = {
        {STR("id"), type_simple(TYPE_INT), STR("int"), TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("v"), type_simple(TYPE_STRING), STR("text"), TABLE_REGULAR, TABLE_ONE_CELL},
        {STR("w"), type_simple(TYPE_STRING), STR("text"), TABLE_REGULAR, TABLE_ONE_CELL}};
    struct table_definition definition = {
        .keyspace = STR("shop"), .name = str_of(name), .columns = all, .column_count = columns};
    struct table *table;
    assert_ok(table_create(rig->store, &definition, NULL, &table));
    return table;
}

static void expect_event(struct client *client, const char *change, const char *target,
                         const char *name)
{
    struct answer answer;
    if (!client_next(client, &answer))
        fail_msg("no event %s %s", change, target);
    assert_int_equal(CQL_EVENT, answer.header.opcode);
    struct reader r = reader_of(answer.body.ptr, answer.body.bytes);
    assert_str("SCHEMA_CHANGE", cql_string_read(&r));
    assert_str(change, cql_string_read(&r));
    assert_str(target, cql_string_read(&r));
    assert_str("shop", cql_string_read(&r));
    if (name)
        assert_str(name, cql_string_read(&r));
    assert_int_equal(0, r.left);
}

static void read_version(struct client *client, uint8_t version[16])
{
    struct answer answer = client_query(client, "SELECT schema_version FROM system.local");
    struct reader r = rows(client, &answer, 1);
    struct str bytes = cql_bytes_read(&r);
    assert_int_equal(16, bytes.bytes);
    memcpy(version, bytes.ptr, 16);
}

static void pipelines_are_told_of(void **state)
{
    struct rig rig;
    uint8_t before[16], after[16];
    rig_up(&rig, NULL);
    pipeline_makes(&rig, "earlier", 2);
    struct client *client = client_new(&rig, 4), *other = client_new(&rig, 4);
    client_startup(client, NULL, CQL_READY);
    client_startup(other, NULL, CQL_READY);
    struct str name = STR("SCHEMA_CHANGE");
    struct cql_request request = {
        .header = {.opcode = CQL_REGISTER}, .options = &name, .option_count = 1};
    client_ask(client, &request);
    read_version(other, before);
    pipeline_makes(&rig, "orders", 2);
    expect_event(client, "CREATED", "TABLE", "orders");
    read_version(other, after);
    assert_memory_not_equal(before, after, 16);
    pipeline_makes(&rig, "orders", 3);
    expect_event(client, "UPDATED", "TABLE", "orders");
    assert_ok(table_drop(rig.store, STR("shop"), STR("orders")));
    expect_event(client, "DROPPED", "TABLE", "orders");
    assert_ok(table_drop(rig.store, STR("shop"), STR("earlier")));
    expect_event(client, "DROPPED", "TABLE", "earlier");
    expect_event(client, "DROPPED", "KEYSPACE", NULL);
    pipeline_makes(&rig, "again", 2);
    expect_event(client, "CREATED", "KEYSPACE", NULL);
    expect_event(client, "CREATED", "TABLE", "again");
    /* A statement's own change is told once, by its own event. */
    struct answer answer = client_query(other, "CREATE TABLE shop.mine (k int PRIMARY KEY)");
    assert_result(&answer, CQL_RESULT_SCHEMA_CHANGE);
    expect_event(client, "CREATED", "TABLE", "mine");
    answer = client_query(other, "DROP TABLE shop.mine");
    expect_event(client, "DROPPED", "TABLE", "mine");
    pipeline_makes(&rig, "last", 2);
    expect_event(client, "CREATED", "TABLE", "last");
    client_free(client);
    client_free(other);
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traces),
        cmocka_unit_test(traces_are_forgotten),
        cmocka_unit_test(roles_log_in),
        cmocka_unit_test(hashed_passwords),
        cmocka_unit_test(connections_as_rows),
        cmocka_unit_test(logins_as_rows),
        cmocka_unit_test(pipelines_are_told_of),
    };
    return RUN_TESTS(tests);
}
