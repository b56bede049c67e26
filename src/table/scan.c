/* SPDX-License-Identifier: MIT */
/*
 * Reading: a cursor over a snapshot, rows turned into columns. What is hidden stays hidden here:
 * expired cells by the time at which the scan was opened, and rows under the deletion of their
 * partition. A row is there when its marker or one of its cells is live.
 *
 * In a table with clustering columns the records of a partition's deletion and of its static row
 * stand before the rows; a scan in reverse meets them last, so it gets them when it enters the
 * partition. The static values go into every row of the partition; a partition that has them and
 * no row gives one row whose clustering and regular columns are null.
 *
 * Invariants
 * 1. Every builder of the scan has as many rows as were given since the last batch.
 * 2. columns are sorted so that regular and static ones each stand by rising id.
 */
#include "base/endian.h"
#include "base/mem.h"
#include "table/cell.h"
#include "table/range.h"
#include "table/store.h"

#include <stdlib.h>

enum source { FROM_PARTITION, FROM_CLUSTERING, FROM_STATIC, FROM_REGULAR };

struct output {
    enum source source;
    size_t index; /* of the key column within its part */
    uint32_t id;
    size_t place; /* in the batch */
    const struct encoding *encoding;
    struct builder *builder;
    bool many; /* cells with paths */
    uint32_t
        count; /* elements of the row that were found; of a STRUCT the fields that are filled */
    bool any;
};

struct table_scan {
    struct table *table;
    const struct shape *shape;
    const struct type *schema;
    void *snapshot;
    struct cursor *cursor; /* NULL for table_get */
    bool reverse;
    int64_t now_s;
    struct output *outputs; /* by source, then id or index */
    size_t output_count;
    size_t source_at[FROM_REGULAR + 2]; /* where the outputs of each source begin */
    struct str *partition_values;
    uint32_t rows;

    /* The partition we are in. */
    struct buf partition; /* empty = none */
    struct head head;
    int64_t cover_us; /* cells of the record that is read are deleted up to here */
    struct buf static_row;
    bool static_live;
    bool has_row;
    struct buf scratch;
};

/* ---- outputs ---- */

static int compare_outputs(const void *a, const void *b)
{
    const struct output *one = a, *two = b;
    if (one->source != two->source)
        return (int)one->source - (int)two->source;
    if (one->id != two->id)
        return one->id < two->id ? -1 : 1;
    return one->index < two->index ? -1 : one->index > two->index;
}

static enum err add_output(struct table_scan *scan, size_t place)
{
    const struct shape *shape = scan->shape;
    size_t column = shape_column(shape, scan->schema->fields[place].name);
    if (column == SIZE_MAX)
        return ERR_NOT_FOUND;
    const struct type *type = scan->schema->fields[place].type;
    if (!type_equal(type, shape->definition.columns[column].type))
        return ERR_INVALID;
    struct output output = {.place = place, .encoding = &shape->encodings[column]};
    output.id = shape->ids[column];
    output.many = shape->definition.columns[column].cells == TABLE_MANY_CELLS;
    if (column < shape->partition_count) {
        output.source = FROM_PARTITION;
        output.index = column;
    } else if (column < shape->partition_count + shape->clustering_count) {
        output.source = FROM_CLUSTERING;
        output.index = column - shape->partition_count;
    } else {
        output.source =
            shape->definition.columns[column].role == TABLE_STATIC ? FROM_STATIC : FROM_REGULAR;
    }
    output.builder = builder_new(type, 0, 0);
    scan->outputs[scan->output_count++] = output;
    return OK;
}

static enum err add_outputs(struct table_scan *scan)
{
    for (size_t i = 0; i < scan->schema->field_count; i++)
        TRY(add_output(scan, i));
    if (scan->output_count)
        qsort(scan->outputs, scan->output_count, sizeof *scan->outputs, compare_outputs);
    size_t at = 0;
    for (int source = 0; source <= FROM_REGULAR + 1; source++) {
        while (at < scan->output_count && (int)scan->outputs[at].source < source)
            at++;
        scan->source_at[source] = at;
    }
    return OK;
}

/* ---- one row ---- */

static bool is_live(const struct table_scan *scan, const struct cell *cell)
{
    return cell_is_live(cell, scan->now_s) &&
           !shape_hides(scan->shape, cell->id, cell->timestamp_us) &&
           (scan->cover_us == INT64_MIN || cell->timestamp_us > scan->cover_us);
}

/* Not of a column that was dropped. */
static bool is_known(const struct shape *shape, uint32_t id)
{
    return id == CELL_MARKER || (id < shape->id_limit && shape->index_of_id[id] != UINT32_MAX);
}

/* The marker comes first, so one cell is looked at as a rule. */
static enum err row_is_live(const struct table_scan *scan, struct str row, bool *ret_live)
{
    struct row_reader reader;
    struct cell cell;
    TRY(row_reader_init(&reader, row));
    *ret_live = false;
    while (!*ret_live && row_reader_next(&reader, &cell))
        *ret_live = is_live(scan, &cell) && is_known(scan->shape, cell.id);
    return reader.bytes.err;
}

/* ---- columns of many cells ---- */

static enum err add_field(struct output *output, const struct cell *cell)
{
    struct builder *builder = output->builder;
    uint32_t field = cell->path.bytes == 2 ? get_be16(cell->path.ptr) : UINT32_MAX;
    if (field < output->count || field >= builder->child_count)
        return OK; /* no field that the type has */
    for (; output->count < field; output->count++)
        builder_null(builder->children[output->count]);
    output->any = true;
    output->count++;
    return encoding_read(&output->encoding->children[field], cell->value, builder->children[field]);
}

static enum err add_element(struct output *output, const struct cell *cell)
{
    const struct encoding *children = output->encoding->children;
    struct builder **builders = output->builder->children;
    if (!cell->path.ptr)
        return OK;
    if (output->encoding->type->kind == TYPE_STRUCT)
        return add_field(output, cell);
    output->any = true;
    if (output->encoding->type->kind == TYPE_ARRAY)
        return encoding_read(&children[0], output->encoding->is_set ? cell->path : cell->value,
                             builders[0]);
    TRY(encoding_read(&children[0], cell->path, builders[0]));
    return encoding_read(&children[1], cell->value, builders[1]);
}

/* No cell of the column is left in the row. */
static void end_output(struct output *output)
{
    struct builder *builder = output->builder;
    if (!output->many || !output->any) {
        builder_null(builder);
        return;
    }
    if (output->encoding->type->kind == TYPE_STRUCT)
        for (; output->count < builder->child_count; output->count++)
            builder_null(builder->children[output->count]);
    builder_valid(builder);
    output->any = false;
    output->count = 0;
}

/* The cells of a row into the outputs of a source; an empty row gives nulls. */
static enum err put_cells(struct table_scan *scan, enum source source, struct str row)
{
    struct output *output = scan->outputs + scan->source_at[source];
    struct output *end = scan->outputs + scan->source_at[source + 1];
    struct row_reader reader = {0};
    struct cell cell;
    if (row.bytes && output < end)
        TRY(row_reader_init(&reader, row));
    while (output < end && row_reader_next(&reader, &cell)) {
        for (; output < end && output->id < cell.id; output++)
            end_output(output);
        if (output == end || output->id != cell.id)
            continue;
        bool live = is_live(scan, &cell);
        if (output->many) {
            if (live)
                TRY(add_element(output, &cell));
            continue;
        }
        if (live)
            TRY(encoding_read(output->encoding, cell.value, output->builder));
        else
            builder_null(output->builder);
        output++;
    }
    TRY(reader.bytes.err);
    for (; output < end; output++)
        end_output(output);
    return OK;
}

/* The static values are deleted with the partition only. */
static enum err put_statics(struct table_scan *scan)
{
    scan->cover_us = scan->head.deletion.timestamp_us;
    return put_cells(scan, FROM_STATIC, buf_str(&scan->static_row));
}

static enum err put_partition(struct table_scan *scan, struct str partition)
{
    size_t from = scan->source_at[FROM_PARTITION], to = scan->source_at[FROM_PARTITION + 1];
    if (from == to)
        return OK;
    TRY(key_partition_values(scan->shape, partition, &scan->scratch, scan->partition_values));
    for (size_t i = from; i < to; i++) {
        struct output *output = &scan->outputs[i];
        TRY(encoding_read(output->encoding, scan->partition_values[output->index],
                          output->builder));
    }
    return OK;
}

/* Walks over the clustering columns up to the last that is wanted. */
static enum err put_clustering(struct table_scan *scan, struct str clustering)
{
    size_t at = scan->source_at[FROM_CLUSTERING], to = scan->source_at[FROM_CLUSTERING + 1];
    for (size_t index = 0; at < to; index++) {
        bool wanted = scan->outputs[at].index == index;
        TRY(key_read_clustering(scan->shape, index, &clustering, &scan->scratch,
                                wanted ? scan->outputs[at].builder : NULL));
        at += wanted;
    }
    return OK;
}

static enum err put_row(struct table_scan *scan, const struct key_parts *parts, struct str row)
{
    bool live;
    int64_t cover_us = head_cover(&scan->head, parts->clustering);
    scan->cover_us = cover_us;
    TRY(row_is_live(scan, row, &live));
    if (!live)
        return OK;
    TRY(put_partition(scan, parts->partition));
    TRY(put_clustering(scan, parts->clustering));
    TRY(put_statics(scan));
    scan->cover_us = cover_us;
    TRY(put_cells(scan, FROM_REGULAR, row));
    scan->has_row = true;
    scan->rows++;
    return OK;
}

/* ---- partitions ---- */

static enum err set_static(struct table_scan *scan, struct str record)
{
    buf_reset(&scan->static_row);
    buf_str_append(&scan->static_row, record);
    TRY(buf_error(&scan->static_row));
    scan->cover_us = scan->head.deletion.timestamp_us;
    return row_is_live(scan, record, &scan->static_live);
}

/* Gets a partition's own record of a kind; an empty one when there is none. */
static enum err get_record(struct table_scan *scan, enum key_kind kind, struct buf *out)
{
    struct backend *backend = scan->table->store->backend;
    buf_u8(&scan->partition, (uint8_t)kind);
    enum err err = backend->ops->get(backend, scan->snapshot, buf_str(&scan->partition), out);
    buf_truncate(&scan->partition, scan->partition.bytes - 1);
    return err == ERR_NOT_FOUND ? OK : err;
}

static enum err get_records(struct table_scan *scan)
{
    struct buf record = {0};
    enum err err = OK;
    if (table_has_heads(scan->table))
        err = get_record(scan, KEY_PARTITION_DELETION, &record);
    if (!err && record.bytes)
        err = head_load(&scan->head, buf_str(&record));
    buf_reset(&record);
    if (!err && scan->shape->has_static)
        err = get_record(scan, KEY_STATIC_ROW, &record);
    if (!err && record.bytes)
        err = set_static(scan, buf_str(&record));
    buf_deinit(&record);
    return err;
}

/* ahead: the partition's own records do not come before its rows. */
static enum err enter_partition(struct table_scan *scan, struct str partition, bool ahead)
{
    buf_reset(&scan->partition);
    buf_str_append(&scan->partition, partition);
    TRY(buf_error(&scan->partition));
    head_reset(&scan->head);
    buf_reset(&scan->static_row);
    scan->static_live = false;
    scan->has_row = false;
    return ahead ? get_records(scan) : OK;
}

/* May give the row of a partition that has only static values. */
static enum err leave_partition(struct table_scan *scan)
{
    if (scan->partition.bytes && scan->static_live && !scan->has_row) {
        TRY(put_partition(scan, buf_str(&scan->partition)));
        for (size_t i = scan->source_at[FROM_CLUSTERING]; i < scan->source_at[FROM_STATIC]; i++)
            builder_null(scan->outputs[i].builder);
        TRY(put_statics(scan));
        TRY(put_cells(scan, FROM_REGULAR, STR_NONE));
        scan->rows++;
    }
    buf_reset(&scan->partition);
    head_reset(&scan->head);
    return OK;
}

static enum err take_record(struct table_scan *scan, const struct key_parts *parts,
                            struct str record)
{
    if (parts->kind == KEY_REGULAR_ROW)
        return put_row(scan, parts, record);
    if (scan->reverse)
        return OK; /* known since the partition was entered */
    return parts->kind == KEY_STATIC_ROW ? set_static(scan, record)
                                         : head_load(&scan->head, record);
}

/* Looks at the record under the cursor and moves on, unless a partition had to be left first. */
static enum err step(struct table_scan *scan)
{
    struct backend *backend = scan->table->store->backend;
    struct cursor *cursor = scan->cursor;
    struct key_parts parts = {0};
    if (scan->shape->definition.append_only) {
        TRY(put_row(scan, &parts, cursor->value));
        backend->ops->cursor_next(cursor);
        return OK;
    }
    TRY(key_parse(scan->shape, cursor->key, &parts));
    if (scan->shape->clustering_count && !str_equal(buf_str(&scan->partition), parts.partition)) {
        uint32_t rows = scan->rows;
        TRY(leave_partition(scan));
        if (scan->rows != rows)
            return OK;
        TRY(enter_partition(scan, parts.partition, scan->reverse));
    }
    TRY(take_record(scan, &parts, cursor->value));
    backend->ops->cursor_next(cursor);
    return OK;
}

/* ---- batches ---- */

static enum err finish(struct table_scan *scan, struct batch **ret_batch)
{
    struct column **columns = mem_array(scan->output_count + 1, sizeof(struct column *));
    memset(columns, 0, (scan->output_count + 1) * sizeof(struct column *));
    enum err err = OK;
    for (size_t i = 0; i < scan->output_count && !err; i++)
        err = builder_finish(scan->outputs[i].builder, &columns[scan->outputs[i].place]);
    if (!err)
        *ret_batch = batch_new(scan->schema, scan->rows, columns);
    for (size_t i = 0; i < scan->output_count && err; i++)
        column_unref(columns[i]);
    mem_free(columns);
    scan->rows = 0;
    return err;
}

enum err table_scan_next(struct table_scan *scan, uint32_t rows_max, struct batch **ret_batch)
{
    if (scan->cursor->valid || scan->partition.bytes)
        for (size_t i = 0; i < scan->output_count; i++)
            builder_reserve(scan->outputs[i].builder, rows_max < 1024 ? rows_max : 1024);
    while (scan->rows < rows_max && scan->cursor->valid)
        TRY(step(scan));
    if (scan->rows < rows_max && !scan->cursor->valid) {
        TRY(scan->cursor->err);
        TRY(leave_partition(scan));
    }
    if (!scan->rows) {
        *ret_batch = NULL;
        return OK;
    }
    return finish(scan, ret_batch);
}

/* ---- opening ---- */

static struct table_scan *scan_new(struct table *table, const struct type *wanted)
{
    struct table_scan *scan = mem_zero(sizeof *scan);
    scan->table = table;
    scan->shape = table_shape(table);
    scan->schema = wanted ? wanted : scan->shape->schema;
    scan->now_s = store_now_us(table->store) / 1000000;
    scan->head.deletion = DELETION_NONE;
    scan->outputs = mem_array(scan->schema->field_count + 1, sizeof *scan->outputs);
    scan->partition_values =
        mem_array(scan->shape->partition_count + 1, sizeof *scan->partition_values);
    return scan;
}

void table_scan_close(struct table_scan *scan)
{
    if (!scan)
        return;
    struct backend *backend = scan->table->store->backend;
    if (scan->cursor)
        backend->ops->cursor_close(scan->cursor);
    if (scan->snapshot)
        backend->ops->snapshot_free(backend, scan->snapshot);
    for (size_t i = 0; i < scan->output_count; i++)
        builder_free(scan->outputs[i].builder);
    mem_free(scan->outputs);
    mem_free(scan->partition_values);
    head_deinit(&scan->head);
    buf_deinit(&scan->partition);
    buf_deinit(&scan->static_row);
    buf_deinit(&scan->scratch);
    mem_free(scan);
}

/* Appends prefix, token and partition of the one row of key, and gives its key columns. */
static enum err put_key(struct table_scan *scan, const struct batch *key, size_t column_count,
                        const struct column **ret_columns, struct buf *out)
{
    if (key->rows != 1 || scan->shape->definition.append_only)
        return ERR_INVALID;
    uint8_t prefix[KEY_PREFIX_BYTES];
    size_t column;
    key_put_prefix(prefix, scan->table->id);
    buf_append(out, prefix, sizeof prefix);
    TRY(key_columns(scan->shape, key, column_count, ret_columns, NULL));
    return key_put_partition(scan->shape, ret_columns, 0, &scan->scratch, out, &column);
}

static enum err bounds_of_partition(struct table_scan *scan, const struct batch *partition,
                                    struct buf *from, struct buf *to)
{
    const struct column **columns = mem_array(scan->shape->partition_count + 1, sizeof *columns);
    enum err err = put_key(scan, partition, scan->shape->partition_count, columns, from);
    mem_free(columns);
    TRY(err);
    buf_str_append(to, buf_str(from));
    buf_u8(to, KEY_REGULAR_ROW + 1);
    return OK;
}

static enum err bounds(struct table_scan *scan, const struct table_scan_options *options,
                       struct buf *from, struct buf *to)
{
    if (options->partition)
        return bounds_of_partition(scan, options->partition, from, to);
    uint8_t prefix[KEY_PREFIX_BYTES];
    bool all = !options->token_from && !options->token_to;
    if (!all && scan->shape->definition.append_only)
        return ERR_INVALID;
    if (options->token_from > options->token_to)
        return ERR_NOT_FOUND;
    key_put_prefix(prefix, scan->table->id);
    buf_append(from, prefix, sizeof prefix);
    if (!all)
        buf_be64(from, (uint64_t)options->token_from ^ 1ull << 63);
    bool last = all || options->token_to == INT64_MAX;
    key_put_prefix(prefix, scan->table->id + last);
    buf_append(to, prefix, sizeof prefix);
    if (!last)
        buf_be64(to, (uint64_t)(options->token_to + 1) ^ 1ull << 63);
    return OK;
}

static enum err start(struct table_scan *scan, const struct table_scan_options *options)
{
    TRY(add_outputs(scan));
    struct backend *backend = scan->table->store->backend;
    struct buf from = {0}, to = {0};
    enum err err = bounds(scan, options, &from, &to);
    bool empty = err == ERR_NOT_FOUND;
    if (!err || empty) {
        scan->snapshot = backend->ops->snapshot_new(backend);
        err = scan->snapshot ? OK : ERR_DISK_FULL;
    }
    if (!err)
        scan->cursor = backend->ops->cursor_open(
            backend, scan->snapshot, empty ? STR("\4") : buf_str(&from),
            empty ? STR("\4") : buf_str(&to), options->reverse ? CURSOR_REVERSE : 0);
    buf_deinit(&from);
    buf_deinit(&to);
    return err;
}

enum err table_scan_open(struct table *table, const struct table_scan_options *options,
                         struct table_scan **ret_scan)
{
    static const struct table_scan_options defaults;
    if (!options)
        options = &defaults;
    if (table_is_dropped(table))
        return ERR_NOT_FOUND;
    struct table_scan *scan = scan_new(table, options->wanted);
    scan->reverse = options->reverse;
    enum err err = start(scan, options);
    if (err) {
        table_scan_close(scan);
        return err;
    }
    *ret_scan = scan;
    return OK;
}

/* ---- one row by its key ---- */

static enum err get_row(struct table_scan *scan, const struct batch *key, struct buf *full,
                        struct buf *row)
{
    const struct shape *shape = scan->shape;
    size_t count = shape->partition_count + shape->clustering_count, column;
    const struct column **columns = mem_array(count + 1, sizeof *columns);
    enum err err = put_key(scan, key, count, columns, full);
    if (!err && shape->clustering_count)
        err = enter_partition(scan, buf_str(full), true);
    if (!err) {
        buf_u8(full, KEY_REGULAR_ROW);
        err = key_put_clustering(shape, columns + shape->partition_count, 0, &scan->scratch, full,
                                 &column);
    }
    mem_free(columns);
    TRY(err);
    struct backend *backend = scan->table->store->backend;
    TRY(backend->ops->get(backend, scan->snapshot, buf_str(full), row));
    struct key_parts parts;
    TRY(key_parse(shape, buf_str(full), &parts));
    TRY(put_row(scan, &parts, buf_str(row)));
    return scan->rows ? OK : ERR_NOT_FOUND;
}

enum err table_get(struct table *table, const struct batch *key, const struct type *wanted,
                   struct batch **ret_row)
{
    if (table_is_dropped(table))
        return ERR_NOT_FOUND;
    struct table_scan *scan = scan_new(table, wanted);
    struct backend *backend = table->store->backend;
    struct buf full = {0}, row = {0};
    enum err err = add_outputs(scan);
    if (!err) {
        scan->snapshot = backend->ops->snapshot_new(backend);
        err = scan->snapshot ? OK : ERR_DISK_FULL;
    }
    if (!err)
        err = get_row(scan, key, &full, &row);
    if (!err)
        err = finish(scan, ret_row);
    buf_deinit(&full);
    buf_deinit(&row);
    table_scan_close(scan);
    return err;
}
