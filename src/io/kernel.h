/* SPDX-License-Identifier: MIT */
#ifndef IO_KERNEL_H
#define IO_KERNEL_H

#include "io/core.h"
#include "io/thread.h"

#include <sys/epoll.h>

/* The parts of the kernel's loop that kernel_loop.c, kernel_net.c and kernel_connect.c share. */

enum { EVENTS_PER_TURN = 512 };

struct kernel_loop {
    int epoll_fd;
    struct io_handle wake;
    int wake_fd;
    struct io_bell bell; /* rung by each wake, for the rest */
    struct io_handle signals;
    int signal_fd; /* the reading end, -1 = signals are not watched */
    struct io_loop *loop;
    struct leaving *lingering;
    size_t linger_count;
    struct lookup *lookups;
    size_t lookup_count;
    /* What the wait brought; a watch that goes away is struck out. */
    int event_count;
    int event_at;
    struct epoll_event events[EVENTS_PER_TURN];
};

static inline struct kernel_loop *kernel_of(struct io_loop *loop)
{
    return loop->carrier;
}

extern const struct io_net_ops io_kernel_net;

/* op: EPOLL_CTL_ADD or MOD; events: IO_READABLE.. */
enum err io_kernel_epoll(struct io_loop *loop, int op, int fd, unsigned events,
                         struct io_handle *handle);

/* kernel_net.c */
enum err io_kernel_listen(struct io_listener *listener, const char *address);
void io_kernel_listener_close(struct io_listener *listener);
void io_kernel_listener_arm(struct io_listener *listener, bool on);
enum err io_kernel_receive(struct io_stream *stream, void *ret_data, size_t room,
                           size_t *ret_bytes);
enum err io_kernel_send(struct io_stream *stream, const void *data, size_t bytes, bool more,
                        size_t *ret_bytes);
enum err io_kernel_send_file(struct io_stream *stream, struct io_file *file, uint64_t offset,
                             size_t bytes, size_t *ret_bytes);
void io_kernel_arm(struct io_stream *stream, unsigned events);
void io_kernel_close(struct io_stream *stream, bool orderly);
void io_kernel_end_lingering(struct kernel_loop *kernel);

/* kernel_connect.c */
enum err io_kernel_connect(struct io_stream *stream, const char *address);
void io_kernel_connect_cancel(struct io_stream *stream);
void io_kernel_end_lookups(struct kernel_loop *kernel);

#endif
