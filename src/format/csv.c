/* SPDX-License-Identifier: MIT */
/*
 * CSV records -> rows, by position, as Spark's from_csv does in PERMISSIVE mode: a field that does
 * not fit is NULL and spoils the record, which keeps its other fields; so do missing fields and
 * superfluous ones. An empty field, in quotes or not, is NULL. A value without a record (empty, or
 * line feeds only) gives a row of NULLs that fits, as Spark has nothing to put into its corrupt
 * record then; a NULL value is no document.
 *
 * Every field of the schema is checked, also those that nobody wants, so that whether a record is
 * corrupt does not depend on the query. A field `_corrupt_record STRING` has no position: it
 * receives the text of corrupt values.
 */
#include "format/csv.h"

#include "base/check.h"
#include "format/csv_value.h"
#include "format/json_decode.h"

#include <stdio.h>

struct csv_field {
    const struct field *field;
    struct builder *builder; /* NULL: checked, not kept */
};

struct csv_decoder {
    const struct type *wanted;
    const struct zone *zone;
    struct builder **builders; /* one a wanted field */
    struct builder *corrupt;   /* that of the corrupt record, or NULL */
    struct csv_field *fields;  /* by position */
    uint32_t count;
    struct buf scratch;
};

static bool is_corrupt_field(const struct field *field)
{
    return field->type->kind == TYPE_STRING && str_equal(field->name, STR("_corrupt_record"));
}

/* wanted: of each field of the schema its builder, or none. */
static enum err bind_fields(struct csv_decoder *d, const struct type *schema)
{
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        struct builder *builder = NULL;
        for (uint32_t k = 0; k < d->wanted->field_count; k++)
            if (str_equal(d->wanted->fields[k].name, field->name)) {
                if (!type_equal(d->wanted->fields[k].type, field->type))
                    return ERR_INVALID;
                builder = d->builders[k];
            }
        if (is_corrupt_field(field))
            d->corrupt = builder;
        else if (csv_takes(field->type))
            d->fields[d->count++] = (struct csv_field){field, builder};
        else
            return ERR_UNSUPPORTED;
    }
    for (uint32_t k = 0; k < d->wanted->field_count; k++) {
        size_t at = type_field(schema, d->wanted->fields[k].name);
        if (at == SIZE_MAX || !str_equal(schema->fields[at].name, d->wanted->fields[k].name))
            return ERR_INVALID;
    }
    return OK;
}

enum err csv_decoder_new(const struct type *schema, const struct type *wanted,
                         const struct csv_decode_options *options, struct csv_decoder **ret_decoder)
{
    struct csv_decoder *d = mem_zero(sizeof *d);
    if (!wanted)
        wanted = schema;
    check(schema->kind == TYPE_STRUCT);
    check(wanted->kind == TYPE_STRUCT);
    d->wanted = wanted;
    d->zone = options && options->zone ? options->zone : zone_utc();
    d->builders = mem_zero((wanted->field_count + 1) * sizeof(struct builder *));
    for (uint32_t i = 0; i < wanted->field_count; i++)
        d->builders[i] = builder_new(wanted->fields[i].type, 0, 0);
    d->fields = mem_zero((schema->field_count + 1) * sizeof *d->fields);
    enum err err = bind_fields(d, schema);
    if (err != OK) {
        csv_decoder_free(d);
        return err;
    }
    *ret_decoder = d;
    return OK;
}

void csv_decoder_free(struct csv_decoder *d)
{
    if (!d)
        return;
    for (uint32_t i = 0; i < d->wanted->field_count; i++)
        builder_free(d->builders[i]);
    mem_free(d->builders);
    mem_free(d->fields);
    buf_deinit(&d->scratch);
    mem_free(d);
}

/* The first thing wrong with a record. */
struct misfit {
    const struct field *field; /* NULL: the record itself */
    const char *what;          /* NULL: nothing */
    size_t at;
};

static void take_record(struct csv_decoder *d, struct str record, struct misfit *ret_misfit)
{
    struct csv_cursor cursor = csv_cursor_of(record, &d->scratch);
    struct misfit misfit = {0};
    bool none = cursor.done;
    for (uint32_t i = 0; i < d->count; i++) {
        const struct csv_field *f = &d->fields[i];
        const char *wanted = NULL;
        size_t at = record.bytes;
        struct str token = STR_NONE;
        if (!cursor.done)
            token = csv_token(&cursor, &at);
        else if (!none && !misfit.what)
            misfit = (struct misfit){NULL, "the record has fewer fields than the schema", at};
        if (token.bytes && csv_value(f->field->type, token, d->zone, f->builder, &wanted))
            continue;
        if (f->builder)
            builder_null(f->builder);
        if (token.bytes && !misfit.what)
            misfit = (struct misfit){f->field, wanted, at};
    }
    if (!cursor.done && !misfit.what)
        misfit = (struct misfit){NULL, "the record has more fields than the schema", cursor.at};
    *ret_misfit = misfit;
}

static void keep_corrupt(struct csv_decoder *d, struct str record, bool corrupt)
{
    if (!corrupt) {
        builder_null(d->corrupt);
    } else if (str_is_utf8(record)) {
        builder_str(d->corrupt, record);
    } else {
        buf_reset(&d->scratch);
        json_repair(record, &d->scratch);
        builder_str(d->corrupt, buf_str(&d->scratch));
    }
}

static enum json_outcome take_row(struct csv_decoder *d, struct str record,
                                  struct misfit *ret_misfit)
{
    if (!record.ptr) {
        for (uint32_t i = 0; i < d->wanted->field_count; i++)
            builder_null(d->builders[i]);
        return JSON_NULL;
    }
    take_record(d, record, ret_misfit);
    if (d->corrupt)
        keep_corrupt(d, record, ret_misfit->what != NULL);
    return ret_misfit->what ? JSON_CORRUPT : JSON_FITS;
}

static void set_fault(struct json_fault *fault, size_t row, const struct misfit *misfit)
{
    *fault = (struct json_fault){.row = (uint32_t)row, .byte = (uint32_t)misfit->at};
    if (misfit->field)
        snprintf(fault->message, sizeof fault->message, "field %.*s: %s",
                 (int)(misfit->field->name.bytes < 80 ? misfit->field->name.bytes : 80),
                 misfit->field->name.ptr, misfit->what);
    else
        snprintf(fault->message, sizeof fault->message, "%s", misfit->what);
}

/* All builders are finished, whatever happens to one of them: they start anew with the next. */
static enum err finish(struct csv_decoder *d, size_t rows, struct batch **ret_batch)
{
    uint32_t count = d->wanted->field_count, made = 0;
    struct column **columns = mem_zero((count + 1) * sizeof(struct column *));
    enum err err = OK;
    for (uint32_t i = 0; i < count; i++) {
        enum err this_err = builder_finish(d->builders[i], &columns[made]);
        made += this_err == OK;
        err = err == OK ? this_err : err;
    }
    if (err == OK)
        *ret_batch = batch_new(d->wanted, (uint32_t)rows, columns);
    else
        while (made)
            column_unref(columns[--made]);
    mem_free(columns);
    return err;
}

enum err csv_decode(struct csv_decoder *d, const struct str *values, size_t count,
                    struct batch **ret_batch, uint8_t *ret_outcomes, struct json_fault *faults,
                    size_t fault_max, size_t *ret_fault_count)
{
    size_t corrupt = 0;
    if (count > INT32_MAX)
        return ERR_LIMIT;
    for (size_t row = 0; row < count; row++) {
        struct misfit misfit = {0};
        enum json_outcome outcome = take_row(d, values[row], &misfit);
        ret_outcomes[row] = (uint8_t)outcome;
        if (outcome != JSON_CORRUPT)
            continue;
        if (faults && corrupt < fault_max)
            set_fault(&faults[corrupt], row, &misfit);
        corrupt++;
    }
    TRY(finish(d, count, ret_batch));
    if (ret_fault_count)
        *ret_fault_count = corrupt;
    return OK;
}
