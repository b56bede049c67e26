/* SPDX-License-Identifier: MIT */
/*
 * What librdkafka says of a connection that fails, put so that the reader knows what to change.
 * Its reasons come as text: a table says which words mean what, and which of them waiting mends.
 *
 *  1. A reason of the table is not overwritten by one that is not ("3/3 brokers are down").
 *  2. Why a certificate was not taken is known only where it is looked at: the library itself says
 *     the same of an unknown signer and of a wrong host. So the look is ours, and it never makes a
 *     certificate good that OpenSSL does not take.
 */
#include "log/kafka_trouble.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

/* ---- words ---- */

struct meaning {
    const char *part; /* of the library's reason */
    const char *also; /* another, or NULL */
    const char *text; /* NULL = the reason itself */
    const char *hint;
    bool lasting;
};

static const struct meaning meanings[] = {
    {"Unsupported SASL mechanism", NULL, NULL,
     "set sasl.mechanisms to one that the broker supports", true},
    {"Request not valid in current SASL state", NULL, "this port asks for no login",
     "set security.protocol to PLAINTEXT or SSL, or take the port that asks for one", true},
    {"SASL authentication error", "SCRAM", NULL,
     "correct sasl.username, sasl.password and sasl.mechanisms", true},
    {"SASL authentication error", NULL, NULL, "correct sasl.username and sasl.password", true},
    {"connecting to a SSL listener", NULL, "it hangs up at once, as a port does that speaks TLS",
     "set security.protocol to SSL or SASL_SSL", false},
    {"broker might require SASL", NULL, "it hangs up at once, as a port does that asks for a login",
     "set security.protocol to SASL_SSL or SASL_PLAINTEXT, and sasl.*", false},
    {"SSL_HANDSHAKE", "unexpected eof", "it does not speak TLS on this port",
     "set security.protocol to PLAINTEXT or SASL_PLAINTEXT, or take its port with TLS", false},
    {"SSL_HANDSHAKE", "wrong version number", "it does not speak TLS on this port",
     "set security.protocol to PLAINTEXT or SASL_PLAINTEXT, or take its port with TLS", false},
    {"certificate verify failed", NULL, "its certificate is not trusted",
     "set ssl.ca.location to a file with the certificate of who signed it", true},
    {"alert bad certificate", NULL, "it asks for a certificate of ours",
     "set ssl.certificate.location and ssl.key.location", true},
    {"certificate required", NULL, "it asks for a certificate of ours",
     "set ssl.certificate.location and ssl.key.location", true},
    {"alert certificate unknown", NULL, "it does not take our certificate",
     "set ssl.certificate.location to one whose signer the brokers trust", true},
    {"alert unknown ca", NULL, "it does not take our certificate",
     "set ssl.certificate.location to one whose signer the brokers trust", true},
    {"alert handshake failure", NULL, "it does not agree to a way of TLS with us",
     "set ssl.certificate.location and ssl.key.location if it asks for a certificate", false},
};

/* What OpenSSL finds wrong with a certificate, by its X509_V_ERR_ numbers. */
static const struct {
    int code;
    const char *text, *hint;
} certificate_errors[] = {
    {9, "its certificate is not valid yet", "look at the clocks of both machines"},
    {10, "its certificate has expired", "let the brokers have a new one"},
    {18, "its certificate is signed by itself", "set ssl.ca.location to a file with it"},
    {19, "its certificate is signed by nobody that is trusted here",
     "set ssl.ca.location to a file with the certificate of who signed it"},
    {20, "its certificate is signed by nobody that is trusted here",
     "set ssl.ca.location to a file with the certificate of who signed it"},
    {21, "its certificate is signed by nobody that is trusted here",
     "set ssl.ca.location to a file with the certificate of who signed it"},
    {62, "its certificate is that of another host", "name the broker as its certificate does"},
    {64, "its certificate is that of another host", "name the broker as its certificate does"},
};

static bool holds(const char *text, const char *part)
{
    return !part || strstr(text, part);
}

static const struct meaning *meaning_of(const char *reason)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (holds(reason, meanings[i].part) && holds(reason, meanings[i].also))
            return &meanings[i];
    return NULL;
}

/* "sasl_ssl://db1:9093/bootstrap: text (after 3ms in state UP)": host and text. */
static void cut_reason(const char *reason, struct str *ret_host, struct str *ret_text)
{
    struct str text = str_of(reason);
    size_t scheme = str_find(text, STR("://"), 0);
    size_t from = scheme == SIZE_MAX ? 0 : scheme + strlen("://");
    size_t slash = str_find(text, STR("/"), from), colon = str_find(text, STR(": "), from);
    *ret_host = STR_NONE;
    if (colon != SIZE_MAX && (slash < colon || scheme != SIZE_MAX)) {
        *ret_host = str_slice(text, from, slash < colon ? slash : colon);
        text = str_slice(text, colon + 2, text.bytes);
    }
    size_t after = str_find(text, STR(" (after "), 0);
    *ret_text = after == SIZE_MAX ? text : str_slice(text, 0, after);
}

static void put(struct log_kafka_trouble *trouble, struct str host, struct str text,
                const char *hint)
{
    snprintf(trouble->text, sizeof trouble->text, "%.*s%s%.*s", STR_ARG(str_slice(host, 0, 80)),
             host.bytes ? ": " : "", STR_ARG(str_slice(text, 0, 200)));
    snprintf(trouble->hint, sizeof trouble->hint, "%s", hint ? hint : "");
}

/* librdkafka before 2.6.1 spoils the nonce of its second message, and brokers look at it. */
static bool scram_is_broken(void)
{
    return rd_kafka_version() < 0x020601ff;
}

void log_kafka_trouble_tell(struct log_kafka_trouble *trouble, rd_kafka_resp_err_t err,
                            const char *reason)
{
    struct str host, text;
    const struct meaning *meaning = meaning_of(reason);
    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        return;
    cut_reason(reason, &host, &text);
    io_mutex_lock(&trouble->lock);
    bool known = trouble->likely || trouble->lasting;
    bool certificate = meaning && strcmp(meaning->part, "certificate verify failed") == 0;
    /* That it is not there at all is news. */
    bool gone = holds(reason, "Connect to") || holds(reason, "resolve");
    if ((!meaning && known && !gone) || (certificate && trouble->quiet_certificate)) {
        io_mutex_unlock(&trouble->lock);
        return;
    }
    put(trouble, host, meaning && meaning->text ? str_of(meaning->text) : text,
        meaning ? meaning->hint : NULL);
    trouble->quiet_certificate = false;
    trouble->likely = meaning != NULL;
    trouble->lasting = meaning && meaning->lasting;
    if (meaning && meaning->also && strcmp(meaning->also, "SCRAM") == 0 && scram_is_broken())
        snprintf(trouble->hint, sizeof trouble->hint,
                 "librdkafka %s, which is installed here, cannot log in by SCRAM; 2.6.1 and later "
                 "can: take sasl.mechanisms=PLAIN or a certificate",
                 rd_kafka_version_str());
    io_mutex_unlock(&trouble->lock);
}

void log_kafka_trouble_print(const char *place, enum err err, const char *text, struct buf *out)
{
    size_t bytes = strlen(place);
    if (strncmp(text, place, bytes) == 0 && text[bytes] == ':' && text[bytes + 1] == ' ')
        text += bytes + 2;
    buf_printf(out, "the Kafka at %s %s%s%s", place,
               err == ERR_DENIED ? "does not let us in" : "cannot be reached", text[0] ? ": " : "",
               text);
}

enum err log_kafka_new_failed(const char *text, struct diag *diag)
{
    if (strstr(text, ".location failed"))
        diag_hint(diag, "the file has to be there, readable, in PEM form, and a key that of its "
                        "certificate");
    return diag_set(diag, ERR_INVALID, 0, 0, "Kafka: %s", text);
}

/* ---- callbacks ---- */

static void quiet(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client, (void)level, (void)facility, (void)text;
}

static void failed(rd_kafka_t *client, int err, const char *reason, void *owner)
{
    (void)client;
    log_kafka_trouble_tell(owner, (rd_kafka_resp_err_t)err, reason);
}

static int look_at_certificate(rd_kafka_t *client, const char *broker, int32_t broker_id,
                               int *x509_error, int depth, const char *bytes, size_t count,
                               char *text, size_t room, void *owner)
{
    struct log_kafka_trouble *trouble = owner;
    enum { COUNT = sizeof certificate_errors / sizeof *certificate_errors };
    (void)client, (void)broker_id, (void)depth, (void)bytes, (void)count, (void)text, (void)room;
    if (*x509_error == 0)
        return 1;
    struct str host = str_of(broker ? broker : "");
    size_t i = 0, slash = str_find(host, STR("/"), 0);
    while (i < COUNT && certificate_errors[i].code != *x509_error)
        i++;
    io_mutex_lock(&trouble->lock);
    if (i < COUNT) {
        put(trouble, str_slice(host, 0, slash == SIZE_MAX ? host.bytes : slash),
            str_of(certificate_errors[i].text), certificate_errors[i].hint);
        trouble->quiet_certificate = trouble->lasting = trouble->likely = true;
    }
    io_mutex_unlock(&trouble->lock);
    return 0;
}

void log_kafka_trouble_watch(struct log_kafka_trouble *trouble, rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_log_cb(conf, quiet);
    rd_kafka_conf_set_error_cb(conf, failed);
    rd_kafka_conf_set_ssl_cert_verify_cb(conf, look_at_certificate);
    rd_kafka_conf_set_opaque(conf, trouble);
}

/* ---- life ---- */

void log_kafka_trouble_init(struct log_kafka_trouble *trouble, void *owner)
{
    *trouble = (struct log_kafka_trouble){.owner = owner};
    io_mutex_init(&trouble->lock);
}

void log_kafka_trouble_deinit(struct log_kafka_trouble *trouble)
{
    io_mutex_deinit(&trouble->lock);
}

void log_kafka_trouble_note(struct log_kafka_trouble *trouble, const char *text)
{
    io_mutex_lock(&trouble->lock);
    if (!trouble->text[0])
        snprintf(trouble->text, sizeof trouble->text, "%s", text);
    io_mutex_unlock(&trouble->lock);
}

void log_kafka_trouble_clear(struct log_kafka_trouble *trouble)
{
    io_mutex_lock(&trouble->lock);
    trouble->text[0] = trouble->hint[0] = 0;
    trouble->quiet_certificate = trouble->lasting = trouble->likely = false;
    io_mutex_unlock(&trouble->lock);
}

enum err log_kafka_trouble_get(struct log_kafka_trouble *trouble, char *text, size_t text_room,
                               char *hint, size_t hint_room)
{
    enum err err = ERR_NETWORK;
    io_mutex_lock(&trouble->lock);
    snprintf(text, text_room, "%s", trouble->text);
    snprintf(hint, hint_room, "%s", trouble->hint);
    if (!trouble->text[0])
        err = OK;
    else if (trouble->lasting)
        err = ERR_DENIED;
    else if (trouble->likely)
        err = ERR_INVALID;
    io_mutex_unlock(&trouble->lock);
    return err;
}
