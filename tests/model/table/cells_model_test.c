/* SPDX-License-Identifier: MIT */
/*
 * The second face of tables against a naive twin that remembers every write and works out what
 * stands by looking at all of them: cells with timestamps and TTLs of their own, static ones,
 * collections, deletions of rows, ranges and partitions; read whole, in slices, in both directions,
 * resumed behind every row, row by row. Flushes, compactions and reopenings happen in between, on
 * the disk and in memory.
 *
 * In the second kind of run timestamps only rise and the clock makes jumps over days: then purging
 * in compactions must not be seen.
 */
#include "../../unit/table/cells.h"
#include "base/hash.h"
#include "base/prng.h"
#include "io/thread.h"

enum { PARTITIONS = 4, FIRSTS = 3, SECONDS = 3, EVENTS_MAX = 20000, STATIC_ROW = -1 };
enum place { MARKER = -1, P, C1, C2, S, SS, A, B, L, M, COLUMNS };
enum kind { LIVE, EXPIRING, TOMBSTONE };
static const char *const paths[] = {"a", "bb", "c"};

struct written {
    int partition, c1, c2; /* c1 STATIC_ROW: the static row */
    int column;
    int path; /* -1 = none */
    enum kind kind;
    int64_t timestamp, time_s;
    int value;
};
struct bound {
    int count, values[2];
    bool inclusive;
};
struct removed {
    int partition;
    bool whole; /* statics too */
    bool statics;
    struct bound from, to;
    int64_t timestamp;
};
struct run {
    struct prng prng;
    struct stores stores;
    struct table *tables[2];
    struct written *writes;
    size_t write_count;
    struct removed *removals;
    size_t removal_count;
    bool rising;
    int64_t next_timestamp;
    int partitions[PARTITIONS];
};

/* ---- the twin ---- */

/* Where a row stands to a prefix: c2 falls. */
static int compare_prefix(const struct bound *bound, int c1, int c2)
{
    if (bound->count > 0 && c1 != bound->values[0])
        return c1 < bound->values[0] ? -1 : 1;
    if (bound->count > 1 && c2 != bound->values[1])
        return c2 > bound->values[1] ? -1 : 1;
    return 0;
}

static bool in_slice(const struct bound *from, const struct bound *to, int c1, int c2)
{
    int after = from->count ? compare_prefix(from, c1, c2) : 1;
    int before = to->count ? compare_prefix(to, c1, c2) : -1;
    return (after > 0 || (after == 0 && from->inclusive)) &&
           (before < 0 || (before == 0 && to->inclusive));
}

static bool is_removed(const struct run *run, const struct written *w)
{
    for (size_t i = 0; i < run->removal_count; i++) {
        const struct removed *r = &run->removals[i];
        if (r->partition != w->partition || r->timestamp < w->timestamp)
            continue;
        if (r->whole ||
            (w->c1 == STATIC_ROW ? r->statics
                                 : !r->statics && in_slice(&r->from, &r->to, w->c1, w->c2)))
            return true;
    }
    for (size_t i = 0; i < run->write_count && w->path >= 0; i++) {
        const struct written *t = &run->writes[i];
        if (t->column == w->column && t->path < 0 && t->partition == w->partition &&
            t->c1 == w->c1 && t->c2 == w->c2 && t->timestamp >= w->timestamp)
            return true;
    }
    return false;
}

static bool beats(const struct written *a, const struct written *b)
{
    if (a->timestamp != b->timestamp)
        return a->timestamp > b->timestamp;
    if (a->kind != b->kind)
        return a->kind > b->kind;
    return a->time_s != b->time_s ? a->time_s > b->time_s : a->value > b->value;
}

static const struct written *live(const struct run *run, int partition, int c1, int c2, int column,
                                  int path)
{
    const struct written *best = NULL;
    for (size_t i = 0; i < run->write_count; i++) {
        const struct written *w = &run->writes[i];
        if (w->partition == partition && w->c1 == c1 && w->c2 == c2 && w->column == column &&
            w->path == path && (!best || beats(w, best)))
            best = w;
    }
    if (!best || best->kind == TOMBSTONE ||
        (best->kind == EXPIRING && best->time_s <= test_now_us / 1000000) || is_removed(run, best))
        return NULL;
    return best;
}

static void print_time(const struct written *w, struct buf *out)
{
    if (w->kind == EXPIRING)
        buf_printf(out, "~%lld", (long long)w->time_s);
}

/* True when anything of the row is live; only wanted columns are printed. */
static bool print_twin_cells(const struct run *run, int partition, int c1, int c2,
                             const bool *columns, struct buf *out)
{
    static const char *const names[COLUMNS] = {"p", "c1", "c2", "s", "ss", "a", "b", "l", "m"};
    bool is_static = c1 == STATIC_ROW, any = false;
    for (int column = is_static ? S : A; column < (is_static ? A : COLUMNS); column++) {
        bool many = column == SS || column >= L;
        for (int path = many ? 0 : -1; path < (many ? 3 : 0); path++) {
            const struct written *w = live(run, partition, c1, c2, column, path);
            any |= w != NULL;
            if (!w || (columns && !columns[column]))
                continue;
            buf_printf(out, " %s", names[column]);
            if (many)
                buf_printf(out, "[%s]", paths[path]);
            if (column == SS)
                buf_text(out, "=");
            else
                buf_printf(out, column == B ? "=%d" : "=v%d", w->value);
            print_time(w, out);
            buf_printf(out, "@%lld", (long long)w->timestamp);
        }
    }
    return any;
}

static bool print_twin_row(const struct run *run, int partition, int c1, int c2,
                           const bool *columns, struct buf *out)
{
    struct buf cells = {0}, statics = {0};
    bool any = print_twin_cells(run, partition, c1, c2, columns, &cells);
    const struct written *marker = live(run, partition, c1, c2, MARKER, -1);
    print_twin_cells(run, partition, STATIC_ROW, 0, columns, &statics);
    any |= marker != NULL;
    if (any) {
        buf_printf(out, "%d/%d/%d", partition, c1, c2);
        if (marker) {
            buf_printf(out, " !@%lld", (long long)marker->timestamp);
            print_time(marker, out);
        }
        buf_str_append(out, buf_str(&cells));
        if (statics.bytes)
            buf_text(out, " |");
        buf_str_append(out, buf_str(&statics));
        buf_char(out, '\n');
    }
    buf_deinit(&cells);
    buf_deinit(&statics);
    return any;
}

static bool print_twin_partition(const struct run *run, int partition, const struct bound *from,
                                 const struct bound *to, bool reverse, const bool *columns,
                                 struct buf *out)
{
    bool any = false;
    for (int i = 0; i < FIRSTS; i++)
        for (int j = 0; j < SECONDS; j++) {
            int c1 = reverse ? FIRSTS - 1 - i : i, c2 = reverse ? j : SECONDS - 1 - j;
            if (in_slice(from, to, c1, c2))
                any |= print_twin_row(run, partition, c1, c2, columns, out);
        }
    struct buf statics = {0}, all = {0};
    bool has_static = print_twin_cells(run, partition, STATIC_ROW, 0, NULL, &all);
    print_twin_cells(run, partition, STATIC_ROW, 0, columns, &statics);
    if (!any && has_static) {
        buf_printf(out, "%d/-/-%s%.*s\n", partition, statics.bytes ? " |" : "",
                   STR_ARG(buf_str(&statics)));
        any = true;
    }
    buf_deinit(&statics);
    buf_deinit(&all);
    return any;
}

/* ---- both ---- */

static int64_t token_of(int partition)
{
    struct str bytes = cql_int(partition);
    return hash_token(bytes.ptr, bytes.bytes);
}

static void sort_partitions(struct run *run)
{
    for (int i = 0; i < PARTITIONS; i++) {
        int at = i;
        for (; at > 0 && token_of(run->partitions[at - 1]) > token_of(i); at--)
            run->partitions[at] = run->partitions[at - 1];
        run->partitions[at] = i;
    }
}

static void open_tables(struct run *run)
{
    const struct type *text = type_simple(TYPE_STRING), *number = type_simple(TYPE_INT);
    const struct type *list = type_array(&test_arena, text, true);
    const struct type *map = type_map(&test_arena, text, text, true);
    struct table_column columns[] = {
        {STR("p"), number, STR("int"), TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("c1"), number, STR("int"), TABLE_CLUSTERING_ASC, TABLE_ONE_CELL},
        {STR("c2"), number, STR("int"), TABLE_CLUSTERING_DESC, TABLE_ONE_CELL},
        {STR("s"), text, STR("text"), TABLE_STATIC, TABLE_ONE_CELL},
        {STR("ss"), list, STR("set<text>"), TABLE_STATIC, TABLE_MANY_CELLS},
        {STR("a"), text, STR("text"), TABLE_REGULAR, TABLE_ONE_CELL},
        {STR("b"), type_simple(TYPE_BIGINT), STR("bigint"), TABLE_REGULAR, TABLE_ONE_CELL},
        {STR("l"), list, STR("list<text>"), TABLE_REGULAR, TABLE_MANY_CELLS},
        {STR("m"), map, STR("map<text, text>"), TABLE_REGULAR, TABLE_MANY_CELLS},
    };
    struct table_definition definition = {STR("k"), STR("t"), columns, COLUMNS, false, 0};
    for (int i = 0; i < 2; i++)
        assert_ok(table_create(run->stores.store[i], &definition, NULL, &run->tables[i]));
}

struct waiter {
    struct table_job job;
    struct io_mutex lock;
    struct io_condition condition;
    bool done;
};

static void waiter_done(struct table_job *job)
{
    struct waiter *waiter = job->owner;
    io_mutex_lock(&waiter->lock);
    waiter->done = true;
    io_condition_signal(&waiter->condition);
    io_mutex_unlock(&waiter->lock);
}

/* As a job, or as a commit. */
static void write_batch(struct run *run, int store, struct table_batch *batch, bool as_job)
{
    if (!as_job) {
        assert_ok(table_commit(run->stores.store[store], batch, false));
        return;
    }
    struct waiter waiter = {.job = {.batch = batch, .done = waiter_done, .owner = &waiter}};
    io_mutex_init(&waiter.lock);
    io_condition_init(&waiter.condition);
    table_submit(run->stores.store[store], &waiter.job);
    io_mutex_lock(&waiter.lock);
    while (!waiter.done)
        io_condition_wait(&waiter.condition, &waiter.lock, -1);
    io_mutex_unlock(&waiter.lock);
    assert_ok(waiter.job.err);
    io_condition_deinit(&waiter.condition);
    io_mutex_deinit(&waiter.lock);
}

static int64_t timestamp(struct run *run)
{
    return run->rising ? run->next_timestamp += 2 : 1 + (int64_t)prng_below(&run->prng, 12);
}

static void remember(struct run *run, const struct written *written)
{
    assert_true(run->write_count < EVENTS_MAX);
    run->writes[run->write_count++] = *written;
}

static int below(struct run *run, uint64_t limit)
{
    return (int)prng_below(&run->prng, limit);
}

/* ---- operations ---- */

static struct table_cell random_cell(struct run *run, struct written *written)
{
    bool is_static = written->c1 == STATIC_ROW;
    int64_t now_s = test_now_us / 1000000;
    written->column = is_static ? S + below(run, 2) : A + below(run, 4);
    bool many = written->column == SS || written->column >= L;
    written->path = many ? below(run, 4) - 1 : -1;
    bool dead = (many && written->path < 0) || below(run, 5) == 0;
    int64_t ttl_s = dead || below(run, 3) ? 0 : 1 + below(run, 20);
    written->kind = dead ? TOMBSTONE : ttl_s ? EXPIRING : LIVE;
    written->time_s = dead ? now_s : ttl_s ? now_s + ttl_s : 0;
    written->value = dead ? -1 : written->column == SS ? 0 : below(run, 4);
    struct table_cell cell = {
        .column = (uint32_t)written->column,
        .timestamp_us = written->timestamp,
        .ttl_s = ttl_s,
        .expires_s = ttl_s ? written->time_s : 0,
        .element_deleted = dead && written->path >= 0,
    };
    char *text = arena_printf(&test_arena, "v%d", written->value);
    if (written->path >= 0)
        cell.path = str_of(paths[written->path]);
    if (!dead && written->column == B)
        cell.value = cql_bigint(written->value);
    else if (!dead && written->column != SS)
        cell.value = str_of(text);
    return cell;
}

static void do_cells(struct run *run, struct table_batch *const *batches)
{
    bool is_static = below(run, 5) == 0;
    struct written written = {
        .partition = below(run, PARTITIONS),
        .c1 = is_static ? STATIC_ROW : below(run, FIRSTS),
        .c2 = is_static ? 0 : below(run, SECONDS),
        .timestamp = timestamp(run),
    };
    struct str partition[1] = {cql_int(written.partition)};
    struct str clustering[2] = {cql_int(written.c1), cql_int(written.c2)};
    struct table_cell cells[5];
    struct table_row_write write = {
        .key = {partition, is_static ? NULL : clustering, is_static ? 0 : 2},
        .cells = cells,
        .marker = !is_static && below(run, 2),
        .marker_timestamp_us = written.timestamp,
        .marker_ttl_s = below(run, 3) ? 0 : 1 + below(run, 20),
    };
    if (write.marker) {
        struct written marker = written;
        marker.column = MARKER;
        marker.path = -1;
        marker.kind = write.marker_ttl_s ? EXPIRING : LIVE;
        marker.time_s = write.marker_ttl_s ? test_now_us / 1000000 + write.marker_ttl_s : 0;
        write.marker_expires_s = marker.time_s;
        remember(run, &marker);
    }
    int count = 1 + below(run, 5);
    for (int i = 0; i < count; i++) {
        if (!run->rising)
            written.timestamp = timestamp(run);
        cells[i] = random_cell(run, &written);
        remember(run, &written);
    }
    write.cell_count = (uint32_t)count;
    for (int i = 0; i < 2; i++)
        assert_ok(table_batch_cells(batches[i], run->tables[i], &write));
}

static struct bound random_bound(struct run *run)
{
    return (struct bound){below(run, 3), {below(run, FIRSTS), below(run, SECONDS)}, below(run, 2)};
}

static struct table_bound bound_of(const struct bound *bound)
{
    struct str *values = arena_array(&test_arena, 2, sizeof *values);
    values[0] = cql_int(bound->values[0]);
    values[1] = cql_int(bound->values[1]);
    return (struct table_bound){values, (uint32_t)bound->count, bound->inclusive};
}

static void do_delete(struct run *run, struct table_batch *const *batches)
{
    struct removed removed = {.partition = below(run, PARTITIONS), .timestamp = timestamp(run)};
    int kind = below(run, 12) % 9;
    struct str partition[1] = {cql_int(removed.partition)};
    removed.from = random_bound(run);
    removed.to = random_bound(run);
    if (kind < 3) { /* one row */
        removed.from.count = 2;
        removed.from.inclusive = true;
        removed.to = removed.from;
    }
    removed.whole = kind == 3;
    removed.statics = kind == 4;
    struct table_bound from = bound_of(&removed.from), to = bound_of(&removed.to);
    struct table_key key = {partition, from.values, removed.statics ? 0 : 2};
    for (int i = 0; i < 2; i++) {
        if (removed.whole)
            assert_ok(table_batch_delete_partition(batches[i], run->tables[i], partition,
                                                   removed.timestamp));
        else if (kind < 3 || removed.statics)
            assert_ok(table_batch_delete_row(batches[i], run->tables[i], &key, removed.timestamp));
        else
            assert_ok(table_batch_delete_range(batches[i], run->tables[i], partition, &from, &to,
                                               removed.timestamp));
    }
    run->removals[run->removal_count++] = removed;
}

static void do_writes(struct run *run)
{
    struct table_batch *batches[2], *parts[2];
    for (int i = 0; i < 2; i++) {
        batches[i] = table_batch_new(run->stores.store[i]);
        parts[i] = table_batch_new(run->stores.store[i]);
    }
    for (int left = 1 + below(run, 3); left; left--) {
        if (below(run, 8))
            do_cells(run, parts);
        else
            do_delete(run, parts);
        for (int i = 0; i < 2; i++) {
            table_batch_merge(batches[i], parts[i]);
            table_batch_reset(parts[i]);
        }
    }
    bool as_job = below(run, 2);
    for (int i = 0; i < 2; i++) {
        write_batch(run, i, batches[i], as_job);
        table_batch_free(batches[i]);
        table_batch_free(parts[i]);
    }
}

/* ---- checks ---- */

static void compare(const char *what, int store, const struct buf *want, const struct buf *have)
{
    if (!str_equal(buf_str(want), buf_str(have)))
        fail_msg("%s, %s:\nwant\n%.*shave\n%.*s", what, store ? "memory" : "disk",
                 STR_ARG(buf_str(want)), STR_ARG(buf_str(have)));
}

/* Reads on behind every row anew. */
static void print_resumed(struct table *table, struct table_read_options options, struct buf *out)
{
    struct buf position = {0};
    for (;;) {
        struct table_read *read;
        const struct table_row *row;
        options.resume = buf_str(&position);
        assert_ok(table_read_open(table, &options, &read));
        assert_ok(table_read_next(read, &row));
        if (row) {
            assert_true(row->partition_begins);
            print_row(table, row, out);
            buf_reset(&position);
            table_read_position(read, &position);
        }
        bool end = !row;
        table_read_close(read);
        if (end)
            break;
    }
    buf_deinit(&position);
}

static void check_one(struct run *run, const struct table_read_options *options, const char *what,
                      const struct buf *want)
{
    struct buf have = {0};
    for (int i = 0; i < 2; i++) {
        buf_reset(&have);
        print_read(run->tables[i], options, &have);
        compare(what, i, want, &have);
        buf_reset(&have);
        print_resumed(run->tables[i], *options, &have);
        compare("resumed", i, want, &have);
    }
    buf_deinit(&have);
}

static void check_all(struct run *run)
{
    struct bound edge = {0};
    struct buf want = {0};
    bool columns[COLUMNS];
    for (int i = 0; i < COLUMNS; i++)
        columns[i] = below(run, 2);
    for (int reverse = 0; reverse < 2; reverse++) {
        struct table_read_options options = {.token_from = INT64_MIN,
                                             .token_to = INT64_MAX,
                                             .statics_alone = true,
                                             .reverse = reverse,
                                             .columns = below(run, 2) ? columns : NULL};
        int from = below(run, PARTITIONS), to = below(run, PARTITIONS);
        if (below(run, 2)) {
            options.token_from = token_of(run->partitions[from]);
            options.token_to = token_of(run->partitions[to]);
        } else {
            from = 0, to = PARTITIONS - 1;
        }
        buf_reset(&want);
        for (int i = 0; i < PARTITIONS; i++) {
            int at = reverse ? PARTITIONS - 1 - i : i;
            if (at >= from && at <= to)
                print_twin_partition(run, run->partitions[at], &edge, &edge, reverse,
                                     options.columns, &want);
        }
        check_one(run, &options, "range of tokens", &want);
    }
    buf_deinit(&want);
}

static void check_slices(struct run *run)
{
    struct buf want = {0};
    for (int i = 0; i < 4; i++) {
        struct bound from = random_bound(run), to = random_bound(run);
        int number = below(run, PARTITIONS);
        struct str partition[1] = {cql_int(number)};
        struct table_read_options options = {.partition = partition,
                                             .from = bound_of(&from),
                                             .to = bound_of(&to),
                                             .statics_alone = true,
                                             .reverse = below(run, 2)};
        buf_reset(&want);
        print_twin_partition(run, number, &from, &to, options.reverse, NULL, &want);
        check_one(run, &options, "slice", &want);
    }
    buf_deinit(&want);
}

static void check_rows(struct run *run)
{
    struct table_reader *reader = table_reader_new();
    struct buf want = {0}, have = {0};
    for (int n = 0; n < 8; n++) {
        int number = below(run, PARTITIONS), c1 = below(run, FIRSTS), c2 = below(run, SECONDS);
        struct str partition[1] = {cql_int(number)}, clustering[2] = {cql_int(c1), cql_int(c2)};
        bool is_static = below(run, 4) == 0, there;
        struct table_key key = {partition, clustering, is_static ? 0 : 2};
        buf_reset(&want);
        if (is_static) {
            struct buf statics = {0};
            there = print_twin_cells(run, number, STATIC_ROW, 0, NULL, &statics);
            buf_printf(&want, "%d/-/- |%.*s\n", number, STR_ARG(buf_str(&statics)));
            buf_deinit(&statics);
        } else {
            there = print_twin_row(run, number, c1, c2, NULL, &want);
        }
        for (int i = 0; i < 2; i++) {
            const struct table_row *row;
            buf_reset(&have);
            assert_err(there ? OK : ERR_NOT_FOUND,
                       table_read_row(reader, run->tables[i], &key, NULL, 0, &row));
            if (there)
                print_row(run->tables[i], row, &have);
            if (there)
                compare("row", i, &want, &have);
        }
    }
    buf_deinit(&want);
    buf_deinit(&have);
    table_reader_free(reader);
}

/* The other face sees the same rows. */
static void check_scan(struct run *run)
{
    struct buf want = {0};
    struct bound edge = {0};
    for (int i = 0; i < PARTITIONS; i++)
        print_twin_partition(run, i, &edge, &edge, false, NULL, &want);
    uint64_t rows = 0;
    for (size_t i = 0; i < want.bytes; i++)
        rows += want.ptr[i] == '\n';
    buf_deinit(&want);
    for (int i = 0; i < 2; i++) {
        struct table_scan *scan;
        struct batch *batch;
        uint64_t seen = 0;
        assert_ok(table_scan_open(run->tables[i],
                                  &(struct table_scan_options){.reverse = below(run, 2)}, &scan));
        do {
            assert_ok(table_scan_next(scan, 7, &batch));
            for (uint32_t at = 0; batch && at < batch->column_count; at++)
                column_check(batch->columns[at]);
            seen += batch ? batch->rows : 0;
            batch_unref(batch);
        } while (batch);
        table_scan_close(scan);
        assert_int_equal(rows, seen);
    }
}

static void step(struct run *run)
{
    int dice = below(run, 100);
    if (dice < 70) {
        do_writes(run);
    } else if (dice < 80) {
        test_now_us += (int64_t)below(run, 8) * 1000000;
        if (run->rising && below(run, 3) == 0)
            test_now_us += 100000 * 1000000LL;
    } else if (dice < 84) {
        assert_ok(table_flush(run->stores.store[0]));
    } else if (dice < 87) {
        assert_ok(table_compact(run->stores.store[0]));
    } else if (dice < 88) {
        stores_reopen(&run->stores);
        open_tables(run);
    } else if (dice < 91) {
        check_all(run);
    } else if (dice < 94) {
        check_slices(run);
    } else if (dice < 98) {
        check_rows(run);
    } else {
        check_scan(run);
    }
}

static void run_model(uint64_t seed, bool rising, int steps)
{
    struct run run = {.prng = {seed}, .rising = rising, .next_timestamp = 1};
    run.writes = mem_array(EVENTS_MAX, sizeof *run.writes);
    run.removals = mem_array(EVENTS_MAX, sizeof *run.removals);
    test_now_us = 1000000LL * 1000000;
    stores_init(&run.stores);
    sort_partitions(&run);
    open_tables(&run);
    for (int i = 0; i < steps; i++)
        step(&run);
    check_all(&run);
    check_scan(&run);
    stores_deinit(&run.stores);
    mem_free(run.writes);
    mem_free(run.removals);
    arena_reset(&test_arena);
}

static void any_timestamps(void **state)
{
    for (uint64_t seed = 1; seed <= 8; seed++)
        run_model(seed, false, 200);
}

static void rising_timestamps_and_purging(void **state)
{
    for (uint64_t seed = 101; seed <= 108; seed++)
        run_model(seed, true, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_timestamps),
        cmocka_unit_test(rising_timestamps_and_purging),
    };
    int failed = RUN_TESTS(tests);
    arena_deinit(&test_arena);
    return failed;
}
