/* SPDX-License-Identifier: MIT */
#ifndef FORMAT_CSV_H
#define FORMAT_CSV_H

#include "format/json.h"

/*
 * CSV values -> column batches: Spark's from_csv in PERMISSIVE mode with its default options
 * (separator ',', quote '"', escape '\', an empty unquoted field is NULL). Fields go by position.
 * Pure. Outcomes and faults as in format/json.h.
 */
struct csv_decoder;

struct csv_decode_options {
    const struct zone *zone; /* NULL = UTC */
};

/* schema: STRUCT of simple types, by position. wanted: the same with fields left out (by name). */
enum err csv_decoder_new(const struct type *schema, const struct type *wanted,
                         const struct csv_decode_options *options,
                         struct csv_decoder **ret_decoder) MUST_USE;
void csv_decoder_free(struct csv_decoder *decoder);
enum err csv_decode(struct csv_decoder *decoder, const struct str *values, size_t count,
                    struct batch **ret_batch, uint8_t *ret_outcomes, struct json_fault *faults,
                    size_t fault_max, size_t *ret_fault_count) MUST_USE;

#endif
