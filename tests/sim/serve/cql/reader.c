/* SPDX-License-Identifier: MIT */
/*
 * Readers of sim.t: rows, slices in both directions, partitions, the whole table, by the index;
 * whole or in pages, whose next one may be asked for on another connection or of a server that
 * began anew. Every row is judged by the twin.
 */
#include "twin.h"

#include "base/mem.h"

struct reader_actor {
    struct actor actor;
    bool asking;
    struct twin_read read;
    struct statement statement;
    bool execute, by_index;
    int value; /* of the index */
    int32_t page_size;
    struct buf paging_state;
    bool goes_on; /* a page is missing */
};

static void make(struct reader_actor *o)
{
    struct world *w = o->actor.w;
    struct statement *s = &o->statement;
    int what = pick(w, 100);
    o->read = (struct twin_read){.p = -1, .c1 = -1, .c2 = -1, .from_p = -1, .from_c1 = -1};
    *s = (struct statement){.markers = chance(w, 50)};
    o->execute = s->markers && chance(w, 60);
    o->page_size = chance(w, 50) ? 1 + pick(w, 5) : 0;
    o->by_index = w->twin->index_there && what < 20 && w->twin->values > 0;
    o->read.with_column = w->twin->column_there && chance(w, 50);
    o->read.with_tokens = what >= 80;
    statement_add(s,
                  "SELECT p, c1, c2, s, a, b, m, writetime(a) AS wt, ttl(a) AS ttl%s%s FROM sim.t",
                  o->read.with_column ? ", d0" : "", o->read.with_tokens ? ", token(p) AS tk" : "");
    if (o->by_index) {
        o->value = 1 + pick(w, w->twin->values);
        statement_add(s, " WHERE a = ");
        statement_int(s, o->value);
        return;
    }
    if (what >= 80)
        return;
    o->read.p = pick(w, PARTITIONS);
    statement_add(s, " WHERE p = ");
    statement_int(s, o->read.p);
    if (what < 50) {
        o->read.c1 = pick(w, FIRSTS);
        o->read.at_least = what < 20;
        statement_add(s, o->read.at_least ? " AND c1 >= " : " AND c1 = ");
        statement_int(s, o->read.c1);
        reached(w, MARK_SLICE);
    }
    if (o->read.c1 >= 0 && !o->read.at_least && chance(w, 50)) {
        o->read.c2 = pick(w, SECONDS);
        statement_add(s, " AND c2 = ");
        statement_int(s, o->read.c2);
    }
    o->read.reversed = chance(w, 30);
    if (o->read.reversed) {
        statement_add(s, " ORDER BY c1 DESC, c2 ASC");
        reached(w, MARK_REVERSED);
    }
}

static void answered(struct request *request, const struct answer *answer)
{
    struct reader_actor *o = request->owner;
    struct world *w = o->actor.w;
    o->asking = false;
    actor_pause(&o->actor);
    if (!answer) {
        o->goes_on = o->goes_on && chance(w, 70);
        return;
    }
    if (answer->is_error) {
        bool changed = w->twin->column_order > request->order || !w->twin->index_there;
        if (answer->error.code != CQL_INVALID || !changed)
            actor_fail(&o->actor, "%04x %.*s: %.*s", answer->error.code,
                       STR_ARG(answer->error.message), (int)o->statement.bytes, o->statement.text);
        o->goes_on = false;
        return;
    }
    actor_trace(&o->actor, "%u rows%s", answer->row_count,
                answer->metadata.paging_state.ptr ? " and more" : "");
    o->read.sent = request->order;
    o->read.sent_s = request->sent_s;
    o->read.done = w->order;
    o->read.done_s = wall_s(w);
    o->read.last = !answer->metadata.paging_state.ptr;
    if (!o->goes_on) {
        o->read.first_sent = o->read.sent;
        o->read.first_sent_s = o->read.sent_s;
    }
    o->goes_on = !o->read.last;
    if (o->page_size && answer->row_count > (uint32_t)o->page_size)
        actor_fail(&o->actor, "%u rows in a page of %d", answer->row_count, o->page_size);
    if (o->by_index)
        twin_check_index(w, &o->read, o->value, answer);
    else
        twin_check_rows(w, &o->read, answer);
    buf_reset(&o->paging_state);
    if (o->goes_on) {
        buf_str_append(&o->paging_state, answer->metadata.paging_state);
        reached(w, MARK_PAGED);
    }
}

static void step(struct actor *actor)
{
    struct reader_actor *o = (struct reader_actor *)actor;
    if (o->asking)
        return;
    /* Of a table that has changed no further page is asked for. */
    bool changed = o->read.with_column && (!actor->w->twin->column_there ||
                                           actor->w->twin->column_order > o->read.first_sent);
    if (!o->goes_on || o->by_index || changed) {
        o->goes_on = false;
        make(o);
    }
    struct request *request = request_new(actor->conn, 1);
    request->statements[0] = o->statement;
    for (int j = 0; j < o->statement.count; j++)
        request->statements[0].values[j].bytes.ptr = (char *)request->statements[0].room[j];
    request->execute = o->execute;
    request->page_size = o->by_index ? 0 : o->page_size;
    if (o->goes_on && !o->by_index)
        buf_str_append(&request->paging_state, buf_str(&o->paging_state));
    else
        o->goes_on = false;
    request->answered = answered;
    request->owner = o;
    o->asking = true;
    statement_trace(actor, "", &o->statement);
    request_send(request);
}

static void free_reader(struct actor *actor)
{
    buf_deinit(&((struct reader_actor *)actor)->paging_state);
    mem_free(actor);
}

void reader_add(struct world *w, int number)
{
    struct reader_actor *o = mem_zero(sizeof *o);
    o->actor.step = step;
    o->actor.free = free_reader;
    actor_add(w, &o->actor, "reader", number);
}

/* ---- behind the traffic -------------------------------------------------------------------- */

static void final_answered(struct request *request, const struct answer *answer)
{
    struct reader_actor *o = request->owner;
    if (!answer)
        seed_fail(o->actor.w->run, "no answer to the last read");
    else
        answered(request, answer);
    o->asking = false;
}

static void nothing(struct io_timer *timer)
{
}

void final_reads(struct world *w)
{
    struct reader_actor o = {.actor = {.w = w, .kind = "last reader", .conn = conn_new(w)}};
    o.actor.timer.fire = nothing;
    for (int p = -1; p < PARTITIONS && !failed(w); p++) {
        o.read = (struct twin_read){.p = p, .c1 = -1, .c2 = -1, .from_p = -1, .from_c1 = -1};
        o.statement = (struct statement){0};
        o.goes_on = false;
        o.asking = true;
        statement_add(&o.statement, "SELECT p, c1, c2, s, a, b, m, writetime(a) AS wt, "
                                    "ttl(a) AS ttl FROM sim.t");
        if (p >= 0)
            statement_add(&o.statement, " WHERE p = %d", p);
        struct request *request = request_new(o.actor.conn, 1);
        request->statements[0] = o.statement;
        request->answered = final_answered;
        request->owner = &o;
        request_send(request);
        int64_t until_ns = io_now_ns(w->io) + 60LL * 1000000000;
        while (o.asking && !failed(w) && io_now_ns(w->io) < until_ns)
            world_turn(w, until_ns);
        if (o.asking)
            seed_fail(w->run, "no answer to the last read");
    }
    io_timer_stop(w->clients, &o.actor.timer);
    buf_deinit(&o.paging_state);
}
