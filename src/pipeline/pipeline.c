/* SPDX-License-Identifier: MIT */
/*
 * Bringing a project to life and letting it rest again. Order of opening: log, tables, topics,
 * streams, workers, sources: whatever a source appends finds its stream. Order of draining: sources
 * stop and their flushes end, streams take what is there, done.
 */
#include "pipeline/pipeline_private.h"

#include "base/logline.h"

#include <stdio.h>

enum { DRAIN_LOOK_MS = 5, FEED_BYTES_MAX = 32 << 20 };

/* ---- opening ---- */

static enum err open_stores(struct pipeline *pipeline, struct diag *diag)
{
    struct project *project = pipeline->project;
    CLEAN(buf_deinit) struct buf table_path = {0};
    TRY(io_path_make_directory(pipeline->io, project->data_directory));
    buf_printf(&table_path, "%s/tables", project->data_directory);
    enum err err = project_log_open(project, true, diag, &pipeline->log);
    if (err == OK) {
        struct table_store_options table_options = {0};
        err = table_store_open(pipeline->io, buf_c_str(&table_path), &table_options, diag,
                               &pipeline->store);
    }
    if (err == ERR_CONFLICT)
        diag_hint(diag, "another `millrace run` works on %s: stop it, or use its HTTP API",
                  project->data_directory);
    if (err != OK)
        diag_set(diag, err, 0, 0, "cannot open %s: %s", project->data_directory, err_text(err));
    return err;
}

static enum err open_topic(struct pipeline *pipeline, struct running_source *running,
                           struct diag *diag)
{
    struct project_source *source = running->source;
    enum err err = log_topic_create(pipeline->log, source->topic, &source->topic_config, diag,
                                    &running->topic);
    if (err != ERR_EXISTS)
        return err;
    *diag = (struct diag){0};
    running->topic = log_topic_find(pipeline->log, source->topic);
    if (!running->topic)
        return diag_set(diag, ERR_NETWORK, 0, 0, "the topic %.*s does not answer",
                        STR_ARG(source->topic));
    struct log_topic_config config = log_topic_config(running->topic),
                            wanted = source->topic_config;
    /* A topic of somebody's Kafka has the partitions that it was given there. */
    if (log_remote_place(pipeline->log) && wanted.partitions < config.partitions)
        wanted.partitions = config.partitions;
    if (wanted.partitions < config.partitions) {
        diag_hint(diag, "topics can grow, not shrink; set partitions: %d", config.partitions);
        return diag_set(diag, ERR_INVALID, 0, 0, "the topic %.*s has %d partitions already",
                        STR_ARG(source->topic), config.partitions);
    }
    return log_topic_configure(running->topic, &wanted);
}

static enum err open_source(struct pipeline *pipeline, struct running_source *running,
                            struct diag *diag)
{
    struct project_source *source = running->source;
    TRY(open_topic(pipeline, running, diag));
    if (!source->connector)
        return OK;
    TRY(feed_new(pipeline->log, running->topic, pipeline->loop, source->name, FEED_BYTES_MAX,
                 &running->feed));
    return source->connector->open(pipeline->loop, source->from, pipeline->project->directory,
                                   source->name, running->feed, diag, &running->connector);
}

static enum err open_sources(struct pipeline *pipeline, struct diag *diag)
{
    struct project *project = pipeline->project;
    pipeline->sources = mem_zero((project->source_count + 1) * sizeof *pipeline->sources);
    for (size_t i = 0; i < project->source_count; i++) {
        if (project->sources[i].static_file.ptr)
            continue;
        struct running_source *running = &pipeline->sources[pipeline->source_count++];
        running->source = &project->sources[i];
        enum err err = open_source(pipeline, running, diag);
        if (err != OK) {
            diag_set(diag, err, running->source->place->key_line,
                     running->source->place->key_column, "source %.*s: %s",
                     STR_ARG(running->source->name), err_text(err));
            if (!diag->file[0])
                snprintf(diag->file, sizeof diag->file, "millrace.yml");
            return err;
        }
    }
    return OK;
}

static struct running_source *find_running(struct pipeline *pipeline,
                                           const struct project_source *source)
{
    for (size_t i = 0; i < pipeline->source_count; i++)
        if (pipeline->sources[i].source == source)
            return &pipeline->sources[i];
    return NULL;
}

static enum err open_streams(struct pipeline *pipeline, struct diag *diag)
{
    struct project *project = pipeline->project;
    pipeline->streams = mem_zero((project->table_count + 1) * sizeof *pipeline->streams);
    for (size_t i = 0; i < project->table_count; i++) {
        struct project_table *table = &project->tables[i];
        struct running_source *running =
            table->kind == PROJECT_STREAMING_TABLE ? find_running(pipeline, table->source) : NULL;
        if (!running)
            continue;
        struct stream *stream = &pipeline->streams[pipeline->stream_count++];
        *stream = (struct stream){
            .pipeline = pipeline,
            .source = table->source,
            .table = table,
            .primary = true,
            .io = pipeline->io,
            .log = pipeline->log,
            .store = pipeline->store,
            .topic = running->topic,
            .engine = project->tables_kind ? project->tables_kind->scheme : NULL,
            .durable_commits = project->durability == LOG_SYNC,
        };
        for (size_t k = 0; k + 1 < pipeline->stream_count; k++)
            if (pipeline->streams[k].source == table->source)
                stream->primary = false;
        TRY(stream_open(stream, diag));
    }
    pipeline->ready = io_queue_new(pipeline->stream_count + 1);
    return OK;
}

enum err pipeline_open(struct project *project, struct io_loop *loop, struct diag *diag,
                       struct pipeline **ret_pipeline)
{
    struct pipeline *pipeline = mem_zero(sizeof *pipeline);
    *pipeline = (struct pipeline){.project = project, .io = project->io, .loop = loop};
    enum err err = open_stores(pipeline, diag);
    if (err == OK)
        err = open_sources(pipeline, diag);
    if (err == OK)
        err = open_streams(pipeline, diag);
    if (err == OK) {
        struct adhoc adhoc = {
            .io = pipeline->io, .project = project, .log = pipeline->log, .store = pipeline->store};
        err = views_open(&pipeline->views, &adhoc, project->durability == LOG_SYNC,
                         &pipeline->stopping, diag);
    }
    if (err != OK) {
        diag_set(diag, err, 0, 0, "%s", err_text(err));
        pipeline_close(pipeline);
        return err;
    }
    *ret_pipeline = pipeline;
    return OK;
}

/* ---- running ---- */

void pipeline_start(struct pipeline *pipeline)
{
    pipeline->started_ns = io_now_ns(pipeline->io);
    enum err err = work_start(pipeline);
    if (err == OK)
        err = view_work_start(pipeline);
    if (err != OK)
        log_line(LOG_ERROR, "pipeline", "no thread for the streams: %s", err_text(err));
    for (size_t i = 0; i < pipeline->source_count; i++) {
        struct running_source *running = &pipeline->sources[i];
        if (running->connector)
            running->source->connector->start(running->connector);
    }
}

/* Brokers that are away are not waited for: what they have not taken was not acknowledged. */
static bool log_is_away(const struct pipeline *pipeline)
{
    return log_remote_place(pipeline->log) && log_health(pipeline->log) != OK;
}

static void look_drained(struct io_timer *timer)
{
    struct pipeline *pipeline = timer->owner;
    if (log_is_away(pipeline)) {
        pipeline->drained(pipeline->drained_owner);
        return;
    }
    bool streams_wait = work_is_held_up(pipeline);
    bool views_wait = streams_wait || view_work_is_held_up(pipeline);
    if (pipeline->sources_open || (!work_is_done(pipeline) && !streams_wait) ||
        (!view_work_is_done(pipeline) && !views_wait)) {
        io_timer_start(pipeline->loop, timer, DRAIN_LOOK_MS * 1000000LL);
        return;
    }
    pipeline->drained(pipeline->drained_owner);
}

static void source_drained(void *owner)
{
    struct pipeline *pipeline = owner;
    pipeline->sources_open--;
}

void pipeline_drain(struct pipeline *pipeline, void (*drained)(void *owner), void *owner)
{
    if (pipeline->draining)
        return;
    pipeline->draining = true;
    pipeline->drained = drained;
    pipeline->drained_owner = owner;
    for (size_t i = 0; i < pipeline->source_count; i++)
        pipeline->sources_open += pipeline->sources[i].connector != NULL;
    for (size_t i = 0; i < pipeline->source_count; i++) {
        struct running_source *running = &pipeline->sources[i];
        if (running->connector)
            running->source->connector->stop(running->connector, source_drained, pipeline);
    }
    pipeline->drain_timer = (struct io_timer){.fire = look_drained, .owner = pipeline};
    io_timer_start(pipeline->loop, &pipeline->drain_timer, 0);
}

void pipeline_close(struct pipeline *pipeline)
{
    if (!pipeline)
        return;
    io_timer_stop(pipeline->loop, &pipeline->drain_timer);
    log_interrupt(pipeline->log);
    work_stop(pipeline);
    view_work_stop(pipeline);
    views_close(&pipeline->views);
    for (size_t i = 0; i < pipeline->source_count; i++) {
        struct running_source *running = &pipeline->sources[i];
        if (running->connector)
            running->source->connector->close(running->connector);
    }
    /* Appends in flight end before the feeds that wait for them go. */
    log_close(pipeline->log);
    while (io_loop_turn(pipeline->loop, 0))
        ;
    for (size_t i = 0; i < pipeline->source_count; i++)
        feed_free(pipeline->sources[i].feed);
    for (size_t i = 0; i < pipeline->stream_count; i++)
        stream_close(&pipeline->streams[i]);
    table_store_close(pipeline->store);
    io_queue_free(pipeline->ready);
    mem_free(pipeline->streams);
    mem_free(pipeline->sources);
    mem_free(pipeline);
}

struct project *pipeline_project(struct pipeline *pipeline)
{
    return pipeline->project;
}

struct log *pipeline_log(struct pipeline *pipeline)
{
    return pipeline->log;
}

struct table_store *pipeline_tables(struct pipeline *pipeline)
{
    return pipeline->store;
}

struct io_loop *pipeline_loop(struct pipeline *pipeline)
{
    return pipeline->loop;
}

struct source *pipeline_webhook(struct pipeline *pipeline, size_t index)
{
    for (size_t i = 0; i < pipeline->source_count; i++) {
        struct running_source *running = &pipeline->sources[i];
        if (running->connector && running->source->connector->webhook && index-- == 0)
            return running->connector;
    }
    return NULL;
}
