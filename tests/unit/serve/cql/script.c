/* SPDX-License-Identifier: MIT */
#include "script.h"

#include "test.h"

static const char *code_name(enum cql_error_code code)
{
    switch (code) {
    case CQL_SYNTAX_ERROR:
        return "SYNTAX";
    case CQL_INVALID:
        return "INVALID";
    case CQL_CONFIG_ERROR:
        return "CONFIG";
    case CQL_ALREADY_EXISTS:
        return "EXISTS";
    case CQL_UNAUTHORIZED:
        return "UNAUTHORIZED";
    default:
        return "ERROR";
    }
}

/* Line feeds as \n. */
static void put_escaped(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.bytes; i++)
        if (text.ptr[i] == '\n')
            buf_text(out, "\\n");
        else
            buf_char(out, text.ptr[i]);
}

static void put_error(const struct cql_error *error, struct buf *out)
{
    buf_printf(out, "%s ", code_name(error->code));
    put_escaped(error->message, out);
}

static void put_described(const struct cql_described *described, struct buf *out)
{
    for (size_t i = 0; i < described->row_count; i++) {
        for (size_t k = 0; k < described->column_count; k++) {
            buf_text(out, "|");
            put_escaped(described->rows[i][k], out);
        }
        buf_text(out, "|");
    }
    if (!described->row_count)
        buf_text(out, "||");
}

void script_answer(struct cql_catalog *catalog, struct str statement, struct buf *out)
{
    struct arena arena;
    arena_init(&arena, 1 << 26);
    struct diag diag = {.err = OK};
    struct cql_statement *st = NULL;
    struct cql_error error = {.code = CQL_SERVER_ERROR};
    struct cql_change change;
    struct cql_described described;
    enum err err = cql_parse(&arena, statement, &diag, &st);
    if (err != OK) {
        buf_printf(out, "SYNTAX ");
        put_escaped(str_of(diag.message), out);
    } else if (st->kind == CQL_DESCRIBE) {
        err = cql_catalog_describe(catalog, STR_NONE, &st->describe, &arena, &error, &described);
        if (err == OK)
            put_described(&described, out);
        else
            put_error(&error, out);
    } else if (st->kind == CQL_LIST_ROLES) {
        err = cql_catalog_list_roles(catalog, &st->list_roles, &arena, &error, &described);
        if (err == OK)
            put_described(&described, out);
        else
            put_error(&error, out);
    } else {
        err = cql_catalog_apply(catalog, STR_NONE, st, &arena, &error, &change);
        if (err == OK)
            buf_text(out, "OK");
        else
            put_error(&error, out);
    }
    arena_deinit(&arena);
}

/* \n is a line feed. */
static void put_unescaped(const char *line, size_t bytes, struct buf *out)
{
    for (size_t i = 0; i < bytes; i++)
        if (line[i] == '\\' && i + 1 < bytes && line[i + 1] == 'n') {
            buf_char(out, '\n');
            i++;
        } else {
            buf_char(out, line[i]);
        }
}

/* Without ids and times, which are others each time. */
static void put_masked(struct str text, struct buf *out)
{
    static const struct str marks[] = {{"ID = ", 5}, {"USING TIMESTAMP ", 16}};
    for (size_t i = 0; i < text.bytes; i++) {
        buf_char(out, text.ptr[i]);
        for (int m = 0; m < 2; m++) {
            if (!str_ends(str_slice(text, 0, i + 1), marks[m]))
                continue;
            size_t end = i + 1;
            while (end < text.bytes && strchr("0123456789abcdef-", text.ptr[end]))
                end++;
            if (end - i > 10) {
                buf_char(out, '*');
                i = end - 1;
            }
        }
    }
}

size_t script_run(struct cql_catalog *catalog, const char *path, size_t *ret_count)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *line = NULL;
    size_t room = 0, differ = 0, count = 0;
    ssize_t bytes;
    CLEAN(buf_deinit) struct buf statement = {0};
    CLEAN(buf_deinit) struct buf have = {0};
    CLEAN(buf_deinit) struct buf raw = {0};
    while ((bytes = getline(&line, &room, file)) > 0) {
        while (bytes && line[bytes - 1] == '\n')
            line[--bytes] = 0;
        if (!bytes || line[0] == '#')
            continue;
        struct str answer = STR("   => ");
        if (!str_starts(str_from(line, (size_t)bytes), answer)) {
            buf_reset(&statement);
            put_unescaped(line, (size_t)bytes, &statement);
            continue;
        }
        buf_reset(&have);
        buf_reset(&raw);
        script_answer(catalog, buf_str(&statement), &raw);
        put_masked(buf_str(&raw), &have);
        count++;
        struct str want = str_from(line + answer.bytes, (size_t)bytes - answer.bytes);
        if (str_equal(want, buf_str(&have)))
            continue;
        differ++;
        fprintf(stderr, "%.*s\n  want %.*s\n  have %.*s\n", STR_ARG(buf_str(&statement)),
                STR_ARG(want), STR_ARG(buf_str(&have)));
    }
    free(line);
    fclose(file);
    *ret_count = count;
    return differ;
}
