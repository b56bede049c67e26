/* SPDX-License-Identifier: MIT */
/*
 * Roles, users, permissions and identities.
 *
 * Options of roles become cql_options: password, hashed password, generated password, login,
 * superuser, options, "access to datacenters", "access from cidrs" (a set; without items: all).
 */
#include "serve/cql/parse.h"

enum err cql_role_name(struct cql_parser *p, struct str *ret_name)
{
    if (cql_kind(p, 0) == CQL_M_QUESTION)
        return cql_refuse(p, "Bind variables cannot be used for role names");
    if (cql_kind(p, 0) != CQL_T_STRING)
        return cql_name_take(p, ret_name);
    *ret_name = cql_peek(p, 0)->text;
    p->at++;
    return OK;
}

enum err cql_user_name(struct cql_parser *p, struct str *ret_name)
{
    enum cql_token_kind kind = cql_kind(p, 0);
    if (kind == CQL_T_QUOTED)
        return cql_refuse(p, "Quoted strings are are not supported for user names and USER is "
                             "deprecated, please use ROLE");
    if (kind != CQL_T_IDENT && kind != CQL_T_STRING)
        return cql_no_way(p, 0);
    *ret_name = cql_peek(p, 0)->text; /* as it is written */
    p->at++;
    return OK;
}

/* ---- options ---- */

static struct cql_option *add_option(struct cql_parser *p, struct cql_role *role, const char *name)
{
    struct cql_option *option = PUSH(p, role->options, role->option_count);
    *option = (struct cql_option){.name = str_of(name)};
    return option;
}

static void add_flag(struct cql_parser *p, struct cql_role *role, const char *name, bool on)
{
    struct cql_option *option = add_option(p, role, name);
    option->value = cql_term_new(p, TERM_BOOLEAN);
    option->value->text = on ? STR("true") : STR("false");
}

static enum err constant_of(struct cql_parser *p, enum cql_token_kind kind,
                            struct cql_option *option)
{
    if (cql_kind(p, 0) != kind)
        return cql_mismatch(p, cql_token_name(kind));
    return cql_constant(p, &option->value);
}

/* ALL DATACENTERS, DATACENTERS {'a', ..}; CIDRS likewise. */
static enum err parse_access(struct cql_parser *p, struct cql_role *role)
{
    bool to = cql_take(p, CQL_K_TO);
    if (!to && !cql_take(p, CQL_K_FROM))
        return cql_no_way(p, 0);
    struct cql_option *option =
        add_option(p, role, to ? "access to datacenters" : "access from cidrs");
    option->value = cql_term_new(p, TERM_SET);
    bool all = cql_take(p, CQL_K_ALL);
    TRY(cql_expect(p, to ? CQL_K_DATACENTERS : CQL_K_CIDRS));
    if (all)
        return OK;
    TRY(cql_expect(p, CQL_M_CURLY_OPEN));
    do {
        if (cql_kind(p, 0) != CQL_T_STRING)
            return cql_mismatch(p, "STRING_LITERAL");
        TRY(cql_constant(p, PUSH(p, option->value->items, option->value->count)));
    } while (cql_take(p, CQL_M_COMMA));
    return cql_expect(p, CQL_M_CURLY_CLOSE);
}

/* PASSWORD 'x', HASHED PASSWORD 'x', GENERATED PASSWORD; equals: with an = for roles. */
static enum err parse_password(struct cql_parser *p, struct cql_role *role, bool equals)
{
    if (cql_take(p, CQL_K_GENERATED)) {
        TRY(cql_expect(p, CQL_K_PASSWORD));
        add_flag(p, role, "generated password", true);
        return OK;
    }
    bool hashed = cql_take(p, CQL_K_HASHED);
    TRY(cql_expect(p, CQL_K_PASSWORD));
    if (equals)
        TRY(cql_expect(p, CQL_M_EQ));
    return constant_of(p, CQL_T_STRING,
                       add_option(p, role, hashed ? "hashed password" : "password"));
}

static enum err parse_option(struct cql_parser *p, struct cql_role *role)
{
    enum cql_token_kind kind = cql_kind(p, 0);
    if (kind == CQL_K_PASSWORD || kind == CQL_K_HASHED || kind == CQL_K_GENERATED)
        return parse_password(p, role, true);
    if (cql_take(p, CQL_K_ACCESS))
        return parse_access(p, role);
    if (cql_take(p, CQL_K_OPTIONS)) {
        TRY(cql_expect(p, CQL_M_EQ));
        return cql_map_literal(p, &add_option(p, role, "options")->value);
    }
    if (kind != CQL_K_SUPERUSER && kind != CQL_K_LOGIN)
        return cql_no_way(p, 0);
    p->at++;
    TRY(cql_expect(p, CQL_M_EQ));
    return constant_of(p, CQL_T_BOOLEAN,
                       add_option(p, role, kind == CQL_K_LOGIN ? "login" : "superuser"));
}

static bool has_option(const struct cql_role *role, const char *name)
{
    for (size_t i = 0; i < role->option_count; i++)
        if (str_equal(role->options[i].name, str_of(name)))
            return true;
    return false;
}

static enum err check_options(struct cql_parser *p, const struct cql_role *role)
{
    static const struct {
        const char *name, *told;
    } once[] = {{"password", "PASSWORD"},
                {"hashed password", "HASHED_PASSWORD"},
                {"generated password", "GENERATED_PASSWORD"},
                {"login", "LOGIN"},
                {"superuser", "SUPERUSER"},
                {"options", "OPTIONS"}};
    for (size_t i = 0; i < sizeof once / sizeof once[0]; i++) {
        size_t count = 0;
        for (size_t k = 0; k < role->option_count; k++)
            count += str_equal(role->options[k].name, str_of(once[i].name));
        if (count > 1)
            return cql_refuse(p, "Multiple definition for property '%s'", once[i].told);
    }
    bool plain = has_option(role, "password"), hashed = has_option(role, "hashed password");
    bool generated = has_option(role, "generated password");
    if (plain && hashed)
        return cql_refuse(p, "Options 'password' and 'hashed password' are mutually exclusive");
    if (plain && generated)
        return cql_refuse(p, "Options 'password' and 'generated password' are mutually exclusive");
    if (hashed && generated)
        return cql_refuse(
            p, "Options 'hashed password' and 'generated password' are mutually exclusive");
    return OK;
}

/* ---- CREATE, ALTER ---- */

static enum err parse_head(struct cql_parser *p, struct cql_statement *st)
{
    st->kind = CQL_CREATE_ROLE;
    st->alter_role = cql_kind(p, 0) == CQL_K_ALTER;
    p->at += 2;
    return st->alter_role ? cql_if_exists(p, &st->role.if_exists)
                          : cql_if_not_exists(p, &st->role.if_not_exists);
}

enum err cql_parse_role(struct cql_parser *p, struct cql_statement *st)
{
    TRY(parse_head(p, st));
    TRY(cql_role_name(p, &st->role.name));
    if (cql_take(p, CQL_K_WITH)) {
        do
            TRY(parse_option(p, &st->role));
        while (cql_take(p, CQL_K_AND));
    }
    return check_options(p, &st->role);
}

enum err cql_parse_user(struct cql_parser *p, struct cql_statement *st)
{
    struct cql_role *role = &st->role;
    role->is_user = true;
    TRY(parse_head(p, st));
    TRY(cql_user_name(p, &role->name));
    if (cql_take(p, CQL_K_WITH)) {
        enum cql_token_kind kind = cql_kind(p, 0);
        if (kind != CQL_K_PASSWORD && kind != CQL_K_HASHED && kind != CQL_K_GENERATED)
            return cql_no_way(p, 0);
        TRY(parse_password(p, role, false));
    }
    bool superuser = cql_take(p, CQL_K_SUPERUSER);
    bool plain = !superuser && cql_take(p, CQL_K_NOSUPERUSER);
    if (!st->alter_role)
        add_flag(p, role, "login", true);
    if (superuser || plain || !st->alter_role)
        add_flag(p, role, "superuser", superuser);
    return check_options(p, role);
}

/* ---- permissions ---- */

static bool is_permission(enum cql_token_kind kind)
{
    static const enum cql_token_kind kinds[] = {
        CQL_K_CREATE,    CQL_K_ALTER,    CQL_K_DROP,    CQL_K_SELECT, CQL_K_MODIFY,
        CQL_K_AUTHORIZE, CQL_K_DESCRIBE, CQL_K_EXECUTE, CQL_K_UNMASK, CQL_K_SELECT_MASKED};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (kinds[i] == kind)
            return true;
    return false;
}

static enum err parse_permissions(struct cql_parser *p, struct cql_grant *grant)
{
    if (cql_take(p, CQL_K_ALL)) {
        cql_take(p, CQL_K_PERMISSIONS);
        return OK;
    }
    do {
        enum cql_token_kind kind = cql_kind(p, 0);
        if (!is_permission(kind))
            return cql_no_way(p, 0);
        *PUSH(p, grant->permissions, grant->permission_count) = str_of(cql_token_name(kind) + 2);
        p->at++;
        cql_take(p, CQL_K_PERMISSION);
    } while (cql_take(p, CQL_M_COMMA));
    return OK;
}

/* FUNCTION f(types): the types are needed here. */
static enum err parse_function_resource(struct cql_parser *p)
{
    struct cql_name name;
    struct str type;
    TRY(cql_function_name(p, &name));
    TRY(cql_expect(p, CQL_M_OPEN));
    if (cql_take(p, CQL_M_CLOSE))
        return OK;
    do
        TRY(cql_type_text(p, &type));
    while (cql_take(p, CQL_M_COMMA));
    return cql_expect(p, CQL_M_CLOSE);
}

static enum err parse_all_resource(struct cql_parser *p)
{
    struct str name;
    if (cql_take(p, CQL_K_KEYSPACES) || cql_take(p, CQL_K_ROLES) || cql_take(p, CQL_K_MBEANS))
        return OK;
    if (!cql_take(p, CQL_K_TABLES) && !cql_take(p, CQL_K_FUNCTIONS))
        return cql_no_way(p, 0);
    if (!cql_take(p, CQL_K_IN))
        return OK;
    TRY(cql_expect(p, CQL_K_KEYSPACE));
    return cql_keyspace_name(p, &name);
}

static enum err parse_resource(struct cql_parser *p, struct cql_grant *grant)
{
    uint32_t from = p->at;
    struct cql_name table;
    struct str name;
    if (cql_take(p, CQL_K_ALL))
        TRY(parse_all_resource(p));
    else if (cql_take(p, CQL_K_KEYSPACE))
        TRY(cql_keyspace_name(p, &name));
    else if (cql_kind(p, 0) == CQL_K_ROLE && cql_kind(p, 1) != CQL_K_TO && p->at++)
        TRY(cql_role_name(p, &name));
    else if (cql_kind(p, 0) == CQL_K_FUNCTION && cql_kind(p, 1) != CQL_K_TO && p->at++)
        TRY(parse_function_resource(p));
    else if (cql_take(p, CQL_K_MBEAN) || cql_take(p, CQL_K_MBEANS))
        TRY(cql_expect(p, CQL_T_STRING));
    else {
        cql_take(p, CQL_K_COLUMNFAMILY);
        TRY(cql_table_name(p, "table", &table));
    }
    grant->resource = cql_source(p, from);
    return OK;
}

/* GRANT and REVOKE of permissions on something, or of a role. */
enum err cql_parse_grant(struct cql_parser *p, struct cql_statement *st)
{
    struct cql_grant *grant = &st->grant;
    st->kind = CQL_GRANT;
    bool revoke = cql_kind(p, 0) == CQL_K_REVOKE;
    p->at++;
    enum cql_token_kind preposition = revoke ? CQL_K_FROM : CQL_K_TO;
    enum cql_token_kind kind = cql_kind(p, 0);
    bool role = cql_kind(p, 1) == preposition || (kind == CQL_T_STRING) ||
                (!is_permission(kind) && kind != CQL_K_ALL && cql_is_name(kind));
    grant->verb = role ? (revoke ? REVOKE_ROLE : GRANT_ROLE)
                       : (revoke ? REVOKE_PERMISSIONS : GRANT_PERMISSIONS);
    if (role) {
        TRY(cql_role_name(p, &grant->role));
    } else {
        TRY(parse_permissions(p, grant));
        TRY(cql_expect(p, CQL_K_ON));
        TRY(parse_resource(p, grant));
    }
    TRY(cql_expect(p, preposition));
    return cql_role_name(p, &grant->grantee);
}

static enum err parse_list_permissions(struct cql_parser *p, struct cql_statement *st)
{
    st->kind = CQL_GRANT;
    st->grant.verb = LIST_PERMISSIONS;
    TRY(parse_permissions(p, &st->grant));
    if (cql_take(p, CQL_K_ON))
        TRY(parse_resource(p, &st->grant));
    if (cql_take(p, CQL_K_OF))
        TRY(cql_role_name(p, &st->grant.grantee));
    st->grant.norecursive = cql_take(p, CQL_K_NORECURSIVE);
    return OK;
}

enum err cql_parse_list(struct cql_parser *p, struct cql_statement *st)
{
    struct cql_list_roles *list = &st->list_roles;
    enum cql_token_kind kind = cql_kind(p, 1);
    if (is_permission(kind) || kind == CQL_K_ALL) {
        p->at++;
        return parse_list_permissions(p, st);
    }
    if (kind != CQL_K_ROLES && kind != CQL_K_USERS && kind != CQL_K_SUPERUSERS)
        return cql_no_way(p, 1);
    st->kind = CQL_LIST_ROLES;
    p->at += 2;
    list->users = kind == CQL_K_USERS;
    list->superusers = kind == CQL_K_SUPERUSERS;
    if (kind != CQL_K_ROLES)
        return OK;
    if (cql_take(p, CQL_K_OF))
        TRY(cql_role_name(p, &list->of));
    list->norecursive = cql_take(p, CQL_K_NORECURSIVE);
    return OK;
}

/* ---- ADD IDENTITY 'x' TO ROLE r, DROP IDENTITY 'x' ---- */

static enum err identity(struct cql_parser *p, struct str *ret_text)
{
    enum cql_token_kind kind = cql_kind(p, 0);
    if (kind == CQL_T_QUOTED)
        return cql_refuse(p, "Quoted strings are are not supported for identity");
    if (kind != CQL_T_IDENT && kind != CQL_T_STRING)
        return cql_no_way(p, 0);
    *ret_text = cql_peek(p, 0)->text;
    p->at++;
    return OK;
}

enum err cql_parse_identity(struct cql_parser *p, struct cql_statement *st)
{
    st->kind = CQL_REFUSED;
    st->refused.kind = REFUSED_IDENTITY;
    st->refused.drop = cql_kind(p, 0) == CQL_K_DROP;
    st->refused_message = STR("You have to be logged in and not anonymous to perform this request");
    p->at++;
    bool said;
    TRY(cql_expect(p, CQL_K_IDENTITY));
    TRY(st->refused.drop ? cql_if_exists(p, &st->refused.if_exists) : cql_if_not_exists(p, &said));
    TRY(identity(p, &st->refused.name.name));
    if (st->refused.drop)
        return OK;
    TRY(cql_expect(p, CQL_K_TO));
    TRY(cql_expect(p, CQL_K_ROLE));
    return identity(p, &st->refused.table.name);
}
