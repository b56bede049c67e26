/* SPDX-License-Identifier: MIT */
/*
 * What stands in sim.t, worked out from all writes; and the judgement of what a read gave.
 *
 * A cell's options are the newest write that counts for sure, and each newer one that may count.
 * Deletions are writes that cover many cells. An expired value is a deletion with its timestamp.
 */
#include "twin.h"

#include "base/mem.h"

enum option_life { DEAD, LIVE, EITHER };

const char *const column_names[COLUMNS] = {"marker", "a", "b", "d0", "m", "s"};

void *twin_grow(void *array, int count, int *room, size_t bytes)
{
    if (count < *room)
        return array;
    *room = *room ? *room * 2 : 64;
    return mem_realloc_array(array, (size_t)*room, bytes);
}

struct twin *twin_new(void)
{
    return mem_zero(sizeof(struct twin));
}

void twin_free(struct twin *twin)
{
    mem_free(twin->writes);
    mem_free(twin->requests);
    mem_free(twin->tally);
    mem_free(twin->chain);
    mem_free(twin);
}

int twin_request_add(struct world *w)
{
    struct twin *twin = w->twin;
    twin->requests =
        twin_grow(twin->requests, twin->request_count, &twin->request_room, sizeof *twin->requests);
    twin->requests[twin->request_count] =
        (struct twin_request){.sent = w->order + 1, .sent_s = wall_s(w), .done_s = INT64_MAX};
    return twin->request_count++;
}

void twin_request_done(struct world *w, int request)
{
    w->twin->requests[request].done = w->order;
    w->twin->requests[request].done_s = wall_s(w);
}

void twin_write_add(struct world *w, const struct twin_write *write)
{
    struct twin *twin = w->twin;
    twin->writes =
        twin_grow(twin->writes, twin->write_count, &twin->write_room, sizeof *twin->writes);
    twin->writes[twin->write_count++] = *write;
}

void twin_column_gone(struct world *w)
{
    for (int i = 0; i < w->twin->write_count; i++)
        if (w->twin->writes[i].column == COLUMN_D && w->twin->writes[i].kind <= WRITE_NULL &&
            !w->twin->writes[i].void_)
            w->twin->writes[i].void_ = w->order;
}

/* ---- one cell ------------------------------------------------------------------------------ */

struct cell {
    int p, c1, c2;
    enum place_column column;
    int key;
};

static bool covers(const struct twin_write *write, const struct cell *cell)
{
    if (write->p != cell->p)
        return false;
    bool is_static = cell->column == COLUMN_S;
    switch (write->kind) {
    case WRITE_PARTITION:
        return true;
    case WRITE_SLICE:
        return !is_static && (write->at_least ? cell->c1 >= write->c1 : cell->c1 == write->c1);
    case WRITE_ROW:
        return !is_static && write->c1 == cell->c1 && write->c2 == cell->c2;
    default:
        return write->column == cell->column &&
               (is_static || (write->c1 == cell->c1 && write->c2 == cell->c2)) &&
               (write->key == cell->key || (write->kind == WRITE_NULL && write->key < 0));
    }
}

enum certainty { NO, MAYBE, SURE };

static enum certainty counts(const struct world *w, const struct twin_write *write,
                             const struct twin_read *read)
{
    const struct twin_request *request = &w->twin->requests[write->request];
    if (request->refused || request->sent > read->done ||
        (write->void_ && write->void_ < read->sent))
        return NO;
    bool going = write->column == COLUMN_D && write->kind <= WRITE_NULL &&
                 (write->void_ || !w->twin->column_there);
    if (going)
        return MAYBE;
    return request->done && request->done < read->sent ? SURE : MAYBE;
}

static enum option_life life_of(const struct world *w, const struct twin_write *write,
                                const struct twin_read *read)
{
    const struct twin_request *request = &w->twin->requests[write->request];
    if (write->kind != WRITE_VALUE)
        return DEAD;
    if (!write->ttl)
        return LIVE;
    if (read->done_s < request->sent_s + write->ttl)
        return LIVE;
    bool known = request->done_s != INT64_MAX;
    return known && read->sent_s >= request->done_s + write->ttl ? DEAD : EITHER;
}

/* Newer first; at one time a deletion stands over a value. */
static bool is_over(const struct twin_write *a, const struct twin_write *b)
{
    if (!b || a->timestamp != b->timestamp)
        return !b || a->timestamp > b->timestamp;
    return a->kind != WRITE_VALUE;
}

struct options {
    const struct twin_write *sure; /* the newest of those that count for sure; NULL = none */
    bool may_live, must_live;
    bool may_change; /* some newer one may count */
};

static struct options options_of(const struct world *w, const struct cell *cell,
                                 const struct twin_read *read)
{
    const struct twin *twin = w->twin;
    struct options o = {0};
    for (int i = 0; i < twin->write_count; i++) {
        const struct twin_write *write = &twin->writes[i];
        if (covers(write, cell) && counts(w, write, read) == SURE && is_over(write, o.sure))
            o.sure = write;
    }
    enum option_life life = o.sure ? life_of(w, o.sure, read) : DEAD;
    o.may_live = life != DEAD;
    o.must_live = life == LIVE;
    for (int i = 0; i < twin->write_count; i++) {
        const struct twin_write *write = &twin->writes[i];
        if (!covers(write, cell) || counts(w, write, read) != MAYBE || !is_over(write, o.sure))
            continue;
        life = life_of(w, write, read);
        o.may_change = true;
        o.may_live = o.may_live || life != DEAD;
        o.must_live = o.must_live && life == LIVE;
    }
    return o;
}

static const struct twin_write *write_of_value(const struct world *w, const struct cell *cell,
                                               int value)
{
    for (int i = 0; i < w->twin->write_count; i++) {
        const struct twin_write *write = &w->twin->writes[i];
        if (write->kind == WRITE_VALUE && write->value == value && covers(write, cell))
            return write;
    }
    return NULL;
}

static void fail_at(struct world *w, const struct cell *cell, const char *what, int64_t value)
{
    seed_fail(w->run, "row %d, %d, %d, %s[%d]: %s (%lld)", cell->p, cell->c1, cell->c2,
              column_names[cell->column], cell->key, what, (long long)value);
}

/* The value that a read gave; -1 = null. */
static void check_value(struct world *w, const struct cell *cell, const struct twin_read *read,
                        int64_t value)
{
    struct options o = options_of(w, cell, read);
    if (value < 0) {
        if (o.must_live)
            fail_at(w, cell, "is null and was written", o.sure->value);
        if (o.sure && o.sure->kind == WRITE_VALUE && !o.may_live)
            reached(w, MARK_EXPIRED);
        return;
    }
    const struct twin_write *write = write_of_value(w, cell, (int)value);
    if (!write) {
        fail_at(w, cell, "a value that was never written there", value);
        return;
    }
    if (life_of(w, write, read) == DEAD)
        fail_at(w, cell, "is read after its time", value);
    if (counts(w, write, read) == NO)
        fail_at(w, cell, "was not written", value);
    if (write != o.sure && !is_over(write, o.sure))
        fail_at(w, cell, o.sure->kind == WRITE_VALUE ? "an older value" : "a deleted value", value);
    if (write == o.sure && write->request < w->twin->request_count - 1)
        reached(w, MARK_OLDER_WRITE);
    reached(w, cell->key >= 0 ? MARK_ELEMENT : MARK_LIVE_CELL);
}

/* What a read says of the newest write of a: its time and how long it has to live. */
static void check_times(struct world *w, const struct cell *cell, const struct twin_read *read,
                        const struct answer *answer, uint32_t row)
{
    int64_t value = answer_int(answer, row, "a", -1);
    int64_t time = answer_int(answer, row, "wt", -1), ttl = answer_int(answer, row, "ttl", -1);
    const struct twin_write *write = value < 0 ? NULL : write_of_value(w, cell, (int)value);
    if (!write || !answer_cell(answer, row, "wt"))
        return;
    const struct twin_request *request = &w->twin->requests[write->request];
    if (time != write->timestamp)
        fail_at(w, cell, "has another timestamp", time);
    int64_t done_s = request->done_s == INT64_MAX ? read->done_s : request->done_s;
    if ((ttl >= 0) != (write->ttl > 0) || ttl > write->ttl ||
        (ttl >= 0 && (ttl < request->sent_s + write->ttl - read->done_s ||
                      ttl > done_s + write->ttl - read->sent_s)))
        fail_at(w, cell, "has another time to live", ttl);
    if (ttl >= 0)
        reached(w, MARK_TTL_READ);
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* May, must the row be given? */
static void row_options(struct world *w, const struct twin_read *read, int p, int c1, int c2,
                        bool *ret_may, bool *ret_must)
{
    *ret_may = *ret_must = false;
    for (enum place_column column = COLUMN_MARKER; column < COLUMN_S; column++)
        for (int key = column == COLUMN_M ? 0 : -1; key < (column == COLUMN_M ? KEYS : 0); key++) {
            struct options o = options_of(w, &(struct cell){p, c1, c2, column, key}, read);
            *ret_may = *ret_may || o.may_live;
            /* A column that is being dropped or added takes its part of the row along. */
            *ret_must = *ret_must || (o.must_live && column != COLUMN_D);
        }
}

static bool is_asked(const struct twin_read *read, int p, int c1, int c2)
{
    if (read->p >= 0 && read->p != p)
        return false;
    if (read->c1 >= 0 && (read->at_least ? c1 < read->c1 : c1 != read->c1))
        return false;
    return read->c2 < 0 || read->c2 == c2;
}

/* Of two rows of a partition: which is first in the answer? */
static int compare(const struct twin_read *read, int c1, int c2, int d1, int d2)
{
    int order = c1 != d1 ? (c1 < d1 ? -1 : 1) : c2 != d2 ? (c2 > d2 ? -1 : 1) : 0;
    return read->reversed ? -order : order;
}

static void must_not_be_left_out(struct world *w, const struct twin_read *read, int p, int c1,
                                 int c2)
{
    bool may, must;
    if (!is_asked(read, p, c1, c2))
        return;
    row_options(w, read, p, c1, c2, &may, &must);
    if (must)
        seed_fail(w->run, "row %d, %d, %d is left out", p, c1, c2);
    else if (!may)
        reached(w, MARK_DEAD_ROW);
}

/* Every row of a partition between two places (not included); c1 -1 = the end. */
static void check_between(struct world *w, const struct twin_read *read, int p, bool from, int c1,
                          int c2, bool to, int d1, int d2)
{
    for (int i = 0; i < FIRSTS; i++)
        for (int j = 0; j < SECONDS; j++)
            if ((!from || compare(read, i, j, c1, c2) > 0) &&
                (!to || compare(read, i, j, d1, d2) < 0))
                must_not_be_left_out(w, read, p, i, j);
}

/* The statics of a partition of which nothing else is given. */
static void check_no_rows(struct world *w, const struct twin_read *read, int p)
{
    struct options o = options_of(w, &(struct cell){p, -1, -1, COLUMN_S, -1}, read);
    check_between(w, read, p, false, 0, 0, false, 0, 0);
    if (o.must_live && read->c1 < 0)
        seed_fail(w->run, "the statics of %d are left out", p);
}

static void check_map(struct world *w, const struct twin_read *read, int p, int c1, int c2,
                      const struct str *map)
{
    int64_t values[KEYS];
    memset(values, -1, sizeof values);
    struct reader r = map->ptr ? reader_of(map->ptr, map->bytes) : reader_of("\0\0\0\0", 4);
    for (uint32_t i = reader_be32(&r); i && r.err == OK; i--) {
        struct str key = cql_bytes_read(&r), value = cql_bytes_read(&r);
        if (key.bytes != 4 || value.bytes != 4 || (uint8_t)key.ptr[3] >= KEYS) {
            seed_fail(w->run, "a map that nobody wrote");
            return;
        }
        values[(uint8_t)key.ptr[3]] =
            (uint8_t)value.ptr[1] << 16 | (uint8_t)value.ptr[2] << 8 | (uint8_t)value.ptr[3];
    }
    for (int key = 0; key < KEYS; key++)
        check_value(w, &(struct cell){p, c1, c2, COLUMN_M, key}, read, values[key]);
}

static void check_row(struct world *w, const struct twin_read *read, const struct answer *answer,
                      uint32_t row, int p, int c1, int c2)
{
    check_value(w, &(struct cell){p, -1, -1, COLUMN_S, -1}, read, answer_int(answer, row, "s", -1));
    if (c1 < 0)
        return;
    bool may, must;
    row_options(w, read, p, c1, c2, &may, &must);
    if (!may)
        seed_fail(w->run, "row %d, %d, %d is given and is not there", p, c1, c2);
    struct cell a = {p, c1, c2, COLUMN_A, -1}, b = {p, c1, c2, COLUMN_B, -1};
    check_value(w, &a, read, answer_int(answer, row, "a", -1));
    check_value(w, &b, read, answer_int(answer, row, "b", -1));
    check_times(w, &a, read, answer, row);
    if (read->with_column && w->twin->column_order < read->sent)
        check_value(w, &(struct cell){p, c1, c2, COLUMN_D, -1}, read,
                    answer_int(answer, row, "d0", -1));
    if (answer_cell(answer, row, "m"))
        check_map(w, read, p, c1, c2, answer_cell(answer, row, "m"));
}

/* One row of an answer, behind what is in from_..; p is another partition, or goes on. */
static void take_row(struct world *w, struct twin_read *read, const struct answer *answer,
                     uint32_t row, bool *seen)
{
    int p = (int)answer_int(answer, row, "p", -1), c1 = (int)answer_int(answer, row, "c1", -1);
    int c2 = (int)answer_int(answer, row, "c2", -1);
    bool goes_on = p == read->from_p;
    if (p < 0 || p >= PARTITIONS || c1 >= FIRSTS || c2 >= SECONDS ||
        (c1 >= 0 && !is_asked(read, p, c1, c2)) || (read->p >= 0 && read->p != p)) {
        seed_fail(w->run, "row %d, %d, %d was not asked for", p, c1, c2);
        return;
    }
    if (!goes_on && seen[p])
        seed_fail(w->run, "partition %d comes twice", p);
    if (goes_on &&
        (c1 < 0 || read->from_c1 < 0 || compare(read, c1, c2, read->from_c1, read->from_c2) <= 0))
        seed_fail(w->run, "row %d, %d, %d comes after %d, %d", p, c1, c2, read->from_c1,
                  read->from_c2);
    int64_t token = answer_int(answer, row, "tk", 0);
    if (!goes_on && read->with_tokens && read->from_p >= 0 && token <= read->from_token)
        seed_fail(w->run, "partition %d comes after one of a higher token", p);
    /* Of the partition before nothing more comes; behind statics alone rows may have been added. */
    if (!goes_on && read->from_p >= 0 && read->from_c1 >= 0)
        check_between(w, read, read->from_p, true, read->from_c1, read->from_c2, false, 0, 0);
    check_between(w, read, p, goes_on && read->from_c1 >= 0, read->from_c1, read->from_c2, c1 >= 0,
                  c1, c2);
    check_row(w, read, answer, row, p, c1, c2);
    if (c1 < 0)
        reached(w, MARK_STATIC_ONLY);
    seen[p] = true;
    read->from_p = p;
    read->from_c1 = c1;
    read->from_c2 = c2;
    read->from_token = token;
}

void twin_check_rows(struct world *w, struct twin_read *read, const struct answer *answer)
{
    for (uint32_t i = 0; i < answer->row_count && !failed(w); i++)
        take_row(w, read, answer, i, read->seen);
    if (!read->last || failed(w))
        return;
    if (read->from_p >= 0 && read->from_c1 >= 0)
        check_between(w, read, read->from_p, true, read->from_c1, read->from_c2, false, 0, 0);
    /* In which page a partition without rows would have been is not known. */
    struct twin_read whole = *read;
    whole.sent = read->first_sent;
    whole.sent_s = read->first_sent_s;
    for (int p = 0; p < PARTITIONS; p++)
        if (!read->seen[p] && (read->p < 0 || read->p == p))
            check_no_rows(w, &whole, p);
}

void twin_check_index(struct world *w, const struct twin_read *read, int value,
                      const struct answer *answer)
{
    for (uint32_t i = 0; i < answer->row_count; i++) {
        int p = (int)answer_int(answer, i, "p", -1), c1 = (int)answer_int(answer, i, "c1", -1);
        int c2 = (int)answer_int(answer, i, "c2", -1);
        if (answer_int(answer, i, "a", -1) != value)
            seed_fail(w->run, "the index on a gives another value than %d", value);
        check_row(w, read, answer, i, p, c1, c2);
    }
    if (answer->row_count > 1)
        seed_fail(w->run, "the index on a gives %u rows of %d", answer->row_count, value);
    for (int i = 0; i < w->twin->write_count && !answer->row_count; i++) {
        const struct twin_write *write = &w->twin->writes[i];
        if (write->kind != WRITE_VALUE || write->column != COLUMN_A || write->value != value)
            continue;
        struct cell cell = {write->p, write->c1, write->c2, COLUMN_A, -1};
        struct options o = options_of(w, &cell, read);
        if (o.must_live && o.sure == write && !o.may_change)
            fail_at(w, &cell, "is not found by the index", value);
    }
    reached(w, MARK_INDEX_READ);
}
