/* SPDX-License-Identifier: MIT */
/*
 * DESCRIBE, and the definitions that are read whole and then refused: functions, aggregates, views,
 * triggers. They are read so that a mistake in them is told as one, as Cassandra does.
 */
#include "serve/cql/parse.h"

/* ---- DESCRIBE ---- */

/* Kinds that a word alone tells, and kinds that a name follows. */
static const struct {
    enum cql_token_kind word;
    enum cql_describe_kind kind;
    bool named;
} forms[] = {
    {CQL_K_CLUSTER, DESCRIBE_CLUSTER, false},     {CQL_K_KEYSPACES, DESCRIBE_KEYSPACES, false},
    {CQL_K_TABLES, DESCRIBE_TABLES, false},       {CQL_K_TYPES, DESCRIBE_TYPES, false},
    {CQL_K_FUNCTIONS, DESCRIBE_FUNCTIONS, false}, {CQL_K_AGGREGATES, DESCRIBE_AGGREGATES, false},
    {CQL_K_SCHEMA, DESCRIBE_SCHEMA, false},       {CQL_K_COLUMNFAMILY, DESCRIBE_TABLE, true},
    {CQL_K_INDEX, DESCRIBE_INDEX, true},          {CQL_K_TYPE, DESCRIBE_TYPE, true},
    {CQL_K_FUNCTION, DESCRIBE_FUNCTION, true},    {CQL_K_AGGREGATE, DESCRIBE_AGGREGATE, true},
};

static bool ends(enum cql_token_kind kind)
{
    return kind == CQL_T_END || kind == CQL_M_SEMICOLON || kind == CQL_K_WITH;
}

static enum err bare_name(struct cql_parser *p, struct cql_name *name)
{
    TRY(cql_name_take(p, &name->name));
    if (!cql_take(p, CQL_M_DOT))
        return OK;
    name->keyspace = name->name;
    return cql_name_take(p, &name->name);
}

static enum err parse_object(struct cql_parser *p, struct cql_describe *describe)
{
    enum cql_token_kind kind = cql_kind(p, 0), second = cql_kind(p, 1);
    if ((kind == CQL_K_FULL || kind == CQL_K_ONLY) && !ends(second) && second != CQL_M_DOT) {
        p->at++;
        describe->full = kind == CQL_K_FULL;
        describe->only = kind == CQL_K_ONLY;
        enum cql_token_kind next = kind == CQL_K_FULL ? CQL_K_SCHEMA : CQL_K_KEYSPACE;
        if (cql_kind(p, 0) != next)
            return cql_mismatch(p, cql_token_name(next));
        kind = next;
    }
    if (kind == CQL_K_KEYSPACE) {
        describe->kind = DESCRIBE_KEYSPACE;
        p->at++;
        return ends(cql_kind(p, 0)) ? OK : cql_keyspace_name(p, &describe->name.name);
    }
    if (kind == CQL_K_MATERIALIZED) {
        describe->kind = DESCRIBE_VIEW;
        p->at++;
        TRY(cql_expect(p, CQL_K_VIEW));
        return cql_table_name(p, "table", &describe->name);
    }
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        /* Most of the words are names too: "DESCRIBE type" is a table of that name. */
        bool as_name = forms[i].named && cql_is_name(kind) && (ends(second) || second == CQL_M_DOT);
        if (kind != forms[i].word || as_name || (!forms[i].named && second == CQL_M_DOT))
            continue;
        describe->kind = forms[i].kind;
        p->at++;
        if (!forms[i].named)
            return OK;
        if (kind == CQL_K_TYPE)
            return cql_type_name(p, &describe->name);
        return kind == CQL_K_FUNCTION || kind == CQL_K_AGGREGATE
                   ? cql_function_name(p, &describe->name)
                   : cql_table_name(p, "table", &describe->name);
    }
    describe->kind = DESCRIBE_ANY;
    if (cql_is_name(kind) && !ends(second) && second != CQL_M_DOT)
        return cql_no_way(p, 1);
    return bare_name(p, &describe->name);
}

enum err cql_parse_describe(struct cql_parser *p, struct cql_statement *st)
{
    st->kind = CQL_DESCRIBE;
    p->at++;
    TRY(parse_object(p, &st->describe));
    st->describe.internals = cql_take(p, CQL_K_WITH);
    return st->describe.internals ? cql_expect(p, CQL_K_INTERNALS) : OK;
}

/* ---- functions and aggregates ---- */

/* name type or type, up to the closing parenthesis; refused may be NULL. */
static enum err parse_arguments(struct cql_parser *p, bool named, struct cql_refused *refused)
{
    struct str name, type;
    TRY(cql_expect(p, CQL_M_OPEN));
    if (cql_take(p, CQL_M_CLOSE))
        return OK;
    do {
        if (named)
            TRY(cql_name_take(p, &name));
        TRY(cql_type_text(p, &type));
        if (refused)
            *PUSH(p, refused->types, refused->type_count) = type;
    } while (cql_take(p, CQL_M_COMMA));
    return cql_expect(p, CQL_M_CLOSE);
}

static enum err create_function(struct cql_parser *p, struct cql_refused *refused)
{
    struct str type;
    TRY(cql_function_name(p, &refused->name));
    TRY(parse_arguments(p, true, NULL));
    if (cql_take(p, CQL_K_RETURNS))
        TRY(cql_expect(p, CQL_K_NULL));
    else if (!cql_take(p, CQL_K_CALLED))
        return cql_no_way(p, 0);
    TRY(cql_expect(p, CQL_K_ON));
    TRY(cql_expect(p, CQL_K_NULL));
    TRY(cql_expect(p, CQL_K_INPUT));
    TRY(cql_expect(p, CQL_K_RETURNS));
    TRY(cql_type_text(p, &type));
    TRY(cql_expect(p, CQL_K_LANGUAGE));
    TRY(cql_expect(p, CQL_T_IDENT));
    TRY(cql_expect(p, CQL_K_AS));
    return cql_expect(p, CQL_T_STRING);
}

static enum err create_aggregate(struct cql_parser *p, struct cql_refused *refused)
{
    struct cql_name function;
    struct cql_term *value;
    TRY(cql_function_name(p, &refused->name));
    *PUSH(p, refused->types, refused->type_count) = STR_NONE;
    TRY(parse_arguments(p, false, refused));
    TRY(cql_expect(p, CQL_K_SFUNC));
    TRY(cql_function_name(p, &refused->function));
    TRY(cql_expect(p, CQL_K_STYPE));
    TRY(cql_type_text(p, &refused->types[0]));
    if (cql_take(p, CQL_K_FINALFUNC))
        TRY(cql_function_name(p, &function));
    return cql_take(p, CQL_K_INITCOND) ? cql_term_parse(p, &value) : OK;
}

/* ---- views and triggers ---- */

static enum err view_key(struct cql_parser *p)
{
    struct str name;
    TRY(cql_expect(p, CQL_K_PRIMARY));
    TRY(cql_expect(p, CQL_K_KEY));
    TRY(cql_expect(p, CQL_M_OPEN));
    bool several = cql_take(p, CQL_M_OPEN);
    do
        TRY(cql_name_take(p, &name));
    while (several && cql_take(p, CQL_M_COMMA));
    if (several)
        TRY(cql_expect(p, CQL_M_CLOSE));
    while (cql_take(p, CQL_M_COMMA))
        TRY(cql_name_take(p, &name));
    return cql_expect(p, CQL_M_CLOSE);
}

static enum err view_options(struct cql_parser *p)
{
    struct cql_option *options = NULL;
    size_t count = 0;
    struct str name;
    do {
        if (cql_kind(p, 0) != CQL_K_CLUSTERING || cql_kind(p, 1) != CQL_K_ORDER) {
            TRY(cql_option_one(p, &options, &count));
            continue;
        }
        p->at += 2;
        TRY(cql_expect(p, CQL_K_BY));
        TRY(cql_expect(p, CQL_M_OPEN));
        do {
            TRY(cql_name_take(p, &name));
            if (!cql_take(p, CQL_K_ASC) && !cql_take(p, CQL_K_DESC))
                return cql_no_way(p, 0);
        } while (cql_take(p, CQL_M_COMMA));
        TRY(cql_expect(p, CQL_M_CLOSE));
    } while (cql_take(p, CQL_K_AND));
    return OK;
}

static enum err create_view(struct cql_parser *p, struct cql_refused *refused)
{
    struct cql_relation *where;
    size_t count;
    TRY(cql_expect(p, CQL_K_VIEW));
    bool said;
    TRY(cql_if_not_exists(p, &said));
    TRY(cql_table_name(p, "table", &refused->name));
    TRY(cql_expect(p, CQL_K_AS));
    TRY(cql_expect(p, CQL_K_SELECT));
    if (!cql_take(p, CQL_M_STAR)) {
        do {
            struct cql_term *term;
            struct str alias;
            TRY(cql_selectable(p, &term));
            if (cql_take(p, CQL_K_AS))
                TRY(cql_name_take(p, &alias));
        } while (cql_take(p, CQL_M_COMMA));
    }
    TRY(cql_expect(p, CQL_K_FROM));
    TRY(cql_table_name(p, "table", &refused->table));
    if (cql_take(p, CQL_K_WHERE))
        TRY(cql_where(p, &where, &count));
    TRY(view_key(p));
    return cql_take(p, CQL_K_WITH) ? view_options(p) : OK;
}

static enum err trigger(struct cql_parser *p, struct cql_statement *st)
{
    struct cql_refused *refused = &st->refused;
    bool said = false;
    if (refused->drop)
        TRY(cql_if_exists(p, &refused->if_exists));
    else
        TRY(cql_if_not_exists(p, &said));
    TRY(cql_name_take(p, &refused->name.name));
    TRY(cql_expect(p, CQL_K_ON));
    TRY(cql_table_name(p, "table", &refused->table));
    if (refused->drop)
        return OK;
    TRY(cql_expect(p, CQL_K_USING));
    st->refused_message = str_of(arena_printf(p->arena, "Trigger class '%.*s' couldn't be loaded",
                                              STR_ARG(cql_peek(p, 0)->text)));
    return cql_expect(p, CQL_T_STRING);
}

static enum err drop_or_alter(struct cql_parser *p, struct cql_refused *refused)
{
    struct cql_option *options = NULL;
    size_t count = 0;
    if (refused->kind == REFUSED_VIEW)
        TRY(cql_expect(p, CQL_K_VIEW));
    TRY(cql_if_exists(p, &refused->if_exists));
    if (refused->kind == REFUSED_VIEW) {
        TRY(cql_table_name(p, "table", &refused->name));
        if (!refused->alter)
            return OK;
        TRY(cql_expect(p, CQL_K_WITH));
        return cql_options(p, &options, &count);
    }
    TRY(cql_function_name(p, &refused->name));
    uint32_t from = p->at;
    if (cql_kind(p, 0) != CQL_M_OPEN)
        return OK;
    TRY(parse_arguments(p, false, NULL));
    refused->arguments = cql_source(p, from);
    return OK;
}

enum err cql_parse_refused(struct cql_parser *p, struct cql_statement *st)
{
    static const char views[] = "Materialized views are disabled. Enable in cassandra.yaml to use.";
    static const char functions[] = "User-defined functions are disabled in cassandra.yaml - set "
                                    "user_defined_functions_enabled=true to enable";
    struct cql_refused *refused = &st->refused;
    st->kind = CQL_REFUSED;
    refused->drop = cql_kind(p, 0) == CQL_K_DROP;
    refused->alter = cql_kind(p, 0) == CQL_K_ALTER;
    p->at++;
    bool replace = cql_take(p, CQL_K_OR), said;
    if (replace)
        TRY(cql_expect(p, CQL_K_REPLACE));
    enum cql_token_kind kind = cql_kind(p, 0);
    bool function = kind == CQL_K_FUNCTION || kind == CQL_K_AGGREGATE;
    if (replace && !function)
        return cql_no_way(p, 0);
    p->at++;
    refused->kind = kind == CQL_K_FUNCTION       ? REFUSED_FUNCTION
                    : kind == CQL_K_AGGREGATE    ? REFUSED_AGGREGATE
                    : kind == CQL_K_MATERIALIZED ? REFUSED_VIEW
                                                 : REFUSED_TRIGGER;
    st->refused_message = str_of(function ? functions : views);
    if (kind == CQL_K_TRIGGER)
        return trigger(p, st);
    if (refused->drop || refused->alter)
        return drop_or_alter(p, refused);
    if (kind == CQL_K_MATERIALIZED)
        return create_view(p, refused);
    TRY(cql_if_not_exists(p, &said));
    return kind == CQL_K_FUNCTION ? create_function(p, refused) : create_aggregate(p, refused);
}
