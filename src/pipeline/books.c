/* SPDX-License-Identifier: MIT */
/*
 * The books: what came in is somewhere. For each source that a connector fills
 *
 *   fetched = appended + repeated              (repeated: the topic had the record already)
 *
 * and for each streaming table
 *
 *   offsets of the topic = read + passed + missed + lag,  read = stored + filtered + dead letters
 *
 * where passed are offsets that have no record (markers of transactions, what was aborted or
 * compacted away), and missed those that retention took first: at most as many as it has removed.
 *
 * While a run is busy the first sum may be ahead by what is in flight; it must hold at rest.
 */
#include "pipeline/pipeline_private.h"

#include "format/json.h"

#include <stdio.h>

static void wrong(struct pipeline_status *status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void wrong(struct pipeline_status *status, const char *format, ...)
{
    if (!status->balanced)
        return;
    status->balanced = false;
    va_list args;
    va_start(args, format);
    vsnprintf(status->imbalance, sizeof status->imbalance, format, args);
    va_end(args);
}

static const struct pipeline_source_status *source_of(const struct pipeline_status *status,
                                                      struct str name)
{
    for (size_t i = 0; i < status->source_count; i++)
        if (str_equal(status->sources[i].name, name))
            return &status->sources[i];
    return NULL;
}

void books_check(struct pipeline_status *status)
{
    status->balanced = true;
    for (size_t i = 0; i < status->source_count; i++) {
        const struct pipeline_source_status *s = &status->sources[i];
        if (s->connector && s->fetched < s->appended + s->repeated)
            wrong(status, "%.*s: fetched %llu, but appended %llu", STR_ARG(s->name),
                  (unsigned long long)s->fetched, (unsigned long long)s->appended);
    }
    for (size_t i = 0; i < status->table_count; i++) {
        const struct pipeline_table_status *t = &status->tables[i];
        const struct pipeline_source_status *s = source_of(status, t->source);
        if (t->view)
            continue;
        if (t->read != t->stored + t->filtered + t->dead)
            wrong(status, "%.*s: read %llu, but stored %llu + filtered %llu + dead %llu",
                  STR_ARG(t->name), (unsigned long long)t->read, (unsigned long long)t->stored,
                  (unsigned long long)t->filtered, (unsigned long long)t->dead);
        bool passed = s && (int64_t)t->missed > s->topic_removed;
        if (s &&
            (passed || (int64_t)(t->read + t->passed + t->missed) + t->lag != s->topic_records))
            wrong(status,
                  "%.*s: the topic gave %lld offsets, read %llu, passed %llu, missed %llu and %lld "
                  "wait",
                  STR_ARG(t->name), (long long)s->topic_records, (unsigned long long)t->read,
                  (unsigned long long)t->passed, (unsigned long long)t->missed, (long long)t->lag);
    }
}

/* ---- status of a running pipeline ---- */

static void topic_numbers(struct log_topic *topic, struct pipeline_source_status *status)
{
    for (int32_t i = 0; i < log_topic_partitions(topic); i++) {
        struct log_partition *partition = log_topic_partition(topic, i);
        status->topic_records += log_partition_end(partition);
        status->topic_removed += log_partition_start(partition);
        status->topic_bytes += log_partition_bytes(partition);
    }
}

static void source_status(const struct running_source *running,
                          struct pipeline_source_status *status)
{
    *status = (struct pipeline_source_status){.name = running->source->name,
                                              .topic = running->source->topic};
    topic_numbers(running->topic, status);
    if (!running->connector)
        return;
    struct feed_counters counters;
    feed_counters(running->feed, &counters);
    status->connector = running->source->connector->name;
    status->fetched = counters.fetched;
    status->appended = counters.appended;
    status->repeated = counters.repeated;
    running->source->connector->status(running->connector, &status->source);
}

static const char *const state_names[] = {"idle", "running", "blocked", "failed"};

static void table_status(struct stream *stream, struct pipeline_table_status *status)
{
    const struct project_target *target = stream->table->target;
    *status = (struct pipeline_table_status){.name = stream->table->name,
                                             .source = stream->source->name,
                                             .keyspace = target->keyspace,
                                             .table = target->table};
    io_mutex_lock(&stream->lock);
    status->state = state_names[stream->state];
    memcpy(status->detail, stream->detail, sizeof status->detail);
    status->epoch = stream->books.epoch;
    status->read = stream->books.read;
    status->stored = stream->books.stored;
    status->filtered = stream->books.filtered;
    status->dead = stream->books.dead;
    status->rows = stream->books.rows;
    for (int32_t i = 0; i < stream->partition_count; i++)
        status->lag -= stream->partitions[i].offset_next;
    status->passed = stream->books.passed;
    status->missed = stream->books.missed;
    status->p50_us = latency_quantile(&stream->latency, 0.5);
    status->p99_us = latency_quantile(&stream->latency, 0.99);
    io_mutex_unlock(&stream->lock);
}

static const char *const view_state_names[] = {"idle", "blocked", "failed"};

static void view_status(struct view *view, struct pipeline_table_status *status)
{
    const struct project_target *target = view->table->target;
    *status = (struct pipeline_table_status){.name = view->table->name,
                                             .source = STR(""),
                                             .keyspace = target->keyspace,
                                             .table = target->table,
                                             .view = true,
                                             .p50_us = -1,
                                             .p99_us = -1};
    io_mutex_lock(&view->views->lock);
    status->state = view_state_names[view->state];
    status->epoch = view->refreshes;
    status->rows = view->rows;
    memcpy(status->detail, view->detail, sizeof status->detail);
    io_mutex_unlock(&view->views->lock);
}

/* The lag is taken from the topic's end that the source's line shows, so that the sums agree. */
static void set_lag(const struct pipeline_status *status, struct pipeline_table_status *table)
{
    const struct pipeline_source_status *source = source_of(status, table->source);
    if (table->view)
        return;
    table->lag += source ? source->topic_records : 0;
    if (table->lag < 0)
        table->lag = 0;
}

void pipeline_status(struct pipeline *pipeline, struct arena *arena,
                     struct pipeline_status *ret_status)
{
    struct pipeline_status status = {
        .log_health = log_health(pipeline->log),
        .table_health = table_store_health(pipeline->store),
        .running_ms = (io_now_ns(pipeline->io) - pipeline->started_ns) / 1000000,
        .source_count = pipeline->source_count,
        .table_count = pipeline->stream_count + pipeline->views.count,
    };
    status.tables = arena_array(arena, status.table_count + 1, sizeof *status.tables);
    status.sources = arena_array(arena, status.source_count + 1, sizeof *status.sources);
    /* Tables first: what they have read is in the topics that are counted after. */
    for (size_t i = 0; i < pipeline->stream_count; i++)
        table_status(&pipeline->streams[i], &status.tables[i]);
    for (size_t i = 0; i < pipeline->views.count; i++)
        view_status(&pipeline->views.items[i], &status.tables[pipeline->stream_count + i]);
    for (size_t i = 0; i < status.source_count; i++)
        source_status(&pipeline->sources[i], &status.sources[i]);
    for (size_t i = 0; i < status.table_count; i++)
        set_lag(&status, &status.tables[i]);
    io_usage(pipeline->io, &status.usage);
    books_check(&status);
    log_trouble(pipeline->log, status.log_trouble, sizeof status.log_trouble);
    *ret_status = status;
}

bool pipeline_failed(struct pipeline *pipeline, char *ret_text, size_t room)
{
    for (size_t i = 0; i < pipeline->stream_count; i++) {
        struct pipeline_table_status status;
        table_status(&pipeline->streams[i], &status);
        if (strcmp(status.state, "failed") == 0) {
            snprintf(ret_text, room, "%.*s: %s", STR_ARG(status.name), status.detail);
            return true;
        }
    }
    for (size_t i = 0; i < pipeline->source_count; i++) {
        struct pipeline_source_status status;
        source_status(&pipeline->sources[i], &status);
        if (status.connector && status.source.state == SOURCE_FAILED) {
            snprintf(ret_text, room, "%.*s: %s", STR_ARG(status.name), status.source.detail);
            return true;
        }
    }
    return false;
}

bool pipeline_is_idle(struct pipeline *pipeline, int64_t quiet_ms)
{
    uint64_t sum = 0;
    bool all_done = true;
    for (size_t i = 0; i < pipeline->source_count; i++) {
        struct pipeline_source_status status;
        source_status(&pipeline->sources[i], &status);
        sum += (uint64_t)status.topic_records + status.fetched;
        all_done &= !status.connector || status.source.state == SOURCE_DONE;
        /* A source that fails has not given what it has: that is no rest. */
        if (status.connector && status.source.failures_in_a_row)
            pipeline->idle_since_ns = 0;
        if (status.fetched != status.appended + status.repeated)
            all_done = false;
    }
    for (size_t i = 0; i < pipeline->stream_count; i++) {
        struct pipeline_table_status status;
        table_status(&pipeline->streams[i], &status);
        sum += status.read;
    }
    int64_t now_ns = io_now_ns(pipeline->io);
    if (sum != pipeline->idle_sum || !pipeline->idle_since_ns) {
        pipeline->idle_sum = sum;
        pipeline->idle_since_ns = now_ns;
    }
    if (!work_is_done(pipeline) || !view_work_is_done(pipeline))
        return false;
    return all_done || now_ns - pipeline->idle_since_ns >= quiet_ms * 1000000;
}

/* ---- a stopped project ---- */

static enum err inspect_table(const struct project *project, struct project_table *table,
                              struct log *log, struct table_store *store,
                              struct pipeline_table_status *status)
{
    struct stream stream = {.source = table->source, .table = table, .log = log, .store = store};
    stream.engine = project->tables_kind ? project->tables_kind->scheme : NULL;
    struct log_topic *topic = log_topic_find(log, table->source->topic);
    stream.partition_count = topic ? log_topic_partitions(topic) : 0;
    stream.partitions = mem_zero(((size_t)stream.partition_count + 1) * sizeof *stream.partitions);
    io_mutex_init(&stream.lock);
    enum err err = stream_state_get(&stream);
    if (err == OK)
        table_status(&stream, status);
    io_mutex_deinit(&stream.lock);
    mem_free(stream.partitions);
    return err;
}

enum err pipeline_inspect(struct project *project, struct log *log, struct table_store *store,
                          struct arena *arena, struct pipeline_status *ret_status)
{
    struct pipeline_status status = {.log_health = log_health(log),
                                     .table_health = table_store_health(store)};
    log_trouble(log, status.log_trouble, sizeof status.log_trouble);
    status.tables = arena_array(arena, project->table_count + 1, sizeof *status.tables);
    status.sources = arena_array(arena, project->source_count + 1, sizeof *status.sources);
    for (size_t i = 0; i < project->source_count; i++) {
        struct project_source *source = &project->sources[i];
        struct log_topic *topic = log_topic_find(log, source->topic);
        if (source->static_file.ptr)
            continue;
        struct pipeline_source_status *s = &status.sources[status.source_count++];
        *s = (struct pipeline_source_status){.name = source->name, .topic = source->topic};
        if (topic)
            topic_numbers(topic, s);
    }
    for (size_t i = 0; i < project->table_count; i++) {
        struct project_table *table = &project->tables[i];
        if (table->kind != PROJECT_STREAMING_TABLE || !table->source)
            continue;
        struct pipeline_table_status *t = &status.tables[status.table_count++];
        TRY(inspect_table(project, table, log, store, t));
        t->state = "stopped";
        set_lag(&status, t);
    }
    books_check(&status);
    *ret_status = status;
    return OK;
}

/* ---- JSON ---- */

static const char *const source_state_names[] = {"idle",    "fetching", "waiting",
                                                 "blocked", "done",     "failed"};

static void source_json(struct json_writer *w, const struct pipeline_source_status *s)
{
    json_open(w, '{');
    json_key(w, "name");
    json_str(w, s->name);
    json_key(w, "topic");
    json_str(w, s->topic);
    json_key(w, "connector");
    json_str(w, str_of(s->connector));
    json_key(w, "records");
    json_i64(w, s->topic_records);
    json_key(w, "bytes");
    json_i64(w, (int64_t)s->topic_bytes);
    if (s->connector) {
        json_key(w, "state");
        json_str(w, str_of(source_state_names[s->source.state]));
        json_key(w, "detail");
        json_str(w, str_of(s->source.detail));
        json_key(w, "fetched");
        json_i64(w, (int64_t)s->fetched);
        json_key(w, "appended");
        json_i64(w, (int64_t)s->appended);
        json_key(w, "repeated");
        json_i64(w, (int64_t)s->repeated);
        json_key(w, "requests");
        json_i64(w, (int64_t)s->source.requests);
        json_key(w, "errors");
        json_i64(w, (int64_t)s->source.errors);
        json_key(w, "empty_answers");
        json_i64(w, (int64_t)s->source.empty_answers);
        json_key(w, "wait_ms");
        json_i64(w, s->source.wait_ms);
    }
    json_close(w, '}');
}

static void table_json(struct json_writer *w, const struct pipeline_table_status *t)
{
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {
        {"epoch", (int64_t)t->epoch},
        {"read", (int64_t)t->read},
        {"processed", (int64_t)(t->read - t->dead)},
        {"stored", (int64_t)t->stored},
        {"filtered", (int64_t)t->filtered},
        {"dead_lettered", (int64_t)t->dead},
        {"rows", (int64_t)t->rows},
        {"missed", (int64_t)t->missed},
        {"passed", (int64_t)t->passed},
        {"lag", t->lag},
        {"p50_us", t->p50_us},
        {"p99_us", t->p99_us},
    };
    json_open(w, '{');
    json_key(w, "name");
    json_str(w, t->name);
    json_key(w, "view");
    json_bool(w, t->view);
    json_key(w, "source");
    json_str(w, t->source);
    json_key(w, "keyspace");
    json_str(w, t->keyspace);
    json_key(w, "table");
    json_str(w, t->table);
    json_key(w, "state");
    json_str(w, str_of(t->state));
    json_key(w, "detail");
    json_str(w, str_of(t->detail));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        json_key(w, numbers[i].key);
        json_i64(w, numbers[i].value);
    }
    json_close(w, '}');
}

static const char *health_word(enum err health)
{
    return health == OK ? "ok" : err_text(health);
}

void pipeline_status_json(const struct pipeline_status *status, struct buf *out)
{
    struct json_writer w = {.out = out};
    json_open(&w, '{');
    json_key(&w, "running_ms");
    json_i64(&w, status->running_ms);
    json_key(&w, "balanced");
    json_bool(&w, status->balanced);
    json_key(&w, "imbalance");
    json_str(&w, status->balanced ? STR_NONE : str_of(status->imbalance));
    json_key(&w, "log");
    json_str(&w, str_of(status->log_health != OK && status->log_trouble[0]
                            ? status->log_trouble
                            : health_word(status->log_health)));
    json_key(&w, "tables_store");
    json_str(&w, str_of(health_word(status->table_health)));
    json_key(&w, "rss_bytes");
    json_i64(&w, (int64_t)status->usage.rss_bytes);
    json_key(&w, "cpu_us");
    json_i64(&w, status->usage.cpu_us);
    json_key(&w, "sources");
    json_open(&w, '[');
    for (size_t i = 0; i < status->source_count; i++)
        source_json(&w, &status->sources[i]);
    json_close(&w, ']');
    json_key(&w, "tables");
    json_open(&w, '[');
    for (size_t i = 0; i < status->table_count; i++)
        table_json(&w, &status->tables[i]);
    json_close(&w, ']');
    json_close(&w, '}');
}
