/* SPDX-License-Identifier: MIT */
/*
 * Dead letters are ordinary records whose headers hold the coordinates and the reason. They become
 * durable before the commit of their epoch; when that commit does not happen (a crash), the same
 * records are read again and the same letters come up. So at the start the tail of the topic behind
 * the last commit is read, and letters found there are not written again; nor are those of an epoch
 * that this process flushed and could not commit: exactly one letter a record, table and attempt.
 */
#include "pipeline/dead_letter.h"

#include "base/hash.h"
#include "base/logline.h"

#include <stdio.h>

enum {
    READ_BYTES = 1 << 20,
    BATCH_BYTES_MAX = 128 << 20, /* the largest record that a topic may take, and its headers */
    INFLATED_BYTES_MAX = 256 << 20,
    BATCH_BYTES = 4 << 20
};

static const char *const H_TABLE = "millrace.table";
static const char *const H_TOPIC = "millrace.topic";
static const char *const H_PARTITION = "millrace.partition";
static const char *const H_OFFSET = "millrace.offset";
static const char *const H_ERROR = "millrace.error";
static const char *const H_CLASS = "millrace.class";
static const char *const H_ATTEMPT = "millrace.attempt";
static const char *const H_TIME = "millrace.time";
static const char *const H_REPLAY_TABLE = "millrace.replay.table";
static const char *const H_REPLAY_ATTEMPT = "millrace.replay.attempt";

struct dead_letters {
    struct io *io;
    struct log *log;
    struct log_topic *topic; /* NULL until the first letter */
    char *topic_name;
    struct str table;
    struct record_batch_builder builder;
    struct buf batches;
    size_t waiting;
    struct map seen;    /* places that were in the topic at the start, behind the last commit */
    struct map flushed; /* those written since: their epoch may not be committed and come again */
    struct buf places;  /* of the waiting letters, one a line */
};

void dead_letter_topic(struct str source, struct buf *out)
{
    buf_printf(out, "%.*s.dead_letters", STR_ARG(source));
}

static struct record_header header(const char *key, struct str value)
{
    return (struct record_header){str_of(key), value};
}

static struct str number(struct buf *text, int64_t value)
{
    /* text has room: it never moves while its numbers are borrowed. */
    size_t at = text->bytes;
    buf_printf(text, "%lld", (long long)value);
    return str_from(text->ptr + at, text->bytes - at);
}

static size_t place_key(const struct dead_letter *letter, char *key, size_t room)
{
    return (size_t)snprintf(key, room, "%d/%lld/%u%s", letter->partition, (long long)letter->offset,
                            letter->attempt, letter->table.bytes ? "" : "d");
}

bool dead_letter_read(const struct record *record, struct dead_letter *ret_letter)
{
    struct dead_letter letter = {.value = record->value, .key = record->key, .offset = -1};
    struct str raw = record->headers_raw;
    struct record_header h;
    while (record_header_next(&raw, &h)) {
        int64_t value = 0;
        bool is_number = str_to_i64(h.value, &value) == OK;
        if (str_equal(h.key, str_of(H_TABLE)))
            letter.table = h.value;
        else if (str_equal(h.key, str_of(H_TOPIC)))
            letter.topic = h.value;
        else if (str_equal(h.key, str_of(H_ERROR)))
            letter.error = h.value;
        else if (str_equal(h.key, str_of(H_CLASS)))
            letter.error_class = h.value;
        else if (str_equal(h.key, str_of(H_PARTITION)) && is_number)
            letter.partition = (int32_t)value;
        else if (str_equal(h.key, str_of(H_OFFSET)) && is_number)
            letter.offset = value;
        else if (str_equal(h.key, str_of(H_ATTEMPT)) && is_number)
            letter.attempt = (uint32_t)value;
        else if (str_equal(h.key, str_of(H_TIME)) && is_number)
            letter.time_ms = value;
    }
    if (letter.offset < 0 || !letter.topic.ptr)
        return false;
    *ret_letter = letter;
    return true;
}

/* ---- opening: which letters are there already ---- */

static void remember(struct dead_letters *letters, const struct record *record)
{
    struct dead_letter letter;
    char key[64];
    /* Those of the table, and those that do not decode, which name none. */
    if (dead_letter_read(record, &letter) &&
        (letter.table.bytes == 0 || str_equal(letter.table, letters->table)))
        map_set(&letters->seen, str_from(key, place_key(&letter, key, sizeof key)), letters);
}

static enum err read_tail(struct dead_letters *letters, int64_t from)
{
    struct log_partition *partition = log_topic_partition(letters->topic, 0);
    int64_t start = log_partition_start(partition), end = log_partition_end(partition);
    for (int64_t offset = from < start ? start : from; offset < end;) {
        CLEAN(buf_deinit) struct buf raw = {0};
        struct log_read read;
        TRY(log_read_committed(partition, offset, READ_BYTES, &raw, &read));
        for (size_t at = 0; at < raw.bytes;) {
            struct record_batch batch;
            struct record_iterator it;
            TRY(record_batch_parse(raw.ptr + at, raw.bytes - at, false, &batch));
            TRY(record_iterator_init(&it, &batch, INFLATED_BYTES_MAX));
            for (struct record record; record_iterator_next(&it, &record);)
                if (record.offset >= from)
                    remember(letters, &record);
            record_iterator_deinit(&it);
            at += batch.bytes_count;
        }
        if (read.offset_next <= offset)
            break;
        offset = read.offset_next;
    }
    return OK;
}

enum err dead_letters_open(struct io *io, struct log *log, struct str source, struct str table,
                           int64_t end, struct dead_letters **ret_letters)
{
    CLEAN(buf_deinit) struct buf name = {0};
    dead_letter_topic(source, &name);
    struct dead_letters *letters = mem_zero(sizeof *letters);
    letters->io = io;
    letters->log = log;
    letters->topic_name = str_dup(buf_str(&name));
    letters->table = table;
    letters->topic = log_topic_find(log, buf_str(&name));
    record_batch_builder_init(&letters->builder, CODEC_NONE, BATCH_BYTES_MAX);
    enum err err = letters->topic ? read_tail(letters, end) : OK;
    if (err != OK) {
        dead_letters_free(letters);
        return err;
    }
    *ret_letters = letters;
    return OK;
}

void dead_letters_free(struct dead_letters *letters)
{
    if (!letters)
        return;
    record_batch_builder_deinit(&letters->builder);
    buf_deinit(&letters->batches);
    map_deinit(&letters->seen);
    map_deinit(&letters->flushed);
    buf_deinit(&letters->places);
    mem_free(letters->topic_name);
    mem_free(letters);
}

/* ---- writing ---- */

void dead_letters_add(struct dead_letters *letters, const struct dead_letter *letter)
{
    char key[64];
    size_t key_bytes = place_key(letter, key, sizeof key);
    struct str place = str_from(key, key_bytes);
    if (map_get(&letters->seen, place) || map_get(&letters->flushed, place))
        return;
    buf_printf(&letters->places, "%.*s\n", STR_ARG(place));
    CLEAN(buf_deinit) struct buf text = {0};
    buf_reserve(&text, 128);
    struct record_header headers[] = {
        header(H_TABLE, letter->table),
        header(H_TOPIC, letter->topic),
        header(H_PARTITION, number(&text, letter->partition)),
        header(H_OFFSET, number(&text, letter->offset)),
        header(H_ERROR, letter->error),
        header(H_CLASS, letter->error_class),
        header(H_ATTEMPT, number(&text, letter->attempt)),
        header(H_TIME, number(&text, letter->time_ms)),
    };
    record_batch_builder_add(&letters->builder, letter->time_ms, letter->key, letter->value,
                             headers, sizeof headers / sizeof *headers);
    letters->waiting++;
    if (letters->builder.records.bytes >= BATCH_BYTES &&
        record_batch_builder_finish(&letters->builder, &letters->batches) != OK)
        letters->batches.err = ERR_LIMIT;
}

void dead_letters_reset(struct dead_letters *letters)
{
    record_batch_builder_deinit(&letters->builder);
    record_batch_builder_init(&letters->builder, CODEC_NONE, BATCH_BYTES_MAX);
    buf_reset(&letters->batches);
    buf_reset(&letters->places);
    letters->waiting = 0;
}

void dead_letters_committed(struct dead_letters *letters)
{
    if (letters->flushed.count)
        map_deinit(&letters->flushed);
}

static void remember_flushed(struct dead_letters *letters)
{
    struct str rest = buf_str(&letters->places), place;
    while (str_cut(&rest, '\n', &place))
        map_set(&letters->flushed, place, letters);
    buf_reset(&letters->places);
}

static enum err make_topic(struct dead_letters *letters)
{
    struct log_topic_config config;
    struct diag diag = {0};
    log_topic_config_default(&config);
    config.retention_ms = -1;
    config.message_bytes_max = BATCH_BYTES_MAX;
    enum err err = log_topic_create(letters->log, str_of(letters->topic_name), &config, &diag,
                                    &letters->topic);
    if (err == ERR_EXISTS) {
        letters->topic = log_topic_find(letters->log, str_of(letters->topic_name));
        err = letters->topic ? OK : ERR_NOT_FOUND;
    }
    return err;
}

enum err dead_letters_flush(struct dead_letters *letters, int64_t *ret_end)
{
    if (letters->waiting) {
        int64_t base;
        if (!letters->topic)
            TRY(make_topic(letters));
        if (letters->builder.count)
            TRY(record_batch_builder_finish(&letters->builder, &letters->batches));
        TRY(buf_error(&letters->batches));
        TRY(log_append_wait(log_topic_partition(letters->topic, 0), letters->batches.ptr,
                            letters->batches.bytes, &base));
        buf_reset(&letters->batches);
        remember_flushed(letters);
        letters->waiting = 0;
    }
    if (!letters->topic)
        letters->topic = log_topic_find(letters->log, str_of(letters->topic_name));
    *ret_end = letters->topic ? log_partition_end(log_topic_partition(letters->topic, 0)) : 0;
    return OK;
}

/* ---- replay ---- */

void replay_mark_read(struct str headers_raw, struct replay_mark *ret_mark)
{
    struct replay_mark mark = {.table = STR("")};
    struct record_header h;
    int64_t attempt;
    while (record_header_next(&headers_raw, &h)) {
        if (str_equal(h.key, str_of(H_REPLAY_TABLE)))
            mark.table = h.value;
        else if (str_equal(h.key, str_of(H_REPLAY_ATTEMPT)) &&
                 str_to_i64(h.value, &attempt) == OK && attempt > 0)
            mark.attempt = (uint32_t)attempt;
    }
    *ret_mark = mark;
}

size_t replay_mark_headers(const struct dead_letter *letter, struct buf *text,
                           struct record_header *ret_headers)
{
    buf_reserve(text, 32);
    ret_headers[0] = header(H_REPLAY_TABLE, letter->table);
    ret_headers[1] = header(H_REPLAY_ATTEMPT, number(text, letter->attempt));
    return 2;
}
