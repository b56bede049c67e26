/* SPDX-License-Identifier: MIT */
/*
 * Values -> rows, by the source's kind of value. json and csv go through their decoders, which
 * check every field of the schema and build the fields in use; text and raw always fit.
 */
#include "base/check.h"
#include "pipeline/stream.h"

enum { FAULTS_MAX = 256 };

static enum err decode_text(const struct epoch *epoch, const struct type *wanted,
                            struct batch **ret_batch)
{
    struct column *columns[1];
    size_t count = wanted->field_count;
    if (count) {
        struct builder *builder = builder_new(wanted->fields[0].type, (uint32_t)epoch->count, 0);
        for (size_t i = 0; i < epoch->count; i++) {
            if (epoch->values[i].ptr)
                builder_str(builder, epoch->values[i]);
            else
                builder_null(builder);
        }
        enum err err = builder_finish(builder, &columns[0]);
        builder_free(builder);
        TRY(err);
    }
    *ret_batch = batch_new(wanted, (uint32_t)epoch->count, columns);
    return OK;
}

static void raw_cell(const struct epoch *epoch, size_t i, struct str name, struct builder *b)
{
    if (str_equal(name, STR("key")) || str_equal(name, STR("value"))) {
        struct str bytes = name.ptr[0] == 'k' ? epoch->keys[i] : epoch->values[i];
        if (bytes.ptr)
            builder_str(b, bytes);
        else
            builder_null(b);
    } else if (str_equal(name, STR("topic")))
        builder_str(b, epoch->stream->source->topic);
    else if (str_equal(name, STR("partition")))
        builder_i64(b, epoch->partitions[i]);
    else if (str_equal(name, STR("offset")))
        builder_i64(b, epoch->offsets[i]);
    else if (str_equal(name, STR("timestamp")))
        builder_i64(b, epoch->timestamps_ms[i] * 1000);
    else
        builder_i64(b, 0); /* timestampType: CreateTime */
}

static enum err decode_raw(const struct epoch *epoch, const struct type *wanted,
                           struct batch **ret_batch)
{
    struct column *columns[8];
    check(wanted->field_count <= 8);
    for (size_t f = 0; f < wanted->field_count; f++) {
        struct builder *builder = builder_new(wanted->fields[f].type, (uint32_t)epoch->count, 0);
        for (size_t i = 0; i < epoch->count; i++)
            raw_cell(epoch, i, wanted->fields[f].name, builder);
        enum err err = builder_finish(builder, &columns[f]);
        builder_free(builder);
        if (err != OK) {
            while (f)
                column_unref(columns[--f]);
            return err;
        }
    }
    *ret_batch = batch_new(wanted, (uint32_t)epoch->count, columns);
    return OK;
}

enum err stream_decoder_open(struct stream *stream)
{
    const struct project_source *source = stream->source;
    const struct query_input *inputs;
    check(query_plan_inputs(stream->table->plan, &inputs) == 1);
    stream->wanted = inputs[0].wanted;
    if (source->value == VALUE_JSON) {
        struct json_decode_options options = {.zone = stream->source->zone};
        return json_decoder_new(source->schema, stream->wanted, &options, &stream->json);
    }
    if (source->value == VALUE_CSV) {
        struct csv_decode_options options = {.zone = stream->source->zone};
        return csv_decoder_new(source->schema, stream->wanted, &options, &stream->csv);
    }
    return OK;
}

enum err epoch_decode(struct epoch *epoch, struct batch **ret_batch)
{
    const struct stream *stream = epoch->stream;
    const struct project_source *source = stream->source;
    if (source->value == VALUE_TEXT)
        return decode_text(epoch, stream->wanted, ret_batch);
    if (source->value == VALUE_RAW)
        return decode_raw(epoch, stream->wanted, ret_batch);
    uint8_t *outcomes = arena_try(epoch->arena, epoch->count + 1);
    if (!outcomes)
        return ERR_LIMIT;
    epoch->faults = mem_array(FAULTS_MAX, sizeof *epoch->faults);
    TRY(source->value == VALUE_JSON
            ? json_decode(stream->json, epoch->values, epoch->count, ret_batch, outcomes,
                          epoch->faults, FAULTS_MAX, &epoch->fault_count)
            : csv_decode(stream->csv, epoch->values, epoch->count, ret_batch, outcomes,
                         epoch->faults, FAULTS_MAX, &epoch->fault_count));
    if (epoch->fault_count > FAULTS_MAX)
        epoch->fault_count = FAULTS_MAX;
    for (size_t i = 0; i < epoch->count && !source->keeps_corrupt; i++)
        if (outcomes[i] != JSON_FITS)
            epoch->fates[i] = FATE_CORRUPT;
    return OK;
}
