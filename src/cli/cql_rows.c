/* SPDX-License-Identifier: MIT */
/* Where a CQL statement ends, and how rows and errors look: as in cqlsh, so that eyes and scripts
 * that know it find what they look for. */
#include "cli/cql.h"

#include "format/json.h"

enum { ARENA_BYTES_MAX = 256 << 20 };

/* ---- statements ---- */

/* Behind a comment or quoted part that begins at `at`; at itself when none does; SIZE_MAX: it does
 * not end. */
static size_t skip_quoted(struct str t, size_t at, bool *ret_comment)
{
    char c = t.ptr[at], next = at + 1 < t.bytes ? t.ptr[at + 1] : 0;
    *ret_comment = false;
    if ((c == '-' && next == '-') || (c == '/' && next == '/')) {
        size_t end = str_find(t, STR("\n"), at);
        *ret_comment = true;
        return end == SIZE_MAX ? t.bytes : end + 1;
    }
    struct str close = STR_NONE;
    size_t from = at + 1;
    if (c == '\'' || c == '"')
        close = str_from(t.ptr + at, 1);
    if ((c == '$' && next == '$') || (c == '/' && next == '*')) {
        *ret_comment = c == '/';
        close = c == '$' ? STR("$$") : STR("*/");
        from = at + 2;
    }
    if (!close.ptr)
        return at;
    size_t end = str_find(t, close, from);
    return end == SIZE_MAX ? SIZE_MAX : end + close.bytes;
}

static bool is_word_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

size_t cql_statement_end(struct str t, size_t from)
{
    struct str first = STR_NONE, before = STR_NONE, last = STR_NONE;
    for (size_t at = from; at < t.bytes;) {
        bool comment;
        size_t behind = skip_quoted(t, at, &comment);
        if (behind == SIZE_MAX)
            return SIZE_MAX;
        if (behind != at) {
            at = behind;
            continue;
        }
        if (t.ptr[at] == ';') {
            bool batch = first.ptr && str_equal_nocase(first, STR("BEGIN"));
            bool applied = before.ptr && str_equal_nocase(before, STR("APPLY")) &&
                           str_equal_nocase(last, STR("BATCH"));
            if (!batch || applied)
                return at + 1;
        }
        if (!is_word_character(t.ptr[at])) {
            at++;
            continue;
        }
        size_t end = at;
        while (end < t.bytes && is_word_character(t.ptr[end]))
            end++;
        before = last;
        last = str_slice(t, at, end);
        if (!first.ptr)
            first = last;
        at = end;
    }
    return SIZE_MAX;
}

bool cql_is_blank(struct str t)
{
    for (size_t at = 0; at < t.bytes;) {
        bool comment;
        size_t behind = skip_quoted(t, at, &comment);
        if (behind == SIZE_MAX || (behind != at && !comment))
            return false;
        if (behind == at && t.ptr[at] != ';' && (unsigned char)t.ptr[at] > ' ')
            return false;
        at = behind == at ? at + 1 : behind;
    }
    return true;
}

/* ---- errors ---- */

static const struct {
    enum cql_error_code code;
    const char *name, *kind;
} errors[] = {
    {CQL_SERVER_ERROR, "ServerError", "Server error"},
    {CQL_PROTOCOL_ERROR, "ProtocolException", "Protocol error"},
    {CQL_BAD_CREDENTIALS, "AuthenticationFailed", "Bad credentials"},
    {CQL_UNAVAILABLE, "Unavailable", "Unavailable exception"},
    {CQL_OVERLOADED, "OverloadedErrorMessage", "Coordinator node overloaded"},
    {CQL_BOOTSTRAPPING, "IsBootstrappingErrorMessage", "Coordinator node is bootstrapping"},
    {CQL_TRUNCATE_ERROR, "TruncateError", "Error during truncate"},
    {CQL_WRITE_TIMEOUT, "WriteTimeout",
     "Coordinator node timed out waiting for replica nodes' "
     "responses"},
    {CQL_READ_TIMEOUT, "ReadTimeout",
     "Coordinator node timed out waiting for replica nodes' "
     "responses"},
    {CQL_READ_FAILURE, "ReadFailure", "Replica(s) failed to execute read"},
    {CQL_FUNCTION_FAILURE, "FunctionFailure", "User Defined Function failure"},
    {CQL_WRITE_FAILURE, "WriteFailure", "Replica(s) failed to execute write"},
    {CQL_SYNTAX_ERROR, "SyntaxException", "Syntax error in CQL query"},
    {CQL_UNAUTHORIZED, "Unauthorized", "Unauthorized"},
    {CQL_INVALID, "InvalidRequest", "Invalid query"},
    {CQL_CONFIG_ERROR, "ConfigurationException", "Query invalid because of configuration issue"},
    {CQL_ALREADY_EXISTS, "AlreadyExists", "Item already exists"},
};

void cql_print_error(const struct cql_error *error, struct buf *out)
{
    const char *name = "ErrorMessage", *kind = "Unknown";
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == error->code) {
            name = errors[i].name;
            kind = errors[i].kind;
        }
    if (error->code == CQL_SYNTAX_ERROR || error->code == CQL_CONFIG_ERROR)
        buf_printf(out, "%s: %.*s\n", name, STR_ARG(error->message));
    else
        buf_printf(out, "%s: Error from server: code=%04x [%s] message=\"%.*s\"\n", name,
                   (unsigned)error->code, kind, STR_ARG(error->message));
}

/* ---- rows ---- */

/* As cqlsh shows it: literals without their outer quotes. */
static void print_cell(const struct cql_type *type, struct str value, struct buf *out)
{
    if (type->kind == CQL_TEXT || type->kind == CQL_ASCII) {
        buf_str_append(out, value);
        return;
    }
    size_t at = out->bytes;
    cql_value_print(type, value, out);
    if (out->bytes < at + 2 || out->ptr[at] != '\'' || out->ptr[out->bytes - 1] != '\'')
        return;
    memmove(out->ptr + at, out->ptr + at + 1, out->bytes - at - 2);
    buf_truncate(out, out->bytes - 2);
}

struct grid {
    struct arena arena;
    struct cql_rows_metadata metadata;
    struct str *cells; /* ptr NULL = null */
    uint32_t rows;
};

static enum err read_grid(struct grid *g, struct str body)
{
    struct reader r = reader_of(body.ptr, body.bytes);
    CLEAN(buf_deinit) struct buf text = {0};
    TRY(cql_rows_metadata_read(&r, 4, &g->arena, &g->metadata));
    size_t columns = g->metadata.column_count;
    g->rows = reader_be32(&r);
    if (r.err != OK || (columns && g->rows > r.left / (4 * columns)) || g->metadata.no_metadata)
        return ERR_CORRUPT;
    g->cells = arena_array(&g->arena, g->rows * columns + 1, sizeof *g->cells);
    for (size_t i = 0; i < g->rows * columns; i++) {
        struct str value = cql_bytes_read(&r);
        g->cells[i] = STR_NONE;
        if (!value.ptr)
            continue;
        buf_reset(&text);
        print_cell(g->metadata.columns[i % columns].type, value, &text);
        g->cells[i] = text.bytes ? arena_str(&g->arena, buf_str(&text)) : STR("");
    }
    return r.err;
}

/* Code points, with line feeds as \n: cells stay on one line. */
static size_t width_of(struct str text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.bytes; i++)
        width += ((unsigned char)text.ptr[i] & 0xC0) != 0x80 ? 1 + (text.ptr[i] == '\n') : 0;
    return width;
}

static void put_padded(struct str text, size_t width, bool right, struct buf *out)
{
    size_t have = width_of(text), pad = width > have ? width - have : 0;
    for (size_t i = 0; right && i < pad; i++)
        buf_char(out, ' ');
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.ptr[i] == '\n')
            buf_text(out, "\\n");
        else
            buf_char(out, text.ptr[i]);
    }
    for (size_t i = 0; !right && i < pad; i++)
        buf_char(out, ' ');
}

static void print_table(const struct grid *g, struct buf *out)
{
    size_t columns = g->metadata.column_count;
    size_t *widths = arena_array((struct arena *)&g->arena, columns + 1, sizeof *widths);
    for (size_t c = 0; c < columns; c++) {
        widths[c] = width_of(g->metadata.columns[c].name);
        for (uint32_t row = 0; row < g->rows; row++) {
            struct str cell = g->cells[row * columns + c];
            size_t width = cell.ptr ? width_of(cell) : 4;
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    buf_char(out, '\n');
    for (size_t c = 0; c < columns; c++) {
        buf_text(out, c ? " | " : " ");
        put_padded(g->metadata.columns[c].name, widths[c], false, out);
    }
    while (out->bytes && out->ptr[out->bytes - 1] == ' ')
        buf_truncate(out, out->bytes - 1);
    buf_char(out, '\n');
    for (size_t c = 0; c < columns; c++) {
        buf_text(out, c ? "-+-" : "-");
        for (size_t i = 0; i < widths[c]; i++)
            buf_char(out, '-');
    }
    buf_text(out, "-\n");
    for (uint32_t row = 0; row < g->rows; row++) {
        for (size_t c = 0; c < columns; c++) {
            struct str cell = g->cells[row * columns + c];
            buf_text(out, c ? " | " : " ");
            put_padded(cell.ptr ? cell : STR("null"), widths[c], true, out);
        }
        buf_char(out, '\n');
    }
}

static void print_statements(const struct grid *g, struct buf *out)
{
    size_t columns = g->metadata.column_count;
    for (uint32_t row = 0; row < g->rows; row++) {
        struct str cell = g->cells[row * columns + columns - 1];
        buf_printf(out, "%s%.*s\n", row ? "\n" : "", STR_ARG(cell));
    }
}

static void add_json(struct cql_page *page, const struct grid *g)
{
    size_t columns = g->metadata.column_count;
    struct json_writer w = {.out = &page->json};
    if (!page->json.bytes) {
        buf_text(&page->json, "{\"columns\":");
        json_open(&w, '[');
        for (size_t c = 0; c < columns; c++) {
            CLEAN(buf_deinit) struct buf type = {0};
            cql_type_print(g->metadata.columns[c].type, &type);
            json_open(&w, '{');
            json_key(&w, "name");
            json_str(&w, g->metadata.columns[c].name);
            json_key(&w, "type");
            json_str(&w, buf_str(&type));
            json_close(&w, '}');
        }
        json_close(&w, ']');
        buf_text(&page->json, ",\"rows\":[");
    }
    for (uint32_t row = 0; row < g->rows; row++) {
        struct json_writer line = {.out = &page->json};
        if (page->rows || row)
            buf_char(&page->json, ',');
        json_open(&line, '[');
        for (size_t c = 0; c < columns; c++)
            json_str(&line, g->cells[row * columns + c]);
        json_close(&line, ']');
    }
}

enum err cql_print_page(struct cql_page *page, struct str body, struct buf *out)
{
    struct grid g = {0};
    arena_init(&g.arena, ARENA_BYTES_MAX);
    enum err err = read_grid(&g, body);
    if (err == OK) {
        size_t columns = g.metadata.column_count;
        bool statements = page->describes && columns &&
                          str_equal(g.metadata.columns[columns - 1].name, STR("create_statement"));
        page->describes = statements;
        if (strcmp(page->output, "table") != 0)
            add_json(page, &g);
        else if (statements)
            print_statements(&g, out);
        else if (g.rows || !page->rows)
            print_table(&g, out);
        page->rows += g.rows;
        buf_reset(&page->paging);
        page->more = g.metadata.paging_state.ptr != NULL;
        if (page->more)
            buf_str_append(&page->paging, g.metadata.paging_state);
    }
    arena_deinit(&g.arena);
    return err;
}

void cql_print_end(const struct cli *cli, struct cql_page *page, struct buf *out)
{
    if (strcmp(page->output, "table") == 0) {
        if (!page->describes)
            buf_printf(out, "\n(%llu rows)\n", (unsigned long long)page->rows);
        return;
    }
    buf_text(&page->json, "],\"truncated\":false}");
    cli_rows(cli, buf_str(&page->json));
}

void cql_page_deinit(struct cql_page *page)
{
    buf_deinit(&page->paging);
    buf_deinit(&page->json);
}
