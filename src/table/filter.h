/* SPDX-License-Identifier: MIT */
#ifndef TABLE_FILTER_H
#define TABLE_FILTER_H

#include <rocksdb/c.h>
#include <stdint.h>

enum { FILTER_GRACE_S = 86400 };

/* The compaction filter of rows; now_us is asked when a compaction begins. RocksDB owns it. */
rocksdb_compactionfilterfactory_t *filter_factory_new(int64_t (*now_us)(void *owner), void *owner);

#endif
