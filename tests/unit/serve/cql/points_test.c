/* SPDX-License-Identifier: MIT */
/*
 * Reads of one row that share a turn: few and many, more than a turn takes, some that fail, some
 * that are begun by the answers to others; each is read once and answered once.
 */
#include "serve/cql/points.h"

#include "base/endian.h"
#include "base/mem.h"
#include "base/prng.h"
#include "io/sim.h"
#include "serve/cql/exec_private.h"

#include "test.h"

enum { RUNS_MAX = 20000 };

static struct {
    struct cql_executor executor;
    struct io_loop *loop;
    struct arena arena;
    struct cql_run runs[RUNS_MAX];
    uint32_t reads[RUNS_MAX];
    size_t begun, done;
    size_t more; /* to be begun by answers */
    bool failing;
    uint64_t by_helper; /* atomic */
} lab;

static void done(struct cql_run *run);

static void begin(void)
{
    struct cql_run *run = &lab.runs[lab.begun];
    *run = (struct cql_run){.executor = &lab.executor, .arena = &lab.arena, .done = done};
    run->private = &lab.reads[lab.begun++];
    points_add(lab.executor.points, run);
}

static void done(struct cql_run *run)
{
    size_t at = (size_t)(run - lab.runs);
    assert_int_equal(1, lab.reads[at]);
    lab.reads[at] = 0;
    bool fails = lab.failing && at % 3 == 0;
    assert_int_equal(fails, run->failed);
    if (!fails)
        assert_int_equal(at * 7, get_le64(run->out.ptr));
    buf_deinit(&run->out);
    lab.done++;
    if (lab.more) {
        lab.more--;
        begin();
    }
}

static enum err read_one(struct cql_run *run, struct table_reader *reader)
{
    size_t at = (size_t)(run - lab.runs);
    uint32_t *reads = run->private;
    (*reads)++;
    if (reader != lab.executor.reader)
        __atomic_fetch_add(&lab.by_helper, 1, __ATOMIC_RELAXED);
    if (lab.failing && at % 3 == 0)
        return ERR_IO;
    uint64_t x = at;
    for (int i = 0; i < 2000; i++)
        x = prng_mix(x);
    buf_le64(&run->out, x ? at * 7 : 0);
    return OK;
}

static void open_lab(struct io *io)
{
    memset(&lab, 0, sizeof lab);
    arena_init(&lab.arena, SIZE_MAX);
    assert_ok(io_loop_new(io, &lab.loop));
    lab.executor.io = io;
    lab.executor.loop = lab.loop;
    lab.executor.reader = table_reader_new();
    lab.executor.points = points_new(&lab.executor, read_one);
}

static void close_lab(void)
{
    points_free(lab.executor.points);
    table_reader_free(lab.executor.reader);
    io_loop_free(lab.loop);
    arena_deinit(&lab.arena);
}

static void run_all(struct io *io, bool failing)
{
    static const size_t counts[] = {1, 2, 7, 8, 9, 100, 1000, 1023, 1024, 1025, 3000, 1, 50};
    open_lab(io);
    lab.failing = failing;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        lab.more = counts[i] / 2;
        for (size_t n = 0; n < counts[i]; n++)
            begin();
        while (lab.executor.under_way)
            io_loop_turn(lab.loop, 1000000);
        assert_int_equal(0, lab.more);
        assert_int_equal(lab.begun, lab.done);
    }
    close_lab();
}

static void with_threads(void **state)
{
    struct io *io = io_kernel_new();
    run_all(io, false);
    run_all(io, true);
    io_free(io);
}

static void without_threads(void **state)
{
    struct io_sim_options options = {.seed = 1};
    struct io *io = io_sim_new(&options);
    run_all(io, false);
    assert_int_equal(0, lab.by_helper);
    run_all(io, true);
    io_free(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_threads),
        cmocka_unit_test(without_threads),
    };
    return RUN_TESTS(tests);
}
