/* SPDX-License-Identifier: MIT */
/*
 * Where the rows of a SELECT come from: slices of partitions, a range of tokens, an index, or a
 * system table; and the state of paging, which says where to go on.
 *
 * State: u8 version 2, i64 limit left, i64 limit of the partition left, u32 number of the key, u32
 * number of the slice, bytes of the partition's key with their length as u32, then the store's own
 * position. It holds after a restart: keys are sorted the same way again, and the store's position
 * names a row.
 *
 * Invariants: 1. a row is given once, in the order that the statement asks for. 2. the first row
 * behind a resume that is of the same partition does not begin it.
 */
#include "serve/cql/index_read.h"
#include "serve/cql/select_run.h"

#include "base/endian.h"
#include "base/hash.h"
#include "base/reader.h"

enum { STATE_VERSION = 2, STATE_OF_ENTRIES = 3 };

/* ---- values of a row ---- */

void row_values(struct arena *arena, const struct cql_table *table, const uint32_t *by_storage,
                const struct table_row *row, struct str *values)
{
    uint32_t keys = table->partition_count + table->clustering_count;
    for (uint32_t i = 0; i < table->partition_count; i++)
        values[i] = row->partition[i];
    for (uint32_t i = 0; i < table->clustering_count; i++)
        values[table->partition_count + i] = row->clustering ? row->clustering[i] : STR_NONE;
    for (uint32_t i = keys; i < table->column_count; i++)
        values[i] = STR_NONE;
    const struct table_found *lists[2] = {row->statics, row->cells};
    uint32_t counts[2] = {row->static_count, row->cell_count};
    for (size_t l = 0; l < 2; l++) {
        const struct table_found *cells = lists[l];
        for (uint32_t i = 0; i < counts[l];) {
            uint32_t column = by_storage[cells[i].column], n = 1;
            while (i + n < counts[l] && cells[i + n].column == cells[i].column)
                n++;
            if (column == UINT32_MAX) {
                i += n;
                continue;
            }
            if (cells[i].path.ptr)
                values[column] = expr_assemble(arena, table->columns[column].type, &cells[i], n);
            else
                values[column] = cells[i].value;
            i += n;
        }
    }
}

/* ---- partitions ---- */

static void partition_bytes(const struct cql_table *table, const struct str *values,
                            struct buf *out)
{
    for (uint32_t i = 0; i < table->partition_count; i++) {
        buf_be32(out, (uint32_t)values[i].bytes);
        buf_str_append(out, values[i]);
    }
}

/* Notes the partition of the row; false when the last row was of the same one. */
static bool partition_changes(struct select_run *s)
{
    buf_reset(&s->partition_next);
    partition_bytes(s->plan->table, s->values, &s->partition_next);
    bool same = str_equal(buf_str(&s->partition_next), buf_str(&s->partition));
    struct buf swap = s->partition;
    s->partition = s->partition_next;
    s->partition_next = swap;
    return !same;
}

/* ---- the table ---- */

static size_t turned(const struct select_run *s, size_t index, size_t count)
{
    return s->plan->reversed ? count - 1 - index : index;
}

static enum err open_read(struct select_run *s)
{
    const struct select_plan *p = s->plan;
    struct table_read_options options = {.columns = p->wanted,
                                         .reverse = p->reversed,
                                         .resume = s->resume,
                                         .statics_alone = p->statics_alone,
                                         .now_s = s->eval.now_us / 1000000};
    if (p->where.key_range) {
        options.token_from = s->token_from;
        options.token_to = s->token_to;
    } else {
        const struct slice *slice = &s->slices[turned(s, s->slice_index, s->slice_count)];
        options.partition = s->keys[s->key_index];
        options.from = slice->from;
        options.to = slice->to;
    }
    return table_read_open(p->table->table, &options, &s->read);
}

/* Goes to the next slice or key; false when there is none. */
static bool advance(struct select_run *s, bool next_key)
{
    s->resume = STR_NONE;
    if (s->plan->where.key_range)
        return false;
    if (!next_key && ++s->slice_index < s->slice_count)
        return true;
    s->slice_index = 0;
    return ++s->key_index < s->key_count;
}

static enum err next_of_table(struct select_run *s, bool *ret_there, bool *ret_begins)
{
    const struct table_row *row = NULL;
    *ret_there = false;
    while (!s->ended) {
        if (!s->read)
            TRY(open_read(s));
        TRY(table_read_next(s->read, &row));
        if (row)
            break;
        table_read_close(s->read);
        s->read = NULL;
        s->ended = !advance(s, false);
    }
    if (!row)
        return OK;
    *ret_there = true;
    row_values(&s->scratch, s->plan->table, s->plan->by_storage, row, s->values);
    s->eval.row = row;
    /* Between slices and behind a resume the read does not know what was before it. */
    *ret_begins = row->partition_begins && partition_changes(s);
    return OK;
}

/* ---- system tables ---- */

struct system_fill {
    struct cql_virtual_rows rows;
    struct select_run *s;
};

static void take_system_row(struct cql_virtual_rows *rows, const struct str *values)
{
    struct select_run *s = rows->owner;
    uint32_t count = s->plan->table->column_count;
    if (s->system_count == s->system_room) {
        size_t room = s->system_room ? s->system_room * 2 : 32;
        struct str **more = arena_array(s->run->arena, room, sizeof *more);
        if (s->system_count)
            memcpy(more, s->system_rows, s->system_count * sizeof *more);
        s->system_rows = more;
        s->system_room = room;
    }
    struct str *row = arena_array(s->run->arena, count, sizeof *row);
    memcpy(row, values, count * sizeof *row);
    s->system_rows[s->system_count++] = row;
}

enum err select_open_system(struct select_run *s)
{
    struct cql_virtual_rows rows = {.row = take_system_row, .owner = s, .arena = s->run->arena};
    const struct cql_table *table = s->plan->table;
    if (table->fill)
        table->fill(table->catalog, &rows);
    return OK;
}

static enum err next_of_system(struct select_run *s, bool *ret_there, bool *ret_begins)
{
    const struct cql_table *table = s->plan->table;
    *ret_there = false;
    while (s->system_index < s->system_count) {
        size_t at = turned(s, s->system_index++, s->system_count);
        memcpy(s->values, s->system_rows[at], table->column_count * sizeof *s->values);
        int64_t token = hash_token(s->values[0].ptr, s->values[0].bytes);
        if (table->partition_count == 1 && (token < s->token_from || token > s->token_to))
            continue;
        s->eval.row = NULL;
        *ret_there = true;
        *ret_begins = partition_changes(s);
        return OK;
    }
    return OK;
}

/* ---- an index ---- */

static enum err next_of_index(struct select_run *s, bool *ret_there, bool *ret_begins)
{
    const struct table_row *row;
    TRY(index_read_next(s->entries, &row));
    *ret_there = row != NULL;
    if (!row)
        return OK;
    row_values(&s->scratch, s->plan->table, s->plan->by_storage, row, s->values);
    s->eval.row = row;
    *ret_begins = partition_changes(s);
    return OK;
}

enum err select_next(struct select_run *s, bool *ret_there, bool *ret_begins)
{
    arena_reset(&s->scratch);
    if (!s->plan->table->table)
        return next_of_system(s, ret_there, ret_begins);
    if (s->entries)
        return next_of_index(s, ret_there, ret_begins);
    return next_of_table(s, ret_there, ret_begins);
}

void select_skip_partition(struct select_run *s)
{
    if (!s->read)
        return;
    if (s->plan->where.key_range) {
        table_read_skip_partition(s->read);
        return;
    }
    table_read_close(s->read);
    s->read = NULL;
    s->ended = !advance(s, true);
}

/* ---- paging ---- */

enum err select_position(struct select_run *s, struct buf *out)
{
    buf_reset(out);
    buf_u8(out, s->entries ? STATE_OF_ENTRIES : STATE_VERSION);
    buf_be64(out, (uint64_t)s->limit_left);
    buf_be64(out, (uint64_t)s->partition_left);
    buf_be32(out, (uint32_t)(s->plan->table->table ? s->key_index : s->system_index));
    buf_be32(out, (uint32_t)s->slice_index);
    buf_be32(out, (uint32_t)s->partition.bytes);
    buf_str_append(out, buf_str(&s->partition));
    if (s->entries)
        index_read_position(s->entries, out);
    else if (s->read)
        table_read_position(s->read, out);
    return buf_error(out);
}

void select_position_limits(struct select_run *s)
{
    if (s->position.bytes < 17)
        return;
    put_be64(s->position.ptr + 1, (uint64_t)s->limit_left);
    put_be64(s->position.ptr + 9, (uint64_t)s->partition_left);
}

bool select_state_scans(struct str state)
{
    return state.bytes && state.ptr[0] == STATE_VERSION;
}

enum err select_resume(struct select_run *s, struct str state)
{
    struct reader r = reader_of(state.ptr, state.bytes);
    uint8_t version = reader_u8(&r);
    int64_t limit_left = (int64_t)reader_be64(&r);
    int64_t partition_left = (int64_t)reader_be64(&r);
    uint32_t key = reader_be32(&r), slice = reader_be32(&r);
    struct str partition = reader_str(&r, reader_be32(&r));
    bool of_entries = s->plan->where.index && s->plan->where.key_range && !s->scans;
    if (r.err != OK || version != (of_entries ? STATE_OF_ENTRIES : STATE_VERSION))
        return cql_fail(&s->run->error, s->run->arena, CQL_PROTOCOL_ERROR,
                        "Invalid value for the paging state");
    s->limit_left = limit_left;
    s->partition_left = partition_left;
    buf_str_append(&s->partition, partition);
    s->resume = arena_str(s->run->arena, str_from(r.ptr, r.left));
    if (!s->plan->table->table) {
        s->system_index = key;
        return OK;
    }
    s->key_index = key;
    s->slice_index = slice;
    /* A partition that was left without a place inside is done. */
    if (r.left == 0)
        s->resume = STR_NONE;
    if (!s->plan->where.key_range)
        s->ended = s->ended || key >= s->key_count || slice >= s->slice_count;
    return OK;
}

void select_close(struct select_run *s)
{
    if (s->read)
        table_read_close(s->read);
    s->read = NULL;
    index_read_close(s->entries);
    s->entries = NULL;
}
