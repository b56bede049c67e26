/* SPDX-License-Identifier: MIT */
#ifndef FORMAT_CSV_VALUE_H
#define FORMAT_CSV_VALUE_H

#include "base/zone.h"
#include "data/column.h"

/* Private to the CSV decoder: tokens of a record (csv_token.c) and their values (csv_value.c). */

struct csv_cursor {
    struct str text;
    size_t at;
    bool done;
    struct buf *scratch; /* of tokens with escapes; good until the next token */
};

/* At the first record of text that is not an empty line; done is set when there is none. */
struct csv_cursor csv_cursor_of(struct str text, struct buf *scratch);
/* The next token of the record and where it starts; sets done with the last one. */
struct str csv_token(struct csv_cursor *cursor, size_t *ret_at);

/* Types that a field may have. */
bool csv_takes(const struct type *type);
/* Appends the value that text stands for to builder, which may be NULL: the text is then only
 * checked. False, and nothing is appended, when it does not fit; *ret_wanted then says what was. */
bool csv_value(const struct type *type, struct str text, const struct zone *zone,
               struct builder *builder, const char **ret_wanted);

#endif
