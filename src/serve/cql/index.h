/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_INDEX_H
#define SERVE_CQL_INDEX_H

#include "serve/cql/catalog.h"

/*
 * The entries of an index: a hidden table, one row an entry, which has nothing but a key:
 *
 *   partition   u8 1 and the bytes of the indexed value; of a map entry key and value, each as i32
 *               length and bytes
 *   clustering  token of the row's partition (bigint)
 *               the partition key: of one column its bytes, of several each as u16 length, bytes, 0
 *               the clustering key in the bytes of its order; nothing for a static row
 *
 * so that the rows of a value come in the order that they have in their table, as in Cassandra.
 *
 * An entry says that the row once had the value. It is written with the value and not taken back
 * when that changes: who reads looks at the row, and removes an entry that lies, with the timestamp
 * that it was written with, so that a later one stands.
 */
struct index_key {
    struct str value; /* with the leading 1 */
    int64_t token;
    struct str partition, clustering;
    int64_t timestamp_us;
};

/* Appends the packed form of key values. */
void index_partition_pack(const struct str *values, uint32_t count, struct buf *out);
/* The values again, borrowed from packed. ERR_CORRUPT. */
enum err index_partition_unpack(struct str packed, struct str *values, uint32_t count) MUST_USE;
/* The partition of entries for a value that is looked for: a whole one, or of a map's entry. */
enum { INDEX_VALUE_BYTES_MAX = 65535 };
void index_value(struct str value, struct buf *out);
/* It is left out when the index is built, and refused when it is written. */
bool index_value_is_too_long(struct str value);
void index_value_of_entry(struct str key, struct str value, struct buf *out);
/* A row of the entries' table as it was read; borrowed. ERR_CORRUPT. */
enum err index_key_of_row(const struct table_row *row, struct index_key *ret_key) MUST_USE;

/* Every value of a row that the index has, with the leading 1; borrowed until the next. Cells are
 * those of the row or of the static row, whichever the column is in: all columns were read. */
enum err index_values_of_row(const struct cql_table *table, const struct cql_index *index,
                             const struct table_row *row,
                             enum err (*found)(void *owner, struct str value),
                             void *owner) MUST_USE;
/* One cell that is written: its value for the index in out. False: it has none (a deletion, a null,
 * a cell of another column). index_column: the column's place in cql_table.columns. */
bool index_value_of_cell(const struct cql_table *table, const struct cql_index *index,
                         const struct table_cell *cell, struct buf *out);

/* A storage-attached index on vectors has no entries: it is there for ORDER BY .. ANN OF. */
bool index_is_of_vectors(const struct cql_table_column *column, const struct cql_index *index);

/* Adds or removes an entry. clustering NULL: a static row. */
enum err index_entry_add(struct table_batch *batch, const struct cql_table *table,
                         const struct cql_index *index, struct str value, int64_t token,
                         const struct str *partition, const struct str *clustering,
                         int64_t timestamp_us) MUST_USE;
enum err index_entry_remove(struct table_batch *batch, const struct cql_index *index,
                            const struct index_key *key, int64_t timestamp_us) MUST_USE;

/* The hidden table: made when it is not there. What an older version made is made anew, empty. */
enum err index_table_make(struct table_store *store, struct str name, struct diag *diag,
                          struct table **ret_table) MUST_USE;
/* Whether it is as entries are written now. */
bool index_table_is_current(const struct table *table);
/* Fills the entries from the rows of the table, in commits of some thousand. Any thread. */
enum err index_build(struct table_store *store, const struct cql_table *table,
                     const struct cql_index *index) MUST_USE;

#endif
