/* SPDX-License-Identifier: MIT */
/*
 * The source that reads files by lines: NDJSON or CSV, one message a line, as it stands there.
 *
 * A piece of a file is read, its whole lines are put and flushed together with the offsets of all
 * files (file_list.c); the next piece follows when it is durable. So each line comes exactly once,
 * also over a crash, a rotation and a restart. Lines that are not valid travel on as they are: the
 * reader of the topic makes dead letters of them. A line without its line feed is not taken while
 * somebody may still be writing it; it is at the end of a file that is not followed, or that was
 * rotated away.
 */
#include "connect/file_source.h"

#include "base/logline.h"
#include "format/json.h"

#include <stdio.h>

enum { PIECE_BYTES = 2 << 20, PIECE_BYTES_MAX = 32 << 20 };
static const int64_t retry_ns = 500000000;

static const struct key_info file_keys[] = {
    {.name = "path",
     .type = KEY_PATH,
     .required = true,
     .help = "file of the project, as data/*.ndjson; * and ? in the last part"},
    {.name = "format",
     .type = KEY_CHOICE,
     .fallback = "ndjson",
     .choices = "ndjson|csv",
     .help = "what a line is"},
    {.name = "header",
     .type = KEY_BOOL,
     .fallback = "false",
     .help = "csv: the first line of each file holds names and is left out"},
    {.name = "follow",
     .type = KEY_BOOL,
     .fallback = "false",
     .help = "go on when the files grow or new ones come; rotation is noticed"},
    {.name = "every",
     .type = KEY_DURATION,
     .fallback = "500ms",
     .min = 1,
     .max = 86400000,
     .help = "how often to look for more, with follow"},
    {.name = "key", .type = KEY_JSONPATH, .help = "ndjson: Kafka key of a line, as $.id"},
    {.name = NULL}};

struct file_source {
    struct source source;
    struct io_loop *loop;
    struct feed *feed;
    char *name;
    struct file_list list;
    struct json_path *key;
    struct buf key_text, piece;
    size_t piece_bytes; /* grows for a line that does not fit */
    bool follow, header;
    int64_t every_ms;
    uint64_t flush_inode, flush_offset; /* on its way */
    struct feed_flush flush;
    bool flushing, started, stopping;
    struct io_timer timer, drained_timer;
    void (*drained)(void *owner);
    void *drained_owner;
    struct source_status status;
};

static void file_step(struct file_source *s);

static void say(struct file_source *s, enum source_state state, const char *what, const char *path)
{
    s->status.state = state;
    snprintf(s->status.detail, sizeof s->status.detail, "%.90s%s%.100s", what, path ? " " : "",
             path ? path : "");
}

static void failed(struct file_source *s, const char *what, const char *path)
{
    if (s->status.failures_in_a_row++ == 0)
        log_line(LOG_ERROR, s->name, "%s %s", what, path ? path : "");
    s->status.errors++;
    say(s, SOURCE_WAITING, what, path);
    io_timer_start(s->loop, &s->timer, retry_ns);
}

static void file_drained(struct io_timer *timer)
{
    struct file_source *s = timer->owner;
    void (*drained)(void *owner) = s->drained;
    s->drained = NULL;
    if (s->status.state != SOURCE_DONE)
        say(s, SOURCE_IDLE, "stopped", NULL);
    if (drained)
        drained(s->drained_owner);
}

static void file_flushed(struct feed_flush *flush, enum err err)
{
    struct file_source *s = flush->owner;
    s->flushing = false;
    for (size_t i = 0; err != OK && i < s->list.count; i++) {
        if (s->list.entries[i].inode == s->flush_inode)
            s->list.entries[i].offset = s->flush_offset; /* back to where it was */
    }
    if (s->stopping) {
        io_timer_start(s->loop, &s->drained_timer, 0);
    } else if (err != OK) {
        failed(s, "the lines cannot be appended:", err_text(err));
    } else {
        s->status.failures_in_a_row = 0;
        file_step(s);
    }
}

/* Puts one line; blank ones are passed over. */
static enum err put_line(struct file_source *s, struct str line)
{
    struct str key = STR_NONE;
    if (line.bytes && line.ptr[line.bytes - 1] == '\r')
        line.bytes--;
    if (str_trim(line).bytes == 0)
        return OK;
    if (s->key && json_validate(line, 0, NULL) == OK) {
        struct str value = json_path_first(s->key, line);
        if (value.ptr && json_kind(value) != JSON_KIND_NULL) {
            buf_reset(&s->key_text);
            json_text(value, &s->key_text);
            key = s->key_text.bytes ? buf_str(&s->key_text) : STR("");
        }
    }
    return feed_put(s->feed, -1, key, line);
}

/* Puts the lines of the piece that begins at entry->offset. Counts the bytes done with. */
static enum err put_lines(struct file_source *s, const struct file_entry *entry, bool at_end,
                          size_t *ret_bytes)
{
    struct str piece = buf_str(&s->piece);
    size_t at = 0;
    enum err err = OK;
    while (at < piece.bytes) {
        const char *end = memchr(piece.ptr + at, '\n', piece.bytes - at);
        if (!end && !at_end)
            break;
        size_t bytes = end ? (size_t)(end - piece.ptr) - at : piece.bytes - at;
        bool header = s->header && entry->offset + at == 0;
        err = header ? OK : put_line(s, str_slice(piece, at, at + bytes));
        if (err != OK)
            break;
        at += bytes + (end ? 1 : 0);
    }
    *ret_bytes = at;
    return at ? OK : err;
}

static enum err read_piece(struct file_source *s, struct file_entry *entry, bool *ret_at_end)
{
    size_t got = 0;
    buf_reset(&s->piece);
    if (!entry->file) {
        struct io_stat stat;
        TRY(io_file_open(s->list.io, entry->path, IO_READ, &entry->file));
        TRY(io_path_stat(s->list.io, entry->path, &stat));
        if (stat.inode != entry->inode) { /* rotated since the scan: another file has the name */
            io_file_close(entry->file);
            entry->file = NULL;
            return ERR_CONFLICT;
        }
    }
    uint8_t *room = buf_reserve(&s->piece, s->piece_bytes);
    if (!room)
        return ERR_LIMIT;
    TRY(io_file_read(entry->file, entry->offset, room, s->piece_bytes, &got));
    buf_advance(&s->piece, got);
    *ret_at_end = got < s->piece_bytes;
    return OK;
}

static enum err flush_piece(struct file_source *s, struct file_entry *entry, size_t bytes)
{
    struct buf position = {0};
    s->flush_inode = entry->inode;
    s->flush_offset = entry->offset;
    entry->offset += bytes;
    file_list_print(&s->list, &position);
    s->flush.done = file_flushed;
    s->flush.owner = s;
    enum err err = feed_flush(s->feed, buf_str(&position), &s->flush);
    buf_deinit(&position);
    s->flushing = err == OK;
    if (err != OK) {
        entry->offset -= bytes;
        feed_discard(s->feed);
    }
    return err;
}

/* Takes what there is of one file. True: something is under way, or must be waited for. */
static bool file_take(struct file_source *s, struct file_entry *entry)
{
    bool at_end = false;
    size_t bytes = 0;
    enum err err = read_piece(s, entry, &at_end);
    if (err == ERR_NOT_FOUND || err == ERR_CONFLICT) {
        if (err == ERR_NOT_FOUND && !entry->file)
            file_list_remove(&s->list, (size_t)(entry - s->list.entries));
        io_timer_start(s->loop, &s->timer, 1000000);
        return true;
    }
    if (err != OK) {
        failed(s, "cannot be read:", entry->path);
        return true;
    }
    /* A followed file may end in the middle of a line that is being written. */
    bool final = at_end && (!s->follow || !entry->named);
    err = put_lines(s, entry, final, &bytes);
    if (err == OK && bytes == 0 && !at_end) {
        if (s->piece_bytes >= PIECE_BYTES_MAX) {
            err = ERR_LIMIT;
        } else {
            s->piece_bytes *= 2;
            return file_take(s, entry);
        }
    }
    if (err == ERR_AGAIN) {
        say(s, SOURCE_BLOCKED, "the log is behind", NULL);
        io_timer_start(s->loop, &s->timer, 5000000);
        return true;
    }
    if (err != OK) {
        feed_discard(s->feed);
        say(s, SOURCE_FAILED, "a line is larger than the topic takes:", entry->path);
        log_line(LOG_ERROR, s->name, "%s:byte %llu: a line is larger than the topic takes",
                 entry->path, (unsigned long long)entry->offset);
        return true;
    }
    s->piece_bytes = PIECE_BYTES;
    if (bytes == 0) {
        entry->finished = at_end;
        return false;
    }
    s->status.bytes_in += bytes;
    s->status.requests++;
    s->status.last_fetch_us = io_wall_us(io_loop_io(s->loop));
    say(s, SOURCE_FETCHING, "reading", entry->path);
    if (flush_piece(s, entry, bytes) != OK)
        failed(s, "the lines cannot be appended", NULL);
    return true;
}

/* The next piece of the first file that has one; looks around when none has. */
static void file_step(struct file_source *s)
{
    if (!s->started || s->flushing || s->stopping || s->status.state == SOURCE_FAILED)
        return;
    for (size_t i = 0; i < s->list.count; i++) {
        struct file_entry *entry = &s->list.entries[i];
        if (entry->finished)
            continue;
        if (file_take(s, entry))
            return;
    }
    if (!s->follow) {
        say(s, SOURCE_DONE, s->list.count ? "all files are read" : "there is no such file:",
            s->list.count ? NULL : s->list.pattern);
        return;
    }
    /* Read to their ends and without a name: gone for good. */
    for (size_t i = s->list.count; i-- > 0;) {
        if (!s->list.entries[i].named && s->list.entries[i].finished)
            file_list_remove(&s->list, i);
    }
    say(s, SOURCE_WAITING, "for more lines", NULL);
    io_timer_start(s->loop, &s->timer, s->every_ms * 1000000);
}

static void file_due(struct io_timer *timer)
{
    struct file_source *s = timer->owner;
    enum err err = file_list_scan(&s->list, s->follow);
    if (err != OK) {
        failed(s, err == ERR_LIMIT ? "more than 500 files fit the path" : "cannot be listed:",
               s->list.directory);
        return;
    }
    /* Whoever writes a file may have gone on without the size that the scan saw. */
    for (size_t i = 0; s->follow && i < s->list.count; i++)
        s->list.entries[i].finished = false;
    file_step(s);
}

/* ---- the life of a source ---- */

static enum err file_check(const struct setting *settings, const char *file,
                           struct diag_list *diags)
{
    const struct setting *path = setting_get(settings, "path");
    const struct setting *key = setting_get(settings, "key");
    size_t before = diags->count + diags->dropped;
    struct diag diag = {.err = ERR_INVALID};
    snprintf(diag.file, sizeof diag.file, "%s", file ? file : "");
    size_t slash = path && path->kind == SETTING_TEXT ? path->text.bytes : 0;
    while (slash > 0 && path->text.ptr[slash - 1] != '/')
        slash--;
    struct str directory = slash ? str_slice(path->text, 0, slash) : STR("");
    if (directory.bytes &&
        (memchr(directory.ptr, '*', slash) || memchr(directory.ptr, '?', slash))) {
        diag.line = path->line;
        diag.column = path->column;
        snprintf(diag.message, sizeof diag.message, "* and ? may stand in the last part only");
        diag_list_add(diags, &diag);
    }
    if (key && str_equal(setting_text(settings, "format", "ndjson"), STR("csv"))) {
        diag.line = key->key_line;
        diag.column = key->key_column;
        snprintf(diag.message, sizeof diag.message, "a csv line has no key");
        diag_list_add(diags, &diag);
    }
    return diags->count + diags->dropped > before ? ERR_INVALID : OK;
}

static void file_close(struct source *source)
{
    struct file_source *s = (struct file_source *)source;
    if (!s)
        return;
    io_timer_stop(s->loop, &s->timer);
    io_timer_stop(s->loop, &s->drained_timer);
    file_list_deinit(&s->list);
    json_path_free(s->key);
    buf_deinit(&s->key_text);
    buf_deinit(&s->piece);
    mem_free(s->name);
    mem_free(s);
}

static enum err open_parts(struct file_source *s, const struct setting *settings, struct diag *diag)
{
    struct str key = setting_text(settings, "key", "");
    struct buf position = {0};
    if (key.bytes)
        TRY(json_path_parse(key, diag, &s->key));
    enum err err = feed_position(s->feed, &position);
    /* A place that another kind of source left: begins anew. */
    if (err == OK && file_list_parse(&s->list, buf_str(&position)) != OK)
        err = ERR_NOT_FOUND;
    buf_deinit(&position);
    return err == ERR_NOT_FOUND ? OK : err;
}

static enum err file_open(struct io_loop *loop, const struct setting *settings,
                          const char *directory, struct str source_name, struct feed *feed,
                          struct diag *diag, struct source **ret_source)
{
    struct file_source *s = mem_zero(sizeof *s);
    s->source.connector = &connector_file;
    s->loop = loop;
    s->feed = feed;
    s->name = str_dup(source_name);
    s->piece_bytes = PIECE_BYTES;
    s->piece.bytes_max = 2 * PIECE_BYTES_MAX;
    s->follow = setting_bool(settings, "follow", false);
    s->header = setting_bool(settings, "header", false);
    s->every_ms = setting_duration_ms(settings, "every", 500);
    s->timer.fire = file_due;
    s->timer.owner = s;
    s->drained_timer.fire = file_drained;
    s->drained_timer.owner = s;
    file_list_init(&s->list, io_loop_io(loop), directory, setting_text(settings, "path", ""));
    enum err err = open_parts(s, settings, diag);
    if (err != OK) {
        file_close(&s->source);
        return err;
    }
    *ret_source = &s->source;
    return OK;
}

static void file_start(struct source *source)
{
    struct file_source *s = (struct file_source *)source;
    s->started = true;
    io_timer_start(s->loop, &s->timer, 0);
}

static void file_stop(struct source *source, void (*drained)(void *owner), void *owner)
{
    struct file_source *s = (struct file_source *)source;
    s->stopping = true;
    s->drained = drained;
    s->drained_owner = owner;
    io_timer_stop(s->loop, &s->timer);
    if (!s->flushing)
        io_timer_start(s->loop, &s->drained_timer, 0);
}

static void file_status(const struct source *source, struct source_status *ret_status)
{
    *ret_status = ((const struct file_source *)source)->status;
}

const struct connector connector_file = {
    .name = "file",
    .summary = "reads files by lines, and follows them",
    .keys = file_keys,
    .check = file_check,
    .open = file_open,
    .start = file_start,
    .stop = file_stop,
    .status = file_status,
    .close = file_close,
};
