/* SPDX-License-Identifier: MIT */
/*
 * How a connection begins: OPTIONS, STARTUP, AUTH_RESPONSE, REGISTER.
 *
 * The answer to STARTUP is the last that leaves unframed; in v5 everything behind it, the exchange
 * of passwords too, is in segments. Without a password in the settings nobody is asked for one:
 * drivers that have one are content with READY. With one, user and password are compared as salted
 * SHA-256 in constant time; the texts themselves are not kept. Whoever that is not may be a role
 * (ddl_role.c). Three wrong ones end a connection.
 */
#include "serve/cql/net.h"

/* OpenSSL has a name of ours. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/crypto.h>
#include <openssl/evp.h>
#undef ERR_STATE

enum { AUTH_FAILS_MAX = 3 };

static void texts_append(struct buf *out, const char *const *texts, uint16_t count)
{
    buf_be16(out, count);
    for (uint16_t i = 0; i < count; i++)
        cql_string_append(out, str_of(texts[i]));
}

void cql_handle_options(struct cql_call *call)
{
    static const char *const compressions[] = {"snappy", "lz4"};
    static const char *const versions[] = {"3/v3", "4/v4", "5/v5"};
    const struct cql_node *node = cql_catalog_node(call->connection->server->catalog);
    struct buf *out = cql_call_out(call);
    buf_be16(out, 3);
    cql_string_append(out, STR("COMPRESSION"));
    texts_append(out, compressions, 2);
    cql_string_append(out, STR("CQL_VERSION"));
    buf_be16(out, 1);
    cql_string_append(out, node->cql_version);
    cql_string_append(out, STR("PROTOCOL_VERSIONS"));
    texts_append(out, versions, 3);
    cql_answer(call, CQL_SUPPORTED, buf_str(out));
}

static struct str option(const struct cql_request *request, struct str name)
{
    for (uint16_t i = 0; i + 1 < request->option_count; i += 2)
        if (str_equal(request->options[i], name))
            return request->options[i + 1];
    return STR_NONE;
}

/* False: answered. */
static bool choose_compression(struct cql_call *call, enum cql_compression *ret_compression)
{
    struct str name = option(&call->request, STR("COMPRESSION"));
    *ret_compression = CQL_UNCOMPRESSED;
    if (!name.bytes)
        return true;
    bool snappy = str_equal_nocase(name, STR("snappy"));
    if (!snappy && !str_equal_nocase(name, STR("lz4"))) {
        cql_answer_fail(call, CQL_PROTOCOL_ERROR, "Unknown compression algorithm: %.*s",
                        STR_ARG(str_slice(name, 0, 100)));
        return false;
    }
    if (snappy && call->header.version >= 5) {
        cql_answer_fail(call, CQL_PROTOCOL_ERROR,
                        "Unsupported compression type for protocol version 5/v5: snappy");
        return false;
    }
    *ret_compression = snappy ? CQL_SNAPPY : CQL_LZ4;
    return true;
}

void cql_handle_startup(struct cql_call *call)
{
    struct cql_connection *connection = call->connection;
    struct cql_server *server = connection->server;
    struct str version = option(&call->request, STR("CQL_VERSION"));
    enum cql_compression compression;
    if (!version.ptr) {
        cql_answer_fail(call, CQL_PROTOCOL_ERROR, "Missing value CQL_VERSION in STARTUP message");
        return;
    }
    /* Any later version too: the crate scylla asks for 4.0.0 whatever is offered. */
    uint64_t major = 0;
    struct str rest = version, part;
    if (!str_cut(&rest, '.', &part) || str_to_u64(part, &major) != OK || major < 3) {
        cql_answer_fail(call, CQL_PROTOCOL_ERROR,
                        "CQL version %.*s is not supported by the binary protocol (supported "
                        "version are >= 3.0.0)",
                        STR_ARG(str_slice(version, 0, 100)));
        return;
    }
    if (!choose_compression(call, &compression))
        return;
    struct str overload = option(&call->request, STR("THROW_ON_OVERLOAD"));
    connection->overload_error = str_equal(overload, STR("1"));
    connection->version = call->header.version;
    cql_session_options(connection, &call->request);
    /* Still of the old form; everything behind it has the new one. */
    struct buf *out = cql_call_out(call);
    uint8_t opcode = CQL_READY;
    if (server->authenticates) {
        opcode = CQL_AUTHENTICATE;
        cql_string_append(out, STR("org.apache.cassandra.auth.PasswordAuthenticator"));
    }
    cql_send(connection, call->header.version, 0, call->header.stream, opcode, STR_NONE,
             buf_str(out));
    connection->compression = compression;
    connection->phase = server->authenticates ? PHASE_AUTHENTICATE : PHASE_READY;
    connection->framed = call->header.version >= 5;
    cql_call_release(call);
}

/* ---- passwords ---- */

static void digest_of(const struct cql_server *server, struct str user, struct str password,
                      uint8_t ret_digest[32])
{
    struct buf text = {0};
    unsigned bytes = 0;
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};
    buf_append(&text, server->salt, sizeof server->salt);
    buf_be32(&text, (uint32_t)user.bytes);
    buf_str_append(&text, user);
    buf_str_append(&text, password);
    if (EVP_Digest(text.ptr, text.bytes, digest, &bytes, EVP_sha256(), NULL) != 1)
        memset(digest, 0, sizeof digest);
    OPENSSL_cleanse(text.ptr, text.bytes);
    buf_deinit(&text);
    memcpy(ret_digest, digest, 32);
}

void cql_auth_init(struct cql_server *server, struct str user, struct str password)
{
    if (!password.ptr)
        return;
    io_random(server->io, server->salt, sizeof server->salt);
    server->authenticates = true;
    digest_of(server, user.ptr ? user : STR("cassandra"), password, server->secret);
}

/* NUL user NUL password, as SASL PLAIN; a name to act as may stand in front. */
static bool split_token(struct str token, struct str *ret_user, struct str *ret_password)
{
    size_t first = str_find(token, str_from("", 1), 0);
    size_t second = first == SIZE_MAX ? SIZE_MAX : str_find(token, str_from("", 1), first + 1);
    if (second == SIZE_MAX)
        return false;
    *ret_user = str_slice(token, first + 1, second);
    *ret_password = str_slice(token, second + 1, token.bytes);
    return ret_user->bytes > 0;
}

static void let_in(struct cql_call *call, struct str user)
{
    struct cql_connection *connection = call->connection;
    struct buf *out = cql_call_out(call);
    connection->phase = PHASE_READY;
    connection->auth_fails = 0;
    mem_free((char *)connection->user.ptr);
    connection->user = (struct str){str_dup(user), user.bytes};
    cql_bytes_append(out, STR_NONE);
    cql_answer(call, CQL_AUTH_SUCCESS, buf_str(out));
}

static void keep_out(struct cql_call *call)
{
    if (++call->connection->auth_fails >= AUTH_FAILS_MAX)
        call->connection->no_more = true;
    cql_answer_error(call, &call->error);
}

static struct cql_call *call_of(struct io_job *job)
{
    return (struct cql_call *)((char *)job - offsetof(struct cql_call, job));
}

static void login_run(struct io_job *job)
{
    struct cql_call *call = call_of(job);
    struct cql_server *server = job->owner;
    struct str user, password;
    call->job_err = ERR_INVALID;
    if (split_token(call->request.token, &user, &password))
        call->job_err =
            cql_catalog_login(server->catalog, user, password, &call->arena, &call->error);
}

static void login_done(struct io_job *job)
{
    struct cql_call *call = call_of(job);
    struct str user, password;
    if (call->job_err == OK && split_token(call->request.token, &user, &password))
        let_in(call, user);
    else
        keep_out(call);
}

/* The user of the configuration is known at once; for roles the worker asks the store and takes its
 * time over their hash. */
void cql_handle_auth(struct cql_call *call)
{
    struct cql_server *server = call->connection->server;
    struct str user = STR_NONE, password = STR_NONE;
    if (!split_token(call->request.token, &user, &password)) {
        cql_answer_fail(call, CQL_BAD_CREDENTIALS, "Password must not be null");
        return;
    }
    uint8_t digest[32];
    digest_of(server, user, password, digest);
    if (CRYPTO_memcmp(digest, server->secret, sizeof digest) == 0) {
        let_in(call, user);
        return;
    }
    call->error = (struct cql_error){0};
    call->job.run = login_run;
    call->job.done = login_done;
    call->job.owner = server;
    io_worker_do(server->worker, &call->job);
}

/* ---- events ---- */

void cql_handle_register(struct cql_call *call)
{
    static const struct {
        const char *name;
        enum cql_event event;
    } events[] = {{"TOPOLOGY_CHANGE", EVENT_TOPOLOGY},
                  {"STATUS_CHANGE", EVENT_STATUS},
                  {"SCHEMA_CHANGE", EVENT_SCHEMA}};
    uint8_t chosen = 0;
    for (uint16_t i = 0; i < call->request.option_count; i++) {
        struct str name = call->request.options[i];
        size_t e = 0;
        while (e < 3 && !str_equal_nocase(name, str_of(events[e].name)))
            e++;
        if (e == 3) {
            cql_answer_fail(call, CQL_PROTOCOL_ERROR, "Invalid value '%.*s' for Type",
                            STR_ARG(str_slice(name, 0, 100)));
            return;
        }
        chosen = (uint8_t)(chosen | events[e].event);
    }
    call->connection->events |= chosen;
    if (chosen & EVENT_SCHEMA)
        cql_watch_start(call->connection->server);
    cql_answer(call, CQL_READY, STR_NONE);
}
