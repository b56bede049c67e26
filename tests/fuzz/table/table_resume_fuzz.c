/* SPDX-License-Identifier: MIT */
/* Any bytes as the place to resume a read at: it is refused, or rows of the table come, each once,
 * and never more than there are. The first byte chooses the kind of read. */
#include "base/check.h"
#include "base/endian.h"
#include "io/sim.h"
#include "table/cells.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { PARTITIONS = 3, ROWS = 3 };

static struct table *make_table(struct table_store *store)
{
    struct table_column columns[] = {
        {STR("p"), type_simple(TYPE_STRING), STR("text"), TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("c"), type_simple(TYPE_STRING), STR("text"), TABLE_CLUSTERING_DESC, TABLE_ONE_CELL},
    };
    struct table_definition definition = {STR("k"), STR("t"), columns, 2, false, 0};
    struct table *table;
    check(table_create(store, &definition, NULL, &table) == OK);
    struct table_batch *batch = table_batch_new(store);
    for (int i = 0; i < PARTITIONS * ROWS; i++) {
        const char *texts[] = {"a", "b\0c", "d"};
        struct str partition[1] = {str_from(texts[i / ROWS], i / ROWS == 1 ? 3 : 1)};
        struct str clustering[1] = {str_from(texts[i % ROWS], i % ROWS == 1 ? 3 : 1)};
        struct table_row_write write = {.key = {partition, clustering, 1}, .marker = true};
        check(table_batch_cells(batch, table, &write) == OK);
    }
    check(table_commit(store, batch, false) == OK);
    table_batch_free(batch);
    return table;
}

static struct table *make_lines(struct table_store *store)
{
    struct table_column columns[] = {
        {STR("v"), type_simple(TYPE_INT), STR_NONE, TABLE_REGULAR, TABLE_ONE_CELL},
    };
    struct table_definition definition = {STR("k"), STR("lines"), columns, 1, true, 0};
    struct table *table;
    check(table_create(store, &definition, NULL, &table) == OK);
    struct builder *builder = builder_new(columns[0].type, 0, 0);
    struct column *column;
    struct table_place places[PARTITIONS * ROWS];
    for (int i = 0; i < PARTITIONS * ROWS; i++) {
        builder_i64(builder, i);
        places[i] = (struct table_place){i / ROWS, i % ROWS, 0};
    }
    check(builder_finish(builder, &column) == OK);
    builder_free(builder);
    struct batch *rows = batch_new(table_schema(table), PARTITIONS * ROWS, &column);
    struct table_batch *batch = table_batch_new(store);
    struct table_write write = {.timestamp_us = 1};
    check(table_batch_append(batch, table, rows, 0, rows->rows, places, &write, NULL, NULL) == OK);
    check(table_commit(store, batch, false) == OK);
    table_batch_free(batch);
    batch_unref(rows);
    return table;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct io_sim_options sim = {.seed = 1};
    struct table_store_options memory = {.memory = true};
    struct table_store *store;
    if (!bytes)
        return 0;
    struct io *io = io_sim_new(&sim);
    check(table_store_open(io, "t", &memory, NULL, &store) == OK);
    bool lines = data[0] & 4;
    struct table *table = lines ? make_lines(store) : make_table(store);
    static const uint8_t one[4] = {0, 0, 0, 1};
    struct str partition[1] = {lines ? str_from(one, 4) : STR("a")};
    struct table_read_options options = {.token_from = INT64_MIN,
                                         .token_to = INT64_MAX,
                                         .reverse = data[0] & 1,
                                         .partition = data[0] & 2 ? partition : NULL,
                                         .resume = str_from(data + 1, bytes - 1)};
    struct table_read *read;
    if (table_read_open(table, &options, &read) == OK) {
        const struct table_row *row;
        int count = 0;
        enum err err;
        while ((err = table_read_next(read, &row)) == OK && row)
            count++;
        check(err == OK && count <= PARTITIONS * ROWS);
        table_read_close(read);
    }
    table_store_close(store);
    io_free(io);
    return 0;
}
