/* SPDX-License-Identifier: MIT */
/*
 * Fetches whose records are on the disk and not in memory.
 *
 * The loop reads and sends files itself, which is fastest while the system has their pages. For a
 * consumer that is far behind it would wait for the disk, and everybody else with it. So before a
 * pass over the ready parts, those whose read would wait are handed to a worker that warms their
 * ranges; the pass comes after it. An answer that needed this carries WARM_BYTES_MAX at most, so
 * that several such consumers take turns.
 *
 * The worker gets partitions and offsets, never parts: a client that comes back or goes away ends
 * the call meanwhile, which is pinned until the worker is done with it.
 *
 * Invariants: 1. While `warming` no pass is made. 2. A pass after warming ends at warm_last, if not
 * all ready parts were looked at.
 */
#include "serve/kafka/fetch.h"

enum { WARM_BYTES_MAX = 8 << 20, RANGES_MAX = 64 };

struct fetch_warm {
    struct io_job job;
    struct kafka_fetch_out *fetch;
    size_t count;
    struct range {
        struct log_partition *partition;
        int64_t offset;
        size_t bytes;
    } ranges[RANGES_MAX];
};

static void warm_run(struct io_job *job)
{
    const struct fetch_warm *warm = job->owner;
    for (size_t i = 0; i < warm->count; i++)
        log_read_warm(warm->ranges[i].partition, warm->ranges[i].offset, warm->ranges[i].bytes);
}

static void warm_done(struct io_job *job)
{
    const struct fetch_warm *warm = job->owner;
    struct kafka_fetch_out *fetch = warm->fetch;
    struct kafka_call *call = fetch->call;
    fetch->warming = false;
    fetch->warmed = true;
    if (!fetch->finished)
        fetch_run(fetch);
    kafka_call_unpin(call);
}

/* What the part would be read for: 0 = it would not. */
static size_t wanted(const struct kafka_fetch_out *fetch, const struct fetch_part *part,
                     int64_t *ret_offset)
{
    const struct fetch_result *result = part->result;
    size_t left = fetch->bytes_max > fetch->bytes ? fetch->bytes_max - fetch->bytes : 0;
    size_t mine = part->bytes_max > 0 ? (size_t)part->bytes_max : 0;
    if (!part->partition || (result && (result->code || result->diverging || result->full)))
        return 0;
    *ret_offset = result && result->read_done ? result->read.offset_next : part->offset;
    if (result)
        mine = mine > result->bytes ? mine - result->bytes : 0;
    mine = mine < left ? mine : left;
    mine = mine < WARM_BYTES_MAX ? mine : WARM_BYTES_MAX;
    return mine ? mine : 1; /* the first batch is given whatever the limit */
}

/* The worker is made when the first one needs it. */
static struct io_worker *disk_reader(struct kafka_broker *broker)
{
    if (!broker->reader && io_worker_new(broker->loop, "kafka-read", &broker->reader) != OK)
        return NULL;
    return broker->reader;
}

bool fetch_warm_start(struct kafka_fetch_out *fetch)
{
    struct kafka_call *call = fetch->call;
    struct fetch_warm *warm = NULL;
    size_t planned = 0;
    fetch->warm_last = NULL;
    for (struct fetch_part *part = fetch->set->ready; part; part = part->next) {
        int64_t offset;
        size_t bytes = wanted(fetch, part, &offset);
        if (bytes == 0 || !log_read_waits(part->partition, offset, bytes))
            continue;
        if (!warm) {
            if (!disk_reader(call->broker))
                return false;
            warm = arena_zero(&call->arena, sizeof *warm);
        }
        warm->ranges[warm->count++] = (struct range){part->partition, offset, bytes};
        planned += bytes;
        if (part->next && (planned >= WARM_BYTES_MAX || warm->count == RANGES_MAX)) {
            fetch->warm_last = part;
            break;
        }
    }
    if (!warm)
        return false;
    if (fetch->bytes_max > fetch->bytes + WARM_BYTES_MAX)
        fetch->bytes_max = fetch->bytes + WARM_BYTES_MAX;
    warm->fetch = fetch;
    warm->job = (struct io_job){.run = warm_run, .done = warm_done, .owner = warm};
    fetch->warming = true;
    call->broker->sessions->cold_reads++;
    kafka_call_pin(call);
    io_worker_do(call->broker->reader, &warm->job);
    return true;
}

uint64_t kafka_cold_reads(const struct kafka_broker *broker)
{
    return broker->sessions->cold_reads;
}
