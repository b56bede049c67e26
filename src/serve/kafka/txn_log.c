/* SPDX-License-Identifier: MIT */
/*
 * Transactional ids in the compacted topic __transaction_state, as Kafka writes them there.
 *
 *   key    version i16 = 0, transactional id
 *   value  version i16 = 0, producer id i64, epoch i16, timeout i32 (ms), state i8, topics i32 (-1
 *          in an empty transaction) and of each: name, partitions i32, their numbers i32; time of
 *          the last change i64 (ms), time of the start i64 (-1 = none)
 *
 * and one record of our own among them, whose key version Kafka's readers pass over: how far
 * producer ids are given out. Ids are taken in blocks; what is left of a block at the end of the
 * process is not used.
 *
 *   key    version i16 = 30000
 *   value  version i16 = 0, next i64
 */
#include "serve/kafka/coordinator.h"

enum { KEY_VERSION = 0, VALUE_VERSION = 0, IDS_KEY_VERSION = 30000 };

void txn_key_encode(struct str id, struct buf *out)
{
    buf_be16(out, KEY_VERSION);
    kafka_put_name(out, id);
}

bool txn_key_decode(struct str key, struct str *ret_id)
{
    struct reader r = reader_of(key.ptr, key.bytes);
    if (reader_be16(&r) != KEY_VERSION)
        return false;
    struct str id = kafka_take_name(&r);
    if (r.err != OK || r.left > 0 || !id.ptr)
        return false;
    *ret_id = id;
    return true;
}

/* Partitions of one topic stand together; the topic is where its first partition is. */
static bool is_first_of_topic(const struct txn *txn, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (str_equal(txn->partitions[i].topic, txn->partitions[at].topic))
            return false;
    return true;
}

static void put_partitions(const struct txn *txn, size_t count, struct buf *out)
{
    size_t topics_at = out->bytes;
    uint32_t topics = 0;
    buf_be32(out, 0);
    for (size_t i = 0; i < count; i++) {
        if (!is_first_of_topic(txn, i))
            continue;
        uint32_t partitions = 0;
        topics++;
        kafka_put_name(out, txn->partitions[i].topic);
        size_t at = out->bytes;
        buf_be32(out, 0);
        for (size_t j = i; j < count; j++) {
            if (!str_equal(txn->partitions[j].topic, txn->partitions[i].topic))
                continue;
            partitions++;
            buf_be32(out, (uint32_t)txn->partitions[j].partition);
        }
        if (buf_error(out) == OK)
            buf_patch_be32(out, at, partitions);
    }
    if (buf_error(out) == OK)
        buf_patch_be32(out, topics_at, topics);
}

void txn_value_encode(const struct txn *txn, struct buf *out)
{
    const struct txn_data *data = txn->pending ? &txn->plan : &txn->data;
    buf_be16(out, VALUE_VERSION);
    buf_be64(out, (uint64_t)data->producer_id);
    buf_be16(out, (uint16_t)data->epoch);
    buf_be32(out, (uint32_t)data->timeout_ms);
    buf_u8(out, (uint8_t)data->state);
    if (data->state == TXN_EMPTY)
        buf_be32(out, UINT32_MAX);
    else
        put_partitions(txn, txn->pending ? txn->plan_partitions : txn->partition_count, out);
    buf_be64(out, (uint64_t)data->update_ms);
    buf_be64(out, (uint64_t)data->start_ms);
}

static enum err take_partitions(struct reader *r, struct txn *txn, const struct txn_data *data)
{
    struct txn_partition *partitions = NULL;
    size_t count = 0, room = 0;
    for (int32_t topics = (int32_t)reader_be32(r); topics > 0 && r->err == OK; topics--) {
        struct str topic = kafka_take_name(r);
        int32_t left = (int32_t)reader_be32(r);
        for (; left > 0 && r->err == OK; left--) {
            if (count == room) {
                room = room ? room * 2 : 8;
                partitions = mem_realloc_array(partitions, room, sizeof *partitions);
            }
            partitions[count++] = (struct txn_partition){topic, (int32_t)reader_be32(r)};
        }
        if (!topic.ptr)
            reader_fail(r, ERR_CORRUPT);
    }
    struct txn_data whole = *data;
    whole.update_ms = (int64_t)reader_be64(r);
    whole.start_ms = (int64_t)reader_be64(r);
    if (r->err == OK)
        txn_restore(txn, &whole, partitions, count);
    mem_free(partitions);
    return r->err;
}

enum err txn_value_decode(struct str value, struct txn *txn)
{
    struct reader r = reader_of(value.ptr, value.bytes);
    struct txn_data data = {.epoch_last = -1, .producer_id_last = -1};
    uint16_t version = reader_be16(&r);
    if (r.err == OK && version != VALUE_VERSION)
        return ERR_UNSUPPORTED;
    data.producer_id = (int64_t)reader_be64(&r);
    data.epoch = (int16_t)reader_be16(&r);
    data.timeout_ms = (int32_t)reader_be32(&r);
    uint8_t state = reader_u8(&r);
    if (state >= TXN_STATES)
        reader_fail(&r, ERR_CORRUPT);
    data.state = (enum txn_state)state;
    return take_partitions(&r, txn, &data);
}

void txn_ids_encode(int64_t next, struct buf *key, struct buf *value)
{
    buf_be16(key, IDS_KEY_VERSION);
    buf_be16(value, VALUE_VERSION);
    buf_be64(value, (uint64_t)next);
}

bool txn_ids_decode(const struct record *record, int64_t *ret_next)
{
    struct reader key = reader_of(record->key.ptr, record->key.bytes);
    struct reader value = reader_of(record->value.ptr, record->value.bytes);
    if (reader_be16(&key) != IDS_KEY_VERSION || key.left > 0)
        return false;
    uint16_t version = reader_be16(&value);
    int64_t next = (int64_t)reader_be64(&value);
    if (value.err != OK || version != VALUE_VERSION)
        return false;
    *ret_next = next;
    return true;
}
