/* SPDX-License-Identifier: MIT */
#ifndef FORMAT_JSON_H
#define FORMAT_JSON_H

#include "base/zone.h"
#include "data/column.h"

/*
 * JSON: bytes -> column batches by a schema, column batches -> bytes, and paths into documents.
 * Pure: memory in, memory out. Source of the semantics: Spark's from_json in PERMISSIVE mode, see
 * docs/formats/json.md; the grammar is RFC 8259 plus what Spark's reader accepts.
 */

/* ---- decoding ---- */

struct json_decoder;

struct json_decode_options {
    const struct zone *zone; /* of timestamps without one; NULL = UTC */
    uint32_t depth_max;      /* nesting; 0 = 1000, as Jackson; deeper is corrupt */
    size_t value_bytes_max;  /* of one string or number in the result; 0 = 16 MiB */
};

enum json_outcome {
    JSON_FITS = 0,
    JSON_CORRUPT, /* does not parse, or a field does not fit: the fields that fit are set */
    JSON_NULL,    /* NULL, empty or blank: no document at all */
};

/* schema: STRUCT, all fields that a document is checked against. wanted: STRUCT, what is built: the
 * same with fields left out at any level (NULL = schema). A field `_corrupt_record STRING` of the
 * schema receives the text of a corrupt value and is never looked for in documents. Both types are
 * borrowed for the decoder's life. Not for several threads at once. */
enum err json_decoder_new(const struct type *schema, const struct type *wanted,
                          const struct json_decode_options *options,
                          struct json_decoder **ret_decoder) MUST_USE;
void json_decoder_free(struct json_decoder *decoder);

/* Where and why a document is corrupt, for dead letters: "line 1 column 17: ..", "field a.b: ..".
 */
struct json_fault {
    uint32_t row;
    uint32_t byte; /* where in the document */
    char message[160];
};

/* One row a document, always. documents[i].ptr == NULL is a NULL value. ret_outcomes has count
 * entries; faults may be NULL, else gets one entry for each corrupt row, up to fault_max (the count
 * of corrupt rows is the return in ret_fault_count, which may be NULL). ERR_LIMIT: the batch is
 * over 2 GiB. */
enum err json_decode(struct json_decoder *decoder, const struct str *documents, size_t count,
                     struct batch **ret_batch, uint8_t *ret_outcomes, struct json_fault *faults,
                     size_t fault_max, size_t *ret_fault_count) MUST_USE;

/* RFC 8259 conformance of one whole text, nothing behind it: OK, or ERR_SYNTAX with line and
 * column. Used for webhook bodies and API answers, which must be strict. */
enum err json_validate(struct str text, uint32_t depth_max, struct diag *diag) MUST_USE;

/* ---- paths: $, .name, ['name'], [3], [*], .* ; into any valid document ---- */

/* Here and below, of members with the same name the first is found. */

struct json_path;
/* ERR_SYNTAX with the column. */
enum err json_path_parse(struct str text, struct diag *diag, struct json_path **ret_path) MUST_USE;
void json_path_free(struct json_path *path);
/* True when [*] or .* occurs in it. */
bool json_path_is_many(const struct json_path *path);
/* Calls found for each match with its exact bytes in the document, in order; found may stop with
 * false. document must have passed json_validate or be one found before. The count of matches. */
size_t json_path_each(const struct json_path *path, struct str document,
                      bool (*found)(void *owner, struct str value), void *owner);
/* The first match, STR_NONE when there is none. */
struct str json_path_first(const struct json_path *path, struct str document);

/* Direct children of a valid document: for small code that reads answers and settings. STR_NONE
 * when missing. */
struct str json_member(struct str object, const char *name);
/* *state starts as 0. False at the end. key gets the raw name (with quotes) of an object's member.
 */
bool json_next(struct str container, size_t *state, struct str *ret_key, struct str *ret_value);
enum json_kind {
    JSON_KIND_NULL,
    JSON_KIND_BOOL,
    JSON_KIND_NUMBER,
    JSON_KIND_STRING,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT,
    JSON_KIND_NONE
};
enum json_kind json_kind(struct str value);
/* The text of a string (escapes resolved), or the raw bytes of any other value. */
void json_text(struct str value, struct buf *out);

/* ---- encoding ---- */

struct json_encode_options {
    const struct zone *zone; /* NULL = UTC */
    bool skip_nulls;         /* leave null fields out (Spark's default for to_json) */
    bool micros;             /* timestamps with 6 digits instead of Spark's 3 */
};
/* {"a":1,..} of one row. NaN and infinities as text, binary as Base64, timestamps as
 * 2024-01-01T00:00:00.000Z (+offset in another zone), decimals with their scale. */
void json_encode_row(const struct batch *batch, size_t row,
                     const struct json_encode_options *options, struct buf *out);
void json_encode_value(const struct column *column, size_t row,
                       const struct json_encode_options *options, struct buf *out);
/* A quoted string with escapes. Bytes that are not UTF-8 become U+FFFD. */
void json_quote(struct str text, struct buf *out);

/* Objects and arrays written by hand, with the commas in the right places:
 * json_open(&w, '{'); json_key(&w, "a"); json_i64(&w, 1); json_close(&w, '}'); */
struct json_writer {
    struct buf *out;
    bool comma;
};
void json_open(struct json_writer *w, char bracket);
void json_close(struct json_writer *w, char bracket);
void json_key(struct json_writer *w, const char *key);
void json_key_str(struct json_writer *w, struct str key);
void json_str(struct json_writer *w, struct str value); /* ptr NULL = null */
void json_i64(struct json_writer *w, int64_t value);
void json_f64(struct json_writer *w, double value);
void json_bool(struct json_writer *w, bool value);
void json_null(struct json_writer *w);
void json_raw(struct json_writer *w, struct str json);
/* Bytes that may be anything: a string when they are UTF-8, else {"base64":".."}. */
void json_bytes(struct json_writer *w, struct str bytes); /* ptr NULL = null */
/* The bytes that json_bytes() wrote; of any other value what json_text() gives. ERR_SYNTAX when the
 * Base64 is none. */
enum err json_bytes_read(struct str value, struct buf *out) MUST_USE;

#endif
