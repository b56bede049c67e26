/* SPDX-License-Identifier: MIT */
#ifndef LOG_KAFKA_TROUBLE_H
#define LOG_KAFKA_TROUBLE_H

#include "base/diag.h"
#include "io/thread.h"

#include <librdkafka/rdkafka.h>

/*
 * Why a Kafka cannot be reached or does not let us in, in words for people: for all who make
 * clients of librdkafka, here and in commands. Any thread.
 */
struct log_kafka_trouble {
    struct io_mutex lock;
    bool quiet_certificate; /* what follows only says that the certificate was not taken */
    bool lasting;           /* waiting does not mend it: a login, a certificate */
    bool likely;            /* rather a wrong setting than a broker that is away */
    char text[300];         /* the newest; empty = all is well */
    char hint[200];
    void *owner; /* for other callbacks of the client: its opaque is the trouble */
};

void log_kafka_trouble_init(struct log_kafka_trouble *trouble, void *owner);
void log_kafka_trouble_deinit(struct log_kafka_trouble *trouble);
/* The client tells its errors here, and logs nothing. Somebody has to poll it. */
void log_kafka_trouble_watch(struct log_kafka_trouble *trouble, rd_kafka_conf_t *conf);
/* Text of an error that a call gave; what is known already says more. */
void log_kafka_trouble_note(struct log_kafka_trouble *trouble, const char *text);
/* What the library says of a connection, as its error callback gets it. */
void log_kafka_trouble_tell(struct log_kafka_trouble *trouble, rd_kafka_resp_err_t err,
                            const char *reason);
/* All is well again. */
void log_kafka_trouble_clear(struct log_kafka_trouble *trouble);
/* Copies text and hint; ERR_DENIED when waiting does not mend it, ERR_INVALID when it is likely a
 * wrong setting, else ERR_NETWORK; OK with empty texts when there is none. */
enum err log_kafka_trouble_get(struct log_kafka_trouble *trouble, char *text, size_t text_room,
                               char *hint, size_t hint_room);

/* "the Kafka at PLACE does not let us in: text"; err is that of get. */
void log_kafka_trouble_print(const char *place, enum err err, const char *text, struct buf *out);
/* What rd_kafka_new() says, with a hint. ERR_INVALID. */
enum err log_kafka_new_failed(const char *text, struct diag *diag);

/* The settings of kafka://HOST,..?NAME=VALUE&.. one by one, and bootstrap.servers first. set gives
 * false to end it. ERR_INVALID with a hint; a value is never shown. */
enum err log_kafka_settings(struct str url, struct diag *diag,
                            bool (*set)(void *owner, const char *name, const char *value),
                            void *owner) MUST_USE;

#endif
