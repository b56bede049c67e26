/* SPDX-License-Identifier: MIT */
/*
 * Appends to a Kafka: the writer thread takes what is queued, as much as there is, and makes one
 * transaction of it, as the disk thread makes one group commit. Whole groups only, so a page is
 * there or it is not.
 *
 *  1. An append is answered when its transaction is committed, or is known not to be.
 *  2. Brokers that are away are waited for: the transaction is made again until it is committed.
 *     The answer is an error only for what would fail again (a record too large, no right to
 *     write), for log_interrupt() and for closing without brokers.
 *  3. A commit whose answer was lost is not guessed at: the producer is made anew under the same
 *     name, which lets the coordinator finish or undo the old transaction; then the first of its
 *     records is looked for where its delivery report said. It is there: all are. So nothing is
 *     doubled. Only a process that ends in that moment cannot know; then positions in the topic
 *     (feed_past.c) and letters in it (dead_letter.c) are what says it, at the next start.
 *  4. Of appends that share a transaction that fails for good, each is tried by itself.
 */
#include "log/remote.h"

#include "base/logline.h"
#include "base/mem.h"

#include <stdio.h>

enum {
    TAKE_BYTES_MAX = 16 << 20,
    TAKE_MAX = 4096,
    INFLATED_BYTES_MAX = 256 << 20,
    COMMIT_MS = 5000,
    HEADERS_MAX = 4096,
    RESOLVE_TRIES = 200,
    OPEN_TRIES = 12,
};
static const int64_t RETRY_NS = 200000000, IDLE_NS = 500000000;

/* ---- reports ---- */

static void delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *owner)
{
    struct log_kafka_trouble *trouble = owner;
    struct log_remote *remote = trouble->owner;
    struct log_append *append = message->_private;
    (void)client;
    remote->undelivered--;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        /* What else is thrown away with the first says less. */
        if (remote->send_err == RD_KAFKA_RESP_ERR_NO_ERROR ||
            remote_err(remote->send_err) == ERR_AGAIN)
            remote->send_err = message->err;
    } else if (append->base_offset < 0) {
        append->base_offset = message->offset;
    }
}

void remote_delivery_set(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
}

/* ---- the producer ---- */

static void producer_lose(struct log_remote *remote)
{
    if (!remote->producer)
        return;
    rd_kafka_purge(remote->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(remote->producer, 1000);
    rd_kafka_destroy(remote->producer);
    remote->producer = NULL;
}

/* The error's code, and that is freed. */
static rd_kafka_resp_err_t code_of(struct log_remote *remote, rd_kafka_error_t *error)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    log_kafka_trouble_note(&remote->trouble, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return code;
}

enum err remote_producer_open(struct log_remote *remote, struct diag *diag)
{
    if (remote->producer)
        return OK;
    rd_kafka_t *producer;
    TRY(remote_client(&remote->trouble, &remote->place, RD_KAFKA_PRODUCER, diag, &producer,
                      "transactional.id", remote->transactional_id, "linger.ms", "2",
                      "message.max.bytes", "1000000000", "queue.buffering.max.messages", "200000",
                      NULL));
    /* A Kafka that gives its first transaction makes a topic for them before. */
    for (int tries = 1;; tries++) {
        rd_kafka_error_t *error = rd_kafka_init_transactions(producer, COMMIT_MS);
        if (!error) {
            remote->producer = producer;
            return OK;
        }
        bool again = rd_kafka_error_is_retriable(error);
        rd_kafka_resp_err_t code = code_of(remote, error);
        if (again && remote_may_wait(remote) && (remote->log->thread || tries < OPEN_TRIES))
            continue;
        rd_kafka_destroy(producer);
        enum err err = remote_err(code);
        if (err == ERR_DENIED)
            diag_hint(diag, "give the user of `engines.log` the rights to write to topics and to "
                            "transactional ids that begin with millrace-");
        return err == ERR_AGAIN ? err
                                : diag_set(diag, err, 0, 0, "Kafka gives no transactions: %s",
                                           rd_kafka_err2str(code));
    }
}

/* Waits for it as long as somebody waits. */
static enum err producer_need(struct log_remote *remote)
{
    for (;;) {
        enum err err = remote_producer_open(remote, NULL);
        if (err != ERR_AGAIN)
            return err;
        if (!remote_may_wait(remote))
            return ERR_AGAIN;
        io_sleep_ns(remote->log->io, RETRY_NS);
    }
}

/* ---- records ---- */

static enum err add_headers(const struct record *record, rd_kafka_headers_t **ret_headers)
{
    struct str raw = record->headers_raw;
    struct record_header header;
    if (record->header_count > HEADERS_MAX)
        return ERR_LIMIT;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(record->header_count);
    while (record_header_next(&raw, &header))
        rd_kafka_header_add(headers, header.key.ptr, (ssize_t)header.key.bytes, header.value.ptr,
                            (ssize_t)header.value.bytes);
    *ret_headers = headers;
    return OK;
}

static enum err send_record(struct log_remote *remote, struct log_append *append,
                            const struct record *record)
{
    struct log_partition *partition = append->partition;
    for (;;) {
        rd_kafka_headers_t *headers = NULL;
        rd_kafka_vu_t all[] = {
            {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = partition->topic->name},
            {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition->index},
            {.vtype = RD_KAFKA_VTYPE_KEY,
             .u.mem = {(void *)(uintptr_t)record->key.ptr, record->key.bytes}},
            {.vtype = RD_KAFKA_VTYPE_VALUE,
             .u.mem = {(void *)(uintptr_t)record->value.ptr, record->value.bytes}},
            {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = record->timestamp_ms},
            {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
            {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = append},
            {.vtype = RD_KAFKA_VTYPE_HEADERS},
        };
        size_t count = sizeof all / sizeof *all;
        if (record->header_count)
            TRY(add_headers(record, &headers));
        all[count - 1].u.headers = headers;
        rd_kafka_error_t *error =
            rd_kafka_produceva(remote->producer, all, headers ? count : count - 1);
        if (!error) {
            remote->undelivered++;
            return OK;
        }
        if (headers)
            rd_kafka_headers_destroy(headers);
        rd_kafka_resp_err_t code = code_of(remote, error);
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            return remote_err(code);
        if (!remote_may_wait(remote) ||
            rd_kafka_fatal_error(remote->producer, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR)
            return ERR_AGAIN;
        rd_kafka_poll(remote->producer, 100);
    }
}

static enum err send_append(struct log_remote *remote, struct log_append *append)
{
    append->base_offset = -1;
    for (size_t at = 0; at < append->bytes;) {
        struct record_batch batch;
        struct record_iterator it;
        struct record record;
        TRY(record_batch_parse(append->batches + at, append->bytes - at, false, &batch));
        TRY(record_iterator_init(&it, &batch, INFLATED_BYTES_MAX));
        enum err err = OK;
        while (err == OK && record_iterator_next(&it, &record))
            err = send_record(remote, append, &record);
        if (err == OK && it.reader.err != OK)
            err = ERR_CORRUPT;
        record_iterator_deinit(&it);
        TRY(err);
        at += batch.bytes_count;
    }
    return OK;
}

/* ---- a transaction ---- */

/* Nothing of it stays. When even that has no answer the producer goes; its follower undoes it. */
static void undo(struct log_remote *remote)
{
    rd_kafka_purge(remote->producer, RD_KAFKA_PURGE_F_QUEUE);
    rd_kafka_error_t *error = rd_kafka_abort_transaction(remote->producer, COMMIT_MS);
    if (!error)
        return;
    code_of(remote, error);
    producer_lose(remote);
}

/* Nobody has heard how the commit went: is it there? */
static enum err resolve(struct log_remote *remote, const struct log_append *append,
                        bool *ret_committed)
{
    TRY(producer_need(remote));
    for (int i = 0; i < RESOLVE_TRIES; i++) {
        int64_t found;
        enum err err = remote_first_at(append->partition, append->base_offset, &found);
        if (err == OK) {
            *ret_committed = found == append->base_offset;
            return OK;
        }
        if (!remote_may_wait(remote))
            return ERR_AGAIN;
        io_sleep_ns(remote->log->io, RETRY_NS);
    }
    return ERR_AGAIN;
}

/* OK: committed. ERR_AGAIN: it is not, and may be made again; others: it would fail again. */
static enum err commit(struct log_remote *remote, struct log_append *const *items)
{
    for (;;) {
        rd_kafka_error_t *error = rd_kafka_commit_transaction(remote->producer, COMMIT_MS);
        if (!error)
            return OK;
        bool again = rd_kafka_error_is_retriable(error);
        bool abort = rd_kafka_error_txn_requires_abort(error);
        code_of(remote, error);
        if (abort) {
            undo(remote);
            enum err err = remote_err(remote->send_err);
            return err == OK ? ERR_AGAIN : err;
        }
        if (again && remote_may_wait(remote))
            continue;
        /* Fatal, or given up. Before all were delivered no commit was asked for. */
        bool asked = !remote->undelivered && remote->send_err == RD_KAFKA_RESP_ERR_NO_ERROR &&
                     items[0]->base_offset >= 0;
        bool committed = false;
        producer_lose(remote);
        if (asked)
            TRY(resolve(remote, items[0], &committed));
        return committed ? OK : ERR_AGAIN;
    }
}

static enum err transact_once(struct log_remote *remote, struct log_append **items, size_t count)
{
    TRY(producer_need(remote));
    remote->send_err = RD_KAFKA_RESP_ERR_NO_ERROR;
    remote->undelivered = 0;
    rd_kafka_error_t *error = rd_kafka_begin_transaction(remote->producer);
    if (error) {
        code_of(remote, error);
        producer_lose(remote);
        return ERR_AGAIN;
    }
    enum err err = OK;
    for (size_t i = 0; i < count && err == OK; i++)
        err = send_append(remote, items[i]);
    if (err == OK)
        return commit(remote, items);
    if (rd_kafka_fatal_error(remote->producer, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR)
        producer_lose(remote);
    else
        undo(remote);
    return err;
}

static enum err transact(struct log_remote *remote, struct log_append **items, size_t count)
{
    bool told = false;
    for (;;) {
        enum err err = transact_once(remote, items, count);
        if (err != ERR_AGAIN || !remote_may_wait(remote))
            return err;
        if (!told)
            log_line(LOG_WARN, "log", "the Kafka at %s does not take records; tries again",
                     remote->place.brokers);
        told = true;
        io_sleep_ns(remote->log->io, RETRY_NS);
    }
}

/* ---- the queue ---- */

enum err remote_takes(const struct log_remote *remote)
{
    return remote->giving_up ? ERR_AGAIN : OK;
}

static size_t unit_of(const struct log_append *append)
{
    return append->group ? append->group->count : 1;
}

/* Under log->lock: whole groups, at least one. */
static size_t take(struct log *log, struct log_append **items, size_t *room,
                   struct log_append ***ret_items)
{
    size_t count = 0, bytes = 0;
    while (log->queue_head && bytes < TAKE_BYTES_MAX && count < TAKE_MAX) {
        size_t unit = unit_of(log->queue_head);
        if (count + unit > *room) {
            *room = (count + unit) * 2;
            items = mem_realloc_array(items, *room, sizeof(struct log_append *));
        }
        for (size_t i = 0; i < unit; i++) {
            struct log_append *append = log->queue_head;
            log->queue_head = append->next;
            bytes += append->bytes;
            items[count++] = append;
        }
    }
    if (!log->queue_head)
        log->queue_tail = NULL;
    *ret_items = items;
    return count;
}

static void write_items(struct log_remote *remote, struct log_append **items, size_t count)
{
    enum err err = transact(remote, items, count);
    if (err == OK || err == ERR_AGAIN || unit_of(items[0]) == count) {
        io_mutex_lock(&remote->log->lock);
        io_condition_signal(&remote->poll_now);
        io_mutex_unlock(&remote->log->lock);
        log_complete(remote->log, items, count, err);
        return;
    }
    for (size_t at = 0; at < count;) {
        size_t unit = unit_of(items[at]);
        err = transact(remote, items + at, unit);
        log_complete(remote->log, items + at, unit, err);
        at += unit;
    }
}

void remote_write(void *arg)
{
    struct log_remote *remote = arg;
    struct log *log = remote->log;
    struct log_append **items = NULL;
    size_t room = 0;
    io_mutex_lock(&log->lock);
    for (;;) {
        size_t count = take(log, items, &room, &items);
        bool end = !count && log->stopping;
        if (!count && !end)
            io_condition_wait(&log->wake, &log->lock, IDLE_NS);
        io_mutex_unlock(&log->lock);
        if (count)
            write_items(remote, items, count);
        else if (remote->producer)
            rd_kafka_poll(remote->producer, 0);
        if (end)
            break;
        io_mutex_lock(&log->lock);
    }
    mem_free(items);
}
