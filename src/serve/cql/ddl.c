/* SPDX-License-Identifier: MIT */
/*
 * Definition statements: which one, and what is common to all: names that are allowed, keyspaces
 * that are not the user's to change, what a client is told of the change. Keyspaces, and dropping
 * and truncating tables, are here as well.
 *
 * Words and codes of errors are those of Cassandra 5.0, for programs that look at them.
 */
#include "serve/cql/ddl.h"

enum { NAME_MAX_BYTES = 48 };

void ddl_changed(struct ddl *ddl, const char *change, const char *target, struct str keyspace,
                 struct str name)
{
    *ddl->change = (struct cql_change){.change = change,
                                       .target = target,
                                       .keyspace = arena_str(ddl->arena, keyspace),
                                       .name = name.ptr ? arena_str(ddl->arena, name) : STR_NONE};
}

enum err ddl_exists(struct ddl *ddl, struct str keyspace, struct str table)
{
    enum err err = table.bytes
                       ? cql_fail(ddl->error, ddl->arena, CQL_ALREADY_EXISTS,
                                  "Cannot add already existing table \"%.*s\" to keyspace "
                                  "\"%.*s\"",
                                  STR_ARG(table), STR_ARG(keyspace))
                       : cql_fail(ddl->error, ddl->arena, CQL_ALREADY_EXISTS,
                                  "Cannot add existing keyspace \"%.*s\"", STR_ARG(keyspace));
    ddl->error->keyspace = arena_str(ddl->arena, keyspace);
    ddl->error->table = arena_str(ddl->arena, table);
    return err;
}

/* ---- names ---- */

static bool is_word(struct str name)
{
    for (size_t i = 0; i < name.bytes; i++) {
        char c = name.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '_')
            return false;
    }
    return name.bytes > 0;
}

bool ddl_name_is_valid(struct str name)
{
    return is_word(name) && name.bytes <= NAME_MAX_BYTES;
}

bool catalog_is_system(struct str keyspace)
{
    size_t count;
    const struct system_keyspace *all = system_keyspaces(&count);
    for (size_t i = 0; i < count; i++)
        if (str_equal(keyspace, str_of(all[i].name)))
            return true;
    return false;
}

bool catalog_is_virtual(struct str keyspace)
{
    size_t count;
    const struct system_keyspace *all = system_keyspaces(&count);
    for (size_t i = 0; i < count; i++)
        if (str_equal(keyspace, str_of(all[i].name)))
            return !all[i].strategy;
    return false;
}

/* CREATE KEYSPACE of a name that cannot be one. */
static enum err check_new_keyspace(struct ddl *ddl, struct str keyspace)
{
    if (str_equal(keyspace, STR("system")) || str_equal(keyspace, STR("system_schema")) ||
        str_equal(keyspace, STR("system_views")) ||
        str_equal(keyspace, STR("system_virtual_schema")))
        return DDL_INVALID(ddl, "System keyspace '%.*s' is not user-modifiable", STR_ARG(keyspace));
    if (catalog_is_system(keyspace))
        return ddl_exists(ddl, keyspace, STR(""));
    if (!is_word(keyspace))
        return DDL_INVALID(ddl,
                           "Keyspace name must not be empty and must contain alphanumeric or "
                           "underscore characters only (got \"%.*s\")",
                           STR_ARG(keyspace));
    if (keyspace.bytes > NAME_MAX_BYTES)
        return DDL_INVALID(ddl,
                           "Keyspace name must not be more than %d characters long (got %zu "
                           "characters for \"%.*s\")",
                           NAME_MAX_BYTES, keyspace.bytes, STR_ARG(keyspace));
    return OK;
}

enum err ddl_check_system(struct ddl *ddl, struct str keyspace)
{
    return catalog_is_system(keyspace)
               ? cql_fail(ddl->error, ddl->arena, CQL_UNAUTHORIZED,
                          "%.*s keyspace is not user-modifiable.", STR_ARG(keyspace))
               : OK;
}

enum err ddl_keyspace(struct ddl *ddl, const struct cql_name *name, struct str *ret_keyspace)
{
    struct str keyspace;
    TRY(catalog_keyspace_of(ddl->session_keyspace, name, ddl->arena, ddl->error, &keyspace));
    TRY(ddl_check_system(ddl, keyspace));
    *ret_keyspace = keyspace;
    return OK;
}

/* ---- replication ---- */

static const char *const strategy_prefix = "org.apache.cassandra.locator.";

/* The class without its package. */
static struct str short_class(struct str class)
{
    struct str prefix = str_of(strategy_prefix);
    return str_starts(class, prefix) ? str_slice(class, prefix.bytes, class.bytes) : class;
}

static enum err check_factor(struct ddl *ddl, struct str text)
{
    int64_t factor = 0;
    struct str number = text;
    size_t slash = str_find(text, STR("/"), 0);
    if (slash != SIZE_MAX)
        number = str_slice(text, 0, slash);
    if (str_to_i64(number, &factor) != OK || factor > INT32_MAX || factor < INT32_MIN)
        return DDL_CONFIG(ddl, "For input string: \"%.*s\"", STR_ARG(text));
    if (factor < 0)
        return DDL_CONFIG(ddl, "Replication factor must be non-negative; found %.*s",
                          STR_ARG(text));
    return OK;
}

static struct cql_term *text_term(struct arena *arena, struct str text)
{
    struct cql_term *term = arena_zero(arena, sizeof(*term));
    term->kind = TERM_STRING;
    term->text = text;
    return term;
}

static void add_replication(struct arena *arena, struct cql_keyspace *keyspace, struct str name,
                            struct str value)
{
    for (size_t i = 0; i < keyspace->replication_count; i++)
        if (str_equal(keyspace->replication[i].name, name))
            return;
    keyspace->replication[keyspace->replication_count++] =
        (struct cql_option){name, text_term(arena, value)};
}

/* NetworkTopologyStrategy: replication_factor stands for every datacenter that is not named, here
 * or by what the keyspace had before. */
static enum err network_options(struct ddl *ddl, const struct cql_term *map,
                                const struct cql_keyspace *before, struct cql_keyspace *keyspace)
{
    struct str own = ddl->catalog->node.data_center, factor = STR_NONE;
    const struct cql_option *had = NULL;
    for (size_t i = 0; i < before->replication_count; i++)
        if (str_equal(before->replication[i].name, own))
            had = &before->replication[i];
    for (size_t i = 0; i + 1 < map->count; i += 2) {
        struct str name = map->items[i]->text, value = map->items[i + 1]->text;
        if (str_equal(name, STR("class")))
            continue;
        TRY(check_factor(ddl, value));
        if (str_equal(name, STR("replication_factor"))) {
            factor = value;
            continue;
        }
        if (!str_equal(name, own))
            return DDL_CONFIG(ddl,
                              "Unrecognized strategy option {%.*s} passed to "
                              "NetworkTopologyStrategy for keyspace %.*s",
                              STR_ARG(name), STR_ARG(keyspace->name));
        add_replication(ddl->arena, keyspace, name, value);
    }
    if (had)
        add_replication(ddl->arena, keyspace, own, had->value->text);
    if (factor.ptr || keyspace->replication_count == 1)
        add_replication(ddl->arena, keyspace, own, factor.ptr ? factor : STR("1"));
    return OK;
}

static enum err simple_options(struct ddl *ddl, const struct cql_term *map,
                               struct cql_keyspace *keyspace)
{
    struct str factor = STR_NONE;
    for (size_t i = 0; i + 1 < map->count; i += 2) {
        struct str name = map->items[i]->text;
        if (str_equal(name, STR("class")))
            continue;
        if (!str_equal(name, STR("replication_factor")))
            return DDL_CONFIG(ddl,
                              "Unrecognized strategy option {%.*s} passed to SimpleStrategy for "
                              "keyspace %.*s",
                              STR_ARG(name), STR_ARG(keyspace->name));
        factor = map->items[i + 1]->text;
    }
    if (!factor.ptr)
        factor = STR("1"); /* default_keyspace_rf */
    TRY(check_factor(ddl, factor));
    add_replication(ddl->arena, keyspace, STR("replication_factor"), factor);
    return OK;
}

static enum err set_replication(struct ddl *ddl, const struct cql_option *option,
                                struct cql_keyspace *keyspace)
{
    struct str class = short_class(option_map_get(option, "class"));
    struct cql_keyspace before = *keyspace;
    keyspace->replication =
        arena_array(ddl->arena, option->value->count + 3, sizeof(*keyspace->replication));
    keyspace->replication_count = 0;
    if (str_equal(class, STR("LocalStrategy")))
        return DDL_INVALID(ddl, "Unable to use given strategy class: LocalStrategy is reserved for "
                                "internal use.");
    bool simple = str_equal(class, STR("SimpleStrategy"));
    if (!simple && !str_equal(class, STR("NetworkTopologyStrategy")))
        return DDL_CONFIG(ddl, "Unable to find replication strategy class '%s%.*s'",
                          memchr(class.ptr, '.', class.bytes) ? "" : strategy_prefix,
                          STR_ARG(class));
    struct str full = str_of(arena_printf(ddl->arena, "%s%.*s", strategy_prefix, STR_ARG(class)));
    add_replication(ddl->arena, keyspace, STR("class"), full);
    return simple ? simple_options(ddl, option->value, keyspace)
                  : network_options(ddl, option->value, &before, keyspace);
}

static enum err set_durable(struct ddl *ddl, const struct cql_option *option,
                            struct cql_keyspace *keyspace)
{
    struct str text = option->value->text;
    if (option->value->kind == TERM_MAP)
        return DDL_SYNTAX(ddl,
                          "Invalid value for property 'durable_writes'. It should be a string");
    bool yes = str_equal(text, STR("1")) || str_equal_nocase(text, STR("true")) ||
               str_equal_nocase(text, STR("yes"));
    bool no = str_equal(text, STR("0")) || str_equal_nocase(text, STR("false")) ||
              str_equal_nocase(text, STR("no"));
    if (!yes && !no)
        return DDL_SYNTAX(ddl,
                          "Invalid boolean value %.*s for 'durable_writes'. Positive values can be "
                          "'1', 'true' or 'yes'. Negative values can be '0', 'false' or 'no'.",
                          STR_ARG(text));
    keyspace->durable_writes = yes;
    return OK;
}

static enum err check_options(struct ddl *ddl, const struct cql_create_keyspace *create)
{
    for (size_t i = 0; i < create->option_count; i++) {
        const struct cql_option *option = &create->options[i];
        bool replication = str_equal(option->name, STR("replication"));
        if (!replication && !str_equal(option->name, STR("durable_writes")))
            return DDL_SYNTAX(ddl, "Unknown property '%.*s'", STR_ARG(option->name));
        if (replication && option->value->kind != TERM_MAP)
            return DDL_SYNTAX(ddl, "Invalid value for property 'replication'. It should be a map.");
        if (replication && !option_map_get(option, "class").ptr)
            return DDL_CONFIG(ddl, "Missing replication strategy class");
    }
    return OK;
}

static enum err set_options(struct ddl *ddl, const struct cql_create_keyspace *create,
                            struct cql_keyspace *keyspace)
{
    for (size_t i = 0; i < create->option_count; i++) {
        const struct cql_option *option = &create->options[i];
        if (str_equal(option->name, STR("replication")))
            TRY(set_replication(ddl, option, keyspace));
        else
            TRY(set_durable(ddl, option, keyspace));
    }
    return OK;
}

/* ---- keyspaces ---- */

static enum err alter_keyspace(struct ddl *ddl, const struct cql_create_keyspace *alter)
{
    struct keyspace_entry *entry = keyspace_entry_find(ddl->catalog, alter->name);
    struct cql_keyspace keyspace = {.name = alter->name};
    TRY(check_options(ddl, alter));
    if (!entry)
        return alter->if_exists
                   ? OK
                   : DDL_INVALID(ddl, "Keyspace '%.*s' doesn't exist", STR_ARG(alter->name));
    keyspace = entry->keyspace;
    TRY(set_options(ddl, alter, &keyspace));
    TRY(ddl_put_keyspace(ddl, &keyspace));
    ddl_changed(ddl, "UPDATED", "KEYSPACE", alter->name, STR_NONE);
    return OK;
}

enum err ddl_keyspace_create(struct ddl *ddl)
{
    const struct cql_create_keyspace *create = &ddl->statement->keyspace;
    TRY(create->alter ? ddl_check_system(ddl, create->name)
                      : check_new_keyspace(ddl, create->name));
    catalog_refresh(ddl->catalog);
    if (create->alter)
        return alter_keyspace(ddl, create);
    struct cql_keyspace keyspace = {.name = create->name, .durable_writes = true};
    TRY(check_options(ddl, create));
    if (!option_find(create->options, create->option_count, "replication"))
        return DDL_INVALID(ddl, "Missing mandatory option 'replication'");
    if (keyspace_entry_find(ddl->catalog, create->name))
        return create->if_not_exists ? OK : ddl_exists(ddl, create->name, STR(""));
    TRY(set_options(ddl, create, &keyspace));
    TRY(ddl_put_keyspace(ddl, &keyspace));
    ddl_changed(ddl, "CREATED", "KEYSPACE", create->name, STR_NONE);
    return OK;
}

/* A crash on the way leaves a keyspace with fewer tables. */
enum err ddl_keyspace_drop(struct ddl *ddl)
{
    struct str name = ddl->statement->name.name;
    struct cql_catalog *catalog = ddl->catalog;
    TRY(ddl_check_system(ddl, name));
    catalog_refresh(catalog);
    if (!keyspace_entry_find(catalog, name))
        return ddl->statement->if_exists
                   ? OK
                   : DDL_INVALID(ddl, "Keyspace '%.*s' doesn't exist", STR_ARG(name));
    size_t count;
    struct table_entry **tables = catalog_tables(catalog, ddl->arena, &count);
    for (size_t i = 0; i < count; i++)
        if (str_equal(tables[i]->record.keyspace, name))
            TRY(ddl_drop_table_entry(ddl, tables[i]));
    struct type_entry **types = catalog_types(catalog, ddl->arena, &count);
    for (size_t i = 0; i < count; i++) {
        if (!str_equal(types[i]->record.keyspace, name))
            continue;
        TRY(ddl_remove(ddl, "cql/type/", catalog_key(ddl->arena, name, types[i]->record.name)));
        catalog_forget_type(catalog, name, types[i]->record.name);
    }
    TRY(ddl_remove(ddl, "cql/keyspace/", name));
    catalog_forget_keyspace(catalog, name);
    catalog_refresh(catalog);
    ddl_changed(ddl, "DROPPED", "KEYSPACE", name, STR_NONE);
    return OK;
}

/* ---- DROP TABLE, TRUNCATE ---- */

enum err ddl_drop_table_entry(struct ddl *ddl, struct table_entry *entry)
{
    struct table_store *store = ddl->catalog->store;
    struct str keyspace = arena_str(ddl->arena, entry->record.keyspace);
    struct str name = arena_str(ddl->arena, entry->record.name);
    bool stored = entry->stored;
    size_t indexes = entry->record.index_count;
    struct str *hidden = arena_array(ddl->arena, indexes + 1, sizeof(*hidden));
    for (size_t i = 0; i < indexes; i++)
        hidden[i] = catalog_index_table(ddl->arena, keyspace, name, entry->record.indexes[i].name);
    TRY(ddl_store(ddl, table_drop(store, keyspace, name)));
    catalog_refresh(ddl->catalog); /* frees the entry */
    if (stored)
        TRY(ddl_remove(ddl, "cql/table/", catalog_key(ddl->arena, keyspace, name)));
    for (size_t i = 0; i < indexes; i++) {
        enum err err = table_drop(store, CATALOG_INDEX_KEYSPACE, hidden[i]);
        if (err != ERR_NOT_FOUND)
            TRY(ddl_store(ddl, err));
    }
    return OK;
}

enum err ddl_table_drop(struct ddl *ddl)
{
    const struct cql_statement *st = ddl->statement;
    struct str keyspace;
    TRY(ddl_keyspace(ddl, &st->name, &keyspace));
    catalog_refresh(ddl->catalog);
    struct table_entry *entry = table_entry_find(ddl->catalog, keyspace, st->name.name);
    if (!entry)
        return st->if_exists ? OK
                             : DDL_INVALID(ddl, "Table '%.*s.%.*s' doesn't exist",
                                           STR_ARG(keyspace), STR_ARG(st->name.name));
    bool last = !keyspace_entry_find(ddl->catalog, keyspace)->stored;
    if (last) {
        /* The keyspace stays when its last table goes. */
        struct cql_keyspace own = keyspace_entry_find(ddl->catalog, keyspace)->keyspace;
        TRY(ddl_put_keyspace(ddl, &own));
    }
    TRY(ddl_drop_table_entry(ddl, entry));
    ddl_changed(ddl, "DROPPED", "TABLE", keyspace, st->name.name);
    return OK;
}

enum err ddl_table_truncate(struct ddl *ddl)
{
    const struct cql_name *name = &ddl->statement->name;
    struct str keyspace;
    TRY(catalog_keyspace_of(ddl->session_keyspace, name, ddl->arena, ddl->error, &keyspace));
    if (system_table_find(ddl->catalog, keyspace, name->name)) {
        bool virtual = catalog_is_virtual(keyspace);
        return virtual ? DDL_INVALID(ddl, "Truncation is not supported by table %.*s.%.*s",
                                     STR_ARG(keyspace), STR_ARG(name->name))
                       : cql_fail(ddl->error, ddl->arena, CQL_UNAUTHORIZED,
                                  "%.*s keyspace is not user-modifiable.", STR_ARG(keyspace));
    }
    catalog_refresh(ddl->catalog);
    struct table_entry *entry = table_entry_find(ddl->catalog, keyspace, name->name);
    if (!entry) {
        bool there = keyspace_entry_find(ddl->catalog, keyspace) || catalog_is_system(keyspace);
        struct str missing = there ? name->name : keyspace;
        return DDL_INVALID(ddl, "%s %.*s does not exist", there ? "table" : "keyspace",
                           STR_ARG(missing));
    }
    struct table_store *store = ddl->catalog->store;
    TRY(ddl_store(ddl, table_truncate(store, entry->table)));
    for (size_t i = 0; i < entry->record.index_count; i++) {
        struct str hidden =
            catalog_index_table(ddl->arena, keyspace, name->name, entry->record.indexes[i].name);
        struct table *table = table_find(store, CATALOG_INDEX_KEYSPACE, hidden);
        if (table)
            TRY(ddl_store(ddl, table_truncate(store, table)));
    }
    return OK;
}

/* ---- which statement ---- */

enum err cql_catalog_apply_as(struct cql_catalog *catalog, struct str user,
                              struct str session_keyspace, const struct cql_statement *statement,
                              struct arena *arena, struct cql_error *error,
                              struct cql_change *ret_change)
{
    static enum err (*const forms[])(struct ddl * ddl) = {
        [CQL_TRUNCATE] = ddl_table_truncate,
        [CQL_CREATE_KEYSPACE] = ddl_keyspace_create,
        [CQL_DROP_KEYSPACE] = ddl_keyspace_drop,
        [CQL_CREATE_TABLE] = ddl_table_create,
        [CQL_ALTER_TABLE] = ddl_table_alter,
        [CQL_DROP_TABLE] = ddl_table_drop,
        [CQL_CREATE_TYPE] = ddl_type_create,
        [CQL_DROP_TYPE] = ddl_type_drop,
        [CQL_CREATE_INDEX] = ddl_index_create,
        [CQL_DROP_INDEX] = ddl_index_drop,
        [CQL_CREATE_ROLE] = ddl_role,
        [CQL_DROP_ROLE] = ddl_role,
        [CQL_LIST_ROLES] = ddl_role,
        [CQL_GRANT] = ddl_role,
        [CQL_REFUSED] = ddl_refused,
    };
    struct cql_change change = {.change = NULL};
    struct ddl ddl = {catalog, session_keyspace, statement, arena, error, &change, user};
    bool known = statement->kind < sizeof(forms) / sizeof(forms[0]) && forms[statement->kind];
    if (!known)
        return cql_fail(error, arena, CQL_SERVER_ERROR, "This statement defines nothing");
    catalog_lock(catalog);
    catalog_refresh(catalog);
    size_t notices = catalog->notice_count;
    enum err err = forms[statement->kind](&ddl);
    if (change.change)
        catalog_forget_notices(catalog, notices, change.keyspace);
    catalog_unlock(catalog);
    TRY(err);
    *ret_change = change;
    return OK;
}

enum err cql_catalog_apply(struct cql_catalog *catalog, struct str session_keyspace,
                           const struct cql_statement *statement, struct arena *arena,
                           struct cql_error *error, struct cql_change *ret_change)
{
    TRY(cql_catalog_apply_as(catalog, catalog_superuser(catalog), session_keyspace, statement,
                             arena, error, ret_change));
    return cql_catalog_build_index(catalog, ret_change, arena, error);
}
