/* SPDX-License-Identifier: MIT */
/*
 * The backend in memory: the twin of RocksDB for simulated runs and tests, with the same meaning
 * and nothing on disk. A skip list of keys, each with its versions from the newest back; a commit
 * is one number, and a snapshot sees what has a number up to its own. Merges are done at once.
 *
 * Invariants
 * 1. Versions of a key have falling numbers; a version without value means the key is absent.
 * 2. Nodes and versions that a snapshot may see are not freed: while one is open only new ones are
 *    added. The last snapshot's end sweeps (and any commit while there is none keeps one version).
 * 3. A commit is checked as a whole before the first change, so all of it is done or nothing.
 */
#include "base/check.h"
#include "base/mem.h"
#include "base/prng.h"
#include "io/thread.h"
#include "table/backend.h"
#include "table/merge.h"

enum { LEVELS = 20 };

struct version {
    uint64_t number;
    struct version *older;
    bool absent;
    size_t bytes;
    char value[];
};

struct node {
    struct version *newest;
    struct node *previous; /* of level 0 */
    unsigned levels;
    char *key;
    size_t key_bytes;
    struct node *next[];
};

struct memory {
    struct backend base;
    struct io_mutex mutex;
    struct node *head;
    struct node *last;
    uint64_t number;
    size_t snapshots;
    bool swept_needed;
    struct prng prng;
};

struct memory_snapshot {
    uint64_t number;
};

static struct str node_key(const struct node *node)
{
    return str_from(node->key, node->key_bytes);
}

static struct node *node_new(struct str key, unsigned levels)
{
    struct node *node = mem_zero(sizeof *node + levels * sizeof(struct node *));
    node->levels = levels;
    node->key = mem_alloc(key.bytes + 1);
    memcpy(node->key, key.bytes ? key.ptr : "", key.bytes);
    node->key_bytes = key.bytes;
    return node;
}

static void versions_free(struct version *version)
{
    while (version) {
        struct version *older = version->older;
        mem_free(version);
        version = older;
    }
}

static void node_free(struct node *node)
{
    versions_free(node->newest);
    mem_free(node->key);
    mem_free(node);
}

/* The last node before key on every level; the answer is the first at or behind it. */
static struct node *seek(struct memory *memory, struct str key, struct node *ret_before[LEVELS])
{
    struct node *node = memory->head;
    for (int level = LEVELS - 1; level >= 0; level--) {
        while (node->next[level] && str_compare(node_key(node->next[level]), key) < 0)
            node = node->next[level];
        if (ret_before)
            ret_before[level] = node;
    }
    return node->next[0];
}

static struct node *find_or_add(struct memory *memory, struct str key)
{
    struct node *before[LEVELS];
    struct node *found = seek(memory, key, before);
    if (found && str_equal(node_key(found), key))
        return found;
    unsigned levels = 1;
    while (levels < LEVELS && prng_below(&memory->prng, 4) == 0)
        levels++;
    struct node *node = node_new(key, levels);
    for (unsigned level = 0; level < levels; level++) {
        node->next[level] = before[level]->next[level];
        before[level]->next[level] = node;
    }
    node->previous = before[0];
    if (node->next[0])
        node->next[0]->previous = node;
    else
        memory->last = node;
    return node;
}

static void unlink_node(struct memory *memory, struct node *node)
{
    struct node *before[LEVELS];
    seek(memory, node_key(node), before);
    for (unsigned level = 0; level < node->levels; level++)
        before[level]->next[level] = node->next[level];
    if (node->next[0])
        node->next[0]->previous = node->previous;
    else
        memory->last = node->previous;
    node_free(node);
}

/* ---- commits ---- */

static void set_version(struct memory *memory, struct node *node, struct str value, bool absent)
{
    struct version *version = mem_alloc(sizeof *version + value.bytes);
    version->number = memory->number;
    version->absent = absent;
    version->bytes = value.bytes;
    if (value.bytes)
        memcpy(version->value, value.ptr, value.bytes);
    version->older = node->newest;
    if (!memory->snapshots) {
        versions_free(version->older);
        version->older = NULL;
    }
    memory->swept_needed |= version->older || absent;
    node->newest = version;
}

static void merge_value(struct memory *memory, struct node *node, struct str value)
{
    struct version *old = node->newest;
    if (!old || old->absent) {
        set_version(memory, node, value, false);
        return;
    }
    struct str rows[2] = {str_from(old->value, old->bytes), value};
    struct buf merged = {0};
    enum err err = row_merge(rows, 2, &merged);
    check(err == OK); /* checked before the commit began */
    set_version(memory, node, buf_str(&merged), false);
    buf_deinit(&merged);
}

static void delete_range(struct memory *memory, struct str from, struct str to)
{
    for (struct node *node = seek(memory, from, NULL); node && str_compare(node_key(node), to) < 0;
         node = node->next[0])
        set_version(memory, node, STR_NONE, true);
}

/* Keeps one version of each key, and none of absent ones. */
static void sweep(struct memory *memory)
{
    for (struct node *node = memory->head->next[0]; node;) {
        struct node *next = node->next[0];
        if (!node->newest || node->newest->absent) {
            unlink_node(memory, node);
        } else {
            versions_free(node->newest->older);
            node->newest->older = NULL;
        }
        node = next;
    }
    memory->swept_needed = false;
}

static enum err check_ops(struct str rest)
{
    struct op op;
    enum err err;
    while ((err = ops_next(&rest, &op)) == OK) {
        struct buf row = {0};
        enum err bad = op.tag == OP_MERGE ? row_merge(&op.value, 1, &row) : OK;
        buf_deinit(&row);
        TRY(bad);
    }
    return err == ERR_NOT_FOUND ? OK : err;
}

static enum err memory_commit(struct backend *backend, struct str ops, bool sync)
{
    struct memory *memory = (struct memory *)backend;
    struct str rest = str_slice(ops, OPS_HEAD_BYTES, ops.bytes);
    TRY(check_ops(rest));
    io_mutex_lock(&memory->mutex);
    memory->number++;
    struct op op;
    while (ops_next(&rest, &op) == OK) {
        switch (op.tag) {
        case OP_PUT:
            set_version(memory, find_or_add(memory, op.key), op.value, false);
            break;
        case OP_MERGE:
            merge_value(memory, find_or_add(memory, op.key), op.value);
            break;
        case OP_DELETE:
            set_version(memory, find_or_add(memory, op.key), STR_NONE, true);
            break;
        case OP_DELETE_RANGE:
            delete_range(memory, op.key, op.value);
            break;
        }
    }
    if (!memory->snapshots && memory->swept_needed)
        sweep(memory);
    io_mutex_unlock(&memory->mutex);
    return OK;
}

/* ---- reading ---- */

static const struct version *visible(const struct node *node, uint64_t number)
{
    const struct version *version = node->newest;
    while (version && version->number > number)
        version = version->older;
    return version && !version->absent ? version : NULL;
}

static void *memory_snapshot_new(struct backend *backend)
{
    struct memory *memory = (struct memory *)backend;
    struct memory_snapshot *snapshot = mem_alloc(sizeof *snapshot);
    io_mutex_lock(&memory->mutex);
    snapshot->number = memory->number;
    memory->snapshots++;
    io_mutex_unlock(&memory->mutex);
    return snapshot;
}

static void memory_snapshot_free(struct backend *backend, void *snapshot)
{
    struct memory *memory = (struct memory *)backend;
    mem_free(snapshot);
    io_mutex_lock(&memory->mutex);
    if (!--memory->snapshots && memory->swept_needed)
        sweep(memory);
    io_mutex_unlock(&memory->mutex);
}

static enum err memory_get(struct backend *backend, void *opaque, struct str key, struct buf *out)
{
    struct memory *memory = (struct memory *)backend;
    const struct memory_snapshot *snapshot = opaque;
    io_mutex_lock(&memory->mutex);
    struct node *node = seek(memory, key, NULL);
    const struct version *version = NULL;
    if (node && str_equal(node_key(node), key))
        version = visible(node, snapshot ? snapshot->number : memory->number);
    if (version)
        buf_append(out, version->value, version->bytes);
    io_mutex_unlock(&memory->mutex);
    return version ? buf_error(out) : ERR_NOT_FOUND;
}

struct memory_cursor {
    struct cursor base;
    uint64_t number;
    struct node *node;
    bool reverse;
    char *bounds;
    struct str from, to;
};

static bool inside(const struct memory_cursor *cursor, const struct memory *memory)
{
    const struct node *node = cursor->node;
    if (!node || node == memory->head)
        return false;
    return cursor->reverse ? str_compare(node_key(node), cursor->from) >= 0
                           : str_compare(node_key(node), cursor->to) < 0;
}

/* On from the present node to one that is seen. */
static void settle(struct memory_cursor *cursor, struct memory *memory)
{
    cursor->base.valid = false;
    for (; inside(cursor, memory);
         cursor->node = cursor->reverse ? cursor->node->previous : cursor->node->next[0]) {
        const struct version *version = visible(cursor->node, cursor->number);
        if (!version)
            continue;
        cursor->base.valid = true;
        cursor->base.key = node_key(cursor->node);
        cursor->base.value = str_from(version->value, version->bytes);
        return;
    }
}

static struct cursor *memory_cursor_open(struct backend *backend, void *opaque, struct str from,
                                         struct str to, unsigned flags)
{
    struct memory *memory = (struct memory *)backend;
    struct memory_cursor *cursor = mem_zero(sizeof *cursor);
    cursor->base.backend = backend;
    cursor->number = ((struct memory_snapshot *)opaque)->number;
    bool reverse = flags & CURSOR_REVERSE;
    cursor->reverse = reverse;
    cursor->bounds = mem_alloc(from.bytes + to.bytes + 1);
    memcpy(cursor->bounds, from.ptr, from.bytes);
    memcpy(cursor->bounds + from.bytes, to.ptr, to.bytes);
    cursor->from = str_from(cursor->bounds, from.bytes);
    cursor->to = str_from(cursor->bounds + from.bytes, to.bytes);
    io_mutex_lock(&memory->mutex);
    cursor->node = seek(memory, reverse ? to : from, NULL);
    if (reverse)
        cursor->node = cursor->node ? cursor->node->previous : memory->last;
    settle(cursor, memory);
    io_mutex_unlock(&memory->mutex);
    return &cursor->base;
}

static void memory_cursor_next(struct cursor *base)
{
    struct memory_cursor *cursor = (struct memory_cursor *)base;
    struct memory *memory = (struct memory *)base->backend;
    io_mutex_lock(&memory->mutex);
    cursor->node = cursor->reverse ? cursor->node->previous : cursor->node->next[0];
    settle(cursor, memory);
    io_mutex_unlock(&memory->mutex);
}

static void memory_cursor_seek(struct cursor *base, struct str key)
{
    struct memory_cursor *cursor = (struct memory_cursor *)base;
    struct memory *memory = (struct memory *)base->backend;
    if (str_compare(key, cursor->from) < 0)
        key = cursor->from;
    if (str_compare(key, cursor->to) > 0)
        key = cursor->to;
    io_mutex_lock(&memory->mutex);
    cursor->node = seek(memory, key, NULL);
    if (cursor->reverse)
        cursor->node = cursor->node ? cursor->node->previous : memory->last;
    settle(cursor, memory);
    io_mutex_unlock(&memory->mutex);
}

static void memory_cursor_close(struct cursor *base)
{
    mem_free(((struct memory_cursor *)base)->bounds);
    mem_free(base);
}

/* ---- care ---- */

static void memory_range_stats(struct backend *backend, struct str from, struct str to,
                               struct table_stats *ret_stats)
{
    struct memory *memory = (struct memory *)backend;
    *ret_stats = (struct table_stats){0};
    io_mutex_lock(&memory->mutex);
    for (struct node *node = seek(memory, from, NULL); node && str_compare(node_key(node), to) < 0;
         node = node->next[0])
        ret_stats->rows_estimated += visible(node, memory->number) != NULL;
    io_mutex_unlock(&memory->mutex);
}

static enum err memory_checkpoint(struct backend *backend, const char *dir)
{
    return ERR_UNSUPPORTED;
}

static enum err memory_ok(struct backend *backend)
{
    return OK;
}

static void memory_close(struct backend *backend)
{
    struct memory *memory = (struct memory *)backend;
    for (struct node *node = memory->head; node;) {
        struct node *next = node->next[0];
        node_free(node);
        node = next;
    }
    io_mutex_deinit(&memory->mutex);
    mem_free(memory);
}

static const struct backend_ops memory_ops = {
    .close = memory_close,
    .health = memory_ok,
    .commit = memory_commit,
    .snapshot_new = memory_snapshot_new,
    .snapshot_free = memory_snapshot_free,
    .get = memory_get,
    .cursor_open = memory_cursor_open,
    .sync = memory_ok,
    .cursor_next = memory_cursor_next,
    .cursor_seek = memory_cursor_seek,
    .cursor_close = memory_cursor_close,
    .range_stats = memory_range_stats,
    .checkpoint = memory_checkpoint,
    .flush = memory_ok,
    .compact = memory_ok,
};

struct backend *memory_open(void)
{
    struct memory *memory = mem_zero(sizeof *memory);
    memory->base.ops = &memory_ops;
    memory->head = node_new(STR_NONE, LEVELS);
    memory->last = memory->head;
    memory->prng.state = 1;
    io_mutex_init(&memory->mutex);
    return &memory->base;
}
