/* SPDX-License-Identifier: MIT */
/*
 * The log on the simulated disk: seeded runs of appends, groups, commits, trims and time, with
 * failing writes, syncs and reads and full disks, ended by an orderly close, a kill or a power cut,
 * and opened again, several times over.
 *
 *   sim-log --seed N [--trace]       one run
 *   sim-log --seeds FROM COUNT       many; prints the seed that failed
 *
 * Without arguments: SIM_SEED, or SIM_SEEDS runs (300) from SIM_FROM (1).
 */
#include "crash_model.h"

#include <stdio.h>
#include <stdlib.h>

enum { SESSIONS_MAX = 5, OPS_MAX = 40, MEGABYTE = 1 << 20 };

static void trace(struct sim_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void trace(struct sim_run *run, const char *format, ...)
{
    if (!run->trace)
        return;
    va_list args;
    va_start(args, format);
    fputs("# ", stdout);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

static int pick(struct sim_run *run, int below)
{
    return (int)prng_below(&run->prng, (uint64_t)below);
}

/* ---- what a run does ----------------------------------------------------------------------- */

static void append_done(struct log_append *append)
{
    struct sim_append *mine = append->owner;
    trace(mine->run, "append %d: %s at %lld", mine->number, err_text(append->err),
          (long long)append->base_offset);
    sim_answered(mine, append->err);
}

static void group_done(struct log_append_group *group)
{
    struct sim_group *mine = group->owner;
    for (size_t i = 0; i < group->count; i++) {
        trace(mine->parts[i]->run, "append %d of a group: %s at %lld", mine->parts[i]->number,
              err_text(group->err), (long long)mine->parts[i]->append.base_offset);
        sim_answered(mine->parts[i], group->err);
    }
}

static void do_append(struct sim_run *run)
{
    struct sim_append *mine = sim_append_new(run, pick(run, run->part_count));
    mine->append.done = append_done;
    trace(run, "append %d to %s-%d, %zu bytes%s", mine->number, run->parts[mine->part].topic,
          (int)run->parts[mine->part].index, mine->byte_count, mine->whole ? ", whole" : "");
    enum err err = log_append(sim_partition(run, mine->part), &mine->append);
    if (err != OK) {
        mine->fate = REFUSED;
        trace(run, "refused: %s", err_text(err));
    }
}

static void do_group(struct sim_run *run)
{
    struct sim_group *mine = mem_zero(sizeof *mine);
    mine->next = run->groups;
    run->groups = mine;
    mine->group = (struct log_append_group){.parts = mine->list,
                                            .count = 1 + (size_t)pick(run, PARTS_OF_GROUP_MAX),
                                            .done = group_done,
                                            .owner = mine};
    for (size_t i = 0; i < mine->group.count; i++) {
        struct sim_append *part = sim_append_new(run, pick(run, run->part_count));
        part->whole = true;
        part->group = mine;
        part->append.partition = sim_partition(run, part->part);
        mine->parts[i] = part;
        mine->list[i] = &part->append;
        trace(run, "append %d to %s-%d, %zu bytes, in a group", part->number,
              run->parts[part->part].topic, (int)run->parts[part->part].index, part->byte_count);
    }
    enum err err = log_append_together(run->log, &mine->group);
    for (size_t i = 0; i < mine->group.count && err != OK; i++)
        mine->parts[i]->fate = REFUSED;
}

static void do_create(struct sim_run *run)
{
    struct log_topic_config config;
    struct log_topic *topic;
    char name[32];
    int32_t partitions = 1 + pick(run, 3);
    if (run->topic_count == TOPICS_MAX || run->part_count + partitions > PARTS_MAX)
        return;
    snprintf(name, sizeof name, "topic%d", run->topic_count);
    log_topic_config_default(&config);
    config.partitions = partitions;
    config.compact = pick(run, 4) == 0;
    config.retention_bytes = pick(run, 3) ? -1 : 20000;
    config.retention_ms = pick(run, 3) ? -1 : 3600 * 1000;
    config.segment_bytes = pick(run, 2) ? 0 : 45000;
    enum err err = log_topic_create(run->log, str_of(name), &config, NULL, &topic);
    trace(run, "topic %s with %d partitions%s: %s", name, (int)partitions,
          config.compact ? ", compact" : "", err_text(err));
    if (err != OK)
        return;
    run->topic_count++;
    for (int32_t i = 0; i < partitions; i++) {
        struct sim_part *part = &run->parts[run->part_count++];
        memcpy(part->topic, name, sizeof name);
        part->index = i;
        part->compact = config.compact;
        part->retained =
            !config.compact && (config.retention_bytes >= 0 || config.retention_ms >= 0);
    }
}

static void do_commit(struct sim_run *run)
{
    int consumer = pick(run, CONSUMERS);
    char group[16];
    snprintf(group, sizeof group, "group %d", consumer);
    int64_t offset = ++run->commits_tried[consumer];
    enum err err =
        log_offset_commit(run->log, str_of(group), STR("t"), consumer, offset, STR("meta"));
    trace(run, "%s commits %lld: %s", group, (long long)offset, err_text(err));
    if (err == OK)
        run->commits[consumer] = offset;
}

static void do_trim(struct sim_run *run)
{
    int index = pick(run, run->part_count);
    struct sim_part *part = &run->parts[index];
    struct log_partition *partition = sim_partition(run, index);
    int64_t start = log_partition_start(partition), end = log_partition_end(partition);
    int64_t offset = start + (int64_t)prng_below(&run->prng, (uint64_t)(end - start) + 1);
    if (part->compact)
        return;
    bool refused = log_health(run->log) == ERR_IO; /* then nothing is tried */
    enum err err = log_partition_trim(partition, offset);
    trace(run, "trim %s-%d to %lld: %s", part->topic, (int)part->index, (long long)offset,
          err_text(err));
    if (!refused)
        part->start_maybe = offset;
    if (log_partition_start(partition) == offset)
        part->start = offset;
}

static void do_something(struct sim_run *run)
{
    int what = pick(run, 100);
    if (run->part_count == 0 || what < 5)
        do_create(run);
    else if (what < 40)
        do_append(run);
    else if (what < 55)
        do_group(run);
    else if (what < 62)
        do_commit(run);
    else if (what < 67)
        do_trim(run);
    else if (what < 70)
        io_sim_advance_ns(run->io, (int64_t)prng_below(&run->prng, 3600) * 1000000000);
    else if (what < 72)
        io_sim_set_disk_bytes(run->io, pick(run, 3) ? 0 : 3 * MEGABYTE / 2);
    else if (what < 74)
        io_sim_faults(run->io, pick(run, 2));
    else
        log_step(run->log);
    /* Retention may have moved starts. */
    for (int i = 0; i < run->part_count; i++) {
        struct log_partition *partition = sim_partition(run, i);
        if (run->parts[i].retained && partition)
            run->parts[i].start = log_partition_start(partition);
    }
}

/* ---- sessions ------------------------------------------------------------------------------ */

/* Returns whether the power was cut meanwhile. */
static bool open_log(struct sim_run *run)
{
    struct log_options options = {.durability = run->durability,
                                  .interval_ms = 50,
                                  .queue_bytes_max = 256 << 10,
                                  .cache_bytes_max = 16 << 10};
    struct diag diag = {0};
    bool cut = false;
    /* The first tries may meet failing disks, and a power cut in the middle of recovery. */
    for (int tries = 0; tries < 3; tries++) {
        io_sim_faults(run->io, tries < 2 && pick(run, 3) == 0);
        diag = (struct diag){0};
        if (log_open(run->io, "data", &options, &diag, &run->log) == OK)
            break;
        run->log = NULL;
        trace(run, "open failed: %s", diag.message);
        if (pick(run, 2)) {
            trace(run, "power cut");
            io_sim_crash(run->io);
            cut = true;
        }
        if (tries < 2)
            io_sim_set_disk_bytes(run->io, 0);
    }
    io_sim_faults(run->io, false);
    if (!run->log)
        sim_fail(run, "the log cannot be opened: %s", diag.message);
    return cut;
}

/* Returns whether the power was cut. */
static bool end_session(struct sim_run *run)
{
    int how = pick(run, 4);
    run->closing = true;
    if (how == 0) {
        trace(run, "close");
        log_close(run->log);
    } else if (how == 1) {
        trace(run, "kill");
        io_sim_kill(run->io);
        log_close(run->log);
    } else {
        trace(run, "power cut");
        io_sim_crash(run->io);
        log_close(run->log);
    }
    run->log = NULL;
    run->closing = false;
    /* A failed sync and an orderly close lose as little as a kill, and no more. */
    return how >= 2;
}

static void run_seed(struct sim_run *run, uint64_t seed)
{
    static const uint32_t chances[] = {0, 0, 200, 2000, 20000};
    run->prng.state = seed;
    struct io_sim_options options = {.seed = seed,
                                     .write_fails = chances[pick(run, 4)],
                                     .write_full = chances[pick(run, 5)],
                                     .sync_fails = chances[pick(run, 4)],
                                     .read_fails = chances[pick(run, 4)]};
    run->io = io_sim_new(&options);
    /* The name of the directory itself is the caller's. */
    io_sim_faults(run->io, false);
    if (io_path_make_directory(run->io, "data") != OK || io_path_sync_directory(run->io, ".") != OK)
        abort();
    run->durability = pick(run, 10) < 7 ? LOG_SYNC : pick(run, 2) ? LOG_INTERVAL : LOG_OS;
    for (int i = 0; i < CONSUMERS; i++)
        run->commits[i] = run->commits_tried[i] = -1;
    bool power_cut = false;
    for (int sessions = 2 + pick(run, SESSIONS_MAX); sessions && !run->failure[0]; sessions--) {
        power_cut |= open_log(run);
        if (run->failure[0])
            break;
        sim_verify(run, power_cut);
        if (run->failure[0])
            break;
        io_sim_faults(run->io, true);
        for (int ops = pick(run, OPS_MAX); ops && !run->failure[0]; ops--)
            do_something(run);
        if (pick(run, 3) == 0) {
            io_sim_faults(run->io, false);
            while (log_step(run->log))
                ;
        }
        power_cut = end_session(run);
        io_sim_set_disk_bytes(run->io, 0);
    }
    if (!run->failure[0]) {
        power_cut |= open_log(run);
        if (!run->failure[0])
            sim_verify(run, power_cut);
    }
    run->closing = true;
    if (run->log)
        log_close(run->log);
    sim_run_deinit(run);
    io_free(run->io);
}

static bool try_seed(uint64_t seed, bool with_trace)
{
    struct sim_run *run = mem_zero(sizeof *run);
    run->trace = with_trace;
    run_seed(run, seed);
    bool good = !run->failure[0];
    if (!good)
        printf("# seed %llu: %s\n", (unsigned long long)seed, run->failure);
    mem_free(run);
    return good;
}

int main(int argc, char **argv)
{
    const char *seed_text = getenv("SIM_SEED"), *seeds_text = getenv("SIM_SEEDS");
    const char *from_text = getenv("SIM_FROM");
    uint64_t from = from_text ? strtoull(from_text, NULL, 10) : 1;
    uint64_t count = seeds_text ? strtoull(seeds_text, NULL, 10) : 300;
    bool with_trace = argc > 1 && strcmp(argv[argc - 1], "--trace") == 0;
    if (seed_text && *seed_text) {
        from = strtoull(seed_text, NULL, 10);
        count = 1;
    }
    if (argc >= 3 && strcmp(argv[1], "--seed") == 0) {
        from = strtoull(argv[2], NULL, 10);
        count = 1;
    } else if (argc >= 4 && strcmp(argv[1], "--seeds") == 0) {
        from = strtoull(argv[2], NULL, 10);
        count = strtoull(argv[3], NULL, 10);
    }
    uint64_t failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (uint64_t seed = from; seed < from + count; seed++)
        failed += !try_seed(seed, with_trace);
    printf("1..1\n%sok 1 - %llu seeds from %llu, %llu failed\n", failed ? "not " : "",
           (unsigned long long)count, (unsigned long long)from, (unsigned long long)failed);
    return failed != 0;
}
