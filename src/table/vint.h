/* SPDX-License-Identifier: MIT */
#ifndef TABLE_VINT_H
#define TABLE_VINT_H

#include "base/reader.h"
#include "data/type.h"

/* Cassandra's integers of varying length: as many ones lead as bytes follow the first. */
void vint_append(uint64_t value, struct buf *out);
uint64_t vint_read(struct reader *r);
/* Puts the length of what was appended since at in front of it. */
void vint_length_insert(struct buf *out, size_t at);

/* CQL's duration: months, days and ns, each zigzag. An interval of ours ends at us. */
void interval_append(struct interval interval, struct buf *out);
/* ERR_CORRUPT: no duration. */
enum err interval_parse(struct str value, struct interval *ret_interval) MUST_USE;

#endif
