/* SPDX-License-Identifier: MIT */
/*
 * CREATE, ALTER and DROP of keyspaces, tables, types and indexes. The word behind the first tells
 * which; OR REPLACE, functions, views and triggers go to parse_role.c's neighbours.
 */
#include "serve/cql/parse.h"

/* ---- columns ---- */

/* MASKED WITH f(..) or DEFAULT: kept as text. */
static enum err parse_mask(struct cql_parser *p, struct str *ret_mask)
{
    if (!cql_take(p, CQL_K_MASKED))
        return OK;
    TRY(cql_expect(p, CQL_K_WITH));
    uint32_t from = p->at;
    if (!cql_take(p, CQL_K_DEFAULT)) {
        struct cql_name name;
        struct cql_term *argument = NULL;
        TRY(cql_function_name(p, &name));
        TRY(cql_expect(p, CQL_M_OPEN));
        if (!cql_take(p, CQL_M_CLOSE)) {
            do
                TRY(cql_term_parse(p, &argument));
            while (cql_take(p, CQL_M_COMMA));
            TRY(cql_expect(p, CQL_M_CLOSE));
        }
    }
    *ret_mask = cql_source(p, from);
    return OK;
}

static enum err parse_column(struct cql_parser *p, struct cql_column_definition *column)
{
    *column = (struct cql_column_definition){.is_static = false};
    TRY(cql_name_take(p, &column->name));
    TRY(cql_type_text(p, &column->type));
    column->is_static = cql_take(p, CQL_K_STATIC);
    return parse_mask(p, &column->mask);
}

static enum err parse_names(struct cql_parser *p, struct str **names, size_t *count)
{
    do
        TRY(cql_name_take(p, PUSH(p, *names, *count)));
    while (cql_take(p, CQL_M_COMMA));
    return OK;
}

/* ---- CREATE TABLE ---- */

static enum err parse_key(struct cql_parser *p, struct cql_create_table *table)
{
    table->primary_keys++;
    table->partition_count = table->clustering_count = 0;
    p->at++;
    TRY(cql_expect(p, CQL_K_KEY));
    TRY(cql_expect(p, CQL_M_OPEN));
    if (cql_take(p, CQL_M_OPEN)) {
        TRY(parse_names(p, &table->partition_key, &table->partition_count));
        TRY(cql_expect(p, CQL_M_CLOSE));
    } else {
        TRY(cql_name_take(p, PUSH(p, table->partition_key, table->partition_count)));
    }
    if (cql_take(p, CQL_M_COMMA))
        TRY(parse_names(p, &table->clustering_key, &table->clustering_count));
    return cql_expect(p, CQL_M_CLOSE);
}

static enum err parse_table_column(struct cql_parser *p, struct cql_create_table *table)
{
    if (cql_kind(p, 0) == CQL_K_PRIMARY)
        return parse_key(p, table);
    struct cql_column_definition *column = PUSH(p, table->columns, table->column_count);
    TRY(parse_column(p, column));
    if (!cql_take(p, CQL_K_PRIMARY))
        return OK;
    TRY(cql_expect(p, CQL_K_KEY));
    table->primary_keys++;
    table->partition_count = table->clustering_count = 0;
    *PUSH(p, table->partition_key, table->partition_count) = column->name;
    return OK;
}

static enum err parse_clustering_order(struct cql_parser *p, struct cql_create_table *table)
{
    p->at++;
    TRY(cql_expect(p, CQL_K_ORDER));
    TRY(cql_expect(p, CQL_K_BY));
    TRY(cql_expect(p, CQL_M_OPEN));
    do {
        struct cql_ordering *o = PUSH(p, table->clustering_order, table->order_count);
        *o = (struct cql_ordering){.ann = NULL};
        TRY(cql_name_take(p, &o->column));
        o->descending = cql_take(p, CQL_K_DESC);
        if (!o->descending && !cql_take(p, CQL_K_ASC))
            return cql_no_way(p, 0);
    } while (cql_take(p, CQL_M_COMMA));
    return cql_expect(p, CQL_M_CLOSE);
}

static enum err parse_table_option(struct cql_parser *p, struct cql_create_table *table)
{
    if (cql_kind(p, 0) == CQL_K_CLUSTERING && cql_kind(p, 1) == CQL_K_ORDER)
        return parse_clustering_order(p, table);
    if (cql_kind(p, 0) == CQL_K_COMPACT && cql_kind(p, 1) == CQL_K_STORAGE) {
        p->at += 2;
        table->compact_storage = true;
        return OK;
    }
    return cql_option_one(p, &table->options, &table->option_count);
}

static enum err create_table(struct cql_parser *p, struct cql_statement *st)
{
    struct cql_create_table *table = &st->table;
    st->kind = CQL_CREATE_TABLE;
    TRY(cql_if_not_exists(p, &table->if_not_exists));
    TRY(cql_table_name(p, "table", &table->name));
    TRY(cql_expect(p, CQL_M_OPEN));
    TRY(parse_table_column(p, table));
    while (cql_take(p, CQL_M_COMMA))
        if (cql_kind(p, 0) != CQL_M_COMMA && cql_kind(p, 0) != CQL_M_CLOSE)
            TRY(parse_table_column(p, table));
    TRY(cql_expect(p, CQL_M_CLOSE));
    if (!cql_take(p, CQL_K_WITH))
        return OK;
    do
        TRY(parse_table_option(p, table));
    while (cql_take(p, CQL_K_AND));
    return OK;
}

/* ---- CREATE TYPE, INDEX, KEYSPACE ---- */

static enum err parse_field(struct cql_parser *p, struct cql_column_definition *field)
{
    *field = (struct cql_column_definition){.is_static = false};
    TRY(cql_name_take(p, &field->name));
    return cql_type_text(p, &field->type);
}

static enum err create_type(struct cql_parser *p, struct cql_statement *st)
{
    struct cql_create_type *type = &st->type;
    st->kind = CQL_CREATE_TYPE;
    TRY(cql_if_not_exists(p, &type->if_not_exists));
    TRY(cql_type_name(p, &type->name));
    TRY(cql_expect(p, CQL_M_OPEN));
    TRY(parse_field(p, PUSH(p, type->fields, type->field_count)));
    while (cql_take(p, CQL_M_COMMA))
        if (cql_kind(p, 0) != CQL_M_COMMA && cql_kind(p, 0) != CQL_M_CLOSE)
            TRY(parse_field(p, PUSH(p, type->fields, type->field_count)));
    return cql_expect(p, CQL_M_CLOSE);
}

/* column, keys(column) .. */
static enum err parse_target(struct cql_parser *p, struct cql_create_index *index)
{
    static const struct {
        enum cql_token_kind kind;
        const char *target;
    } forms[] = {{CQL_K_VALUES, "values"},
                 {CQL_K_KEYS, "keys"},
                 {CQL_K_ENTRIES, "entries"},
                 {CQL_K_FULL, "full"}};
    struct str target = STR(""), column;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (cql_kind(p, 0) == forms[i].kind && cql_kind(p, 1) == CQL_M_OPEN)
            target = str_of(forms[i].target);
    p->at += target.bytes ? 2 : 0;
    TRY(cql_column_take(p, &column));
    if (target.bytes)
        TRY(cql_expect(p, CQL_M_CLOSE));
    if (index->target_count++ == 0) {
        index->column = column;
        index->target = target;
    }
    return OK;
}

static enum err create_index(struct cql_parser *p, struct cql_statement *st)
{
    struct cql_create_index *index = &st->index;
    st->kind = CQL_CREATE_INDEX;
    index->custom = cql_take(p, CQL_K_CUSTOM);
    TRY(cql_expect(p, CQL_K_INDEX));
    TRY(cql_if_not_exists(p, &index->if_not_exists));
    if (cql_kind(p, 0) == CQL_M_QUESTION)
        return cql_refuse(p, "Bind variables cannot be used for index names");
    if (cql_kind(p, 0) != CQL_K_ON)
        TRY(cql_name_take(p, &index->name.name));
    TRY(cql_expect(p, CQL_K_ON));
    TRY(cql_table_name(p, "table", &index->table));
    TRY(cql_expect(p, CQL_M_OPEN));
    if (!cql_take(p, CQL_M_CLOSE)) {
        do
            TRY(parse_target(p, index));
        while (cql_take(p, CQL_M_COMMA));
        TRY(cql_expect(p, CQL_M_CLOSE));
    }
    if (cql_take(p, CQL_K_USING)) {
        index->custom_class = cql_peek(p, 0)->text;
        TRY(cql_expect(p, CQL_T_STRING));
    }
    return cql_take(p, CQL_K_WITH) ? cql_options(p, &index->options, &index->option_count) : OK;
}

static enum err parse_keyspace(struct cql_parser *p, struct cql_statement *st)
{
    struct cql_create_keyspace *keyspace = &st->keyspace;
    st->kind = CQL_CREATE_KEYSPACE;
    if (keyspace->alter)
        TRY(cql_if_exists(p, &keyspace->if_exists));
    else
        TRY(cql_if_not_exists(p, &keyspace->if_not_exists));
    TRY(cql_keyspace_name(p, &keyspace->name));
    TRY(cql_expect(p, CQL_K_WITH));
    return cql_options(p, &keyspace->options, &keyspace->option_count);
}

static bool take_keyspace(struct cql_parser *p)
{
    return cql_take(p, CQL_K_KEYSPACE) || cql_take(p, CQL_K_SCHEMA);
}

enum err cql_parse_create(struct cql_parser *p, struct cql_statement *st)
{
    switch ((int)cql_kind(p, 1)) {
    case CQL_K_KEYSPACE:
    case CQL_K_SCHEMA:
        p->at += 2;
        return parse_keyspace(p, st);
    case CQL_K_COLUMNFAMILY:
        p->at += 2;
        return create_table(p, st);
    case CQL_K_TYPE:
        p->at += 2;
        return create_type(p, st);
    case CQL_K_CUSTOM:
    case CQL_K_INDEX:
        p->at++;
        return create_index(p, st);
    case CQL_K_ROLE:
        return cql_parse_role(p, st);
    case CQL_K_USER:
        return cql_parse_user(p, st);
    case CQL_K_OR:
    case CQL_K_FUNCTION:
    case CQL_K_AGGREGATE:
    case CQL_K_MATERIALIZED:
    case CQL_K_TRIGGER:
        return cql_parse_refused(p, st);
    default:
        return cql_no_way(p, 1);
    }
}

/* ---- ALTER ---- */

/* name TO name AND .. */
static enum err parse_renames(struct cql_parser *p, struct str **names, size_t *count)
{
    do {
        TRY(cql_name_take(p, PUSH(p, *names, *count)));
        TRY(cql_expect(p, CQL_K_TO));
        TRY(cql_name_take(p, PUSH(p, *names, *count)));
    } while (cql_take(p, CQL_K_AND));
    return OK;
}

/* one, or (several) */
static enum err parse_added(struct cql_parser *p, struct cql_alter_table *alter)
{
    TRY(cql_if_not_exists(p, &alter->if_column_not_exists));
    bool several = cql_take(p, CQL_M_OPEN);
    do
        TRY(parse_column(p, PUSH(p, alter->columns, alter->column_count)));
    while (several && cql_take(p, CQL_M_COMMA));
    return several ? cql_expect(p, CQL_M_CLOSE) : OK;
}

static enum err parse_dropped(struct cql_parser *p, struct cql_alter_table *alter)
{
    TRY(cql_if_exists(p, &alter->if_column_exists));
    bool several = cql_take(p, CQL_M_OPEN);
    if (several) {
        TRY(parse_names(p, &alter->names, &alter->name_count));
        TRY(cql_expect(p, CQL_M_CLOSE));
    } else {
        TRY(cql_name_take(p, PUSH(p, alter->names, alter->name_count)));
    }
    if (!cql_take(p, CQL_K_USING))
        return OK;
    TRY(cql_expect(p, CQL_K_TIMESTAMP));
    if (cql_kind(p, 0) != CQL_T_INTEGER)
        return cql_mismatch(p, "INTEGER");
    return cql_constant(p, &alter->timestamp);
}

/* ALTER TABLE .. ALTER column TYPE t, MASKED WITH .., DROP MASKED */
static enum err parse_altered(struct cql_parser *p, struct cql_alter_table *alter)
{
    TRY(cql_if_exists(p, &alter->if_column_exists));
    struct cql_column_definition *column = PUSH(p, alter->columns, alter->column_count);
    *column = (struct cql_column_definition){.is_static = false};
    TRY(cql_column_take(p, &column->name));
    if (cql_take(p, CQL_K_TYPE)) {
        alter->kind = ALTER_TYPE;
        return cql_type_text(p, &column->type);
    }
    alter->kind = ALTER_OTHER;
    if (cql_take(p, CQL_K_DROP))
        return cql_expect(p, CQL_K_MASKED);
    return cql_kind(p, 0) == CQL_K_MASKED ? parse_mask(p, &column->mask) : cql_no_way(p, 0);
}

static enum err alter_table(struct cql_parser *p, struct cql_statement *st)
{
    struct cql_alter_table *alter = &st->alter;
    st->kind = CQL_ALTER_TABLE;
    TRY(cql_if_exists(p, &alter->if_exists));
    TRY(cql_table_name(p, "table", &alter->name));
    if (cql_take(p, CQL_K_ALTER))
        return parse_altered(p, alter);
    if (cql_take(p, CQL_K_ADD)) {
        alter->kind = ALTER_ADD;
        return parse_added(p, alter);
    }
    if (cql_kind(p, 0) == CQL_K_DROP && cql_kind(p, 1) == CQL_K_COMPACT &&
        cql_kind(p, 2) == CQL_K_STORAGE) {
        alter->kind = ALTER_OTHER;
        p->at += 3;
        return OK;
    }
    if (cql_take(p, CQL_K_DROP)) {
        alter->kind = ALTER_DROP;
        return parse_dropped(p, alter);
    }
    if (cql_take(p, CQL_K_RENAME)) {
        alter->kind = ALTER_RENAME;
        TRY(cql_if_exists(p, &alter->if_column_exists));
        return parse_renames(p, &alter->names, &alter->name_count);
    }
    alter->kind = ALTER_OPTIONS;
    if (!cql_take(p, CQL_K_WITH))
        return cql_no_way(p, 0);
    return cql_options(p, &alter->options, &alter->option_count);
}

static enum err alter_type(struct cql_parser *p, struct cql_statement *st)
{
    struct cql_create_type *type = &st->type;
    st->kind = CQL_CREATE_TYPE;
    type->is_alter = true;
    TRY(cql_if_exists(p, &type->if_exists));
    TRY(cql_type_name(p, &type->name));
    if (cql_take(p, CQL_K_ADD)) {
        type->alter = ALTER_ADD;
        TRY(cql_if_not_exists(p, &type->if_not_exists));
        return parse_field(p, PUSH(p, type->fields, type->field_count));
    }
    if (cql_take(p, CQL_K_RENAME)) {
        type->alter = ALTER_RENAME;
        TRY(cql_if_exists(p, &type->if_field_exists));
        return parse_renames(p, &type->names, &type->name_count);
    }
    type->alter = ALTER_TYPE;
    if (!cql_take(p, CQL_K_ALTER))
        return cql_no_way(p, 0);
    struct cql_column_definition *field = PUSH(p, type->fields, type->field_count);
    *field = (struct cql_column_definition){.is_static = false};
    TRY(cql_name_take(p, &field->name));
    TRY(cql_expect(p, CQL_K_TYPE));
    return cql_type_text(p, &field->type);
}

enum err cql_parse_alter(struct cql_parser *p, struct cql_statement *st)
{
    switch ((int)cql_kind(p, 1)) {
    case CQL_K_KEYSPACE:
    case CQL_K_SCHEMA:
        p->at += 2;
        st->keyspace.alter = true;
        return parse_keyspace(p, st);
    case CQL_K_COLUMNFAMILY:
        p->at += 2;
        return alter_table(p, st);
    case CQL_K_TYPE:
        p->at += 2;
        return alter_type(p, st);
    case CQL_K_ROLE:
        return cql_parse_role(p, st);
    case CQL_K_USER:
        return cql_parse_user(p, st);
    case CQL_K_MATERIALIZED:
        return cql_parse_refused(p, st);
    default:
        return cql_no_way(p, 1);
    }
}

/* ---- DROP ---- */

static enum err drop_other(struct cql_parser *p, struct cql_statement *st)
{
    enum cql_token_kind kind = cql_kind(p, 1);
    if (kind == CQL_K_IDENTITY)
        return cql_parse_identity(p, st);
    if (kind != CQL_K_ROLE && kind != CQL_K_USER)
        return cql_parse_refused(p, st);
    p->at += 2;
    st->kind = CQL_DROP_ROLE;
    TRY(cql_if_exists(p, &st->if_exists));
    return kind == CQL_K_USER ? cql_user_name(p, &st->name.name) : cql_role_name(p, &st->name.name);
}

enum err cql_parse_drop(struct cql_parser *p, struct cql_statement *st)
{
    p->at++;
    if (take_keyspace(p)) {
        st->kind = CQL_DROP_KEYSPACE;
        TRY(cql_if_exists(p, &st->if_exists));
        return cql_keyspace_name(p, &st->name.name);
    }
    if (cql_take(p, CQL_K_COLUMNFAMILY)) {
        st->kind = CQL_DROP_TABLE;
        TRY(cql_if_exists(p, &st->if_exists));
        return cql_table_name(p, "table", &st->name);
    }
    if (cql_take(p, CQL_K_TYPE)) {
        st->kind = CQL_DROP_TYPE;
        TRY(cql_if_exists(p, &st->if_exists));
        return cql_type_name(p, &st->name);
    }
    if (cql_take(p, CQL_K_INDEX)) {
        st->kind = CQL_DROP_INDEX;
        TRY(cql_if_exists(p, &st->if_exists));
        return cql_table_name(p, "index", &st->name);
    }
    p->at--;
    switch ((int)cql_kind(p, 1)) {
    case CQL_K_ROLE:
    case CQL_K_USER:
    case CQL_K_IDENTITY:
    case CQL_K_FUNCTION:
    case CQL_K_AGGREGATE:
    case CQL_K_MATERIALIZED:
    case CQL_K_TRIGGER:
        return drop_other(p, st);
    default:
        return cql_no_way(p, 1);
    }
}
