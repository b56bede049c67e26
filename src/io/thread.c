/* SPDX-License-Identifier: MIT */
/*
 * Threads, locks and conditions of POSIX behind opaque bytes, so that no header of ours drags
 * pthread.h along. Conditions wait on the monotonic clock: a wall clock that jumps must not stretch
 * a timeout. Every failure of these calls is a programmer error or the end of the machine, but for
 * the start of a thread, which can meet a limit.
 */
#include "io/thread.h"

#include "base/check.h"
#include "base/mem.h"
#include "io/ops.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(struct io_mutex), "io_mutex is too small");
_Static_assert(sizeof(pthread_cond_t) <= sizeof(struct io_condition), "io_condition is too small");

struct io_thread {
    pthread_t id;
    void (*run)(void *arg);
    void *arg;
    char name[16]; /* the kernel keeps 15 characters */
};

static void *enter(void *arg)
{
    struct io_thread *thread = arg;
    pthread_setname_np(pthread_self(), thread->name);
    thread->run(thread->arg);
    return NULL;
}

enum err io_thread_start(struct io *io, const char *name, void (*run)(void *arg), void *arg,
                         struct io_thread **ret_thread)
{
    if (!io->ops->has_threads)
        return ERR_UNSUPPORTED;
    struct io_thread *thread = mem_zero(sizeof *thread);
    thread->run = run;
    thread->arg = arg;
    for (size_t i = 0; name[i] && i + 1 < sizeof thread->name; i++)
        thread->name[i] = name[i];
    if (pthread_create(&thread->id, NULL, enter, thread) != 0) {
        mem_free(thread);
        return ERR_LIMIT;
    }
    *ret_thread = thread;
    return OK;
}

void io_thread_join(struct io_thread *thread)
{
    if (!thread)
        return;
    int rc = pthread_join(thread->id, NULL);
    check(rc == 0);
    mem_free(thread);
}

/* ---- bells --------------------------------------------------------------------------------- */

enum { QUIET, RUNG, ASLEEP };

void io_bell_ring(struct io_bell *bell)
{
    if (atomic_exchange(&bell->state, RUNG) == ASLEEP)
        syscall(SYS_futex, &bell->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void io_bell_hush(struct io_bell *bell)
{
    atomic_exchange(&bell->state, QUIET);
}

bool io_bell_wait(struct io_bell *bell, int64_t timeout_ns)
{
    struct timespec until = {0}, *bound = NULL;
    unsigned quiet = QUIET;
    if (atomic_exchange(&bell->state, QUIET) == RUNG)
        return true;
    if (timeout_ns >= 0) {
        bound = &until;
        clock_gettime(CLOCK_MONOTONIC, bound);
        until.tv_sec += (until.tv_nsec + timeout_ns) / 1000000000;
        until.tv_nsec = (until.tv_nsec + timeout_ns) % 1000000000;
    }
    /* Else it was rung meanwhile. */
    atomic_compare_exchange_strong(&bell->state, &quiet, ASLEEP);
    long rc = 0;
    while (atomic_load(&bell->state) == ASLEEP && rc == 0) {
        rc = syscall(SYS_futex, &bell->state, FUTEX_WAIT_BITSET_PRIVATE, ASLEEP, bound, NULL,
                     FUTEX_BITSET_MATCH_ANY);
        if (rc != 0 && (errno == EINTR || errno == EAGAIN))
            rc = 0;
        check(rc == 0 || errno == ETIMEDOUT);
    }
    return atomic_exchange(&bell->state, QUIET) == RUNG;
}

/* ---- locks --------------------------------------------------------------------------------- */

static pthread_mutex_t *mutex_of(struct io_mutex *mutex)
{
    return (pthread_mutex_t *)mutex->opaque;
}

static pthread_cond_t *condition_of(struct io_condition *condition)
{
    return (pthread_cond_t *)condition->opaque;
}

void io_mutex_init(struct io_mutex *mutex)
{
    int rc = pthread_mutex_init(mutex_of(mutex), NULL);
    check(rc == 0);
}

void io_mutex_deinit(struct io_mutex *mutex)
{
    int rc = pthread_mutex_destroy(mutex_of(mutex));
    check(rc == 0);
}

void io_mutex_lock(struct io_mutex *mutex)
{
    int rc = pthread_mutex_lock(mutex_of(mutex));
    check(rc == 0);
}

void io_mutex_unlock(struct io_mutex *mutex)
{
    int rc = pthread_mutex_unlock(mutex_of(mutex));
    check(rc == 0);
}

void io_condition_init(struct io_condition *condition)
{
    pthread_condattr_t attributes;
    int rc = pthread_condattr_init(&attributes);
    check(rc == 0);
    rc = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    check(rc == 0);
    rc = pthread_cond_init(condition_of(condition), &attributes);
    check(rc == 0);
    pthread_condattr_destroy(&attributes);
}

void io_condition_deinit(struct io_condition *condition)
{
    int rc = pthread_cond_destroy(condition_of(condition));
    check(rc == 0);
}

void io_condition_signal(struct io_condition *condition)
{
    pthread_cond_signal(condition_of(condition));
}

void io_condition_broadcast(struct io_condition *condition)
{
    pthread_cond_broadcast(condition_of(condition));
}

bool io_condition_wait(struct io_condition *condition, struct io_mutex *mutex, int64_t timeout_ns)
{
    int rc;
    if (timeout_ns < 0) {
        rc = pthread_cond_wait(condition_of(condition), mutex_of(mutex));
        check(rc == 0);
        return true;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ns / 1000000000;
    until.tv_nsec += timeout_ns % 1000000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    rc = pthread_cond_timedwait(condition_of(condition), mutex_of(mutex), &until);
    check(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}
