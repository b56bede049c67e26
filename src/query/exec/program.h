/* SPDX-License-Identifier: MIT */
#ifndef QUERY_EXEC_PROGRAM_H
#define QUERY_EXEC_PROGRAM_H

#include "query/exec/exec.h"

/* The inside of a program, for its parts: program.c, step.c, lambda.c. */
enum step_kind {
    STEP_CONSTANT,
    STEP_FIELD,
    STEP_CALL,
    STEP_CAST,
    STEP_NOT,
    STEP_AND,
    STEP_OR,
    STEP_CASE,
    STEP_COALESCE,
    STEP_LAMBDA,
    STEP_MASK_COPY, /* this and those behind move masks; count is the slot they look at */
    STEP_MASK_TRUE,
    STEP_MASK_NOT_TRUE,
    STEP_MASK_NOT_FALSE,
    STEP_MASK_NULL,
    STEP_MASK_POP,
};

/* Branches nest at most as deep as trees are high, two masks each. */
enum { MASK_DEPTH_MAX = 2 * AST_HEIGHT_MAX + 16 };

struct lambda;

struct step {
    enum step_kind kind;
    const struct expr *expr;
    uint32_t first, count; /* of its input slots in program.inputs */
    uint32_t out;
    uint32_t jump; /* masks: where to go when no row is left */
    struct lambda *lambda;
};

struct known {
    const struct expr *expr;
    uint32_t slot;
};

struct program {
    const struct query_session *session;
    struct step *steps;
    size_t step_count, step_room;
    uint32_t *inputs;
    size_t input_count, input_room;
    uint32_t *out;
    uint32_t out_count;
    uint32_t width, variables, slot_count;
    struct column **slots;    /* the first width + variables are borrowed */
    struct column **repeated; /* one a step: constants for the last number of rows */
    struct known *known;      /* while compiling */
    size_t known_count;
};

struct column *step_not(const struct column *column, uint32_t rows);
/* Three-valued AND or OR; a NULL argument decides nothing. */
struct column *step_logical(const struct column *const *args, uint32_t count, uint32_t rows,
                            bool is_and);
enum err step_field(const struct column *column, const struct expr *expr,
                    struct column **ret_column) MUST_USE;
enum err step_case(struct eval *eval, const struct expr *expr, const struct column *const *args,
                   uint32_t count, uint32_t rows, struct column **ret_column) MUST_USE;
enum err step_coalesce(struct eval *eval, const struct expr *expr, const struct column *const *args,
                       uint32_t count, uint32_t rows, struct column **ret_column) MUST_USE;

struct lambda *lambda_new(const struct program *outer, const struct expr *expr);
void lambda_free(struct lambda *lambda);
enum err lambda_run(struct lambda *lambda, const struct program *outer, struct eval *eval,
                    const struct column *const *args, uint32_t rows,
                    struct column **ret_column) MUST_USE;

#endif
