/* SPDX-License-Identifier: MIT */
/*
 * What the administrative handlers share: calls that run in the worker, names of topics, texts.
 *
 * A call that changes topics runs whole in the worker's thread. Meanwhile the loop does not touch
 * it: it is answered by the job's end, in the loop. So handlers use the call's arena without a
 * lock.
 */
#include "serve/kafka/admin.h"

#include <stdio.h>

struct str kafka_text(struct kafka_call *call, const char *format, ...)
{
    CLEAN(buf_deinit) struct buf text = {.bytes_max = 4096};
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    return arena_str(&call->arena, buf_str(&text));
}

int32_t *kafka_this_node(struct kafka_call *call)
{
    return &call->broker->options.node_id;
}

/* All settings of ten thousand topics fit. */
enum { ANSWER_BYTES_MAX = 96 << 20 };

const char kafka_answer_too_long[] = "the request asks for more than one answer may hold";

bool kafka_answer_has_room(const struct kafka_call *call)
{
    return !call->arena.over && call->arena.bytes_used < ANSWER_BYTES_MAX;
}

/* ---- names ---- */

enum { NAME_BYTES_MAX = 249 };

const char *kafka_topic_name_problem(struct str name, struct arena *arena)
{
    if (name.bytes == 0)
        return "Topic name is invalid: the empty string is not allowed";
    if (str_equal(name, STR(".")) || str_equal(name, STR("..")))
        return arena_printf(arena, "Topic name is invalid: '%.*s' is not allowed", STR_ARG(name));
    if (name.bytes > NAME_BYTES_MAX)
        return arena_printf(arena,
                            "Topic name is invalid: the length of '%.*s' is longer than the max "
                            "allowed length %d",
                            STR_ARG(name), (int)NAME_BYTES_MAX);
    for (size_t i = 0; i < name.bytes; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return arena_printf(arena,
                                "Topic name is invalid: '%.*s' contains one or more characters "
                                "other than ASCII alphanumerics, '.', '_' and '-'",
                                STR_ARG(name));
    }
    return NULL;
}

static bool collides(struct str a, struct str b)
{
    if (a.bytes != b.bytes || str_equal(a, b))
        return false;
    for (size_t i = 0; i < a.bytes; i++) {
        char x = a.ptr[i] == '.' ? '_' : a.ptr[i], y = b.ptr[i] == '.' ? '_' : b.ptr[i];
        if (x != y)
            return false;
    }
    return true;
}

struct log_topic *kafka_topic_collision(struct log *log, struct str name)
{
    struct log_topic **topics, *found = NULL;
    if (str_find(name, STR("."), 0) == SIZE_MAX && str_find(name, STR("_"), 0) == SIZE_MAX)
        return NULL;
    size_t count = log_topics(log, &topics);
    for (size_t i = 0; i < count && !found; i++)
        if (collides(name, log_topic_name(topics[i])))
            found = topics[i];
    mem_free(topics);
    return found;
}

bool kafka_topic_is_ours(struct str name)
{
    return str_equal(name, STR("__consumer_offsets")) ||
           str_equal(name, STR("__transaction_state"));
}

/* ---- calls in the worker ---- */

struct admin_job {
    struct io_job job;
    struct kafka_call *call;
    void (*run)(struct kafka_call *call);
    void (*after)(struct kafka_call *call);
};

static void admin_run(struct io_job *job)
{
    struct admin_job *admin = job->owner;
    admin->run(admin->call);
}

static void admin_done(struct io_job *job)
{
    struct admin_job *admin = job->owner;
    if (admin->after)
        admin->after(admin->call);
    kafka_answer(admin->call);
}

void kafka_admin_do(struct kafka_call *call, void (*run)(struct kafka_call *call),
                    void (*after)(struct kafka_call *call))
{
    struct admin_job *admin = arena_zero(&call->arena, sizeof *admin);
    *admin = (struct admin_job){
        .job = {.run = admin_run, .done = admin_done, .owner = admin},
        .call = call,
        .run = run,
        .after = after,
    };
    io_worker_do(call->broker->worker, &admin->job);
}
