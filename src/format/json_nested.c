/* SPDX-License-Identifier: MIT */
/*
 * Objects and arrays into STRUCT, ARRAY and MAP builders.
 *
 * What happens to a value that does not fit decides the shape of this file:
 *   in a STRUCT the field is null, the others stay, and the struct is partial;
 *   in an ARRAY or MAP a scalar that does not fit spoils the whole list, which then does not fit
 *   itself; a partial struct in a list stays in it and makes the list partial.
 * Nothing is appended for a value that does not fit, so that the owner may fill in the null: a
 * struct does it at its closing bracket for every child builder that is a row behind, which serves
 * missing fields as well.
 *
 * A name that occurs twice: the last value that fits wins. The second is checked without a builder
 * first and takes the place of the first only when it fits. In a MAP the repeated key keeps its
 * first place in the list; that is settled when the map is complete, by sorting the keys, since
 * documents that do it are rare and maps of millions of keys exist.
 *
 * Recursion is bounded by the schema, not by the document.
 */
#include "base/hash.h"
#include "format/json_decode.h"

#include <stdlib.h>

#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

static const uint8_t *deeper(struct json_decoder *d, const uint8_t *p)
{
    if (d->depth >= d->doc.depth_max)
        return json_fault(&d->doc, p, "too deep");
    d->depth++;
    p = json_blanks(p + 1, d->doc.end);
    return p < d->doc.end ? p : json_fault(&d->doc, p, "the text ends too early");
}

/* Behind a member: at the next member or element, or at the closing bracket. */
static inline const uint8_t *next_member(struct json_doc *doc, const uint8_t *p, uint8_t close)
{
    if (p<doc->end && * p> ' ') {
        if (*p == close)
            return p;
    } else {
        p = json_blanks(p, doc->end);
    }
    if (p < doc->end && *p == ',') {
        p++;
        if (p<doc->end && * p> ' ')
            return *p == close ? json_fault(doc, p, "nothing behind the comma") : p;
        p = json_blanks(p, doc->end);
        if (p < doc->end)
            return *p == close ? json_fault(doc, p, "nothing behind the comma") : p;
    } else if (p < doc->end && *p == close) {
        return p;
    }
    return json_fault(doc, p,
                      p == doc->end ? "the text ends too early"
                                    : "a comma or the closing bracket was expected");
}

/* A value for a field that has one already in this row: checked first, taken when it fits. */
static const uint8_t *take_again(struct json_decoder *d, struct json_node *field, uint32_t row,
                                 const uint8_t *p)
{
    struct builder *builder = field->builder;
    json_schema_bind(field, NULL);
    const uint8_t *behind = field->take(d, field, p);
    json_schema_bind(field, builder);
    if (!behind || d->fit == JSON_MISFIT)
        return behind;
    d->fit = JSON_FIT;
    builder_truncate(builder, row);
    return field->take(d, field, p);
}

static void fill_nulls(struct builder *b, uint32_t row)
{
    for (uint32_t i = 0; i < b->child_count; i++)
        if (b->children[i]->rows == row)
            builder_null(b->children[i]);
}

/* The root goes through here as well; its builder's rows are counted by json_decode(). */
const uint8_t *json_take_struct(struct json_decoder *d, struct json_node *node, const uint8_t *p)
{
    struct json_doc *doc = &d->doc;
    if (*p != '{')
        return json_take_other(d, node, p, "an object was expected");
    struct builder *b = node->builder;
    uint32_t row = b ? b->rows : 0, place = 0;
    bool partial = false;
    p = deeper(d, p);
    while (p && *p != '}') {
        struct json_node *field;
        p = json_field_find(d, node, p, &place, &field);
        if (UNLIKELY(!p))
            return NULL;
        if (!field) {
            p = json_skip_value(doc, p, d->depth);
        } else if (UNLIKELY(field->builder && field->builder->rows > row)) {
            p = take_again(d, field, row, p);
        } else {
            p = field->take(d, field, p);
        }
        if (UNLIKELY(!p))
            return NULL;
        if (UNLIKELY(d->fit != JSON_FIT)) {
            partial = true;
            d->fit = JSON_FIT;
        }
        p = next_member(doc, p, '}');
    }
    if (UNLIKELY(!p))
        return NULL;
    d->depth--;
    if (b) {
        fill_nulls(b, row);
        if (node->parent)
            builder_valid(b);
    }
    if (UNLIKELY(partial))
        d->fit = JSON_PARTIAL;
    return p + 1;
}

/* Ends a list: spoiled, partial or whole. */
static const uint8_t *list_end(struct json_decoder *d, struct json_node *node,
                               const uint8_t *behind, enum json_fit fit)
{
    struct builder *b = node->builder;
    d->depth--;
    d->fit = fit;
    if (!b)
        return behind;
    if (fit == JSON_MISFIT)
        builder_truncate(b, b->rows);
    else
        builder_valid(b);
    return behind;
}

/* One element or map value; after a misfit the rest is only checked. */
static const uint8_t *take_element(struct json_decoder *d, struct json_node *element,
                                   const uint8_t *p, enum json_fit *fit)
{
    if (UNLIKELY(*fit == JSON_MISFIT))
        return json_skip_value(&d->doc, p, d->depth);
    p = element->take(d, element, p);
    if (UNLIKELY(d->fit != JSON_FIT)) {
        *fit = d->fit;
        d->fit = JSON_FIT;
    }
    return p;
}

const uint8_t *json_take_array(struct json_decoder *d, struct json_node *node, const uint8_t *p)
{
    if (*p != '[')
        return json_take_other(d, node, p, "an array was expected");
    enum json_fit fit = JSON_FIT;
    p = deeper(d, p);
    while (p && *p != ']') {
        p = take_element(d, node->fields[0], p, &fit);
        p = p ? next_member(&d->doc, p, ']') : NULL;
    }
    return p ? list_end(d, node, p + 1, fit) : NULL;
}

/* ---- maps ---- */

/* The name at p, a key of the map when wanted. Returns where the value starts. */
static const uint8_t *take_key(struct json_decoder *d, struct json_node *node, const uint8_t *p,
                               bool wanted)
{
    struct json_doc *doc = &d->doc;
    struct str key;
    if (!json_is_quote(*p))
        return json_fault(doc, p, "a name in quotes was expected");
    p = json_take_text(d, p, &key);
    if (!p)
        return NULL;
    if (wanted && node->keys)
        builder_str(node->keys, key);
    p = json_blanks(p, doc->end);
    if (p == doc->end || *p != ':')
        return json_fault(doc, p, "a colon was expected");
    p = json_blanks(p + 1, doc->end);
    return p < doc->end ? p : json_fault(doc, p, "a value was expected");
}

struct entry {
    struct str key;
    uint32_t index;
    uint32_t last;
};

static int entry_compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    int order = str_compare(a->key, b->key);
    return order ? order : (a->index > b->index) - (a->index < b->index);
}

static int entry_place(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    return (a->index > b->index) - (a->index < b->index);
}

static struct str builder_text(const struct builder *b, uint32_t row)
{
    int32_t from = b->offsets[row];
    return str_from(b->bytes + from, (size_t)(b->offsets[row + 1] - from));
}

/* The distinct keys of the rows from first on, each with the index of its last entry; the count. */
static uint32_t distinct_keys(const struct builder *keys, uint32_t first, struct entry *entries)
{
    uint32_t count = keys->rows - first, kept = 0;
    for (uint32_t i = 0; i < count; i++)
        entries[i] = (struct entry){builder_text(keys, first + i), i, i};
    qsort(entries, count, sizeof *entries, entry_compare);
    for (uint32_t i = 0; i < count; i++) {
        if (kept && str_equal(entries[kept - 1].key, entries[i].key))
            entries[kept - 1].last = entries[i].index;
        else
            entries[kept++] = entries[i];
    }
    return kept;
}

static bool keys_repeat(const struct builder *keys, uint32_t first)
{
    uint32_t count = keys->rows - first;
    if (count < 2)
        return false;
    if (count <= 16) {
        for (uint32_t i = 1; i < count; i++)
            for (uint32_t j = 0; j < i; j++)
                if (str_equal(builder_text(keys, first + i), builder_text(keys, first + j)))
                    return true;
        return false;
    }
    uint32_t room = 64;
    while (room < count * 2ull)
        room *= 2;
    CLEAN(mem_free_at) uint32_t *slots = mem_zero(room * sizeof *slots);
    for (uint32_t i = 0; i < count; i++) {
        struct str key = builder_text(keys, first + i);
        uint32_t slot = (uint32_t)hash_bytes(key.ptr, key.bytes, 0) & (room - 1);
        for (; slots[slot]; slot = (slot + 1) & (room - 1))
            if (str_equal(builder_text(keys, first + slots[slot] - 1), key))
                return true;
        slots[slot] = i + 1;
    }
    return false;
}

/* Reads a complete and fitting map again, each key once: p at its bracket. */
static void take_distinct(struct json_decoder *d, struct json_node *node, const uint8_t *p,
                          uint32_t first)
{
    struct json_doc *doc = &d->doc;
    struct builder *keys = node->keys, *values = node->fields[0]->builder;
    uint32_t count = keys->rows - first;
    CLEAN(mem_free_at) struct entry *entries = mem_array(count, sizeof *entries);
    CLEAN(mem_free_at) const uint8_t **places = mem_array(count, sizeof *places);
    CLEAN(buf_deinit) struct buf texts = {.bytes_max = (size_t)INT32_MAX + 1};
    uint32_t kept = distinct_keys(keys, first, entries);
    qsort(entries, kept, sizeof *entries, entry_place);
    p = json_blanks(p + 1, doc->end);
    for (uint32_t i = 0; i < count; i++) {
        places[i] = take_key(d, node, p, false);
        p = next_member(doc, json_skip_value(doc, places[i], d->depth), '}');
    }
    for (uint32_t i = 0; i < kept; i++)
        buf_str_append(&texts, entries[i].key);
    builder_truncate(keys, first);
    builder_truncate(values, first);
    size_t at = 0;
    for (uint32_t i = 0; i < kept; i++) {
        builder_str(keys, str_from(texts.ptr + at, entries[i].key.bytes));
        at += entries[i].key.bytes;
        node->fields[0]->take(d, node->fields[0], places[entries[i].last]);
    }
}

const uint8_t *json_take_map(struct json_decoder *d, struct json_node *node, const uint8_t *p)
{
    if (*p != '{')
        return json_take_other(d, node, p, "an object was expected");
    const uint8_t *open = p;
    enum json_fit fit = JSON_FIT;
    uint32_t first = node->builder ? node->keys->rows : 0;
    p = deeper(d, p);
    while (p && *p != '}') {
        p = take_key(d, node, p, fit != JSON_MISFIT);
        p = p ? take_element(d, node->fields[0], p, &fit) : NULL;
        p = p ? next_member(&d->doc, p, '}') : NULL;
    }
    if (!p)
        return NULL;
    if (node->builder && fit != JSON_MISFIT && keys_repeat(node->keys, first))
        take_distinct(d, node, open, first);
    return list_end(d, node, p + 1, fit);
}
