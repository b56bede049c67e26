/* SPDX-License-Identifier: MIT */
/*
 * YAML by libfyaml's events, turned into our own tree at once: every value keeps its line and
 * column, and ${NAME} is replaced while the tree is built. The events are used rather than
 * libfyaml's own tree because they tell where lists and maps begin.
 *
 * libfyaml reports only the first syntax error, and that one ends the load; its words are those of
 * a parser, so what people do wrong most (tabs, indentation, ': ' or quotes inside a value) is said
 * again in ours. Aliases stand for the value of their anchor; merge keys and a second document are
 * refused.
 */
#include "pipeline/yaml.h"

#include <libfyaml.h>
#include <stdio.h>

enum { NESTING_MAX = 64, YAML_BYTES_MAX = 4 << 20, VALUES_MAX = 200000 };

struct loader {
    struct arena *arena;
    struct str text;
    const char *file;
    const struct yaml_environment *environment;
    struct diag_list *diags;
    size_t mistakes;

    struct fy_parser *parser;
    struct map anchors; /* struct setting * */
    size_t values;
    size_t position_behind; /* the last event ended there */
    char printed[100];      /* an error of libfyaml without a place */
    /* the innermost [ or { that is open, for "not closed" */
    uint32_t open_line, open_column;
    char open;
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

static const char *const name_hint = "write ${NAME} or ${NAME:-fallback}; $$ is a dollar";

static bool name_char(char c, bool first)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

/* One ${..} at text[at]; appends its value; the index behind it, or SIZE_MAX when it is broken. */
static size_t replace_one(struct loader *loader, struct setting *s, struct str text, size_t at,
                          struct buf *out)
{
    uint32_t line, column;
    yaml_place_written(loader->text, s, at, &line, &column);
    size_t end = str_find(text, STR("}"), at), bytes = 0;
    if (end == SIZE_MAX) {
        mistake(loader, line, column, name_hint, "'${' is not closed");
        return SIZE_MAX;
    }
    struct str inside = str_slice(text, at + 2, end), fallback = STR_NONE;
    while (bytes < inside.bytes && name_char(inside.ptr[bytes], bytes == 0))
        bytes++;
    struct str name = str_slice(inside, 0, bytes), rest = str_slice(inside, bytes, inside.bytes);
    bool empty_too = str_starts(rest, STR(":-"));
    if (bytes == 0 || (rest.bytes && !empty_too && rest.ptr[0] != '-')) {
        mistake(loader, line, column, name_hint, "'${%.*s}' is not a name",
                STR_ARG(str_slice(inside, 0, 80)));
        return end + 1;
    }
    if (rest.bytes)
        fallback = str_slice(rest, empty_too ? 2 : 1, rest.bytes);
    const char *value =
        loader->environment ? loader->environment->get(loader->environment->owner, name) : NULL;
    if (value && !(empty_too && !*value))
        buf_text(out, value);
    else if (fallback.ptr)
        buf_str_append(out, fallback);
    else {
        struct diag hint = {0};
        name = str_slice(name, 0, 80);
        diag_hint(&hint, "set it in .env or in the environment, or write ${%.*s:-fallback}",
                  STR_ARG(name));
        mistake(loader, line, column, hint.hint, "the variable %.*s is not set", STR_ARG(name));
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
    if (buf_error(&out) != OK)
        mistake(loader, s->line, s->column, NULL, "over 4 MB with its variables");
    else
        s->text = arena_str(loader->arena, buf_str(&out));
}

/* ---- the tree ---- */

static struct fy_event *next_event(struct loader *loader)
{
    return fy_parser_parse(loader->parser);
}

static void event_done(struct loader *loader, struct fy_event *event)
{
    const struct fy_mark *end = fy_event_end_mark(event);
    if (end && event->type != FYET_MAPPING_END && event->type != FYET_SEQUENCE_END)
        loader->position_behind = end->input_pos;
    fy_parser_event_free(loader->parser, event);
}

/* libfyaml places a block at its first line; people look for it at its > or |. SIZE_MAX without. */
static size_t find_block(const struct loader *loader, size_t content)
{
    struct str text = loader->text;
    size_t at = loader->position_behind;
    for (; at < content && at < text.bytes; at++) {
        if (text.ptr[at] == '>' || text.ptr[at] == '|')
            return at;
        if (text.ptr[at] == '#') {
            size_t end = str_find(text, STR("\n"), at);
            at = end == SIZE_MAX ? text.bytes : end;
        }
    }
    return SIZE_MAX;
}

static void place_at(struct str text, size_t at, uint32_t *ret_line, uint32_t *ret_column)
{
    *ret_line = *ret_column = 1;
    for (size_t i = 0; i < at; i++) {
        if (text.ptr[i] == '\n') {
            ++*ret_line;
            *ret_column = 1;
        } else if (((unsigned char)text.ptr[i] & 0xC0) != 0x80)
            ++*ret_column;
    }
}

static void set_place(struct loader *loader, struct fy_event *event, uint32_t *ret_line,
                      uint32_t *ret_column)
{
    const struct fy_mark *mark = fy_event_start_mark(event);
    if (!mark)
        return;
    enum fy_scalar_style style = event->type == FYET_SCALAR && event->scalar.value
                                     ? fy_token_scalar_style(event->scalar.value)
                                     : FYSS_ANY;
    bool block = style == FYSS_LITERAL || style == FYSS_FOLDED;
    size_t header = block ? find_block(loader, mark->input_pos) : SIZE_MAX;
    if (header != SIZE_MAX) {
        place_at(loader->text, header, ret_line, ret_column);
        return;
    }
    /* Marks of quoted texts and aliases stand behind the quote and the star. */
    bool inside =
        event->type == FYET_ALIAS || style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
    *ret_line = (uint32_t)mark->line + 1;
    *ret_column = (uint32_t)mark->column + (inside && mark->column ? 0 : 1);
}

static bool is_null(struct str text)
{
    return text.bytes == 0 || str_equal(text, STR("~")) || str_equal(text, STR("null")) ||
           str_equal(text, STR("Null")) || str_equal(text, STR("NULL"));
}

static void load_scalar(struct loader *loader, struct fy_event *event, struct setting *s)
{
    size_t bytes = 0;
    struct fy_token *token = event->scalar.value;
    const char *text = token ? fy_token_get_text(token, &bytes) : NULL;
    enum fy_scalar_style style = token ? fy_token_scalar_style(token) : FYSS_PLAIN;
    struct str value = str_from(text ? text : "", bytes);
    s->quoted = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
    if ((style == FYSS_PLAIN || style == FYSS_ANY) && is_null(value))
        return; /* SETTING_NONE: the key is there without a value */
    CLEAN(buf_deinit) struct buf folded = {0};
    size_t content = fy_event_start_mark(event)->input_pos;
    size_t header = style == FYSS_FOLDED ? find_block(loader, content) : SIZE_MAX;
    if (header != SIZE_MAX) {
        yaml_block(loader->text, s, header, &folded);
        value = buf_str(&folded);
    }
    s->kind = SETTING_TEXT;
    s->text = arena_str(loader->arena, value);
    replace_names(loader, s);
}

static struct setting *add_item(struct loader *loader, struct setting *s)
{
    /* The room doubles at each power of two. */
    if ((s->count & (s->count - 1)) == 0) {
        size_t room = s->count ? s->count * 2 : 1;
        struct setting *items = arena_array(loader->arena, room, sizeof *items);
        if (s->count)
            memcpy(items, s->items, s->count * sizeof *items);
        s->items = items;
    }
    s->items[s->count] = (struct setting){0};
    return &s->items[s->count++];
}

static bool load_node(struct loader *loader, struct fy_event *event, struct setting *s, int depth);

/* What stands behind a key that is none. */
static bool skip_node(struct loader *loader, int depth)
{
    struct setting nothing = {0};
    struct fy_event *event = next_event(loader);
    return event && load_node(loader, event, &nothing, depth);
}

static bool load_member(struct loader *loader, struct fy_event *event, struct setting *map,
                        struct map *seen, int depth)
{
    uint32_t line = map->line, column = map->column;
    set_place(loader, event, &line, &column);
    if (event->type != FYET_SCALAR) {
        mistake(loader, line, column, "a key is one word, as name: value",
                "a key has to be a text");
        struct setting key = {.line = line, .column = column};
        return load_node(loader, event, &key, depth) && skip_node(loader, depth);
    }
    size_t bytes = 0;
    struct fy_token *token = event->scalar.value;
    const char *text = token ? fy_token_get_text(token, &bytes) : NULL;
    struct str key = arena_str(loader->arena, str_from(text ? text : "", bytes));
    bool merge = str_equal(key, STR("<<"));
    event_done(loader, event);
    if (merge) {
        mistake(loader, line, column, "repeat the settings, or use an alias for a whole value",
                "merge keys are not supported");
        return skip_node(loader, depth);
    }
    struct setting *item = add_item(loader, map);
    *item = (struct setting){
        .key = key, .key_line = line, .key_column = column, .line = line, .column = column};
    const uint32_t *first = map_set(seen, key, &item->key_line);
    if (first)
        mistake(loader, line, column, "keep one of them",
                "the key '%.*s' stands twice (first in line %u)", STR_ARG(str_slice(key, 0, 80)),
                *first);
    event = next_event(loader);
    return event && load_node(loader, event, item, depth);
}

static bool load_map(struct loader *loader, struct setting *s, int depth)
{
    CLEAN(map_deinit) struct map seen = {0};
    s->kind = SETTING_MAP;
    for (struct fy_event *event; (event = next_event(loader));) {
        if (event->type == FYET_MAPPING_END) {
            event_done(loader, event);
            return true;
        }
        if (!load_member(loader, event, s, &seen, depth + 1))
            return false;
    }
    return false;
}

static bool load_list(struct loader *loader, struct setting *s, int depth)
{
    s->kind = SETTING_LIST;
    for (struct fy_event *event; (event = next_event(loader));) {
        if (event->type == FYET_SEQUENCE_END) {
            event_done(loader, event);
            return true;
        }
        struct setting *item = add_item(loader, s);
        item->line = s->line;
        item->column = s->column;
        if (!load_node(loader, event, item, depth + 1))
            return false;
    }
    return false;
}

static bool load_alias(struct loader *loader, struct fy_event *event, struct setting *s)
{
    size_t bytes = 0;
    const char *text = fy_token_get_text(event->alias.anchor, &bytes);
    struct str name = str_from(text ? text : "", bytes);
    const struct setting *anchor = map_get(&loader->anchors, name);
    if (anchor) {
        s->kind = anchor->kind;
        s->quoted = anchor->quoted;
        s->text = anchor->text;
        s->items = anchor->items;
        s->count = anchor->count;
    } else
        mistake(loader, s->line, s->column, "write &name in front of the value that it repeats",
                "there is no anchor '%.*s' above this line", STR_ARG(str_slice(name, 0, 80)));
    event_done(loader, event);
    return true;
}

static void keep_anchor(struct loader *loader, struct str name, const struct setting *s)
{
    struct setting *copy = arena_alloc(loader->arena, sizeof *copy);
    *copy = *s;
    map_set(&loader->anchors, name, copy);
}

/* A list or map; remembers where it opened, for a mistake inside it. */
static bool load_collection(struct loader *loader, struct fy_event *event, struct setting *s,
                            int depth)
{
    struct loader outer = *loader;
    bool is_map = event->type == FYET_MAPPING_START, good;
    if (depth > NESTING_MAX) {
        mistake(loader, s->line, s->column, NULL, "nested deeper than %d levels", NESTING_MAX);
        event_done(loader, event);
        return false;
    }
    if (fy_event_get_node_style(event) == FYNS_FLOW) {
        loader->open = is_map ? '{' : '[';
        loader->open_line = s->line;
        loader->open_column = s->column;
    }
    event_done(loader, event);
    good = is_map ? load_map(loader, s, depth) : load_list(loader, s, depth);
    if (good) {
        loader->open = outer.open;
        loader->open_line = outer.open_line;
        loader->open_column = outer.open_column;
    }
    return good;
}

/* Takes the event and what belongs to it; false ends the load: a mistake is told, or will be. */
static bool load_node(struct loader *loader, struct fy_event *event, struct setting *s, int depth)
{
    if (++loader->values > VALUES_MAX) {
        mistake(loader, s->line, s->column, NULL, "more than %d values", VALUES_MAX);
        event_done(loader, event);
        return false;
    }
    struct fy_token *token = event->type == FYET_ALIAS ? NULL : fy_event_get_anchor_token(event);
    size_t bytes = 0;
    const char *anchor = token ? fy_token_get_text(token, &bytes) : NULL;
    struct str name = anchor ? arena_str(loader->arena, str_from(anchor, bytes)) : STR_NONE;
    bool good = true;
    set_place(loader, event, &s->line, &s->column);
    switch (event->type) {
    case FYET_ALIAS:
        return load_alias(loader, event, s);
    case FYET_MAPPING_START:
    case FYET_SEQUENCE_START:
        good = load_collection(loader, event, s, depth);
        break;
    case FYET_SCALAR:
        load_scalar(loader, event, s);
        event_done(loader, event);
        break;
    default:
        event_done(loader, event);
        return false;
    }
    if (good && name.ptr)
        keep_anchor(loader, name, s);
    return good;
}

/* ---- syntax errors ---- */

/* STR_NONE behind the end. */
static struct str line_text(struct str text, uint32_t line)
{
    struct str part = STR_NONE;
    for (; line; line--)
        if (!str_cut(&text, '\n', &part))
            return STR_NONE;
    return part;
}

/* A tab in the indentation of this line or the next: its column, or 0. */
static uint32_t find_tab(struct loader *loader, uint32_t *line)
{
    for (uint32_t i = 0; i < 2; i++) {
        struct str text = line_text(loader->text, *line + i);
        for (size_t k = 0; k < text.bytes && (text.ptr[k] == ' ' || text.ptr[k] == '\t'); k++) {
            if (text.ptr[k] == '\t') {
                *line += i;
                return (uint32_t)k + 1;
            }
        }
    }
    return 0;
}

/* `a: 1`, and below it a line that is indented deeper: libfyaml takes both for one value. */
static void broken_value(struct loader *loader, uint32_t line, uint32_t column)
{
    struct str before = str_trim(str_slice(line_text(loader->text, line), 0, column - 1));
    if (!before.bytes || str_equal(before, STR("-"))) {
        mistake(loader, line, column, "write name: value, with a blank behind the colon",
                "this line has no ': '");
        return;
    }
    struct str text;
    do
        text = line_text(loader->text, ++line);
    while (text.ptr && !str_trim(text).bytes && line < 1000000);
    mistake(loader, line, (uint32_t)(text.bytes ? str_trim(text).ptr - text.ptr : 0) + 1,
            "lines that belong together begin in the same column",
            "this line does not fit the one above: it is indented deeper, or has no ': '");
}

static void syntax_error(struct loader *loader, struct fy_diag *diag)
{
    static const struct {
        const char *part, *message, *hint;
    } words[] = {
        {"nested block mapping on the same line", "a second ': ' in one line",
         "put the value in quotes"},
        {"plain scalar cannot start", NULL, "put the value in quotes"},
        {"without closing quote", NULL, "close the quote where the text ends"},
        {"wrongly indented", "the lines of this quoted text stand too far left",
         "close the quote where the text ends, or indent its lines"},
        {"invalid escape", NULL, "in double quotes write \\\\ for a backslash, or use single ones"},
        {"indentation in ", "this line is indented like none above it",
         "lines that belong together begin in the same column"},
        {"missing comma", NULL, "part the members by commas, and close with }"},
        {"extra closing", NULL, "take it away, or open it in front"},
    };
    void *state = NULL;
    struct fy_diag_error *error = fy_diag_errors_iterate(diag, &state);
    uint32_t line, column;
    place_at(loader->text, loader->position_behind, &line, &column);
    if (error && error->line >= 0 && error->column > 0) {
        line = (uint32_t)error->line;
        column = (uint32_t)error->column;
    }
    const char *message = error                ? error->msg
                          : loader->printed[0] ? loader->printed
                                               : "it cannot be read from here on";
    const char *hint = NULL;
    uint32_t tab_line = line, tab_column = find_tab(loader, &tab_line);
    if (tab_column) {
        mistake(loader, tab_line, tab_column, "use blanks", "a tab in the indentation");
        return;
    }
    if (loader->open && (strstr(message, "closing") || !line_text(loader->text, line).bytes)) {
        mistake(loader, loader->open_line, loader->open_column,
                loader->open == '{' ? "close it with }" : "close it with ]",
                "this %c is not closed", loader->open);
        return;
    }
    if (strstr(message, "invalid multiline plain key")) {
        broken_value(loader, line, column);
        return;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!hint && strstr(message, words[i].part)) {
            hint = words[i].hint;
            message = words[i].message ? words[i].message : message;
        }
    mistake(loader, line, column, hint, "not valid YAML: %s", message);
}

/* ---- the file ---- */

static void destroy_parser(struct fy_parser **parser)
{
    fy_parser_destroy(*parser);
}

/* Some errors of libfyaml have no place and are only printed: "[ERR]: why". */
static void take_output(struct fy_diag *diag, void *user, const char *text, size_t bytes)
{
    struct loader *loader = user;
    struct str why = str_trim(str_from(text, bytes));
    if (str_starts(why, STR("[ERR]:")))
        why = str_trim(str_slice(why, 6, why.bytes));
    snprintf(loader->printed, sizeof loader->printed, "%.*s", STR_ARG(str_slice(why, 0, 90)));
}

static void destroy_diag(struct fy_diag **diag)
{
    fy_diag_destroy(*diag);
}

static void load_root(struct loader *loader, struct fy_event *event, struct setting *root,
                      bool *first)
{
    if (!*first) {
        uint32_t line = 1, column = 1;
        set_place(loader, event, &line, &column);
        mistake(loader, line, column, "keep one document in the file: no line of ---",
                "a second document begins here");
        event_done(loader, event);
        return;
    }
    *first = false;
    event_done(loader, event);
    event = next_event(loader);
    if (!event || !load_node(loader, event, root, 0))
        return;
    if (root->kind == SETTING_NONE)
        root->kind = SETTING_MAP;
    if (root->kind != SETTING_MAP)
        mistake(loader, root->line, root->column, "write name: value lines",
                "this file has to be a map of keys and values");
}

/* YAML takes a lone CR for a line end, editors do not: places would be off from there on. */
static bool check_line_ends(struct loader *loader)
{
    uint32_t line = 1;
    for (struct str rest = loader->text, part; str_cut(&rest, '\n', &part); line++) {
        const char *cr = part.bytes ? memchr(part.ptr, '\r', part.bytes) : NULL;
        if (!cr || (cr + 1 == part.ptr + part.bytes && rest.ptr))
            continue;
        uint32_t column = 1;
        for (const char *c = part.ptr; c < cr; c++)
            column += ((unsigned char)*c & 0xC0) != 0x80;
        mistake(loader, line, column, "save the file with LF line ends",
                "a carriage return without a line feed");
        return false;
    }
    return true;
}

/* The encoding and the size; a byte that is not UTF-8 is shown. */
static bool check_text(struct loader *loader)
{
    struct str text = loader->text;
    if (text.bytes > YAML_BYTES_MAX) {
        mistake(loader, 0, 0, NULL, "over 4 MB");
        return false;
    }
    uint32_t line = 1;
    for (struct str rest = text, part; str_cut(&rest, '\n', &part); line++) {
        if (str_is_utf8(part) && !memchr(part.ptr ? part.ptr : "x", 0, part.bytes))
            continue;
        uint32_t column = 1;
        size_t good = 0, bytes;
        for (; good < part.bytes && part.ptr[good]; good += bytes, column++) {
            for (bytes = 1; bytes <= 4; bytes++)
                if (good + bytes <= part.bytes && str_is_utf8(str_slice(part, good, good + bytes)))
                    break;
            if (bytes > 4)
                break;
        }
        mistake(loader, line, column, "save the file as UTF-8", "not UTF-8 text");
        return false;
    }
    return check_line_ends(loader);
}

enum err yaml_load(struct arena *arena, struct str text, const char *file,
                   const struct yaml_environment *environment, struct diag_list *diags,
                   const struct setting **ret_root)
{
    struct loader loader = {
        .arena = arena, .text = text, .file = file, .environment = environment, .diags = diags};
    struct setting *root = arena_zero(arena, sizeof *root);
    *root = (struct setting){.kind = SETTING_MAP, .line = 1, .column = 1};
    if (!check_text(&loader))
        return ERR_SYNTAX;
    struct fy_diag_cfg diag_config;
    fy_diag_cfg_default(&diag_config);
    diag_config.fp = NULL;
    diag_config.output_fn = take_output;
    diag_config.user = &loader;
    CLEAN(destroy_diag) struct fy_diag *diag = fy_diag_create(&diag_config);
    fy_diag_set_collect_errors(diag, true);
    struct fy_parse_cfg config = {.flags = FYPCF_COLLECT_DIAG | FYPCF_ALLOW_DUPLICATE_KEYS,
                                  .diag = diag};
    CLEAN(destroy_parser) struct fy_parser *parser = fy_parser_create(&config);
    if (!diag || !parser || fy_parser_set_string(parser, text.ptr ? text.ptr : "", text.bytes) != 0)
        return ERR_LIMIT;
    loader.parser = parser;
    bool first = true;
    while (!loader.mistakes) {
        struct fy_event *event = next_event(&loader);
        if (!event)
            break;
        if (event->type == FYET_DOCUMENT_START)
            load_root(&loader, event, root, &first);
        else
            event_done(&loader, event);
    }
    if (fy_parser_get_stream_error(parser) && !loader.mistakes)
        syntax_error(&loader, diag);
    map_deinit(&loader.anchors);
    if (loader.mistakes)
        return ERR_SYNTAX;
    *ret_root = root;
    return OK;
}
