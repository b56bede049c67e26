/* SPDX-License-Identifier: MIT */
#ifndef QUERY_CAST_H
#define QUERY_CAST_H

#include "query/func/kernel.h"

/* What the cast kernels share; private to cast*.c. One evaluation of one cast. */
struct cast {
    struct eval *eval;
    const struct column *from;
    const struct type *to;
    bool try_cast;
};

/* Reports that row does not fit, unless it is a try_cast or a session without ANSI. */
void cast_bad_input(const struct cast *cast, uint32_t row);
void cast_overflow(const struct cast *cast, uint32_t row);
void cast_bad_decimal(const struct cast *cast, uint32_t row);

/* Kernels by what they read and make. */
enum err cast_numbers(const struct cast *cast, struct column **ret_column) MUST_USE;
enum err cast_to_text(const struct cast *cast, struct column **ret_column) MUST_USE;
enum err cast_from_text(const struct cast *cast, struct column **ret_column) MUST_USE;
enum err cast_times(const struct cast *cast, struct column **ret_column) MUST_USE;
enum err cast_intervals(const struct cast *cast, struct column **ret_column) MUST_USE;
enum err cast_nested(const struct cast *cast, struct column **ret_column) MUST_USE;

#endif
