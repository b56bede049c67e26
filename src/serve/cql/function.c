/* SPDX-License-Identifier: MIT */
/*
 * Calls: which function is meant, and what its arguments are.
 *
 * Functions stand in tables (function_*.c), one row a signature; a row's argument may be a pattern
 * ("any map"), whose type comes from the argument. Of several signatures the one that fits exactly
 * is taken, else the only one that fits at all, else Cassandra's words are told. Every function has
 * its name of 5.0 (to_date) and most the older one (toDate): names are folded before they get here.
 *
 * Special: token (the table's key is its signature), writetime, ttl and maxwritetime (over cells,
 * not values), count.
 */
#include "serve/cql/function.h"

enum { CANDIDATES_MAX = 32 };

struct candidate {
    const struct cql_function *function;
    const struct cql_type *args[4];
    const struct cql_type *result;
    bool typed; /* all patterns found their type */
};

/* ---- names ---- */

bool is_number(const struct cql_type *type)
{
    switch (type->kind) {
    case CQL_TINYINT:
    case CQL_SMALLINT:
    case CQL_INT:
    case CQL_BIGINT:
    case CQL_VARINT:
    case CQL_FLOAT:
    case CQL_DOUBLE:
    case CQL_DECIMAL:
    case CQL_COUNTER:
        return true;
    default:
        return false;
    }
}

const struct cql_type *type_of_name(struct str name)
{
    static const struct {
        const char *name;
        enum cql_kind kind;
    } types[] = {{"ascii", CQL_ASCII},     {"bigint", CQL_BIGINT},     {"boolean", CQL_BOOLEAN},
                 {"counter", CQL_COUNTER}, {"decimal", CQL_DECIMAL},   {"double", CQL_DOUBLE},
                 {"float", CQL_FLOAT},     {"int", CQL_INT},           {"timestamp", CQL_TIMESTAMP},
                 {"uuid", CQL_UUID},       {"text", CQL_TEXT},         {"varchar", CQL_TEXT},
                 {"varint", CQL_VARINT},   {"timeuuid", CQL_TIMEUUID}, {"inet", CQL_INET},
                 {"date", CQL_DATE},       {"time", CQL_TIME},         {"smallint", CQL_SMALLINT},
                 {"tinyint", CQL_TINYINT}, {"duration", CQL_DURATION}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (str_equal(name, str_of(types[i].name)))
            return cql_simple(types[i].kind);
    return NULL;
}

/* int_as_blob, intAsBlob, blob_as_int, blobAsInt: the type, and which way. */
static const struct cql_type *conversion(struct str name, bool *ret_to_blob)
{
    static const char *const ends[] = {"_as_blob", "asblob"};
    static const char *const begins[] = {"blob_as_", "blobas"};
    for (size_t i = 0; i < 2; i++) {
        *ret_to_blob = true;
        if (str_ends(name, str_of(ends[i])))
            return type_of_name(str_slice(name, 0, name.bytes - strlen(ends[i])));
        *ret_to_blob = false;
        if (str_starts(name, str_of(begins[i])))
            return type_of_name(str_slice(name, strlen(begins[i]), name.bytes));
    }
    return NULL;
}

static struct str folded(struct arena *arena, struct str name)
{
    char *text = arena_text(arena, name);
    for (size_t i = 0; i < name.bytes; i++)
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] = (char)(text[i] | 32);
    return str_from(text, name.bytes);
}

/* ---- candidates ---- */

static const struct cql_type *result_type(struct compile *c, const struct candidate *candidate)
{
    const struct cql_type *first = candidate->args[0];
    uint16_t result = candidate->function->result;
    if (result < PATTERN_ANY)
        return cql_simple((enum cql_kind)result);
    if (!first)
        return NULL;
    switch (result) {
    case RESULT_KEYS:
        return cql_set(c->arena, first->items[0], true);
    case RESULT_VALUES:
        return cql_list(c->arena, first->items[1], true);
    case RESULT_ELEMENT:
        return first->items[0];
    default:
        return first;
    }
}

static void add_candidates(struct compile *c, const struct cql_function *table, struct str name,
                           const struct cql_term *term, struct candidate *list, size_t *count)
{
    for (const struct cql_function *f = table; f->name && *count < CANDIDATES_MAX; f++) {
        if (!str_equal(name, str_of(f->name)) && !(f->older && str_equal(name, str_of(f->older))))
            continue;
        struct candidate *candidate = &list[(*count)++];
        *candidate = (struct candidate){.function = f, .typed = true};
        for (unsigned i = 0; i < f->arg_count; i++) {
            const struct cql_type *have = f->args[i] >= PATTERN_ANY && i < term->count
                                              ? compatible_type(c, term->items[i])
                                              : NULL;
            /* Of two numbers or vectors the second is like the first. */
            if (i && f->args[i] >= PATTERN_ANY && !have)
                have = candidate->args[0];
            candidate->args[i] = pattern_type(f->args[i], have);
            candidate->typed = candidate->typed && candidate->args[i];
        }
        candidate->result = result_type(c, candidate);
    }
}

static size_t find_candidates(struct compile *c, const struct cql_term *term, struct str name,
                              struct candidate *list)
{
    static const struct cql_function *const tables[] = {functions_time, functions_math,
                                                        functions_collection, functions_convert,
                                                        functions_aggregate};
    size_t count = 0;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        add_candidates(c, tables[i], name, term, list, &count);
    if (count)
        return count;
    bool to_blob;
    const struct cql_type *type = conversion(name, &to_blob);
    if (!type)
        return 0;
    const struct cql_function *f = functions_convert;
    while (f->args[0] != PATTERN_BINARY && f->result != RESULT_NAMED)
        f++;
    while (to_blob != (f->args[0] == PATTERN_BINARY))
        f++;
    const struct cql_type *blob = cql_simple(CQL_BLOB);
    list[0] = (struct candidate){.function = f,
                                 .args = {to_blob ? type : blob},
                                 .result = to_blob ? blob : type,
                                 .typed = true};
    return 1;
}

static enum fit candidate_fit(struct compile *c, const struct candidate *candidate,
                              const struct cql_term *term)
{
    if (term->count != candidate->function->arg_count || !candidate->typed)
        return FIT_NONE;
    enum fit worst = FIT_EXACT;
    for (size_t i = 0; i < term->count; i++) {
        enum fit fit = term_fit(c, term->items[i], candidate->args[i]);
        if (fit < worst)
            worst = fit;
    }
    return worst;
}

static struct str signatures(struct compile *c, struct str name, const struct candidate *list,
                             size_t count)
{
    struct buf out = {0};
    for (size_t i = 0; i < count; i++) {
        buf_printf(&out, "%ssystem.%.*s : (", i ? ", " : "", STR_ARG(name));
        for (unsigned j = 0; j < list[i].function->arg_count; j++)
            buf_printf(&out, "%s%s", j ? ", " : "",
                       list[i].args[j] ? term_type_text(c->arena, list[i].args[j]) : "any");
        buf_printf(&out, ") -> %s",
                   list[i].result ? term_type_text(c->arena, list[i].result) : "any");
    }
    struct str text = value_of_buf(c->arena, &out);
    buf_deinit(&out);
    return text;
}

/* A function of numbers has a signature for each kind of them in Cassandra's eyes. */
static enum err no_such_number(struct compile *c, struct str name, const struct cql_term *arg)
{
    static const char *const kinds[] = {"counter", "double", "smallint", "varint", "tinyint",
                                        "decimal", "int",    "float",    "bigint"};
    enum { VARINT_AT = 3, BIGINT_AT = 8 };
    const struct cql_type *type = arg ? compatible_type(c, arg) : NULL;
    bool any = arg && !type, wide = type && type->kind == CQL_TIMESTAMP;
    if (any)
        TRY(check_names(c, arg));
    struct buf out = {0};
    for (size_t i = any && arg->kind == TERM_NULL; i < sizeof kinds / sizeof kinds[0]; i++)
        if (!wide || i == VARINT_AT || i == BIGINT_AT) /* whose bytes a timestamp has */
            buf_printf(&out, "%ssystem.%.*s : (%s) -> %s", out.bytes ? ", " : "", STR_ARG(name),
                       kinds[i], kinds[i]);
    enum err err =
        cql_fail(c->error, c->arena, CQL_INVALID,
                 any || wide ? "Ambiguous call to function %.*s (can be matched by following "
                               "signatures: %.*s): use type casts to disambiguate"
                             : "Invalid call to function %.*s, none of its type signatures "
                               "match (known type signatures: %.*s)",
                 STR_ARG(name), STR_ARG(buf_str(&out)));
    buf_deinit(&out);
    return err;
}

/* One signature: what is wrong with the call can be told exactly. */
static enum err check_only(struct compile *c, const struct cql_term *term, struct str name,
                           const struct cql_type *receiver, struct candidate *only)
{
    unsigned wanted = only->function->arg_count;
    bool of_numbers = only->function->args[0] == PATTERN_NUMBER;
    if (has_pattern(only->function))
        TRY(infer_args(c, only->function, term, name, receiver, only->args));
    if (term->count != wanted && !of_numbers)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Invalid number of arguments in call to function system.%.*s: %u required "
                        "but %zu provided",
                        STR_ARG(name), wanted, term->count);
    if (of_numbers && (term->count != wanted || !only->args[0]))
        return no_such_number(c, name, term->count == wanted ? term->items[0] : NULL);
    for (size_t i = 0; i < term->count; i++)
        if (term_fit(c, term->items[i], only->args[i]) == FIT_NONE)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Type error: %.*s cannot be passed as argument %zu of function "
                            "system.%.*s of type %s",
                            STR_ARG(term_text(c->arena, term->items[i])), i, STR_ARG(name),
                            term_type_text(c->arena, only->args[i]));
    return OK;
}

static enum err choose(struct compile *c, const struct cql_term *term, struct str name,
                       const struct cql_type *wanted, struct candidate *list, size_t count,
                       const struct candidate **ret)
{
    if (count == 1) {
        *ret = &list[0];
        return check_only(c, term, name, wanted, &list[0]);
    }
    size_t weak = 0;
    struct candidate fitting[CANDIDATES_MAX];
    for (size_t i = 0; i < count; i++) {
        if (wanted && list[i].result && type_fit(list[i].result, wanted) == FIT_NONE)
            continue;
        enum fit fit = candidate_fit(c, &list[i], term);
        if (fit == FIT_EXACT) {
            *ret = &list[i];
            return OK;
        }
        if (fit == FIT_WEAK) {
            fitting[weak++] = list[i];
            *ret = &list[i];
        }
    }
    if (weak == 1)
        return OK;
    if (weak == 0)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Invalid call to function %.*s, none of its type signatures match (known "
                        "type signatures: %.*s)",
                        STR_ARG(name), STR_ARG(signatures(c, name, list, count)));
    return cql_fail(c->error, c->arena, CQL_INVALID,
                    "Ambiguous call to function %.*s (can be matched by following signatures: "
                    "%.*s): use type casts to disambiguate",
                    STR_ARG(name), STR_ARG(signatures(c, name, fitting, weak)));
}

/* ---- the specials ---- */

static struct expr *new_call(struct compile *c, enum expr_kind kind, const struct cql_type *type,
                             size_t count)
{
    struct expr *x = arena_zero(c->arena, sizeof *x);
    x->kind = kind;
    x->type = type;
    x->count = count;
    x->items = arena_zero(c->arena, (count + 1) * sizeof(struct expr *));
    return x;
}

static enum err compile_arg(struct compile *c, const struct cql_term *term, struct str function,
                            size_t index, const struct cql_type *type, struct expr **ret)
{
    struct cql_column spec = compile_spec(
        c, str_of(arena_printf(c->arena, "arg%zu(system.%.*s)", index, STR_ARG(function))), type);
    if (c->selecting)
        return compile_selector(c, term, type, ret);
    return compile_term(c, term, &spec, ret);
}

static struct str call_name(struct compile *c, struct str name, const struct expr *x)
{
    struct buf out = {0};
    buf_printf(&out, "system.%.*s(", STR_ARG(name));
    for (size_t i = 0; i < x->count; i++) {
        if (i)
            buf_text(&out, ", ");
        buf_str_append(&out, x->items[i]->name);
    }
    buf_char(&out, ')');
    struct str text = value_of_buf(c->arena, &out);
    buf_deinit(&out);
    return text;
}

static enum err eval_token(struct expr_run *run, const struct expr *call, const struct str *args,
                           struct str *ret)
{
    (void)call;
    int64_t token = run->table->table ? table_token(run->table->table, args) : 0;
    *ret = value_of_i64(run->arena, token);
    return OK;
}

static const struct cql_function token_function = {
    .name = "token", .result = CQL_BIGINT, .call = eval_token};

static enum err compile_token(struct compile *c, const struct cql_term *term, struct expr **ret)
{
    uint32_t count = c->table->partition_count;
    if (term->count != count)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Invalid number of arguments in call to function system.token: %u required "
                        "but %zu provided",
                        count, term->count);
    struct expr *x = new_call(c, EXPR_CALL, cql_simple(CQL_BIGINT), count);
    x->function = &token_function;
    for (uint32_t i = 0; i < count; i++) {
        const struct cql_type *type = c->table->columns[i].type;
        if (term_fit(c, term->items[i], type) == FIT_NONE)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Type error: %.*s cannot be passed as argument %u of function "
                            "system.token of type %s",
                            STR_ARG(term_text(c->arena, term->items[i])), i,
                            term_type_text(c->arena, type));
        TRY(compile_arg(c, term->items[i], STR("token"), i, type, &x->items[i]));
    }
    if (c->selecting)
        x->name = call_name(c, STR("token"), x);
    *ret = x;
    return OK;
}

static bool time_kind(struct str name, enum expr_kind *ret_kind)
{
    *ret_kind = str_equal(name, STR("writetime"))      ? EXPR_WRITETIME
                : str_equal(name, STR("ttl"))          ? EXPR_TTL
                : str_equal(name, STR("maxwritetime")) ? EXPR_MAXWRITETIME
                                                       : EXPR_CONSTANT;
    return *ret_kind != EXPR_CONSTANT;
}

static enum err compile_time(struct compile *c, const struct cql_term *term, struct str name,
                             enum expr_kind kind, struct expr **ret)
{
    if (term->count != 1 || !c->selecting)
        return cql_fail(c->error, c->arena, CQL_INVALID, "Unknown function %.*s called",
                        STR_ARG(name));
    const struct cql_type *type = cql_simple(kind == EXPR_TTL ? CQL_INT : CQL_BIGINT);
    struct expr *of;
    TRY(compile_selector(c, term->items[0], NULL, &of));
    const struct expr *column = of->kind == EXPR_COLUMN ? of : of->count ? of->items[0] : of;
    if (column->kind != EXPR_COLUMN)
        return cql_fail(c->error, c->arena, CQL_SYNTAX_ERROR,
                        "line %u:%u no viable alternative at input '%.*s'", term->line,
                        term->column, STR_ARG(term_text(c->arena, term)));
    const struct cql_table_column *def = &c->table->columns[column->index];
    if (!c->preparing && def->kind <= CQL_CLUSTERING)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Cannot use selection function %.*s on PRIMARY KEY part %.*s",
                        STR_ARG(name), STR_ARG(def->name));
    bool many = cql_type_is_multicell(def->type) &&
                (of->kind == EXPR_COLUMN || of->kind == EXPR_SLICE) && kind != EXPR_MAXWRITETIME;
    struct expr *x = new_call(c, kind, many ? cql_list(c->arena, type, true) : type, 1);
    x->items[0] = of;
    x->name = str_of(arena_printf(c->arena, "%.*s(%.*s)", STR_ARG(name), STR_ARG(of->name)));
    *ret = x;
    return OK;
}

/* ---- aggregates ---- */

static enum err take_slot(struct compile *c, struct expr *x)
{
    size_t count = c->aggregate_count;
    if ((count & (count - 1)) == 0) {
        struct expr **more = arena_array(c->arena, count ? count * 2 : 1, sizeof *more);
        if (count)
            memcpy(more, c->aggregates, count * sizeof *more);
        c->aggregates = more;
    }
    x->index = (uint32_t)count;
    c->aggregates[c->aggregate_count++] = x;
    return OK;
}

static bool counts_rows(struct str name, const struct cql_term *term)
{
    if (str_equal(name, STR("countrows")) || str_equal(name, STR("count_rows")))
        return term->count == 0;
    if (!str_equal(name, STR("count")))
        return false;
    if (term->count == 0)
        return true;
    enum cql_term_kind kind = term->items[0]->kind;
    return term->count == 1 &&
           (kind == TERM_STAR || (kind >= TERM_STRING && kind <= TERM_DURATION));
}

static enum err compile_count(struct compile *c, struct expr **ret)
{
    struct expr *x = new_call(c, EXPR_AGGREGATE, cql_simple(CQL_BIGINT), 0);
    x->function = &functions_aggregate[0];
    x->name = STR("count");
    *ret = x;
    return take_slot(c, x);
}

static enum err check_aggregate(struct compile *c)
{
    if (!c->selecting)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Aggregation function are not supported in the where clause");
    if (c->depth)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "aggregate functions cannot be used as arguments of aggregate functions");
    return OK;
}

/* ---- calls ---- */

static enum err compile_chosen(struct compile *c, const struct cql_term *term, struct str name,
                               const struct candidate *chosen, const struct cql_type *wanted,
                               struct expr **ret)
{
    const struct cql_function *f = chosen->function;
    const struct cql_type *type = f->result == RESULT_RECEIVER && wanted ? wanted : chosen->result;
    if (f->is_aggregate)
        TRY(check_aggregate(c));
    struct expr *x = new_call(c, f->is_aggregate ? EXPR_AGGREGATE : EXPR_CALL, type, term->count);
    x->function = f;
    c->depth += f->is_aggregate;
    for (size_t i = 0; i < term->count; i++) {
        enum err err = compile_arg(c, term->items[i], name, i, chosen->args[i], &x->items[i]);
        if (err != OK) {
            c->depth -= f->is_aggregate;
            return err;
        }
    }
    c->depth -= f->is_aggregate;
    x->name = call_name(c, name, x);
    *ret = x;
    return f->is_aggregate ? take_slot(c, x) : OK;
}

/* Which function it is. */
static enum err resolve(struct compile *c, const struct cql_term *term, struct str name,
                        const struct cql_type *wanted, struct candidate *list,
                        const struct candidate **ret_chosen)
{
    size_t count = find_candidates(c, term, name, list);
    if (count == 0)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        c->selecting ? "Unknown function '%s'" : "Unknown function %s called",
                        arena_text(c->arena, term->name));
    if (list[0].function->result == RESULT_RECEIVER) {
        if (!wanted)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "%.*s() cannot be used in the selection clause of a SELECT statement",
                            STR_ARG(name));
        list[0].result = wanted;
    }
    return choose(c, term, name, wanted, list, count, ret_chosen);
}

/* No such function. What is wrong inside of a selector's arguments is told before that. */
static enum err argument_error(struct compile *c, const struct cql_term *term, enum err err)
{
    struct cql_error own = *c->error;
    size_t aggregates = c->aggregate_count;
    bool preparing = c->preparing;
    struct expr *unused;
    c->preparing = true;
    for (size_t i = 0; c->selecting && i < term->count; i++) {
        enum cql_term_kind kind = term->items[i]->kind;
        if (kind != TERM_CALL && kind != TERM_CAST && kind != TERM_BINARY && kind != TERM_COLUMN)
            continue;
        enum err inside = compile_selector(c, term->items[i], NULL, &unused);
        if (inside != OK) {
            c->preparing = preparing;
            return inside;
        }
    }
    c->preparing = preparing;
    c->aggregate_count = aggregates;
    *c->error = own;
    return err;
}

static enum err compile_known(struct compile *c, const struct cql_term *term, struct str name,
                              const struct cql_column *receiver, struct expr **ret)
{
    enum expr_kind kind;
    if (str_equal(name, STR("token")) && c->table)
        return compile_token(c, term, ret);
    if (time_kind(name, &kind))
        return compile_time(c, term, name, kind, ret);
    if (counts_rows(name, term)) {
        TRY(check_aggregate(c));
        return compile_count(c, ret);
    }
    struct candidate list[CANDIDATES_MAX];
    const struct candidate *chosen;
    const struct cql_type *wanted = receiver ? receiver->type : NULL;
    enum err err = resolve(c, term, name, wanted, list, &chosen);
    return err == OK ? compile_chosen(c, term, name, chosen, wanted, ret)
                     : argument_error(c, term, err);
}

enum err compile_call(struct compile *c, const struct cql_term *term,
                      const struct cql_column *receiver, struct expr **ret)
{
    struct str name = folded(c->arena, term->name);
    if (term->keyspace.ptr && !str_equal(term->keyspace, STR("system")))
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        c->selecting ? "Unknown function '%s.%s'" : "Unknown function %s.%s called",
                        arena_text(c->arena, term->keyspace), arena_text(c->arena, term->name));
    struct expr *x;
    TRY(compile_known(c, term, name, receiver, &x));
    if (receiver && type_fit(x->type, receiver->type) == FIT_NONE)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Type error: cannot assign result of function system.%.*s (type %s) to "
                        "%.*s (type %s)",
                        STR_ARG(name), term_type_text(c->arena, x->type), STR_ARG(receiver->name),
                        term_type_text(c->arena, receiver->type));
    *ret = x;
    return OK;
}

const struct cql_type *call_type(struct compile *c, const struct cql_term *term)
{
    struct str name = folded(c->arena, term->name);
    enum expr_kind kind;
    if (str_equal(name, STR("token")) || counts_rows(name, term) || str_equal(name, STR("count")))
        return cql_simple(CQL_BIGINT);
    if (time_kind(name, &kind)) {
        const struct cql_type *type = cql_simple(kind == EXPR_TTL ? CQL_INT : CQL_BIGINT);
        const struct cql_type *of = term->count ? term_type(c, term->items[0]) : NULL;
        bool many = of && cql_type_is_multicell(of) && term->items[0]->kind == TERM_COLUMN &&
                    kind != EXPR_MAXWRITETIME;
        return many ? cql_list(c->arena, type, true) : type;
    }
    struct candidate list[CANDIDATES_MAX];
    size_t count = find_candidates(c, term, name, list);
    if (count == 0 || list[0].function->result == RESULT_RECEIVER)
        return NULL;
    if (count == 1)
        return list[0].result;
    for (size_t want = FIT_EXACT; want >= FIT_WEAK; want--)
        for (size_t i = 0; i < count; i++)
            if (candidate_fit(c, &list[i], term) == (enum fit)want)
                return list[i].result;
    return NULL;
}
