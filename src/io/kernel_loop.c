/* SPDX-License-Identifier: MIT */
/*
 * The loop on epoll, level triggered: what is not read to the end is reported again, so that a
 * short read needs no second one to learn that there is nothing. An event carries the address of
 * its handle; the lowest bit marks an io_watch, which lies in memory of others.
 *
 * Streams and listeners stay in memory until the end of the turn, but a watch may vanish while its
 * event waits in our array: io_watch_set(.., 0) strikes it out there.
 *
 * Signals: the handler writes the number into a pipe that the loop reads. Unlike a signalfd this
 * needs no signal mask that every thread, also those of libraries, would have to keep.
 */
#include "io/kernel.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { WATCH_BIT = 1, NS_PER_S = 1000000000, NS_PER_MS = 1000000 };

static const int signal_numbers[] = {IO_SIGNAL_INTERRUPT, IO_SIGNAL_TERMINATE, IO_SIGNAL_HANGUP};
enum { SIGNAL_COUNT = sizeof signal_numbers / sizeof signal_numbers[0] };

/* Signals belong to the process: one loop watches them. */
static atomic_int signal_pipe = -1;

static uint32_t to_epoll(unsigned events)
{
    return ((events & IO_READABLE) ? (uint32_t)EPOLLIN : 0) |
           ((events & IO_WRITABLE) ? (uint32_t)EPOLLOUT : 0);
}

static unsigned from_epoll(uint32_t events)
{
    return ((events & EPOLLIN) ? IO_READABLE : 0u) | ((events & EPOLLOUT) ? IO_WRITABLE : 0u) |
           ((events & (EPOLLERR | EPOLLHUP)) ? IO_ERROR : 0u);
}

enum err io_kernel_epoll(struct io_loop *loop, int op, int fd, unsigned events,
                         struct io_handle *handle)
{
    struct epoll_event event = {.events = to_epoll(events), .data.ptr = handle};
    return epoll_ctl(kernel_of(loop)->epoll_fd, op, fd, &event) == 0 ? OK : err_from_errno(errno);
}

static void wake_ready(struct io_handle *handle, unsigned events)
{
    struct kernel_loop *kernel =
        (struct kernel_loop *)((char *)handle - offsetof(struct kernel_loop, wake));
    /* Edge triggered: each write is told once, and nothing has to be read. Before the posts are
     * taken: whoever posts from now on wakes again. */
    atomic_exchange(&kernel->loop->woken, false);
}

static enum err loop_init(struct io_loop *loop)
{
    struct kernel_loop *kernel = mem_zero(sizeof *kernel);
    loop->carrier = kernel;
    kernel->loop = loop;
    kernel->signal_fd = -1;
    kernel->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    kernel->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    kernel->wake.ready = wake_ready;
    enum err err = ERR_LIMIT;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = &kernel->wake};
    if (kernel->epoll_fd >= 0 && kernel->wake_fd >= 0 &&
        epoll_ctl(kernel->epoll_fd, EPOLL_CTL_ADD, kernel->wake_fd, &event) == 0)
        err = OK;
    if (err == OK)
        return OK;
    if (kernel->epoll_fd >= 0)
        close(kernel->epoll_fd);
    if (kernel->wake_fd >= 0)
        close(kernel->wake_fd);
    mem_free(kernel);
    return err;
}

static void signals_end(struct kernel_loop *kernel)
{
    if (kernel->signal_fd < 0)
        return;
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        signal(signal_numbers[i], SIG_DFL);
    close(atomic_exchange(&signal_pipe, -1));
    close(kernel->signal_fd);
}

static void loop_deinit(struct io_loop *loop)
{
    struct kernel_loop *kernel = kernel_of(loop);
    signals_end(kernel);
    io_kernel_end_lookups(kernel);
    io_kernel_end_lingering(kernel);
    close(kernel->wake_fd);
    close(kernel->epoll_fd);
    mem_free(kernel);
}

static int wait_events(struct kernel_loop *kernel, int64_t wait_ns)
{
    static atomic_bool coarse; /* the kernel knows milliseconds only */
    if (wait_ns <= 0)
        return epoll_wait(kernel->epoll_fd, kernel->events, EVENTS_PER_TURN, wait_ns < 0 ? -1 : 0);
    if (!atomic_load_explicit(&coarse, memory_order_relaxed)) {
        struct timespec wait = {wait_ns / NS_PER_S, wait_ns % NS_PER_S};
        int n = epoll_pwait2(kernel->epoll_fd, kernel->events, EVENTS_PER_TURN, &wait, NULL);
        /* Old kernels lack it; the filters of old container engines forbid what they do not know.
         */
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n;
        atomic_store(&coarse, true);
    }
    int64_t wait_ms = (wait_ns + NS_PER_MS - 1) / NS_PER_MS;
    return epoll_wait(kernel->epoll_fd, kernel->events, EVENTS_PER_TURN,
                      wait_ms < INT32_MAX ? (int)wait_ms : INT32_MAX);
}

static void loop_wait(struct io_loop *loop, int64_t wait_ns)
{
    struct kernel_loop *kernel = kernel_of(loop);
    int n = wait_events(kernel, wait_ns);
    check(n >= 0 || errno == EINTR);
    loop->now_ns = io_now_ns(loop->io);
    kernel->event_count = n > 0 ? n : 0;
    for (kernel->event_at = 0; kernel->event_at < kernel->event_count; kernel->event_at++) {
        const struct epoll_event *event = &kernel->events[kernel->event_at];
        unsigned ready = from_epoll(event->events);
        if (event->data.u64 & WATCH_BIT) {
            struct io_watch *watch = (struct io_watch *)(uintptr_t)(event->data.u64 - WATCH_BIT);
            loop->ran++;
            watch->ready(watch, ready);
        } else if (event->data.ptr) {
            struct io_handle *handle = event->data.ptr;
            handle->ready(handle, ready);
        }
    }
    kernel->event_count = 0;
}

static void loop_rest(struct io_loop *loop, int64_t rest_ns)
{
    struct kernel_loop *kernel = kernel_of(loop);
    /* An old ring goes; whoever posts after we looked rings again. */
    io_bell_hush(&kernel->bell);
    if (!atomic_load(&loop->posts) && !atomic_load(&loop->stop) && !atomic_load(&loop->woken))
        io_bell_wait(&kernel->bell, rest_ns);
}

static void loop_wake(struct io_loop *loop)
{
    uint64_t one = 1;
    ssize_t n;
    do
        n = write(kernel_of(loop)->wake_fd, &one, sizeof one);
    while (n < 0 && errno == EINTR);
    io_bell_ring(&kernel_of(loop)->bell);
}

static enum err watch_set(struct io_loop *loop, struct io_watch *watch, unsigned events)
{
    struct kernel_loop *kernel = kernel_of(loop);
    unsigned before = watch->events;
    struct epoll_event event = {.events = to_epoll(events),
                                .data.u64 = (uint64_t)(uintptr_t)watch | WATCH_BIT};
    if (events == 0) {
        watch->events = 0;
        for (int i = kernel->event_at; i < kernel->event_count; i++)
            if (kernel->events[i].data.u64 == event.data.u64)
                kernel->events[i].data.u64 = 0;
        /* The library may have closed it already. */
        if (before)
            epoll_ctl(kernel->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
        return OK;
    }
    int op = before ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    int rc = epoll_ctl(kernel->epoll_fd, op, watch->fd, &event);
    /* The number may be another file than last time. */
    if (rc != 0 && op == EPOLL_CTL_MOD && errno == ENOENT)
        rc = epoll_ctl(kernel->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event);
    else if (rc != 0 && op == EPOLL_CTL_ADD && errno == EEXIST)
        rc = epoll_ctl(kernel->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
    if (rc != 0)
        return err_from_errno(errno);
    watch->events = events;
    return OK;
}

static void on_signal(int number)
{
    int saved = errno;
    unsigned char byte = (unsigned char)number;
    ssize_t n = write(atomic_load(&signal_pipe), &byte, 1);
    (void)n;
    errno = saved;
}

static void signals_ready(struct io_handle *handle, unsigned events)
{
    struct kernel_loop *kernel =
        (struct kernel_loop *)((char *)handle - offsetof(struct kernel_loop, signals));
    unsigned char numbers[16];
    ssize_t n = read(kernel->signal_fd, numbers, sizeof numbers);
    for (ssize_t i = 0; i < n; i++) {
        kernel->loop->ran++;
        kernel->loop->signal_arrived(kernel->loop->signal_owner, numbers[i]);
    }
}

static enum err signals_watch(struct io_loop *loop)
{
    struct kernel_loop *kernel = kernel_of(loop);
    if (kernel->signal_fd >= 0)
        return OK;
    int ends[2], none = -1;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return err_from_errno(errno);
    if (!atomic_compare_exchange_strong(&signal_pipe, &none, ends[1])) {
        close(ends[0]);
        close(ends[1]);
        return ERR_CONFLICT;
    }
    kernel->signal_fd = ends[0];
    kernel->signals.ready = signals_ready;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        sigaction(signal_numbers[i], &action, NULL);
    return io_kernel_epoll(loop, EPOLL_CTL_ADD, ends[0], IO_READABLE, &kernel->signals);
}

const struct io_net_ops io_kernel_net = {
    .loop_init = loop_init,
    .loop_deinit = loop_deinit,
    .wait = loop_wait,
    .rest = loop_rest,
    .wake = loop_wake,
    .watch_set = watch_set,
    .signals_watch = signals_watch,
    .listen = io_kernel_listen,
    .listener_close = io_kernel_listener_close,
    .listener_arm = io_kernel_listener_arm,
    .connect = io_kernel_connect,
    .receive = io_kernel_receive,
    .send = io_kernel_send,
    .send_file = io_kernel_send_file,
    .arm = io_kernel_arm,
    .close = io_kernel_close,
};
