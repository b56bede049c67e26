/* SPDX-License-Identifier: MIT */
/*
 * CREATE, ALTER and DROP TYPE. A user type is a record; columns of it keep its fields in table/'s
 * definition as well, so that table/ can read their values. When a type grows the record changes
 * first and the columns follow; what a crash left behind is done at the next opening.
 */
#include "serve/cql/ddl.h"

/* ---- columns of user types ---- */

static bool has_user_type(const struct cql_type *type)
{
    return catalog_type_has(type, CQL_UDT);
}

static enum err retype_columns(struct cql_catalog *catalog, struct table *table,
                               struct arena *arena)
{
    const struct table_definition *definition = table_definition(table);
    for (size_t i = 0; i < definition->column_count; i++) {
        const struct table_column *column = &definition->columns[i];
        const struct cql_type *type = NULL;
        struct cql_error error;
        if (!column->declared.bytes ||
            catalog_type_locked(catalog, definition->keyspace, column->declared, arena, &error,
                                &type) != OK ||
            !has_user_type(type))
            continue;
        const struct type *storage = catalog_storage_type(arena, type);
        if (type_equal(storage, column->type))
            continue;
        TRY(table_retype_column(catalog->store, table, column->name, storage, column->declared));
        definition = table_definition(table);
    }
    return OK;
}

enum err catalog_retype(struct cql_catalog *catalog, struct str keyspace)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    size_t count;
    struct table_entry **tables = catalog_tables(catalog, &arena, &count);
    enum err err = OK;
    for (size_t i = 0; i < count && err == OK; i++)
        if (str_equal(tables[i]->record.keyspace, keyspace))
            err = retype_columns(catalog, tables[i]->table, &arena);
    catalog_refresh(catalog);
    arena_deinit(&arena);
    return err;
}

/* ---- fields ---- */

/* A field's type; for_add: words of ALTER TYPE. */
static enum err field_type(struct ddl *ddl, struct str keyspace,
                           const struct cql_column_definition *field,
                           const struct cql_type **ret_type)
{
    enum err err =
        catalog_type_locked(ddl->catalog, keyspace, field->type, ddl->arena, ddl->error, ret_type);
    bool nested = str_find(field->type, STR("<"), 0) != SIZE_MAX;
    bool unknown = err != OK && str_starts(ddl->error->message, STR("Unknown type"));
    if (err == OK && (*ret_type)->kind == CQL_COUNTER)
        return DDL_INVALID(ddl, "A user type cannot contain counters");
    bool user = err == OK && (*ret_type)->kind == CQL_UDT && !(*ret_type)->frozen;
    if (!nested && (unknown || user))
        return DDL_INVALID(ddl, "A user type cannot contain non-frozen UDTs");
    return err;
}

/* As Cassandra prints a type where the user wrote it: user types with their keyspace. */
static struct str written_type(struct ddl *ddl, struct str keyspace, struct str text)
{
    struct str frozen = STR("frozen<");
    if (!str_starts(text, frozen) ||
        str_find(str_slice(text, frozen.bytes, text.bytes), STR("<"), 0) != SIZE_MAX)
        return text;
    struct str name = str_slice(text, frozen.bytes, text.bytes - 1);
    return str_of(arena_printf(ddl->arena, "frozen<%.*s.%.*s>", STR_ARG(keyspace), STR_ARG(name)));
}

static const char *type_name(struct ddl *ddl, const struct type_record *record)
{
    return arena_printf(ddl->arena, "%.*s.%.*s", STR_ARG(record->keyspace), STR_ARG(record->name));
}

static size_t find_field(const struct type_record *record, struct str name)
{
    for (size_t i = 0; i < record->count; i++)
        if (str_equal(record->field_names[i], name))
            return i;
    return SIZE_MAX;
}

/* A copy with room for one more field: the entry's goes away when it is replaced. */
static struct type_record copy_record(struct arena *arena, const struct type_record *from)
{
    struct type_record record = {arena_str(arena, from->keyspace), arena_str(arena, from->name),
                                 arena_array(arena, from->count + 1, sizeof(struct str)),
                                 arena_array(arena, from->count + 1, sizeof(struct str)),
                                 from->count};
    for (size_t i = 0; i < from->count; i++) {
        record.field_names[i] = arena_str(arena, from->field_names[i]);
        record.field_types[i] = arena_str(arena, from->field_types[i]);
    }
    return record;
}

static enum err save(struct ddl *ddl, const struct type_record *record, const char *change)
{
    TRY(ddl_put_type(ddl, record));
    TRY(ddl_store(ddl, catalog_retype(ddl->catalog, record->keyspace)));
    ddl_changed(ddl, change, "TYPE", record->keyspace, record->name);
    return OK;
}

/* ---- ALTER TYPE ---- */

/* Tables of its keyspace that have the type in a column, or, for keys, in their partition key. */
static struct str tables_using(struct ddl *ddl, const struct type_record *record, bool keys)
{
    CLEAN(buf_deinit) struct buf names = {0};
    size_t count;
    struct table_entry **tables = catalog_tables(ddl->catalog, ddl->arena, &count);
    for (size_t i = 0; i < count; i++) {
        if (!str_equal(tables[i]->record.keyspace, record->keyspace))
            continue;
        const struct cql_table *table = table_entry_snapshot(ddl->catalog, tables[i]);
        uint32_t columns = keys ? table->partition_count : table->column_count;
        bool uses = false;
        for (uint32_t k = 0; k < columns; k++)
            uses |= cql_type_uses(table->columns[k].type, record->keyspace, record->name);
        if (!uses)
            continue;
        buf_text(&names, names.bytes ? ", " : "");
        if (keys)
            buf_printf(&names, "%.*s.", STR_ARG(table->keyspace));
        buf_str_append(&names, table->name);
    }
    return arena_str(ddl->arena, buf_str(&names));
}

static enum err add_field(struct ddl *ddl, struct type_record *record)
{
    const struct cql_create_type *st = &ddl->statement->type;
    const struct cql_column_definition *field = &st->fields[0];
    const char *name = type_name(ddl, record);
    const struct cql_type *type = NULL;
    TRY(field_type(ddl, record->keyspace, field, &type));
    if (find_field(record, field->name) != SIZE_MAX)
        return st->if_not_exists
                   ? OK
                   : DDL_INVALID(ddl,
                                 "Cannot add field %.*s to type %s: a field with name %.*s already "
                                 "exists",
                                 STR_ARG(field->name), name, STR_ARG(field->name));
    struct str written = written_type(ddl, record->keyspace, field->type);
    if (cql_type_uses(type, record->keyspace, record->name))
        return DDL_INVALID(ddl,
                           "Cannot add new field %.*s of type %.*s to user type %s as it would "
                           "create a circular reference",
                           STR_ARG(field->name), STR_ARG(written), name);
    struct str tables = tables_using(ddl, record, true);
    if (tables.bytes)
        return DDL_INVALID(ddl,
                           "Cannot add new field %.*s of type %.*s to user type %s as the type is "
                           "being used in partition key by the following tables: %.*s",
                           STR_ARG(field->name), STR_ARG(written), name, STR_ARG(tables));
    record->field_names[record->count] = field->name;
    record->field_types[record->count++] = catalog_type_text(ddl->arena, type);
    return save(ddl, record, "UPDATED");
}

static enum err rename_fields(struct ddl *ddl, struct type_record *record)
{
    const struct cql_create_type *st = &ddl->statement->type;
    const struct type_record old = copy_record(ddl->arena, record);
    bool changed = false;
    for (size_t i = 0; i + 1 < st->name_count; i += 2) {
        size_t at = find_field(&old, st->names[i]);
        if (at == SIZE_MAX && !st->if_field_exists)
            return DDL_INVALID(ddl, "Unkown field %.*s in user type %s", STR_ARG(st->names[i]),
                               type_name(ddl, record));
        if (at == SIZE_MAX)
            continue;
        record->field_names[at] = st->names[i + 1];
        changed = true;
    }
    for (size_t i = 0; i < record->count; i++)
        if (find_field(record, record->field_names[i]) != i)
            return DDL_INVALID(ddl, "Duplicate field name %.*s in type %.*s",
                               STR_ARG(record->field_names[i]), STR_ARG(record->keyspace));
    return changed ? save(ddl, record, "UPDATED") : OK;
}

static enum err alter_type(struct ddl *ddl, struct str keyspace)
{
    const struct cql_create_type *st = &ddl->statement->type;
    const struct type_entry *entry = type_entry_find(ddl->catalog, keyspace, st->name.name);
    if (!entry)
        return st->if_exists ? OK
                             : DDL_INVALID(ddl, "Type %.*s.%.*s doesn't exist", STR_ARG(keyspace),
                                           STR_ARG(st->name.name));
    struct type_record record = copy_record(ddl->arena, &entry->record);
    if (st->alter == ALTER_ADD)
        return add_field(ddl, &record);
    if (st->alter == ALTER_RENAME)
        return rename_fields(ddl, &record);
    return DDL_INVALID(ddl, "Altering field types is no longer supported");
}

/* ---- CREATE TYPE ---- */

enum err ddl_type_create(struct ddl *ddl)
{
    const struct cql_create_type *st = &ddl->statement->type;
    struct str keyspace;
    TRY(ddl_keyspace(ddl, &st->name, &keyspace));
    catalog_refresh(ddl->catalog);
    if (st->is_alter)
        return alter_type(ddl, keyspace);
    if (!keyspace_entry_find(ddl->catalog, keyspace))
        return DDL_INVALID(ddl, "Keyspace '%.*s' doesn't exist", STR_ARG(keyspace));
    if (type_entry_find(ddl->catalog, keyspace, st->name.name))
        return st->if_not_exists ? OK
                                 : DDL_INVALID(ddl, "A user type with name '%.*s' already exists",
                                               STR_ARG(st->name.name));
    struct type_record record = {
        .keyspace = keyspace,
        .name = st->name.name,
        .field_names = arena_array(ddl->arena, st->field_count, sizeof(struct str)),
        .field_types = arena_array(ddl->arena, st->field_count, sizeof(struct str)),
    };
    for (size_t i = 0; i < st->field_count; i++) {
        if (find_field(&record, st->fields[i].name) != SIZE_MAX)
            return DDL_INVALID(ddl, "Duplicate field name '%.*s' in type '%.*s'",
                               STR_ARG(st->fields[i].name), STR_ARG(record.name));
        record.field_names[record.count++] = st->fields[i].name;
    }
    for (size_t i = 0; i < st->field_count; i++) {
        const struct cql_type *type = NULL;
        TRY(field_type(ddl, keyspace, &st->fields[i], &type));
        record.field_types[i] = catalog_type_text(ddl->arena, type);
    }
    return save(ddl, &record, "CREATED");
}

/* ---- DROP TYPE ---- */

static struct str types_using(struct ddl *ddl, const struct type_record *record)
{
    CLEAN(buf_deinit) struct buf names = {0};
    size_t count;
    struct type_entry **types = catalog_types(ddl->catalog, ddl->arena, &count);
    for (size_t i = 0; i < count; i++) {
        const struct cql_type *type = types[i]->type;
        bool uses = false;
        for (uint32_t k = 0; type && k < type->count; k++)
            uses |= cql_type_uses(type->items[k], record->keyspace, record->name);
        if (uses)
            buf_printf(&names, "%s%.*s", names.bytes ? ", " : "", STR_ARG(types[i]->record.name));
    }
    return arena_str(ddl->arena, buf_str(&names));
}

enum err ddl_type_drop(struct ddl *ddl)
{
    const struct cql_statement *st = ddl->statement;
    struct str keyspace, name = st->name.name;
    TRY(ddl_keyspace(ddl, &st->name, &keyspace));
    catalog_refresh(ddl->catalog);
    const struct type_entry *entry = type_entry_find(ddl->catalog, keyspace, name);
    if (!entry)
        return st->if_exists ? OK
                             : DDL_INVALID(ddl, "Type '%.*s.%.*s' doesn't exist", STR_ARG(keyspace),
                                           STR_ARG(name));
    struct str types = types_using(ddl, &entry->record);
    if (types.bytes)
        return DDL_INVALID(ddl,
                           "Cannot drop user type '%.*s.%.*s' as it is still used by user types "
                           "%.*s",
                           STR_ARG(keyspace), STR_ARG(name), STR_ARG(types));
    struct str tables = tables_using(ddl, &entry->record, false);
    if (tables.bytes)
        return DDL_INVALID(ddl,
                           "Cannot drop user type '%.*s.%.*s' as it is still used by tables %.*s",
                           STR_ARG(keyspace), STR_ARG(name), STR_ARG(tables));
    TRY(ddl_remove(ddl, "cql/type/", catalog_key(ddl->arena, keyspace, name)));
    catalog_forget_type(ddl->catalog, keyspace, name);
    ddl_changed(ddl, "DROPPED", "TYPE", keyspace, name);
    return OK;
}
