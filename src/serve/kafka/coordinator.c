/* SPDX-License-Identifier: MIT */
/*
 * Writing for the coordinators: a few batches for one or several partitions that are there
 * together or not at all, and one call when they are. A single batch takes the plain way into the
 * log, several go as a group; both share the log's group commit with whatever else waits.
 *
 * A refusal at once (the queue is full, the topic was deleted) comes through the same call as one
 * from the disk, a turn later, so that handlers have one path.
 */
#include "serve/kafka/coordinator.h"

#include "base/check.h"

enum {
    WRITE_BYTES_MAX = 256 << 20,
    LOAD_BYTES = 1 << 20,
    INFLATED_MAX = 256 << 20,
    TURN_NS = 10 * 1000 * 1000,
};

struct kafka_write *kafka_write_new(struct kafka_broker *broker,
                                    void (*done)(struct kafka_write *write, enum err err),
                                    void *owner)
{
    struct kafka_write *write = mem_zero(sizeof *write);
    write->broker = broker;
    write->done = done;
    write->owner = owner;
    write->batches.bytes_max = WRITE_BYTES_MAX;
    broker->writes_under_way++;
    return write;
}

void kafka_write_part(struct kafka_write *write, struct log_partition *partition, bool control)
{
    write->parts = mem_realloc_array(write->parts, write->part_count + 1, sizeof *write->parts);
    write->parts[write->part_count++] = (struct kafka_write_part){
        .append = {.partition = partition, .control = control},
        .at = write->part_at,
        .bytes = write->batches.bytes - write->part_at,
    };
    write->part_at = write->batches.bytes;
}

static void finish(struct kafka_write *write, enum err err)
{
    write->done(write, err);
    write->broker->writes_under_way--;
    buf_deinit(&write->batches);
    mem_free(write->parts);
    mem_free(write->appends);
    mem_free(write);
}

static void finish_post(struct io_post *post)
{
    struct kafka_write *write = post->owner;
    finish(write, write->err);
}

static void finish_one(struct log_append *append)
{
    finish(append->owner, append->err);
}

static void finish_group(struct log_append_group *group)
{
    finish(group->owner, group->err);
}

static enum err hand_over(struct kafka_write *write)
{
    TRY(buf_error(&write->batches));
    for (size_t i = 0; i < write->part_count; i++) {
        struct kafka_write_part *part = &write->parts[i];
        part->append.batches = write->batches.ptr + part->at;
        part->append.bytes = part->bytes;
        part->append.owner = write;
        part->append.loop = write->broker->loop;
    }
    if (write->part_count == 1) {
        write->parts[0].append.done = finish_one;
        return log_append(write->parts[0].append.partition, &write->parts[0].append);
    }
    write->appends = mem_array(write->part_count, sizeof *write->appends);
    for (size_t i = 0; i < write->part_count; i++)
        write->appends[i] = &write->parts[i].append;
    write->group = (struct log_append_group){
        .parts = write->appends,
        .count = write->part_count,
        .done = finish_group,
        .owner = write,
        .loop = write->broker->loop,
    };
    return log_append_together(write->broker->log, &write->group);
}

void kafka_write_send(struct kafka_write *write)
{
    enum err err = OK;
    if (write->part_count > 0) {
        err = hand_over(write);
        if (err == OK)
            return;
    }
    write->err = err;
    write->post = (struct io_post){.run = finish_post, .owner = write};
    io_loop_post(write->broker->loop, &write->post);
}

void kafka_writes_wait(struct kafka_broker *broker)
{
    while (broker->writes_under_way > 0) {
        /* Without threads the log waits for us. */
        if (!io_worker_has_thread(broker->worker))
            log_step(broker->log);
        io_loop_turn(broker->loop, TURN_NS);
        if (log_health(broker->log) == ERR_DISK_FULL)
            log_interrupt(broker->log); /* there may never be room again */
    }
}

int16_t kafka_write_code(enum err err)
{
    switch (err) {
    case OK:
        return KAFKA_NONE;
    case ERR_LIMIT:
        return KAFKA_INVALID_COMMIT_OFFSET_SIZE;
    case ERR_FENCED:
        return KAFKA_INVALID_PRODUCER_EPOCH;
    case ERR_STATE:
        return KAFKA_INVALID_TXN_STATE;
    default:
        return KAFKA_COORDINATOR_NOT_AVAILABLE; /* clients ask again */
    }
}

/* ---- records ------------------------------------------------------------------------------- */

static enum err read_batch(const struct record_batch *batch,
                           void (*each)(void *owner, const struct record *record), void *owner)
{
    struct record_iterator it;
    struct record record;
    TRY(record_iterator_init(&it, batch, INFLATED_MAX));
    while (record_iterator_next(&it, &record))
        each(owner, &record);
    enum err err = it.reader.err;
    record_iterator_deinit(&it);
    return err;
}

enum err kafka_records_read(struct log_partition *partition,
                            void (*each)(void *owner, const struct record *record), void *owner,
                            struct diag *diag)
{
    CLEAN(buf_deinit) struct buf batches = {0};
    struct log_read read = {.offset_next = log_partition_start(partition)};
    while (read.offset_next < log_partition_end(partition)) {
        buf_reset(&batches);
        enum err err = log_read(partition, read.offset_next, LOAD_BYTES, &batches, &read);
        for (size_t at = 0; at < batches.bytes && err == OK;) {
            struct record_batch batch;
            err = record_batch_parse(batches.ptr + at, batches.bytes - at, true, &batch);
            if (err == OK && !(batch.attributes & BATCH_CONTROL))
                err = read_batch(&batch, each, owner);
            if (err == OK)
                at += batch.bytes_count;
        }
        if (err != OK) {
            struct str name = log_topic_name(log_partition_topic(partition));
            return diag_set(diag, err, 0, 0, "the topic %.*s cannot be read: %s", STR_ARG(name),
                            err_text(err));
        }
    }
    return OK;
}

enum err kafka_record_append(struct str key, struct str value, int64_t now_ms, struct buf *out)
{
    struct record_batch_builder builder;
    record_batch_builder_init(&builder, CODEC_NONE, 0);
    record_batch_builder_add(&builder, now_ms, key, value, NULL, 0);
    enum err err = record_batch_builder_finish(&builder, out);
    record_batch_builder_deinit(&builder);
    return err;
}

void kafka_put_name(struct buf *out, struct str name)
{
    check(name.bytes <= INT16_MAX);
    buf_be16(out, name.ptr ? (uint16_t)name.bytes : UINT16_MAX);
    buf_str_append(out, name);
}

struct str kafka_take_name(struct reader *r)
{
    int16_t bytes = (int16_t)reader_be16(r);
    if (bytes == -1)
        return STR_NONE;
    if (bytes < 0) {
        reader_fail(r, ERR_CORRUPT);
        return STR_NONE;
    }
    return reader_str(r, (size_t)bytes);
}
