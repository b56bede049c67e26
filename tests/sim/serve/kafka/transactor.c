/* SPDX-License-Identifier: MIT */
/*
 * Transactional producers. Two share each transactional id, so that they fence each other: what an
 * older owner still tries must be refused. Each opens transactions, writes to some partitions,
 * commits offsets of a group, and commits or aborts; sometimes it sleeps until the broker has ended
 * the transaction. Every request is sent again until its fate is known, or until the broker says
 * that this producer is fenced, which must have a reason.
 */
#include "twin.h"

#include "base/mem.h"

#include <stdio.h>

enum { BATCHES_MAX = 6, EXPIRE_MS = 10000, SLACK_MS = 1500 };

enum stage {
    STAGE_INIT,
    STAGE_READY,
    STAGE_ADD,
    STAGE_WRITE,
    STAGE_OFFSETS,
    STAGE_COMMIT,
    STAGE_END
};

struct transactor {
    struct actor actor;
    int id;
    enum stage stage;
    bool asking;
    int64_t producer_id;
    int16_t epoch;
    bool lost_init;      /* one of which it never heard */
    bool keeps;          /* InitProducerId with what it has */
    uint64_t init_order; /* when its epoch was asked for */
    int32_t next[TOPICS_MAX][PARTS_OF_TOPIC_MAX];
    int32_t timeout_ms;
    int64_t began_ms, opened_ms; /* opened: the broker had it at the latest; 0 = not yet */
    int life;
    /* the transaction */
    int txn;
    struct twin_part *parts[BATCHES_MAX];
    int batches[BATCHES_MAX];
    int batch_count, batch_done, part_count;
    int group; /* -1 = commits no offsets */
    int commit;
    bool commits, added_offsets;
    char name[8];
};

static struct twin_txn *txn_of(struct transactor *t)
{
    return &t->actor.w->twin->txns[t->txn];
}

/* ---- being fenced -------------------------------------------------------------------------- */

static void abandon(struct transactor *t)
{
    struct world *w = t->actor.w;
    if (t->txn >= 0 && txn_of(t)->outcome == TXN_OPEN)
        txn_of(t)->outcome = TXN_ABORTED;
    t->txn = -1;
    t->stage = STAGE_INIT;
    t->keeps = chance(w, 50);
    /* An empty place: it begins with a new epoch. */
    memset(t->next, 0, sizeof t->next);
}

static bool is_fencing(int16_t code)
{
    return code == KAFKA_INVALID_PRODUCER_EPOCH || code == KAFKA_PRODUCER_FENCED ||
           code == KAFKA_INVALID_PRODUCER_ID_MAPPING;
}

/* The broker knows the producer as the owner, and nothing of its transaction. */
static bool is_unknown(int16_t code)
{
    return code == KAFKA_INVALID_TXN_STATE || code == KAFKA_TRANSACTION_ABORTABLE;
}

/* May another's request for the id, or a lost one of its own, have come after its own? */
static bool may_be_replaced(const struct transactor *t)
{
    const struct twin_id *own = &t->actor.w->twin->ids[t->id];
    for (int i = 0; i < TRANSACTORS_MAX; i++)
        if (own->init_end[i] > t->init_order &&
            (i != t->actor.number || own->init_end[i] == UINT64_MAX))
            return true;
    return false;
}

/* Or was the transaction open for too long? */
static bool may_be_fenced(const struct transactor *t)
{
    return may_be_replaced(t) || (t->txn >= 0 && now_ms(t->actor.w) - t->began_ms > t->timeout_ms);
}

/* NOT_ENOUGH_REPLICAS: the transaction's state is being written. */
static bool may_try_again(const struct transactor *t, int16_t code)
{
    if (t->stage == STAGE_WRITE)
        return code_is_passing(code) || code == KAFKA_NOT_ENOUGH_REPLICAS;
    return code == KAFKA_CONCURRENT_TRANSACTIONS ||
           code_is_coordinators(t->actor.w, code, MARK_FULL_TXN);
}

/* True: the request failed, and what comes next is planned. */
static bool did_fail(struct transactor *t, int16_t code, const char *what)
{
    struct world *w = t->actor.w;
    actor_trace(&t->actor, "%s: %s", what, kafka_error_name(code));
    if (code == KAFKA_NONE)
        return false;
    if (is_unknown(code)) {
        /* Said to the abort of one whose beginning never arrived, and to nobody else. */
        if (t->stage != STAGE_END || t->commits || t->opened_ms)
            actor_fail(&t->actor, "%s: %s without a reason", what, kafka_error_name(code));
        reached(w, MARK_UNKNOWN_TXN);
        abandon(t);
    } else if (is_fencing(code)) {
        if (!may_be_fenced(t))
            actor_fail(&t->actor, "%s: %s without a reason", what, kafka_error_name(code));
        reached(w, may_be_replaced(t) ? MARK_FENCED : MARK_TIMED_OUT_TXN);
        abandon(t);
    } else if (!may_try_again(t, code)) {
        actor_fail(&t->actor, "%s: %s", what, kafka_error_name(code));
    }
    actor_pause(&t->actor);
    return true;
}

/* The answer is there, and it says yes: may it? */
static void accepted(struct transactor *t, const struct request *request, const char *what)
{
    struct twin_txn self = {.id = t->id, .producer_id = t->producer_id, .epoch = t->epoch};
    twin_check_owner(t->actor.w, &self, request->order, what);
}

/* ---- InitProducerId ------------------------------------------------------------------------ */

static void init_answered(struct request *request, void *answer)
{
    struct transactor *t = request->owner;
    struct kafka_init_producer_id_response *response = answer;
    struct world *w = t->actor.w;
    uint64_t *end = &w->twin->ids[t->id].init_end[t->actor.number];
    t->asking = false;
    actor_pause(&t->actor);
    if (!response) {
        t->lost_init = true;
        return;
    }
    *end = t->lost_init ? UINT64_MAX : w->order;
    int16_t code = response->error_code;
    actor_trace(&t->actor, "init: %s, id %lld, epoch %d", kafka_error_name(code),
                (long long)response->producer_id, response->producer_epoch);
    if (code == KAFKA_NONE) {
        twin_owner(w, t->id, response->producer_id, response->producer_epoch, request->order);
        t->producer_id = response->producer_id;
        t->epoch = response->producer_epoch;
        t->init_order = request->order;
        t->stage = STAGE_READY;
    } else if (is_fencing(code) && t->keeps) {
        t->keeps = false; /* it is nobody any more: a new one */
    } else if (!may_try_again(t, code)) {
        actor_fail(&t->actor, "InitProducerId: %s", kafka_error_name(code));
    }
}

static void init(struct transactor *t)
{
    struct world *w = t->actor.w;
    struct kafka_init_producer_id_request *request = MESSAGE(w, kafka_init_producer_id_request);
    t->timeout_ms = 1000 + pick(w, 4000);
    request->transactional_id = str_of(t->name);
    request->transaction_timeout_ms = t->timeout_ms;
    bool keeps = t->keeps && t->producer_id >= 0;
    request->producer_id = keeps ? t->producer_id : -1;
    request->producer_epoch = keeps ? t->epoch : (int16_t)-1;
    memset(t->next, 0, sizeof t->next);
    struct request *sent =
        conn_send(t->actor.conn, KAFKA_KEY_INIT_PRODUCER_ID,
                  (int16_t)(keeps ? 3 + pick(w, 2) : pick(w, 5)), request, init_answered, t, NULL);
    w->twin->ids[t->id].init_end[t->actor.number] = UINT64_MAX;
    t->init_order = sent->order;
}

/* ---- the transaction ----------------------------------------------------------------------- */

static void begin(struct transactor *t)
{
    struct world *w = t->actor.w;
    t->txn = twin_txn_begin(w, t->id, t->producer_id, t->epoch);
    t->began_ms = now_ms(w);
    t->opened_ms = 0;
    t->commits = chance(w, 65);
    t->group = chance(w, 40) ? pick(w, GROUPS) : -1;
    t->added_offsets = false;
    t->commit = -1;
    t->batch_count = t->batch_done = t->part_count = 0;
    int batches = t->group >= 0 && chance(w, 20) ? 0 : 1 + pick(w, BATCHES_MAX - 1);
    for (int parts = batches ? 1 + pick(w, 2) : 0; parts; parts--)
        t->parts[t->part_count++] = twin_part_pick(w, true);
    for (; batches; batches--) {
        struct twin_part *part = t->parts[pick(w, t->part_count)];
        int records = 1 + pick(w, 3);
        struct twin_batch batch = {.part = part,
                                   .producer_id = t->producer_id,
                                   .epoch = t->epoch,
                                   .sequence = t->next[part->topic][part->index],
                                   .records = records,
                                   .txn = t->txn};
        t->next[part->topic][part->index] += records;
        t->batches[t->batch_count++] = twin_batch_add(w, &batch);
    }
    t->stage = t->part_count ? STAGE_ADD : t->group >= 0 ? STAGE_OFFSETS : STAGE_READY;
    actor_trace(&t->actor, "txn %d of epoch %d, %d batches%s", t->txn, t->epoch, t->batch_count,
                t->group >= 0 ? " and offsets" : "");
}

static void opened(struct transactor *t)
{
    if (t->opened_ms)
        return;
    t->opened_ms = now_ms(t->actor.w);
    t->life = t->actor.w->life;
}

/* As librdkafka does: what was begun with a request of unknown fate is aborted all the same. */
static void add_lost(struct transactor *t)
{
    if (!chance(t->actor.w, 30))
        return;
    /* What was not sent has no sequence yet. */
    for (int i = t->batch_done; i < t->batch_count; i++) {
        const struct twin_batch *batch = &t->actor.w->twin->batches[t->batches[i]];
        t->next[batch->part->topic][batch->part->index] -= batch->records;
    }
    t->commits = false;
    t->stage = STAGE_END;
}

static void add_answered(struct request *request, void *answer)
{
    struct transactor *t = request->owner;
    struct kafka_add_partitions_to_txn_response *response = answer;
    t->asking = false;
    actor_pause(&t->actor);
    if (!response) {
        add_lost(t);
        return;
    }
    int16_t code =
        response->results_by_topic_v3_and_below->results_by_partition->partition_error_code;
    if (did_fail(t, code, "AddPartitionsToTxn"))
        return;
    accepted(t, request, "AddPartitionsToTxn");
    opened(t);
    t->stage = STAGE_WRITE;
}

static void add(struct transactor *t)
{
    struct world *w = t->actor.w;
    struct kafka_add_partitions_to_txn_request *request =
        MESSAGE(w, kafka_add_partitions_to_txn_request);
    request->v3_and_below_transactional_id = str_of(t->name);
    request->v3_and_below_producer_id = t->producer_id;
    request->v3_and_below_producer_epoch = t->epoch;
    size_t count = (size_t)t->part_count;
    request->v3_and_below_topics = MESSAGES(w, kafka_add_partitions_to_txn_request_topic, count);
    request->v3_and_below_topics_count = t->part_count;
    for (int i = 0; i < t->part_count; i++) {
        request->v3_and_below_topics[i].name = part_topic(w, t->parts[i]);
        request->v3_and_below_topics[i].partitions = &t->parts[i]->index;
        request->v3_and_below_topics[i].partitions_count = 1;
    }
    conn_send(t->actor.conn, KAFKA_KEY_ADD_PARTITIONS_TO_TXN, (int16_t)pick(w, 4), request,
              add_answered, t, NULL);
}

static void write_answered(struct request *request, void *answer)
{
    struct transactor *t = request->owner;
    struct kafka_produce_response *response = answer;
    struct world *w = t->actor.w;
    t->asking = false;
    actor_pause(&t->actor);
    if (!response)
        return;
    int number = t->batches[t->batch_done];
    struct twin_batch *batch = &w->twin->batches[number];
    const struct kafka_produce_response_partition *result =
        response->responses->partition_responses;
    if ((is_fencing(result->error_code) || is_unknown(result->error_code)) && batch->sends == 1) {
        batch->refused = true;
        reached(w, MARK_ZOMBIE_REFUSED);
    }
    if (did_fail(t, result->error_code, "a batch"))
        return;
    actor_trace(&t->actor, "batch %d to %s at %lld", number, part_name(w, batch->part),
                (long long)result->base_offset);
    accepted(t, request, "a batch");
    twin_acked(w, number, result->base_offset);
    t->batch_done++;
}

static void write_batch(struct transactor *t)
{
    struct world *w = t->actor.w;
    int number = t->batches[t->batch_done];
    struct twin_batch *batch = &w->twin->batches[number];
    struct kafka_produce_request *request = MESSAGE(w, kafka_produce_request);
    batch->sends++;
    request->transactional_id = str_of(t->name);
    request->acks = -1;
    request->timeout_ms = 10000;
    request->topic_data = MESSAGE(w, kafka_produce_request_topic);
    request->topic_data_count = 1;
    request->topic_data->name = part_topic(w, batch->part);
    request->topic_data->partition_data = MESSAGE(w, kafka_produce_request_partition);
    request->topic_data->partition_data_count = 1;
    request->topic_data->partition_data->index = batch->part->index;
    request->topic_data->partition_data->records = twin_batch_bytes(w, number);
    conn_send(t->actor.conn, KAFKA_KEY_PRODUCE, (int16_t)(7 + pick(w, 6)), request, write_answered,
              t, NULL);
}

/* ---- offsets ------------------------------------------------------------------------------- */

static void add_offsets_answered(struct request *request, void *answer)
{
    struct transactor *t = request->owner;
    struct kafka_add_offsets_to_txn_response *response = answer;
    t->asking = false;
    actor_pause(&t->actor);
    if (!response)
        add_lost(t);
    if (!response || did_fail(t, response->error_code, "AddOffsetsToTxn"))
        return;
    accepted(t, request, "AddOffsetsToTxn");
    opened(t);
    t->added_offsets = true;
}

static void offsets_answered(struct request *request, void *answer)
{
    struct transactor *t = request->owner;
    struct kafka_txn_offset_commit_response *response = answer;
    struct world *w = t->actor.w;
    t->asking = false;
    actor_pause(&t->actor);
    if (!response || did_fail(t, response->topics->partitions->error_code, "TxnOffsetCommit"))
        return;
    accepted(t, request, "TxnOffsetCommit");
    w->twin->commits[t->commit].done = w->order;
    t->stage = STAGE_END;
}

static void commit_offsets(struct transactor *t)
{
    struct world *w = t->actor.w;
    if (t->commit < 0) {
        struct twin_part *part = twin_part_pick(w, true);
        struct twin_commit commit = {.group = t->group,
                                     .topic = part->topic,
                                     .index = part->index,
                                     .offset = pick(w, 1000),
                                     .txn = t->txn,
                                     .sent = w->order,
                                     .life = w->life};
        t->commit = twin_commit_add(w, &commit);
    }
    const struct twin_commit *commit = &w->twin->commits[t->commit];
    struct kafka_txn_offset_commit_request *request = MESSAGE(w, kafka_txn_offset_commit_request);
    request->transactional_id = str_of(t->name);
    request->group_id = text_of(w, "g%d", t->group);
    request->producer_id = t->producer_id;
    request->producer_epoch = t->epoch;
    request->member_id = STR("");
    request->topics = MESSAGE(w, kafka_txn_offset_commit_request_topic);
    request->topics_count = 1;
    request->topics->name = str_of(w->twin->topics[commit->topic].name);
    request->topics->partitions = MESSAGE(w, kafka_txn_offset_commit_request_partition);
    request->topics->partitions_count = 1;
    request->topics->partitions->partition_index = commit->index;
    request->topics->partitions->committed_offset = commit->offset;
    request->topics->partitions->committed_metadata = text_of(w, "c%d", t->commit);
    conn_send(t->actor.conn, KAFKA_KEY_TXN_OFFSET_COMMIT, (int16_t)pick(w, 5), request,
              offsets_answered, t, NULL);
}

static void add_offsets(struct transactor *t)
{
    struct world *w = t->actor.w;
    struct kafka_add_offsets_to_txn_request *request = MESSAGE(w, kafka_add_offsets_to_txn_request);
    request->transactional_id = str_of(t->name);
    request->producer_id = t->producer_id;
    request->producer_epoch = t->epoch;
    request->group_id = text_of(w, "g%d", t->group);
    conn_send(t->actor.conn, KAFKA_KEY_ADD_OFFSETS_TO_TXN, (int16_t)pick(w, 5), request,
              add_offsets_answered, t, NULL);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void end_answered(struct request *request, void *answer)
{
    struct transactor *t = request->owner;
    struct kafka_end_txn_response *response = answer;
    struct world *w = t->actor.w;
    t->asking = false;
    actor_pause(&t->actor);
    if (!response || did_fail(t, response->error_code, t->commits ? "commit" : "abort"))
        return;
    accepted(t, request, "EndTxn");
    struct twin_txn *txn = txn_of(t);
    /* The broker looks every EXPIRE_MS, and cannot end it while the disk is full. */
    int64_t since_ms = t->opened_ms + t->timeout_ms;
    if (w->full || w->eased_ms > since_ms)
        since_ms = w->full ? now_ms(w) : w->eased_ms;
    bool late = request->sent_ms - since_ms > EXPIRE_MS + SLACK_MS && !w->fills_by_chance;
    if (t->commits && late && request->life == t->life && request->life == w->life &&
        txn->outcome == TXN_COMMITTING && request->order == txn->commit_order)
        actor_fail(&t->actor, "txn %d was open for %lld ms of %d and could be committed", t->txn,
                   (long long)(request->sent_ms - t->opened_ms), t->timeout_ms);
    if (t->commits && txn->outcome == TXN_ABORTED)
        actor_fail(&t->actor, "txn %d is committed, and was seen aborted", t->txn);
    if (!t->commits && txn->outcome == TXN_COMMITTED)
        actor_fail(&t->actor, "txn %d is aborted, and was seen committed", t->txn);
    txn->outcome = t->commits ? TXN_COMMITTED : TXN_ABORTED;
    txn->end_order = w->order;
    reached(w, t->commits ? MARK_COMMITTED : MARK_ABORTED);
    t->stage = STAGE_READY;
    t->txn = -1;
}

static void end(struct transactor *t)
{
    struct world *w = t->actor.w;
    struct kafka_end_txn_request *request = MESSAGE(w, kafka_end_txn_request);
    request->transactional_id = str_of(t->name);
    request->producer_id = t->producer_id;
    request->producer_epoch = t->epoch;
    request->committed = t->commits;
    struct request *sent = conn_send(t->actor.conn, KAFKA_KEY_END_TXN, (int16_t)pick(w, 5), request,
                                     end_answered, t, NULL);
    struct twin_txn *txn = txn_of(t);
    if (t->commits && txn->outcome == TXN_OPEN) {
        txn->outcome = TXN_COMMITTING;
        txn->commit_order = sent->order;
    }
}

static void act(struct transactor *t)
{
    struct world *w = t->actor.w;
    t->asking = true;
    if (t->stage == STAGE_READY)
        begin(t);
    switch (t->stage) {
    case STAGE_INIT:
        init(t);
        break;
    case STAGE_ADD:
        add(t);
        break;
    case STAGE_WRITE:
        if (t->batch_done < t->batch_count) {
            write_batch(t);
            break;
        }
        t->stage = t->group >= 0 ? STAGE_OFFSETS : STAGE_END;
        __attribute__((fallthrough));
    case STAGE_OFFSETS:
        if (t->stage == STAGE_OFFSETS) {
            if (t->added_offsets)
                commit_offsets(t);
            else
                add_offsets(t);
            break;
        }
        __attribute__((fallthrough));
    case STAGE_END:
        end(t);
        break;
    default:
        t->asking = false;
        actor_wait(&t->actor, pick(w, 100));
    }
}

static void step(struct actor *actor)
{
    struct transactor *t = (struct transactor *)actor;
    struct world *w = actor->w;
    if (t->asking)
        return;
    /* Sleeps over the end of its transaction; gives up and comes back as a new one. */
    if (t->stage > STAGE_READY && chance(w, 2)) {
        actor_wait(actor, t->timeout_ms + EXPIRE_MS + 2 * SLACK_MS);
        return;
    }
    if (t->stage == STAGE_READY && chance(w, 5)) {
        t->stage = STAGE_INIT;
        t->keeps = chance(w, 50);
        actor_wait(actor, pick(w, 2000));
        return;
    }
    act(t);
    if (chance(w, 2))
        conn_cut(actor->conn);
}

static void reset(struct actor *actor)
{
    struct transactor *t = (struct transactor *)actor;
    t->txn = -1;
    t->stage = STAGE_INIT;
    t->keeps = false;
    t->asking = false;
    actor_wait(actor, 0);
}

static void free_transactor(struct actor *actor)
{
    mem_free(actor);
}

void transactor_add(struct world *w, int number, int id)
{
    struct transactor *t = mem_zero(sizeof *t);
    t->id = id;
    t->producer_id = -1;
    t->txn = -1;
    snprintf(t->name, sizeof t->name, "tx%d", id);
    t->actor.step = step;
    t->actor.reset = reset;
    t->actor.free = free_transactor;
    actor_add(w, &t->actor, "transactor", number);
}
