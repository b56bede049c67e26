/* SPDX-License-Identifier: MIT */
/*
 * Settings that a person wrote, checked against a table of keys.
 *
 * The check goes through everything and reports all mistakes at once, each at the line and column
 * of the key or value that is wrong; an unknown key names the nearest known one. After a clean
 * check the getters cannot fail: they fall back only where a key is missing.
 */
#include "base/civil.h"
#include "connect/connect.h"
#include "format/json.h"

#include <stdio.h>

const struct setting *setting_get(const struct setting *map, const char *key)
{
    if (!map || map->kind != SETTING_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++) {
        if (str_equal(map->items[i].key, str_of(key)))
            return &map->items[i];
    }
    return NULL;
}

/* ---- values ---- */

enum err rate_parse(struct str text, double *ret_per_second)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"s", 1},       {"sec", 1},  {"second", 1},  {"m", 60},    {"min", 60},
                 {"minute", 60}, {"h", 3600}, {"hour", 3600}, {"d", 86400}, {"day", 86400}};
    struct str count = STR_NONE;
    int64_t number;
    if (!str_cut(&text, '/', &count) || !text.ptr)
        return ERR_SYNTAX;
    if (str_to_i64(str_trim(count), &number) != OK || number <= 0)
        return ERR_SYNTAX;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (str_equal(str_trim(text), str_of(units[i].unit))) {
            *ret_per_second = (double)number / units[i].seconds;
            return OK;
        }
    }
    return ERR_SYNTAX;
}

enum err duration_range_parse(struct str text, int64_t *ret_min_ms, int64_t *ret_max_ms)
{
    size_t dots = text.bytes ? str_find(text, STR(".."), 0) : SIZE_MAX;
    int64_t min_ms, max_ms;
    if (dots == SIZE_MAX)
        return ERR_SYNTAX;
    TRY(duration_parse(str_trim(str_slice(text, 0, dots)), &min_ms));
    TRY(duration_parse(str_trim(str_slice(text, dots + 2, text.bytes)), &max_ms));
    if (min_ms > max_ms || min_ms < 0)
        return ERR_SYNTAX;
    *ret_min_ms = min_ms;
    *ret_max_ms = max_ms;
    return OK;
}

struct str setting_text(const struct setting *map, const char *key, const char *fallback)
{
    const struct setting *s = setting_get(map, key);
    return s && s->kind == SETTING_TEXT ? s->text : str_of(fallback);
}

int64_t setting_int(const struct setting *map, const char *key, int64_t fallback)
{
    int64_t value = fallback;
    const struct setting *s = setting_get(map, key);
    return s && str_to_i64(s->text, &value) == OK ? value : fallback;
}

int64_t setting_duration_ms(const struct setting *map, const char *key, int64_t fallback_ms)
{
    int64_t value = fallback_ms;
    const struct setting *s = setting_get(map, key);
    return s && duration_parse(s->text, &value) == OK ? value : fallback_ms;
}

int64_t setting_bytes(const struct setting *map, const char *key, int64_t fallback)
{
    int64_t value = fallback;
    const struct setting *s = setting_get(map, key);
    return s && bytes_parse(s->text, &value) == OK ? value : fallback;
}

bool setting_bool(const struct setting *map, const char *key, bool fallback)
{
    const struct setting *s = setting_get(map, key);
    return s && s->kind == SETTING_TEXT ? str_equal(s->text, STR("true")) : fallback;
}

/* ---- the check ---- */

struct check {
    const char *file;
    struct diag_list *diags;
    bool failed;
};

static void complain(struct check *c, uint32_t line, uint32_t column, const char *hint,
                     const char *format, ...) __attribute__((format(printf, 5, 6)));

static void complain(struct check *c, uint32_t line, uint32_t column, const char *hint,
                     const char *format, ...)
{
    struct diag diag = {.err = ERR_INVALID, .line = line, .column = column};
    va_list args;
    snprintf(diag.file, sizeof diag.file, "%s", c->file ? c->file : "");
    va_start(args, format);
    vsnprintf(diag.message, sizeof diag.message, format, args);
    va_end(args);
    if (hint)
        snprintf(diag.hint, sizeof diag.hint, "%s", hint);
    diag_list_add(c->diags, &diag);
    c->failed = true;
}

static void complain_value(struct check *c, const struct setting *value, const struct key_info *key,
                           const char *wanted)
{
    if (value->kind == SETTING_TEXT)
        complain(c, value->line, value->column, key->help, "'%s' must be %s, not '%.*s'", key->name,
                 wanted, STR_ARG(str_slice(value->text, 0, 80)));
    else
        complain(c, value->line, value->column, key->help, "'%s' must be %s", key->name, wanted);
}

static void check_range(struct check *c, const struct setting *value, const struct key_info *key,
                        int64_t number, const char *unit)
{
    if ((key->min == 0 && key->max == 0) || (number >= key->min && number <= key->max))
        return;
    if (key->max == INT64_MAX)
        complain(c, value->line, value->column, key->help, "'%s' must be at least %lld%s",
                 key->name, (long long)key->min, unit);
    else
        complain(c, value->line, value->column, key->help, "'%s' must be from %lld to %lld%s",
                 key->name, (long long)key->min, (long long)key->max, unit);
}

static void check_choice(struct check *c, const struct setting *value, const struct key_info *key)
{
    struct str rest = str_of(key->choices), part;
    const char *names[32];
    char copies[32][64];
    size_t count = 0;
    while (count < 32 && str_cut(&rest, '|', &part)) {
        if (str_equal(part, value->text))
            return;
        snprintf(copies[count], sizeof copies[count], "%.*s", STR_ARG(part));
        names[count] = copies[count];
        count++;
    }
    char hint[200];
    struct str near = str_nearest(value->text, names, count);
    if (near.ptr)
        snprintf(hint, sizeof hint, "did you mean '%.*s'?", STR_ARG(near));
    else
        snprintf(hint, sizeof hint, "one of: %s", key->choices);
    complain(c, value->line, value->column, hint, "'%s' cannot be '%.*s'", key->name,
             STR_ARG(str_slice(value->text, 0, 80)));
}

static void check_url(struct check *c, const struct setting *value, const struct key_info *key)
{
    struct str url = value->text;
    size_t scheme = str_starts(url, STR("https://")) ? 8 : str_starts(url, STR("http://")) ? 7 : 0;
    bool fine = scheme && url.bytes > scheme && url.ptr[scheme] != '/' && url.ptr[scheme] != '?';
    for (size_t i = 0; i < url.bytes; i++)
        fine = fine && (uint8_t)url.ptr[i] > ' ' && url.ptr[i] != 0x7F;
    if (!fine)
        complain_value(c, value, key, "an address like https://host/path");
}

static void check_path(struct check *c, const struct setting *value, const struct key_info *key)
{
    struct json_path *path = NULL;
    struct diag why = {0};
    if (json_path_parse(value->text, &why, &path) == OK) {
        json_path_free(path);
        return;
    }
    uint32_t column = value->column + (value->quoted ? 1 : 0) + (why.column ? why.column - 1 : 0);
    complain(c, value->line, column, "a path looks like $.results[*] or $.login.uuid",
             "'%s' is not a JSON path: %s", key->name, why.message);
}

static void check_text(struct check *c, const struct setting *value, const struct key_info *key)
{
    int64_t number = 0, second = 0;
    double rate;
    switch (key->type) {
    case KEY_BOOL:
        if (value->quoted ||
            (!str_equal(value->text, STR("true")) && !str_equal(value->text, STR("false"))))
            complain_value(c, value, key, "true or false");
        break;
    case KEY_INT:
        if (value->quoted || str_to_i64(value->text, &number) != OK)
            complain_value(c, value, key, "a whole number");
        else
            check_range(c, value, key, number, "");
        break;
    case KEY_DURATION:
        if (key->choices && str_equal(value->text, str_of(key->choices)))
            break;
        if (duration_parse(value->text, &number) != OK)
            complain_value(c, value, key, "a duration like 500ms, 10s, 5m, 2h or 7d");
        else
            check_range(c, value, key, number, " ms");
        break;
    case KEY_BYTES:
        if (bytes_parse(value->text, &number) != OK)
            complain_value(c, value, key, "a size like 64KB, 1MB or 2GB");
        else
            check_range(c, value, key, number, " bytes");
        break;
    case KEY_RATE:
        if (rate_parse(value->text, &rate) != OK)
            complain_value(c, value, key, "a rate like 60/min or 5000/s");
        break;
    case KEY_DURATION_RANGE:
        if (duration_range_parse(value->text, &number, &second) != OK)
            complain_value(c, value, key, "a range like 500ms..60s");
        break;
    case KEY_URL:
        check_url(c, value, key);
        break;
    case KEY_JSONPATH:
        check_path(c, value, key);
        break;
    case KEY_CHOICE:
        check_choice(c, value, key);
        break;
    default:
        if (value->text.bytes == 0 && key->required)
            complain_value(c, value, key, "a text that is not empty");
    }
}

static void check_list(struct check *c, const struct setting *value, const struct key_info *key,
                       bool nested)
{
    for (size_t i = 0; i < value->count; i++) {
        const struct setting *item = &value->items[i];
        bool inner = nested && item->kind == SETTING_LIST;
        if (inner)
            check_list(c, item, key, false);
        else if (item->kind != SETTING_TEXT || item->text.bytes == 0)
            complain(c, item->line, item->column, key->help, "'%s' must hold names only",
                     key->name);
    }
}

static void check_map(struct check *c, const struct setting *map, const struct key_info *keys);

static void check_value(struct check *c, const struct setting *value, const struct key_info *key)
{
    switch (key->type) {
    case KEY_ANY:
        return;
    case KEY_MAP:
        if (value->kind != SETTING_MAP)
            complain_value(c, value, key, "a map of settings");
        else if (key->members)
            check_map(c, value, key->members);
        return;
    case KEY_TEXT_MAP:
        if (value->kind != SETTING_MAP) {
            complain_value(c, value, key, "a map of names and texts");
            return;
        }
        for (size_t i = 0; i < value->count; i++) {
            const struct setting *item = &value->items[i];
            if (item->kind != SETTING_TEXT)
                complain(c, item->line, item->column, key->help, "'%s.%.*s' must be a text",
                         key->name, STR_ARG(item->key));
        }
        return;
    case KEY_TEXT_OR_LIST:
        if (value->kind == SETTING_LIST)
            check_list(c, value, key, false);
        else if (value->kind != SETTING_TEXT)
            complain_value(c, value, key, "one text, or a list of them");
        return;
    case KEY_TEXT_LIST:
    case KEY_KEY_LIST:
        if (value->kind != SETTING_LIST || (value->count == 0 && key->required))
            complain_value(c, value, key, "a list like [id]");
        else
            check_list(c, value, key, key->type == KEY_KEY_LIST);
        return;
    default:
        if (value->kind != SETTING_TEXT)
            complain_value(c, value, key,
                           value->kind == SETTING_NONE ? "given a value" : "one value");
        else
            check_text(c, value, key);
    }
}

static void complain_unknown(struct check *c, const struct setting *item,
                             const struct key_info *keys)
{
    const char *names[64];
    size_t count = 0;
    char hint[250] = "known keys: ";
    size_t used = strlen(hint);
    for (; keys[count].name && count < 64; count++) {
        names[count] = keys[count].name;
        if (used < sizeof hint)
            used += (size_t)snprintf(hint + used, sizeof hint - used, "%s%s", count ? ", " : "",
                                     names[count]);
    }
    struct str near = str_nearest(item->key, names, count);
    if (near.ptr)
        snprintf(hint, sizeof hint, "did you mean '%.*s'?", STR_ARG(near));
    complain(c, item->key_line, item->key_column, hint, "unknown key '%.*s'",
             STR_ARG(str_slice(item->key, 0, 80)));
}

static void check_map(struct check *c, const struct setting *map, const struct key_info *keys)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct setting *item = &map->items[i];
        const struct key_info *key = keys;
        while (key->name && !str_equal(item->key, str_of(key->name)))
            key++;
        if (!key->name)
            complain_unknown(c, item, keys);
        else if (setting_get(map, key->name) != item)
            complain(c, item->key_line, item->key_column, NULL, "'%s' stands there twice",
                     key->name);
        else
            check_value(c, item, key);
    }
    for (const struct key_info *key = keys; key->name; key++) {
        if (key->required && !setting_get(map, key->name))
            complain(c, map->key_line ? map->key_line : map->line,
                     map->key_line ? map->key_column : map->column, key->help,
                     "the key '%s' is missing", key->name);
    }
}

enum err settings_check(const struct setting *map, const struct key_info *keys, const char *file,
                        struct diag_list *diags)
{
    struct check c = {file, diags, false};
    if (map->kind == SETTING_MAP)
        check_map(&c, map, keys);
    else if (map->kind != SETTING_NONE || keys[0].name)
        complain(&c, map->line, map->column, NULL, "a map of settings is expected here");
    return c.failed ? ERR_INVALID : OK;
}
