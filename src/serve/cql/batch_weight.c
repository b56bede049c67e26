/* SPDX-License-Identifier: MIT */
/*
 * What a BATCH weighs: Cassandra warns of batches that are over 5 KiB and refuses those over 50,
 * where they change more than one partition, since it has to keep them whole on one node. Here they
 * would be one commit like any other; but a program that was written against Cassandra learns here
 * already what that will say.
 *
 * Bytes are counted as Cassandra counts them, a row after the other while it is written; a row that
 * two statements of the batch change counts twice. Partitions are told apart by a hash of 64 bits.
 *
 * The words are Cassandra's, with its shipped settings batch_size_warn_threshold,
 * batch_size_fail_threshold and unlogged_batch_across_partitions_warn_threshold.
 */
#include "serve/cql/modify.h"

#include "base/hash.h"

#include <stdlib.h>

enum {
    WARN_BYTES = 5 << 10,
    FAIL_BYTES = 50 << 10,
    WARN_PARTITIONS = 10, /* of an unlogged batch */
    /* Cassandra's own: */
    PARTITION_BYTES = 29, /* a static row, with its cells or without, and a deletion */
    ROW_BYTES = 21,       /* time of the row, its deletion */
    TTL_BYTES = 12,
    CELL_BYTES = 20, /* times and ttl */
    COLLECTION_BYTES = 12,
    RANGE_BYTES = 16,
};

static void weigh_partition(struct modify_item *item, const struct str *partition)
{
    const struct cql_table *table = item->plan->table;
    struct modify_request *request = item->request;
    struct batch_weight *weight = request->weight;
    uint64_t hash = hash_bytes(table->keyspace.ptr, table->keyspace.bytes, 0);
    for (uint32_t i = 0; i < table->partition_count; i++)
        hash = hash_bytes(partition[i].ptr, partition[i].bytes, hash);
    if (weight->count == weight->room) {
        size_t room = weight->room ? weight->room * 2 : 64;
        uint64_t *more = arena_array(request->run->arena, room, sizeof *more);
        if (weight->count)
            memcpy(more, weight->partitions, weight->count * sizeof *more);
        weight->partitions = more;
        weight->room = room;
    }
    weight->partitions[weight->count++] = hash;
}

void batch_weigh_row(struct modify_item *item, const struct table_key *key,
                     const struct cell_list *cells)
{
    const struct cql_table *table = item->plan->table;
    bool is_static = table->clustering_count && !key->clustering_count;
    uint64_t bytes = is_static ? 0 : ROW_BYTES + (item->ttl_s ? TTL_BYTES : 0);
    uint32_t collection = UINT32_MAX;
    for (uint32_t i = 0; i < key->clustering_count; i++)
        bytes += key->clustering[i].bytes;
    for (uint32_t i = 0; i < cells->count; i++) {
        const struct table_cell *cell = &cells->cells[i];
        bool whole =
            !cell->path.ptr && !cell->value.ptr &&
            table_definition(table->table)->columns[cell->column].cells == TABLE_MANY_CELLS;
        if ((whole || cell->path.ptr) && collection != cell->column) {
            collection = cell->column;
            bytes += COLLECTION_BYTES;
        }
        bytes += whole ? 0 : CELL_BYTES + cell->path.bytes + cell->value.bytes;
    }
    item->request->weight->bytes += bytes;
    weigh_partition(item, key->partition);
}

void batch_weigh_deletion(struct modify_item *item, const struct str *partition,
                          const struct slice *slice)
{
    uint64_t bytes = 0;
    bool row = slice->from.count == item->plan->table->clustering_count &&
               slice->from.values == slice->to.values;
    for (uint32_t i = 0; i < slice->from.count; i++)
        bytes += slice->from.values[i].bytes;
    for (uint32_t i = 0; !row && i < slice->to.count; i++)
        bytes += slice->to.values[i].bytes;
    if (row && slice->from.count)
        bytes += ROW_BYTES;
    else if (slice->from.count || slice->to.count)
        bytes += RANGE_BYTES;
    item->request->weight->bytes += bytes;
    weigh_partition(item, partition);
}

/* ---- words ---- */

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static size_t count_partitions(struct batch_weight *weight)
{
    size_t count = 0;
    if (weight->count)
        qsort(weight->partitions, weight->count, sizeof *weight->partitions, compare_hashes);
    for (size_t i = 0; i < weight->count; i++)
        count += i == 0 || weight->partitions[i] != weight->partitions[i - 1];
    return count;
}

/* "[shop.orders, shop.people]": those that are chosen, each once. */
static struct str table_names(const struct modify_request *request,
                              bool (*chosen)(const struct cql_table *table), size_t *ret_count)
{
    struct buf names = {0};
    size_t count = 0;
    buf_char(&names, '[');
    for (size_t i = 0; i < request->count; i++) {
        const struct cql_table *table = request->items[i].plan->table;
        bool again = chosen && !chosen(table);
        for (size_t k = 0; k < i && !again; k++)
            again = request->items[k].plan->table->table == table->table;
        if (again)
            continue;
        buf_printf(&names, "%s%.*s.%.*s", count ? ", " : "", STR_ARG(table->keyspace),
                   STR_ARG(table->name));
        count++;
    }
    buf_char(&names, ']');
    struct str text = arena_str(request->run->arena, buf_str(&names));
    buf_deinit(&names);
    if (ret_count)
        *ret_count = count;
    return text;
}

static bool keeps_no_deletions(const struct cql_table *table)
{
    for (size_t i = 0; i < table->option_count; i++)
        if (str_equal(table->options[i].name, STR("gc_grace_seconds")))
            return str_equal(table->options[i].value->text, STR("0"));
    return false;
}

static void warn(struct modify_request *request, const char *text)
{
    struct str *warnings = request->run->warnings;
    size_t at = 0;
    while (at < RUN_WARNINGS_MAX - 1 && warnings[at].ptr)
        at++;
    warnings[at] = str_of(text);
}

static void warn_of_grace(struct modify_request *request)
{
    size_t count;
    struct str names = table_names(request, keeps_no_deletions, &count);
    if (count)
        warn(request,
             arena_printf(request->run->arena,
                          "Executing a LOGGED BATCH on table%s %.*s, configured with a "
                          "gc_grace_seconds of 0. The gc_grace_seconds is used to TTL batchlog "
                          "entries, so setting gc_grace_seconds too low on tables involved in an "
                          "atomic batch might cause batchlog entries to expire before being "
                          "replayed.",
                          count == 1 ? "" : "s", STR_ARG(names)));
}

enum err batch_weigh(struct modify_request *request)
{
    struct batch_weight *weight = request->weight;
    struct cql_run *run = request->run;
    if (weight->kind == BATCH_IS_LOGGED)
        warn_of_grace(request);
    uint64_t most = weight->bytes + weight->count * PARTITION_BYTES;
    bool unlogged = weight->kind != BATCH_IS_LOGGED;
    if (most <= WARN_BYTES && !(unlogged && weight->count > WARN_PARTITIONS))
        return OK;
    size_t partitions = count_partitions(weight), tables;
    uint64_t bytes = weight->bytes + partitions * PARTITION_BYTES;
    if (partitions <= 1)
        return OK;
    if (bytes > FAIL_BYTES)
        return cql_fail(&run->error, run->arena, CQL_INVALID, "Batch too large");
    struct str names = table_names(request, NULL, &tables);
    if (bytes > WARN_BYTES)
        warn(request, arena_printf(run->arena,
                                   "Batch for %.*s is of size %llu, exceeding specified threshold "
                                   "of %d by %llu.",
                                   STR_ARG(names), (unsigned long long)bytes, WARN_BYTES,
                                   (unsigned long long)bytes - WARN_BYTES));
    if (unlogged && partitions > WARN_PARTITIONS)
        warn(request,
             arena_printf(run->arena,
                          "Unlogged batch covering %zu partitions detected against table%s %.*s. "
                          "You should use a logged batch for atomicity, or asynchronous writes for "
                          "performance.",
                          partitions, tables == 1 ? "" : "s", STR_ARG(names)));
    return OK;
}
