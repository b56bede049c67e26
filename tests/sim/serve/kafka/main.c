/* SPDX-License-Identifier: MIT */
/*
 * The Kafka door on a simulated machine and network: producers, transactions, consumers, groups and
 * an administrator against one broker that is stopped, killed and loses its power, also in the
 * middle of a write and of its start; then all that can be read is compared with a naive twin.
 *
 *   sim-kafka --seed N [--trace]       one run
 *   sim-kafka --seeds FROM COUNT       many; prints the seeds that failed
 */
#include "twin.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum { MS = 1000 * 1000, DRAIN_MS = 3000 };

const char *const seed_marks[] = {
    [MARK_KILLED] = "a kill",
    [MARK_POWER_CUT] = "a power cut",
    [MARK_HALTED] = "a stop between a write and its sync",
    [MARK_LOST_TAIL] = "a lost tail",
    [MARK_DISK_FAILED] = "a disk that failed",
    [MARK_REFUSED] = "a batch refused for now",
    [MARK_OUT_OF_ORDER] = "a batch whose predecessor was refused for now",
    [MARK_FAILED_TOLD] = "a refusal by a disk that failed",
    [MARK_FULL_TOLD] = "a batch refused by a full disk",
    [MARK_FULL_GROUP] = "a group refused by a full disk",
    [MARK_FULL_TXN] = "a transaction refused by a full disk",
    [MARK_FULL_START] = "a start on a full disk",
    [MARK_CONNECTION_LOST] = "a connection that broke with requests under way",
    [MARK_RETRY_TWICE] = "a batch that was sent again",
    [MARK_COMMITTED] = "a committed transaction",
    [MARK_ABORTED] = "an aborted transaction",
    [MARK_FENCED] = "a fenced producer",
    [MARK_ZOMBIE_REFUSED] = "a zombie's batch, refused",
    [MARK_TIMED_OUT_TXN] = "a transaction that was open for too long",
    [MARK_UNKNOWN_TXN] = "the abort of a transaction that the broker never heard of",
    [MARK_HIDDEN] = "a record hidden from readers of committed ones",
    [MARK_OPEN_AT_AUDIT] = "an open transaction at an audit",
    [MARK_SESSION] = "a fetch session",
    [MARK_SESSION_OMITS] = "a session's answer without a partition",
    [MARK_TRIMMED] = "deleted records",
    [MARK_TOPIC_DELETED] = "a deleted topic",
    [MARK_OLD_GENERATION] = "a request of an old generation, refused",
    [MARK_MEMBER_EXPIRED] = "a member whose session ended",
    [MARK_STATIC_REPLACED] = "a static member that was replaced",
    [MARK_REBALANCED] = "a rebalance",
    [MARK_ASSIGNED] = "an assignment",
    [MARK_COMMIT_READ] = "a committed offset",
    [MARK_TXN_COMMIT_READ] = "an offset of a transaction",
    [MARK_UNSTABLE_OFFSET] = "an offset that was not stable",
    [MARK_COMPACTED] = "a record that compaction took away",
    [MARK_TOMBSTONE_GONE] = "a tombstone whose time had come",
    [MARK_MARKER_GONE] = "a marker that compaction took away",
    [MARKS] = NULL,
};

const struct actor_pace actor_pace = {
    .first_ms = 100, .short_percent = 60, .usual_percent = 95, .long_ms = 2500};

static void compacted(struct world *w, struct kafka_create_topics_request_topic *topic)
{
    enum { CONFIGS = 3 };
    topic->configs = MESSAGES(w, kafka_create_topics_request_config, CONFIGS);
    topic->configs_count = CONFIGS;
    topic->configs[0].name = STR("cleanup.policy");
    topic->configs[0].value = STR("compact");
    topic->configs[1].name = STR("min.cleanable.dirty.ratio");
    topic->configs[1].value = STR("0.01");
    topic->configs[2].name = STR("delete.retention.ms");
    topic->configs[2].value = text_of(w, "%lld", (long long)w->tombstones_ms);
}

static void make_topics(struct world *w)
{
    struct kafka_create_topics_request *request = MESSAGE(w, kafka_create_topics_request);
    request->topics = MESSAGES(w, kafka_create_topics_request_topic, 2);
    request->topics_count = 2;
    for (int i = 0; i < 2; i++) {
        struct twin_topic *topic = &w->twin->topics[w->twin->topic_count++];
        snprintf(topic->name, sizeof topic->name, "t%d", i);
        topic->lasting = true;
        topic->state = TOPIC_THERE;
        topic->part_count = 1 + i;
        for (int j = 0; j < topic->part_count; j++)
            topic->parts[j] = (struct twin_part){.topic = i, .index = j};
        request->topics[i].name = str_of(topic->name);
        request->topics[i].num_partitions = topic->part_count;
        request->topics[i].replication_factor = 1;
        topic->compacted = w->compacts && i == 1;
        if (topic->compacted)
            compacted(w, &request->topics[i]);
    }
    struct kafka_create_topics_response *response = ask(w, KAFKA_KEY_CREATE_TOPICS, 7, request);
    for (int i = 0; response && i < 2; i++) {
        if (response->topics[i].error_code != KAFKA_NONE)
            seed_fail(w->run, "%s: %s", w->twin->topics[i].name,
                      kafka_error_name(response->topics[i].error_code));
        memcpy(w->twin->topics[i].id, response->topics[i].topic_id, 16);
    }
}

static void make_actors(struct world *w)
{
    int transactors = pick(w, 4), consumers = 1 + pick(w, 3), members = pick(w, 5);
    producer_add(w, 0, true);
    producer_add(w, 1, chance(w, 50));
    for (int i = 0; i < transactors; i++)
        transactor_add(w, i, chance(w, 75) ? 0 : 1);
    for (int i = 0; i < consumers; i++)
        consumer_add(w, i);
    for (int i = 0; i < members; i++)
        member_add(w, i, chance(w, 75) ? 0 : 1);
    if (chance(w, 70))
        admin_add(w);
}

/* ---- running ------------------------------------------------------------------------------- */

/* What may be lost is looked at before anything new is done. */
static void hold(struct world *w)
{
    if (w->durability == LOG_SYNC)
        return;
    w->draining = true;
    for (struct conn *conn = w->conns; conn; conn = conn->next)
        conn_cut(conn);
}

/* Down for a while, and up again. Returns whether the power was cut. */
static bool restart(struct world *w, enum ending how)
{
    node_down(w, how);
    if (how == END_POWER)
        hold(w);
    int64_t until_ns = io_now_ns(w->io) + (int64_t)(chance(w, 50) ? pick(w, 1500) : 0) * MS;
    while (io_now_ns(w->io) < until_ns && !failed(w))
        world_turn(w, until_ns);
    bool cut = node_up(w);
    if (cut)
        hold(w);
    return cut || how == END_POWER;
}

static enum ending how_to_end(struct world *w)
{
    int how = pick(w, 100);
    return how < 20 ? END_CLOSE : how < 50 ? END_KILL : END_POWER;
}

/* Time passes with everybody at work. Returns whether the power was cut meanwhile. */
static bool traffic(struct world *w, int64_t ms)
{
    bool cut = false;
    int64_t end_ns = io_now_ns(w->io) + ms * MS, next_ns = end_ns;
    int endings = chance(w, 70) ? pick(w, 4) : 0;
    w->draining = false;
    io_sim_faults(w->io, w->faults = true);
    while (io_now_ns(w->io) < end_ns && !failed(w) && !cut) {
        if (next_ns == end_ns && endings-- > 0)
            next_ns = io_now_ns(w->io) + (int64_t)pick(w, (int)ms) * MS;
        int64_t until_ns = next_ns < end_ns ? next_ns : end_ns;
        if (!world_turn(w, until_ns)) {
            cut = restart(w, chance(w, 60) ? END_POWER : END_KILL);
        } else if (io_now_ns(w->io) >= next_ns && next_ns < end_ns) {
            next_ns = end_ns;
            if (chance(w, 60))
                io_sim_halt_after(w->io, (uint64_t)pick(w, 30));
            else
                cut = restart(w, how_to_end(w));
        }
        cut = cut && w->durability != LOG_SYNC;
    }
    io_sim_resume(w->io);
    io_sim_faults(w->io, w->faults = false);
    return cut;
}

/* Nobody begins anything, and what is under way ends. */
static bool drain(struct world *w)
{
    bool cut = false;
    int64_t end_ns = io_now_ns(w->io) + (int64_t)DRAIN_MS * MS;
    w->draining = true;
    for (int round = 0; round < 2 && !failed(w); round++) {
        int under_way = 1;
        while (under_way && io_now_ns(w->io) < end_ns && !failed(w)) {
            if (!world_turn(w, end_ns))
                cut = restart(w, END_POWER) || cut;
            under_way = 0;
            for (struct conn *conn = w->conns; conn; conn = conn->next)
                under_way += conn->count;
        }
        for (struct conn *conn = w->conns; conn; conn = conn->next)
            conn_cut(conn);
        end_ns = io_now_ns(w->io) + 300 * MS;
        while (io_now_ns(w->io) < end_ns && !failed(w))
            if (!world_turn(w, end_ns))
                cut = restart(w, END_POWER) || cut;
    }
    return cut;
}

/* All transactions that nobody ends are ended by the broker. */
static void wait_for_timeouts(struct world *w)
{
    int64_t end_ns = io_now_ns(w->io) + 40LL * 1000 * MS;
    while (io_now_ns(w->io) < end_ns && !failed(w))
        if (!world_turn(w, end_ns))
            seed_fail(w->run, "the disk failed without a fault");
    for (int i = 0; i < w->twin->txn_count; i++)
        if (!w->twin->txns[i].end_order)
            w->twin->txns[i].end_order = w->order;
}

static void play(struct world *w)
{
    bool lossy = false;
    node_up(w);
    if (!failed(w))
        make_topics(w);
    make_actors(w);
    for (int phases = 1 + pick(w, 3); phases && !failed(w); phases--) {
        lossy = traffic(w, 1000 + pick(w, chance(w, 30) ? 30000 : 6000));
        if (!failed(w))
            lossy = drain(w) || lossy;
        bool last = phases == 1;
        if (!failed(w) && last)
            wait_for_timeouts(w);
        if (!failed(w) && (last || chance(w, 30)))
            lossy = restart(w, how_to_end(w)) || lossy;
        if (!failed(w))
            audit(w, lossy && w->durability != LOG_SYNC);
    }
}

void seed_play(struct seed_run *run)
{
    static const uint32_t chances[] = {0, 0, 0, 500, 5000, 20000};
    struct world *w = mem_zero(sizeof *w);
    w->run = run;
    w->prng.state = run->seed;
    struct io_sim_options options = {.seed = run->seed,
                                     .write_fails = chances[pick(w, 4)],
                                     .write_full = chances[pick(w, 6)],
                                     .sync_fails = chances[pick(w, 4)],
                                     .net_drop = chances[pick(w, 5)],
                                     .net_delay_ms_max =
                                         (uint32_t)(chance(w, 70) ? pick(w, 30) : 0)};
    w->io = io_sim_new(&options);
    w->durability = pick(w, 10) < 7 ? LOG_SYNC : pick(w, 2) ? LOG_INTERVAL : LOG_OS;
    w->rebalance_delay_ms = chance(w, 50) ? 0 : pick(w, 1000);
    static const int64_t segments[] = {0, 30000, 60000};
    w->segment_bytes = segments[pick(w, 3)];
    w->compacts = chance(w, 30);
    static const int64_t tombstones[] = {1, 5000, 24 * 3600 * 1000};
    w->tombstones_ms = tombstones[pick(w, 3)];
    if (w->compacts)
        w->segment_bytes = 30000;
    w->slow_disk = chance(w, 30);
    w->fills = chance(w, 40);
    w->fills_by_chance = options.write_full > 0;
    w->twin = twin_new();
    arena_init(&w->scratch, SIZE_MAX / 2);
    arena_init(&w->answers, SIZE_MAX / 2);
    io_sim_faults(w->io, false);
    if (io_path_make_directory(w->io, "data") != OK || io_path_sync_directory(w->io, ".") != OK ||
        io_loop_new(w->io, &w->clients) != OK)
        seed_fail(run, "no machine");
    w->asking = conn_new(w);
    seed_trace(run, "durability %d, drops %u", w->durability, options.net_drop);
    play(w);
    node_down(w, END_KILL);
    conns_free(w);
    while (w->actors) {
        struct actor *actor = w->actors;
        w->actors = actor->next;
        io_timer_stop(w->clients, &actor->timer);
        actor->free(actor);
    }
    io_loop_turn(w->clients, 0);
    io_loop_free(w->clients);
    twin_free(w->twin);
    arena_deinit(&w->scratch);
    arena_deinit(&w->answers);
    io_free(w->io);
    mem_free(w);
}

int main(int argc, char **argv)
{
    return seed_main(argc, argv);
}
