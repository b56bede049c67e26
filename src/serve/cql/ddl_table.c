/* SPDX-License-Identifier: MIT */
/*
 * CREATE TABLE: what it says is checked as Cassandra checks it, the record is written, the table is
 * made. A crash between the two leaves a record without a table, which the next opening removes.
 */
#include "serve/cql/ddl.h"

enum { TABLE_NAME_BYTES_MAX = 222 };

struct made_column {
    const struct cql_column_definition *definition;
    const struct cql_type *type;
};

struct create {
    struct ddl *ddl;
    const struct cql_create_table *table;
    struct str keyspace, name;
    struct made_column *columns;
};

static const char *full_name(struct create *c)
{
    const struct cql_name *name = &c->table->name;
    return name->keyspace.ptr ? arena_printf(c->ddl->arena, "%.*s.%.*s", STR_ARG(name->keyspace),
                                             STR_ARG(name->name))
                              : arena_text(c->ddl->arena, name->name);
}

static struct made_column *find_column(struct create *c, struct str name)
{
    for (size_t i = 0; i < c->table->column_count; i++)
        if (str_equal(c->table->columns[i].name, name))
            return &c->columns[i];
    return NULL;
}

static bool is_in(const struct str *names, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal(names[i], name))
            return true;
    return false;
}

static bool is_key(const struct create *c, struct str name)
{
    return is_in(c->table->partition_key, c->table->partition_count, name) ||
           is_in(c->table->clustering_key, c->table->clustering_count, name);
}

/* What the text alone shows. */
static enum err check_text(struct create *c)
{
    const struct cql_create_table *table = c->table;
    for (size_t i = 0; i < table->column_count; i++)
        for (size_t k = 0; k < i; k++)
            if (str_equal(table->columns[i].name, table->columns[k].name))
                return DDL_INVALID(c->ddl, "Duplicate column '%.*s' declaration for table '%s'",
                                   STR_ARG(table->columns[i].name), full_name(c));
    for (size_t i = 0; i < table->order_count; i++)
        for (size_t k = 0; k < i; k++)
            if (str_equal(table->clustering_order[i].column, table->clustering_order[k].column))
                return DDL_INVALID(
                    c->ddl, "Duplicate column '%.*s' in CLUSTERING ORDER BY clause for table '%s'",
                    STR_ARG(table->clustering_order[i].column), full_name(c));
    if (table->primary_keys > 1)
        return DDL_INVALID(c->ddl,
                           "Multiple PRIMARY KEY specified for table '%s' (exactly one required)",
                           full_name(c));
    if (table->primary_keys == 0)
        return DDL_INVALID(c->ddl, "No PRIMARY KEY specifed for table '%s' (exactly one required)",
                           full_name(c));
    return OK;
}

static enum err check_name(struct create *c)
{
    struct str name = c->name;
    struct str head = str_slice(name, 0, 48);
    bool word = true;
    for (size_t at = 0; at < name.bytes; at += head.bytes) {
        head = str_slice(name, at, at + 48);
        word &= ddl_name_is_valid(head);
    }
    if (!word || !name.bytes)
        return DDL_CONFIG(c->ddl,
                          "%.*s.%.*s: Table name must not be empty or not contain "
                          "non-alphanumeric-underscore characters (got \"%.*s\")",
                          STR_ARG(c->keyspace), STR_ARG(name), STR_ARG(name));
    if (name.bytes > TABLE_NAME_BYTES_MAX)
        return DDL_CONFIG(c->ddl,
                          "%.*s.%.*s: Table name must not be more than %d characters long (got "
                          "%zu characters for \"%.*s\")",
                          STR_ARG(c->keyspace), STR_ARG(name), TABLE_NAME_BYTES_MAX, name.bytes,
                          STR_ARG(name));
    return OK;
}

static enum err read_types(struct create *c)
{
    struct ddl *ddl = c->ddl;
    c->columns = arena_array(ddl->arena, c->table->column_count + 1, sizeof(*c->columns));
    for (size_t i = 0; i < c->table->column_count; i++) {
        const struct cql_column_definition *from = &c->table->columns[i];
        if (from->mask.ptr)
            return DDL_INVALID(ddl, "Cannot mask columns because dynamic data masking is not "
                                    "enabled. You can enable it with the "
                                    "dynamic_data_masking_enabled property on cassandra.yaml");
        c->columns[i].definition = from;
        TRY(catalog_type_locked(ddl->catalog, c->keyspace, from->type, ddl->arena, ddl->error,
                                &c->columns[i].type));
        const struct cql_type *type = c->columns[i].type;
        for (uint32_t k = 0; type->kind == CQL_UDT && !type->frozen && k < type->count; k++)
            if (cql_type_is_multicell(type->items[k]))
                return DDL_INVALID(ddl, "Non-frozen UDTs with nested non-frozen collections are "
                                        "not supported");
    }
    return OK;
}

static enum err check_key_column(struct create *c, struct str name)
{
    struct ddl *ddl = c->ddl;
    const struct made_column *column = find_column(c, name);
    if (!column)
        return DDL_INVALID(ddl, "Unknown column '%.*s' referenced in PRIMARY KEY for table '%.*s'",
                           STR_ARG(name), STR_ARG(c->name));
    struct str text = catalog_type_text(ddl->arena, column->type);
    if (cql_type_is_multicell(column->type))
        return column->type->kind == CQL_UDT
                   ? DDL_INVALID(ddl,
                                 "Invalid non-frozen user-defined type \"%.*s.%.*s\" for PRIMARY "
                                 "KEY column '%.*s'",
                                 STR_ARG(c->keyspace), STR_ARG(text), STR_ARG(name))
                   : DDL_INVALID(ddl,
                                 "Invalid non-frozen collection type %.*s for PRIMARY KEY column "
                                 "'%.*s'",
                                 STR_ARG(text), STR_ARG(name));
    if (column->type->kind == CQL_COUNTER)
        return DDL_INVALID(ddl, "counter type is not supported for PRIMARY KEY column '%.*s'",
                           STR_ARG(name));
    if (catalog_type_has(column->type, CQL_DURATION))
        return DDL_INVALID(ddl, "duration type is not supported for PRIMARY KEY column '%.*s'",
                           STR_ARG(name));
    if (column->definition->is_static)
        return DDL_INVALID(ddl, "Static column '%.*s' cannot be part of the PRIMARY KEY",
                           STR_ARG(name));
    return OK;
}

static enum err check_key(struct create *c)
{
    const struct cql_create_table *table = c->table;
    size_t count = table->partition_count + table->clustering_count;
    for (size_t i = 0; i < count; i++) {
        struct str name = i < table->partition_count
                              ? table->partition_key[i]
                              : table->clustering_key[i - table->partition_count];
        bool twice = is_in(table->partition_key,
                           i < table->partition_count ? i : table->partition_count, name);
        if (i > table->partition_count)
            twice |= is_in(table->clustering_key, i - table->partition_count, name);
        if (find_column(c, name) && twice)
            return DDL_INVALID(c->ddl,
                               "Duplicate column '%.*s' in PRIMARY KEY clause for table '%.*s'",
                               STR_ARG(name), STR_ARG(c->name));
        TRY(check_key_column(c, name));
        const struct cql_type *type = find_column(c, name)->type;
        if (i >= table->partition_count && type->kind == CQL_CUSTOM && type->count)
            return DDL_INVALID(c->ddl, "%.*s cannot be ordered by: it is a composite",
                               STR_ARG(name));
    }
    return OK;
}

static enum err check_order(struct create *c)
{
    const struct cql_create_table *table = c->table;
    CLEAN(buf_deinit) struct buf others = {0};
    for (size_t i = 0; i < table->order_count; i++) {
        struct str name = table->clustering_order[i].column;
        if (!is_in(table->clustering_key, table->clustering_count, name))
            buf_printf(&others, "%s%.*s", others.bytes ? ", " : "", STR_ARG(name));
    }
    if (others.bytes)
        return DDL_INVALID(c->ddl,
                           "Only clustering key columns can be defined in CLUSTERING ORDER "
                           "directive: [%.*s] are not clustering columns",
                           STR_ARG(buf_str(&others)));
    for (size_t i = 0; i < table->order_count; i++) {
        struct str name = table->clustering_order[i].column, want = table->clustering_key[i];
        if (str_equal(name, want))
            continue;
        for (size_t k = 0; k < table->order_count; k++)
            if (str_equal(table->clustering_order[k].column, want))
                return DDL_INVALID(c->ddl,
                                   "The order of columns in the CLUSTERING ORDER directive must "
                                   "match that of the clustering columns (%.*s must appear before "
                                   "%.*s)",
                                   STR_ARG(want), STR_ARG(name));
        return DDL_INVALID(c->ddl, "Missing CLUSTERING ORDER for column %.*s", STR_ARG(want));
    }
    return OK;
}

/* COMPACT STORAGE: what it forbids. */
static enum err check_compact(struct create *c)
{
    const struct cql_create_table *table = c->table;
    CLEAN(buf_deinit) struct buf rest = {0};
    size_t count = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        if (cql_type_is_multicell(c->columns[i].type))
            return DDL_INVALID(c->ddl, "Non-frozen collections and UDTs are not supported with "
                                       "COMPACT STORAGE");
        if (table->columns[i].is_static)
            return DDL_INVALID(c->ddl,
                               "Static columns are not supported in COMPACT STORAGE tables");
        if (is_key(c, table->columns[i].name))
            continue;
        buf_printf(&rest, "%s%.*s", count++ ? ", " : "", STR_ARG(table->columns[i].name));
    }
    if (!table->clustering_count && !count)
        return DDL_INVALID(c->ddl, "No definition found that is not part of the PRIMARY KEY");
    if (table->clustering_count && count > 1)
        return DDL_INVALID(c->ddl,
                           "COMPACT STORAGE with composite PRIMARY KEY allows no more than one "
                           "column not part of the PRIMARY KEY (got: %.*s)",
                           STR_ARG(buf_str(&rest)));
    return OK;
}

/* Static columns and counters. */
static enum err check_rest(struct create *c)
{
    const struct cql_create_table *table = c->table;
    bool counters = false, others = false;
    for (size_t i = 0; i < table->column_count; i++) {
        if (table->columns[i].is_static && !table->clustering_count)
            return DDL_INVALID(c->ddl, "Static columns are only useful (and thus allowed) if the "
                                       "table has at least one clustering column");
        if (is_key(c, table->columns[i].name))
            continue;
        counters |= c->columns[i].type->kind == CQL_COUNTER;
        others |= c->columns[i].type->kind != CQL_COUNTER;
    }
    if (counters && others)
        return DDL_INVALID(c->ddl, "Cannot mix counter and non counter columns in the same table");
    if (counters && ddl_ttl_default(table->options, table->option_count) > 0)
        return DDL_INVALID(c->ddl, "Cannot set default_time_to_live on a table with counters");
    return table->compact_storage ? check_compact(c) : OK;
}

/* ---- making it ---- */

static void add_column(struct create *c, const struct made_column *from,
                       enum table_column_role role, struct table_definition *definition,
                       struct table_column *columns)
{
    struct arena *arena = c->ddl->arena;
    bool key = role != TABLE_REGULAR && role != TABLE_STATIC;
    columns[definition->column_count++] = (struct table_column){
        .name = from->definition->name,
        .type = catalog_storage_type(arena, from->type),
        .declared = catalog_type_text(arena, from->type),
        .role = role,
        .cells = from->type->kind == CQL_COUNTER             ? TABLE_COUNTER
                 : !key && cql_type_is_multicell(from->type) ? TABLE_MANY_CELLS
                                                             : TABLE_ONE_CELL,
    };
}

static enum err make_table(struct create *c)
{
    const struct cql_create_table *table = c->table;
    struct ddl *ddl = c->ddl;
    struct table_column *columns =
        arena_array(ddl->arena, table->column_count + 1, sizeof(*columns));
    struct table_definition definition = {
        .keyspace = c->keyspace,
        .name = c->name,
        .columns = columns,
        .ttl_default_s = ddl_ttl_default(table->options, table->option_count),
    };
    for (size_t i = 0; i < table->partition_count; i++)
        add_column(c, find_column(c, table->partition_key[i]), TABLE_PARTITION_KEY, &definition,
                   columns);
    for (size_t i = 0; i < table->clustering_count; i++) {
        bool down = i < table->order_count && table->clustering_order[i].descending;
        add_column(c, find_column(c, table->clustering_key[i]),
                   down ? TABLE_CLUSTERING_DESC : TABLE_CLUSTERING_ASC, &definition, columns);
    }
    for (size_t i = 0; i < table->column_count; i++)
        if (!is_key(c, table->columns[i].name))
            add_column(c, &c->columns[i],
                       table->columns[i].is_static ? TABLE_STATIC : TABLE_REGULAR, &definition,
                       columns);
    struct diag diag = {.err = OK};
    struct table *made = NULL;
    enum err err = table_create(ddl->catalog->store, &definition, &diag, &made);
    return err == OK ? OK
                     : cql_fail(ddl->error, ddl->arena,
                                err == ERR_INVALID ? CQL_INVALID : CQL_SERVER_ERROR, "%s",
                                diag.err ? diag.message : err_text(err));
}

/* id of the statement, or a random one. */
static enum err choose_id(struct create *c, uint8_t id[16])
{
    const struct cql_option *option = option_find(c->table->options, c->table->option_count, "id");
    if (option) {
        CLEAN(buf_deinit) struct buf out = {0};
        struct diag diag = {.err = OK};
        if (cql_value_from_text(cql_simple(CQL_UUID), option->value->text, &out, &diag) != OK ||
            out.bytes != 16)
            return DDL_CONFIG(c->ddl, "Invalid table id");
        memcpy(id, out.ptr, 16);
        return OK;
    }
    io_random(c->ddl->catalog->io, id, 16);
    id[6] = (uint8_t)((id[6] & 0x0F) | 0x40);
    id[8] = (uint8_t)((id[8] & 0x3F) | 0x80);
    return OK;
}

enum err ddl_table_create(struct ddl *ddl)
{
    const struct cql_create_table *table = &ddl->statement->table;
    struct create c = {.ddl = ddl, .table = table, .name = table->name.name};
    TRY(catalog_keyspace_of(ddl->session_keyspace, &table->name, ddl->arena, ddl->error,
                            &c.keyspace));
    TRY(check_text(&c));
    TRY(ddl_check_system(ddl, c.keyspace));
    TRY(ddl_check_option_forms(ddl, table->options, table->option_count));
    catalog_refresh(ddl->catalog);
    if (!keyspace_entry_find(ddl->catalog, c.keyspace))
        return DDL_INVALID(ddl, "Keyspace '%.*s' doesn't exist", STR_ARG(c.keyspace));
    if (table_entry_find(ddl->catalog, c.keyspace, c.name))
        return table->if_not_exists ? OK : ddl_exists(ddl, c.keyspace, c.name);
    TRY(ddl_check_table_options(ddl, table->options, table->option_count));
    TRY(read_types(&c));
    TRY(check_key(&c));
    TRY(check_order(&c));
    TRY(check_rest(&c));
    TRY(check_name(&c));
    struct table_record record = {.keyspace = c.keyspace, .name = c.name};
    TRY(choose_id(&c, record.id));
    record.compact = table->compact_storage;
    record.options = ddl_merge_options(ddl->arena, NULL, 0, table->options, table->option_count,
                                       &record.option_count);
    CLEAN(buf_deinit) struct buf bytes = {0};
    table_record_encode(&record, &bytes);
    TRY(ddl_put_table(ddl, &record));
    TRY(make_table(&c));
    catalog_refresh(ddl->catalog);
    struct table_entry *entry = table_entry_find(ddl->catalog, c.keyspace, c.name);
    if (entry)
        catalog_set_table(ddl->catalog, entry, buf_str(&bytes));
    ddl_changed(ddl, "CREATED", "TABLE", c.keyspace, c.name);
    return OK;
}
