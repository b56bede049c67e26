/* SPDX-License-Identifier: MIT */
/*
 * A materialized view's table on the other side. Cassandra has no commit over many partitions, so
 * a table cannot be exchanged at one moment, as the embedded one is. A run instead
 *
 *   1. gathers its whole result, encoded. Whatever is wrong with the query, with a value or with
 *      the size shows here, and the table keeps what it had;
 *   2. writes every row of it;
 *   3. reads the keys that the table has, page by page, and deletes the rows whose key is not in
 *      the result.
 *
 * What a reader sees: meanwhile each row is either the old or the new one, and what goes away goes
 * last. At no moment is a row missing that both results have; to truncate first, as an overwrite of
 * Spark's connector does, would show an empty table in every run. Sums over the table can mix the
 * two results until the run is done.
 *
 * A run that is cut off, by kill -9 anywhere, is not remembered: the next one starts at 1, and
 * there is always a next one, since a project that starts computes its views. What the cut-off run
 * wrote is in the new result and written over, or is not and is found by 3, because 3 compares with
 * what the table has and not with what we believe. For the same reason rows of others go away: the
 * table is the view's own.
 *
 * Timestamps: all that a run writes and deletes has one, and it is greater than those of all runs
 * before: the clock, or the newest one and 1 where the clock went back. It is on disk before the
 * first request leaves (view_remote.c). So a row that was deleted comes back when a later run
 * writes it, and a request of an older run that arrives late changes nothing that a later run
 * wrote or deleted. What is left: a row that a cut-off run sent, that was not acknowledged, and
 * that the cluster applies only after 3 of the next run (a hint to a node that was away). The run
 * after that deletes it.
 *
 * One timestamp for all means that rows with the same key would be merged cell by cell: of those
 * only the last is sent, as the embedded tables have it.
 *
 * A row that the server refuses (a key that is empty or too long) is left out and told at the end;
 * that fails the view, though the table has all else.
 *
 * Keys are compared as the bytes of their values. Within a partition Cassandra orders decimals by
 * their value and keeps one row for 1.5 and 1.50; so a clustering value that is not found is looked
 * for again in the spelling that we give it. A partition key is its bytes.
 *
 * Memory: the result as requests, bounded by the caller (gathered()), 8 to 16 bytes a row for the
 * set of keys, one page of keys, and the calls of one window. The client bounds the bytes that are
 * on their way; a window is longer than what it sends at once.
 */
#include "base/check.h"
#include "base/hash.h"
#include "pipeline/cassandra_private.h"

#include <stdio.h>

enum { PAGE_ROWS = 2000, WINDOW_ROWS = 16384, ARENA_BYTES_MAX = 16 << 20 };

struct replacing {
    struct cassandra_table *t;
    int64_t timestamp_us;
    const struct remote_wait *wait;
    struct diag *diag;
    uint32_t *slots; /* by hash of the key: index + 1 of a gathered row, 0 = free */
    size_t mask;
    size_t key_count; /* columns of the key */
    struct buf key, spelled;
    struct cassandra_rows gone; /* of one page */
    size_t refused;             /* rows */
    char refusal[300];          /* of the first */
};

static void key_name(const struct table_definition *d, size_t index, struct buf *out)
{
    static const char *const places[] = {"_partition", "_offset", "_index"};
    cassandra_name(out, d->append_only ? str_of(places[index]) : d->columns[index].name);
}

static size_t key_count(const struct table_definition *d)
{
    size_t count = 0;
    while (count < d->column_count && d->columns[count].role != TABLE_REGULAR)
        count++;
    return d->append_only ? 3 : count;
}

void cassandra_delete_text(const struct table_definition *d, struct buf *out)
{
    buf_text(out, "DELETE FROM ");
    cassandra_table_name(out, d);
    for (size_t i = 0; i < key_count(d); i++) {
        buf_text(out, i ? " AND " : " WHERE ");
        key_name(d, i, out);
        buf_text(out, " = ?");
    }
}

/* ---- the keys of the result ---- */

static struct str row_key(const struct replacing *r, const struct cassandra_row *row)
{
    return str_from(r->t->rows.bodies.ptr + row->from + CASSANDRA_HEAD_BYTES, row->key_bytes);
}

/* Where the key is, or would be. */
static uint32_t *find(const struct replacing *r, struct str key)
{
    for (size_t at = (size_t)hash_bytes(key.ptr, key.bytes, 0) & r->mask;; at = (at + 1) & r->mask)
        if (!r->slots[at] || str_equal(row_key(r, &r->t->rows.items[r->slots[at] - 1]), key))
            return &r->slots[at];
}

/* Of rows with the same key the last stays. */
static void settle(struct replacing *r)
{
    struct cassandra_rows *rows = &r->t->rows;
    size_t room = 64, kept = 0;
    check(rows->count < UINT32_MAX / 4);
    while (room < rows->count * 2)
        room *= 2;
    r->slots = mem_zero(room * sizeof *r->slots);
    r->mask = room - 1;
    for (size_t i = 0; i < rows->count; i++)
        *find(r, row_key(r, &rows->items[i])) = (uint32_t)i + 1;
    for (size_t i = 0; i < rows->count; i++) {
        uint32_t *slot = find(r, row_key(r, &rows->items[i]));
        if (*slot != i + 1)
            continue;
        rows->items[kept++] = rows->items[i];
        *slot = (uint32_t)kept;
    }
    rows->count = kept;
}

/* ---- writing ---- */

static enum err send_rows(struct replacing *r, struct cql_statement *statement,
                          const struct cassandra_rows *rows)
{
    struct cassandra_table *t = r->t;
    for (size_t from = 0; from < rows->count; from += WINDOW_ROWS) {
        size_t count = rows->count - from < WINDOW_ROWS ? rows->count - from : WINDOW_ROWS;
        TRY(cassandra_send(t, statement, &rows->bodies, rows->items + from, count, r->wait,
                           r->diag));
        if (t->refused_count && !r->refused)
            snprintf(r->refusal, sizeof r->refusal, "%s", (const char *)t->refusals.ptr);
        r->refused += t->refused_count;
    }
    return OK;
}

/* ---- deleting ---- */

static void put_value(struct buf *out, struct str value)
{
    buf_be32(out, (uint32_t)value.bytes);
    buf_str_append(out, value);
}

/* The value as we would write it; as it is when the column's type cannot hold it. */
static enum err put_spelled(struct replacing *r, size_t column, struct str value, struct buf *out)
{
    const struct table_definition *d = r->t->definition;
    struct builder *builder = builder_new(d->columns[column].type, 1, 0);
    struct column *one = NULL;
    size_t at = out->bytes;
    enum err err = table_codec_read(r->t->codec, column, value, builder);
    if (err == OK)
        err = builder_finish(builder, &one);
    builder_free(builder);
    if (err != OK)
        return err;
    buf_be32(out, 0);
    err =
        column_is_null(one, 0) ? ERR_INVALID : table_codec_append(r->t->codec, column, one, 0, out);
    column_unref(one);
    if (err == OK && buf_error(out) == OK)
        buf_patch_be32(out, at, (uint32_t)(out->bytes - at - 4));
    if (err != ERR_INVALID)
        return err;
    buf_truncate(out, at);
    put_value(out, value);
    return OK;
}

static enum err is_in_result(struct replacing *r, const struct str *values, bool *ret_is)
{
    const struct table_definition *d = r->t->definition;
    buf_reset(&r->key);
    for (size_t i = 0; i < r->key_count; i++)
        put_value(&r->key, values[i]);
    TRY(buf_error(&r->key));
    *ret_is = *find(r, buf_str(&r->key)) != 0;
    if (*ret_is || d->append_only || d->columns[r->key_count - 1].role == TABLE_PARTITION_KEY)
        return OK;
    buf_reset(&r->spelled);
    for (size_t i = 0; i < r->key_count; i++)
        if (d->columns[i].role == TABLE_PARTITION_KEY)
            put_value(&r->spelled, values[i]);
        else
            TRY(put_spelled(r, i, values[i], &r->spelled));
    TRY(buf_error(&r->spelled));
    *ret_is = *find(r, buf_str(&r->spelled)) != 0;
    return OK;
}

static enum err read_key(struct replacing *r, struct reader *reader, struct str *values)
{
    struct buf *out = &r->gone.bodies;
    bool is_row = true, stays;
    for (size_t i = 0; i < r->key_count; i++) {
        values[i] = cql_bytes_read(reader);
        is_row &= values[i].ptr != NULL;
    }
    TRY(reader->err);
    if (!is_row) /* the static columns of a partition without rows, in a table of somebody's */
        return OK;
    TRY(is_in_result(r, values, &stays));
    if (stays)
        return OK;
    struct cassandra_row row = {.from = out->bytes};
    cassandra_rows_head(r->t->place, r->key_count, out);
    buf_str_append(out, buf_str(&r->key));
    buf_be64(out, (uint64_t)r->timestamp_us);
    row.bytes = out->bytes - row.from;
    cassandra_rows_push(&r->gone, &row);
    return buf_error(out);
}

static enum err read_page(struct replacing *r, const struct cassandra_answer *answer,
                          struct buf *state)
{
    CLEAN(arena_deinit) struct arena arena = {.bytes_max = ARENA_BYTES_MAX};
    struct cql_rows_metadata metadata;
    struct reader reader = reader_of(answer->body.ptr, answer->body.bytes);
    TRY(cql_rows_metadata_read(&reader, 4, &arena, &metadata));
    buf_reset(state);
    if (metadata.paging_state.ptr)
        buf_str_append(state, metadata.paging_state);
    if (metadata.column_count != r->key_count)
        return ERR_CORRUPT;
    struct str *values = arena_array(&arena, r->key_count, sizeof *values);
    for (uint32_t rows = reader_be32(&reader); rows && reader.err == OK; rows--)
        TRY(read_key(r, &reader, values));
    return reader.err;
}

static enum err delete_rest(struct replacing *r)
{
    const struct table_definition *d = r->t->definition;
    CLEAN(buf_deinit) struct buf text = {0}, state = {0};
    buf_text(&text, "SELECT ");
    for (size_t i = 0; i < r->key_count; i++) {
        buf_text(&text, i ? ", " : "");
        key_name(d, i, &text);
    }
    buf_text(&text, " FROM ");
    cassandra_table_name(&text, d);
    do {
        CLEAN(cassandra_answer_deinit) struct cassandra_answer answer = {0};
        buf_reset(&r->gone.bodies);
        r->gone.count = 0;
        TRY(cassandra_ask(r->t, buf_str(&text), PAGE_ROWS, state.bytes ? buf_str(&state) : STR_NONE,
                          r->wait, r->diag, &answer));
        TRY(read_page(r, &answer, &state));
        TRY(send_rows(r, r->t->delete_row, &r->gone));
    } while (state.bytes);
    return OK;
}

enum err cassandra_replace(struct remote_table *table, int64_t timestamp_us,
                           const struct remote_wait *wait, struct diag *diag)
{
    struct cassandra_table *t = (struct cassandra_table *)table;
    struct replacing r = {.t = t,
                          .timestamp_us = timestamp_us,
                          .wait = wait,
                          .diag = diag,
                          .key_count = key_count(t->definition)};
    TRY(cassandra_connect(t, diag));
    settle(&r);
    enum err err = send_rows(&r, t->insert, &t->rows);
    if (err == OK)
        err = delete_rest(&r);
    if (err == OK && r.refused)
        err = diag_set(diag, ERR_INVALID, 0, 0,
                       "rows refused: %zu, the others are stored; the first: %s", r.refused,
                       r.refusal);
    if (err == ERR_AGAIN)
        t->is_ready = false;
    mem_free(r.slots);
    buf_deinit(&r.key);
    buf_deinit(&r.spelled);
    cassandra_rows_deinit(&r.gone);
    return err;
}
