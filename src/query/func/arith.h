/* SPDX-License-Identifier: MIT */
#ifndef QUERY_FUNC_ARITH_H
#define QUERY_FUNC_ARITH_H

#include "query/func/kernel.h"

enum arith_op {
    ARITH_ADD,
    ARITH_SUBTRACT,
    ARITH_MULTIPLY,
    ARITH_DIVIDE,
    ARITH_DIV, /* integral */
    ARITH_REMAINDER,
    ARITH_PMOD,
    ARITH_OPS,
    ARITH_TRY = 16 /* added: what fails gives NULL */
};

/* Binds decimals, literals of integers given their exact digits. */
enum err decimal_bind(struct func_bind *bind, enum arith_op op) MUST_USE;
enum err decimal_eval(struct eval *eval, const struct func_binding *binding,
                      const struct column *const *args, uint32_t rows,
                      struct column **ret_column) MUST_USE;
/* ERR_NOT_FOUND when no argument is a date, a timestamp or an interval; else binding->state is a
 * kernel for it. */
enum err interval_bind(struct func_bind *bind, enum arith_op op) MUST_USE;
/* DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE. */
enum err bind_wrong_type(struct func_bind *bind) MUST_USE;

typedef enum err arith_kernel(struct eval *eval, const struct func_binding *binding,
                              const struct column *const *args, uint32_t rows,
                              struct column **ret_column);
struct arith {
    arith_kernel *eval;
};

/* How an arithmetic error of a row ends: NULL and nothing else for try_* and without ANSI. */
static inline bool arith_is_quiet(const struct eval *eval, const struct func_binding *binding)
{
    return !eval->session->ansi || (binding->info->variant & ARITH_TRY);
}
void arith_overflow(struct eval *eval, const struct func_binding *binding, uint32_t row);
void arith_zero_divide(struct eval *eval, const struct func_binding *binding, uint32_t row);

#endif
