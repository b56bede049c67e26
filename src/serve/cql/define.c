/* SPDX-License-Identifier: MIT */
/*
 * Statements that the executor does not do: USE, definitions, DESCRIBE, roles, and those that are
 * refused.
 *
 * A definition is changed in the worker's thread; when that is done the client gets its result and
 * everybody who registered for it the event, the client's own connection too. DESCRIBE makes all of
 * its rows and gives a page of them; a paging state is the offset and the version of the schema,
 * and is refused when that is another by then, as in Cassandra.
 */
#include "serve/cql/net.h"

/* ---- USE ---- */

static void use(struct cql_call *call, const struct cql_statement *statement)
{
    struct cql_connection *connection = call->connection;
    struct str name =
        statement->name.keyspace.ptr ? statement->name.keyspace : statement->name.name;
    if (!cql_keyspace_find(connection->server->catalog, name)) {
        cql_answer_fail(call, CQL_INVALID, "Keyspace '%.*s' does not exist", STR_ARG(name));
        return;
    }
    mem_free((char *)connection->keyspace.ptr);
    connection->keyspace = (struct str){str_dup(name), name.bytes};
    struct buf *out = cql_call_out(call);
    buf_be32(out, CQL_RESULT_SET_KEYSPACE);
    cql_string_append(out, name);
    cql_answer(call, CQL_RESULT, buf_str(out));
}

/* ---- events ---- */

void cql_event_schema(struct cql_server *server, const struct cql_change *change)
{
    struct buf body = {0};
    cql_string_append(&body, STR("SCHEMA_CHANGE"));
    cql_schema_change_append(&body, change->change, change->target, change->keyspace, change->name,
                             NULL, 0);
    for (struct cql_connection *c = server->connections; c; c = c->next)
        if (c->events & EVENT_SCHEMA && c->phase == PHASE_READY)
            cql_send(c, c->version, 0, -1, CQL_EVENT, STR_NONE, buf_str(&body));
    buf_deinit(&body);
}

/* Tables that pipelines make and drop: looked for now and then, while there is somebody to tell. */
enum { WATCH_NS = 1000000000 };

static void take_changes(struct cql_server *server, bool tell)
{
    struct arena arena;
    struct cql_change *changes;
    arena_init(&arena, SIZE_MAX);
    size_t count = cql_catalog_take_changes(server->catalog, &arena, &changes);
    for (size_t i = 0; tell && i < count; i++)
        cql_event_schema(server, &changes[i]);
    arena_deinit(&arena);
}

void cql_watch(struct io_timer *timer)
{
    struct cql_server *server = timer->owner;
    const struct cql_connection *c = server->connections;
    take_changes(server, true);
    while (c && !(c->events & EVENT_SCHEMA))
        c = c->next;
    server->watching = c;
    if (c)
        io_timer_start(server->loop, &server->watch, WATCH_NS);
}

void cql_watch_start(struct cql_server *server)
{
    if (server->watching)
        return;
    /* What was before, the client asks for itself. */
    take_changes(server, false);
    server->watching = true;
    io_timer_start(server->loop, &server->watch, WATCH_NS);
}

/* ---- definitions ---- */

static struct cql_call *call_of(struct io_job *job)
{
    return (struct cql_call *)((char *)job - offsetof(struct cql_call, job));
}

static void change_run(struct io_job *job)
{
    struct cql_call *call = call_of(job);
    struct cql_server *server = job->owner;
    call->change = (struct cql_change){0};
    /* The keyspace is the one of the time when it was planned. */
    call->job_err =
        cql_catalog_apply_as(server->catalog, call->connection->user, call->plan->keyspace,
                             call->plan->statement, &call->arena, &call->error, &call->change);
}

static void change_answer(struct io_job *job)
{
    struct cql_call *call = call_of(job);
    if (call->job_err != OK) {
        if (!call->error.message.ptr) {
            call->error.code = (enum cql_error_code)err_info(call->job_err)->cql;
            call->error.message = str_of(err_text(call->job_err));
        }
        cql_answer_error(call, &call->error);
        return;
    }
    const struct cql_change *change = &call->change;
    struct buf *out = cql_call_out(call);
    if (change->change) {
        cql_prepared_check(job->owner);
        cql_event_schema(job->owner, change);
        buf_be32(out, CQL_RESULT_SCHEMA_CHANGE);
        cql_schema_change_append(out, change->change, change->target, change->keyspace,
                                 change->name, NULL, 0);
    } else {
        buf_be32(out, CQL_RESULT_VOID);
    }
    cql_answer(call, CQL_RESULT, buf_str(out));
}

static void build_run(struct io_job *job)
{
    struct cql_call *call = call_of(job);
    struct cql_server *server = job->owner;
    call->job_err =
        cql_catalog_build_index(server->catalog, &call->change, &call->arena, &call->error);
}

static void build_index(struct table_job *behind)
{
    struct cql_call *call = behind->owner;
    struct cql_server *server = call->job.owner;
    call->job.run = build_run;
    call->job.done = change_answer;
    io_worker_do(server->worker, &call->job);
}

static void change_done(struct io_job *job)
{
    struct cql_call *call = call_of(job);
    struct cql_server *server = job->owner;
    if (call->job_err != OK || !call->change.index.ptr) {
        change_answer(job);
        return;
    }
    /* Statements that were planned without the index are committed before it is built. */
    call->behind = (struct table_job){.done = build_index, .owner = call};
    cql_behind_writes(server->executor, &call->behind);
}

static void change(struct cql_call *call)
{
    call->error = (struct cql_error){0};
    call->job.run = change_run;
    call->job.done = change_done;
    call->job.owner = call->connection->server;
    io_worker_do(call->connection->server->worker, &call->job);
}

/* ---- DESCRIBE ---- */

enum { PAGE_STATE_BYTES = 4 + 16 };

/* Where to go on; 0 at the beginning. False: answered. */
static bool page_begin(struct cql_call *call, const uint8_t *version, size_t *ret_from)
{
    struct str state = call->request.parameters.paging_state;
    *ret_from = 0;
    if (!state.bytes)
        return true;
    if (state.bytes != PAGE_STATE_BYTES) {
        cql_answer_fail(call, CQL_PROTOCOL_ERROR, "Invalid value for the paging state");
        return false;
    }
    if (memcmp(state.ptr + 4, version, 16) != 0) {
        cql_answer_fail(call, CQL_INVALID,
                        "The schema has changed since the previous page of the DESCRIBE statement "
                        "result. Please retry the DESCRIBE statement.");
        return false;
    }
    *ret_from = get_be32(state.ptr);
    return true;
}

static void rows_append(struct buf *out, unsigned version, const struct cql_column *columns,
                        size_t column_count, struct str **rows, size_t from, size_t to,
                        struct str paging_state)
{
    struct cql_rows_metadata metadata = {
        .columns = columns, .column_count = column_count, .paging_state = paging_state};
    buf_be32(out, CQL_RESULT_ROWS);
    cql_rows_metadata_append(out, version, &metadata);
    buf_be32(out, (uint32_t)(to - from));
    for (size_t i = from; i < to; i++)
        for (size_t c = 0; c < column_count; c++)
            cql_bytes_append(out, rows[i][c]);
}

static void list_roles(struct cql_call *call)
{
    struct cql_described d = {0};
    call->error = (struct cql_error){0};
    if (cql_catalog_list_roles(call->connection->server->catalog,
                               &call->plan->statement->list_roles, &call->arena, &call->error,
                               &d) != OK) {
        cql_answer_error(call, &call->error);
        return;
    }
    struct buf *out = cql_call_out(call);
    rows_append(out, call->header.version, d.columns, d.column_count, d.rows, 0, d.row_count,
                STR_NONE);
    cql_answer(call, CQL_RESULT, buf_str(out));
}

static void describe(struct cql_call *call)
{
    struct cql_server *server = call->connection->server;
    struct cql_described d = {0};
    uint8_t version[16], state[PAGE_STATE_BYTES];
    size_t from;
    memcpy(version, cql_catalog_version(server->catalog), 16);
    if (!page_begin(call, version, &from))
        return;
    call->error = (struct cql_error){0};
    if (cql_catalog_describe(server->catalog, call->plan->keyspace,
                             &call->plan->statement->describe, &call->arena, &call->error,
                             &d) != OK) {
        cql_answer_error(call, &call->error);
        return;
    }
    const struct cql_parameters *p = &call->request.parameters;
    size_t to = d.row_count;
    from = from < to ? from : to;
    bool paged = p->flags & CQL_QUERY_PAGE_SIZE && p->page_size > 0;
    if (paged && to - from > (size_t)p->page_size)
        to = from + (size_t)p->page_size;
    put_be32(state, (uint32_t)to);
    memcpy(state + 4, version, 16);
    struct buf *out = cql_call_out(call);
    rows_append(out, call->header.version, d.columns, d.column_count, d.rows, from, to,
                to < d.row_count ? str_from(state, sizeof state) : STR_NONE);
    if (buf_error(out) != OK)
        cql_answer_fail(call, CQL_SERVER_ERROR, "The description is too big");
    else
        cql_answer(call, CQL_RESULT, buf_str(out));
}

void cql_define(struct cql_call *call)
{
    const struct cql_statement *statement = call->plan->statement;
    switch (statement->kind) {
    case CQL_USE:
        use(call, statement);
        return;
    case CQL_DESCRIBE:
        describe(call);
        return;
    case CQL_LIST_ROLES:
        list_roles(call);
        return;
    default:
        change(call);
    }
}
