/* SPDX-License-Identifier: MIT */
/*
 * The merge of rows: each column by itself keeps the cell that cell_compare() puts last, and of the
 * row deletions the newest stands and removes the cells it hides. Both are a maximum over a total
 * order, and a cell that a deletion removes could only have beaten cells that it removes as well;
 * so the merge is associative, commutative and idempotent, and partial merges by the engine in any
 * grouping converge.
 *
 * The tie rules are those of Cassandra 4.1 and 5.0 for cells of equal timestamp: tombstone over
 * expiring over live, the later local time, the greater bytes; an expiring cell is not looked at
 * through the clock. The row marker follows the same rules with an empty value. Two deletions of
 * equal timestamp: the later local time.
 *
 * Elements of a collection are columns of their own, told apart by their paths; a cell without a
 * path hides the elements of its column up to its timestamp, and since the one that stands has the
 * greatest timestamp of all, what was said of deletions holds for it too.
 *
 * It does not look at a clock, so expired cells stay until row_purge().
 */
#include "table/merge.h"

#include "base/mem.h"
#include "table/range.h"

/* One of the rows under merge: its reader, and its next cell. */
struct input {
    struct row_reader reader;
    struct cell cell;
    bool has_cell;
};

static bool deletion_newer(const struct deletion *a, const struct deletion *b)
{
    return a->timestamp_us != b->timestamp_us ? a->timestamp_us > b->timestamp_us
                                              : a->time_s > b->time_s;
}

/* A growing list of the cells that stand; rows of ordinary tables fit the first part. */
struct standing {
    struct cell first[32];
    struct cell *cells;
    size_t count;
    size_t room;
};

static void standing_add(struct standing *list, const struct cell *cell)
{
    if (list->count == list->room) {
        struct cell *cells = list->cells == list->first ? NULL : list->cells;
        cells = mem_realloc_array(cells, list->room * 2, sizeof *cells);
        if (list->cells == list->first)
            memcpy(cells, list->first, sizeof list->first);
        list->cells = cells;
        list->room *= 2;
    }
    list->cells[list->count++] = *cell;
}

static void standing_deinit(struct standing *list)
{
    if (list->cells != list->first)
        mem_free(list->cells);
}

static void write_row(const struct standing *list, const struct deletion *deletion, struct buf *out)
{
    struct row_base base = {0};
    bool with_times = false, with_paths = false;
    if (list->count)
        base.timestamp_us = list->cells[0].timestamp_us;
    for (size_t i = 0; i < list->count; i++) {
        with_paths |= list->cells[i].path.ptr != NULL;
        if (list->cells[i].kind == CELL_LIVE || with_times)
            continue;
        with_times = true;
        base.time_s = list->cells[i].time_s;
        base.ttl_s = list->cells[i].ttl_s;
    }
    if (with_paths)
        row_begin_paths(out, &base, with_times, deletion);
    else
        row_begin(out, &base, with_times, deletion);
    for (size_t i = 0; i < list->count; i++)
        if (with_paths)
            row_add_path(out, &base, &list->cells[i]);
        else
            row_add(out, &base, &list->cells[i]);
}

/* The next cell that stands, among the heads of all inputs, which move on. False at the end. */
static bool next_cell(struct input *inputs, size_t count, struct cell *ret_cell)
{
    const struct cell *best = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!inputs[i].has_cell)
            continue;
        int order = best ? cell_place_compare(&inputs[i].cell, best) : -1;
        if (order < 0 || (order == 0 && cell_compare(&inputs[i].cell, best) > 0))
            best = &inputs[i].cell;
    }
    if (!best)
        return false;
    *ret_cell = *best;
    for (size_t i = 0; i < count; i++)
        if (inputs[i].has_cell && cell_place_compare(&inputs[i].cell, ret_cell) == 0)
            inputs[i].has_cell = row_reader_next(&inputs[i].reader, &inputs[i].cell);
    return true;
}

/* All cells that stand, into the list. */
static void gather(struct input *inputs, size_t count, struct standing *list)
{
    struct cell cell, hiding = {.id = CELL_MARKER};
    while (next_cell(inputs, count, &cell)) {
        if (cell.path.ptr && cell.id == hiding.id && cell.timestamp_us <= hiding.timestamp_us)
            continue;
        if (!cell.path.ptr)
            hiding = cell;
        standing_add(list, &cell);
    }
}

static enum err merge_inputs(struct input *inputs, const struct str *rows, size_t count,
                             struct buf *out)
{
    struct deletion deletion = DELETION_NONE;
    for (size_t i = 0; i < count; i++) {
        TRY(row_reader_init(&inputs[i].reader, rows[i]));
        bool head = deletion.of_partition | inputs[i].reader.deletion.of_partition;
        if (deletion_newer(&inputs[i].reader.deletion, &deletion))
            deletion = inputs[i].reader.deletion;
        deletion.of_partition = head;
    }
    for (size_t i = 0; i < count; i++) {
        inputs[i].reader.deletion = deletion;
        inputs[i].has_cell = row_reader_next(&inputs[i].reader, &inputs[i].cell);
    }
    struct standing list = {.room = 32};
    list.cells = list.first;
    gather(inputs, count, &list);
    enum err err = OK;
    for (size_t i = 0; i < count && !err; i++)
        err = inputs[i].reader.bytes.err;
    if (!err && deletion.of_partition)
        ranges_simplify(list.cells, &list.count);
    if (!err)
        write_row(&list, &deletion, out);
    standing_deinit(&list);
    return err ? err : buf_error(out);
}

enum err row_merge(const struct str *rows, size_t count, struct buf *out)
{
    enum { FEW = 8 };
    struct input few[FEW];
    if (count <= FEW)
        return merge_inputs(few, rows, count, out);
    struct input *many = mem_array(count, sizeof *many);
    enum err err = merge_inputs(many, rows, count, out);
    mem_free(many);
    return err;
}

/* Whether row_purge() would change the row; most rows answer it with their head. */
static enum err may_purge(struct str row, const struct deletion *covering, int64_t purge_before_s,
                          bool *ret_may)
{
    struct row_reader reader;
    TRY(row_reader_init(&reader, row));
    bool covers = covering->timestamp_us != INT64_MIN;
    *ret_may = reader.deletion.timestamp_us != INT64_MIN || covers;
    if (!reader.has_times || *ret_may)
        return OK;
    struct cell cell;
    while (!*ret_may && row_reader_next(&reader, &cell))
        *ret_may = cell.kind != CELL_LIVE && cell.time_s < purge_before_s;
    return reader.bytes.err;
}

enum err row_purge(struct str row, const struct deletion *covering, int64_t purge_before_s,
                   bool *ret_changed, struct buf *out)
{
    bool changed = false;
    TRY(may_purge(row, covering, purge_before_s, &changed));
    if (!changed) {
        *ret_changed = false;
        return OK;
    }
    changed = false;
    struct row_reader reader;
    TRY(row_reader_init(&reader, row));
    struct deletion deletion = reader.deletion;
    if (deletion.timestamp_us != INT64_MIN &&
        (deletion.time_s < purge_before_s || !deletion_newer(&deletion, covering))) {
        changed = true;
        deletion = DELETION_NONE;
    }
    struct standing list = {.room = 32};
    list.cells = list.first;
    struct cell cell;
    while (row_reader_next(&reader, &cell)) {
        bool covered =
            covering->timestamp_us != INT64_MIN && cell.timestamp_us <= covering->timestamp_us;
        if (covered || (cell.kind != CELL_LIVE && cell.time_s < purge_before_s))
            changed = true;
        else
            standing_add(&list, &cell);
    }
    enum err err = reader.bytes.err;
    if (!err && (list.count || deletion.timestamp_us != INT64_MIN))
        write_row(&list, &deletion, out);
    standing_deinit(&list);
    TRY(err);
    *ret_changed = changed;
    return buf_error(out);
}
