/* SPDX-License-Identifier: MIT */
/*
 * Rows out of nothing: JSON objects whose columns are drawn by type. Row i of a seed is a function
 * of both (but for `now`), so a run that is killed goes on with the row behind the last durable one
 * and a second run with the same seed makes the same rows.
 *
 * Types: uuid, sequence, int, int(1..6), bigint, double, boolean, decimal(10,2), string,
 * string(20), choice(a|b|c), date, timestamp (both in 2026), now.
 */
#include "base/civil.h"
#include "base/mem.h"
#include "base/prng.h"
#include "connect/connect_private.h"
#include "format/json.h"

#include <stdio.h>

enum { BATCH_ROWS = 10000, COLUMNS_MAX = 200, TICK_NS = 5000000, RETRY_NS = 500000000 };

static const struct key_info generator_keys[] = {
    {.name = "rows",
     .type = KEY_INT,
     .min = 1,
     .max = INT64_MAX,
     .help = "rows to make in all; endless without it"},
    {.name = "rate", .type = KEY_RATE, .help = "as 5000/s; as fast as the log takes without it"},
    {.name = "seed", .type = KEY_INT, .fallback = "1", .help = "another seed, other rows"},
    {.name = "columns",
     .type = KEY_TEXT_MAP,
     .required = true,
     .help = "name: type, as {id: uuid, amount: \"decimal(10,2)\", at: now}"},
    {.name = "key", .type = KEY_JSONPATH, .help = "Kafka key of a row, as $.id"},
    {.name = NULL}};

enum draw {
    DRAW_UUID,
    DRAW_SEQUENCE,
    DRAW_INT,
    DRAW_BIGINT,
    DRAW_DOUBLE,
    DRAW_BOOLEAN,
    DRAW_DECIMAL,
    DRAW_STRING,
    DRAW_CHOICE,
    DRAW_DATE,
    DRAW_TIMESTAMP,
    DRAW_NOW,
    DRAW_COUNT
};
static const char *const draw_names[DRAW_COUNT] = {"uuid",   "sequence", "int",       "bigint",
                                                   "double", "boolean",  "decimal",   "string",
                                                   "choice", "date",     "timestamp", "now"};

struct column_plan {
    enum draw draw;
    struct buf name; /* quoted, with the colon */
    int64_t a, b;    /* int: from, to; decimal: precision, scale; string: length */
    struct str choices[64];
    uint64_t choice_count;
};

struct generator {
    struct source source;
    struct io_loop *loop;
    struct feed *feed;
    struct column_plan *columns;
    size_t column_count;
    struct json_path *key;
    struct buf key_text, row;
    uint64_t rows;      /* UINT64_MAX = endless */
    uint64_t next, put; /* durable up to; put up to */
    uint64_t seed;
    double per_second; /* 0 = no bound */
    int64_t start_ns;
    uint64_t start_row;
    struct feed_flush flush;
    bool flushing, started, stopping;
    struct io_timer timer, drained_timer;
    void (*drained)(void *owner);
    void *drained_owner;
    struct source_status status;
};

/* ---- types ---- */

static bool arguments_parse(struct column_plan *c, struct str inner, bool given)
{
    struct str part = STR_NONE;
    switch (c->draw) {
    case DRAW_INT: {
        size_t dots = given ? str_find(inner, STR(".."), 0) : SIZE_MAX;
        c->b = INT32_MAX;
        return !given ||
               (dots != SIZE_MAX && str_to_i64(str_trim(str_slice(inner, 0, dots)), &c->a) == OK &&
                str_to_i64(str_trim(str_slice(inner, dots + 2, inner.bytes)), &c->b) == OK &&
                c->a <= c->b && c->a >= INT32_MIN && c->b <= INT32_MAX);
    }
    case DRAW_DECIMAL:
        c->a = 10;
        if (!given)
            return true;
        return str_cut(&inner, ',', &part) && str_to_i64(str_trim(part), &c->a) == OK &&
               (!inner.ptr || str_to_i64(str_trim(inner), &c->b) == OK) && c->a >= 1 &&
               c->a <= 18 && c->b >= 0 && c->b <= c->a;
    case DRAW_STRING:
        c->a = 12;
        return !given || (str_to_i64(str_trim(inner), &c->a) == OK && c->a >= 1 && c->a <= 65536);
    case DRAW_CHOICE:
        while (given && c->choice_count < 64 && str_cut(&inner, '|', &part))
            c->choices[c->choice_count++] = str_trim(part);
        return c->choice_count > 0 && !inner.ptr;
    default:
        return !given;
    }
}

/* False: not a type. choices borrow text. */
static bool draw_parse(struct str text, struct column_plan *c)
{
    size_t open = text.bytes ? str_find(text, STR("("), 0) : SIZE_MAX;
    bool given = open != SIZE_MAX;
    if (given && text.ptr[text.bytes - 1] != ')')
        return false;
    struct str name = str_trim(str_slice(text, 0, given ? open : text.bytes));
    struct str inner = given ? str_slice(text, open + 1, text.bytes - 1) : STR("");
    for (int i = 0; i < DRAW_COUNT; i++) {
        if (str_equal_nocase(name, str_of(draw_names[i]))) {
            c->draw = (enum draw)i;
            return arguments_parse(c, inner, given);
        }
    }
    return false;
}

static enum err generator_check(const struct setting *settings, const char *file,
                                struct diag_list *diags)
{
    const struct setting *columns = setting_get(settings, "columns");
    enum err result = OK;
    for (size_t i = 0; columns && columns->kind == SETTING_MAP && i < columns->count; i++) {
        const struct setting *item = &columns->items[i];
        struct column_plan plan = {0};
        if (item->kind != SETTING_TEXT || (i < COLUMNS_MAX && draw_parse(item->text, &plan)))
            continue;
        struct diag diag = {.err = ERR_INVALID, .line = item->line, .column = item->column};
        snprintf(diag.file, sizeof diag.file, "%s", file ? file : "");
        snprintf(diag.message, sizeof diag.message, "'%.*s' is not a type that can be generated",
                 STR_ARG(str_slice(item->text, 0, 80)));
        struct str near = str_nearest(item->text, draw_names, DRAW_COUNT);
        if (near.ptr)
            snprintf(diag.hint, sizeof diag.hint, "did you mean '%.*s'?", STR_ARG(near));
        else
            snprintf(diag.hint, sizeof diag.hint,
                     "uuid, sequence, int(1..6), bigint, double, boolean, decimal(10,2), "
                     "string(20), choice(a|b), date, timestamp, now");
        diag_list_add(diags, &diag);
        result = ERR_INVALID;
    }
    return result;
}

/* ---- rows ---- */

static void draw_uuid(struct prng *prng, struct buf *out)
{
    uint64_t high = (prng_next(prng) & ~0xF000ull) | 0x4000;
    uint64_t low = (prng_next(prng) & ~(3ull << 62)) | 2ull << 62;
    buf_printf(out, "\"%08llx-%04llx-%04llx-%04llx-%012llx\"", (unsigned long long)(high >> 32),
               (unsigned long long)(high >> 16 & 0xFFFF), (unsigned long long)(high & 0xFFFF),
               (unsigned long long)(low >> 48), (unsigned long long)(low & 0xFFFFFFFFFFFF));
}

static void draw_decimal(const struct column_plan *c, struct prng *prng, struct buf *out)
{
    uint64_t below = 1, unit = 1;
    for (int64_t i = 0; i < c->a; i++)
        below *= 10;
    for (int64_t i = 0; i < c->b; i++)
        unit *= 10;
    uint64_t value = prng_below(prng, below);
    buf_printf(out, "%llu", (unsigned long long)(value / unit));
    if (c->b)
        buf_printf(out, ".%0*llu", (int)c->b, (unsigned long long)(value % unit));
}

static void draw_time(int64_t us, bool date_only, struct buf *out)
{
    buf_char(out, '"');
    civil_print_iso(out, us, 3);
    if (date_only)
        buf_truncate(out, out->bytes - 14); /* "T00:00:00.000Z" */
    buf_char(out, '"');
}

static void draw_value(const struct generator *g, const struct column_plan *c, uint64_t row,
                       struct prng *prng, struct buf *out)
{
    static const int64_t year_start_us = 1767225600000000; /* 2026-01-01 */
    switch (c->draw) {
    case DRAW_UUID:
        draw_uuid(prng, out);
        break;
    case DRAW_SEQUENCE:
        buf_printf(out, "%llu", (unsigned long long)row + 1);
        break;
    case DRAW_INT:
        buf_printf(out, "%lld",
                   (long long)(c->a + (int64_t)prng_below(prng, (uint64_t)(c->b - c->a) + 1)));
        break;
    case DRAW_BIGINT:
        buf_printf(out, "%lld", (long long)(prng_next(prng) >> 1));
        break;
    case DRAW_DOUBLE:
        buf_printf(out, "%.6f", prng_real(prng) * 1000);
        break;
    case DRAW_BOOLEAN:
        buf_text(out, prng_next(prng) >> 63 ? "true" : "false");
        break;
    case DRAW_DECIMAL:
        draw_decimal(c, prng, out);
        break;
    case DRAW_STRING:
        buf_char(out, '"');
        for (int64_t i = 0; i < c->a; i++)
            buf_char(out, (char)('a' + prng_below(prng, 26)));
        buf_char(out, '"');
        break;
    case DRAW_CHOICE:
        json_quote(c->choices[prng_below(prng, c->choice_count)], out);
        break;
    case DRAW_DATE:
    case DRAW_TIMESTAMP:
        draw_time(year_start_us + (int64_t)prng_below(prng, 365 * 86400000ull) * 1000,
                  c->draw == DRAW_DATE, out);
        break;
    default:
        draw_time(io_wall_us(io_loop_io(g->loop)), false, out);
    }
}

static void row_make(struct generator *g, uint64_t row)
{
    struct buf *out = &g->row;
    struct prng prng = {prng_mix(prng_mix(g->seed) + row)};
    buf_reset(out);
    for (size_t i = 0; i < g->column_count; i++) {
        buf_char(out, i ? ',' : '{');
        buf_str_append(out, buf_str(&g->columns[i].name));
        draw_value(g, &g->columns[i], row, &prng, out);
    }
    if (g->column_count == 0)
        buf_char(out, '{');
    buf_char(out, '}');
}

/* ---- the machine ---- */

static void generator_step(struct generator *g);

static void generator_drained(struct io_timer *timer)
{
    struct generator *g = timer->owner;
    void (*drained)(void *owner) = g->drained;
    g->drained = NULL;
    if (g->status.state != SOURCE_DONE)
        g->status.state = SOURCE_IDLE;
    if (drained)
        drained(g->drained_owner);
}

static void generator_flushed(struct feed_flush *flush, enum err err)
{
    struct generator *g = flush->owner;
    g->flushing = false;
    if (err == OK) {
        g->next = g->put;
    } else {
        g->put = g->next;
        g->status.errors++;
        g->status.state = SOURCE_BLOCKED;
        snprintf(g->status.detail, sizeof g->status.detail, "the rows cannot be appended: %s",
                 err_text(err));
    }
    if (g->stopping)
        io_timer_start(g->loop, &g->drained_timer, 0);
    else if (err != OK)
        io_timer_start(g->loop, &g->timer, RETRY_NS);
    else
        generator_step(g);
}

/* The row that may be made now at most. */
static uint64_t allowed_rows(struct generator *g)
{
    uint64_t until = g->next + BATCH_ROWS;
    if (g->per_second > 0) {
        double since_s = (double)(io_now_ns(io_loop_io(g->loop)) - g->start_ns) / 1e9;
        uint64_t due = g->start_row + 1 + (uint64_t)(since_s * g->per_second);
        until = due < until ? due : until;
    }
    return until < g->rows ? until : g->rows;
}

static enum err put_row(struct generator *g, uint64_t row)
{
    struct str key = STR_NONE;
    row_make(g, row);
    struct str value = g->key ? json_path_first(g->key, buf_str(&g->row)) : STR_NONE;
    if (value.ptr) {
        buf_reset(&g->key_text);
        json_text(value, &g->key_text);
        key = g->key_text.bytes ? buf_str(&g->key_text) : STR("");
    }
    return feed_put(g->feed, -1, key, buf_str(&g->row));
}

static void generator_step(struct generator *g)
{
    if (!g->started || g->flushing || g->stopping)
        return;
    if (g->next >= g->rows) {
        g->status.state = SOURCE_DONE;
        snprintf(g->status.detail, sizeof g->status.detail, "all %llu rows are made",
                 (unsigned long long)g->rows);
        return;
    }
    uint64_t until = allowed_rows(g);
    g->put = g->next;
    enum err err = OK;
    while (g->put < until && (err = put_row(g, g->put)) == OK)
        g->put++;
    if (err == ERR_LIMIT) {
        feed_discard(g->feed);
        g->status.state = SOURCE_FAILED;
        snprintf(g->status.detail, sizeof g->status.detail, "a row is larger than the topic takes");
        return;
    }
    if (g->put == g->next) {
        g->status.state = err == OK ? SOURCE_WAITING : SOURCE_BLOCKED;
        io_timer_start(g->loop, &g->timer, TICK_NS);
        return;
    }
    char position[32];
    snprintf(position, sizeof position, "row %llu", (unsigned long long)g->put);
    g->flush.done = generator_flushed;
    g->flush.owner = g;
    err = feed_flush(g->feed, str_of(position), &g->flush);
    if (err != OK) {
        feed_discard(g->feed);
        io_timer_start(g->loop, &g->timer, RETRY_NS);
        return;
    }
    g->flushing = true;
    g->status.state = SOURCE_FETCHING;
    g->status.detail[0] = 0;
    g->status.requests++;
    g->status.last_fetch_us = io_wall_us(io_loop_io(g->loop));
}

static void generator_due(struct io_timer *timer)
{
    generator_step(timer->owner);
}

/* ---- the life of a source ---- */

static void generator_close(struct source *source)
{
    struct generator *g = (struct generator *)source;
    if (!g)
        return;
    io_timer_stop(g->loop, &g->timer);
    io_timer_stop(g->loop, &g->drained_timer);
    for (size_t i = 0; i < g->column_count; i++)
        buf_deinit(&g->columns[i].name);
    mem_free(g->columns);
    json_path_free(g->key);
    buf_deinit(&g->key_text);
    buf_deinit(&g->row);
    mem_free(g);
}

static enum err open_parts(struct generator *g, const struct setting *settings, struct diag *diag)
{
    const struct setting *columns = setting_get(settings, "columns");
    struct str key = setting_text(settings, "key", ""), text;
    struct buf position = {0};
    g->columns = mem_zero((columns->count + 1) * sizeof *g->columns);
    for (size_t i = 0; i < columns->count; i++) {
        struct column_plan *c = &g->columns[g->column_count++];
        if (!draw_parse(columns->items[i].text, c))
            return diag_set(diag, ERR_INVALID, columns->items[i].line, columns->items[i].column,
                            "not a type that can be generated");
        json_quote(columns->items[i].key, &c->name);
        buf_char(&c->name, ':');
    }
    if (key.bytes)
        TRY(json_path_parse(key, diag, &g->key));
    enum err err = feed_position(g->feed, &position);
    text = buf_str(&position);
    if (err == OK && str_starts(text, STR("row ")))
        err = str_to_u64(str_slice(text, 4, text.bytes), &g->next);
    buf_deinit(&position);
    return err == ERR_NOT_FOUND ? OK : err;
}

static enum err generator_open(struct io_loop *loop, const struct setting *settings,
                               const char *directory, struct str source_name, struct feed *feed,
                               struct diag *diag, struct source **ret_source)
{
    (void)directory;
    (void)source_name;
    struct generator *g = mem_zero(sizeof *g);
    g->source.connector = &connector_generator;
    g->loop = loop;
    g->feed = feed;
    g->rows = (uint64_t)setting_int(settings, "rows", -1);
    g->seed = (uint64_t)setting_int(settings, "seed", 1);
    if (rate_parse(setting_text(settings, "rate", ""), &g->per_second) != OK)
        g->per_second = 0;
    g->timer.fire = generator_due;
    g->timer.owner = g;
    g->drained_timer.fire = generator_drained;
    g->drained_timer.owner = g;
    enum err err = open_parts(g, settings, diag);
    if (err != OK) {
        generator_close(&g->source);
        return err;
    }
    *ret_source = &g->source;
    return OK;
}

static void generator_start(struct source *source)
{
    struct generator *g = (struct generator *)source;
    g->started = true;
    g->start_ns = io_now_ns(io_loop_io(g->loop));
    g->start_row = g->next;
    io_timer_start(g->loop, &g->timer, 0);
}

static void generator_stop(struct source *source, void (*drained)(void *owner), void *owner)
{
    struct generator *g = (struct generator *)source;
    g->stopping = true;
    g->drained = drained;
    g->drained_owner = owner;
    io_timer_stop(g->loop, &g->timer);
    if (!g->flushing)
        io_timer_start(g->loop, &g->drained_timer, 0);
}

static void generator_status(const struct source *source, struct source_status *ret_status)
{
    *ret_status = ((const struct generator *)source)->status;
}

const struct connector connector_generator = {
    .name = "generator",
    .summary = "makes rows by type, repeatable from a seed",
    .keys = generator_keys,
    .check = generator_check,
    .open = generator_open,
    .start = generator_start,
    .stop = generator_stop,
    .status = generator_status,
    .close = generator_close,
};
