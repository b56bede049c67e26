/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SOURCE_H
#define TESTS_SOURCE_H

/* A source of any kind over a world. */
#include "tree.h"
#include "world.h"

struct bench {
    struct world w;
    struct tree settings;
    const struct connector *connector;
    struct source *source;
    bool drained;
};

static inline void bench_open(struct bench *b, const char *kind, int32_t partitions)
{
    memset(b, 0, sizeof *b);
    world_open(&b->w, partitions, 0);
    tree_init(&b->settings);
    b->connector = connector_find(str_of(kind));
    assert_non_null(b->connector);
}
static inline void bench_start(struct bench *b)
{
    struct diag_list diags = {0};
    struct diag diag = {0};
    if (settings_check(&b->settings.root, b->connector->keys, "m", &diags) != OK ||
        (b->connector->check && b->connector->check(&b->settings.root, "m", &diags) != OK))
        fail_msg("%s", diags.items[0].message);
    if (b->connector->open(b->w.loop, &b->settings.root, b->w.dir, STR("src"), b->w.feed, &diag,
                           &b->source) != OK)
        fail_msg("%s", diag.message);
    b->connector->start(b->source);
}
static inline void bench_drained(void *owner)
{
    ((struct bench *)owner)->drained = true;
}
static inline bool bench_is_drained(void *owner)
{
    return ((struct bench *)owner)->drained;
}
static inline void bench_stop(struct bench *b)
{
    b->drained = false;
    b->connector->stop(b->source, bench_drained, b);
    assert_false(b->drained);
    world_until(&b->w, bench_is_drained, b);
    b->connector->close(b->source);
    b->source = NULL;
}
/* Stops the source, closes the log, opens both again. */
static inline void bench_restart(struct bench *b)
{
    bench_stop(b);
    world_restart(&b->w);
    bench_start(b);
}
static inline void bench_close(struct bench *b)
{
    if (b->source)
        bench_stop(b);
    tree_free(&b->settings);
    world_close(&b->w);
}
static inline bool bench_is_over(void *owner)
{
    struct bench *b = owner;
    struct source_status status;
    b->connector->status(b->source, &status);
    return status.state == SOURCE_DONE || status.state == SOURCE_FAILED;
}
struct bench_wait {
    struct bench *b;
    size_t count;
};
static inline bool bench_has(void *owner)
{
    struct bench_wait *wait = owner;
    return world_count(&wait->b->w) >= wait->count;
}
static inline void bench_until_count(struct bench *b, size_t count)
{
    struct bench_wait wait = {b, count};
    world_until(&b->w, bench_has, &wait);
    world_turn(&b->w, 20);
    assert_int_equal(count, world_count(&b->w));
}
static inline void bench_collect_one(void *owner, const struct record *record)
{
    buf_str_append(owner, record->value);
    buf_char(owner, ';');
}
/* All values of partition 0, each followed by ; */
static inline void bench_collect(struct bench *b, struct buf *out)
{
    buf_reset(out);
    world_records(&b->w, 0, bench_collect_one, out);
}

#endif
