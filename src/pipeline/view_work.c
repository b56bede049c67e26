/* SPDX-License-Identifier: MIT */
/*
 * When views are computed: the loop compares what streams have stored with what the newest refresh
 * has seen. Once the streams are at rest, or LATEST_MS after the first change, it hands a token to
 * the view thread. One refresh at a time. What is blocked is tried again every AGAIN_MS, even when
 * nothing has changed.
 */
#include "io/thread.h"
#include "pipeline/pipeline_private.h"

enum { LOOK_MS = 200, LATEST_MS = 5000, AGAIN_MS = 2000, NS_PER_MS = 1000000 };

static uint64_t stored_sum(struct pipeline *pipeline)
{
    uint64_t sum = 1;
    for (size_t i = 0; i < pipeline->stream_count; i++) {
        struct stream *stream = &pipeline->streams[i];
        io_mutex_lock(&stream->lock);
        sum += stream->books.read;
        io_mutex_unlock(&stream->lock);
    }
    for (size_t i = 0; i < pipeline->source_count; i++)
        for (int32_t p = 0; p < log_topic_partitions(pipeline->sources[i].topic); p++)
            sum += (uint64_t)log_partition_end(log_topic_partition(pipeline->sources[i].topic, p));
    return sum;
}

static void refreshed(struct io_post *post)
{
    struct pipeline *pipeline = post->owner;
    pipeline->view_busy = false;
    pipeline->view_sum = pipeline->view_sum_asked;
    pipeline->view_again_ns = views_any_is_blocked(&pipeline->views)
                                  ? io_now_ns(pipeline->io) + (int64_t)AGAIN_MS * NS_PER_MS
                                  : 0;
}

static void view_thread(void *arg)
{
    struct pipeline *pipeline = arg;
    void *token;
    while (io_queue_pop(pipeline->view_work, -1, &token) == OK) {
        struct diag diag = {0};
        (void)!views_refresh(&pipeline->views, pipeline->view_only_blocked, &diag);
        pipeline->view_done = (struct io_post){.run = refreshed, .owner = pipeline};
        io_loop_post(pipeline->loop, &pipeline->view_done);
    }
}

static void ask(struct pipeline *pipeline, uint64_t sum)
{
    if (pipeline->view_busy)
        return;
    pipeline->view_only_blocked = sum == pipeline->view_sum;
    if (io_queue_try_push(pipeline->view_work, pipeline) != OK)
        return;
    pipeline->view_busy = true;
    pipeline->view_sum_asked = sum;
}

static void look(struct io_timer *timer)
{
    struct pipeline *pipeline = timer->owner;
    uint64_t sum = stored_sum(pipeline);
    int64_t now_ns = io_now_ns(pipeline->io);
    if (pipeline->view_again_ns && now_ns >= pipeline->view_again_ns)
        ask(pipeline, sum);
    if (sum == pipeline->view_sum || pipeline->view_busy)
        pipeline->view_changed_ns = 0;
    else if (!pipeline->view_changed_ns)
        pipeline->view_changed_ns = now_ns;
    else if (work_is_done(pipeline) ||
             now_ns - pipeline->view_changed_ns > (int64_t)LATEST_MS * NS_PER_MS)
        ask(pipeline, sum);
    io_timer_start(pipeline->loop, timer, (int64_t)LOOK_MS * NS_PER_MS);
}

enum err view_work_start(struct pipeline *pipeline)
{
    if (!pipeline->views.count)
        return OK;
    pipeline->view_work = io_queue_new(1);
    TRY(io_thread_start(pipeline->io, "views", view_thread, pipeline, &pipeline->view_thread));
    pipeline->view_timer = (struct io_timer){.fire = look, .owner = pipeline};
    io_timer_start(pipeline->loop, &pipeline->view_timer, (int64_t)LOOK_MS * NS_PER_MS);
    return OK;
}

void view_work_stop(struct pipeline *pipeline)
{
    if (!pipeline->view_work)
        return;
    io_timer_stop(pipeline->loop, &pipeline->view_timer);
    io_queue_close(pipeline->view_work);
    io_thread_join(pipeline->view_thread);
    io_queue_free(pipeline->view_work);
    pipeline->view_work = NULL;
}

bool view_work_is_done(struct pipeline *pipeline)
{
    if (!pipeline->view_thread)
        return true;
    uint64_t sum = stored_sum(pipeline);
    if (sum == pipeline->view_sum)
        return !pipeline->view_busy && !pipeline->view_again_ns;
    if (work_is_done(pipeline))
        ask(pipeline, sum);
    return false;
}

bool view_work_is_held_up(struct pipeline *pipeline)
{
    return views_any_is_blocked(&pipeline->views);
}
