/* SPDX-License-Identifier: MIT */
/*
 * The table on the other side: looked for in system_schema, made when it is missing, compared with
 * what the project says when it is there. Columns that only the other side has are left alone; a
 * column that it has not is added, as embedded tables get it.
 *
 * The key of an append-only table is the row's place: ((_partition, _offset), _index). The offset
 * is part of the partition key, for a partition of the database must not grow for ever.
 */
#include "base/endian.h"
#include "pipeline/cassandra_private.h"
#include "table/cells.h"

#include <stdio.h>

enum { LOOKS_MAX = 20, LOOK_AGAIN_MS = 250, ARENA_BYTES_MAX = 16 << 20 };

void cassandra_name(struct buf *out, struct str name)
{
    buf_char(out, '"');
    for (size_t i = 0; i < name.bytes; i++) {
        if (name.ptr[i] == '"')
            buf_char(out, '"');
        buf_char(out, name.ptr[i]);
    }
    buf_char(out, '"');
}

void cassandra_table_name(struct buf *out, const struct table_definition *definition)
{
    cassandra_name(out, definition->keyspace);
    buf_char(out, '.');
    cassandra_name(out, definition->name);
}

/* ---- what there should be ---- */

struct wanted_column {
    struct str name;
    const char *kind;  /* of system_schema.columns */
    int32_t position;  /* within the key; -1 */
    const char *order; /* clustering_order */
    char *type;
    bool found;
};
struct wanted {
    struct arena arena;
    struct wanted_column *columns;
    size_t count;
};

static const struct cql_type *any_user_type(void *owner, struct str name)
{
    return NULL;
}

/* In one spelling, so that texts can be compared. */
static char *type_of_text(struct arena *arena, struct str text)
{
    const struct cql_type *type;
    CLEAN(buf_deinit) struct buf out = {0};
    if (cql_type_parse(arena, text, any_user_type, NULL, NULL, &type) != OK)
        return arena_text(arena, text);
    cql_type_print(type, &out);
    return arena_text(arena, buf_str(&out));
}

static void want(struct wanted *w, struct str name, const char *kind, int32_t position,
                 const char *order, struct str type)
{
    w->columns[w->count++] =
        (struct wanted_column){name, kind, position, order, type_of_text(&w->arena, type), false};
}

static void wanted_init(struct wanted *w, const struct table_definition *d)
{
    int32_t partition = 0, clustering = 0;
    *w = (struct wanted){0};
    arena_init(&w->arena, ARENA_BYTES_MAX);
    w->columns = arena_array(&w->arena, d->column_count + 3, sizeof *w->columns);
    if (d->append_only) {
        want(w, STR("_partition"), "partition_key", 0, "none", STR("int"));
        want(w, STR("_offset"), "partition_key", 1, "none", STR("bigint"));
        want(w, STR("_index"), "clustering", 0, "asc", STR("int"));
    }
    for (size_t i = 0; i < d->column_count; i++) {
        const struct table_column *c = &d->columns[i];
        CLEAN(buf_deinit) struct buf type = {0};
        table_column_cql(c, &type);
        if (c->role == TABLE_PARTITION_KEY)
            want(w, c->name, "partition_key", partition++, "none", buf_str(&type));
        else if (c->role == TABLE_CLUSTERING_ASC || c->role == TABLE_CLUSTERING_DESC)
            want(w, c->name, "clustering", clustering++,
                 c->role == TABLE_CLUSTERING_ASC ? "asc" : "desc", buf_str(&type));
        else
            want(w, c->name, c->role == TABLE_STATIC ? "static" : "regular", -1, "none",
                 buf_str(&type));
    }
}

static void wanted_deinit(struct wanted *w)
{
    arena_deinit(&w->arena);
}

/* ---- making it ---- */

static void key_part(const struct wanted *w, const char *kind, struct buf *out)
{
    size_t count = 0;
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->columns[i].kind, kind) == 0) {
            buf_text(out, count++ ? ", " : "");
            cassandra_name(out, w->columns[i].name);
        }
}

static void create_table_text(const struct wanted *w, const struct table_definition *d,
                              struct buf *out)
{
    bool descends = false, clusters = false;
    buf_text(out, "CREATE TABLE IF NOT EXISTS ");
    cassandra_table_name(out, d);
    buf_text(out, " (");
    for (size_t i = 0; i < w->count; i++) {
        const struct wanted_column *c = &w->columns[i];
        cassandra_name(out, c->name);
        buf_printf(out, " %s%s, ", c->type, strcmp(c->kind, "static") == 0 ? " static" : "");
        clusters |= strcmp(c->kind, "clustering") == 0;
        descends |= strcmp(c->order, "desc") == 0;
    }
    buf_text(out, "PRIMARY KEY ((");
    key_part(w, "partition_key", out);
    buf_text(out, clusters ? "), " : ")");
    key_part(w, "clustering", out);
    buf_printf(out, ")) WITH default_time_to_live = %lld", (long long)d->ttl_default_s);
    if (!descends)
        return;
    buf_text(out, " AND CLUSTERING ORDER BY (");
    for (size_t i = 0, count = 0; i < w->count; i++) {
        if (strcmp(w->columns[i].kind, "clustering") != 0)
            continue;
        buf_text(out, count++ ? ", " : "");
        cassandra_name(out, w->columns[i].name);
        buf_printf(out, " %s", w->columns[i].order);
    }
    buf_text(out, ")");
}

static enum err tell_server(struct cassandra_table *t, const struct buf *text,
                            const struct remote_wait *wait, struct diag *diag)
{
    CLEAN(cassandra_answer_deinit) struct cassandra_answer answer = {0};
    return cassandra_ask(t, buf_str(text), 0, STR_NONE, wait, diag, &answer);
}

static enum err create_keyspace(struct cassandra_table *t, const struct remote_wait *wait,
                                struct diag *diag)
{
    CLEAN(cassandra_answer_deinit) struct cassandra_answer answer = {0};
    CLEAN(arena_deinit) struct arena arena = {.bytes_max = ARENA_BYTES_MAX};
    CLEAN(buf_deinit) struct buf text = {0};
    struct cql_rows_metadata metadata;
    buf_printf(&text,
               "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '%.*s'",
               STR_ARG(t->definition->keyspace));
    TRY(cassandra_ask(t, buf_str(&text), 0, STR_NONE, wait, diag, &answer));
    struct reader r = reader_of(answer.body.ptr, answer.body.bytes);
    TRY(cql_rows_metadata_read(&r, 4, &arena, &metadata));
    if (reader_be32(&r) > 0)
        return OK;
    buf_reset(&text);
    buf_text(&text, "CREATE KEYSPACE IF NOT EXISTS ");
    cassandra_name(&text, t->definition->keyspace);
    if (t->place->datacenter)
        buf_printf(&text, " WITH replication = {'class': 'NetworkTopologyStrategy', '%s': %u}",
                   t->place->datacenter, t->place->replicas);
    else
        buf_printf(&text,
                   " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': %u}",
                   t->place->replicas);
    return tell_server(t, &text, wait, diag);
}

static enum err create(struct cassandra_table *t, const struct wanted *w,
                       const struct remote_wait *wait, struct diag *diag)
{
    CLEAN(buf_deinit) struct buf text = {0};
    TRY(create_keyspace(t, wait, diag));
    create_table_text(w, t->definition, &text);
    return tell_server(t, &text, wait, diag);
}

/* ---- comparing ---- */

static enum err differs(const struct cassandra_table *t, struct str column, const char *what,
                        struct str have, const char *wanted, struct diag *diag)
{
    diag_hint(diag, "give the target another table, or drop that one");
    return diag_set(diag, ERR_EXISTS, 0, 0,
                    "the table %.*s.%.*s exists and differs: column %.*s has the %s %.*s, not %s",
                    STR_ARG(t->definition->keyspace), STR_ARG(t->definition->name), STR_ARG(column),
                    what, STR_ARG(have), wanted);
}

static enum err compare_column(const struct cassandra_table *t, struct wanted *w,
                               const struct str cells[5], struct diag *diag)
{
    struct str name = cells[0], kind = cells[1], order = cells[3];
    int32_t position = cells[2].bytes == 4 ? (int32_t)get_be32(cells[2].ptr) : -1;
    char *type = type_of_text(&w->arena, cells[4]);
    for (size_t i = 0; i < w->count; i++) {
        struct wanted_column *c = &w->columns[i];
        if (!str_equal(c->name, name))
            continue;
        c->found = true;
        if (!str_equal(kind, str_of(c->kind)) || (c->position >= 0 && position != c->position))
            return differs(t, name, "role", kind, c->kind, diag);
        if (strcmp(type, c->type) != 0)
            return differs(t, name, "type", str_of(type), c->type, diag);
        if (!str_equal_nocase(order, str_of(c->order)))
            return differs(t, name, "order", order, c->order, diag);
        return OK;
    }
    if (str_equal(kind, STR("partition_key")) || str_equal(kind, STR("clustering")))
        return differs(t, name, "role", kind, "in the key", diag);
    return OK;
}

/* *ret_found false: there is no such table. */
static enum err look(struct cassandra_table *t, struct wanted *w, const struct remote_wait *wait,
                     struct diag *diag, bool *ret_found)
{
    CLEAN(cassandra_answer_deinit) struct cassandra_answer answer = {0};
    CLEAN(buf_deinit) struct buf text = {0};
    struct cql_rows_metadata metadata;
    buf_printf(&text,
               "SELECT column_name, kind, position, clustering_order, type FROM "
               "system_schema.columns WHERE keyspace_name = '%.*s' AND table_name = '%.*s'",
               STR_ARG(t->definition->keyspace), STR_ARG(t->definition->name));
    TRY(cassandra_ask(t, buf_str(&text), 0, STR_NONE, wait, diag, &answer));
    struct reader r = reader_of(answer.body.ptr, answer.body.bytes);
    TRY(cql_rows_metadata_read(&r, 4, &w->arena, &metadata));
    uint32_t rows = reader_be32(&r);
    for (size_t i = 0; i < w->count; i++)
        w->columns[i].found = false;
    for (uint32_t row = 0; row < rows && r.err == OK; row++) {
        struct str cells[5];
        for (size_t i = 0; i < 5; i++)
            cells[i] = cql_bytes_read(&r);
        TRY(r.err);
        TRY(compare_column(t, w, cells, diag));
    }
    *ret_found = rows > 0;
    return r.err;
}

static enum err add_missing(struct cassandra_table *t, const struct wanted *w, bool may_create,
                            const struct remote_wait *wait, struct diag *diag, bool *ret_added)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct wanted_column *c = &w->columns[i];
        CLEAN(buf_deinit) struct buf text = {0};
        if (c->found)
            continue;
        if (strcmp(c->kind, "regular") != 0)
            return differs(t, c->name, "role", STR("of none"), c->kind, diag);
        if (!may_create)
            continue;
        buf_text(&text, "ALTER TABLE ");
        cassandra_table_name(&text, t->definition);
        buf_text(&text, " ADD ");
        cassandra_name(&text, c->name);
        buf_printf(&text, " %s", c->type);
        TRY(tell_server(t, &text, wait, diag));
        *ret_added = true;
    }
    return OK;
}

static enum err make_ready(struct cassandra_table *t, struct wanted *w, bool may_create,
                           const struct remote_wait *wait, struct diag *diag)
{
    for (int looks = 0; looks < LOOKS_MAX; looks++) {
        bool found = false, added = false;
        TRY(look(t, w, wait, diag, &found));
        if (!found && !may_create)
            return ERR_NOT_FOUND;
        if (found) {
            TRY(add_missing(t, w, may_create, wait, diag, &added));
            if (!added)
                return OK;
        } else {
            TRY(create(t, w, wait, diag));
        }
        /* The nodes of a cluster learn of it one after the other. */
        if (looks)
            io_sleep_ns(t->io, LOOK_AGAIN_MS * 1000000LL);
    }
    return diag_set(diag, ERR_AGAIN, 0, 0, "the table %.*s.%.*s was made and is not there",
                    STR_ARG(t->definition->keyspace), STR_ARG(t->definition->name));
}

enum err cassandra_ready(struct remote_table *table, bool may_create,
                         const struct remote_wait *wait, struct diag *diag)
{
    struct cassandra_table *t = (struct cassandra_table *)table;
    CLEAN(wanted_deinit) struct wanted wanted = {0};
    if (t->is_ready)
        return OK;
    wanted_init(&wanted, t->definition);
    TRY(make_ready(t, &wanted, may_create, wait, diag));
    t->is_ready = true;
    return OK;
}
