/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_SERVE_KAFKA_WORLD_H
#define TESTS_SIM_SERVE_KAFKA_WORLD_H

/*
 * The world of a simulated run of the Kafka door: one machine with a broker over a log (node.c),
 * clients on another machine (client.c), and between them a network that is late and breaks. The
 * machine has a loop of its own, so that it can die while clients live on.
 */
#include "../actor.h"

#include "io/sim.h"
#include "log/log.h"
#include "serve/kafka/kafka.h"
#include "wire/kafka/kafka.h"

enum mark {
    MARK_KILLED,
    MARK_POWER_CUT,
    MARK_HALTED,
    MARK_LOST_TAIL,
    MARK_DISK_FAILED,
    MARK_REFUSED,
    MARK_OUT_OF_ORDER,
    MARK_FAILED_TOLD,
    MARK_FULL_TOLD,
    MARK_FULL_GROUP,
    MARK_FULL_TXN,
    MARK_FULL_START,
    MARK_CONNECTION_LOST,
    MARK_RETRY_TWICE,
    MARK_COMMITTED,
    MARK_ABORTED,
    MARK_FENCED,
    MARK_ZOMBIE_REFUSED,
    MARK_TIMED_OUT_TXN,
    MARK_UNKNOWN_TXN,
    MARK_HIDDEN,
    MARK_OPEN_AT_AUDIT,
    MARK_SESSION,
    MARK_SESSION_OMITS,
    MARK_TRIMMED,
    MARK_TOPIC_DELETED,
    MARK_OLD_GENERATION,
    MARK_MEMBER_EXPIRED,
    MARK_STATIC_REPLACED,
    MARK_REBALANCED,
    MARK_ASSIGNED,
    MARK_COMMIT_READ,
    MARK_TXN_COMMIT_READ,
    MARK_UNSTABLE_OFFSET,
    MARK_COMPACTED,
    MARK_TOMBSTONE_GONE,
    MARK_MARKER_GONE,
    MARKS,
};

enum { TOPICS_MAX = 6, PARTS_OF_TOPIC_MAX = 2, GROUPS = 2, TXN_IDS = 2, TRANSACTORS_MAX = 4 };

struct twin;

struct world {
    struct seed_run *run;
    struct io *io;
    struct prng prng;
    struct arena scratch; /* of the request being made */
    struct io_loop *clients;
    uint64_t order; /* grows with everything sent and received: what was before what */
    bool draining;  /* actors begin nothing new */
    struct conn *conns;
    struct conn *asking; /* ask()'s own connection, and the answer that it got */
    struct arena answers;
    void *answer;
    bool asked;
    int turns;
    struct actor *actors;
    struct twin *twin;

    /* the machine; loop NULL = it is down */
    struct io_loop *loop;
    struct log *log;
    struct kafka_broker *broker;
    enum log_durability durability;
    uint16_t port;
    int life;             /* counts its starts */
    int64_t disk_free_ns; /* the disk does nothing before */
    int64_t rebalance_delay_ms;
    bool faults;
    bool slow_disk;
    bool fills_by_chance;  /* some writes say so, although it has */
    bool fills;            /* the disk has no room now and then */
    bool full;             /* now */
    int64_t room_ns;       /* when that changes; 0 = not planned */
    int64_t eased_ms;      /* when it had no room last */
    int64_t dies_ns;       /* the disk failed: the machine goes on that long; 0 = it is well */
    bool compacts;         /* the second topic is compacted */
    int64_t tombstones_ms; /* stay that long there */
    int64_t segment_bytes; /* of topics */
    struct log_topic_config topics;
};

int64_t now_ms(const struct world *w); /* virtual, monotonic */

/* ---- node.c ---- */
enum ending { END_CLOSE, END_KILL, END_POWER };
/* Starts the machine; it may die in the middle some times before it is up. Returns whether the
 * power was cut meanwhile. */
bool node_up(struct world *w);
/* The process ends; with END_POWER the disk forgets what it had not synced. */
void node_down(struct world *w, enum ending how);
static inline bool node_is_up(const struct world *w)
{
    return w->loop != NULL;
}
/* One turn of everything; waits at most until_ns (virtual). False: the machine stopped by itself
 * (io_sim_halt_after) or its disk failed: take it down. */
bool world_turn(struct world *w, int64_t until_ns);

/* ---- client.c ---- */
struct request {
    struct request *next;
    struct conn *conn;
    const struct kafka_api *api;
    int16_t version;
    int32_t id;
    /* response NULL: the connection ended; whether it was done is not known. */
    void (*answered)(struct request *request, void *response);
    void *owner;    /* the actor */
    void *context;  /* freed with the request */
    uint64_t order; /* when it was sent */
    int64_t sent_ms;
    int life; /* the machine's */
};
struct conn {
    struct world *w;
    struct io_stream *stream;
    struct buf in;
    struct request *requests, **requests_end;
    int count;
    int32_t next_id;
    struct conn *next;
};
struct conn *conn_new(struct world *w);
/* Ends the connection: what is under way is answered with NULL, in a later turn. */
void conn_cut(struct conn *conn);
/* Connects when needed. context is from mem_alloc, or NULL. Resets the world's scratch arena. */
struct request *conn_send(struct conn *conn, int16_t key, int16_t version, const void *message,
                          void (*answered)(struct request *request, void *response), void *owner,
                          void *context);
/* No answer will come. */
void conn_forget(struct request *request);
void conns_free(struct world *w);
/* Sends and turns until the answer is there; for audits, without faults. The answer lives until the
 * next. NULL (a failure is noted): none came. */
void *ask(struct world *w, int16_t key, int16_t version, const void *message);
#define MESSAGE(w, name) KAFKA_NEW(&(w)->scratch, name, 1)
#define MESSAGES(w, name, count) KAFKA_NEW(&(w)->scratch, name, count)
struct str text_of(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- actors ---- */
/* Codes that mean: not now, or the disk is not well; whether it was done is not known. Each is one
 * that Apache Kafka's own clients answer with another try, those of coordinators and the others. */
bool code_is_passing(int16_t code);
bool code_is_coordinators(struct world *w, int16_t code, int mark);

void producer_add(struct world *w, int number, bool idempotent);
void transactor_add(struct world *w, int number, int id);
void consumer_add(struct world *w, int number);
void member_add(struct world *w, int number, int group);
void admin_add(struct world *w);
/* The same as a fetch of one partition; for consumers and audits. */
struct kafka_fetch_request *make_fetch(struct world *w, int parts);

/* ---- audit.c ---- */
/* Everything is quiet: all that can be read is compared with the twin. lossy: the disk may have
 * lost a tail. */
void audit(struct world *w, bool lossy);

#endif
