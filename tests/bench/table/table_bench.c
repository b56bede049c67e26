/* SPDX-License-Identifier: MIT */
/*
 * bench-table [ROWS [ROWS_A_COMMIT [MEMTABLE_MIB]]]: rows of twelve columns (a uuid, texts,
 * numbers) into a store under /tmp: upserts and appends, synced and not, a scan of all, point
 * reads, the time to open and the memory taken. With BENCH_CELLS set: the second face instead. CPU
 * is that of the whole process, RocksDB's background threads included.
 */
#include "base/mem.h"
#include "base/prng.h"
#include "io/io.h"
#include "io/thread.h"
#include "table/cells.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct io *io;
static char dir[64];
static struct table_store *store;
static size_t memtable_bytes;
static const char *const names[] = {"id",      "first_name", "last_name", "gender",
                                    "address", "post_code",  "email",     "username",
                                    "dob",     "phone",      "picture",   "score"};
enum { COLUMNS = 12 };

/* CPU time of this thread, which other programs disturb less than the clock. */
static int64_t thread_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void must(enum err err, const char *what)
{
    if (err) {
        fprintf(stderr, "%s: %s\n", what, err_text(err));
        exit(1);
    }
}

static void put_hex(char *text, size_t digits, struct prng *prng)
{
    for (size_t i = 0; i < digits; i++)
        text[i] = "0123456789abcdef"[prng_below(prng, 16)];
}

static void put_value(struct builder *builder, size_t column, struct prng *prng)
{
    static const size_t lengths[COLUMNS] = {36, 6, 8, 6, 40, 5, 26, 14, 24, 12, 48, 0};
    char text[64];
    if (column == COLUMNS - 1) {
        builder_i64(builder, (int64_t)prng_below(prng, 100));
        return;
    }
    put_hex(text, lengths[column], prng);
    if (column == 0)
        text[8] = text[13] = text[18] = text[23] = '-';
    builder_str(builder, str_from(text, lengths[column]));
}

static struct batch *make_rows(const struct type *schema, uint32_t count, struct prng *prng)
{
    struct column *columns[COLUMNS];
    for (uint32_t i = 0; i < COLUMNS; i++) {
        struct builder *builder = builder_new(schema->fields[i].type, count, 0);
        for (uint32_t row = 0; row < count; row++)
            put_value(builder, i, prng);
        must(builder_finish(builder, &columns[i]), "builder");
        builder_free(builder);
    }
    return batch_new(schema, count, columns);
}

static struct table *make_table(const char *name, bool append_only)
{
    struct table_column columns[COLUMNS];
    for (size_t i = 0; i < COLUMNS; i++)
        columns[i] = (struct table_column){
            str_of(names[i]), type_simple(i == COLUMNS - 1 ? TYPE_INT : TYPE_STRING),
            i ? STR_NONE : STR("uuid"), i || append_only ? TABLE_REGULAR : TABLE_PARTITION_KEY,
            TABLE_ONE_CELL};
    struct table_definition definition = {STR("bench"), str_of(name), columns,
                                          COLUMNS,      append_only,  0};
    struct table *table;
    must(table_create(store, &definition, NULL, &table), "create");
    return table;
}

static void report(const char *what, uint64_t rows, int64_t ns, int64_t cpu_us, int64_t own_us)
{
    printf("%-28s %9.0f rows/s  %6.2f us CPU/row, %.2f of it the caller's\n", what,
           (double)rows * 1e9 / (double)ns, (double)cpu_us / (double)rows,
           (double)own_us / (double)rows);
}

/* Writes rows in commits of size each; the batches are made before the clock starts. */
static void write_rows(const char *what, const char *name, bool append_only, uint32_t rows,
                       uint32_t size, bool sync)
{
    struct table *table = make_table(name, append_only);
    struct prng prng = {rows};
    uint32_t commits = rows / size;
    struct batch **batches = mem_array(commits, sizeof(struct batch *));
    struct table_place *places = mem_array(size, sizeof *places);
    for (uint32_t i = 0; i < commits; i++)
        batches[i] = make_rows(table_schema(table), size, &prng);
    struct table_batch *batch = table_batch_new(store);
    struct table_write write = {.timestamp_us = 1};
    struct io_usage before, after;
    io_usage(io, &before);
    int64_t start = io_now_ns(io), own = thread_us(), encoding = 0;
    for (uint32_t i = 0; i < commits; i++) {
        char offset[24];
        int64_t begin = io_now_ns(io);
        for (uint32_t row = 0; row < size && append_only; row++)
            places[row] = (struct table_place){0, (int64_t)i * size + row, 0};
        must(append_only
                 ? table_batch_append(batch, table, batches[i], 0, size, places, &write, NULL, NULL)
                 : table_batch_upsert(batch, table, batches[i], 0, size, &write, NULL, NULL),
             "write");
        encoding += io_now_ns(io) - begin;
        snprintf(offset, sizeof offset, "%u", (i + 1) * size);
        table_batch_state(batch, STR("offset/0"), str_of(offset));
        must(table_commit(store, batch, sync), "commit");
        table_batch_reset(batch);
    }
    int64_t ns = io_now_ns(io) - start;
    own = thread_us() - own;
    io_usage(io, &after);
    report(what, (uint64_t)commits * size, ns, after.cpu_us - before.cpu_us, own);
    printf("%-28s %9.0f rows/s\n", "  of it encoding",
           (double)commits * size * 1e9 / (double)encoding);
    for (uint32_t i = 0; i < commits; i++)
        batch_unref(batches[i]);
    mem_free(batches);
    mem_free(places);
    table_batch_free(batch);
}

static void scan_rows(const char *what, const char *name, const struct type *wanted)
{
    struct table *table = table_find(store, STR("bench"), str_of(name));
    struct table_scan *scan;
    struct io_usage before, after;
    io_usage(io, &before);
    int64_t start = io_now_ns(io), own = thread_us();
    must(table_scan_open(table, &(struct table_scan_options){.wanted = wanted}, &scan), "scan");
    uint64_t rows = 0;
    struct batch *batch;
    do {
        must(table_scan_next(scan, 1000, &batch), "next");
        rows += batch ? batch->rows : 0;
        batch_unref(batch);
    } while (batch);
    table_scan_close(scan);
    int64_t ns = io_now_ns(io) - start;
    io_usage(io, &after);
    report(what, rows, ns, after.cpu_us - before.cpu_us, thread_us() - own);
}

static void get_rows(uint32_t count)
{
    struct table *table = table_find(store, STR("bench"), STR("users"));
    struct table_scan *scan;
    struct batch *keys;
    struct field id = {.name = STR("id"), .type = type_simple(TYPE_STRING)};
    struct type key_type = {.kind = TYPE_STRUCT, .field_count = 1, .fields = &id};
    must(table_scan_open(table, &(struct table_scan_options){.wanted = &key_type}, &scan), "scan");
    must(table_scan_next(scan, count, &keys), "next");
    table_scan_close(scan);
    int64_t ns = 0, own = 0;
    for (uint32_t row = 0; row < keys->rows; row++) {
        struct batch *key, *found;
        must(batch_take(keys, &row, 1, &key), "take");
        int64_t start = io_now_ns(io), before = thread_us();
        must(table_get(table, key, NULL, &found), "get");
        ns += io_now_ns(io) - start;
        own += thread_us() - before;
        batch_unref(key);
        batch_unref(found);
    }
    report("get", keys->rows, ns, own, own);
    batch_unref(keys);
}

/* ---- the second face ---- */

enum { CELL_COLUMNS = 8 };

static struct table *make_cells_table(const char *name, bool clustering)
{
    static const char *const cell_names[] = {"id", "c", "a", "b", "d", "e", "f", "g"};
    struct table_column columns[CELL_COLUMNS];
    for (size_t i = 0; i < CELL_COLUMNS; i++)
        columns[i] = (struct table_column){str_of(cell_names[i]), type_simple(TYPE_STRING),
                                           i ? STR("text") : STR("uuid"),
                                           i == 0                 ? TABLE_PARTITION_KEY
                                           : i == 1 && clustering ? TABLE_CLUSTERING_ASC
                                                                  : TABLE_REGULAR,
                                           TABLE_ONE_CELL};
    struct table_definition definition = {STR("bench"), str_of(name), columns,
                                          CELL_COLUMNS, false,        0};
    struct table *table;
    must(table_create(store, &definition, NULL, &table), "create");
    return table;
}

static void make_id(uint32_t number, uint8_t id[16])
{
    struct prng prng = {number + 1};
    for (int i = 0; i < 16; i++)
        id[i] = (uint8_t)prng_next(&prng);
}

static void write_cells(const char *what, const char *name, bool clustering, uint32_t rows,
                        uint32_t size)
{
    struct table *table = make_cells_table(name, clustering);
    struct table_batch *batch = table_batch_new(store);
    static const char text[] = "some text of a usual length";
    int64_t encoding = 0, commits = 0;
    for (uint32_t row = 0; row < rows;) {
        int64_t start = thread_us();
        for (uint32_t i = 0; i < size; i++, row++) {
            uint8_t id[16];
            make_id(row, id);
            struct str partition[1] = {str_from(id, 16)}, clusterings[1] = {STR("c")};
            struct table_cell cells[CELL_COLUMNS];
            uint32_t count = 0;
            for (uint32_t column = clustering ? 2 : 1; column < CELL_COLUMNS; column++)
                cells[count++] =
                    (struct table_cell){.column = column, .value = str_of(text), .timestamp_us = 1};
            struct table_row_write write = {
                .key = {partition, clusterings, clustering},
                .cells = cells,
                .cell_count = count,
                .marker = true,
                .marker_timestamp_us = 1,
            };
            must(table_batch_cells(batch, table, &write), "cells");
        }
        int64_t middle = thread_us();
        must(table_commit(store, batch, false), "commit");
        table_batch_reset(batch);
        encoding += middle - start;
        commits += thread_us() - middle;
    }
    printf("%-28s %9.3f us/row encoding, %.3f us/row commit\n", what,
           (double)encoding / (double)rows, (double)commits / (double)rows);
    table_batch_free(batch);
}

static void read_cells(const char *what, const char *name, bool clustering, uint32_t rows,
                       uint32_t count)
{
    struct table *table = table_find(store, STR("bench"), str_of(name));
    struct table_reader *reader = table_reader_new();
    struct prng prng = {7};
    const struct table_row *found;
    int64_t start = thread_us();
    for (uint32_t i = 0; i < count; i++) {
        uint8_t id[16];
        make_id((uint32_t)prng_below(&prng, rows), id);
        struct str partition[1] = {str_from(id, 16)}, clusterings[1] = {STR("c")};
        struct table_key key = {partition, clusterings, clustering};
        must(table_read_row(reader, table, &key, NULL, 1, &found), "read");
    }
    int64_t one = thread_us();
    printf("%-28s %9.3f us/row\n", what, (double)(one - start) / count);
    for (uint32_t i = 0; i < count / 4; i++) {
        uint8_t id[16];
        make_id((uint32_t)prng_below(&prng, rows), id);
        struct str partition[1] = {str_from(id, 16)};
        struct table_read_options options = {.partition = partition, .now_s = 1};
        struct table_read *read;
        must(table_read_open(table, &options, &read), "open");
        must(table_read_next(read, &found), "next");
        table_read_close(read);
    }
    printf("%-28s %9.3f us/partition\n", "  by table_read",
           (double)(thread_us() - one) / (count / 4));
    table_reader_free(reader);
}

struct bench_job {
    struct table_job job;
    struct io_mutex *lock;
    struct io_condition *condition;
    uint32_t *left;
};

static void bench_job_done(struct table_job *job)
{
    struct bench_job *mine = job->owner;
    io_mutex_lock(mine->lock);
    if (!--*mine->left)
        io_condition_signal(mine->condition);
    io_mutex_unlock(mine->lock);
}

/* Synced jobs of one row each, depth of them under way. */
static void submit_jobs(uint32_t count, uint32_t depth)
{
    struct table *table = make_cells_table("jobs", false);
    struct bench_job *jobs = mem_zero(depth * sizeof *jobs);
    struct io_mutex lock;
    struct io_condition condition;
    io_mutex_init(&lock);
    io_condition_init(&condition);
    for (uint32_t i = 0; i < depth; i++)
        jobs[i].job.batch = table_batch_new(store);
    int64_t start = io_now_ns(io);
    for (uint32_t row = 0; row < count; row += depth) {
        uint32_t left = depth;
        for (uint32_t i = 0; i < depth; i++) {
            uint8_t id[16];
            make_id(row + i, id);
            struct str partition[1] = {str_from(id, 16)};
            struct table_cell cell = {.column = 1, .value = STR("x"), .timestamp_us = 1};
            struct table_row_write write = {
                .key = {partition, NULL, 0}, .cells = &cell, .cell_count = 1};
            struct table_batch *batch = jobs[i].job.batch;
            table_batch_reset(batch);
            must(table_batch_cells(batch, table, &write), "cells");
            jobs[i] = (struct bench_job){
                {.batch = batch, .done = bench_job_done, .owner = &jobs[i], .sync = true},
                &lock,
                &condition,
                &left};
            table_submit(store, &jobs[i].job);
        }
        io_mutex_lock(&lock);
        while (left)
            io_condition_wait(&condition, &lock, -1);
        io_mutex_unlock(&lock);
    }
    printf("jobs, synced, %4u at a time  %9.0f rows/s\n", depth,
           (double)count * 1e9 / (double)(io_now_ns(io) - start));
    for (uint32_t i = 0; i < depth; i++)
        table_batch_free(jobs[i].job.batch);
    mem_free(jobs);
    io_condition_deinit(&condition);
    io_mutex_deinit(&lock);
}

static void bench_cells(uint32_t rows)
{
    write_cells("cells, uuid key", "cells", false, rows, 100);
    write_cells("cells, with clustering", "cells2", true, rows, 100);
    read_cells("read row, in memory", "cells", false, rows, 200000);
    must(table_flush(store), "flush");
    read_cells("read row, flushed", "cells", false, rows, 200000);
    read_cells("read row, clustering", "cells2", true, rows, 200000);
    must(table_compact(store), "compact");
    read_cells("read row, compacted", "cells", false, rows, 200000);
    submit_jobs(2000, 1);
    submit_jobs(50000, 64);
    submit_jobs(200000, 1024);
}

static void open_store(const char *what)
{
    struct diag diag = {0};
    int64_t start = io_now_ns(io);
    struct table_store_options options = {.memtable_bytes = memtable_bytes};
    if (table_store_open(io, dir, &options, &diag, &store)) {
        fprintf(stderr, "%s\n", diag.message);
        exit(1);
    }
    struct io_usage usage;
    io_usage(io, &usage);
    printf("%-28s %9.2f ms      rss %.1f MB, %u threads\n", what,
           (double)(io_now_ns(io) - start) / 1e6, (double)usage.rss_bytes / 1e6, usage.threads);
}

int main(int argc, char **argv)
{
    uint32_t rows = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 500000;
    uint32_t size = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 2000;
    memtable_bytes = argc > 3 ? strtoul(argv[3], NULL, 10) << 20 : 0;
    io = io_kernel_new();
    snprintf(dir, sizeof dir, "/tmp/millrace-bench-%d", (int)getpid());
    struct io_usage usage;
    io_usage(io, &usage);
    printf("%-28s %12s      rss %.1f MB\n", "before", "", (double)usage.rss_bytes / 1e6);
    open_store("open, new");
    table_store_close(store);
    open_store("open, empty");
    make_table("users", false);
    table_store_close(store);
    open_store("open, one table");
    if (getenv("BENCH_CELLS")) {
        bench_cells(rows);
        struct io_usage after;
        io_usage(io, &after);
        printf("%-28s %12s      rss %.1f MB\n", "after", "", (double)after.rss_bytes / 1e6);
        table_store_close(store);
        must(io_path_remove_tree(io, dir), "remove");
        return 0;
    }
    write_rows("upsert, synced", "users", false, rows, size, true);
    if (getenv("BENCH_SHORT")) { /* for a profile */
        table_store_close(store);
        must(io_path_remove_tree(io, dir), "remove");
        return 0;
    }
    write_rows("upsert, not synced", "users2", false, rows, size, false);
    write_rows("append, synced", "lines", true, rows, size, true);
    write_rows("append, not synced", "lines2", true, rows, size, false);
    scan_rows("scan, upserted", "users", NULL);
    scan_rows("scan, appended", "lines", NULL);
    get_rows(20000);
    int64_t start = io_now_ns(io);
    must(table_compact(store), "compact");
    printf("%-28s %9.2f s\n", "compact", (double)(io_now_ns(io) - start) / 1e9);
    scan_rows("scan, upserted, compacted", "users", NULL);
    get_rows(20000);
    table_store_close(store);
    open_store("open, full");
    table_store_close(store);
    must(io_path_remove_tree(io, dir), "remove");
    io_free(io);
    return 0;
}
