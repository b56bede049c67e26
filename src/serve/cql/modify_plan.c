/* SPDX-License-Identifier: MIT */
/*
 * INSERT, UPDATE and DELETE while planning: operations on columns, the key, USING and IF.
 *
 * INSERT is an UPDATE whose key is given like any other column, and which leaves a marker. INSERT
 * JSON is an INSERT of all columns whose values come out of one text: its terms are columns of a
 * row that the run makes out of the text.
 */
#include "serve/cql/compact.h"
#include "serve/cql/modify.h"
#include "serve/cql/select.h"

static struct str operation_text(struct compile *c, const struct cql_assignment *a)
{
    struct str value = term_text(c->arena, a->value);
    struct str n = a->column;
    switch (a->kind) {
    case ASSIGN_ADD:
        return str_of(
            arena_printf(c->arena, "%.*s = %.*s + %.*s", STR_ARG(n), STR_ARG(n), STR_ARG(value)));
    case ASSIGN_SUBTRACT:
        return str_of(
            arena_printf(c->arena, "%.*s = %.*s - %.*s", STR_ARG(n), STR_ARG(n), STR_ARG(value)));
    case ASSIGN_PREPEND:
        return str_of(
            arena_printf(c->arena, "%.*s = %.*s - %.*s", STR_ARG(n), STR_ARG(value), STR_ARG(n)));
    case ASSIGN_ELEMENT:
        return str_of(arena_printf(c->arena, "%.*s[%.*s] = %.*s", STR_ARG(n),
                                   STR_ARG(term_text(c->arena, a->key)), STR_ARG(value)));
    case ASSIGN_FIELD:
        return str_of(arena_printf(c->arena, "%.*s.%.*s = %.*s", STR_ARG(n), STR_ARG(a->field),
                                   STR_ARG(value)));
    default:
        return str_of(arena_printf(c->arena, "%.*s = %.*s", STR_ARG(n), STR_ARG(value)));
    }
}

static enum err bad_operation(struct compile *c, const struct cql_assignment *a, const char *what)
{
    return cql_fail(c->error, c->arena, CQL_INVALID, "Invalid operation (%.*s) for %s column %.*s",
                    STR_ARG(operation_text(c, a)), what, STR_ARG(a->column));
}

static enum err find_field(struct compile *c, const struct cql_table_column *column,
                           struct str field, uint32_t *ret_field)
{
    for (uint32_t i = 0; i < column->type->count; i++) {
        if (str_equal(column->type->names[i], field)) {
            *ret_field = i;
            return OK;
        }
    }
    return cql_fail(c->error, c->arena, CQL_INVALID,
                    "UDT column %.*s does not have a field named %.*s", STR_ARG(column->name),
                    STR_ARG(field));
}

static struct cql_column part_spec(struct compile *c, const struct cql_table_column *column,
                                   const char *what, const struct cql_type *type)
{
    return compile_spec(c, str_of(arena_printf(c->arena, "%s(%.*s)", what, STR_ARG(column->name))),
                        type);
}

static enum err plan_add(struct compile *c, const struct cql_assignment *a,
                         const struct cql_table_column *column, bool conditional,
                         struct modify_op *op)
{
    const struct cql_type *type = column->type;
    struct cql_column spec = compile_spec(c, column->name, type);
    bool subtract = a->kind == ASSIGN_SUBTRACT;
    op->kind = subtract ? OP_SUBTRACT : OP_ADD;
    if (!cql_type_is_collection(type)) {
        if (!subtract && (type->kind == CQL_TUPLE || type->kind == CQL_UDT))
            return bad_operation(c, a, "tuple");
        op->reads = true;
        if (type->kind == CQL_COUNTER)
            return compile_term(c, a->value, &spec, &op->value);
        if (!conditional || subtract)
            return bad_operation(c, a, "non counter");
        bool text = type->kind == CQL_TEXT || type->kind == CQL_ASCII;
        bool number = type->kind == CQL_INT || type->kind == CQL_BIGINT ||
                      type->kind == CQL_SMALLINT || type->kind == CQL_TINYINT ||
                      type->kind == CQL_VARINT || type->kind == CQL_DECIMAL ||
                      type->kind == CQL_FLOAT || type->kind == CQL_DOUBLE;
        if (!text && !number)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Invalid operation (%.*s) for non-numeric and non-text type %.*s",
                            STR_ARG(operation_text(c, a)), STR_ARG(column->name));
        return compile_term(c, a->value, &spec, &op->value);
    }
    if (!cql_type_is_multicell(type))
        return bad_operation(c, a, "frozen collection");
    if (type->kind == CQL_MAP && subtract)
        spec.type = cql_set(c->arena, type->items[0], true);
    op->reads = type->kind == CQL_LIST && subtract;
    enum err err = compile_term(c, a->value, &spec, &op->value);
    if (err == ERR_INVALID && type->kind == CQL_MAP)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Value for a map %s has to be a %s, but was: '%.*s'",
                        subtract ? "substraction" : "addition", subtract ? "set" : "map",
                        STR_ARG(term_text(c->arena, a->value)));
    return err;
}

static enum err plan_element(struct compile *c, const struct cql_assignment *a,
                             const struct cql_table_column *column, struct modify_op *op)
{
    const struct cql_type *type = column->type;
    if (!cql_type_is_collection(type))
        return bad_operation(c, a, "non collection");
    if (!cql_type_is_multicell(type))
        return bad_operation(c, a, "frozen collection");
    if (type->kind == CQL_SET)
        return bad_operation(c, a, "set");
    bool list = type->kind == CQL_LIST;
    struct cql_column key =
        part_spec(c, column, list ? "idx" : "key", list ? cql_simple(CQL_INT) : type->items[0]);
    struct cql_column value = part_spec(c, column, "value", type->items[!list]);
    op->kind = OP_ELEMENT;
    op->reads = list;
    TRY(compile_term(c, a->key, &key, &op->key));
    return compile_term(c, a->value, &value, &op->value);
}

static enum err plan_assignment(struct compile *c, const struct cql_assignment *a, bool conditional,
                                struct modify_op *op)
{
    TRY(compile_column(c, a->column, &op->column));
    const struct cql_table_column *column = &c->table->columns[op->column];
    if (column->kind == CQL_PARTITION_KEY || column->kind == CQL_CLUSTERING)
        return cql_fail(c->error, c->arena, CQL_INVALID, "PRIMARY KEY part %.*s found in SET part",
                        STR_ARG(column->name));
    const struct cql_type *type = column->type;
    struct cql_column spec = compile_spec(c, column->name, type);
    switch (a->kind) {
    case ASSIGN_SET:
        if (type->kind == CQL_COUNTER)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Cannot set the value of counter column %.*s (counters can only be "
                            "incremented/decremented, not set)",
                            STR_ARG(column->name));
        op->kind = OP_SET;
        return compile_term(c, a->value, &spec, &op->value);
    case ASSIGN_ADD:
    case ASSIGN_SUBTRACT:
        return plan_add(c, a, column, conditional, op);
    case ASSIGN_PREPEND:
        op->kind = OP_PREPEND;
        /* c = 1 + c of a number or a counter is an addition written the other way. */
        if (type->kind == CQL_COUNTER)
            return plan_add(c,
                            &(struct cql_assignment){
                                .kind = ASSIGN_ADD, .column = a->column, .value = a->value},
                            column, conditional, op);
        if (type->kind != CQL_LIST)
            return bad_operation(c, a, "non list");
        if (!cql_type_is_multicell(type))
            return bad_operation(c, a, "frozen list");
        return compile_term(c, a->value, &spec, &op->value);
    case ASSIGN_ELEMENT:
        return plan_element(c, a, column, op);
    case ASSIGN_FIELD:
        if (type->kind != CQL_UDT)
            return bad_operation(c, a, "non-UDT");
        if (!cql_type_is_multicell(type))
            return bad_operation(c, a, "frozen UDT");
        op->kind = OP_FIELD;
        TRY(find_field(c, column, a->field, &op->field));
        spec.name =
            str_of(arena_printf(c->arena, "%.*s.%.*s", STR_ARG(column->name), STR_ARG(a->field)));
        spec.type = type->items[op->field];
        return compile_term(c, a->value, &spec, &op->value);
    }
    return ERR_STATE;
}

static enum err plan_deletion(struct compile *c, const struct cql_deletion *d, struct modify_op *op)
{
    TRY(compile_column(c, d->column, &op->column));
    const struct cql_table_column *column = &c->table->columns[op->column];
    const struct cql_type *type = column->type;
    if (column->kind == CQL_PARTITION_KEY || column->kind == CQL_CLUSTERING)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Invalid identifier %.*s for deletion (should not be a PRIMARY KEY part)",
                        STR_ARG(column->name));
    op->kind = OP_DELETE;
    if (d->key) {
        bool list = type->kind == CQL_LIST;
        if (!cql_type_is_collection(type) || !cql_type_is_multicell(type))
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Invalid deletion operation for %s collection column %.*s",
                            cql_type_is_collection(type) ? "frozen" : "non", STR_ARG(column->name));
        struct cql_column key = part_spec(c, column,
                                          list                    ? "idx"
                                          : type->kind == CQL_SET ? "value"
                                                                  : "key",
                                          list ? cql_simple(CQL_INT) : type->items[0]);
        op->kind = OP_DELETE_ELEMENT;
        op->reads = list;
        return compile_term(c, d->key, &key, &op->key);
    }
    if (d->field.ptr) {
        if (type->kind != CQL_UDT)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Invalid field deletion operation for non-UDT column %.*s",
                            STR_ARG(column->name));
        if (!cql_type_is_multicell(type))
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Frozen UDT column %.*s does not support field deletions",
                            STR_ARG(column->name));
        op->kind = OP_DELETE_FIELD;
        return find_field(c, column, d->field, &op->field);
    }
    return OK;
}

/* Two SETs of one column are a mistake; several elements of one are not. */
static enum err check_twice(struct compile *c, const struct modify_plan *p)
{
    for (size_t i = 0; i < p->op_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (p->ops[i].column != p->ops[j].column || p->statement != WHERE_UPDATE)
                continue;
            bool parts = p->ops[i].kind == OP_FIELD && p->ops[j].kind == OP_FIELD;
            if ((p->ops[i].kind == OP_SET || p->ops[j].kind == OP_SET) && !parts)
                return cql_fail(c->error, c->arena, CQL_SYNTAX_ERROR,
                                "Multiple incompatible setting of column %.*s",
                                STR_ARG(c->table->columns[p->ops[i].column].name));
        }
    }
    return OK;
}

enum err modify_compile_ops(struct compile *c, const struct cql_modify *m, struct modify_plan *p)
{
    size_t count = m->kind == MODIFY_DELETE ? m->deletion_count : m->assignment_count;
    p->ops = arena_zero(c->arena, (count + 1) * sizeof *p->ops);
    for (size_t i = 0; i < count; i++) {
        if (m->kind == MODIFY_DELETE)
            TRY(plan_deletion(c, &m->deletions[i], &p->ops[i]));
        else
            TRY(plan_assignment(c, &m->assignments[i], m->condition_count || m->if_exists,
                                &p->ops[i]));
        p->op_count++;
    }
    return check_twice(c, p);
}

/* ---- INSERT ---- */

static struct expr *column_expr(struct compile *c, uint32_t column)
{
    struct expr *x = arena_zero(c->arena, sizeof *x);
    x->kind = EXPR_COLUMN;
    x->index = column;
    x->type = c->table->columns[column].type;
    return x;
}

/* The key out of the JSON: every part by EQ with the column of the made row. */
static void json_where(struct compile *c, struct where *where)
{
    const struct cql_table *t = c->table;
    uint32_t keys = t->partition_count + t->clustering_count;
    *where = (struct where){.count = keys};
    where->relations = arena_zero(c->arena, (keys + 1) * sizeof *where->relations);
    where->partition = arena_zero(c->arena, (t->partition_count + 1) * sizeof(void *));
    where->clustering = arena_zero(c->arena, (t->clustering_count + 1) * sizeof(void *));
    for (uint32_t i = 0; i < keys; i++) {
        struct where_relation *r = &where->relations[i];
        r->op = CQL_EQ;
        r->columns = arena_alloc(c->arena, sizeof *r->columns);
        r->columns[0] = i;
        r->column_count = 1;
        r->values = arena_alloc(c->arena, sizeof *r->values);
        r->values[0] = column_expr(c, i);
        r->value_count = 1;
        r->type = t->columns[i].type;
        if (i < t->partition_count)
            where->partition[i] = r;
        else
            where->clustering[where->clustering_count++] = r;
    }
    where->clustering_prefix = t->clustering_count;
    where->restricts_clustering = t->clustering_count > 0;
}

static enum err plan_json(struct compile *c, const struct cql_modify *m, struct modify_plan *p)
{
    struct cql_column spec = compile_spec(c, STR("[json]"), cql_simple(CQL_TEXT));
    TRY(compile_term(c, m->json, &spec, &p->json));
    p->default_unset = m->default_unset;
    json_where(c, &p->where);
    p->ops = arena_zero(c->arena, (c->table->column_count + 1) * sizeof *p->ops);
    for (uint32_t i = c->table->partition_count + c->table->clustering_count;
         i < c->table->column_count; i++) {
        p->ops[p->op_count].kind = OP_SET;
        p->ops[p->op_count].column = i;
        p->ops[p->op_count++].value = column_expr(c, i);
    }
    return OK;
}

/* An INSERT of keys alone says nothing where a row lives by its values. */
static enum err check_compact(struct compile *c, bool clustering)
{
    const struct cql_table *t = c->table;
    struct compact_column hidden[COMPACT_COLUMNS_MAX];
    if (!t->clustering_count && compact_columns(t, c->arena, hidden))
        return cql_fail(c->error, c->arena, CQL_INVALID, "Some clustering keys are missing: %.*s",
                        STR_ARG(hidden[0].name));
    return clustering && compact_needs_value(t)
               ? cql_fail(c->error, c->arena, CQL_INVALID,
                          "Column %.*s is mandatory for this COMPACT STORAGE table",
                          STR_ARG(t->columns[t->column_count - 1].name))
               : OK;
}

/* Splits the columns of an INSERT into the key, as relations, and operations. */
static enum err plan_insert(struct compile *c, const struct cql_modify *m, struct modify_plan *p)
{
    struct cql_relation *relations =
        arena_zero(c->arena, (m->assignment_count + 1) * sizeof *relations);
    struct cql_modify rest = *m;
    rest.assignments = arena_array(c->arena, m->assignment_count + 1, sizeof *rest.assignments);
    rest.assignment_count = 0;
    size_t count = 0;
    bool clustering = false;
    if (m->assignment_count == 0)
        return cql_fail(c->error, c->arena, CQL_INVALID, "No columns provided to INSERT");
    for (size_t i = 0; i < m->assignment_count; i++)
        if (!m->assignments[i].column.ptr || !m->assignments[i].value)
            return cql_fail(c->error, c->arena, CQL_INVALID, "Unmatched column names/values");
    for (size_t i = 0; i < m->assignment_count; i++) {
        struct cql_assignment *a = &m->assignments[i];
        uint32_t column;
        for (size_t j = 0; j < i; j++)
            if (str_equal(m->assignments[j].column, a->column))
                return cql_fail(c->error, c->arena, CQL_INVALID,
                                "The column names contains duplicates");
        TRY(compile_column(c, a->column, &column));
        enum cql_column_kind kind = c->table->columns[column].kind;
        clustering = clustering || kind == CQL_CLUSTERING;
        if (kind == CQL_PARTITION_KEY || kind == CQL_CLUSTERING)
            relations[count++] = (struct cql_relation){.op = CQL_EQ,
                                                       .columns = &a->column,
                                                       .column_count = 1,
                                                       .values = &a->value,
                                                       .value_count = 1};
        else
            rest.assignments[rest.assignment_count++] = *a;
    }
    TRY(modify_compile_ops(c, &rest, p));
    if (c->table->compact && p->op_count == 0)
        TRY(check_compact(c, clustering));
    bool regular = p->op_count == 0;
    for (size_t i = 0; i < p->op_count; i++)
        regular = regular || c->table->columns[p->ops[i].column].kind == CQL_REGULAR;
    struct where_options options = {.statement = WHERE_INSERT,
                                    .only_static = !clustering && !regular};
    return where_compile(c, relations, count, &options, &p->where);
}

/* ---- all together ---- */

static enum err plan_using(struct compile *c, const struct cql_modify *m, struct modify_plan *p)
{
    struct cql_column timestamp = compile_spec(c, STR("[timestamp]"), cql_simple(CQL_BIGINT));
    struct cql_column ttl = compile_spec(c, STR("[ttl]"), cql_simple(CQL_INT));
    if (m->timestamp)
        TRY(compile_term(c, m->timestamp, &timestamp, &p->timestamp));
    if (m->ttl)
        TRY(compile_term(c, m->ttl, &ttl, &p->ttl));
    return OK;
}

static bool condition_on(const struct modify_plan *p, enum cql_column_kind kind)
{
    for (size_t i = 0; i < p->condition_count; i++)
        if (p->table->columns[p->conditions[i].column].kind == kind)
            return true;
    return false;
}

static bool op_on(const struct modify_plan *p, enum cql_column_kind kind)
{
    for (size_t i = 0; i < p->op_count; i++)
        if (p->table->columns[p->ops[i].column].kind == kind)
            return true;
    return false;
}

/* DELETE .. IF is about one row, or about static columns alone. */
static enum err check_conditional_delete(struct compile *c, const struct modify_plan *p)
{
    bool hidden = p->table->compact && !p->table->clustering_count && p->op_count == 0;
    bool whole = p->where.clustering_prefix == p->table->clustering_count &&
                 !p->where.clustering_slice && !hidden;
    if (whole)
        return OK;
    if (op_on(p, CQL_REGULAR) || p->op_count == 0)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "DELETE statements must restrict all PRIMARY KEY columns with equality "
                        "relations in order to delete non static columns");
    if (condition_on(p, CQL_REGULAR))
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "DELETE statements must restrict all PRIMARY KEY columns with equality "
                        "relations in order to use IF condition on non static columns");
    return OK;
}

static enum err check_using(struct compile *c, const struct cql_modify *m,
                            const struct modify_plan *p)
{
    if (p->conditional && p->counter)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Conditional updates are not supported on counter tables");
    if (p->conditional && m->timestamp)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Cannot provide custom timestamp for conditional updates");
    return OK;
}

static enum err check_virtual(struct compile *c, const struct cql_modify *m,
                              const struct modify_plan *p)
{
    const char *words = m->timestamp     ? "Custom timestamp is"
                        : m->ttl         ? "Expiring columns are"
                        : p->conditional ? "Conditional updates are"
                                         : NULL;
    return words && !p->table->table ? cql_fail(c->error, c->arena, CQL_INVALID,
                                                "%s not supported by virtual tables", words)
                                     : OK;
}

static enum err check_conditional(struct compile *c, const struct modify_plan *p)
{
    if (!p->conditional)
        return OK;
    return p->statement == WHERE_DELETE ? check_conditional_delete(c, p) : OK;
}

static enum err plan_where(struct compile *c, const struct cql_modify *m, struct modify_plan *p)
{
    bool regular = op_on(p, CQL_REGULAR) || condition_on(p, CQL_REGULAR) ||
                   (p->statement == WHERE_DELETE && p->op_count == 0);
    bool statics = op_on(p, CQL_STATIC) || condition_on(p, CQL_STATIC);
    struct where_options options = {.statement = p->statement, .only_static = !regular && statics};
    TRY(where_compile(c, m->where, m->where_count, &options, &p->where));
    p->columns_of_range =
        p->statement == WHERE_DELETE && op_on(p, CQL_REGULAR) && !p->conditional &&
        (p->where.clustering_slice || p->where.clustering_prefix < p->table->clustering_count);
    return OK;
}

enum err modify_check_counter(struct compile *c, const struct cql_modify *m,
                              const struct cql_table *table)
{
    if (table->is_counter && m->timestamp)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Cannot provide custom timestamp for counter updates");
    if (table->is_counter && m->ttl)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Cannot provide custom TTL for counter updates");
    return OK;
}

enum err modify_plan(struct compile *c, const struct cql_modify *m, struct cql_table *table,
                     struct modify_plan **ret_plan)
{
    static const enum where_statement statements[] = {
        [MODIFY_INSERT] = WHERE_INSERT,
        [MODIFY_INSERT_JSON] = WHERE_INSERT,
        [MODIFY_UPDATE] = WHERE_UPDATE,
        [MODIFY_DELETE] = WHERE_DELETE,
    };
    struct modify_plan *p = arena_zero(c->arena, sizeof *p);
    c->table = p->table = table;
    p->statement = statements[m->kind];
    if (!table->table && !cql_table_is_virtual(table))
        return cql_fail(c->error, c->arena, CQL_UNAUTHORIZED,
                        "%.*s keyspace is not user-modifiable.", STR_ARG(table->keyspace));
    p->counter = table->is_counter;
    p->if_exists = m->if_exists;
    p->if_not_exists = m->if_not_exists;
    p->conditional = m->if_exists || m->if_not_exists || m->condition_count;
    if (p->counter && p->statement == WHERE_INSERT)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "INSERT statements are not allowed on counter tables, use UPDATE instead");
    TRY(plan_using(c, m, p));
    if (m->condition_count && m->timestamp)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Cannot provide custom timestamp for conditional updates");
    if (m->condition_count)
        TRY(condition_compile(c, m, p));
    if (m->kind == MODIFY_INSERT) {
        TRY(plan_insert(c, m, p));
    } else if (m->kind == MODIFY_INSERT_JSON) {
        TRY(plan_json(c, m, p));
    } else {
        TRY(modify_compile_ops(c, m, p));
        TRY(plan_where(c, m, p));
    }
    for (size_t i = 0; i < p->op_count; i++)
        p->reads = p->reads || p->ops[i].reads;
    p->regular = table->clustering_count == 0 || p->where.restricts_clustering;
    p->statics = op_on(p, CQL_STATIC);
    column_map(c->arena, table, &p->by_storage, &p->storage_count);
    TRY(check_virtual(c, m, p));
    TRY(check_using(c, m, p));
    TRY(check_conditional(c, p));
    *ret_plan = p;
    return OK;
}
