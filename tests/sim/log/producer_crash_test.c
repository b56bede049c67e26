/* SPDX-License-Identifier: MIT */
/*
 * Producers that try again, on the simulated disk: whatever fails, is killed or loses its power,
 * each producer sends what was not acknowledged once more, in order, until it is. In the end every
 * batch is there once, at the offset that it was acknowledged with; readers of committed records
 * never see what is open or was aborted, and see all that was committed; the ends of reads do not
 * go back; offsets committed in a transaction count when, and only when, it was committed.
 *
 *   sim-log-producer --seed N [--trace]       one run
 *   sim-log-producer --seeds FROM COUNT       many
 * Without arguments: SIM_SEED, or SIM_SEEDS runs (200) from SIM_FROM (1).
 */
#include "base/mem.h"
#include "base/prng.h"
#include "io/sim.h"
#include "log/log.h"
#include "log/record_batch.h"

#include <stdio.h>
#include <stdlib.h>

enum { PARTS = 2, PRODUCERS = 5, BATCHES_MAX = 400, TXNS_MAX = 120, IN_FLIGHT = 5 };
enum { OFFSETS_PART = PARTS };

enum fate { UNKNOWN, IN_QUEUE, ACKED };
enum outcome { OPEN, COMMITTING, ABORTING, COMMITTED, ABORTED };

struct txn {
    enum outcome outcome;
    bool touched[PARTS + 1];
    bool marked[PARTS + 1];
    int producer;
    int64_t offset, offset_acked; /* committed for the group of its producer; -1 = none */
};
struct batch {
    struct world *world;
    int part, producer, txn; /* -1 = plain */
    int32_t sequence;
    int records;
    enum fate fate;
    int64_t offset;
};
struct sending {
    struct log_append append;
    struct world *world;
    struct batch *batch; /* NULL: a marker or offsets */
    int part, txn;
    bool marker;
    int64_t offset;
    struct buf bytes;
    struct sending *next;
};
struct producer {
    int txn; /* -1 = none open */
    int32_t next[PARTS];
    bool transactional;
    int64_t group_offset, group_tried;
};
struct world {
    struct io *io;
    struct prng prng;
    struct log *log;
    enum log_durability durability;
    bool sync_each, may_cut, compact, trace;
    struct batch batches[BATCHES_MAX];
    int batch_count;
    struct txn txns[TXNS_MAX];
    int txn_count;
    struct producer producers[PRODUCERS];
    struct sending *sendings;
    int in_queue;
    int64_t end[PARTS], stable[PARTS];
    char failure[400];
};

static void fail_with(struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void fail_with(struct world *w, const char *format, ...)
{
    va_list args;
    if (w->failure[0])
        return;
    va_start(args, format);
    vsnprintf(w->failure, sizeof w->failure, format, args);
    va_end(args);
}

static int pick(struct world *w, int below)
{
    return (int)prng_below(&w->prng, (uint64_t)below);
}

static struct log_partition *partition_of(struct world *w, int part)
{
    struct log_partition *offsets = NULL;
    if (part == OFFSETS_PART)
        return log_offsets_partition(w->log, &offsets) == OK ? offsets : NULL;
    struct log_topic *topic = log_topic_find(w->log, STR("t"));
    return topic ? log_topic_partition(topic, part) : NULL;
}

/* ---- sending ------------------------------------------------------------------------------- */

static void answered(struct log_append *append)
{
    struct sending *s = append->owner;
    struct world *w = s->world;
    struct batch *b = s->batch;
    w->in_queue--;
    if (w->trace)
        printf("# part %d: %s %d: %s at %lld%s\n", s->part, b ? "sequence" : "txn",
               b ? b->sequence : s->txn, err_text(append->err), (long long)append->base_offset,
               append->duplicate ? ", again" : "");
    if (append->err != OK) {
        if (b && b->fate == IN_QUEUE)
            b->fate = UNKNOWN;
        bool fair = append->err == ERR_DISK_FULL || append->err == ERR_IO ||
                    append->err == ERR_CLOSED || append->err == ERR_AGAIN;
        if (!fair)
            fail_with(w, "part %d, sequence %d: %s", s->part, b ? b->sequence : -1,
                      err_text(append->err));
        return;
    }
    if (b && b->fate == ACKED && b->offset != append->base_offset)
        fail_with(w, "part %d, sequence %d was at %lld and is at %lld", s->part, b->sequence,
                  (long long)b->offset, (long long)append->base_offset);
    if (b) {
        b->fate = ACKED;
        b->offset = append->base_offset;
    } else if (s->marker) {
        w->txns[s->txn].marked[s->part] = true;
    } else {
        w->txns[s->txn].offset_acked = s->offset;
    }
}

static bool send(struct world *w, struct sending *s)
{
    struct log_partition *partition = partition_of(w, s->part);
    s->world = w;
    s->append.batches = s->bytes.ptr;
    s->append.bytes = s->bytes.bytes;
    s->append.done = answered;
    s->append.owner = s;
    s->append.control = s->marker;
    s->next = w->sendings;
    w->sendings = s;
    if (!partition || log_append(partition, &s->append) != OK)
        return false;
    w->in_queue++;
    return true;
}

static void send_batch(struct world *w, struct batch *b)
{
    struct record_batch_builder builder;
    struct sending *s = mem_zero(sizeof *s);
    record_batch_builder_init(&builder, CODEC_NONE, 0);
    builder.producer_id = b->producer;
    builder.producer_epoch = 0;
    builder.base_sequence = b->sequence;
    builder.attributes = b->txn >= 0 ? BATCH_TRANSACTIONAL : 0;
    for (int i = 0; i < b->records; i++) {
        char text[64], key[64];
        snprintf(text, sizeof text, "%d", (int)(b - w->batches));
        snprintf(key, sizeof key, "%d-%d", (int)(b - w->batches), i);
        record_batch_builder_add(&builder, io_wall_us(w->io) / 1000, str_of(key), str_of(text),
                                 NULL, 0);
    }
    if (record_batch_builder_finish(&builder, &s->bytes) != OK)
        abort();
    record_batch_builder_deinit(&builder);
    s->batch = b;
    s->part = b->part;
    if (send(w, s) && b->fate != ACKED)
        b->fate = IN_QUEUE;
}

/* What is not acknowledged goes again, in order. True when there was something. */
static bool send_again(struct world *w, int producer, int part)
{
    bool any = false;
    for (int i = 0; i < w->batch_count; i++) {
        struct batch *b = &w->batches[i];
        if (b->producer != producer || b->part != part || b->fate == ACKED)
            continue;
        if (b->fate == IN_QUEUE)
            return true;
        any = true;
        send_batch(w, b);
        if (b->fate != IN_QUEUE)
            break;
    }
    return any;
}

static void do_send(struct world *w)
{
    int producer = pick(w, PRODUCERS), part = pick(w, PARTS);
    struct producer *p = &w->producers[producer];
    int waiting = 0;
    if (w->batch_count == BATCHES_MAX || !partition_of(w, part))
        return;
    for (int i = 0; i < w->batch_count; i++) {
        struct batch *b = &w->batches[i];
        if (b->producer == producer && b->part == part && b->fate == UNKNOWN) {
            send_again(w, producer, part);
            return;
        }
        waiting += b->producer == producer && b->part == part && b->fate == IN_QUEUE;
    }
    if (p->transactional && p->txn < 0) {
        if (w->txn_count == TXNS_MAX)
            return;
        p->txn = w->txn_count++;
        w->txns[p->txn] = (struct txn){.producer = producer, .offset = -1, .offset_acked = -1};
    }
    if (waiting >= IN_FLIGHT || (p->txn >= 0 && w->txns[p->txn].outcome != OPEN))
        return;
    struct batch *b = &w->batches[w->batch_count++];
    *b = (struct batch){.world = w,
                        .part = part,
                        .producer = producer,
                        .txn = p->txn,
                        .sequence = p->next[part],
                        .records = 1 + pick(w, 3)};
    p->next[part] += b->records;
    if (p->txn >= 0)
        w->txns[p->txn].touched[part] = true;
    send_batch(w, b);
}

/* An acknowledged one of the last five comes again: the answer got lost on its way. */
static void do_duplicate(struct world *w)
{
    int producer = pick(w, PRODUCERS), part = pick(w, PARTS), skip = pick(w, IN_FLIGHT);
    for (int i = w->batch_count - 1; i >= 0; i--) {
        struct batch *b = &w->batches[i];
        if (b->producer != producer || b->part != part || skip-- > 0)
            continue;
        if (b->fate == ACKED)
            send_batch(w, b);
        return;
    }
}

static bool settled(const struct world *w, int txn)
{
    for (int i = 0; i < w->batch_count; i++)
        if (w->batches[i].txn == txn && w->batches[i].fate != ACKED)
            return false;
    return true;
}

static void do_commit_offset(struct world *w)
{
    int producer = pick(w, PRODUCERS);
    struct producer *p = &w->producers[producer];
    char group[16];
    if (p->txn < 0 || w->txns[p->txn].outcome != OPEN)
        return;
    snprintf(group, sizeof group, "g%d", producer);
    struct sending *s = mem_zero(sizeof *s);
    struct log_group_offset o = {
        .group = str_of(group), .topic = STR("t"), .offset = ++p->group_tried, .leader_epoch = 0};
    if (log_offset_encode_txn(w->log, &o, 1, producer, 0, &s->bytes) != OK)
        abort();
    s->part = OFFSETS_PART;
    s->txn = p->txn;
    w->txns[p->txn].touched[OFFSETS_PART] = true;
    w->txns[p->txn].offset = s->offset = p->group_tried;
    send(w, s);
}

static void send_marker(struct world *w, int producer, int txn, int part)
{
    struct sending *s = mem_zero(sizeof *s);
    s->marker = true;
    s->part = part;
    s->txn = txn;
    log_marker_encode(producer, 0, w->txns[txn].outcome == COMMITTING, 0, io_wall_us(w->io) / 1000,
                      &s->bytes);
    send(w, s);
}

/* The coordinator: decides once, and sends markers until all are acknowledged. */
static void do_end(struct world *w)
{
    int producer = pick(w, PRODUCERS);
    struct producer *p = &w->producers[producer];
    if (p->txn < 0 || !settled(w, p->txn) || w->in_queue)
        return;
    struct txn *txn = &w->txns[p->txn];
    if (txn->outcome == OPEN)
        txn->outcome = pick(w, 2) ? COMMITTING : ABORTING;
    bool all = true;
    for (int part = 0; part <= PARTS; part++)
        if (txn->touched[part] && !txn->marked[part]) {
            send_marker(w, producer, p->txn, part);
            all = false;
        }
    if (!all)
        return;
    txn->outcome = txn->outcome == COMMITTING ? COMMITTED : ABORTED;
    p->txn = -1;
}

/* ---- judging ------------------------------------------------------------------------------- */

static void check_ends(struct world *w)
{
    for (int part = 0; part < PARTS; part++) {
        struct log_partition *partition = partition_of(w, part);
        int64_t end = partition ? log_partition_end(partition) : 0;
        int64_t stable = partition ? log_partition_stable_end(partition) : 0;
        if (end < w->end[part] || stable < w->stable[part] || stable > end)
            fail_with(w, "part %d: the ends go from %lld, %lld to %lld, %lld", part,
                      (long long)w->end[part], (long long)w->stable[part], (long long)end,
                      (long long)stable);
        w->end[part] = end;
        w->stable[part] = stable;
    }
}

struct seen {
    int times[BATCHES_MAX]; /* records seen of each batch */
    bool aborted[PRODUCERS];
    bool all; /* not only what is committed */
};

static void see_record(struct world *w, int part, const struct record_batch *batch,
                       const struct record *record, struct seen *seen)
{
    int64_t number;
    if (str_to_i64(record->value, &number) != OK || number >= w->batch_count) {
        fail_with(w, "part %d has a strange record at %lld", part, (long long)record->offset);
        return;
    }
    const struct batch *b = &w->batches[number];
    seen->times[number]++;
    if (b->part != part || b->sequence != batch->base_sequence)
        fail_with(w, "part %d has a batch that belongs elsewhere", part);
    if (b->fate == ACKED && batch->base_offset != b->offset)
        fail_with(w, "part %d: sequence %d is at %lld, not at %lld", part, b->sequence,
                  (long long)batch->base_offset, (long long)b->offset);
    if (seen->all || b->txn < 0)
        return;
    enum outcome outcome = w->txns[b->txn].outcome;
    if (outcome != COMMITTING && outcome != COMMITTED)
        fail_with(w, "part %d: the record at %lld is seen and its transaction is not committed",
                  part, (long long)record->offset);
}

static void see_batch(struct world *w, int part, const struct record_batch *batch,
                      struct seen *seen)
{
    struct record_iterator it;
    struct record record;
    if (record_iterator_init(&it, batch, 1 << 20) != OK)
        abort();
    while (record_iterator_next(&it, &record)) {
        if (!(batch->attributes & BATCH_CONTROL)) {
            if (seen->all || !(batch->attributes & BATCH_TRANSACTIONAL) ||
                !seen->aborted[batch->producer_id])
                see_record(w, part, batch, &record, seen);
        } else if (get_be16(record.key.ptr + 2) == 0) {
            seen->aborted[batch->producer_id] = false;
        }
    }
    record_iterator_deinit(&it);
}

static void read_part(struct world *w, int part, struct seen *seen)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct log_partition *partition = partition_of(w, part);
    struct log_read read = {0};
    struct log_aborted *aborted;
    struct arena arena;
    arena_init(&arena, 0);
    int64_t to = seen->all ? log_partition_end(partition) : log_partition_stable_end(partition);
    size_t count = log_aborted(partition, 0, to, &arena, &aborted), next = 0;
    memset(seen->aborted, 0, sizeof seen->aborted);
    while (read.offset_next < to && !w->failure[0]) {
        int64_t at = read.offset_next;
        enum err err = seen->all ? log_read(partition, at, 300, &out, &read)
                                 : log_read_stable(partition, at, 300, &out, &read);
        if (err != OK || read.offset_next <= at)
            fail_with(w, "part %d cannot be read at %lld: %s", part, (long long)at, err_text(err));
    }
    for (size_t at = 0; at < out.bytes && !w->failure[0];) {
        struct record_batch batch;
        if (record_batch_parse(out.ptr + at, out.bytes - at, true, &batch) != OK) {
            fail_with(w, "part %d has a corrupt batch", part);
            break;
        }
        for (; next < count && aborted[next].first_offset <= batch.base_offset; next++)
            seen->aborted[aborted[next].producer_id] = true;
        see_batch(w, part, &batch, seen);
        at += batch.bytes_count;
    }
    arena_deinit(&arena);
}

static void check_content(struct world *w)
{
    struct seen *all = mem_zero(sizeof *all), *committed = mem_zero(sizeof *committed);
    all->all = true;
    for (int part = 0; part < PARTS && !w->failure[0]; part++)
        if (partition_of(w, part)) {
            read_part(w, part, all);
            read_part(w, part, committed);
        }
    for (int i = 0; i < w->batch_count && !w->failure[0]; i++) {
        const struct batch *b = &w->batches[i];
        int most = b->records;
        bool aborted = b->txn >= 0 &&
                       (w->txns[b->txn].outcome == ABORTING || w->txns[b->txn].outcome == ABORTED);
        bool gone = w->compact && aborted && all->times[i] == 0;
        if (all->times[i] > most || (b->fate == ACKED && all->times[i] != most && !gone))
            fail_with(w, "part %d: sequence %d of producer %d is there %d times of %d", b->part,
                      b->sequence, b->producer, all->times[i], most);
        bool must = b->fate == ACKED && b->offset < w->stable[b->part] &&
                    (b->txn < 0 || w->txns[b->txn].outcome == COMMITTED);
        if (must && committed->times[i] != most)
            fail_with(w, "part %d: sequence %d of producer %d is committed and not seen", b->part,
                      b->sequence, b->producer);
    }
    mem_free(all);
    mem_free(committed);
}

/* Those of committed transactions and no others; what is being committed may count already. */
static void check_offsets(struct world *w)
{
    for (int i = 0; i < PRODUCERS && !w->failure[0]; i++) {
        char group[16];
        int64_t least = w->producers[i].group_offset, most = least;
        for (int t = 0; t < w->txn_count; t++) {
            const struct txn *txn = &w->txns[t];
            bool committed = txn->outcome == COMMITTED;
            if (txn->producer != i)
                continue;
            if (committed && txn->offset_acked > least)
                least = txn->offset_acked;
            if ((committed || txn->outcome == COMMITTING) && txn->offset > most)
                most = txn->offset;
        }
        snprintf(group, sizeof group, "g%d", i);
        int64_t offset = log_offset_fetch(w->log, str_of(group), STR("t"), 0);
        if (offset > most || offset < least)
            fail_with(w, "%s is at %lld, not at %lld to %lld", group, (long long)offset,
                      (long long)least, (long long)most);
        w->producers[i].group_offset = offset;
    }
}

/* ---- a run --------------------------------------------------------------------------------- */

static bool make_topic(struct world *w)
{
    struct log_topic_config config;
    struct log_topic *topic;
    struct log_partition *offsets;
    if (!log_topic_find(w->log, STR("t"))) {
        log_topic_config_default(&config);
        config.partitions = PARTS;
        config.retention_ms = -1;
        config.segment_bytes = pick(w, 2) ? 0 : 1500;
        config.sync_each = w->sync_each;
        /* No key comes twice: what goes is what was aborted, and markers. */
        config.compact = w->compact;
        config.dirty_ratio_min = 0.01;
        config.delete_retention_ms = 5000;
        if (log_topic_create(w->log, STR("t"), &config, NULL, &topic) != OK)
            return false;
    }
    return log_offsets_partition(w->log, &offsets) == OK;
}

static void open_log(struct world *w)
{
    struct log_options options = {.durability = w->durability, .interval_ms = 20};
    options.cache_bytes_max = 4000;
    struct diag diag = {0};
    for (int tries = 0; tries < 3; tries++) {
        io_sim_faults(w->io, tries < 2 && pick(w, 3) == 0);
        diag = (struct diag){0};
        if (log_open(w->io, "data", &options, &diag, &w->log) == OK)
            break;
        w->log = NULL;
        if (w->may_cut && pick(w, 2))
            io_sim_crash(w->io);
    }
    io_sim_faults(w->io, false);
    if (!w->log)
        fail_with(w, "cannot be opened: %s", diag.message);
}

static void close_log(struct world *w)
{
    int how = pick(w, 4);
    if (how == 1)
        io_sim_kill(w->io);
    else if (how >= 2 && w->may_cut)
        io_sim_crash(w->io);
    if (w->trace)
        printf("# end of a session, %d\n", how);
    log_close(w->log);
    w->log = NULL;
    for (int i = 0; i < w->batch_count; i++)
        if (w->batches[i].fate == IN_QUEUE)
            w->batches[i].fate = UNKNOWN;
    w->in_queue = 0;
    while (w->sendings) {
        struct sending *s = w->sendings;
        w->sendings = s->next;
        buf_deinit(&s->bytes);
        mem_free(s);
    }
}

static void do_something(struct world *w)
{
    int what = pick(w, 100);
    if (what < 40)
        do_send(w);
    else if (what < 46)
        do_duplicate(w);
    else if (what < 56)
        do_end(w);
    else if (what < 60)
        do_commit_offset(w);
    else if (what < 62)
        io_sim_advance_ns(w->io, (int64_t)pick(w, 8000) * 1000000);
    else if (what < 63)
        io_sim_faults(w->io, pick(w, 2));
    else
        log_step(w->log);
    if (what > 97)
        check_offsets(w);
    check_ends(w);
}

static void session(struct world *w)
{
    open_log(w);
    if (w->failure[0])
        return;
    check_ends(w);
    check_content(w);
    check_offsets(w);
    if (make_topic(w)) {
        io_sim_faults(w->io, true);
        for (int ops = 20 + pick(w, 150); ops && !w->failure[0]; ops--)
            do_something(w);
    }
    close_log(w);
}

static void run_seed(struct world *w, uint64_t seed)
{
    static const uint32_t chances[] = {0, 0, 300, 5000, 20000};
    w->prng.state = seed;
    struct io_sim_options options = {.seed = seed,
                                     .write_fails = chances[pick(w, 4)],
                                     .write_full = chances[pick(w, 5)],
                                     .sync_fails = chances[pick(w, 4)]};
    w->io = io_sim_new(&options);
    io_sim_faults(w->io, false);
    if (io_path_make_directory(w->io, "data") != OK || io_path_sync_directory(w->io, ".") != OK)
        abort();
    w->durability = pick(w, 3) ? LOG_SYNC : pick(w, 2) ? LOG_INTERVAL : LOG_OS;
    /* Offsets have the log's level: a power cut may take those of the lower ones. */
    w->may_cut = w->durability == LOG_SYNC;
    w->sync_each = pick(w, 2);
    w->compact = pick(w, 2);
    for (int i = 0; i < PRODUCERS; i++)
        w->producers[i] = (struct producer){.txn = -1, .transactional = i % 2, .group_offset = -1};
    for (int sessions = 2 + pick(w, 5); sessions && !w->failure[0]; sessions--)
        session(w);
    if (!w->failure[0]) {
        open_log(w);
        if (!w->failure[0]) {
            check_ends(w);
            check_content(w);
            check_offsets(w);
        }
    }
    if (w->log)
        close_log(w);
    io_free(w->io);
}

static bool try_seed(uint64_t seed, bool with_trace)
{
    struct world *w = mem_zero(sizeof *w);
    w->trace = with_trace;
    run_seed(w, seed);
    bool good = !w->failure[0];
    if (!good)
        printf("# seed %llu: %s\n", (unsigned long long)seed, w->failure);
    mem_free(w);
    return good;
}

int main(int argc, char **argv)
{
    const char *one = getenv("SIM_SEED"), *many = getenv("SIM_SEEDS");
    const char *from_text = getenv("SIM_FROM");
    uint64_t from = from_text ? strtoull(from_text, NULL, 10) : 1;
    uint64_t count = many ? strtoull(many, NULL, 10) : 200;
    bool with_trace = argc > 1 && strcmp(argv[argc - 1], "--trace") == 0;
    if (argc >= 3 && strcmp(argv[1], "--seed") == 0)
        one = argv[2];
    if (one && *one) {
        from = strtoull(one, NULL, 10);
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
