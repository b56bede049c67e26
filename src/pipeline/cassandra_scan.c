/* SPDX-License-Identifier: MIT */
/*
 * Reading the table on the other side page by page into column batches, for queries; and asking who
 * is there, for `check --connect`.
 */
#include "pipeline/cassandra_private.h"

enum { PAGE_ROWS = 2000, ARENA_BYTES_MAX = 16 << 20 };

/* ---- scanning ---- */

struct scanning {
    struct cassandra_table *t;
    const struct type *wanted;
    size_t *columns; /* of the definition, one a wanted field */
    struct builder **builders;
    uint32_t rows;
};

static void select_text(const struct scanning *s, struct buf *out)
{
    const struct table_definition *d = s->t->definition;
    buf_text(out, "SELECT ");
    for (size_t i = 0; i < s->wanted->field_count; i++) {
        buf_text(out, i ? ", " : "");
        cassandra_name(out, d->columns[s->columns[i]].name);
    }
    if (!s->wanted->field_count)
        cassandra_name(out, d->append_only ? STR("_offset") : d->columns[0].name);
    buf_text(out, " FROM ");
    cassandra_table_name(out, d);
}

/* The rows of one page. */
static enum err read_rows(struct scanning *s, struct reader *r, size_t cells)
{
    uint32_t rows = reader_be32(r);
    for (uint32_t row = 0; row < rows && r->err == OK; row++)
        for (size_t i = 0; i < cells && r->err == OK; i++) {
            struct str value = cql_bytes_read(r);
            if (i < s->wanted->field_count)
                TRY(table_codec_read(s->t->codec, s->columns[i], value, s->builders[i]));
        }
    s->rows = rows;
    return r->err;
}

static enum err finish_page(struct scanning *s, struct batch **ret_batch)
{
    size_t count = s->wanted->field_count;
    struct column **columns = mem_zero((count + 1) * sizeof(struct column *));
    enum err err = OK;
    for (size_t i = 0; i < count && err == OK; i++)
        err = builder_finish(s->builders[i], &columns[i]);
    if (err == OK)
        *ret_batch = batch_new(s->wanted, s->rows, columns);
    else
        for (size_t i = 0; i < count; i++)
            column_unref(columns[i]);
    mem_free(columns);
    return err;
}

static enum err read_pages(struct scanning *s, const struct remote_wait *wait,
                           bool (*rows)(void *owner, const struct batch *batch), void *owner,
                           struct diag *diag)
{
    CLEAN(buf_deinit) struct buf text = {0}, state = {0};
    select_text(s, &text);
    for (bool more = true; more;) {
        CLEAN(cassandra_answer_deinit) struct cassandra_answer answer = {0};
        CLEAN(arena_deinit) struct arena arena = {.bytes_max = ARENA_BYTES_MAX};
        struct cql_rows_metadata metadata;
        struct batch *batch = NULL;
        TRY(cassandra_ask(s->t, buf_str(&text), PAGE_ROWS, state.bytes ? buf_str(&state) : STR_NONE,
                          wait, diag, &answer));
        struct reader r = reader_of(answer.body.ptr, answer.body.bytes);
        TRY(cql_rows_metadata_read(&r, 4, &arena, &metadata));
        buf_reset(&state);
        more = metadata.paging_state.ptr != NULL;
        if (more)
            buf_str_append(&state, metadata.paging_state);
        if (metadata.column_count < s->wanted->field_count)
            return ERR_CORRUPT;
        TRY(read_rows(s, &r, metadata.column_count));
        TRY(finish_page(s, &batch));
        if (batch->rows && !rows(owner, batch))
            more = false;
        batch_unref(batch);
    }
    return OK;
}

enum err cassandra_scan(struct remote_table *table, const struct type *wanted,
                        const struct remote_wait *wait,
                        bool (*rows)(void *owner, const struct batch *batch), void *owner,
                        struct diag *diag)
{
    struct cassandra_table *t = (struct cassandra_table *)table;
    const struct table_definition *d = t->definition;
    struct scanning s = {.t = t, .wanted = wanted};
    size_t count = wanted->field_count;
    enum err err = OK;
    s.columns = mem_zero((count + 1) * sizeof *s.columns);
    s.builders = mem_zero((count + 1) * sizeof(struct builder *));
    for (size_t i = 0; i < count && err == OK; i++) {
        size_t at = 0;
        while (at < d->column_count && !str_equal(d->columns[at].name, wanted->fields[i].name))
            at++;
        s.columns[i] = at;
        if (at == d->column_count)
            err = ERR_NOT_FOUND;
        else
            s.builders[i] = builder_new(wanted->fields[i].type, PAGE_ROWS, 0);
    }
    if (err == OK)
        err = read_pages(&s, wait, rows, owner, diag);
    /* The first row makes the table. */
    if (err == ERR_AGAIN && cassandra_ready(table, false, wait, NULL) == ERR_NOT_FOUND) {
        err = OK;
        *diag = (struct diag){0};
    }
    for (size_t i = 0; i < count; i++)
        builder_free(s.builders[i]);
    mem_free(s.builders);
    mem_free(s.columns);
    return err;
}

/* ---- who is there ---- */

static enum err read_local(struct cassandra_answer *answer, struct buf *out)
{
    CLEAN(arena_deinit) struct arena arena = {.bytes_max = ARENA_BYTES_MAX};
    struct reader r = reader_of(answer->body.ptr, answer->body.bytes);
    struct cql_rows_metadata metadata;
    TRY(cql_rows_metadata_read(&r, 4, &arena, &metadata));
    if (reader_be32(&r) < 1)
        return ERR_CORRUPT;
    struct str version = cql_bytes_read(&r), datacenter = cql_bytes_read(&r);
    TRY(r.err);
    buf_printf(out, "Cassandra %.*s, %.*s", STR_ARG(version), STR_ARG(datacenter));
    return OK;
}

enum err cassandra_probe(struct io *io, const void *place, struct diag *diag, struct buf *out)
{
    CLEAN(cassandra_answer_deinit) struct cassandra_answer answer = {0};
    struct remote_table *table;
    TRY(remote_cassandra.open(io, place, NULL, 0, diag, &table));
    enum err err = cassandra_ask(
        (struct cassandra_table *)table,
        STR("SELECT release_version, data_center FROM system.local WHERE key='local'"), 0, STR_NONE,
        NULL, diag, &answer);
    if (err == OK)
        err = read_local(&answer, out);
    remote_cassandra.close(table);
    return err;
}
