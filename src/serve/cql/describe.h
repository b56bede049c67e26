/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_DESCRIBE_H
#define SERVE_CQL_DESCRIBE_H

#include "serve/cql/catalog_private.h"

/* Statements that would make what is there, as Cassandra prints them; under the mutex. */
void describe_keyspace(const struct cql_keyspace *keyspace, struct buf *out);
void describe_type(const struct type_record *type, struct buf *out);
/* record: of dropped columns, NULL = a system table. */
void describe_table(const struct cql_table *table, const struct table_record *record,
                    bool internals, struct arena *arena, struct buf *out);
void describe_index(const struct cql_table *table, const struct cql_index *index, struct buf *out);

#endif
