/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_RECORD_H
#define SERVE_CQL_RECORD_H

#include "serve/cql/catalog.h"

/* What the catalogue keeps as state beside the tables, one record each:
 * "cql/keyspace/NAME", "cql/type/KEYSPACE NUL NAME", "cql/table/KEYSPACE NUL NAME",
 * "cql/role/NAME". */

struct type_record {
    struct str keyspace, name;
    struct str *field_names;
    struct str *field_types; /* texts */
    size_t count;
};

struct dropped_column {
    struct str name, type;
    int64_t time_us;
    bool is_static;
};

struct index_record {
    struct str name, column, target, custom_class; /* custom_class ptr NULL = plain */
    struct cql_option *options;
    size_t option_count;
    bool built;
};

/* What a table has beyond its definition in table/. */
struct table_record {
    struct str keyspace, name;
    uint8_t id[16];
    struct cql_option *options; /* as given, values are strings and maps of strings */
    size_t option_count;
    struct dropped_column *dropped;
    size_t dropped_count;
    struct index_record *indexes;
    size_t index_count;
    bool compact; /* WITH COMPACT STORAGE */
};

struct role_record {
    struct str name;
    struct str hash; /* salted; ptr NULL = none */
    bool login, superuser;
    struct str *member_of;
    size_t member_count;
    struct cql_option *options; /* access to datacenters and the like */
    size_t option_count;
};

/* A prepared statement. */
enum { PREPARED_GONE = 1, PREPARED_MOVED = 2 };
struct prepared_record {
    struct str keyspace, text; /* keyspace ptr NULL = none; borrowed */
    uint8_t flags;
    uint8_t result_id[16], about[16]; /* of its columns; of all that it was planned by */
    bool known;                       /* the two above are there */
};

void keyspace_record_encode(const struct cql_keyspace *keyspace, struct buf *out);
void type_record_encode(const struct type_record *record, struct buf *out);
void table_record_encode(const struct table_record *record, struct buf *out);
void role_record_encode(const struct role_record *record, struct buf *out);
void prepared_record_encode(const struct prepared_record *record, struct buf *out);
/* Texts live in the arena. ERR_CORRUPT. */
enum err keyspace_record_decode(struct arena *arena, struct str bytes,
                                struct cql_keyspace *ret_keyspace) MUST_USE;
enum err type_record_decode(struct arena *arena, struct str bytes,
                            struct type_record *ret_record) MUST_USE;
enum err table_record_decode(struct arena *arena, struct str bytes,
                             struct table_record *ret_record) MUST_USE;
enum err role_record_decode(struct arena *arena, struct str bytes,
                            struct role_record *ret_record) MUST_USE;
/* Borrows the bytes. */
enum err prepared_record_decode(struct str bytes, struct prepared_record *ret_record) MUST_USE;

/* A deep copy with values as strings and maps of strings. */
struct cql_option *options_copy(struct arena *arena, const struct cql_option *options,
                                size_t count);
/* NULL when it is not there. */
const struct cql_option *option_find(const struct cql_option *options, size_t count,
                                     const char *name);
/* Of a map value: ptr NULL when the key is missing. */
struct str option_map_get(const struct cql_option *option, const char *key);

#endif
