/* SPDX-License-Identifier: MIT */
/*
 * Counters: several add to the same few, alone and in counter batches, and read them. What is read
 * must be the sum of what was answered before, plus some of what was under way or never answered,
 * each once: nothing is added twice, and an update whose answer was lost is not sent again.
 */
#include "other.h"

#include "base/mem.h"

struct counter {
    struct actor actor;
    bool asking;
};
struct counting {
    int counts[2];
    int count;
};

static struct tally *tally_of(struct world *w)
{
    if (!w->twin->tally)
        w->twin->tally = mem_zero(sizeof *w->twin->tally);
    return w->twin->tally;
}

static void counted(struct request *request, const struct answer *answer)
{
    struct counter *o = request->owner;
    struct world *w = o->actor.w;
    struct tally *tally = tally_of(w);
    const struct counting *counting = request->context;
    o->asking = false;
    actor_pause(&o->actor);
    if (answer && answer->is_error)
        actor_fail(&o->actor, "%04x %.*s", answer->error.code, STR_ARG(answer->error.message));
    for (int i = 0; i < counting->count; i++) {
        if (answer)
            tally->counts[counting->counts[i]].done = w->order;
        else
            tally->unknown++;
    }
}

/* Is it what counts for sure, and some of the others? */
static bool is_sum(const struct count *const *maybe, int count, int64_t left)
{
    if (left == 0)
        return true;
    return count > 0 && (is_sum(maybe + 1, count - 1, left) ||
                         is_sum(maybe + 1, count - 1, left - maybe[0]->delta));
}

static void check_place(struct counter *o, const struct request *request, int place, bool there,
                        int64_t value)
{
    struct world *w = o->actor.w;
    const struct tally *tally = tally_of(w);
    const struct count *maybe[COUNTS_MAX];
    int count = 0;
    int64_t sure = 0;
    bool any = false;
    for (int i = 0; i < tally->count; i++) {
        const struct count *c = &tally->counts[i];
        if (c->place != place)
            continue;
        if (c->done && c->done < request->order) {
            sure += c->delta;
            any = true;
        } else {
            maybe[count++] = c;
        }
    }
    if (any && !there)
        actor_fail(&o->actor, "counter %d is gone", place);
    else if (there && !is_sum(maybe, count, value - sure))
        actor_fail(&o->actor, "counter %d is %lld, and %lld was added", place, (long long)value,
                   (long long)sure);
    if (there && any)
        reached(w, MARK_COUNTER);
}

static void read_answered(struct request *request, const struct answer *answer)
{
    struct counter *o = request->owner;
    bool seen[PLACES] = {false};
    o->asking = false;
    actor_pause(&o->actor);
    if (!answer)
        return;
    if (answer->is_error) {
        actor_fail(&o->actor, "%04x %.*s", answer->error.code, STR_ARG(answer->error.message));
        return;
    }
    for (uint32_t i = 0; i < answer->row_count; i++) {
        int place = (int)(answer_int(answer, i, "p", 0) * 2 + answer_int(answer, i, "c", 0));
        if (place < 0 || place >= PLACES || seen[place]) {
            actor_fail(&o->actor, "a counter that nobody made, or one twice");
            return;
        }
        seen[place] = true;
        check_place(o, request, place, true, answer_int(answer, i, "v", 0));
    }
    for (int place = 0; place < PLACES; place++)
        if (!seen[place])
            check_place(o, request, place, false, 0);
}

static void add(struct world *w, struct statement *s, struct counting *counting)
{
    struct tally *tally = tally_of(w);
    int place = pick(w, PLACES);
    /* Sums say which were added. */
    int64_t delta = ((int64_t)1 + pick(w, 1000000)) * (chance(w, 30) ? -1 : 1);
    counting->counts[counting->count++] = tally->count;
    tally->counts[tally->count++] =
        (struct count){.place = place, .delta = delta, .sent = w->order + 1};
    statement_add(s, "UPDATE sim.n SET v = v %c ", delta < 0 ? '-' : '+');
    statement_bigint(s, delta < 0 ? -delta : delta);
    statement_add(s, " WHERE p = %d AND c = %d", place / 2, place % 2);
}

static void step(struct actor *actor)
{
    struct counter *o = (struct counter *)actor;
    struct world *w = actor->w;
    struct tally *tally = tally_of(w);
    if (o->asking)
        return;
    struct request *request = request_new(actor->conn, 1);
    struct statement *s = request->statements;
    bool adds = chance(w, 60) && tally->unknown < UNKNOWN_MAX && tally->count + 2 < COUNTS_MAX;
    o->asking = true;
    request->owner = o;
    if (adds) {
        struct counting *counting = mem_zero(sizeof *counting);
        bool batch = chance(w, 20);
        s->markers = chance(w, 50);
        request->execute = s->markers && chance(w, 60);
        if (batch)
            statement_add(s, "BEGIN COUNTER BATCH ");
        add(w, s, counting);
        if (batch) {
            statement_add(s, "; ");
            add(w, s, counting);
            statement_add(s, " APPLY BATCH");
        }
        request->context = counting;
        request->answered = counted;
    } else {
        statement_add(s, "SELECT p, c, v FROM sim.n");
        request->answered = read_answered;
    }
    actor_trace(actor, "%s", s->text);
    request_send(request);
}

static void free_counter(struct actor *actor)
{
    mem_free(actor);
}

void counter_add(struct world *w, int number)
{
    struct counter *o = mem_zero(sizeof *o);
    o->actor.step = step;
    o->actor.free = free_counter;
    actor_add(w, &o->actor, "counter", number);
}
