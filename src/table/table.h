/* SPDX-License-Identifier: MIT */
#ifndef TABLE_TABLE_H
#define TABLE_TABLE_H

#include "data/column.h"
#include "io/io.h"

/*
 * Keyed tables on disk with Cassandra's cell model: every value is a cell with a write timestamp,
 * the newest wins, upserts never read. Kept in one RocksDB, so that one commit spans tables and
 * the source offsets that belong to the rows. Design: docs/formats/table.md. This room knows no CQL
 * words; it is told key columns, types and timestamps.
 *
 * Threads: a store may be used from any thread; a batch and a scan belong to one thread at a time.
 */
struct table_store;
struct table;

struct table_disk;
struct table_store_options {
    struct table_disk *disk;        /* where RocksDB keeps its files; NULL = the real one */
    bool memory;                    /* the twin without a disk, for simulated runs */
    bool read_only;                 /* for inspect and commands on a stopped project */
    size_t cache_bytes;             /* block cache; 0 = 32 MiB */
    size_t row_cache_bytes;         /* rows that were read by key; 0 = 64 MiB */
    size_t memtable_bytes;          /* 0 = 32 MiB */
    int64_t (*now_us)(void *owner); /* wall clock for TTL; NULL = io's */
    void *now_owner;
};

/* Files in memory that outlive a store, for simulated runs over RocksDB. Freed behind the last
 * store on it; NULL is fine. */
struct table_disk *table_disk_new(void);
void table_disk_free(struct table_disk *disk);

enum err table_store_open(struct io *io, const char *dir, const struct table_store_options *options,
                          struct diag *diag, struct table_store **ret_store) MUST_USE;
void table_store_close(struct table_store *store);
/* OK, ERR_DISK_FULL (resumes by itself) or ERR_IO. */
enum err table_store_health(struct table_store *store);

/* ---- tables ---- */

enum table_column_role {
    TABLE_REGULAR,
    TABLE_PARTITION_KEY,
    TABLE_CLUSTERING_ASC,
    TABLE_CLUSTERING_DESC,
    TABLE_STATIC,
};
enum table_column_cells {
    TABLE_ONE_CELL,
    TABLE_MANY_CELLS, /* a collection whose elements are cells of their own: table/cells.h */
    TABLE_COUNTER,    /* one cell, a BIGINT that is only added to */
};
struct table_column {
    struct str name;
    const struct type *type;
    struct str declared; /* the type's name where it says more than type: "uuid", "timeuuid"; may be
                          * empty. docs/formats/table.md lists what is known */
    enum table_column_role role;
    enum table_column_cells cells;
};
struct table_definition {
    struct str keyspace; /* "spark_streams" */
    struct str name;
    const struct table_column *columns; /* partition keys in order, clustering in order, the rest */
    size_t column_count;
    bool append_only;      /* no key of the user's: the key is the row's place in the stream */
    int64_t ttl_default_s; /* 0 = none */
};
/* Durable when it returns. ERR_EXISTS: there, and different; a diag names the first difference.
 * An equal definition answers OK and the table. New regular columns are added to the old ones. */
enum err table_create(struct table_store *store, const struct table_definition *definition,
                      struct diag *diag, struct table **ret_table) MUST_USE;
struct table *table_find(struct table_store *store, struct str keyspace, struct str name);
enum err table_drop(struct table_store *store, struct str keyspace, struct str name) MUST_USE;
enum err table_truncate(struct table_store *store, struct table *table) MUST_USE;
/* All tables by keyspace and name; the array is mem_free'd by the caller. */
size_t table_list(struct table_store *store, struct table ***ret_tables);
/* Lives as long as the table. */
const struct table_definition *table_definition(const struct table *table);
/* STRUCT of all columns in the definition's order. */
const struct type *table_schema(const struct table *table);
/* True once table_batch_upsert() wrote to it: who keeps an index beside the rows that are written
 * through cells.h has not seen those. */
bool table_is_fed(const struct table *table);
struct table_stats {
    uint64_t rows_estimated;
    uint64_t bytes_on_disk;
};
void table_stats(struct table *table, struct table_stats *ret_stats);

/* ---- writing: all of a batch, or nothing ---- */

struct table_batch;
struct table_batch *table_batch_new(struct table_store *store);
void table_batch_free(struct table_batch *batch);
void table_batch_reset(struct table_batch *batch);

struct table_write {
    int64_t timestamp_us;             /* of the cells */
    int64_t ttl_s;                    /* 0 = the table's default, <0 = none */
    bool nulls_are_unset;             /* a null cell is left as it was instead of deleted */
    const int64_t *row_timestamps_us; /* one a row instead of timestamp_us; NULL = all the same */
};
/* Upserts the rows from..to of a batch whose columns are named like the table's (a subset with all
 * key columns). ERR_INVALID with the row in *ret_bad_row (UINT32_MAX when it is not the fault of
 * one row: a column that the table has not or of another type): a null key, a value that the
 * declared type refuses (a STRING column declared uuid that holds no uuid), a counter: nothing of
 * the batch is added then. A collection of many cells is replaced whole. */
enum err table_batch_upsert(struct table_batch *batch, struct table *table,
                            const struct batch *rows, uint32_t from, uint32_t to,
                            const struct table_write *write, uint32_t *ret_bad_row,
                            struct diag *diag) MUST_USE;
/* Deletes rows by their key columns; the batch has just those (all, or the partition key alone). */
enum err table_batch_delete(struct table_batch *batch, struct table *table,
                            const struct batch *keys, uint32_t from, uint32_t to,
                            int64_t timestamp_us) MUST_USE;
/* The hidden key of an append-only row: unique for (partition, offset, index in that record). */
struct table_place {
    int32_t partition;
    int64_t offset;
    uint32_t index;
};
/* Rows from..to of an append-only table: places has one entry for each row of the batch. Refuses
 * like the upsert does. */
enum err table_batch_append(struct table_batch *batch, struct table *table,
                            const struct batch *rows, uint32_t from, uint32_t to,
                            const struct table_place *places, const struct table_write *write,
                            uint32_t *ret_bad_row, struct diag *diag) MUST_USE;
/* Deletes every row that is there before the batch: rows that the batch adds behind this call stay.
 * For tables that are replaced whole; readers see the old rows or the new ones. */
void table_batch_clear(struct table_batch *batch, struct table *table);
/* State beside the rows: source offsets, epochs, counters. NULL value deletes. Keys are bytes;
 * state_key "pipeline/created_users/offset/0" and the like. */
void table_batch_state(struct table_batch *batch, struct str key, struct str value);
size_t table_batch_bytes(const struct table_batch *batch);
/* sync: on disk when it returns. ERR_DISK_FULL, ERR_IO: nothing is visible. */
enum err table_commit(struct table_store *store, struct table_batch *batch, bool sync) MUST_USE;

/* ---- reading ---- */

/* Appends the value to out; ERR_NOT_FOUND. */
enum err table_state_get(struct table_store *store, struct str key, struct buf *out) MUST_USE;
/* All state whose key starts with prefix, in key order. */
enum err table_state_each(struct table_store *store, struct str prefix,
                          bool (*found)(void *owner, struct str key, struct str value),
                          void *owner) MUST_USE;

struct table_scan;
struct table_scan_options {
    const struct type *wanted;     /* STRUCT, columns by name; NULL = all. Outlives the batches */
    int64_t token_from, token_to;  /* inclusive; both 0 = everything */
    const struct batch *partition; /* one row of partition key values: only that partition */
    bool reverse;
};
/* A snapshot: what is committed later is not seen. Order: token, partition key, clustering; of an
 * append-only table that of the stream. ERR_NOT_FOUND: a wanted column is not there; ERR_INVALID:
 * it is of another type, or tokens or a partition are given for an append-only table. */
enum err table_scan_open(struct table *table, const struct table_scan_options *options,
                         struct table_scan **ret_scan) MUST_USE;
/* Up to rows_max rows; NULL at the end. */
enum err table_scan_next(struct table_scan *scan, uint32_t rows_max,
                         struct batch **ret_batch) MUST_USE;
void table_scan_close(struct table_scan *scan);
/* The row of a full key (one-row batch of the key columns). ERR_NOT_FOUND. */
enum err table_get(struct table *table, const struct batch *key, const struct type *wanted,
                   struct batch **ret_row) MUST_USE;

/* Hard-link copy of the whole store. */
enum err table_checkpoint(struct table_store *store, const char *dir) MUST_USE;
enum err table_flush(struct table_store *store) MUST_USE;
enum err table_compact(struct table_store *store) MUST_USE;

#endif
