/* SPDX-License-Identifier: MIT */
/*
 * Conditions: several swap the values of the same few rows, IF they are what they last saw. Values
 * are never used twice, so what was applied forms a chain: each value is swapped away at most once,
 * a refusal tells a value that is there, and nothing is seen again that was swapped away before.
 */
#include "other.h"

#include "base/mem.h"

struct swapper {
    struct actor actor;
    bool asking;
    int seen[PLACES]; /* the newest value it saw; 0 = none */
};
struct swapping {
    int swap;
};

static struct chain *chain_of(struct world *w)
{
    if (!w->twin->chain)
        w->twin->chain = mem_zero(sizeof *w->twin->chain);
    return w->twin->chain;
}

/* A value was seen by a request: it was put there, and not swapped away before. */
static void check_seen(struct swapper *o, int place, int value, uint64_t sent)
{
    struct chain *chain = chain_of(o->actor.w);
    bool put = false;
    for (int i = 0; i < chain->count; i++) {
        struct swap *swap = &chain->swaps[i];
        if (swap->place != place)
            continue;
        if (value && swap->to == value) {
            put = true;
            if (swap->fate == SWAP_REFUSED)
                actor_fail(&o->actor, "row %d has %d, whose swap was refused", place, value);
            swap->fate = SWAP_APPLIED;
        }
        if (value && swap->from == value && swap->fate == SWAP_APPLIED && swap->done &&
            swap->done < sent)
            actor_fail(&o->actor, "row %d has %d, which %d came after", place, value, swap->to);
    }
    if (value && !put)
        actor_fail(&o->actor, "row %d has %d, which nobody put there", place, value);
    o->seen[place] = value;
}

static void check_applied(struct swapper *o, const struct swap *swap)
{
    const struct chain *chain = chain_of(o->actor.w);
    int inserts = 0, deletes = 0;
    for (int i = 0; i < chain->count; i++) {
        const struct swap *other = &chain->swaps[i];
        if (other->place != swap->place)
            continue;
        inserts += other->from == 0 && other->fate == SWAP_APPLIED;
        deletes += other->to == 0 && other->fate != SWAP_REFUSED;
        if (other != swap && swap->from && other->from == swap->from && other->fate == SWAP_APPLIED)
            actor_fail(&o->actor, "row %d: %d was swapped for %d and for %d", swap->place,
                       swap->from, other->to, swap->to);
    }
    if (inserts > deletes + 1)
        actor_fail(&o->actor, "row %d was inserted %d times and deleted %d times", swap->place,
                   inserts, deletes);
}

static void swapped(struct request *request, const struct answer *answer)
{
    struct swapper *o = request->owner;
    struct world *w = o->actor.w;
    struct swap *swap = &chain_of(w)->swaps[((const struct swapping *)request->context)->swap];
    o->asking = false;
    actor_pause(&o->actor);
    if (!answer)
        return;
    if (answer->is_error || answer->row_count != 1) {
        actor_fail(&o->actor, "%04x %.*s", answer->error.code, STR_ARG(answer->error.message));
        return;
    }
    bool applied = answer_int(answer, 0, "[applied]", 0) == 1;
    swap->done = w->order;
    actor_trace(&o->actor, "row %d from %d to %d: %s", swap->place, swap->from, swap->to,
                applied ? "applied" : "refused");
    if (applied) {
        swap->fate = SWAP_APPLIED;
        check_applied(o, swap);
        o->seen[swap->place] = swap->to;
        reached(w, MARK_CAS_APPLIED);
        return;
    }
    if (swap->fate == SWAP_APPLIED)
        actor_fail(&o->actor, "row %d: %d was refused and seen", swap->place, swap->to);
    swap->fate = SWAP_REFUSED;
    int now = (int)answer_int(answer, 0, "v", 0);
    if (now == swap->from && (now || answer_cell(answer, 0, "v")))
        actor_fail(&o->actor, "row %d: refused, and it is %d", swap->place, now);
    check_seen(o, swap->place, now, request->order);
    reached(w, MARK_CAS_REFUSED);
}

static void read_answered(struct request *request, const struct answer *answer)
{
    struct swapper *o = request->owner;
    o->asking = false;
    actor_pause(&o->actor);
    if (!answer)
        return;
    if (answer->is_error) {
        actor_fail(&o->actor, "%04x %.*s", answer->error.code, STR_ARG(answer->error.message));
        return;
    }
    for (uint32_t i = 0; i < answer->row_count; i++) {
        int place = (int)answer_int(answer, i, "p", -1);
        if (place < 0 || place >= PLACES)
            actor_fail(&o->actor, "a row that nobody made");
        else
            check_seen(o, place, (int)answer_int(answer, i, "v", 0), request->order);
    }
}

static void swap(struct swapper *o, struct request *request)
{
    struct world *w = o->actor.w;
    struct chain *chain = chain_of(w);
    struct statement *s = request->statements;
    struct swapping *swapping = mem_zero(sizeof *swapping);
    int place = pick(w, PLACES), from = o->seen[place];
    int to = from && chance(w, 20) ? 0 : ++w->twin->values;
    swapping->swap = chain->count;
    chain->swaps[chain->count++] =
        (struct swap){.place = place, .from = from, .to = to, .sent = w->order + 1};
    s->markers = chance(w, 50);
    request->execute = s->markers && chance(w, 60);
    if (!from) {
        statement_add(s, "INSERT INTO sim.k (p, v) VALUES (");
        statement_int(s, place);
        statement_add(s, ", ");
        statement_int(s, to);
        statement_add(s, ") IF NOT EXISTS");
    } else {
        statement_add(s, to ? "UPDATE sim.k SET v = " : "DELETE FROM sim.k");
        if (to)
            statement_int(s, to);
        statement_add(s, " WHERE p = ");
        statement_int(s, place);
        statement_add(s, " IF v = ");
        statement_int(s, from);
    }
    request->context = swapping;
    request->answered = swapped;
}

static void step(struct actor *actor)
{
    struct swapper *o = (struct swapper *)actor;
    if (o->asking)
        return;
    struct request *request = request_new(actor->conn, 1);
    request->owner = o;
    if (chance(actor->w, 75) && chain_of(actor->w)->count < SWAPS_MAX) {
        swap(o, request);
    } else {
        statement_add(request->statements, "SELECT p, v FROM sim.k");
        request->answered = read_answered;
    }
    o->asking = true;
    actor_trace(actor, "%s", request->statements->text);
    request_send(request);
}

static void free_swapper(struct actor *actor)
{
    mem_free(actor);
}

void swapper_add(struct world *w, int number)
{
    struct swapper *o = mem_zero(sizeof *o);
    o->actor.step = step;
    o->actor.free = free_swapper;
    actor_add(w, &o->actor, "swapper", number);
}
