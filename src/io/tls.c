/* SPDX-License-Identifier: MIT */
/*
 * TLS 1.2 and 1.3 by OpenSSL over memory: the session is fed sealed bytes and hands out what it
 * wants sent, so that the stream code knows one kind of socket, and OpenSSL none.
 *
 * Clients always verify: the chain against the given or the system's store, and the name or the IP
 * address that the caller meant to reach. There is no switch to turn that off; who has a
 * certificate of his own passes it as ca_path. Keys with a pass phrase are refused rather than
 * asked for on a terminal.
 */
#include "base/check.h"
#include "base/mem.h"
#include "io/core.h"

/* The library has a type of the name of one of our errors. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#include <stdio.h>

enum { PEM_BYTES_MAX = 4 << 20 };

struct io_tls {
    SSL_CTX *context;
};

struct tls_session {
    SSL *ssl;
    char reason[120]; /* why it failed, in words; empty = not known */
    BIO *in;          /* sealed, from the network */
    BIO *out;         /* sealed, to the network */
};

static enum err fail(struct diag *diag, enum err err, const char *path, const char *what)
{
    char reason[160] = "";
    unsigned long code = ERR_peek_last_error();
    if (code)
        ERR_error_string_n(code, reason, sizeof reason);
    ERR_clear_error();
    return diag_set(diag, err, 0, 0, "%s: %s%s%s", path, what, reason[0] ? ": " : "", reason);
}

static int no_pass_phrase(char *text, int room, int writing, void *owner)
{
    return -1;
}

static enum err read_pem(struct io *io, const char *path, struct diag *diag, BIO **ret_bio)
{
    struct buf content;
    buf_init(&content, PEM_BYTES_MAX + 65536);
    enum err err = io_path_read(io, path, PEM_BYTES_MAX, &content);
    if (err != OK) {
        buf_deinit(&content);
        return diag_set(diag, err, 0, 0, "%s: %s", path, err_text(err));
    }
    BIO *bio = BIO_new(BIO_s_mem());
    check(bio);
    int written = BIO_write(bio, content.ptr, (int)content.bytes);
    check(written == (int)content.bytes || content.bytes == 0);
    buf_deinit(&content);
    *ret_bio = bio;
    return OK;
}

static enum err context_new(struct io *io, const SSL_METHOD *method, struct diag *diag,
                            struct io_tls **ret_tls)
{
    if (!io->ops->has_tls)
        return diag_set(diag, ERR_UNSUPPORTED, 0, 0, "the simulator has no TLS");
    struct io_tls *tls = mem_zero(sizeof *tls);
    tls->context = SSL_CTX_new(method);
    check(tls->context);
    SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
    SSL_CTX_set_default_passwd_cb(tls->context, no_pass_phrase);
    SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                          SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* An idle session gives its 32 KiB of buffers back. */
    SSL_CTX_set_mode(tls->context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    *ret_tls = tls;
    return OK;
}

static enum err load_certificates(struct io_tls *tls, BIO *bio, const char *path, struct diag *diag)
{
    X509 *own = PEM_read_bio_X509(bio, NULL, no_pass_phrase, NULL);
    if (!own)
        return fail(diag, ERR_INVALID, path, "no certificate in PEM form");
    int rc = SSL_CTX_use_certificate(tls->context, own);
    X509_free(own);
    if (rc != 1)
        return fail(diag, ERR_INVALID, path, "the certificate is not accepted");
    for (X509 *next; (next = PEM_read_bio_X509(bio, NULL, no_pass_phrase, NULL));) {
        rc = (int)SSL_CTX_add1_chain_cert(tls->context, next);
        X509_free(next);
        if (rc != 1)
            return fail(diag, ERR_INVALID, path, "the chain is not accepted");
    }
    ERR_clear_error();
    return OK;
}

static enum err load_key(struct io_tls *tls, BIO *bio, const char *path, struct diag *diag)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
    if (!key)
        return fail(diag, ERR_INVALID, path, "no private key without a pass phrase in PEM form");
    int rc = SSL_CTX_use_PrivateKey(tls->context, key);
    EVP_PKEY_free(key);
    if (rc != 1 || SSL_CTX_check_private_key(tls->context) != 1)
        return fail(diag, ERR_INVALID, path, "the key does not belong to the certificate");
    return OK;
}

static enum err load_identity(struct io *io, struct io_tls *tls, const char *certificate_path,
                              const char *key_path, struct diag *diag)
{
    BIO *certificate = NULL, *key = NULL;
    enum err err = read_pem(io, certificate_path, diag, &certificate);
    if (err == OK)
        err = load_certificates(tls, certificate, certificate_path, diag);
    if (err == OK)
        err = read_pem(io, key_path, diag, &key);
    if (err == OK)
        err = load_key(tls, key, key_path, diag);
    BIO_free(certificate);
    BIO_free(key);
    return err;
}

enum err io_tls_server_new(struct io *io, const char *certificate_path, const char *key_path,
                           struct diag *diag, struct io_tls **ret_tls)
{
    struct io_tls *tls = NULL;
    TRY(context_new(io, TLS_server_method(), diag, &tls));
    enum err err = load_identity(io, tls, certificate_path, key_path, diag);
    if (err != OK) {
        io_tls_free(tls);
        return err;
    }
    *ret_tls = tls;
    return OK;
}

static enum err load_store(struct io_tls *tls, BIO *bio, const char *path, struct diag *diag)
{
    X509_STORE *store = SSL_CTX_get_cert_store(tls->context);
    size_t count = 0;
    for (X509 *next; (next = PEM_read_bio_X509(bio, NULL, no_pass_phrase, NULL)); count++) {
        int rc = X509_STORE_add_cert(store, next);
        X509_free(next);
        if (rc != 1)
            return fail(diag, ERR_INVALID, path, "a certificate is not accepted");
    }
    ERR_clear_error();
    return count ? OK : fail(diag, ERR_INVALID, path, "no certificate in PEM form");
}

enum err io_tls_client_new(struct io *io, const char *ca_path, struct diag *diag,
                           struct io_tls **ret_tls)
{
    struct io_tls *tls = NULL;
    TRY(context_new(io, TLS_client_method(), diag, &tls));
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    enum err err = OK;
    if (ca_path) {
        BIO *bio = NULL;
        err = read_pem(io, ca_path, diag, &bio);
        if (err == OK)
            err = load_store(tls, bio, ca_path, diag);
        BIO_free(bio);
    } else if (SSL_CTX_set_default_verify_paths(tls->context) != 1) {
        err = fail(diag, ERR_NOT_FOUND, "certificates", "the system's store cannot be read");
    }
    if (err != OK) {
        io_tls_free(tls);
        return err;
    }
    *ret_tls = tls;
    return OK;
}

enum err io_tls_client_identify(struct io *io, struct io_tls *tls, const char *certificate_path,
                                const char *key_path, struct diag *diag)
{
    return load_identity(io, tls, certificate_path, key_path, diag);
}

void io_tls_free(struct io_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->context);
    mem_free(tls);
}

/* Whom the certificate must name; an IP address is not sent as SNI (RFC 6066, 3). */
static bool expect_name(SSL *ssl, const char *host_name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host_name) == 1)
        return true;
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host_name) == 1 && SSL_set_tlsext_host_name(ssl, host_name) == 1;
}

enum err io_tls_session_new(struct io_tls *tls, bool is_client, const char *host_name,
                            struct tls_session **ret_session)
{
    SSL *ssl = SSL_new(tls->context);
    check(ssl);
    if (is_client && !expect_name(ssl, host_name)) {
        ERR_clear_error();
        SSL_free(ssl);
        return ERR_INVALID;
    }
    struct tls_session *session = mem_zero(sizeof *session);
    session->ssl = ssl;
    session->in = BIO_new(BIO_s_mem());
    session->out = BIO_new(BIO_s_mem());
    check(session->in);
    check(session->out);
    BIO_set_mem_eof_return(session->in, -1);
    SSL_set_bio(ssl, session->in, session->out);
    if (is_client)
        SSL_set_connect_state(ssl);
    else
        SSL_set_accept_state(ssl);
    *ret_session = session;
    return OK;
}

void io_tls_session_free(struct tls_session *session)
{
    if (!session)
        return;
    SSL_free(session->ssl);
    mem_free(session);
}

void io_tls_session_feed(struct tls_session *session, const void *sealed, size_t bytes)
{
    check(bytes <= INT32_MAX);
    int written = BIO_write(session->in, sealed, (int)bytes);
    check(written == (int)bytes);
}

/* What the other side's certificate lacks. */
static const char *certificate_reason(long code)
{
    switch (code) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "its certificate is that of another host";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return "its certificate is signed by itself, and not trusted here";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return "its certificate is signed by nobody that is trusted here";
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "its certificate has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "its certificate is not valid yet";
    default:
        return X509_verify_cert_error_string(code);
    }
}

/* An alert that says what the other side thinks of our certificate, or that nobody speaks TLS. */
static const char *library_reason(unsigned long code)
{
    switch (ERR_GET_REASON(code)) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_UNEXPECTED_MESSAGE:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
        return "it does not speak TLS on this port";
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        return "it asks for a certificate of ours";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
        return "it does not take our certificate";
    default:
        return ERR_reason_error_string(code);
    }
}

static void note_reason(struct tls_session *session, unsigned long code)
{
    long verified = SSL_is_server(session->ssl) ? X509_V_OK : SSL_get_verify_result(session->ssl);
    const char *reason = verified != X509_V_OK ? certificate_reason(verified)
                         : code                ? library_reason(code)
                                               : NULL;
    if (!session->reason[0] && reason)
        snprintf(session->reason, sizeof session->reason, "%s", reason);
}

const char *io_tls_session_reason(const struct tls_session *session)
{
    return session->reason;
}

/* The error queue belongs to the thread: it is emptied, so that no other session reads it. */
static enum err session_error(struct tls_session *session, int rc)
{
    int why = SSL_get_error(session->ssl, rc);
    if (why == SSL_ERROR_SSL)
        note_reason(session, ERR_peek_error());
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return ERR_AGAIN;
    if (why == SSL_ERROR_ZERO_RETURN)
        return ERR_CLOSED;
    return ERR_NETWORK;
}

enum err io_tls_session_greet(struct tls_session *session)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(session->ssl);
    if (rc == 1)
        return OK;
    enum err err = session_error(session, rc);
    if (err == ERR_NETWORK && !SSL_is_server(session->ssl) &&
        SSL_get_verify_result(session->ssl) != X509_V_OK)
        return ERR_DENIED;
    return err == ERR_CLOSED ? ERR_NETWORK : err;
}

enum err io_tls_session_open(struct tls_session *session, void *ret_plain, size_t room,
                             size_t *ret_bytes)
{
    size_t done = 0;
    ERR_clear_error();
    while (done < room) {
        size_t got = 0;
        int rc = SSL_read_ex(session->ssl, (char *)ret_plain + done, room - done, &got);
        if (rc != 1) {
            enum err err = session_error(session, rc);
            if (done)
                break; /* an error comes again with the next call */
            return err;
        }
        done += got;
    }
    *ret_bytes = done;
    return OK;
}

enum err io_tls_session_seal(struct tls_session *session, const void *plain, size_t bytes)
{
    ERR_clear_error();
    for (size_t done = 0; done < bytes;) {
        size_t taken = 0;
        int rc = SSL_write_ex(session->ssl, (const char *)plain + done, bytes - done, &taken);
        if (rc != 1) {
            enum err err = session_error(session, rc);
            /* Memory takes everything: to wait for something here would be for ever. */
            return err == ERR_AGAIN ? ERR_NETWORK : err;
        }
        done += taken;
    }
    return OK;
}

void io_tls_session_say_end(struct tls_session *session)
{
    ERR_clear_error();
    int rc = SSL_shutdown(session->ssl);
    if (rc < 0)
        ERR_clear_error();
}

void io_tls_session_take(struct tls_session *session, struct buf *out)
{
    char *data = NULL;
    long bytes = BIO_get_mem_data(session->out, &data);
    if (bytes <= 0)
        return;
    buf_append(out, data, (size_t)bytes);
    int rc = BIO_reset(session->out);
    check(rc == 1);
}

bool io_tls_session_has_output(const struct tls_session *session)
{
    return BIO_ctrl_pending(session->out) > 0;
}
