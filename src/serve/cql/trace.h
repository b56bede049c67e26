/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_TRACE_H
#define SERVE_CQL_TRACE_H

#include "serve/cql/catalog.h"

/* What was done for requests that asked to be traced: the rows of system_traces. Loop's thread. */
struct cql_traces;
struct cql_trace;

struct cql_traces *cql_traces_new(struct io *io, const struct cql_node *node);
/* None of its traces may be under way. NULL is fine. */
void cql_traces_free(struct cql_traces *traces);

/* request: what system_traces.sessions says of it, a literal; client: "127.0.0.1:5000". */
struct cql_trace *cql_trace_begin(struct cql_traces *traces, const char *client,
                                  const char *request);
/* One of the session's parameters, copied; some dozen are kept. */
void cql_trace_parameter(struct cql_trace *trace, struct str name, struct str value);
/* 16 bytes. */
const uint8_t *cql_trace_id(const struct cql_trace *trace);
/* NULL is no trace: nothing is noted. */
void cql_trace_event(struct cql_trace *trace, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The request was answered. NULL is fine. */
void cql_trace_end(struct cql_trace *trace);

/* system_traces.sessions and .events. */
void cql_traces_fill_sessions(const struct cql_traces *traces, struct cql_virtual_rows *rows);
void cql_traces_fill_events(const struct cql_traces *traces, struct cql_virtual_rows *rows);

#endif
