/* SPDX-License-Identifier: MIT */
/* Errors for people: place, reason, hint; printed with the line and a caret below it. */
#include "base/diag.h"

#include <stdio.h>
#include <string.h>

enum err diag_set(struct diag *diag, enum err err, uint32_t line, uint32_t column,
                  const char *format, ...)
{
    if (!diag || diag->err != OK)
        return err;
    diag->err = err;
    diag->line = line;
    diag->column = column;
    va_list args;
    va_start(args, format);
    vsnprintf(diag->message, sizeof diag->message, format, args);
    va_end(args);
    return err;
}

void diag_hint(struct diag *diag, const char *format, ...)
{
    if (!diag || diag->hint[0])
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(diag->hint, sizeof diag->hint, format, args);
    va_end(args);
}

void diag_class(struct diag *diag, const char *error_class, const char *sqlstate)
{
    if (!diag)
        return;
    snprintf(diag->error_class, sizeof diag->error_class, "%s", error_class);
    snprintf(diag->sqlstate, sizeof diag->sqlstate, "%s", sqlstate);
}

void diag_list_add(struct diag_list *list, const struct diag *diag)
{
    size_t max = list->count_max ? list->count_max : 200;
    if (list->count >= max) {
        list->dropped++;
        return;
    }
    list->items = mem_realloc_array(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = *diag;
}

void diag_list_deinit(struct diag_list *list)
{
    mem_free(list->items);
    *list = (struct diag_list){.count_max = list->count_max};
}

static struct str line_of(struct str source, uint32_t line)
{
    struct str part = STR_NONE;
    while (line-- && str_cut(&source, '\n', &part))
        ;
    return part.bytes && part.ptr[part.bytes - 1] == '\r' ? str_slice(part, 0, part.bytes - 1)
                                                          : part;
}

/* ---- what may not be shown ---- */

bool diag_is_secret(struct str name)
{
    static const char *const words[] = {"password", "secret", "token",         "login",  "api_key",
                                        "apikey",   ".pem",   "authorization", "bearer", "jaas"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (size_t at = 0; at + strlen(words[i]) <= name.bytes; at++)
            if (str_equal_nocase(str_slice(name, at, at + strlen(words[i])), str_of(words[i])))
                return true;
    return false;
}

static bool is_of_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/* Stars for characters, so that the caret still points at its place. Quotes stay, and the name in
 * ${NAME}. */
static void hide(struct buf *text, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++) {
        if (str_starts(str_slice(buf_str(text), i, end), STR("${")))
            for (i += 2; i < end && is_of_name((char)text->ptr[i]);)
                i++;
        if (i < end && text->ptr[i] < 0x80 && !strchr("\"'}", text->ptr[i]))
            text->ptr[i] = '*';
    }
}

/* Where the value that begins there ends, rather too late than too early. */
static size_t value_end(const struct buf *text, size_t at, bool is_pair, bool in_braces)
{
    char quote = at < text->bytes ? (char)text->ptr[at] : 0;
    const char *ends = quote == '"'    ? "\""
                       : quote == '\'' ? "'"
                       : is_pair       ? "&\"' "
                       : in_braces     ? ",}]"
                                       : "";
    size_t end = at + (quote == '"' || quote == '\'');
    while (end < text->bytes && !strchr(ends, text->ptr[end])) {
        bool names = str_starts(str_slice(buf_str(text), end, text->bytes), STR("${"));
        while (names && end < text->bytes && text->ptr[end] != '}')
            end++;
        end++;
    }
    return end < text->bytes ? end : text->bytes;
}

/* Behind NAME= or NAME: of a secret. Of a login the user may be seen, of a map all but `value`. */
static void hide_value(struct buf *text, struct str name, size_t at, bool in_braces)
{
    bool is_pair = text->ptr[at++] == '=';
    while (at < text->bytes && text->ptr[at] == ' ')
        at++;
    struct str rest = str_slice(buf_str(text), at, text->bytes);
    size_t inner = str_find(rest, STR("value:"), 0), user = str_find(rest, STR(":"), 0);
    if (str_starts(rest, STR("{"))) {
        if (inner != SIZE_MAX)
            hide_value(text, STR("value"), at + inner + strlen("value"), true);
        return;
    }
    size_t end = value_end(text, at, is_pair, in_braces);
    if (str_ends(name, STR("login")) && user != SIZE_MAX && at + user < end)
        at += user + 1;
    hide(text, at, end);
}

/* A line of a configuration without its passwords: of NAME=VALUE, NAME: VALUE and USER:PASSWORD@.
 */
static void hide_secrets(struct buf *text)
{
    int braces = 0;
    for (size_t i = 0, from = 0; i < text->bytes; i++) {
        char c = (char)text->ptr[i];
        struct str name = str_slice(buf_str(text), from, i);
        braces += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
        if (name.bytes && strchr("\"'", name.ptr[name.bytes - 1]))
            name.bytes--;
        if ((c == '=' || c == ':') && diag_is_secret(name))
            hide_value(text, name, i, braces > 0);
        if (!is_of_name(c) && !(strchr("\"'", c) && i > from))
            from = i + 1;
    }
    size_t at = str_find(buf_str(text), STR("://"), 0), from = 0;
    for (size_t i = at == SIZE_MAX ? text->bytes : at + 3; i < text->bytes; i++) {
        if (!from && text->ptr[i] == ':')
            from = i + 1;
        if (from && text->ptr[i] == '@')
            hide(text, from, i);
        if (strchr("?\"' ", text->ptr[i]))
            break;
    }
}

/* ---- printing ---- */

static void print_line(const struct diag *diag, struct str line, struct buf *out)
{
    CLEAN(buf_deinit) struct buf text = {0};
    struct str file = str_of(diag->file);
    for (size_t i = 0; i < line.bytes; i++)
        buf_char(&text,
                 (unsigned char)line.ptr[i] < ' ' && line.ptr[i] != '\t' ? ' ' : line.ptr[i]);
    if (str_ends(file, STR(".yml")) || str_ends(file, STR(".yaml")) || str_ends(file, STR(".env")))
        hide_secrets(&text);
    buf_str_append(out, buf_str(&text));
}

void diag_print(const struct diag *diag, struct str source, struct buf *out)
{
    if (diag->file[0])
        buf_printf(out, "%s:", diag->file);
    if (diag->line)
        buf_printf(out, "%u:%u:", diag->line, diag->column);
    if (diag->file[0] || diag->line)
        buf_char(out, ' ');
    buf_text(out, diag->message);
    if (diag->error_class[0])
        buf_printf(out, " [%s%s%s]", diag->error_class, diag->sqlstate[0] ? "/" : "",
                   diag->sqlstate);
    buf_char(out, '\n');
    struct str line = diag->line ? line_of(source, diag->line) : STR_NONE;
    if (line.bytes && line.bytes < 400) {
        buf_text(out, "  ");
        print_line(diag, line, out);
        buf_text(out, "\n  ");
        uint32_t column = 1;
        for (size_t i = 0; i < line.bytes && column < diag->column; i++) {
            if (((unsigned char)line.ptr[i] & 0xC0) == 0x80)
                continue;
            buf_char(out, line.ptr[i] == '\t' ? '\t' : ' ');
            column++;
        }
        buf_text(out, "^\n");
    }
    if (diag->hint[0])
        buf_printf(out, "  hint: %s\n", diag->hint);
}
