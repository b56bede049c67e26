/* SPDX-License-Identifier: MIT */
/*
 * Random upserts, deletions, TTLs and timestamps against a naive twin that remembers every write
 * and works out what stands by looking at all of them. Flushes, compactions and reopenings happen
 * in between; both backends must give what the twin gives, forwards, backwards and row by row.
 *
 * In the second kind of run timestamps only rise and the clock makes jumps over days: then purging
 * in compactions must not be seen. (With late timestamps it may be, see filter.c.)
 */
#include "../../unit/table/rows.h"
#include "base/hash.h"
#include "base/prng.h"

enum { PARTITIONS = 5, CLUSTERINGS = 4, COLUMNS = 4, WRITES_MAX = 20000 };
enum part { MARKER, OWNER, NAME, SCORE }; /* OWNER is static */
enum kind { LIVE, EXPIRING, TOMBSTONE };

struct written {
    int partition, clustering; /* clustering -1: the static row */
    enum part column;
    enum kind kind;
    int64_t timestamp, time_s;
    int value;
};
struct removed {
    int partition, clustering; /* -1: the whole partition */
    int64_t timestamp;
};
struct twin {
    struct written *writes;
    size_t write_count;
    struct removed *removals;
    size_t removal_count;
};

struct run {
    struct prng prng;
    struct stores stores;
    struct table *tables[2];
    struct twin twin;
    bool rising;
    int64_t next_timestamp;
    int partitions[PARTITIONS]; /* in order of their tokens */
};

/* ---- the twin ---- */

static const struct written *standing(const struct twin *twin, int partition, int clustering,
                                      enum part column)
{
    const struct written *best = NULL;
    for (size_t i = 0; i < twin->write_count; i++) {
        const struct written *w = &twin->writes[i];
        if (w->partition != partition || w->clustering != clustering || w->column != column)
            continue;
        bool better = !best || w->timestamp > best->timestamp;
        if (!better && w->timestamp == best->timestamp) {
            better = w->kind > best->kind;
            if (w->kind == best->kind)
                better = w->time_s > best->time_s ||
                         (w->time_s == best->time_s && w->value > best->value);
        }
        if (better)
            best = w;
    }
    return best;
}

static const struct written *live(const struct twin *twin, int partition, int clustering,
                                  enum part column)
{
    const struct written *w = standing(twin, partition, clustering, column);
    if (!w || w->kind == TOMBSTONE || (w->kind == EXPIRING && w->time_s <= test_now_us / 1000000))
        return NULL;
    for (size_t i = 0; i < twin->removal_count; i++) {
        const struct removed *r = &twin->removals[i];
        if (r->partition == partition && (r->clustering < 0 || r->clustering == clustering) &&
            r->timestamp >= w->timestamp)
            return NULL;
    }
    return w;
}

static bool print_row(const struct twin *twin, int partition, int clustering, struct buf *out)
{
    const struct written *owner = live(twin, partition, -1, OWNER);
    const struct written *name = live(twin, partition, clustering, NAME);
    const struct written *score = live(twin, partition, clustering, SCORE);
    if (clustering >= 0 && !name && !score && !live(twin, partition, clustering, MARKER))
        return false;
    buf_printf(out, "p%d|", partition);
    if (clustering < 0)
        buf_text(out, "null|");
    else
        buf_printf(out, "%d|", clustering);
    if (owner)
        buf_printf(out, "%d|", owner->value);
    else
        buf_text(out, "null|");
    if (name)
        buf_printf(out, "n%d|", name->value);
    else
        buf_text(out, "null|");
    if (score)
        buf_printf(out, "%d\n", score->value);
    else
        buf_text(out, "null\n");
    return true;
}

static void print_twin(const struct run *run, bool reverse, struct buf *out)
{
    for (int i = 0; i < PARTITIONS; i++) {
        int partition = run->partitions[reverse ? PARTITIONS - 1 - i : i];
        bool any = false;
        for (int j = 0; j < CLUSTERINGS; j++)
            any |= print_row(&run->twin, partition, reverse ? j : CLUSTERINGS - 1 - j, out);
        if (!any && live(&run->twin, partition, -1, OWNER))
            print_row(&run->twin, partition, -1, out);
    }
}

static void sort_partitions(struct run *run)
{
    for (int i = 0; i < PARTITIONS; i++) {
        int at = i;
        char one[8], other[8];
        snprintf(one, sizeof one, "p%d", i);
        for (; at > 0; at--) {
            snprintf(other, sizeof other, "p%d", run->partitions[at - 1]);
            if (hash_token(other, 2) < hash_token(one, 2))
                break;
            run->partitions[at] = run->partitions[at - 1];
        }
        run->partitions[at] = i;
    }
}

/* ---- the operations, done to the twin and to both stores ---- */

static void open_tables(struct run *run)
{
    struct table_column columns[] = {
        {STR("p"), type_simple(TYPE_STRING), STR_NONE, TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("c"), type_simple(TYPE_INT), STR_NONE, TABLE_CLUSTERING_DESC, TABLE_ONE_CELL},
        {STR("owner"), type_simple(TYPE_INT), STR_NONE, TABLE_STATIC, TABLE_ONE_CELL},
        {STR("name"), type_simple(TYPE_STRING), STR_NONE, TABLE_REGULAR, TABLE_ONE_CELL},
        {STR("score"), type_simple(TYPE_BIGINT), STR_NONE, TABLE_REGULAR, TABLE_ONE_CELL},
    };
    struct table_definition definition = {STR("k"), STR("t"), columns, 5, false, 0};
    for (int i = 0; i < 2; i++)
        assert_ok(table_create(run->stores.store[i], &definition, NULL, &run->tables[i]));
}

static int64_t timestamp(struct run *run)
{
    return run->rising ? run->next_timestamp++ : (int64_t)prng_below(&run->prng, 12);
}

static void remember(struct run *run, struct written written, bool null, bool nulls_are_unset)
{
    if (null && nulls_are_unset)
        return;
    if (null) {
        written.kind = TOMBSTONE;
        written.time_s = test_now_us / 1000000;
        written.value = -1;
    }
    assert_true(run->twin.write_count < WRITES_MAX);
    run->twin.writes[run->twin.write_count++] = written;
}

static void do_upsert(struct run *run)
{
    static const char *const schemas[] = {
        "p STRING, c INT, owner INT, name STRING, score BIGINT",
        "p STRING, c INT, name STRING, score BIGINT",
        "score BIGINT, c INT, p STRING",
        "p STRING, c INT",
    };
    struct prng *prng = &run->prng;
    const struct type *schema = ddl(schemas[prng_below(prng, 4)]);
    struct table_write write = {.timestamp_us = timestamp(run),
                                .ttl_s = prng_below(prng, 3) ? 0 : 1 + (int)prng_below(prng, 20),
                                .nulls_are_unset = prng_below(prng, 2)};
    struct written written = {
        .partition = (int)prng_below(prng, PARTITIONS),
        .clustering = (int)prng_below(prng, CLUSTERINGS),
        .kind = write.ttl_s ? EXPIRING : LIVE,
        .timestamp = write.timestamp_us,
        .time_s = write.ttl_s ? test_now_us / 1000000 + write.ttl_s : 0,
    };
    char texts[5][16];
    const char *cells[5];
    remember(run, written, false, false);
    for (uint32_t i = 0; i < schema->field_count; i++) {
        struct str name = schema->fields[i].name;
        struct written cell = written;
        cell.value = (int)prng_below(prng, 4);
        bool null = prng_below(prng, 4) == 0, key = name.bytes == 1;
        cells[i] = null && !key ? NULL : texts[i];
        if (str_equal(name, STR("p"))) {
            snprintf(texts[i], sizeof texts[i], "p%d", written.partition);
            continue;
        }
        if (str_equal(name, STR("c"))) {
            snprintf(texts[i], sizeof texts[i], "%d", written.clustering);
            continue;
        }
        bool is_name = str_equal(name, STR("name"));
        cell.column = is_name ? NAME : str_equal(name, STR("score")) ? SCORE : OWNER;
        if (cell.column == OWNER)
            cell.clustering = -1;
        snprintf(texts[i], sizeof texts[i], is_name ? "n%d" : "%d", cell.value);
        remember(run, cell, null, write.nulls_are_unset);
    }
    struct batch *rows = batch_of(schema, 1, cells);
    for (int i = 0; i < 2; i++)
        upsert(run->tables[i], run->stores.store[i], rows, &write);
    batch_unref(rows);
}

static void do_delete(struct run *run)
{
    struct prng *prng = &run->prng;
    bool whole = prng_below(prng, 3) == 0;
    struct removed removed = {(int)prng_below(prng, PARTITIONS),
                              whole ? -1 : (int)prng_below(prng, CLUSTERINGS), timestamp(run)};
    run->twin.removals[run->twin.removal_count++] = removed;
    char partition[8], clustering[8];
    snprintf(partition, sizeof partition, "p%d", removed.partition);
    snprintf(clustering, sizeof clustering, "%d", removed.clustering);
    struct batch *keys = batch_of(ddl(whole ? "p STRING" : "p STRING, c INT"), 1,
                                  (const char *[]){partition, clustering});
    for (int i = 0; i < 2; i++) {
        struct table_batch *batch = table_batch_new(run->stores.store[i]);
        assert_ok(table_batch_delete(batch, run->tables[i], keys, 0, 1, removed.timestamp));
        commit(run->stores.store[i], batch);
        table_batch_free(batch);
    }
    batch_unref(keys);
}

static void check_get(struct run *run)
{
    int partition = (int)prng_below(&run->prng, PARTITIONS);
    int clustering = (int)prng_below(&run->prng, CLUSTERINGS);
    char texts[2][8];
    snprintf(texts[0], sizeof texts[0], "p%d", partition);
    snprintf(texts[1], sizeof texts[1], "%d", clustering);
    struct batch *key = batch_of(ddl("p STRING, c INT"), 1, (const char *[]){texts[0], texts[1]});
    struct buf want = {0}, have = {0};
    bool there = print_row(&run->twin, partition, clustering, &want);
    for (int i = 0; i < 2; i++) {
        struct batch *row = NULL;
        buf_reset(&have);
        assert_err(there ? OK : ERR_NOT_FOUND, table_get(run->tables[i], key, NULL, &row));
        if (row)
            print_batch(row, &have);
        assert_true(str_equal(buf_str(&want), buf_str(&have)));
        batch_unref(row);
    }
    batch_unref(key);
    buf_deinit(&want);
    buf_deinit(&have);
}

static void check_scans(struct run *run)
{
    struct buf want = {0}, have = {0};
    for (int reverse = 0; reverse < 2; reverse++) {
        buf_reset(&want);
        print_twin(run, reverse, &want);
        for (int i = 0; i < 2; i++) {
            buf_reset(&have);
            print_scan(run->tables[i], &(struct table_scan_options){.reverse = reverse},
                       1 + (uint32_t)prng_below(&run->prng, 7), &have);
            if (!str_equal(buf_str(&want), buf_str(&have)))
                fail_msg("%s, reverse %d:\nwant\n%.*shave\n%.*s", i ? "memory" : "disk", reverse,
                         STR_ARG(buf_str(&want)), STR_ARG(buf_str(&have)));
        }
    }
    buf_deinit(&want);
    buf_deinit(&have);
}

static void step(struct run *run)
{
    uint64_t dice = prng_below(&run->prng, 100);
    if (dice < 60) {
        do_upsert(run);
    } else if (dice < 75) {
        do_delete(run);
    } else if (dice < 83) {
        test_now_us += (int64_t)prng_below(&run->prng, 8) * 1000000;
        if (run->rising && prng_below(&run->prng, 3) == 0)
            test_now_us += 100000 * 1000000LL;
    } else if (dice < 87) {
        assert_ok(table_flush(run->stores.store[0]));
    } else if (dice < 89) {
        assert_ok(table_compact(run->stores.store[0]));
    } else if (dice < 90) {
        stores_reopen(&run->stores);
        open_tables(run);
    } else {
        check_get(run);
        check_scans(run);
    }
}

static void run_model(uint64_t seed, bool rising, int steps)
{
    struct run run = {.prng = {seed}, .rising = rising, .next_timestamp = 1};
    run.twin.writes = mem_array(WRITES_MAX, sizeof *run.twin.writes);
    run.twin.removals = mem_array(WRITES_MAX, sizeof *run.twin.removals);
    test_now_us = 1000000LL * 1000000;
    stores_init(&run.stores);
    sort_partitions(&run);
    open_tables(&run);
    for (int i = 0; i < steps; i++)
        step(&run);
    check_scans(&run);
    stores_deinit(&run.stores);
    mem_free(run.twin.writes);
    mem_free(run.twin.removals);
    arena_reset(&test_arena);
}

static void any_timestamps(void **state)
{
    for (uint64_t seed = 1; seed <= 8; seed++)
        run_model(seed, false, 400);
}

static void rising_timestamps_and_purging(void **state)
{
    for (uint64_t seed = 101; seed <= 108; seed++)
        run_model(seed, true, 400);
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
