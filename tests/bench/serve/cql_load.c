/* SPDX-License-Identifier: MIT */
/*
 * Load for a CQL server: the same prepared statements against any.
 *
 *   cql-load PORT OP COUNT CONNECTIONS DEPTH ROW_BYTES [SERVER_PID [SPAN]]
 *       OP: insert     rows 0 .. COUNT - 1 of bench.rows (id uuid PRIMARY KEY, at timestamp,
 *                      body text); makes keyspace and table when they are absent
 *           read       COUNT rows by their key, at random among SPAN (COUNT)
 *           mixed      in turn a new row behind SPAN and a read
 *           connect    COUNT connections, one after the other, each up to READY
 *       DEPTH requests are under way on each of CONNECTIONS. Row n has the same key always. Prints
 *       one line of JSON; cpu_s is the server's, of the time of the load.
 *
 * One thread around poll, protocol v4. A request is a template of which stream id and values are
 * written anew, and an answer is looked at as far as its head and its count of rows, so that the
 * client costs a small part of what a server does. Latency is from the write of a request to the
 * read of its answer.
 */
#include "load.h"

#include "base/buf.h"
#include "base/endian.h"
#include "base/mem.h"
#include "base/str.h"
#include "wire/cql/cql.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, DEPTH_MAX = 4096, HEAD_BYTES = 9, IN_BYTES = 256 << 10 };

enum op { INSERT, READ, MIXED, CONNECT };

struct connection {
    int fd;
    uint32_t free_count;
    size_t in_bytes, out_at;
    uint8_t *in;
    struct buf out;
    uint16_t *free; /* stream ids */
    int64_t *sent_ns;
    bool *reads; /* by stream id: what was asked */
};

static struct {
    enum op op;
    uint16_t port;
    uint64_t count, span, begun, done, errors, missing;
    uint32_t depth;
    struct buf insert, select; /* whole requests */
    size_t insert_id_at, insert_at_at, select_id_at;
    uint32_t *latencies_us;
} load;

static uint64_t mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* ---- one request after the other ---- */

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(load.port)};
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    must(fd >= 0 && !connect(fd, (struct sockaddr *)&to, sizeof to), "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void begin(struct buf *out, enum cql_opcode opcode)
{
    static const uint8_t head[4] = {4, 0, 0, 0};
    buf_reset(out);
    buf_append(out, head, sizeof head);
    buf_u8(out, (uint8_t)opcode);
    buf_be32(out, 0);
}

static void end(struct buf *out)
{
    put_be32(out->ptr + 5, (uint32_t)(out->bytes - HEAD_BYTES));
}

static void read_all(int fd, uint8_t *to, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        ssize_t got = read(fd, to + at, bytes - at);
        must(got > 0, "read");
        at += (size_t)got;
    }
}

/* The answer's body into in; gives its opcode. */
static uint8_t ask(int fd, struct buf *out, struct buf *in)
{
    uint8_t head[HEAD_BYTES];
    end(out);
    must(write(fd, out->ptr, out->bytes) == (ssize_t)out->bytes, "write");
    read_all(fd, head, sizeof head);
    size_t bytes = get_be32(head + 5);
    buf_reset(in);
    read_all(fd, buf_reserve(in, bytes + 1), bytes);
    buf_advance(in, bytes);
    if (head[4] == CQL_ERROR) {
        fprintf(stderr, "cql-load: %.*s\n", (int)bytes - 6, (const char *)in->ptr + 6);
        exit(1);
    }
    return head[4];
}

static int open_session(struct buf *out, struct buf *in)
{
    int fd = dial();
    begin(out, CQL_STARTUP);
    buf_be16(out, 1);
    buf_be16(out, 11);
    buf_text(out, "CQL_VERSION");
    buf_be16(out, 5);
    buf_text(out, "3.0.0");
    must(ask(fd, out, in) == CQL_READY, "STARTUP");
    return fd;
}

static void put_long(struct buf *out, const char *text)
{
    buf_be32(out, (uint32_t)strlen(text));
    buf_text(out, text);
}

static void query(int fd, struct buf *out, struct buf *in, const char *text)
{
    begin(out, CQL_QUERY);
    put_long(out, text);
    buf_be16(out, 1);
    buf_u8(out, 0);
    ask(fd, out, in);
}

/* An EXECUTE of text up to its values. */
static void prepare(int fd, struct buf *in, const char *text, uint16_t values, struct buf *out)
{
    begin(out, CQL_PREPARE);
    put_long(out, text);
    ask(fd, out, in);
    uint16_t id_bytes = get_be16(in->ptr + 4);
    begin(out, CQL_EXECUTE);
    buf_be16(out, id_bytes);
    buf_append(out, in->ptr + 6, id_bytes);
    buf_be16(out, 1);
    buf_u8(out, 1 | 2); /* values, no metadata */
    buf_be16(out, values);
}

static void make_templates(int fd, struct buf *in, size_t row_bytes)
{
    static const uint8_t none[16];
    prepare(fd, in, "INSERT INTO bench.rows (id, at, body) VALUES (?, ?, ?)", 3, &load.insert);
    buf_be32(&load.insert, 16);
    load.insert_id_at = load.insert.bytes;
    buf_append(&load.insert, none, 16);
    buf_be32(&load.insert, 8);
    load.insert_at_at = load.insert.bytes;
    buf_append(&load.insert, none, 8);
    buf_be32(&load.insert, (uint32_t)(row_bytes - 24));
    for (size_t i = 0; i < row_bytes - 24; i++)
        buf_u8(&load.insert, (uint8_t)('a' + mix(i) % 26));
    end(&load.insert);
    prepare(fd, in, "SELECT at, body FROM bench.rows WHERE id = ?", 1, &load.select);
    buf_be32(&load.select, 16);
    load.select_id_at = load.select.bytes;
    buf_append(&load.select, none, 16);
    end(&load.select);
}

/* ---- many at once ---- */

static void put_id(uint8_t *to, uint64_t row)
{
    put_be64(to, mix(row));
    put_be64(to + 8, mix(~row));
}

static void add_request(struct connection *c, int64_t now)
{
    uint64_t i = load.begun++;
    bool reads = load.op == READ || (load.op == MIXED && i % 2);
    const struct buf *from = reads ? &load.select : &load.insert;
    size_t at = c->out.bytes;
    buf_append(&c->out, from->ptr, from->bytes);
    uint8_t *to = c->out.ptr + at;
    uint16_t stream = c->free[--c->free_count];
    put_be16(to + 2, stream);
    if (reads) {
        put_id(to + load.select_id_at, mix(i) % load.span);
    } else {
        uint64_t row = load.op == MIXED ? load.span + i : i;
        put_id(to + load.insert_id_at, row);
        put_be64(to + load.insert_at_at, 1700000000000 + row);
    }
    c->sent_ns[stream] = now;
    c->reads[stream] = reads;
}

static void send_more(struct connection *c)
{
    int64_t now = now_ns();
    while (c->free_count && load.begun < load.count)
        add_request(c, now);
    while (c->out_at < c->out.bytes) {
        ssize_t sent = send(c->fd, c->out.ptr + c->out_at, c->out.bytes - c->out_at, MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN)
            return;
        must(sent > 0, "send");
        c->out_at += (size_t)sent;
    }
    buf_reset(&c->out);
    c->out_at = 0;
}

static void take_answer(struct connection *c, const uint8_t *head, size_t body_bytes, int64_t now)
{
    const uint8_t *body = head + HEAD_BYTES;
    uint16_t stream = get_be16(head + 2);
    if (head[4] != CQL_RESULT || stream >= load.depth) {
        if (!load.errors++ && head[4] == CQL_ERROR)
            fprintf(stderr, "cql-load: %.*s\n", (int)body_bytes - 6, (const char *)body + 6);
    } else if (c->reads[stream] &&
               (body_bytes < 16 || get_be32(body) != CQL_RESULT_ROWS || !get_be32(body + 12))) {
        load.missing++;
    }
    load.latencies_us[load.done++] = (uint32_t)((now - c->sent_ns[stream]) / 1000);
    c->free[c->free_count++] = stream;
}

static void take_answers(struct connection *c)
{
    ssize_t got = recv(c->fd, c->in + c->in_bytes, IN_BYTES - c->in_bytes, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    must(got > 0, "recv");
    c->in_bytes += (size_t)got;
    int64_t now = now_ns();
    size_t at = 0;
    while (c->in_bytes - at >= HEAD_BYTES) {
        size_t bytes = get_be32(c->in + at + 5);
        if (c->in_bytes - at < HEAD_BYTES + bytes)
            break;
        take_answer(c, c->in + at, bytes, now);
        at += HEAD_BYTES + bytes;
    }
    memmove(c->in, c->in + at, c->in_bytes - at);
    c->in_bytes -= at;
}

static void open_connection(struct connection *c, struct buf *out, struct buf *in)
{
    c->fd = open_session(out, in);
    c->in = mem_alloc(IN_BYTES);
    c->free = mem_array(load.depth, sizeof *c->free);
    c->sent_ns = mem_array(load.depth, sizeof *c->sent_ns);
    c->reads = mem_array(load.depth, sizeof *c->reads);
    for (uint32_t i = 0; i < load.depth; i++)
        c->free[c->free_count++] = (uint16_t)i;
}

static void run(struct connection *connections, size_t count)
{
    struct pollfd polls[CONNECTIONS_MAX];
    for (size_t i = 0; i < count; i++)
        send_more(&connections[i]);
    while (load.done < load.count) {
        for (size_t i = 0; i < count; i++)
            polls[i] = (struct pollfd){
                .fd = connections[i].fd,
                .events = (short)(POLLIN | (connections[i].out.bytes ? POLLOUT : 0))};
        must(poll(polls, count, -1) > 0, "poll");
        for (size_t i = 0; i < count; i++) {
            if (polls[i].revents & ~POLLOUT)
                take_answers(&connections[i]);
            if (polls[i].revents)
                send_more(&connections[i]);
        }
    }
}

/* ---- the report ---- */

static double cpu_of(const char *pid)
{
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%s/stat", pid ? pid : "none");
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    size_t bytes = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[bytes] = 0;
    const char *at = strrchr(text, ')');
    if (at)
        sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double own_cpu(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static int compare(const void *a, const void *b)
{
    uint32_t one = *(const uint32_t *)a, two = *(const uint32_t *)b;
    return one < two ? -1 : one > two;
}

static void report(const char *op, int64_t took_ns, double client_s, double server_s)
{
    double seconds = (double)took_ns / 1e9;
    qsort(load.latencies_us, load.count, sizeof *load.latencies_us, compare);
    printf("{\"op\":\"%s\",\"ops\":%llu,\"secs\":%.3f,\"ops_s\":%.0f,\"p50_us\":%u,\"p99_us\":%u,"
           "\"errors\":%llu,\"missing\":%llu,\"client_cpu_s\":%.3f,\"cpu_s\":%.3f}\n",
           op, (unsigned long long)load.count, seconds, (double)load.count / seconds,
           load.latencies_us[load.count / 2], load.latencies_us[load.count * 99 / 100],
           (unsigned long long)load.errors, (unsigned long long)load.missing, client_s, server_s);
}

static void connect_often(struct buf *out, struct buf *in)
{
    while (load.done < load.count) {
        int64_t start = now_ns();
        int fd = open_session(out, in);
        load.latencies_us[load.done++] = (uint32_t)((now_ns() - start) / 1000);
        close(fd);
    }
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"insert", "read", "mixed", "connect"};
    static struct connection connections[CONNECTIONS_MAX];
    while (argc > 2 && load.op <= CONNECT && strcmp(argv[2], names[load.op]) != 0)
        load.op++;
    size_t count = argc > 6 ? strtoul(argv[4], NULL, 10) : 0;
    load.depth = argc > 6 ? (uint32_t)strtoul(argv[5], NULL, 10) : 0;
    size_t row_bytes = argc > 6 ? strtoul(argv[6], NULL, 10) : 0;
    load.count = argc > 6 ? strtoull(argv[3], NULL, 10) : 0;
    if (argc < 7 || load.op > CONNECT || !load.count || !count || count > CONNECTIONS_MAX ||
        !load.depth || load.depth > DEPTH_MAX || row_bytes < 24) {
        fprintf(stderr, "cql-load PORT insert|read|mixed|connect COUNT CONNECTIONS DEPTH ROW_BYTES "
                        "[SERVER_PID [SPAN]]\n");
        return 2;
    }
    const char *pid = argc > 7 ? argv[7] : NULL;
    load.port = (uint16_t)strtoul(argv[1], NULL, 10);
    load.span = argc > 8 ? strtoull(argv[8], NULL, 10) : load.count;
    load.latencies_us = mem_array(load.count, sizeof *load.latencies_us);
    struct buf out = {0}, in = {0};
    int fd = open_session(&out, &in);
    if (load.op != CONNECT) {
        query(fd, &out, &in,
              "CREATE KEYSPACE IF NOT EXISTS bench WITH replication = "
              "{'class': 'SimpleStrategy', 'replication_factor': 1}");
        query(fd, &out, &in,
              "CREATE TABLE IF NOT EXISTS bench.rows "
              "(id uuid PRIMARY KEY, at timestamp, body text)");
        make_templates(fd, &in, row_bytes);
        for (size_t i = 0; i < count; i++)
            open_connection(&connections[i], &out, &in);
    }
    double client = own_cpu(), server = cpu_of(pid);
    int64_t start = now_ns();
    if (load.op == CONNECT)
        connect_often(&out, &in);
    else
        run(connections, count);
    int64_t took = now_ns() - start;
    report(argv[2], took, own_cpu() - client, cpu_of(pid) - server);
    return load.errors || load.missing;
}
