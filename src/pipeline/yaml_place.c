/* SPDX-License-Identifier: MIT */
/*
 * From a byte of a value back to the place in the file where it was written. A mistake inside a
 * schema or a path should be shown where the person sees it, and between the file and the value
 * lie indentation, folding, quotes, escapes and ${NAME}.
 *
 * So the value is read from the file once more, by the rules of its style, and each byte keeps the
 * position of what it came from. The first character tells the style: ' and " are quotes, > and |
 * begin a block, anything else is plain. Then the bytes in front of the first ${NAME} count from
 * the front and those behind the last one from the back, where the end of the value can be told
 * (that of a plain one depends on what is around it, so it is not looked for).
 *
 * libfyaml 0.7 loses a line end of a folded block in front of a deeper line, and answers with a
 * byte too many; so those values are made here too.
 */
#include "pipeline/yaml.h"

struct written {
    struct str file;
    struct buf bytes;   /* the value before ${NAME} is replaced */
    uint32_t *position; /* of each byte, in the file */
    size_t room;
    bool has_end; /* the whole value was read */
};

static void emit(struct written *w, char c, size_t position)
{
    if (w->bytes.bytes >= w->room) {
        w->room = w->room ? w->room * 2 : 256;
        w->position = mem_realloc_array(w->position, w->room, sizeof *w->position);
    }
    w->position[w->bytes.bytes] = (uint32_t)position;
    buf_char(&w->bytes, c);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The bytes of the line end at index at: 0, 1 or 2. */
static size_t break_bytes(struct str file, size_t at)
{
    if (at < file.bytes && file.ptr[at] == '\n')
        return 1;
    return at + 1 < file.bytes && file.ptr[at] == '\r' && file.ptr[at + 1] == '\n' ? 2 : 0;
}

static void emit_breaks(struct written *w, size_t breaks, size_t position)
{
    for (size_t i = 0; i < breaks; i++)
        emit(w, '\n', position);
}

/* ---- plain and quoted: a line end and the blanks around it are one blank ---- */

/* At a line end: the blanks behind keep go, then a blank or the empty lines as line feeds. */
static size_t fold_line(struct written *w, size_t at, size_t keep)
{
    size_t breaks = 0, start = at, bytes;
    buf_truncate(&w->bytes, keep);
    while ((bytes = break_bytes(w->file, at))) {
        breaks++;
        at += bytes;
        while (at < w->file.bytes && is_blank(w->file.ptr[at]))
            at++;
    }
    if (breaks == 1)
        emit(w, ' ', start);
    else
        emit_breaks(w, breaks - 1, start);
    return at;
}

static size_t utf8_bytes(uint32_t code)
{
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

static uint32_t hex_value(struct str digits)
{
    uint32_t value = 0;
    for (size_t i = 0; i < digits.bytes; i++) {
        char c = digits.ptr[i];
        value = value * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return value;
}

/* A backslash at index at; the index behind the escape. What it stands for matters by its size
 * only: its bytes all stand where the backslash is. */
static size_t escape(struct written *w, size_t at, size_t *keep)
{
    static const char hex_letters[] = "xuU";
    static const size_t hex_digits[] = {2, 4, 8};
    char c = at + 1 < w->file.bytes ? w->file.ptr[at + 1] : '\\';
    size_t bytes = 1, used = 2, line_end = break_bytes(w->file, at + 1);
    if (line_end) {
        used = 1 + line_end; /* the line goes on, with no blank between */
        bytes = 0;
        while (at + used < w->file.bytes && is_blank(w->file.ptr[at + used]))
            used++;
    } else if (c == 'N' || c == '_')
        bytes = 2;
    else if (c == 'L' || c == 'P')
        bytes = 3;
    const char *hex = c ? strchr(hex_letters, c) : NULL;
    if (hex) {
        size_t digits = hex_digits[hex - hex_letters];
        bytes = utf8_bytes(hex_value(str_slice(w->file, at + 2, at + 2 + digits)));
        used += digits;
    }
    for (size_t i = 0; i < bytes; i++)
        emit(w, '?', at);
    *keep = w->bytes.bytes;
    return at + used;
}

static void read_quoted(struct written *w, size_t at, char quote)
{
    size_t keep = 0;
    for (at++; at < w->file.bytes;) {
        char c = w->file.ptr[at];
        if (break_bytes(w->file, at)) {
            at = fold_line(w, at, keep);
            keep = w->bytes.bytes;
        } else if (quote == '"' && c == '\\')
            at = escape(w, at, &keep);
        else if (c == quote) {
            bool twice = quote == '\'' && at + 1 < w->file.bytes && w->file.ptr[at + 1] == quote;
            if (!twice) {
                w->has_end = true;
                return;
            }
            emit(w, c, at);
            keep = w->bytes.bytes;
            at += 2;
        } else {
            emit(w, c, at++);
            keep = is_blank(c) ? keep : w->bytes.bytes;
        }
    }
}

static void read_plain(struct written *w, size_t at, size_t bytes_max)
{
    size_t keep = 0;
    while (at < w->file.bytes && w->bytes.bytes < bytes_max) {
        if (break_bytes(w->file, at)) {
            at = fold_line(w, at, keep);
            keep = w->bytes.bytes;
            continue;
        }
        char c = w->file.ptr[at];
        emit(w, c, at++);
        keep = is_blank(c) ? keep : w->bytes.bytes;
    }
}

/* ---- blocks ---- */

struct block {
    bool folded;
    char chomp;    /* '+', '-' or 0 */
    size_t indent; /* SIZE_MAX: that of the first line that has text */
    size_t breaks; /* line ends since the last text */
    bool deeper;   /* the last text began with a blank */
    bool begun;
};

static size_t line_end(struct str file, size_t at)
{
    while (at < file.bytes && !break_bytes(file, at))
        at++;
    return at;
}

static size_t read_header(struct str file, size_t at, const struct setting *setting,
                          struct block *block)
{
    size_t outer = setting->key_column   ? setting->key_column - 1
                   : setting->column > 3 ? setting->column - 3 /* behind "- " */
                                         : 0;
    *block = (struct block){.folded = file.ptr[at] == '>', .indent = SIZE_MAX};
    for (at++; at < file.bytes && !is_blank(file.ptr[at]) && !break_bytes(file, at); at++) {
        char c = file.ptr[at];
        if (c >= '1' && c <= '9')
            block->indent = outer + (size_t)(c - '0');
        else
            block->chomp = c;
    }
    at = line_end(file, at);
    return at + break_bytes(file, at);
}

/* What lies between the last text and this one. */
static void join_lines(struct written *w, struct block *block, bool deeper, size_t at)
{
    size_t breaks = block->breaks;
    if (block->begun && block->folded && !deeper && !block->deeper) {
        if (breaks == 1)
            emit(w, ' ', at);
        else
            emit_breaks(w, breaks - 1, at);
    } else
        emit_breaks(w, breaks, at);
    block->breaks = 0;
    block->deeper = deeper;
    block->begun = true;
}

static void read_block(struct written *w, size_t at, const struct setting *setting)
{
    struct block block;
    at = read_header(w->file, at, setting, &block);
    while (at < w->file.bytes) {
        size_t end = line_end(w->file, at), text = at;
        while (text < end && w->file.ptr[text] == ' ' && text - at < block.indent)
            text++;
        if (text < end) {
            if (block.indent == SIZE_MAX)
                block.indent = text - at;
            if (text - at < block.indent)
                break; /* the block is over */
            join_lines(w, &block, is_blank(w->file.ptr[text]), text);
            for (size_t i = text; i < end; i++)
                emit(w, w->file.ptr[i], i);
        }
        block.breaks += break_bytes(w->file, end) != 0;
        at = end + break_bytes(w->file, end);
    }
    size_t kept = block.chomp == '+'                   ? block.breaks
                  : block.chomp == '-' || !block.begun ? 0
                                                       : block.breaks > 0;
    emit_breaks(w, kept, at < w->file.bytes ? at : w->file.bytes);
    w->has_end = true;
}

void yaml_block(struct str text, const struct setting *setting, size_t position, struct buf *out)
{
    struct written w = {.file = text};
    read_block(&w, position, setting);
    buf_str_append(out, buf_str(&w.bytes));
    buf_deinit(&w.bytes);
    mem_free(w.position);
}

/* ---- the place ---- */

static size_t position_of(struct str file, uint32_t line, uint32_t column)
{
    size_t at = 0;
    while (--line) {
        at = line_end(file, at);
        at += break_bytes(file, at);
    }
    for (; column > 1 && at < file.bytes; column--)
        for (at++; at < file.bytes && ((unsigned char)file.ptr[at] & 0xC0) == 0x80;)
            at++;
    return at;
}

static void place_of(struct str file, size_t position, uint32_t *ret_line, uint32_t *ret_column)
{
    uint32_t line = 1, column = 1;
    for (size_t i = 0; i < position && i < file.bytes; i++) {
        if (file.ptr[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)file.ptr[i] & 0xC0) != 0x80)
            column++;
    }
    *ret_line = line;
    *ret_column = column;
}

/* Where the first ${ or $$ of the value begins and the last one ends; false without any. */
static bool find_names(struct str value, size_t *ret_first, size_t *ret_behind)
{
    bool found = false;
    for (size_t i = 0; i + 1 < value.bytes; i++) {
        if (value.ptr[i] != '$' || (value.ptr[i + 1] != '{' && value.ptr[i + 1] != '$'))
            continue;
        size_t end = value.ptr[i + 1] == '$' ? i + 1 : str_find(value, STR("}"), i);
        end = end == SIZE_MAX ? value.bytes : end + 1;
        if (!found)
            *ret_first = i;
        *ret_behind = end;
        found = true;
        i = end - 1;
    }
    return found;
}

/* The index in the written value of the byte at offset of the replaced one. */
static size_t written_index(const struct written *w, size_t offset, size_t total)
{
    struct str value = buf_str(&w->bytes);
    size_t first, behind;
    if (!find_names(value, &first, &behind) || offset < first)
        return offset;
    size_t from_end = total > offset ? total - offset : 0;
    bool tail = w->has_end && from_end <= value.bytes - behind;
    return tail ? value.bytes - from_end : first;
}

static void find_place(struct str text, const struct setting *setting, size_t offset, bool replaced,
                       uint32_t *ret_line, uint32_t *ret_column)
{
    *ret_line = setting->line;
    *ret_column = setting->column;
    if (!setting->line)
        return;
    size_t start = position_of(text, setting->line, setting->column);
    if (start >= text.bytes)
        return;
    struct written w = {.file = text};
    char style = text.ptr[start];
    if (style == '>' || style == '|')
        read_block(&w, start, setting);
    else if (style == '"' || style == '\'')
        read_quoted(&w, start, style);
    else
        read_plain(&w, start, offset + 1);
    size_t index = replaced ? written_index(&w, offset, setting->text.bytes) : offset;
    if (index < w.bytes.bytes)
        place_of(text, w.position[index], ret_line, ret_column);
    else if (w.bytes.bytes)
        place_of(text, w.position[w.bytes.bytes - 1] + 1, ret_line, ret_column);
    buf_deinit(&w.bytes);
    mem_free(w.position);
}

void yaml_place(struct str text, const struct setting *setting, size_t offset, uint32_t *ret_line,
                uint32_t *ret_column)
{
    find_place(text, setting, offset, true, ret_line, ret_column);
}

void yaml_place_written(struct str text, const struct setting *setting, size_t offset,
                        uint32_t *ret_line, uint32_t *ret_column)
{
    find_place(text, setting, offset, false, ret_line, ret_column);
}
