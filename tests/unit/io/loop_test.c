/* SPDX-License-Identifier: MIT */
/* The loop: order of timers, posts, hooks of the turn's end, signals, descriptors of others; the
 * first part against kernel and simulator. */
#include "test.h"

#include "io/loop.h"
#include "io/sim.h"
#include "io/thread.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

enum { MS = 1000000 };

static struct io_loop *loop;

static int setup(struct io *io, void **state)
{
    *state = io;
    return io_loop_new(io, &loop) == OK ? 0 : -1;
}

static int kernel_setup(void **state)
{
    return setup(io_kernel_new(), state);
}

static int sim_setup(void **state)
{
    struct io_sim_options options = {.seed = 3};
    return setup(io_sim_new(&options), state);
}

static int teardown(void **state)
{
    io_loop_free(loop);
    io_free(*state);
    return 0;
}

static char trace[64];

static void note(char c)
{
    size_t bytes = strlen(trace);
    assert_true(bytes + 1 < sizeof trace);
    trace[bytes] = c;
    trace[bytes + 1] = 0;
}

static void fire(struct io_timer *timer)
{
    note(*(const char *)timer->owner);
}

static void test_timer_order(void **state)
{
    trace[0] = 0;
    struct io_timer timers[8];
    const char *names = "abcdefgh";
    const int64_t delays[8] = {3, 1, 2, 1, 0, 5, 2, 4};
    for (size_t i = 0; i < 8; i++) {
        timers[i] = (struct io_timer){.fire = fire, .owner = (void *)(uintptr_t)&names[i]};
        io_timer_start(loop, &timers[i], delays[i] * MS);
    }
    io_timer_stop(loop, &timers[7]);
    io_timer_stop(loop, &timers[7]);
    io_timer_start(loop, &timers[1], 4 * MS); /* moved */
    while (strlen(trace) < 7)
        io_loop_turn(loop, 100 * MS);
    assert_string_equal("edcgabf", trace);
    assert_int_equal(0, timers[0].heap_index);
}

static void test_many_timers(void **state)
{
    enum { COUNT = 500 };
    static struct io_timer timers[COUNT];
    struct prng prng = {7};
    trace[0] = 0;
    for (size_t round = 0; round < 20; round++)
        for (size_t i = 0; i < COUNT; i++) {
            timers[i].fire = fire;
            if (prng_below(&prng, 3) == 0)
                io_timer_stop(loop, &timers[i]);
            else
                io_timer_start(loop, &timers[i], (int64_t)(1000 + prng_below(&prng, 1000)) * MS);
        }
    size_t started = 0;
    int64_t sooner = INT64_MAX;
    for (size_t i = 0; i < COUNT; i++)
        if (timers[i].heap_index) {
            started++;
            sooner = timers[i].due_ns < sooner ? timers[i].due_ns : sooner;
        }
    assert_true(started > 0);
    for (size_t i = 0; i < COUNT; i++)
        io_timer_stop(loop, &timers[i]);
    assert_int_equal(0, io_loop_turn(loop, 0));
}

static struct io_timer again;
static int again_count;

static void fire_again(struct io_timer *timer)
{
    again_count++;
    io_timer_start(loop, timer, 0);
}

static void test_restart_is_next_turn(void **state)
{
    again_count = 0;
    again = (struct io_timer){.fire = fire_again};
    io_timer_start(loop, &again, 0);
    assert_int_equal(1, io_loop_turn(loop, 100 * MS));
    assert_int_equal(1, again_count);
    io_loop_turn(loop, 100 * MS);
    assert_int_equal(2, again_count);
    io_timer_stop(loop, &again);
    assert_int_equal(0, io_loop_turn(loop, 0));
}

static void run_post(struct io_post *post)
{
    note(*(const char *)post->owner);
}

static void run_hook(struct io_turn_end *hook)
{
    note(*(const char *)hook->owner);
}

static void post_more(struct io_post *post)
{
    note('3');
    io_loop_post(loop, post->owner);
}

static void test_posts_and_hooks(void **state)
{
    trace[0] = 0;
    struct io_turn_end x = {.run = run_hook, .owner = "x"}, y = {.run = run_hook, .owner = "y"};
    io_loop_turn_end(loop, &x);
    io_loop_turn_end(loop, &y);
    struct io_post one = {.run = run_post, .owner = "1"}, two = {.run = run_post, .owner = "2"},
                   later = {.run = run_post, .owner = "4"},
                   three = {.run = post_more, .owner = &later};
    io_loop_post(loop, &one);
    io_loop_post(loop, &two);
    io_loop_post(loop, &three);
    io_loop_turn(loop, -1);
    assert_string_equal("123xy", trace);
    io_loop_turn(loop, -1);
    assert_string_equal("123xy4xy", trace);
}

static void stop_fire(struct io_timer *timer)
{
    io_loop_stop(loop);
}

static void test_run_and_clock(void **state)
{
    struct io_timer timer = {.fire = stop_fire};
    int64_t before = io_now_ns(*state);
    io_timer_start(loop, &timer, 5 * MS);
    io_loop_run(loop);
    assert_true(io_now_ns(*state) - before >= 5 * MS);
    assert_true(io_loop_now_ns(loop) - before >= 5 * MS);
    before = io_now_ns(*state);
    io_loop_turn(loop, 3 * MS);
    assert_true(io_now_ns(*state) - before >= 3 * MS);
    assert_ptr_equal(*state, io_loop_io(loop));
}

/* ---- kernel only ---- */

enum { THREADS = 3, POSTS = 2000 };
struct poster {
    struct io_post posts[POSTS];
    int next; /* what must come next from this thread */
};
static struct poster posters[THREADS];
static int posts_ran;

static void count_post(struct io_post *post)
{
    struct poster *poster = post->owner;
    assert_int_equal(poster->next++, (int)(post - poster->posts));
    if (++posts_ran == THREADS * POSTS)
        io_loop_stop(loop);
}

static void post_all(void *arg)
{
    struct poster *poster = arg;
    for (size_t i = 0; i < POSTS; i++) {
        poster->posts[i] = (struct io_post){.run = count_post, .owner = poster};
        io_loop_post(loop, &poster->posts[i]);
    }
}

static void test_posts_from_threads(void **state)
{
    struct io_thread *threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_ok(io_thread_start(*state, "poster", post_all, &posters[i], &threads[i]));
    io_loop_run(loop);
    for (size_t i = 0; i < THREADS; i++)
        io_thread_join(threads[i]);
    assert_int_equal(THREADS * POSTS, posts_ran);
}

static void stop_later(void *arg)
{
    io_sleep_ns(arg, 5 * MS);
    io_loop_stop(loop);
}

static void test_stop_from_thread(void **state)
{
    struct io_thread *thread = NULL;
    assert_ok(io_thread_start(*state, "stopper", stop_later, *state, &thread));
    io_loop_run(loop);
    io_thread_join(thread);
}

static int signal_number;

static void arrived(void *owner, int number)
{
    signal_number = number;
    io_loop_stop(owner);
}

static void test_signal(void **state)
{
    assert_ok(io_signals_watch(loop, arrived, loop));
    struct io_loop *other = NULL;
    assert_ok(io_loop_new(*state, &other));
    assert_err(ERR_CONFLICT, io_signals_watch(other, arrived, other));
    io_loop_free(other);
    raise(SIGTERM);
    io_loop_run(loop);
    assert_int_equal(IO_SIGNAL_TERMINATE, signal_number);
    raise(SIGHUP);
    io_loop_run(loop);
    assert_int_equal(IO_SIGNAL_HANGUP, signal_number);
}

static unsigned watch_events;
static struct io_watch *strike;

static void watch_ready(struct io_watch *watch, unsigned events)
{
    watch_events |= events;
    if (strike)
        assert_ok(io_watch_set(loop, strike, 0));
}

static void test_watch(void **state)
{
    int a[2], b[2];
    assert_int_equal(0, pipe2(a, O_CLOEXEC));
    assert_int_equal(0, pipe2(b, O_CLOEXEC));
    struct io_watch first = {.ready = watch_ready, .fd = a[0]};
    struct io_watch second = {.ready = watch_ready, .fd = b[0]};
    assert_ok(io_watch_set(loop, &first, IO_READABLE));
    assert_ok(io_watch_set(loop, &second, IO_READABLE));
    assert_int_equal(0, io_loop_turn(loop, 0));
    assert_int_equal(1, write(a[1], "x", 1));
    assert_int_equal(1, io_loop_turn(loop, -1));
    assert_int_equal(IO_READABLE, watch_events);
    /* Whichever comes first takes the second away: its event must not arrive. */
    assert_int_equal(1, write(b[1], "x", 1));
    strike = &second;
    io_loop_turn(loop, -1);
    assert_int_equal(0, second.events);
    strike = NULL;
    assert_int_equal(1, io_loop_turn(loop, 0));
    assert_ok(io_watch_set(loop, &first, 0));
    assert_int_equal(0, io_loop_turn(loop, 0));
    struct io_watch out = {.ready = watch_ready, .fd = a[1]};
    watch_events = 0;
    assert_ok(io_watch_set(loop, &out, IO_WRITABLE));
    io_loop_turn(loop, -1);
    assert_int_equal(IO_WRITABLE, watch_events);
    assert_ok(io_watch_set(loop, &out, 0));
    for (size_t i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

/* ---- rest: far longer than the test may take, so that whatever must end it has to ---- */

enum { REST_POSTS = 200 };

struct rester {
    struct io *io;
    struct io_post posts[REST_POSTS];
    int ran;
};

static void rest_hook(struct io_turn_end *hook)
{
    io_loop_rest(loop, 3600 * 1000 * (int64_t)MS);
}

static void rest_timer(struct io_timer *timer)
{
    note('t');
}

static void rest_post(struct io_post *post)
{
    struct rester *rester = post->owner;
    assert_true(io_loop_news(loop) > 0);
    rester->ran++;
}

static void post_slowly(void *arg)
{
    struct rester *rester = arg;
    for (int i = 0; i < REST_POSTS; i++) {
        rester->posts[i] = (struct io_post){.run = rest_post, .owner = rester};
        io_loop_post(loop, &rester->posts[i]);
        if (i % 4 == 0)
            io_sleep_ns(rester->io, MS / 10);
    }
    io_sleep_ns(rester->io, 2 * MS);
    io_loop_stop(loop);
}

static void test_rest(void **state)
{
    trace[0] = 0;
    struct rester rester = {.io = *state};
    struct io_turn_end hook = {.run = rest_hook};
    struct io_timer timer = {.fire = rest_timer};
    struct io_thread *thread = NULL;
    io_loop_turn_end(loop, &hook);
    io_timer_start(loop, &timer, MS);
    assert_ok(io_thread_start(*state, "poster", post_slowly, &rester, &thread));
    io_loop_run(loop);
    io_thread_join(thread);
    assert_int_equal(REST_POSTS, rester.ran);
    assert_string_equal("t", trace);
    /* A turn by hand does not rest. */
    io_loop_turn(loop, 0);
    assert_int_equal(0, io_loop_news(loop));
    io_loop_turn_end_stop(loop, &hook);
}

static void test_not_in_simulator(void **state)
{
    struct io_watch watch = {.ready = watch_ready, .fd = 0};
    assert_err(ERR_UNSUPPORTED, io_watch_set(loop, &watch, IO_READABLE));
    assert_ok(io_signals_watch(loop, arrived, loop)); /* none comes */
}

static void test_idle_costs_nothing(void **state)
{
    struct io_usage before, after;
    io_usage(*state, &before);
    io_loop_turn(loop, 300 * (int64_t)MS);
    io_usage(*state, &after);
    assert_true(after.cpu_us - before.cpu_us < 100000);
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, kernel_setup, teardown),                                 \
        cmocka_unit_test_setup_teardown(test, sim_setup, teardown)
#define KERNEL(test) cmocka_unit_test_setup_teardown(test, kernel_setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_timer_order),
        BOTH(test_many_timers),
        BOTH(test_restart_is_next_turn),
        BOTH(test_posts_and_hooks),
        BOTH(test_run_and_clock),
        KERNEL(test_posts_from_threads),
        KERNEL(test_stop_from_thread),
        KERNEL(test_signal),
        KERNEL(test_watch),
        KERNEL(test_rest),
        KERNEL(test_idle_costs_nothing),
        cmocka_unit_test_setup_teardown(test_not_in_simulator, sim_setup, teardown),
    };
    return RUN_TESTS(tests);
}
