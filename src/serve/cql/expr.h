/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_EXPR_H
#define SERVE_CQL_EXPR_H

#include "serve/cql/exec.h"

/*
 * Terms and selectors made ready: every name resolved, every literal turned into bytes, every type
 * known. An expression is immutable and lives in the plan's arena; running it writes only to the
 * arena of the run.
 */
enum expr_kind {
    EXPR_CONSTANT,     /* value; ptr NULL = null */
    EXPR_BIND,         /* index: marker */
    EXPR_COLUMN,       /* index: column of the table */
    EXPR_BUILD,        /* items make a list, set, map, tuple, UDT or vector of the type */
    EXPR_CALL,         /* function over items */
    EXPR_FIELD,        /* field index of items[0] */
    EXPR_ELEMENT,      /* items[0][items[1]] */
    EXPR_SLICE,        /* items[0][items[1]..items[2]]; an item NULL = open */
    EXPR_WRITETIME,    /* of items[0]: a column, an element or a field of one */
    EXPR_TTL,          /* same */
    EXPR_MAXWRITETIME, /* same */
    EXPR_AGGREGATE,    /* index: slot; function over items */
};
struct cql_function;
struct expr {
    enum expr_kind kind;
    const struct cql_type *type;
    struct str value;
    uint32_t index;
    size_t count;
    struct expr **items;
    const struct cql_function *function;
    struct str name; /* of a result column */
};

/* A marker that was bound to "unset" stands for itself until somebody asks what it means. */
extern const char expr_unset_place[];
#define EXPR_UNSET ((struct str){expr_unset_place, 0})
static inline bool expr_is_unset(struct str value)
{
    return value.ptr == expr_unset_place;
}

/* ---- making ---- */
struct compile {
    struct cql_executor *executor;
    struct arena *arena;
    struct cql_error *error;
    const struct cql_table *table; /* NULL: none */
    struct cql_column *binds;      /* of all markers of the statement; type NULL until known */
    size_t bind_count;
    bool selecting;           /* columns and aggregates may occur */
    bool preparing;           /* names and functions alone are looked at: no casts, no writetime */
    struct expr **aggregates; /* found so far, slots */
    size_t aggregate_count;
    unsigned depth;                    /* of aggregates around */
    struct operation_memo *operations; /* operation.c's; NULL = none yet */
};
/* As a value for the receiver (its name, type and table are those of markers and of errors). */
enum err compile_term(struct compile *c, const struct cql_term *term,
                      const struct cql_column *receiver, struct expr **ret) MUST_USE;
/* As an item of a SELECT; expected may be NULL. */
enum err compile_selector(struct compile *c, const struct cql_term *term,
                          const struct cql_type *expected, struct expr **ret) MUST_USE;
/* How a term would fit into a type. */
enum fit { FIT_NONE, FIT_WEAK, FIT_EXACT };
enum fit term_fit(struct compile *c, const struct cql_term *term, const struct cql_type *type);
/* The type that a term has by itself, NULL = depends on where it stands. */
const struct cql_type *term_type(struct compile *c, const struct cql_term *term);
/* The same, where a number or a text alone takes its usual type. */
const struct cql_type *term_type_usual(struct compile *c, const struct cql_term *term);
enum fit type_fit(const struct cql_type *have, const struct cql_type *want);
struct expr *term_constant(struct arena *arena, const struct cql_type *type, struct str value);
/* "list<int>": NUL-ended text in the arena. */
const char *term_type_text(struct arena *arena, const struct cql_type *type);
struct cql_column compile_spec(const struct compile *c, struct str name,
                               const struct cql_type *type);
/* The raw text of a term as Cassandra prints it in errors and column names. */
struct str term_text(struct arena *arena, const struct cql_term *term);
const struct cql_type *compile_type(struct compile *c, struct str text);
/* Says which marker has which receiver. */
void compile_bind(struct compile *c, uint32_t marker, const struct cql_column *receiver);

/* ---- running ---- */
struct expr_run {
    struct cql_executor *executor;
    struct arena *arena; /* for values */
    struct cql_error *error;
    const struct cql_value *binds; /* one a marker */
    size_t bind_count;
    const struct cql_column *bind_specs;
    const struct cql_table *table;
    const struct str *values; /* of the row's columns; NULL: no row */
    const struct table_row *row;
    const struct str *aggregates; /* results, by slot */
    int64_t now_us;
};
enum err expr_eval(struct expr_run *run, const struct expr *x, struct str *ret_value) MUST_USE;
/* Fills the value of a column out of cells: those from *at on that belong to the column. */
struct str expr_assemble(struct arena *arena, const struct cql_type *type,
                         const struct table_found *cells, size_t count);
bool expr_is_constant(const struct expr *x);
/* The bytes of a whole collection value: elements sorted and made unique as the type wants. */
enum err value_build(struct arena *arena, const struct cql_type *type, struct str *items,
                     size_t count, struct str *ret_value) MUST_USE;
struct str value_of_i64(struct arena *arena, int64_t value);
struct str value_of_i32(struct arena *arena, int32_t value);
struct str value_of_bool(bool value);
struct str value_of_buf(struct arena *arena, const struct buf *buf);

/* ---- functions ---- */
struct cql_function {
    const char *name, *older; /* "to_date", "todate" */
    unsigned arg_count;
    uint16_t args[4]; /* kinds, or patterns of function.c */
    uint16_t result;
    bool takes_null, is_aggregate;
    enum err (*call)(struct expr_run *run, const struct expr *call, const struct str *args,
                     struct str *ret_value);
};
/* The call as an expression; receiver may be NULL. */
enum err compile_call(struct compile *c, const struct cql_term *term,
                      const struct cql_column *receiver, struct expr **ret) MUST_USE;
const struct cql_type *call_type(struct compile *c, const struct cql_term *term);
/* Operators: + - * / % and the sign. */
enum err compile_operation(struct compile *c, const struct cql_term *term,
                           const struct cql_column *receiver, struct expr **ret) MUST_USE;
/* a op b of one type of number; Cassandra's words for a division by zero. */
enum err operation_apply(struct expr_run *run, char op, const struct cql_type *type, struct str a,
                         struct str b, struct str *ret_value) MUST_USE;
const struct cql_type *operation_type(struct compile *c, const struct cql_term *term);
enum err compile_cast(struct compile *c, const struct cql_term *term, struct expr **ret) MUST_USE;

/* ---- aggregates ---- */
struct aggregate; /* state of one slot */
struct aggregate *fold_new(const struct expr *x);
void fold_free(struct aggregate *aggregate);
void fold_reset(struct aggregate *aggregate);
enum err fold_add(struct aggregate *aggregate, struct expr_run *run) MUST_USE;
enum err fold_result(struct aggregate *aggregate, struct expr_run *run,
                     struct str *ret_value) MUST_USE;

/* ---- JSON ---- */
/* Bytes of a type out of a JSON text; ret ptr NULL for null. */
enum err json_to_value(struct arena *arena, const struct cql_type *type, struct str text,
                       struct cql_error *error, struct str *ret_value) MUST_USE;
/* Splits the object of INSERT JSON: names (case as Cassandra folds it) and the texts of values. */
struct json_member {
    struct str name, value;
};
enum err json_members(struct arena *arena, struct str text, struct cql_error *error,
                      struct json_member **ret_members, size_t *ret_count) MUST_USE;

/* ---- numbers of any size ---- */
enum number_op { NUMBER_ADD, NUMBER_SUBTRACT, NUMBER_MULTIPLY, NUMBER_DIVIDE, NUMBER_REMAINDER };
/* varint (scale 0) and decimal values; a quotient of decimals is rounded to 32 digits or more.
 * ERR_OUT_OF_RANGE: division by zero; ERR_LIMIT: over 4096 digits. */
enum err number_apply(struct arena *arena, enum number_op op, bool decimal, struct str a,
                      struct str b, struct str *ret_value) MUST_USE;
/* A decimal over a count > 0, of the same scale, rounded half to even. */
enum err number_share(struct arena *arena, struct str decimal, int64_t count,
                      struct str *ret_value) MUST_USE;

#endif
