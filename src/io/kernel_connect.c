/* SPDX-License-Identifier: MIT */
/*
 * Connecting: numbers at once, names through a helper thread, since getaddrinfo blocks. The
 * addresses found, IPv6 and IPv4 in the order of the system, are tried one after the other; while
 * there are others left an address gets five seconds.
 *
 * A lookup outlives the stream that asked when that is aborted meanwhile: it holds the stream by a
 * pointer that the stream takes back. It ends with the loop at the latest, which waits for it.
 */
#include "io/kernel.h"

#include "base/check.h"
#include "base/mem.h"
#include "io/thread.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ADDRESSES_MAX = 8, LOOKUPS_MAX = 64, TRY_MS = 5000, NS_PER_MS = 1000000 };

struct addresses {
    struct sockaddr_storage at[ADDRESSES_MAX];
    socklen_t bytes[ADDRESSES_MAX];
    size_t count;
};

struct lookup {
    struct io_post post;
    struct io_loop *loop;
    struct io_stream *stream; /* NULL = nobody waits any more */
    struct io_thread *thread;
    struct address address;
    struct addresses found;
    struct lookup *next;
};

struct connecting {
    struct io_stream *stream;
    struct lookup *lookup;
    struct addresses to;
    size_t next;
    struct io_timer timer;
};

static bool resolve(const struct address *address, int flags, struct addresses *ret_found)
{
    struct addrinfo hints = {.ai_flags = flags | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    if (getaddrinfo(address->host, address->port, &hints, &list) != 0)
        return false;
    ret_found->count = 0;
    for (const struct addrinfo *a = list; a && ret_found->count < ADDRESSES_MAX; a = a->ai_next) {
        memcpy(&ret_found->at[ret_found->count], a->ai_addr, a->ai_addrlen);
        ret_found->bytes[ret_found->count++] = a->ai_addrlen;
    }
    freeaddrinfo(list);
    return ret_found->count > 0;
}

static bool start_connect(struct connecting *connecting)
{
    struct io_stream *stream = connecting->stream;
    const struct sockaddr *to = (const struct sockaddr *)&connecting->to.at[connecting->next];
    socklen_t bytes = connecting->to.bytes[connecting->next++];
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* After a signal the connect goes on by itself, as after EINPROGRESS. */
    if ((connect(fd, to, bytes) != 0 && errno != EINPROGRESS && errno != EINTR) ||
        io_kernel_epoll(stream->loop, EPOLL_CTL_ADD, fd, IO_WRITABLE, &stream->handle) != OK) {
        close(fd);
        return false;
    }
    stream->fd = fd;
    if (connecting->next < connecting->to.count)
        io_timer_start(stream->loop, &connecting->timer, (int64_t)TRY_MS * NS_PER_MS);
    return true;
}

static void try_next(struct connecting *connecting, enum err last)
{
    while (connecting->next < connecting->to.count)
        if (start_connect(connecting))
            return;
    io_stream_fail(connecting->stream, last);
}

static void give_up_try(struct connecting *connecting, enum err why)
{
    io_timer_stop(connecting->stream->loop, &connecting->timer);
    close(connecting->stream->fd);
    connecting->stream->fd = -1;
    try_next(connecting, why);
}

static void try_over(struct io_timer *timer)
{
    give_up_try(timer->owner, ERR_TIMEOUT);
}

static void connect_ready(struct io_handle *handle, unsigned events)
{
    struct io_stream *stream = (struct io_stream *)handle;
    struct connecting *connecting = stream->carrier;
    if (stream->closed)
        return;
    int failed = 0;
    socklen_t bytes = sizeof failed;
    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &failed, &bytes) != 0)
        failed = errno;
    if (failed) {
        give_up_try(connecting, failed == ETIMEDOUT ? ERR_TIMEOUT : ERR_NETWORK);
        return;
    }
    io_kernel_connect_cancel(stream);
    stream->handle.ready = io_stream_ready;
    stream->armed = IO_READABLE;
    io_kernel_arm(stream, stream->armed);
    io_stream_connected(stream);
}

static void unlink_lookup(struct lookup *lookup)
{
    struct kernel_loop *kernel = kernel_of(lookup->loop);
    struct lookup **at = &kernel->lookups;
    while (*at != lookup)
        at = &(*at)->next;
    *at = lookup->next;
    kernel->lookup_count--;
}

static void lookup_done(struct io_post *post)
{
    struct lookup *lookup = post->owner;
    io_thread_join(lookup->thread);
    unlink_lookup(lookup);
    if (lookup->stream) {
        struct connecting *connecting = lookup->stream->carrier;
        connecting->lookup = NULL;
        connecting->to = lookup->found;
        if (lookup->found.count)
            try_next(connecting, ERR_NETWORK);
        else
            io_stream_fail(lookup->stream, ERR_NOT_FOUND);
    }
    mem_free(lookup);
}

static void lookup_run(void *arg)
{
    struct lookup *lookup = arg;
    if (!resolve(&lookup->address, AI_ADDRCONFIG, &lookup->found))
        lookup->found.count = 0;
    io_loop_post(lookup->loop, &lookup->post);
}

static enum err lookup_start(struct connecting *connecting, const struct address *address)
{
    struct io_loop *loop = connecting->stream->loop;
    struct kernel_loop *kernel = kernel_of(loop);
    if (kernel->lookup_count == LOOKUPS_MAX)
        return ERR_LIMIT;
    struct lookup *lookup = mem_zero(sizeof *lookup);
    lookup->post.run = lookup_done;
    lookup->post.owner = lookup;
    lookup->loop = loop;
    lookup->stream = connecting->stream;
    lookup->address = *address;
    enum err err = io_thread_start(loop->io, "resolve", lookup_run, lookup, &lookup->thread);
    if (err != OK) {
        mem_free(lookup);
        return err;
    }
    lookup->next = kernel->lookups;
    kernel->lookups = lookup;
    kernel->lookup_count++;
    connecting->lookup = lookup;
    return OK;
}

enum err io_kernel_connect(struct io_stream *stream, const char *address)
{
    struct address parts;
    TRY(io_address_split(address, &parts));
    struct connecting *connecting = mem_zero(sizeof *connecting);
    connecting->stream = stream;
    connecting->timer.fire = try_over;
    connecting->timer.owner = connecting;
    stream->carrier = connecting;
    stream->handle.ready = connect_ready;
    enum err err = OK;
    if (resolve(&parts, AI_NUMERICHOST, &connecting->to))
        try_next(connecting, ERR_NETWORK);
    else
        err = lookup_start(connecting, &parts);
    if (err != OK)
        io_kernel_connect_cancel(stream);
    return err;
}

void io_kernel_connect_cancel(struct io_stream *stream)
{
    struct connecting *connecting = stream->carrier;
    if (!connecting)
        return;
    stream->carrier = NULL;
    io_timer_stop(stream->loop, &connecting->timer);
    if (connecting->lookup)
        connecting->lookup->stream = NULL;
    mem_free(connecting);
}

void io_kernel_end_lookups(struct kernel_loop *kernel)
{
    while (kernel->lookups) {
        struct lookup *lookup = kernel->lookups;
        io_thread_join(lookup->thread);
        unlink_lookup(lookup);
        mem_free(lookup);
    }
}
