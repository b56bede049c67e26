/* SPDX-License-Identifier: MIT */
/* What commands say, and how: lines, mistakes with their place, tables. */
#include "base/mem.h"
#include "cli/cli.h"
#include "format/json.h"
#include "pipeline/project.h"

#include <stdio.h>
#include <string.h>

void cli_write(const struct cli *cli, struct str bytes)
{
    /* A reader that went away (| head) is no error of ours. */
    (void)!io_stdout_write(cli->io, bytes.ptr, bytes.bytes);
}

void cli_print(const struct cli *cli, const char *format, ...)
{
    CLEAN(buf_deinit) struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    cli_write(cli, buf_str(&text));
}

void cli_error(const struct cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("millrace: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

void cli_diag_text(struct str source, const struct diag *diag)
{
    CLEAN(buf_deinit) struct buf text = {0};
    diag_print(diag, source, &text);
    fflush(stdout);
    fprintf(stderr, "%.*s", STR_ARG(buf_str(&text)));
}

void cli_diag(const struct cli *cli, const char *directory, const struct diag *diag)
{
    CLEAN(arena_deinit) struct arena arena = {.bytes_max = 64 << 20};
    struct str source = STR_NONE;
    if (directory && diag->file[0])
        source = project_file_text(cli->io, directory, diag->file, &arena);
    cli_diag_text(source, diag);
}

int cli_exit(enum err err)
{
    switch (err) {
    case OK:
        return EXIT_DONE;
    case ERR_CONFLICT:
    case ERR_AGAIN:
    case ERR_TIMEOUT:
    case ERR_NETWORK:
    case ERR_DISK_FULL:
        return EXIT_LATER;
    default:
        return EXIT_FAILED;
    }
}

/* ---- tables of text ---- */

enum { COLUMNS_MAX = 512, CELL_WIDTH_MAX = 60 };

struct grid {
    struct buf text;
    size_t *cells; /* start of each cell in text; one more at the end */
    size_t count, room;
    size_t columns;
};

static void grid_cell(struct grid *g, struct str s)
{
    if (g->count + 2 > g->room) {
        g->room = g->room ? g->room * 2 : 256;
        g->cells = mem_realloc_array(g->cells, g->room, sizeof *g->cells);
    }
    g->cells[g->count++] = g->text.bytes;
    for (size_t i = 0; i < s.bytes; i++)
        buf_char(&g->text, (unsigned char)s.ptr[i] < 32 ? ' ' : s.ptr[i]);
    g->cells[g->count] = g->text.bytes;
}

static struct str grid_get(const struct grid *g, size_t i)
{
    return str_from(g->text.ptr + g->cells[i], g->cells[i + 1] - g->cells[i]);
}

/* How many places of a terminal a code point takes: none, one or two. Ranges as wide or combining
 * in Unicode; what is rarer counts as one. */
static size_t point_width(uint32_t code)
{
    static const struct {
        uint32_t from, to;
        uint8_t width;
    } ranges[] = {
        {0x0300, 0x036F, 0},   {0x0483, 0x0489, 0},   {0x0591, 0x05BD, 0},   {0x0610, 0x061A, 0},
        {0x064B, 0x065F, 0},   {0x0E34, 0x0E3A, 0},   {0x1100, 0x115F, 2},   {0x200B, 0x200F, 0},
        {0x20D0, 0x20F0, 0},   {0x2E80, 0x303E, 2},   {0x3041, 0xA4CF, 2},   {0xAC00, 0xD7A3, 2},
        {0xF900, 0xFAFF, 2},   {0xFE00, 0xFE0F, 0},   {0xFE30, 0xFE6F, 2},   {0xFF00, 0xFF60, 2},
        {0xFFE0, 0xFFE6, 2},   {0x1F300, 0x1F64F, 2}, {0x1F680, 0x1F6FF, 2}, {0x1F900, 0x1FAFF, 2},
        {0x20000, 0x3FFFD, 2},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (code >= ranges[i].from && code <= ranges[i].to)
            return ranges[i].width;
    return 1;
}

/* The code point at index at; the index behind it. Broken bytes count one by one. */
static size_t next_point(struct str s, size_t at, uint32_t *ret_code)
{
    unsigned char c = (unsigned char)s.ptr[at];
    size_t bytes = c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    uint32_t code = bytes == 1 ? c : c & (0x7Fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if (at + i >= s.bytes || ((unsigned char)s.ptr[at + i] & 0xC0) != 0x80) {
            *ret_code = c;
            return at + 1;
        }
        code = code << 6 | ((unsigned char)s.ptr[at + i] & 0x3F);
    }
    *ret_code = code;
    return at + bytes;
}

static size_t width_of(struct str s)
{
    size_t width = 0;
    uint32_t code;
    for (size_t i = 0; i < s.bytes;) {
        i = next_point(s, i, &code);
        width += point_width(code);
    }
    return width;
}

/* As much of the front as fits. */
static struct str cut_to(struct str s, size_t width)
{
    uint32_t code;
    for (size_t i = 0; i < s.bytes;) {
        size_t behind = next_point(s, i, &code), wide = point_width(code);
        if (wide > width)
            return str_slice(s, 0, i);
        width -= wide;
        i = behind;
    }
    return s;
}

static void print_cell(struct buf *out, struct str s, size_t width, bool right, bool last)
{
    size_t have = width_of(s);
    bool cut = have > width;
    if (cut) {
        s = cut_to(s, width - 1);
        have = width_of(s) + 1;
    }
    for (size_t i = have; right && i < width; i++)
        buf_char(out, ' ');
    buf_str_append(out, s);
    if (cut)
        buf_text(out, "…");
    for (size_t i = have; !right && !last && i < width; i++)
        buf_char(out, ' ');
    buf_text(out, last ? "\n" : "  ");
}

static void grid_print(const struct cli *cli, const struct grid *g, const bool *right)
{
    size_t widths[COLUMNS_MAX] = {0};
    CLEAN(buf_deinit) struct buf out = {0};
    for (size_t i = 0; i < g->count; i++) {
        size_t width = width_of(grid_get(g, i)), *most = &widths[i % g->columns];
        if (width > CELL_WIDTH_MAX)
            width = CELL_WIDTH_MAX;
        *most = width > *most ? width : *most;
    }
    for (size_t i = 0; i < g->count; i++) {
        size_t c = i % g->columns;
        print_cell(&out, grid_get(g, i), widths[c], right[c], c + 1 == g->columns);
        if (i + 1 == g->columns)
            for (size_t k = 0; k < g->columns; k++) {
                for (size_t n = 0; n < widths[k]; n++)
                    buf_char(&out, '-');
                buf_text(&out, k + 1 == g->columns ? "\n" : "  ");
            }
    }
    cli_write(cli, buf_str(&out));
}

static void grid_deinit(struct grid *g)
{
    buf_deinit(&g->text);
    mem_free(g->cells);
}

static void json_cell(struct grid *g, struct str value)
{
    CLEAN(buf_deinit) struct buf text = {0};
    if (value.ptr && json_kind(value) != JSON_KIND_NULL)
        json_text(value, &text);
    grid_cell(g, buf_str(&text));
}

void cli_table(const struct cli *cli, struct str list, const struct cli_column *columns,
               size_t count)
{
    if (cli->json) {
        cli_print(cli, "%.*s\n", STR_ARG(list));
        return;
    }
    CLEAN(grid_deinit) struct grid grid = {.columns = count};
    bool right[COLUMNS_MAX] = {0};
    for (size_t i = 0; i < count; i++) {
        grid_cell(&grid, str_of(columns[i].title));
        right[i] = columns[i].right;
    }
    size_t state = 0;
    for (struct str key, item; json_next(list, &state, &key, &item);)
        for (size_t i = 0; i < count; i++)
            json_cell(&grid, json_member(item, columns[i].member));
    grid_print(cli, &grid, right);
}

/* ---- answers of queries ---- */

static bool is_number_type(struct str type)
{
    static const char *const numbers[] = {"tinyint", "smallint", "int",    "bigint",
                                          "float",   "double",   "decimal"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (str_starts(type, str_of(numbers[i])))
            return true;
    return false;
}

static void csv_cell(struct buf *out, struct str value, bool first)
{
    CLEAN(buf_deinit) struct buf text = {0};
    if (json_kind(value) != JSON_KIND_NULL)
        json_text(value, &text);
    struct str s = buf_str(&text);
    bool quote = str_find(s, STR(","), 0) != SIZE_MAX || str_find(s, STR("\""), 0) != SIZE_MAX ||
                 str_find(s, STR("\n"), 0) != SIZE_MAX;
    if (!first)
        buf_char(out, ',');
    if (quote)
        buf_char(out, '"');
    for (size_t i = 0; i < s.bytes; i++) {
        if (s.ptr[i] == '"')
            buf_char(out, '"');
        buf_char(out, s.ptr[i]);
    }
    if (quote)
        buf_char(out, '"');
}

static void rows_csv(const struct cli *cli, struct str columns, struct str rows)
{
    CLEAN(buf_deinit) struct buf out = {0};
    size_t state = 0, index = 0;
    struct str key, item;
    while (json_next(columns, &state, &key, &item))
        csv_cell(&out, json_member(item, "name"), index++ == 0);
    buf_text(&out, "\r\n");
    for (state = 0; json_next(rows, &state, &key, &item);) {
        size_t cell_state = 0;
        index = 0;
        for (struct str cell; json_next(item, &cell_state, &key, &cell);)
            csv_cell(&out, cell, index++ == 0);
        buf_text(&out, "\r\n");
    }
    cli_write(cli, buf_str(&out));
}

void cli_rows(const struct cli *cli, struct str answer)
{
    struct str columns = json_member(answer, "columns"), rows = json_member(answer, "rows");
    struct str key, item, cell;
    if (cli->json) {
        cli_print(cli, "%.*s\n", STR_ARG(answer));
        return;
    }
    if (strcmp(cli->output, "csv") == 0) {
        rows_csv(cli, columns, rows);
        return;
    }
    CLEAN(grid_deinit) struct grid grid = {0};
    bool right[COLUMNS_MAX] = {0};
    size_t state = 0, row_count = 0;
    while (grid.columns < COLUMNS_MAX && json_next(columns, &state, &key, &item)) {
        CLEAN(buf_deinit) struct buf type = {0};
        json_text(json_member(item, "type"), &type);
        right[grid.columns++] = is_number_type(buf_str(&type));
        json_cell(&grid, json_member(item, "name"));
    }
    if (!grid.columns)
        return;
    for (state = 0; json_next(rows, &state, &key, &item); row_count++) {
        size_t cell_state = 0, cells = 0;
        for (; cells < grid.columns && json_next(item, &cell_state, &key, &cell); cells++) {
            if (json_kind(cell) == JSON_KIND_NULL)
                grid_cell(&grid, STR("NULL"));
            else
                json_cell(&grid, cell);
        }
    }
    grid_print(cli, &grid, right);
    bool truncated = str_equal(json_member(answer, "truncated"), STR("true"));
    cli_print(cli, "%zu row%s%s\n", row_count, row_count == 1 ? "" : "s",
              truncated ? ", more are there (--rows N)" : "");
}
