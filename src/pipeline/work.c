/* SPDX-License-Identifier: MIT */
/*
 * Who runs epochs when. A stream is in one place at a time: watched by the loop (nothing to take),
 * in the queue, or with a worker. The loop hands it over when a watch fires; the worker runs
 * epochs until there is nothing more and posts it back, and the loop watches again.
 *
 * An epoch that fails for want of room (a full disk, a full queue) is tried again after a pause; it
 * changed nothing. Any other failure stops the stream, with the reason in its status.
 */
#include "pipeline/pipeline_private.h"

#include "base/logline.h"

#include <stdio.h>

enum { RETRY_MS = 500 };

static void watch_moved(struct log_watch *watch)
{
    work_schedule(watch->owner);
}

/* Loop's thread: nothing to take, so watch; a watch behind the end fires at once. */
static void rearm(struct io_post *post)
{
    struct stream *stream = post->owner;
    stream->queued = false;
    if (__atomic_load_n(&stream->pipeline->stopping, __ATOMIC_ACQUIRE) ||
        stream_get_state(stream) == STREAM_FAILED)
        return;
    for (int32_t i = 0; i < stream->partition_count; i++) {
        struct stream_partition *p = &stream->partitions[i];
        if (p->watch.partition)
            continue;
        p->watch = (struct log_watch){.offset = p->offset_next,
                                      .stable = true,
                                      .moved = watch_moved,
                                      .owner = stream,
                                      .loop = stream->pipeline->loop};
        log_watch_start(p->partition, &p->watch);
    }
}

void work_schedule(struct stream *stream)
{
    if (stream->queued || __atomic_load_n(&stream->pipeline->stopping, __ATOMIC_ACQUIRE))
        return;
    stream->queued = true;
    for (int32_t i = 0; i < stream->partition_count; i++)
        if (stream->partitions[i].watch.partition)
            log_watch_stop(&stream->partitions[i].watch);
    /* There is room for every stream, and each is in it once. */
    if (io_queue_try_push(stream->pipeline->ready, stream) != OK)
        stream->queued = false;
}

static bool may_retry(enum err err)
{
    return err == ERR_DISK_FULL || err == ERR_AGAIN;
}

/* Runs epochs until there is nothing to take; false when the stream has failed. */
static void run_stream(struct stream *stream)
{
    struct pipeline *pipeline = stream->pipeline;
    for (;;) {
        size_t records = 0;
        if (__atomic_load_n(&pipeline->stopping, __ATOMIC_ACQUIRE))
            return;
        if (stream_get_state(stream) != STREAM_RUNNING)
            stream_set_state(stream, STREAM_RUNNING, NULL);
        enum err err = stream_epoch(stream, &records);
        if (err == OK && stream_lag(stream) > 0)
            continue;
        if (err == OK) {
            stream_set_state(stream, STREAM_IDLE, NULL);
            return;
        }
        char text[200];
        if (err == ERR_CANCELLED)
            return;
        if (may_retry(err)) {
            if (stream->trouble[0])
                snprintf(text, sizeof text, "%.180s", stream->trouble);
            else
                snprintf(text, sizeof text, "%s; tries again", err_text(err));
            if (stream_get_state(stream) != STREAM_BLOCKED)
                log_line(LOG_WARN, "stream", "%.*s: %s", STR_ARG(stream->table->name), text);
            stream_set_state(stream, STREAM_BLOCKED, text);
            io_sleep_ns(pipeline->io, RETRY_MS * 1000000LL);
            continue;
        }
        if (stream_get_state(stream) != STREAM_FAILED) {
            snprintf(text, sizeof text, "stopped: %s", err_text(err));
            stream_set_state(stream, STREAM_FAILED, text);
        }
        log_line(LOG_ERROR, "stream", "%.*s: %s", STR_ARG(stream->table->name), stream->detail);
        return;
    }
}

static void worker(void *arg)
{
    struct pipeline *pipeline = arg;
    void *item;
    while (io_queue_pop(pipeline->ready, -1, &item) == OK) {
        struct stream *stream = item;
        run_stream(stream);
        stream->rearm = (struct io_post){.run = rearm, .owner = stream};
        io_loop_post(pipeline->loop, &stream->rearm);
    }
}

enum err work_start(struct pipeline *pipeline)
{
    size_t count = io_cpu_count(pipeline->io);
    if (count > pipeline->stream_count)
        count = pipeline->stream_count;
    if (count > WORKERS_MAX)
        count = WORKERS_MAX;
    for (; pipeline->worker_count < count; pipeline->worker_count++)
        TRY(io_thread_start(pipeline->io, "work", worker, pipeline,
                            &pipeline->workers[pipeline->worker_count]));
    for (size_t i = 0; i < pipeline->stream_count; i++)
        work_schedule(&pipeline->streams[i]);
    return OK;
}

void work_stop(struct pipeline *pipeline)
{
    __atomic_store_n(&pipeline->stopping, true, __ATOMIC_RELEASE);
    if (pipeline->ready)
        io_queue_close(pipeline->ready);
    for (size_t i = 0; i < pipeline->worker_count; i++)
        io_thread_join(pipeline->workers[i]);
    pipeline->worker_count = 0;
    for (size_t i = 0; i < pipeline->stream_count; i++)
        for (int32_t p = 0; p < pipeline->streams[i].partition_count; p++)
            if (pipeline->streams[i].partitions[p].watch.partition)
                log_watch_stop(&pipeline->streams[i].partitions[p].watch);
}

/* Streams that wait for a worker count too: the workers are with those that wait. */
bool work_is_held_up(const struct pipeline *pipeline)
{
    bool any = false;
    for (size_t i = 0; i < pipeline->stream_count; i++) {
        struct stream *stream = &pipeline->streams[i];
        enum stream_state state = stream_get_state(stream);
        if (!stream->remote || state == STREAM_RUNNING)
            return false;
        any |= state == STREAM_BLOCKED;
    }
    return any;
}

bool pipeline_blocked(struct pipeline *pipeline, char *ret_text, size_t room)
{
    for (size_t i = 0; i < pipeline->stream_count; i++) {
        struct stream *stream = &pipeline->streams[i];
        io_mutex_lock(&stream->lock);
        bool blocked = stream->remote && stream->state == STREAM_BLOCKED;
        if (blocked)
            snprintf(ret_text, room, "%.*s: %s", STR_ARG(stream->table->name), stream->detail);
        io_mutex_unlock(&stream->lock);
        if (blocked)
            return true;
    }
    return false;
}

bool work_is_done(const struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->stream_count; i++) {
        struct stream *stream = &pipeline->streams[i];
        if (stream_get_state(stream) != STREAM_FAILED && stream_lag(stream) > 0)
            return false;
    }
    return true;
}
