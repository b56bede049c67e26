/* SPDX-License-Identifier: MIT */
/*
 * bench-table [ROWS [ROWS_A_COMMIT [MEMTABLE_MIB]]]: rows of twelve columns (a uuid, texts,
 * numbers) into a store under /tmp: upserts and appends, synced and not, a scan of all, point
 * reads, the time to open and the memory taken. CPU is that of the whole process, RocksDB's
 * background threads included.
 */
#include "base/mem.h"
#include "base/prng.h"
#include "io/io.h"
#include "table/table.h"

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
            i ? STR_NONE : STR("uuid"), i || append_only ? TABLE_REGULAR : TABLE_PARTITION_KEY, TABLE_ONE_CELL};
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
