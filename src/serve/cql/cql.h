/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_CQL_H
#define SERVE_CQL_CQL_H

#include "io/loop.h"
#include "table/table.h"

/*
 * The CQL door: Cassandra's native protocol over table/, for its drivers and cqlsh. A table that
 * the pipeline fills is a table here, and the other way round. Owns connections and prepared
 * statements; everything durable is in the store. One loop's thread parses, plans and reads; writes
 * go through the store's group commit; long scans run in a worker. What is offered and where it
 * differs: docs/cql-compatibility.md.
 */
struct cql_server;

struct cql_server_options {
    const char *address;    /* "127.0.0.1:9042": where it listens */
    const char *advertised; /* what system.local says; NULL = the address */
    struct str cluster_name;
    struct str data_center; /* ptr NULL = "datacenter1" */
    struct str password;    /* ptr NULL = any user and password are let in; else the password that
                             * user needs */
    struct str user;
    bool sync;                /* writes are answered after fdatasync */
    size_t request_bytes_max; /* 0 = 16 MiB, Cassandra's */
    size_t memory_bytes_max;  /* of requests and answers under way together; 0 = 256 MiB */
    size_t connections_max;   /* 0 = 10,000 */
};
/* The loop and the store are borrowed. ERR_CONFLICT: the address is in use. */
enum err cql_server_new(struct io_loop *loop, struct table_store *store,
                        const struct cql_server_options *options, struct diag *diag,
                        struct cql_server **ret_server) MUST_USE;
void cql_server_free(struct cql_server *server);
uint16_t cql_server_port(const struct cql_server *server);

struct cql_server_status {
    uint32_t connections, prepared;
    uint64_t requests, errors, bytes_in, bytes_out;
};
void cql_server_status(const struct cql_server *server, struct cql_server_status *ret_status);

#endif
