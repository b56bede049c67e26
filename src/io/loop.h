/* SPDX-License-Identifier: MIT */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include "io/io.h"

/*
 * The event loop: one thread runs it and owns everything registered with it. Only io_loop_post()
 * and io_loop_stop() may be called from other threads. Callbacks are never run from inside the
 * call that registered them. The simulator has the same loop with a virtual clock.
 */
struct io_loop;

enum err io_loop_new(struct io *io, struct io_loop **ret_loop) MUST_USE;
/* Everything registered must be gone, but for posts, which are dropped. */
void io_loop_free(struct io_loop *loop);
struct io *io_loop_io(struct io_loop *loop);
/* Runs until io_loop_stop(). */
void io_loop_run(struct io_loop *loop);
/* One turn: waits at most wait_max_ns for something to happen (0 = only what is ready). Returns
 * how many callbacks ran. */
size_t io_loop_turn(struct io_loop *loop, int64_t wait_max_ns);
void io_loop_stop(struct io_loop *loop);
/* The time at the start of this turn: cheap. */
int64_t io_loop_now_ns(struct io_loop *loop);

/* ---- timers: caller's memory, zeroed before the first start ---- */
struct io_timer {
    void (*fire)(struct io_timer *timer);
    void *owner;
    int64_t due_ns;
    size_t heap_index; /* 0 = not started */
};
/* Starts or moves it. delay 0 = next turn. */
void io_timer_start(struct io_loop *loop, struct io_timer *timer, int64_t delay_ns);
/* Fine when not started. */
void io_timer_stop(struct io_loop *loop, struct io_timer *timer);

/* ---- a call into the loop's thread from any thread; caller's memory until it ran ---- */
struct io_post {
    void (*run)(struct io_post *post);
    void *owner;
    struct io_post *next;
};
void io_loop_post(struct io_loop *loop, struct io_post *post);
/* At the end of each turn, in order of registration: for what is gathered during a turn. */
struct io_turn_end {
    void (*run)(struct io_turn_end *hook);
    void *owner;
    struct io_turn_end *next;
};
void io_loop_turn_end(struct io_loop *loop, struct io_turn_end *hook);
/* Not from inside another hook. */
void io_loop_turn_end_stop(struct io_loop *loop, struct io_turn_end *hook);

/* For such a hook: how often this turn brought something from outside, which is all that ran but
 * timers. */
size_t io_loop_news(const struct io_loop *loop);
/* For a hook that knows that nothing is in a hurry: io_loop_run() sleeps so long before it looks
 * again, so that what trickles in is taken in one turn. A post or a timer that is due ends it;
 * streams wait. Once; does nothing in the simulator. */
void io_loop_rest(struct io_loop *loop, int64_t rest_ns);

/* ---- descriptors of libraries that bring their own sockets (libcurl, librdkafka); kernel only --
 */
enum { IO_READABLE = 1, IO_WRITABLE = 2, IO_ERROR = 4 };
struct io_watch {
    void (*ready)(struct io_watch *watch, unsigned events);
    void *owner;
    int fd;
    unsigned events; /* 0 = not watched */
};
enum err io_watch_set(struct io_loop *loop, struct io_watch *watch, unsigned events) MUST_USE;

/* ---- streams: TCP, TLS over TCP, and their simulated twin ---------------------------------- */

struct io_stream;
struct io_listener;
struct io_tls; /* settings and keys: io_tls_server_new, io_tls_client_new */

/* What a stream tells its owner. Any may be NULL but data and closed. */
struct io_stream_events {
    /* Connected and, with TLS, greeted: only for io_connect(). */
    void (*opened)(void *owner, struct io_stream *stream);
    /* All bytes received and not consumed yet. Returns how many of them are done with; the rest
     * comes again together with what follows. The bytes are borrowed for the call. */
    size_t (*data)(void *owner, struct io_stream *stream, const uint8_t *data, size_t bytes);
    /* The output that was over the low mark is below it again. */
    void (*drained)(void *owner, struct io_stream *stream);
    /* The other side sent its end; writing still works. Not given: the stream closes after what
     * is queued is written. */
    void (*ended)(void *owner, struct io_stream *stream);
    /* The last call about this stream, exactly once, also after io_stream_close(). why = OK for an
     * orderly end. */
    void (*closed)(void *owner, struct io_stream *stream, enum err why);
};

struct io_stream_limits {
    size_t in_max;       /* unconsumed input; over it the stream is closed with ERR_LIMIT, but
                            not while it is paused; 0 = 1 MiB */
    size_t out_max;      /* queued output without files; io_stream_write() answers ERR_LIMIT
                            over it; 0 = 1 MiB */
    size_t out_low;      /* see drained */
    int64_t idle_max_ns; /* closed with ERR_TIMEOUT after that long without a byte; 0 = never */
};

/* address: "127.0.0.1:8080", "[::1]:8080", "localhost:8080", port 0 = any. accept is called for
 * each new connection; it answers the owner of the stream, or NULL to refuse it. tls may be NULL.
 * events and limits are borrowed for the life of the listener. ERR_CONFLICT: address in use. */
enum err io_listen(struct io_loop *loop, const char *address, struct io_tls *tls,
                   const struct io_stream_events *events, const struct io_stream_limits *limits,
                   void *(*accept)(void *owner, struct io_stream *stream), void *owner,
                   struct io_listener **ret_listener) MUST_USE;
/* The port that it really has. */
uint16_t io_listener_port(const struct io_listener *listener);
/* Stops accepting; open streams live on. */
void io_listener_close(struct io_listener *listener);
/* Pauses or resumes accepting. */
void io_listener_pause(struct io_listener *listener, bool paused);

/* Names are resolved on a helper thread. host_name checks the certificate and is sent as SNI. */
enum err io_connect(struct io_loop *loop, const char *address, struct io_tls *tls,
                    const char *host_name, const struct io_stream_events *events,
                    const struct io_stream_limits *limits, void *owner,
                    struct io_stream **ret_stream) MUST_USE;

/* Copies to the output, which is sent at the end of the turn (all writes of a turn in one call to
 * the kernel). ERR_LIMIT: over out_max, nothing was taken. ERR_CLOSED. */
enum err io_stream_write(struct io_stream *stream, const void *data, size_t bytes) MUST_USE;
/* A range of a file behind what is queued, by sendfile where possible. The file stays open until
 * done is called (with the loop's thread). */
enum err io_stream_send_file(struct io_stream *stream, struct io_file *file, uint64_t offset,
                             size_t bytes, void (*done)(void *owner), void *owner) MUST_USE;
size_t io_stream_out_bytes(const struct io_stream *stream);
/* No data() calls until resumed; the kernel's window fills up: back-pressure. */
void io_stream_pause(struct io_stream *stream, bool paused);
/* Sends what is queued, then closes. */
void io_stream_close(struct io_stream *stream);
/* Closes now; closed() is called in the next turn with why. The other side sees a reset when output
 * was still queued, else an end. */
void io_stream_abort(struct io_stream *stream, enum err why);
/* "127.0.0.1:50312", borrowed. */
const char *io_stream_peer(const struct io_stream *stream);
/* Why its TLS failed, in words, until closed() was called; "" = it did not, or nobody knows. */
const char *io_stream_tls_trouble(const struct io_stream *stream);
void io_stream_set_owner(struct io_stream *stream, void *owner);
void io_stream_set_idle(struct io_stream *stream, int64_t idle_max_ns);

/* ---- TLS (OpenSSL): 1.2 and 1.3 ---- */
enum err io_tls_server_new(struct io *io, const char *certificate_path, const char *key_path,
                           struct diag *diag, struct io_tls **ret_tls) MUST_USE;
/* ca_path NULL = the system's store. Verification is always on. */
enum err io_tls_client_new(struct io *io, const char *ca_path, struct diag *diag,
                           struct io_tls **ret_tls) MUST_USE;
/* The client shows this certificate to servers that ask for one. */
enum err io_tls_client_identify(struct io *io, struct io_tls *tls, const char *certificate_path,
                                const char *key_path, struct diag *diag) MUST_USE;
void io_tls_free(struct io_tls *tls);

/* ---- signals of this process; the callback runs in the loop ---- */
enum { IO_SIGNAL_INTERRUPT = 2, IO_SIGNAL_TERMINATE = 15, IO_SIGNAL_HANGUP = 1 };
enum err io_signals_watch(struct io_loop *loop, void (*arrived)(void *owner, int number),
                          void *owner) MUST_USE;

#endif
