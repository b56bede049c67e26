/* SPDX-License-Identifier: MIT */
/*
 * The audit: all is quiet, and everything that clients can read is read and compared, exactly.
 * First every partition from start to end, which fills the twin's slots; then what follows from
 * them: each acknowledged record is there, once, in order; transactions are whole; the last stable
 * offset, what a reader of committed records sees from any offset on, offsets by time; commits of
 * groups; which topics there are.
 *
 * After a power cut that may lose records (durability below sync) the ends may have gone back; what
 * is left must be what was there, without a hole, and the twin is cut to it.
 */
#include "twin.h"

#include "base/mem.h"

enum { LATEST = -1, EARLIEST = -2, MAX_TIME = -3 };

static struct kafka_list_offsets_response_partition *
list_offset(struct world *w, const struct twin_part *part, int64_t timestamp, bool committed)
{
    struct kafka_list_offsets_request *request = MESSAGE(w, kafka_list_offsets_request);
    request->replica_id = -1;
    request->isolation_level = committed;
    request->topics = MESSAGE(w, kafka_list_offsets_request_topic);
    request->topics_count = 1;
    request->topics->name = part_topic(w, part);
    request->topics->partitions = MESSAGE(w, kafka_list_offsets_request_partition);
    request->topics->partitions_count = 1;
    request->topics->partitions->partition_index = part->index;
    request->topics->partitions->timestamp = timestamp;
    struct kafka_list_offsets_response *response =
        ask(w, KAFKA_KEY_LIST_OFFSETS, (int16_t)(7 + pick(w, 4)), request);
    if (!response)
        return NULL;
    struct kafka_list_offsets_response_partition *result = response->topics->partitions;
    if (result->error_code != KAFKA_NONE) {
        seed_fail(w->run, "%s: ListOffsets of %lld: %s", part_name(w, part), (long long)timestamp,
                  kafka_error_name(result->error_code));
        return NULL;
    }
    return result;
}

static int64_t offset_of(struct world *w, const struct twin_part *part, int64_t timestamp,
                         bool committed)
{
    const struct kafka_list_offsets_response_partition *result =
        list_offset(w, part, timestamp, committed);
    return result ? result->offset : -1;
}

static const struct kafka_fetch_response_partition *
fetch_from(struct world *w, const struct twin_part *part, int64_t offset, bool committed)
{
    struct kafka_fetch_request *request = make_fetch(w, 1);
    request->topics->topic = part_topic(w, part);
    request->topics->partitions->partition = part->index;
    request->topics->partitions->fetch_offset = offset;
    request->topics->partitions->partition_max_bytes = 1 << pick(w, 16);
    request->isolation_level = committed;
    struct kafka_fetch_response *response =
        ask(w, KAFKA_KEY_FETCH, (int16_t)(5 + pick(w, 8)), request);
    if (!response)
        return NULL;
    if (response->error_code != KAFKA_NONE || response->responses_count != 1 ||
        response->responses->partitions->error_code != KAFKA_NONE) {
        seed_fail(w->run, "%s: the audit's fetch from %lld: %s", part_name(w, part),
                  (long long)offset,
                  response->responses_count
                      ? kafka_error_name(response->responses->partitions->error_code)
                      : "nothing");
        return NULL;
    }
    return response->responses->partitions;
}

/* ---- all records --------------------------------------------------------------------------- */

static void read_all(struct world *w, struct twin_part *part, int64_t start, int64_t end)
{
    for (int64_t at = start; at < end && !failed(w);) {
        struct twin_fetch fetch = {.part = part, .from = at, .order = w->order};
        fetch.answer = fetch_from(w, part, at, false);
        if (!fetch.answer)
            return;
        if (fetch.answer->high_watermark != end)
            seed_fail(w->run, "%s: ends at %lld and at %lld", part_name(w, part), (long long)end,
                      (long long)fetch.answer->high_watermark);
        int64_t next = twin_fetched(w, &fetch);
        if (next == at)
            seed_fail(w->run, "%s: nothing is read at %lld of %lld", part_name(w, part),
                      (long long)at, (long long)end);
        at = next;
    }
}

struct visible {
    struct world *w;
    struct twin_part *part;
    int64_t end, next;
};

static bool is_visible(const struct world *w, const struct twin_part *part, int64_t offset,
                       int64_t end)
{
    int batch = part->slots[offset].batch;
    if (batch < 0 || !twin_is_there(w, part, offset))
        return false;
    return w->twin->batches[batch].txn < 0 || twin_marker_of(w, part, offset, end) == SLOT_COMMIT;
}

static void pass_over(struct visible *v, int64_t offset)
{
    for (; v->next < offset; v->next++)
        if (is_visible(v->w, v->part, v->next, v->end))
            seed_fail(v->w->run, "%s: offset %lld is committed and hidden",
                      part_name(v->w, v->part), (long long)v->next);
}

static void saw(void *owner, int64_t offset, int batch, int record)
{
    struct visible *v = owner;
    (void)batch;
    (void)record;
    pass_over(v, offset);
    if (!is_visible(v->w, v->part, offset, v->end))
        seed_fail(v->w->run, "%s: offset %lld is visible and not committed",
                  part_name(v->w, v->part), (long long)offset);
    v->next = offset + 1;
}

static void read_committed(struct world *w, struct twin_part *part, int64_t start, int64_t end)
{
    int64_t stable = twin_stable_end(w, part, end);
    int64_t told = offset_of(w, part, LATEST, true);
    if (told == start && twin_may_be_open(w, part, end))
        stable = start;
    if (!failed(w) && told != stable)
        seed_fail(w->run, "%s: the last stable offset is %lld, not %lld", part_name(w, part),
                  (long long)told, (long long)stable);
    if (stable <= start || failed(w))
        return;
    int64_t at = start + pick(w, (int)(stable - start));
    struct visible visible = {.w = w, .part = part, .end = end, .next = at};
    while (at < stable && !failed(w)) {
        struct twin_fetch fetch = {.part = part,
                                   .from = at,
                                   .committed = true,
                                   .order = w->order,
                                   .visible = saw,
                                   .owner = &visible};
        fetch.answer = fetch_from(w, part, at, true);
        if (!fetch.answer)
            return;
        if (fetch.answer->last_stable_offset != stable)
            seed_fail(w->run, "%s: a fetch says %lld is stable, not %lld", part_name(w, part),
                      (long long)fetch.answer->last_stable_offset, (long long)stable);
        int64_t next = twin_fetched(w, &fetch);
        if (next == at)
            seed_fail(w->run, "%s: nothing committed is read at %lld of %lld", part_name(w, part),
                      (long long)at, (long long)stable);
        at = next;
    }
    if (!failed(w))
        pass_over(&visible, stable);
}

/* ---- times --------------------------------------------------------------------------------- */

static void read_times(struct world *w, const struct twin_part *part, int64_t start, int64_t end)
{
    if (start >= end)
        return;
    int64_t offset = start + pick(w, (int)(end - start));
    const struct twin_slot *some = &part->slots[offset];
    if (!twin_is_there(w, part, offset))
        return;
    int64_t timestamp = some->timestamp_ms + pick(w, 3) - 1, want = -1;
    for (int64_t at = start; at < end && want < 0; at++)
        if (twin_is_there(w, part, at) && part->slots[at].timestamp_ms >= timestamp)
            want = at;
    const struct kafka_list_offsets_response_partition *got =
        list_offset(w, part, timestamp, false);
    if (!got)
        return;
    if (got->offset != want || (want >= 0 && got->timestamp != part->slots[want].timestamp_ms))
        seed_fail(w->run, "%s: the first of time %lld is at %lld, not at %lld", part_name(w, part),
                  (long long)timestamp, (long long)got->offset, (long long)want);
}

/* ---- one partition ------------------------------------------------------------------------- */

static void audit_now(struct world *w, struct twin_part *part, bool lossy)
{
    int64_t start = offset_of(w, part, EARLIEST, false), end = offset_of(w, part, LATEST, false);
    if (failed(w))
        return;
    if (lossy && (end < part->count || end < part->seen_end)) {
        reached(w, MARK_LOST_TAIL);
        twin_cut(w, part, end);
    }
    if (lossy)
        part->start = start < part->start_max ? start : part->start_max;
    struct twin_view view = twin_view(part);
    twin_check_ends(w, part, &view, end, -1, start);
    if (part->count > end)
        seed_fail(w->run, "%s: ends at %lld, and had offset %lld", part_name(w, part),
                  (long long)end, (long long)part->count - 1);
    part->start = part->start_max = start;
    w->twin->audits++;
    read_all(w, part, start, end);
    if (lossy)
        twin_settle(w, part);
    for (int64_t at = part->count; at < end && !failed(w); at++)
        twin_slot_need(part, at);
    if (!failed(w) && twin_is_compacted(w, part))
        twin_check_compacted(w, part, start, end);
    if (!failed(w))
        twin_check_part(w, part, start, end);
    if (!failed(w))
        read_committed(w, part, start, end);
    if (!failed(w))
        read_times(w, part, start, end);
}

/* The broker ends transactions and compacts by itself: what that disturbed is looked at again. */
static void audit_part(struct world *w, struct twin_part *part, bool lossy)
{
    for (int tries = 0; tries < 3; tries++) {
        int64_t before = offset_of(w, part, LATEST, false);
        if (failed(w))
            return;
        audit_now(w, part, lossy);
        if (!failed(w))
            return;
        char first[sizeof w->run->failure];
        memcpy(first, w->run->failure, sizeof first);
        w->run->failure[0] = 0;
        int64_t after = offset_of(w, part, LATEST, false);
        bool may_change = twin_is_compacted(w, part) && tries < 2;
        if (after == before && !may_change) {
            memcpy(w->run->failure, first, sizeof first);
            return;
        }
    }
}

/* ---- topics -------------------------------------------------------------------------------- */

/* Is it there? Its id is taken. */
static bool topic_is_there(struct world *w, struct twin_topic *topic)
{
    struct kafka_metadata_request *request = MESSAGE(w, kafka_metadata_request);
    request->topics = MESSAGE(w, kafka_metadata_request_topic);
    request->topics_count = 1;
    request->topics->name = str_of(topic->name);
    request->allow_auto_topic_creation = false;
    struct kafka_metadata_response *response = ask(w, KAFKA_KEY_METADATA, 12, request);
    if (!response)
        return false;
    const struct kafka_metadata_response_topic *got = response->topics;
    if (got->error_code != KAFKA_NONE)
        return false;
    static const uint8_t none[16];
    if (memcmp(topic->id, none, 16) != 0 && memcmp(topic->id, got->topic_id, 16) != 0)
        seed_fail(w->run, "%s has another id than it had", topic->name);
    memcpy(topic->id, got->topic_id, 16);
    if (got->partitions_count != topic->part_count)
        seed_fail(w->run, "%s has %d partitions, not %d", topic->name, got->partitions_count,
                  topic->part_count);
    return true;
}

static void audit_topic(struct world *w, struct twin_topic *topic, bool lossy)
{
    bool there = topic_is_there(w, topic);
    if (failed(w))
        return;
    if (there && topic->state == TOPIC_GONE)
        seed_fail(w->run, "%s was deleted and is there", topic->name);
    if (!there && topic->state == TOPIC_THERE)
        seed_fail(w->run, "%s is gone", topic->name);
    if (there)
        topic->state = TOPIC_THERE;
    else
        topic->state = topic->state == TOPIC_MAYBE ? TOPIC_MAYBE : TOPIC_GONE;
    for (int i = 0; there && i < topic->part_count && !failed(w); i++)
        audit_part(w, &topic->parts[i], lossy);
}

/* ---- groups -------------------------------------------------------------------------------- */

static void audit_commit(struct world *w, int group, const struct twin_part *part)
{
    struct kafka_offset_fetch_request *request = MESSAGE(w, kafka_offset_fetch_request);
    int32_t index = part->index;
    uint64_t sent = w->order;
    request->group_id = text_of(w, "g%d", group);
    request->topics = MESSAGE(w, kafka_offset_fetch_request_topic);
    request->topics_count = 1;
    request->topics->name = part_topic(w, part);
    request->topics->partition_indexes = &index;
    request->topics->partition_indexes_count = 1;
    struct kafka_offset_fetch_response *response = ask(w, KAFKA_KEY_OFFSET_FETCH, 5, request);
    if (!response)
        return;
    const struct kafka_offset_fetch_response_partition *one = response->topics->partitions;
    if (one->error_code != KAFKA_NONE)
        seed_fail(w->run, "group %d, %s: %s", group, part_name(w, part),
                  kafka_error_name(one->error_code));
    twin_check_commit(w, group, part, one->committed_offset, one->metadata, false, sent);
}

void audit(struct world *w, bool lossy)
{
    struct twin *twin = w->twin;
    seed_trace(w->run, "%lld ms: audit%s", (long long)now_ms(w), lossy ? " after a loss" : "");
    if (lossy) {
        twin_groups_forget(w);
        twin_txns_forget(w);
    }
    twin->forgiving = lossy;
    for (int i = 0; i < twin->topic_count && !failed(w); i++)
        audit_topic(w, &twin->topics[i], lossy);
    twin->forgiving = false;
    for (int group = 0; group < GROUPS; group++)
        for (int i = 0; i < twin->topic_count; i++)
            for (int j = 0; j < twin->topics[i].part_count && !failed(w); j++)
                if (twin->topics[i].lasting)
                    audit_commit(w, group, &twin->topics[i].parts[j]);
    if (!lossy)
        return;
    for (struct actor *actor = w->actors; actor; actor = actor->next)
        actor->reset(actor);
}
