/* SPDX-License-Identifier: MIT */
/*
 * Producers without transactions. An idempotent one keeps up to five batches under way and, when
 * its connection broke or a batch failed for now, sends again what was not acknowledged, in order:
 * each batch must be there once. A plain one sends again too, or not, and may be there as often as
 * it was sent. Requests carry one partition or two, with acks all, one or none.
 */
#include "twin.h"

#include "base/mem.h"

enum { WINDOW = 5, TIMEOUT_MS = 10000 };

struct waiting {
    int batch;
    int tries;
    bool sent, acked;
};
struct producer {
    struct actor actor;
    bool idempotent, asking;
    int64_t id; /* -1 = needs one */
    int32_t next[TOPICS_MAX][PARTS_OF_TOPIC_MAX];
    struct waiting window[WINDOW];
    int count;
};

/* One request: up to two batches. */
struct sending {
    int batches[2];
    int count;
    bool silent;
};

/* ---- what is under way --------------------------------------------------------------------- */

static struct waiting *waiting_of(struct producer *p, int batch)
{
    for (int i = 0; i < p->count; i++)
        if (p->window[i].batch == batch)
            return &p->window[i];
    return NULL;
}

static void drop(struct producer *p, int index)
{
    p->count--;
    memmove(&p->window[index], &p->window[index + 1],
            (size_t)(p->count - index) * sizeof p->window[0]);
}

static void drop_acked(struct producer *p)
{
    for (int i = p->count; i-- > 0;)
        if (p->window[i].acked)
            drop(p, i);
}

/* Everything that was not acknowledged has to be sent again: on a new connection. */
static void send_again(struct producer *p)
{
    for (int i = p->count; i-- > 0;) {
        p->window[i].sent = false;
        if (!p->idempotent && chance(p->actor.w, 30))
            drop(p, i);
    }
    conn_cut(p->actor.conn);
    actor_pause(&p->actor);
}

/* One with a smaller sequence there is not acknowledged: it may have been refused when this one was
 * on its way. */
static bool earlier_waits(const struct producer *p, int number)
{
    const struct twin_batch *batches = p->actor.w->twin->batches;
    for (int i = 0; i < p->count && p->window[i].batch != number; i++)
        if (!p->window[i].acked && batches[p->window[i].batch].part == batches[number].part)
            return true;
    return false;
}

static void refused(struct producer *p, struct twin_batch *batch, int number, int16_t code)
{
    struct world *w = p->actor.w;
    const struct twin_topic *topic = &w->twin->topics[batch->part->topic];
    bool missing = code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION || code == KAFKA_UNKNOWN_TOPIC_ID;
    if (missing && !topic->lasting) {
        for (int i = p->count; i-- > 0;)
            if (p->window[i].batch == number)
                drop(p, i);
        return;
    }
    if (missing)
        actor_fail(&p->actor, "%s is not there", topic->name);
    else if (code == KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER && p->idempotent &&
             earlier_waits(p, number))
        reached(w, MARK_OUT_OF_ORDER);
    else if (code_is_passing(code))
        reached(w, w->full ? MARK_FULL_TOLD : w->dies_ns ? MARK_FAILED_TOLD : MARK_REFUSED);
    else
        actor_fail(&p->actor, "batch %d to %s: %s", number, part_name(w, batch->part),
                   kafka_error_name(code));
    send_again(p);
}

static void part_answered(struct producer *p, const struct sending *sending, int at,
                          const struct kafka_produce_response_partition *result)
{
    struct world *w = p->actor.w;
    int number = sending->batches[at];
    struct twin_batch *batch = &w->twin->batches[number];
    struct waiting *waiting = waiting_of(p, number);
    actor_trace(&p->actor, "batch %d to %s: %s at %lld", number, part_name(w, batch->part),
                kafka_error_name(result->error_code), (long long)result->base_offset);
    if (result->error_code == KAFKA_NONE) {
        twin_acked(w, number, result->base_offset);
        if (waiting) {
            if (waiting->tries > 1)
                reached(w, MARK_RETRY_TWICE);
            waiting->acked = true;
        }
    } else if (waiting) {
        refused(p, batch, number, result->error_code);
    }
}

static void answered(struct request *request, void *answer)
{
    struct producer *p = request->owner;
    struct sending *sending = request->context;
    struct kafka_produce_response *response = answer;
    int at = 0;
    if (!response) {
        send_again(p);
        return;
    }
    for (int32_t i = 0; i < response->responses_count; i++)
        for (int32_t j = 0; j < response->responses[i].partition_responses_count; j++)
            if (at < sending->count)
                part_answered(p, sending, at++, &response->responses[i].partition_responses[j]);
    if (at != sending->count)
        actor_fail(&p->actor, "%d of %d partitions are answered", at, sending->count);
    drop_acked(p);
}

/* ---- sending ------------------------------------------------------------------------------- */

static void send_request(struct producer *p, struct waiting **waiting, int count)
{
    struct world *w = p->actor.w;
    struct sending *sending = mem_zero(sizeof *sending);
    struct kafka_produce_request *request = MESSAGE(w, kafka_produce_request);
    sending->count = count;
    sending->silent = !p->idempotent && chance(w, 10);
    request->acks = sending->silent ? 0 : p->idempotent || chance(w, 50) ? -1 : 1;
    request->timeout_ms = TIMEOUT_MS;
    request->topic_data = MESSAGES(w, kafka_produce_request_topic, (size_t)count);
    request->topic_data_count = count;
    bool known = true;
    for (int i = 0; i < count; i++) {
        int number = waiting[i]->batch;
        struct twin_batch *batch = &w->twin->batches[number];
        struct twin_topic *topic = &w->twin->topics[batch->part->topic];
        struct kafka_produce_request_topic *to = &request->topic_data[i];
        static const uint8_t none[16];
        known = known && memcmp(topic->id, none, sizeof none) != 0;
        to->name = str_of(topic->name);
        memcpy(to->topic_id, topic->id, sizeof to->topic_id);
        to->partition_data = MESSAGE(w, kafka_produce_request_partition);
        to->partition_data_count = 1;
        to->partition_data->index = batch->part->index;
        to->partition_data->records = twin_batch_bytes(w, number);
        waiting[i]->sent = true;
        waiting[i]->tries++;
        batch->sends++;
        sending->batches[i] = number;
        actor_trace(&p->actor, "sends batch %d to %s, %d records", number,
                    part_name(w, batch->part), batch->records);
    }
    /* Ids say which topic is meant, also when another of that name came: only where it is known. */
    int16_t version = (int16_t)(known && chance(w, 20) ? 13 : 7 + pick(w, 6));
    bool silent = sending->silent;
    struct request *sent = NULL;
    if (!silent) {
        conn_send(p->actor.conn, KAFKA_KEY_PRODUCE, version, request, answered, p, sending);
        return;
    }
    sent = conn_send(p->actor.conn, KAFKA_KEY_PRODUCE, version, request, NULL, p, sending);
    conn_forget(sent);
    for (int i = p->count; i-- > 0;)
        if (p->window[i].sent)
            drop(p, i);
}

static void id_answered(struct request *request, void *answer)
{
    struct producer *p = request->owner;
    struct kafka_init_producer_id_response *response = answer;
    p->asking = false;
    if (response && response->error_code == KAFKA_NONE) {
        p->id = response->producer_id;
        for (struct actor *other = p->actor.w->actors; other; other = other->next)
            if (other != &p->actor && other->step == p->actor.step &&
                ((struct producer *)other)->id == p->id && p->id >= 0)
                actor_fail(&p->actor, "producer id %lld is given out twice", (long long)p->id);
        memset(p->next, 0, sizeof p->next);
    } else if (response && !code_is_coordinators(p->actor.w, response->error_code, MARK_FULL_TXN)) {
        actor_fail(&p->actor, "InitProducerId: %s", kafka_error_name(response->error_code));
    }
    actor_pause(&p->actor);
}

static void ask_id(struct producer *p)
{
    struct world *w = p->actor.w;
    struct kafka_init_producer_id_request *request = MESSAGE(w, kafka_init_producer_id_request);
    request->transactional_id = STR_NONE;
    request->transaction_timeout_ms = 1000;
    p->asking = true;
    conn_send(p->actor.conn, KAFKA_KEY_INIT_PRODUCER_ID, (int16_t)pick(w, 5), request, id_answered,
              p, NULL);
}

static void add_batch(struct producer *p)
{
    struct world *w = p->actor.w;
    struct twin_part *part = twin_part_pick(w, chance(w, 70));
    int records = 1 + pick(w, 4);
    struct twin_batch batch = {.part = part,
                               .producer_id = p->idempotent ? p->id : -1,
                               .sequence = p->next[part->topic][part->index],
                               .records = records,
                               .txn = -1};
    p->next[part->topic][part->index] += records;
    p->window[p->count++] = (struct waiting){.batch = twin_batch_add(w, &batch)};
}

/* Sends what is next to be sent: in order. Silent ones go alone. */
static void send_some(struct producer *p)
{
    struct waiting *waiting[2];
    int count = 0;
    for (int i = 0; i < p->count && count < 2; i++) {
        struct waiting *next = &p->window[i];
        if (next->sent)
            continue;
        const struct twin_batch *batches = p->actor.w->twin->batches;
        if (count == 1 &&
            (batches[waiting[0]->batch].part->topic == batches[next->batch].part->topic ||
             chance(p->actor.w, 50)))
            break;
        waiting[count++] = next;
    }
    if (count)
        send_request(p, waiting, count);
}

static void step(struct actor *actor)
{
    struct producer *p = (struct producer *)actor;
    struct world *w = actor->w;
    if (p->idempotent && p->id < 0) {
        if (!p->asking)
            ask_id(p);
        return;
    }
    for (int more = 1 + pick(w, 3); more && p->count < WINDOW; more--)
        add_batch(p);
    int before = -1;
    for (int unsent = 0; unsent != before;) {
        before = unsent;
        send_some(p);
        unsent = 0;
        for (int i = 0; i < p->count; i++)
            unsent += !p->window[i].sent;
        if (chance(w, 20))
            break;
    }
    if (chance(w, 2))
        conn_cut(actor->conn);
    actor_pause(actor);
}

static void reset(struct actor *actor)
{
    struct producer *p = (struct producer *)actor;
    p->id = -1;
    p->asking = false;
    p->count = 0;
    memset(p->next, 0, sizeof p->next);
}

static void free_producer(struct actor *actor)
{
    mem_free(actor);
}

void producer_add(struct world *w, int number, bool idempotent)
{
    struct producer *p = mem_zero(sizeof *p);
    p->idempotent = idempotent;
    p->id = -1;
    p->actor.step = step;
    p->actor.reset = reset;
    p->actor.free = free_producer;
    actor_add(w, &p->actor, idempotent ? "idempotent" : "plain", number);
}
