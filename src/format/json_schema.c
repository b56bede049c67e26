/* SPDX-License-Identifier: MIT */
/*
 * The schema as the decoder wants it: one node a field, and a matcher of names.
 *
 * Names are found by prediction. Documents of one topic have their members in the same order and
 * their blanks in the same places, so each struct remembers, for each place in the object, the
 * bytes between the opening quote of the name and the first byte of the value (up to 32), and what
 * field they stand for. One compare of 32 bytes then does the work of: read a string, look up a
 * name, expect a colon, pass blanks. A place that does not match tries the next one (a field was
 * left out), then the name is read and looked up by hash, and the place learns it. Unknown names
 * are learned too. The guess is an exact compare, so a wrong one costs time and never truth.
 *
 * Names are compared exactly (case counts); escapes in a name are resolved first. A field of the
 * schema that wanted does not have gets a node without a builder: it is checked all the same,
 * since whether a document fits must not depend on who asks for which column.
 *
 * Refused: MAPs with keys other than STRING, interval types.
 */
#include "base/hash.h"
#include "format/json_decode.h"

static json_take_fn *const takes[TYPE_KIND_COUNT] = {
    [TYPE_NULL] = json_take_any,
    [TYPE_BOOLEAN] = json_take_bool,
    [TYPE_TINYINT] = json_take_integer,
    [TYPE_SMALLINT] = json_take_integer,
    [TYPE_INT] = json_take_integer,
    [TYPE_BIGINT] = json_take_integer,
    [TYPE_FLOAT] = json_take_float,
    [TYPE_DOUBLE] = json_take_float,
    [TYPE_DECIMAL] = json_take_decimal,
    [TYPE_STRING] = json_take_string,
    [TYPE_BINARY] = json_take_binary,
    [TYPE_DATE] = json_take_date,
    [TYPE_TIMESTAMP] = json_take_timestamp,
    [TYPE_TIMESTAMP_NTZ] = json_take_timestamp_ntz,
    [TYPE_ARRAY] = json_take_array,
    [TYPE_MAP] = json_take_map,
    [TYPE_STRUCT] = json_take_struct,
};

static uint32_t exact_field(const struct type *type, struct str name)
{
    for (uint32_t i = 0; i < type->field_count; i++)
        if (str_equal(type->fields[i].name, name))
            return i;
    return UINT32_MAX;
}

static void names_index(struct json_decoder *d, struct json_node *node)
{
    uint32_t room = 8;
    while (room < node->field_count * 2)
        room *= 2;
    node->slots = arena_zero(&d->arena, room * sizeof *node->slots);
    node->slot_mask = room - 1;
    for (uint32_t i = 0; i < node->field_count; i++) {
        struct str name = node->fields[i]->name;
        uint32_t slot = (uint32_t)hash_bytes(name.ptr, name.bytes, 0) & node->slot_mask;
        while (node->slots[slot])
            slot = (slot + 1) & node->slot_mask;
        node->slots[slot] = i + 1;
    }
    node->guesses = arena_zero(&d->arena, JSON_GUESS_MAX * sizeof *node->guesses);
}

static enum err node_new(struct json_decoder *d, struct json_node *parent,
                         const struct field *field, const struct type *wanted,
                         struct json_node **ret_node);

/* The corrupt record's field of the root is left out: documents are not asked for it. */
static enum err struct_fields(struct json_decoder *d, struct json_node *node,
                              const struct type *wanted)
{
    const struct type *type = node->type;
    node->fields = arena_array(&d->arena, type->field_count + 1, sizeof *node->fields);
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        uint32_t index = wanted ? exact_field(wanted, field->name) : UINT32_MAX;
        if (!node->parent && field->type->kind == TYPE_STRING &&
            str_equal(field->name, STR("_corrupt_record"))) {
            d->corrupt_index = index;
            continue;
        }
        const struct type *inner = index == UINT32_MAX ? NULL : wanted->fields[index].type;
        struct json_node *child;
        TRY(node_new(d, node, field, inner, &child));
        child->wanted_index = index;
        node->fields[node->field_count++] = child;
    }
    names_index(d, node);
    return OK;
}

static void integer_range(struct json_node *node)
{
    static const int64_t lows[] = {-128, INT16_MIN, INT32_MIN, INT64_MIN};
    /* Up to 255: Spark's reader takes a byte with or without sign. */
    static const int64_t highs[] = {255, INT16_MAX, INT32_MAX, INT64_MAX};
    node->low = lows[node->type->kind - TYPE_TINYINT];
    node->high = highs[node->type->kind - TYPE_TINYINT];
}

/* wanted: NULL when the value is only checked. */
static enum err node_new(struct json_decoder *d, struct json_node *parent,
                         const struct field *field, const struct type *wanted,
                         struct json_node **ret_node)
{
    const struct type *type = field->type;
    struct json_node *node = arena_zero(&d->arena, sizeof *node);
    *node = (struct json_node){.take = takes[type->kind],
                               .type = type,
                               .parent = parent,
                               .name = field->name,
                               .wanted_index = UINT32_MAX};
    if (!node->take)
        return ERR_UNSUPPORTED;
    if (wanted && wanted->kind != type->kind)
        return ERR_INVALID;
    if (type->kind >= TYPE_TINYINT && type->kind <= TYPE_BIGINT)
        integer_range(node);
    if (type->kind == TYPE_STRUCT) {
        TRY(struct_fields(d, node, wanted));
    } else if (type->kind == TYPE_ARRAY || type->kind == TYPE_MAP) {
        uint32_t value = type->kind == TYPE_MAP;
        if (value && type->fields[0].type->kind != TYPE_STRING)
            return ERR_UNSUPPORTED;
        node->fields = arena_array(&d->arena, 1, sizeof *node->fields);
        TRY(node_new(d, node, &type->fields[value], wanted ? wanted->fields[value].type : NULL,
                     &node->fields[0]));
        node->field_count = 1;
        node->fields[0]->wanted_index = wanted ? value : UINT32_MAX;
    }
    *ret_node = node;
    return OK;
}

/* True when every field of wanted, at any level, is in schema with a type that may stand for it. */
static bool covers(const struct type *schema, const struct type *wanted)
{
    if (schema->kind != wanted->kind)
        return false;
    if (!type_is_nested(schema))
        return type_equal(schema, wanted);
    for (uint32_t i = 0; i < wanted->field_count; i++) {
        uint32_t at = schema->kind == TYPE_STRUCT ? exact_field(schema, wanted->fields[i].name) : i;
        if (at == UINT32_MAX || !covers(schema->fields[at].type, wanted->fields[i].type))
            return false;
    }
    return true;
}

enum err json_schema_compile(struct json_decoder *d, const struct type *schema,
                             const struct type *wanted)
{
    if (schema->kind != TYPE_STRUCT || !covers(schema, wanted))
        return ERR_INVALID;
    d->corrupt_index = UINT32_MAX;
    struct field root = {.type = schema};
    TRY(node_new(d, NULL, &root, wanted, &d->root));
    return d->arena.over ? ERR_LIMIT : OK;
}

void json_schema_bind(struct json_node *node, struct builder *builder)
{
    node->builder = builder;
    if (builder && node->type->kind == TYPE_MAP)
        node->keys = builder->children[0];
    for (uint32_t i = 0; i < node->field_count; i++) {
        struct json_node *field = node->fields[i];
        bool wanted = builder && field->wanted_index != UINT32_MAX;
        json_schema_bind(field, wanted ? builder->children[field->wanted_index] : NULL);
    }
}

/* ---- names ---- */

static struct json_node *lookup(const struct json_node *node, struct str name)
{
    uint32_t slot = (uint32_t)hash_bytes(name.ptr, name.bytes, 0) & node->slot_mask;
    for (; node->slots[slot]; slot = (slot + 1) & node->slot_mask) {
        struct json_node *field = node->fields[node->slots[slot] - 1];
        if (str_equal(field->name, name))
            return field;
    }
    return NULL;
}

static bool guess_hits(const struct json_guess *guess, const uint8_t *p, const uint8_t *end)
{
#ifdef JSON_SSE2
    if (end - p >= JSON_GUESS_BYTES) {
        const __m128i *a = (const __m128i *)(const void *)p;
        const __m128i *b = (const __m128i *)(const void *)guess->text;
        __m128i low = _mm_cmpeq_epi8(_mm_loadu_si128(a), _mm_loadu_si128(b));
        __m128i high = _mm_cmpeq_epi8(_mm_loadu_si128(a + 1), _mm_loadu_si128(b + 1));
        uint32_t same = (uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << 16;
        return guess->mask && (same & guess->mask) == guess->mask;
    }
#endif
    return guess->mask && (size_t)(end - p) >= guess->bytes &&
           memcmp(p, guess->text, guess->bytes) == 0;
}

/* Reads the name at p, to the start of the value. */
static const uint8_t *name_read(struct json_decoder *d, struct json_node *node, const uint8_t *p,
                                struct json_node **ret_field)
{
    struct json_doc *doc = &d->doc;
    if (p == doc->end || !json_is_quote(*p))
        return json_fault(doc, p, "a name in quotes was expected");
    struct str name;
    p = json_take_text(d, p, &name);
    if (!p)
        return NULL;
    *ret_field = lookup(node, name);
    p = json_blanks(p, doc->end);
    if (p == doc->end || *p != ':')
        return json_fault(doc, p, "a colon was expected");
    p = json_blanks(p + 1, doc->end);
    return p < doc->end ? p : json_fault(doc, p, "a value was expected");
}

const uint8_t *json_field_find(struct json_decoder *d, struct json_node *node, const uint8_t *p,
                               uint32_t *place, struct json_node **ret_field)
{
    uint32_t at = *place;
    for (uint32_t i = at; i < at + 2 && i < JSON_GUESS_MAX; i++) {
        const struct json_guess *guess = &node->guesses[i];
        if (guess_hits(guess, p, d->doc.end) && p + guess->bytes < d->doc.end &&
            !json_is_blank(p[guess->bytes])) {
            *place = i + 1;
            *ret_field = guess->field;
            return p + guess->bytes;
        }
    }
    const uint8_t *value = name_read(d, node, p, ret_field);
    if (!value || at >= JSON_GUESS_MAX)
        return value;
    *place = at + 1;
    size_t bytes = (size_t)(value - p);
    if (bytes <= JSON_GUESS_BYTES) {
        struct json_guess *guess = &node->guesses[at];
        memcpy(guess->text, p, bytes);
        guess->bytes = (uint32_t)bytes;
        guess->mask = (uint32_t)((1ull << bytes) - 1);
        guess->field = *ret_field;
    }
    return value;
}
