/* SPDX-License-Identifier: MIT */
#ifndef TABLE_CELLS_H
#define TABLE_CELLS_H

#include "io/loop.h"
#include "table/table.h"

/*
 * The second face of a table: cells with their own timestamps, in the bytes of CQL values, for
 * servers of that protocol. Column batches (table.h) and cells see the same rows. Values are
 * borrowed; ptr NULL = null. Undeclared TIMESTAMP columns are kept in us: here they are read and
 * written as ms like declared ones.
 */

/* ---- what a definition has beyond table.h ----
 * table_column.cells says whether a column is one cell or a collection of cells with paths. The
 * fields of a STRUCT that stands for a user type tell their own CQL types in their comments.
 *
 * An append-only table has no key columns in its definition. Here its rows have the partition key
 * "_partition" int and the clustering columns "_offset" bigint, "_index" int, which have no index;
 * it can only be read. */

/* The CQL type of a column: what it is declared, or what its type is in CQL ("timestamp",
 * "frozen<list<text>>": a collection of one cell is a frozen one). */
void table_column_cql(const struct table_column *column, struct buf *out);
/* Token of a partition key from its column values in order. */
int64_t table_token(const struct table *table, const struct str *partition_values);

/* ---- keys ---- */

/* Names a row: values of all partition columns in order, and of the clustering columns (all, or a
 * prefix where a function says so). A static row has no clustering values. In the key of one row
 * clustering values behind the first may be NULL to the end: the row stands before those that have
 * them, whatever their direction, and is given with NULLs. */
struct table_key {
    const struct str *partition;
    const struct str *clustering;
    uint32_t clustering_count;
};

/* The clustering values of a row as bytes in the order of the rows in a partition. ERR_INVALID:
 * they are not all there, or not of their types. */
enum err table_clustering_pack(const struct table *table, const struct str *values, uint32_t count,
                               struct buf *out) MUST_USE;
/* The values again, in room. ERR_CORRUPT. */
enum err table_clustering_unpack(const struct table *table, struct str packed, struct buf *room,
                                 struct str *ret_values) MUST_USE;

/* ---- writing ---- */

struct table_cell {
    uint32_t column;  /* index in the definition; never a key column */
    struct str path;  /* element of a collection of cells: set element, map key, list's 16 bytes
                       * of time order, UDT field as u16; ptr NULL = the column itself */
    struct str value; /* ptr NULL = tombstone; of a collection with ptr NULL path: all its cells
                       * up to timestamp_us are deleted. Of a set's element: nothing. A text must be
                       * UTF-8: only the bytes of keys are checked here */
    int64_t timestamp_us;
    int64_t ttl_s;        /* 0 = none: the table's default was applied by the caller */
    int64_t expires_s;    /* with ttl: wall second of expiry */
    bool element_deleted; /* value of a deleted element is a tombstone: set when path is given */
};
/* Adds cells to a row. marker: the row exists even when all cells go (INSERT); its timestamp, ttl
 * and expiry are those given. Cells of static columns go to the static row, which has no marker:
 * one call has static cells only, or none. */
struct table_row_write {
    struct table_key key;
    const struct table_cell *cells;
    uint32_t cell_count;
    bool marker;
    int64_t marker_timestamp_us, marker_ttl_s, marker_expires_s;
};
enum err table_batch_cells(struct table_batch *batch, struct table *table,
                           const struct table_row_write *write) MUST_USE;
enum err table_batch_delete_row(struct table_batch *batch, struct table *table,
                                const struct table_key *key, int64_t timestamp_us) MUST_USE;
enum err table_batch_delete_partition(struct table_batch *batch, struct table *table,
                                      const struct str *partition, int64_t timestamp_us) MUST_USE;
/* A slice of a partition in clustering order: prefixes of clustering values. */
struct table_bound {
    const struct str *values; /* a prefix of the clustering columns */
    uint32_t count;           /* 0 = the partition's edge */
    bool inclusive;
};
enum err table_batch_delete_range(struct table_batch *batch, struct table *table,
                                  const struct str *partition, const struct table_bound *from,
                                  const struct table_bound *to, int64_t timestamp_us) MUST_USE;
/* Copies all of another batch behind this one. */
void table_batch_merge(struct table_batch *batch, const struct table_batch *other);

/* ---- jobs: group commit, and reading before writing ----
 *
 * The store's commit thread takes all jobs that wait as one group: those with run are called in
 * their order and see everything that earlier jobs of the group wrote; then one sync, then done of
 * each. run may read the store and fill the batch; an error of run fails that job alone. Without
 * run the batch is ready. Until the sync, reads may see what is not yet known to be on disk. Where
 * io is simulated there is no thread: a job is committed in a turn of its loop. */
struct table_job {
    struct table_batch *batch; /* caller's until done */
    enum err (*run)(struct table_job *job);
    void (*done)(struct table_job *job);
    void *owner;
    struct io_loop *loop; /* where done runs; NULL = the commit thread */
    bool sync;
    enum err err;
    struct io_post post; /* the store's own */
    struct table_job *next;
};
void table_submit(struct table_store *store, struct table_job *job);

/* ---- reading ---- */

/* A live cell as it was found. */
struct table_found {
    uint32_t column;
    struct str path; /* ptr NULL = simple column */
    struct str value;
    int64_t timestamp_us;
    int64_t ttl_s; /* 0 = none */
    int64_t expires_s;
};
struct table_row {
    const struct str *partition; /* values of the partition columns */
    int64_t token;
    const struct str *clustering; /* NULL: the partition has a static row and no rows: given once */
    const struct table_found *cells; /* by column, then by path's bytes */
    uint32_t cell_count;
    const struct table_found *statics; /* of the partition */
    uint32_t static_count;
    bool marker; /* live */
    int64_t marker_timestamp_us, marker_ttl_s, marker_expires_s;
    bool partition_begins; /* the first row of its partition in this read */
};

struct table_read_options {
    const struct str *partition;  /* values; NULL = a range of tokens */
    int64_t token_from, token_to; /* inclusive; without partition. INT64_MIN .. INT64_MAX = all */
    struct table_bound from, to;  /* with a partition: slice in clustering order, from before to;
                                   * .count 0 = the edge. With .count 0 both: all rows */
    bool reverse;                 /* within a partition, or of the whole range */
    const bool *columns;          /* by index: which regular and static columns are wanted; NULL =
                                   * all. Liveness looks at all cells nevertheless */
    struct str resume;            /* what table_read_position gave: go on behind that row */
    bool statics_alone;           /* give partitions whose only content is a static row */
    int64_t now_s;                /* for expiry; 0 = the store's clock */
};
struct table_read;
/* Sees one snapshot. ERR_INVALID: a bound or key that does not fit; ERR_CORRUPT: resume. */
enum err table_read_open(struct table *table, const struct table_read_options *options,
                         struct table_read **ret_read) MUST_USE;
/* NULL at the end. The row is borrowed until the next call. */
enum err table_read_next(struct table_read *read, const struct table_row **ret_row) MUST_USE;
/* Passes over the rest of the partition of the row that was given last; so does its position. */
void table_read_skip_partition(struct table_read *read);
/* Appends where the row that was given last stands; survives restarts. */
void table_read_position(const struct table_read *read, struct buf *out);
void table_read_close(struct table_read *read);
/* One row by its full key (or the static row without clustering), without an iterator: the fast
 * path. Lives until the reader's next call; ERR_NOT_FOUND also when only a static row is there. */
struct table_reader; /* scratch of one thread, reused */
struct table_reader *table_reader_new(void);
void table_reader_free(struct table_reader *reader);
enum err table_read_row(struct table_reader *reader, struct table *table,
                        const struct table_key *key, const bool *columns, int64_t now_s,
                        const struct table_row **ret_row) MUST_USE;

/* In the run of a job: adds the values of the cells (8 bytes each, all of them counters) to what
 * stands, with what the batch already has for the row. The cell's timestamp is raised where that is
 * needed to beat what stood. */
enum err table_counter_add(struct table_reader *reader, struct table_batch *batch,
                           struct table *table, const struct table_row_write *write) MUST_USE;

/* ---- changing definitions; durable when they return ---- */
enum err table_add_columns(struct table_store *store, struct table *table,
                           const struct table_column *columns, size_t count) MUST_USE;
/* Its cells are gone; the id is not used again. */
enum err table_drop_column(struct table_store *store, struct table *table,
                           struct str name) MUST_USE;
/* Its cells up to the timestamp are gone: a column that is added later with the name and the same
 * kind of cells has those that are newer. */
enum err table_drop_column_at(struct table_store *store, struct table *table, struct str name,
                              int64_t timestamp_us) MUST_USE;
enum err table_rename_column(struct table_store *store, struct table *table, struct str from,
                             struct str to) MUST_USE;
enum err table_set_ttl_default(struct table_store *store, struct table *table,
                               int64_t ttl_default_s) MUST_USE;
/* Name of the declared type where a user type grew: the new text and type of a column. */
enum err table_retype_column(struct table_store *store, struct table *table, struct str name,
                             const struct type *type, struct str declared) MUST_USE;

#endif
