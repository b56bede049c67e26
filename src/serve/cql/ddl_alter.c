/* SPDX-License-Identifier: MIT */
/*
 * ALTER TABLE. Columns change in table/, options and the list of dropped columns in the record. The
 * record goes first where both change: a column that is listed as dropped and still there can be
 * dropped again.
 */
#include "serve/cql/compact.h"
#include "serve/cql/ddl.h"

struct alter {
    struct ddl *ddl;
    const struct cql_alter_table *alter;
    struct table_entry *entry;
    struct cql_table *table; /* as it was */
};

static const char *table_name(const struct alter *a)
{
    return arena_printf(a->ddl->arena, "%.*s.%.*s", STR_ARG(a->table->keyspace),
                        STR_ARG(a->table->name));
}

/* Names of the indexes on a column, "" when there are none. */
static struct str indexes_on(const struct alter *a, struct str column)
{
    CLEAN(buf_deinit) struct buf names = {0};
    for (size_t i = 0; i < a->table->index_count; i++)
        if (str_equal(a->table->indexes[i].column, column))
            buf_printf(&names, "%s%.*s", names.bytes ? ", " : "",
                       STR_ARG(a->table->indexes[i].name));
    return arena_str(a->ddl->arena, buf_str(&names));
}

/* ---- ADD ---- */

/* May values of the old type be read as the new one? */
static bool fits_dropped(const struct cql_type *new, const struct cql_type *old)
{
    static const enum cql_kind pairs[][2] = {{CQL_TEXT, CQL_ASCII},       {CQL_BLOB, CQL_TEXT},
                                             {CQL_BLOB, CQL_ASCII},       {CQL_BLOB, CQL_VARINT},
                                             {CQL_BLOB, CQL_DECIMAL},     {CQL_BLOB, CQL_INET},
                                             {CQL_BIGINT, CQL_TIMESTAMP}, {CQL_UUID, CQL_TIMEUUID}};
    if (cql_type_equal(new, old))
        return true;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (new->kind == pairs[i][0] && old->kind == pairs[i][1])
            return true;
    return false;
}

static enum err check_dropped(struct alter *a, const struct cql_column_definition *column,
                              const struct cql_type *type)
{
    struct ddl *ddl = a->ddl;
    const struct table_record *record = &a->entry->record;
    const struct dropped_column *dropped = NULL;
    for (size_t i = 0; i < record->dropped_count; i++)
        if (str_equal(record->dropped[i].name, column->name))
            dropped = &record->dropped[i];
    const struct cql_type *old = NULL;
    struct cql_error unused;
    if (!dropped || catalog_type_locked(ddl->catalog, record->keyspace, dropped->type, ddl->arena,
                                        &unused, &old) != OK)
        return OK;
    if (!fits_dropped(type, old))
        return DDL_INVALID(ddl,
                           "Cannot add a column '%.*s' of type %.*s, incompatible with previously "
                           "dropped column '%.*s' of type %.*s",
                           STR_ARG(column->name), STR_ARG(catalog_type_text(ddl->arena, type)),
                           STR_ARG(column->name), STR_ARG(dropped->type));
    if (dropped->is_static != column->is_static)
        return DDL_INVALID(ddl,
                           "Cannot re-add previously dropped column '%.*s' of kind %s, "
                           "incompatible with previous kind %s",
                           STR_ARG(column->name), column->is_static ? "STATIC" : "REGULAR",
                           dropped->is_static ? "STATIC" : "REGULAR");
    return a->table->is_counter
               ? DDL_INVALID(ddl, "Cannot re-add previously dropped counter column %.*s",
                             STR_ARG(column->name))
               : OK;
}

static enum err check_added(struct alter *a, const struct cql_column_definition *column,
                            const struct cql_type *type)
{
    struct ddl *ddl = a->ddl;
    if (column->is_static && !a->table->clustering_count)
        return DDL_INVALID(ddl, "Static columns are only useful (and thus allowed) if the table "
                                "has at least one clustering column");
    for (uint32_t k = 0; type->kind == CQL_UDT && !type->frozen && k < type->count; k++)
        if (cql_type_is_multicell(type->items[k]))
            return DDL_INVALID(ddl,
                               "Non-frozen UDTs with nested non-frozen collections are not "
                               "supported for column %.*s",
                               STR_ARG(column->name));
    TRY(check_dropped(a, column, type));
    bool counter = type->kind == CQL_COUNTER;
    if (counter != a->table->is_counter)
        return DDL_CONFIG(ddl, "%s: Cannot have a %scounter column (\"%.*s\") in a %scounter table",
                          table_name(a), counter ? "" : "non ", STR_ARG(column->name),
                          counter ? "non " : "");
    return OK;
}

static enum err add_columns(struct alter *a)
{
    struct ddl *ddl = a->ddl;
    const struct cql_alter_table *alter = a->alter;
    struct table_column *columns =
        arena_array(ddl->arena, alter->column_count + 1, sizeof(*columns));
    size_t count = 0;
    for (size_t i = 0; i < alter->column_count; i++) {
        const struct cql_column_definition *from = &alter->columns[i];
        const struct cql_type *type = NULL;
        TRY(catalog_type_locked(ddl->catalog, a->table->keyspace, from->type, ddl->arena,
                                ddl->error, &type));
        if (from->mask.ptr)
            return DDL_INVALID(ddl, "Cannot mask columns because dynamic data masking is not "
                                    "enabled. You can enable it with the "
                                    "dynamic_data_masking_enabled property on cassandra.yaml");
        bool there = cql_column_find(a->table, from->name);
        for (size_t k = 0; k < count; k++)
            there |= str_equal(columns[k].name, from->name);
        if (there && !alter->if_column_not_exists)
            return DDL_INVALID(ddl, "Column with name '%.*s' already exists", STR_ARG(from->name));
        if (there)
            continue;
        TRY(check_added(a, from, type));
        columns[count++] = (struct table_column){
            .name = from->name,
            .type = catalog_storage_type(ddl->arena, type),
            .declared = catalog_type_text(ddl->arena, type),
            .role = from->is_static ? TABLE_STATIC : TABLE_REGULAR,
            .cells = type->kind == CQL_COUNTER     ? TABLE_COUNTER
                     : cql_type_is_multicell(type) ? TABLE_MANY_CELLS
                                                   : TABLE_ONE_CELL,
        };
    }
    if (!count)
        return OK;
    TRY(ddl_store(ddl, table_add_columns(ddl->catalog->store, a->entry->table, columns, count)));
    ddl_changed(ddl, "UPDATED", "TABLE", a->table->keyspace, a->table->name);
    return OK;
}

/* ---- DROP ---- */

static enum err check_drop(struct alter *a, struct str name, bool *ret_there)
{
    struct ddl *ddl = a->ddl;
    const struct cql_table_column *column = cql_column_find(a->table, name);
    *ret_there = column;
    if (!column)
        return a->alter->if_column_exists
                   ? OK
                   : DDL_INVALID(ddl, "Column %.*s was not found in table '%s'", STR_ARG(name),
                                 table_name(a));
    if (column->kind <= CQL_CLUSTERING)
        return DDL_INVALID(ddl, "Cannot drop PRIMARY KEY column %.*s", STR_ARG(name));
    if (column->type->kind == CQL_UDT && !column->type->frozen)
        return DDL_INVALID(ddl, "Cannot drop non-frozen column %.*s of user type %.*s",
                           STR_ARG(name), STR_ARG(catalog_type_text(ddl->arena, column->type)));
    struct str indexes = indexes_on(a, name);
    return indexes.bytes
               ? DDL_INVALID(ddl,
                             "Cannot drop column %.*s because it has dependent secondary indexes "
                             "(%.*s)",
                             STR_ARG(name), STR_ARG(indexes))
               : OK;
}

static int64_t drop_time(struct alter *a)
{
    int64_t time;
    if (a->alter->timestamp && str_to_i64(a->alter->timestamp->text, &time) == OK)
        return time;
    return io_wall_us(a->ddl->catalog->io);
}

/* The record with a column in the list of dropped ones, instead of an older one of its name. */
static void record_drop(struct alter *a, struct table_record *record, struct str name,
                        int64_t time_us)
{
    struct arena *arena = a->ddl->arena;
    const struct cql_table_column *column = cql_column_find(a->table, name);
    struct dropped_column *list = arena_array(arena, record->dropped_count + 1, sizeof(*list));
    size_t count = 0;
    for (size_t i = 0; i < record->dropped_count; i++)
        if (!str_equal(record->dropped[i].name, name))
            list[count++] = record->dropped[i];
    list[count++] = (struct dropped_column){.name = name,
                                            .type = catalog_type_text(arena, column->type),
                                            .time_us = time_us,
                                            .is_static = column->kind == CQL_STATIC};
    record->dropped = list;
    record->dropped_count = count;
}

static enum err drop_columns(struct alter *a)
{
    struct ddl *ddl = a->ddl;
    const struct cql_alter_table *alter = a->alter;
    struct table_record record = a->entry->record;
    int64_t time_us = drop_time(a);
    size_t count = 0;
    bool *there = arena_array(ddl->arena, alter->name_count + 1, sizeof(*there));
    for (size_t i = 0; i < alter->name_count; i++) {
        TRY(check_drop(a, alter->names[i], &there[i]));
        for (size_t k = 0; k < i; k++)
            there[i] &= !str_equal(alter->names[k], alter->names[i]);
        if (there[i])
            record_drop(a, &record, alter->names[i], time_us);
        count += there[i];
    }
    if (!count)
        return OK;
    struct table *table = a->entry->table;
    TRY(ddl_put_table(ddl, &record));
    for (size_t i = 0; i < alter->name_count; i++)
        if (there[i])
            TRY(ddl_store(
                ddl, table_drop_column_at(ddl->catalog->store, table, alter->names[i], time_us)));
    ddl_changed(ddl, "UPDATED", "TABLE", a->table->keyspace, a->table->name);
    return OK;
}

/* ---- RENAME ---- */

static enum err check_rename(struct alter *a, struct str from, struct str to)
{
    struct ddl *ddl = a->ddl;
    const struct cql_table_column *column = cql_column_find(a->table, from);
    if (!column)
        return DDL_INVALID(ddl, "Undefined column name %.*s in table %s", STR_ARG(from),
                           table_name(a));
    if (column->kind > CQL_CLUSTERING)
        return DDL_INVALID(ddl, "Cannot rename non PRIMARY KEY column %.*s", STR_ARG(from));
    if (cql_column_find(a->table, to))
        return DDL_INVALID(ddl,
                           "Cannot rename column %.*s to %.*s in table '%s'; another column with "
                           "that name already exists",
                           STR_ARG(from), STR_ARG(to), table_name(a));
    struct str indexes = indexes_on(a, from);
    return indexes.bytes
               ? DDL_INVALID(ddl,
                             "Can't rename column %.*s because it has dependent secondary indexes "
                             "(%.*s)",
                             STR_ARG(from), STR_ARG(indexes))
               : OK;
}

static enum err rename_columns(struct alter *a)
{
    struct ddl *ddl = a->ddl;
    const struct cql_alter_table *alter = a->alter;
    for (size_t i = 0; i + 1 < alter->name_count; i += 2)
        TRY(check_rename(a, alter->names[i], alter->names[i + 1]));
    for (size_t i = 0; i + 1 < alter->name_count; i += 2)
        TRY(ddl_store(ddl, table_rename_column(ddl->catalog->store, a->entry->table,
                                               alter->names[i], alter->names[i + 1])));
    ddl_changed(ddl, "UPDATED", "TABLE", a->table->keyspace, a->table->name);
    return OK;
}

/* ---- WITH ---- */

static enum err alter_options(struct alter *a)
{
    struct ddl *ddl = a->ddl;
    const struct cql_alter_table *alter = a->alter;
    struct table_record record = a->entry->record;
    TRY(ddl_check_table_options(ddl, alter->options, alter->option_count));
    if (option_find(alter->options, alter->option_count, "id"))
        return DDL_CONFIG(ddl, "Cannot alter table id.");
    record.options = ddl_merge_options(ddl->arena, record.options, record.option_count,
                                       alter->options, alter->option_count, &record.option_count);
    int64_t ttl = ddl_ttl_default(record.options, record.option_count);
    bool ttl_said = option_find(alter->options, alter->option_count, "default_time_to_live");
    if (a->table->is_counter && ttl > 0)
        return DDL_INVALID(ddl, "Cannot set default_time_to_live on a table with counters");
    TRY(ddl_check_table_options(ddl, record.options, record.option_count));
    struct table *table = a->entry->table;
    TRY(ddl_put_table(ddl, &record));
    if (ttl_said && ttl != a->table->ttl_default_s)
        TRY(ddl_store(ddl, table_set_ttl_default(ddl->catalog->store, table, ttl)));
    ddl_changed(ddl, "UPDATED", "TABLE", a->table->keyspace, a->table->name);
    return OK;
}

static enum err alter_other(struct alter *a)
{
    struct ddl *ddl = a->ddl;
    if (!a->alter->column_count && a->table->compact)
        return DDL_INVALID(ddl,
                           "DROP COMPACT STORAGE is disabled. Enable in cassandra.yaml to use.");
    if (!a->alter->column_count)
        return DDL_INVALID(ddl, "Cannot DROP COMPACT STORAGE on table without COMPACT STORAGE");
    const struct cql_column_definition *column = &a->alter->columns[0];
    if (column->mask.ptr)
        return DDL_INVALID(ddl, "Cannot mask columns because dynamic data masking is not enabled. "
                                "You can enable it with the dynamic_data_masking_enabled property "
                                "on cassandra.yaml");
    if (cql_column_find(a->table, column->name) || a->alter->if_column_exists)
        return OK; /* no column has a mask */
    return DDL_INVALID(ddl, "Column with name '%.*s' doesn't exist on table '%.*s'",
                       STR_ARG(column->name), STR_ARG(a->table->name));
}

static enum err alter_table(struct alter *a)
{
    if (a->entry->definition->append_only && a->alter->kind != ALTER_OPTIONS)
        return DDL_INVALID(a->ddl, "Table '%s' is filled by a pipeline that owns its columns",
                           table_name(a));
    if (a->table->compact && a->alter->kind == ALTER_ADD)
        return DDL_INVALID(a->ddl, "Cannot add new column to a COMPACT STORAGE table");
    if (compact_is_dense(a->table) && a->alter->kind == ALTER_DROP)
        return DDL_INVALID(a->ddl, "Cannot drop columns from a COMPACT STORAGE table");
    switch (a->alter->kind) {
    case ALTER_ADD:
        return add_columns(a);
    case ALTER_DROP:
        return drop_columns(a);
    case ALTER_RENAME:
        return rename_columns(a);
    case ALTER_OPTIONS:
        return alter_options(a);
    case ALTER_TYPE:
        return DDL_INVALID(a->ddl, "Altering column types is no longer supported");
    default:
        return alter_other(a);
    }
}

enum err ddl_table_alter(struct ddl *ddl)
{
    const struct cql_alter_table *alter = &ddl->statement->alter;
    struct str keyspace;
    TRY(ddl_keyspace(ddl, &alter->name, &keyspace));
    catalog_refresh(ddl->catalog);
    struct table_entry *entry = table_entry_find(ddl->catalog, keyspace, alter->name.name);
    if (!entry)
        return alter->if_exists ? OK
                                : DDL_INVALID(ddl, "Table '%.*s.%.*s' doesn't exist",
                                              STR_ARG(keyspace), STR_ARG(alter->name.name));
    /* The record's texts go away when it is replaced: the snapshot and a copy stay. */
    struct alter a = {ddl, alter, entry, cql_table_ref(table_entry_snapshot(ddl->catalog, entry))};
    enum err err = alter_table(&a);
    cql_table_unref(a.table);
    catalog_refresh(ddl->catalog);
    return err;
}
