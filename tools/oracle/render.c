/* SPDX-License-Identifier: MIT */
/*
 * Two renderings of cells.
 *
 *           Hive (golden files)               show
 *  NULL     NULL, inside null                 NULL
 *  text     raw, inside "quoted"              raw
 *  array    [1,2]                             [1, 2]
 *  map      {"a":1}, sorted as text           {a -> 1}
 *  struct   {"name":1}                        {1, b}
 *  binary   its bytes as text                 [01 FF]
 *  spans    1-2, 1 02:03:04.000000000         INTERVAL '1-2' YEAR TO MONTH
 */
#include "render.h"

#include <stdlib.h>

static void hive_span(const struct column *column, size_t row, struct buf *out)
{
    if (column->type->kind == TYPE_INTERVAL_YM) {
        int64_t months = column->i32[row], size = months < 0 ? -months : months;
        buf_printf(out, "%s%lld-%lld", months < 0 ? "-" : "", (long long)size / 12,
                   (long long)size % 12);
        return;
    }
    int64_t us = column->i64[row];
    uint64_t size = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
    uint64_t seconds = size / US_PER_SECOND;
    buf_printf(out, "%s%llu %02llu:%02llu:%02llu.%06llu000", us < 0 ? "-" : "",
               (unsigned long long)(seconds / 86400), (unsigned long long)(seconds / 3600 % 24),
               (unsigned long long)(seconds / 60 % 60), (unsigned long long)(seconds % 60),
               (unsigned long long)(size % US_PER_SECOND));
}

static void hive_nested(const struct column *column, size_t row, const struct zone *zone,
                        struct buf *out);

static int by_text(const void *a, const void *b)
{
    const struct str *left = a, *right = b;
    size_t bytes = left->bytes < right->bytes ? left->bytes : right->bytes;
    int order = bytes ? memcmp(left->ptr, right->ptr, bytes) : 0;
    return order ? order : (left->bytes > right->bytes) - (left->bytes < right->bytes);
}

/* The entries of a map as texts, sorted as texts. */
static void hive_map(const struct column *column, size_t row, const struct zone *zone,
                     struct buf *out)
{
    size_t from = (size_t)column->offsets[row], count = (size_t)column->offsets[row + 1] - from;
    struct str *entries = mem_array(count + 1, sizeof(*entries));
    size_t *ends = mem_array(count + 1, sizeof(*ends));
    struct buf text = {0};
    for (size_t i = 0; i < count; i++) {
        hive_nested(column->children[0], from + i, zone, &text);
        buf_char(&text, ':');
        hive_nested(column->children[1], from + i, zone, &text);
        ends[i] = buf_str(&text).bytes;
    }
    for (size_t i = 0; i < count; i++)
        entries[i] = str_slice(buf_str(&text), i ? ends[i - 1] : 0, ends[i]);
    qsort(entries, count, sizeof(*entries), by_text);
    buf_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        buf_text(out, i ? "," : "");
        buf_str_append(out, entries[i]);
    }
    buf_char(out, '}');
    mem_free(entries);
    mem_free(ends);
    buf_deinit(&text);
}

static void hive_inside(const struct column *column, size_t row, const struct zone *zone,
                        struct buf *out)
{
    bool is_struct = column->type->kind == TYPE_STRUCT, is_array = column->type->kind == TYPE_ARRAY;
    size_t from = is_struct ? 0 : (size_t)column->offsets[row];
    size_t to = is_struct ? column->child_count : (size_t)column->offsets[row + 1];
    buf_char(out, is_array ? '[' : '{');
    for (size_t i = from; i < to; i++) {
        if (i > from)
            buf_char(out, ',');
        if (is_struct) {
            buf_printf(out, "\"%.*s\":", STR_ARG(column->type->fields[i].name));
            hive_nested(column->children[i], row, zone, out);
        } else {
            hive_nested(column->children[0], i, zone, out);
        }
    }
    buf_char(out, is_array ? ']' : '}');
}

static void hive_nested(const struct column *column, size_t row, const struct zone *zone,
                        struct buf *out)
{
    if (column_is_null(column, row))
        buf_text(out, "null");
    else if (column->type->kind == TYPE_STRING)
        buf_printf(out, "\"%.*s\"", STR_ARG(column_str(column, row)));
    else
        render_hive(column, row, zone, out);
}

void render_hive(const struct column *column, size_t row, const struct zone *zone, struct buf *out)
{
    if (column_is_null(column, row))
        buf_text(out, "NULL");
    else if (column->type->kind == TYPE_MAP)
        hive_map(column, row, zone, out);
    else if (type_is_nested(column->type))
        hive_inside(column, row, zone, out);
    else if (column->type->kind == TYPE_INTERVAL_YM || column->type->kind == TYPE_INTERVAL_DT)
        hive_span(column, row, out);
    else
        text_of_value(column, row, zone, out);
}

static void show_inside(const struct column *column, size_t row, const struct zone *zone,
                        struct buf *out)
{
    bool is_struct = column->type->kind == TYPE_STRUCT, is_array = column->type->kind == TYPE_ARRAY;
    size_t from = is_struct ? 0 : (size_t)column->offsets[row];
    size_t to = is_struct ? column->child_count : (size_t)column->offsets[row + 1];
    buf_char(out, is_array ? '[' : '{');
    for (size_t i = from; i < to; i++) {
        if (i > from)
            buf_text(out, ", ");
        render_show(column->children[is_struct ? i : 0], is_struct ? row : i, zone, out);
        if (!is_struct && !is_array) {
            buf_text(out, " -> ");
            render_show(column->children[1], i, zone, out);
        }
    }
    buf_char(out, is_array ? ']' : '}');
}

void render_show(const struct column *column, size_t row, const struct zone *zone, struct buf *out)
{
    if (column_is_null(column, row)) {
        buf_text(out, "NULL");
    } else if (type_is_nested(column->type)) {
        show_inside(column, row, zone, out);
    } else if (column->type->kind == TYPE_BINARY) {
        struct str bytes = column_str(column, row);
        buf_char(out, '[');
        for (size_t i = 0; i < bytes.bytes; i++)
            buf_printf(out, i ? " %02X" : "%02X", (uint8_t)bytes.ptr[i]);
        buf_char(out, ']');
    } else {
        text_of_value(column, row, zone, out);
    }
}
