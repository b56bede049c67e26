/* SPDX-License-Identifier: MIT */
#ifndef LAB_H
#define LAB_H

/*
 * A project with a real log and a real table store under /tmp, and its streams, run by hand: one
 * epoch at a time, in this thread. lab_restart() stops all and opens it again, as after a stop;
 * lab_save() and lab_crash() bring the tables back to an earlier moment while the log stays, which
 * is what a crash between the flush of the dead letters and the commit leaves behind.
 */
#include "pipeline/dead_letter.h"
#include "pipeline/pipeline_private.h"

#include "test.h"

#include <string.h>

enum { LAB_STREAMS = 4 };

struct lab {
    struct io *io;
    char dir[64], log_dir[80], table_dir[80], save_dir[80];
    struct project *project;
    struct log *log;
    struct table_store *store;
    struct stream streams[LAB_STREAMS];
    size_t stream_count;
};

static inline void lab_write(struct lab *lab, const char *name, const char *text)
{
    CLEAN(buf_deinit) struct buf path = {0};
    buf_printf(&path, "%s/%s", lab->dir, name);
    assert_ok(io_path_replace(lab->io, buf_c_str(&path), text, strlen(text)));
}

static inline void lab_load(struct lab *lab)
{
    struct diag_list diags = {0};
    if (project_load(lab->io, lab->dir, &diags, &lab->project) != OK)
        fail_msg("%s:%u:%u: %s", diags.items[0].file, diags.items[0].line, diags.items[0].column,
                 diags.items[0].message);
    diag_list_deinit(&diags);
}

static inline struct log_topic *lab_topic(struct lab *lab, const struct project_source *source)
{
    struct log_topic *topic = log_topic_find(lab->log, source->topic);
    if (!topic)
        assert_ok(log_topic_create(lab->log, source->topic, &source->topic_config, NULL, &topic));
    return topic;
}

static inline void lab_start(struct lab *lab)
{
    struct diag diag = {0};
    struct log_options log_options = {.durability = LOG_OS, .own_thread = true};
    struct table_store_options table_options = {0};
    lab_load(lab);
    assert_ok(log_open(lab->io, lab->log_dir, &log_options, &diag, &lab->log));
    assert_ok(table_store_open(lab->io, lab->table_dir, &table_options, &diag, &lab->store));
    lab->stream_count = 0;
    for (size_t i = 0; i < lab->project->table_count; i++) {
        struct project_table *table = &lab->project->tables[i];
        if (table->kind != PROJECT_STREAMING_TABLE)
            continue;
        struct stream *stream = &lab->streams[lab->stream_count++];
        *stream = (struct stream){.source = table->source,
                                  .table = table,
                                  .primary = lab->stream_count == 1,
                                  .io = lab->io,
                                  .log = lab->log,
                                  .store = lab->store,
                                  .topic = lab_topic(lab, table->source)};
        if (stream_open(stream, &diag) != OK)
            fail_msg("stream_open: %s", diag.message);
    }
}

static inline void lab_open(struct lab *lab, const char *millrace_yml, const char *sql)
{
    *lab = (struct lab){.io = io_kernel_new()};
    uint64_t random;
    io_random(lab->io, &random, sizeof random);
    snprintf(lab->dir, sizeof lab->dir, "/tmp/pipeline-test-%016llx", (unsigned long long)random);
    snprintf(lab->log_dir, sizeof lab->log_dir, "%s/data/log", lab->dir);
    snprintf(lab->table_dir, sizeof lab->table_dir, "%s/data/tables", lab->dir);
    snprintf(lab->save_dir, sizeof lab->save_dir, "%s/data/saved", lab->dir);
    char sub[96];
    snprintf(sub, sizeof sub, "%s/transformations", lab->dir);
    assert_ok(io_path_make_directory(lab->io, sub));
    snprintf(sub, sizeof sub, "%s/data", lab->dir);
    assert_ok(io_path_make_directory(lab->io, sub));
    lab_write(lab, "spark-pipeline.yml", "name: lab\nstorage: file:///tmp/lab\ndatabase: lab\n");
    lab_write(lab, "millrace.yml", millrace_yml);
    lab_write(lab, "transformations/lab.sql", sql);
    lab_start(lab);
}

static inline void lab_stop(struct lab *lab)
{
    for (size_t i = 0; i < lab->stream_count; i++)
        stream_close(&lab->streams[i]);
    table_store_close(lab->store);
    log_close(lab->log);
    project_free(lab->project);
}

static inline void lab_restart(struct lab *lab)
{
    lab_stop(lab);
    lab_start(lab);
}

static inline void lab_close(struct lab *lab)
{
    lab_stop(lab);
    assert_ok(io_path_remove_tree(lab->io, lab->dir));
    io_free(lab->io);
}

static inline void lab_save(struct lab *lab)
{
    assert_ok(table_checkpoint(lab->store, lab->save_dir));
}

static inline void lab_crash(struct lab *lab)
{
    lab_stop(lab);
    assert_ok(io_path_remove_tree(lab->io, lab->table_dir));
    assert_ok(io_path_rename(lab->io, lab->save_dir, lab->table_dir));
    lab_start(lab);
}

/* ---- records ---- */

/* One batch; values end with NULL. "key\tvalue" has a key. */
static inline void lab_put_with(struct lab *lab, int32_t partition, enum codec codec,
                                const char *const *values, const struct record_header *headers,
                                size_t header_count)
{
    struct record_batch_builder builder = {0};
    CLEAN(buf_deinit) struct buf batches = {0};
    record_batch_builder_init(&builder, codec, 1 << 20);
    for (; *values; values++) {
        struct str value = str_of(*values), key = STR_NONE;
        if (str_find(value, STR("	"), 0) != SIZE_MAX)
            (void)!str_cut(&value, '	', &key);
        record_batch_builder_add(&builder, 1700000000000, key, value, headers, header_count);
    }
    assert_ok(record_batch_builder_finish(&builder, &batches));
    record_batch_builder_deinit(&builder);
    struct log_topic *topic = lab->streams[0].topic;
    int64_t base;
    assert_ok(log_append_wait(log_topic_partition(topic, partition), (const uint8_t *)batches.ptr,
                              batches.bytes, &base));
}

#define LAB_PUT(lab, ...)                                                                          \
    lab_put_with((lab), 0, CODEC_NONE, (const char *const[]){__VA_ARGS__, NULL}, NULL, 0)

/* Runs epochs of all streams until there is nothing left. */
static inline void lab_run(struct lab *lab)
{
    for (size_t i = 0; i < lab->stream_count; i++) {
        size_t records = 1;
        while (records)
            assert_ok(stream_epoch(&lab->streams[i], &records));
    }
}

/* ---- what came of them ---- */

static inline int lab_compare_lines(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

/* The lines of a text, sorted. */
static inline void lab_sort(struct buf *text)
{
    struct str lines[1000], rest = buf_str(text);
    size_t count = 0;
    while (count < 1000 && str_cut(&rest, '\n', &lines[count]))
        count += lines[count].bytes > 0;
    qsort(lines, count, sizeof *lines, lab_compare_lines);
    struct buf sorted = {0};
    for (size_t i = 0; i < count; i++)
        buf_printf(&sorted, "%.*s\n", STR_ARG(lines[i]));
    buf_deinit(text);
    *text = sorted;
}

static inline void lab_rows(struct lab *lab, const char *name, struct buf *out)
{
    struct table *table = table_find(lab->store, STR("lab"), str_of(name));
    assert_non_null(table);
    struct table_scan_options options = {0};
    struct table_scan *scan;
    assert_ok(table_scan_open(table, &options, &scan));
    for (struct batch *batch;;) {
        assert_ok(table_scan_next(scan, 100, &batch));
        if (!batch)
            break;
        for (uint32_t row = 0; row < batch->rows; row++)
            for (uint32_t c = 0; c < batch->column_count; c++) {
                if (column_is_null(batch->columns[c], row))
                    buf_text(out, "NULL");
                else
                    text_of_value(batch->columns[c], row, zone_utc(), out);
                buf_char(out, c + 1 < batch->column_count ? '|' : '\n');
            }
        batch_unref(batch);
    }
    table_scan_close(scan);
    lab_sort(out);
}

/* "partition@offset table class attempt value" of each dead letter, sorted. */
static inline void lab_letters(struct lab *lab, const char *source, struct buf *out)
{
    CLEAN(buf_deinit) struct buf name = {0}, raw = {0};
    dead_letter_topic(str_of(source), &name);
    struct log_topic *topic = log_topic_find(lab->log, buf_str(&name));
    if (!topic)
        return;
    struct log_read read;
    assert_ok(log_read(log_topic_partition(topic, 0), 0, 64 << 20, &raw, &read));
    for (size_t at = 0; at < raw.bytes;) {
        struct record_batch batch;
        struct record_iterator it;
        assert_ok(record_batch_parse(raw.ptr + at, raw.bytes - at, true, &batch));
        assert_ok(record_iterator_init(&it, &batch, 1 << 20));
        for (struct record record; record_iterator_next(&it, &record);) {
            struct dead_letter letter;
            assert_true(dead_letter_read(&record, &letter));
            buf_printf(out, "%d@%lld %.*s %.*s %u %.*s\n", letter.partition,
                       (long long)letter.offset, STR_ARG(letter.table), STR_ARG(letter.error_class),
                       letter.attempt, STR_ARG(letter.value));
        }
        record_iterator_deinit(&it);
        at += batch.bytes_count;
    }
    lab_sort(out);
}

static inline void lab_expect(const char *what, const char *want, struct buf *have)
{
    if (!str_equal(str_of(want), buf_str(have)))
        fail_msg("%s: want\n%shave\n%.*s", what, want, STR_ARG(buf_str(have)));
}

static inline void lab_expect_rows(struct lab *lab, const char *table, const char *want)
{
    CLEAN(buf_deinit) struct buf have = {0};
    lab_rows(lab, table, &have);
    lab_expect(table, want, &have);
}

static inline void lab_expect_letters(struct lab *lab, const char *source, const char *want)
{
    CLEAN(buf_deinit) struct buf have = {0};
    lab_letters(lab, source, &have);
    lab_expect(source, want, &have);
}

/* "read stored filtered dead rows" of a stream, and that the books balance. */
static inline void lab_expect_books(struct lab *lab, size_t index, const char *want)
{
    CLEAN(buf_deinit) struct buf have = {0};
    const struct stream_books *books = &lab->streams[index].books;
    buf_printf(&have, "%llu %llu %llu %llu %llu", (unsigned long long)books->read,
               (unsigned long long)books->stored, (unsigned long long)books->filtered,
               (unsigned long long)books->dead, (unsigned long long)books->rows);
    lab_expect("books", want, &have);
    struct arena arena = {.bytes_max = 1 << 20};
    struct pipeline_status status;
    assert_ok(pipeline_inspect(lab->project, lab->log, lab->store, &arena, &status));
    if (!status.balanced)
        fail_msg("%s", status.imbalance);
    arena_deinit(&arena);
}

#endif
