/* SPDX-License-Identifier: MIT */
/*
 * YAML by libfyaml, turned into our own tree at once: every value keeps its line and column, and
 * ${NAME} is replaced while the tree is built. libfyaml reports only the first syntax error; that
 * one ends the load.
 */
#include "pipeline/yaml.h"

#include <libfyaml.h>
#include <stdlib.h>

enum { NESTING_MAX = 64, YAML_BYTES_MAX = 4 << 20 };

struct loader {
    struct arena *arena;
    const char *file;
    const struct yaml_environment *environment;
    struct diag_list *diags;
    size_t mistakes;
};

static void mistake(struct loader *loader, uint32_t line, uint32_t column, const char *hint,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));

static void mistake(struct loader *loader, uint32_t line, uint32_t column, const char *hint,
                    const char *format, ...)
{
    struct diag diag = {.err = ERR_SYNTAX, .line = line, .column = column};
    snprintf(diag.file, sizeof diag.file, "%s", loader->file);
    va_list args;
    va_start(args, format);
    vsnprintf(diag.message, sizeof diag.message, format, args);
    va_end(args);
    if (hint)
        diag_hint(&diag, "%s", hint);
    diag_list_add(loader->diags, &diag);
    loader->mistakes++;
}

/* ---- ${NAME} ---- */

static bool name_char(char c, bool first)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

/* One ${..} at text[at]; appends its value; the index behind it, or SIZE_MAX when it is broken. */
static size_t replace_one(struct loader *loader, struct setting *s, struct str text, size_t at,
                          struct buf *out)
{
    size_t end = str_find(text, STR("}"), at);
    if (end == SIZE_MAX) {
        mistake(loader, s->line, s->column, "write ${NAME} or ${NAME:-fallback}; $$ is a dollar",
                "'${' is not closed");
        return SIZE_MAX;
    }
    struct str inside = str_slice(text, at + 2, end), fallback = STR_NONE;
    size_t bytes = 0;
    while (bytes < inside.bytes && name_char(inside.ptr[bytes], bytes == 0))
        bytes++;
    struct str name = str_slice(inside, 0, bytes), rest = str_slice(inside, bytes, inside.bytes);
    bool empty_too = str_starts(rest, STR(":-"));
    if (empty_too || str_starts(rest, STR("-")))
        fallback = str_slice(rest, empty_too ? 2 : 1, rest.bytes);
    else if (bytes == 0 || rest.bytes) {
        mistake(loader, s->line, s->column, "write ${NAME} or ${NAME:-fallback}; $$ is a dollar",
                "'${%.*s}' is not a name", STR_ARG(inside));
        return SIZE_MAX;
    }
    const char *value =
        loader->environment ? loader->environment->get(loader->environment->owner, name) : NULL;
    if (value && !(empty_too && !*value))
        buf_text(out, value);
    else if (fallback.ptr)
        buf_str_append(out, fallback);
    else {
        struct diag hint = {0};
        diag_hint(&hint, "set it in .env or in the environment, or write ${%.*s:-fallback}",
                  STR_ARG(name));
        mistake(loader, s->line, s->column, hint.hint, "the variable %.*s is not set",
                STR_ARG(name));
    }
    return end + 1;
}

static void replace_names(struct loader *loader, struct setting *s)
{
    if (str_find(s->text, STR("$"), 0) == SIZE_MAX)
        return;
    CLEAN(buf_deinit) struct buf out = {.bytes_max = YAML_BYTES_MAX};
    struct str text = s->text;
    for (size_t i = 0; i < text.bytes;) {
        if (text.ptr[i] == '$' && i + 1 < text.bytes && text.ptr[i + 1] == '{') {
            i = replace_one(loader, s, text, i, &out);
            continue; /* SIZE_MAX ends the loop */
        }
        if (text.ptr[i] == '$' && i + 1 < text.bytes && text.ptr[i + 1] == '$')
            i++;
        buf_char(&out, text.ptr[i++]);
    }
    s->text = arena_str(loader->arena, buf_str(&out));
}

/* ---- the tree ---- */

static void set_place(struct setting *s, struct fy_node *node)
{
    struct fy_token *token = fy_node_is_scalar(node) ? fy_node_get_scalar_token(node) : NULL;
    const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;
    if (mark) {
        s->line = (uint32_t)mark->line + 1;
        s->column = (uint32_t)mark->column + 1;
    }
}

static void build(struct loader *loader, struct fy_node *node, struct setting *s, int depth);

static void build_map(struct loader *loader, struct fy_node *node, struct setting *s, int depth)
{
    int count = fy_node_mapping_item_count(node);
    s->kind = SETTING_MAP;
    s->items = arena_array(loader->arena, (size_t)count + 1, sizeof *s->items);
    void *state = NULL;
    for (struct fy_node_pair *pair; (pair = fy_node_mapping_iterate(node, &state));) {
        struct fy_node *key = fy_node_pair_key(pair);
        struct setting *item = &s->items[s->count];
        size_t bytes = 0;
        const char *text = key && fy_node_is_scalar(key) ? fy_node_get_scalar(key, &bytes) : NULL;
        struct setting place = {0};
        if (key)
            set_place(&place, key);
        item->key_line = place.line;
        item->key_column = place.column;
        if (!text) {
            mistake(loader, s->line, s->column, NULL, "a key has to be a text");
            continue;
        }
        item->key = arena_str(loader->arena, str_from(text, bytes));
        for (size_t i = 0; i < s->count; i++)
            if (str_equal(s->items[i].key, item->key))
                mistake(loader, place.line, place.column, "keep one of them",
                        "the key '%.*s' stands twice (first in line %u)", STR_ARG(item->key),
                        s->items[i].key_line);
        item->line = place.line;
        item->column = place.column;
        s->count++;
        build(loader, fy_node_pair_value(pair), item, depth + 1);
    }
}

static void build_list(struct loader *loader, struct fy_node *node, struct setting *s, int depth)
{
    int count = fy_node_sequence_item_count(node);
    s->kind = SETTING_LIST;
    s->items = arena_array(loader->arena, (size_t)count + 1, sizeof *s->items);
    void *state = NULL;
    for (struct fy_node *item; (item = fy_node_sequence_iterate(node, &state));) {
        s->items[s->count].line = s->line;
        s->items[s->count].column = s->column;
        build(loader, item, &s->items[s->count++], depth + 1);
    }
    if (s->count && s->items[0].line)
        s->line = s->items[0].line;
}

static void build(struct loader *loader, struct fy_node *node, struct setting *s, int depth)
{
    if (!node)
        return;
    if (depth > NESTING_MAX) {
        mistake(loader, s->line, s->column, NULL, "nested deeper than %d levels", NESTING_MAX);
        return;
    }
    set_place(s, node);
    if (fy_node_is_mapping(node)) {
        build_map(loader, node, s, depth);
        return;
    }
    if (fy_node_is_sequence(node)) {
        build_list(loader, node, s, depth);
        return;
    }
    size_t bytes = 0;
    const char *text = fy_node_get_scalar(node, &bytes);
    enum fy_node_style style = fy_node_get_style(node);
    s->quoted = style == FYNS_SINGLE_QUOTED || style == FYNS_DOUBLE_QUOTED;
    bool empty = !text || (bytes == 0 && !s->quoted) ||
                 (!s->quoted && bytes == 1 && text[0] == '~') ||
                 (!s->quoted && str_equal(str_from(text, bytes), STR("null")));
    if (empty)
        return; /* SETTING_NONE: the key is there without a value */
    s->kind = SETTING_TEXT;
    s->text = arena_str(loader->arena, str_from(text, bytes));
    replace_names(loader, s);
}

static void syntax_error(struct loader *loader, struct fy_diag *diag)
{
    void *state = NULL;
    struct fy_diag_error *error = diag ? fy_diag_errors_iterate(diag, &state) : NULL;
    if (error)
        mistake(loader, (uint32_t)error->line + 1, (uint32_t)error->column + 1,
                "blanks in front of a line decide what belongs together; tabs are not allowed",
                "not valid YAML: %s", error->msg);
    else
        mistake(loader, 1, 1, NULL, "not valid YAML");
}

static void destroy_document(struct fy_document **document)
{
    fy_document_destroy(*document);
}

static void destroy_diag(struct fy_diag **diag)
{
    fy_diag_destroy(*diag);
}

enum err yaml_load(struct arena *arena, struct str text, const char *file,
                   const struct yaml_environment *environment, struct diag_list *diags,
                   const struct setting **ret_root)
{
    struct loader loader = {arena, file, environment, diags, 0};
    struct setting *root = arena_zero(arena, sizeof *root);
    *root = (struct setting){.kind = SETTING_MAP, .line = 1, .column = 1};
    if (text.bytes > YAML_BYTES_MAX || !str_is_utf8(text)) {
        mistake(&loader, 1, 1, NULL, text.bytes > YAML_BYTES_MAX ? "over 4 MB" : "not UTF-8 text");
        return ERR_SYNTAX;
    }
    struct fy_diag_cfg diag_config;
    fy_diag_cfg_default(&diag_config);
    CLEAN(destroy_diag) struct fy_diag *diag = fy_diag_create(&diag_config);
    fy_diag_set_collect_errors(diag, true);
    struct fy_parse_cfg config = {.flags = FYPCF_RESOLVE_DOCUMENT | FYPCF_COLLECT_DIAG |
                                           FYPCF_ALLOW_DUPLICATE_KEYS,
                                  .diag = diag};
    CLEAN(destroy_document)
    struct fy_document *document = fy_document_build_from_string(&config, text.ptr, text.bytes);
    if (!document && str_trim(text).bytes) {
        syntax_error(&loader, diag);
        return ERR_SYNTAX;
    }
    struct fy_node *node = document ? fy_document_root(document) : NULL;
    if (node) {
        build(&loader, node, root, 0);
        if (root->kind == SETTING_NONE)
            root->kind = SETTING_MAP;
        if (root->kind != SETTING_MAP)
            mistake(&loader, 1, 1, NULL, "this file has to be a map of keys and values");
    }
    if (loader.mistakes)
        return ERR_SYNTAX;
    *ret_root = root;
    return OK;
}

/* ---- places inside a value ---- */

static size_t line_start(struct str text, uint32_t line)
{
    size_t at = 0;
    while (--line) {
        size_t end = str_find(text, STR("\n"), at);
        if (end == SIZE_MAX)
            return text.bytes;
        at = end + 1;
    }
    return at;
}

/* Block texts: line by line; each loses its indentation, and a line feed counts as one byte. */
static void place_in_block(struct str text, uint32_t line, size_t offset, uint32_t *ret_line,
                           uint32_t *ret_column)
{
    size_t at = line_start(text, line + 1), seen = 0;
    for (line++; at < text.bytes; line++) {
        size_t end = str_find(text, STR("\n"), at);
        end = end == SIZE_MAX ? text.bytes : end;
        size_t indent = at;
        while (indent < end && text.ptr[indent] == ' ')
            indent++;
        if (offset <= seen + (end - indent)) {
            *ret_line = line;
            *ret_column = (uint32_t)(indent - at + (offset - seen)) + 1;
            return;
        }
        seen += end - indent + 1;
        at = end + 1;
    }
}

void yaml_place(struct str text, const struct setting *setting, size_t offset, uint32_t *ret_line,
                uint32_t *ret_column)
{
    *ret_line = setting->line;
    *ret_column = setting->column;
    if (!setting->line)
        return;
    size_t start = line_start(text, setting->line) + setting->column - 1;
    if (start >= text.bytes)
        return;
    char first = text.ptr[start];
    if ((first == '>' || first == '|') && !setting->quoted)
        place_in_block(text, setting->line, offset, ret_line, ret_column);
    else {
        /* The token may start at the block's first line already. */
        size_t same = str_find(text, str_slice(setting->text, 0, 12), start);
        if (same != SIZE_MAX && same > start + 1 && !setting->quoted)
            place_in_block(text, setting->line, offset, ret_line, ret_column);
        else
            *ret_column = setting->column + setting->quoted + (uint32_t)offset;
    }
}

/* ---- .env ---- */

static struct str env_value(struct str value)
{
    value = str_trim(value);
    if (value.bytes >= 2 && (value.ptr[0] == '"' || value.ptr[0] == '\'') &&
        value.ptr[value.bytes - 1] == value.ptr[0])
        return str_slice(value, 1, value.bytes - 1);
    size_t comment = str_find(value, STR(" #"), 0);
    return comment == SIZE_MAX ? value : str_trim(str_slice(value, 0, comment));
}

enum err env_load(struct arena *arena, struct str text, const char *file, struct diag_list *diags,
                  struct env_file *ret_env)
{
    struct loader loader = {arena, file, NULL, diags, 0};
    struct env_file env = {0};
    struct str line;
    for (uint32_t number = 1; str_cut(&text, '\n', &line); number++) {
        line = str_trim(line);
        if (!line.bytes || line.ptr[0] == '#')
            continue;
        if (str_starts(line, STR("export ")))
            line = str_trim(str_slice(line, 7, line.bytes));
        size_t equals = str_find(line, STR("="), 0), bytes = 0;
        while (bytes < line.bytes && name_char(line.ptr[bytes], bytes == 0))
            bytes++;
        if (equals == SIZE_MAX || !bytes || str_trim(str_slice(line, bytes, equals)).bytes) {
            mistake(&loader, number, 1, "write NAME=value", "not a NAME=value line");
            continue;
        }
        struct str value = env_value(str_slice(line, equals + 1, line.bytes));
        map_set(&env.values, str_slice(line, 0, bytes), arena_text(arena, value));
    }
    if (loader.mistakes) {
        map_deinit(&env.values);
        return ERR_SYNTAX;
    }
    *ret_env = env;
    return OK;
}
