/* SPDX-License-Identifier: MIT */
#ifndef CLI_NODETOOL_H
#define CLI_NODETOOL_H

#include "base/buf.h"

/* What `nodetool clientstats` prints of the rows of system_views.clients: a JSON list of lists with
 * the columns of CLIENTS_QUERY in their order, null for null. */
#define CLIENTS_QUERY                                                                              \
    "SELECT address, port, hostname, ssl_enabled, ssl_cipher_suite, ssl_protocol, "                \
    "protocol_version, username, keyspace_name, request_count, driver_name, driver_version "       \
    "FROM system_views.clients"
/* How many connections each user has; with all also each connection. */
void nodetool_clients(struct str rows, bool all, struct buf *out);
/* Addresses by version of the protocol, seen at that time. */
void nodetool_clients_by_protocol(struct str rows, int64_t now_us, struct buf *out);

#endif
