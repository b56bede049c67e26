/* SPDX-License-Identifier: MIT */
/*
 * The memory of a run and its judgement. Every append is kept with its bytes and its fate, in the
 * order of the queue. After an opening each partition is read from start to end and its batches
 * are laid beside the appends: those acknowledged must be there, byte by byte and at their offset;
 * those whose outcome was open may be there, as a whole, in order; groups in all partitions or in
 * none; nothing else. (Numbers of invariants: docs/formats/log.md.)
 */
#include "crash_model.h"

#include "base/endian.h"

#include <stdio.h>
#include <stdlib.h>

void sim_fail(struct sim_run *run, const char *format, ...)
{
    if (run->failure[0])
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(run->failure, sizeof run->failure, format, args);
    va_end(args);
}

struct log_partition *sim_partition(struct sim_run *run, int part)
{
    struct log_topic *topic = log_topic_find(run->log, str_of(run->parts[part].topic));
    return topic ? log_topic_partition(topic, run->parts[part].index) : NULL;
}

/* ---- making -------------------------------------------------------------------------------- */

static void put_batch(struct sim_run *run, struct sim_append *append, struct buf *out)
{
    struct sim_part *part = &run->parts[append->part];
    struct record_batch_builder b;
    record_batch_builder_init(&b, prng_below(&run->prng, 4) ? CODEC_NONE : CODEC_LZ4, 0);
    int records = part->compact ? 1 : 1 + (int)prng_below(&run->prng, 3);
    /* Mostly small, now and then over what is copied and what a sector or page holds. */
    size_t filler =
        prng_below(&run->prng, 12) ? prng_below(&run->prng, 300) : prng_below(&run->prng, 40000);
    char *text = mem_alloc(filler + 64);
    for (int i = 0; i < records; i++) {
        char key[16];
        int bytes = snprintf(text, 64, "append %d record %d ", append->number, append->records);
        memset(text + bytes, 'a' + append->number % 26, filler);
        snprintf(key, sizeof key, "key %d", (int)prng_below(&run->prng, KEYS));
        record_batch_builder_add(&b, io_wall_us(run->io) / 1000, str_of(key),
                                 str_from(text, (size_t)bytes + filler), NULL, 0);
        append->records++;
    }
    if (record_batch_builder_finish(&b, out) != OK)
        abort();
    record_batch_builder_deinit(&b);
    mem_free(text);
}

struct sim_append *sim_append_new(struct sim_run *run, int part)
{
    struct sim_part *to = &run->parts[part];
    struct sim_append *append = mem_zero(sizeof *append);
    struct buf out = {0};
    append->run = run;
    append->part = part;
    append->number = run->numbers++;
    append->epoch = log_partition_epoch(sim_partition(run, part));
    uint64_t batches = prng_below(&run->prng, 4) || to->compact ? 1 : 2 + prng_below(&run->prng, 3);
    append->whole = batches > 1;
    for (; batches; batches--)
        put_batch(run, append, &out);
    append->bytes = out.ptr;
    append->byte_count = out.bytes;
    append->append.batches = out.ptr;
    append->append.bytes = out.bytes;
    append->append.owner = append;
    *(to->last ? &to->last->next : &to->first) = append;
    to->last = append;
    return append;
}

void sim_answered(struct sim_append *append, enum err err)
{
    struct sim_run *run = append->run;
    struct sim_part *part = &run->parts[append->part];
    if (append->fate != PENDING)
        sim_fail(run, "append %d was answered twice", append->number);
    if (err != OK) {
        append->fate = err == ERR_DISK_FULL && !run->closing ? REFUSED : MAYBE;
        return;
    }
    append->fate = ACKED;
    append->base = append->append.base_offset;
    if (append->base != part->end)
        sim_fail(run, "append %d to %s-%d got offset %lld instead of %lld", append->number,
                 part->topic, (int)part->index, (long long)append->base, (long long)part->end);
    part->end = append->base + append->records;
}

/* ---- judging ------------------------------------------------------------------------------- */

/* Where the walk over the appends of a partition stands. */
struct place {
    struct sim_append *append; /* the one whose batches come */
    size_t at;                 /* how much of it has come */
    int64_t offset;            /* of what comes next */
};

static bool same_batch(const struct record_batch *batch, const struct sim_append *append, size_t at)
{
    struct record_batch want;
    if (record_batch_parse(append->bytes + at, append->byte_count - at, false, &want) != OK)
        return false;
    return want.bytes_count == batch->bytes_count && batch->leader_epoch == append->epoch &&
           memcmp(want.bytes + 16, batch->bytes + 16, batch->bytes_count - 16) == 0;
}

static void found(struct sim_run *run, struct sim_part *part, struct sim_append *append,
                  int64_t base)
{
    if (append->fate == MAYBE)
        append->fate = ACKED;
    if (append->fate != ACKED)
        sim_fail(run, "append %d came back to %s-%d, fate %d", append->number, part->topic,
                 (int)part->index, append->fate);
    append->base = base;
    part->end = base + append->records;
}

/* The epoch of a batch ends behind it. */
static void check_epoch(struct sim_run *run, int part, const struct record_batch *batch)
{
    int32_t epoch = -1;
    int64_t end = -1;
    enum err err = log_epoch_end(sim_partition(run, part), batch->leader_epoch, &epoch, &end);
    if (err != OK || epoch != batch->leader_epoch ||
        end <= batch->base_offset + batch->last_offset_delta)
        sim_fail(run, "%s-%d: epoch %d ends at %lld, before its batch at %lld (%s)",
                 run->parts[part].topic, (int)run->parts[part].index, (int)batch->leader_epoch,
                 (long long)end, (long long)batch->base_offset, err_text(err));
}

/* One batch that is there. Appends skipped over on the way are not there: they may not be acked. */
static void take_batch(struct sim_run *run, struct sim_part *part, struct place *place,
                       const struct record_batch *batch)
{
    struct sim_append *append = place->append;
    if (batch->base_offset != place->offset) {
        sim_fail(run, "%s-%d has offset %lld where %lld belongs (4)", part->topic, (int)part->index,
                 (long long)batch->base_offset, (long long)place->offset);
        return;
    }
    while (append && place->at == 0 && !same_batch(batch, append, 0)) {
        if (append->fate == ACKED) {
            sim_fail(run, "acked append %d of %s-%d is missing (1)", append->number, part->topic,
                     (int)part->index);
            return;
        }
        append = append->next;
    }
    if (!append || !same_batch(batch, append, place->at)) {
        sim_fail(run, "%s-%d has a batch at %lld that nobody appended, or half an append (3)",
                 part->topic, (int)part->index, (long long)batch->base_offset);
        return;
    }
    place->append = append;
    place->at += batch->bytes_count;
    place->offset += batch->last_offset_delta + 1;
    if (place->at == append->byte_count) {
        found(run, part, append, place->offset - append->records);
        place->append = append->next;
        place->at = 0;
    }
}

/* What the walk did not meet: behind it nothing acked may be. */
static void judge_rest(struct sim_run *run, struct sim_part *part, struct place *place,
                       bool power_cut)
{
    bool may_lose = power_cut && run->durability != LOG_SYNC;
    if (place->at && place->offset > part->start)
        sim_fail(run, "append %d of %s-%d is half there (3)", place->append->number, part->topic,
                 (int)part->index);
    for (struct sim_append *append = place->append; append; append = append->next)
        if (append->fate == ACKED) {
            if (!may_lose || append->whole)
                sim_fail(run, "acked append %d is gone from the end of %s-%d (1)", append->number,
                         part->topic, (int)part->index);
            append->fate = LOST;
        }
}

static void start_place(struct sim_part *part, int64_t base, struct place *place)
{
    struct sim_append *append = part->first;
    while (append && (append->fate != ACKED || append->base + append->records <= base))
        append = append->next;
    *place = (struct place){.append = append, .offset = base};
    if (!append) /* everything acked is below: what follows was open */
        for (place->append = part->first; place->append;) {
            struct sim_append *next = place->append->next;
            bool later = true;
            for (struct sim_append *a = place->append; a; a = a->next)
                later &= a->fate != ACKED;
            if (later)
                break;
            place->append = next;
        }
    /* The first batch that is there may be inside its append. */
    int64_t at_offset = append ? append->base : base;
    while (append && at_offset < base) {
        struct record_batch batch;
        if (record_batch_parse(append->bytes + place->at, append->byte_count - place->at, false,
                               &batch) != OK)
            abort();
        place->at += batch.bytes_count;
        at_offset += batch.last_offset_delta + 1;
    }
}

static void read_all(struct sim_run *run, int part, struct buf *out)
{
    struct log_partition *partition = sim_partition(run, part);
    struct log_read read = {.offset_next = log_partition_start(partition)};
    size_t bytes_max = (size_t)1 << (6 + prng_below(&run->prng, 12));
    while (read.offset_next < log_partition_end(partition)) {
        int64_t from = read.offset_next;
        enum err err = log_read(partition, from, bytes_max, out, &read);
        if (err != OK || read.offset_next <= from) {
            sim_fail(run, "reading %s-%d at %lld: %s", run->parts[part].topic,
                     (int)run->parts[part].index, (long long)from, err_text(err));
            return;
        }
    }
}

static void verify_plain(struct sim_run *run, int index, bool power_cut)
{
    CLEAN(buf_deinit) struct buf all = {0};
    struct sim_part *part = &run->parts[index];
    struct log_partition *partition = sim_partition(run, index);
    struct place place = {0};
    read_all(run, index, &all);
    int64_t start = log_partition_start(partition);
    start_place(part, start, &place);
    part->end = start;
    for (size_t at = 0; at < all.bytes && !run->failure[0];) {
        struct record_batch batch;
        if (record_batch_parse(all.ptr + at, all.bytes - at, true, &batch) != OK) {
            sim_fail(run, "%s-%d has a corrupt batch", part->topic, (int)part->index);
            return;
        }
        if (at == 0)
            start_place(part, batch.base_offset, &place);
        take_batch(run, part, &place, &batch);
        check_epoch(run, index, &batch);
        at += batch.bytes_count;
    }
    judge_rest(run, part, &place, power_cut);
    if (part->end < start)
        part->end = start;
    if (!run->failure[0] && part->end != log_partition_end(partition))
        sim_fail(run, "%s-%d ends at %lld instead of %lld", part->topic, (int)part->index,
                 (long long)log_partition_end(partition), (long long)part->end);
}

/* ---- compacted: one record an append ------------------------------------------------------- */

static struct str key_of(const uint8_t *bytes, size_t byte_count, struct str *ret_value,
                         struct record_iterator *it)
{
    struct record_batch batch;
    struct record record;
    if (record_batch_parse(bytes, byte_count, false, &batch) != OK ||
        record_iterator_init(it, &batch, 1 << 20) != OK || !record_iterator_next(it, &record))
        abort();
    *ret_value = record.value;
    return record.key;
}

static bool same_record(const struct sim_append *append, const struct record *record)
{
    struct record_iterator it;
    struct str value, key = key_of(append->bytes, append->byte_count, &value, &it);
    bool same = str_equal(key, record->key) && str_equal(value, record->value);
    record_iterator_deinit(&it);
    return same;
}

static int key_number(const struct sim_append *append)
{
    struct record_iterator it;
    struct str value, key = key_of(append->bytes, append->byte_count, &value, &it);
    int number = key.ptr[4] - '0';
    record_iterator_deinit(&it);
    return number;
}

struct newest {
    int64_t want, have;
};

static void take_record(struct sim_run *run, struct sim_part *part, struct sim_append **cursor,
                        const struct record *record, struct newest *newest)
{
    struct sim_append *append = *cursor;
    while (append && !(append->fate == ACKED && append->base == record->offset) &&
           !(append->fate == MAYBE && same_record(append, record)))
        append = append->next;
    if (!append || !same_record(append, record)) {
        sim_fail(run, "%s-%d has a record at %lld that is not the one appended (4)", part->topic,
                 (int)part->index, (long long)record->offset);
        return;
    }
    if (append->fate == MAYBE)
        found(run, part, append, record->offset);
    newest[key_number(append)].have = record->offset;
    *cursor = append->next;
}

static void verify_compact(struct sim_run *run, int index, bool power_cut)
{
    CLEAN(buf_deinit) struct buf all = {0};
    struct sim_part *part = &run->parts[index];
    struct newest newest[KEYS];
    struct sim_append *cursor = part->first;
    memset(newest, -1, sizeof newest);
    read_all(run, index, &all);
    for (size_t at = 0; at < all.bytes && !run->failure[0];) {
        struct record_batch batch;
        struct record_iterator it;
        struct record record;
        if (record_batch_parse(all.ptr + at, all.bytes - at, true, &batch) != OK ||
            record_iterator_init(&it, &batch, 1 << 20) != OK) {
            sim_fail(run, "%s-%d has a corrupt batch", part->topic, (int)part->index);
            return;
        }
        while (!run->failure[0] && record_iterator_next(&it, &record))
            take_record(run, part, &cursor, &record, newest);
        record_iterator_deinit(&it);
        at += batch.bytes_count;
    }
    int64_t end = log_partition_end(sim_partition(run, index));
    bool may_lose = power_cut && run->durability != LOG_SYNC;
    for (struct sim_append *append = part->first; append; append = append->next) {
        if (append->fate == ACKED && append->base >= end && may_lose && !append->whole)
            append->fate = LOST;
        if (append->fate == ACKED)
            newest[key_number(append)].want = append->base;
    }
    for (int key = 0; key < KEYS && !run->failure[0]; key++)
        if (newest[key].want != newest[key].have)
            sim_fail(run, "%s-%d: the newest of key %d is at %lld, not at %lld (1)", part->topic,
                     (int)part->index, key, (long long)newest[key].have,
                     (long long)newest[key].want);
    part->end = end;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void verify_start(struct sim_run *run, int index)
{
    struct sim_part *part = &run->parts[index];
    int64_t start = log_partition_start(sim_partition(run, index));
    bool grown = part->retained && start >= part->start;
    if (start != part->start && start != part->start_maybe && !grown)
        sim_fail(run, "%s-%d starts at %lld instead of %lld (5)", part->topic, (int)part->index,
                 (long long)start, (long long)part->start);
    part->start = part->start_maybe = start;
}

static void verify_groups(struct sim_run *run)
{
    for (struct sim_group *group = run->groups; group; group = group->next) {
        size_t there = 0, trimmed = 0;
        for (size_t i = 0; i < group->group.count; i++) {
            there += group->parts[i]->fate == ACKED;
            trimmed += group->parts[i]->fate == LOST;
        }
        if (there && there + trimmed != group->group.count)
            sim_fail(run, "of the group of append %d only %zu of %zu parts are there (3)",
                     group->parts[0]->number, there, group->group.count);
    }
}

void sim_verify(struct sim_run *run, bool power_cut)
{
    for (int i = 0; i < run->part_count && !run->failure[0]; i++) {
        if (!sim_partition(run, i)) {
            sim_fail(run, "topic %s is gone", run->parts[i].topic);
            return;
        }
        verify_start(run, i);
        if (run->parts[i].compact)
            verify_compact(run, i, power_cut);
        else
            verify_plain(run, i, power_cut);
    }
    verify_groups(run);
    for (int i = 0; i < run->part_count; i++)
        for (struct sim_append *append = run->parts[i].first; append; append = append->next)
            if (append->fate == MAYBE || append->fate == PENDING)
                append->fate = LOST;
    for (int i = 0; i < CONSUMERS; i++) {
        char group[16];
        snprintf(group, sizeof group, "group %d", i);
        int64_t offset = log_offset_fetch(run->log, str_of(group), STR("t"), i);
        bool may_lose = power_cut && run->durability != LOG_SYNC;
        if ((offset < run->commits[i] && !may_lose) || offset > run->commits_tried[i])
            sim_fail(run, "%s has offset %lld, not %lld to %lld (8)", group, (long long)offset,
                     (long long)run->commits[i], (long long)run->commits_tried[i]);
        run->commits[i] = offset;
    }
}

void sim_run_deinit(struct sim_run *run)
{
    for (int i = 0; i < run->part_count; i++)
        for (struct sim_append *append = run->parts[i].first; append;) {
            struct sim_append *next = append->next;
            mem_free(append->bytes);
            mem_free(append);
            append = next;
        }
    for (struct sim_group *group = run->groups; group;) {
        struct sim_group *next = group->next;
        mem_free(group);
        group = next;
    }
}
