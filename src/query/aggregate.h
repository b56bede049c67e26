/* SPDX-License-Identifier: MIT */
#ifndef QUERY_AGGREGATE_H
#define QUERY_AGGREGATE_H

#include "query/expr.h"

/* Aggregate functions: how each is bound and what state a group keeps (exec/aggregate.c). */
enum aggregate_kind {
    AGG_COUNT,    /* of rows in which no argument is null; without arguments: all rows */
    AGG_COUNT_IF, /* */
    AGG_SUM,
    AGG_AVG,
    AGG_MIN,
    AGG_MAX,
    AGG_FIRST, /* any_value too */
    AGG_LAST,
    AGG_BOOL_AND,
    AGG_BOOL_OR,
    AGG_COLLECT_LIST,
    AGG_MIN_BY,
    AGG_MAX_BY,
    AGG_STDDEV_SAMP, /* and the other moments: one state */
    AGG_STDDEV_POP,
    AGG_VAR_SAMP,
    AGG_VAR_POP,
};

struct aggregate_info {
    const char *name;
    enum aggregate_kind kind;
    uint8_t args_min, args_max;
};

const struct aggregate_info *aggregate_find(struct str name);
size_t aggregate_list(const struct aggregate_info **ret_infos);

#endif
