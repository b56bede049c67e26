/* SPDX-License-Identifier: MIT */
/*
 * The simulated network and the loop on it. A connection is two ends, each with a queue of packets
 * under way to it: bytes, an orderly end, or a reset, each due at some virtual time and in order.
 * What is ready is looked up anew each turn by walking all ends in the order of their making, which
 * is level-triggered like the real loop and repeatable; runs have tens of connections.
 *
 * Waiting moves the virtual clock to the next thing that is due in any loop of this simulator. When
 * nothing will ever be due, an endless wait is a deadlock of the program and ends it.
 *
 * Chance: packets are late by up to net_delay_ms_max; while faults are on, sends and receives are
 * sometimes short, and net_drop breaks the connection at a send. Host names are not looked at:
 * whoever listens on the port is meant. There is no TLS here (its randomness is its own).
 */
#include "base/check.h"
#include "base/mem.h"
#include "io/sim_core.h"

#include <stdio.h>

enum { WINDOW_BYTES = 128 * 1024, NS_PER_US = 1000, FIRST_PORT = 49152 };

enum packet_kind { PACKET_BYTES, PACKET_END, PACKET_RESET };

struct packet {
    struct packet *next;
    int64_t due_ns;
    enum packet_kind kind;
    size_t start;
    size_t bytes;
    uint8_t data[];
};

struct end {
    struct end *next;
    struct end *other;
    struct io_stream *stream;      /* NULL = gone, or not accepted yet */
    struct io_listener *waits_for; /* to be accepted by */
    bool gone;
    bool connecting;
    int64_t due_ns; /* of connecting and waiting */
    struct packet *packets, **packets_end;
    size_t queued_bytes;
    int64_t last_due_ns; /* packets do not overtake each other */
    uint16_t to_port;
    uint16_t own_port;
};

struct listening {
    struct listening *next;
    struct io_listener *listener;
};

struct loop_entry {
    struct loop_entry *next;
    struct io_loop *loop;
};

struct sim_net {
    struct end *ends, **ends_end;
    struct listening *listeners;
    struct loop_entry *loops;
    uint16_t next_port;
};

static struct sim_net *net_of(struct io_loop *loop)
{
    return sim_of(loop->io)->net;
}

void io_sim_net_init(struct sim *sim)
{
    sim->net = mem_zero(sizeof *sim->net);
    sim->net->ends_end = &sim->net->ends;
    sim->net->next_port = FIRST_PORT;
}

static int64_t delay_ns(struct sim *sim)
{
    if (!sim->options.net_delay_ms_max)
        return 0;
    return (int64_t)prng_below(&sim->prng, (uint64_t)sim->options.net_delay_ms_max * 1000 + 1) *
           NS_PER_US;
}

static uint16_t free_port(struct sim_net *net)
{
    uint16_t port = net->next_port++;
    if (net->next_port == 0)
        net->next_port = FIRST_PORT;
    return port;
}

static struct end *end_new(struct sim *sim)
{
    struct end *end = mem_zero(sizeof *end);
    end->packets_end = &end->packets;
    end->own_port = free_port(sim->net);
    *sim->net->ends_end = end;
    sim->net->ends_end = &end->next;
    return end;
}

static void drop_packet(struct end *end)
{
    struct packet *packet = end->packets;
    end->packets = packet->next;
    if (!end->packets)
        end->packets_end = &end->packets;
    end->queued_bytes -= packet->bytes - packet->start;
    mem_free(packet);
}

static void end_free(struct end *end)
{
    while (end->packets)
        drop_packet(end);
    mem_free(end);
}

/* Takes pairs off the list of which neither end is used any more. */
static void sweep(struct sim_net *net)
{
    for (struct end **at = &net->ends; *at;) {
        struct end *end = *at;
        if (!end->gone || (end->other && !end->other->gone)) {
            at = &end->next;
            continue;
        }
        if (end->other)
            end->other->other = NULL;
        *at = end->next;
        end_free(end);
    }
    net->ends_end = &net->ends;
    while (*net->ends_end)
        net->ends_end = &(*net->ends_end)->next;
}

static void packet_send(struct sim *sim, struct end *to, enum packet_kind kind, const void *data,
                        size_t bytes)
{
    if (!to || to->gone)
        return;
    struct packet *packet = mem_zero(sizeof *packet + bytes);
    packet->kind = kind;
    packet->bytes = bytes;
    if (bytes)
        memcpy(packet->data, data, bytes);
    packet->due_ns = sim->now_ns + delay_ns(sim);
    if (packet->due_ns < to->last_due_ns)
        packet->due_ns = to->last_due_ns;
    to->last_due_ns = packet->due_ns;
    to->queued_bytes += bytes;
    *to->packets_end = packet;
    to->packets_end = &packet->next;
}

/* ---- the loop ---- */

static enum err loop_init(struct io_loop *loop)
{
    struct loop_entry *entry = mem_zero(sizeof *entry);
    struct loop_entry **at = &net_of(loop)->loops;
    while (*at)
        at = &(*at)->next;
    entry->loop = loop;
    *at = entry;
    return OK;
}

static void loop_deinit(struct io_loop *loop)
{
    struct loop_entry **at = &net_of(loop)->loops;
    while ((*at)->loop != loop)
        at = &(*at)->next;
    struct loop_entry *entry = *at;
    *at = entry->next;
    mem_free(entry);
    sweep(net_of(loop));
}

static bool accepts(const struct io_listener *listener)
{
    return !listener->paused && !listener->closed;
}

/* When the end next has something to say, INT64_MAX = never by itself. */
static int64_t end_due_ns(const struct end *end)
{
    if (end->gone)
        return INT64_MAX;
    if (end->connecting)
        return end->due_ns;
    if (end->waits_for)
        return accepts(end->waits_for) ? end->due_ns : INT64_MAX;
    if ((end->stream->armed & IO_WRITABLE) && end->other && end->other->queued_bytes < WINDOW_BYTES)
        return 0;
    if (end->packets && ((end->stream->armed & IO_READABLE) || end->packets->kind == PACKET_RESET))
        return end->packets->due_ns;
    return INT64_MAX;
}

static struct io_loop *end_loop(const struct end *end)
{
    return end->waits_for ? end->waits_for->loop : end->stream->loop;
}

static int64_t earliest_ns(struct sim *sim, const struct io_loop *self)
{
    int64_t earliest = INT64_MAX;
    for (const struct end *end = sim->net->ends; end; end = end->next) {
        int64_t due_ns = end_due_ns(end);
        earliest = due_ns < earliest ? due_ns : earliest;
    }
    for (const struct loop_entry *entry = sim->net->loops; entry; entry = entry->next) {
        struct io_loop *loop = entry->loop;
        int64_t due_ns = io_timer_next_ns(loop);
        earliest = due_ns < earliest ? due_ns : earliest;
        if (loop != self && (loop->pending || loop->dirty || atomic_load(&loop->posts)))
            earliest = 0;
    }
    return earliest;
}

static void connect_end(struct sim *sim, struct end *end)
{
    struct io_listener *to = NULL;
    for (struct listening *l = sim->net->listeners; l; l = l->next)
        if (l->listener->port == end->to_port)
            to = l->listener;
    end->connecting = false;
    if (!to) {
        io_stream_fail(end->stream, ERR_NETWORK);
        return;
    }
    struct end *other = end_new(sim);
    other->waits_for = to;
    other->due_ns = sim->now_ns + delay_ns(sim);
    other->other = end;
    end->other = other;
    end->stream->armed = IO_READABLE;
    io_stream_connected(end->stream);
}

static void accept_end(struct end *end)
{
    struct io_listener *listener = end->waits_for;
    struct io_stream *stream = io_stream_new(listener->loop, listener->events, listener->limits);
    snprintf(stream->peer, sizeof stream->peer, "127.0.0.1:%u",
             end->other ? end->other->own_port : end->own_port);
    stream->carrier = end;
    stream->armed = IO_READABLE;
    end->waits_for = NULL;
    end->stream = stream;
    io_stream_accepted(listener, stream);
}

static void end_ready(struct sim *sim, struct end *end)
{
    unsigned events = 0;
    if (end->connecting) {
        connect_end(sim, end);
        return;
    }
    if (end->waits_for) {
        accept_end(end);
        return;
    }
    if (end->packets && end->packets->due_ns <= sim->now_ns)
        events |= end->packets->kind == PACKET_RESET ? IO_READABLE | IO_ERROR : IO_READABLE;
    if (!(end->stream->armed & IO_READABLE))
        events &= ~(unsigned)IO_READABLE;
    if ((end->stream->armed & IO_WRITABLE) && end->other && end->other->queued_bytes < WINDOW_BYTES)
        events |= IO_WRITABLE;
    io_stream_ready(&end->stream->handle, events);
}

static void loop_wait(struct io_loop *loop, int64_t wait_ns)
{
    struct sim *sim = sim_of(loop->io);
    int64_t due_ns = earliest_ns(sim, loop);
    int64_t until_ns = wait_ns < 0 ? INT64_MAX : sim->now_ns + wait_ns;
    until_ns = due_ns < until_ns ? due_ns : until_ns;
    bool something_will_happen = until_ns != INT64_MAX;
    check(something_will_happen);
    if (until_ns > sim->now_ns)
        sim->now_ns = until_ns;
    loop->now_ns = sim->now_ns;
    /* Ends that are made meanwhile stand behind the last one of now. */
    struct end **stop = sim->net->ends_end;
    for (struct end **at = &sim->net->ends; at != stop; at = &(*at)->next) {
        struct end *end = *at;
        if (end_due_ns(end) <= sim->now_ns && end_loop(end) == loop)
            end_ready(sim, end);
    }
    sweep(sim->net);
}

static void loop_wake(struct io_loop *loop)
{
    /* One thread: nobody waits while another posts. */
    atomic_store(&loop->woken, false);
}

static enum err watch_set(struct io_loop *loop, struct io_watch *watch, unsigned events)
{
    return ERR_UNSUPPORTED;
}

static enum err signals_watch(struct io_loop *loop)
{
    return OK; /* nobody sends any */
}

/* ---- connections ---- */

static enum err port_of(const char *address, uint16_t *ret_port)
{
    struct address parts;
    uint64_t port = 0;
    TRY(io_address_split(address, &parts));
    TRY(str_to_u64(str_of(parts.port), &port));
    *ret_port = (uint16_t)port;
    return OK;
}

static enum err sim_listen(struct io_listener *listener, const char *address)
{
    struct sim_net *net = net_of(listener->loop);
    uint16_t port = 0;
    TRY(port_of(address, &port));
    if (listener->tls)
        return ERR_UNSUPPORTED;
    for (struct listening *l = net->listeners; l; l = l->next)
        if (port && l->listener->port == port)
            return ERR_CONFLICT;
    listener->port = port ? port : free_port(net);
    struct listening *l = mem_zero(sizeof *l);
    l->listener = listener;
    l->next = net->listeners;
    net->listeners = l;
    return OK;
}

static void listener_close(struct io_listener *listener)
{
    struct sim *sim = sim_of(listener->loop->io);
    struct listening **at = &sim->net->listeners;
    while ((*at)->listener != listener)
        at = &(*at)->next;
    struct listening *l = *at;
    *at = l->next;
    mem_free(l);
    for (struct end *end = sim->net->ends; end; end = end->next)
        if (end->waits_for == listener) {
            packet_send(sim, end->other, PACKET_RESET, NULL, 0);
            end->waits_for = NULL;
            end->gone = true;
        }
}

static void listener_arm(struct io_listener *listener, bool on)
{
    /* accepts() looks at the flags of the listener. */
}

static enum err sim_connect(struct io_stream *stream, const char *address)
{
    struct sim *sim = sim_of(stream->loop->io);
    uint16_t port = 0;
    TRY(port_of(address, &port));
    if (stream->tls)
        return ERR_UNSUPPORTED;
    struct end *end = end_new(sim);
    end->stream = stream;
    end->connecting = true;
    end->to_port = port;
    end->due_ns = sim->now_ns + delay_ns(sim);
    stream->carrier = end;
    return OK;
}

/* While faults are on every fourth transfer is short. */
static size_t shorten(struct sim *sim, size_t bytes)
{
    if (sim->faults && bytes > 1 && prng_below(&sim->prng, 4) == 0)
        return 1 + (size_t)prng_below(&sim->prng, bytes - 1);
    return bytes;
}

static enum err sim_receive(struct io_stream *stream, void *ret_data, size_t room,
                            size_t *ret_bytes)
{
    struct sim *sim = sim_of(stream->loop->io);
    struct end *end = stream->carrier;
    if (!end->packets || end->packets->due_ns > sim->now_ns)
        return ERR_AGAIN;
    if (end->packets->kind == PACKET_RESET)
        return ERR_NETWORK;
    room = shorten(sim, room < end->queued_bytes ? room : end->queued_bytes);
    size_t done = 0;
    while (done < room && end->packets && end->packets->kind == PACKET_BYTES &&
           end->packets->due_ns <= sim->now_ns) {
        struct packet *packet = end->packets;
        size_t piece = packet->bytes - packet->start;
        piece = piece < room - done ? piece : room - done;
        memcpy((uint8_t *)ret_data + done, packet->data + packet->start, piece);
        packet->start += piece;
        end->queued_bytes -= piece;
        done += piece;
        if (packet->start == packet->bytes)
            drop_packet(end);
    }
    *ret_bytes = done;
    return OK;
}

static enum err sim_send(struct io_stream *stream, const void *data, size_t bytes, bool more,
                         size_t *ret_bytes)
{
    struct sim *sim = sim_of(stream->loop->io);
    struct end *end = stream->carrier;
    if (io_sim_strikes(sim, sim->options.net_drop)) {
        packet_send(sim, end->other, PACKET_RESET, NULL, 0);
        return ERR_NETWORK;
    }
    if (!end->other || end->other->gone) {
        /* The other side is closed and throws away what comes. */
        *ret_bytes = bytes;
        return OK;
    }
    if (end->other->queued_bytes >= WINDOW_BYTES)
        return ERR_AGAIN;
    size_t room = WINDOW_BYTES - end->other->queued_bytes;
    bytes = shorten(sim, bytes < room ? bytes : room);
    packet_send(sim, end->other, PACKET_BYTES, data, bytes);
    *ret_bytes = bytes;
    return OK;
}

static void sim_arm(struct io_stream *stream, unsigned events)
{
    /* end_due_ns() looks at stream->armed. */
}

static void sim_close(struct io_stream *stream, bool orderly)
{
    struct sim *sim = sim_of(stream->loop->io);
    struct end *end = stream->carrier;
    if (!end)
        return;
    /* As the kernel's side: a stream that is cut off with output queued is reset. */
    bool resets = !orderly && io_stream_out_bytes(stream);
    packet_send(sim, end->other, resets ? PACKET_RESET : PACKET_END, NULL, 0);
    stream->carrier = NULL;
    end->stream = NULL;
    end->connecting = false;
    end->gone = true;
    while (end->packets)
        drop_packet(end);
}

void io_sim_net_deinit(struct sim *sim)
{
    struct sim_net *net = sim->net;
    check(!net->listeners);
    check(!net->loops);
    while (net->ends) {
        struct end *end = net->ends;
        net->ends = end->next;
        end_free(end);
    }
    mem_free(net);
}

const struct io_net_ops io_sim_net_ops = {
    .loop_init = loop_init,
    .loop_deinit = loop_deinit,
    .wait = loop_wait,
    .wake = loop_wake,
    .watch_set = watch_set,
    .signals_watch = signals_watch,
    .listen = sim_listen,
    .listener_close = listener_close,
    .listener_arm = listener_arm,
    .connect = sim_connect,
    .receive = sim_receive,
    .send = sim_send,
    .arm = sim_arm,
    .close = sim_close,
};
