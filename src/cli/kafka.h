/* SPDX-License-Identifier: MIT */
#ifndef CLI_KAFKA_H
#define CLI_KAFKA_H

#include "cli/cli.h"
#include "log/kafka_trouble.h"

/*
 * Commands that speak Kafka's protocol through librdkafka, to millrace or to any other broker.
 */

/* --bootstrap or MILLRACE_BOOTSTRAP; NULL when neither is given. */
const char *kafka_bootstrap(const struct cli *cli);
/* The same, else the Kafka address of the project, else 127.0.0.1:9092. */
const char *kafka_bootstrap_default(struct cli *cli, struct arena *arena);

#define KAFKA_BOOTSTRAP_OPTION                                                                     \
    {                                                                                              \
        "bootstrap", 'B', "PLACE",                                                                 \
            "any Kafka: HOST:PORT or kafka://.. (also "                                            \
            "MILLRACE_BOOTSTRAP)"                                                                  \
    }
#define KAFKA_PROPERTY_OPTION                                                                      \
    {"property", 'X', "NAME=VALUE,..", "with --bootstrap: settings of librdkafka"},                \
    {                                                                                              \
        "command-config", 0, "FILE", "with --bootstrap: a file of such settings, one a line"       \
    }

/* A producer whose reports are told to delivered, with a struct log_kafka_trouble whose owner that
 * is. */
rd_kafka_t *kafka_producer(struct cli *cli, const char *bootstrap,
                           void (*delivered)(rd_kafka_t *client, const rd_kafka_message_t *message,
                                             void *owner),
                           void *owner);
/* A client of the kind; with --property's settings and those given as name, value, .., NULL. Prints
 * what is wrong and gives NULL. */
rd_kafka_t *kafka_client(struct cli *cli, rd_kafka_type_t type, const char *bootstrap, ...);
/* True when the broker does not let us in or, before anything worked, for a while is like one that
 * wants other settings. Polls the client. */
bool kafka_gives_up(struct cli *cli, rd_kafka_t *client, bool worked);
/* Of all topics (topic NULL) or one; waits no longer than is of use. */
rd_kafka_resp_err_t kafka_metadata(struct cli *cli, rd_kafka_t *client, rd_kafka_topic_t *topic,
                                   const rd_kafka_metadata_t **ret_metadata);
/* Prints "TOPIC: text (CODE)", or why the Kafka cannot be reached; the exit code that fits. */
int kafka_failed(struct cli *cli, const char *what, rd_kafka_resp_err_t err, const char *text);

/* One admin call: waits for its event and hands it to take, which prints and gives the exit code.
 */
struct kafka_admin {
    struct cli *cli;
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;
    rd_kafka_AdminOptions_t *options;
};
/* False: printed. */
bool kafka_admin_open(struct cli *cli, const char *bootstrap, rd_kafka_admin_op_t operation,
                      struct kafka_admin *ret_admin);
void kafka_admin_close(struct kafka_admin *admin);
/* NULL: it failed as a whole, and that was printed with what. */
rd_kafka_event_t *kafka_admin_wait(struct kafka_admin *admin, const char *what);

int kafka_topics_run(struct cli *cli, const char *bootstrap);
int kafka_consume_run(struct cli *cli, const char *bootstrap);
int kafka_produce_run(struct cli *cli, const char *bootstrap);

#endif
