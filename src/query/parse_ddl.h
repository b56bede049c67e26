/* SPDX-License-Identifier: MIT */
#ifndef QUERY_PARSE_DDL_H
#define QUERY_PARSE_DDL_H

#include "query/parse.h"

/* Checks of statements that are known by name only (parse_ddl.c, parse_dml.c). They take tokens
 * and fail as Spark's parser does. */

enum {
    DDL_NOT_NULL = 1,
    DDL_DEFAULT = 2,
    DDL_COMMENT = 4,
    DDL_GENERATED = 8,
    DDL_PLACE = 16,
};

void ddl_fail(struct parser *p, const char *error_class, const char *sqlstate, const char *message);
/* From the cursor on, without moving it. */
void ddl_check_names(struct parser *p);
uint32_t ddl_name(struct parser *p);
unsigned ddl_column_options(struct parser *p, const char *twice_class);
void ddl_columns(struct parser *p, const char *twice_class);
void ddl_collation(struct parser *p);
void ddl_table(struct parser *p);

/* The statement at the cursor, which stays. */
void parse_other_check(struct parser *p);

#endif
