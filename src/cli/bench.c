/* SPDX-License-Identifier: MIT */
/*
 * millrace bench: what this machine can do, one line a part, medians of five: the disk by itself,
 * the log on it, JSON into columns, rows into a table. Works in a folder of its own, which is
 * removed at the end. tests/bench holds the finer measurements.
 */
#include "base/mem.h"
#include "base/prng.h"
#include "cli/commands.h"
#include "format/json.h"
#include "log/log.h"
#include "log/record_batch.h"
#include "table/table.h"

#include <stdlib.h>
#include <string.h>

enum { RUNS = 5, GROUP_BYTES = 1 << 20, GROUPS = 64, LONE = 200, DOCUMENTS = 200000, ROWS = 50000 };

struct bench {
    struct cli *cli;
    struct io *io;
    const char *directory;
    struct log *log;
    struct log_topic *topic;
    struct buf group;  /* 1 KB records in a 1 MB batch */
    struct buf record; /* one record of 1 KB */
};

static int compare_doubles(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, RUNS, sizeof *values, compare_doubles);
    return values[RUNS / 2];
}

static double seconds_since(struct bench *b, int64_t from_ns)
{
    return (double)(io_now_ns(b->io) - from_ns) / 1e9;
}

static enum err bare_writes(struct bench *b, size_t bytes, size_t count, double *ret_seconds)
{
    CLEAN(buf_deinit) struct buf path = {0};
    struct io_file *file;
    buf_printf(&path, "%s/bare", b->directory);
    TRY(io_file_open(b->io, buf_c_str(&path), IO_READ | IO_WRITE | IO_CREATE, &file));
    enum err err = io_file_allocate(file, 0, bytes * count, true);
    if (err == OK)
        err = io_file_sync(file);
    int64_t from_ns = io_now_ns(b->io);
    for (size_t i = 0; i < count && err == OK; i++) {
        err = io_file_write(file, i * bytes, b->group.ptr, bytes);
        if (err == OK)
            err = io_file_sync(file);
    }
    *ret_seconds = seconds_since(b, from_ns);
    io_file_close(file);
    return err;
}

static enum err log_appends(struct bench *b, const struct buf *batch, size_t count,
                            double *ret_seconds)
{
    int64_t base, from_ns = io_now_ns(b->io);
    for (size_t i = 0; i < count; i++)
        TRY(log_append_wait(log_topic_partition(b->topic, 0), batch->ptr, batch->bytes, &base));
    *ret_seconds = seconds_since(b, from_ns);
    return OK;
}

static enum err make_batches(struct bench *b)
{
    struct record_batch_builder builder;
    char value[1000];
    struct prng prng = {1};
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (char)('a' + prng_below(&prng, 26));
    record_batch_builder_init(&builder, CODEC_NONE, 4 << 20);
    record_batch_builder_add(&builder, 0, STR_NONE, str_from(value, sizeof value), NULL, 0);
    enum err err = record_batch_builder_finish(&builder, &b->record);
    while (err == OK && builder.records.bytes + 1100 < GROUP_BYTES)
        record_batch_builder_add(&builder, 0, STR_NONE, str_from(value, sizeof value), NULL, 0);
    if (err == OK)
        err = record_batch_builder_finish(&builder, &b->group);
    record_batch_builder_deinit(&builder);
    return err;
}

static enum err open_log(struct bench *b)
{
    CLEAN(buf_deinit) struct buf path = {0};
    struct log_options options = {.durability = LOG_SYNC, .own_thread = true};
    struct log_topic_config config;
    struct diag diag = {0};
    buf_printf(&path, "%s/log", b->directory);
    TRY(log_open(b->io, buf_c_str(&path), &options, &diag, &b->log));
    log_topic_config_default(&config);
    TRY(log_topic_create(b->log, STR("bench"), &config, &diag, &b->topic));
    return make_batches(b);
}

static enum err bench_disk(struct bench *b)
{
    double bare[RUNS], log[RUNS], small[RUNS], lone[RUNS];
    /* Side by side in each round: disks have moods. */
    for (int i = 0; i < RUNS; i++) {
        TRY(bare_writes(b, GROUP_BYTES - 4096, GROUPS, &bare[i]));
        TRY(log_appends(b, &b->group, GROUPS, &log[i]));
        TRY(bare_writes(b, b->record.bytes, LONE, &small[i]));
        TRY(log_appends(b, &b->record, LONE, &lone[i]));
    }
    double mb = (double)GROUPS * GROUP_BYTES / 1e6, bare_s = median(bare), log_s = median(log);
    double small_s = median(small), lone_s = median(lone);
    cli_print(b->cli, "disk, 1 MB writes + fdatasync   %10.0f MB/s\n", mb / bare_s);
    cli_print(b->cli, "log, 1 KB records in 1 MB       %10.0f MB/s   %.0f %% of the disk\n",
              mb / log_s, 100 * bare_s / log_s);
    cli_print(b->cli, "disk, one small write           %10.2f ms\n", small_s / LONE * 1000);
    cli_print(b->cli, "log, a lone record durable      %10.2f ms     %.1f x the disk\n",
              lone_s / LONE * 1000, lone_s / small_s);
    return OK;
}

static const char *const BID =
    "{\"auction\":%llu,\"bidder\":%llu,\"price\":%llu,\"channel\":\"Google\",\"url\":"
    "\"https://www.nexmark.example/"
    "item.htm?query=1\",\"dateTime\":\"2024-01-01T00:00:%02llu.%03lluZ\","
    "\"extra\":\"abcdefghijklmnopqrstuvwxyz0123456789abcdefghijkl\"}";

static enum err bench_json(struct bench *b)
{
    CLEAN(arena_deinit) struct arena arena = {.bytes_max = 256 << 20};
    const struct type *schema, *wanted;
    TRY(type_parse_ddl(
        &arena,
        STR("auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, "
            "dateTime TIMESTAMP, extra STRING"),
        NULL, &schema));
    TRY(type_parse_ddl(&arena,
                       STR("auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, dateTime "
                           "TIMESTAMP"),
                       NULL, &wanted));
    struct json_decoder *decoder;
    struct json_decode_options options = {0};
    TRY(json_decoder_new(schema, wanted, &options, &decoder));
    struct str *documents = arena_array(&arena, DOCUMENTS, sizeof *documents);
    uint8_t *outcomes = arena_alloc(&arena, DOCUMENTS);
    struct prng prng = {1};
    size_t bytes = 0;
    for (size_t i = 0; i < DOCUMENTS; i++) {
        unsigned long long r = prng_next(&prng);
        documents[i] = str_of(arena_printf(&arena, BID, 1000 + r % 1000, r >> 40, r % 1000000,
                                           i / 1000 % 60 + 0ull, i % 1000 + 0ull));
        bytes += documents[i].bytes;
    }
    double seconds[RUNS];
    for (int run = 0; run < RUNS; run++) {
        int64_t from_ns = io_now_ns(b->io);
        for (size_t i = 0; i < DOCUMENTS; i += 2000) {
            struct batch *batch = NULL;
            size_t faults;
            TRY(json_decode(decoder, documents + i, 2000, &batch, outcomes, NULL, 0, &faults));
            batch_unref(batch);
        }
        seconds[run] = seconds_since(b, from_ns);
    }
    json_decoder_free(decoder);
    double s = median(seconds);
    cli_print(b->cli, "JSON into columns, one core     %10.2f M records/s   %.2f GB/s\n",
              DOCUMENTS / s / 1e6, (double)bytes / s / 1e9);
    return OK;
}

static enum err make_rows(const struct type *schema, uint64_t seed, struct batch **ret_rows)
{
    struct column *columns[3];
    struct builder *id = builder_new(schema->fields[0].type, ROWS, 0);
    struct builder *name = builder_new(schema->fields[1].type, ROWS, 0);
    struct builder *amount = builder_new(schema->fields[2].type, ROWS, 0);
    struct prng prng = {seed};
    for (uint32_t i = 0; i < ROWS; i++) {
        char text[64] = "somebody with a name, a street and a city of some length ......";
        builder_i64(id, (int64_t)prng_next(&prng));
        builder_str(name, str_from(text, 63));
        builder_f64(amount, prng_real(&prng));
    }
    enum err err = builder_finish(id, &columns[0]);
    if (err == OK)
        err = builder_finish(name, &columns[1]);
    if (err == OK)
        err = builder_finish(amount, &columns[2]);
    builder_free(id);
    builder_free(name);
    builder_free(amount);
    TRY(err);
    *ret_rows = batch_new(schema, ROWS, columns);
    return OK;
}

static enum err bench_table(struct bench *b)
{
    CLEAN(buf_deinit) struct buf path = {0};
    struct table_store *store;
    struct table *table;
    struct diag diag = {0};
    struct table_store_options options = {0};
    struct table_column columns[] = {
        {STR("id"), type_simple(TYPE_BIGINT), STR_NONE, TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("name"), type_simple(TYPE_STRING), STR_NONE, TABLE_REGULAR, TABLE_ONE_CELL},
        {STR("amount"), type_simple(TYPE_DOUBLE), STR_NONE, TABLE_REGULAR, TABLE_ONE_CELL}};
    struct table_definition definition = {
        .keyspace = STR("bench"), .name = STR("rows"), .columns = columns, .column_count = 3};
    buf_printf(&path, "%s/tables", b->directory);
    TRY(table_store_open(b->io, buf_c_str(&path), &options, &diag, &store));
    enum err err = table_create(store, &definition, &diag, &table);
    double seconds[RUNS] = {0};
    struct table_batch *writes = table_batch_new(store);
    for (int run = 0; run < RUNS && err == OK; run++) {
        struct batch *rows = NULL;
        err = make_rows(table_schema(table), (uint64_t)run + 1, &rows);
        int64_t from_ns = io_now_ns(b->io);
        for (uint32_t i = 0; i < ROWS && err == OK; i += 2000) {
            struct table_write write = {.timestamp_us = run + 1};
            uint32_t bad;
            table_batch_reset(writes);
            err = table_batch_upsert(writes, table, rows, i, i + 2000, &write, &bad, &diag);
            if (err == OK)
                err = table_commit(store, writes, true);
        }
        seconds[run] = seconds_since(b, from_ns);
        batch_unref(rows);
    }
    table_batch_free(writes);
    table_store_close(store);
    TRY(err);
    cli_print(b->cli, "table upserts, 2,000 a commit   %10.0f rows/s\n", ROWS / median(seconds));
    return OK;
}

static int run_bench(struct cli *cli)
{
    CLEAN(buf_deinit) struct buf directory = {0};
    const char *where = cli_argument(cli, 0, ".");
    uint64_t id;
    io_random(cli->io, &id, sizeof id);
    buf_printf(&directory, "%s/.millrace-bench-%08llx", where, (unsigned long long)id & 0xffffffff);
    struct bench b = {.cli = cli, .io = cli->io, .directory = buf_c_str(&directory)};
    enum err err = io_path_make_directory(cli->io, b.directory);
    if (err == OK)
        err = open_log(&b);
    if (err == OK)
        err = bench_disk(&b);
    if (err == OK)
        err = bench_json(&b);
    if (err == OK)
        err = bench_table(&b);
    log_close(b.log);
    buf_deinit(&b.group);
    buf_deinit(&b.record);
    (void)!io_path_remove_tree(cli->io, b.directory);
    if (err != OK)
        cli_error(cli, "bench in %s: %s", where, err_text(err));
    return cli_exit(err);
}

const struct cli_command command_bench = {
    .name = "bench",
    .arguments = "[DIR]",
    .summary = "measures this machine",
    .text = "Takes about 300 MB in DIR (the working directory) for some seconds. Medians of five.",
    .examples = "  millrace bench /var/lib",
    .arguments_max = 1,
    .run = run_bench,
};
