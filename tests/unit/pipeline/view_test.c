/* SPDX-License-Identifier: MIT */
/* Views whose tables are elsewhere, over a database that only writes down what it is asked: order,
 * timestamps that grow whatever the clock does, what is tried again and what is not. */
#include "lab.h"

#define RAW "sources:\n  raw:\n    schema: id BIGINT, name STRING\n"
#define KEYED RAW "targets:\n  totals: {key: [id]}\n"
#define TOTALS                                                                                     \
    "CREATE MATERIALIZED VIEW totals AS SELECT id, count(*) AS n, sum(CAST(name AS INT)) AS s "    \
    "FROM raw GROUP BY id;\n"
#define TWO "CREATE MATERIALIZED VIEW above AS SELECT id FROM totals;\n" TOTALS

/* ---- the database ---- */

static struct {
    struct table_store *store;
    struct buf trace; /* "TABLE ROWS", one line a replacement */
    int64_t timestamp_us;
    enum err answer; /* to a replacement of totals */
    bool stopping;
} world;

struct fake {
    struct remote_table base;
    const struct table_definition *definition;
    uint32_t rows;
    int64_t timestamp_us; /* of the rows */
};

static const struct remote_kind fake_kind;

static enum err fake_open(struct io *io, const void *place,
                          const struct table_definition *definition, uint32_t options,
                          struct diag *diag, struct remote_table **ret_table)
{
    struct fake *fake = mem_zero(sizeof *fake);
    *fake = (struct fake){.base = {&fake_kind}, .definition = definition};
    *ret_table = &fake->base;
    return OK;
}

static enum err fake_ready(struct remote_table *table, bool create, const struct remote_wait *wait,
                           struct diag *diag)
{
    return OK;
}

static enum err fake_add(struct remote_table *table, const struct batch *rows, uint32_t from,
                         uint32_t to, const struct remote_row *places, uint32_t *ret_bad_row,
                         struct diag *diag)
{
    struct fake *fake = (struct fake *)table;
    for (uint32_t i = from; i < to; i++, fake->rows++) {
        assert_int_equal(fake->rows, places[i].place.offset);
        fake->timestamp_us = places[i].timestamp_us;
    }
    return OK;
}

static size_t fake_gathered(const struct remote_table *table)
{
    return ((const struct fake *)table)->rows;
}

static void fake_reset(struct remote_table *table)
{
    ((struct fake *)table)->rows = 0;
}

static int64_t saved_timestamp(struct str view)
{
    CLEAN(buf_deinit) struct buf key = {0}, value = {0};
    buf_printf(&key, "view/%.*s/fake", STR_ARG(view));
    assert_ok(table_state_get(world.store, buf_str(&key), &value));
    struct reader r = reader_of(value.ptr, value.bytes);
    assert_int_equal(1, reader_u8(&r));
    return reader_varint(&r, 64);
}

static enum err fake_replace(struct remote_table *table, int64_t timestamp_us,
                             const struct remote_wait *wait, struct diag *diag)
{
    struct fake *fake = (struct fake *)table;
    bool totals = str_equal(fake->definition->name, STR("totals"));
    buf_printf(&world.trace, "%.*s %u\n", STR_ARG(fake->definition->name), fake->rows);
    assert_int_equal(timestamp_us, saved_timestamp(fake->definition->name));
    if (fake->rows)
        assert_int_equal(timestamp_us, fake->timestamp_us);
    if (totals)
        world.timestamp_us = timestamp_us;
    if (totals && world.answer != OK)
        return diag_set(diag, world.answer, 0, 0, "there is trouble");
    return OK;
}

static enum err fake_scan(struct remote_table *table, const struct type *wanted,
                          const struct remote_wait *wait,
                          bool (*rows)(void *owner, const struct batch *batch), void *owner,
                          struct diag *diag)
{
    return OK;
}

static void fake_close(struct remote_table *table)
{
    mem_free(table);
}

static const struct remote_kind fake_kind = {
    .scheme = "fake",
    .open = fake_open,
    .ready = fake_ready,
    .add = fake_add,
    .gathered = fake_gathered,
    .replace = fake_replace,
    .reset = fake_reset,
    .scan = fake_scan,
    .close = fake_close,
};

/* ---- a project over it ---- */

static void open_views(struct lab *lab, struct views *views)
{
    struct diag diag = {0};
    struct adhoc adhoc = {
        .io = lab->io, .project = lab->project, .log = lab->log, .store = lab->store};
    lab->project->tables_kind = &fake_kind;
    lab->streams[0].topic = lab_topic(lab, &lab->project->sources[0]);
    world.store = lab->store;
    assert_ok(views_open(views, &adhoc, false, &world.stopping, &diag));
}

static void open_lab(struct lab *lab, struct views *views, const char *settings, const char *sql)
{
    buf_reset(&world.trace);
    world.answer = OK;
    world.stopping = false;
    lab_open(lab, settings, sql);
    open_views(lab, views);
}

static void close_lab(struct lab *lab, struct views *views)
{
    views_close(views);
    lab_close(lab);
    buf_deinit(&world.trace);
}

/* What is replaced by a refresh. */
static void expect(struct views *views, bool only_blocked, enum err err, const char *trace)
{
    struct diag diag = {0};
    buf_reset(&world.trace);
    assert_int_equal(err, views_refresh(views, only_blocked, &diag));
    assert_str(trace, buf_str(&world.trace));
}

static struct view *view_named(struct views *views, const char *name)
{
    for (size_t i = 0; i < views->count; i++)
        if (str_equal(views->items[i].table->name, str_of(name)))
            return &views->items[i];
    fail_msg("no view %s", name);
    return NULL;
}

/* ---- tests ---- */

static void test_order(void **state)
{
    struct lab lab;
    struct views views;
    open_lab(&lab, &views, KEYED, TWO);
    expect(&views, false, OK, "totals 0\nabove 0\n");
    LAB_PUT(&lab, "{\"id\":1}", "{\"id\":1}", "{\"id\":2}");
    expect(&views, false, OK, "totals 2\nabove 0\n");
    assert_int_equal(2, view_named(&views, "totals")->rows);
    assert_int_equal(2, view_named(&views, "totals")->refreshes);
    expect(&views, true, OK, "");
    close_lab(&lab, &views);
}

static void test_timestamps(void **state)
{
    struct lab lab;
    struct views views;
    open_lab(&lab, &views, KEYED, TOTALS);
    LAB_PUT(&lab, "{\"id\":1}");
    int64_t start_us = io_wall_us(lab.io), newest_us = 0;
    for (int i = 0; i < 20; i++) {
        expect(&views, false, OK, "totals 1\n");
        assert_true(world.timestamp_us > newest_us && world.timestamp_us >= start_us);
        newest_us = world.timestamp_us;
    }
    /* The clock went back by a day since, and the run was killed. */
    int64_t ahead_us = io_wall_us(lab.io) + 86400000000;
    CLEAN(buf_deinit) struct buf value = {0};
    buf_u8(&value, 1);
    buf_varint(&value, ahead_us);
    struct table_batch *batch = table_batch_new(lab.store);
    table_batch_state(batch, STR("view/totals/fake"), buf_str(&value));
    assert_ok(table_commit(lab.store, batch, false));
    table_batch_free(batch);
    for (int i = 1; i < 4; i++) {
        views_close(&views);
        lab_restart(&lab);
        open_views(&lab, &views);
        world.answer = i == 2 ? ERR_AGAIN : OK;
        expect(&views, false, world.answer, "totals 1\n");
        assert_int_equal(ahead_us + i, world.timestamp_us);
    }
    close_lab(&lab, &views);
}

static void test_blocked(void **state)
{
    static const enum err passing[] = {ERR_AGAIN, ERR_NETWORK, ERR_DISK_FULL};
    struct lab lab;
    struct views views;
    open_lab(&lab, &views, KEYED, TWO);
    struct view *totals = view_named(&views, "totals");
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
        world.answer = passing[i];
        expect(&views, false, passing[i], "totals 0\nabove 0\n");
        assert_int_equal(VIEW_BLOCKED, view_get_state(totals));
        assert_string_equal("there is trouble; tries again", totals->detail);
        assert_true(views_any_is_blocked(&views));
        assert_int_equal(i, totals->refreshes);
        /* Again by itself, and what reads it too. */
        expect(&views, true, passing[i], "totals 0\nabove 0\n");
        world.answer = OK;
        expect(&views, true, OK, "totals 0\nabove 0\n");
        assert_int_equal(VIEW_IDLE, view_get_state(totals));
        assert_string_equal("", totals->detail);
        assert_false(views_any_is_blocked(&views));
        expect(&views, true, OK, "");
    }
    close_lab(&lab, &views);
}

static void test_failed(void **state)
{
    struct lab lab;
    struct views views;
    open_lab(&lab, &views, KEYED, TWO);
    struct view *totals = view_named(&views, "totals");
    world.answer = ERR_INVALID;
    expect(&views, false, ERR_INVALID, "totals 0\nabove 0\n");
    assert_int_equal(VIEW_FAILED, view_get_state(totals));
    assert_string_equal("there is trouble", totals->detail);
    expect(&views, true, OK, "");
    world.answer = OK;
    expect(&views, false, OK, "totals 0\nabove 0\n");
    assert_int_equal(VIEW_IDLE, view_get_state(totals));
    /* A query that fails leaves the table as it was. */
    LAB_PUT(&lab, "{\"id\":1,\"name\":\"no number\"}");
    expect(&views, false, ERR_INVALID, "above 0\n");
    assert_int_equal(VIEW_FAILED, view_get_state(totals));
    assert_non_null(strstr(totals->detail, "no number"));
    close_lab(&lab, &views);
}

static void test_stopping(void **state)
{
    struct lab lab;
    struct views views;
    open_lab(&lab, &views, KEYED, TWO);
    world.stopping = true;
    expect(&views, false, ERR_CANCELLED, "");
    assert_int_equal(VIEW_IDLE, view_get_state(view_named(&views, "totals")));
    close_lab(&lab, &views);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),    cmocka_unit_test(test_timestamps),
        cmocka_unit_test(test_blocked),  cmocka_unit_test(test_failed),
        cmocka_unit_test(test_stopping),
    };
    return RUN_TESTS(tests);
}
