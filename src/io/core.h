/* SPDX-License-Identifier: MIT */
#ifndef IO_CORE_H
#define IO_CORE_H

#include "io/loop.h"
#include "io/ops.h"

#include <stdatomic.h>

/*
 * The inside of the loop and of streams. loop.c, timer.c, stream.c, stream_out.c and tls.c are the
 * same for kernel and simulator; what carries the bytes is behind struct io_net_ops.
 */

enum {
    IN_BUFFER_BYTES = 256 * 1024,
    OUT_SPARES = 64,             /* output buffers kept by a loop for the next turns */
    OUT_SPARE_BYTES_MAX = 65536, /* bigger ones are given back */
    LIMIT_DEFAULT_BYTES = 1 << 20,
};

struct tls_session;

/* What an event of the kernel finds its way by; first member of what can be ready. */
struct io_handle {
    void (*ready)(struct io_handle *handle, unsigned events); /* IO_READABLE.. */
};

/* A range of a file in the output: goes when sent_bytes of the stream reaches position. */
struct out_file {
    struct io_file *file;
    uint64_t offset;
    size_t bytes;
    uint64_t position;
    void (*done)(void *owner);
    void *owner;
    struct out_file *next;
};

enum stream_pending {
    PENDING_OPENED = 1,
    PENDING_DELIVER = 2,
    PENDING_DRAINED = 4,
    PENDING_CLOSED = 8,
};

struct io_stream {
    struct io_handle handle;
    struct io_loop *loop;
    struct io_stream_events events;
    struct io_stream_limits limits;
    void *owner;
    struct tls_session *tls;

    int fd;         /* kernel */
    unsigned armed; /* the events that the carrier watches for: IO_READABLE, IO_WRITABLE */
    void *carrier;  /* kernel: the connect under way; simulator: the end of the connection */

    bool established; /* connected; with TLS see greeting */
    bool greeting;    /* TLS handshake under way */
    bool paused;
    bool end_seen;  /* the other side's end was read */
    bool end_given; /* and told */
    bool closing;   /* close when the output is empty */
    bool end_told;  /* TLS: the orderly end is in the output */
    bool closed;    /* the carrier is gone */
    bool over_low;  /* owes a drained() */
    bool in_dirty;
    bool is_client;
    unsigned pending;
    enum err why;

    struct buf in;  /* received and not consumed */
    struct buf out; /* from out_start on: to be sent */
    size_t out_start;
    struct buf sealed; /* TLS records to be sent */
    size_t sealed_start;
    uint64_t sent_bytes; /* of out, since ever */
    struct out_file *files;
    struct out_file **files_end;
    size_t file_bytes;

    struct io_timer idle;
    int64_t active_ns; /* when the last byte moved */
    struct io_stream *next_dirty;
    struct io_stream *next_pending;
    struct io_stream *next_dead;
    char peer[64];
};

struct io_listener {
    struct io_handle handle;
    struct io_loop *loop;
    struct io_tls *tls;
    const struct io_stream_events *events;
    const struct io_stream_limits *limits;
    void *(*accept)(void *owner, struct io_stream *stream);
    void *owner;
    uint16_t port;
    int fd;
    bool paused;
    bool resting; /* out of descriptors: waits for the timer */
    bool closed;
    struct io_timer rest;
    void *carrier;
    struct io_listener *next_dead;
};

struct io_timer_entry {
    int64_t due_ns;
    uint64_t number; /* order of starts among equals */
    struct io_timer *timer;
};

struct io_loop {
    struct io *io;
    const struct io_net_ops *net;
    void *carrier; /* of the implementation */
    int64_t now_ns;
    bool in_turn;
    size_t ran;      /* callbacks of this turn */
    size_t fired;    /* of them timers */
    int64_t rest_ns; /* before the next wait; 0 = none */

    struct io_timer_entry *timers; /* heap from index 1 */
    size_t timer_count;
    size_t timer_room;
    uint64_t timer_number;

    _Atomic(struct io_post *) posts; /* newest first */
    atomic_bool woken;
    atomic_bool stop;
    struct io_turn_end *hooks;
    struct io_turn_end **hooks_end;

    struct io_stream *dirty, **dirty_end;
    struct io_stream *pending, **pending_end;
    struct io_stream *dead;
    struct io_listener *dead_listeners;
    size_t stream_count;
    size_t listener_count;

    uint8_t *in_buffer;    /* what is received lands here first */
    uint8_t *plain_buffer; /* what TLS opened; pieces of files */
    struct buf spares[OUT_SPARES];
    size_t spare_count;

    void (*signal_arrived)(void *owner, int number);
    void *signal_owner;
};

struct io_net_ops {
    enum err (*loop_init)(struct io_loop *loop);
    void (*loop_deinit)(struct io_loop *loop);
    /* Waits at most wait_ns (< 0 = for ever), sets loop->now_ns, calls what is ready. */
    void (*wait)(struct io_loop *loop, int64_t wait_ns);
    /* Sleeps until then or until a wake; not on streams. May be NULL: no rest is taken. */
    void (*rest)(struct io_loop *loop, int64_t rest_ns);
    /* From any thread: ends the wait. */
    void (*wake)(struct io_loop *loop);
    enum err (*watch_set)(struct io_loop *loop, struct io_watch *watch, unsigned events);
    enum err (*signals_watch)(struct io_loop *loop);

    enum err (*listen)(struct io_listener *listener, const char *address);
    void (*listener_close)(struct io_listener *listener);
    void (*listener_arm)(struct io_listener *listener, bool on);

    /* Ends in io_stream_connected() or io_stream_fail(), never from inside. */
    enum err (*connect)(struct io_stream *stream, const char *address);
    /* 0 bytes = the end; ERR_AGAIN. */
    enum err (*receive)(struct io_stream *stream, void *ret_data, size_t room, size_t *ret_bytes);
    /* more: further bytes follow at once. ERR_AGAIN when nothing could be taken. */
    enum err (*send)(struct io_stream *stream, const void *data, size_t bytes, bool more,
                     size_t *ret_bytes);
    /* NULL = read and send. 0 bytes = the file ends too early. */
    enum err (*send_file)(struct io_stream *stream, struct io_file *file, uint64_t offset,
                          size_t bytes, size_t *ret_bytes);
    void (*arm)(struct io_stream *stream, unsigned events);
    /* orderly: what was sent still arrives. */
    void (*close)(struct io_stream *stream, bool orderly);
};

/* ---- timer.c ---- */
/* When the next timer is due, INT64_MAX = none. */
int64_t io_timer_next_ns(const struct io_loop *loop);
/* Fires what was due and started before this turn. */
void io_timers_fire(struct io_loop *loop);

/* ---- stream.c ---- */
struct io_stream *io_stream_new(struct io_loop *loop, const struct io_stream_events *events,
                                const struct io_stream_limits *limits);
/* A connection arrived: asks the listener's owner. False: refused, the stream is gone. */
bool io_stream_accepted(struct io_listener *listener, struct io_stream *stream);
void io_stream_connected(struct io_stream *stream);
/* What struct io_handle calls; also on IO_ERROR, the connection broke. */
void io_stream_ready(struct io_handle *handle, unsigned events);
void io_stream_fail(struct io_stream *stream, enum err why);
void io_stream_finish(struct io_stream *stream, enum err why, bool orderly);
void io_stream_pend(struct io_stream *stream, unsigned what);
void io_stream_moved(struct io_stream *stream);
/* Watches for output room, or not. */
void io_stream_want_room(struct io_stream *stream, bool on);
void io_streams_run_pending(struct io_loop *loop);
void io_streams_free_dead(struct io_loop *loop);

/* ---- stream_out.c ---- */
void io_stream_mark_dirty(struct io_stream *stream);
void io_streams_flush_dirty(struct io_loop *loop);
void io_stream_flush(struct io_stream *stream);
/* Gives buffers back and calls done() of each file. */
void io_stream_drop_output(struct io_stream *stream);

/* ---- tls.c ---- */
enum err io_tls_session_new(struct io_tls *tls, bool is_client, const char *host_name,
                            struct tls_session **ret_session);
void io_tls_session_free(struct tls_session *session);
void io_tls_session_feed(struct tls_session *session, const void *sealed, size_t bytes);
/* OK = done, ERR_AGAIN = needs more, ERR_DENIED = the certificate is refused, ERR_NETWORK. */
enum err io_tls_session_greet(struct tls_session *session);
/* ERR_AGAIN = nothing more now, ERR_CLOSED = an orderly end. */
enum err io_tls_session_open(struct tls_session *session, void *ret_plain, size_t room,
                             size_t *ret_bytes);
enum err io_tls_session_seal(struct tls_session *session, const void *plain, size_t bytes);
void io_tls_session_say_end(struct tls_session *session);
/* Appends what the session wants sent. */
void io_tls_session_take(struct tls_session *session, struct buf *out);
/* Why it failed, in words; "" = not known. */
const char *io_tls_session_reason(const struct tls_session *session);
bool io_tls_session_has_output(const struct tls_session *session);

/* ---- address.c ---- */
struct address {
    char host[256];
    char port[6];
};
/* "host:port" and "[v6]:port". ERR_INVALID. */
enum err io_address_split(const char *text, struct address *ret_address);

#endif
