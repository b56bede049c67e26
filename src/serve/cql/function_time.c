/* SPDX-License-Identifier: MIT */
/*
 * Functions of time: now and its kin, and what goes between dates, timestamps, timeuuids and
 * milliseconds. The clock is read once a statement: all calls of one row see the same time, but for
 * now() and uuid(), which are never the same twice.
 */
#include "base/endian.h"
#include "io/io.h"
#include "serve/cql/function.h"

#define MS_PER_DAY 86400000LL
#define TICKS_OF_1970 0x01B21DD213814000LL

static struct str uuid_value(struct expr_run *run, const uint8_t bytes[16])
{
    char *copy = arena_alloc(run->arena, 16);
    memcpy(copy, bytes, 16);
    return str_from(copy, 16);
}

static struct str date_value(struct expr_run *run, int64_t unix_ms)
{
    int64_t day = unix_ms / MS_PER_DAY - (unix_ms % MS_PER_DAY < 0);
    return value_of_i32(run->arena, (int32_t)(uint32_t)(day + 0x80000000LL));
}

static enum err call_now(struct expr_run *run, const struct expr *x, const struct str *args,
                         struct str *ret)
{
    (void)x;
    (void)args;
    uint8_t bytes[16];
    executor_timeuuid(run->executor, bytes);
    *ret = uuid_value(run, bytes);
    return OK;
}

static enum err call_uuid(struct expr_run *run, const struct expr *x, const struct str *args,
                          struct str *ret)
{
    (void)x;
    (void)args;
    uint8_t bytes[16];
    io_random(run->executor->io, bytes, sizeof bytes);
    bytes[6] = (uint8_t)((bytes[6] & 0x0F) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3F) | 0x80);
    *ret = uuid_value(run, bytes);
    return OK;
}

static enum err call_current(struct expr_run *run, const struct expr *x, const struct str *args,
                             struct str *ret)
{
    (void)args;
    int64_t ms = run->now_us / 1000;
    if (x->type->kind == CQL_DATE)
        *ret = date_value(run, ms);
    else if (x->type->kind == CQL_TIME)
        *ret = value_of_i64(run->arena, run->now_us % (MS_PER_DAY * 1000) * 1000);
    else
        *ret = value_of_i64(run->arena, ms);
    return OK;
}

static int64_t unix_ms_of(const struct cql_type *type, struct str value)
{
    if (type->kind == CQL_TIMEUUID && value.bytes == 16)
        return cql_timeuuid_unix_ms((const uint8_t *)value.ptr);
    if (value.bytes == 4) /* a date, or an int that is taken as one */
        return ((int64_t)get_be32(value.ptr) - 0x80000000LL) * MS_PER_DAY;
    return value.bytes == 8 ? (int64_t)get_be64(value.ptr) : 0;
}

static enum err call_convert(struct expr_run *run, const struct expr *x, const struct str *args,
                             struct str *ret)
{
    *ret = STR_NONE;
    if (args[0].bytes == 0)
        return OK;
    int64_t ms = unix_ms_of(x->items[0]->type, args[0]);
    *ret = x->type->kind == CQL_DATE ? date_value(run, ms) : value_of_i64(run->arena, ms);
    return OK;
}

void min_timeuuid(int64_t unix_ms, bool max, uint8_t ret_uuid[16])
{
    uint64_t ticks = (uint64_t)(unix_ms * 10000 + TICKS_OF_1970 + (max ? 9999 : 0));
    put_be32(ret_uuid, (uint32_t)ticks);
    put_be16(ret_uuid + 4, (uint16_t)(ticks >> 32));
    put_be16(ret_uuid + 6, (uint16_t)((ticks >> 48 & 0x0FFF) | 0x1000));
    memset(ret_uuid + 8, max ? 0x7F : 0x80, 8);
}

static enum err call_edge(struct expr_run *run, const struct expr *x, const struct str *args,
                          struct str *ret)
{
    uint8_t bytes[16];
    *ret = STR_NONE;
    if (args[0].bytes != 8)
        return OK;
    min_timeuuid((int64_t)get_be64(args[0].ptr), x->function->name[1] == 'a', bytes);
    *ret = uuid_value(run, bytes);
    return OK;
}

const struct cql_function functions_time[] = {
    {"now", NULL, 0, {0}, CQL_TIMEUUID, false, false, call_now},
    {"uuid", NULL, 0, {0}, CQL_UUID, false, false, call_uuid},
    {"current_timeuuid", "currenttimeuuid", 0, {0}, CQL_TIMEUUID, false, false, call_now},
    {"current_timestamp", "currenttimestamp", 0, {0}, CQL_TIMESTAMP, false, false, call_current},
    {"current_date", "currentdate", 0, {0}, CQL_DATE, false, false, call_current},
    {"current_time", "currenttime", 0, {0}, CQL_TIME, false, false, call_current},
    {"min_timeuuid", "mintimeuuid", 1, {CQL_TIMESTAMP}, CQL_TIMEUUID, false, false, call_edge},
    {"max_timeuuid", "maxtimeuuid", 1, {CQL_TIMESTAMP}, CQL_TIMEUUID, false, false, call_edge},
    {"to_date", "todate", 1, {CQL_TIMEUUID}, CQL_DATE, false, false, call_convert},
    {"to_date", "todate", 1, {CQL_TIMESTAMP}, CQL_DATE, false, false, call_convert},
    {"to_timestamp", "totimestamp", 1, {CQL_TIMEUUID}, CQL_TIMESTAMP, false, false, call_convert},
    {"to_timestamp", "totimestamp", 1, {CQL_DATE}, CQL_TIMESTAMP, false, false, call_convert},
    {"to_unix_timestamp",
     "tounixtimestamp",
     1,
     {CQL_TIMEUUID},
     CQL_BIGINT,
     false,
     false,
     call_convert},
    {"to_unix_timestamp",
     "tounixtimestamp",
     1,
     {CQL_TIMESTAMP},
     CQL_BIGINT,
     false,
     false,
     call_convert},
    {"to_unix_timestamp", "tounixtimestamp", 1, {CQL_DATE}, CQL_BIGINT, false, false, call_convert},
    {"dateof", NULL, 1, {CQL_TIMEUUID}, CQL_TIMESTAMP, false, false, call_convert},
    {"unixtimestampof", NULL, 1, {CQL_TIMEUUID}, CQL_BIGINT, false, false, call_convert},
    {0},
};
