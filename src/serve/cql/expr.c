/* SPDX-License-Identifier: MIT */
/*
 * Running expressions: values are bytes in the arena of the run, ptr NULL is null.
 *
 * A collection of cells comes out of the store in the order of its paths' bytes; a set or a map is
 * given out in the order of its type, which is another one wherever bytes do not sort like values
 * (signed numbers, varints, timeuuids). Lists are in the order of their paths always.
 *
 * Invariants: 1. a marker's bytes are checked against its type whenever they are used. 2. unset
 * comes only out of a marker, and only at the top: inside something built it is a mistake.
 */
#include "serve/cql/exec_private.h"

#include "base/endian.h"

struct str value_of_i64(struct arena *arena, int64_t value)
{
    char *bytes = arena_alloc(arena, 8);
    put_be64(bytes, (uint64_t)value);
    return str_from(bytes, 8);
}

struct str value_of_i32(struct arena *arena, int32_t value)
{
    char *bytes = arena_alloc(arena, 4);
    put_be32(bytes, (uint32_t)value);
    return str_from(bytes, 4);
}

struct str value_of_bool(bool value)
{
    static const char bytes[2] = {0, 1};
    return str_from(&bytes[value], 1);
}

struct str value_of_buf(struct arena *arena, const struct buf *buf)
{
    if (buf->bytes == 0)
        return STR("");
    return arena_str(arena, buf_str(buf));
}

bool expr_is_constant(const struct expr *x)
{
    return x->kind == EXPR_CONSTANT;
}

/* ---- building collections ---- */

struct sort_item {
    struct str key, value;
};

/* Merge sort, stable: of equal keys the later one wins in a map. */
static void sort_items(struct arena *arena, const struct cql_type *type, struct sort_item *items,
                       size_t count)
{
    bool sorted = true;
    for (size_t i = 1; sorted && i < count; i++)
        sorted = cql_value_compare(type, items[i - 1].key, items[i].key) < 0;
    if (sorted)
        return;
    struct sort_item *from = items, *to = arena_array(arena, count, sizeof *to);
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t at = 0; at < count; at += 2 * width) {
            size_t middle = at + width < count ? at + width : count;
            size_t end = at + 2 * width < count ? at + 2 * width : count;
            size_t a = at, b = middle;
            for (size_t i = at; i < end; i++) {
                bool left = a < middle &&
                            (b >= end || cql_value_compare(type, from[a].key, from[b].key) <= 0);
                to[i] = left ? from[a++] : from[b++];
            }
        }
        struct sort_item *swap = from;
        from = to;
        to = swap;
    }
    if (from != items)
        memcpy(items, from, count * sizeof *items);
}

static size_t make_unique(const struct cql_type *type, struct sort_item *items, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept && cql_value_compare(type, items[kept - 1].key, items[i].key) == 0)
            items[kept - 1] = items[i];
        else
            items[kept++] = items[i];
    }
    return kept;
}

static struct str finish(struct arena *arena, struct buf *out)
{
    struct str value = value_of_buf(arena, out);
    buf_deinit(out);
    return value;
}

static struct str build_sorted(struct arena *arena, const struct cql_type *type,
                               const struct str *items, size_t count)
{
    size_t step = type->kind == CQL_MAP ? 2 : 1;
    size_t entries = count / step;
    struct sort_item *sorted = arena_array(arena, entries + 1, sizeof *sorted);
    for (size_t i = 0; i < entries; i++)
        sorted[i] = (struct sort_item){items[i * step], items[i * step + step - 1]};
    sort_items(arena, type->items[0], sorted, entries);
    entries = make_unique(type->items[0], sorted, entries);
    struct buf out = {0};
    cql_collection_begin(&out, type, (uint32_t)entries);
    for (size_t i = 0; i < entries; i++) {
        cql_element_append(&out, type, sorted[i].key);
        if (step == 2)
            cql_element_append(&out, type, sorted[i].value);
    }
    return finish(arena, &out);
}

enum err value_build(struct arena *arena, const struct cql_type *type, struct str *items,
                     size_t count, struct str *ret_value)
{
    if (type->kind == CQL_SET || type->kind == CQL_MAP) {
        *ret_value = build_sorted(arena, type, items, count);
        return OK;
    }
    struct buf out = {0};
    cql_collection_begin(&out, type, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        cql_element_append(&out, type, items[i]);
    if (type->kind == CQL_TUPLE || type->kind == CQL_UDT)
        for (size_t i = count; i < type->count; i++)
            cql_element_append(&out, type, STR_NONE);
    enum err err = buf_error(&out);
    *ret_value = finish(arena, &out);
    return err;
}

/* ---- values of clients ---- */

/* Fields of tuples and user types, and elements of vectors, stay as they came, as in Cassandra. */
static bool has_sorted(const struct cql_type *type)
{
    if (type->kind == CQL_SET || type->kind == CQL_MAP)
        return true;
    return type->kind == CQL_LIST && has_sorted(type->items[0]);
}

/* Clients send the elements of sets and maps in any order and more than once; what is kept and
 * compared is in order, also inside of collections. The value has passed cql_value_check(). */
static enum err sort_value(struct arena *arena, const struct cql_type *type, struct str *value)
{
    struct cql_elements it;
    if (!value->ptr || !value->bytes || !has_sorted(type))
        return OK;
    TRY(cql_elements_init(&it, type, *value));
    struct str *items = arena_array(arena, (size_t)it.count + 1, sizeof *items);
    size_t count = 0;
    while (cql_elements_next(&it, &items[count])) {
        TRY(sort_value(arena, type->items[type->kind == CQL_MAP ? count % 2 : 0], &items[count]));
        count++;
    }
    return value_build(arena, type, items, count, value);
}

/* ---- collections out of cells ---- */

static bool bytes_sort(const struct cql_type *type)
{
    return type->kind == CQL_TEXT || type->kind == CQL_ASCII || type->kind == CQL_BLOB;
}

static struct str assemble_udt(struct arena *arena, const struct cql_type *type,
                               const struct table_found *cells, size_t count)
{
    struct buf out = {0};
    size_t at = 0;
    for (uint32_t field = 0; field < type->count; field++) {
        struct str value = STR_NONE;
        if (at < count && cells[at].path.bytes == 2 && get_be16(cells[at].path.ptr) == field)
            value = cells[at++].value;
        cql_element_append(&out, type, value);
    }
    return finish(arena, &out);
}

static struct sort_item *sorted_cells(struct arena *arena, const struct cql_type *type,
                                      const struct table_found *cells, size_t count)
{
    struct sort_item *items = arena_array(arena, count + 1, sizeof *items);
    for (size_t i = 0; i < count; i++)
        items[i] = (struct sort_item){cells[i].path, str_from(&cells[i], sizeof cells[i])};
    if (type->kind != CQL_LIST && type->kind != CQL_UDT && !bytes_sort(type->items[0]))
        sort_items(arena, type->items[0], items, count);
    return items;
}

struct str expr_assemble(struct arena *arena, const struct cql_type *type,
                         const struct table_found *cells, size_t count)
{
    if (count == 0)
        return STR_NONE;
    if (type->kind == CQL_UDT)
        return assemble_udt(arena, type, cells, count);
    struct sort_item *items = sorted_cells(arena, type, cells, count);
    struct buf out = {0};
    cql_collection_begin(&out, type, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        const struct table_found *cell = (const void *)items[i].value.ptr;
        if (type->kind != CQL_LIST)
            cql_element_append(&out, type, cell->path);
        if (type->kind != CQL_SET)
            cql_element_append(&out, type, cell->value);
    }
    return finish(arena, &out);
}

/* ---- times of cells ---- */

static const struct table_found *cells_of(const struct expr_run *run, uint32_t column,
                                          size_t *ret_count)
{
    const struct cql_table_column *def = &run->table->columns[column];
    *ret_count = 0;
    if (!run->row)
        return NULL;
    bool is_static = def->kind == CQL_STATIC;
    const struct table_found *cells = is_static ? run->row->statics : run->row->cells;
    size_t count = is_static ? run->row->static_count : run->row->cell_count;
    size_t from = 0;
    while (from < count && cells[from].column != def->index)
        from++;
    while (from + *ret_count < count && cells[from + *ret_count].column == def->index)
        (*ret_count)++;
    return *ret_count ? cells + from : NULL;
}

static struct str time_of(struct expr_run *run, const struct expr *x,
                          const struct table_found *cell)
{
    if (x->kind != EXPR_TTL)
        return value_of_i64(run->arena, cell->timestamp_us);
    if (cell->ttl_s == 0)
        return STR_NONE;
    int64_t left = cell->expires_s - run->now_us / 1000000;
    return value_of_i32(run->arena, (int32_t)(left > 0 ? left : 0));
}

static struct str times_of_all(struct expr_run *run, const struct expr *x,
                               const struct cql_type *type, const struct table_found *cells,
                               size_t count)
{
    if (x->kind == EXPR_MAXWRITETIME) {
        int64_t newest = cells[0].timestamp_us;
        for (size_t i = 1; i < count; i++)
            if (cells[i].timestamp_us > newest)
                newest = cells[i].timestamp_us;
        return value_of_i64(run->arena, newest);
    }
    struct buf out = {0};
    if (type->kind == CQL_UDT) {
        size_t at = 0;
        cql_collection_begin(&out, x->type, type->count);
        for (uint32_t i = 0; i < type->count; i++) {
            bool there = at < count && get_be16(cells[at].path.ptr) == i;
            cql_element_append(&out, x->type, there ? time_of(run, x, &cells[at++]) : STR_NONE);
        }
        return finish(run->arena, &out);
    }
    struct sort_item *items = sorted_cells(run->arena, type, cells, count);
    cql_collection_begin(&out, x->type, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        cql_element_append(&out, x->type, time_of(run, x, (const void *)items[i].value.ptr));
    return finish(run->arena, &out);
}

static enum err eval_time(struct expr_run *run, const struct expr *x, struct str *ret)
{
    const struct expr *of = x->items[0];
    const struct expr *column = of->kind == EXPR_COLUMN ? of : of->items[0];
    size_t count;
    const struct table_found *cells = cells_of(run, column->index, &count);
    *ret = STR_NONE;
    if (!cells)
        return OK;
    if (!cells[0].path.ptr) {
        *ret = time_of(run, x, &cells[0]);
        return OK;
    }
    if (of->kind == EXPR_COLUMN || of->kind == EXPR_SLICE) {
        *ret = times_of_all(run, x, column->type, cells, count);
        return OK;
    }
    struct str key = STR_NONE;
    if (of->kind == EXPR_FIELD) {
        char *path = arena_alloc(run->arena, 2);
        put_be16(path, (uint16_t)of->index);
        key = str_from(path, 2);
    } else {
        TRY(expr_eval(run, of->items[1], &key));
    }
    for (size_t i = 0; i < count; i++)
        if (str_equal(cells[i].path, key))
            *ret = time_of(run, x, &cells[i]);
    return OK;
}

/* ---- parts of values ---- */

static enum err eval_field(struct expr_run *run, const struct expr *x, struct str *ret)
{
    struct str value, item = STR_NONE;
    TRY(expr_eval(run, x->items[0], &value));
    *ret = STR_NONE;
    if (!value.ptr)
        return OK;
    struct cql_elements it;
    TRY(cql_elements_init(&it, x->items[0]->type, value));
    for (uint32_t i = 0; cql_elements_next(&it, &item); i++)
        if (i == x->index)
            *ret = item;
    return OK;
}

static enum err eval_element(struct expr_run *run, const struct expr *x, struct str *ret)
{
    struct str value, key, item, entry;
    const struct cql_type *type = x->items[0]->type;
    TRY(expr_eval(run, x->items[0], &value));
    TRY(expr_eval(run, x->items[1], &key));
    *ret = STR_NONE;
    if (expr_is_unset(key))
        return cql_fail(run->error, run->arena, CQL_INVALID,
                        "Invalid unset value for element selection");
    if (!value.ptr || !key.ptr)
        return OK;
    struct cql_elements it;
    TRY(cql_elements_init(&it, type, value));
    while (cql_elements_next(&it, &item)) {
        entry = item;
        if (type->kind == CQL_MAP && !cql_elements_next(&it, &entry))
            break;
        if (cql_value_compare(type->items[0], item, key) == 0) {
            *ret = entry;
            return OK;
        }
    }
    return OK;
}

static enum err eval_slice(struct expr_run *run, const struct expr *x, struct str *ret)
{
    struct str value, ends[2] = {STR_NONE, STR_NONE}, item, entry;
    const struct cql_type *type = x->type;
    TRY(expr_eval(run, x->items[0], &value));
    for (size_t i = 0; i < 2; i++)
        if (x->items[i + 1])
            TRY(expr_eval(run, x->items[i + 1], &ends[i]));
    *ret = STR_NONE;
    if (!value.ptr)
        return OK;
    struct cql_elements it;
    TRY(cql_elements_init(&it, type, value));
    struct str *kept = arena_array(run->arena, it.count + 1, sizeof *kept);
    size_t count = 0;
    while (cql_elements_next(&it, &item)) {
        entry = item;
        if (type->kind == CQL_MAP && !cql_elements_next(&it, &entry))
            break;
        if ((ends[0].ptr && cql_value_compare(type->items[0], item, ends[0]) < 0) ||
            (ends[1].ptr && cql_value_compare(type->items[0], item, ends[1]) > 0))
            continue;
        kept[count++] = item;
        if (type->kind == CQL_MAP)
            kept[count++] = entry;
    }
    if (count == 0 && cql_type_is_multicell(type))
        return OK;
    return value_build(run->arena, type, kept, count, ret);
}

/* ---- running ---- */

static enum err eval_bind(struct expr_run *run, const struct expr *x, struct str *ret)
{
    if (x->index >= run->bind_count)
        return cql_fail(run->error, run->arena, CQL_INVALID, "Invalid amount of bind variables");
    const struct cql_value *value = &run->binds[x->index];
    if (value->unset) {
        *ret = EXPR_UNSET;
        return OK;
    }
    if (!value->bytes.ptr) {
        *ret = STR_NONE;
        return OK;
    }
    const struct cql_type *type = x->type->kind == CQL_COUNTER ? cql_simple(CQL_BIGINT) : x->type;
    struct diag diag;
    diag.err = OK;
    diag.message[0] = 0;
    enum err err = cql_value_check(type, value->bytes, &diag);
    if (err != OK)
        return cql_fail(run->error, run->arena, CQL_INVALID, "%s",
                        diag.message[0] ? diag.message : err_text(err));
    *ret = value->bytes;
    return has_sorted(type) ? sort_value(run->arena, type, ret) : OK;
}

static enum err eval_build(struct expr_run *run, const struct expr *x, struct str *ret)
{
    struct str *items = arena_array(run->arena, x->count + 1, sizeof *items);
    for (size_t i = 0; i < x->count; i++) {
        TRY(expr_eval(run, x->items[i], &items[i]));
        if (expr_is_unset(items[i])) {
            if (x->type->kind == CQL_TUPLE)
                return cql_fail(run->error, run->arena, CQL_INVALID,
                                "Invalid unset value for tuple field number %zu", i);
            if (x->type->kind == CQL_UDT)
                return cql_fail(run->error, run->arena, CQL_INVALID,
                                "Invalid unset value for field '%.*s' of user defined type %.*s",
                                STR_ARG(x->type->names[i]), STR_ARG(x->type->name));
            return cql_fail(run->error, run->arena, CQL_INVALID,
                            "unset value is not supported inside collections");
        }
        if (!items[i].ptr && (cql_type_is_collection(x->type) || x->type->kind == CQL_VECTOR))
            return cql_fail(run->error, run->arena, CQL_INVALID, "null is not supported inside %s",
                            x->type->kind == CQL_VECTOR ? "vectors" : "collections");
    }
    return value_build(run->arena, x->type, items, x->count, ret);
}

static enum err eval_call(struct expr_run *run, const struct expr *x, struct str *ret)
{
    struct str few[8];
    struct str *args = x->count <= 8 ? few : arena_array(run->arena, x->count, sizeof *args);
    for (size_t i = 0; i < x->count; i++) {
        TRY(expr_eval(run, x->items[i], &args[i]));
        if (expr_is_unset(args[i]))
            return cql_fail(run->error, run->arena, CQL_INVALID,
                            "Invalid unset value for argument in call to function %s",
                            x->function->name);
        if (!args[i].ptr && !x->function->takes_null) {
            *ret = STR_NONE;
            return OK;
        }
    }
    return x->function->call(run, x, args, ret);
}

enum err expr_eval(struct expr_run *run, const struct expr *x, struct str *ret)
{
    switch (x->kind) {
    case EXPR_CONSTANT:
        *ret = x->value;
        return OK;
    case EXPR_BIND:
        return eval_bind(run, x, ret);
    case EXPR_COLUMN:
        *ret = run->values ? run->values[x->index] : STR_NONE;
        return OK;
    case EXPR_BUILD:
        return eval_build(run, x, ret);
    case EXPR_CALL:
        return eval_call(run, x, ret);
    case EXPR_FIELD:
        return eval_field(run, x, ret);
    case EXPR_ELEMENT:
        return eval_element(run, x, ret);
    case EXPR_SLICE:
        return eval_slice(run, x, ret);
    case EXPR_WRITETIME:
    case EXPR_TTL:
    case EXPR_MAXWRITETIME:
        return eval_time(run, x, ret);
    case EXPR_AGGREGATE:
        *ret = run->aggregates[x->index];
        return OK;
    }
    return ERR_STATE;
}
