/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_SYSTEM_LIST_H
#define SERVE_CQL_SYSTEM_LIST_H

#include "serve/cql/catalog.h"

struct system_definition {
    const char *keyspace, *name, *comment, *id;
    int32_t gc_grace_s, ttl_default_s;
    const char *columns;
};
extern const struct system_definition system_definitions[];
extern const size_t system_definition_count;

/* What fills a system table, or NULL: it is empty (system_fill.c). */
typeof(((struct cql_table *)0)->fill) system_fill_find(struct str keyspace, struct str name);

#endif
