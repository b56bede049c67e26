/* SPDX-License-Identifier: MIT */
/*
 * Reading from a Kafka: committed records come one by one from a consumer and go out as record
 * batches of our own making, at the offsets that they have there. Where offsets leave numbers out
 * (markers, what was aborted or compacted away) a batch ends and the next one begins.
 *
 * A cursor is a partition being fetched by one consumer (a lane). Streams go on where they ended,
 * so the cursor that stands at the wanted offset is taken, with what it has fetched ahead; several
 * streams of one topic get a lane each. Cursors that rest are closed by the poll thread, since they
 * hold what they have fetched.
 *
 * A consumer says where it has come to without a record (a marker at the end) by its end-of-
 * partition event only, at its next empty fetch: FETCH_WAIT_MS later at most.
 */
#include "log/remote.h"

#include "base/endian.h"
#include "base/mem.h"

enum {
    WAIT_MS = 10000, /* for the first record */
    AWAY_MS = 500,
    SLICE_MS = 100,
    BATCH_RECORDS_MAX = 16384,
    BATCH_BYTES_MAX = 1 << 20,
    HEADERS_ROOM = 16,
};
static const int64_t SEEK_NS = 1000000000, REST_NS = 10000000000;

/* ---- cursors ---- */

static enum err lane_open(struct log_remote *remote, rd_kafka_t **ret_lane)
{
    return remote_client(NULL, &remote->place, RD_KAFKA_CONSUMER, NULL, ret_lane,
                         "isolation.level", "read_committed", "enable.partition.eof", "true",
                         "fetch.wait.max.ms", "50", "fetch.error.backoff.ms", "50",
                         "queued.max.messages.kbytes", "16384", "auto.offset.reset", "error", NULL);
}

static void cursor_stop(struct remote_cursor *cursor)
{
    if (!cursor->topic)
        return;
    rd_kafka_consume_stop(cursor->topic, cursor->partition->index);
    rd_kafka_queue_destroy(cursor->queue);
    rd_kafka_topic_destroy(cursor->topic);
    cursor->topic = NULL;
    cursor->queue = NULL;
}

static enum err cursor_start(struct log_remote *remote, struct remote_cursor *cursor,
                             int64_t offset)
{
    const char *name = cursor->partition->topic->name;
    rd_kafka_t *lane = remote->lanes[cursor->lane];
    cursor_stop(cursor);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(lane, name, NULL);
    if (!topic)
        return ERR_AGAIN;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(lane);
    if (rd_kafka_consume_start_queue(topic, cursor->partition->index, offset, queue) != 0) {
        rd_kafka_queue_destroy(queue);
        rd_kafka_topic_destroy(topic);
        return ERR_AGAIN;
    }
    cursor->topic = topic;
    cursor->queue = queue;
    cursor->next = offset;
    return OK;
}

/* Under log->lock. Of the partition's cursors that are free: the one at offset, else the one that
 * rests longest. lanes: bits of those that have one. */
static struct remote_cursor *find_cursor(struct log_remote *remote,
                                         const struct log_partition *partition, int64_t offset,
                                         unsigned *ret_lanes)
{
    struct remote_cursor *found = NULL;
    *ret_lanes = 0;
    for (size_t i = 0; i < remote->cursor_count; i++) {
        struct remote_cursor *cursor = remote->cursors[i];
        if (cursor->partition != partition)
            continue;
        *ret_lanes |= 1u << cursor->lane;
        if (cursor->busy)
            continue;
        if (cursor->topic && cursor->next == offset)
            return cursor;
        if (!found || cursor->used_ns < found->used_ns)
            found = cursor;
    }
    return found;
}

/* Under log->lock: a lane that does not read the partition yet. */
static enum err free_lane(struct log_remote *remote, unsigned lanes, size_t *ret_lane)
{
    for (size_t i = 0; i < remote->lane_count; i++)
        if (!(lanes & 1u << i)) {
            *ret_lane = i;
            return OK;
        }
    if (remote->lane_count == REMOTE_LANES_MAX)
        return ERR_LIMIT;
    TRY(lane_open(remote, &remote->lanes[remote->lane_count]));
    *ret_lane = remote->lane_count++;
    return OK;
}

static struct remote_cursor *add_cursor(struct log_remote *remote, struct log_partition *partition,
                                        size_t lane)
{
    struct remote_cursor *cursor = mem_zero(sizeof *cursor);
    *cursor = (struct remote_cursor){.partition = partition, .lane = lane};
    remote->cursors = mem_realloc_array(remote->cursors, remote->cursor_count + 1,
                                        sizeof(struct remote_cursor *));
    remote->cursors[remote->cursor_count++] = cursor;
    return cursor;
}

/* A cursor that stands at offset. */
static enum err take_cursor(struct log_partition *partition, int64_t offset,
                            struct remote_cursor **ret_cursor)
{
    struct log *log = partition->log;
    struct log_remote *remote = log->remote;
    struct remote_cursor *cursor = NULL;
    io_mutex_lock(&log->lock);
    while (!cursor && !remote->giving_up) {
        unsigned lanes;
        size_t lane;
        cursor = find_cursor(remote, partition, offset, &lanes);
        bool fits = cursor && ((cursor->topic && cursor->next == offset) ||
                               io_now_ns(log->io) - cursor->used_ns > SEEK_NS);
        if (!fits && remote->cursor_count < REMOTE_CURSORS_MAX &&
            free_lane(remote, lanes, &lane) == OK)
            cursor = add_cursor(remote, partition, lane);
        if (!cursor)
            io_condition_wait(&remote->cursor_free, &log->lock, -1);
    }
    if (cursor)
        cursor->busy = true;
    io_mutex_unlock(&log->lock);
    if (!cursor)
        return ERR_AGAIN;
    *ret_cursor = cursor;
    return cursor->topic && cursor->next == offset ? OK : cursor_start(remote, cursor, offset);
}

static void give_cursor(struct log_remote *remote, struct remote_cursor *cursor, bool broken)
{
    if (broken)
        cursor_stop(cursor);
    io_mutex_lock(&remote->log->lock);
    cursor->busy = false;
    cursor->used_ns = io_now_ns(remote->log->io);
    io_condition_broadcast(&remote->cursor_free);
    io_mutex_unlock(&remote->log->lock);
}

void remote_cursors_trim(struct log_remote *remote, bool all)
{
    struct log *log = remote->log;
    int64_t now_ns = io_now_ns(log->io);
    for (;;) {
        struct remote_cursor *cursor = NULL;
        io_mutex_lock(&log->lock);
        for (size_t i = 0; i < remote->cursor_count && !cursor; i++) {
            struct remote_cursor *c = remote->cursors[i];
            if (c->busy || !(all || now_ns - c->used_ns > REST_NS))
                continue;
            cursor = c;
            remote->cursors[i] = remote->cursors[--remote->cursor_count];
        }
        io_mutex_unlock(&log->lock);
        if (!cursor)
            return;
        cursor_stop(cursor);
        mem_free(cursor);
    }
}

/* ---- messages to batches ---- */

struct gathering {
    struct record_batch_builder builder;
    struct buf *out;
    int64_t base, next; /* of the batch in the builder */
    size_t bytes;
};

static enum err batch_end(struct gathering *g)
{
    size_t at = g->out->bytes;
    if (!g->builder.count)
        return OK;
    TRY(record_batch_builder_finish(&g->builder, g->out));
    put_be64(g->out->ptr + at, (uint64_t)g->base);
    put_be32(g->out->ptr + at + 12, 0);
    return OK;
}

static size_t read_headers(const rd_kafka_message_t *message, struct record_header **headers,
                           size_t room)
{
    rd_kafka_headers_t *raw;
    if (rd_kafka_message_headers(message, &raw) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    size_t count = rd_kafka_header_cnt(raw);
    if (count > room)
        *headers = mem_array(count, sizeof **headers);
    for (size_t i = 0; i < count; i++) {
        const char *name;
        const void *value;
        size_t bytes;
        rd_kafka_header_get_all(raw, i, &name, &value, &bytes);
        (*headers)[i] = (struct record_header){str_of(name), str_from(value, value ? bytes : 0)};
    }
    return count;
}

static enum err batch_add(struct gathering *g, const rd_kafka_message_t *message)
{
    struct record_header few[HEADERS_ROOM], *headers = few;
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms = rd_kafka_message_timestamp(message, &type);
    struct record_batch_builder *b = &g->builder;
    if (b->count && (message->offset != g->next || b->count >= BATCH_RECORDS_MAX ||
                     b->records.bytes >= BATCH_BYTES_MAX))
        TRY(batch_end(g));
    if (!b->count)
        g->base = message->offset;
    size_t count = read_headers(message, &headers, HEADERS_ROOM);
    record_batch_builder_add(b, timestamp_ms, str_from(message->key, message->key_len),
                             str_from(message->payload, message->len), headers, count);
    if (headers != few)
        mem_free(headers);
    g->next = message->offset + 1;
    g->bytes += message->len + message->key_len + 64;
    return OK;
}

/* ---- fetching ---- */

/* The next message; NULL: none in time. */
static rd_kafka_message_t *next_message(struct log_remote *remote, struct remote_cursor *cursor)
{
    int waited_ms = 0;
    rd_kafka_message_t *message = NULL;
    while (!message) {
        message = rd_kafka_consume_queue(cursor->queue, SLICE_MS);
        waited_ms += SLICE_MS;
        int most_ms = log_health(remote->log) == OK ? WAIT_MS : AWAY_MS;
        if (!message && (waited_ms >= most_ms || !remote_may_wait(remote)))
            break;
    }
    return message;
}

/* Takes one message: a record is added, an end of partition moves the cursor only. */
static enum err take_message(struct remote_cursor *cursor, rd_kafka_message_t *message,
                             struct gathering *g, bool *ret_end)
{
    enum err err = OK;
    bool end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
    if (end && message->offset > cursor->next)
        cursor->next = message->offset;
    else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && message->offset >= cursor->next) {
        err = batch_add(g, message);
        cursor->next = message->offset + 1;
    } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && !end)
        err = remote_err(message->err);
    *ret_end = end;
    rd_kafka_message_destroy(message);
    return err;
}

/* The first message is waited for; what has come with it is taken too. */
static enum err fetch(struct log_remote *remote, struct remote_cursor *cursor, size_t bytes_max,
                      struct gathering *g)
{
    rd_kafka_message_t *message = next_message(remote, cursor);
    int64_t from = cursor->next;
    bool end = false;
    if (!message)
        return ERR_AGAIN;
    while (message && !end) {
        TRY(take_message(cursor, message, g, &end));
        message = end || g->bytes >= bytes_max ? NULL : rd_kafka_consume_queue(cursor->queue, 0);
    }
    TRY(batch_end(g));
    /* An end where we stand already: somebody's transaction is open there, or was. */
    return cursor->next > from ? OK : ERR_AGAIN;
}

/* Under log->lock. As look() of read.c. */
static enum err look(const struct log_partition *partition, int64_t offset,
                     struct log_read *ret_read)
{
    *ret_read = (struct log_read){.offset_next = offset,
                                  .high_watermark = partition->end,
                                  .log_start = partition->start,
                                  .stable_end = partition->end};
    if (partition->topic->deleted)
        return ERR_CLOSED;
    return offset < partition->start || offset > partition->end ? ERR_OUT_OF_RANGE : OK;
}

static enum err read_from(struct log_partition *partition, int64_t offset, size_t bytes_max,
                          struct buf *out, int64_t *ret_next)
{
    struct log_remote *remote = partition->log->remote;
    struct remote_cursor *cursor = NULL;
    struct gathering g = {.out = out};
    size_t start = out->bytes;
    record_batch_builder_init(&g.builder, CODEC_NONE, 0);
    enum err err = take_cursor(partition, offset, &cursor);
    if (err == OK)
        err = fetch(remote, cursor, bytes_max, &g);
    if (err == OK)
        err = buf_error(out);
    if (err == OK)
        *ret_next = cursor->next;
    else
        buf_truncate(out, start);
    if (cursor)
        give_cursor(remote, cursor, err != OK && err != ERR_AGAIN);
    record_batch_builder_deinit(&g.builder);
    return err;
}

enum err remote_read(struct log_partition *partition, int64_t offset, size_t bytes_max,
                     struct buf *out, struct log_read *ret_read)
{
    struct log *log = partition->log;
    struct log_read read;
    io_mutex_lock(&log->lock);
    enum err err = look(partition, offset, &read);
    io_mutex_unlock(&log->lock);
    if (err == OK && offset < read.high_watermark)
        err = read_from(partition, offset, bytes_max, out, &read.offset_next);
    if (err == ERR_OUT_OF_RANGE && offset >= read.log_start) {
        /* Retention was faster than our look at the start. */
        TRY(remote_look(log->remote, &partition, 1, true));
        io_mutex_lock(&log->lock);
        err = look(partition, offset, &read) == OK ? ERR_AGAIN : ERR_OUT_OF_RANGE;
        io_mutex_unlock(&log->lock);
    }
    TRY(err);
    io_mutex_lock(&log->lock);
    remote_end_set(partition, read.offset_next);
    read.high_watermark = read.stable_end = partition->end;
    io_mutex_unlock(&log->lock);
    *ret_read = read;
    return OK;
}

enum err remote_first_at(struct log_partition *partition, int64_t offset, int64_t *ret_offset)
{
    CLEAN(buf_deinit) struct buf out = {0};
    int64_t next;
    TRY(read_from(partition, offset, 1, &out, &next));
    *ret_offset = out.bytes ? (int64_t)get_be64(out.ptr) : next;
    return OK;
}
