/* SPDX-License-Identifier: MIT */
/*
 * Results: the metadata of rows, what PREPARE answers, and changes of the schema.
 *
 *     metadata  i32 flags, i32 columns, [bytes] paging state, [short bytes] new id, then unless
 *               no_metadata: [string] keyspace and table (once for all when they are the same) and
 *               [string] name, [option] type a column
 *     prepared  [short bytes] id; v5: [short bytes] id of the result's metadata; of the markers:
 *               flags, count, v4: indexes of the partition key's, columns; metadata of the result
 */
#include "wire/cql/cql.h"

enum { GLOBAL_SPEC = 1, MORE_PAGES = 2, NO_METADATA = 4, METADATA_CHANGED = 8 };

static bool one_table(const struct cql_column *columns, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (!str_equal(columns[i].table, columns[0].table) ||
            !str_equal(columns[i].keyspace, columns[0].keyspace))
            return false;
    return count > 0;
}

static void columns_append(struct buf *out, unsigned version, const struct cql_column *columns,
                           size_t count, bool global)
{
    if (global) {
        cql_string_append(out, columns[0].keyspace);
        cql_string_append(out, columns[0].table);
    }
    for (size_t i = 0; i < count; i++) {
        if (!global) {
            cql_string_append(out, columns[i].keyspace);
            cql_string_append(out, columns[i].table);
        }
        cql_string_append(out, columns[i].name);
        cql_type_encode(columns[i].type, version, out);
    }
}

void cql_rows_metadata_append(struct buf *out, unsigned version,
                              const struct cql_rows_metadata *metadata)
{
    bool global = one_table(metadata->columns, metadata->column_count);
    uint32_t flags = metadata->no_metadata ? NO_METADATA : global ? GLOBAL_SPEC : 0;
    if (metadata->paging_state.ptr)
        flags |= MORE_PAGES;
    if (version >= 5 && metadata->new_id.ptr)
        flags |= METADATA_CHANGED;
    buf_be32(out, flags);
    buf_be32(out, (uint32_t)metadata->column_count);
    if (flags & MORE_PAGES)
        cql_bytes_append(out, metadata->paging_state);
    if (flags & METADATA_CHANGED)
        cql_short_bytes_append(out, metadata->new_id);
    if (!metadata->no_metadata)
        columns_append(out, version, metadata->columns, metadata->column_count, global);
}

static enum err columns_read(struct reader *r, struct arena *arena, size_t count, bool global,
                             struct cql_column **ret_columns)
{
    struct str keyspace = STR_NONE, table = STR_NONE;
    if (count > r->left / 4)
        return ERR_TRUNCATED;
    struct cql_column *columns = arena_try(arena, count * sizeof *columns + 1);
    if (!columns)
        return ERR_LIMIT;
    if (global) {
        keyspace = cql_string_read(r);
        table = cql_string_read(r);
    }
    for (size_t i = 0; i < count; i++) {
        columns[i].keyspace = global ? keyspace : cql_string_read(r);
        columns[i].table = global ? table : cql_string_read(r);
        columns[i].name = cql_string_read(r);
        TRY(r->err);
        TRY(cql_type_decode(r, arena, &columns[i].type));
    }
    *ret_columns = columns;
    return r->err;
}

enum err cql_rows_metadata_read(struct reader *r, unsigned version, struct arena *arena,
                                struct cql_rows_metadata *ret_metadata)
{
    struct cql_rows_metadata metadata = {0};
    struct cql_column *columns = NULL;
    uint32_t flags = reader_be32(r);
    metadata.column_count = reader_be32(r);
    if (flags & MORE_PAGES)
        metadata.paging_state = cql_bytes_read(r);
    if (version >= 5 && flags & METADATA_CHANGED)
        metadata.new_id = cql_short_bytes_read(r);
    TRY(r->err);
    metadata.no_metadata = flags & NO_METADATA;
    if (!metadata.no_metadata)
        TRY(columns_read(r, arena, metadata.column_count, flags & GLOBAL_SPEC, &columns));
    metadata.columns = columns;
    *ret_metadata = metadata;
    return OK;
}

void cql_prepared_append(struct buf *out, unsigned version, struct str id, struct str result_id,
                         const struct cql_column *binds, size_t bind_count, const uint16_t *pk,
                         size_t pk_count, const struct cql_rows_metadata *result)
{
    cql_short_bytes_append(out, id);
    if (version >= 5)
        cql_short_bytes_append(out, result_id);
    bool global = one_table(binds, bind_count);
    buf_be32(out, global ? GLOBAL_SPEC : 0);
    buf_be32(out, (uint32_t)bind_count);
    if (version >= 4) {
        buf_be32(out, (uint32_t)pk_count);
        for (size_t i = 0; i < pk_count; i++)
            buf_be16(out, pk[i]);
    }
    columns_append(out, version, binds, bind_count, global);
    struct cql_rows_metadata none = {.no_metadata = true};
    cql_rows_metadata_append(out, version, result->column_count ? result : &none);
}

enum err cql_prepared_read(struct reader *r, unsigned version, struct arena *arena,
                           struct cql_prepared *ret_prepared)
{
    struct cql_prepared p = {0};
    p.id = cql_short_bytes_read(r);
    if (version >= 5)
        p.result_id = cql_short_bytes_read(r);
    uint32_t flags = reader_be32(r);
    p.bind_count = reader_be32(r);
    if (version >= 4) {
        p.pk_count = reader_be32(r);
        TRY(r->err);
        if (p.pk_count > r->left / 2)
            return ERR_TRUNCATED;
        p.pk = arena_try(arena, p.pk_count * sizeof *p.pk + 1);
        if (!p.pk)
            return ERR_LIMIT;
        for (size_t i = 0; i < p.pk_count; i++)
            p.pk[i] = reader_be16(r);
    }
    TRY(r->err);
    TRY(columns_read(r, arena, p.bind_count, flags & GLOBAL_SPEC, &p.binds));
    TRY(cql_rows_metadata_read(r, version, arena, &p.result));
    *ret_prepared = p;
    return OK;
}

void cql_schema_change_append(struct buf *out, const char *change, const char *target,
                              struct str keyspace, struct str name, const struct str *arguments,
                              size_t argument_count)
{
    cql_string_append(out, str_of(change));
    cql_string_append(out, str_of(target));
    cql_string_append(out, keyspace);
    if (strcmp(target, "KEYSPACE") == 0)
        return;
    cql_string_append(out, name);
    if (strcmp(target, "FUNCTION") != 0 && strcmp(target, "AGGREGATE") != 0)
        return;
    buf_be16(out, (uint16_t)argument_count);
    for (size_t i = 0; i < argument_count; i++)
        cql_string_append(out, arguments[i]);
}
