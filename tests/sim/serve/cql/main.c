/* SPDX-License-Identifier: MIT */
/*
 * The CQL door on a simulated network: writers, readers, counters, conditions and definitions over
 * several connections that are late and cut, on a server that comes and goes, with a clock that
 * lets times to live run out; every answer is judged by a naive twin.
 *
 * The store is the one in memory; in some seeds it is RocksDB over files in memory, which is
 * closed, opened, flushed and compacted in between. (Kills of the real program:
 * tests/crash/doors_kill.)
 *
 *   sim-cql --seed N [--trace]       one run
 *   sim-cql --seeds FROM COUNT       many; prints the seeds that failed
 */
#include "twin.h"

#include "base/mem.h"

enum { MS = 1000 * 1000, ROCKS_EVERY = 16 };

const char *const seed_marks[] = {
    [MARK_RESTARTED] = "a server that began anew",
    [MARK_STORE_REOPENED] = "a store that was opened again",
    [MARK_CONNECTION_LOST] = "a connection that broke with requests under way",
    [MARK_KNOWN_STATEMENT] = "a statement that was prepared before, by another",
    [MARK_VERSION_3] = "version 3 or 4",
    [MARK_VERSION_5] = "version 5",
    [MARK_COMPRESSED] = "compression",
    [MARK_PAGED] = "a second page",
    [MARK_REVERSED] = "a reversed order",
    [MARK_SLICE] = "a slice",
    [MARK_STATIC_ONLY] = "statics without rows",
    [MARK_DEAD_ROW] = "a row that is gone",
    [MARK_LIVE_CELL] = "a value",
    [MARK_EXPIRED] = "a value whose time ran out",
    [MARK_TTL_READ] = "a time to live",
    [MARK_OLDER_WRITE] = "a value that a later write did not replace",
    [MARK_ELEMENT] = "an element of a map",
    [MARK_BATCH] = "a batch",
    [MARK_COUNTER] = "a counter",
    [MARK_CAS_APPLIED] = "a condition that held",
    [MARK_CAS_REFUSED] = "a condition that did not",
    [MARK_COLUMN_ADDED] = "a column that came",
    [MARK_COLUMN_DROPPED] = "a column that went",
    [MARK_TABLE_DROPPED] = "a table that was dropped",
    [MARK_TRUNCATED] = "a table that was emptied",
    [MARK_INDEX_READ] = "a read by an index",
    [MARKS] = NULL,
};

const struct actor_pace actor_pace = {
    .first_ms = 50, .short_percent = 80, .usual_percent = 98, .long_ms = 8000, .cut_percent = 2};

static void make_actors(struct world *w)
{
    int writers = 1 + pick(w, 3), readers = 1 + pick(w, 2);
    for (int i = 0; i < writers; i++)
        writer_add(w, i);
    for (int i = 0; i < readers; i++)
        reader_add(w, i);
    if (chance(w, 40))
        for (int i = 0; i < 2; i++)
            counter_add(w, i);
    if (chance(w, 40))
        for (int i = 0; i < 2; i++)
            swapper_add(w, i);
    if (chance(w, 60))
        schema_add(w);
}

static void care(struct world *w)
{
    enum err err = chance(w, 50) ? table_flush(w->store) : table_compact(w->store);
    if (err != OK)
        seed_fail(w->run, "the store cannot be cared for: %s", err_text(err));
}

static void run_until(struct world *w, int64_t end_ns)
{
    while (io_now_ns(w->io) < end_ns && !failed(w))
        world_turn(w, end_ns);
}

static void traffic(struct world *w)
{
    io_sim_faults(w->io, true);
    for (int rounds = 1 + pick(w, 4); rounds && !failed(w); rounds--) {
        run_until(w, io_now_ns(w->io) + (int64_t)(200 + pick(w, 2500)) * MS);
        int what = pick(w, 100);
        if (w->disk && what < 60)
            care(w);
        if (what < 40) {
            node_down(w, w->disk && chance(w, 60));
            run_until(w, io_now_ns(w->io) + (int64_t)pick(w, 500) * MS);
            node_up(w);
        }
        if (what >= 70) /* the clock passes what has a time to live */
            io_sim_advance_ns(w->io, (int64_t)pick(w, 20000) * MS);
    }
    io_sim_faults(w->io, false);
    w->draining = true;
    run_until(w, io_now_ns(w->io) + 2000LL * MS);
    for (struct conn *conn = w->conns; conn; conn = conn->next)
        conn_cut(conn);
    run_until(w, io_now_ns(w->io) + 300LL * MS);
}

void seed_play(struct seed_run *run)
{
    static const uint32_t chances[] = {0, 0, 1000, 10000};
    struct world *w = mem_zero(sizeof *w);
    w->run = run;
    w->prng.state = run->seed;
    struct io_sim_options options = {.seed = run->seed,
                                     .net_drop = chances[pick(w, 4)],
                                     .net_delay_ms_max =
                                         (uint32_t)(chance(w, 70) ? pick(w, 30) : 0)};
    w->io = io_sim_new(&options);
    w->twin = twin_new();
    w->twin->ttl_default = chance(w, 25) ? 5 + pick(w, 20) : 0;
    if (pick(w, ROCKS_EVERY) == 0)
        w->disk = table_disk_new();
    io_sim_faults(w->io, false);
    if (io_loop_new(w->io, &w->clients) != OK)
        seed_fail(run, "no machine");
    seed_trace(run, "drops %u, %s", options.net_drop, w->disk ? "RocksDB" : "memory");
    node_up(w);
    if (!failed(w) && schema_make(w)) {
        make_actors(w);
        traffic(w);
        if (!failed(w))
            final_reads(w);
    }
    node_down(w, w->disk != NULL);
    conns_free(w);
    while (w->actors) {
        struct actor *actor = w->actors;
        w->actors = actor->next;
        io_timer_stop(w->clients, &actor->timer);
        actor->free(actor);
    }
    io_loop_turn(w->clients, 0);
    if (w->clients)
        io_loop_free(w->clients);
    if (w->store)
        table_store_close(w->store);
    table_disk_free(w->disk);
    twin_free(w->twin);
    io_free(w->io);
    mem_free(w);
}

int main(int argc, char **argv)
{
    return seed_main(argc, argv);
}
