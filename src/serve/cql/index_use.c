/* SPDX-License-Identifier: MIT */
/*
 * Indexes in use: entries beside what is written, and rows found by entries.
 *
 * Writing does not read: an entry is added with each value and stays when the value goes. Reading
 * therefore looks at the row; an entry whose value the row has not any more is passed over, and
 * removed behind the read, by a commit that nobody waits for, with the timestamp that it has: one
 * that was written meanwhile stands. A read that looks at another time than now removes nothing.
 *
 * An entry of a static column stands for all rows of its partition, which are read then.
 *
 * Position: u32 length and bytes of the place inside such a partition, u32 length and bytes of that
 * partition's key, then the place among the entries.
 */
#include "base/reader.h"
#include "serve/cql/index.h"
#include "serve/cql/index_read.h"
#include "serve/cql/modify.h"

/* ---- writing ---- */

static enum err add_entry(struct modify_item *item, struct table_batch *batch,
                          const struct cql_index *index, struct str value,
                          const struct str *partition, const struct str *clustering)
{
    const struct cql_table *table = item->plan->table;
    if (index_value_is_too_long(value))
        return cql_fail(item->eval.error, item->eval.arena, CQL_INVALID,
                        "Cannot index value of size %zu for index %.*s on %.*s.%.*s(%.*s) (maximum "
                        "allowed size=%d)",
                        value.bytes - 1, STR_ARG(index->name), STR_ARG(table->keyspace),
                        STR_ARG(table->name), STR_ARG(index->column), INDEX_VALUE_BYTES_MAX);
    return index_entry_add(batch, table, index, value, table_token(table->table, partition),
                           partition, clustering, item->timestamp_us);
}

static enum err write_index(struct modify_item *item, struct table_batch *batch,
                            const struct cql_index *index, const struct str *partition,
                            const struct str *clustering, const struct cell_list *cells)
{
    const struct cql_table *table = item->plan->table;
    const struct cql_table_column *column = cql_column_find(table, index->column);
    struct buf value = {0};
    enum err err = OK;
    if (!column || !index->entries)
        return OK;
    if (column->kind == CQL_PARTITION_KEY || column->kind == CQL_CLUSTERING) {
        const struct str *keys = column->kind == CQL_PARTITION_KEY ? partition : clustering;
        if (!keys)
            return OK;
        index_value(keys[column->position], &value);
        err = add_entry(item, batch, index, buf_str(&value), partition, clustering);
    }
    for (uint32_t i = 0; column->kind > CQL_CLUSTERING && i < cells->count && err == OK; i++)
        if (index_value_of_cell(table, index, &cells->cells[i], &value))
            err = add_entry(item, batch, index, buf_str(&value), partition, clustering);
    if (err == OK)
        err = buf_error(&value);
    buf_deinit(&value);
    return err;
}

enum err index_write(struct modify_item *item, struct table_batch *batch,
                     const struct str *partition, const struct str *clustering,
                     const struct cell_list *cells)
{
    const struct cql_table *table = item->plan->table;
    for (size_t i = 0; i < table->index_count; i++)
        TRY(write_index(item, batch, &table->indexes[i], partition, clustering, cells));
    return OK;
}

/* ---- reading ---- */

struct index_read {
    struct select_run *s;
    struct table_read *entries;
    struct table_read *inner; /* all rows of a partition */
    struct buf inner_key;     /* packed */
    bool inner_begins;        /* its first row is yet to be looked at */
    bool of_keys;             /* the index is on a key column */
    struct index_key entry;   /* the last that was read */
    struct str *partition, *clustering;
    struct buf clustering_room;
    struct str value;
    struct table_batch *stale; /* removals of entries that lie */
};

/* ---- entries that lie ---- */

enum { STALE_BYTES_MAX = 1 << 20 };

struct looked {
    struct str value;
    bool found;
};

static enum err look_at(void *owner, struct str value)
{
    struct looked *looked = owner;
    looked->found |= str_equal(looked->value, value);
    return OK;
}

/* Whether the row has what its entry says; one that lies is noted. */
static enum err check_entry(struct index_read *read, const struct table_row *row, bool *ret_true)
{
    struct select_run *s = read->s;
    const struct cql_index *index = s->plan->where.index;
    struct looked looked = {.value = read->entry.value};
    if (row)
        TRY(index_values_of_row(s->plan->table, index, row, look_at, &looked));
    *ret_true = looked.found;
    if (looked.found || s->run->parameters->now_s != INT32_MIN)
        return OK;
    if (!read->stale)
        read->stale = table_batch_new(s->run->executor->store);
    if (table_batch_bytes(read->stale) > STALE_BYTES_MAX)
        return OK; /* another read finds them */
    return index_entry_remove(read->stale, index, &read->entry, read->entry.timestamp_us);
}

struct removal {
    struct table_job job;
    struct cql_executor *executor;
};

static void removal_done(struct table_job *job)
{
    struct removal *removal = job->owner;
    removal->executor->under_way--;
    table_batch_free(job->batch);
    mem_free(removal);
}

static void remove_stale(struct index_read *read)
{
    struct cql_executor *executor = read->s->run->executor;
    if (!read->stale)
        return;
    struct removal *removal = mem_zero(sizeof *removal);
    removal->executor = executor;
    removal->job = (struct table_job){
        .batch = read->stale, .done = removal_done, .owner = removal, .loop = executor->loop};
    read->stale = NULL;
    executor->under_way++;
    table_submit(executor->store, &removal->job);
}

/* ---- rows ---- */

static enum err look_for(struct select_run *s, struct buf *out)
{
    const struct where *where = &s->plan->where;
    for (size_t i = 0; i < s->filter_count; i++) {
        const struct where_filter *f = &s->filters[i];
        for (size_t k = 0; k < f->count; k++)
            if (f->values[k].bytes > INDEX_VALUE_BYTES_MAX)
                return cql_fail(&s->run->error, s->run->arena, CQL_INVALID,
                                "Index expression values may not be larger than 64K");
    }
    for (size_t i = 0; i < s->filter_count; i++) {
        const struct where_filter *f = &s->filters[i];
        if (f->relation != where->indexed)
            continue;
        if (f->relation->key)
            index_value_of_entry(f->key, f->values[0], out);
        else
            index_value(f->values[0], out);
        return buf_error(out);
    }
    return ERR_STATE;
}

static enum err open_inner(struct index_read *read, struct str packed, struct str resume)
{
    struct select_run *s = read->s;
    const struct cql_table *table = s->plan->table;
    buf_reset(&read->inner_key);
    buf_str_append(&read->inner_key, packed);
    TRY(index_partition_unpack(buf_str(&read->inner_key), read->partition, table->partition_count));
    struct table_read_options options = {.partition = read->partition,
                                         .from = {.inclusive = true},
                                         .to = {.inclusive = true},
                                         .columns = s->plan->wanted,
                                         .resume = resume,
                                         .statics_alone = true,
                                         .now_s = s->eval.now_us / 1000000};
    read->inner_begins = !resume.ptr;
    return table_read_open(table->table, &options, &read->inner);
}

static enum err open_entries(struct index_read *read)
{
    struct select_run *s = read->s;
    struct reader r = reader_of(s->resume.ptr, s->resume.bytes);
    struct str inner = STR_NONE, key = STR_NONE;
    if (s->resume.bytes) {
        inner = reader_str(&r, reader_be32(&r));
        key = reader_str(&r, reader_be32(&r));
        if (r.err != OK)
            return ERR_CORRUPT;
    }
    struct table_read_options options = {.partition = &read->value,
                                         .from = {.inclusive = true},
                                         .to = {.inclusive = true},
                                         .resume = str_from(r.ptr, r.left)};
    if (!r.left)
        options.resume = STR_NONE;
    TRY(table_read_open(s->plan->where.index->entries, &options, &read->entries));
    return key.bytes ? open_inner(read, key, inner) : OK;
}

enum err index_read_open(struct select_run *s, struct index_read **ret_read)
{
    const struct cql_table *table = s->plan->table;
    struct index_read *read = arena_zero(s->run->arena, sizeof *read);
    struct buf value = {0};
    enum err err = look_for(s, &value);
    read->s = s;
    const struct cql_table_column *column = cql_column_find(table, s->plan->where.index->column);
    read->of_keys = column && column->kind <= CQL_CLUSTERING;
    read->value = value_of_buf(s->run->arena, &value);
    buf_deinit(&value);
    TRY(err);
    read->partition = arena_array(s->run->arena, table->partition_count, sizeof(struct str));
    read->clustering = arena_array(s->run->arena, table->clustering_count + 1, sizeof(struct str));
    *ret_read = read;
    return open_entries(read);
}

static enum err read_base(struct index_read *read, const struct table_row **ret_row)
{
    struct select_run *s = read->s;
    const struct cql_table *table = s->plan->table;
    const struct index_key *entry = &read->entry;
    struct table_key key = {.partition = read->partition,
                            .clustering = read->clustering,
                            .clustering_count = table->clustering_count};
    *ret_row = NULL;
    if (entry->token < s->token_from || entry->token > s->token_to)
        return OK;
    if (table->clustering_count && !entry->clustering.bytes)
        return open_inner(read, entry->partition, STR_NONE);
    if (table->clustering_count)
        TRY(table_clustering_unpack(table->table, entry->clustering, &read->clustering_room,
                                    read->clustering));
    TRY(index_partition_unpack(entry->partition, read->partition, table->partition_count));
    const struct table_row *row = NULL;
    enum err err = table_read_row(s->run->executor->reader, table->table, &key, s->plan->wanted,
                                  s->eval.now_us / 1000000, &row);
    if (err != OK && err != ERR_NOT_FOUND)
        return err;
    bool is_true;
    TRY(check_entry(read, err == OK ? row : NULL, &is_true));
    *ret_row = is_true ? row : NULL;
    return OK;
}

/* The next row of a partition; the first tells whether the entry is right about all of them. */
static enum err next_inner(struct index_read *read, const struct table_row **ret_row)
{
    bool is_true = true;
    TRY(table_read_next(read->inner, ret_row));
    if (read->inner_begins)
        TRY(check_entry(read, *ret_row, &is_true));
    /* Rows have entries of their own for what their keys have. */
    if (*ret_row && (*ret_row)->clustering && read->of_keys)
        is_true = false;
    read->inner_begins = false;
    if (*ret_row && is_true)
        return OK;
    *ret_row = NULL;
    table_read_close(read->inner);
    read->inner = NULL;
    return OK;
}

enum err index_read_next(struct index_read *read, const struct table_row **ret_row)
{
    *ret_row = NULL;
    while (!*ret_row) {
        if (read->inner) {
            TRY(next_inner(read, ret_row));
            continue;
        }
        const struct table_row *row;
        TRY(table_read_next(read->entries, &row));
        if (!row)
            return OK;
        TRY(index_key_of_row(row, &read->entry));
        TRY(read_base(read, ret_row));
    }
    return OK;
}

void index_read_position(const struct index_read *read, struct buf *out)
{
    struct buf inner = {0};
    if (read->inner)
        table_read_position(read->inner, &inner);
    buf_be32(out, (uint32_t)inner.bytes);
    buf_str_append(out, buf_str(&inner));
    buf_be32(out, read->inner ? (uint32_t)read->inner_key.bytes : 0);
    if (read->inner)
        buf_str_append(out, buf_str(&read->inner_key));
    table_read_position(read->entries, out);
    buf_deinit(&inner);
}

void index_read_close(struct index_read *read)
{
    if (!read)
        return;
    if (read->inner)
        table_read_close(read->inner);
    if (read->entries)
        table_read_close(read->entries);
    buf_deinit(&read->inner_key);
    buf_deinit(&read->clustering_room);
    remove_stale(read);
}
