/* SPDX-License-Identifier: MIT */
/*
 * The machine: a simulated disk, the log on it, the broker, and the ways to end. While a dead
 * process is taken apart its disk is halted, so that what it still tries leaves no trace.
 *
 * The log has no thread here: world_turn() lends it one now and then, so that requests pile up
 * behind a slow disk as they do behind a real one.
 */
#include "world.h"

#include "base/mem.h"

enum {
    MS = 1000 * 1000,
    SLOW_DISK_MS = 60,
    TURNS_MAX = 2 * 1000 * 1000,
    ROOM_MS = 6000,
    FULL_MS = 2500,
    DYING_MS = 2000,
    LEFT_BYTES = 64 << 10,
};
static const uint64_t ENDLESS = (uint64_t)1 << 60;

int64_t now_ms(const struct world *w)
{
    return io_now_ns(w->io) / MS;
}

static void take_apart(struct world *w)
{
    kafka_broker_free(w->broker);
    log_close(w->log);
    for (int i = 0; i < 3; i++)
        io_loop_turn(w->loop, 0);
    io_loop_free(w->loop);
    w->broker = NULL;
    w->log = NULL;
    w->loop = NULL;
}

/* What a stopped machine leaves on its disk. */
static void leave(struct world *w, enum ending how)
{
    if (how == END_POWER)
        io_sim_crash(w->io);
    else
        io_sim_kill(w->io);
    io_sim_resume(w->io);
}

void node_down(struct world *w, enum ending how)
{
    static const char *const names[] = {"stops", "is killed", "loses its power"};
    if (!node_is_up(w))
        return;
    seed_trace(w->run, "%lld ms: the machine %s%s", (long long)now_ms(w), names[how],
               io_sim_is_halted(w->io) ? " in the middle" : "");
    io_sim_faults(w->io, false);
    if (how != END_CLOSE) {
        reached(w, how == END_KILL ? MARK_KILLED : MARK_POWER_CUT);
        /* Now, if it has not stopped by itself: the next change is not done any more. */
        if (!io_sim_is_halted(w->io))
            io_sim_halt_after(w->io, 0);
    } else {
        io_sim_resume(w->io);
    }
    take_apart(w);
    if (how != END_CLOSE)
        leave(w, how);
    io_sim_faults(w->io, w->faults);
}

static bool try_up(struct world *w, struct diag *diag)
{
    struct log_options options = {.durability = w->durability,
                                  .interval_ms = 50,
                                  .queue_bytes_max = 64 << 10,
                                  .cache_bytes_max = (size_t)pick(w, 2) * (16 << 10)};
    log_topic_config_default(&w->topics);
    w->topics.segment_bytes = w->segment_bytes;
    struct kafka_broker_options broker = {.rebalance_delay_ms = w->rebalance_delay_ms,
                                          .topic_defaults = &w->topics};
    struct kafka_listener_options listen = {.address = "127.0.0.1:9092"};
    enum err err = log_open(w->io, "data", &options, diag, &w->log);
    if (err != OK)
        return false;
    if (io_loop_new(w->io, &w->loop) != OK)
        return false;
    err = kafka_broker_new(w->loop, w->log, &broker, diag, &w->broker);
    if (err == OK)
        err = kafka_broker_listen(w->broker, &listen, &w->port);
    if (err == OK)
        return true;
    take_apart(w);
    return false;
}

/* ---- the disk's room ----------------------------------------------------------------------- */

static void disk_ease(struct world *w)
{
    if (w->full)
        seed_trace(w->run, "%lld ms: the disk has room again", (long long)now_ms(w));
    if (w->full)
        w->eased_ms = now_ms(w);
    w->full = false;
    w->room_ns = 0;
    io_sim_set_disk_bytes(w->io, 0);
}

/* Down to a little, or to nothing. */
static void disk_fill(struct world *w)
{
    uint64_t left_bytes = 0;
    io_sim_set_disk_bytes(w->io, ENDLESS);
    if (io_path_free_bytes(w->io, "data", &left_bytes) != OK)
        seed_fail(w->run, "the disk does not tell its room");
    uint64_t used_bytes = ENDLESS - left_bytes;
    uint64_t bytes = chance(w, 50) ? 1 : 1 + (uint64_t)pick(w, LEFT_BYTES);
    io_sim_set_disk_bytes(w->io, used_bytes + bytes);
    w->full = true;
    seed_trace(w->run, "%lld ms: the disk is full but for %llu", (long long)now_ms(w),
               (unsigned long long)bytes);
}

/* While there are faults the disk fills up now and then, and is made room on. */
static void disk_room(struct world *w)
{
    int64_t now_ns = io_now_ns(w->io);
    if (!w->faults || !w->fills) {
        if (w->room_ns)
            disk_ease(w);
        return;
    }
    if (w->room_ns > now_ns)
        return;
    bool planned = w->room_ns != 0;
    if (w->full)
        disk_ease(w);
    else if (planned)
        disk_fill(w);
    w->room_ns = now_ns + (int64_t)(1 + pick(w, w->full ? FULL_MS : ROOM_MS)) * MS;
}

/* ---- its life ------------------------------------------------------------------------------ */

bool node_up(struct world *w)
{
    bool cut = false;
    struct diag diag = {0};
    io_sim_faults(w->io, false);
    for (int tries = 0; tries < 5; tries++) {
        diag = (struct diag){0};
        if (tries < 3 && chance(w, 15))
            io_sim_halt_after(w->io, (uint64_t)pick(w, 40));
        bool up = try_up(w, &diag);
        if (up && !io_sim_is_halted(w->io))
            break;
        if (!io_sim_is_halted(w->io) && w->full) {
            seed_trace(w->run, "it does not start on a full disk: %s", diag.message);
            reached(w, MARK_FULL_START);
            disk_ease(w);
            continue;
        }
        if (!io_sim_is_halted(w->io))
            break; /* it does not start, and has no excuse */
        seed_trace(w->run, "the machine stopped while it started");
        if (up)
            take_apart(w);
        enum ending how = chance(w, 50) ? END_POWER : END_KILL;
        cut = cut || how == END_POWER;
        leave(w, how);
    }
    io_sim_resume(w->io);
    io_sim_faults(w->io, w->faults);
    if (!w->broker)
        seed_fail(w->run, "the broker does not start: %s", diag.message);
    w->life++;
    w->dies_ns = 0;
    w->disk_free_ns = 0;
    seed_trace(w->run, "%lld ms: the machine is up", (long long)now_ms(w));
    return cut;
}

static bool disk_turn(struct world *w)
{
    if (w->disk_free_ns > io_now_ns(w->io))
        return false;
    bool did = log_step(w->log);
    if (did && w->slow_disk && chance(w, 30))
        w->disk_free_ns = io_now_ns(w->io) + (int64_t)pick(w, SLOW_DISK_MS) * MS;
    return did;
}

static bool is_well(struct world *w)
{
    if (io_sim_is_halted(w->io)) {
        reached(w, MARK_HALTED);
        return false;
    }
    if (log_health(w->log) != ERR_IO)
        return true;
    /* It goes on for a while, and refuses. */
    if (!w->dies_ns)
        w->dies_ns = io_now_ns(w->io) + (int64_t)(chance(w, 50) ? pick(w, DYING_MS) : 0) * MS;
    reached(w, MARK_DISK_FAILED);
    return w->faults && io_now_ns(w->io) < w->dies_ns;
}

bool world_turn(struct world *w, int64_t until_ns)
{
    if (++w->turns == TURNS_MAX)
        seed_fail(w->run, "it does not come to an end");
    bool did = false, lazy = chance(w, 40);
    disk_room(w);
    if (node_is_up(w)) {
        did = !lazy && disk_turn(w);
        if (!is_well(w))
            return false;
        did = io_loop_turn(w->loop, 0) || did;
        if (!is_well(w))
            return false;
    }
    did = io_loop_turn(w->clients, 0) || did;
    if (did)
        return true;
    if (node_is_up(w)) {
        if (lazy && disk_turn(w))
            return is_well(w);
        if (w->disk_free_ns > io_now_ns(w->io) && w->disk_free_ns < until_ns)
            until_ns = w->disk_free_ns;
        if (w->dies_ns && w->dies_ns < until_ns)
            until_ns = w->dies_ns;
    }
    if (w->room_ns && w->room_ns < until_ns)
        until_ns = w->room_ns;
    int64_t wait_ns = until_ns - io_now_ns(w->io);
    io_loop_turn(w->clients, wait_ns > 0 ? wait_ns : 0);
    return true;
}
