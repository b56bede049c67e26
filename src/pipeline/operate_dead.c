/* SPDX-License-Identifier: MIT */
/*
 * Dead letters for commands: list, show, replay. A letter's number is its offset in the topic
 * SOURCE.dead_letters. How far letters were replayed is a consumer offset of the group
 * millrace.replay, committed after the replayed records are durable, piece by piece: a crash in
 * between may replay a piece again, which its table then stores by key or appends as records of
 * their own. A replay that begins behind that place does not move it, so none is passed over.
 */
#include "format/json.h"
#include "pipeline/dead_letter.h"
#include "pipeline/operate.h"

enum {
    READ_BYTES = 4 << 20,
    PIECE_BYTES = 1 << 20,
    INFLATED_BYTES_MAX = 256 << 20,
    BATCH_BYTES_MAX = 128 << 20,
    AGAIN_TIMES = 6000,
    AGAIN_MS = 10
};

static const struct str REPLAY_GROUP = {"millrace.replay", 15};

static void pair(struct json_writer *w, const char *key, int64_t value)
{
    json_key(w, key);
    json_i64(w, value);
}

static void text_pair(struct json_writer *w, const char *key, struct str value)
{
    json_key(w, key);
    json_str(w, value);
}

static enum err find_partition(const struct operate *op, struct str source, struct buf *name,
                               struct diag *diag, struct log_partition **ret_partition)
{
    dead_letter_topic(source, name);
    struct log_topic *topic = log_topic_find(op->log, buf_str(name));
    if (!topic) {
        diag_hint(diag, "`millrace dlq list` names the streams that have some");
        return diag_set(diag, ERR_NOT_FOUND, 0, 0, "'%.*s' has no dead letters", STR_ARG(source));
    }
    *ret_partition = log_topic_partition(topic, 0);
    return OK;
}

/* Calls found for the letters from..to; found may end it with false. */
static enum err each_letter(struct log_partition *partition, int64_t from, int64_t to,
                            bool (*found)(void *owner, int64_t number,
                                          const struct dead_letter *letter),
                            void *owner)
{
    int64_t start = log_partition_start(partition), end = log_partition_end(partition);
    if (to < 0 || to >= end)
        to = end - 1;
    for (int64_t at = from < start ? start : from; at <= to;) {
        CLEAN(buf_deinit) struct buf raw = {0};
        struct log_read read;
        TRY(log_read_committed(partition, at, READ_BYTES, &raw, &read));
        for (size_t b = 0; b < raw.bytes;) {
            struct record_batch batch;
            struct record_iterator it;
            TRY(record_batch_parse(raw.ptr + b, raw.bytes - b, false, &batch));
            TRY(record_iterator_init(&it, &batch, INFLATED_BYTES_MAX));
            bool more = true;
            for (struct record r; more && record_iterator_next(&it, &r);) {
                struct dead_letter letter;
                if (r.offset >= at && r.offset <= to && dead_letter_read(&r, &letter))
                    more = found(owner, r.offset, &letter);
            }
            record_iterator_deinit(&it);
            if (!more)
                return OK;
            b += batch.bytes_count;
        }
        at = read.offset_next > at ? read.offset_next : to + 1;
    }
    return OK;
}

/* Not every offset has a letter. */
struct counting {
    int64_t replayed_to, letters, replayed;
};

static bool count_letter(void *owner, int64_t number, const struct dead_letter *letter)
{
    struct counting *c = owner;
    c->letters++;
    c->replayed += number < c->replayed_to;
    return true;
}

enum err operate_dead_letter_count(const struct operate *op, struct log_topic *topic,
                                   int64_t *ret_letters, int64_t *ret_replayed)
{
    struct log_partition *p = log_topic_partition(topic, 0);
    struct counting counting = {
        .replayed_to = log_offset_fetch(op->log, REPLAY_GROUP, log_topic_name(topic), 0)};
    TRY(each_letter(p, log_partition_start(p), -1, count_letter, &counting));
    *ret_letters = counting.letters;
    *ret_replayed = counting.replayed;
    return OK;
}

static enum err list_topic(const struct operate *op, struct log_topic *topic, struct json_writer *w)
{
    struct str name = log_topic_name(topic), tail = STR(".dead_letters");
    if (!str_ends(name, tail))
        return OK;
    int64_t letters, replayed;
    TRY(operate_dead_letter_count(op, topic, &letters, &replayed));
    json_open(w, '{');
    text_pair(w, "source", str_slice(name, 0, name.bytes - tail.bytes));
    text_pair(w, "topic", name);
    pair(w, "letters", letters);
    pair(w, "replayed", replayed);
    json_close(w, '}');
    return OK;
}

enum err operate_dead_letters(const struct operate *op, struct buf *out)
{
    struct json_writer w = {.out = out};
    struct log_topic **topics;
    size_t count = log_topics(op->log, &topics);
    enum err err = OK;
    json_open(&w, '[');
    for (size_t i = 0; i < count && err == OK; i++)
        err = list_topic(op, topics[i], &w);
    json_close(&w, ']');
    mem_free(topics);
    TRY(err);
    return buf_error(out);
}

struct listing {
    struct json_writer w;
    uint32_t left;
    int64_t next;
};

static bool list_letter(void *owner, int64_t number, const struct dead_letter *letter)
{
    struct listing *l = owner;
    if (!l->left)
        return false;
    l->left--;
    l->next = number + 1;
    json_open(&l->w, '{');
    pair(&l->w, "number", number);
    text_pair(&l->w, "topic", letter->topic);
    pair(&l->w, "partition", letter->partition);
    pair(&l->w, "offset", letter->offset);
    text_pair(&l->w, "table", letter->table.bytes ? letter->table : STR_NONE);
    text_pair(&l->w, "error", letter->error);
    text_pair(&l->w, "class", letter->error_class.bytes ? letter->error_class : STR_NONE);
    pair(&l->w, "attempt", letter->attempt);
    pair(&l->w, "time_ms", letter->time_ms);
    json_key(&l->w, "key");
    json_bytes(&l->w, letter->key);
    json_key(&l->w, "value");
    json_bytes(&l->w, letter->value);
    json_close(&l->w, '}');
    return true;
}

enum err operate_dead_letter_list(const struct operate *op, struct str source, int64_t from,
                                  uint32_t count, struct buf *out, struct diag *diag)
{
    CLEAN(buf_deinit) struct buf name = {0};
    struct log_partition *partition;
    TRY(find_partition(op, source, &name, diag, &partition));
    struct listing l = {.w = {.out = out}, .left = count, .next = from};
    json_open(&l.w, '{');
    json_key(&l.w, "letters");
    json_open(&l.w, '[');
    TRY(each_letter(partition, from, -1, list_letter, &l));
    json_close(&l.w, ']');
    pair(&l.w, "next", l.next);
    pair(&l.w, "end", log_partition_end(partition));
    json_close(&l.w, '}');
    return buf_error(out);
}

/* ---- replay ---- */

struct replaying {
    const struct operate *op;
    struct log_topic *topic;
    struct record_batch_builder *builders; /* one a partition */
    struct str letters;                    /* name of their topic */
    int64_t now_ms;
    int64_t next;
    int64_t done; /* all in front of it are replayed */
    bool marks;   /* it goes on where the last replay ended, or before */
    size_t bytes; /* in the builders */
    uint64_t count;
    enum err err;
};

/* The log may be busy with what was replayed before: it gets a moment. */
static enum err append_waiting(struct replaying *r, int32_t partition, const struct buf *batch)
{
    int64_t base;
    enum err err = ERR_AGAIN;
    for (int i = 0; i < AGAIN_TIMES && err == ERR_AGAIN; i++) {
        if (i)
            io_sleep_ns(r->op->io, AGAIN_MS * 1000000LL);
        err = log_append_wait(log_topic_partition(r->topic, partition), batch->ptr, batch->bytes,
                              &base);
    }
    return err;
}

static enum err append_replayed(struct replaying *r)
{
    for (int32_t i = 0; i < log_topic_partitions(r->topic); i++) {
        CLEAN(buf_deinit) struct buf batch = {0};
        if (!r->builders[i].count)
            continue;
        TRY(record_batch_builder_finish(&r->builders[i], &batch));
        TRY(append_waiting(r, i, &batch));
    }
    r->bytes = 0;
    if (!r->marks || r->next <= r->done)
        return OK;
    r->done = r->next;
    return log_offset_commit(r->op->log, REPLAY_GROUP, r->letters, 0, r->done, STR(""));
}

static bool replay_letter(void *owner, int64_t number, const struct dead_letter *letter)
{
    struct replaying *r = owner;
    CLEAN(buf_deinit) struct buf text = {0};
    struct record_header headers[2];
    size_t header_count = replay_mark_headers(letter, &text, headers);
    int32_t partition = letter->partition < log_topic_partitions(r->topic) ? letter->partition : 0;
    size_t bytes = letter->key.bytes + letter->value.bytes;
    if (r->bytes && r->bytes + bytes > PIECE_BYTES) {
        r->err = append_replayed(r);
        if (r->err != OK)
            return false;
    }
    record_batch_builder_add(&r->builders[partition], r->now_ms, letter->key, letter->value,
                             headers, header_count);
    r->bytes += bytes;
    r->next = number + 1;
    r->count++;
    return true;
}

static struct log_topic *source_topic(const struct operate *op, struct str source)
{
    struct project_source *s = op->project ? project_source_find(op->project, source) : NULL;
    return log_topic_find(op->log, s ? s->topic : source);
}

enum err operate_dead_letter_replay(const struct operate *op, struct str source, int64_t from,
                                    int64_t to, struct buf *out, struct diag *diag)
{
    CLEAN(buf_deinit) struct buf name = {0};
    struct log_partition *partition;
    TRY(find_partition(op, source, &name, diag, &partition));
    struct replaying r = {.op = op, .topic = source_topic(op, source), .letters = buf_str(&name)};
    if (!r.topic)
        return diag_set(diag, ERR_NOT_FOUND, 0, 0, "there is no stream '%.*s'", STR_ARG(source));
    int64_t done = log_offset_fetch(op->log, REPLAY_GROUP, r.letters, 0);
    r.done = done > 0 ? done : 0;
    if (from < 0)
        from = r.done;
    r.marks = from <= r.done || from <= log_partition_start(partition);
    size_t partitions = (size_t)log_topic_partitions(r.topic);
    r.builders = mem_zero(partitions * sizeof *r.builders);
    r.now_ms = io_wall_us(op->io) / 1000;
    r.next = from;
    for (size_t i = 0; i < partitions; i++)
        record_batch_builder_init(&r.builders[i], CODEC_NONE, BATCH_BYTES_MAX);
    enum err err = each_letter(partition, from, to, replay_letter, &r);
    if (err == OK)
        err = r.err;
    if (err == OK)
        err = append_replayed(&r);
    for (size_t i = 0; i < partitions; i++)
        record_batch_builder_deinit(&r.builders[i]);
    mem_free(r.builders);
    if (err != OK)
        return diag_set(diag, err, 0, 0, "replay of '%.*s': %s", STR_ARG(source), err_text(err));
    struct json_writer w = {.out = out};
    json_open(&w, '{');
    pair(&w, "replayed", (int64_t)r.count);
    pair(&w, "next", r.next);
    json_close(&w, '}');
    return buf_error(out);
}
