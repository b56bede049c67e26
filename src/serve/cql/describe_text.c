/* SPDX-License-Identifier: MIT */
/*
 * Definitions as statements, in the form that Cassandra 5.0 prints: four blanks, keys first, then
 * static columns and the rest, collections behind simple ones, each by name; every option, in a
 * fixed order.
 */
#include "serve/cql/compact.h"
#include "serve/cql/describe.h"
#include "serve/cql/lex.h"
#include "serve/cql/options.h"

#include <stdlib.h>

static void quoted(struct str text, struct buf *out)
{
    buf_char(out, '\'');
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.ptr[i] == '\'')
            buf_char(out, '\'');
        buf_char(out, text.ptr[i]);
    }
    buf_char(out, '\'');
}

static void full_name(struct str keyspace, struct str name, struct buf *out)
{
    cql_identifier_print(keyspace, out);
    buf_char(out, '.');
    cql_identifier_print(name, out);
}

static void print_map(const struct str *pairs, size_t count, struct buf *out)
{
    buf_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        buf_text(out, i ? ", " : "");
        quoted(pairs[2 * i], out);
        buf_text(out, ": ");
        quoted(pairs[2 * i + 1], out);
    }
    buf_char(out, '}');
}

/* ---- keyspaces, types ---- */

void describe_keyspace(const struct cql_keyspace *keyspace, struct buf *out)
{
    if (!keyspace->replication_count) {
        buf_text(out, "/*\nWarning: Keyspace ");
        cql_identifier_print(keyspace->name, out);
        buf_text(out, " is a virtual keyspace and cannot be recreated with CQL.\nStructure, for "
                      "reference:\nVIRTUAL KEYSPACE ");
        cql_identifier_print(keyspace->name, out);
        buf_text(out, ";\n*/");
        return;
    }
    buf_text(out, "CREATE KEYSPACE ");
    cql_identifier_print(keyspace->name, out);
    buf_text(out, " WITH replication = {");
    for (size_t i = 0; i < keyspace->replication_count; i++) {
        struct str value = keyspace->replication[i].value->text;
        struct str package = STR("org.apache.cassandra.locator.");
        if (i == 0 && str_starts(value, package))
            value = str_slice(value, package.bytes, value.bytes);
        buf_text(out, i ? ", " : "");
        quoted(keyspace->replication[i].name, out);
        buf_text(out, ": ");
        quoted(value, out);
    }
    buf_printf(out, "}  AND durable_writes = %s;", keyspace->durable_writes ? "true" : "false");
}

void describe_type(const struct type_record *type, struct buf *out)
{
    buf_text(out, "CREATE TYPE ");
    full_name(type->keyspace, type->name, out);
    buf_text(out, " (\n");
    for (size_t i = 0; i < type->count; i++) {
        buf_text(out, "    ");
        cql_identifier_print(type->field_names[i], out);
        buf_printf(out, " %.*s%s\n", STR_ARG(type->field_types[i]), i + 1 < type->count ? "," : "");
    }
    buf_text(out, ");");
}

/* ---- tables ---- */

static int compare_shown(const void *left, const void *right)
{
    const struct cql_table_column *a = *(const struct cql_table_column *const *)left;
    const struct cql_table_column *b = *(const struct cql_table_column *const *)right;
    bool many_a = cql_type_is_multicell(a->type), many_b = cql_type_is_multicell(b->type);
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind <= CQL_CLUSTERING)
        return a->position < b->position ? -1 : 1;
    return many_a != many_b ? (many_a ? 1 : -1) : str_compare(a->name, b->name);
}

static void print_column(const struct cql_table_column *column, struct buf *out)
{
    cql_identifier_print(column->name, out);
    buf_char(out, ' ');
    cql_type_print(column->type, out);
    buf_text(out, column->kind == CQL_STATIC ? " static" : "");
}

static void print_names(const struct cql_table *table, enum cql_column_kind kind, struct buf *out)
{
    bool first = true;
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (table->columns[i].kind != kind)
            continue;
        buf_text(out, first ? "" : ", ");
        cql_identifier_print(table->columns[i].name, out);
        first = false;
    }
}

static void print_key(const struct cql_table *table, struct buf *out)
{
    buf_text(out, "    PRIMARY KEY (");
    buf_text(out, table->partition_count > 1 ? "(" : "");
    print_names(table, CQL_PARTITION_KEY, out);
    buf_text(out, table->partition_count > 1 ? ")" : "");
    buf_text(out, table->clustering_count ? ", " : "");
    print_names(table, CQL_CLUSTERING, out);
    buf_text(out, ")\n");
}

static bool is_dropped(const struct table_record *record, struct str name)
{
    for (size_t i = 0; record && i < record->dropped_count; i++)
        if (str_equal(record->dropped[i].name, name))
            return true;
    return false;
}

/* With a record: columns that were dropped once, those that came again too, stand behind the
 * others, so that the statements behind the table drop and add them. */
static void print_columns(const struct cql_table *table, const struct table_record *record,
                          struct arena *arena, struct buf *out)
{
    const struct cql_table_column **list =
        arena_array(arena, table->column_count + 1, sizeof(*list));
    size_t count = 0, dropped = record ? record->dropped_count : 0;
    for (uint32_t i = 0; i < table->column_count; i++)
        if (!is_dropped(record, table->columns[i].name))
            list[count++] = &table->columns[i];
    qsort(list, count, sizeof(*list), compare_shown);
    bool alone = table->partition_count == 1 && !table->clustering_count && !table->compact;
    for (size_t i = 0; i < count; i++) {
        buf_text(out, "    ");
        print_column(list[i], out);
        buf_text(out, alone && i == 0 ? " PRIMARY KEY" : "");
        buf_text(out, i + 1 < count || dropped || !alone ? ",\n" : "\n");
    }
    for (size_t i = 0; i < dropped; i++) {
        const struct dropped_column *column = &record->dropped[i];
        buf_text(out, "    ");
        cql_identifier_print(column->name, out);
        buf_printf(out, " %.*s%s", STR_ARG(column->type), column->is_static ? " static" : "");
        buf_text(out, i + 1 < dropped || !alone ? ",\n" : "\n");
    }
    if (!alone)
        print_key(table, out);
}

static void print_options(const struct cql_table *table, struct arena *arena, struct buf *out)
{
    enum form { PLAIN, QUOTED, MAP, EMPTY };
    static const struct {
        const char *name;
        enum form form;
    } shown[] = {
        {"additional_write_policy", QUOTED},
        {"allow_auto_snapshot", PLAIN},
        {"bloom_filter_fp_chance", PLAIN},
        {"caching", MAP},
        {"cdc", PLAIN},
        {"comment", QUOTED},
        {"compaction", MAP},
        {"compression", MAP},
        {"memtable", QUOTED},
        {"crc_check_chance", PLAIN},
        {"default_time_to_live", PLAIN},
        {"extensions", EMPTY},
        {"gc_grace_seconds", PLAIN},
        {"incremental_backups", PLAIN},
        {"max_index_interval", PLAIN},
        {"memtable_flush_period_in_ms", PLAIN},
        {"min_index_interval", PLAIN},
        {"read_repair", QUOTED},
        {"speculative_retry", QUOTED},
    };
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        struct str *pairs;
        buf_printf(out, "%s%s = ", i ? "\n    AND " : "", shown[i].name);
        if (shown[i].form == MAP) {
            size_t count = option_map(table, shown[i].name, arena, &pairs);
            print_map(pairs, count, out);
        } else if (shown[i].form == EMPTY)
            buf_text(out, "{}");
        else if (shown[i].form == QUOTED)
            quoted(option_text(table, shown[i].name, arena), out);
        else
            buf_str_append(out, option_text(table, shown[i].name, arena));
    }
    buf_char(out, ';');
}

static void print_order(const struct cql_table *table, struct arena *arena, struct buf *out)
{
    struct compact_column hidden[COMPACT_COLUMNS_MAX];
    if (table->compact)
        buf_text(out, "COMPACT STORAGE\n    AND ");
    if (!table->clustering_count && !table->compact)
        return;
    buf_text(out, "CLUSTERING ORDER BY (");
    if (!table->clustering_count && compact_columns(table, arena, hidden))
        buf_printf(out, "%.*s ASC", STR_ARG(hidden[0].name));
    for (uint32_t i = 0; i < table->clustering_count; i++) {
        const struct cql_table_column *column = &table->columns[table->partition_count + i];
        buf_text(out, i ? ", " : "");
        cql_identifier_print(column->name, out);
        buf_text(out, column->descending ? " DESC" : " ASC");
    }
    buf_text(out, ")\n    AND ");
}

static void print_dropped(const struct cql_table *table, const struct table_record *record,
                          struct buf *out)
{
    for (size_t i = 0; i < record->dropped_count; i++) {
        const struct dropped_column *dropped = &record->dropped[i];
        buf_text(out, "\nALTER TABLE ");
        full_name(table->keyspace, table->name, out);
        buf_text(out, " DROP ");
        cql_identifier_print(dropped->name, out);
        buf_printf(out, " USING TIMESTAMP %lld;", (long long)dropped->time_us);
        const struct cql_table_column *again = cql_column_find(table, dropped->name);
        if (!again)
            continue;
        buf_text(out, "\nALTER TABLE ");
        full_name(table->keyspace, table->name, out);
        buf_text(out, " ADD ");
        print_column(again, out);
        buf_char(out, ';');
    }
}

static void print_id(const uint8_t id[16], struct buf *out)
{
    cql_value_print(cql_simple(CQL_UUID), str_from(id, 16), out);
}

void describe_table(const struct cql_table *table, const struct table_record *record,
                    bool internals, struct arena *arena, struct buf *out)
{
    bool virtual = catalog_is_virtual(table->keyspace);
    if (virtual) {
        buf_text(out, "/*\nWarning: Table ");
        full_name(table->keyspace, table->name, out);
        buf_text(out, " is a virtual table and cannot be recreated with CQL.\nStructure, for "
                      "reference:\nVIRTUAL TABLE ");
    } else if (table->compact) {
        buf_text(out, "/*\nWarning: Table ");
        full_name(table->keyspace, table->name, out);
        buf_text(out, " omitted because it has constructs not compatible with CQL (was created via "
                      "legacy API).\nApproximate structure, for reference:\n(this should not be "
                      "used to reproduce this schema)\n\nCREATE TABLE ");
    } else {
        buf_text(out, "CREATE TABLE ");
    }
    full_name(table->keyspace, table->name, out);
    buf_text(out, " (\n");
    print_columns(table, internals ? record : NULL, arena, out);
    buf_text(out, ") WITH ");
    if (internals) {
        buf_text(out, "ID = ");
        print_id(table->id, out);
        buf_text(out, "\n    AND ");
    }
    print_order(table, arena, out);
    if (virtual) {
        buf_text(out, "comment = ");
        quoted(option_text(table, "comment", arena), out);
        buf_text(out, ";\n*/");
        return;
    }
    print_options(table, arena, out);
    if (internals && record)
        print_dropped(table, record, out);
    if (table->compact)
        buf_text(out, "\n*/");
}

/* ---- indexes ---- */

struct str index_target_text(struct arena *arena, const struct cql_table *table, struct str column,
                             struct str target)
{
    CLEAN(buf_deinit) struct buf out = {0};
    const struct cql_table_column *found = cql_column_find(table, column);
    bool collection = found && cql_type_is_collection(found->type);
    if (collection)
        buf_printf(&out, "%.*s(", STR_ARG(target));
    cql_identifier_print(column, &out);
    buf_text(&out, collection ? ")" : "");
    return arena_str(arena, buf_str(&out));
}

void describe_index(const struct cql_table *table, const struct cql_index *index, struct buf *out)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    bool custom = index->custom_class.ptr;
    struct str target = index_target_text(&arena, table, index->column, index->target);
    buf_text(out, custom ? "CREATE CUSTOM INDEX " : "CREATE INDEX ");
    cql_identifier_print(index->name, out);
    buf_text(out, " ON ");
    full_name(table->keyspace, table->name, out);
    buf_printf(out, " (%.*s)", STR_ARG(target));
    if (custom) {
        buf_text(out, " USING ");
        quoted(index->custom_class, out);
    }
    const struct cql_term *map = index->option_count ? index->options[0].value : NULL;
    if (map && map->count) {
        struct str *pairs = arena_array(&arena, map->count, sizeof(*pairs));
        for (size_t i = 0; i < map->count; i++)
            pairs[i] = map->items[i]->text;
        buf_text(out, " WITH OPTIONS = ");
        print_map(pairs, map->count / 2, out);
    }
    buf_char(out, ';');
    arena_deinit(&arena);
}
