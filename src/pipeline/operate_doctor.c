/* SPDX-License-Identifier: MIT */
/*
 * The doctor: one finding a rule, good or bad, so that a healthy screen says what was looked at.
 * A bad finding has a hint. Rules are functions in one table.
 */
#include "format/json.h"
#include "pipeline/dead_letter.h"
#include "pipeline/operate.h"

#include <stdio.h>

struct finding {
    bool ok;
    char text[400];
    const char *hint; /* when it is not ok */
};

struct patient {
    const struct operate *op;
    const struct pipeline_status *status;
};

static void good(struct finding *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void bad(struct finding *f, const char *hint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void good(struct finding *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    f->ok = true;
    vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
}

static void bad(struct finding *f, const char *hint, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    f->ok = false;
    f->hint = hint;
    vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
}

static void books_rule(const struct patient *p, struct finding *f)
{
    uint64_t read = 0, stored = 0, filtered = 0, dead = 0, missed = 0;
    for (size_t i = 0; i < p->status->table_count; i++) {
        read += p->status->tables[i].read;
        stored += p->status->tables[i].stored;
        filtered += p->status->tables[i].filtered;
        dead += p->status->tables[i].dead;
        missed += p->status->tables[i].missed;
    }
    if (p->status->balanced)
        good(f,
             missed ? "%llu records read = %llu stored + %llu filtered + %llu dead letters; %llu "
                      "were removed by retention before they were read"
                    : "%llu records read = %llu stored + %llu filtered + %llu dead letters",
             (unsigned long long)read, (unsigned long long)stored, (unsigned long long)filtered,
             (unsigned long long)dead, (unsigned long long)missed);
    else
        bad(f, "keep a copy of the data directory and report this: records are not accounted for",
            "%s", p->status->imbalance);
}

static void log_rule(const struct patient *p, struct finding *f)
{
    struct log_topic **topics;
    size_t count = log_topics(p->op->log, &topics);
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        for (int32_t k = 0; k < log_topic_partitions(topics[i]); k++)
            bytes += log_partition_bytes(log_topic_partition(topics[i], k));
    mem_free(topics);
    const char *remote = log_remote_place(p->op->log);
    if (p->status->log_health == OK && remote)
        good(f, "%zu topics in the Kafka at %s", count, remote);
    else if (p->status->log_health == OK)
        good(f, "%zu topics, %.1f MB", count, (double)bytes / 1e6);
    else if (remote)
        bad(f, "start it: intake goes on by itself, and nothing is lost meanwhile",
            "the Kafka at %s does not answer: %.300s", remote,
            p->status->log_trouble[0] ? p->status->log_trouble : err_text(p->status->log_health));
    else
        bad(f,
            p->status->log_health == ERR_DISK_FULL
                ? "make room on the disk: intake goes on by itself"
                : "the disk failed a write: check it, then start again",
            "intake has stopped: %s", err_text(p->status->log_health));
}

static void tables_rule(const struct patient *p, struct finding *f)
{
    struct table **tables = NULL;
    size_t count = p->op->store ? table_list(p->op->store, &tables) : 0;
    mem_free(tables);
    if (p->status->table_health == OK)
        good(f, "%zu tables", count);
    else
        bad(f, "make room on the disk, or check it", "storing has stopped: %s",
            err_text(p->status->table_health));
}

static void disk_rule(const struct patient *p, struct finding *f)
{
    uint64_t bytes;
    enum { LOW = 256 << 20 };
    if (!p->op->project ||
        io_path_free_bytes(p->op->io, p->op->project->data_directory, &bytes) != OK)
        good(f, "no data directory yet");
    else if (bytes < LOW)
        bad(f, "make room, or shorten `retention` of the topics", "only %.0f MB are free",
            (double)bytes / 1e6);
    else
        good(f, "%.1f GB free", (double)bytes / 1e9);
}

static void streams_rule(const struct patient *p, struct finding *f)
{
    int64_t lag = 0;
    for (size_t i = 0; i < p->status->table_count; i++) {
        const struct pipeline_table_status *t = &p->status->tables[i];
        lag += t->lag;
        if (strcmp(t->state, "failed") == 0 || strcmp(t->state, "blocked") == 0) {
            bad(f,
                t->state[0] == 'b'
                    ? "the stream goes on by itself when the cause is gone"
                    : "the reason is in the text; after mending it start the run again",
                "%.*s is %s: %s", STR_ARG(t->name), t->state, t->detail);
            return;
        }
    }
    good(f, "%zu streams, %lld records behind", p->status->table_count, (long long)lag);
}

static void sources_rule(const struct patient *p, struct finding *f)
{
    size_t count = 0;
    for (size_t i = 0; i < p->status->source_count; i++) {
        const struct pipeline_source_status *s = &p->status->sources[i];
        if (!s->connector)
            continue;
        count++;
        if (s->source.state == SOURCE_FAILED || s->source.failures_in_a_row >= 3) {
            bad(f, "the source goes on trying; check its address, key and limits",
                "%.*s: %u failures in a row, %s", STR_ARG(s->name), s->source.failures_in_a_row,
                s->source.detail);
            return;
        }
    }
    good(f, "%zu running", count);
}

static void dead_letters_rule(const struct patient *p, struct finding *f)
{
    struct log_topic **topics;
    size_t count = log_topics(p->op->log, &topics), some = 0;
    int64_t letters = 0;
    for (size_t i = 0; i < count; i++) {
        if (!str_ends(log_topic_name(topics[i]), STR(".dead_letters")))
            continue;
        int64_t here, replayed;
        if (operate_dead_letter_count(p->op, topics[i], &here, &replayed) != OK)
            continue; /* the log's own rule says why */
        letters += here;
        some += here > 0;
    }
    mem_free(topics);
    if (letters)
        good(f, "%lld in %zu topics; `millrace dlq list` shows them", (long long)letters, some);
    else
        good(f, "none");
}

static const struct {
    const char *area;
    void (*look)(const struct patient *patient, struct finding *finding);
} rules[] = {
    {"books", books_rule},     {"log", log_rule},         {"tables", tables_rule},
    {"streams", streams_rule}, {"sources", sources_rule}, {"dead letters", dead_letters_rule},
    {"disk", disk_rule},
};

void operate_doctor(const struct operate *op, const struct pipeline_status *status, struct buf *out,
                    bool *ret_ok)
{
    struct json_writer w = {.out = out};
    struct patient patient = {op, status};
    bool all = true;
    json_open(&w, '{');
    json_key(&w, "findings");
    json_open(&w, '[');
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct finding finding = {0};
        rules[i].look(&patient, &finding);
        all &= finding.ok;
        json_open(&w, '{');
        json_key(&w, "area");
        json_str(&w, str_of(rules[i].area));
        json_key(&w, "ok");
        json_bool(&w, finding.ok);
        json_key(&w, "text");
        json_str(&w, str_of(finding.text));
        json_key(&w, "hint");
        json_str(&w, str_of(finding.ok ? NULL : finding.hint));
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_key(&w, "ok");
    json_bool(&w, all);
    json_close(&w, '}');
    *ret_ok = all;
}
