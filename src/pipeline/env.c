/* SPDX-License-Identifier: MIT */
/*
 * .env: NAME=value lines. A value in quotes is what stands between them; one without ends at " #".
 * Nothing is replaced inside values, so that a password may hold a dollar.
 */
#include "pipeline/yaml.h"

#include <stdio.h>

static void not_a_line(struct diag_list *diags, const char *file, uint32_t line, uint32_t column,
                       const char *message, const char *hint)
{
    struct diag diag = {.line = line, .column = column};
    snprintf(diag.file, sizeof diag.file, "%s", file);
    (void)!diag_set(&diag, ERR_SYNTAX, line, column, "%s", message);
    diag_hint(&diag, "%s", hint);
    diag_list_add(diags, &diag);
}

static size_t name_bytes(struct str line)
{
    size_t bytes = 0;
    for (; bytes < line.bytes; bytes++) {
        char c = line.ptr[bytes];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
        if (!letter && !(bytes && c >= '0' && c <= '9'))
            break;
    }
    return bytes;
}

/* False: a quote is not closed. */
static bool env_value(struct str value, struct str *ret_value)
{
    value = str_trim(value);
    if (value.bytes && (value.ptr[0] == '"' || value.ptr[0] == '\'')) {
        size_t end = str_find(value, str_slice(value, 0, 1), 1);
        if (end == SIZE_MAX)
            return false;
        struct str rest = str_trim(str_slice(value, end + 1, value.bytes));
        *ret_value = str_slice(value, 1, end);
        return rest.bytes == 0 || rest.ptr[0] == '#';
    }
    size_t comment = str_find(value, STR(" #"), 0);
    *ret_value = comment == SIZE_MAX ? value : str_trim(str_slice(value, 0, comment));
    return true;
}

enum err env_load(struct arena *arena, struct str text, const char *file, struct diag_list *diags,
                  struct env_file *ret_env)
{
    struct env_file env = {0};
    struct str whole, value;
    enum err err = OK;
    if (!str_is_utf8(text)) {
        not_a_line(diags, file, 0, 0, "not UTF-8 text", "save the file as UTF-8");
        return ERR_SYNTAX;
    }
    for (uint32_t number = 1; str_cut(&text, '\n', &whole); number++) {
        struct str line = str_trim(whole);
        if (!line.bytes || line.ptr[0] == '#')
            continue;
        uint32_t column = (uint32_t)(line.ptr - whole.ptr) + 1;
        if (str_starts(line, STR("export ")))
            line = str_trim(str_slice(line, 7, line.bytes));
        size_t bytes = name_bytes(line), equals = str_find(line, STR("="), 0);
        if (equals == SIZE_MAX || !bytes || str_trim(str_slice(line, bytes, equals)).bytes) {
            not_a_line(diags, file, number, column, "not a NAME=value line",
                       "write NAME=value; a name has letters, digits and _");
            err = ERR_SYNTAX;
        } else if (!env_value(str_slice(line, equals + 1, line.bytes), &value)) {
            not_a_line(diags, file, number, column, "the quote is not closed at the end",
                       "write NAME=\"value\" on one line");
            err = ERR_SYNTAX;
        } else
            map_set(&env.values, str_slice(line, 0, bytes), arena_text(arena, value));
    }
    if (err != OK)
        map_deinit(&env.values);
    else
        *ret_env = env;
    return err;
}
