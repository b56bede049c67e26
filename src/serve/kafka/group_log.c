/* SPDX-License-Identifier: MIT */
/*
 * Groups in the compacted topic __consumer_offsets, as Kafka writes them there, so that a group
 * with members goes on after a restart as if nothing had been.
 *
 *   key    version i16 = 2, group
 *   value  version i16 = 3, protocol type, generation i32, protocol?, leader?, time of the state
 *          i64 (ms), members i32 and of each: id, instance id?, client id, client host, rebalance
 *          timeout i32, session timeout i32, subscription bytes, assignment bytes
 *
 * Names are i16 length and bytes (? = may be null, length -1), bytes are i32 length and bytes. Of a
 * member's protocols only the selected one is written: it is the one that the group runs with.
 * Older value versions (0: no rebalance timeout; 1: no time; 2: no instance ids) are read too.
 */
#include "serve/kafka/coordinator.h"

#include "base/check.h"

enum { KEY_VERSION = 2, VALUE_VERSION = 3 };

void group_key_encode(struct str group, struct buf *out)
{
    buf_be16(out, KEY_VERSION);
    kafka_put_name(out, group);
}

bool group_key_decode(struct str key, struct str *ret_group)
{
    struct reader r = reader_of(key.ptr, key.bytes);
    if (reader_be16(&r) != KEY_VERSION)
        return false;
    struct str group = kafka_take_name(&r);
    if (r.err != OK || r.left > 0 || !group.ptr)
        return false;
    *ret_group = group;
    return true;
}

static void put_bytes(struct buf *out, struct str bytes)
{
    buf_be32(out, (uint32_t)bytes.bytes);
    buf_str_append(out, bytes);
}

static struct str take_bytes(struct reader *r)
{
    int32_t bytes = (int32_t)reader_be32(r);
    if (bytes < 0) {
        reader_fail(r, ERR_CORRUPT);
        return STR_NONE;
    }
    return reader_str(r, (size_t)bytes);
}

void group_value_encode(const struct group *group, struct buf *out)
{
    buf_be16(out, VALUE_VERSION);
    kafka_put_name(out, group->protocol_type.ptr ? group->protocol_type : STR(""));
    buf_be32(out, (uint32_t)group->generation);
    kafka_put_name(out, group->protocol);
    kafka_put_name(out, group->leader);
    buf_be64(out, (uint64_t)group->state_ms);
    buf_be32(out, (uint32_t)group->member_count);
    for (size_t i = 0; i < group->member_count; i++) {
        const struct group_member *member = group->members[i];
        kafka_put_name(out, member->id);
        kafka_put_name(out, member->instance_id);
        kafka_put_name(out, member->client_id);
        kafka_put_name(out, member->client_host);
        buf_be32(out, (uint32_t)member->rebalance_timeout_ms);
        buf_be32(out, (uint32_t)member->session_timeout_ms);
        put_bytes(out, group_metadata(group, member));
        put_bytes(out, member->assignment);
    }
}

static void take_member(struct reader *r, uint16_t version, struct str protocol,
                        struct group *group, int64_t now_ms)
{
    struct group_member member = {.id = kafka_take_name(r)};
    if (version >= 3)
        member.instance_id = kafka_take_name(r);
    member.client_id = kafka_take_name(r);
    member.client_host = kafka_take_name(r);
    if (version >= 1)
        member.rebalance_timeout_ms = (int32_t)reader_be32(r);
    member.session_timeout_ms = (int32_t)reader_be32(r);
    if (version == 0)
        member.rebalance_timeout_ms = member.session_timeout_ms;
    struct group_protocol only = {.name = protocol, .metadata = take_bytes(r)};
    member.assignment = take_bytes(r);
    if (!member.id.ptr || !member.client_id.ptr || !member.client_host.ptr)
        reader_fail(r, ERR_CORRUPT);
    if (r->err != OK)
        return;
    member.protocols = &only;
    member.protocol_count = protocol.ptr ? 1 : 0;
    group_restore(group, &member, now_ms);
}

enum err group_value_decode(struct str value, struct group *group, int64_t now_ms)
{
    struct reader r = reader_of(value.ptr, value.bytes);
    uint16_t version = reader_be16(&r);
    if (r.err == OK && version > VALUE_VERSION)
        return ERR_UNSUPPORTED;
    struct str protocol_type = kafka_take_name(&r);
    int32_t generation = (int32_t)reader_be32(&r);
    struct str protocol = kafka_take_name(&r);
    struct str leader = kafka_take_name(&r);
    int64_t state_ms = version >= 2 ? (int64_t)reader_be64(&r) : -1;
    int32_t members = (int32_t)reader_be32(&r);
    if (members > 0 && !protocol.ptr)
        reader_fail(&r, ERR_CORRUPT);
    for (int32_t i = 0; i < members && r.err == OK; i++)
        take_member(&r, version, protocol, group, now_ms);
    TRY(r.err);
    if (protocol_type.ptr && protocol_type.bytes == 0)
        protocol_type = STR_NONE;
    group_restored(group, generation, protocol_type, protocol, leader, state_ms);
    return OK;
}
