/* SPDX-License-Identifier: MIT */
/* The bounded queue and the locks, with real threads. */
#include "test.h"

#include "io/sim.h"
#include "io/thread.h"

enum { MS = 1000000, ITEMS = 5000 };

static struct io *io;
static struct io_queue *queue;
static int numbers[ITEMS];

static int setup(void **state)
{
    io = io_kernel_new();
    return 0;
}

static int teardown(void **state)
{
    io_free(io);
    return 0;
}

static void test_order_and_limits(void **state)
{
    queue = io_queue_new(3);
    void *item = NULL;
    assert_err(ERR_TIMEOUT, io_queue_pop(queue, 0, &item));
    for (size_t round = 0; round < 5; round++) {
        for (size_t i = 0; i < 3; i++)
            assert_ok(io_queue_try_push(queue, &numbers[i]));
        assert_err(ERR_AGAIN, io_queue_try_push(queue, &numbers[3]));
        for (size_t i = 0; i < 2; i++) {
            assert_ok(io_queue_pop(queue, 0, &item));
            assert_ptr_equal(&numbers[i], item);
        }
        assert_ok(io_queue_push(queue, &numbers[7]));
        assert_ok(io_queue_pop(queue, -1, &item));
        assert_ptr_equal(&numbers[2], item);
        assert_ok(io_queue_pop(queue, -1, &item));
        assert_ptr_equal(&numbers[7], item);
    }
    int64_t before = io_now_ns(io);
    assert_err(ERR_TIMEOUT, io_queue_pop(queue, 3 * MS, &item));
    assert_true(io_now_ns(io) - before >= 3 * MS);
    assert_ok(io_queue_push(queue, &numbers[1]));
    io_queue_close(queue);
    assert_err(ERR_CLOSED, io_queue_push(queue, &numbers[2]));
    assert_err(ERR_CLOSED, io_queue_try_push(queue, &numbers[2]));
    assert_ok(io_queue_pop(queue, -1, &item));
    assert_ptr_equal(&numbers[1], item);
    assert_err(ERR_CLOSED, io_queue_pop(queue, -1, &item));
    io_queue_free(queue);
    io_queue_free(NULL);
}

static void produce(void *arg)
{
    for (size_t i = 0; i < ITEMS; i++) {
        numbers[i] = (int)i * 3;
        assert_ok(io_queue_push(queue, &numbers[i]));
    }
    io_queue_close(queue);
}

static void test_two_threads(void **state)
{
    queue = io_queue_new(16);
    struct io_thread *thread = NULL;
    assert_ok(io_thread_start(io, "a-name-that-is-too-long", produce, NULL, &thread));
    void *item = NULL;
    size_t count = 0;
    enum err err;
    while ((err = io_queue_pop(queue, -1, &item)) == OK) {
        assert_ptr_equal(&numbers[count], item);
        assert_int_equal(count * 3, *(int *)item);
        count++;
    }
    assert_err(ERR_CLOSED, err);
    assert_int_equal(ITEMS, count);
    io_thread_join(thread);
    io_thread_join(NULL);
    io_queue_free(queue);
}

static void push_blocked(void *arg)
{
    *(enum err *)arg = io_queue_push(queue, &numbers[1]);
}

static void test_close_frees_the_waiting(void **state)
{
    queue = io_queue_new(1);
    assert_ok(io_queue_push(queue, &numbers[0]));
    enum err pushed = OK;
    struct io_thread *thread = NULL;
    assert_ok(io_thread_start(io, "pusher", push_blocked, &pushed, &thread));
    io_sleep_ns(io, 5 * MS);
    io_queue_close(queue);
    io_thread_join(thread);
    assert_int_equal(ERR_CLOSED, pushed);
    io_queue_free(queue);
}

static struct io_mutex mutex;
static struct io_condition condition;
static int turn_of;

static void take_turns(void *arg)
{
    int me = *(int *)arg;
    io_mutex_lock(&mutex);
    for (int i = 0; i < 200; i++) {
        while (turn_of % 2 != me)
            assert_true(io_condition_wait(&condition, &mutex, -1));
        turn_of++;
        io_condition_broadcast(&condition);
    }
    io_mutex_unlock(&mutex);
}

static void test_condition(void **state)
{
    io_mutex_init(&mutex);
    io_condition_init(&condition);
    int ids[2] = {0, 1};
    struct io_thread *threads[2];
    for (size_t i = 0; i < 2; i++)
        assert_ok(io_thread_start(io, "turns", take_turns, &ids[i], &threads[i]));
    for (size_t i = 0; i < 2; i++)
        io_thread_join(threads[i]);
    assert_int_equal(400, turn_of);
    io_mutex_lock(&mutex);
    io_condition_signal(&condition);
    assert_false(io_condition_wait(&condition, &mutex, 2 * MS));
    io_mutex_unlock(&mutex);
    io_condition_deinit(&condition);
    io_mutex_deinit(&mutex);
}

static void never(void *arg)
{
    fail();
}

static struct io_bell bells[2];

static void answer_rings(void *arg)
{
    for (int i = 0; i < ITEMS; i++) {
        numbers[i] = io_bell_wait(&bells[0], -1);
        io_bell_ring(&bells[1]);
    }
}

/* Rings are kept, never lost, and several are one. */
static void test_bell(void **state)
{
    bells[0] = bells[1] = (struct io_bell){0};
    int64_t before = io_now_ns(io);
    assert_false(io_bell_wait(&bells[0], 3 * MS));
    assert_true(io_now_ns(io) - before >= 3 * MS);
    assert_false(io_bell_wait(&bells[0], 0));
    io_bell_ring(&bells[0]);
    io_bell_ring(&bells[0]);
    assert_true(io_bell_wait(&bells[0], -1));
    assert_false(io_bell_wait(&bells[0], 0));
    struct io_thread *thread = NULL;
    assert_ok(io_thread_start(io, "rings", answer_rings, NULL, &thread));
    for (int i = 0; i < ITEMS; i++) {
        io_bell_ring(&bells[0]);
        assert_true(io_bell_wait(&bells[1], -1));
    }
    io_thread_join(thread);
    for (int i = 0; i < ITEMS; i++)
        assert_true(numbers[i]);
}

static void test_no_threads_in_simulator(void **state)
{
    struct io_sim_options options = {.seed = 1};
    struct io *sim = io_sim_new(&options);
    struct io_thread *thread = NULL;
    assert_err(ERR_UNSUPPORTED, io_thread_start(sim, "never", never, NULL, &thread));
    io_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order_and_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_frees_the_waiting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_condition, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bell, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_threads_in_simulator, setup, teardown),
    };
    return RUN_TESTS(tests);
}
