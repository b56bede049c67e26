/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_SELECT_H
#define SERVE_CQL_SELECT_H

#include "serve/cql/exec_private.h"

/* What a SELECT does, told once while planning. */
struct select_order {
    uint32_t column;
    bool descending;
};
struct select_plan {
    const struct cql_table *table;
    struct where where;
    struct expr **items;   /* one a selector */
    bool *item_aggregates; /* the item has an aggregate inside */
    size_t item_count;
    bool json, distinct, reversed, grouped;
    uint32_t group_clustering; /* GROUP BY: how many clustering columns */
    struct expr *group_function;
    struct expr **aggregates;
    size_t aggregate_count;
    struct expr *limit, *per_partition_limit;
    bool *wanted;         /* by index in the store's definition */
    uint32_t *by_storage; /* column of the table by that index */
    uint32_t storage_count;
    bool statics_alone;
    bool single_row;            /* the whole key by EQ */
    struct expr *ann;           /* ORDER BY .. ANN OF: how near a row is; NULL = none */
    struct select_order *order; /* sorting behind the read: IN and ORDER BY */
    size_t order_count;
};

/* Values of all columns of a row, by column of the table; arrays live in the arena. */
void row_values(struct arena *arena, const struct cql_table *table, const uint32_t *by_storage,
                const struct table_row *row, struct str *ret_values);
void column_map(struct arena *arena, const struct cql_table *table, uint32_t **ret_by_storage,
                uint32_t *ret_count);
/* ORDER BY v ANN OF (select_ann.c), behind WHERE. */
enum err ann_plan(struct compile *c, const struct cql_select *s, struct select_plan *p) MUST_USE;
/* "Vector indexes only support ANN queries". */
enum err ann_check_where(struct compile *c, const struct cql_select *s) MUST_USE;
/* Marks the columns that an expression reads. */
void expr_columns(const struct expr *x, bool *columns);

#endif
