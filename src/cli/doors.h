/* SPDX-License-Identifier: MIT */
#ifndef CLI_DOORS_H
#define CLI_DOORS_H

#include "cli/cli.h"
#include "pipeline/pipeline.h"
#include "serve/cql/cql.h"
#include "serve/kafka/kafka.h"

/* The data doors of a running project: Kafka and CQL over its log and tables. */
struct doors {
    struct kafka_broker *kafka;
    struct cql_server *cql;
};
/* Opens what the project asks for. A port that nobody named and that is not free: one line of
 * warning, and that door stays shut; one that was named: ERR_CONFLICT. */
enum err doors_open(struct cli *cli, struct pipeline *pipeline, struct doors *ret_doors,
                    struct diag *diag) MUST_USE;
/* Before the pipeline is closed. */
void doors_close(struct doors *doors);
/* " · Kafka 127.0.0.1:9092 · CQL 127.0.0.1:9042" */
void doors_print(const struct doors *doors, const struct project *project, struct buf *out);

#endif
