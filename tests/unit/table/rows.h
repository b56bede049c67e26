/* SPDX-License-Identifier: MIT */
#ifndef TABLE_TEST_ROWS_H
#define TABLE_TEST_ROWS_H

/* Batches from text and back, for the tests of tables. */
#include "base/mem.h"
#include "base/zone.h"
#include "io/io.h"
#include "table/table.h"

#include "test.h"

#include <unistd.h>

static struct arena test_arena;

static inline const struct type *ddl(const char *text)
{
    const struct type *type = NULL;
    struct diag diag = {0};
    if (type_parse_ddl(&test_arena, str_of(text), &diag, &type))
        fail_msg("%s: %s", text, diag.message);
    return type;
}

static inline void put_text(struct builder *builder, const char *text)
{
    __int128 decimal;
    if (!text) {
        builder_null(builder);
        return;
    }
    switch (builder->type->kind) {
    case TYPE_BOOLEAN:
        builder_bool(builder, text[0] == 't');
        break;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        builder_f64(builder, strtod(text, NULL));
        break;
    case TYPE_DECIMAL:
        assert_ok(
            decimal_parse(str_of(text), builder->type->precision, builder->type->scale, &decimal));
        builder_i128(builder, decimal);
        break;
    case TYPE_STRING:
    case TYPE_BINARY:
        builder_str(builder, str_of(text));
        break;
    default:
        builder_i64(builder, strtoll(text, NULL, 10));
    }
}

/* Row by row; NULL is null. */
static inline struct batch *batch_of(const struct type *schema, uint32_t rows,
                                     const char *const *cells)
{
    struct column *columns[64];
    for (uint32_t i = 0; i < schema->field_count; i++) {
        struct builder *builder = builder_new(schema->fields[i].type, rows, 0);
        for (uint32_t row = 0; row < rows; row++)
            put_text(builder, cells[row * schema->field_count + i]);
        assert_ok(builder_finish(builder, &columns[i]));
        builder_free(builder);
    }
    return batch_new(schema, rows, columns);
}

static inline void print_batch(const struct batch *batch, struct buf *out)
{
    for (uint32_t row = 0; row < batch->rows; row++) {
        for (uint32_t i = 0; i < batch->column_count; i++) {
            buf_text(out, i ? "|" : "");
            if (column_is_null(batch->columns[i], row))
                buf_text(out, "null");
            else
                text_of_value(batch->columns[i], row, NULL, out);
        }
        buf_char(out, '\n');
    }
}

/* Everything a scan gives, rows_max at a time. */
static inline void print_scan(struct table *table, const struct table_scan_options *options,
                              uint32_t rows_max, struct buf *out)
{
    struct table_scan *scan;
    struct batch *batch;
    assert_ok(table_scan_open(table, options, &scan));
    for (;;) {
        assert_ok(table_scan_next(scan, rows_max, &batch));
        if (!batch)
            break;
        assert_true(batch->rows <= rows_max);
        for (uint32_t i = 0; i < batch->column_count; i++)
            column_check(batch->columns[i]);
        print_batch(batch, out);
        batch_unref(batch);
    }
    table_scan_close(scan);
}

static inline void assert_scan(struct table *table, const struct table_scan_options *options,
                               const char *expected)
{
    for (uint32_t rows_max = 1; rows_max <= 1000; rows_max *= 10) {
        struct buf out = {0};
        print_scan(table, options, rows_max, &out);
        assert_str(expected, buf_str(&out));
        buf_deinit(&out);
    }
}

/* A clock that tests set. */
static int64_t test_now_us;
static inline int64_t test_clock(void *owner)
{
    return test_now_us;
}

/* Two stores under test: the disk's in a folder of its own, and the twin. */
struct stores {
    struct io *io;
    char dir[64];
    struct table_store *store[2];
};

static inline void stores_open(struct stores *stores)
{
    for (int i = 0; i < 2; i++) {
        struct diag diag = {0};
        struct table_store_options options = {.memory = i, .now_us = test_clock};
        if (stores->store[i])
            continue;
        if (table_store_open(stores->io, stores->dir, &options, &diag, &stores->store[i]))
            fail_msg("%s", diag.message);
    }
}

static inline void stores_init(struct stores *stores)
{
    static int number;
    memset(stores, 0, sizeof *stores);
    if (!test_arena.bytes_max)
        arena_init(&test_arena, SIZE_MAX);
    stores->io = io_kernel_new();
    snprintf(stores->dir, sizeof stores->dir, "/tmp/millrace-table-%d-%d", (int)getpid(), number++);
    stores_open(stores);
}

static inline void stores_deinit(struct stores *stores)
{
    for (int i = 0; i < 2; i++)
        table_store_close(stores->store[i]);
    assert_ok(io_path_remove_tree(stores->io, stores->dir));
    io_free(stores->io);
}

/* Closes the disk's store and opens it again; its tables are other pointers then. */
static inline void stores_reopen(struct stores *stores)
{
    table_store_close(stores->store[0]);
    stores->store[0] = NULL;
    stores_open(stores);
}

static inline void commit(struct table_store *store, struct table_batch *batch)
{
    assert_ok(table_commit(store, batch, false));
    table_batch_reset(batch);
}

static inline void upsert(struct table *table, struct table_store *store, const struct batch *rows,
                          const struct table_write *write)
{
    struct table_batch *batch = table_batch_new(store);
    struct diag diag = {0};
    uint32_t bad;
    if (table_batch_upsert(batch, table, rows, 0, rows->rows, write, &bad, &diag))
        fail_msg("%s", diag.message);
    commit(store, batch);
    table_batch_free(batch);
}

#endif
