/* SPDX-License-Identifier: MIT */
/*
 * One epoch of one streaming table: gather -> decode -> query -> store -> dead letters -> commit.
 * The invariants stand in stream.h. Rows of a keyed table get growing write timestamps in the order
 * of the stream, so that the last record of a key wins however epochs fall.
 *
 * A record that explodes into rows is stored whole or not at all: when the table refuses one of its
 * rows (a NULL key, no uuid), all of them are left out and the record is a dead letter.
 */
#include "pipeline/stream.h"

#include "base/check.h"
#include "base/logline.h"
#include "pipeline/dead_letter.h"

#include <stdio.h>

enum { EPOCH_BYTES = 8 << 20, SCRATCH_BYTES_MAX = 512 << 20, RUN_BYTES_MAX = 512 << 20 };

/* ---- opening ---- */

enum err stream_open(struct stream *stream, struct diag *diag)
{
    io_mutex_init(&stream->lock);
    arena_init(&stream->scratch, SCRATCH_BYTES_MAX);
    stream->batch = table_batch_new(stream->store);
    stream->partition_count = log_topic_partitions(stream->topic);
    stream->partitions = mem_zero((size_t)stream->partition_count * sizeof *stream->partitions);
    for (int32_t i = 0; i < stream->partition_count; i++)
        stream->partitions[i].partition = log_topic_partition(stream->topic, i);
    struct project_target *target = stream->table->target;
    enum err err = stream->engine ? stream_remote_open(stream, diag)
                                  : table_create(stream->store, &target->definition, diag,
                                                 &stream->store_table);
    if (err != OK) {
        if (diag->err == OK)
            diag_set(diag, err, 0, 0, "table %.*s.%.*s: %s", STR_ARG(target->keyspace),
                     STR_ARG(target->table), err_text(err));
        snprintf(diag->file, sizeof diag->file, "millrace.yml");
        return err;
    }
    TRY(stream_state_get(stream));
    TRY(stream_decoder_open(stream));
    TRY(query_run_new(stream->table->plan, true, RUN_BYTES_MAX, &stream->run));
    return dead_letters_open(stream->io, stream->log, stream->source->name, stream->table->name,
                             stream->books.dead_letters_end, &stream->dead_letters);
}

void stream_close(struct stream *stream)
{
    if (stream->remote)
        stream->remote->kind->close(stream->remote);
    table_batch_free(stream->batch);
    query_run_free(stream->run);
    json_decoder_free(stream->json);
    csv_decoder_free(stream->csv);
    dead_letters_free(stream->dead_letters);
    mem_free(stream->partitions);
    arena_deinit(&stream->scratch);
    io_mutex_deinit(&stream->lock);
}

int64_t stream_lag(struct stream *stream)
{
    int64_t lag = 0;
    io_mutex_lock(&stream->lock);
    for (int32_t i = 0; i < stream->partition_count; i++)
        lag += log_partition_stable_end(stream->partitions[i].partition) -
               stream->partitions[i].offset_next;
    io_mutex_unlock(&stream->lock);
    return lag;
}

enum stream_state stream_get_state(struct stream *stream)
{
    io_mutex_lock(&stream->lock);
    enum stream_state state = stream->state;
    io_mutex_unlock(&stream->lock);
    return state;
}

void stream_set_state(struct stream *stream, enum stream_state state, const char *detail)
{
    io_mutex_lock(&stream->lock);
    stream->state = state;
    snprintf(stream->detail, sizeof stream->detail, "%s", detail ? detail : "");
    io_mutex_unlock(&stream->lock);
}

/* ---- dead letters ---- */

struct dead_epoch {
    struct epoch *epoch;
    int64_t now_ms;
    char first[256];
};

static void add_letter(struct dead_epoch *d, size_t i, struct str error, struct str error_class,
                       bool decoding)
{
    struct epoch *epoch = d->epoch;
    struct stream *stream = epoch->stream;
    struct replay_mark mark = {0};
    if (epoch->header_counts[i])
        replay_mark_read(epoch->headers[i], &mark);
    if (!d->first[0])
        snprintf(d->first, sizeof d->first, "%.*s-%d@%lld: %.*s", STR_ARG(stream->source->topic),
                 epoch->partitions[i], (long long)epoch->offsets[i], STR_ARG(error));
    if (decoding && !stream->primary)
        return;
    struct dead_letter letter = {
        .value = epoch->values[i],
        .key = epoch->keys[i],
        .table = decoding ? STR("") : stream->table->name,
        .topic = stream->source->topic,
        .partition = epoch->partitions[i],
        .offset = epoch->offsets[i],
        .error = error,
        .error_class = error_class,
        .attempt = mark.attempt + 1,
        .time_ms = d->now_ms,
    };
    dead_letters_add(stream->dead_letters, &letter);
}

static void add_corrupt(struct dead_epoch *d)
{
    struct epoch *epoch = d->epoch;
    size_t fault = 0;
    for (size_t i = 0; i < epoch->count; i++) {
        if (epoch->fates[i] != FATE_CORRUPT)
            continue;
        while (fault < epoch->fault_count && epoch->faults[fault].row < i)
            fault++;
        bool known = fault < epoch->fault_count && epoch->faults[fault].row == i;
        struct str text = str_trim(epoch->values[i]);
        const char *why = known             ? epoch->faults[fault].message
                          : text.bytes == 0 ? "the value is empty"
                                            : "the value does not fit the schema";
        add_letter(d, i, str_of(why), STR("MALFORMED_RECORD_IN_PARSING"), true);
    }
}

/* ---- the query ---- */

/* Rows that the query is given: those that decode and are meant for this table. */
static enum err choose_rows(struct epoch *epoch, const struct batch *decoded,
                            struct batch **ret_rows, uint32_t **ret_indices)
{
    uint32_t *indices = arena_alloc(epoch->arena, (epoch->count + 1) * sizeof *indices);
    uint32_t count = 0;
    for (size_t i = 0; i < epoch->count; i++) {
        struct replay_mark mark = {0};
        if (epoch->header_counts[i])
            replay_mark_read(epoch->headers[i], &mark);
        if (mark.table.bytes && !str_equal(mark.table, epoch->stream->table->name))
            epoch->fates[i] = FATE_NOT_OURS;
        else if (epoch->fates[i] == FATE_FILTERED)
            indices[count++] = (uint32_t)i;
    }
    *ret_indices = indices;
    if (count == epoch->count) {
        *ret_rows = batch_ref((struct batch *)decoded);
        return OK;
    }
    return batch_take(decoded, indices, count, ret_rows);
}

static void mark_failed(struct dead_epoch *d, const struct query_output *output,
                        const uint32_t *indices)
{
    for (size_t i = 0; i < output->error_count; i++) {
        const struct query_row_error *error = &output->errors[i];
        uint32_t record = indices[error->input_row];
        if (d->epoch->fates[record] == FATE_FAILED)
            continue;
        d->epoch->fates[record] = FATE_FAILED;
        add_letter(d, record, str_of(error->diag.message), str_of(error->diag.error_class), false);
    }
}

/* ---- storing ---- */

struct storing {
    struct dead_epoch *dead;
    const struct batch *rows;
    const uint32_t *records; /* one a row: the record that it came from */
    int64_t *timestamps_us;
    struct table_place *places;
    struct remote_row *remote_rows;
    struct stream_books *books;
};

static enum err store_range(struct storing *s, uint32_t from, uint32_t to, uint32_t *ret_bad,
                            struct diag *diag)
{
    struct stream *stream = s->dead->epoch->stream;
    struct table_write write = {.row_timestamps_us = s->timestamps_us};
    if (stream->remote)
        return stream->remote->kind->add(stream->remote, s->rows, from, to, s->remote_rows, ret_bad,
                                         diag);
    return s->places ? table_batch_append(stream->batch, stream->store_table, s->rows, from, to,
                                          s->places, &write, ret_bad, diag)
                     : table_batch_upsert(stream->batch, stream->store_table, s->rows, from, to,
                                          &write, ret_bad, diag);
}

/* The rows of one record around row, within from..to. */
static void record_span(const struct storing *s, uint32_t row, uint32_t *from, uint32_t *to)
{
    uint32_t record = s->records[row], first = row, behind = row + 1;
    while (first > *from && s->records[first - 1] == record)
        first--;
    while (behind < *to && s->records[behind] == record)
        behind++;
    *from = first;
    *to = behind;
}

/* Adds the rows, leaving out whole records of which a row is refused: what stands before such a
 * record and what stands behind it are tried by themselves. */
static enum err store_rows(struct storing *s, uint32_t from, uint32_t to)
{
    while (from < to) {
        uint32_t bad = UINT32_MAX;
        struct diag diag = {0};
        enum err err = store_range(s, from, to, &bad, &diag);
        if (err != ERR_INVALID || bad == UINT32_MAX)
            return err;
        uint32_t first = from, behind = to, record = s->records[bad];
        record_span(s, bad, &first, &behind);
        s->dead->epoch->fates[record] = FATE_FAILED;
        add_letter(s->dead, record, str_of(diag.message), str_of(diag.error_class), false);
        /* The shorter side by recursion, the longer by the loop: the depth stays small. */
        if (first - from < to - behind) {
            TRY(store_rows(s, from, first));
            from = behind;
        } else {
            TRY(store_rows(s, behind, to));
            to = first;
        }
    }
    return OK;
}

static void number_rows(struct storing *s, bool append_only, int64_t now_us)
{
    struct epoch *epoch = s->dead->epoch;
    uint32_t rows = s->rows->rows;
    s->timestamps_us = arena_alloc(epoch->arena, (rows + 1) * sizeof *s->timestamps_us);
    int64_t ts = s->books->last_timestamp_us;
    for (uint32_t i = 0; i < rows; i++) {
        ts = ts + 1 > now_us ? ts + 1 : now_us;
        s->timestamps_us[i] = ts;
    }
    s->books->last_timestamp_us = ts;
    if (!append_only)
        return;
    s->places = arena_alloc(epoch->arena, (rows + 1) * sizeof *s->places);
    for (uint32_t i = 0, index = 0; i < rows; i++) {
        uint32_t record = s->records[i];
        index = i && s->records[i - 1] == record ? index + 1 : 0;
        s->places[i] =
            (struct table_place){epoch->partitions[record], epoch->offsets[record], index};
    }
}

/* Rows that go elsewhere: what they are is a matter of their place alone. */
static void place_rows(struct storing *s)
{
    struct epoch *epoch = s->dead->epoch;
    uint32_t rows = s->rows->rows;
    s->remote_rows = arena_alloc(epoch->arena, (rows + 1) * sizeof *s->remote_rows);
    for (uint32_t i = 0, index = 0; i < rows; i++) {
        uint32_t record = s->records[i];
        int32_t partition = epoch->partitions[record];
        int64_t offset = epoch->offsets[record];
        index = i && s->records[i - 1] == record ? index + 1 : 0;
        s->remote_rows[i] = (struct remote_row){
            {partition, offset, index},
            stream_remote_timestamp(epoch->stream, partition, offset),
        };
    }
}

static void remote_refused(void *owner, uint32_t row, struct str message)
{
    struct storing *s = owner;
    uint32_t record = s->records[row];
    if (s->dead->epoch->fates[record] == FATE_FAILED)
        return;
    s->dead->epoch->fates[record] = FATE_FAILED;
    add_letter(s->dead, record, message, STR(""), false);
}

static enum err store_output(struct dead_epoch *d, struct query_output *output,
                             const uint32_t *indices, struct stream_books *books)
{
    struct epoch *epoch = d->epoch;
    struct stream *stream = epoch->stream;
    if (!output->batch || output->batch->rows == 0)
        return OK;
    uint32_t rows = output->batch->rows;
    uint32_t *records = arena_alloc(epoch->arena, rows * sizeof *records);
    for (uint32_t i = 0; i < rows; i++)
        records[i] = indices[output->origins[i]];
    struct storing s = {.dead = d, .rows = output->batch, .records = records, .books = books};
    if (stream->remote)
        place_rows(&s);
    else
        number_rows(&s, table_definition(stream->store_table)->append_only, d->now_ms * 1000);
    TRY(store_rows(&s, 0, rows));
    if (stream->remote) {
        struct remote_refusals refusals = {remote_refused, &s};
        TRY(stream_remote_flush(stream, &refusals));
    }
    for (uint32_t i = 0; i < rows; i++) {
        if (epoch->fates[records[i]] == FATE_FAILED)
            continue;
        epoch->fates[records[i]] = FATE_STORED;
        books->rows++;
    }
    return OK;
}

/* ---- the epoch ---- */

static enum err compute(struct dead_epoch *d, struct stream_books *books)
{
    struct epoch *epoch = d->epoch;
    struct stream *stream = epoch->stream;
    struct batch *decoded = NULL, *rows = NULL;
    uint32_t *indices;
    TRY(epoch_decode(epoch, &decoded));
    enum err err = choose_rows(epoch, decoded, &rows, &indices);
    batch_unref(decoded);
    TRY(err);
    struct query_output output = {0};
    struct diag diag = {0};
    query_run_set_now(stream->run, d->now_ms * 1000);
    err = query_run_push(stream->run, 0, rows, &diag, &output);
    if (err == OK) {
        add_corrupt(d);
        mark_failed(d, &output, indices);
        err = store_output(d, &output, indices, books);
    } else
        log_line(LOG_ERROR, "stream", "%.*s: %s", STR_ARG(stream->table->name), diag.message);
    query_output_deinit(&output);
    batch_unref(rows);
    return err;
}

static void count(const struct epoch *epoch, struct stream_books *books)
{
    books->epoch++;
    books->read += epoch->count;
    books->passed += epoch->passed;
    books->missed += epoch->missed;
    for (size_t i = 0; i < epoch->count; i++) {
        enum fate fate = (enum fate)epoch->fates[i];
        books->stored += fate == FATE_STORED;
        books->filtered += fate == FATE_FILTERED || fate == FATE_NOT_OURS;
        books->dead += fate == FATE_CORRUPT || fate == FATE_FAILED;
    }
}

static enum err commit(struct dead_epoch *d, struct stream_books *books)
{
    struct epoch *epoch = d->epoch;
    struct stream *stream = epoch->stream;
    if (d->first[0] && stream->source->fail_on_error) {
        char text[300];
        snprintf(text, sizeof text, "on_error: fail; %s", d->first);
        stream_set_state(stream, STREAM_FAILED, text);
        return ERR_INVALID;
    }
    TRY(dead_letters_flush(stream->dead_letters, &books->dead_letters_end));
    count(epoch, books);
    if (stream->remote) {
        books->remote_base_us = stream_remote_base_after(stream, epoch);
        books->remote_spread = stream->partition_count;
    }
    stream_state_put(stream, epoch, books, stream->batch);
    TRY(table_commit(stream->store, stream->batch, stream->durable_commits));
    dead_letters_committed(stream->dead_letters);
    int64_t now_us = io_wall_us(stream->io);
    io_mutex_lock(&stream->lock);
    stream->books = *books;
    for (int32_t i = 0; i < stream->partition_count; i++)
        stream->partitions[i].offset_next = epoch->offset_next[i];
    for (size_t i = 0; i < epoch->count; i++)
        latency_add(&stream->latency, now_us - epoch->timestamps_ms[i] * 1000, 1);
    io_mutex_unlock(&stream->lock);
    return OK;
}

enum err stream_epoch(struct stream *stream, size_t *ret_records)
{
    CLEAN(epoch_deinit) struct epoch epoch = {0};
    struct stream_books books = stream->books;
    struct dead_epoch dead = {.epoch = &epoch, .now_ms = io_wall_us(stream->io) / 1000};
    TRY(epoch_gather(&epoch, stream, EPOCH_BYTES));
    *ret_records = epoch.count;
    bool moved = false;
    for (int32_t i = 0; i < stream->partition_count; i++)
        moved |= epoch.offset_next[i] != stream->partitions[i].offset_next;
    if (!moved)
        return OK;
    table_batch_reset(stream->batch);
    dead_letters_reset(stream->dead_letters);
    if (stream->remote) {
        TRY(stream_remote_begin(stream));
        books = stream->books;
    }
    if (epoch.count)
        TRY(compute(&dead, &books));
    return commit(&dead, &books);
}
