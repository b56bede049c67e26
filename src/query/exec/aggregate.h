/* SPDX-License-Identifier: MIT */
#ifndef QUERY_EXEC_AGGREGATE_H
#define QUERY_EXEC_AGGREGATE_H

#include "query/aggregate.h"
#include "query/exec/exec.h"

/* ---- sets of keys (keyset.c) ---- */

/* Numbers 0, 1, .. for different runs of bytes. */
struct keyset {
    uint32_t *slots; /* number + 1, 0 = free */
    size_t room;
    uint64_t *hashes;
    uint32_t *starts; /* of each key in bytes; one more than there are keys */
    uint32_t count, key_room;
    struct buf bytes;
};
void keyset_deinit(struct keyset *set);
/* The number of the key; *ret_is_new when it was added. ERR_LIMIT over 1 GiB of keys. */
enum err keyset_add(struct keyset *set, struct str key, uint32_t *ret_number,
                    bool *ret_is_new) MUST_USE;
/* A value such that equal values, and only they, give equal bytes. */
void keyset_encode(const struct column *column, size_t row, struct buf *out);

/* ---- states of one aggregate for all groups (state.c) ---- */

/* A value that is kept: 16 bytes as they are, or a column of one row. */
struct held {
    bool set, null;
    union {
        int64_t i64;
        double f64;
        __int128 i128;
        struct interval interval;
        struct column *column;
    };
};

struct cell {
    int64_t count;
    union {
        __int128 sum;
        double moment[3]; /* sum; or mean and m2 of the distances from the first value, it */
        struct {
            uint32_t first, last; /* COLLECT_LIST: places of values, 0 = none, else + 1 */
        };
    };
    struct held value, order; /* MIN, MAX, FIRST, LAST: value; MIN_BY, MAX_BY: both */
};

struct state {
    const struct expr *expr;
    struct cell *cells; /* of each group */
    uint32_t count, room;
    struct builder *values; /* COLLECT_LIST: all, in order of arrival */
    uint32_t *next;         /* of each the next of its group, + 1 */
    uint32_t next_room;
    struct keyset seen; /* DISTINCT: group and arguments */
};

void state_init(struct state *state, const struct expr *expr);
void state_deinit(struct state *state);
void state_grow(struct state *state, uint32_t groups);
/* Row of the arguments' columns into a group. */
enum err state_update(struct state *state, struct eval *eval, uint32_t group,
                      const struct column *const *args, uint32_t row) MUST_USE;
enum err state_result(struct state *state, struct eval *eval, struct column **ret_column) MUST_USE;

#endif
