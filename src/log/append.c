/* SPDX-License-Identifier: MIT */
/*
 * Appends from the caller to the queue, and their answers back.
 *
 * Checks look at batch headers and sums only; records are walked for compacted topics alone, where
 * a record without a key could never be compacted. They run in the caller's thread, so that the
 * disk thread does nothing but write. The queue is bounded by bytes; one append bigger than the
 * bound is let in when the queue is empty, else it could never be.
 *
 * Answers of one group go to each loop in a single post: the appends for a loop are chained, and
 * the first carries the chain.
 *
 * What depends on earlier batches, the state of producers, is checked later, by the owner of the
 * turn (producer.c).
 */
#include "log/remote.h"
#include "log/store.h"

#include "base/check.h"
#include "base/mem.h"

enum { RECORDS_BYTES_MAX = 256 << 20, HOUR_MS = 3600 * 1000, RETRY_NS = 100 * 1000 * 1000 };

/* ---- checks -------------------------------------------------------------------------------- */

static enum err check_keys(const struct record_batch *batch)
{
    struct record_iterator it;
    struct record record;
    TRY(record_iterator_init(&it, batch, RECORDS_BYTES_MAX));
    enum err err = OK;
    while (err == OK && record_iterator_next(&it, &record))
        if (!record.key.ptr)
            err = ERR_INVALID;
    if (err == OK)
        err = it.reader.err == OK ? OK : ERR_CORRUPT;
    record_iterator_deinit(&it);
    return err;
}

static enum err check_marker(const struct record_batch *batch)
{
    bool commit;
    if (batch->count != 1 || !(batch->attributes & BATCH_TRANSACTIONAL) ||
        batch->producer_epoch < 0 || log_marker_decode(batch, &commit, NULL) != OK)
        return ERR_INVALID;
    return OK;
}

/* The coordinator's batches in topics of our own have no sequence. */
static enum err check_producer(const struct log_topic *topic, const struct record_batch *batch)
{
    if (batch->producer_id < 0)
        return batch->attributes & BATCH_TRANSACTIONAL ? ERR_STATE : OK;
    if (batch->producer_epoch < 0)
        return ERR_INVALID;
    bool ordered = batch->base_sequence >= 0;
    bool ours =
        batch->base_sequence == -1 && topic->offsets && batch->attributes & BATCH_TRANSACTIONAL;
    return ordered || ours ? OK : ERR_INVALID;
}

static enum err check_batch(const struct log_topic *topic, const struct log_topic_config *config,
                            int64_t now_ms, const struct record_batch *batch, bool control)
{
    /* A remote log makes batches of its own. */
    if (!topic->log->remote && (batch->bytes_count > (size_t)config->message_bytes_max ||
                                (int64_t)batch->bytes_count > config->segment_bytes))
        return ERR_LIMIT;
    if (batch->count < 1 || batch->last_offset_delta != batch->count - 1)
        return ERR_INVALID;
    if (!codec_name(record_batch_codec(batch)) || batch->attributes & BATCH_DELETE_HORIZON)
        return ERR_INVALID;
    if (control != !!(batch->attributes & BATCH_CONTROL))
        return ERR_INVALID;
    if (control)
        return check_marker(batch);
    TRY(check_producer(topic, batch));
    /* A remote log's topics do not say. */
    int64_t ahead_ms = config->time_after_max_ms ? config->time_after_max_ms : HOUR_MS;
    if (!config->log_append_time && batch->max_timestamp > now_ms &&
        batch->max_timestamp - now_ms > ahead_ms)
        return ERR_INVALID;
    return config->compact ? check_keys(batch) : OK;
}

static enum err check_append(struct log_partition *partition, struct log_append *append)
{
    struct log *log = partition->log;
    if (log->options.read_only)
        return ERR_DENIED;
    io_mutex_lock(&log->lock);
    bool deleted = partition->topic->deleted;
    struct log_topic_config config = partition->topic->config;
    io_mutex_unlock(&log->lock);
    if (deleted)
        return ERR_CLOSED;
    if (append->bytes == 0)
        return ERR_INVALID;
    int64_t now_ms = log_wall_ms(log);
    append->batch_count = 0;
    append->producers = append->duplicate = false;
    for (size_t at = 0; at < append->bytes; append->batch_count++) {
        struct record_batch batch;
        enum err err = record_batch_parse(append->batches + at, append->bytes - at, true, &batch);
        if (err != OK)
            return ERR_CORRUPT;
        TRY(check_batch(partition->topic, &config, now_ms, &batch, append->control));
        append->producers |= batch.producer_id >= 0;
        at += batch.bytes_count;
    }
    append->partition = partition;
    append->next = NULL;
    append->group = NULL;
    append->append_time_ms = -1;
    append->base_offset = -1;
    return OK;
}

/* ---- the queue ----------------------------------------------------------------------------- */

static enum err enqueue(struct log *log, struct log_append *first, struct log_append *last,
                        size_t bytes)
{
    io_mutex_lock(&log->lock);
    /* Brokers that are away are waited for, by what has room in the queue. */
    enum err err = log->remote ? remote_takes(log->remote) : log->health;
    if (log->stopping)
        err = ERR_CLOSED;
    else if (err == OK && log->queue_bytes > 0 &&
             log->queue_bytes + bytes > log->options.queue_bytes_max)
        err = ERR_AGAIN;
    if (err == OK) {
        *(log->queue_tail ? &log->queue_tail->next : &log->queue_head) = first;
        log->queue_tail = last;
        log->queue_bytes += bytes;
    }
    for (const struct log_append *at = first; at && (err == ERR_DISK_FULL || err == ERR_IO);
         at = at->next)
        log_expect_again(at);
    io_mutex_unlock(&log->lock);
    /* Behind the lock, which the woken would have to wait for. */
    if (err == OK && log->remote)
        io_condition_signal(&log->wake);
    else if (err == OK)
        io_bell_ring(&log->bell);
    return err;
}

enum err log_append(struct log_partition *partition, struct log_append *append)
{
    TRY(check_append(partition, append));
    return enqueue(partition->log, append, append, append->bytes);
}

enum err log_append_together(struct log *log, struct log_append_group *group)
{
    size_t bytes = 0;
    if (group->count == 0)
        return ERR_INVALID;
    for (size_t i = 0; i < group->count; i++) {
        struct log_append *part = group->parts[i];
        check(part->partition && part->partition->log == log);
        TRY(check_append(part->partition, part));
        bytes += part->bytes;
    }
    for (size_t i = 0; i < group->count; i++) {
        group->parts[i]->group = group;
        group->parts[i]->next = i + 1 < group->count ? group->parts[i + 1] : NULL;
    }
    group->waiting = group->count;
    return enqueue(log, group->parts[0], group->parts[group->count - 1], bytes);
}

/* ---- answers ------------------------------------------------------------------------------- */

static void run_chain(struct io_post *post)
{
    for (struct log_append *append = post->owner; append;) {
        struct log_append *next = append->next;
        append->done(append);
        append = next;
    }
}

static void run_group(struct io_post *post)
{
    struct log_append_group *group = post->owner;
    group->done(group);
}

static void complete_group(struct log_append_group *group)
{
    if (!group->loop) {
        group->done(group);
        return;
    }
    group->post = (struct io_post){.run = run_group, .owner = group};
    io_loop_post(group->loop, &group->post);
}

struct chain {
    struct io_loop *loop;
    struct log_append *first, *last;
};
enum { CHAINS_MAX = 8 };

static void post_chain(struct chain *chain)
{
    struct log_append *first = chain->first;
    first->post = (struct io_post){.run = run_chain, .owner = first};
    io_loop_post(chain->loop, &first->post);
}

static void chain_add(struct chain *chains, size_t *count, struct log_append *append)
{
    append->next = NULL;
    size_t i = 0;
    while (i < *count && chains[i].loop != append->loop)
        i++;
    if (i == CHAINS_MAX) {
        post_chain(&(struct chain){append->loop, append, append});
        return;
    }
    if (i == *count) {
        chains[i] = (struct chain){append->loop, append, append};
        ++*count;
        return;
    }
    chains[i].last->next = append;
    chains[i].last = append;
}

/* After the answer an append belongs to its owner again and may be gone: so all that is needed of
 * it is read before. */
void log_complete(struct log *log, struct log_append **items, size_t count, enum err err)
{
    struct chain chains[CHAINS_MAX];
    size_t chain_count = 0, bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += items[i]->bytes;
    io_mutex_lock(&log->lock);
    log->queue_bytes -= bytes;
    for (size_t i = 0; i < count; i++) {
        items[i]->err = err;
        items[i]->log_start_offset = items[i]->partition->start;
        if (err == ERR_DISK_FULL || err == ERR_IO)
            log_expect_again(items[i]);
    }
    io_mutex_unlock(&log->lock);
    for (size_t i = 0; i < count; i++) {
        struct log_append *append = items[i];
        struct log_append_group *group = append->group;
        if (group) {
            group->err = err;
            if (--group->waiting == 0)
                complete_group(group);
        } else if (append->loop) {
            chain_add(chains, &chain_count, append);
        } else {
            append->done(append);
        }
    }
    for (size_t i = 0; i < chain_count; i++)
        post_chain(&chains[i]);
}

void log_queue_fail(struct log *log, enum err err)
{
    io_mutex_lock(&log->lock);
    struct log_append *append = log->queue_head;
    log->queue_head = log->queue_tail = NULL;
    io_mutex_unlock(&log->lock);
    while (append) {
        struct log_append *next = append->next;
        log_complete(log, &append, 1, err);
        append = next;
    }
}

/* ---- waiting ------------------------------------------------------------------------------- */

struct waiter {
    struct log_append append;
    struct io_mutex lock;
    struct io_condition answered;
    bool done;
};

static void waiter_done(struct log_append *append)
{
    struct waiter *waiter = append->owner;
    io_mutex_lock(&waiter->lock);
    waiter->done = true;
    io_condition_signal(&waiter->answered);
    io_mutex_unlock(&waiter->lock);
}

/* Without a disk thread the waiting does its work. */
static void wait_for(struct log *log, struct waiter *waiter)
{
    io_mutex_lock(&waiter->lock);
    while (!waiter->done) {
        if (log->thread) {
            io_condition_wait(&waiter->answered, &waiter->lock, -1);
            continue;
        }
        io_mutex_unlock(&waiter->lock);
        bool did = log_step(log);
        io_mutex_lock(&waiter->lock);
        if (!did && !waiter->done)
            io_sleep_ns(log->io, RETRY_NS);
    }
    io_mutex_unlock(&waiter->lock);
}

enum err log_append_wait(struct log_partition *partition, const uint8_t *batches, size_t bytes,
                         int64_t *ret_base_offset)
{
    struct log *log = partition->log;
    struct waiter waiter = {
        .append = {.batches = batches, .bytes = bytes, .done = waiter_done, .owner = &waiter}};
    io_mutex_init(&waiter.lock);
    io_condition_init(&waiter.answered);
    enum err err = log_append(partition, &waiter.append);
    if (err == OK) {
        wait_for(log, &waiter);
        err = waiter.append.err;
    }
    io_condition_deinit(&waiter.answered);
    io_mutex_deinit(&waiter.lock);
    if (err == OK && ret_base_offset)
        *ret_base_offset = waiter.append.base_offset;
    return err;
}
