/* SPDX-License-Identifier: MIT */
#ifndef PIPELINE_DEAD_LETTER_H
#define PIPELINE_DEAD_LETTER_H

#include "io/thread.h"
#include "log/record_batch.h"
#include "pipeline/project.h"

/*
 * Dead letters: records that could not be decoded, computed or stored, kept as they came in the
 * topic SOURCE.dead_letters. The value and the key are the record's own bytes; headers tell the
 * rest. Format: docs/formats/dead-letters.md.
 */
struct dead_letter {
    struct str value, key; /* ptr NULL = null */
    struct str table;      /* the table that could not take it; empty = it does not decode */
    struct str topic;
    int32_t partition;
    int64_t offset;
    struct str error;       /* one line for people */
    struct str error_class; /* "CAST_INVALID_INPUT", or empty */
    uint32_t attempt;       /* 1 = the first time */
    int64_t time_ms;
};

/* ---- writing: a stream's own, worker's thread ---- */
struct dead_letters;
/* table: of the stream; end: where its last commit saw the end of the topic; offsets: where it goes
 * on. Finds the letters that are there already past those offsets. */
enum err dead_letters_open(struct io *io, struct log *log, struct str source, struct str table,
                           int64_t end, struct dead_letters **ret_letters) MUST_USE;
void dead_letters_free(struct dead_letters *letters);
/* Keeps it for the next flush, unless it is in the topic already. */
void dead_letters_add(struct dead_letters *letters, const struct dead_letter *letter);
/* Forgets those kept for the flush: the epoch begins anew. */
void dead_letters_reset(struct dead_letters *letters);
/* The epoch of the last flush is committed: its records will not come again. */
void dead_letters_committed(struct dead_letters *letters);
/* Durable when it returns. *ret_end: the end of the topic then, for the commit. */
enum err dead_letters_flush(struct dead_letters *letters, int64_t *ret_end) MUST_USE;

/* ---- reading ---- */
/* "users_created" -> "users_created.dead_letters". */
void dead_letter_topic(struct str source, struct buf *out);
/* Reads the headers of one record of such a topic. False when it is none of ours. */
bool dead_letter_read(const struct record *record, struct dead_letter *ret_letter);

/* ---- replay: headers that a replayed record carries in the source's topic ---- */
struct replay_mark {
    struct str table; /* only for this table; empty = all */
    uint32_t attempt; /* letters of it get attempt + 1; 0 = not a replay */
};
void replay_mark_read(struct str headers_raw, struct replay_mark *ret_mark);
/* The header pair that dead_letters replay puts on a record. text holds the numbers. */
size_t replay_mark_headers(const struct dead_letter *letter, struct buf *text,
                           struct record_header *ret_headers /* 2 */);

#endif
