/* SPDX-License-Identifier: MIT */
/* millrace topics, consume, produce, tables: what is there, and single records by hand. */
#include "base/civil.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/kafka.h"
#include "format/json.h"
#include "wire/http.h"

#include <string.h>

enum { CONSUME_PAGE = 1000, FOLLOW_MS = 200, PRODUCE_PAGE = 5000 };

/* ---- topics ---- */

static void topic_path(struct buf *path, const char *topic, const char *tail)
{
    buf_text(path, "/api/topics/");
    http_percent_encode(str_of(topic), path);
    buf_text(path, tail);
}

static int list_topics(struct cli *cli, struct engine *engine)
{
    static const struct cli_column columns[] = {
        {"topic", "name", false},
        {"partitions", "partitions", true},
        {"records", "records", true},
        {"bytes", "bytes", true},
        {"retention ms", "retention_ms", true},
        {"compression", "compression", false},
    };
    CLEAN(buf_deinit) struct buf answer = {0};
    enum err err = engine_call(engine, "GET", "/api/topics", STR_NONE, &answer);
    if (err == OK)
        cli_table(cli, buf_str(&answer), columns, sizeof columns / sizeof *columns);
    return cli_exit(err);
}

static int describe_topic(struct cli *cli, struct engine *engine, const char *name)
{
    static const struct cli_column columns[] = {
        {"partition", "partition", true},
        {"start", "start", true},
        {"end", "end", true},
        {"bytes", "bytes", true},
    };
    CLEAN(buf_deinit) struct buf path = {0}, answer = {0};
    topic_path(&path, name, "");
    enum err err = engine_call(engine, "GET", buf_c_str(&path), STR_NONE, &answer);
    if (err != OK)
        return cli_exit(err);
    if (cli->json)
        cli_print(cli, "%.*s\n", STR_ARG(buf_str(&answer)));
    else
        cli_table(cli, json_member(buf_str(&answer), "offsets"), columns, 4);
    return EXIT_DONE;
}

static int create_topic(struct cli *cli, struct engine *engine, const char *name)
{
    CLEAN(buf_deinit) struct buf body = {0}, answer = {0};
    int64_t partitions, retention_ms;
    if (!cli_number(cli, "partitions", 1, &partitions) ||
        !cli_duration_ms(cli, "retention", 0, &retention_ms))
        return EXIT_USAGE;
    struct json_writer w = {.out = &body};
    json_open(&w, '{');
    json_key(&w, "name");
    json_str(&w, str_of(name));
    json_key(&w, "partitions");
    json_i64(&w, partitions);
    json_key(&w, "retention_ms");
    json_i64(&w, retention_ms);
    json_key(&w, "compact");
    json_bool(&w, cli_option(cli, "compact") != NULL);
    json_close(&w, '}');
    enum err err = engine_call(engine, "POST", "/api/topics", buf_str(&body), &answer);
    if (err == OK)
        cli_print(cli, "made %s\n", name);
    return cli_exit(err);
}

static int delete_topic(struct cli *cli, struct engine *engine, const char *name)
{
    CLEAN(buf_deinit) struct buf path = {0}, answer = {0};
    topic_path(&path, name, "");
    enum err err = engine_call(engine, "DELETE", buf_c_str(&path), STR_NONE, &answer);
    if (err == OK)
        cli_print(cli, "deleted %s\n", name);
    return cli_exit(err);
}

static int run_topics(struct cli *cli)
{
    const char *verb = cli_argument(cli, 0, "list"), *name = cli_argument(cli, 1, NULL);
    static const struct {
        const char *verb;
        int (*run)(struct cli *cli, struct engine *engine, const char *name);
    } verbs[] = {{"describe", describe_topic}, {"create", create_topic}, {"delete", delete_topic}};
    struct engine *engine;
    bool list = strcmp(verb, "list") == 0;
    size_t found = 0;
    while (found < 3 && strcmp(verb, verbs[found].verb) != 0)
        found++;
    if (!list && (found == 3 || !name)) {
        cli_error(cli, "usage: millrace topics [list | describe NAME | create NAME | delete NAME]");
        return EXIT_USAGE;
    }
    if (kafka_bootstrap(cli))
        return kafka_topics_run(cli, kafka_bootstrap(cli));
    enum err err = engine_open(cli, &engine);
    if (err != OK)
        return cli_exit(err);
    int code = list ? list_topics(cli, engine) : verbs[found].run(cli, engine, name);
    engine_close(engine);
    return code;
}

static const struct cli_option topic_options[] = {
    KAFKA_BOOTSTRAP_OPTION,
    KAFKA_PROPERTY_OPTION,
    {"partitions", 'p', "N", "with create: number of partitions (1)"},
    {"retention", 0, "TIME", "with create: how long records are kept (7d)"},
    {"compact", 0, NULL, "with create: keep the newest record of each key"},
    {0},
};

const struct cli_command command_topics = {
    .name = "topics",
    .arguments = "[list | describe NAME | create NAME | delete NAME]",
    .summary = "lists, describes, makes and deletes topics",
    .examples = "  millrace topics\n  millrace topics create clicks --partitions 4\n"
                "  millrace topics describe users_created -o json",
    .options = topic_options,
    .arguments_max = 2,
    .run = run_topics,
};

/* ---- consume ---- */

static void print_record(struct cli *cli, struct str record, bool keys)
{
    CLEAN(buf_deinit) struct buf line = {0};
    if (cli->json) {
        cli_print(cli, "%.*s\n", STR_ARG(record));
        return;
    }
    struct str key = json_member(record, "key"), value = json_member(record, "value");
    if (keys) {
        if (json_kind(key) != JSON_KIND_NULL && json_bytes_read(key, &line) != OK)
            json_text(key, &line);
        buf_char(&line, '\t');
    }
    if (json_kind(value) != JSON_KIND_NULL && json_bytes_read(value, &line) != OK)
        json_text(value, &line);
    buf_char(&line, '\n');
    cli_write(cli, buf_str(&line));
}

struct consuming {
    struct cli *cli;
    struct engine *engine;
    const char *topic;
    struct buf from; /* "0,12,.." */
    int64_t left;    /* -1 = all */
    bool keys;
};

/* One page; *ret_records how many came. */
static enum err consume_page(struct consuming *c, size_t *ret_records)
{
    CLEAN(buf_deinit) struct buf path = {0}, answer = {0};
    int64_t count = c->left >= 0 && c->left < CONSUME_PAGE ? c->left : CONSUME_PAGE;
    topic_path(&path, c->topic, "/records");
    buf_printf(&path, "?count=%lld&from=%s", (long long)count, buf_c_str(&c->from));
    TRY(engine_call(c->engine, "GET", buf_c_str(&path), STR_NONE, &answer));
    struct str key, item, records = json_member(buf_str(&answer), "records");
    size_t state = 0, found = 0;
    for (; json_next(records, &state, &key, &item); found++)
        print_record(c->cli, item, c->keys);
    buf_reset(&c->from);
    for (state = 0; json_next(json_member(buf_str(&answer), "next"), &state, &key, &item);)
        buf_printf(&c->from, "%s%.*s", c->from.bytes ? "," : "", STR_ARG(item));
    if (c->left >= 0)
        c->left -= (int64_t)found;
    *ret_records = found;
    return OK;
}

static void first_offsets(struct consuming *c, const char *text)
{
    /* One value for every partition there may be. */
    for (int i = 0; i < 1024; i++)
        buf_printf(&c->from, "%s%s", i ? "," : "", text);
}

static int run_consume(struct cli *cli)
{
    if (kafka_bootstrap(cli))
        return kafka_consume_run(cli, kafka_bootstrap(cli));
    struct consuming c = {.cli = cli, .topic = cli_argument(cli, 0, "")};
    bool until_end = cli_option(cli, "until-end");
    const char *from = cli_option(cli, "from");
    if (!cli_number(cli, "count", -1, &c.left))
        return EXIT_USAGE;
    c.keys = cli_option(cli, "keys");
    first_offsets(&c, cli_option(cli, "from-beginning") ? "-1" : from ? from : "-2");
    enum err err = engine_open(cli, &c.engine);
    while (err == OK && c.left != 0) {
        size_t records = 0;
        err = consume_page(&c, &records);
        if (records == 0 && until_end)
            break;
        if (records == 0)
            io_sleep_ns(cli->io, FOLLOW_MS * 1000000LL);
    }
    engine_close(c.engine);
    buf_deinit(&c.from);
    return cli_exit(err);
}

static const struct cli_option consume_options[] = {
    KAFKA_BOOTSTRAP_OPTION,
    KAFKA_PROPERTY_OPTION,
    {"from-beginning", 'b', NULL, "start with the oldest record instead of new ones"},
    {"from", 0, "OFFSET", "start at that offset"},
    {"until-end", 'e', NULL, "end when there are no more records"},
    {"count", 'n', "N", "end after N records"},
    {"keys", 'k', NULL, "print key, TAB, value"},
    {0},
};

const struct cli_command command_consume = {
    .name = "consume",
    .arguments = "TOPIC",
    .summary = "prints the records of a topic",
    .text = "Prints one value a line; with -o json one object a record, with partition, offset,\n"
            "timestamp and headers.",
    .examples = "  millrace consume users_created --from-beginning --until-end\n"
                "  millrace consume users_created -b -n 5 -o json",
    .options = consume_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_consume,
};

/* ---- produce ---- */

struct producing {
    struct cli *cli;
    struct engine *engine;
    const char *topic;
    const char *separator; /* between key and value; NULL = no key */
    int64_t partition;
    struct buf body;
    struct json_writer w;
    size_t count, sent;
};

static enum err send_page(struct producing *p)
{
    CLEAN(buf_deinit) struct buf path = {0}, answer = {0};
    if (!p->count)
        return OK;
    json_close(&p->w, ']');
    json_close(&p->w, '}');
    topic_path(&path, p->topic, "/records");
    TRY(buf_error(&p->body));
    TRY(engine_call(p->engine, "POST", buf_c_str(&path), buf_str(&p->body), &answer));
    p->sent += p->count;
    p->count = 0;
    buf_reset(&p->body);
    return OK;
}

static enum err produce_line(void *owner, struct str line)
{
    struct producing *p = owner;
    if (!p->count) {
        p->w = (struct json_writer){.out = &p->body};
        json_open(&p->w, '{');
        json_key(&p->w, "records");
        json_open(&p->w, '[');
    }
    size_t at = p->separator ? str_find(line, str_of(p->separator), 0) : SIZE_MAX;
    json_open(&p->w, '{');
    if (at != SIZE_MAX) {
        json_key(&p->w, "key");
        json_bytes(&p->w, str_slice(line, 0, at));
        line = str_slice(line, at + strlen(p->separator), line.bytes);
    }
    if (p->partition >= 0) {
        json_key(&p->w, "partition");
        json_i64(&p->w, p->partition);
    }
    json_key(&p->w, "value");
    json_bytes(&p->w, line.ptr ? line : STR(""));
    json_close(&p->w, '}');
    p->count++;
    return p->count >= PRODUCE_PAGE || p->body.bytes > 8 << 20 ? send_page(p) : OK;
}

static int run_produce(struct cli *cli)
{
    if (kafka_bootstrap(cli))
        return kafka_produce_run(cli, kafka_bootstrap(cli));
    struct producing p = {.cli = cli, .topic = cli_argument(cli, 0, "")};
    p.separator = cli_option(cli, "key-separator");
    if (!cli_number(cli, "partition", -1, &p.partition))
        return EXIT_USAGE;
    enum err err = engine_open(cli, &p.engine);
    if (err == OK)
        err = cli_each_line(cli, produce_line, &p);
    if (err == OK)
        err = send_page(&p);
    if (err == OK)
        cli_print(cli, "%zu record%s durable\n", p.sent, p.sent == 1 ? "" : "s");
    engine_close(p.engine);
    buf_deinit(&p.body);
    return cli_exit(err);
}

static const struct cli_option produce_options[] = {
    KAFKA_BOOTSTRAP_OPTION,
    KAFKA_PROPERTY_OPTION,
    {"key-separator", 'K', "TEXT", "a line is KEY TEXT VALUE"},
    {"partition", 'p', "N", "into that partition instead of by key"},
    {0},
};

const struct cli_command command_produce = {
    .name = "produce",
    .arguments = "TOPIC",
    .summary = "appends the lines of standard input to a topic",
    .text =
        "One record a line: the bytes before each line feed, as they are. Prints the number of\n"
        "records when they are durable.",
    .examples = "  millrace produce clicks < clicks.ndjson\n"
                "  printf 'a:1\\nb:2\\n' | millrace produce counts -K :",
    .options = produce_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_produce,
};

/* ---- tables ---- */

static int run_tables(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"keyspace", "keyspace", false},
        {"table", "name", false},
        {"rows (about)", "rows_estimated", true},
        {"bytes", "bytes_on_disk", true},
    };
    static const struct cli_column detail[] = {
        {"column", "name", false}, {"type", "type", false}, {"role", "role", false}};
    CLEAN(buf_deinit) struct buf answer = {0};
    const char *name = cli_argument(cli, 0, NULL);
    struct engine *engine;
    enum err err = engine_open(cli, &engine);
    if (err != OK)
        return cli_exit(err);
    err = engine_call(engine, "GET", "/api/tables", STR_NONE, &answer);
    engine_close(engine);
    if (err != OK)
        return cli_exit(err);
    if (!name) {
        cli_table(cli, buf_str(&answer), columns, 4);
        return EXIT_DONE;
    }
    size_t state = 0;
    for (struct str key, item; json_next(buf_str(&answer), &state, &key, &item);) {
        CLEAN(buf_deinit) struct buf full = {0};
        json_text(json_member(item, "keyspace"), &full);
        buf_char(&full, '.');
        json_text(json_member(item, "name"), &full);
        if (str_equal(buf_str(&full), str_of(name)) || str_ends(buf_str(&full), str_of(name))) {
            cli_table(cli, json_member(item, "columns"), detail, 3);
            return EXIT_DONE;
        }
    }
    cli_error(cli, "there is no table '%s'; `millrace tables` lists them", name);
    return EXIT_FAILED;
}

const struct cli_command command_tables = {
    .name = "tables",
    .arguments = "[NAME]",
    .summary = "lists tables, or the columns of one",
    .examples = "  millrace tables\n  millrace tables spark_streams.created_users",
    .arguments_max = 1,
    .run = run_tables,
};
