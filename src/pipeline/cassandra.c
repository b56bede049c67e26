/* SPDX-License-Identifier: MIT */
/*
 * `engines.tables: cassandra://..`: the rows of an epoch as prepared INSERTs over the pipelined
 * client of connect. The loop is the table's own and is turned by whoever waits: a stream has no
 * more threads than with embedded tables, and its rows are encoded straight into requests.
 *
 * Every INSERT carries its timestamp (the protocol's default timestamp, as USING TIMESTAMP), so
 * order of arrival does not matter and a repetition changes nothing. What rows of one record say of
 * the same key is settled here, for they have the same timestamp: only the last is sent.
 *
 * A NULL of a keyed table deletes the cell, as it does in embedded tables; of an append-only table
 * it is left out, for nothing can be there, unless the table is replaced (cassandra_replace.c).
 *
 * What the server says of one row (0x2200) makes a dead letter. Everything else that it refuses, a
 * missing right or a table that went away, stops nothing for good: the epoch is tried again.
 */
#include "pipeline/cassandra_private.h"

#include <stdio.h>

enum {
    TURN_MS = 50,
    TELL_MS = 500,
    NS_PER_MS = 1000000,
    ROW_BYTES_MAX = 15 << 20,
    KEEP_BYTES = 64 << 20
};

/* ---- life ---- */

static enum err parse_place(struct arena *arena, struct str url, struct diag *diag,
                            const void **ret_place)
{
    struct cql_place *place = arena_zero(arena, sizeof *place);
    TRY(cql_place_parse(arena, url, diag, place));
    *ret_place = place;
    return OK;
}

static void print_place(const void *place, struct buf *out)
{
    cql_place_print(place, out);
}

static void reset(struct remote_table *table)
{
    struct cassandra_table *t = (struct cassandra_table *)table;
    buf_reset(&t->rows.bodies);
    t->rows.count = 0;
    if (t->rows.bodies.room > KEEP_BYTES)
        cassandra_rows_deinit(&t->rows);
}

static void disconnect(struct cassandra_table *t)
{
    cql_client_free(t->client);
    t->client = NULL;
    t->insert = t->delete_row = NULL;
    t->outstanding = 0;
    for (int quiet = 0; t->loop && quiet < 3;)
        quiet = io_loop_turn(t->loop, NS_PER_MS) ? 0 : quiet + 1;
}

static void close_table(struct remote_table *table)
{
    struct cassandra_table *t = (struct cassandra_table *)table;
    if (!t)
        return;
    disconnect(t);
    if (t->loop)
        io_loop_free(t->loop);
    table_codec_free(t->codec);
    cassandra_rows_deinit(&t->rows);
    buf_deinit(&t->refusals);
    mem_free(t->calls);
    mem_free(t->refused);
    mem_free(t);
}

static enum err open_table(struct io *io, const void *place,
                           const struct table_definition *definition, uint32_t options,
                           struct diag *diag, struct remote_table **ret_table)
{
    struct cassandra_table *t = mem_zero(sizeof *t);
    *t = (struct cassandra_table){.base = {&remote_cassandra},
                                  .io = io,
                                  .place = place,
                                  .definition = definition,
                                  .options = options};
    if (definition) {
        while (t->key_columns < definition->column_count &&
               definition->columns[t->key_columns].role != TABLE_REGULAR)
            t->key_columns++;
        enum err err =
            table_codec_new(definition->columns, definition->column_count, diag, &t->codec);
        if (err != OK) {
            close_table(&t->base);
            return err;
        }
    }
    *ret_table = &t->base;
    return OK;
}

static void insert_text(const struct table_definition *d, struct buf *out)
{
    buf_text(out, "INSERT INTO ");
    cassandra_table_name(out, d);
    buf_text(out, d->append_only ? " (\"_partition\", \"_offset\", \"_index\"" : " (");
    for (size_t i = 0; i < d->column_count; i++) {
        buf_text(out, i || d->append_only ? ", " : "");
        cassandra_name(out, d->columns[i].name);
    }
    buf_text(out, d->append_only ? ") VALUES (?, ?, ?" : ") VALUES (");
    for (size_t i = 0; i < d->column_count; i++)
        buf_text(out, i || d->append_only ? ", ?" : "?");
    buf_text(out, ")");
}

enum err cassandra_connect(struct cassandra_table *t, struct diag *diag)
{
    struct cql_client_options options = {.place = t->place,
                                         .give_up = !(t->options & REMOTE_PATIENT)};
    if (!t->loop)
        TRY(io_loop_new(t->io, &t->loop));
    /* The loop's clock stood still since the last epoch. */
    io_loop_turn(t->loop, 0);
    if (t->client)
        return OK;
    TRY(cql_client_new(t->loop, &options, diag, &t->client));
    if (t->definition) {
        CLEAN(buf_deinit) struct buf text = {0};
        insert_text(t->definition, &text);
        t->insert = cql_client_statement(t->client, buf_str(&text));
        buf_reset(&text);
        cassandra_delete_text(t->definition, &text);
        t->delete_row = cql_client_statement(t->client, buf_str(&text));
    }
    return OK;
}

/* ---- waiting ---- */

static void tell(struct cassandra_table *t, const struct remote_wait *wait, bool all_is_well)
{
    struct cql_client_status status;
    char text[400];
    if (!wait || !wait->waiting)
        return;
    cql_client_status(t->client, &status);
    if (all_is_well || !status.trouble[0]) {
        wait->waiting(wait->owner, NULL);
        return;
    }
    if (status.connections)
        snprintf(text, sizeof text, "%.250s; tries again", status.trouble);
    else
        snprintf(text, sizeof text, "%.250s; next try in %.1f s", status.trouble,
                 (double)(status.next_try_ms > 0 ? status.next_try_ms : 0) / 1000);
    wait->waiting(wait->owner, text);
}

enum err cassandra_wait(struct cassandra_table *t, const struct remote_wait *wait)
{
    int64_t told_ns = io_now_ns(t->io);
    bool told = false;
    while (t->outstanding) {
        io_loop_turn(t->loop, (int64_t)TURN_MS * NS_PER_MS);
        if (wait && wait->stopping && wait->stopping(wait->owner)) {
            disconnect(t);
            return ERR_CANCELLED;
        }
        int64_t now_ns = io_now_ns(t->io);
        if (now_ns - told_ns < (int64_t)TELL_MS * NS_PER_MS)
            continue;
        told_ns = now_ns;
        tell(t, wait, false);
        told = true;
    }
    if (told)
        tell(t, wait, true);
    return OK;
}

static void answered(struct cql_call *call, const struct cql_reply *reply)
{
    struct cassandra_answer *a = call->owner;
    a->err = reply->err;
    a->code = reply->error.code;
    a->table->outstanding--;
    if (reply->err != OK)
        snprintf(a->message, sizeof a->message, "%.*s",
                 STR_ARG(str_slice(reply->error.message, 0, 290)));
    else if (reply->kind == CQL_RESULT_ROWS)
        buf_str_append(&a->body, reply->body);
}

void cassandra_answer_deinit(struct cassandra_answer *answer)
{
    buf_deinit(&answer->body);
}

enum err cassandra_ask(struct cassandra_table *t, struct str text, int32_t page_size,
                       struct str paging_state, const struct remote_wait *wait, struct diag *diag,
                       struct cassandra_answer *ret_answer)
{
    CLEAN(buf_deinit) struct buf body = {0};
    struct cassandra_answer *a = ret_answer;
    *a = (struct cassandra_answer){.table = t};
    TRY(cassandra_connect(t, diag));
    cql_query_body(&body, text, t->place->consistency, page_size, paging_state);
    a->call = (struct cql_call){
        .opcode = CQL_QUERY, .body = buf_str(&body), .done = answered, .owner = a};
    t->outstanding = 1;
    cql_client_submit(t->client, &a->call);
    TRY(cassandra_wait(t, wait));
    if (a->err == OK)
        return buf_error(&a->body);
    CLEAN(buf_deinit) struct buf name = {0};
    cql_place_print(t->place, &name);
    if (a->err == ERR_INVALID)
        return diag_set(diag, ERR_AGAIN, 0, 0, "%.*s: %s",
                        STR_ARG(str_slice(buf_str(&name), 0, 100)), a->message);
    return diag_set(diag, ERR_NETWORK, 0, 0, "%s", a->message);
}

/* ---- gathering ---- */

static enum err refuse(uint32_t row, const struct table_column *column, bool null,
                       uint32_t *ret_bad_row, struct diag *diag)
{
    *ret_bad_row = row;
    if (null)
        return diag_set(diag, ERR_INVALID, 0, 0, "row %u: the key column %.*s is NULL", row,
                        STR_ARG(column->name));
    return diag_set(diag, ERR_INVALID, 0, 0,
                    "row %u: column %.*s does not take this value, it is declared %.*s", row,
                    STR_ARG(column->name), STR_ARG(column->declared));
}

void cassandra_rows_head(const struct cql_place *place, size_t values, struct buf *out)
{
    buf_be16(out, place->consistency);
    buf_u8(out, CQL_QUERY_VALUES | CQL_QUERY_TIMESTAMP);
    buf_be16(out, (uint16_t)values);
}

void cassandra_rows_push(struct cassandra_rows *rows, const struct cassandra_row *row)
{
    if (rows->count == rows->room) {
        rows->room = rows->room ? rows->room * 2 : 1024;
        rows->items = mem_realloc_array(rows->items, rows->room, sizeof *rows->items);
    }
    rows->items[rows->count++] = *row;
}

void cassandra_rows_deinit(struct cassandra_rows *rows)
{
    buf_deinit(&rows->bodies);
    mem_free(rows->items);
    *rows = (struct cassandra_rows){0};
}

static void put_place(const struct table_place *place, struct buf *out)
{
    buf_be32(out, sizeof(int32_t));
    buf_be32(out, (uint32_t)place->partition);
    buf_be32(out, sizeof(int64_t));
    buf_be64(out, (uint64_t)place->offset);
    buf_be32(out, sizeof(int32_t));
    buf_be32(out, place->index);
}

/* Values of one row, in the order of the definition. */
static enum err put_values(struct cassandra_table *t, struct column *const *columns, uint32_t row,
                           size_t *ret_key_bytes, uint32_t *ret_bad_row, struct diag *diag)
{
    const struct table_definition *d = t->definition;
    struct buf *out = &t->rows.bodies;
    bool unset = d->append_only && !(t->options & REMOTE_REPLACED);
    size_t from = out->bytes;
    for (size_t i = 0; i < d->column_count; i++) {
        if (i == t->key_columns)
            *ret_key_bytes = out->bytes - from;
        if (!columns[i] || column_is_null(columns[i], row)) {
            if (i < t->key_columns)
                return refuse(row, &d->columns[i], true, ret_bad_row, diag);
            buf_be32(out, unset || !columns[i] ? (uint32_t)-2 : (uint32_t)-1);
            continue;
        }
        size_t at = out->bytes;
        buf_be32(out, 0);
        enum err err = table_codec_append(t->codec, i, columns[i], row, out);
        if (err == ERR_INVALID)
            return refuse(row, &d->columns[i], false, ret_bad_row, diag);
        TRY(err);
        TRY(buf_error(out));
        buf_patch_be32(out, at, (uint32_t)(out->bytes - at - 4));
    }
    if (d->column_count == t->key_columns)
        *ret_key_bytes = out->bytes - from;
    return buf_error(out);
}

static enum err put_row(struct cassandra_table *t, struct column *const *columns, uint32_t row,
                        const struct remote_row *place, uint32_t *ret_bad_row, struct diag *diag)
{
    const struct table_definition *d = t->definition;
    struct buf *out = &t->rows.bodies;
    struct cassandra_row made = {.from = out->bytes, .row = row, .place = place->place};
    cassandra_rows_head(t->place, d->column_count + (d->append_only ? 3 : 0), out);
    if (d->append_only)
        put_place(&place->place, out);
    size_t place_bytes = out->bytes - made.from - CASSANDRA_HEAD_BYTES;
    TRY(put_values(t, columns, row, &made.key_bytes, ret_bad_row, diag));
    made.key_bytes += place_bytes;
    buf_be64(out, (uint64_t)place->timestamp_us);
    made.bytes = out->bytes - made.from;
    if (made.bytes > ROW_BYTES_MAX) {
        *ret_bad_row = row;
        return diag_set(diag, ERR_INVALID, 0, 0, "row %u: %zu bytes are too many for one request",
                        row, made.bytes);
    }
    cassandra_rows_push(&t->rows, &made);
    return buf_error(out);
}

/* Columns of the batch in the order of the definition, NULL where it has none. */
static enum err find_columns(const struct table_definition *d, const struct batch *rows,
                             struct column **columns, uint32_t *ret_bad_row, struct diag *diag)
{
    for (size_t i = 0; i < d->column_count; i++) {
        size_t at = type_field(rows->schema, d->columns[i].name);
        columns[i] = at == SIZE_MAX ? NULL : rows->columns[at];
        if (!columns[i] || type_equal(rows->schema->fields[at].type, d->columns[i].type))
            continue;
        *ret_bad_row = UINT32_MAX;
        return diag_set(diag, ERR_INVALID, 0, 0, "column %.*s has another type than its table",
                        STR_ARG(d->columns[i].name));
    }
    return OK;
}

static enum err add(struct remote_table *table, const struct batch *rows, uint32_t from,
                    uint32_t to, const struct remote_row *places, uint32_t *ret_bad_row,
                    struct diag *diag)
{
    struct cassandra_table *t = (struct cassandra_table *)table;
    const struct table_definition *d = t->definition;
    size_t bytes = t->rows.bodies.bytes, count = t->rows.count;
    struct column **columns = mem_array(d->column_count + 1, sizeof(struct column *));
    enum err err = find_columns(d, rows, columns, ret_bad_row, diag);
    for (uint32_t row = from; row < to && err == OK; row++)
        err = put_row(t, columns, row, &places[row], ret_bad_row, diag);
    mem_free(columns);
    if (err != OK && buf_error(&t->rows.bodies) == OK) {
        buf_truncate(&t->rows.bodies, bytes);
        t->rows.count = count;
    }
    return err;
}

static size_t gathered(const struct remote_table *table)
{
    const struct cassandra_table *t = (const struct cassandra_table *)table;
    return t->rows.bodies.bytes + t->rows.count * sizeof *t->rows.items;
}

/* ---- sending ---- */

/* A later row of the same record has the same key. */
static bool is_overtaken(const struct cassandra_table *t, size_t index)
{
    const struct cassandra_row *row = &t->rows.items[index];
    const uint8_t *bodies = t->rows.bodies.ptr + CASSANDRA_HEAD_BYTES;
    if (t->definition->append_only)
        return false;
    for (size_t i = index + 1; i < t->rows.count; i++) {
        const struct cassandra_row *other = &t->rows.items[i];
        if (other->place.partition != row->place.partition ||
            other->place.offset != row->place.offset)
            return false;
        if (other->key_bytes == row->key_bytes &&
            memcmp(bodies + other->from, bodies + row->from, row->key_bytes) == 0)
            return true;
    }
    return false;
}

static void drop_overtaken(struct cassandra_table *t)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->rows.count; i++)
        if (!is_overtaken(t, i))
            t->rows.items[kept++] = t->rows.items[i];
    t->rows.count = kept;
}

static void row_done(struct cql_call *call, const struct cql_reply *reply)
{
    struct cassandra_table *t = call->owner;
    t->outstanding--;
    if (reply->err == OK)
        return;
    if (reply->err == ERR_INVALID && reply->error.code == CQL_INVALID && !reply->of_statement) {
        if (t->refused_count == t->refused_room) {
            t->refused_room = t->refused_room ? t->refused_room * 2 : 64;
            t->refused = mem_realloc_array(t->refused, t->refused_room, sizeof *t->refused);
        }
        t->refused[t->refused_count++] = (uint32_t)(call - t->calls);
        buf_str_append(&t->refusals, str_slice(reply->error.message, 0, 400));
        buf_u8(&t->refusals, 0);
        return;
    }
    snprintf(t->trouble, sizeof t->trouble, "%s: %.*s", reply->host,
             STR_ARG(str_slice(reply->error.message, 0, 300)));
}

enum err cassandra_send(struct cassandra_table *t, struct cql_statement *statement,
                        const struct buf *bodies, const struct cassandra_row *rows, size_t count,
                        const struct remote_wait *wait, struct diag *diag)
{
    if (t->call_room < count) {
        t->call_room = count;
        t->calls = mem_realloc_array(t->calls, t->call_room, sizeof *t->calls);
    }
    t->refused_count = 0;
    t->trouble[0] = 0;
    buf_reset(&t->refusals);
    t->outstanding = count;
    for (size_t i = 0; i < count; i++) {
        t->calls[i] = (struct cql_call){
            .opcode = CQL_EXECUTE,
            .statement = statement,
            .body = str_from(bodies->ptr + rows[i].from, rows[i].bytes),
            .done = row_done,
            .owner = t,
        };
        cql_client_submit(t->client, &t->calls[i]);
    }
    TRY(cassandra_wait(t, wait));
    if (!t->trouble[0])
        return OK;
    t->is_ready = false;
    return diag_set(diag, ERR_AGAIN, 0, 0, "%s", t->trouble);
}

static enum err flush(struct remote_table *table, const struct remote_wait *wait,
                      const struct remote_refusals *refusals, struct diag *diag)
{
    struct cassandra_table *t = (struct cassandra_table *)table;
    TRY(cassandra_connect(t, diag));
    drop_overtaken(t);
    TRY(cassandra_send(t, t->insert, &t->rows.bodies, t->rows.items, t->rows.count, wait, diag));
    const char *message = (const char *)t->refusals.ptr;
    for (size_t i = 0; i < t->refused_count; i++) {
        refusals->refused(refusals->owner, t->rows.items[t->refused[i]].row, str_of(message));
        message += strlen(message) + 1;
    }
    reset(table);
    return OK;
}

const struct remote_kind remote_cassandra = {
    .scheme = "cassandra",
    .parse = parse_place,
    .print = print_place,
    .open = open_table,
    .ready = cassandra_ready,
    .add = add,
    .gathered = gathered,
    .flush = flush,
    .replace = cassandra_replace,
    .reset = reset,
    .scan = cassandra_scan,
    .probe = cassandra_probe,
    .close = close_table,
};
