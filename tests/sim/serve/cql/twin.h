/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_SERVE_CQL_TWIN_H
#define TESTS_SIM_SERVE_CQL_TWIN_H

/*
 * The naive twin of the table sim.t: every write that was ever sent, with its timestamp and what it
 * is about. What stands is worked out by looking at all of them. A write that was answered before a
 * read was sent counts; one that was under way meanwhile, or whose answer was lost, may count or
 * not. So a cell has a value that must be there, unless one of the others is newer.
 *
 *   CREATE TABLE sim.t (p int, c1 int, c2 int, s int STATIC, a int, b int, d0 int, m map<int, int>,
 *                       PRIMARY KEY (p, c1, c2)) WITH CLUSTERING ORDER BY (c1 ASC, c2 DESC)
 *
 * d0 comes and goes. Each value is the number of its write, so that a value says where it is from.
 * Timestamps are unique but within one statement or batch, and do not rise.
 */
#include "world.h"

enum { PARTITIONS = 3, FIRSTS = 3, SECONDS = 3, KEYS = 3 };

/* What a write is about, and what a cell is called. */
enum place_column { COLUMN_MARKER, COLUMN_A, COLUMN_B, COLUMN_D, COLUMN_M, COLUMN_S, COLUMNS };
extern const char *const column_names[COLUMNS];

enum kind {
    WRITE_VALUE,
    WRITE_NULL,      /* a cell, or of COLUMN_M with key -1 the whole map */
    WRITE_ROW,       /* deletions: of a row */
    WRITE_SLICE,     /* of all rows of c1 .. */
    WRITE_PARTITION, /* of everything */
};
struct twin_write {
    enum kind kind;
    int p, c1, c2; /* c2 -1 = not said; c1 -1: the static row */
    bool at_least; /* a slice: c1 and all behind it */
    enum place_column column;
    int key; /* of the map; -1 = none */
    int64_t timestamp;
    int64_t ttl; /* 0 = none */
    int value;
    int request;    /* of twin_request */
    uint64_t void_; /* when its column was gone; 0 = it is not */
};
/* A statement or batch: its writes have one fate. */
struct twin_request {
    uint64_t sent, done; /* done 0 = not known */
    int64_t sent_s, done_s;
    bool refused; /* it was not done */
};

struct twin {
    struct twin_write *writes;
    int write_count, write_room;
    struct twin_request *requests;
    int request_count, request_room;
    int64_t ttl_default;
    int values; /* given out */
    /* d0 */
    bool column_there;     /* for sure */
    uint64_t column_order; /* when that last changed */
    bool index_there;
    /* counters and swaps: traffic_other.c */
    struct tally *tally;
    struct chain *chain;
};

struct twin *twin_new(void);
void twin_free(struct twin *twin);
void *twin_grow(void *array, int count, int *room, size_t bytes);

int twin_request_add(struct world *w);
/* Sent again: from then on it may be done later than before. */
void twin_request_done(struct world *w, int request);
void twin_write_add(struct world *w, const struct twin_write *write);
/* d0 was dropped: what was in it is gone for ever. */
void twin_column_gone(struct world *w);

/* What was asked, and when. */
struct twin_read {
    uint64_t sent, done;
    int64_t sent_s, done_s;
    uint64_t first_sent; /* of the first page */
    int64_t first_sent_s;
    int p;         /* -1 = all */
    int c1, c2;    /* -1 = not said */
    bool at_least; /* c1 >= */
    bool reversed;
    bool with_column; /* d0 is selected */
    bool with_tokens;
    bool last;                    /* page */
    int from_p, from_c1, from_c2; /* where the page before ended; from_p -1 = at the start */
    int64_t from_token;
    bool seen[PARTITIONS];
};
/* A row with these primary keys, or one statics alone (c1 -1). Updates the read's from_.. */
void twin_check_rows(struct world *w, struct twin_read *read, const struct answer *answer);
/* A read by the index on a. */
void twin_check_index(struct world *w, const struct twin_read *read, int value,
                      const struct answer *answer);

#endif
