/* SPDX-License-Identifier: MIT */
/*
 * millrace nodetool, also when the program is called as `nodetool`: the words that people type to
 * look at a Cassandra node, answered for this one in the same layout. -h, -p, -u and -pw name a JMX
 * port there; here they are taken and not needed.
 */
#include "base/mem.h"
#include "cli/commands.h"
#include "format/json.h"

#include <stdio.h>
#include <string.h>

static int64_t number_of(struct str object, const char *name)
{
    int64_t value = 0;
    (void)!str_to_i64(json_member(object, name), &value);
    return value;
}

static struct str text_of(struct str object, const char *name, struct buf *out)
{
    buf_reset(out);
    json_text(json_member(object, name), out);
    return out->bytes ? buf_str(out) : STR("");
}

/* "104.35 KiB" */
static void print_bytes(struct buf *out, int64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1024 && unit < 4; unit++)
        value /= 1024;
    buf_printf(out, unit ? "%.2f %s" : "%.0f %s", value, units[unit]);
}

static int status(struct cli *cli, struct engine *engine)
{
    CLEAN(buf_deinit) struct buf answer = {0}, load = {0}, id = {0}, dc = {0}, address = {0};
    enum err err = engine_call(engine, "GET", "/api/node", STR_NONE, &answer);
    if (err != OK)
        return cli_exit(err);
    struct str node = buf_str(&answer), host = text_of(node, "address", &address);
    size_t colon = str_find(host, STR(":"), 0);
    print_bytes(&load, number_of(node, "load_bytes"));
    struct str data_center = text_of(node, "data_center", &dc);
    cli_print(cli, "Datacenter: %.*s\n=======================\n", STR_ARG(data_center));
    cli_print(cli, "Status=Up/Down\n|/ State=Normal/Leaving/Joining/Moving\n");
    cli_print(cli, "--  %-9s  %-10s  %-6s  %-16s  %-36s  %s\n", "Address", "Load", "Tokens",
              "Owns (effective)", "Host ID", "Rack");
    cli_print(cli, "UN  %-9.*s  %-10s  %-6d  %-16s  %-36.*s  %s\n\n",
              STR_ARG(str_slice(host, 0, colon == SIZE_MAX ? host.bytes : colon)), buf_c_str(&load),
              1, "100.0%", STR_ARG(text_of(node, "host_id", &id)), "rack1");
    return EXIT_DONE;
}

static int info(struct cli *cli, struct engine *engine)
{
    CLEAN(buf_deinit) struct buf answer = {0}, load = {0}, text = {0};
    enum err err = engine_call(engine, "GET", "/api/node", STR_NONE, &answer);
    if (err != OK)
        return cli_exit(err);
    struct str node = buf_str(&answer);
    print_bytes(&load, number_of(node, "load_bytes"));
    cli_print(cli, "%-23s: %.*s\n", "ID", STR_ARG(text_of(node, "host_id", &text)));
    cli_print(cli, "%-23s: %s\n", "Gossip active", "true");
    cli_print(cli, "%-23s: %s\n", "Native Transport active",
              text_of(node, "address", &text).bytes ? "true" : "false");
    cli_print(cli, "%-23s: %s\n", "Load", buf_c_str(&load));
    cli_print(cli, "%-23s: %lld\n", "Uptime (seconds)",
              (long long)(number_of(node, "uptime_ms") / 1000));
    cli_print(cli, "%-23s: %.2f\n", "Memory (MB)",
              (double)number_of(node, "rss_bytes") / (1 << 20));
    cli_print(cli, "%-23s: %.*s\n", "Data Center", STR_ARG(text_of(node, "data_center", &text)));
    cli_print(cli, "%-23s: %.*s\n", "Rack", STR_ARG(text_of(node, "rack", &text)));
    return EXIT_DONE;
}

/* "keyspace", "keyspace.table" or nothing. */
static bool is_wanted(struct str keyspace, struct str table, const char *wanted)
{
    struct str rest = str_of(wanted ? wanted : ""), part;
    if (!rest.bytes)
        return true;
    str_cut(&rest, '.', &part);
    return str_equal(part, keyspace) && (!rest.bytes || str_equal(rest, table));
}

static int tablestats(struct cli *cli, struct engine *engine)
{
    CLEAN(buf_deinit) struct buf answer = {0}, keyspace = {0}, table = {0}, before = {0};
    const char *wanted = cli_argument(cli, 1, NULL);
    enum err err = engine_call(engine, "GET", "/api/tables", STR_NONE, &answer);
    if (err != OK)
        return cli_exit(err);
    struct str key, item;
    size_t state = 0, printed = 0;
    while (json_next(buf_str(&answer), &state, &key, &item)) {
        struct str k = text_of(item, "keyspace", &keyspace), t = text_of(item, "name", &table);
        if (!is_wanted(k, t, wanted))
            continue;
        if (!printed++ || !str_equal(k, buf_str(&before)))
            cli_print(cli, "%sKeyspace : %.*s\n", printed > 1 ? "----------------\n" : "",
                      STR_ARG(k));
        buf_reset(&before);
        buf_str_append(&before, k);
        cli_print(cli,
                  "\t\tTable: %.*s\n\t\tSpace used (live): %lld\n\t\tSpace used (total): %lld\n"
                  "\t\tNumber of partitions (estimate): %lld\n\n",
                  STR_ARG(t), (long long)number_of(item, "bytes_on_disk"),
                  (long long)number_of(item, "bytes_on_disk"),
                  (long long)number_of(item, "rows_estimated"));
    }
    if (wanted && !printed) {
        cli_error(cli, "there is no keyspace or table '%s'", wanted);
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

static int post(struct engine *engine, const char *path)
{
    CLEAN(buf_deinit) struct buf answer = {0};
    return cli_exit(engine_call(engine, "POST", path, STR_NONE, &answer));
}

static int flush(struct cli *cli, struct engine *engine)
{
    return post(engine, "/api/tables/flush");
}

static int compact(struct cli *cli, struct engine *engine)
{
    return post(engine, "/api/tables/compact");
}

static int run_nodetool(struct cli *cli)
{
    static const struct {
        const char *verb;
        int (*run)(struct cli *cli, struct engine *engine);
    } verbs[] = {{"status", status},      {"info", info},   {"tablestats", tablestats},
                 {"cfstats", tablestats}, {"flush", flush}, {"compact", compact}};
    const char *verb = cli_argument(cli, 0, "status");
    struct engine *engine;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verb, verbs[i].verb) == 0) {
            enum err err = engine_open(cli, &engine);
            if (err != OK)
                return cli_exit(err);
            int code = verbs[i].run(cli, engine);
            engine_close(engine);
            return code;
        }
    cli_error(cli, "nodetool knows status, info, tablestats, flush and compact, not '%s'", verb);
    return EXIT_USAGE;
}

static const struct cli_option options[] = {
    {"host", 'H', "HOST", "taken as Cassandra's nodetool does, and not needed"},
    {"port", 'p', "PORT", "the same"},
    {"username", 'u', "NAME", "the same"},
    {0},
};

const struct cli_command command_nodetool = {
    .name = "nodetool",
    .arguments = "[status | info | tablestats [KEYSPACE[.TABLE]] | flush | compact]",
    .summary = "what people type to look at a Cassandra node",
    .text = "Also when the program is called as nodetool.",
    .examples = "  millrace nodetool status\n  ln -s millrace nodetool && ./nodetool tablestats",
    .options = options,
    .arguments_max = 3,
    .run = run_nodetool,
};
