/* SPDX-License-Identifier: MIT */
/*
 * Writers of sim.t: INSERT, UPDATE and DELETE of all shapes, alone and in batches, with timestamps
 * that do not rise and times to live. A request whose answer was lost is sent again as it was,
 * which changes nothing when it was done, or given up, and may then count or not.
 */
#include "twin.h"

#include "base/mem.h"

#include <stdio.h>

enum { BATCH_MAX = 4, TIMES = 1000000, TTL_MAX = 30, RECENT = 5000 };

struct writer {
    struct actor actor;
    bool asking;
    /* what is under way, to be sent again */
    struct statement *statements;
    int count;
    bool batch, execute;
    int64_t timestamp; /* of the request; INT64_MIN = in its text */
    int request;
    bool sent_before, with_column;
    uint64_t made;
};

struct place {
    int p, c1, c2;
};

/* ---- statements ---------------------------------------------------------------------------- */

/* recent: what is older than the drop of a column does not count in a new one of its name. */
static int64_t new_timestamp(struct world *w, bool recent)
{
    for (;;) {
        int64_t time =
            recent ? io_wall_us(w->io) / 10 * 10 - 10 * pick(w, RECENT) : 10 * (1 + pick(w, TIMES));
        bool used = false;
        for (int i = 0; i < w->twin->write_count && !used; i++)
            used = w->twin->writes[i].timestamp / 10 == time / 10;
        if (!used)
            return time;
    }
}

static struct twin_write write_at(const struct place *place, enum kind kind, int64_t timestamp,
                                  int request)
{
    return (struct twin_write){.kind = kind,
                               .p = place->p,
                               .c1 = place->c1,
                               .c2 = place->c2,
                               .key = -1,
                               .timestamp = timestamp,
                               .request = request};
}

static int add_value(struct world *w, struct twin_write write, enum place_column column, int key,
                     int64_t ttl)
{
    write.kind = WRITE_VALUE;
    write.column = column;
    write.key = key;
    write.ttl = ttl;
    write.value = ++w->twin->values;
    twin_write_add(w, &write);
    return write.value;
}

static void add_null(struct world *w, struct twin_write write, enum place_column column, int key)
{
    write.kind = WRITE_NULL;
    write.column = column;
    write.key = key;
    twin_write_add(w, &write);
}

/* The old map goes with the tick before, as in Cassandra. */
static void put_map(struct world *w, struct statement *s, struct twin_write write, int64_t ttl)
{
    struct twin_write old = write;
    old.timestamp--;
    add_null(w, old, COLUMN_M, -1);
    int first = pick(w, KEYS), count = pick(w, KEYS - first) + 1;
    statement_add(s, "{");
    for (int key = first; key < first + count; key++)
        statement_add(s, "%s%d: %d", key > first ? ", " : "", key,
                      add_value(w, write, COLUMN_M, key, ttl));
    statement_add(s, "}");
}

static void put_using(struct statement *s, int64_t timestamp, int64_t ttl, bool says_time)
{
    if (says_time) {
        statement_add(s, " USING TIMESTAMP ");
        statement_bigint(s, timestamp);
    }
    if (ttl >= 0) {
        statement_add(s, says_time ? " AND TTL " : " USING TTL ");
        statement_int(s, (int)ttl);
    }
}

static void insert(struct world *w, struct statement *s, const struct place *at, int64_t timestamp,
                   int64_t ttl, int request, bool says_time)
{
    struct twin_write write = write_at(at, WRITE_VALUE, timestamp, request);
    int64_t lives = ttl >= 0 ? ttl : w->twin->ttl_default;
    bool a = chance(w, 70), b = chance(w, 40), m = chance(w, 30), st = chance(w, 15);
    statement_add(s, "INSERT INTO sim.t (p, c1, c2%s%s%s%s) VALUES (", a ? ", a" : "",
                  b ? ", b" : "", m ? ", m" : "", st ? ", s" : "");
    statement_int(s, at->p);
    statement_add(s, ", ");
    statement_int(s, at->c1);
    statement_add(s, ", ");
    statement_int(s, at->c2);
    add_value(w, write, COLUMN_MARKER, -1, lives);
    bool is[] = {a, b};
    for (int i = 0; i < 2; i++) {
        if (!is[i])
            continue;
        statement_add(s, ", ");
        if (chance(w, 15)) {
            statement_add(s, "null");
            add_null(w, write, COLUMN_A + (enum place_column)i, -1);
        } else {
            statement_int(s, add_value(w, write, COLUMN_A + (enum place_column)i, -1, lives));
        }
    }
    if (m) {
        statement_add(s, ", ");
        put_map(w, s, write, lives);
    }
    if (st) {
        statement_add(s, ", ");
        statement_int(s, add_value(w, write, COLUMN_S, -1, lives));
    }
    statement_add(s, ")");
    put_using(s, timestamp, ttl, says_time);
}

static void put_row(struct statement *s, const struct place *at)
{
    statement_add(s, " WHERE p = ");
    statement_int(s, at->p);
    if (at->c1 >= 0) {
        statement_add(s, " AND c1 = ");
        statement_int(s, at->c1);
    }
    if (at->c2 >= 0) {
        statement_add(s, " AND c2 = ");
        statement_int(s, at->c2);
    }
}

static void update(struct world *w, struct statement *s, const struct place *at, int64_t timestamp,
                   int64_t ttl, int request, bool says_time, bool column, bool statics)
{
    struct twin_write write = write_at(at, WRITE_VALUE, timestamp, request);
    int64_t lives = ttl >= 0 ? ttl : w->twin->ttl_default;
    statement_add(s, "UPDATE sim.t");
    put_using(s, timestamp, ttl, says_time);
    statement_add(s, " SET ");
    if (statics && chance(w, 15)) {
        struct place partition = {at->p, -1, -1};
        statement_add(s, "s = ");
        statement_int(s, add_value(w, write, COLUMN_S, -1, lives));
        put_row(s, &partition);
        return;
    }
    statement_add(s, column ? "d0 = " : "b = ");
    statement_int(s, add_value(w, write, column ? COLUMN_D : COLUMN_B, -1, lives));
    if (column) {
        put_row(s, at);
        return;
    }
    if (chance(w, 50)) {
        statement_add(s, ", a = ");
        statement_int(s, add_value(w, write, COLUMN_A, -1, lives));
    }
    int key = pick(w, KEYS);
    switch (pick(w, 6)) {
    case 0:
        statement_add(s, ", m[%d] = ", key);
        statement_int(s, add_value(w, write, COLUMN_M, key, lives));
        break;
    case 1:
        statement_add(s, ", m = m + {%d: %d}", key, add_value(w, write, COLUMN_M, key, lives));
        break;
    case 2:
        statement_add(s, ", m = m - {%d}", key);
        add_null(w, write, COLUMN_M, key);
        break;
    case 3:
        statement_add(s, ", m = ");
        put_map(w, s, write, lives);
        break;
    default:
        break;
    }
    put_row(s, at);
}

/* rows_only: nothing that covers other rows, for batches. */
static void delete_some(struct world *w, struct statement *s, struct place at, int64_t timestamp,
                        int request, bool says_time, bool rows_only)
{
    struct twin_write write = write_at(&at, WRITE_ROW, timestamp, request);
    int kind = pick(w, rows_only ? 50 : 100);
    bool slice = kind >= 80 && kind < 92, at_least = slice && chance(w, 50);
    if (kind < 25) {
        static const char *const what[] = {"a", "b", "m"};
        static const enum place_column columns[] = {COLUMN_A, COLUMN_B, COLUMN_M};
        int i = pick(w, 3);
        statement_add(s, "DELETE %s FROM sim.t", what[i]);
        add_null(w, write, columns[i], -1);
    } else if (kind < 40) {
        int key = pick(w, KEYS);
        statement_add(s, "DELETE m[%d] FROM sim.t", key);
        add_null(w, write, COLUMN_M, key);
    } else {
        statement_add(s, "DELETE FROM sim.t");
        write.kind = slice ? WRITE_SLICE : kind >= 92 ? WRITE_PARTITION : WRITE_ROW;
        write.at_least = at_least;
        twin_write_add(w, &write);
    }
    put_using(s, timestamp, -1, says_time);
    if (slice || kind >= 92)
        at.c2 = -1;
    if (kind >= 92 || at_least)
        at.c1 = -1;
    put_row(s, &at);
    if (at_least) {
        statement_add(s, " AND c1 >= ");
        statement_int(s, write.c1);
    }
}

static void make(struct writer *o)
{
    struct world *w = o->actor.w;
    int start = pick(w, FIRSTS * SECONDS), p = pick(w, PARTITIONS);
    o->batch = chance(w, 15);
    o->execute = !o->batch && chance(w, 40);
    o->count = o->batch ? 2 + pick(w, BATCH_MAX - 1) : 1;
    o->request = twin_request_add(w);
    o->sent_before = false;
    mem_free(o->statements);
    o->statements = mem_zero((size_t)o->count * sizeof *o->statements);
    bool says_time = !o->batch && chance(w, 60);
    bool column = w->twin->column_there && !o->batch && chance(w, 30);
    int64_t timestamp = new_timestamp(w, column);
    o->with_column = column;
    o->made = w->order;
    o->timestamp = says_time ? INT64_MIN : timestamp;
    for (int i = 0; i < o->count; i++) {
        struct statement *s = &o->statements[i];
        int row = (start + i) % (FIRSTS * SECONDS), what = pick(w, 100);
        struct place at = {p, row / SECONDS, row % SECONDS};
        int64_t ttl = chance(w, 30) ? 1 + pick(w, TTL_MAX) : chance(w, 10) ? 0 : -1;
        s->markers = o->execute || chance(w, 40);
        if (what < 35 && !o->batch && !column)
            insert(w, s, &at, timestamp, ttl, o->request, says_time);
        else if (what < 75 || column)
            update(w, s, &at, timestamp, ttl, o->request, says_time, column, i == 0 && !column);
        else
            delete_some(w, s, at, timestamp, o->request, says_time, o->batch);
    }
    if (o->batch)
        reached(w, MARK_BATCH);
}

/* ---- sending ------------------------------------------------------------------------------- */

static void answered(struct request *request, const struct answer *answer)
{
    struct writer *o = request->owner;
    struct world *w = o->actor.w;
    o->asking = false;
    actor_pause(&o->actor);
    if (!answer) {
        o->sent_before = true;
        if (chance(w, 20))
            o->count = 0; /* gives up */
        else
            actor_wait(&o->actor, pick(w, 300));
        return;
    }
    if (!answer->is_error) {
        twin_request_done(w, o->request);
    } else if (answer->error.code == CQL_INVALID && w->twin->column_order > request->order) {
        if (!o->sent_before)
            w->twin->requests[o->request].refused = true;
    } else {
        actor_fail(&o->actor, "%04x %.*s", answer->error.code, STR_ARG(answer->error.message));
    }
    actor_trace(&o->actor, "request %d: %s", o->request, answer->is_error ? "refused" : "done");
    o->count = 0;
}

static void step(struct actor *actor)
{
    struct writer *o = (struct writer *)actor;
    if (o->asking)
        return;
    /* It is not the column any more that was meant. */
    bool changed = o->with_column && actor->w->twin->column_order > o->made;
    if (!o->count || changed)
        make(o);
    struct request *request = request_new(actor->conn, o->count);
    memcpy(request->statements, o->statements, (size_t)o->count * sizeof *o->statements);
    /* Values lie in the statements. */
    for (int i = 0; i < o->count; i++)
        for (int j = 0; j < o->statements[i].count; j++)
            request->statements[i].values[j].bytes.ptr = (char *)request->statements[i].room[j];
    request->batch = o->batch;
    request->execute = o->execute;
    request->timestamp_us = o->timestamp;
    request->answered = answered;
    request->owner = o;
    o->asking = true;
    char about[60];
    snprintf(about, sizeof about, "request %d at %lld: ", o->request, (long long)o->timestamp);
    for (int i = 0; i < o->count; i++)
        statement_trace(actor, about, &o->statements[i]);
    request_send(request);
}

static void free_writer(struct actor *actor)
{
    mem_free(((struct writer *)actor)->statements);
    mem_free(actor);
}

void writer_add(struct world *w, int number)
{
    struct writer *o = mem_zero(sizeof *o);
    o->actor.step = step;
    o->actor.free = free_writer;
    actor_add(w, &o->actor, "writer", number);
}
