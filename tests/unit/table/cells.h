/* SPDX-License-Identifier: MIT */
#ifndef TABLE_TEST_CELLS_H
#define TABLE_TEST_CELLS_H

/* Keys and values as CQL bytes, and rows as text, for tests of the second face. */
#include "base/endian.h"
#include "rows.h"
#include "table/cells.h"

static inline struct str cql_int(int32_t value)
{
    char *bytes = arena_alloc(&test_arena, 4);
    put_be32(bytes, (uint32_t)value);
    return str_from(bytes, 4);
}

static inline struct str cql_bigint(int64_t value)
{
    char *bytes = arena_alloc(&test_arena, 8);
    put_be64(bytes, (uint64_t)value);
    return str_from(bytes, 8);
}

/* "name=value", "name[path]=value", an expiring one with "~expiry", its timestamp behind "@". */
static inline void print_cells(const struct table_definition *definition,
                               const struct table_found *cells, uint32_t count, struct buf *out)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct table_found *cell = &cells[i];
        const struct table_column *column = &definition->columns[cell->column];
        buf_char(out, ' ');
        buf_str_append(out, column->name);
        if (cell->path.ptr)
            buf_printf(out, "[%.*s]", STR_ARG(cell->path));
        assert_non_null(cell->value.ptr);
        bool number = cell->value.bytes == 8 && column->type->kind == TYPE_BIGINT;
        if (number)
            buf_printf(out, "=%lld", (long long)get_be64(cell->value.ptr));
        else if (cell->value.bytes == 4 && column->type->kind == TYPE_INT)
            buf_printf(out, "=%d", (int)get_be32(cell->value.ptr));
        else
            buf_printf(out, "=%.*s", STR_ARG(cell->value));
        if (cell->ttl_s)
            buf_printf(out, "~%lld", (long long)cell->expires_s);
        buf_printf(out, "@%lld", (long long)cell->timestamp_us);
    }
}

static inline void print_row(const struct table *table, const struct table_row *row,
                             struct buf *out)
{
    const struct table_definition *definition = table_definition(table);
    bool first = true;
    for (size_t i = 0; i < definition->column_count; i++) {
        enum table_column_role role = definition->columns[i].role;
        if (role == TABLE_PARTITION_KEY) {
            buf_text(out, first ? "" : ",");
            buf_printf(out, "%d", (int)get_be32(row->partition[i].ptr));
            first = false;
        }
    }
    size_t at = 0;
    for (size_t i = 0; i < definition->column_count; i++) {
        enum table_column_role role = definition->columns[i].role;
        if (role != TABLE_CLUSTERING_ASC && role != TABLE_CLUSTERING_DESC)
            continue;
        if (!row->clustering)
            buf_text(out, "/-");
        else
            buf_printf(out, "/%d", (int)get_be32(row->clustering[at++].ptr));
    }
    if (row->marker)
        buf_printf(out, " !@%lld", (long long)row->marker_timestamp_us);
    if (row->marker && row->marker_ttl_s)
        buf_printf(out, "~%lld", (long long)row->marker_expires_s);
    print_cells(definition, row->cells, row->cell_count, out);
    if (row->static_count)
        buf_text(out, " |");
    print_cells(definition, row->statics, row->static_count, out);
    buf_char(out, '\n');
}

static inline void print_read(struct table *table, const struct table_read_options *options,
                              struct buf *out)
{
    struct table_read *read;
    const struct table_row *row;
    assert_ok(table_read_open(table, options, &read));
    for (;;) {
        assert_ok(table_read_next(read, &row));
        if (!row)
            break;
        print_row(table, row, out);
    }
    table_read_close(read);
}

/* All rows and all partitions of statics alone, unless the options say something else. */
static inline void assert_read(struct table *table, const struct table_read_options *options,
                               const char *expected)
{
    struct table_read_options all = {
        .token_from = INT64_MIN, .token_to = INT64_MAX, .statics_alone = true};
    struct buf out = {0};
    print_read(table, options ? options : &all, &out);
    assert_str(expected, buf_str(&out));
    buf_deinit(&out);
}

#endif
