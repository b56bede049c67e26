/* SPDX-License-Identifier: MIT */
#ifndef ORACLE_RENDER_H
#define ORACLE_RENDER_H

#include "base/zone.h"
#include "data/column.h"

/* A cell as Spark's test files show it (Hive's way), and as Dataset.show does. */
void render_hive(const struct column *column, size_t row, const struct zone *zone, struct buf *out);
void render_show(const struct column *column, size_t row, const struct zone *zone, struct buf *out);

#endif
