/* SPDX-License-Identifier: MIT */
/*
 * A view's refresh: the query runs over what is committed, its rows gather in one table batch that
 * begins by clearing the table, and one commit replaces the old by the new. Views over views come
 * after those; a cycle cannot be planned, so the walk ends.
 */
#include "pipeline/view.h"

#include "base/logline.h"

#include <stdio.h>

enum { BATCH_BYTES_MAX = 512 << 20 };

enum err views_open(struct views *views, const struct adhoc *adhoc, bool durable, struct diag *diag)
{
    struct project *project = adhoc->project;
    *views = (struct views){.adhoc = *adhoc, .durable = durable};
    views->items = mem_zero((project->table_count + 1) * sizeof *views->items);
    for (size_t i = 0; i < project->table_count; i++) {
        struct project_table *table = &project->tables[i];
        if (table->kind != PROJECT_MATERIALIZED_VIEW || !table->plan)
            continue;
        struct view *view = &views->items[views->count++];
        view->table = table;
        enum err err =
            table_create(adhoc->store, &table->target->definition, diag, &view->store_table);
        if (err != OK)
            return diag_set(diag, err, 0, 0, "table %.*s.%.*s: %s",
                            STR_ARG(table->target->keyspace), STR_ARG(table->target->table),
                            err_text(err));
    }
    return OK;
}

void views_close(struct views *views)
{
    mem_free(views->items);
    *views = (struct views){0};
}

struct refreshing {
    struct view *view;
    struct table_batch *batch;
    struct diag *diag;
    uint64_t rows;
    int64_t now_us;
    enum err err;
};

static bool any_schema(void *owner, const struct type *schema)
{
    return true;
}

static bool add_rows(void *owner, const struct batch *rows)
{
    struct refreshing *r = owner;
    struct table_write write = {.timestamp_us = r->now_us};
    uint32_t bad;
    if (!table_definition(r->view->store_table)->append_only)
        r->err = table_batch_upsert(r->batch, r->view->store_table, rows, 0, rows->rows, &write,
                                    &bad, r->diag);
    else {
        struct table_place *places = mem_array(rows->rows + 1, sizeof *places);
        for (uint32_t i = 0; i < rows->rows; i++)
            places[i] = (struct table_place){.offset = (int64_t)(r->rows + i)};
        r->err = table_batch_append(r->batch, r->view->store_table, rows, 0, rows->rows, places,
                                    &write, &bad, r->diag);
        mem_free(places);
    }
    r->rows += rows->rows;
    if (r->err == OK && table_batch_bytes(r->batch) > BATCH_BYTES_MAX)
        r->err =
            diag_set(r->diag, ERR_LIMIT, 0, 0, "the result is over %d MB", BATCH_BYTES_MAX >> 20);
    return r->err == OK;
}

static enum err refresh_one(struct views *views, struct view *view, struct diag *diag)
{
    struct refreshing r = {.view = view, .diag = diag, .now_us = io_wall_us(views->adhoc.io)};
    r.batch = table_batch_new(views->adhoc.store);
    table_batch_clear(r.batch, view->store_table);
    struct adhoc_result result = {any_schema, add_rows, &r};
    enum err err = adhoc_statement(&views->adhoc, view->table->statement, &result, diag);
    if (err == OK)
        err = r.err;
    if (err == OK)
        err = table_commit(views->adhoc.store, r.batch, views->durable);
    table_batch_free(r.batch);
    if (err == OK) {
        view->rows = r.rows;
        view->refreshes++;
    }
    return err;
}

/* Which views a view reads: those go first. */
static enum err refresh_after_inputs(struct views *views, size_t index, bool *done,
                                     struct diag *diag)
{
    struct view *view = &views->items[index];
    const struct query_input *inputs;
    if (done[index])
        return OK;
    done[index] = true;
    size_t count = query_plan_inputs(view->table->plan, &inputs);
    enum err err = OK;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < views->count; k++)
            if (inputs[i].relation.handle == views->items[k].table && err == OK)
                err = refresh_after_inputs(views, k, done, diag);
    struct diag own = {0};
    enum err own_err = refresh_one(views, view, &own);
    view->failed = own_err != OK;
    if (own_err == OK)
        return err;
    diag_set(&own, own_err, 0, 0, "%s", err_text(own_err));
    snprintf(view->detail, sizeof view->detail, "%.240s", own.message);
    log_line(LOG_ERROR, "view", "%.*s: %s", STR_ARG(view->table->name), own.message);
    diag_set(diag, own_err, 0, 0, "materialized view %.*s: %.400s", STR_ARG(view->table->name),
             own.message);
    return own_err;
}

enum err views_refresh(struct views *views, struct diag *diag)
{
    bool *done = mem_zero(views->count + 1);
    enum err first = OK;
    for (size_t i = 0; i < views->count; i++) {
        enum err err = refresh_after_inputs(views, i, done, diag);
        if (first == OK)
            first = err;
    }
    mem_free(done);
    return first;
}
