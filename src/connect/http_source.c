/* SPDX-License-Identifier: MIT */
/*
 * The source that asks an HTTP API.
 *
 * One request is on its way at a time. Its answer becomes a page: validated whole, then its records
 * are put into the feed as the bytes that they are in the answer, then flushed together with the
 * place behind it. Where the walk allows (the next request is known once an answer is read) the
 * next page is fetched while the one before goes to disk. Invariants:
 *  1. Pages are flushed in order, one at a time. The next page may be put while one is flushed;
 * when that flush fails, both are put again later. So no place is ever durable without all records
 *     in front of it.
 *  2. Nothing the other side does ends the source or makes it skip: no answer, 429, 5xx, 4xx, half
 *     a document, something that is not JSON, an empty answer: it waits and asks the same again.
 *     The wait doubles from failure to failure up to the maximum, with jitter; Retry-After is kept.
 *     What it waits for stands in its status.
 *  3. A short page that gave nothing new is asked in turn with the page behind it, so that an API
 *     that never fills a page is not stuck at it. What the page behind holds is not taken yet: the
 *     short page may have grown in between. Only when that is asked once more and still gives
 *     nothing new, it is passed.
 */
#include "connect/http_source.h"

#include "base/civil.h"
#include "base/logline.h"
#include "wire/http.h"

#include <stdio.h>

enum { PAGES_MAX = 3, RETRY_AFTER_MS_MAX = 3600 * 1000 };

static void source_go(struct http_source *s);
static void source_process(struct http_source *s);

static void say(struct http_source *s, enum source_state state, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct http_source *s, enum source_state state, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->status.detail, sizeof s->status.detail, format, args);
    va_end(args);
    s->status.state = state;
}

/* ---- waiting ---- */

static int64_t backoff_ms(struct http_source *s, uint32_t times)
{
    int64_t ms = s->backoff_min_ms;
    for (uint32_t i = 1; i < times && ms < s->backoff_max_ms; i++)
        ms *= 2;
    if (ms > s->backoff_max_ms)
        ms = s->backoff_max_ms;
    if (s->jitter && ms > 1)
        ms = ms / 2 + (int64_t)prng_below(&s->prng, (uint64_t)(ms / 2 + 1));
    return ms;
}

static void wait_ms(struct http_source *s, int64_t ms)
{
    int64_t due = io_loop_now_ns(s->loop) + ms * 1000000;
    if (due > s->due_ns)
        s->due_ns = due;
}

/* Seconds or a date; -1 when neither. */
static int64_t retry_after_ms(struct http_source *s, struct str text)
{
    int64_t value;
    if (str_to_i64(text, &value) == OK && value >= 0)
        value = value > RETRY_AFTER_MS_MAX / 1000 ? RETRY_AFTER_MS_MAX : value * 1000;
    else if (http_date_parse(text, &value) == OK)
        value = (value - io_wall_us(io_loop_io(s->loop))) / 1000;
    else
        return -1;
    return value < 0 ? 0 : value > RETRY_AFTER_MS_MAX ? RETRY_AFTER_MS_MAX : value;
}

/* The request failed: asks the same again later. */
static void source_failed(struct http_source *s, int64_t wait, const char *reason)
{
    uint32_t failures = ++s->status.failures_in_a_row;
    s->status.errors++;
    bool told = wait >= s->backoff_min_ms; /* a server that says 0 is not hammered */
    if (!told)
        wait = backoff_ms(s, failures);
    wait_ms(s, wait);
    struct buf time = {0};
    duration_print(&time, wait);
    say(s, SOURCE_WAITING, "%.110s; next try in %.*s%s", reason, STR_ARG(buf_str(&time)),
        told ? " (Retry-After)" : "");
    buf_deinit(&time);
    /* The first of a row, those at powers of two, and the one that the settings name. */
    if (failures == (uint32_t)s->attempts)
        log_line(LOG_ERROR, s->name, "%u failures in a row: %s", failures, s->status.detail);
    else if ((failures & (failures - 1)) == 0)
        log_line(LOG_WARN, s->name, "%s", s->status.detail);
}

static void source_well(struct http_source *s)
{
    if (s->status.failures_in_a_row)
        log_line(LOG_INFO, s->name, "works again after %u failures", s->status.failures_in_a_row);
    s->status.failures_in_a_row = 0;
}

/* ---- answers ---- */

static void page_free(struct http_page *page)
{
    buf_deinit(&page->body);
    mem_free(page->records.items);
    buf_deinit(&page->etag);
    buf_deinit(&page->modified);
    walk_place_deinit(&page->after);
    mem_free(page);
}

static void nothing_new(struct http_source *s, const char *what)
{
    s->status.empty_answers++;
    s->empty_in_a_row++;
    int64_t wait = s->every_ms >= 0 ? s->every_ms : backoff_ms(s, s->empty_in_a_row);
    wait_ms(s, wait);
    if (s->walk.kind == WALK_PAGE && s->place.taken > 0)
        s->peeking = !s->peeking; /* invariant 3 */
    say(s, SOURCE_WAITING, "%s", what);
}

static void page_take(struct http_source *s, struct http_result *result,
                      const struct walk_place *after, uint64_t taken, struct walk_records *records)
{
    struct http_page *page = mem_zero(sizeof *page);
    page->body = result->body;
    result->body = (struct buf){0};
    walk_place_copy(&page->after, after);
    buf_str_append(&page->etag, result->etag);
    buf_str_append(&page->modified, result->modified);
    page->skip = taken;
    page->records = *records; /* the body's memory stays where it is */
    *records = (struct walk_records){0};
    *s->pages_end = page;
    s->pages_end = &page->next;
    s->page_count++;
}

/* A 2xx answer. */
static void answer_read(struct http_source *s, struct http_result *result)
{
    struct diag why = {0};
    struct str body = result->body.bytes ? buf_str(&result->body) : STR("");
    if (json_validate(body, 0, &why) != OK) {
        char reason[200];
        snprintf(reason, sizeof reason,
                 "the answer is not whole JSON: line %u column %u: %.60s%s%.40s", why.line,
                 why.column, why.message, result->content_type.bytes ? ", " : "",
                 result->content_type.bytes ? result->content_type.ptr : "");
        for (char *c = reason; *c; c++) {
            if (*c == '\r' || *c == '\n')
                *c = 0;
        }
        source_failed(s, -1, reason);
        return;
    }
    source_well(s);
    struct walk_place asked = {0}, after = {0};
    walk_place_copy(&asked, &s->place);
    if (s->peeking) {
        asked.page++;
        asked.taken = 0;
    }
    struct walk_records records;
    uint64_t fresh;
    bool moved = walk_answer(&s->walk, &asked, body, &after, &records, &fresh);
    if (s->peeking && records.count > 0) {
        s->peeking = false;
        s->peek_found = true;
    } else if (s->peek_found && fresh == 0 && !moved) {
        s->peek_found = false;
        s->place.page++;
        s->place.taken = 0;
    } else if (fresh == 0 && !moved) {
        nothing_new(s, records.count ? "nothing new in the answer" : "the answer was empty");
    } else {
        s->peek_found = false;
        s->empty_in_a_row = 0;
        s->more = moved;
        walk_place_copy(&s->place, &after);
        if (fresh)
            page_take(s, result, &after, asked.taken, &records);
        if (s->every_ms > 0)
            s->due_ns = s->started_ns + s->every_ms * 1000000;
        else if (!moved)
            wait_ms(s, backoff_ms(s, 1));
    }
    mem_free(records.items);
    walk_place_deinit(&asked);
    walk_place_deinit(&after);
}

static void fetch_done(void *owner, struct http_fetch *fetch)
{
    struct http_source *s = owner;
    struct http_result *result = http_fetch_result(fetch);
    char reason[200];
    s->fetching = false;
    s->status.bytes_in += result->body.bytes;
    s->status.last_fetch_us = io_wall_us(io_loop_io(s->loop));
    if (result->status == 0) {
        snprintf(reason, sizeof reason, "no answer: %s", result->error);
        source_failed(s, -1, reason);
    } else if (result->status == 304) {
        source_well(s);
        nothing_new(s, "not modified");
    } else if (result->status < 200 || result->status > 299) {
        snprintf(reason, sizeof reason, "HTTP %d %s", result->status,
                 http_status_text(result->status));
        source_failed(s, retry_after_ms(s, result->retry_after), reason);
    } else {
        answer_read(s, result);
    }
    source_process(s);
    source_go(s);
}

/* ---- requests ---- */

static void request_start(struct http_source *s)
{
    struct walk_place asked = {0};
    walk_place_copy(&asked, &s->place);
    if (s->peeking)
        asked.page++;
    buf_reset(&s->url);
    walk_url(&s->walk, &asked, &s->url);
    walk_place_deinit(&asked);
    bool poll = s->walk.kind == WALK_POLL;
    s->started_ns = io_now_ns(io_loop_io(s->loop)); /* the turn's clock may be old */
    s->status.requests++;
    s->due_ns = 0;
    enum err err = http_fetch_start(s->fetch, buf_c_str(&s->url),
                                    poll && s->etag.bytes ? buf_str(&s->etag) : STR(""),
                                    poll && s->modified.bytes ? buf_str(&s->modified) : STR(""));
    if (err != OK) {
        source_failed(s, -1, err_text(err));
        source_go(s);
        return;
    }
    s->fetching = true;
    if (s->page_count == 0 && s->status.failures_in_a_row == 0)
        say(s, SOURCE_FETCHING, "asking");
    else if (s->status.failures_in_a_row == 0)
        s->status.state = SOURCE_FETCHING;
}

/* Starts the next request, now or when it is due. */
static void source_go(struct http_source *s)
{
    if (s->stopping || !s->started || s->fetching)
        return;
    /* Without a known next request only when everything before is durable. */
    if (s->page_count >= PAGES_MAX || (s->page_count > 0 && !s->more))
        return;
    int64_t now_ns = io_loop_now_ns(s->loop), due_ns = s->due_ns;
    if (s->started_ns && s->started_ns + s->between_ns > due_ns)
        due_ns = s->started_ns + s->between_ns;
    if (due_ns > now_ns)
        io_timer_start(s->loop, &s->request_timer, due_ns - now_ns);
    else
        request_start(s);
}

static void request_due(struct io_timer *timer)
{
    source_go(timer->owner);
}

/* ---- records ---- */

struct putting {
    struct http_source *source;
    struct http_page *page;
    uint64_t index;
    enum err err;
};

static bool put_one(void *owner, struct str record)
{
    struct putting *p = owner;
    struct http_source *s = p->source;
    if (p->index++ < p->page->skip + p->page->put)
        return true;
    struct str key = STR_NONE;
    if (s->key) {
        struct str value = json_path_first(s->key, record);
        if (value.ptr && json_kind(value) != JSON_KIND_NULL) {
            buf_reset(&s->key_text);
            json_text(value, &s->key_text);
            key = s->key_text.bytes ? buf_str(&s->key_text) : STR("");
        }
    }
    p->err = feed_put(s->feed, -1, key, record);
    if (p->err != OK)
        return false;
    p->page->put++;
    return true;
}

static enum err page_put(struct http_source *s, struct http_page *page)
{
    struct putting p = {.source = s, .page = page};
    if (!page->records.items) {
        json_path_each(s->walk.records, buf_str(&page->body), put_one, &p);
        return p.err;
    }
    p.index = page->skip + page->put;
    while (p.index < page->records.count && put_one(&p, page->records.items[p.index]))
        ;
    return p.err;
}

static void append_failed(struct http_source *s, enum err err)
{
    feed_discard(s->feed);
    for (struct http_page *page = s->pages; page; page = page->next) {
        page->put = 0;
        page->state = PAGE_READY;
    }
    say(s, SOURCE_BLOCKED, "the records cannot be appended: %s; tried again", err_text(err));
    if (s->append_failures++ == 0)
        log_line(LOG_ERROR, s->name, "the records cannot be appended: %s", err_text(err));
    io_timer_start(s->loop, &s->append_timer, backoff_ms(s, s->append_failures) * 1000000);
}

static void source_drained(struct io_timer *timer)
{
    struct http_source *s = timer->owner;
    void (*drained)(void *owner) = s->drained;
    s->drained = NULL;
    say(s, SOURCE_IDLE, "stopped");
    if (drained)
        drained(s->drained_owner);
}

static void drain_if_done(struct http_source *s)
{
    if (s->stopping && !s->flushing && s->page_count == 0 && s->drained)
        io_timer_start(s->loop, &s->drained_timer, 0);
}

static void page_flushed(struct feed_flush *flush, enum err err)
{
    struct http_source *s = flush->owner;
    s->flushing = false;
    if (err != OK) {
        append_failed(s, err);
        if (s->stopping)
            http_source_drop_pages(s);
        drain_if_done(s);
        return;
    }
    struct http_page *page = s->pages;
    s->append_failures = 0;
    buf_reset(&s->etag);
    buf_str_append(&s->etag, buf_str(&page->etag));
    buf_reset(&s->modified);
    buf_str_append(&s->modified, buf_str(&page->modified));
    s->pages = page->next;
    if (!s->pages)
        s->pages_end = &s->pages;
    s->page_count--;
    page_free(page);
    if (s->page_count == 0 && !s->fetching && s->status.failures_in_a_row == 0)
        say(s, SOURCE_WAITING, "until the next request");
    source_process(s);
    source_go(s);
    drain_if_done(s);
}

static void page_flush(struct http_source *s, struct http_page *page)
{
    struct buf position = {0};
    bool walks = s->walk.kind != WALK_POLL;
    if (walks)
        walk_place_print(&s->walk, &page->after, &position);
    page->state = PAGE_FLUSHING;
    s->flush.done = page_flushed;
    s->flush.owner = s;
    enum err err = feed_flush(s->feed, walks ? buf_str(&position) : STR_NONE, &s->flush);
    buf_deinit(&position);
    s->flushing = err == OK;
    if (err != OK)
        append_failed(s, err);
}

void http_source_drop_pages(struct http_source *s)
{
    while (s->pages) {
        struct http_page *next = s->pages->next;
        page_free(s->pages);
        s->pages = next;
    }
    s->pages_end = &s->pages;
    s->page_count = 0;
}

/* Puts and flushes what may be: the first page, and puts the second while the first is flushed. */
static void source_process(struct http_source *s)
{
    if (s->append_timer.heap_index)
        return;
    for (struct http_page *page = s->pages; page; page = page->next) {
        if (page->state == PAGE_READY) {
            enum err err = page_put(s, page);
            if (err == ERR_AGAIN) {
                say(s, SOURCE_BLOCKED, "the log is behind");
                return;
            }
            if (err != OK) {
                append_failed(s, err);
                return;
            }
            page->state = PAGE_PUT;
        }
        if (page->state == PAGE_PUT) {
            if (page == s->pages && !s->flushing)
                page_flush(s, page);
            else
                return;
        }
    }
}

static void feed_resumed(void *owner)
{
    source_process(owner);
}

static void append_again(struct io_timer *timer)
{
    struct http_source *s = timer->owner;
    if (s->stopping) {
        http_source_drop_pages(s);
        drain_if_done(s);
        return;
    }
    source_process(s);
    source_go(s);
}

/* ---- the life of a source ---- */

void http_source_timers(struct http_source *s)
{
    struct {
        struct io_timer *timer;
        void (*fire)(struct io_timer *timer);
    } all[] = {{&s->request_timer, request_due},
               {&s->append_timer, append_again},
               {&s->drained_timer, source_drained}};
    for (size_t i = 0; i < 3; i++) {
        all[i].timer->fire = all[i].fire;
        all[i].timer->owner = s;
    }
    s->fetch_done = fetch_done;
    feed_on_resume(s->feed, feed_resumed, s);
}

void http_source_start(struct source *source)
{
    struct http_source *s = (struct http_source *)source;
    s->started = true;
    source_go(s);
}

void http_source_stop(struct source *source, void (*drained)(void *owner), void *owner)
{
    struct http_source *s = (struct http_source *)source;
    s->stopping = true;
    s->drained = drained;
    s->drained_owner = owner;
    http_fetch_cancel(s->fetch);
    s->fetching = false;
    io_timer_stop(s->loop, &s->request_timer);
    /* Pages that are here are still written, but nothing waits for a disk that refuses. */
    if (s->append_timer.heap_index && !s->flushing) {
        feed_discard(s->feed);
        http_source_drop_pages(s);
        io_timer_stop(s->loop, &s->append_timer);
    }
    drain_if_done(s);
}
