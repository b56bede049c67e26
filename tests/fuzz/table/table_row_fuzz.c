/* SPDX-License-Identifier: MIT */
/* Two rows of any bytes, the first as long as the first byte says: what can be read can be merged,
 * in either order to the same, and a merge can be read and merged again to itself. */
#include "base/check.h"
#include "table/merge.h"
#include "table/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static bool readable(struct str row)
{
    struct row_reader reader;
    struct cell cell, last = {0};
    if (row_reader_init(&reader, row))
        return false;
    for (bool any = false; row_reader_next(&reader, &cell); any = true) {
        check(!any || cell_place_compare(&last, &cell) < 0);
        last = cell;
    }
    return reader.bytes.err == OK;
}

/* A head of a partition made of anything. */
static void try_head(struct str row)
{
    struct head head = {.deletion = DELETION_NONE};
    struct buf scratch = {0};
    int64_t once;
    struct str clustering = str_slice(row, row.bytes / 2, row.bytes);
    if (!head_load(&head, row) && !head_cover_once(row, clustering, &scratch, &once))
        check(once == head_cover(&head, clustering));
    head_deinit(&head);
    buf_deinit(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (!bytes)
        return 0;
    size_t first = data[0] < bytes ? data[0] : bytes - 1;
    struct str all = str_from(data + 1, bytes - 1);
    struct str rows[2] = {str_slice(all, 0, first), str_slice(all, first, all.bytes)};
    struct str turned[2] = {rows[1], rows[0]};
    struct buf one = {0}, two = {0}, again = {0};
    bool both = readable(rows[0]) && readable(rows[1]);
    check((row_merge(rows, 2, &one) == OK) == both);
    check((row_merge(turned, 2, &two) == OK) == both);
    if (both) {
        check(str_equal(buf_str(&one), buf_str(&two)));
        check(readable(buf_str(&one)));
        struct str merged[2] = {buf_str(&one), rows[1]};
        check(row_merge(merged, 2, &again) == OK);
        check(str_equal(buf_str(&one), buf_str(&again)));
        bool changed;
        buf_reset(&again);
        check(row_purge(rows[0], &DELETION_NONE, 1000, &changed, &again) == OK);
    }
    try_head(rows[0]);
    buf_deinit(&one);
    buf_deinit(&two);
    buf_deinit(&again);
    return 0;
}
