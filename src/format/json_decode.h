/* SPDX-License-Identifier: MIT */
#ifndef FORMAT_JSON_DECODE_H
#define FORMAT_JSON_DECODE_H

#include "base/mem.h"
#include "format/json.h"
#include "format/json_scan.h"

/*
 * The decoder's inside: the schema compiled to a tree of nodes, each with the function that reads
 * its type straight into a builder. Private to json_*.c.
 */

/* How a value met its type. */
enum json_fit {
    JSON_FIT,
    JSON_PARTIAL, /* appended, but something inside it did not fit */
    JSON_MISFIT,  /* passed over, nothing appended */
};

struct json_node;

/* Reads the value at p (never a blank, never the end) into node->builder, which is NULL when the
 * value is only checked. Returns behind the value, NULL when the document is broken; sets
 * decoder->fit when the value does not fit. */
typedef const uint8_t *json_take_fn(struct json_decoder *d, struct json_node *node,
                                    const uint8_t *p);

/* The bytes from a name's quote to its value, as the last document had them in this place. */
enum { JSON_GUESS_BYTES = 32, JSON_GUESS_MAX = 64 };
struct json_guess {
    uint8_t text[JSON_GUESS_BYTES];
    uint32_t mask; /* one bit a byte of text in use; 0 = nothing learned */
    uint32_t bytes;
    struct json_node *field; /* NULL = no field of ours */
};

struct json_node {
    json_take_fn *take;
    struct builder *builder;
    const struct type *type;
    int64_t low, high; /* of integers */
    struct json_node *parent;
    struct str name;
    struct builder *keys;      /* MAP */
    struct json_node **fields; /* STRUCT: all; ARRAY: the element; MAP: the value */
    uint32_t field_count;
    uint32_t wanted_index; /* child of the parent's builder; UINT32_MAX = only checked */
    uint32_t *slots;       /* names of a STRUCT by hash: index + 1, 0 = free */
    uint32_t slot_mask;
    struct json_guess *guesses;
    size_t bytes_last; /* of the texts of the last batch */
};

struct json_decoder {
    struct json_doc doc;
    enum json_fit fit;
    uint32_t depth;
    const struct zone *zone;
    bool zone_is_utc;
    size_t value_bytes_max;
    uint8_t date_text[10]; /* the last date met, never anything else; where it begins in us */
    int64_t date_us;
    struct buf scratch;
    const struct json_node *misfit; /* the first of this row */
    const uint8_t *misfit_at;
    const char *misfit_what;
    struct json_node *root;
    struct builder *builder; /* of wanted */
    uint32_t corrupt_index;  /* child of builder, UINT32_MAX = none */
    const struct type *wanted;
    struct arena arena;
};

/* ---- json_schema.c ---- */

enum err json_schema_compile(struct json_decoder *d, const struct type *schema,
                             const struct type *wanted) MUST_USE;
/* The builders may have moved: points every node to its own again. */
void json_schema_bind(struct json_node *node, struct builder *builder);
/* The field whose name is at p, by the guess for this place or by its hash. Returns where the
 * value starts, NULL when the document is broken; *ret_field is NULL for an unknown name. */
const uint8_t *json_field_find(struct json_decoder *d, struct json_node *node, const uint8_t *p,
                               uint32_t *place, struct json_node **ret_field);

/* ---- json_scalar.c, json_time.c, json_rewrite.c, json_nested.c ---- */

json_take_fn json_take_any, json_take_bool, json_take_integer, json_take_float, json_take_decimal,
    json_take_string, json_take_binary, json_take_date, json_take_timestamp,
    json_take_timestamp_ntz, json_take_struct, json_take_array, json_take_map;
/* What no other case took: null is appended, anything else is checked and does not fit. */
const uint8_t *json_take_other(struct json_decoder *d, struct json_node *node, const uint8_t *p,
                               const char *what);
/* The value at p, which ends at behind, does not fit. Returns behind. */
const uint8_t *json_misfit(struct json_decoder *d, struct json_node *node, const uint8_t *p,
                           const uint8_t *behind, const char *what);
/* The text of the string at p, in the document or in scratch. */
const uint8_t *json_take_text(struct json_decoder *d, const uint8_t *p, struct str *ret_text);
/* A number token to the nearest double (or float): overflow gives infinity. */
double json_number_value(struct str token, bool to_float);
/* A checked value as Spark stores it in a STRING: no blanks, numbers and escapes rewritten. */
void json_rewrite(struct str value, struct buf *out, struct buf *scratch);

static inline bool json_is_number(uint8_t c)
{
    return (uint8_t)(c - '0') <= 9 || c == '-';
}

static inline bool json_is_quote(uint8_t c)
{
    return c == '"' || c == '\'';
}

#endif
