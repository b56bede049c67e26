/* SPDX-License-Identifier: MIT */
/*
 * millrace nodetool, also when the program is called as `nodetool`: the words that people type to
 * look at a Cassandra node, answered for this one in the same layout. -H, -p and -u name a JMX port
 * there; here they are taken, and needed by none but clientstats: it asks the CQL door, as any of
 * its clients would, for its table of connections, and is one of them while it asks.
 */
#include "cli/nodetool.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/cql.h"
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

/* ---- clientstats ---- */

struct asking {
    struct cli *cli;
    struct cql_page page;
    bool done;
    enum err err;
};

static void answered(struct cql_call *call, const struct cql_reply *reply)
{
    struct asking *asking = call->owner;
    CLEAN(buf_deinit) struct buf out = {0};
    asking->done = true;
    asking->err = reply->err;
    if (reply->err == OK && reply->kind == CQL_RESULT_ROWS)
        asking->err = cql_print_page(&asking->page, reply->body, &out);
    else
        cli_error(asking->cli, "%.*s", STR_ARG(reply->error.message));
}

static void ask(struct asking *asking, struct io_loop *loop, struct cql_client *client)
{
    enum { ONE = 1 };
    CLEAN(buf_deinit) struct buf body = {0};
    cql_query_body(&body, STR(CLIENTS_QUERY), ONE, 0, STR_NONE);
    struct cql_call call = {.opcode = CQL_QUERY,
                            .body = buf_str(&body),
                            .once = true,
                            .done = answered,
                            .owner = asking};
    io_loop_turn(loop, 0);
    cql_client_submit(client, &call);
    while (!asking->done)
        io_loop_turn(loop, 1000000000);
}

/* Where the CQL door of the node listens, or at --host with that port. */
static enum err find_door(struct cli *cli, struct engine *engine, struct arena *arena,
                          struct cql_place *ret_place, struct diag *diag)
{
    CLEAN(buf_deinit) struct buf answer = {0}, listens = {0}, address = {0};
    const char *host = cli_option(cli, "host"), *user = cli_option(cli, "username");
    const char *password = cli_option(cli, "password");
    TRY(engine_call(engine, "GET", "/api/node", STR_NONE, &answer));
    struct str door = text_of(buf_str(&answer), "address", &listens);
    size_t colon = door.bytes;
    while (colon && door.ptr[colon - 1] != ':')
        colon--;
    if (!colon)
        return diag_set(diag, ERR_NOT_FOUND, 0, 0, "the node has no CQL door");
    struct str own = str_slice(door, 0, colon - 1);
    bool any = str_equal(own, STR("0.0.0.0")) || str_equal(own, STR("[::]")) || !own.bytes;
    buf_str_append(&address, host ? str_of(host) : any ? STR("127.0.0.1") : own);
    buf_str_append(&address, str_slice(door, colon - 1, door.bytes));
    TRY(cql_place_of_host(arena, buf_str(&address), diag, ret_place));
    ret_place->user = user && password ? arena_text(arena, str_of(user)) : NULL;
    ret_place->password = user && password ? arena_text(arena, str_of(password)) : NULL;
    return OK;
}

static enum err ask_door(struct cli *cli, const struct cql_place *place, struct buf *rows,
                         struct diag *diag)
{
    struct asking asking = {.cli = cli, .page = {.output = "json"}};
    struct cql_client_options options = {.place = place, .give_up = true};
    struct cql_client *client;
    struct io_loop *loop;
    TRY(io_loop_new(cli->io, &loop));
    enum err err = cql_client_new(loop, &options, diag, &client);
    if (err == OK) {
        ask(&asking, loop, client);
        err = asking.err;
        cql_client_free(client);
        for (int quiet = 0; quiet < 3;)
            quiet = io_loop_turn(loop, 1000000) ? 0 : quiet + 1;
    }
    if (err == OK) {
        buf_text(&asking.page.json, "]}");
        buf_str_append(rows, json_member(buf_str(&asking.page.json), "rows"));
    }
    cql_page_deinit(&asking.page);
    io_loop_free(loop);
    return err;
}

static int clientstats(struct cli *cli, struct engine *engine)
{
    CLEAN(buf_deinit) struct buf rows = {0}, out = {0};
    struct arena arena;
    struct cql_place place = {0};
    struct diag diag = {0};
    arena_init(&arena, 1 << 20);
    enum err err = find_door(cli, engine, &arena, &place, &diag);
    if (err == OK)
        err = ask_door(cli, &place, &rows, &diag);
    arena_deinit(&arena);
    if (err != OK) {
        if (diag.message[0])
            cli_diag(cli, NULL, &diag);
        return cli_exit(err);
    }
    if (cli_option(cli, "by-protocol"))
        nodetool_clients_by_protocol(buf_str(&rows), io_wall_us(cli->io), &out);
    else
        nodetool_clients(buf_str(&rows), cli_option(cli, "all") != NULL, &out);
    cli_write(cli, buf_str(&out));
    return EXIT_DONE;
}

static int run_nodetool(struct cli *cli)
{
    static const struct {
        const char *verb;
        int (*run)(struct cli *cli, struct engine *engine);
    } verbs[] = {{"status", status},          {"info", info},   {"tablestats", tablestats},
                 {"cfstats", tablestats},     {"flush", flush}, {"compact", compact},
                 {"clientstats", clientstats}};
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
    cli_error(cli,
              "nodetool knows status, info, tablestats, clientstats, flush and compact, not '%s'",
              verb);
    return EXIT_USAGE;
}

static const struct cli_option options[] = {
    {"host", 'H', "HOST", "taken as Cassandra's nodetool does, and not needed"},
    {"port", 'p', "PORT", "the same"},
    {"username", 'u', "NAME", "the same; clientstats logs in as NAME"},
    {"password", 0, "TEXT", "with that password"},
    {"all", 0, NULL, "clientstats: each connection too"},
    {"by-protocol", 0, NULL, "clientstats: addresses by version of the protocol"},
    {0},
};

const struct cli_command command_nodetool = {
    .name = "nodetool",
    .arguments = "[VERB] [KEYSPACE[.TABLE]]",
    .summary = "what people type to look at a Cassandra node",
    .text =
        "VERB is status, info, tablestats, clientstats, flush or compact.\n"
        "Also when the program is called as nodetool. clientstats asks the CQL door, and counts "
        "itself.",
    .examples = "  millrace nodetool status\n  millrace nodetool clientstats --all\n"
                "  ln -s millrace nodetool && ./nodetool tablestats",
    .options = options,
    .arguments_max = 3,
    .run = run_nodetool,
};
