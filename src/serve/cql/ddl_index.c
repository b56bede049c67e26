/* SPDX-License-Identifier: MIT */
/*
 * CREATE and DROP INDEX. Every index is one of exact matches, whatever class it names: Cassandra's
 * own kind, SAI is kept apart in what they may stand on and in how they are shown.
 *
 * Order: the hidden table, the record (from here on writes maintain the index), the building, the
 * record that says built. Until then the index is not used.
 */
#include "serve/cql/compact.h"
#include "serve/cql/ddl.h"
#include "serve/cql/index.h"

struct create_index {
    struct ddl *ddl;
    const struct cql_create_index *st;
    struct str keyspace;
    struct table_entry *entry;
    struct cql_table *table;
    const struct cql_table_column *column;
    struct index_record index;
    bool sai, sasi, custom;
};

struct str catalog_index_table(struct arena *arena, struct str keyspace, struct str table,
                               struct str index)
{
    return str_of(
        arena_printf(arena, "%.*s.%.*s.%.*s", STR_ARG(keyspace), STR_ARG(table), STR_ARG(index)));
}

/* ---- attributes ---- */

static enum err check_attributes(struct create_index *c)
{
    static const char *const sai_names[] = {"sai", "StorageAttachedIndex"};
    struct ddl *ddl = c->ddl;
    const struct cql_create_index *st = c->st;
    struct str class = st->custom_class;
    c->custom = st->custom || class.ptr;
    if (!st->custom && class.ptr && str_equal_nocase(class, STR("legacy_local_table")))
        c->custom = false;
    for (size_t i = 0; i < sizeof(sai_names) / sizeof(sai_names[0]); i++)
        c->sai |= class.ptr && str_equal_nocase(class, str_of(sai_names[i]));
    c->sai |= str_equal(class, STR("org.apache.cassandra.index.sai.StorageAttachedIndex"));
    c->sasi = class.ptr && str_equal(class, STR("org.apache.cassandra.index.sasi.SASIIndex"));
    for (size_t i = 0; i < st->option_count; i++)
        if (!str_equal(st->options[i].name, STR("options")))
            return DDL_SYNTAX(ddl, "Unknown property '%.*s'", STR_ARG(st->options[i].name));
    if (!c->custom && st->option_count)
        return DDL_INVALID(ddl, "Cannot specify options for a non-CUSTOM index");
    if (st->option_count && st->options[0].value->kind != TERM_MAP)
        return DDL_SYNTAX(ddl, "Invalid value for property 'options'. It should be a map.");
    if (st->option_count && option_map_get(&st->options[0], "class_name").ptr)
        return DDL_INVALID(ddl, "Cannot specify class_name as a CUSTOM option");
    if (st->option_count && option_map_get(&st->options[0], "target").ptr)
        return DDL_INVALID(ddl, "Cannot specify target as a CUSTOM option");
    return OK;
}

static bool is_one_of(struct str name, const char *const *names)
{
    for (size_t i = 0; names[i]; i++)
        if (str_equal(name, str_of(names[i])))
            return true;
    return false;
}

static struct str upper(struct arena *arena, struct str text)
{
    char *out = arena_text(arena, text);
    for (size_t i = 0; i < text.bytes; i++)
        if (out[i] >= 'a' && out[i] <= 'z')
            out[i] = (char)(out[i] & ~32);
    return str_from(out, text.bytes);
}

/* What texts are made into; Cassandra looks at it of texts alone. */
static enum err check_analysis(struct create_index *c, struct str name, struct str value)
{
    const struct cql_type *type = c->column->type;
    if (str_equal(c->index.target, STR("keys")))
        type = type->items[0];
    else if (str_equal(c->index.target, STR("values")) && cql_type_is_collection(type))
        type = type->items[type->kind == CQL_MAP];
    if (type->kind != CQL_TEXT && type->kind != CQL_ASCII)
        return DDL_INVALID(c->ddl, "CQL type %.*s cannot be analyzed.",
                           STR_ARG(catalog_type_text(c->ddl->arena, type)));
    if (!str_equal_nocase(value, STR("true")) && !str_equal_nocase(value, STR("false")))
        return DDL_INVALID(c->ddl, "Illegal value for boolean option '%.*s': %.*s", STR_ARG(name),
                           STR_ARG(value));
    return OK;
}

static enum err check_vector_option(struct create_index *c, struct str name, struct str value)
{
    static const char *const similarities[] = {"EUCLIDEAN", "DOT_PRODUCT", "COSINE", NULL};
    static const char *const goals[] = {"LATENCY", "RECALL", NULL};
    value = upper(c->ddl->arena, value);
    if (str_equal(name, STR("similarity_function")))
        return is_one_of(value, similarities)
                   ? OK
                   : DDL_INVALID(c->ddl,
                                 "Similarity function %.*s was not recognized for index null. "
                                 "Valid values are: EUCLIDEAN, DOT_PRODUCT, COSINE",
                                 STR_ARG(value));
    if (str_equal(name, STR("optimize_for")))
        return is_one_of(value, goals)
                   ? OK
                   : DDL_INVALID(c->ddl,
                                 "optimize_for '%.*s' was not recognized for index null. Valid "
                                 "values are: LATENCY, RECALL",
                                 STR_ARG(value));
    return DDL_INVALID(
        c->ddl, "%s cannot be set without enabling SAI_VECTOR_ALLOW_CUSTOM_PARAMETERS",
        str_equal(name, STR("maximum_node_connections")) ? "Maximum node connections"
                                                         : "Construction beam width");
}

static enum err check_vector(struct create_index *c)
{
    const struct cql_type *type = c->column->type;
    struct str similarity =
        c->st->option_count ? option_map_get(&c->st->options[0], "similarity_function") : STR_NONE;
    if (type->items[0]->kind != CQL_FLOAT)
        return DDL_INVALID(
            c->ddl, "SAI ANN indexes are only allowed on vector columns with float elements");
    if (type->dimension == 1 && (!similarity.ptr || str_equal_nocase(similarity, STR("cosine"))))
        return DDL_INVALID(c->ddl,
                           "Cosine similarity is not supported for single-dimension vectors");
    return OK;
}

static enum err check_options(struct create_index *c)
{
    const struct cql_term *map = c->st->option_count ? c->st->options[0].value : NULL;
    for (size_t i = 0; map && i + 1 < map->count; i += 2) {
        struct str name = map->items[i]->text, value = map->items[i + 1]->text;
        bool of_texts = str_equal(name, STR("case_sensitive")) ||
                        str_equal(name, STR("normalize")) || str_equal(name, STR("ascii"));
        TRY(of_texts ? check_analysis(c, name, value) : check_vector_option(c, name, value));
    }
    return c->column->type->kind == CQL_VECTOR ? check_vector(c) : OK;
}

static enum err check_class(struct create_index *c)
{
    /* From the fourth on they are of vectors. */
    static const char *const known[] = {"case_sensitive",
                                        "normalize",
                                        "ascii",
                                        "similarity_function",
                                        "optimize_for",
                                        "maximum_node_connections",
                                        "construction_beam_width",
                                        NULL};
    struct ddl *ddl = c->ddl;
    if (!c->custom)
        return OK;
    if (!c->sai)
        return DDL_CONFIG(
            ddl, "Unable to find custom indexer class '%.*s'",
            STR_ARG(c->st->custom_class.ptr ? c->st->custom_class : STR("legacy_local_table")));
    const struct cql_term *map = c->st->option_count ? c->st->options[0].value : NULL;
    for (size_t i = 0; map && i + 1 < map->count; i += 2)
        if (!is_one_of(map->items[i]->text, known))
            return DDL_CONFIG(ddl,
                              "Properties specified [%.*s] are not understood by "
                              "StorageAttachedIndex",
                              STR_ARG(map->items[i]->text));
    for (size_t i = 0; map && i + 1 < map->count; i += 2)
        if (c->column->type->kind != CQL_VECTOR && is_one_of(map->items[i]->text, known + 3))
            return DDL_INVALID(ddl, "CQL type %.*s cannot have vector options",
                               STR_ARG(catalog_type_text(ddl->arena, c->column->type)));
    return OK;
}

/* Two of one class and with the same options are told as duplicates before. */
static enum err check_only_one(struct create_index *c)
{
    for (size_t i = 0; c->sai && i < c->table->index_count; i++) {
        const struct cql_index *other = &c->table->indexes[i];
        if (other->custom_class.ptr && str_equal(other->column, c->index.column) &&
            str_equal(other->target, c->index.target))
            return DDL_INVALID(c->ddl,
                               "Cannot create more than one storage-attached index on the same "
                               "column: %.*s",
                               STR_ARG(c->index.column));
    }
    return OK;
}

/* ---- the target ---- */

static enum err check_duration(struct create_index *c)
{
    const struct cql_type *type = c->column->type;
    if (!catalog_type_has(type, CQL_DURATION))
        return OK;
    const char *where = cql_type_is_collection(type) ? "collections containing durations"
                        : type->kind == CQL_TUPLE    ? "tuples containing durations"
                        : type->kind == CQL_UDT      ? "UDTs containing durations"
                                                     : "duration columns";
    return DDL_INVALID(c->ddl, "Secondary indexes are not supported on %s", where);
}

static enum err check_target(struct create_index *c)
{
    struct ddl *ddl = c->ddl;
    const struct cql_table_column *column = c->column;
    struct str said = c->st->target, name = column->name;
    bool collection = cql_type_is_collection(column->type);
    bool frozen = collection && column->type->frozen, full = str_equal(said, STR("full"));
    TRY(check_duration(c));
    if (c->table->compact && column->kind <= CQL_CLUSTERING)
        return DDL_INVALID(ddl, "Secondary indexes are not supported on PRIMARY KEY columns in "
                                "COMPACT STORAGE tables");
    if (compact_is_dense(c->table))
        return DDL_INVALID(ddl, "Secondary indexes are not supported on compact value column of "
                                "COMPACT STORAGE tables");
    if (column->kind == CQL_PARTITION_KEY && c->table->partition_count == 1)
        return DDL_INVALID(ddl,
                           "Cannot create secondary index on the only partition key column "
                           "%.*s",
                           STR_ARG(name));
    if (frozen && !full) {
        struct str shown = said.bytes ? said : STR("values");
        return DDL_INVALID(ddl,
                           "Cannot create %.*s() index on frozen column %.*s. Frozen collections "
                           "are immutable and must be fully indexed by using the 'full(%.*s)' "
                           "modifier",
                           STR_ARG(shown), STR_ARG(name), STR_ARG(name));
    }
    if (!frozen && full)
        return DDL_INVALID(ddl, "full() indexes can only be created on frozen collections");
    if (!collection && said.bytes)
        return DDL_INVALID(ddl,
                           "Cannot create %.*s() index on %.*s. Non-collection columns only "
                           "support simple indexes",
                           STR_ARG(said), STR_ARG(name));
    bool of_map = str_equal(said, STR("keys")) || str_equal(said, STR("entries"));
    if (of_map && column->type->kind != CQL_MAP)
        return DDL_INVALID(ddl, "Cannot create index on %.*s of column %.*s with non-map type",
                           STR_ARG(said), STR_ARG(name));
    if (column->type->kind == CQL_UDT && !column->type->frozen)
        return DDL_INVALID(ddl, "Cannot create index on non-frozen UDT column %.*s", STR_ARG(name));
    c->index.column = name;
    c->index.target = said.bytes ? said : STR("values");
    return OK;
}

/* ---- the name ---- */

static bool name_is_taken(struct create_index *c, struct str name)
{
    struct map_entry *e;
    for (size_t i = 0; (e = map_next(&c->ddl->catalog->tables, &i));) {
        const struct table_record *record = &((struct table_entry *)e->value)->record;
        if (!str_equal(record->keyspace, c->keyspace))
            continue;
        for (size_t k = 0; k < record->index_count; k++)
            if (str_equal(record->indexes[k].name, name))
                return true;
    }
    return false;
}

/* table_column_idx without what is no word, with a number when it is taken. */
static struct str default_name(struct create_index *c)
{
    struct arena *arena = c->ddl->arena;
    char *column = arena_text(arena, c->index.column);
    size_t n = 0;
    for (const char *from = column; *from; from++) {
        char one[1] = {*from};
        if (ddl_name_is_valid(str_from(one, 1)))
            column[n++] = *from;
    }
    column[n] = 0;
    char *base = arena_printf(arena, "%.*s%s%s_idx", STR_ARG(c->table->name), n ? "_" : "", column);
    char *name = base;
    for (int i = 1; name_is_taken(c, str_of(name)); i++)
        name = arena_printf(arena, "%s_%d", base, i);
    return str_of(name);
}

static bool same_options(const struct index_record *a, const struct index_record *b)
{
    const struct cql_term *x = a->option_count ? a->options[0].value : NULL;
    const struct cql_term *y = b->option_count ? b->options[0].value : NULL;
    size_t count = x ? x->count : 0;
    if (count != (y ? y->count : 0))
        return false;
    for (size_t i = 0; i + 1 < count; i += 2) {
        bool found = false;
        for (size_t k = 0; k + 1 < count && !found; k += 2)
            found = str_equal(x->items[i]->text, y->items[k]->text) &&
                    str_equal(x->items[i + 1]->text, y->items[k + 1]->text);
        if (!found)
            return false;
    }
    return true;
}

static const struct index_record *find_duplicate(const struct create_index *c)
{
    const struct table_record *record = &c->entry->record;
    for (size_t i = 0; i < record->index_count; i++) {
        const struct index_record *other = &record->indexes[i];
        if (str_equal(other->column, c->index.column) &&
            str_equal(other->target, c->index.target) &&
            (other->custom_class.ptr != NULL) == (c->index.custom_class.ptr != NULL) &&
            str_equal(other->custom_class, c->index.custom_class) && same_options(other, &c->index))
            return other;
    }
    return NULL;
}

/* ---- making ---- */

/* Builds without the mutex and says so in the record. */
static enum err build(struct cql_catalog *catalog, struct str keyspace, struct str table,
                      struct str name, struct arena *arena)
{
    struct table_entry *entry = table_entry_find(catalog, keyspace, table);
    struct cql_table *snapshot = entry ? cql_table_ref(table_entry_snapshot(catalog, entry)) : NULL;
    const struct cql_index *index = NULL;
    for (size_t i = 0; snapshot && i < snapshot->index_count; i++)
        if (str_equal(snapshot->indexes[i].name, name))
            index = &snapshot->indexes[i];
    enum err err = OK;
    catalog_unlock(catalog);
    if (index)
        err = index_build(catalog->store, snapshot, index);
    catalog_lock(catalog);
    cql_table_unref(snapshot);
    catalog_refresh(catalog);
    entry = table_entry_find(catalog, keyspace, table);
    if (err != OK || !entry)
        return err;
    for (size_t i = 0; i < entry->record.index_count; i++)
        if (str_equal(entry->record.indexes[i].name, name))
            entry->record.indexes[i].built = true;
    struct cql_error error;
    struct cql_change change;
    struct ddl ddl = {.catalog = catalog, .arena = arena, .error = &error, .change = &change};
    return ddl_put_table(&ddl, &entry->record);
}

/* Before its entries go: a crash while they are made again must not leave it said to be whole. */
static enum err forget_built(struct cql_catalog *catalog, struct table_entry *entry, size_t index,
                             struct arena *arena)
{
    struct cql_error error;
    struct cql_change change;
    struct ddl ddl = {.catalog = catalog, .arena = arena, .error = &error, .change = &change};
    if (!entry->record.indexes[index].built)
        return OK;
    entry->record.indexes[index].built = false;
    return ddl_put_table(&ddl, &entry->record);
}

enum err catalog_build_indexes(struct cql_catalog *catalog)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    size_t count;
    struct table_entry **tables = catalog_tables(catalog, &arena, &count);
    enum err err = OK;
    catalog_lock(catalog);
    for (size_t i = 0; i < count && err == OK; i++) {
        struct str keyspace = arena_str(&arena, tables[i]->record.keyspace);
        struct str table = arena_str(&arena, tables[i]->record.name);
        for (size_t k = 0; k < tables[i]->record.index_count && err == OK; k++) {
            struct str name = arena_str(&arena, tables[i]->record.indexes[k].name);
            struct str hidden = catalog_index_table(&arena, keyspace, table, name);
            struct table *made = NULL;
            const struct table *there = table_find(catalog->store, CATALOG_INDEX_KEYSPACE, hidden);
            if (there && index_table_is_current(there) && tables[i]->record.indexes[k].built)
                continue;
            err = forget_built(catalog, tables[i], k, &arena);
            if (err == OK)
                err = index_table_make(catalog->store, hidden, NULL, &made);
            table_entry_stale(catalog, tables[i]);
            if (err == OK)
                err = build(catalog, keyspace, table, name, &arena);
        }
    }
    catalog_unlock(catalog);
    arena_deinit(&arena);
    return err;
}

enum err cql_catalog_build_index(struct cql_catalog *catalog, const struct cql_change *change,
                                 struct arena *arena, struct cql_error *error)
{
    struct ddl ddl = {.catalog = catalog, .arena = arena, .error = error};
    if (!change->index.ptr)
        return OK;
    catalog_lock(catalog);
    enum err err = build(catalog, change->keyspace, change->name, change->index, arena);
    catalog_unlock(catalog);
    return ddl_store(&ddl, err);
}

static enum err make(struct create_index *c)
{
    struct ddl *ddl = c->ddl;
    struct cql_catalog *catalog = ddl->catalog;
    struct str table = c->table->name;
    struct str hidden = catalog_index_table(ddl->arena, c->keyspace, table, c->index.name);
    struct table *made = NULL;
    struct diag diag = {.err = OK};
    /* What an older index of the name left is not ours. */
    enum err err = table_drop(catalog->store, CATALOG_INDEX_KEYSPACE, hidden);
    if (err != ERR_NOT_FOUND)
        TRY(ddl_store(ddl, err));
    err = index_table_make(catalog->store, hidden, &diag, &made);
    if (err != OK)
        return cql_fail(ddl->error, ddl->arena, CQL_SERVER_ERROR, "%s", diag.message);
    struct table_record record = c->entry->record;
    record.indexes = arena_array(ddl->arena, record.index_count + 1, sizeof(*record.indexes));
    if (record.index_count)
        memcpy(record.indexes, c->entry->record.indexes,
               record.index_count * sizeof(*record.indexes));
    record.indexes[record.index_count++] = c->index;
    TRY(ddl_put_table(ddl, &record));
    ddl_changed(ddl, "UPDATED", "TABLE", c->keyspace, table);
    ddl->change->index = c->index.name;
    return OK;
}

/* Which column, and may it have this index? */
static enum err check_index(struct create_index *c)
{
    struct ddl *ddl = c->ddl;
    const struct cql_create_index *st = c->st;
    if (c->table->is_counter)
        return DDL_INVALID(ddl, "Secondary indexes on counter tables aren't supported");
    if (st->target_count)
        c->column = cql_column_find(c->table, st->column);
    if (st->target_count && !c->column)
        return DDL_INVALID(ddl, "Undefined column name %.*s in table %.*s.%.*s",
                           STR_ARG(st->column), STR_ARG(c->keyspace), STR_ARG(c->table->name));
    if (!st->target_count)
        return DDL_INVALID(ddl,
                           "Only CUSTOM indexes can be created without specifying a target column");
    if (st->target_count > 1)
        return DDL_INVALID(ddl, "Only CUSTOM indexes support multiple columns");
    TRY(check_target(c));
    TRY(check_class(c));
    c->index.custom_class = c->custom ? st->custom_class : STR_NONE;
    c->index.options = options_copy(ddl->arena, st->options, st->option_count);
    c->index.option_count = st->option_count;
    c->index.name = st->name.name.ptr ? st->name.name : default_name(c);
    if (!ddl_name_is_valid(str_slice(c->index.name, 0, 48)))
        return DDL_CONFIG(ddl, "Illegal index name %.*s", STR_ARG(c->index.name));
    const struct index_record *other = find_duplicate(c);
    if (other)
        return st->if_not_exists
                   ? ERR_EXISTS
                   : DDL_INVALID(ddl, "Index %.*s is a duplicate of existing index %.*s",
                                 STR_ARG(c->index.name), STR_ARG(other->name));
    TRY(check_only_one(c));
    if (c->sai)
        TRY(check_options(c));
    return c->entry->definition->append_only
               ? DDL_INVALID(ddl, "Secondary indexes on tables that a pipeline appends to are not "
                                  "supported")
               : OK;
}

enum err ddl_index_create(struct ddl *ddl)
{
    const struct cql_create_index *st = &ddl->statement->index;
    struct create_index c = {.ddl = ddl, .st = st};
    struct cql_name table = st->table;
    if (!table.keyspace.ptr)
        table.keyspace = st->name.keyspace;
    TRY(ddl_keyspace(ddl, &table, &c.keyspace));
    TRY(check_attributes(&c));
    if (c.sasi)
        return DDL_INVALID(ddl, "SASI indexes are disabled. Enable in cassandra.yaml to use.");
    catalog_refresh(ddl->catalog);
    if (!keyspace_entry_find(ddl->catalog, c.keyspace))
        return DDL_INVALID(ddl, "Keyspace '%.*s' doesn't exist", STR_ARG(c.keyspace));
    c.entry = table_entry_find(ddl->catalog, c.keyspace, table.name);
    if (!c.entry)
        return DDL_INVALID(ddl, "Table '%.*s' doesn't exist", STR_ARG(table.name));
    if (st->name.name.ptr && name_is_taken(&c, st->name.name))
        return st->if_not_exists
                   ? OK
                   : DDL_INVALID(ddl, "Index '%.*s' already exists", STR_ARG(st->name.name));
    c.table = cql_table_ref(table_entry_snapshot(ddl->catalog, c.entry));
    enum err err = check_index(&c);
    if (err == OK)
        err = make(&c);
    else if (err == ERR_EXISTS)
        err = OK; /* IF NOT EXISTS */
    cql_table_unref(c.table);
    return err;
}

/* ---- DROP INDEX ---- */

enum err ddl_index_drop(struct ddl *ddl)
{
    const struct cql_statement *st = ddl->statement;
    struct str keyspace, name = st->name.name;
    TRY(ddl_keyspace(ddl, &st->name, &keyspace));
    catalog_refresh(ddl->catalog);
    struct map_entry *e;
    for (size_t i = 0; (e = map_next(&ddl->catalog->tables, &i));) {
        struct table_entry *entry = e->value;
        struct table_record record = entry->record;
        size_t at = 0;
        if (!str_equal(record.keyspace, keyspace))
            continue;
        while (at < record.index_count && !str_equal(record.indexes[at].name, name))
            at++;
        if (at == record.index_count)
            continue;
        struct str table = arena_str(ddl->arena, record.name);
        struct str hidden = catalog_index_table(ddl->arena, keyspace, table, name);
        struct index_record *left =
            arena_array(ddl->arena, record.index_count, sizeof(*record.indexes));
        memcpy(left, record.indexes, at * sizeof(*left));
        memcpy(left + at, record.indexes + at + 1, (record.index_count - at - 1) * sizeof(*left));
        record.indexes = left;
        record.index_count--;
        TRY(ddl_put_table(ddl, &record));
        enum err err = table_drop(ddl->catalog->store, CATALOG_INDEX_KEYSPACE, hidden);
        if (err != ERR_NOT_FOUND)
            TRY(ddl_store(ddl, err));
        ddl_changed(ddl, "UPDATED", "TABLE", keyspace, table);
        return OK;
    }
    return st->if_exists ? OK
                         : DDL_INVALID(ddl, "Index '%.*s.%.*s' doesn't exist'", STR_ARG(keyspace),
                                       STR_ARG(name));
}
