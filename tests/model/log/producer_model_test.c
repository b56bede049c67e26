/* SPDX-License-Identifier: MIT */
/*
 * Producers and transactions against a naive twin: a list of all batches that were taken, from
 * which everything is worked out anew each time. Random groups of batches in order, again, out of
 * order, of older and newer epochs, inside and outside of transactions; markers; plain and
 * compacted topics; restarts with and without a clean end; days that pass. What the log answers,
 * its stable end, its aborted transactions as a client uses them, and what a reader of committed
 * records sees must be what the twin says.
 */
#include "base/prng.h"
#include "io/sim.h"
#include "log/log.h"
#include "log/record_batch.h"
#include "test.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCHES_MAX = 2500, RECORDS = 4, PRODUCERS = 6, KEYS = 9, GROUP_MAX = 6, OPS = 220 };
enum { SEEDS = 60, DAY_S = 24 * 3600 };

struct batch {
    int64_t base, producer_id;
    int count;
    int16_t epoch;
    int32_t sequence, coordinator_epoch;
    bool txn, control, commit;
    int keys[RECORDS];
    int values[RECORDS]; /* 0 = tombstone */
};
struct producer {
    int64_t id;
    int16_t epoch;
    int32_t next;
    bool in_txn;
};
struct twin {
    struct io *io;
    struct prng prng;
    struct log *log;
    struct log_partition *partition;
    bool compact;
    struct batch batches[BATCHES_MAX];
    int count, forgotten[PRODUCERS]; /* batches that expiry took from a producer's state */
    int64_t end;
    struct producer producers[PRODUCERS];
    int value;
    uint64_t seed;
};

static int pick(struct twin *t, int below)
{
    return (int)prng_below(&t->prng, (uint64_t)below);
}

/* ---- the twin's judgement ------------------------------------------------------------------ */

struct state {
    bool known;
    int16_t epoch;
    int32_t coordinator_epoch;
    int64_t txn_first;
    const struct batch *last[5];
    int last_count;
};

static int32_t sequence_end(const struct batch *b)
{
    return (int32_t)(((int64_t)b->sequence + b->count - 1) & INT32_MAX);
}

static struct state state_of(const struct twin *t, int64_t id)
{
    struct state s = {.epoch = -1, .coordinator_epoch = -1, .txn_first = -1};
    for (int i = t->forgotten[id]; i < t->count; i++) {
        const struct batch *b = &t->batches[i];
        if (b->producer_id != id)
            continue;
        s.known = true;
        if (b->epoch != s.epoch)
            s.last_count = 0;
        s.epoch = b->epoch;
        if (b->control) {
            s.txn_first = -1;
            s.coordinator_epoch = b->coordinator_epoch;
            continue;
        }
        if (b->txn && s.txn_first < 0)
            s.txn_first = b->base;
        if (s.last_count == 5)
            memmove(s.last, s.last + 1, 4 * sizeof s.last[0]);
        else
            s.last_count++;
        s.last[s.last_count - 1] = b;
    }
    return s;
}

static enum err judge(const struct twin *t, const struct batch *b, int64_t *ret_duplicate)
{
    *ret_duplicate = -1;
    if (b->producer_id < 0)
        return OK;
    struct state s = state_of(t, b->producer_id);
    if (!b->control && b->epoch == s.epoch)
        for (int i = 0; i < s.last_count; i++)
            if (s.last[i]->sequence == b->sequence && sequence_end(s.last[i]) == sequence_end(b)) {
                *ret_duplicate = s.last[i]->base;
                return OK;
            }
    if (!s.known)
        return OK;
    if (b->epoch < s.epoch)
        return ERR_FENCED;
    if (b->control)
        return b->coordinator_epoch < s.coordinator_epoch ? ERR_FENCED : OK;
    int32_t next = 0;
    if (b->epoch == s.epoch && s.last_count)
        next = (int32_t)(((int64_t)sequence_end(s.last[s.last_count - 1]) + 1) & INT32_MAX);
    if (b->sequence != next)
        return ERR_DISORDER;
    return s.txn_first >= 0 && !b->txn ? ERR_STATE : OK;
}

static int64_t stable_end(const struct twin *t)
{
    int64_t end = t->end;
    for (int64_t id = 0; id < PRODUCERS; id++) {
        int64_t first = state_of(t, id).txn_first;
        if (first >= 0 && first < end)
            end = first;
    }
    return end;
}

/* 1 committed, 0 open, -1 aborted. */
static int fate(const struct twin *t, int index)
{
    const struct batch *b = &t->batches[index];
    if (!b->txn)
        return 1;
    for (int i = index + 1; i < t->count; i++)
        if (t->batches[i].control && t->batches[i].producer_id == b->producer_id)
            return t->batches[i].commit ? 1 : -1;
    return 0;
}

/* ---- the log's side ------------------------------------------------------------------------ */

static void open_twin(struct twin *t)
{
    struct log_options options = {.cache_bytes_max = (size_t)(1 + pick(t, 9000)),
                                  .durability = (enum log_durability)pick(t, 3),
                                  .interval_ms = 10};
    struct diag diag = {0};
    if (log_open(t->io, "d", &options, &diag, &t->log) != OK)
        fail_msg("seed %llu: %s", (unsigned long long)t->seed, diag.message);
    struct log_topic *topic = log_topic_find(t->log, STR("t"));
    if (!topic) {
        struct log_topic_config config;
        log_topic_config_default(&config);
        config.retention_ms = -1;
        config.segment_bytes = 700 + pick(t, 3000);
        config.compact = t->compact;
        config.dirty_ratio_min = 0.01;
        config.delete_retention_ms = 3600 * 1000;
        config.sync_each = pick(t, 2);
        assert_ok(log_topic_create(t->log, STR("t"), &config, NULL, &topic));
    }
    t->partition = log_topic_partition(topic, 0);
}

static void encode(struct twin *t, const struct batch *b, struct buf *out)
{
    struct record_batch_builder builder;
    int64_t now_ms = io_wall_us(t->io) / 1000;
    if (b->control) {
        log_marker_encode(b->producer_id, b->epoch, b->commit, b->coordinator_epoch, now_ms, out);
        return;
    }
    record_batch_builder_init(&builder, (enum codec)pick(t, 5), 0);
    builder.producer_id = b->producer_id;
    builder.producer_epoch = b->producer_id < 0 ? -1 : b->epoch;
    builder.base_sequence = b->producer_id < 0 ? -1 : b->sequence;
    builder.attributes = b->txn ? BATCH_TRANSACTIONAL : 0;
    for (int i = 0; i < b->count; i++) {
        char key[16], value[32];
        snprintf(key, sizeof key, "key %d", b->keys[i]);
        snprintf(value, sizeof value, "%d", b->values[i]);
        record_batch_builder_add(&builder, now_ms + i, str_of(key),
                                 b->values[i] ? str_of(value) : STR_NONE, NULL, 0);
    }
    assert_ok(record_batch_builder_finish(&builder, out));
    record_batch_builder_deinit(&builder);
}

/* ---- what is tried ------------------------------------------------------------------------- */

static void fill(struct twin *t, struct batch *b)
{
    b->count = 1 + pick(t, RECORDS);
    for (int i = 0; i < b->count; i++) {
        b->keys[i] = pick(t, KEYS);
        b->values[i] = pick(t, 6) ? ++t->value : 0;
    }
}

/* One of the newest batches of the producer once more. */
static bool again(struct twin *t, int64_t id, struct batch *ret_batch)
{
    int skip = pick(t, 7);
    for (int i = t->count - 1; i >= 0; i--)
        if (t->batches[i].producer_id == id && !t->batches[i].control && skip-- == 0) {
            *ret_batch = t->batches[i];
            return true;
        }
    return false;
}

static struct batch make(struct twin *t)
{
    int64_t id = pick(t, PRODUCERS);
    struct producer *p = &t->producers[id];
    struct batch b = {.producer_id = id, .epoch = p->epoch, .sequence = p->next, .txn = p->in_txn};
    int what = pick(t, 100);
    fill(t, &b);
    if (what < 4) {
        b.producer_id = -1;
        b.txn = false;
    } else if (what < 24) {
        b.control = b.txn = true;
        b.count = 1;
        b.commit = pick(t, 2);
        b.coordinator_epoch = 3 + pick(t, 2);
        if (pick(t, 8) == 0)
            b.epoch++;
    } else if (what < 38) {
        if (!again(t, id, &b))
            b.sequence = p->next;
    } else if (what < 43) {
        b.sequence = (int32_t)(((int64_t)b.sequence + 1 + pick(t, 3)) & INT32_MAX);
    } else if (what < 46) {
        b.epoch--;
    } else if (what < 50) {
        b.epoch++;
        b.sequence = pick(t, 3) ? 0 : 5;
    } else if (what < 54) {
        b.txn = !b.txn;
    }
    if (b.epoch < 0)
        b.epoch = 0;
    return b;
}

/* What the producer would do next, having been answered OK. */
static void learn(struct twin *t, const struct batch *b)
{
    if (b->producer_id < 0)
        return;
    struct producer *p = &t->producers[b->producer_id];
    if (b->epoch != p->epoch)
        p->next = 0;
    p->epoch = b->epoch;
    if (b->control)
        p->in_txn = pick(t, 2);
    else
        p->next = (int32_t)(((int64_t)sequence_end(b) + 1) & INT32_MAX);
}

struct one {
    struct log_append append;
    struct batch batch;
    struct buf bytes;
    bool done;
};

static void done(struct log_append *append)
{
    struct one *one = append->owner;
    assert_false(one->done);
    one->done = true;
}

static void judge_one(struct twin *t, struct one *one)
{
    int64_t duplicate;
    enum err want = judge(t, &one->batch, &duplicate);
    if (!one->done || one->append.err != want || one->append.duplicate != (duplicate >= 0))
        fail_msg("seed %llu: batch of %lld, epoch %d, sequence %d: %s and %d instead of %s",
                 (unsigned long long)t->seed, (long long)one->batch.producer_id, one->batch.epoch,
                 one->batch.sequence, err_text(one->append.err), one->append.duplicate,
                 err_text(want));
    if (want != OK)
        return;
    if (duplicate >= 0) {
        assert_int_equal(one->append.base_offset, duplicate);
        return;
    }
    assert_int_equal(one->append.base_offset, t->end);
    one->batch.base = t->end;
    t->end += one->batch.count;
    t->batches[t->count++] = one->batch;
    learn(t, &one->batch);
}

static void do_group(struct twin *t)
{
    struct one ones[GROUP_MAX];
    int count = 1 + pick(t, GROUP_MAX);
    if (t->count + GROUP_MAX > BATCHES_MAX)
        return;
    /* Made one behind the other as if all were taken, so that later ones depend on earlier ones. */
    struct producer before[PRODUCERS];
    memcpy(before, t->producers, sizeof before);
    for (int i = 0; i < count; i++) {
        ones[i] = (struct one){.batch = make(t)};
        int64_t ignored;
        if (judge(t, &ones[i].batch, &ignored) == OK)
            learn(t, &ones[i].batch);
        encode(t, &ones[i].batch, &ones[i].bytes);
        ones[i].append = (struct log_append){.batches = ones[i].bytes.ptr,
                                             .bytes = ones[i].bytes.bytes,
                                             .done = done,
                                             .owner = &ones[i],
                                             .control = ones[i].batch.control};
        assert_ok(log_append(t->partition, &ones[i].append));
    }
    memcpy(t->producers, before, sizeof before);
    while (log_step(t->log))
        ;
    for (int i = 0; i < count; i++) {
        judge_one(t, &ones[i]);
        buf_deinit(&ones[i].bytes);
    }
}

/* ---- what is seen -------------------------------------------------------------------------- */

/* The twin's batch that holds the offset. */
static int batch_at(const struct twin *t, int64_t offset)
{
    for (int i = 0; i < t->count; i++)
        if (offset < t->batches[i].base + t->batches[i].count)
            return i;
    return -1;
}

struct reader_state {
    int64_t newest[KEYS]; /* offset of the newest record seen */
    bool aborted[PRODUCERS];
    int64_t seen;
};

static void see_record(struct twin *t, const struct record *record, struct reader_state *rs)
{
    int index = batch_at(t, record->offset);
    assert_true(index >= 0);
    const struct batch *b = &t->batches[index];
    int i = (int)(record->offset - b->base);
    char key[16], value[32];
    snprintf(key, sizeof key, "key %d", b->keys[i]);
    snprintf(value, sizeof value, "%d", b->values[i]);
    assert_true(str_equal(str_of(key), record->key));
    assert_true(b->values[i] ? str_equal(str_of(value), record->value) : !record->value.ptr);
    if (b->control || fate(t, index) != 1)
        fail_msg("seed %llu: a record at %lld is seen that is not committed",
                 (unsigned long long)t->seed, (long long)record->offset);
    rs->newest[b->keys[i]] = record->offset;
    rs->seen++;
}

/* As clients do: a producer's transactional batches are left out from the first offset of an
 * aborted transaction to its marker. */
static void see_batch(struct twin *t, const struct record_batch *batch,
                      const struct log_aborted *aborted, size_t aborted_count, size_t *next,
                      struct reader_state *rs)
{
    struct record_iterator it;
    struct record record;
    int64_t last = batch->base_offset + batch->last_offset_delta;
    for (; *next < aborted_count && aborted[*next].first_offset <= last; ++*next)
        rs->aborted[aborted[*next].producer_id] = true;
    assert_ok(record_iterator_init(&it, batch, 1 << 20));
    while (record_iterator_next(&it, &record)) {
        if (batch->attributes & BATCH_CONTROL) {
            if (get_be16(record.key.ptr + 2) == 0)
                rs->aborted[batch->producer_id] = false;
        } else if (!(batch->attributes & BATCH_TRANSACTIONAL && rs->aborted[batch->producer_id])) {
            see_record(t, &record, rs);
        }
    }
    assert_ok(it.reader.err);
    record_iterator_deinit(&it);
}

static void read_committed(struct twin *t, struct reader_state *rs)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct arena arena;
    arena_init(&arena, 0);
    struct log_read read = {0};
    int64_t stable = stable_end(t);
    size_t bytes_max = (size_t)1 << (4 + pick(t, 12));
    for (int64_t at = 0; at < stable;) {
        struct log_aborted *aborted;
        size_t next = 0;
        buf_reset(&out);
        arena_reset(&arena);
        assert_ok(log_read_stable(t->partition, at, bytes_max, &out, &read));
        assert_int_equal(read.stable_end, stable);
        assert_int_equal(read.high_watermark, t->end);
        assert_true(read.offset_next > at && read.offset_next <= stable);
        assert_true(out.bytes > 0);
        size_t count = log_aborted(t->partition, at, read.offset_next, &arena, &aborted);
        memset(rs->aborted, 0, sizeof rs->aborted); /* each answer stands for itself */
        for (size_t b = 0; b < out.bytes;) {
            struct record_batch batch;
            assert_ok(record_batch_parse(out.ptr + b, out.bytes - b, true, &batch));
            see_batch(t, &batch, aborted, count, &next, rs);
            b += batch.bytes_count;
        }
        at = read.offset_next;
    }
    arena_deinit(&arena);
}

static void check_reads(struct twin *t)
{
    struct reader_state rs = {0};
    int64_t newest[KEYS], committed = 0, stable = stable_end(t);
    memset(rs.newest, -1, sizeof rs.newest);
    memset(newest, -1, sizeof newest);
    read_committed(t, &rs);
    for (int i = 0; i < t->count && t->batches[i].base < stable; i++)
        for (int k = 0; !t->batches[i].control && fate(t, i) == 1 && k < t->batches[i].count; k++) {
            newest[t->batches[i].keys[k]] = t->batches[i].base + k;
            committed++;
        }
    if (!t->compact)
        assert_int_equal(rs.seen, committed);
    for (int key = 0; key < KEYS; key++) {
        int index = newest[key] < 0 ? -1 : batch_at(t, newest[key]);
        bool tombstone =
            index >= 0 && !t->batches[index].values[newest[key] - t->batches[index].base];
        if (rs.newest[key] != newest[key] && !(t->compact && tombstone && rs.newest[key] < 0))
            fail_msg("seed %llu: the newest of key %d is at %lld, not at %lld",
                     (unsigned long long)t->seed, key, (long long)rs.newest[key],
                     (long long)newest[key]);
    }
}

static void check_state(struct twin *t)
{
    struct arena arena;
    struct log_producer *list;
    arena_init(&arena, 0);
    assert_int_equal(log_partition_end(t->partition), t->end);
    assert_int_equal(log_partition_stable_end(t->partition), stable_end(t));
    size_t count = log_producers(t->partition, &arena, &list), at = 0;
    for (int64_t id = 0; id < PRODUCERS; id++) {
        struct state s = state_of(t, id);
        if (!s.known)
            continue;
        assert_true(at < count);
        assert_int_equal(list[at].producer_id, id);
        assert_int_equal(list[at].epoch, s.epoch);
        assert_int_equal(list[at].last_sequence,
                         s.last_count ? sequence_end(s.last[s.last_count - 1]) : -1);
        assert_int_equal(list[at].coordinator_epoch, s.coordinator_epoch);
        assert_int_equal(list[at].txn_first_offset, s.txn_first);
        at++;
    }
    if (at != count)
        fail_msg("seed %llu: %zu producers instead of %zu", (unsigned long long)t->seed, count, at);
    arena_deinit(&arena);
}

/* A slice is what a read gives, or nothing. */
static void check_slice(struct twin *t)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct log_slice slice;
    struct log_read read, of_slice;
    if (t->end == 0)
        return;
    int64_t offset = pick(t, (int)t->end);
    bool stable = pick(t, 2);
    size_t bytes_max = (size_t)pick(t, 4000), got;
    if (log_slice_open(t->partition, offset, bytes_max, stable, &slice, &of_slice) != OK)
        return;
    enum err err = stable ? log_read_stable(t->partition, offset, slice.bytes, &out, &read)
                          : log_read(t->partition, offset, slice.bytes, &out, &read);
    assert_ok(err);
    uint8_t *bytes = mem_alloc(slice.bytes);
    assert_ok(io_file_read(slice.file, slice.position, bytes, slice.bytes, &got));
    assert_int_equal(got, slice.bytes);
    assert_true(got > 0 && got <= out.bytes);
    assert_memory_equal(bytes, out.ptr, got);
    assert_true(of_slice.offset_next > offset);
    assert_true(got < out.bytes || of_slice.offset_next >= read.offset_next);
    mem_free(bytes);
    log_slice_release(&slice);
}

/* ---- time and ends ------------------------------------------------------------------------- */

static void pass_time(struct twin *t, int seconds)
{
    io_sim_advance_ns(t->io, (int64_t)seconds * 1000000000);
    while (log_step(t->log))
        ;
    if (seconds < DAY_S)
        return;
    for (int64_t id = 0; id < PRODUCERS; id++)
        if (state_of(t, id).txn_first < 0)
            t->forgotten[id] = t->count;
}

static void restart(struct twin *t, bool kill)
{
    if (kill)
        io_sim_kill(t->io);
    log_close(t->log);
    open_twin(t);
}

static void run(uint64_t seed)
{
    struct twin *t = mem_zero(sizeof *t);
    struct io_sim_options options = {.seed = seed};
    t->io = io_sim_new(&options);
    t->seed = t->prng.state = seed;
    t->compact = seed % 2;
    for (int i = 0; i < PRODUCERS; i++)
        t->producers[i] =
            (struct producer){i, (int16_t)pick(t, 3), pick(t, 3) ? 0 : INT32_MAX - 3, pick(t, 2)};
    open_twin(t);
    for (int i = 0; i < OPS; i++) {
        int what = pick(t, 100);
        if (getenv("MODEL_TRACE"))
            printf("# %d: %d, %d batches, end %lld\n", i, what, t->count, (long long)t->end);
        if (what < 80)
            do_group(t);
        else if (what < 88)
            restart(t, pick(t, 2));
        else if (what < 96)
            pass_time(t, 60 + pick(t, 7200));
        else if (what < 97) {
            /* What was forgotten is found in the log again after a kill. */
            pass_time(t, DAY_S + 1200);
            restart(t, false);
        } else
            check_reads(t);
        check_state(t);
        check_slice(t);
    }
    check_reads(t);
    log_close(t->log);
    io_free(t->io);
    mem_free(t);
}

static void log_is_a_list(void **state)
{
    const char *one = getenv("MODEL_SEED"), *many = getenv("MODEL_SEEDS");
    uint64_t count = many ? strtoull(many, NULL, 10) : SEEDS;
    if (one)
        run(strtoull(one, NULL, 10));
    for (uint64_t seed = 1; !one && seed <= count; seed++)
        run(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(log_is_a_list)};
    return RUN_TESTS(tests);
}
