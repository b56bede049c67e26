/* SPDX-License-Identifier: MIT */
/*
 * Roles, permissions, and what is understood and refused.
 *
 * Without passwords everybody is anonymous, and Cassandra lets the anonymous neither make roles nor
 * list them; the same words come from here. With passwords the one user of the configuration is the
 * superuser, and roles can be made, granted and listed; they have no passwords, since nobody but
 * that user can log in.
 */
#include "serve/cql/ddl.h"

#include <stdlib.h>

static enum err anonymous(struct cql_error *error, struct arena *arena)
{
    return cql_fail(error, arena, CQL_UNAUTHORIZED,
                    "You have to be logged in and not anonymous to perform this request");
}

static struct str superuser(const struct cql_catalog *catalog)
{
    return catalog->node.user.ptr ? catalog->node.user : STR("cassandra");
}

/* ---- records ---- */

static enum err load_role(struct ddl *ddl, struct str name, struct role_record *ret_role)
{
    CLEAN(buf_deinit) struct buf key = {0};
    CLEAN(buf_deinit) struct buf value = {0};
    buf_text(&key, "cql/role/");
    buf_str_append(&key, name);
    enum err err = table_state_get(ddl->catalog->store, buf_str(&key), &value);
    if (err == OK)
        return role_record_decode(ddl->arena, arena_str(ddl->arena, buf_str(&value)), ret_role);
    if (err != ERR_NOT_FOUND || !str_equal(name, superuser(ddl->catalog)))
        return err;
    *ret_role = (struct role_record){.name = name, .login = true, .superuser = true};
    return OK;
}

static enum err save_role(struct ddl *ddl, const struct role_record *role)
{
    CLEAN(buf_deinit) struct buf out = {0};
    role_record_encode(role, &out);
    return ddl_put(ddl, "cql/role/", role->name, buf_str(&out));
}

static enum err missing_role(struct ddl *ddl, struct str name)
{
    return DDL_INVALID(ddl, "%.*s doesn't exist", STR_ARG(name));
}

/* ---- CREATE, ALTER, DROP ---- */

static bool said(const struct cql_role *st, const char *name, bool *ret_value)
{
    const struct cql_option *option = option_find(st->options, st->option_count, name);
    if (option)
        *ret_value = str_equal_nocase(option->value->text, STR("true"));
    return option;
}

static enum err make_role(struct ddl *ddl)
{
    const struct cql_role *st = &ddl->statement->role;
    struct role_record role = {.name = st->name};
    enum err err = load_role(ddl, st->name, &role);
    if (err != OK && err != ERR_NOT_FOUND)
        return ddl_store(ddl, err);
    bool there = err == OK, alter = ddl->statement->alter_role;
    if (there && !alter)
        return st->if_not_exists ? OK : DDL_INVALID(ddl, "%.*s already exists", STR_ARG(st->name));
    if (!there && alter)
        return st->if_exists ? OK : missing_role(ddl, st->name);
    said(st, "login", &role.login);
    if (said(st, "superuser", &role.superuser) && alter &&
        str_equal(st->name, superuser(ddl->catalog)))
        return cql_fail(ddl->error, ddl->arena, CQL_UNAUTHORIZED,
                        "You aren't allowed to alter your own superuser status or that of a role "
                        "granted to you");
    return save_role(ddl, &role);
}

static enum err drop_role(struct ddl *ddl)
{
    const struct cql_statement *st = ddl->statement;
    struct role_record role;
    enum err err = load_role(ddl, st->name.name, &role);
    if (err == ERR_NOT_FOUND)
        return st->if_exists ? OK : missing_role(ddl, st->name.name);
    TRY(ddl_store(ddl, err));
    if (str_equal(role.name, superuser(ddl->catalog)))
        return DDL_INVALID(ddl, "Cannot DROP primary role for current login");
    return ddl_remove(ddl, "cql/role/", role.name);
}

/* ---- GRANT role TO role ---- */

static enum err grant_role(struct ddl *ddl, bool revoke)
{
    const struct cql_grant *grant = &ddl->statement->grant;
    struct role_record given, role;
    enum err err = load_role(ddl, grant->role, &given);
    if (err == ERR_NOT_FOUND)
        return missing_role(ddl, grant->role);
    TRY(ddl_store(ddl, err));
    err = load_role(ddl, grant->grantee, &role);
    if (err == ERR_NOT_FOUND)
        return missing_role(ddl, grant->grantee);
    TRY(ddl_store(ddl, err));
    size_t at = 0;
    while (at < role.member_count && !str_equal(role.member_of[at], grant->role))
        at++;
    bool member = at < role.member_count;
    if (member != revoke)
        return revoke ? DDL_INVALID(ddl, "%.*s is not a member of %.*s", STR_ARG(grant->grantee),
                                    STR_ARG(grant->role))
                      : DDL_INVALID(ddl, "%.*s is a member of %.*s", STR_ARG(grant->grantee),
                                    STR_ARG(grant->role));
    struct str *members = arena_array(ddl->arena, role.member_count + 1, sizeof(*members));
    size_t count = 0;
    for (size_t i = 0; i < role.member_count; i++)
        if (i != at)
            members[count++] = role.member_of[i];
    if (!revoke)
        members[count++] = grant->role;
    role.member_of = members;
    role.member_count = count;
    return save_role(ddl, &role);
}

enum err ddl_role(struct ddl *ddl)
{
    const struct cql_statement *st = ddl->statement;
    const struct cql_role *role = &st->role;
    if (st->kind == CQL_CREATE_ROLE &&
        (option_find(role->options, role->option_count, "password") ||
         option_find(role->options, role->option_count, "hashed password") ||
         option_find(role->options, role->option_count, "generated password")))
        return DDL_INVALID(
            ddl, "org.apache.cassandra.auth.CassandraRoleManager doesn't support PASSWORD");
    if (!ddl->catalog->node.auth)
        return anonymous(ddl->error, ddl->arena);
    if (st->kind == CQL_CREATE_ROLE)
        return make_role(ddl);
    if (st->kind == CQL_DROP_ROLE)
        return drop_role(ddl);
    if (st->kind == CQL_LIST_ROLES)
        return OK; /* cql_catalog_list_roles answers it */
    switch (st->grant.verb) {
    case GRANT_ROLE:
        return grant_role(ddl, false);
    case REVOKE_ROLE:
        return grant_role(ddl, true);
    case GRANT_PERMISSIONS:
        return DDL_INVALID(ddl, "GRANT operation is not supported by AllowAllAuthorizer");
    case REVOKE_PERMISSIONS:
        return DDL_INVALID(ddl, "REVOKE operation is not supported by AllowAllAuthorizer");
    default:
        return DDL_INVALID(ddl, "LIST PERMISSIONS operation is not supported by "
                                "AllowAllAuthorizer");
    }
}

/* ---- LIST ---- */

struct listed {
    struct arena *arena;
    const struct cql_list_roles *list;
    struct role_record *roles;
    size_t count, room;
    enum err err;
};

static void add_role(struct listed *listed, const struct role_record *role)
{
    if (listed->count == listed->room) {
        size_t room = listed->room ? listed->room * 2 : 16;
        struct role_record *more = arena_array(listed->arena, room, sizeof(*more));
        if (listed->count)
            memcpy(more, listed->roles, listed->count * sizeof(*more));
        listed->roles = more;
        listed->room = room;
    }
    listed->roles[listed->count++] = *role;
}

static bool found_role(void *owner, struct str key, struct str value)
{
    struct listed *listed = owner;
    struct role_record role;
    listed->err = role_record_decode(listed->arena, arena_str(listed->arena, value), &role);
    if (listed->err == OK)
        add_role(listed, &role);
    return listed->err == OK;
}

/* The roles that a role has, itself first; all through the roles that it has. */
static void keep_granted(struct listed *all, struct str of, bool recursive)
{
    struct listed kept = {.arena = all->arena, .list = all->list};
    bool *taken = arena_zero(all->arena, all->count + 1);
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < all->count; i++) {
            bool wanted = str_equal(all->roles[i].name, of);
            for (size_t k = 0; k < kept.count && !wanted; k++)
                for (size_t m = 0; m < kept.roles[k].member_count && !wanted; m++)
                    wanted = (recursive || str_equal(kept.roles[k].name, of)) &&
                             str_equal(kept.roles[k].member_of[m], all->roles[i].name);
            if (!wanted || taken[i])
                continue;
            taken[i] = more = true;
            add_role(&kept, &all->roles[i]);
        }
    }
    *all = kept;
}

static int compare_roles(const void *a, const void *b)
{
    return str_compare(((const struct role_record *)a)->name,
                       ((const struct role_record *)b)->name);
}

static void fill_rows(struct listed *listed, struct cql_described *out)
{
    struct arena *arena = listed->arena;
    bool users = listed->list->users;
    static const struct str names[] = {
        {"role", 4}, {"super", 5}, {"login", 5}, {"options", 7}, {"datacenters", 11}};
    struct cql_column *columns = arena_array(arena, 5, sizeof(*columns));
    const struct cql_type *text = cql_simple(CQL_TEXT), *yes = cql_simple(CQL_BOOLEAN);
    const struct cql_type *types[] = {text, yes, yes, cql_map(arena, text, text, false), text};
    out->column_count = 0;
    for (int i = 0; i < 5; i++) {
        if (users && (i == 2 || i == 3))
            continue;
        columns[out->column_count++] = (struct cql_column){
            .keyspace = STR("system_auth"),
            .table = users ? STR("users") : STR("roles"),
            .name = users && i == 0 ? STR("name") : names[i],
            .type = types[i],
        };
    }
    out->columns = columns;
    out->rows = arena_array(arena, listed->count + 1, sizeof(*out->rows));
    out->row_count = 0;
    for (size_t i = 0; i < listed->count; i++) {
        const struct role_record *role = &listed->roles[i];
        struct str *row = arena_array(arena, 5, sizeof(*row));
        size_t n = 0;
        row[n++] = role->name;
        row[n++] = role->superuser ? STR("\1") : STR("\0");
        if (!users) {
            row[n++] = role->login ? STR("\1") : STR("\0");
            row[n++] = STR("\0\0\0\0");
        }
        row[n++] = STR("ALL");
        if (!(users && !role->login) && !(listed->list->superusers && !role->superuser))
            out->rows[out->row_count++] = row;
    }
}

enum err cql_catalog_list_roles(struct cql_catalog *catalog, const struct cql_list_roles *list,
                                struct arena *arena, struct cql_error *error,
                                struct cql_described *ret)
{
    if (!catalog->node.auth)
        return anonymous(error, arena);
    struct listed listed = {.arena = arena, .list = list};
    TRY(table_state_each(catalog->store, STR("cql/role/"), found_role, &listed));
    TRY(listed.err);
    bool own = false, of = false;
    for (size_t i = 0; i < listed.count; i++)
        own |= str_equal(listed.roles[i].name, superuser(catalog));
    if (!own)
        add_role(&listed, &(struct role_record){
                              .name = superuser(catalog), .login = true, .superuser = true});
    for (size_t i = 0; i < listed.count; i++)
        of |= list->of.ptr && str_equal(listed.roles[i].name, list->of);
    if (list->of.ptr && !of)
        return cql_fail(error, arena, CQL_INVALID, "%.*s doesn't exist", STR_ARG(list->of));
    if (list->of.ptr)
        keep_granted(&listed, list->of, !list->norecursive);
    qsort(listed.roles, listed.count, sizeof(*listed.roles), compare_roles);
    fill_rows(&listed, ret);
    return OK;
}

/* ---- what is refused ---- */

static enum err refuse_drop(struct ddl *ddl, const struct cql_refused *refused)
{
    static const char *const kinds[] = {[REFUSED_FUNCTION] = "Function",
                                        [REFUSED_AGGREGATE] = "Aggregate",
                                        [REFUSED_VIEW] = "Materialized view"};
    struct str keyspace;
    const struct cql_name *name =
        refused->kind == REFUSED_TRIGGER ? &refused->table : &refused->name;
    TRY(ddl_keyspace(ddl, name, &keyspace));
    if (refused->if_exists)
        return OK;
    if (refused->kind == REFUSED_TRIGGER)
        return DDL_INVALID(ddl, "Trigger '%.*s' on '%.*s.%.*s' doesn't exist",
                           STR_ARG(refused->name.name), STR_ARG(keyspace), STR_ARG(name->name));
    return DDL_INVALID(ddl, "%s '%.*s.%.*s%.*s' doesn't exist", kinds[refused->kind],
                       STR_ARG(keyspace), STR_ARG(name->name), STR_ARG(refused->arguments));
}

enum err ddl_refused(struct ddl *ddl)
{
    const struct cql_refused *refused = &ddl->statement->refused;
    if (refused->kind == REFUSED_IDENTITY)
        return anonymous(ddl->error, ddl->arena);
    if (refused->drop || refused->alter)
        return refuse_drop(ddl, refused);
    struct str keyspace;
    const struct cql_name *name =
        refused->kind == REFUSED_TRIGGER ? &refused->table : &refused->name;
    TRY(ddl_keyspace(ddl, name, &keyspace));
    return DDL_INVALID(ddl, "%.*s", STR_ARG(ddl->statement->refused_message));
}
