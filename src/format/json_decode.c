/* SPDX-License-Identifier: MIT */
/*
 * Documents into a batch: the life of a decoder, a row a document, and what became of each.
 *
 * One pass over each document writes straight into the builders of the wanted columns; nothing is
 * allocated per document. What Spark's from_json does in PERMISSIVE mode is done here:
 *   1. NULL, empty or blank: no document, all fields null, not corrupt.
 *   2. The first value is no object, or is broken anywhere: all fields null, corrupt. Rows are
 *      taken back with builder_truncate(), which also cuts what nested builders have begun.
 *   3. An object with a value that does not fit: that field is null, the rest stays, corrupt.
 *   4. Text behind the first value is not looked at.
 *
 * A batch is at most 2 GiB of documents: with that no offset can overflow but those of texts that
 * grew while they were rewritten, and these have the builders' own limit.
 */
#include "format/json_decode.h"

#include "base/check.h"

enum err json_decoder_new(const struct type *schema, const struct type *wanted,
                          const struct json_decode_options *options,
                          struct json_decoder **ret_decoder)
{
    static const struct json_decode_options defaults;
    options = options ? options : &defaults;
    struct json_decoder *d = mem_zero(sizeof *d);
    uint32_t depth = options->depth_max ? options->depth_max : JSON_DEPTH_DEFAULT;
    d->doc.depth_max = depth < JSON_DEPTH_LIMIT ? depth : JSON_DEPTH_LIMIT;
    d->zone = options->zone ? options->zone : zone_utc();
    d->zone_is_utc = d->zone == zone_utc();
    d->value_bytes_max = options->value_bytes_max ? options->value_bytes_max : (size_t)16 << 20;
    d->wanted = wanted ? wanted : schema;
    memcpy(d->date_text, "1970-01-01", sizeof d->date_text);
    arena_init(&d->arena, (size_t)64 << 20);
    buf_init(&d->scratch, 0);
    enum err err = json_schema_compile(d, schema, d->wanted);
    if (err != OK) {
        json_decoder_free(d);
        return err;
    }
    *ret_decoder = d;
    return OK;
}

void json_decoder_free(struct json_decoder *d)
{
    if (!d)
        return;
    builder_free(d->builder);
    buf_deinit(&d->scratch);
    arena_deinit(&d->arena);
    mem_free(d);
}

/* ---- faults ---- */

static void fault_path(const struct json_node *node, struct buf *out)
{
    if (node->parent && node->parent->parent)
        fault_path(node->parent, out);
    if (!node->parent)
        return;
    if (node->parent->type->kind != TYPE_STRUCT) {
        buf_text(out, "[]");
        return;
    }
    if (out->bytes)
        buf_char(out, '.');
    buf_str_append(out, node->name);
}

static void fault_fill(const struct json_decoder *d, uint32_t row, struct json_fault *fault)
{
    const struct json_doc *doc = &d->doc;
    const uint8_t *at = doc->fault ? doc->fault_at : d->misfit_at;
    CLEAN(buf_deinit) struct buf text = {0};
    if (doc->fault) {
        uint32_t line = 1, column = 1;
        for (const uint8_t *p = doc->start; p < at; p++) {
            column = *p == '\n' ? 1 : column + ((*p & 0xC0) != 0x80);
            line += *p == '\n';
        }
        buf_printf(&text, "line %u column %u: %s", line, column, doc->fault);
    } else {
        CLEAN(buf_deinit) struct buf path = {0};
        fault_path(d->misfit, &path);
        buf_printf(&text, "field %.*s: %s", STR_ARG(buf_str(&path)), d->misfit_what);
    }
    size_t bytes = text.bytes < sizeof fault->message ? text.bytes : sizeof fault->message - 1;
    *fault = (struct json_fault){.row = row, .byte = (uint32_t)(at - doc->start)};
    memcpy(fault->message, text.ptr, bytes);
    while (bytes && !str_is_utf8(str_from(fault->message, bytes)))
        fault->message[--bytes] = 0;
}

/* ---- rows ---- */

static void row_nulls(struct builder *b, uint32_t row)
{
    builder_truncate(b, row);
    for (uint32_t i = 0; i < b->child_count; i++)
        builder_null(b->children[i]);
}

static enum json_outcome decode_row(struct json_decoder *d, struct str document)
{
    struct json_doc *doc = &d->doc;
    struct builder *b = d->builder;
    doc->start = (const uint8_t *)document.ptr;
    doc->end = doc->start + document.bytes;
    doc->fault = NULL;
    d->misfit = NULL;
    d->fit = JSON_FIT;
    d->depth = 0;
    uint32_t row = b->rows;
    const uint8_t *p = document.ptr ? json_blanks(doc->start, doc->end) : doc->end;
    if (p == doc->end) {
        row_nulls(b, row);
        return JSON_NULL;
    }
    if (*p == '{') {
        if (json_take_struct(d, d->root, p))
            return d->fit == JSON_FIT ? JSON_FITS : JSON_CORRUPT;
    } else if (json_skip_value(doc, p, 0)) {
        json_fault(doc, p, "an object was expected");
    }
    row_nulls(b, row);
    return JSON_CORRUPT;
}

/* The document as the corrupt record, in UTF-8. */
static void keep_corrupt(struct json_decoder *d, struct str document)
{
    struct builder *b = d->builder->children[d->corrupt_index];
    builder_truncate(b, d->builder->rows);
    if (!str_is_utf8(document)) {
        buf_reset(&d->scratch);
        json_repair(document, &d->scratch);
        document = buf_str(&d->scratch);
    }
    builder_str(b, document);
}

static size_t decode_rows(struct json_decoder *d, const struct str *documents, size_t count,
                          uint8_t *outcomes, struct json_fault *faults, size_t fault_max)
{
    struct builder *b = d->builder;
    size_t corrupt = 0;
    for (size_t i = 0; i < count; i++) {
        enum json_outcome outcome = decode_row(d, documents[i]);
        outcomes[i] = (uint8_t)outcome;
        if (__builtin_expect(outcome == JSON_CORRUPT, 0)) {
            if (d->corrupt_index != UINT32_MAX)
                keep_corrupt(d, documents[i]);
            if (faults && corrupt < fault_max)
                fault_fill(d, (uint32_t)i, &faults[corrupt]);
            corrupt++;
        }
        bit_set(b->validity, b->rows);
        b->rows++;
    }
    return corrupt;
}

/* Room for texts as the batch before used it, so that buffers do not grow by doubling each time. */
static void texts_reserve(struct json_node *node)
{
    if (node->builder && node->bytes_last)
        builder_reserve_bytes(node->builder, node->bytes_last + node->bytes_last / 16);
    for (uint32_t i = 0; i < node->field_count; i++)
        texts_reserve(node->fields[i]);
}

static void texts_note(struct json_node *node)
{
    if (node->builder)
        node->bytes_last = node->builder->bytes_count;
    for (uint32_t i = 0; i < node->field_count; i++)
        texts_note(node->fields[i]);
}

static struct batch *batch_of(const struct type *schema, struct column *column)
{
    for (uint32_t i = 0; i < column->child_count; i++)
        column_ref(column->children[i]);
    struct batch *batch = batch_new(schema, column->rows, column->children);
    column_unref(column);
    return batch;
}

enum err json_decode(struct json_decoder *d, const struct str *documents, size_t count,
                     struct batch **ret_batch, uint8_t *ret_outcomes, struct json_fault *faults,
                     size_t fault_max, size_t *ret_fault_count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += documents[i].bytes;
    if (count >= INT32_MAX || bytes >= INT32_MAX)
        return ERR_LIMIT;
    if (!d->builder)
        d->builder = builder_new(d->wanted, (uint32_t)count, 0);
    struct builder *b = d->builder;
    check(builder_reserve(b, (uint32_t)count + 1));
    for (uint32_t i = 0; i < b->child_count; i++)
        check(builder_reserve(b->children[i], (uint32_t)count + 1));
    json_schema_bind(d->root, b);
    texts_reserve(d->root);
    size_t corrupt = decode_rows(d, documents, count, ret_outcomes, faults, fault_max);
    texts_note(d->root);
    struct column *column;
    TRY(builder_finish(b, &column));
    *ret_batch = batch_of(d->wanted, column);
    if (ret_fault_count)
        *ret_fault_count = corrupt;
    return OK;
}
