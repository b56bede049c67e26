/* SPDX-License-Identifier: MIT */
/*
 * TCP: listening, accepting, moving bytes, closing.
 *
 * Accepting takes bursts, at most so many a turn that open connections do not starve. When the
 * process is out of descriptors the listener rests for a while instead of spinning on an event that
 * it cannot serve.
 *
 * An orderly close lingers: closing a socket with unread input makes the kernel send a reset, which
 * may overtake the answer that was just sent. So we send our end, throw away what still comes, and
 * close when the other side does, or after two seconds. The owner has long been told. A stream that
 * is cut off with output still queued is reset, so that the other side does not take the cut for
 * an end.
 */
#include "io/kernel.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,
    ACCEPTS_PER_TURN = 256,
    REST_MS = 100,
    LINGER_MS = 2000,
    LINGER_MAX = 4096,
    NS_PER_MS = 1000000,
    SEND_FILE_BYTES_MAX = 1 << 30,
};

struct leaving {
    struct io_handle handle;
    struct io_loop *loop;
    int fd;
    struct io_timer timer;
    struct leaving *next, **at;
};

static void print_peer(const struct sockaddr_storage *from, socklen_t bytes, char *ret_peer,
                       size_t room)
{
    char host[48], port[8];
    if (getnameinfo((const struct sockaddr *)from, bytes, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    snprintf(ret_peer, room, from->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static void rest_fire(struct io_timer *timer)
{
    struct io_listener *listener = timer->owner;
    listener->resting = false;
    if (!listener->paused)
        io_kernel_listener_arm(listener, true);
}

/* False: nothing more to accept now. */
static bool accept_one(struct io_listener *listener)
{
    struct sockaddr_storage from;
    socklen_t bytes = sizeof from;
    int fd = accept4(listener->fd, (struct sockaddr *)&from, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            listener->resting = true;
            io_kernel_listener_arm(listener, false);
            io_timer_start(listener->loop, &listener->rest, (int64_t)REST_MS * NS_PER_MS);
            return false;
        }
        /* Others, like a connection that broke meanwhile, concern only that connection. */
        return errno != EAGAIN;
    }
    struct io_stream *stream = io_stream_new(listener->loop, listener->events, listener->limits);
    stream->fd = fd;
    stream->armed = IO_READABLE;
    print_peer(&from, bytes, stream->peer, sizeof stream->peer);
    enum err err =
        io_kernel_epoll(listener->loop, EPOLL_CTL_ADD, fd, stream->armed, &stream->handle);
    if (io_stream_accepted(listener, stream) && err != OK)
        io_stream_fail(stream, err);
    return true;
}

static void listener_ready(struct io_handle *handle, unsigned events)
{
    struct io_listener *listener = (struct io_listener *)handle;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++)
        if (listener->closed || listener->paused || listener->resting || !accept_one(listener))
            return;
}

static enum err bind_to(const struct addrinfo *to, int *ret_fd)
{
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_from_errno(errno);
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    /* Connections inherit it. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, to->ai_addr, to->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
        *ret_fd = fd;
        return OK;
    }
    enum err err = errno == EADDRNOTAVAIL ? ERR_INVALID : err_from_errno(errno);
    close(fd);
    return err;
}

enum err io_kernel_listen(struct io_listener *listener, const char *address)
{
    struct address parts;
    TRY(io_address_split(address, &parts));
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(parts.host, parts.port, &hints, &found) != 0)
        return ERR_NOT_FOUND;
    /* One socket: of a name with both kinds of address the IPv4 one, which every client tries. */
    const struct addrinfo *to = found;
    for (const struct addrinfo *a = found; a; a = a->ai_next)
        if (a->ai_family == AF_INET && to->ai_family != AF_INET)
            to = a;
    enum err err = bind_to(to, &listener->fd);
    freeaddrinfo(found);
    TRY(err);
    struct sockaddr_storage self;
    socklen_t bytes = sizeof self;
    if (getsockname(listener->fd, (struct sockaddr *)&self, &bytes) == 0)
        listener->port =
            ntohs(self.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&self)->sin6_port
                                             : ((struct sockaddr_in *)&self)->sin_port);
    listener->handle.ready = listener_ready;
    listener->rest.fire = rest_fire;
    listener->rest.owner = listener;
    err = io_kernel_epoll(listener->loop, EPOLL_CTL_ADD, listener->fd, IO_READABLE,
                          &listener->handle);
    if (err != OK)
        close(listener->fd);
    return err;
}

void io_kernel_listener_close(struct io_listener *listener)
{
    close(listener->fd);
}

void io_kernel_listener_arm(struct io_listener *listener, bool on)
{
    enum err err = io_kernel_epoll(listener->loop, EPOLL_CTL_MOD, listener->fd,
                                   on ? IO_READABLE : 0, &listener->handle);
    check(err == OK);
}

static enum err net_error(void)
{
    enum err err = err_from_errno(errno);
    return err == ERR_IO ? ERR_NETWORK : err;
}

enum err io_kernel_receive(struct io_stream *stream, void *ret_data, size_t room, size_t *ret_bytes)
{
    ssize_t n;
    do
        n = recv(stream->fd, ret_data, room, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return net_error();
    *ret_bytes = (size_t)n;
    return OK;
}

enum err io_kernel_send(struct io_stream *stream, const void *data, size_t bytes, bool more,
                        size_t *ret_bytes)
{
    ssize_t n;
    do
        n = send(stream->fd, data, bytes, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return net_error();
    *ret_bytes = (size_t)n;
    return OK;
}

enum err io_kernel_send_file(struct io_stream *stream, struct io_file *file, uint64_t offset,
                             size_t bytes, size_t *ret_bytes)
{
    off_t at = (off_t)offset;
    bytes = bytes < SEND_FILE_BYTES_MAX ? bytes : SEND_FILE_BYTES_MAX;
    ssize_t n;
    do
        n = sendfile(stream->fd, io_file_fd(file), &at, bytes);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EIO ? ERR_IO : net_error();
    *ret_bytes = (size_t)n;
    return OK;
}

void io_kernel_arm(struct io_stream *stream, unsigned events)
{
    enum err err =
        io_kernel_epoll(stream->loop, EPOLL_CTL_MOD, stream->fd, events, &stream->handle);
    check(err == OK);
}

static void linger_end(struct leaving *linger)
{
    struct kernel_loop *kernel = kernel_of(linger->loop);
    io_timer_stop(linger->loop, &linger->timer);
    close(linger->fd);
    *linger->at = linger->next;
    if (linger->next)
        linger->next->at = linger->at;
    kernel->linger_count--;
    mem_free(linger);
}

static void linger_fire(struct io_timer *timer)
{
    linger_end(timer->owner);
}

static void linger_ready(struct io_handle *handle, unsigned events)
{
    struct leaving *linger = (struct leaving *)handle;
    ssize_t n = recv(linger->fd, linger->loop->in_buffer, IN_BUFFER_BYTES, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        linger_end(linger);
}

/* True when the descriptor is taken over. */
static bool linger_start(struct io_loop *loop, int fd)
{
    struct kernel_loop *kernel = kernel_of(loop);
    if (kernel->linger_count == LINGER_MAX || shutdown(fd, SHUT_WR) != 0)
        return false;
    struct leaving *linger = mem_zero(sizeof *linger);
    linger->handle.ready = linger_ready;
    linger->loop = loop;
    linger->fd = fd;
    linger->timer.fire = linger_fire;
    linger->timer.owner = linger;
    if (io_kernel_epoll(loop, EPOLL_CTL_MOD, fd, IO_READABLE, &linger->handle) != OK) {
        mem_free(linger);
        return false;
    }
    linger->next = kernel->lingering;
    linger->at = &kernel->lingering;
    if (linger->next)
        linger->next->at = &linger->next;
    kernel->lingering = linger;
    kernel->linger_count++;
    io_timer_start(loop, &linger->timer, (int64_t)LINGER_MS * NS_PER_MS);
    return true;
}

void io_kernel_end_lingering(struct kernel_loop *kernel)
{
    while (kernel->lingering)
        linger_end(kernel->lingering);
}

void io_kernel_close(struct io_stream *stream, bool orderly)
{
    io_kernel_connect_cancel(stream);
    if (stream->fd < 0)
        return;
    if (!orderly && io_stream_out_bytes(stream)) {
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    if (!orderly || stream->end_seen || !linger_start(stream->loop, stream->fd))
        close(stream->fd);
    stream->fd = -1;
}
