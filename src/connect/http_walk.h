/* SPDX-License-Identifier: MIT */
#ifndef CONNECT_HTTP_WALK_H
#define CONNECT_HTTP_WALK_H

#include "connect/connect.h"
#include "format/json.h"

/* How a source goes through an API, and where it is. */
enum walk_kind { WALK_POLL, WALK_PAGE, WALK_CURSOR, WALK_UNTIL };
struct http_walk {
    enum walk_kind kind;
    struct str param;
    int64_t start; /* page */
    struct str size_param;
    int64_t size;          /* records of a full page; 0 = not known */
    struct str start_text; /* until */
    struct json_path *from;
    struct json_path *records;
    const struct setting *settings;
};
/* The next request, and how many of its records are in the topic already. */
struct walk_place {
    uint64_t page;
    uint64_t taken;
    struct buf value; /* cursor, until */
};

/* Where the records of an answer stand, so that it is walked once. Beyond WALK_RECORDS_MAX they are
 * counted only (items stays NULL): a document of commas must not cost many times its size. */
enum { WALK_RECORDS_MAX = 1 << 20 };
struct walk_records {
    struct str *items; /* point into the document */
    uint64_t count;
    size_t room;
};

/* settings have passed the check. */
enum err walk_init(struct http_walk *walk, const struct setting *settings,
                   struct diag *diag) MUST_USE;
void walk_deinit(struct http_walk *walk);
void walk_place_start(const struct http_walk *walk, struct walk_place *place);
void walk_place_copy(struct walk_place *to, const struct walk_place *from);
void walk_place_deinit(struct walk_place *place);
/* "page 3 7": kind, taken, value. */
void walk_place_print(const struct http_walk *walk, const struct walk_place *place,
                      struct buf *out);
/* ERR_SYNTAX: another kind of walk wrote it. */
enum err walk_place_parse(const struct http_walk *walk, struct str text,
                          struct walk_place *place) MUST_USE;
void walk_url(const struct http_walk *walk, const struct walk_place *place, struct buf *out);
/* What a valid answer to the request at place means: its records (the caller frees
 * items), how many are new, and the place behind it. True when that is another request. */
bool walk_answer(const struct http_walk *walk, const struct walk_place *place, struct str document,
                 struct walk_place *next, struct walk_records *ret_records, uint64_t *ret_new);

#endif
