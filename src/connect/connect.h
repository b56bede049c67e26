/* SPDX-License-Identifier: MIT */
#ifndef CONNECT_CONNECT_H
#define CONNECT_CONNECT_H

#include "io/loop.h"
#include "log/log.h"
#include "log/record_batch.h"

/*
 * The outside world: sources that fill topics. Each kind is one file behind one table of
 * connectors (connect.c). A source runs in a loop's thread, hands records to its feed and is told
 * when they are durable. Settings come as a tree that the pipeline loaded from YAML.
 */

/* ---- settings: a value with the place where it stands, so that errors can name it ---- */
enum setting_kind { SETTING_NONE, SETTING_TEXT, SETTING_LIST, SETTING_MAP };
struct setting {
    enum setting_kind kind;
    struct str key;        /* of a map's member */
    struct str text;       /* after ${NAME} was replaced */
    bool quoted;           /* a YAML string in quotes: never a number or a truth value */
    uint32_t line, column; /* of the value */
    uint32_t key_line, key_column;
    size_t count;
    struct setting *items; /* list items or map members in order */
};
/* NULL when missing. */
const struct setting *setting_get(const struct setting *map, const char *key);

/* One table of keys for each kind of source, target and file: parser, check, hints and
 * docs/configuration.md come from it. */
enum key_type {
    KEY_TEXT,
    KEY_BOOL,
    KEY_INT,
    KEY_DURATION,
    KEY_BYTES,
    KEY_RATE, /* "60/min", "5000/s" */
    KEY_URL,
    KEY_JSONPATH,
    KEY_PATH,
    KEY_CHOICE,
    KEY_DDL,
    KEY_TEXT_MAP,
    KEY_TEXT_LIST,
    KEY_TEXT_OR_LIST, /* one text, or a list of texts */
    KEY_KEY_LIST,       /* list of names, or list of lists */
    KEY_DURATION_RANGE, /* 500ms..60s */
    KEY_MAP,            /* members below */
    KEY_ANY,
};
struct key_info {
    const char *name;
    enum key_type type;
    bool required;
    const char *fallback; /* text shown in docs; NULL = none */
    const char *help;
    const char *choices;            /* KEY_CHOICE: "a|b|c"; KEY_DURATION: a word instead */
    const struct key_info *members; /* KEY_MAP: ends with name NULL */
    int64_t min, max;               /* numbers; both 0 = any */
};
/* Checks a map against a key table: unknown keys (with the nearest known one), wrong types and
 * ranges, missing required keys. Adds every mistake to diags, with file. OK when there is none. */
enum err settings_check(const struct setting *map, const struct key_info *keys, const char *file,
                        struct diag_list *diags);
/* Values after the check; fallback when missing. */
struct str setting_text(const struct setting *map, const char *key, const char *fallback);
int64_t setting_int(const struct setting *map, const char *key, int64_t fallback);
int64_t setting_duration_ms(const struct setting *map, const char *key, int64_t fallback_ms);
int64_t setting_bytes(const struct setting *map, const char *key, int64_t fallback);
bool setting_bool(const struct setting *map, const char *key, bool fallback);
/* "60/min" -> 1.0 per second. Units: s, sec, second, min, minute, h, hour, d, day. ERR_SYNTAX. */
enum err rate_parse(struct str text, double *ret_per_second) MUST_USE;
/* "500ms..60s"; the first may not be longer than the second. ERR_SYNTAX. */
enum err duration_range_parse(struct str text, int64_t *ret_min_ms, int64_t *ret_max_ms) MUST_USE;

/* ---- feeding a topic ---- */

/*
 * A feed turns records into batches for the partitions of one topic (by murmur2 of the key, round
 * robin without one), appends them and keeps the books. feed_flush() writes what was put since the
 * last flush in one log_append_together(): after a crash all of it is there, or nothing. position
 * (may be STR_NONE) is kept with it as a header of each batch's last record, `millrace.position`;
 * feed_position() gives the newest one back after a restart.
 */
struct feed;
struct feed_counters {
    uint64_t fetched;  /* records handed to feed_put */
    uint64_t appended; /* durable */
    uint64_t repeated; /* left out: the topic had them already */
    uint64_t bytes;
};
enum err feed_new(struct log *log, struct log_topic *topic, struct io_loop *loop,
                  struct str source_name, size_t in_flight_bytes_max,
                  struct feed **ret_feed) MUST_USE;
/* What is in flight still reaches the disk; its owners are not told. */
void feed_free(struct feed *feed);
/* From now on a record with a key that stands in the topic with the same value is left out: makes
 * asking again for what was fetched before harmless. Remembers the newest half million; reads the
 * log once. */
enum err feed_leave_out_repeated(struct feed *feed) MUST_USE;
/* ERR_AGAIN: too much is in flight, come back after resumed(); nothing was taken. timestamp_ms < 0
 * = now. key.ptr NULL = none. ERR_LIMIT: the record is over the topic's message_bytes_max. */
enum err feed_put(struct feed *feed, int64_t timestamp_ms, struct str key,
                  struct str value) MUST_USE;
/* done runs in the loop when it is durable, or failed: ERR_DISK_FULL and ERR_IO; then nothing of it
 * is there. Never from inside feed_flush(). Caller's memory until then. Flushes of one turn may
 * share an append: then they are there, or not, together. A position without records is not kept.
 */
struct feed_flush {
    void (*done)(struct feed_flush *flush, enum err err);
    void *owner;
    struct feed_flush *next; /* the feed's own */
};
enum err feed_flush(struct feed *feed, struct str position, struct feed_flush *flush) MUST_USE;
/* Forgets what was put since the last flush (its repetitions stay counted). */
void feed_discard(struct feed *feed);
/* The newest position in the topic that this source wrote; ERR_NOT_FOUND. Reads the log: at start.
 */
enum err feed_position(struct feed *feed, struct buf *out) MUST_USE;
void feed_on_resume(struct feed *feed, void (*resumed)(void *owner), void *owner);
void feed_counters(const struct feed *feed, struct feed_counters *ret_counters);

/* ---- sources ---- */

struct source;

/* What `run`, the API and doctor show. */
enum source_state {
    SOURCE_IDLE,
    SOURCE_FETCHING,
    SOURCE_WAITING,
    SOURCE_BLOCKED,
    SOURCE_DONE,
    SOURCE_FAILED
};
struct source_status {
    enum source_state state;
    char detail[200]; /* "HTTP 429, next try in 4.2 s (Retry-After)" */
    uint64_t requests;
    uint64_t errors; /* failed requests, unreadable answers */
    uint32_t failures_in_a_row;
    int64_t wait_ms; /* until the next try */
    uint64_t empty_answers;
    uint64_t bytes_in;
    int64_t last_fetch_us; /* wall time of the newest answer, 0 = none */
};

struct connector {
    const char *name;    /* the word under from: */
    const char *summary; /* one line for docs and help */
    const struct key_info *keys;
    /* Mistakes that the key table cannot see. NULL = none. */
    enum err (*check)(const struct setting *settings, const char *file, struct diag_list *diags);
    /* Tries the outside once, for check --connect. NULL = nothing to try. */
    enum err (*probe)(struct io *io, const struct setting *settings, const char *directory,
                      struct diag *diag);
    /* Loop's thread. settings live until close. directory: of the project, for relative paths. */
    enum err (*open)(struct io_loop *loop, const struct setting *settings, const char *directory,
                     struct str source_name, struct feed *feed, struct diag *diag,
                     struct source **ret_source);
    void (*start)(struct source *source);
    /* No new fetches; drained() once nothing is in flight. */
    void (*stop)(struct source *source, void (*drained)(void *owner), void *owner);
    void (*status)(const struct source *source, struct source_status *ret_status);
    void (*close)(struct source *source);
    /* webhook: takes a request body (serve/http calls it); NULL elsewhere. See webhook.h. */
    const struct webhook_methods *webhook;
};
/* Every concrete source starts with this. */
struct source {
    const struct connector *connector;
};
/* All connectors, ended by NULL; by name NULL when missing. */
const struct connector *const *connectors(void);
const struct connector *connector_find(struct str name);

#endif
