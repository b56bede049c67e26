/* SPDX-License-Identifier: MIT */
/* What nodetool asks: this node, and its tables' files. */
#include "base/mem.h"
#include "format/json.h"
#include "pipeline/operate.h"

#include <stdio.h>

static enum err done(const struct operate *op, struct buf *out)
{
    struct table **tables = NULL;
    size_t count = table_list(op->store, &tables);
    struct json_writer w = {.out = out};
    mem_free(tables);
    json_open(&w, '{');
    json_key(&w, "tables");
    json_i64(&w, (int64_t)count);
    json_close(&w, '}');
    return buf_error(out);
}

enum err operate_tables_flush(const struct operate *op, struct buf *out)
{
    if (!op->store)
        return ERR_NOT_FOUND;
    TRY(table_flush(op->store));
    return done(op, out);
}

enum err operate_tables_compact(const struct operate *op, struct buf *out)
{
    if (!op->store)
        return ERR_NOT_FOUND;
    TRY(table_compact(op->store));
    return done(op, out);
}

static uint64_t load_bytes(const struct operate *op)
{
    struct table **tables = NULL;
    size_t count = op->store ? table_list(op->store, &tables) : 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        struct table_stats stats;
        table_stats(tables[i], &stats);
        bytes += stats.bytes_on_disk;
    }
    mem_free(tables);
    return bytes;
}

/* As the CQL server keeps it: 16 bytes. */
static void host_id(const struct operate *op, struct buf *out)
{
    CLEAN(buf_deinit) struct buf id = {0};
    if (!op->store || table_state_get(op->store, STR("cql/host_id"), &id) != OK || id.bytes != 16)
        return;
    for (size_t i = 0; i < 16; i++)
        buf_printf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id.ptr[i]);
}

static void text(struct json_writer *w, const char *key, struct str value)
{
    json_key(w, key);
    json_str(w, value);
}

static void number(struct json_writer *w, const char *key, int64_t value)
{
    json_key(w, key);
    json_i64(w, value);
}

enum err operate_node(const struct operate *op, const struct pipeline_status *status,
                      struct buf *out)
{
    CLEAN(buf_deinit) struct buf id = {0};
    struct json_writer w = {.out = out};
    struct str address = STR_NONE;
    host_id(op, &id);
    if (op->project && op->project->cql.count)
        address = op->project->cql.addresses[0].listen;
    json_open(&w, '{');
    text(&w, "host_id", id.bytes ? buf_str(&id) : STR(""));
    text(&w, "address", address.ptr ? address : STR(""));
    text(&w, "data_center", STR("datacenter1"));
    text(&w, "rack", STR("rack1"));
    number(&w, "load_bytes", (int64_t)load_bytes(op));
    number(&w, "uptime_ms", status ? status->running_ms : 0);
    number(&w, "rss_bytes", status ? (int64_t)status->usage.rss_bytes : 0);
    number(&w, "cpu_us", status ? (int64_t)status->usage.cpu_us : 0);
    json_close(&w, '}');
    return buf_error(out);
}
