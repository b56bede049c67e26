/* SPDX-License-Identifier: MIT */
/*
 * INSERT, UPDATE and DELETE while running.
 *
 *   nothing is read       straight into the batch of this turn (exec.c)
 *   something is read     a job of its own: run on the commit thread, where it sees all writes
 *                         before it and nothing comes between its read and its write
 *
 * A write that fails in the middle must leave nothing in the turn's batch: what can fail is
 * evaluated before the first write, and a statement of several rows has a batch of its own that is
 * copied when it is complete.
 *
 * Invariants: 1. a job's run touches nothing of the loop but its own request. 2. keys are checked
 * before they reach the store.
 */
#include "serve/cql/modify.h"
#include "serve/cql/compact.h"

#include "base/endian.h"
#include "serve/cql/select.h"
#include "serve/cql/trace.h"

enum { TTL_MAX = 630720000 };

/* ---- USING ---- */

enum err modify_bind(struct modify_item *item, int64_t fallback_us)
{
    const struct modify_plan *p = item->plan;
    struct expr_run *eval = &item->eval;
    struct str value;
    item->timestamp_us = fallback_us;
    if (p->timestamp) {
        TRY(expr_eval(eval, p->timestamp, &value));
        if (!value.ptr)
            return cql_fail(eval->error, eval->arena, CQL_INVALID,
                            "Invalid null value of timestamp");
        if (!expr_is_unset(value)) {
            if (value.bytes != 8)
                return cql_fail(eval->error, eval->arena, CQL_INVALID, "Invalid timestamp value");
            item->timestamp_us = (int64_t)get_be64(value.ptr);
            if (item->timestamp_us == INT64_MIN)
                return cql_fail(eval->error, eval->arena, CQL_INVALID,
                                "Out of bound timestamp, must be in [%lld, %lld]",
                                (long long)-INT64_MAX, (long long)INT64_MAX);
            item->custom_timestamp = true;
        }
    }
    item->ttl_s = p->table->ttl_default_s;
    if (!p->ttl)
        return OK;
    TRY(expr_eval(eval, p->ttl, &value));
    if (expr_is_unset(value))
        return OK;
    item->ttl_s = 0;
    if (!value.ptr || value.bytes != 4)
        return OK;
    item->ttl_s = (int32_t)get_be32(value.ptr);
    return OK;
}

/* Judged when some rows are named, even if no partition is (IN ()), as in Cassandra. */
static enum err check_ttl(const struct modify_item *item)
{
    const struct expr_run *eval = &item->eval;
    if (!item->plan->ttl || (item->ttl_s >= 0 && item->ttl_s <= TTL_MAX))
        return OK;
    return item->ttl_s < 0
               ? cql_fail(eval->error, eval->arena, CQL_INVALID,
                          "A TTL must be greater or equal to 0, but was %d", (int)item->ttl_s)
               : cql_fail(eval->error, eval->arena, CQL_INVALID,
                          "ttl is too large. requested (%d) maximum (%d)", (int)item->ttl_s,
                          TTL_MAX);
}

/* ---- INSERT JSON ---- */

enum err modify_json(struct modify_item *item)
{
    const struct cql_table *table = item->plan->table;
    struct expr_run *eval = &item->eval;
    struct str text;
    TRY(expr_eval(eval, item->plan->json, &text));
    if (!text.ptr || expr_is_unset(text))
        return cql_fail(eval->error, eval->arena, CQL_INVALID, "Got null for INSERT JSON values");
    struct json_member *members;
    size_t count;
    TRY(json_members(eval->arena, text, eval->error, &members, &count));
    struct str *values = arena_array(eval->arena, table->column_count, sizeof *values);
    for (uint32_t i = 0; i < table->column_count; i++)
        values[i] = item->plan->default_unset ? EXPR_UNSET : STR_NONE;
    for (size_t i = 0; i < count; i++) {
        const struct cql_table_column *column = cql_column_find(table, members[i].name);
        if (!column)
            return cql_fail(eval->error, eval->arena, CQL_INVALID,
                            "JSON values map contains unrecognized column: %.*s",
                            STR_ARG(members[i].name));
        struct cql_error inner = {0};
        enum err err = json_to_value(eval->arena, column->type, members[i].value, &inner,
                                     &values[column - table->columns]);
        if (err != OK)
            return cql_fail(eval->error, eval->arena, CQL_INVALID,
                            "Error decoding JSON value for %.*s: %.*s", STR_ARG(column->name),
                            STR_ARG(inner.message));
    }
    eval->values = values;
    return OK;
}

/* ---- rows ---- */

static enum err read_row(struct modify_row *m, struct table_reader *reader,
                         const struct table_key *key)
{
    const struct modify_plan *p = m->item->plan;
    int64_t now_s = m->item->eval.now_us / 1000000;
    m->row = m->static_row = NULL;
    if (!p->reads || !reader)
        return OK;
    enum err err = ERR_NOT_FOUND;
    if (p->regular)
        err = table_read_row(reader, p->table->table, key, NULL, now_s, &m->row);
    if (err == ERR_NOT_FOUND && p->table->has_static) {
        struct table_key statics = {.partition = key->partition};
        m->row = NULL;
        err = table_read_row(reader, p->table->table, &statics, NULL, now_s, &m->static_row);
    }
    if (err == ERR_NOT_FOUND) {
        m->row = m->static_row = NULL;
        return OK;
    }
    return err;
}

static enum err check_clustering(struct modify_item *item, const struct table_key *key)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < key->clustering_count; i++)
        bytes += key->clustering[i].bytes;
    const struct cql_table *table = item->plan->table;
    if (compact_is_dense(table) && table->clustering_count == 1 && !bytes)
        return cql_fail(item->eval.error, item->eval.arena, CQL_INVALID,
                        "Invalid empty or null value for column %.*s",
                        STR_ARG(table->columns[table->partition_count].name));
    if (bytes > 65535)
        return cql_fail(item->eval.error, item->eval.arena, CQL_INVALID,
                        "Key length of %zu is longer than maximum of 65535", bytes);
    return OK;
}

const struct str *modify_clustering(const struct modify_item *item, const struct slice *slice)
{
    uint32_t count = item->plan->table->clustering_count;
    if (slice->from.count == count)
        return slice->from.values;
    struct str *values = arena_zero(item->eval.arena, count * sizeof *values);
    memcpy(values, slice->from.values, slice->from.count * sizeof *values);
    return values;
}

static enum err write_row(struct modify_item *item, struct table_batch *batch,
                          struct table_reader *reader, const struct table_key *key)
{
    const struct modify_plan *p = item->plan;
    struct modify_row m = {.item = item, .key = key};
    TRY(check_clustering(item, key));
    TRY(read_row(&m, reader, key));
    for (size_t i = 0; i < p->op_count; i++)
        TRY(modify_op_cells(&m, &p->ops[i]));
    bool insert = p->statement == WHERE_INSERT && !compact_needs_value(p->table);
    if (m.lists[1].count) {
        struct table_row_write write = {.key = {.partition = key->partition},
                                        .cells = m.lists[1].cells,
                                        .cell_count = m.lists[1].count};
        TRY(table_batch_cells(batch, p->table->table, &write));
    }
    if (p->regular && (insert || m.lists[0].count)) {
        struct table_row_write write = {.key = *key,
                                        .cells = m.lists[0].cells,
                                        .cell_count = m.lists[0].count,
                                        .marker = insert,
                                        .marker_timestamp_us = item->timestamp_us,
                                        .marker_ttl_s = item->ttl_s};
        if (item->ttl_s)
            write.marker_expires_s = item->eval.now_us / 1000000 + item->ttl_s;
        TRY(table_batch_cells(batch, p->table->table, &write));
    }
    for (size_t i = 0; item->request->weight && i < 2; i++)
        if (m.lists[i].count || (i == 0 && insert))
            batch_weigh_row(item, i ? &(struct table_key){.partition = key->partition} : key,
                            &m.lists[i]);
    if (p->table->index_count == 0)
        return OK;
    for (size_t i = 0; i < 2; i++)
        if (m.lists[i].count || (i == 0 && insert))
            TRY(index_write(item, batch, key->partition, i ? NULL : key->clustering, &m.lists[i]));
    return OK;
}

/* ---- deletions of rows, ranges, partitions ---- */

static enum err delete_slice(struct modify_item *item, struct table_batch *batch,
                             const struct str *partition, const struct slice *slice)
{
    const struct modify_plan *p = item->plan;
    uint32_t columns = p->table->clustering_count;
    if (columns == 0 || (slice->from.count == 0 && slice->to.count == 0))
        return table_batch_delete_partition(batch, p->table->table, partition, item->timestamp_us);
    if (slice->from.count == columns && slice->from.values == slice->to.values) {
        struct table_key key = {partition, slice->from.values, columns};
        TRY(check_clustering(item, &key));
        return table_batch_delete_row(batch, p->table->table, &key, item->timestamp_us);
    }
    return table_batch_delete_range(batch, p->table->table, partition, &slice->from, &slice->to,
                                    item->timestamp_us);
}

enum err modify_apply(struct modify_item *item, struct table_batch *batch,
                      struct table_reader *reader)
{
    const struct modify_plan *p = item->plan;
    const struct str **keys;
    struct slice *slices = NULL;
    size_t key_count, slice_count = 0;
    TRY(where_partitions(&item->eval, &p->where, &keys, &key_count));
    TRY(where_check_keys(&item->eval, keys, key_count));
    bool deletes = p->statement == WHERE_DELETE && p->op_count == 0;
    bool rows = deletes || p->where.restricts_clustering;
    if (rows)
        TRY(where_slices(&item->eval, &p->where, &slices, &slice_count));
    else
        slice_count = 1;
    if (slice_count)
        TRY(check_ttl(item));
    if (p->columns_of_range && key_count && slice_count)
        return cql_fail(item->eval.error, item->eval.arena, CQL_INVALID,
                        "Range deletions are not supported for specific columns");
    for (size_t k = 0; k < key_count; k++) {
        for (size_t i = 0; i < slice_count; i++) {
            if (deletes) {
                if (item->request->weight)
                    batch_weigh_deletion(item, keys[k], &slices[i]);
                TRY(delete_slice(item, batch, keys[k], &slices[i]));
                continue;
            }
            struct table_key key = {.partition = keys[k]};
            if (rows) {
                key.clustering = modify_clustering(item, &slices[i]);
                key.clustering_count = p->table->clustering_count;
            }
            TRY(write_row(item, batch, reader, &key));
        }
    }
    return OK;
}

/* ---- requests ---- */

enum err modify_item_init(struct modify_request *request, struct modify_item *item,
                          const struct modify_plan *plan, const struct cql_value *binds,
                          size_t bind_count)
{
    struct cql_run *run = request->run;
    item->plan = plan;
    item->request = request;
    item->eval = (struct expr_run){.executor = run->executor,
                                   .arena = run->arena,
                                   .error = &run->error,
                                   .binds = binds,
                                   .bind_count = bind_count,
                                   .table = plan->table};
    item->eval.now_us = run->parameters->now_s != INT32_MIN
                            ? (int64_t)run->parameters->now_s * 1000000
                            : io_wall_us(run->executor->io);
    TRY(modify_bind(item, request->fallback_us));
    return plan->json ? modify_json(item) : OK;
}

/* One timestamp for all that have none of their own; with conditions for all, as the ballot's is in
 * Cassandra. */
static void fill_timestamps(struct modify_request *request)
{
    if (request->fallback_us != INT64_MIN)
        return;
    request->fallback_us = executor_timestamp(request->run->executor);
    for (size_t i = 0; i < request->count; i++)
        if (request->conditional || !request->items[i].custom_timestamp)
            request->items[i].timestamp_us = request->fallback_us;
}

enum err modify_apply_all(struct modify_request *request, struct table_batch *batch,
                          struct table_reader *reader)
{
    fill_timestamps(request);
    for (size_t i = 0; i < request->count; i++)
        TRY(modify_apply(&request->items[i], batch, reader));
    return request->weight ? batch_weigh(request) : OK;
}

static enum err job_run(struct table_job *job)
{
    struct modify_request *request = job->owner;
    struct table_reader *reader = request->run->executor->writer;
    if (request->conditional)
        return modify_cas(request, job->batch, reader);
    return modify_apply_all(request, job->batch, reader);
}

static void job_done(struct table_job *job)
{
    struct modify_request *request = job->owner;
    struct cql_run *run = request->run;
    enum err err = job->err;
    table_batch_free(job->batch);
    run->executor->under_way--;
    if (err != OK)
        run_fail(run, err);
    else if (request->conditional)
        run->done(run);
    else
        run_void(run);
}

void modify_submit(struct modify_request *request)
{
    struct cql_executor *executor = request->run->executor;
    turn_flush(executor);
    request->job = (struct table_job){.batch = table_batch_new(executor->store),
                                      .run = job_run,
                                      .done = job_done,
                                      .owner = request,
                                      .loop = executor->loop,
                                      .sync = executor->sync};
    executor->under_way++;
    table_submit(executor->store, &request->job);
}

static bool simple(const struct modify_request *request)
{
    const struct modify_plan *p = request->items[0].plan;
    bool deletes = p->statement == WHERE_DELETE && p->op_count == 0;
    return request->count == 1 && !p->where.key_in && !p->where.clustering_in && !p->statics &&
           (deletes || p->table->index_count == 0);
}

/* Into the turn's batch: straight when it is one row, else by way of a batch of its own. */
static enum err write_now(struct modify_request *request)
{
    struct cql_executor *executor = request->run->executor;
    if (simple(request))
        return modify_apply_all(request, turn_batch(executor), NULL);
    struct table_batch *own = table_batch_new(executor->store);
    enum err err = modify_apply_all(request, own, NULL);
    if (err == OK)
        table_batch_merge(turn_batch(executor), own);
    table_batch_free(own);
    return err;
}

/* Rows of virtual tables are nobody's to change. */
static enum err refuse_virtual(const struct modify_request *request)
{
    struct cql_run *run = request->run;
    for (size_t i = 0; i < request->count; i++) {
        const struct cql_table *table = request->items[i].plan->table;
        if (!table->table)
            return cql_fail(&run->error, run->arena, CQL_INVALID,
                            "Modification is not supported by table %.*s.%.*s",
                            STR_ARG(table->keyspace), STR_ARG(table->name));
    }
    return OK;
}

void modify_start(struct modify_request *request)
{
    struct cql_run *run = request->run;
    enum err refused = refuse_virtual(request);
    if (refused != OK) {
        run_fail(run, refused);
        return;
    }
    bool reads = request->conditional;
    for (size_t i = 0; i < request->count; i++)
        reads = reads || request->items[i].plan->reads;
    if (run->trace)
        for (size_t i = 0; i < request->count; i++)
            cql_trace_event(run->trace, "%s %.*s",
                            reads ? "Reading and then writing" : "Adding to the commit:",
                            STR_ARG(request->items[i].plan->table->name));
    if (reads) {
        modify_submit(request);
        return;
    }
    enum err err = write_now(request);
    if (err != OK)
        run_fail(run, err);
    else
        turn_join(run->executor, run);
}

void modify_run(struct cql_run *run)
{
    const struct modify_plan *p = run->plan->private;
    struct modify_request *request = arena_zero(run->arena, sizeof *request);
    struct modify_item *item = arena_zero(run->arena, sizeof *item);
    request->run = run;
    request->items = item;
    request->count = 1;
    request->conditional = p->conditional;
    request->fallback_us =
        run->parameters->timestamp_us != INT64_MIN && !p->counter && !p->conditional
            ? run->parameters->timestamp_us
            : INT64_MIN;
    const struct cql_value *binds;
    enum err err = consistency_check(run, true, p->conditional);
    if (err == OK)
        err = bind_values(run, run->plan, run->parameters->values, run->parameters->value_count,
                          &binds);
    if (err == OK)
        err = modify_item_init(request, item, p, binds, run->plan->bind_count);
    if (err != OK) {
        run_fail(run, err);
        return;
    }
    modify_start(request);
}
