/* SPDX-License-Identifier: MIT */
/*
 * Jobs: batches that many hands over and that share a sync. What waits when the commit thread comes
 * round is one group: batches that are ready are written as one; before a job that wants to read,
 * what was gathered is written without a sync, so that it sees it. One sync ends the group, with
 * the last write or by itself, and then each job is told.
 *
 * The thread is started by the first job. Where there are no threads (io is simulated) a job is
 * committed in a turn of its loop, with all that were submitted before that; without a loop at
 * once.
 *
 * table_commit() goes beside: it takes no part in the order of jobs, and the engine makes one sync
 * of those that wait at the same time.
 *
 * Invariants
 * 1. done is called once for each job, and never before its rows and all that it read of jobs
 *    before it are on disk (when sync is asked for).
 * 2. Jobs are written in the order in which they were submitted.
 * 3. An error of the disk fails all jobs of the group: also those whose rows are there already,
 *    seen by reads, but not known to be on the disk.
 */
#include "base/mem.h"
#include "table/batch.h"
#include "table/cells.h"

enum { GROUP_JOBS_MAX = 4096, GROUP_BYTES_MAX = 8 << 20, CHAINS_MAX = 8 };

struct commits {
    struct table_store *store;
    struct io_mutex lock;
    struct io_condition wake;
    struct table_job *head, *tail;
    struct io_thread *thread;
    bool threaded; /* the thread was started, or cannot be */
    bool stopping;
    struct buf ops; /* gathered, not written */
};

struct commits *commits_new(struct table_store *store)
{
    struct commits *commits = mem_zero(sizeof *commits);
    commits->store = store;
    io_mutex_init(&commits->lock);
    io_condition_init(&commits->wake);
    return commits;
}

/* ---- a group ---- */

struct group {
    struct commits *commits;
    struct table_job *first;
    bool sync;     /* somebody wants it */
    bool unsynced; /* something was written without */
    enum err err;
};

static void write_gathered(struct group *group, bool sync)
{
    struct commits *commits = group->commits;
    if (ops_count(buf_str(&commits->ops)) && !group->err) {
        struct backend *backend = commits->store->backend;
        group->err = backend->ops->commit(backend, buf_str(&commits->ops), sync);
        group->unsynced = !sync;
    }
    ops_reset(&commits->ops);
}

/* A job that cannot be part of the group has its own error. */
static void gather(struct group *group, struct table_job *job)
{
    struct buf *ops = &group->commits->ops;
    job->err = group->err;
    if (job->run && !job->err) {
        write_gathered(group, false);
        job->err = group->err ? group->err : job->run(job);
    }
    if (!job->err)
        job->err = buf_error(&job->batch->ops);
    if (job->err)
        return;
    if (ops->bytes + job->batch->ops.bytes > GROUP_BYTES_MAX)
        write_gathered(group, false);
    group->sync |= job->sync;
    ops_append(ops, buf_str(&job->batch->ops));
}

static void run_group(struct commits *commits, struct table_job *first)
{
    struct group group = {.commits = commits, .first = first};
    ops_reset(&commits->ops);
    for (struct table_job *job = first; job; job = job->next)
        gather(&group, job);
    write_gathered(&group, group.sync);
    if (!group.err && group.sync && group.unsynced) {
        struct backend *backend = commits->store->backend;
        group.err = backend->ops->sync(backend);
    }
    for (struct table_job *job = first; job && group.err; job = job->next)
        job->err = group.err;
    if (commits->ops.room > GROUP_BYTES_MAX / 8)
        buf_deinit(&commits->ops);
}

/* Cuts a group off the queue. Called with the lock. */
static struct table_job *take_group(struct commits *commits)
{
    struct table_job *first = commits->head, *last = first;
    for (size_t i = 1; last && last->next && i < GROUP_JOBS_MAX; i++)
        last = last->next;
    if (!last)
        return NULL;
    commits->head = last->next;
    if (!commits->head)
        commits->tail = NULL;
    last->next = NULL;
    return first;
}

/* ---- telling ---- */

static void run_chain(struct io_post *post)
{
    for (struct table_job *job = post->owner; job;) {
        struct table_job *next = job->next;
        job->done(job);
        job = next;
    }
}

struct chain {
    struct io_loop *loop;
    struct table_job *first, *last;
};

static void post_chain(const struct chain *chain)
{
    struct table_job *first = chain->first;
    first->post = (struct io_post){.run = run_chain, .owner = first};
    io_loop_post(chain->loop, &first->post);
}

/* One post a loop. A job belongs to its owner again as soon as it is told. */
static void tell(struct table_job *job)
{
    struct chain chains[CHAINS_MAX];
    size_t count = 0;
    while (job) {
        struct table_job *next = job->next;
        job->next = NULL;
        size_t at = 0;
        while (at < count && chains[at].loop != job->loop)
            at++;
        if (!job->loop) {
            job->done(job);
        } else if (at == CHAINS_MAX) {
            post_chain(&(struct chain){job->loop, job, job});
        } else if (at == count) {
            chains[count++] = (struct chain){job->loop, job, job};
        } else {
            chains[at].last->next = job;
            chains[at].last = job;
        }
        job = next;
    }
    for (size_t i = 0; i < count; i++)
        post_chain(&chains[i]);
}

/* ---- the thread ---- */

static void run_thread(void *arg)
{
    struct commits *commits = arg;
    io_mutex_lock(&commits->lock);
    for (;;) {
        struct table_job *first = take_group(commits);
        if (!first && commits->stopping)
            break;
        if (!first) {
            io_condition_wait(&commits->wake, &commits->lock, -1);
            continue;
        }
        io_mutex_unlock(&commits->lock);
        run_group(commits, first);
        tell(first);
        io_mutex_lock(&commits->lock);
    }
    io_mutex_unlock(&commits->lock);
}

/* ---- without one ---- */

/* A job that was not committed yet has this error. */
#define JOB_WAITS ERR_AGAIN

/* The jobs of the group are told by their own posts. */
static void commit_waiting(struct commits *commits)
{
    for (;;) {
        io_mutex_lock(&commits->lock);
        struct table_job *first = take_group(commits);
        io_mutex_unlock(&commits->lock);
        if (!first)
            return;
        run_group(commits, first);
    }
}

static void run_post(struct io_post *post)
{
    struct table_job *job = post->owner;
    if (job->err == JOB_WAITS)
        commit_waiting(job->batch->store->commits);
    job->done(job);
}

static void submit_alone(struct commits *commits, struct table_job *job)
{
    if (job->loop) {
        job->post = (struct io_post){.run = run_post, .owner = job};
        io_loop_post(job->loop, &job->post);
        return;
    }
    commit_waiting(commits);
    job->done(job);
}

void table_submit(struct table_store *store, struct table_job *job)
{
    struct commits *commits = store->commits;
    job->next = NULL;
    job->err = JOB_WAITS;
    io_mutex_lock(&commits->lock);
    if (!commits->threaded) {
        commits->threaded = true;
        if (io_thread_start(store->io, "table", run_thread, commits, &commits->thread))
            commits->thread = NULL;
    }
    if (commits->tail)
        commits->tail->next = job;
    else
        commits->head = job;
    commits->tail = job;
    bool threaded = commits->thread != NULL;
    if (threaded)
        io_condition_signal(&commits->wake);
    io_mutex_unlock(&commits->lock);
    if (!threaded)
        submit_alone(commits, job);
}

void commits_free(struct commits *commits)
{
    if (!commits)
        return;
    io_mutex_lock(&commits->lock);
    commits->stopping = true;
    io_condition_broadcast(&commits->wake);
    io_mutex_unlock(&commits->lock);
    io_thread_join(commits->thread);
    commit_waiting(commits);
    buf_deinit(&commits->ops);
    io_condition_deinit(&commits->wake);
    io_mutex_deinit(&commits->lock);
    mem_free(commits);
}
