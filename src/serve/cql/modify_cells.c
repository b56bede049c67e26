/* SPDX-License-Identifier: MIT */
/*
 * One operation on a column becomes cells.
 *
 * A collection that is set whole is a tombstone one microsecond before its new elements, so that
 * they live and everything older does not. Elements of sets and maps have themselves and their keys
 * as paths; fields of a user type their number. Elements of lists have 16 bytes that sort like
 * time: u64 ticks of 100 ns, then 8 bytes of this node. Appending takes the ticks of now;
 * prepending mirrors them at 2010, so that what is prepended later stands before what was.
 *
 * Setting or deleting by index, and taking values out of a list, look at the list first: they run
 * on the commit thread, with the row at hand.
 *
 * Invariants: 1. no two ticks are the same. 2. unset leaves everything as it is.
 */
#include "serve/cql/modify.h"

#include "base/endian.h"

/* A counter that was deleted by its name counts no more, whatever comes later, as in Cassandra. */
#define COUNTER_GONE_US (INT64_MAX / 2)

/* 2010-01-01 in ticks of 100 ns since 1582. */
#define MIRROR_TICKS (0x01B21DD213814000ULL + 12623040000000000ULL)

static struct table_cell *new_cell(struct modify_row *m, const struct modify_op *op)
{
    struct cell_list *list =
        &m->lists[m->item->plan->table->columns[op->column].kind == CQL_STATIC];
    if (list->count == list->room) {
        uint32_t room = list->room ? list->room * 2 : 8;
        struct table_cell *cells = arena_array(m->item->eval.arena, room, sizeof *cells);
        if (list->count)
            memcpy(cells, list->cells, list->count * sizeof *cells);
        list->cells = cells;
        list->room = room;
    }
    struct table_cell *cell = &list->cells[list->count++];
    *cell = (struct table_cell){.column = m->item->plan->table->columns[op->column].index,
                                .timestamp_us = m->item->timestamp_us};
    return cell;
}

static void live(struct modify_row *m, struct table_cell *cell, struct str value)
{
    cell->value = value;
    cell->ttl_s = m->item->ttl_s;
    if (cell->ttl_s)
        cell->expires_s = m->item->eval.now_us / 1000000 + cell->ttl_s;
}

static void add_element(struct modify_row *m, const struct modify_op *op, struct str path,
                        struct str value)
{
    struct table_cell *cell = new_cell(m, op);
    cell->path = path;
    if (value.ptr)
        live(m, cell, value);
    else
        cell->element_deleted = true;
}

static struct table_cell *last_cell(struct modify_row *m, const struct modify_op *op)
{
    struct cell_list *list =
        &m->lists[m->item->plan->table->columns[op->column].kind == CQL_STATIC];
    return &list->cells[list->count - 1];
}

static void add_tombstone(struct modify_row *m, const struct modify_op *op, bool before)
{
    struct table_cell *cell = new_cell(m, op);
    if (before)
        cell->timestamp_us--;
}

static struct str list_path(struct modify_row *m, uint64_t ticks)
{
    char *path = arena_alloc(m->item->eval.arena, 16);
    put_be64(path, ticks);
    memcpy(path + 8, m->item->eval.executor->node, 8);
    return str_from(path, 16);
}

/* So many ticks in a row; the first. */
static uint64_t take_ticks(struct cql_executor *executor, uint32_t count)
{
    uint64_t now = (uint64_t)io_wall_us(executor->io) * 10 + 0x01B21DD213814000ULL;
    uint64_t last = __atomic_load_n(&executor->list_tick, __ATOMIC_RELAXED), first;
    do {
        first = now > last ? now : last + 1;
    } while (!__atomic_compare_exchange_n(&executor->list_tick, &last, first + count - 1, false,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return first;
}

/* ---- whole values ---- */

static enum err add_list(struct modify_row *m, const struct modify_op *op, struct str value,
                         bool front)
{
    struct cql_elements it;
    struct str item;
    TRY(cql_elements_init(&it, m->item->plan->table->columns[op->column].type, value));
    if (it.count == 0)
        return OK;
    uint64_t first = take_ticks(m->item->eval.executor, it.count);
    uint32_t count = it.count;
    for (uint32_t i = 0; cql_elements_next(&it, &item) && i < count; i++) {
        if (!item.ptr)
            return cql_fail(m->item->eval.error, m->item->eval.arena, CQL_INVALID,
                            "null is not supported inside collections");
        uint64_t ticks = front ? 2 * MIRROR_TICKS - (first + count - 1 - i) : first + i;
        add_element(m, op, list_path(m, ticks), item);
    }
    return OK;
}

/* Puts (or takes out) the elements of a value; type is that of the value. */
static enum err add_elements(struct modify_row *m, const struct modify_op *op,
                             const struct cql_type *type, struct str value, bool take_out)
{
    struct cql_elements it;
    struct str item;
    TRY(cql_elements_init(&it, type, value));
    for (uint32_t field = 0; cql_elements_next(&it, &item); field++) {
        if (type->kind == CQL_UDT) {
            char *path = arena_alloc(m->item->eval.arena, 2);
            put_be16(path, (uint16_t)field);
            if (item.ptr)
                add_element(m, op, str_from(path, 2), item);
            continue;
        }
        struct str path = item, element = STR("");
        if (type->kind == CQL_MAP && !cql_elements_next(&it, &element))
            break;
        if (!path.ptr || !element.ptr)
            return cql_fail(m->item->eval.error, m->item->eval.arena, CQL_INVALID,
                            "null is not supported inside collections");
        add_element(m, op, path, take_out ? STR_NONE : element);
    }
    return OK;
}

static enum err add_whole(struct modify_row *m, const struct modify_op *op,
                          const struct cql_type *type, struct str value)
{
    if (type->kind == CQL_LIST)
        return add_list(m, op, value, false);
    return add_elements(m, op, type, value, false);
}

static enum err set_cells(struct modify_row *m, const struct modify_op *op, struct str value)
{
    const struct cql_type *type = m->item->plan->table->columns[op->column].type;
    if (cql_type_is_multicell(type)) {
        add_tombstone(m, op, true);
        return value.ptr ? add_whole(m, op, type, value) : OK;
    }
    struct table_cell *cell = new_cell(m, op);
    if (value.ptr)
        live(m, cell, value);
    return OK;
}

/* ---- with the row at hand ---- */

static const struct table_found *found_cells(const struct modify_row *m, const struct modify_op *op,
                                             uint32_t *ret_count)
{
    const struct cql_table_column *column = &m->item->plan->table->columns[op->column];
    const struct table_row *row = column->kind == CQL_STATIC && !m->row ? m->static_row : m->row;
    *ret_count = 0;
    if (!row)
        return NULL;
    const struct table_found *cells = column->kind == CQL_STATIC ? row->statics : row->cells;
    uint32_t count = column->kind == CQL_STATIC ? row->static_count : row->cell_count, from = 0;
    while (from < count && cells[from].column != column->index)
        from++;
    while (from + *ret_count < count && cells[from + *ret_count].column == column->index)
        (*ret_count)++;
    return *ret_count ? cells + from : NULL;
}

/* Has an operation before this one of the statement taken the element out? */
static bool is_taken_out(const struct modify_row *m, const struct modify_op *op,
                         const struct table_found *cell)
{
    const struct cql_table_column *column = &m->item->plan->table->columns[op->column];
    const struct cell_list *list = &m->lists[column->kind == CQL_STATIC];
    for (uint32_t i = 0; i < list->count; i++) {
        const struct table_cell *before = &list->cells[i];
        if (before->column == column->index && before->path.ptr && !before->value.ptr &&
            str_equal(before->path, cell->path))
            return true;
    }
    return false;
}

static enum err list_index(struct modify_row *m, const struct modify_op *op, struct str key,
                           const struct table_found **ret_cell)
{
    struct expr_run *eval = &m->item->eval;
    if (!key.ptr || expr_is_unset(key) || key.bytes != 4)
        return cql_fail(eval->error, eval->arena, CQL_INVALID, "Invalid %s value for list index",
                        expr_is_unset(key) ? "unset" : "null");
    int32_t index = (int32_t)get_be32(key.ptr);
    uint32_t count;
    const struct table_found *cells = found_cells(m, op, &count);
    if (!cells)
        return cql_fail(eval->error, eval->arena, CQL_INVALID,
                        op->kind == OP_ELEMENT
                            ? "Attempted to set an element on a list which is null"
                            : "Attempted to delete an element from a list which is null");
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (is_taken_out(m, op, &cells[i]))
            continue;
        if (left++ == (uint32_t)index)
            *ret_cell = &cells[i];
    }
    if (index < 0 || (uint32_t)index >= left)
        return cql_fail(eval->error, eval->arena, CQL_INVALID,
                        "List index %d out of bound, list has size %u", index, left);
    return OK;
}

static enum err discard_from_list(struct modify_row *m, const struct modify_op *op,
                                  struct str value)
{
    const struct cql_type *type = m->item->plan->table->columns[op->column].type;
    uint32_t count;
    const struct table_found *cells = found_cells(m, op, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct cql_elements it;
        struct str item;
        TRY(cql_elements_init(&it, type, value));
        while (cql_elements_next(&it, &item)) {
            if (cql_value_compare(type->items[0], cells[i].value, item) == 0) {
                add_element(m, op, cells[i].path, STR_NONE);
                break;
            }
        }
    }
    return OK;
}

static int64_t as_counter(struct str value)
{
    return value.bytes == 8 ? (int64_t)get_be64(value.ptr) : 0;
}

static struct str key_bytes(const struct modify_row *m)
{
    struct buf out = {0};
    for (uint32_t i = 0; i < m->item->plan->table->partition_count; i++) {
        buf_be32(&out, (uint32_t)m->key->partition[i].bytes);
        buf_str_append(&out, m->key->partition[i]);
    }
    for (uint32_t i = 0; i < m->key->clustering_count; i++) {
        buf_be32(&out, (uint32_t)m->key->clustering[i].bytes);
        buf_str_append(&out, m->key->clustering[i]);
    }
    struct str key = value_of_buf(m->item->eval.arena, &out);
    buf_deinit(&out);
    return key;
}

/* What a counter stands at: the store's number, or what this request made of it already. */
static struct counter_sum *counter_sum(struct modify_row *m, const struct modify_op *op)
{
    struct modify_request *request = m->item->request;
    struct str key = request->count > 1 || m->item->plan->op_count > 1 ? key_bytes(m) : STR("");
    for (struct counter_sum *at = request->sums; at; at = at->next)
        if (at->table == m->item->plan->table && at->column == op->column &&
            str_equal(at->key, key) && key.bytes)
            return at;
    struct counter_sum *sum = arena_zero(m->item->eval.arena, sizeof *sum);
    sum->table = m->item->plan->table;
    sum->column = op->column;
    sum->key = key;
    sum->next = request->sums;
    sum->timestamp_us = INT64_MIN;
    uint32_t count;
    const struct table_found *cells = found_cells(m, op, &count);
    if (cells) {
        sum->value = as_counter(cells[0].value);
        sum->timestamp_us = cells[0].timestamp_us;
    }
    request->sums = sum;
    return sum;
}

static enum err add_counter(struct modify_row *m, const struct modify_op *op, struct str value)
{
    struct expr_run *eval = &m->item->eval;
    bool subtract = op->kind == OP_SUBTRACT;
    if (!value.ptr)
        return cql_fail(eval->error, eval->arena, CQL_INVALID,
                        "Invalid null value for counter increment");
    int64_t delta = as_counter(value);
    if (subtract && delta == INT64_MIN)
        return cql_fail(
            eval->error, eval->arena, CQL_INVALID,
            "The negation of %lld overflows supported counter precision (signed 8 bytes "
            "integer)",
            (long long)delta);
    struct counter_sum *sum = counter_sum(m, op);
    sum->value =
        (int64_t)((uint64_t)sum->value + (subtract ? 0 - (uint64_t)delta : (uint64_t)delta));
    struct table_cell *cell = new_cell(m, op);
    cell->value = value_of_i64(eval->arena, sum->value);
    /* A count never goes back to what it was, whatever the clock does. */
    if (sum->timestamp_us >= cell->timestamp_us)
        cell->timestamp_us = sum->timestamp_us + 1;
    sum->timestamp_us = cell->timestamp_us;
    return OK;
}

/* v = v + 1 of a number, v = v + 'x' of a text: only under IF, where the row was read. */
static enum err add_number(struct modify_row *m, const struct modify_op *op, struct str value)
{
    struct expr_run *eval = &m->item->eval;
    const struct cql_type *type = m->item->plan->table->columns[op->column].type;
    uint32_t count;
    const struct table_found *cells = found_cells(m, op, &count);
    if (!cells || !cells[0].value.ptr || !value.ptr)
        return OK;
    struct str sum;
    if (type->kind == CQL_TEXT || type->kind == CQL_ASCII) {
        struct str old = cells[0].value;
        char *both = arena_try(eval->arena, old.bytes + value.bytes + 1);
        if (!both)
            return ERR_LIMIT;
        memcpy(both, old.ptr, old.bytes);
        memcpy(both + old.bytes, value.ptr, value.bytes);
        sum = str_from(both, old.bytes + value.bytes);
    } else {
        TRY(operation_apply(eval, '+', type, cells[0].value, value, &sum));
    }
    struct table_cell *cell = new_cell(m, op);
    live(m, cell, sum);
    return OK;
}

/* ---- parts ---- */

static enum err element_cells(struct modify_row *m, const struct modify_op *op, struct str value)
{
    struct expr_run *eval = &m->item->eval;
    const struct cql_type *type = m->item->plan->table->columns[op->column].type;
    struct str key;
    TRY(expr_eval(eval, op->key, &key));
    if (type->kind == CQL_LIST) {
        const struct table_found *cell;
        if (expr_is_unset(key) && op->kind != OP_ELEMENT)
            return OK;
        TRY(list_index(m, op, key, &cell));
        add_element(m, op, cell->path, value);
        return OK;
    }
    if (!key.ptr || expr_is_unset(key))
        return cql_fail(eval->error, eval->arena, CQL_INVALID, "Invalid %s %s",
                        expr_is_unset(key) ? "unset" : "null",
                        type->kind == CQL_SET ? "set element" : "map key");
    add_element(m, op, key, value);
    return OK;
}

static void field_cell(struct modify_row *m, const struct modify_op *op, struct str value)
{
    char *path = arena_alloc(m->item->eval.arena, 2);
    put_be16(path, (uint16_t)op->field);
    add_element(m, op, str_from(path, 2), value);
}

static enum err add_or_subtract(struct modify_row *m, const struct modify_op *op, struct str value)
{
    const struct cql_type *type = m->item->plan->table->columns[op->column].type;
    if (type->kind == CQL_COUNTER)
        return add_counter(m, op, value);
    if (!cql_type_is_collection(type))
        return add_number(m, op, value);
    if (!value.ptr)
        return OK;
    if (op->kind == OP_ADD)
        return add_whole(m, op, type, value);
    if (type->kind == CQL_LIST)
        return discard_from_list(m, op, value);
    return add_elements(m, op, op->value->type, value, true);
}

enum err modify_op_cells(struct modify_row *m, const struct modify_op *op)
{
    struct str value = STR_NONE;
    if (op->value) {
        TRY(expr_eval(&m->item->eval, op->value, &value));
        if (expr_is_unset(value))
            return OK;
    }
    switch (op->kind) {
    case OP_SET:
        return set_cells(m, op, value);
    case OP_ADD:
    case OP_SUBTRACT:
        return add_or_subtract(m, op, value);
    case OP_PREPEND:
        return value.ptr ? add_list(m, op, value, true) : OK;
    case OP_ELEMENT:
    case OP_DELETE_ELEMENT:
        return element_cells(m, op, value);
    case OP_FIELD:
    case OP_DELETE_FIELD:
        field_cell(m, op, value);
        return OK;
    case OP_DELETE:
        add_tombstone(m, op, false);
        if (m->item->plan->counter)
            last_cell(m, op)->timestamp_us = COUNTER_GONE_US;
        return OK;
    }
    return ERR_STATE;
}
