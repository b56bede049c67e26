/* SPDX-License-Identifier: MIT */
/*
 * Roles and permissions.
 *
 * Without passwords everybody is anonymous, and Cassandra lets the anonymous neither make roles nor
 * list them; the same words come from here. With passwords it is as in a Cassandra that asks for
 * passwords and has no permissions (PasswordAuthenticator, AllowAllAuthorizer): roles are made with
 * passwords of their own, log in with them, are granted to each other and listed, and whoever is
 * let in may read and write everything; being superuser counts for roles only.
 *
 * The role of the configuration is a superuser whose password stands there and is not kept here.
 */
#include "serve/cql/ddl.h"
#include "serve/cql/password.h"

#include <stdlib.h>

static enum err anonymous(struct cql_error *error, struct arena *arena)
{
    return cql_fail(error, arena, CQL_UNAUTHORIZED,
                    "You have to be logged in and not anonymous to perform this request");
}

struct str catalog_superuser(const struct cql_catalog *catalog)
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
    if (err != ERR_NOT_FOUND || !str_equal(name, catalog_superuser(ddl->catalog)))
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

/* ---- who is what ---- */

struct membership {
    struct ddl *ddl;
    struct str *names; /* roles that are reached */
    size_t count, room;
    bool superuser;
    struct str removed; /* DROP: the role that goes */
    struct role_record *changed;
    size_t changed_count, changed_room;
    enum err err;
};

static void reach(struct membership *m, struct str name)
{
    for (size_t i = 0; i < m->count; i++)
        if (str_equal(m->names[i], name))
            return;
    if (m->count == m->room) {
        size_t room = m->room ? m->room * 2 : 16;
        struct str *more = arena_array(m->ddl->arena, room, sizeof(*more));
        if (m->count)
            memcpy(more, m->names, m->count * sizeof(*more));
        m->names = more;
        m->room = room;
    }
    m->names[m->count++] = name;
}

/* All roles that a role has, itself first. */
static enum err reach_all(struct ddl *ddl, struct str name, struct membership *ret_m)
{
    struct membership m = {.ddl = ddl};
    reach(&m, name);
    for (size_t i = 0; i < m.count; i++) {
        struct role_record role;
        enum err err = load_role(ddl, m.names[i], &role);
        if (err == ERR_NOT_FOUND)
            continue;
        TRY(err);
        m.superuser |= role.superuser;
        for (size_t k = 0; k < role.member_count; k++)
            reach(&m, role.member_of[k]);
    }
    *ret_m = m;
    return OK;
}

static enum err unauthorized(struct ddl *ddl, const char *text)
{
    return cql_fail(ddl->error, ddl->arena, CQL_UNAUTHORIZED, "%s", text);
}

/* ---- CREATE, ALTER, DROP ---- */

static const struct cql_option *option_of(const struct cql_role *st, const char *name)
{
    return option_find(st->options, st->option_count, name);
}

static bool said(const struct cql_role *st, const char *name, bool *ret_value)
{
    const struct cql_option *option = option_of(st, name);
    if (option)
        *ret_value = str_equal_nocase(option->value->text, STR("true"));
    return option;
}

static enum err check_alter(struct ddl *ddl, struct str name)
{
    const struct cql_role *st = &ddl->statement->role;
    struct membership own;
    bool has = false, unused;
    TRY(reach_all(ddl, ddl->user, &own));
    for (size_t i = 0; i < own.count; i++)
        has |= str_equal(own.names[i], name);
    bool superuser = said(st, "superuser", &unused);
    if (superuser && has)
        return unauthorized(ddl, "You aren't allowed to alter your own superuser status or that of "
                                 "a role granted to you");
    if (superuser && !own.superuser)
        return unauthorized(ddl, "Only superusers are allowed to alter superuser status");
    if (!own.superuser && str_equal(ddl->user, name) && said(st, "login", &unused))
        return unauthorized(ddl, "You aren't allowed to alter LOGIN");
    return OK;
}

static enum err check_create(struct ddl *ddl)
{
    bool superuser = false;
    struct membership own;
    TRY(reach_all(ddl, ddl->user, &own));
    said(&ddl->statement->role, "superuser", &superuser);
    return superuser && !own.superuser
               ? unauthorized(ddl, "Only superusers can create a role with superuser status")
               : OK;
}

static enum err set_password(struct ddl *ddl, struct role_record *role)
{
    const struct cql_option *password = option_of(&ddl->statement->role, "password");
    const struct cql_option *hashed = option_of(&ddl->statement->role, "hashed password");
    if (!password && !hashed)
        return OK;
    if (str_equal(role->name, catalog_superuser(ddl->catalog)))
        return DDL_INVALID(ddl, "The password of %.*s is that of listeners.cql_login",
                           STR_ARG(role->name));
    if (hashed) {
        role->hash = hashed->value->text;
        return OK;
    }
    CLEAN(buf_deinit) struct buf hash = {0};
    cql_password_hash(ddl->catalog->io, password->value->text, &hash);
    role->hash = arena_str(ddl->arena, buf_str(&hash));
    return OK;
}

static enum err make_role(struct ddl *ddl)
{
    const struct cql_role *st = &ddl->statement->role;
    struct role_record role = {.name = st->name};
    bool alter = ddl->statement->alter_role;
    enum err err = load_role(ddl, st->name, &role);
    if (err != OK && err != ERR_NOT_FOUND)
        return ddl_store(ddl, err);
    bool there = err == OK;
    if (there && !alter)
        return st->if_not_exists ? OK : DDL_INVALID(ddl, "%.*s already exists", STR_ARG(st->name));
    if (!there && alter)
        return st->if_exists ? OK : DDL_INVALID(ddl, "Role %.*s doesn't exist", STR_ARG(st->name));
    TRY(alter ? check_alter(ddl, st->name) : check_create(ddl));
    said(st, "login", &role.login);
    said(st, "superuser", &role.superuser);
    TRY(set_password(ddl, &role));
    return save_role(ddl, &role);
}

/* A role that has the one that goes. */
static bool found_member(void *owner, struct str key, struct str value)
{
    struct membership *m = owner;
    struct arena *arena = m->ddl->arena;
    struct role_record role;
    m->err = role_record_decode(arena, arena_str(arena, value), &role);
    size_t left = 0;
    for (size_t i = 0; m->err == OK && i < role.member_count; i++)
        if (!str_equal(role.member_of[i], m->removed))
            role.member_of[left++] = role.member_of[i];
    if (m->err != OK || left == role.member_count)
        return m->err == OK;
    role.member_count = left;
    if (m->changed_count == m->changed_room) {
        size_t room = m->changed_room ? m->changed_room * 2 : 16;
        struct role_record *more = arena_array(arena, room, sizeof(*more));
        if (m->changed_count)
            memcpy(more, m->changed, m->changed_count * sizeof(*more));
        m->changed = more;
        m->changed_room = room;
    }
    m->changed[m->changed_count++] = role;
    return true;
}

static enum err drop_role(struct ddl *ddl)
{
    const struct cql_statement *st = ddl->statement;
    struct role_record role;
    struct membership own, gone;
    enum err err = load_role(ddl, st->name.name, &role);
    if (err == ERR_NOT_FOUND)
        return st->if_exists ? OK : missing_role(ddl, st->name.name);
    TRY(ddl_store(ddl, err));
    if (str_equal(role.name, ddl->user))
        return DDL_INVALID(ddl, "Cannot DROP primary role for current login");
    TRY(reach_all(ddl, ddl->user, &own));
    TRY(reach_all(ddl, role.name, &gone));
    if (gone.superuser && !own.superuser)
        return unauthorized(ddl, "Only superusers can drop a role with superuser status");
    if (str_equal(role.name, catalog_superuser(ddl->catalog)))
        return DDL_INVALID(ddl, "%.*s is the role of listeners.cql_login", STR_ARG(role.name));
    struct membership members = {.ddl = ddl, .removed = role.name};
    TRY(ddl_store(ddl,
                  table_state_each(ddl->catalog->store, STR("cql/role/"), found_member, &members)));
    TRY(ddl_store(ddl, members.err));
    for (size_t i = 0; i < members.changed_count; i++)
        TRY(save_role(ddl, &members.changed[i]));
    return ddl_remove(ddl, "cql/role/", role.name);
}

enum err cql_catalog_login(struct cql_catalog *catalog, struct str user, struct str password,
                           struct arena *arena, struct cql_error *error)
{
    struct ddl ddl = {.catalog = catalog, .arena = arena, .error = error};
    struct role_record role = {.name = user};
    enum err err =
        str_equal(user, catalog_superuser(catalog)) ? ERR_NOT_FOUND : load_role(&ddl, user, &role);
    if (err != OK && err != ERR_NOT_FOUND)
        return ddl_store(&ddl, err);
    if (err == ERR_NOT_FOUND || !cql_password_matches(role.hash, password)) {
        err = cql_fail(error, arena, CQL_BAD_CREDENTIALS,
                       "Provided username %.*s and/or password are incorrect",
                       STR_ARG(str_slice(user, 0, 200)));
        return err;
    }
    return role.login ? OK
                      : cql_fail(error, arena, CQL_BAD_CREDENTIALS,
                                 "%.*s is not permitted to log in", STR_ARG(user));
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

/* What Cassandra's manager of roles does not take: without passwords there is none to set. */
static enum err check_role_options(struct ddl *ddl, const struct cql_role *role)
{
    bool plain = option_of(role, "password"), hashed = option_of(role, "hashed password");
    bool generated = option_of(role, "generated password");
    if ((plain || hashed || generated) && !ddl->catalog->node.auth)
        return DDL_INVALID(
            ddl, "org.apache.cassandra.auth.CassandraRoleManager doesn't support PASSWORD");
    if (option_of(role, "options"))
        return DDL_INVALID(
            ddl, "org.apache.cassandra.auth.CassandraRoleManager doesn't support OPTIONS");
    if (hashed && !cql_password_is_bcrypt(option_of(role, "hashed password")->value->text))
        return DDL_INVALID(ddl, "Invalid hashed password value. Please use jBcrypt.");
    if (ddl->statement->alter_role && !role->option_count)
        return DDL_INVALID(ddl, "ALTER [ROLE|USER] can't be empty");
    if (!role->name.bytes)
        return DDL_INVALID(ddl, "Role name can't be an empty string");
    return generated ? DDL_INVALID(ddl, "GENERATED PASSWORD is not supported, say PASSWORD = '..'")
                     : OK;
}

enum err ddl_role(struct ddl *ddl)
{
    const struct cql_statement *st = ddl->statement;
    if (st->kind == CQL_CREATE_ROLE)
        TRY(check_role_options(ddl, &st->role));
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
        own |= str_equal(listed.roles[i].name, catalog_superuser(catalog));
    if (!own)
        add_role(&listed, &(struct role_record){.name = catalog_superuser(catalog),
                                                .login = true,
                                                .superuser = true});
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
