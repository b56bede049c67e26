/* SPDX-License-Identifier: MIT */
/*
 * Any text to the CQL parser. What parses has texts inside of the text or the arena, markers that
 * are counted right, and parses again to the same kind; what does not says why.
 */
#include "base/check.h"
#include "serve/cql/ast.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static unsigned depth;

/* Walks a term, so that what it points to is looked at. */
static uint64_t walk(const struct cql_term *term)
{
    uint64_t sum = 0;
    check(++depth <= 1000);
    for (size_t i = 0; term && i < term->source.bytes; i++)
        sum += (unsigned char)term->source.ptr[i];
    for (size_t i = 0; term && i < term->text.bytes; i++)
        sum += (unsigned char)term->text.ptr[i];
    for (size_t i = 0; term && i < term->count; i++)
        sum += walk(term->items[i]);
    depth--;
    return sum;
}

static uint64_t walk_where(const struct cql_relation *where, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += walk(where[i].element);
        for (size_t k = 0; k < where[i].value_count; k++)
            sum += walk(where[i].values[k]);
        check(where[i].column_count > 0);
    }
    return sum;
}

static uint64_t walk_statement(const struct cql_statement *st)
{
    uint64_t sum = 0;
    if (st->kind == CQL_SELECT) {
        for (size_t i = 0; i < st->select.selector_count; i++)
            sum += walk(st->select.selectors[i].term);
        sum += walk_where(st->select.where, st->select.where_count);
    }
    if (st->kind == CQL_MODIFY) {
        for (size_t i = 0; i < st->modify.assignment_count; i++)
            sum += walk(st->modify.assignments[i].value) + walk(st->modify.assignments[i].key);
        sum += walk_where(st->modify.where, st->modify.where_count);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct arena arena;
    struct diag diag = {.err = OK};
    struct cql_statement *st = NULL, *again = NULL;
    if (bytes > 1 << 16)
        return 0;
    arena_init(&arena, 1 << 26);
    struct str text = str_from(data, bytes);
    enum err err = cql_parse(&arena, text, &diag, &st);
    if (err == OK) {
        check(st->marker_count == 0 || st->marker_names);
        volatile uint64_t sum = walk_statement(st);
        (void)sum;
        check(cql_parse(&arena, text, NULL, &again) == OK);
        check(again->kind == st->kind);
        check(again->marker_count == st->marker_count);
    } else {
        check(err == ERR_SYNTAX || err == ERR_LIMIT);
        check(err == ERR_LIMIT || diag.message[0]);
    }
    arena_deinit(&arena);
    return 0;
}
