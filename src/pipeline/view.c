/* SPDX-License-Identifier: MIT */
/*
 * A view's refresh: the query runs over what is committed, its rows gather in one table batch that
 * begins by clearing the table, and one commit replaces the old by the new. Tables elsewhere:
 * view_remote.c. Views over views come after those; a cycle cannot be planned, so the walk ends.
 *
 * What may pass by itself, a full disk or a database that does not answer, blocks a view: it is
 * tried again (view_work.c). What a person has to mend fails it until its inputs change.
 */
#include "pipeline/view.h"

#include "base/logline.h"

#include <stdio.h>

static enum err open_one(struct view *view, struct diag *diag)
{
    const struct views *views = view->views;
    const struct project_target *target = view->table->target;
    enum err err =
        views->adhoc.project->tables_kind
            ? view_remote_open(view, diag)
            : table_create(views->adhoc.store, &target->definition, diag, &view->store_table);
    if (err == OK)
        return OK;
    return diag_set(diag, err, 0, 0, "table %.*s.%.*s: %s", STR_ARG(target->keyspace),
                    STR_ARG(target->table), err_text(err));
}

enum err views_open(struct views *views, const struct adhoc *adhoc, bool durable,
                    const bool *stopping, struct diag *diag)
{
    struct project *project = adhoc->project;
    *views = (struct views){.adhoc = *adhoc, .durable = durable, .stopping = stopping};
    views->items = mem_zero((project->table_count + 1) * sizeof *views->items);
    io_mutex_init(&views->lock);
    for (size_t i = 0; i < project->table_count; i++) {
        struct project_table *table = &project->tables[i];
        if (table->kind != PROJECT_MATERIALIZED_VIEW || !table->plan)
            continue;
        struct view *view = &views->items[views->count++];
        *view = (struct view){.views = views, .table = table};
        TRY(open_one(view, diag));
    }
    return OK;
}

void views_close(struct views *views)
{
    for (size_t i = 0; i < views->count; i++)
        if (views->items[i].remote)
            views->items[i].remote->kind->close(views->items[i].remote);
    if (views->items)
        io_mutex_deinit(&views->lock);
    mem_free(views->items);
    *views = (struct views){0};
}

/* ---- state ---- */

bool views_are_stopping(const struct views *views)
{
    return views->stopping && __atomic_load_n(views->stopping, __ATOMIC_ACQUIRE);
}

enum view_state view_get_state(struct view *view)
{
    io_mutex_lock(&view->views->lock);
    enum view_state state = view->state;
    io_mutex_unlock(&view->views->lock);
    return state;
}

void view_set_state(struct view *view, enum view_state state, const char *detail)
{
    io_mutex_lock(&view->views->lock);
    enum view_state before = view->state;
    view->state = state;
    snprintf(view->detail, sizeof view->detail, "%.240s", detail ? detail : "");
    io_mutex_unlock(&view->views->lock);
    if (state == VIEW_FAILED)
        log_line(LOG_ERROR, "view", "%.*s: %s", STR_ARG(view->table->name), detail);
    else if (state == VIEW_BLOCKED && before != VIEW_BLOCKED)
        log_line(LOG_WARN, "view", "%.*s: %s", STR_ARG(view->table->name), detail);
    else if (state == VIEW_IDLE && before == VIEW_BLOCKED)
        log_line(LOG_INFO, "view", "%.*s: goes on", STR_ARG(view->table->name));
}

bool views_any_is_blocked(struct views *views)
{
    bool any = false;
    for (size_t i = 0; i < views->count; i++)
        any |= view_get_state(&views->items[i]) == VIEW_BLOCKED;
    return any;
}

/* ---- one refresh ---- */

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
    if (r->err == OK && table_batch_bytes(r->batch) > VIEW_BYTES_MAX)
        r->err =
            diag_set(r->diag, ERR_LIMIT, 0, 0, "the result is over %d MB", VIEW_BYTES_MAX >> 20);
    return r->err == OK;
}

static enum err refresh_embedded(struct view *view, struct diag *diag, uint64_t *ret_rows)
{
    struct views *views = view->views;
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
    *ret_rows = r.rows;
    return err;
}

static enum err refresh_one(struct view *view, struct diag *diag)
{
    struct views *views = view->views;
    struct diag own = {0};
    uint64_t rows = 0;
    enum err err = views_are_stopping(views) ? ERR_CANCELLED
                   : view->remote            ? view_remote_refresh(view, &own, &rows)
                                             : refresh_embedded(view, &own, &rows);
    if (err == ERR_CANCELLED && views_are_stopping(views))
        return err;
    diag_set(&own, err, 0, 0, "%s", err_text(err));
    if (err == OK) {
        view_set_state(view, VIEW_IDLE, NULL);
        io_mutex_lock(&views->lock);
        view->rows = rows;
        view->refreshes++;
        io_mutex_unlock(&views->lock);
    } else if (err == ERR_AGAIN || err == ERR_NETWORK || err == ERR_DISK_FULL) {
        char text[256];
        snprintf(text, sizeof text, "%.220s; tries again", own.message);
        view_set_state(view, VIEW_BLOCKED, text);
    } else {
        view_set_state(view, VIEW_FAILED, own.message);
    }
    if (err == OK)
        return OK;
    return diag_set(diag, err, 0, 0, "materialized view %.*s: %.400s", STR_ARG(view->table->name),
                    own.message);
}

/* ---- all of them ---- */

enum walked { NOT_YET, LEFT_ALONE, REFRESHED };

struct walk {
    struct views *views;
    bool only_blocked;
    uint8_t *walked; /* one a view */
    struct diag *diag;
};

/* Which views a view reads: those go first. */
static enum err refresh_after_inputs(struct walk *walk, size_t index)
{
    struct views *views = walk->views;
    struct view *view = &views->items[index];
    const struct query_input *inputs;
    if (walk->walked[index] != NOT_YET)
        return OK;
    walk->walked[index] = LEFT_ALONE;
    size_t count = query_plan_inputs(view->table->plan, &inputs);
    bool needed = !walk->only_blocked || view_get_state(view) == VIEW_BLOCKED;
    enum err err = OK;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < views->count; k++) {
            if (inputs[i].relation.handle != views->items[k].table)
                continue;
            if (err == OK)
                err = refresh_after_inputs(walk, k);
            needed |= walk->walked[k] == REFRESHED;
        }
    if (!needed)
        return err;
    walk->walked[index] = REFRESHED;
    enum err own_err = refresh_one(view, walk->diag);
    return own_err == OK ? err : own_err;
}

enum err views_refresh(struct views *views, bool only_blocked, struct diag *diag)
{
    struct walk walk = {.views = views,
                        .only_blocked = only_blocked,
                        .diag = diag,
                        .walked = mem_zero(views->count + 1)};
    enum err first = OK;
    for (size_t i = 0; i < views->count; i++) {
        enum err err = refresh_after_inputs(&walk, i);
        if (first == OK)
            first = err;
    }
    mem_free(walk.walked);
    return first;
}
