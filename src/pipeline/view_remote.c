/* SPDX-License-Identifier: MIT */
/*
 * A view whose table lives elsewhere (remote.h): the table is made when it is missing, the query
 * runs and its rows gather as requests, the run's timestamp goes to disk, the table becomes the
 * result row by row (cassandra_replace.c says in which order and what readers see).
 *
 * The timestamp of a run is above that of every run before, also of those that were killed: it is
 * committed to the embedded store before the first row leaves, as state "view/NAME/ENGINE" with
 *
 *   u8 version = 1 | varint timestamp_us
 *
 * It is the clock's, unless the clock went back. Where the state is lost, with the data directory
 * or (durability: os) with the power, the clock alone keeps the order.
 *
 * The other side is waited for as long as it takes, with the trouble as the view's detail. What it
 * refuses, and a query that cannot read a table over there, ends the run; it is tried again.
 */
#include "base/reader.h"
#include "pipeline/view.h"

#include <stdio.h>

enum { STATE_VERSION = 1 };

static void state_key(const struct view *view, struct buf *key)
{
    buf_printf(key, "view/%.*s/%s", STR_ARG(view->table->name),
               view->views->adhoc.project->tables_kind->scheme);
}

static enum err load_timestamp(struct view *view)
{
    CLEAN(buf_deinit) struct buf key = {0}, value = {0};
    state_key(view, &key);
    enum err err = table_state_get(view->views->adhoc.store, buf_str(&key), &value);
    if (err == ERR_NOT_FOUND)
        return OK;
    TRY(err);
    struct reader r = reader_of(value.ptr, value.bytes);
    if (reader_u8(&r) != STATE_VERSION)
        return ERR_UNSUPPORTED;
    int64_t timestamp_us = reader_varint(&r, 64);
    TRY(r.err);
    view->timestamp_us = timestamp_us;
    return OK;
}

/* On disk when it returns, as far as `durability` says. */
static enum err save_timestamp(struct view *view, int64_t timestamp_us)
{
    struct views *views = view->views;
    CLEAN(buf_deinit) struct buf key = {0}, value = {0};
    state_key(view, &key);
    buf_u8(&value, STATE_VERSION);
    buf_varint(&value, timestamp_us);
    struct table_batch *batch = table_batch_new(views->adhoc.store);
    table_batch_state(batch, buf_str(&key), buf_str(&value));
    enum err err = table_commit(views->adhoc.store, batch, views->durable);
    table_batch_free(batch);
    if (err == OK)
        view->timestamp_us = timestamp_us;
    return err;
}

enum err view_remote_open(struct view *view, struct diag *diag)
{
    const struct adhoc *adhoc = &view->views->adhoc;
    const struct project *project = adhoc->project;
    TRY(load_timestamp(view));
    return project->tables_kind->open(adhoc->io, project->tables_place,
                                      &view->table->target->definition,
                                      REMOTE_PATIENT | REMOTE_REPLACED, diag, &view->remote);
}

/* ---- waiting for the other side ---- */

static bool stopping(void *owner)
{
    const struct view *view = owner;
    return views_are_stopping(view->views);
}

static void waiting(void *owner, const char *trouble)
{
    struct view *view = owner;
    if (trouble)
        view_set_state(view, VIEW_BLOCKED, trouble);
    else if (view_get_state(view) == VIEW_BLOCKED)
        view_set_state(view, VIEW_IDLE, NULL);
}

/* ---- a run ---- */

struct gathering {
    struct view *view;
    struct diag *diag;
    int64_t timestamp_us;
    uint64_t rows;
    enum err err;
};

static bool any_schema(void *owner, const struct type *schema)
{
    return true;
}

static bool add_rows(void *owner, const struct batch *rows)
{
    struct gathering *g = owner;
    struct remote_table *remote = g->view->remote;
    struct remote_row *places = mem_array(rows->rows + 1, sizeof *places);
    uint32_t bad;
    for (uint32_t i = 0; i < rows->rows; i++)
        places[i] = (struct remote_row){.place = {.offset = (int64_t)(g->rows + i)},
                                        .timestamp_us = g->timestamp_us};
    g->err = remote->kind->add(remote, rows, 0, rows->rows, places, &bad, g->diag);
    mem_free(places);
    g->rows += rows->rows;
    if (g->err == ERR_LIMIT || (g->err == OK && remote->kind->gathered(remote) > VIEW_BYTES_MAX))
        g->err =
            diag_set(g->diag, ERR_LIMIT, 0, 0, "the result is over %d MB", VIEW_BYTES_MAX >> 20);
    if (g->err == OK && views_are_stopping(g->view->views))
        g->err = ERR_CANCELLED;
    return g->err == OK;
}

static enum err run(struct view *view, const struct remote_wait *wait, struct gathering *g)
{
    struct remote_table *remote = view->remote;
    struct adhoc adhoc = view->views->adhoc;
    struct adhoc_result result = {any_schema, add_rows, g};
    TRY(remote->kind->ready(remote, true, wait, g->diag));
    int64_t now_us = io_wall_us(adhoc.io);
    g->timestamp_us = now_us > view->timestamp_us ? now_us : view->timestamp_us + 1;
    adhoc.wait = wait;
    TRY(adhoc_statement(&adhoc, view->table->statement, &result, g->diag));
    TRY(g->err);
    TRY(save_timestamp(view, g->timestamp_us));
    return remote->kind->replace(remote, g->timestamp_us, wait, g->diag);
}

enum err view_remote_refresh(struct view *view, struct diag *diag, uint64_t *ret_rows)
{
    struct gathering g = {.view = view, .diag = diag};
    struct remote_wait wait = {stopping, waiting, view};
    view->remote->kind->reset(view->remote);
    enum err err = run(view, &wait, &g);
    view->remote->kind->reset(view->remote);
    *ret_rows = g.rows;
    return err;
}
