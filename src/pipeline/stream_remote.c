/* SPDX-License-Identifier: MIT */
/*
 * A stream whose rows go to a database elsewhere (remote.h). The rows of an epoch are acknowledged
 * there, then its state is committed here. A run that ends in between reads the same records again
 * from the same offsets, and writes the same rows with the same timestamps: nothing is lost, and
 * nothing is there twice.
 *
 * Timestamps follow the clock, so that what other clients of the database write and delete keeps
 * its order with the stream's rows: the base of an epoch is the time at which the one before was
 * committed. After a long rest that would be long ago, and the base is renewed first, by a commit
 * of its own. A renewed base is above all timestamps of an epoch that may have run before without a
 * commit: of what the log has, as far as an epoch can reach.
 */
#include "base/logline.h"
#include "pipeline/pipeline_private.h"

#include <stdio.h>

enum { REST_US = 60 * 1000000, EPOCH_RECORDS_MAX = 4 << 20 };

enum err stream_remote_open(struct stream *stream, struct diag *diag)
{
    struct project *project = stream->pipeline->project;
    return project->tables_kind->open(stream->io, project->tables_place,
                                      &stream->table->target->definition, REMOTE_PATIENT, diag,
                                      &stream->remote);
}

/* ---- waiting for the other side ---- */

static bool stopping(void *owner)
{
    struct stream *stream = owner;
    return __atomic_load_n(&stream->pipeline->stopping, __ATOMIC_ACQUIRE);
}

static void waiting(void *owner, const char *trouble)
{
    struct stream *stream = owner;
    if (trouble) {
        if (stream_get_state(stream) != STREAM_BLOCKED)
            log_line(LOG_WARN, "stream", "%.*s: %s", STR_ARG(stream->table->name), trouble);
        stream_set_state(stream, STREAM_BLOCKED, trouble);
    } else if (stream_get_state(stream) == STREAM_BLOCKED) {
        log_line(LOG_INFO, "stream", "%.*s: goes on", STR_ARG(stream->table->name));
        stream_set_state(stream, STREAM_RUNNING, NULL);
    }
}

static struct remote_wait wait_of(struct stream *stream)
{
    return (struct remote_wait){stopping, waiting, stream};
}

/* ERR_AGAIN keeps the reason for the status line; everything else that is a person's to mend stops
 * the stream with it. */
static enum err told(struct stream *stream, enum err err, const struct diag *diag)
{
    stream->trouble[0] = 0;
    if (err == ERR_AGAIN || err == ERR_NETWORK) {
        snprintf(stream->trouble, sizeof stream->trouble, "%.180s; tries again", diag->message);
        return ERR_AGAIN;
    }
    if (err != OK && err != ERR_CANCELLED && diag->message[0])
        stream_set_state(stream, STREAM_FAILED, diag->message);
    return err;
}

/* ---- timestamps ---- */

int64_t stream_remote_timestamp(const struct stream *stream, int32_t partition, int64_t offset)
{
    const struct stream_books *books = &stream->books;
    int64_t spread = books->remote_spread > 0 ? books->remote_spread : 1;
    return books->remote_base_us + (offset - stream->partitions[partition].offset_next) * spread +
           partition % spread;
}

int64_t stream_remote_base_after(const struct stream *stream, const struct epoch *epoch)
{
    int64_t base_us = io_wall_us(stream->io);
    for (int32_t i = 0; i < stream->partition_count; i++) {
        int64_t above = stream_remote_timestamp(stream, i, epoch->offset_next[i]) + 1;
        if (above > base_us)
            base_us = above;
    }
    return base_us;
}

static enum err renew_base(struct stream *stream)
{
    struct stream_books books = stream->books;
    int64_t now_us = io_wall_us(stream->io);
    if (books.remote_base_us && now_us - books.remote_base_us < REST_US)
        return OK;
    struct epoch here = {.stream = stream, .arena = &stream->scratch};
    int64_t *offsets = mem_array((size_t)stream->partition_count + 1, sizeof *offsets);
    for (int32_t i = 0; i < stream->partition_count; i++) {
        int64_t next = stream->partitions[i].offset_next;
        int64_t end = log_partition_end(stream->partitions[i].partition);
        int64_t far = end - next < EPOCH_RECORDS_MAX ? end : next + EPOCH_RECORDS_MAX;
        int64_t above = books.remote_base_us ? stream_remote_timestamp(stream, i, far) + 1 : 0;
        now_us = above > now_us ? above : now_us;
        offsets[i] = next;
    }
    here.offset_next = offsets;
    books.remote_base_us = now_us;
    books.remote_spread = stream->partition_count;
    stream_state_put(stream, &here, &books, stream->batch);
    mem_free(offsets);
    TRY(table_commit(stream->store, stream->batch, stream->durable_commits));
    table_batch_reset(stream->batch);
    io_mutex_lock(&stream->lock);
    stream->books = books;
    io_mutex_unlock(&stream->lock);
    return OK;
}

/* ---- an epoch ---- */

enum err stream_remote_begin(struct stream *stream)
{
    struct diag diag = {0};
    struct remote_wait wait = wait_of(stream);
    stream->remote->kind->reset(stream->remote);
    TRY(told(stream, stream->remote->kind->ready(stream->remote, true, &wait, &diag), &diag));
    return renew_base(stream);
}

enum err stream_remote_flush(struct stream *stream, const struct remote_refusals *refusals)
{
    struct diag diag = {0};
    struct remote_wait wait = wait_of(stream);
    return told(stream, stream->remote->kind->flush(stream->remote, &wait, refusals, &diag), &diag);
}

/* ---- for check --connect ---- */

static enum err probe_table(struct project *project, const struct project_table *table,
                            struct diag *diag, struct buf *out)
{
    struct remote_table *remote;
    const struct table_definition *d = &table->target->definition;
    TRY(project->tables_kind->open(project->io, project->tables_place, d, 0, diag, &remote));
    enum err err = remote->kind->ready(remote, false, NULL, diag);
    remote->kind->close(remote);
    if (err != OK && err != ERR_NOT_FOUND)
        return err;
    buf_printf(out, "; %.*s.%.*s %s", STR_ARG(d->keyspace), STR_ARG(d->name),
               err == OK ? "fits" : "will be made");
    return OK;
}

enum err project_tables_probe(struct project *project, struct diag *diag, struct buf *out)
{
    if (!project->tables_kind)
        return OK;
    TRY(project->tables_kind->probe(project->io, project->tables_place, diag, out));
    for (size_t i = 0; i < project->table_count; i++)
        if (project->tables[i].kind != PROJECT_VIEW && project->tables[i].plan)
            TRY(probe_table(project, &project->tables[i], diag, out));
    return OK;
}
