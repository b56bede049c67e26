/* SPDX-License-Identifier: MIT */
/*
 * The beginning of a trace: which request it is and what it was given, in the words that Cassandra
 * has in system_traces.sessions. What is done for it then is noted where it is done.
 */
#include "serve/cql/net.h"

enum { VALUE_TEXT_MAX = 100 };

static const char *level_name(uint16_t level)
{
    static const char *const names[] = {"ANY",    "ONE",          "TWO",          "THREE",
                                        "QUORUM", "ALL",          "LOCAL_QUORUM", "EACH_QUORUM",
                                        "SERIAL", "LOCAL_SERIAL", "LOCAL_ONE"};
    return level < sizeof names / sizeof names[0] ? names[level] : "UNKNOWN";
}

static void add_parameters(struct cql_call *call)
{
    const struct cql_parameters *p = &call->request.parameters;
    cql_trace_parameter(call->trace, STR("consistency_level"), str_of(level_name(p->consistency)));
    bool serial = p->flags & CQL_QUERY_SERIAL;
    cql_trace_parameter(call->trace, STR("serial_consistency_level"),
                        str_of(serial ? level_name(p->serial_consistency) : "SERIAL"));
    if (!(p->flags & CQL_QUERY_PAGE_SIZE))
        return;
    cql_trace_parameter(call->trace, STR("page_size"),
                        str_of(arena_printf(&call->arena, "%d", p->page_size)));
}

void cql_call_trace(struct cql_call *call)
{
    static const struct {
        uint8_t opcode;
        const char *request;
    } requests[] = {{CQL_QUERY, "Execute CQL3 query"},
                    {CQL_PREPARE, "Preparing CQL3 query"},
                    {CQL_EXECUTE, "Execute CQL3 prepared query"},
                    {CQL_BATCH, "Execute batch of CQL3 queries"}};
    size_t at = 0, count = sizeof requests / sizeof requests[0];
    while (at < count && requests[at].opcode != call->header.opcode)
        at++;
    if (at == count || !call->connection->stream)
        return;
    struct cql_server *server = call->connection->server;
    call->trace = cql_trace_begin(cql_catalog_traces(server->catalog),
                                  io_stream_peer(call->connection->stream), requests[at].request);
    uint8_t opcode = call->header.opcode;
    if (opcode != CQL_PREPARE)
        add_parameters(call);
    if (opcode == CQL_QUERY || opcode == CQL_PREPARE) {
        cql_trace_parameter(call->trace, STR("query"), call->request.query);
        cql_trace_event(call->trace, "Parsing %.*s", STR_ARG(call->request.query));
    }
}

static void add_value(struct cql_call *call, const struct cql_plan *plan, size_t at)
{
    const struct cql_column *bind = &plan->binds[at];
    struct str value = call->request.parameters.values[at].bytes;
    struct buf text = {0};
    if (value.ptr && bind->type && cql_value_check(bind->type, value, NULL) == OK)
        cql_value_print(bind->type, value, &text);
    else
        buf_text(&text, "null");
    struct str name =
        str_of(arena_printf(&call->arena, "bound_var_%zu_%.*s", at, STR_ARG(bind->name)));
    cql_trace_parameter(
        call->trace, name,
        str_slice(buf_str(&text), 0, text.bytes < VALUE_TEXT_MAX ? text.bytes : VALUE_TEXT_MAX));
    buf_deinit(&text);
}

void cql_call_trace_plan(struct cql_call *call, const struct cql_plan *plan)
{
    const struct cql_parameters *p = &call->request.parameters;
    if (call->header.opcode != CQL_EXECUTE) {
        cql_trace_event(call->trace, "Preparing statement");
        return;
    }
    cql_trace_parameter(call->trace, STR("query"), plan->text);
    for (size_t i = 0; i < plan->bind_count && i < p->value_count; i++)
        add_value(call, plan, i);
}
