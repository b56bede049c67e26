/* SPDX-License-Identifier: MIT */
/* Errors for people: place, reason, hint; printed with the line and a caret below it. */
#include "base/diag.h"

#include <stdio.h>

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
        for (size_t i = 0; i < line.bytes; i++)
            buf_char(out,
                     (unsigned char)line.ptr[i] < ' ' && line.ptr[i] != '\t' ? ' ' : line.ptr[i]);
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
