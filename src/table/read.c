/* SPDX-License-Identifier: MIT */
/*
 * Reading many rows through cells.h: a cursor over a snapshot, either over a slice of one
 * partition or over the partitions of a range of tokens. What a partition has at its head, and its
 * static row, stand before its rows; where the cursor does not come by there (in reverse, in a
 * slice, behind the place where an earlier read stopped) they are asked for when the partition is
 * entered.
 *
 * An append-only table is read partition by partition of its stream, in the order of their tokens:
 * each is a slice.
 *
 * A place to resume at: u8 1 and the key behind its prefix: go on behind that row; or u8 2 and the
 * key up to the partition's end: go on behind the partition.
 *
 * Invariants
 * 1. The row that was given points into the record under the cursor, which moves on with the next
 *    call only.
 * 2. Static values are those of the partition of the row that is given.
 */
#include "base/endian.h"
#include "base/mem.h"
#include "table/batch.h"
#include "table/found.h"

#include <stdlib.h>

enum { RESUME_ROW = 1, RESUME_PARTITION = 2 };

struct table_read {
    struct table *table;
    const struct shape *shape;
    struct table_read_options options;
    struct backend *backend;
    void *snapshot;
    struct cursor *cursor;
    bool reverse;
    bool *columns;
    struct found_how how;
    bool wants_static;
    bool slice; /* rows of one partition, not its head */
    struct buf from, to, resume;
    size_t place_at; /* of an append-only table: the partition that is read */
    int32_t *places;
    size_t place_count;

    /* the partition we are in */
    struct buf partition; /* empty = none */
    struct head head;
    struct buf record;
    struct buf static_record;
    struct found statics;
    bool has_row;   /* was given, here or before the place of resuming */
    bool announced; /* a row was given in this read */

    /* the row that was given */
    bool move, skip, ended;
    uint8_t position_kind;
    struct buf position;
    struct found cells;
    struct found no_cells;
    struct buf values; /* of the keys */
    struct buf scratch;
    struct str *partition_values, *clustering_values;
    size_t *ends;
    struct table_row row;
};

/* ---- key values ---- */

/* Appends the CQL bytes of a stored value. */
static enum err put_cql(struct table_read *read, size_t column, struct str value)
{
    const struct encoding *encoding = &read->shape->encodings[column];
    if (encoding_to_cql(encoding, value, &read->values))
        return ERR_CORRUPT;
    return buf_error(&read->values);
}

static enum err put_values(struct table_read *read, struct str partition, struct str clustering)
{
    const struct shape *shape = read->shape;
    size_t at = 0;
    TRY(key_partition_values(shape, partition, &read->scratch, read->partition_values));
    for (size_t i = 0; i < shape->partition_count; i++) {
        TRY(put_cql(read, i, read->partition_values[i]));
        read->ends[at++] = read->values.bytes;
    }
    for (size_t i = 0; i < shape->clustering_count && clustering.ptr; i++) {
        size_t column = shape->partition_count + i;
        if (i && !clustering.bytes) {
            read->ends[at++] = SIZE_MAX; /* null */
            continue;
        }
        if (shape->encodings[column].foreign) {
            buf_reset(&read->scratch);
            TRY(key_take_clustering(shape, i, &clustering, &read->scratch));
            TRY(put_cql(read, column, buf_str(&read->scratch)));
        } else {
            TRY(key_take_clustering(shape, i, &clustering, &read->values));
        }
        read->ends[at++] = read->values.bytes;
    }
    return OK;
}

/* The key values of the row that is about to be given; clustering.ptr NULL = none. */
static enum err give_keys(struct table_read *read, struct str partition, struct str clustering)
{
    const struct shape *shape = read->shape;
    buf_reset(&read->values);
    buf_reserve(&read->values, 1); /* so that empty values have a place */
    TRY(put_values(read, partition, clustering));
    struct str all = buf_str(&read->values);
    size_t from = 0;
    for (size_t i = 0; i < shape->partition_count; i++) {
        read->partition_values[i] = str_slice(all, from, read->ends[i]);
        from = read->ends[i];
    }
    for (size_t i = 0; i < shape->clustering_count && clustering.ptr; i++) {
        size_t end = read->ends[shape->partition_count + i];
        read->clustering_values[i] = end == SIZE_MAX ? STR_NONE : str_slice(all, from, end);
        from = end == SIZE_MAX ? from : end;
    }
    return OK;
}

static void set_position(struct table_read *read, uint8_t kind, struct str key)
{
    read->position_kind = kind;
    buf_reset(&read->position);
    buf_str_append(&read->position, str_slice(key, KEY_PREFIX_BYTES, key.bytes));
}

/* ---- partitions ---- */

static enum err set_statics(struct table_read *read, struct str record)
{
    buf_reset(&read->static_record);
    buf_str_append(&read->static_record, record);
    return found_read(&read->statics, &read->how, read->head.deletion.timestamp_us,
                      buf_str(&read->static_record));
}

static enum err get_record(struct table_read *read, enum key_kind kind)
{
    buf_reset(&read->record);
    buf_u8(&read->partition, (uint8_t)kind);
    enum err err = read->backend->ops->get(read->backend, read->snapshot, buf_str(&read->partition),
                                           &read->record);
    buf_truncate(&read->partition, read->partition.bytes - 1);
    return err == ERR_NOT_FOUND ? OK : err;
}

static enum err get_head(struct table_read *read)
{
    if (!read->shape->clustering_count)
        return OK;
    if (table_has_heads(read->table)) {
        TRY(get_record(read, KEY_PARTITION_DELETION));
        if (read->record.bytes)
            TRY(head_load(&read->head, buf_str(&read->record)));
    }
    if (!read->shape->has_static || (!read->wants_static && !read->options.statics_alone))
        return OK;
    TRY(get_record(read, KEY_STATIC_ROW));
    return read->record.bytes ? set_statics(read, buf_str(&read->record)) : OK;
}

static enum err enter_partition(struct table_read *read, struct str partition, bool ahead)
{
    buf_reset(&read->partition);
    buf_str_append(&read->partition, partition);
    TRY(buf_error(&read->partition));
    head_reset(&read->head);
    found_reset(&read->statics);
    read->has_row = read->announced = false;
    return ahead ? get_head(read) : OK;
}

/* Gives the static row of a partition without rows. */
static enum err give_statics(struct table_read *read, bool *ret_given)
{
    *ret_given = read->partition.bytes && read->options.statics_alone && read->statics.live &&
                 !read->has_row;
    if (!*ret_given)
        return OK;
    struct str partition = buf_str(&read->partition);
    TRY(give_keys(read, partition, STR_NONE));
    read->row = (struct table_row){.partition = read->partition_values,
                                   .partition_begins = !read->announced};
    read->row.token = (int64_t)(get_be64(partition.ptr + KEY_PREFIX_BYTES) ^ 1ull << 63);
    found_give(&read->no_cells, &read->statics, &read->row);
    read->has_row = read->announced = true;
    read->move = false;
    set_position(read, RESUME_PARTITION, partition);
    return buf_error(&read->position);
}

/* ---- rows ---- */

static enum err give_row(struct table_read *read, const struct key_parts *parts, struct str key,
                         struct str record, bool *ret_given)
{
    static const struct str no_values[1];
    int64_t cover_us = head_cover(&read->head, parts->clustering);
    TRY(found_read(&read->cells, &read->how, cover_us, record));
    *ret_given = read->cells.live;
    if (!read->cells.live)
        return OK;
    TRY(give_keys(read, parts->partition, parts->clustering));
    read->row = (struct table_row){
        .partition = read->partition_values,
        .token = parts->token,
        .clustering = read->shape->clustering_count ? read->clustering_values : no_values,
        .partition_begins = !read->announced,
    };
    found_give(&read->cells, &read->statics, &read->row);
    read->has_row = read->announced = read->move = true;
    set_position(read, RESUME_ROW, key);
    return buf_error(&read->position);
}

/* Looks at the record under the cursor. *ret_given: a row was found; else the cursor moved on, or a
 * partition was left. */
static enum err step(struct table_read *read, bool *ret_given)
{
    struct cursor *cursor = read->cursor;
    struct key_parts parts;
    TRY(key_parse(read->shape, cursor->key, &parts));
    if (!str_equal(buf_str(&read->partition), parts.partition)) {
        TRY(give_statics(read, ret_given));
        if (*ret_given)
            return OK;
        /* The first record of a partition is its head, but where the cursor began behind it. */
        TRY(enter_partition(read, parts.partition, read->reverse));
    }
    if (parts.kind == KEY_REGULAR_ROW)
        TRY(give_row(read, &parts, cursor->key, cursor->value, ret_given));
    else if (!read->reverse && parts.kind == KEY_STATIC_ROW)
        TRY(set_statics(read, cursor->value));
    else if (!read->reverse)
        TRY(head_load(&read->head, cursor->value));
    if (!*ret_given)
        read->backend->ops->cursor_next(cursor);
    return OK;
}

/* ---- append-only tables ---- */

static void close_cursor(struct table_read *read)
{
    if (read->cursor)
        read->backend->ops->cursor_close(read->cursor);
    read->cursor = NULL;
}

static void open_cursor(struct table_read *read, bool cache)
{
    close_cursor(read);
    read->cursor = read->backend->ops->cursor_open(
        read->backend, read->snapshot, buf_str(&read->from), buf_str(&read->to),
        (read->reverse ? CURSOR_REVERSE : 0u) | (cache ? CURSOR_CACHE : 0u));
}

static void begin_place_key(const struct table_read *read, int64_t partition, struct buf *out)
{
    uint8_t prefix[KEY_PREFIX_BYTES];
    key_put_prefix(prefix, read->table->id + (partition > INT32_MAX));
    buf_reset(out);
    buf_append(out, prefix, sizeof prefix);
    if (partition <= INT32_MAX)
        buf_be32(out, (uint32_t)partition ^ 0x80000000u);
}

/* A bound among offset and index. Exclusive or a prefix is made to the first key behind. */
static enum err put_place_bound(const struct table_bound *bound, bool is_to, struct buf *out,
                                bool *ret_edge)
{
    size_t at = out->bytes;
    *ret_edge = !bound->count;
    if (bound->count > 2 || (bound->count && bound->values[0].bytes != 8) ||
        (bound->count > 1 && bound->values[1].bytes != 4))
        return ERR_INVALID;
    if (bound->count)
        buf_be64(out, get_be64(bound->values[0].ptr) ^ 1ull << 63);
    if (bound->count > 1)
        buf_str_append(out, bound->values[1]);
    if (bound->count && bound->inclusive == is_to)
        *ret_edge = !key_after_prefix(out, at);
    return buf_error(out);
}

/* Reads one partition of the stream. */
static enum err open_place(struct table_read *read, int32_t partition)
{
    const struct table_read_options *options = &read->options;
    bool edge;
    begin_place_key(read, partition, &read->from);
    TRY(put_place_bound(&options->from, false, &read->from, &edge));
    bool empty = edge && options->from.count;
    begin_place_key(read, partition, &read->to);
    TRY(put_place_bound(&options->to, true, &read->to, &edge));
    if (edge)
        begin_place_key(read, (int64_t)partition + 1, &read->to);
    if (empty || str_compare(buf_str(&read->from), buf_str(&read->to)) >= 0) {
        buf_reset(&read->to);
        buf_str_append(&read->to, buf_str(&read->from));
    }
    read->announced = false;
    open_cursor(read, options->partition != NULL);
    return OK;
}

static int64_t token_of_place(int32_t partition)
{
    uint8_t bytes[4];
    put_be32(bytes, (uint32_t)partition);
    return hash_token(bytes, sizeof bytes);
}

static int compare_places(const void *a, const void *b)
{
    int64_t one = token_of_place(*(const int32_t *)a), two = token_of_place(*(const int32_t *)b);
    return one < two ? -1 : one > two;
}

/* All partitions of the stream that have rows and whose tokens are in the range. */
static enum err list_places(struct table_read *read)
{
    const struct table_read_options *options = &read->options;
    uint8_t prefix[KEY_PREFIX_BYTES];
    begin_place_key(read, INT32_MIN, &read->from);
    begin_place_key(read, (int64_t)INT32_MAX + 1, &read->to);
    key_put_prefix(prefix, read->table->id);
    struct cursor *cursor = read->backend->ops->cursor_open(
        read->backend, read->snapshot, buf_str(&read->from), buf_str(&read->to), 0);
    while (cursor->valid && cursor->key.bytes >= KEY_PREFIX_BYTES + 4) {
        int32_t partition = (int32_t)(get_be32(cursor->key.ptr + KEY_PREFIX_BYTES) ^ 0x80000000u);
        int64_t token = token_of_place(partition);
        read->places = mem_realloc_array(read->places, read->place_count + 1, sizeof(int32_t));
        if (token >= options->token_from && token <= options->token_to)
            read->places[read->place_count++] = partition;
        begin_place_key(read, (int64_t)partition + 1, &read->scratch);
        read->backend->ops->cursor_seek(cursor, buf_str(&read->scratch));
    }
    enum err err = cursor->err;
    read->backend->ops->cursor_close(cursor);
    if (!err && read->place_count)
        qsort(read->places, read->place_count, sizeof *read->places, compare_places);
    return err;
}

/* Opens the next partition of the list; none: the read has ended. */
static enum err next_place(struct table_read *read)
{
    if (read->place_at >= read->place_count) {
        read->ended = true;
        return OK;
    }
    size_t at = read->reverse ? read->place_count - 1 - read->place_at : read->place_at;
    read->place_at++;
    return open_place(read, read->places[at]);
}

static enum err open_places(struct table_read *read)
{
    const struct table_read_options *options = &read->options;
    if (!options->partition && (options->from.count || options->to.count))
        return ERR_INVALID;
    if (options->partition) {
        if (options->partition[0].bytes != 4)
            return ERR_INVALID;
        read->places = mem_array(1, sizeof(int32_t));
        read->places[read->place_count++] = (int32_t)get_be32(options->partition[0].ptr);
    } else {
        TRY(list_places(read));
    }
    struct str resume = read->options.resume;
    if (!resume.bytes)
        return next_place(read);
    if (!(resume.ptr[0] == RESUME_ROW && resume.bytes == 1 + 16) &&
        !(resume.ptr[0] == RESUME_PARTITION && resume.bytes == 1 + 4))
        return ERR_CORRUPT;
    int32_t partition = (int32_t)(get_be32(resume.ptr + 1) ^ 0x80000000u);
    int64_t token = token_of_place(partition);
    bool behind = resume.ptr[0] == RESUME_PARTITION;
    for (; read->place_at < read->place_count; read->place_at++) {
        size_t at = read->reverse ? read->place_count - 1 - read->place_at : read->place_at;
        int64_t other = token_of_place(read->places[at]);
        if (read->places[at] == partition ? !behind : read->reverse ? other < token : other > token)
            break;
    }
    bool inside =
        read->place_at < read->place_count && !behind &&
        read->places[read->reverse ? read->place_count - 1 - read->place_at : read->place_at] ==
            partition;
    TRY(next_place(read));
    if (!inside)
        return OK;
    uint8_t prefix[KEY_PREFIX_BYTES];
    key_put_prefix(prefix, read->table->id);
    buf_reset(&read->scratch);
    buf_append(&read->scratch, prefix, sizeof prefix);
    buf_append(&read->scratch, resume.ptr + 1, 16);
    if (!read->reverse)
        buf_u8(&read->scratch, 0);
    read->backend->ops->cursor_seek(read->cursor, buf_str(&read->scratch));
    return OK;
}

static enum err step_place(struct table_read *read, bool *ret_given)
{
    struct cursor *cursor = read->cursor;
    if (cursor->key.bytes != KEY_PREFIX_BYTES + 16)
        return ERR_CORRUPT;
    TRY(found_read(&read->cells, &read->how, INT64_MIN, cursor->value));
    *ret_given = read->cells.live;
    if (!*ret_given) {
        read->backend->ops->cursor_next(cursor);
        return OK;
    }
    const char *at = cursor->key.ptr + KEY_PREFIX_BYTES;
    buf_reset(&read->values);
    buf_be32(&read->values, get_be32(at) ^ 0x80000000u);
    buf_be64(&read->values, get_be64(at + 4) ^ 1ull << 63);
    buf_append(&read->values, at + 12, 4);
    TRY(buf_error(&read->values));
    struct str all = buf_str(&read->values);
    read->partition_values[0] = str_slice(all, 0, 4);
    read->clustering_values[0] = str_slice(all, 4, 12);
    read->clustering_values[1] = str_slice(all, 12, 16);
    read->row = (struct table_row){.partition = read->partition_values,
                                   .token = hash_token(all.ptr, 4),
                                   .clustering = read->clustering_values,
                                   .partition_begins = !read->announced};
    found_give(&read->cells, &read->statics, &read->row);
    read->announced = read->move = true;
    set_position(read, RESUME_ROW, cursor->key);
    return buf_error(&read->position);
}

/* ---- next ---- */

static void leave_partition_unread(struct table_read *read)
{
    read->skip = false;
    read->move = false;
    if (read->shape->definition.append_only) {
        close_cursor(read);
        return;
    }
    if (read->slice) {
        read->ended = true;
        return;
    }
    buf_reset(&read->scratch);
    buf_str_append(&read->scratch, buf_str(&read->partition));
    if (!read->reverse)
        buf_u8(&read->scratch, KEY_REGULAR_ROW + 1);
    read->backend->ops->cursor_seek(read->cursor, buf_str(&read->scratch));
    read->has_row = true;
}

/* At the end of the cursor's range. */
static enum err end_of_range(struct table_read *read, bool *ret_given)
{
    TRY(read->cursor ? read->cursor->err : OK);
    if (read->shape->definition.append_only)
        return next_place(read);
    TRY(give_statics(read, ret_given));
    read->ended = !*ret_given;
    return OK;
}

enum err table_read_next(struct table_read *read, const struct table_row **ret_row)
{
    bool given = false;
    bool append_only = read->shape->definition.append_only;
    if (read->skip)
        leave_partition_unread(read);
    if (read->move)
        read->backend->ops->cursor_next(read->cursor);
    read->move = false;
    while (!given && !read->ended) {
        if (!read->cursor || !read->cursor->valid)
            TRY(end_of_range(read, &given));
        else if (append_only)
            TRY(step_place(read, &given));
        else
            TRY(step(read, &given));
    }
    *ret_row = given ? &read->row : NULL;
    return OK;
}

void table_read_skip_partition(struct table_read *read)
{
    if (!read->position.bytes)
        return;
    read->skip = true;
    if (read->position_kind != RESUME_ROW)
        return;
    read->position_kind = RESUME_PARTITION;
    buf_truncate(&read->position, read->shape->definition.append_only
                                      ? 4
                                      : read->partition.bytes - KEY_PREFIX_BYTES);
}

void table_read_position(const struct table_read *read, struct buf *out)
{
    if (!read->position.bytes)
        return;
    buf_u8(out, read->position_kind);
    buf_str_append(out, buf_str(&read->position));
}

/* ---- opening ---- */

/* Takes the place to resume at apart; read->resume becomes its key with the prefix. */
static enum err parse_resume(struct table_read *read, struct key_parts *ret_parts)
{
    struct str resume = read->options.resume;
    uint8_t prefix[KEY_PREFIX_BYTES];
    key_put_prefix(prefix, read->table->id);
    buf_append(&read->resume, prefix, sizeof prefix);
    buf_str_append(&read->resume, str_slice(resume, 1, resume.bytes));
    bool row = resume.ptr[0] == RESUME_ROW;
    if (!row && resume.ptr[0] != RESUME_PARTITION)
        return ERR_CORRUPT;
    if (!row) {
        /* Parsed as the key of a row without clustering columns. */
        buf_u8(&read->resume, KEY_REGULAR_ROW);
        buf_u8(&read->resume, 0);
    }
    TRY(buf_error(&read->resume));
    TRY(key_parse(read->shape, buf_str(&read->resume), ret_parts));
    if (ret_parts->kind != KEY_REGULAR_ROW || (!row && ret_parts->clustering.bytes != 1))
        return ERR_CORRUPT;
    return OK;
}

/* Cuts the range of keys to what is behind the place. */
static enum err apply_resume(struct table_read *read)
{
    if (!read->options.resume.bytes)
        return OK;
    struct key_parts parts;
    TRY(parse_resume(read, &parts));
    bool row = read->options.resume.ptr[0] == RESUME_ROW;
    struct str key = row ? buf_str(&read->resume) : parts.partition;
    if (read->slice && !str_equal(parts.partition, buf_str(&read->partition)))
        return ERR_CORRUPT;
    struct buf *bound = read->reverse ? &read->to : &read->from;
    buf_reset(&read->scratch);
    buf_str_append(&read->scratch, key);
    if (!read->reverse)
        buf_u8(&read->scratch, row ? 0 : KEY_REGULAR_ROW + 1);
    TRY(buf_error(&read->scratch));
    int order = str_compare(buf_str(&read->scratch), buf_str(bound));
    if (read->reverse ? order < 0 : order > 0) {
        buf_reset(bound);
        buf_str_append(bound, buf_str(&read->scratch));
    }
    if (str_compare(buf_str(&read->from), buf_str(&read->to)) > 0) {
        buf_reset(&read->from);
        buf_str_append(&read->from, buf_str(&read->to));
    }
    if (!row)
        read->ended = read->slice;
    else if (!read->slice)
        TRY(enter_partition(read, parts.partition, true));
    read->has_row = row;
    return buf_error(bound);
}

static enum err slice_bounds(struct table_read *read)
{
    const struct table_read_options *options = &read->options;
    uint8_t prefix[KEY_PREFIX_BYTES];
    struct range range;
    struct buf bounds = {0};
    bool empty;
    key_put_prefix(prefix, read->table->id);
    buf_append(&read->from, prefix, sizeof prefix);
    TRY(key_put_partition_values(read->shape, options->partition, &read->scratch, &read->from));
    read->slice = true;
    enum err err = enter_partition(read, buf_str(&read->from), true);
    buf_str_append(&read->to, buf_str(&read->from));
    if (!err)
        err = key_put_slice(read->shape, &options->from, &options->to, &read->scratch, &bounds,
                            &range, &empty);
    if (!err) {
        buf_u8(&read->from, KEY_REGULAR_ROW);
        buf_u8(&read->to, (uint8_t)(KEY_REGULAR_ROW + range.without_end));
        buf_str_append(&read->from, range.from);
        if (!range.without_end)
            buf_str_append(&read->to, range.to);
        if (empty) {
            buf_reset(&read->to);
            buf_str_append(&read->to, buf_str(&read->from));
        }
    }
    buf_deinit(&bounds);
    TRY(err);
    return buf_error(&read->to);
}

static enum err token_bounds(struct table_read *read)
{
    const struct table_read_options *options = &read->options;
    uint8_t prefix[KEY_PREFIX_BYTES];
    bool last = options->token_to == INT64_MAX;
    if (options->from.count || options->to.count)
        return ERR_INVALID;
    key_put_prefix(prefix, read->table->id);
    buf_append(&read->from, prefix, sizeof prefix);
    buf_be64(&read->from, (uint64_t)options->token_from ^ 1ull << 63);
    key_put_prefix(prefix, read->table->id + last);
    buf_append(&read->to, prefix, sizeof prefix);
    if (!last)
        buf_be64(&read->to, (uint64_t)(options->token_to + 1) ^ 1ull << 63);
    if (options->token_from > options->token_to) {
        buf_reset(&read->to);
        buf_str_append(&read->to, buf_str(&read->from));
    }
    return buf_error(&read->to);
}

static struct table_read *read_new(struct table *table, const struct table_read_options *options)
{
    struct table_read *read = mem_zero(sizeof *read);
    const struct shape *shape = table_shape(table);
    size_t keys = shape->partition_count + shape->clustering_count + 3;
    read->table = table;
    read->shape = shape;
    read->options = *options;
    read->backend = table->store->backend;
    read->reverse = options->reverse;
    read->head.deletion = DELETION_NONE;
    found_init(&read->cells);
    found_init(&read->no_cells);
    found_init(&read->statics);
    read->partition_values = mem_array(keys, sizeof *read->partition_values);
    read->clustering_values = mem_array(keys, sizeof *read->clustering_values);
    read->ends = mem_array(keys, sizeof *read->ends);
    if (options->columns) {
        size_t count = shape->definition.column_count;
        read->columns = mem_array(count + 1, sizeof *read->columns);
        memcpy(read->columns, options->columns, count * sizeof *read->columns);
    }
    int64_t now_s = options->now_s ? options->now_s : store_now_us(table->store) / 1000000;
    read->how = (struct found_how){shape, read->columns, now_s};
    read->wants_static = found_wants_static(shape, read->columns);
    return read;
}

static enum err start(struct table_read *read)
{
    read->snapshot = read->backend->ops->snapshot_new(read->backend);
    if (!read->snapshot)
        return ERR_DISK_FULL;
    if (read->shape->definition.append_only)
        return open_places(read);
    TRY(read->options.partition ? slice_bounds(read) : token_bounds(read));
    TRY(apply_resume(read));
    open_cursor(read, read->slice);
    return OK;
}

enum err table_read_open(struct table *table, const struct table_read_options *options,
                         struct table_read **ret_read)
{
    if (table_is_dropped(table))
        return ERR_NOT_FOUND;
    struct table_read *read = read_new(table, options);
    enum err err = start(read);
    if (err) {
        table_read_close(read);
        return err;
    }
    /* What the caller lends is not touched any more. */
    read->options.partition = NULL;
    read->options.resume = STR_NONE;
    *ret_read = read;
    return OK;
}

void table_read_close(struct table_read *read)
{
    if (!read)
        return;
    close_cursor(read);
    if (read->snapshot)
        read->backend->ops->snapshot_free(read->backend, read->snapshot);
    struct buf *bufs[] = {&read->from,   &read->to,        &read->resume,
                          &read->record, &read->partition, &read->static_record,
                          &read->values, &read->position,  &read->scratch};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        buf_deinit(bufs[i]);
    head_deinit(&read->head);
    found_deinit(&read->cells);
    found_deinit(&read->no_cells);
    found_deinit(&read->statics);
    mem_free(read->partition_values);
    mem_free(read->clustering_values);
    mem_free(read->columns);
    mem_free(read->places);
    mem_free(read->ends);
    mem_free(read);
}
