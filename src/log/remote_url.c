/* SPDX-License-Identifier: MIT */
/*
 * Where a Kafka is, as text: kafka://HOST:PORT,HOST:PORT?NAME=VALUE&.. with the settings of
 * librdkafka that say how to get in (security.protocol, sasl.*, ssl.*, ..). Those that decide what
 * this room promises (isolation, idempotence, names of transactions) cannot be given. Values may be
 * percent-encoded.
 */
#include "log/remote.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const known[] = {
    "security.protocol",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.password",
    "sasl.kerberos.service.name",
    "sasl.kerberos.principal",
    "sasl.kerberos.keytab",
    "sasl.oauthbearer.config",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.key.location",
    "ssl.key.pem",
    "ssl.key.password",
    "ssl.cipher.suites",
    "ssl.endpoint.identification.algorithm",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "enable.ssl.certificate.verification",
    "client.id",
    "client.rack",
    "broker.address.family",
    "socket.keepalive.enable",
    "socket.timeout.ms",
    "transaction.timeout.ms",
    "connections.max.idle.ms",
    "reconnect.backoff.max.ms",
};
enum { KNOWN = sizeof known / sizeof *known, SETTINGS_MAX = 64, TEXT_MAX = 300 };

/* ---- reading the text ---- */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char *decoded(struct str text)
{
    char *out = str_dup(text), *to = out;
    for (const char *c = out; *c; c++) {
        int high = *c == '%' ? digit_of(c[1]) : -1, low = high >= 0 ? digit_of(c[2]) : -1;
        *to++ = low >= 0 ? (char)(high * 16 + low) : *c;
        c += low >= 0 ? 2 : 0;
    }
    *to = 0;
    return out;
}

static enum err check_broker(struct str broker, struct diag *diag)
{
    size_t colon = broker.bytes;
    int64_t port = 0;
    if (str_find(broker, STR("@"), 0) != SIZE_MAX) {
        diag_hint(diag, "write ?security.protocol=SASL_SSL&sasl.mechanisms=PLAIN&sasl.username=.."
                        "&sasl.password=.. behind the brokers");
        return diag_set(diag, ERR_INVALID, 0, 0, "a Kafka takes no USER:PASSWORD@ before the host");
    }
    while (colon && broker.ptr[colon - 1] != ':' && broker.ptr[colon - 1] != ']')
        colon--;
    bool has_port = colon && broker.ptr[colon - 1] == ':';
    struct str host = has_port ? str_slice(broker, 0, colon - 1) : broker;
    if (host.bytes &&
        !(has_port && (str_to_i64(str_slice(broker, colon, broker.bytes), &port) != OK ||
                       port < 1 || port > 65535)))
        return OK;
    diag_hint(diag, "write kafka://HOST:PORT,HOST:PORT");
    return diag_set(diag, ERR_INVALID, 0, 0, "'%.*s' is not the address of a Kafka broker",
                    STR_ARG(broker));
}

static enum err add_setting(struct remote_place *place, struct str pair, rd_kafka_conf_t *conf,
                            struct diag *diag)
{
    char text[TEXT_MAX];
    size_t equals = str_find(pair, STR("="), 0), i = 0;
    struct str name = str_slice(pair, 0, equals == SIZE_MAX ? pair.bytes : equals);
    while (i < KNOWN && !str_equal(name, str_of(known[i])))
        i++;
    if (equals == SIZE_MAX && i == KNOWN) {
        /* It may be the end of a password: it is not shown. */
        diag_hint(diag, "write ?NAME=VALUE&NAME=VALUE, and %%26 for a & inside a value");
        return diag_set(diag, ERR_INVALID, 0, 0, "there is no = behind a & of the Kafka's URL");
    }
    if (i == KNOWN || equals == SIZE_MAX || place->setting_count == SETTINGS_MAX) {
        struct str near = str_nearest(name, known, KNOWN);
        if (near.ptr && i == KNOWN)
            diag_hint(diag, "did you mean '%.*s'?", STR_ARG(near));
        else
            diag_hint(diag, "write ?NAME=VALUE&NAME=VALUE, as ?security.protocol=SASL_SSL");
        return diag_set(diag, ERR_INVALID, 0, 0, "'%.*s' is not a setting of a Kafka connection",
                        STR_ARG(name));
    }
    struct remote_setting setting = {str_dup(name),
                                     decoded(str_slice(pair, equals + 1, pair.bytes))};
    place->settings[place->setting_count++] = setting;
    if (rd_kafka_conf_set(conf, setting.name, setting.value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return OK;
    return diag_set(diag, ERR_INVALID, 0, 0, "%s of the Kafka connection: %s", setting.name,
                    diag_is_secret(name) ? "the value does not fit" : text);
}

static enum err parse_settings(struct remote_place *place, struct str rest, struct diag *diag)
{
    struct str pair;
    enum err err = OK;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    while (err == OK && rest.bytes && str_cut(&rest, '&', &pair))
        err = add_setting(place, pair, conf, diag);
    rd_kafka_conf_destroy(conf);
    return err;
}

enum err remote_place_parse(struct str url, struct diag *diag, struct remote_place *ret_place)
{
    struct remote_place place = {0};
    struct str scheme = STR("kafka://"), broker;
    if (!str_starts(url, scheme)) {
        diag_hint(diag, "write kafka://HOST:PORT,HOST:PORT");
        size_t end = str_find(url, STR("://"), 0);
        return diag_set(diag, ERR_INVALID, 0, 0, "'%.*s' is not the URL of a Kafka",
                        STR_ARG(str_slice(url, 0, end == SIZE_MAX ? 40 : end + 3)));
    }
    size_t mark = str_find(url, STR("?"), 0);
    struct str brokers = str_slice(url, scheme.bytes, mark == SIZE_MAX ? url.bytes : mark);
    struct str rest = mark == SIZE_MAX ? STR("") : str_slice(url, mark + 1, url.bytes);
    if (str_ends(brokers, STR("/")))
        brokers.bytes--;
    struct str left = brokers;
    if (!brokers.bytes)
        return check_broker(brokers, diag);
    while (left.bytes && str_cut(&left, ',', &broker))
        TRY(check_broker(broker, diag));
    place.brokers = str_dup(brokers);
    place.settings = mem_zero(SETTINGS_MAX * sizeof *place.settings);
    enum err err = parse_settings(&place, rest, diag);
    if (err == OK)
        *ret_place = place;
    else
        remote_place_deinit(&place);
    return err;
}

void remote_place_deinit(struct remote_place *place)
{
    for (size_t i = 0; i < place->setting_count; i++) {
        mem_free(place->settings[i].name);
        mem_free(place->settings[i].value);
    }
    mem_free(place->settings);
    mem_free(place->brokers);
    *place = (struct remote_place){0};
}

enum err log_kafka_check(struct str url, struct diag *diag)
{
    struct remote_place place;
    TRY(remote_place_parse(url, diag, &place));
    remote_place_deinit(&place);
    return OK;
}

enum err log_kafka_settings(struct str url, struct diag *diag,
                            bool (*set)(void *owner, const char *name, const char *value),
                            void *owner)
{
    struct remote_place place;
    TRY(remote_place_parse(url, diag, &place));
    bool more = set(owner, "bootstrap.servers", place.brokers);
    for (size_t i = 0; more && i < place.setting_count; i++)
        more = set(owner, place.settings[i].name, place.settings[i].value);
    remote_place_deinit(&place);
    return OK;
}

/* ---- clients ---- */

/* Its own lines would come between ours: errors are told by the calls. */
static void quiet(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client, (void)level, (void)facility, (void)text;
}

static enum err set(rd_kafka_conf_t *conf, const char *name, const char *value, struct diag *diag)
{
    char text[TEXT_MAX];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return OK;
    return diag_set(diag, ERR_INVALID, 0, 0, "Kafka: %s", text);
}

static enum err configure(rd_kafka_conf_t *conf, const struct remote_place *place,
                          struct diag *diag)
{
    TRY(set(conf, "bootstrap.servers", place->brokers, diag));
    TRY(set(conf, "client.id", "millrace", diag));
    TRY(set(conf, "reconnect.backoff.max.ms", "1000", diag));
    TRY(set(conf, "topic.metadata.refresh.sparse", "true", diag));
    TRY(set(conf, "topic.metadata.propagation.max.ms", "2000", diag));
    for (size_t i = 0; i < place->setting_count; i++)
        TRY(set(conf, place->settings[i].name, place->settings[i].value, diag));
    return OK;
}

enum err remote_client(struct log_kafka_trouble *trouble, const struct remote_place *place,
                       rd_kafka_type_t type, struct diag *diag, rd_kafka_t **ret_client, ...)
{
    char text[TEXT_MAX] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    enum err err = configure(conf, place, diag);
    va_list args;
    va_start(args, ret_client);
    for (const char *name; err == OK && (name = va_arg(args, const char *));) {
        const char *value = va_arg(args, const char *);
        err = set(conf, name, value, diag);
    }
    va_end(args);
    rd_kafka_conf_set_log_cb(conf, quiet);
    /* Without somebody who polls, told errors would pile up. */
    if (trouble)
        log_kafka_trouble_watch(trouble, conf);
    if (err == OK && type == RD_KAFKA_PRODUCER && trouble)
        remote_delivery_set(conf);
    rd_kafka_t *client = err == OK ? rd_kafka_new(type, conf, text, sizeof text) : NULL;
    if (client) {
        *ret_client = client;
        return OK;
    }
    rd_kafka_conf_destroy(conf);
    return err == OK ? log_kafka_new_failed(text, diag)
                     : diag_set(diag, err, 0, 0, "Kafka: %s", text);
}

enum err remote_err(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return OK;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        return ERR_LIMIT;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
        return ERR_DENIED;
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
        return ERR_EXISTS;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return ERR_CLOSED;
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        return ERR_OUT_OF_RANGE;
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_REQUEST:
        return ERR_INVALID;
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
        return ERR_UNSUPPORTED;
    default:
        return ERR_AGAIN;
    }
}
