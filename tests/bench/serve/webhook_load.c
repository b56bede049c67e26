/* SPDX-License-Identifier: MIT */
/*
 * Load for a webhook, and the bare server to hold it against.
 *
 *   webhook-load send PORT PATH CONNECTIONS RECORDS SECONDS
 *       posts to 127.0.0.1: keep-alive connections, one request in flight on each, RECORDS records
 *       of 233 bytes a request (1: an object, more: an array). Prints one line:
 *       requests/s N records/s N p50_us N p99_us N bad N
 *   webhook-load answer PORT
 *       answers every request with 200 as soon as it is whole; stores nothing, parses what it must
 *
 * Both are one thread around epoll. Only 2xx count; any other answer, and a connection that ends,
 * is bad. The bodies differ by an id in each record, written into place before each request: the
 * client's work for a request is a few hundred bytes of digits, so that it does not set the pace.
 * Latency is from the write of a request to the end of its answer.
 */
#include "load.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 1024,
    IN_BYTES = 256 << 10,
    RECORDS_MAX = 10000,
    LATENCIES_MAX = 1 << 22,
    EVENTS = 256,
    ID_DIGITS = 12,
};

static const char record[] =
    "{\"event_id\":\"000000000000\",\"user_id\":\"user-4711\",\"event_type\":\"click\","
    "\"timestamp\":\"2026-01-01T12:00:00.000Z\",\"page\":{\"url\":\"/shop/item?id=77812\","
    "\"title\":\"An item of the shop\",\"referrer\":\"/home\"},\"items\":[],"
    "\"note\":\"abcdefghijklmnopq\"}";

struct connection {
    int fd;
    int64_t sent_ns;
    size_t in_bytes;
    size_t out_at; /* of the request under way */
    uint8_t *in;
    char *out; /* one whole request */
};

static struct {
    size_t head_bytes, record_count, out_bytes;
    uint64_t next_id, requests, bad;
    uint32_t *latencies_us;
    size_t latency_count;
    int epoll;
    const char *path;
} load;

static void no_delay(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static struct sockaddr_in local(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return address;
}

/* Bytes of the message at the start of in, 0 when it is not whole yet; SIZE_MAX: no length. */
static size_t message_bytes(const uint8_t *in, size_t bytes)
{
    const uint8_t *end = memmem(in, bytes, "\r\n\r\n", 4);
    if (!end)
        return 0;
    struct str head = str_from(in, (size_t)(end - in)), line;
    size_t content = SIZE_MAX;
    while (str_cut(&head, '\n', &line)) {
        int64_t number;
        static const char name[] = "content-length:";
        if (line.bytes < sizeof name - 1 || strncasecmp(line.ptr, name, sizeof name - 1) != 0)
            continue;
        if (str_to_i64(str_trim(str_slice(line, sizeof name - 1, line.bytes)), &number) == OK)
            content = (size_t)number;
    }
    if (content == SIZE_MAX)
        return SIZE_MAX;
    size_t whole = (size_t)(end - in) + 4 + content;
    return whole <= bytes ? whole : 0;
}

/* ---- sending ---- */

static void make_request(struct connection *c)
{
    CLEAN(buf_deinit) struct buf out = {0};
    size_t bytes = load.record_count * sizeof record - 1 + (load.record_count > 1 ? 2 : 0);
    buf_printf(&out,
               "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
               "Content-Length: %zu\r\n\r\n",
               load.path, bytes);
    load.head_bytes = out.bytes + (load.record_count > 1);
    if (load.record_count > 1)
        buf_char(&out, '[');
    for (size_t i = 0; i < load.record_count; i++) {
        if (i)
            buf_char(&out, ',');
        buf_append(&out, record, sizeof record - 1);
    }
    if (load.record_count > 1)
        buf_char(&out, ']');
    load.out_bytes = out.bytes;
    c->out = mem_alloc(out.bytes);
    memcpy(c->out, out.ptr, out.bytes);
}

static void number_records(struct connection *c)
{
    for (size_t i = 0; i < load.record_count; i++) {
        char *id = c->out + load.head_bytes + i * sizeof record + strlen("{\"event_id\":\"");
        uint64_t number = load.next_id++;
        for (int digit = ID_DIGITS - 1; digit >= 0; digit--, number /= 10)
            id[digit] = (char)('0' + number % 10);
    }
}

static void listen_for(struct connection *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    must(epoll_ctl(load.epoll, EPOLL_CTL_MOD, c->fd, &event) == 0, "epoll_ctl");
}

static void connection_end(struct connection *c)
{
    load.bad++;
    close(c->fd);
    c->fd = -1;
}

static void send_more(struct connection *c)
{
    while (c->out_at < load.out_bytes) {
        ssize_t n = write(c->fd, c->out + c->out_at, load.out_bytes - c->out_at);
        if (n < 0 && errno == EAGAIN) {
            listen_for(c, EPOLLIN | EPOLLOUT);
            return;
        }
        if (n <= 0) {
            connection_end(c);
            return;
        }
        c->out_at += (size_t)n;
        if (c->out_at == load.out_bytes && (size_t)n < load.out_bytes)
            listen_for(c, EPOLLIN);
    }
}

static void send_next(struct connection *c)
{
    number_records(c);
    c->out_at = 0;
    c->sent_ns = now_ns();
    send_more(c);
}

static void take_answer(struct connection *c, bool counts)
{
    ssize_t n = read(c->fd, c->in + c->in_bytes, IN_BYTES - c->in_bytes);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        connection_end(c);
        return;
    }
    c->in_bytes += (size_t)n;
    size_t bytes = message_bytes(c->in, c->in_bytes);
    if (bytes == 0)
        return;
    if (bytes != c->in_bytes || c->in[9] != '2') {
        if (load.bad == 0)
            fprintf(stderr, "bad answer: %.*s\n", (int)c->in_bytes, (char *)c->in);
        load.bad++;
    } else if (counts) {
        load.requests++;
        if (load.latency_count < LATENCIES_MAX)
            load.latencies_us[load.latency_count++] = (uint32_t)((now_ns() - c->sent_ns) / 1000);
    }
    c->in_bytes = 0;
    send_next(c);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t quantile(double q)
{
    return load.latency_count ? load.latencies_us[(size_t)((double)(load.latency_count - 1) * q)]
                              : 0;
}

static void open_connections(const char *port, struct connection *connections, size_t count)
{
    struct sockaddr_in address = local(port);
    for (size_t i = 0; i < count; i++) {
        struct connection *c = &connections[i];
        c->fd = socket(AF_INET, SOCK_STREAM, 0);
        must(connect(c->fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
        no_delay(c->fd);
        must(fcntl(c->fd, F_SETFL, O_NONBLOCK) == 0, "fcntl");
        c->in = mem_alloc(IN_BYTES);
        make_request(c);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        must(epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->fd, &event) == 0, "epoll_ctl");
    }
}

static int run_send(char **argv)
{
    static struct connection connections[CONNECTIONS_MAX];
    size_t count = strtoul(argv[4], NULL, 10);
    double seconds = strtod(argv[6], NULL), warm_s = seconds / 5;
    load.path = argv[3];
    load.record_count = strtoul(argv[5], NULL, 10);
    if (count < 1 || count > CONNECTIONS_MAX || load.record_count < 1 ||
        load.record_count > RECORDS_MAX)
        return 64;
    load.latencies_us = mem_array(LATENCIES_MAX, sizeof *load.latencies_us);
    load.epoll = epoll_create1(0);
    load.next_id = (uint64_t)now_ns() / 1000 % 1000000000 * 1000;
    open_connections(argv[2], connections, count);
    for (size_t i = 0; i < count; i++)
        send_next(&connections[i]);
    int64_t start = now_ns(), from = start + (int64_t)(warm_s * 1e9),
            to = from + (int64_t)(seconds * 1e9), now;
    while ((now = now_ns()) < to) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(load.epoll, events, EVENTS, 100);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (c->fd >= 0 && events[i].events & EPOLLOUT)
                send_more(c);
            if (c->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                take_answer(c, now >= from);
        }
    }
    qsort(load.latencies_us, load.latency_count, sizeof *load.latencies_us, compare);
    double took = (double)(now - from) / 1e9;
    printf("requests/s %.0f records/s %.0f p50_us %u p99_us %u bad %" PRIu64 "\n",
           (double)load.requests / took, (double)load.requests * (double)load.record_count / took,
           quantile(0.5), quantile(0.99), load.bad);
    return load.bad ? 1 : 0;
}

/* ---- answering ---- */

static bool answer(struct connection *c)
{
    static const char text[] =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n"
        "{\"records\":1}";
    ssize_t n = read(c->fd, c->in + c->in_bytes, IN_BYTES - c->in_bytes);
    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0)
        return false;
    c->in_bytes += (size_t)n;
    size_t bytes;
    while ((bytes = message_bytes(c->in, c->in_bytes)) != 0) {
        if (bytes == SIZE_MAX || write(c->fd, text, sizeof text - 1) != (ssize_t)(sizeof text - 1))
            return false;
        memmove(c->in, c->in + bytes, c->in_bytes - bytes);
        c->in_bytes -= bytes;
    }
    return c->in_bytes < IN_BYTES;
}

static void accept_one(int listener)
{
    struct connection *c = mem_zero(sizeof *c);
    c->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    must(c->fd >= 0, "accept");
    no_delay(c->fd);
    c->in = mem_alloc(IN_BYTES);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    must(epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->fd, &event) == 0, "epoll_ctl");
}

static void run_answer(char **argv)
{
    struct sockaddr_in address = local(argv[2]);
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    must(bind(listener, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    must(listen(listener, CONNECTIONS_MAX) == 0, "listen");
    load.epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    must(epoll_ctl(load.epoll, EPOLL_CTL_ADD, listener, &event) == 0, "epoll_ctl");
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(load.epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c)
                accept_one(listener);
            else if (!answer(c)) {
                close(c->fd);
                mem_free(c->in);
                mem_free(c);
            }
        }
    }
}

int main(int argc, char **argv)
{
    if (argc == 7 && strcmp(argv[1], "send") == 0)
        return run_send(argv);
    if (argc == 3 && strcmp(argv[1], "answer") == 0)
        run_answer(argv);
    fprintf(stderr, "webhook-load send PORT PATH CONNECTIONS RECORDS SECONDS\n"
                    "webhook-load answer PORT\n");
    return 64;
}
