/* SPDX-License-Identifier: MIT */
#ifndef SERVE_KAFKA_FETCH_H
#define SERVE_KAFKA_FETCH_H

#include "serve/kafka/net.h"

/*
 * Between fetch.c and fetch_session.c. A set is what a client fetches from: of one request, or of a
 * session (KIP-227) that lives on. Its parts are partitions with the offset to read from; those
 * that may have something are in its ready list, the others have a watch on their partition. So a
 * fetch costs what has moved, not what is followed.
 */

struct fetch_result;
struct kafka_fetch_out;

struct fetch_part {
    struct fetch_set *set;
    struct log_partition *partition; /* NULL = not there */
    struct str topic;                /* borrowed from the log or the frame, or own_topic */
    char *own_topic;                 /* a session's part of an unknown topic */
    uint8_t topic_id[16];
    int32_t index;
    int32_t leader_epoch;       /* that the client knows; -1 = none */
    int32_t last_fetched_epoch; /* -1 = none */
    int32_t bytes_max;
    int64_t offset;
    int64_t told_end, told_start; /* what the session's client was told last */
    bool ready;
    struct fetch_part *next, *previous; /* in the ready list */
    struct log_watch watch;             /* watch.partition: under way */
    struct fetch_result *result;        /* of the call that runs */
};

struct fetch_set {
    struct kafka_broker *broker;
    struct fetch_part *ready, *ready_last;
    struct kafka_fetch_out *fetch; /* the call that runs on it, or NULL */
    size_t count;
    bool by_id;
    bool stable; /* read_committed */
    /* of a session */
    int32_t id; /* 0 = of one request */
    int32_t epoch;
    int64_t used_ns;
    struct fetch_part **table; /* by topic and index */
    size_t table_room;
    struct fetch_set *next_same; /* in the session's slot */
    struct fetch_set *older, *newer;
};

struct fetch_result {
    struct fetch_part *part;
    struct fetch_result *next;
    int16_t code;
    bool read_done; /* read says something */
    bool full;      /* its limit is reached, or the next batch does not fit */
    bool unfit;     /* there was some room, and the next batch is bigger */
    bool diverging;
    int32_t diverging_epoch;
    int64_t diverging_end;
    struct log_read read;
    size_t bytes;
    struct fetch_piece *pieces, **pieces_end;
    struct fetch_slice *slice;
};

struct fetch_piece {
    size_t at, bytes; /* in the call's buffer */
    struct fetch_piece *next;
};

struct fetch_slice {
    struct log_slice slice;
};

struct kafka_fetch_out {
    struct kafka_call *call;
    struct fetch_set *set;
    struct fetch_set own; /* of a request that stands alone */
    struct fetch_part *own_parts;
    int32_t session_id;
    bool full;
    bool now; /* an error: nothing is waited for */
    bool woken, finished;
    bool warming;                 /* the worker is at it */
    bool warmed;                  /* and was, for the pass that comes */
    struct fetch_part *warm_last; /* that pass ends there; NULL = with the last that is ready */
    size_t min_bytes, bytes_max, bytes;
    int64_t due_tick;                             /* fetch_wait.c's own */
    struct kafka_fetch_out *next_wait, **wait_at; /* wait_at NULL = it does not wait */
    struct kafka_fetch_out *next_woken;
    struct fetch_result *results, **results_end;
    struct buf records;
    size_t charged; /* of its room */
};

/* ---- fetch_answer.c ---- */
/* The code of a part whose partition is not there. */
int16_t fetch_missing_code(const struct fetch_part *part);
/* The call's buffer becomes the spare one, or is freed. */
void fetch_records_give(struct kafka_fetch_out *fetch);
/* When the call is freed. */
void fetch_release(struct kafka_call *call);

/* ---- fetch_wait.c ---- */
struct fetch_waits *fetch_waits_new(struct io_loop *loop);
/* Nothing waits any more. */
void fetch_waits_free(struct fetch_waits *waits);
/* fetch_finish() after wait_ms, rounded up to a grid on which many polls meet. */
void fetch_wait_start(struct kafka_fetch_out *fetch, int32_t wait_ms);
/* At the end of a turn: lets the loop rest when only polls move. */
void fetch_wait_rest(struct fetch_waits *waits, struct kafka_net *net);
/* Fine when it does not wait. */
void fetch_wait_stop(struct kafka_fetch_out *fetch);

/* ---- fetch_warm.c ---- */
/* True: some of what is ready is not in memory, and fetch_run() comes again when it is. */
bool fetch_warm_start(struct kafka_fetch_out *fetch);

/* ---- fetch.c ---- */
/* Reads what is ready; answers, or waits. */
void fetch_run(struct kafka_fetch_out *fetch);

/* ---- fetch_session.c ---- */
void fetch_part_ready(struct fetch_part *part);
void fetch_part_unready(struct fetch_part *part);
/* NULL when missing. */
struct log_topic *fetch_topic_find(const struct fetch_set *set, struct str topic,
                                   const uint8_t *id);
/* The part's partition is of that topic, which may be NULL. */
void fetch_part_place(struct fetch_part *part, struct log_topic *topic);
/* Both: by what is in the part. */
void fetch_part_resolve(struct fetch_part *part);
/* Fills a part from the request; its set, partition and topic are set already. */
void fetch_part_fill(struct fetch_part *part, const struct kafka_fetch_request_partition *from);
/* Takes the part out of the ready list and stops its watch. */
void fetch_part_leave(struct fetch_part *part);

/* The session that the request names or asks for, brought up to date; *ret_set NULL = the request
 * stands alone. *ret_full: all partitions are to be answered. An error code is the answer's. */
int16_t fetch_session_of(struct kafka_call *call, struct fetch_set **ret_set, bool *ret_full);
struct fetch_part *fetch_set_find(const struct fetch_set *set, struct str topic, const uint8_t *id,
                                  int32_t index);
/* A watch of one of the parts has fired: fetch.c looks at the end of the turn. */
void fetch_wake(struct kafka_fetch_out *fetch);
/* Answers with what there is: the session goes to another call. */
void fetch_finish(struct kafka_fetch_out *fetch);

struct kafka_fetch_sessions {
    struct kafka_broker *broker;
    struct fetch_set *slots[1024]; /* by id */
    struct fetch_set *oldest, *newest;
    uint32_t count;
    size_t part_count;
    /* fetch.c's own */
    struct kafka_fetch_out *woken;
    struct fetch_waits *waits;
    uint64_t cold_reads; /* fetches that had to wait for the disk */
    struct io_turn_end turn_end;
    struct buf spare; /* for records */
};

/* fetch.c: looks again at what was woken, at the end of a turn. */
void fetch_run_woken(struct kafka_fetch_sessions *sessions);

#endif
