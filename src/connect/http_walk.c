/* SPDX-License-Identifier: MIT */
/*
 * Ways through an API.
 *
 *  poll    the same request again and again
 *  page    ?page=1, 2, 3 ..; an empty page is asked again, it is never an end and never skipped
 *  cursor  ?after=VALUE, where VALUE stands in the answer before
 *  until   ?since=VALUE, where VALUE is the greatest seen so far
 *
 * A place is what is kept with the records: which request comes next, and how many of its records
 * have been taken before. The count is for places that grow: a page that is not full yet, or an
 * answer without a next cursor. They are asked again, and what was taken is passed over, so each
 * record comes once although the request is repeated. (An API that changes the order of such a page
 * needs `key:`.)
 */
#include "connect/http_walk.h"

#include "base/mem.h"
#include "wire/http.h"

static const char *const kind_names[] = {"poll", "page", "cursor", "until"};

static enum err path_parse(const struct setting *map, const char *key, const char *fallback,
                           struct diag *diag, struct json_path **ret_path)
{
    struct str text = setting_text(map, key, fallback);
    return text.bytes ? json_path_parse(text, diag, ret_path) : OK;
}

enum err walk_init(struct http_walk *walk, const struct setting *settings, struct diag *diag)
{
    *walk = (struct http_walk){.settings = settings};
    const struct setting *page = setting_get(settings, "page");
    const struct setting *cursor = setting_get(settings, "cursor");
    const struct setting *until = setting_get(settings, "until");
    enum err err = path_parse(settings, "records", "$", diag, &walk->records);
    if (err == OK && page) {
        const struct setting *size = setting_get(page, "size");
        walk->kind = WALK_PAGE;
        walk->param = setting_text(page, "param", "page");
        walk->start = setting_int(page, "start", 1);
        walk->size_param = setting_text(size, "param", "");
        walk->size = setting_int(size, "value", 0);
    } else if (err == OK && cursor) {
        walk->kind = WALK_CURSOR;
        walk->param = setting_text(cursor, "param", "");
        err = path_parse(cursor, "from", "", diag, &walk->from);
    } else if (err == OK && until) {
        walk->kind = WALK_UNTIL;
        walk->param = setting_text(until, "param", "");
        walk->start_text = setting_text(until, "start", "");
        err = path_parse(until, "from", "", diag, &walk->from);
    }
    if (err != OK)
        walk_deinit(walk);
    return err;
}

void walk_deinit(struct http_walk *walk)
{
    json_path_free(walk->records);
    json_path_free(walk->from);
    walk->records = walk->from = NULL;
}

void walk_place_start(const struct http_walk *walk, struct walk_place *place)
{
    place->page = (uint64_t)walk->start;
    place->taken = 0;
    buf_reset(&place->value);
    buf_str_append(&place->value, walk->start_text);
}

void walk_place_copy(struct walk_place *to, const struct walk_place *from)
{
    to->page = from->page;
    to->taken = from->taken;
    buf_reset(&to->value);
    buf_str_append(&to->value, buf_str(&from->value));
}

void walk_place_deinit(struct walk_place *place)
{
    buf_deinit(&place->value);
}

void walk_place_print(const struct http_walk *walk, const struct walk_place *place, struct buf *out)
{
    buf_printf(out, "%s %llu ", kind_names[walk->kind], (unsigned long long)place->taken);
    if (walk->kind == WALK_PAGE)
        buf_printf(out, "%llu", (unsigned long long)place->page);
    else
        buf_str_append(out, buf_str(&place->value));
}

enum err walk_place_parse(const struct http_walk *walk, struct str text, struct walk_place *place)
{
    struct str kind, taken;
    uint64_t taken_count = 0, page = 0;
    if (!str_cut(&text, ' ', &kind) || !str_cut(&text, ' ', &taken) || !text.ptr ||
        !str_equal(kind, str_of(kind_names[walk->kind])))
        return ERR_SYNTAX;
    TRY(str_to_u64(taken, &taken_count));
    if (walk->kind == WALK_PAGE)
        TRY(str_to_u64(text, &page));
    place->page = page;
    place->taken = taken_count;
    buf_reset(&place->value);
    if (walk->kind != WALK_PAGE)
        buf_str_append(&place->value, text);
    return OK;
}

/* ---- the request ---- */

static void url_param(struct buf *out, char *separator, struct str name, struct str value)
{
    if (name.bytes == 0)
        return;
    buf_char(out, *separator);
    *separator = '&';
    http_percent_encode(name, out);
    buf_char(out, '=');
    http_percent_encode(value, out);
}

void walk_url(const struct http_walk *walk, const struct walk_place *place, struct buf *out)
{
    struct str url = setting_text(walk->settings, "url", "");
    /* What stands behind # is not sent. */
    size_t hash = str_find(url, STR("#"), 0);
    url = str_slice(url, 0, hash == SIZE_MAX ? url.bytes : hash);
    size_t mark = str_find(url, STR("?"), 0);
    char separator = mark == SIZE_MAX ? '?' : '&';
    buf_str_append(out, url);
    if (mark == SIZE_MAX && str_find(url, STR("/"), 8) == SIZE_MAX)
        buf_char(out, '/');
    const struct setting *query = setting_get(walk->settings, "query");
    for (size_t i = 0; query && i < query->count; i++)
        url_param(out, &separator, query->items[i].key, query->items[i].text);
    const struct setting *key = setting_get(setting_get(walk->settings, "auth"), "api_key");
    url_param(out, &separator, setting_text(key, "param", ""), setting_text(key, "value", ""));
    struct buf number = {0};
    switch (walk->kind) {
    case WALK_PAGE:
        if (walk->size) {
            buf_printf(&number, "%lld", (long long)walk->size);
            url_param(out, &separator, walk->size_param, buf_str(&number));
            buf_reset(&number);
        }
        buf_printf(&number, "%llu", (unsigned long long)place->page);
        url_param(out, &separator, walk->param, buf_str(&number));
        break;
    case WALK_CURSOR:
    case WALK_UNTIL:
        if (place->value.bytes)
            url_param(out, &separator, walk->param, buf_str(&place->value));
        break;
    case WALK_POLL:
        break;
    }
    buf_deinit(&number);
}

/* ---- the answer ---- */

static bool record_found(void *owner, struct str value)
{
    struct walk_records *records = owner;
    if (records->count == WALK_RECORDS_MAX) {
        mem_free(records->items);
        records->items = NULL;
    }
    if (records->count < WALK_RECORDS_MAX) {
        if (records->count == records->room) {
            records->room = records->room ? 2 * records->room : 512;
            records->items =
                mem_realloc_array(records->items, records->room, sizeof *records->items);
        }
        records->items[records->count] = value;
    }
    records->count++;
    return true;
}

struct greatest {
    const struct json_path *path;
    struct buf best;
    struct buf one;
    bool found;
};

/* Numbers by value, texts byte by byte: right for ISO times of one zone. */
static bool is_greater(struct str a, struct str b)
{
    double x, y;
    if (str_to_f64(a, &x) == OK && str_to_f64(b, &y) == OK)
        return x > y;
    return str_compare(a, b) > 0;
}

static void greatest_offer(struct greatest *g, struct str value)
{
    if (!value.ptr || json_kind(value) == JSON_KIND_NULL)
        return;
    buf_reset(&g->one);
    json_text(value, &g->one);
    if (g->found && !is_greater(buf_str(&g->one), buf_str(&g->best)))
        return;
    buf_reset(&g->best);
    buf_str_append(&g->best, buf_str(&g->one));
    g->found = true;
}

static bool greatest_of_record(void *owner, struct str record)
{
    struct greatest *g = owner;
    greatest_offer(g, json_path_first(g->path, record));
    return true;
}

static bool greatest_of_document(void *owner, struct str value)
{
    greatest_offer(owner, value);
    return true;
}

/* The next value of a cursor or until walk: from the document, else from its records. */
static bool next_value(const struct http_walk *walk, struct str document, struct walk_place *next)
{
    struct greatest g = {.path = walk->from};
    json_path_each(walk->from, document, greatest_of_document, &g);
    if (!g.found && walk->kind == WALK_UNTIL)
        json_path_each(walk->records, document, greatest_of_record, &g);
    bool moved = g.found && g.best.bytes && !str_equal(buf_str(&g.best), buf_str(&next->value));
    if (moved && walk->kind == WALK_UNTIL && next->value.bytes)
        moved = is_greater(buf_str(&g.best), buf_str(&next->value));
    if (moved) {
        buf_reset(&next->value);
        buf_str_append(&next->value, buf_str(&g.best));
    }
    buf_deinit(&g.best);
    buf_deinit(&g.one);
    return moved;
}

bool walk_answer(const struct http_walk *walk, const struct walk_place *place, struct str document,
                 struct walk_place *next, struct walk_records *ret_records, uint64_t *ret_new)
{
    struct walk_records records = {0};
    bool moved = false;
    json_path_each(walk->records, document, record_found, &records);
    uint64_t count = records.count;
    walk_place_copy(next, place);
    *ret_records = records;
    *ret_new = count > place->taken ? count - place->taken : 0;
    switch (walk->kind) {
    case WALK_POLL:
        break;
    case WALK_PAGE:
        moved = count > 0 && count >= (uint64_t)walk->size;
        if (moved)
            next->page++;
        break;
    case WALK_CURSOR:
        moved = next_value(walk, document, next);
        break;
    case WALK_UNTIL:
        (void)next_value(walk, document, next);
        break;
    }
    if (walk->kind == WALK_PAGE || walk->kind == WALK_CURSOR)
        next->taken = moved ? 0 : count > place->taken ? count : place->taken;
    return moved;
}
