/* SPDX-License-Identifier: MIT */
#ifndef CLI_CQL_H
#define CLI_CQL_H

#include "cli/cli.h"
#include "connect/cql_client.h"

/* The index behind the `;` that ends the statement at from, outside quotes, comments and batches;
 * SIZE_MAX when there is none. */
size_t cql_statement_end(struct str text, size_t from);
/* Only blanks and comments. */
bool cql_is_blank(struct str text);
/* "InvalidRequest: Error from server: code=2200 [Invalid query] message=".."", as cqlsh has it. */
void cql_print_error(const struct cql_error *error, struct buf *out);
/* One page of rows, the body of a RESULT behind its kind. ERR_CORRUPT. */
struct cql_page {
    const char *output; /* "table", "json", "csv" */
    bool describes;     /* an answer to DESCRIBE: statements as they are */
    uint64_t rows;      /* of all pages so far */
    bool more;          /* there is another page */
    struct buf paging;  /* where it goes on */
    struct buf json;    /* for json and csv: the rows of all pages, as /api/sql gives them */
};
enum err cql_print_page(struct cql_page *page, struct str body, struct buf *out) MUST_USE;
/* What comes behind the last page. */
void cql_print_end(const struct cli *cli, struct cql_page *page, struct buf *out);
void cql_page_deinit(struct cql_page *page);

#endif
