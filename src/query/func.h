/* SPDX-License-Identifier: MIT */
#ifndef QUERY_FUNC_H
#define QUERY_FUNC_H

#include "query/query.h"

/*
 * Scalar functions, operators and casts as kernels over columns. The binder asks a function for its
 * types; a run calls its kernel once a batch. All functions stand in one table (func/table.c),
 * operators too: + - * / % div negative positive & | ^ ~ || = == <> != < <= > >= <=> like ilike
 * rlike in isnull isnotnull isnan, and [] for an element of an array or a map. AND, OR, NOT, CASE,
 * struct fields and lambdas are the binder's.
 */

/* What kernels keep from batch to batch (the last pattern, compiled), by their binding. Of one run;
 * mem_free and memo_free by func_memos_deinit(). */
struct func_binding;
struct func_memo {
    const struct func_binding *binding;
    void *memo;
    void (*memo_free)(void *memo);
};
struct func_memos {
    struct func_memo *items;
    size_t count, room;
};
void func_memos_deinit(struct func_memos *memos);

/* One evaluation of an expression over a batch. */
#define EVAL_NO_CLOCK INT64_MIN /* session->now_us while constants are folded */
struct eval {
    const struct query_session *session;
    struct arena *scratch; /* reset after each batch */
    const uint64_t
        *active; /* one bit a row: only these rows' errors count (CASE branches, the right
                    side of AND); NULL = all. Values of other rows are not looked at. */
    void (*failed)(struct eval *eval, uint32_t row, const struct diag *diag);
    void *owner;
    uint32_t line, column;    /* of the expression being computed, for errors */
    struct func_memos *memos; /* NULL = nothing is kept */
};
static inline bool eval_active(const struct eval *eval, uint32_t row)
{
    return !eval->active || bit_get(eval->active, row);
}
/* Reports an error of one active row (Spark's class and SQLSTATE); the kernel then gives NULL for
 * it and goes on. No-op for an inactive row. */
void eval_fail(struct eval *eval, uint32_t row, const char *error_class, const char *sqlstate,
               const char *format, ...) __attribute__((format(printf, 5, 6)));

struct func_arg {
    const struct type *type;
    const struct column *constant; /* one row, when the argument is a constant; else NULL */
    bool is_literal;               /* written as a literal: string literals promote */
};

struct func_info;
struct func_call;

/* What bind decides. args has one type an argument: the binder casts where it differs. */
struct func_binding {
    const struct type *result;
    const struct type **args;
    void *state;                  /* from bind to eval, in the arena: a compiled pattern, .. */
    const struct func_info *info; /* set by func_call_bind, with count */
    size_t count;                 /* of the arguments */
};

struct func_bind {
    const struct func_info *info; /* set by func_call_bind */
    struct arena *arena;
    const struct query_session *session;
    const struct func_arg *args;
    size_t count;
    struct diag *diag; /* line and column are set by the binder */
    struct func_binding out;
};

struct func_info {
    const char *name; /* lower case */
    uint8_t args_min;
    uint8_t args_max;     /* 255 = any number */
    bool nulls_propagate; /* NULL in any argument gives NULL: the kernel sees only full rows'
                             validity merged (the caller does not filter; the kernel must skip) */
    bool volatile_;       /* not folded: rand(), uuid() */
    enum err (*bind)(struct func_bind *bind) MUST_USE;
    /* args have the bound types and rows rows; gives rows rows of the bound result. */
    enum err (*eval)(struct eval *eval, const struct func_binding *binding,
                     const struct column *const *args, uint32_t rows,
                     struct column **ret_column) MUST_USE;
    const char *usage; /* "substring(str, pos[, len])" for hints and docs */

    /* Private to func/: what the generic bind and eval work from. */
    const char *signature; /* "s(s,i)": see func/bind.c; NULL when bind does it all */
    void (*row)(struct func_call *call);
    int variant; /* tells functions apart that share a kernel */
};

/* Binds a call: fills bind->out, or says why not (ERR_INVALID with Spark's class: a wrong number of
 * arguments, a type that does not fit). The way to call info->bind. */
enum err func_call_bind(const struct func_info *info, struct func_bind *bind) MUST_USE;
/* Evaluates it: info->eval of the binding. */
enum err func_call_eval(struct eval *eval, const struct func_binding *binding,
                        const struct column *const *args, uint32_t rows,
                        struct column **ret_column) MUST_USE;

/* NULL when there is none. name in any case. */
const struct func_info *func_find(struct str name);
size_t func_list(const struct func_info *const **ret_infos);
/* A function of Spark that this engine does not have: ERR_UNSUPPORTED, not "no such function". */
bool func_is_absent(struct str name);
/* The name of a call of count arguments in a column's name, "POWER"; and the text of an argument
 * that was left out and is shown nevertheless, NULL when there is none. */
void func_show_name(struct str name, size_t count, struct buf *out);
const char *func_shown_argument(struct str name, size_t index);
/* How many of count written arguments the name of a column shows. */
size_t func_shown_count(struct str name, size_t count);

/* CAST(from AS to): ERR_INVALID with DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION when Spark has no
 * such cast (ANSI and legacy differ). */
enum err cast_check(const struct type *from, const struct type *to,
                    const struct query_session *session, bool try_cast, struct diag *diag) MUST_USE;
/* try_cast: what does not fit gives NULL; else ANSI fails the row, non-ANSI gives NULL. arena: of
 * the plan (types). */
enum err cast_eval(struct eval *eval, const struct column *column, const struct type *to,
                   bool try_cast, struct column **ret_column) MUST_USE;
/* The type both can be brought to without loss by Spark's ANSI rules (implicit), NULL when none. */
const struct type *type_common(struct arena *arena, const struct type *a, const struct type *b,
                               const struct query_session *session);

#endif
