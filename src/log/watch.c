/* SPDX-License-Identifier: MIT */
/*
 * Watches: who waits for a partition to grow. Those that fire are gathered for each loop in a port,
 * whose one post carries all of them, and which the loop's thread empties. A watch that has fired
 * and was not called yet can still be stopped: it is taken out of the port. Ports outlive the log
 * while their post is under way.
 *
 * Lock order: log->lock, then that of the port.
 */
#include "log/store.h"

#include "base/mem.h"

static void unlink_from(struct log_watch **head, struct log_watch *watch)
{
    *(watch->previous ? &watch->previous->next : head) = watch->next;
    if (watch->next)
        watch->next->previous = watch->previous;
    watch->next = watch->previous = NULL;
}

static void link_into(struct log_watch **head, struct log_watch *watch)
{
    watch->previous = NULL;
    watch->next = *head;
    if (*head)
        (*head)->previous = watch;
    *head = watch;
}

static void port_free(struct log_port *port)
{
    io_mutex_deinit(&port->lock);
    mem_free(port);
}

/* In the loop's thread. Only that thread starts and stops watches of the loop, so between the
 * calls the list may change under our hands, and is looked at anew each time. */
static void port_run(struct io_post *post)
{
    struct log_port *port = post->owner;
    io_mutex_lock(&port->lock);
    port->posted = false;
    struct log_watch *last = port->fired;
    while (last && last->next)
        last = last->next;
    /* What fires from now on posts again: this turn ends with what was there. */
    bool orphan = port->orphan;
    size_t count = 0;
    for (struct log_watch *watch = port->fired; watch; watch = watch->next)
        count++;
    for (; count && port->fired && !orphan; count--) {
        struct log_watch *watch = port->fired;
        unlink_from(&port->fired, watch);
        watch->partition = NULL;
        watch->post.owner = NULL;
        io_mutex_unlock(&port->lock);
        watch->moved(watch);
        io_mutex_lock(&port->lock);
        orphan = port->orphan && !port->posted;
    }
    io_mutex_unlock(&port->lock);
    if (orphan)
        port_free(port);
}

static struct log_port *port_of(struct log *log, struct io_loop *loop)
{
    struct log_port *port = log->ports;
    while (port && port->loop != loop)
        port = port->next;
    if (!port) {
        port = mem_zero(sizeof *port);
        port->loop = loop;
        port->post = (struct io_post){.run = port_run, .owner = port};
        io_mutex_init(&port->lock);
        port->next = log->ports;
        log->ports = port;
    }
    return port;
}

/* The watch is in no list. Under log->lock. */
static void fire(struct log *log, struct log_partition *partition, struct log_watch *watch)
{
    if (!watch->loop) {
        watch->partition = NULL;
        watch->moved(watch);
        return;
    }
    struct log_port *port = port_of(log, watch->loop);
    io_mutex_lock(&port->lock);
    link_into(&port->fired, watch);
    watch->partition = partition;
    watch->post.owner = port;
    bool post = !port->posted;
    port->posted = true;
    io_mutex_unlock(&port->lock);
    if (post)
        io_loop_post(port->loop, &port->post);
}

static bool is_due(const struct log_partition *partition, const struct log_watch *watch)
{
    int64_t end = watch->stable ? log_txn_stable_end(partition) : partition->end;
    return end > watch->offset || partition->topic->deleted;
}

void log_watches_fire(struct log_partition *partition)
{
    for (struct log_watch *watch = partition->watches; watch;) {
        struct log_watch *next = watch->next;
        if (is_due(partition, watch)) {
            unlink_from(&partition->watches, watch);
            fire(partition->log, partition, watch);
        }
        watch = next;
    }
}

void log_watch_start(struct log_partition *partition, struct log_watch *watch)
{
    struct log *log = partition->log;
    io_mutex_lock(&log->lock);
    watch->partition = partition;
    watch->post.owner = NULL;
    if (is_due(partition, watch))
        fire(log, partition, watch);
    else
        link_into(&partition->watches, watch);
    io_mutex_unlock(&log->lock);
}

void log_watch_stop(struct log_watch *watch)
{
    struct log_partition *partition = watch->partition;
    if (!partition)
        return;
    struct log *log = partition->log;
    io_mutex_lock(&log->lock);
    struct log_port *port = watch->post.owner;
    if (port) {
        io_mutex_lock(&port->lock);
        unlink_from(&port->fired, watch);
        io_mutex_unlock(&port->lock);
    } else if (watch->partition) {
        unlink_from(&partition->watches, watch);
    }
    watch->partition = NULL;
    watch->post.owner = NULL;
    io_mutex_unlock(&log->lock);
}

static void let_go(struct log_watch **head)
{
    while (*head) {
        struct log_watch *watch = *head;
        unlink_from(head, watch);
        watch->partition = NULL;
        watch->post.owner = NULL;
    }
}

/* With the log go its watches, uncalled. */
void log_ports_free(struct log *log)
{
    for (struct log_topic *topic = log->topic_list; topic; topic = topic->next)
        for (int32_t i = 0; i < topic->config.partitions; i++)
            let_go(&topic->partitions[i]->watches);
    for (struct log_port *port = log->ports; port;) {
        struct log_port *next = port->next;
        io_mutex_lock(&port->lock);
        let_go(&port->fired);
        port->orphan = true;
        bool posted = port->posted;
        io_mutex_unlock(&port->lock);
        if (!posted)
            port_free(port);
        port = next;
    }
}
