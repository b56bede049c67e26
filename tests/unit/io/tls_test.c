/* SPDX-License-Identifier: MIT */
/* TLS with certificates made here: a small authority, a server's certificate for "localhost" and
 * 127.0.0.1, and what must be refused. */
#include "test.h"

#include "base/mem.h"
#include "io/loop.h"
#include "io/sim.h"

/* The library has a type of the name of one of our errors. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

enum { MS = 1000000, MEGABYTE = 1 << 20 };

static struct io *io;
static struct io_loop *loop;
static char root[64];
static struct io_tls *server_tls, *client_tls;

static const char *at(const char *name)
{
    static char path[4][128];
    static unsigned next;
    char *to = path[next++ % 4];
    snprintf(to, 128, "%s/%s", root, name);
    return to;
}

/* ---- certificates ---- */

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

static X509 *certificate(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
                         const char *alternatives)
{
    static long serial = 1;
    X509 *cert = X509_new();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert));
    extend(cert, issuer ? issuer : cert, NID_basic_constraints,
           alternatives ? "critical,CA:FALSE" : "critical,CA:TRUE");
    if (alternatives)
        extend(cert, issuer, NID_subject_alt_name, alternatives);
    assert_true(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
    return cert;
}

static void save(const char *path, X509 *cert, EVP_PKEY *key)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    if (cert)
        assert_int_equal(1, PEM_write_X509(file, cert));
    if (key)
        assert_int_equal(1, PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
    fclose(file);
}

static int group_setup(void **state)
{
    snprintf(root, sizeof root, "/tmp/io-tls-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    X509 *ca = certificate("Test Authority", ca_key, NULL, ca_key, NULL);
    X509 *cert = certificate("server", key, ca, ca_key, "DNS:localhost,IP:127.0.0.1");
    save(at("ca.pem"), ca, NULL);
    save(at("server.pem"), cert, NULL);
    save(at("server.key"), NULL, key);
    save(at("other.key"), NULL, ca_key);
    EVP_PKEY *stranger_key = EVP_EC_gen("P-256");
    X509 *stranger = certificate("Stranger", stranger_key, NULL, stranger_key, NULL);
    save(at("stranger.pem"), stranger, NULL);
    X509_free(ca);
    X509_free(cert);
    X509_free(stranger);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
    EVP_PKEY_free(stranger_key);
    return 0;
}

static int group_teardown(void **state)
{
    io = io_kernel_new();
    enum err err = io_path_remove_tree(io, root);
    io_free(io);
    return err == OK ? 0 : -1;
}

/* ---- the two ends ---- */

struct end {
    char trouble[120];
    struct io_stream *stream;
    struct buf got;
    size_t sent;
    size_t opened, ended, closed;
    enum err why;
    bool echo;
};
static struct end client, server;
static struct io_listener *listener;
static struct io_stream_limits limits = {.in_max = 65536, .out_max = 300000, .out_low = 1000};

static void on_opened(void *owner, struct io_stream *stream)
{
    ((struct end *)owner)->opened++;
}

static size_t on_data(void *owner, struct io_stream *stream, const uint8_t *data, size_t bytes)
{
    struct end *end = owner;
    if (end->echo) {
        size_t queued = io_stream_out_bytes(stream);
        size_t room = queued < limits.out_max ? limits.out_max - queued : 0;
        if (bytes > room) {
            io_stream_pause(stream, true);
            bytes = room;
        }
        assert_ok(io_stream_write(stream, data, bytes));
    }
    buf_append(&end->got, data, bytes);
    return bytes;
}

static void fill(struct end *end)
{
    static uint8_t piece[30000];
    while (end->stream && end->sent < MEGABYTE) {
        size_t bytes = MEGABYTE - end->sent < sizeof piece ? MEGABYTE - end->sent : sizeof piece;
        for (size_t i = 0; i < bytes; i++)
            piece[i] = (uint8_t)((end->sent + i) * 7 >> 3);
        if (io_stream_write(end->stream, piece, bytes) != OK)
            return;
        end->sent += bytes;
    }
}

static void on_drained(void *owner, struct io_stream *stream)
{
    struct end *end = owner;
    if (end->echo)
        io_stream_pause(stream, false);
    else if (end->sent)
        fill(end);
}

static void on_ended(void *owner, struct io_stream *stream)
{
    ((struct end *)owner)->ended++;
    io_stream_close(stream);
}

static void on_closed(void *owner, struct io_stream *stream, enum err why)
{
    struct end *end = owner;
    end->closed++;
    end->why = why;
    snprintf(end->trouble, sizeof end->trouble, "%s", io_stream_tls_trouble(stream));
    end->stream = NULL;
}

static const struct io_stream_events events = {on_opened, on_data, on_drained, on_ended, on_closed};

static void *on_accept(void *owner, struct io_stream *stream)
{
    server.stream = stream;
    return &server;
}

static int setup(void **state)
{
    io = io_kernel_new();
    client = server = (struct end){0};
    struct diag diag = {0};
    if (io_loop_new(io, &loop) != OK)
        return -1;
    assert_ok(io_tls_server_new(io, at("server.pem"), at("server.key"), &diag, &server_tls));
    assert_ok(io_tls_client_new(io, at("ca.pem"), &diag, &client_tls));
    assert_ok(
        io_listen(loop, "127.0.0.1:0", server_tls, &events, &limits, on_accept, NULL, &listener));
    return 0;
}

static int teardown(void **state)
{
    io_listener_close(listener);
    if (client.stream)
        io_stream_abort(client.stream, OK);
    if (server.stream)
        io_stream_abort(server.stream, OK);
    io_loop_free(loop);
    io_tls_free(server_tls);
    io_tls_free(client_tls);
    buf_deinit(&client.got);
    buf_deinit(&server.got);
    io_free(io);
    return 0;
}

#define UNTIL(condition)                                                                           \
    while (!(condition))                                                                           \
    io_loop_turn(loop, 20 * MS)

static void connect_as(struct io_tls *tls, const char *host_name)
{
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%u", io_listener_port(listener));
    assert_ok(io_connect(loop, address, tls, host_name, &events, &limits, &client, &client.stream));
}

static void test_echo(void **state)
{
    connect_as(client_tls, "localhost");
    server.echo = true;
    fill(&client); /* before the greeting */
    UNTIL(client.got.bytes == MEGABYTE);
    assert_int_equal(1, client.opened);
    for (size_t i = 0; i < MEGABYTE; i++)
        if (client.got.ptr[i] != (uint8_t)(i * 7 >> 3))
            fail_msg("byte %zu differs", i);
    io_stream_close(client.stream);
    UNTIL(client.closed && server.closed);
    assert_int_equal(OK, client.why);
    assert_int_equal(OK, server.why);
    assert_int_equal(1, server.ended);
}

static void file_done(void *owner)
{
    ++*(int *)owner;
}

static void test_send_file(void **state)
{
    struct io_file *file = NULL;
    assert_ok(io_file_open(io, at("ca.pem"), IO_READ, &file));
    uint64_t size = 0;
    assert_ok(io_file_size(file, &size));
    connect_as(client_tls, NULL); /* the address is the name */
    UNTIL(server.stream && client.opened);
    int done = 0;
    assert_ok(io_stream_write(server.stream, ">", 1));
    assert_ok(io_stream_send_file(server.stream, file, 0, (size_t)size, file_done, &done));
    assert_ok(io_stream_write(server.stream, "<", 1));
    io_stream_close(server.stream);
    UNTIL(client.closed);
    assert_int_equal(1, done);
    assert_int_equal(size + 2, client.got.bytes);
    assert_int_equal('<', client.got.ptr[size + 1]);
    io_file_close(file);
}

static void test_wrong_name(void **state)
{
    connect_as(client_tls, "example.org");
    assert_ok(io_stream_write(client.stream, "secret", 6));
    UNTIL(client.closed && server.closed);
    assert_int_equal(ERR_DENIED, client.why);
    assert_int_equal(0, client.opened);
    assert_int_equal(0, server.got.bytes);
}

static void test_wrong_address(void **state)
{
    connect_as(client_tls, "127.0.0.2");
    UNTIL(client.closed && server.closed);
    assert_int_equal(ERR_DENIED, client.why);
    assert_string_equal("its certificate is that of another host", client.trouble);
}

static void test_unknown_authority(void **state)
{
    struct io_tls *other = NULL;
    assert_ok(io_tls_client_new(io, at("stranger.pem"), NULL, &other));
    connect_as(other, "localhost");
    UNTIL(client.closed && server.closed);
    assert_int_equal(ERR_DENIED, client.why);
    assert_string_equal("its certificate is signed by nobody that is trusted here", client.trouble);
    io_tls_free(other);
    client.closed = server.closed = 0;
    assert_ok(io_tls_client_new(io, NULL, NULL, &other)); /* the system's store */
    connect_as(other, "localhost");
    UNTIL(client.closed && server.closed);
    assert_int_equal(ERR_DENIED, client.why);
    io_tls_free(other);
}

static void test_plain_client(void **state)
{
    connect_as(NULL, NULL);
    assert_ok(io_stream_write(client.stream, "GET / HTTP/1.1\r\n\r\n", 18));
    UNTIL(client.closed && server.closed);
    assert_int_equal(ERR_NETWORK, server.why);
    assert_int_equal(0, server.got.bytes);
}

static void test_cut_short(void **state)
{
    connect_as(client_tls, "localhost");
    UNTIL(client.opened);
    /* The connection ends without TLS saying so. */
    io_stream_abort(client.stream, ERR_CANCELLED);
    UNTIL(server.closed);
    assert_int_equal(ERR_NETWORK, server.why);
    assert_int_equal(0, server.ended);
}

static void test_paused_before_greeting(void **state)
{
    connect_as(client_tls, "localhost");
    io_stream_pause(client.stream, true);
    UNTIL(client.opened && server.stream);
    assert_ok(io_stream_write(server.stream, "hello", 5));
    for (int i = 0; i < 5; i++)
        io_loop_turn(loop, 5 * MS);
    assert_int_equal(0, client.got.bytes);
    io_stream_pause(client.stream, false);
    UNTIL(client.got.bytes == 5);
}

static void test_settings(void **state)
{
    struct io_tls *tls = NULL;
    struct diag diag = {0};
    assert_err(ERR_NOT_FOUND, io_tls_server_new(io, at("none.pem"), at("server.key"), &diag, &tls));
    assert_non_null(strstr(diag.message, "none.pem"));
    diag = (struct diag){0};
    assert_err(ERR_INVALID, io_tls_server_new(io, at("server.key"), at("server.key"), &diag, &tls));
    diag = (struct diag){0};
    assert_err(ERR_INVALID, io_tls_server_new(io, at("server.pem"), at("other.key"), &diag, &tls));
    assert_non_null(strstr(diag.message, "other.key"));
    diag = (struct diag){0};
    assert_err(ERR_INVALID, io_tls_client_new(io, at("server.key"), &diag, &tls));
    struct io_sim_options options = {.seed = 1};
    struct io *sim = io_sim_new(&options);
    assert_err(ERR_UNSUPPORTED, io_tls_client_new(sim, NULL, NULL, &tls));
    io_free(sim);
    io_tls_free(NULL);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_echo),          CASE(test_send_file),         CASE(test_wrong_name),
        CASE(test_wrong_address), CASE(test_unknown_authority), CASE(test_plain_client),
        CASE(test_cut_short),     CASE(test_settings),          CASE(test_paused_before_greeting),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
