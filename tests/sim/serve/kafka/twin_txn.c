/* SPDX-License-Identifier: MIT */
/*
 * Transactions of the twin: who owns a transactional id, which transactions may be visible, and
 * what the slots of a partition say when all of them are known.
 */
#include "twin.h"

#include "base/mem.h"

int twin_txn_begin(struct world *w, int id, int64_t producer_id, int16_t epoch)
{
    struct twin *twin = w->twin;
    twin->txns = twin_grow(twin->txns, twin->txn_count, &twin->txn_room, sizeof *twin->txns);
    twin->txns[twin->txn_count] =
        (struct twin_txn){.id = id, .producer_id = producer_id, .epoch = epoch};
    return twin->txn_count++;
}

void twin_owner(struct world *w, int id, int64_t producer_id, int16_t epoch, uint64_t sent)
{
    struct twin_id *own = &w->twin->ids[id];
    /* Answers overtake each other: the newest epoch is the newest owner. */
    bool newer = own->newest.producer_id != producer_id || epoch > own->newest.epoch;
    if (own->newest.producer_id == producer_id && epoch <= own->newest.epoch &&
        sent > own->newest.order)
        seed_fail(w->run, "id %d: epoch %d was given out again", id, epoch);
    if (!newer)
        return;
    own->newest.producer_id = producer_id;
    own->newest.epoch = epoch;
    own->newest.order = w->order;
}

void twin_check_owner(struct world *w, const struct twin_txn *txn, uint64_t sent, const char *what)
{
    const struct twin_id *own = &w->twin->ids[txn->id];
    bool older = own->newest.producer_id != txn->producer_id || own->newest.epoch > txn->epoch;
    if (older && own->newest.order < sent)
        seed_fail(w->run, "id %d: %s of epoch %d was accepted after epoch %d was given out",
                  txn->id, what, txn->epoch, own->newest.epoch);
}

void twin_txn_visible(struct world *w, int number, const char *where)
{
    struct twin_txn *txn = &w->twin->txns[number];
    if (txn->outcome == TXN_COMMITTING) {
        seed_trace(w->run, "txn %d turns out to be committed", number);
        txn->outcome = TXN_COMMITTED;
    }
    if (txn->outcome != TXN_COMMITTED)
        seed_fail(w->run, "%s: a record of transaction %d is visible, which is %s", where, number,
                  txn->outcome == TXN_OPEN ? "open" : "aborted");
}

void twin_txn_hidden(struct world *w, int number, uint64_t sent, const char *where)
{
    struct twin_txn *txn = &w->twin->txns[number];
    (void)sent;
    reached(w, MARK_HIDDEN);
    if (txn->outcome == TXN_COMMITTED)
        seed_fail(w->run, "%s: a record of transaction %d is hidden, which is committed", where,
                  number);
    if (txn->outcome == TXN_COMMITTING || txn->outcome == TXN_OPEN)
        txn->outcome = TXN_ABORTED;
}

void twin_txns_forget(struct world *w)
{
    for (int i = 0; i < w->twin->txn_count; i++) {
        struct twin_txn *txn = &w->twin->txns[i];
        txn->end_order = 0;
        if (txn->outcome == TXN_COMMITTED)
            txn->outcome = TXN_COMMITTING;
    }
    for (int i = 0; i < TXN_IDS; i++)
        w->twin->ids[i].newest.producer_id = -1;
}

int twin_marker_of(const struct world *w, const struct twin_part *part, int64_t offset, int64_t end)
{
    int64_t producer_id = part->slots[offset].producer_id;
    for (int64_t at = offset + 1; at < end; at++)
        if (part->slots[at].batch <= SLOT_COMMIT && part->slots[at].producer_id == producer_id &&
            twin_is_there(w, part, at))
            return part->slots[at].batch;
    return SLOT_UNKNOWN;
}

static int txn_at(const struct world *w, const struct twin_part *part, int64_t offset)
{
    int batch = part->slots[offset].batch;
    return batch >= 0 ? w->twin->batches[batch].txn : -1;
}

int64_t twin_stable_end(const struct world *w, const struct twin_part *part, int64_t end)
{
    for (int64_t at = part->start; at < end; at++)
        if (txn_at(w, part, at) >= 0 && twin_is_there(w, part, at) &&
            twin_marker_of(w, part, at, end) == SLOT_UNKNOWN)
            return at;
    return end;
}

bool twin_may_be_open(const struct world *w, const struct twin_part *part, int64_t end)
{
    for (int64_t at = 0; at < part->start && at < part->count; at++)
        if (txn_at(w, part, at) >= 0 && twin_marker_of(w, part, at, end) == SLOT_UNKNOWN)
            return true;
    for (int i = 0; i < w->twin->batch_count; i++) {
        const struct twin_batch *batch = &w->twin->batches[i];
        if (batch->part == part && batch->txn >= 0 && batch->sends && batch->offset < 0 &&
            !w->twin->txns[batch->txn].end_order)
            return true;
    }
    return false;
}

/* The batch of that producer before this one, in the partition. */
static const struct twin_batch *batch_before(const struct world *w, const struct twin_part *part,
                                             int64_t start, int64_t offset)
{
    int64_t producer_id = part->slots[offset].producer_id;
    for (int64_t at = offset - 1; at >= start; at--)
        if (part->slots[at].producer_id == producer_id && part->slots[at].batch >= 0)
            return &w->twin->batches[part->slots[at].batch];
    return NULL;
}

static void check_sequence(struct world *w, const struct twin_part *part, int64_t start,
                           int64_t offset)
{
    const struct twin_batch *batch = &w->twin->batches[part->slots[offset].batch];
    const struct twin_batch *before = batch_before(w, part, start, offset);
    if (batch->producer_id < 0 || !before)
        return;
    int32_t expected = batch->epoch == before->epoch ? before->sequence + before->records : 0;
    bool holes = twin_is_compacted(w, part); /* of batches that nobody saw before they went */
    if (batch->epoch < before->epoch ||
        (holes ? batch->sequence < expected : batch->sequence != expected))
        seed_fail(w->run, "%s: at %lld comes sequence %d of epoch %d, after %d of epoch %d",
                  part_name(w, part), (long long)offset, batch->sequence, batch->epoch,
                  before->sequence + before->records - 1, before->epoch);
}

static void check_txn(struct world *w, const struct twin_part *part, int64_t offset, int64_t end)
{
    int number = txn_at(w, part, offset);
    if (number < 0)
        return;
    const struct twin_txn *txn = &w->twin->txns[number];
    int marker = twin_marker_of(w, part, offset, end);
    if (marker == SLOT_COMMIT)
        twin_txn_visible(w, number, part_name(w, part));
    else if (marker == SLOT_ABORT)
        twin_txn_hidden(w, number, UINT64_MAX, part_name(w, part));
    else if (txn->end_order)
        seed_fail(w->run, "%s: transaction %d was ended and is open at %lld", part_name(w, part),
                  number, (long long)offset);
    else
        reached(w, MARK_OPEN_AT_AUDIT);
}

void twin_check_part(struct world *w, struct twin_part *part, int64_t start, int64_t end)
{
    for (int64_t at = start; at < end && !failed(w); at++) {
        const struct twin_slot *slot = &part->slots[at];
        if (!twin_is_there(w, part, at))
            continue;
        if (slot->batch == SLOT_UNKNOWN) {
            seed_fail(w->run, "%s: offset %lld is nowhere", part_name(w, part), (long long)at);
        } else if (slot->batch >= 0) {
            if (slot->record == 0)
                check_sequence(w, part, start, at);
            check_txn(w, part, at, end);
        }
    }
    for (int i = 0; i < w->twin->batch_count && !failed(w); i++) {
        const struct twin_batch *batch = &w->twin->batches[i];
        if (batch->part == part && batch->acked && batch->offset + batch->records > end)
            seed_fail(w->run, "%s: the acknowledged batch %d at %lld is gone", part_name(w, part),
                      i, (long long)batch->offset);
    }
}
