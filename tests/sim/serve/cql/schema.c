/* SPDX-License-Identifier: MIT */
/*
 * Definitions: the tables that the others use are made before the traffic; in it a column comes and
 * goes, so does an index, and a table of its own is made, filled, emptied and dropped: what was in
 * it must not come back. A statement whose answer was lost is sent again, and may then be told that
 * it was done already.
 */
#include "twin.h"

#include "base/mem.h"

#include <stdio.h>

enum { REST_MS = 600 };
enum step {
    STEP_NONE,
    STEP_ADD,
    STEP_DROP,
    STEP_INDEX,
    STEP_INDEX_DROP,
    STEP_TABLE,
    STEP_FILL,
    STEP_COUNT,
    STEP_TRUNCATE,
    STEP_TABLE_DROP,
};
static const char *const texts[] = {
    [STEP_ADD] = "ALTER TABLE sim.t ADD d0 int",
    [STEP_DROP] = "ALTER TABLE sim.t DROP d0",
    [STEP_INDEX] = "CREATE INDEX ia ON sim.t (a)",
    [STEP_INDEX_DROP] = "DROP INDEX sim.ia",
    [STEP_TABLE] = "CREATE TABLE sim.x (p int PRIMARY KEY, v int)",
    [STEP_FILL] = "INSERT INTO sim.x (p, v) VALUES (%d, 1)",
    [STEP_COUNT] = "SELECT p FROM sim.x",
    [STEP_TRUNCATE] = "TRUNCATE sim.x",
    [STEP_TABLE_DROP] = "DROP TABLE sim.x",
};

struct schema {
    struct actor actor;
    enum step doing;
    bool asking, again;
    bool column, index, table; /* there */
    int rows;                  /* of sim.x */
    int filling;
};

static void done(struct schema *o)
{
    struct world *w = o->actor.w;
    struct twin *twin = w->twin;
    switch (o->doing) {
    case STEP_ADD:
        o->column = twin->column_there = true;
        twin->column_order = w->order;
        reached(w, MARK_COLUMN_ADDED);
        break;
    case STEP_DROP:
        o->column = false;
        twin->column_order = w->order;
        twin_column_gone(w);
        reached(w, MARK_COLUMN_DROPPED);
        break;
    case STEP_INDEX:
        o->index = twin->index_there = true;
        break;
    case STEP_INDEX_DROP:
        o->index = false;
        break;
    case STEP_TABLE:
        o->table = true;
        break;
    case STEP_FILL:
        o->rows++;
        break;
    case STEP_TRUNCATE:
        o->rows = 0;
        reached(w, MARK_TRUNCATED);
        break;
    case STEP_TABLE_DROP:
        o->table = false;
        o->rows = 0;
        reached(w, MARK_TABLE_DROPPED);
        break;
    default:
        break;
    }
    o->doing = STEP_NONE;
}

static void answered(struct request *request, const struct answer *answer)
{
    struct schema *o = request->owner;
    o->asking = false;
    actor_pause(&o->actor);
    if (!answer) {
        o->again = true;
        actor_wait(&o->actor, pick(o->actor.w, 300));
        return;
    }
    if (o->doing == STEP_ADD || o->doing == STEP_DROP || o->doing == STEP_INDEX_DROP)
        actor_wait(&o->actor, REST_MS); /* what is under way has arrived before the next */
    bool passed = answer->is_error && o->again &&
                  (answer->error.code == CQL_INVALID || answer->error.code == CQL_ALREADY_EXISTS);
    if (answer->is_error && !passed)
        actor_fail(&o->actor, "%s: %04x %.*s", texts[o->doing], answer->error.code,
                   STR_ARG(answer->error.message));
    else if (o->doing == STEP_COUNT && (int)answer->row_count != o->rows)
        actor_fail(&o->actor, "sim.x has %u rows, not %d", answer->row_count, o->rows);
    actor_trace(&o->actor, "%s: %s", texts[o->doing], answer->is_error ? "refused" : "done");
    done(o);
}

static void choose(struct schema *o)
{
    struct world *w = o->actor.w;
    int what = pick(w, 100);
    o->again = false;
    if (what < 20)
        o->doing = o->column ? STEP_DROP : STEP_ADD;
    else if (what < 32)
        o->doing = o->index ? STEP_INDEX_DROP : STEP_INDEX;
    else if (!o->table)
        o->doing = STEP_TABLE;
    else if (what < 60)
        o->doing = STEP_FILL;
    else if (what < 80)
        o->doing = STEP_COUNT;
    else
        o->doing = what < 90 ? STEP_TRUNCATE : STEP_TABLE_DROP;
    if (o->doing == STEP_FILL)
        o->filling++;
    if (o->doing == STEP_DROP) {
        w->twin->column_there = false;
        w->twin->column_order = w->order + 1;
    }
    if (o->doing == STEP_INDEX_DROP)
        w->twin->index_there = false;
}

static void step(struct actor *actor)
{
    struct schema *o = (struct schema *)actor;
    if (o->asking)
        return;
    if (o->doing == STEP_NONE)
        choose(o);
    struct request *request = request_new(actor->conn, 1);
    if (o->doing == STEP_FILL)
        statement_add(request->statements, "INSERT INTO sim.x (p, v) VALUES (%d, 1)", o->filling);
    else
        statement_add(request->statements, "%s", texts[o->doing]);
    request->answered = answered;
    request->owner = o;
    o->asking = true;
    request_send(request);
}

static void free_schema(struct actor *actor)
{
    mem_free(actor);
}

void schema_add(struct world *w)
{
    struct schema *o = mem_zero(sizeof *o);
    o->actor.step = step;
    o->actor.free = free_schema;
    actor_add(w, &o->actor, "schema", 0);
}

/* ---- before the traffic -------------------------------------------------------------------- */

struct making {
    bool done;
};

static void made(struct request *request, const struct answer *answer)
{
    struct making *making = request->owner;
    struct world *w = request->conn->w;
    making->done = true;
    if (!answer || answer->is_error)
        seed_fail(w->run, "%s: %.*s", request->statements->text,
                  answer ? (int)answer->error.message.bytes : 0,
                  answer ? answer->error.message.ptr : "");
}

bool schema_make(struct world *w)
{
    struct conn *conn = conn_new(w);
    char table[300];
    snprintf(table, sizeof table,
             "CREATE TABLE sim.t (p int, c1 int, c2 int, s int STATIC, a int, b int, "
             "m map<int, int>, PRIMARY KEY (p, c1, c2)) WITH CLUSTERING ORDER BY (c1 ASC, c2 DESC) "
             "AND default_time_to_live = %lld",
             (long long)w->twin->ttl_default);
    const char *const statements[] = {
        "CREATE KEYSPACE sim WITH replication = {'class': 'SimpleStrategy', "
        "'replication_factor': 1}",
        table,
        "CREATE TABLE sim.n (p int, c int, v counter, PRIMARY KEY (p, c))",
        "CREATE TABLE sim.k (p int PRIMARY KEY, v int)",
    };
    for (size_t i = 0; i < sizeof statements / sizeof *statements && !failed(w); i++) {
        struct making making = {0};
        struct request *request = request_new(conn, 1);
        statement_add(request->statements, "%s", statements[i]);
        request->answered = made;
        request->owner = &making;
        request_send(request);
        int64_t until_ns = io_now_ns(w->io) + 60LL * 1000000000;
        while (!making.done && !failed(w))
            world_turn(w, until_ns);
    }
    return !failed(w);
}
