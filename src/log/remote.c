/* SPDX-License-Identifier: MIT */
/*
 * A log in a Kafka: opening, closing, and the thread that keeps looking.
 *
 * The poll thread asks for the last stable offsets of all partitions that somebody uses (one
 * request a leader), moves their ends and fires watches. It alone says whether brokers are there:
 * its calls pass or fail. Ends never go back, also when a broker that was restarted knows less for
 * a moment. Now and then it looks for topics that others made, and closes fetches that rest.
 *
 * The directory of the log holds the lock, as that of an embedded log does, and the name that our
 * transactions go by: a run that was killed is followed by one of the same name, which ends what
 * the killed one left open before it looks at anything.
 */
#include "log/remote.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECT_MS = 15000,
    SLICE_MS = 500, /* of the first call; a slow broker gets longer ones */
    SLICE_MAX_MS = 4000,
    LIKELY_MS = 2000, /* a broker that starts may look like one of other settings */
    BUSY_NS = 20 * 1000 * 1000,
    REST_NS = 100 * 1000 * 1000,
    AWAY_NS = 500 * 1000 * 1000,
    ID_BYTES = 8,
    ID_TEXT_MAX = 64,
};
static const int64_t MOVING_NS = 1000000000, TOPICS_NS = 5000000000, STARTS_NS = 3000000000;

/* ---- what all share ---- */

bool remote_may_wait(struct log_remote *remote)
{
    struct log *log = remote->log;
    io_mutex_lock(&log->lock);
    bool may = !remote->giving_up && !(log->stopping && log->health != OK);
    io_mutex_unlock(&log->lock);
    return may;
}

void remote_set_health(struct log_remote *remote, enum err health)
{
    struct log *log = remote->log;
    if (health == OK)
        log_kafka_trouble_clear(&remote->trouble);
    io_mutex_lock(&log->lock);
    log->health = health;
    io_mutex_unlock(&log->lock);
}

void remote_end_set(struct log_partition *partition, int64_t end)
{
    if (end <= partition->end)
        return;
    partition->end = end;
    partition->log->remote->changed_ns = io_now_ns(partition->log->io);
    log_watches_fire(partition);
}

/* ---- ends ---- */

static void take_offsets(struct log_partition **partitions, size_t count,
                         const rd_kafka_topic_partition_list_t *list, bool starts)
{
    struct log *log = partitions[0]->log;
    io_mutex_lock(&log->lock);
    for (size_t i = 0; i < count; i++) {
        struct log_partition *partition = partitions[i];
        const rd_kafka_topic_partition_t *found = &list->elems[i];
        if (found->err || found->offset < 0)
            continue;
        if (!starts)
            remote_end_set(partition, found->offset);
        else if (found->offset > partition->start)
            partition->start = found->offset;
    }
    io_mutex_unlock(&log->lock);
}

static rd_kafka_resp_err_t ask(struct log_remote *remote, struct log_partition **partitions,
                               size_t count, bool starts)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, partitions[i]->topic->name, partitions[i]->index)
            ->offset = starts ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END;
    /* A time of -1 or -2 is the end or the start: Kafka's ListOffsets. */
    rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(remote->client, list, REMOTE_CALL_MS / 3);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        take_offsets(partitions, count, list, starts);
    for (size_t i = 0; err == RD_KAFKA_RESP_ERR_NO_ERROR && i < count; i++)
        if (list->elems[i].err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            err = list->elems[i].err;
    rd_kafka_topic_partition_list_destroy(list);
    return err;
}

enum err remote_look(struct log_remote *remote, struct log_partition **partitions, size_t count,
                     bool starts)
{
    if (!count)
        return OK;
    rd_kafka_resp_err_t err =
        starts ? ask(remote, partitions, count, true) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        err = ask(remote, partitions, count, false);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return OK;
    log_kafka_trouble_note(&remote->trouble, rd_kafka_err2str(err));
    return ERR_AGAIN;
}

/* ---- the poll thread ---- */

static size_t wanted_partitions(struct log *log, struct log_partition ***ret_partitions)
{
    size_t count = 0, room = 0;
    struct log_partition **partitions = NULL;
    io_mutex_lock(&log->lock);
    for (struct log_topic *topic = log->topic_list; topic; topic = topic->next)
        for (int32_t i = 0; topic->wanted && !topic->deleted && i < topic->config.partitions; i++) {
            if (count == room) {
                room = room ? room * 2 : 64;
                partitions = mem_realloc_array(partitions, room, sizeof(struct log_partition *));
            }
            partitions[count++] = topic->partitions[i];
        }
    io_mutex_unlock(&log->lock);
    *ret_partitions = partitions;
    return count;
}

static void poll_once(struct log_remote *remote, int64_t *starts_ns, int64_t *topics_ns)
{
    struct log_partition **partitions;
    int64_t now_ns = io_now_ns(remote->log->io);
    bool starts = now_ns >= *starts_ns;
    rd_kafka_poll(remote->client, 0);
    size_t count = wanted_partitions(remote->log, &partitions);
    enum err err = remote_look(remote, partitions, count, starts);
    mem_free(partitions);
    if (err == OK && starts) {
        *starts_ns = now_ns + STARTS_NS;
        remote_cursors_trim(remote, false);
    }
    if (now_ns >= *topics_ns) {
        enum err listed = remote_topics_load(remote, REMOTE_CALL_MS / 3);
        err = err == OK ? listed : err;
        *topics_ns = now_ns + TOPICS_NS;
    }
    remote_set_health(remote, err == OK ? OK : ERR_NETWORK);
}

static void poll_run(void *arg)
{
    struct log_remote *remote = arg;
    struct log *log = remote->log;
    int64_t starts_ns = 0, topics_ns = io_now_ns(log->io) + TOPICS_NS;
    io_mutex_lock(&log->lock);
    while (!log->stopping) {
        io_mutex_unlock(&log->lock);
        poll_once(remote, &starts_ns, &topics_ns);
        int64_t now_ns = io_now_ns(log->io);
        io_mutex_lock(&log->lock);
        int64_t pause_ns = now_ns - remote->changed_ns < MOVING_NS ? BUSY_NS : REST_NS;
        if (!log->stopping)
            io_condition_wait(&remote->poll_now, &log->lock,
                              log->health == OK ? pause_ns : AWAY_NS);
    }
    io_mutex_unlock(&log->lock);
}

/* ---- opening ---- */

/* The name of our transactions, kept with the lock. */
static enum err load_id(struct log *log)
{
    struct log_path path;
    CLEAN(buf_deinit) struct buf text = {0};
    snprintf(path.text, sizeof path.text, "%s/transactional.id", log->dir);
    enum err err = io_path_read(log->io, path.text, ID_TEXT_MAX, &text);
    if (err == ERR_NOT_FOUND) {
        uint8_t random[ID_BYTES];
        io_random(log->io, random, sizeof random);
        buf_text(&text, "millrace-");
        for (size_t i = 0; i < sizeof random; i++)
            buf_printf(&text, "%02x", random[i]);
        err = io_path_replace(log->io, path.text, text.ptr, text.bytes);
    }
    TRY(err);
    struct str id = str_trim(buf_str(&text));
    if (!id.bytes)
        return ERR_CORRUPT;
    log->remote->transactional_id = str_dup(id);
    return OK;
}

static enum err open_directory(struct log *log, struct diag *diag)
{
    struct log_path path;
    enum err err = io_path_make_directory(log->io, log->dir);
    snprintf(path.text, sizeof path.text, "%s/lock", log->dir);
    if (err == OK)
        err = io_file_lock(log->io, path.text, &log->lock_file);
    if (err == ERR_CONFLICT) {
        log->lock_file = NULL;
        return diag_set(diag, err, 0, 0, "%s is open in another process", log->dir);
    }
    if (err == OK)
        err = load_id(log);
    return err == OK ? OK
                     : diag_set(diag, err, 0, 0, "%s cannot be used: %s", log->dir, err_text(err));
}

/* Why it cannot be used; the error says whether waiting mends it. */
static enum err away(struct log_kafka_trouble *trouble, const struct remote_place *place,
                     struct diag *diag)
{
    char text[sizeof trouble->text], hint[sizeof trouble->hint];
    enum err err = log_kafka_trouble_get(trouble, text, sizeof text, hint, sizeof hint);
    if (hint[0])
        diag_hint(diag, "%s, in `engines: {log: ..}` of millrace.yml", hint);
    else
        diag_hint(diag, "start that Kafka, or correct `engines: {log: ..}` of millrace.yml");
    CLEAN(buf_deinit) struct buf said = {0};
    log_kafka_trouble_print(place->brokers, err, text, &said);
    return diag_set(diag, err == ERR_DENIED ? err : ERR_NETWORK, 0, 0, "%s", buf_c_str(&said));
}

static bool is_refused(struct log_kafka_trouble *trouble)
{
    io_mutex_lock(&trouble->lock);
    bool refused = trouble->lasting;
    io_mutex_unlock(&trouble->lock);
    return refused;
}

static bool is_likely(struct log_kafka_trouble *trouble)
{
    io_mutex_lock(&trouble->lock);
    bool likely = trouble->likely;
    io_mutex_unlock(&trouble->lock);
    return likely;
}

/* Topics, from the first broker that answers in time. */
static enum err first_look(struct log_remote *remote, int64_t timeout_ms, struct diag *diag)
{
    int64_t end_ns = io_now_ns(remote->log->io) + timeout_ms * 1000000;
    enum err err = ERR_AGAIN;
    int slice_ms = SLICE_MS;
    while (err == ERR_AGAIN && io_now_ns(remote->log->io) < end_ns &&
           !is_refused(&remote->trouble)) {
        err = remote_topics_load(remote, (int)(timeout_ms < slice_ms ? timeout_ms : slice_ms));
        slice_ms = slice_ms * 2 < SLICE_MAX_MS ? slice_ms * 2 : SLICE_MAX_MS;
        rd_kafka_poll(remote->client, 0);
        if (err == ERR_AGAIN)
            io_sleep_ns(remote->log->io, REST_NS);
    }
    return err == OK ? OK : away(&remote->trouble, &remote->place, diag);
}

static enum err open_client(struct log_remote *remote, struct diag *diag)
{
    return remote_client(&remote->trouble, &remote->place, RD_KAFKA_CONSUMER, diag, &remote->client,
                         "isolation.level", "read_committed", NULL);
}

static enum err open_remote(struct log *log, struct str url,
                            const struct log_kafka_options *options, struct diag *diag)
{
    struct log_remote *remote = log->remote;
    int64_t wait_ms = options->connect_ms ? options->connect_ms : CONNECT_MS;
    TRY(remote_place_parse(url, diag, &remote->place));
    TRY(open_directory(log, diag));
    TRY(open_client(remote, diag));
    TRY(first_look(remote, wait_ms, diag));
    enum err err = options->writes ? remote_producer_open(remote, diag) : OK;
    if (err == ERR_AGAIN)
        return away(&remote->trouble, &remote->place, diag);
    TRY(err);
    err = io_thread_start(log->io, "kafka", poll_run, remote, &remote->poller);
    if (err == OK)
        err = io_thread_start(log->io, "log", remote_write, remote, &log->thread);
    return diag_set(diag, err, 0, 0, "the threads of the Kafka client: %s", err_text(err));
}

enum err log_open_kafka(struct io *io, const char *dir, struct str url,
                        const struct log_kafka_options *options, struct diag *diag,
                        struct log **ret_log)
{
    struct log_options plain = {.own_thread = true};
    if (strlen(dir) >= LOG_DIR_MAX)
        return diag_set(diag, ERR_LIMIT, 0, 0, "the path of the log is longer than %d bytes",
                        LOG_DIR_MAX - 1);
    struct log *log = log_new(io, dir, &plain);
    log->remote = mem_zero(sizeof *log->remote);
    log->remote->log = log;
    io_condition_init(&log->remote->poll_now);
    io_condition_init(&log->remote->cursor_free);
    log_kafka_trouble_init(&log->remote->trouble, log->remote);
    enum err err = open_remote(log, url, options, diag);
    if (err == OK)
        *ret_log = log;
    else
        remote_close(log);
    return err;
}

/* ---- closing ---- */

void log_interrupt(struct log *log)
{
    if (!log)
        return;
    if (!log->remote) {
        log_turn_begin(log);
        log_commit_give_up(log);
        log_turn_end(log);
        return;
    }
    io_mutex_lock(&log->lock);
    log->remote->giving_up = true;
    io_condition_broadcast(&log->wake);
    io_condition_broadcast(&log->remote->cursor_free);
    io_mutex_unlock(&log->lock);
}

void remote_close(struct log *log)
{
    struct log_remote *remote = log->remote;
    io_mutex_lock(&log->lock);
    log->stopping = true;
    io_condition_broadcast(&log->wake);
    io_condition_broadcast(&remote->poll_now);
    io_mutex_unlock(&log->lock);
    io_thread_join(log->thread);
    io_thread_join(remote->poller);
    log_queue_fail(log, ERR_CLOSED);
    remote_cursors_trim(remote, true);
    for (size_t i = 0; i < remote->lane_count; i++)
        rd_kafka_destroy(remote->lanes[i]);
    if (remote->producer)
        rd_kafka_destroy(remote->producer);
    if (remote->client)
        rd_kafka_destroy(remote->client);
    mem_free(remote->cursors);
    mem_free(remote->transactional_id);
    remote_place_deinit(&remote->place);
    io_condition_deinit(&remote->cursor_free);
    io_condition_deinit(&remote->poll_now);
    log_kafka_trouble_deinit(&remote->trouble);
    mem_free(remote);
    log_free(log);
}

/* ---- for status and messages ---- */

const char *log_remote_place(const struct log *log)
{
    return log->remote ? log->remote->place.brokers : NULL;
}

void log_trouble(struct log *log, char *text, size_t room)
{
    text[0] = 0;
    if (!log->remote)
        return;
    char hint[sizeof log->remote->trouble.hint];
    (void)!log_kafka_trouble_get(&log->remote->trouble, text, room, hint, sizeof hint);
    size_t bytes = strlen(text);
    if (text[0] && hint[0] && bytes < room)
        snprintf(text + bytes, room - bytes, "; %s", hint);
}

static enum err probe(struct io *io, const struct remote_place *place,
                      struct log_kafka_trouble *trouble, rd_kafka_t *client, struct diag *diag,
                      struct buf *out)
{
    const struct rd_kafka_metadata *metadata;
    int64_t end_ns = io_now_ns(io) + (int64_t)REMOTE_CALL_MS * 1000000;
    bool likely = false;
    int slice_ms = SLICE_MS;
    while (io_now_ns(io) < end_ns && !is_refused(trouble)) {
        rd_kafka_resp_err_t code = rd_kafka_metadata(client, 1, NULL, &metadata, slice_ms);
        slice_ms = likely || slice_ms * 2 > SLICE_MAX_MS ? slice_ms : slice_ms * 2;
        rd_kafka_poll(client, 0);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            buf_printf(out, "Kafka at %s, %d broker%s, %d topics", place->brokers,
                       metadata->broker_cnt, metadata->broker_cnt == 1 ? "" : "s",
                       metadata->topic_cnt);
            rd_kafka_metadata_destroy(metadata);
            return OK;
        }
        if (code != RD_KAFKA_RESP_ERR__TRANSPORT && code != RD_KAFKA_RESP_ERR__TIMED_OUT)
            log_kafka_trouble_note(trouble, rd_kafka_err2str(code));
        if (!likely && is_likely(trouble)) {
            likely = true;
            end_ns = io_now_ns(io) + (int64_t)LIKELY_MS * 1000000;
        }
    }
    return away(trouble, place, diag);
}

enum err log_kafka_probe(struct io *io, struct str url, struct diag *diag, struct buf *out)
{
    struct remote_place place;
    struct log_kafka_trouble trouble;
    rd_kafka_t *client;
    TRY(remote_place_parse(url, diag, &place));
    log_kafka_trouble_init(&trouble, NULL);
    enum err err = remote_client(&trouble, &place, RD_KAFKA_CONSUMER, diag, &client, NULL);
    if (err == OK) {
        err = probe(io, &place, &trouble, client, diag, out);
        rd_kafka_destroy(client);
    }
    log_kafka_trouble_deinit(&trouble);
    remote_place_deinit(&place);
    return err;
}
