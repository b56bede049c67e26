/* SPDX-License-Identifier: MIT */
/*
 * Traces: what was done for a request, step by step, for TRACING ON of cqlsh and for the query
 * traces of drivers. A client sets a flag in its request, gets an id with the answer, and asks
 * system_traces.sessions and system_traces.events for what is known under it.
 *
 * Cassandra writes both tables to disk and forgets after a day; here the last traces are kept in
 * memory, TRACES_MAX of them with TRACE_BYTES_MAX in all, and are gone after a restart. A client
 * looks at once, and tracing a request must not cost it a commit.
 *
 * Invariants: 1. a trace that is under way is never freed, even when it is forgotten by then.
 * 2. events of a trace have rising ids.
 */
#include "serve/cql/trace.h"

#include "base/check.h"
#include "base/endian.h"

enum {
    UUID_BYTES = 16,
    TRACES_MAX = 1000,
    TRACE_BYTES_MAX = 16 << 20, /* of texts */
    TEXT_BYTES_MAX = 32 << 10,
    PARAMETERS_MAX = 64,
    EVENTS_MAX = 256,
};

struct trace_event {
    uint8_t id[UUID_BYTES];
    int32_t elapsed_us;
    char *activity;
};

struct cql_trace {
    struct cql_traces *owner;
    struct cql_trace *next; /* the newer one */
    uint8_t id[UUID_BYTES];
    uint8_t client[16];
    size_t client_bytes; /* 0 = not known */
    const char *request;
    char *names[PARAMETERS_MAX], *values[PARAMETERS_MAX];
    size_t parameter_count;
    int64_t started_us, started_ns;
    int32_t duration_us; /* -1: under way */
    bool listed;
    struct trace_event *events;
    size_t event_count;
    size_t bytes;
};

struct cql_traces {
    struct io *io;
    uint8_t address[16];
    size_t address_bytes;
    uint16_t port;
    uint8_t node[8];
    uint64_t tick;
    struct cql_trace *oldest, *newest;
    size_t count, bytes;
};

/* 100 ns between 1582-10-15 and 1970. */
#define TICKS_OF_1970 0x01B21DD213814000LL

static void make_id(struct cql_traces *traces, uint8_t ret_id[UUID_BYTES])
{
    uint64_t now = (uint64_t)(io_wall_us(traces->io) * 10 + TICKS_OF_1970);
    traces->tick = now > traces->tick ? now : traces->tick + 1;
    put_be32(ret_id, (uint32_t)traces->tick);
    put_be16(ret_id + 4, (uint16_t)(traces->tick >> 32));
    put_be16(ret_id + 6, (uint16_t)((traces->tick >> 48 & 0x0FFF) | 0x1000));
    memcpy(ret_id + 8, traces->node, 8);
}

/* 4 or 16 bytes; 0 when the text is no address. */
static size_t parse_address(struct str text, uint8_t ret_address[16])
{
    struct buf out = {0};
    size_t bytes = 0;
    if (cql_value_from_text(cql_simple(CQL_INET), text, &out, NULL) == OK && out.bytes <= 16) {
        bytes = out.bytes;
        memcpy(ret_address, out.ptr, bytes);
    }
    buf_deinit(&out);
    return bytes;
}

struct cql_traces *cql_traces_new(struct io *io, const struct cql_node *node)
{
    struct cql_traces *traces = mem_zero(sizeof *traces);
    traces->io = io;
    traces->address_bytes = parse_address(node->address, traces->address);
    traces->port = 7000;
    io_random(io, traces->node, sizeof traces->node);
    traces->node[0] = (uint8_t)((traces->node[0] & 0x3F) | 0x80);
    traces->node[2] |= 1; /* a node of no network card */
    return traces;
}

static void trace_free(struct cql_trace *trace)
{
    for (size_t i = 0; i < trace->parameter_count; i++) {
        mem_free(trace->names[i]);
        mem_free(trace->values[i]);
    }
    for (size_t i = 0; i < trace->event_count; i++)
        mem_free(trace->events[i].activity);
    mem_free(trace->events);
    mem_free(trace);
}

static void forget_oldest(struct cql_traces *traces)
{
    struct cql_trace *trace = traces->oldest;
    traces->oldest = trace->next;
    if (!traces->oldest)
        traces->newest = NULL;
    traces->count--;
    traces->bytes -= trace->bytes;
    trace->listed = false;
    if (trace->duration_us >= 0)
        trace_free(trace);
}

void cql_traces_free(struct cql_traces *traces)
{
    if (!traces)
        return;
    while (traces->oldest)
        forget_oldest(traces);
    mem_free(traces);
}

static char *keep(struct cql_trace *trace, struct str text)
{
    text = str_slice(text, 0, text.bytes < TEXT_BYTES_MAX ? text.bytes : TEXT_BYTES_MAX);
    trace->bytes += text.bytes;
    if (trace->listed)
        trace->owner->bytes += text.bytes;
    return str_dup(text);
}

void cql_trace_parameter(struct cql_trace *trace, struct str name, struct str value)
{
    if (!trace || trace->parameter_count == PARAMETERS_MAX)
        return;
    size_t at = trace->parameter_count++;
    char *kept_name = keep(trace, name), *kept_value = keep(trace, value);
    /* A map is sorted by its keys. */
    for (; at > 0 && str_compare(name, str_of(trace->names[at - 1])) < 0; at--) {
        trace->names[at] = trace->names[at - 1];
        trace->values[at] = trace->values[at - 1];
    }
    trace->names[at] = kept_name;
    trace->values[at] = kept_value;
}

/* "127.0.0.1:5000", "[::1]:5000". */
static void set_client(struct cql_trace *trace, const char *client)
{
    struct str host = str_of(client);
    for (size_t i = host.bytes; i-- > 0;)
        if (host.ptr[i] == ':') {
            host = str_slice(host, 0, i);
            break;
        }
    if (host.bytes > 2 && host.ptr[0] == '[')
        host = str_slice(host, 1, host.bytes - 1);
    trace->client_bytes = parse_address(host, trace->client);
}

struct cql_trace *cql_trace_begin(struct cql_traces *traces, const char *client,
                                  const char *request)
{
    struct cql_trace *trace = mem_zero(sizeof *trace);
    trace->owner = traces;
    make_id(traces, trace->id);
    set_client(trace, client);
    trace->request = request;
    trace->started_us = io_wall_us(traces->io);
    trace->started_ns = io_now_ns(traces->io);
    trace->duration_us = -1;
    trace->listed = true;
    if (traces->newest)
        traces->newest->next = trace;
    else
        traces->oldest = trace;
    traces->newest = trace;
    traces->count++;
    while (traces->count > TRACES_MAX ||
           (traces->bytes > TRACE_BYTES_MAX && traces->oldest != trace))
        forget_oldest(traces);
    return trace;
}

const uint8_t *cql_trace_id(const struct cql_trace *trace)
{
    return trace->id;
}

static int32_t elapsed_us(const struct cql_trace *trace)
{
    int64_t us = (io_now_ns(trace->owner->io) - trace->started_ns) / 1000;
    return us < 0 ? 0 : us > INT32_MAX ? INT32_MAX : (int32_t)us;
}

void cql_trace_event(struct cql_trace *trace, const char *format, ...)
{
    if (!trace || trace->event_count == EVENTS_MAX)
        return;
    struct buf text = {.bytes_max = TEXT_BYTES_MAX};
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    if ((trace->event_count & (trace->event_count - 1)) == 0)
        trace->events = mem_realloc_array(
            trace->events, trace->event_count ? trace->event_count * 2 : 1, sizeof *trace->events);
    struct trace_event *event = &trace->events[trace->event_count++];
    make_id(trace->owner, event->id);
    event->elapsed_us = elapsed_us(trace);
    event->activity = keep(trace, buf_str(&text));
    buf_deinit(&text);
}

void cql_trace_end(struct cql_trace *trace)
{
    if (!trace)
        return;
    trace->duration_us = elapsed_us(trace);
    if (!trace->listed)
        trace_free(trace);
}

/* ---- the tables ---- */

static struct str bytes_of(struct arena *arena, const void *bytes, size_t count)
{
    return count ? arena_str(arena, str_from(bytes, count)) : STR_NONE;
}

static struct str int_of(struct arena *arena, int32_t value)
{
    uint8_t bytes[4];
    put_be32(bytes, (uint32_t)value);
    return bytes_of(arena, bytes, sizeof bytes);
}

static struct str parameters_of(struct arena *arena, const struct cql_trace *trace)
{
    struct buf out = {0};
    buf_be32(&out, (uint32_t)trace->parameter_count);
    for (size_t i = 0; i < trace->parameter_count; i++) {
        struct str pair[] = {str_of(trace->names[i]), str_of(trace->values[i])};
        for (int k = 0; k < 2; k++) {
            buf_be32(&out, (uint32_t)pair[k].bytes);
            buf_str_append(&out, pair[k]);
        }
    }
    struct str map = arena_str(arena, buf_str(&out));
    buf_deinit(&out);
    return map;
}

void cql_traces_fill_sessions(const struct cql_traces *traces, struct cql_virtual_rows *rows)
{
    struct arena *arena = rows->arena;
    for (const struct cql_trace *trace = traces->oldest; trace; trace = trace->next) {
        uint8_t started[8];
        put_be64(started, (uint64_t)(trace->started_us / 1000));
        const struct str values[] = {
            bytes_of(arena, trace->id, UUID_BYTES),
            bytes_of(arena, trace->client, trace->client_bytes),
            STR("QUERY"),
            bytes_of(arena, traces->address, traces->address_bytes),
            int_of(arena, traces->port),
            trace->duration_us < 0 ? STR_NONE : int_of(arena, trace->duration_us),
            parameters_of(arena, trace),
            str_of(trace->request),
            bytes_of(arena, started, sizeof started),
        };
        rows->row(rows, values);
    }
}

void cql_traces_fill_events(const struct cql_traces *traces, struct cql_virtual_rows *rows)
{
    struct arena *arena = rows->arena;
    for (const struct cql_trace *trace = traces->oldest; trace; trace = trace->next) {
        for (size_t i = 0; i < trace->event_count; i++) {
            const struct trace_event *event = &trace->events[i];
            const struct str values[] = {
                bytes_of(arena, trace->id, UUID_BYTES),
                bytes_of(arena, event->id, UUID_BYTES),
                arena_str(arena, str_of(event->activity)),
                bytes_of(arena, traces->address, traces->address_bytes),
                int_of(arena, event->elapsed_us),
                int_of(arena, traces->port),
                STR("cql"),
            };
            rows->row(rows, values);
        }
    }
}
