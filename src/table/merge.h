/* SPDX-License-Identifier: MIT */
#ifndef TABLE_MERGE_H
#define TABLE_MERGE_H

#include "table/cell.h"

/* Appends the one row that stands for all of the rows, in any order. ERR_CORRUPT. */
enum err row_merge(const struct str *rows, size_t count, struct buf *out) MUST_USE;

/* What a row looks like to a compaction at which nothing older can be uncovered: without cells up
 * to the timestamp of covering, and without tombstones and expired cells whose time is before
 * purge_before_s. *ret_changed tells whether anything was left out; what is left is
 * appended then, nothing when the row is empty. ERR_CORRUPT. */
enum err row_purge(struct str row, const struct deletion *covering, int64_t purge_before_s,
                   bool *ret_changed, struct buf *out) MUST_USE;

#endif
