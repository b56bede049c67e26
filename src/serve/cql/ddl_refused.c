/* SPDX-License-Identifier: MIT */
/*
 * What is understood and not offered: views, functions and aggregates of users, triggers. Cassandra
 * is shipped with all of these switched off but for triggers, of which it finds no class; what it
 * says then comes from here, in the order in which it looks.
 */
#include "serve/cql/ddl.h"

static enum err check_system(struct ddl *ddl, struct str keyspace)
{
    return catalog_is_system(keyspace)
               ? DDL_INVALID(ddl, "System keyspace '%.*s' is not user-modifiable",
                             STR_ARG(keyspace))
               : OK;
}

static enum err refuse_drop(struct ddl *ddl, const struct cql_refused *refused)
{
    static const char *const kinds[] = {[REFUSED_FUNCTION] = "Function",
                                        [REFUSED_AGGREGATE] = "Aggregate",
                                        [REFUSED_VIEW] = "Materialized view"};
    struct str keyspace;
    const struct cql_name *name =
        refused->kind == REFUSED_TRIGGER ? &refused->table : &refused->name;
    TRY(catalog_keyspace_of(ddl->session_keyspace, name, ddl->arena, ddl->error, &keyspace));
    TRY(check_system(ddl, keyspace));
    if (refused->if_exists)
        return OK;
    if (refused->kind == REFUSED_TRIGGER)
        return DDL_INVALID(ddl, "Trigger '%.*s' on '%.*s.%.*s' doesn't exist",
                           STR_ARG(refused->name.name), STR_ARG(keyspace), STR_ARG(name->name));
    return DDL_INVALID(ddl, "%s '%.*s.%.*s%.*s' doesn't exist", kinds[refused->kind],
                       STR_ARG(keyspace), STR_ARG(name->name), STR_ARG(refused->arguments));
}

/* There is no function of a user that could make a state; the types are looked at before. */
static enum err refuse_aggregate(struct ddl *ddl, const struct cql_refused *refused,
                                 struct str keyspace)
{
    CLEAN(buf_deinit) struct buf types = {0};
    if (!keyspace_entry_find(ddl->catalog, keyspace))
        return DDL_CONFIG(ddl, "Keyspace %.*s doesn't exist", STR_ARG(keyspace));
    for (size_t n = 0; n < refused->type_count; n++) {
        size_t i = (n + 1) % refused->type_count; /* the state's is looked at last */
        const struct cql_type *type;
        TRY(catalog_type_locked(ddl->catalog, keyspace, refused->types[i], ddl->arena, ddl->error,
                                &type));
        struct str text = catalog_type_text(ddl->arena, type);
        if (i && str_starts(text, STR("frozen<")))
            return DDL_INVALID(ddl,
                               "Argument '%.*s' cannot be frozen; remove frozen<> modifier from "
                               "'%.*s'",
                               STR_ARG(text), STR_ARG(text));
    }
    for (size_t i = 0; i < refused->type_count; i++)
        buf_printf(&types, "%s%.*s", i ? ", " : "", STR_ARG(refused->types[i]));
    return DDL_INVALID(ddl, "State function %.*s.%.*s(%.*s) doesn't exist", STR_ARG(keyspace),
                       STR_ARG(refused->function.name), STR_ARG(buf_str(&types)));
}

enum err ddl_refused(struct ddl *ddl)
{
    const struct cql_refused *refused = &ddl->statement->refused;
    if (refused->kind == REFUSED_IDENTITY)
        return cql_fail(ddl->error, ddl->arena, CQL_UNAUTHORIZED,
                        "You have to be logged in and not anonymous to perform this request");
    if (refused->drop || refused->alter)
        return refuse_drop(ddl, refused);
    struct str keyspace;
    const struct cql_name *name =
        refused->kind == REFUSED_TRIGGER ? &refused->table : &refused->name;
    TRY(catalog_keyspace_of(ddl->session_keyspace, name, ddl->arena, ddl->error, &keyspace));
    TRY(check_system(ddl, keyspace));
    if (refused->kind == REFUSED_AGGREGATE)
        return refuse_aggregate(ddl, refused, keyspace);
    if (refused->kind == REFUSED_TRIGGER && !keyspace_entry_find(ddl->catalog, keyspace))
        return DDL_INVALID(ddl, "Keyspace '%.*s' doesn't exist", STR_ARG(keyspace));
    if (refused->kind == REFUSED_TRIGGER && !table_entry_find(ddl->catalog, keyspace, name->name))
        return DDL_INVALID(ddl, "Table '%.*s' doesn't exist", STR_ARG(name->name));
    return DDL_INVALID(ddl, "%.*s", STR_ARG(ddl->statement->refused_message));
}
