/* SPDX-License-Identifier: MIT */
/* millrace dlq and doctor: what went wrong, record by record, and what the whole looks like. */
#include "base/civil.h"
#include "cli/commands.h"
#include "format/json.h"
#include "wire/http.h"

#include <string.h>

static void letters_path(struct buf *path, const char *source, const char *tail)
{
    buf_text(path, "/api/dead-letters/");
    http_percent_encode(str_of(source), path);
    buf_text(path, tail);
}

static int list_streams(struct cli *cli, struct engine *engine)
{
    static const struct cli_column columns[] = {
        {"stream", "source", false}, {"letters", "letters", true}, {"replayed", "replayed", true}};
    CLEAN(buf_deinit) struct buf answer = {0};
    enum err err = engine_call(engine, "GET", "/api/dead-letters", STR_NONE, &answer);
    if (err != OK)
        return cli_exit(err);
    size_t state = 0;
    struct str key, item;
    if (!cli->json && !json_next(buf_str(&answer), &state, &key, &item))
        cli_print(cli, "no dead letters\n");
    else
        cli_table(cli, buf_str(&answer), columns, 3);
    return EXIT_DONE;
}

static int list_letters(struct cli *cli, struct engine *engine, const char *source)
{
    static const struct cli_column columns[] = {
        {"number", "number", true},   {"partition", "partition", true}, {"offset", "offset", true},
        {"attempt", "attempt", true}, {"table", "table", false},        {"error", "error", false},
    };
    CLEAN(buf_deinit) struct buf path = {0}, answer = {0};
    int64_t from, count;
    if (!cli_number(cli, "from", 0, &from) || !cli_number(cli, "count", 100, &count))
        return EXIT_USAGE;
    letters_path(&path, source, "");
    buf_printf(&path, "?from=%lld&count=%lld", (long long)from, (long long)count);
    enum err err = engine_call(engine, "GET", buf_c_str(&path), STR_NONE, &answer);
    if (err == OK)
        cli_table(cli, json_member(buf_str(&answer), "letters"), columns, 6);
    return cli_exit(err);
}

static void show_line(struct cli *cli, struct str letter, const char *title, const char *member)
{
    CLEAN(buf_deinit) struct buf text = {0};
    struct str value = json_member(letter, member);
    if (json_kind(value) == JSON_KIND_NULL || !value.ptr)
        return;
    json_text(value, &text);
    cli_print(cli, "%-10s %.*s\n", title, STR_ARG(buf_str(&text)));
}

static int show_letter(struct cli *cli, struct engine *engine, const char *source)
{
    CLEAN(buf_deinit) struct buf path = {0}, answer = {0}, when = {0};
    const char *number = cli_argument(cli, 2, "0");
    letters_path(&path, source, "");
    buf_printf(&path, "?from=%s&count=1", number);
    enum err err = engine_call(engine, "GET", buf_c_str(&path), STR_NONE, &answer);
    if (err != OK)
        return cli_exit(err);
    struct str key, letter;
    size_t state = 0;
    if (!json_next(json_member(buf_str(&answer), "letters"), &state, &key, &letter)) {
        cli_error(cli, "'%s' has no letter %s", source, number);
        return EXIT_FAILED;
    }
    if (cli->json) {
        cli_print(cli, "%.*s\n", STR_ARG(letter));
        return EXIT_DONE;
    }
    int64_t time_ms = 0;
    (void)!str_to_i64(json_member(letter, "time_ms"), &time_ms);
    civil_print_iso(&when, time_ms * 1000, 3);
    static const char *const lines[][2] = {
        {"number", "number"}, {"topic", "topic"}, {"partition", "partition"},
        {"offset", "offset"}, {"table", "table"}, {"attempt", "attempt"},
        {"error", "error"},   {"class", "class"}, {"key", "key"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        show_line(cli, letter, lines[i][0], lines[i][1]);
    cli_print(cli, "%-10s %.*s\n", "time", STR_ARG(buf_str(&when)));
    show_line(cli, letter, "value", "value");
    return EXIT_DONE;
}

static int replay(struct cli *cli, struct engine *engine, const char *source)
{
    CLEAN(buf_deinit) struct buf path = {0}, body = {0}, answer = {0};
    int64_t from, to;
    if (!cli_number(cli, "from", -1, &from) || !cli_number(cli, "to", -1, &to))
        return EXIT_USAGE;
    buf_printf(&body, "{\"from\":%lld,\"to\":%lld}", (long long)from, (long long)to);
    letters_path(&path, source, "/replay");
    enum err err = engine_call(engine, "POST", buf_c_str(&path), buf_str(&body), &answer);
    if (err != OK)
        return cli_exit(err);
    if (cli->json)
        cli_print(cli, "%.*s\n", STR_ARG(buf_str(&answer)));
    else
        cli_print(cli, "sent %.*s letters through again\n",
                  STR_ARG(json_member(buf_str(&answer), "replayed")));
    return EXIT_DONE;
}

static int run_dlq(struct cli *cli)
{
    const char *verb = cli_argument(cli, 0, "list"), *source = cli_argument(cli, 1, NULL);
    static const struct {
        const char *verb;
        int (*run)(struct cli *cli, struct engine *engine, const char *source);
    } verbs[] = {{"list", list_letters}, {"show", show_letter}, {"replay", replay}};
    struct engine *engine;
    size_t found = 0;
    while (found < 3 && strcmp(verb, verbs[found].verb) != 0)
        found++;
    if (found == 3 || (!source && found != 0)) {
        cli_error(cli, "usage: millrace dlq [list [STREAM] | show STREAM NUMBER | replay STREAM]");
        return EXIT_USAGE;
    }
    enum err err = engine_open(cli, &engine);
    if (err != OK)
        return cli_exit(err);
    int code = source ? verbs[found].run(cli, engine, source) : list_streams(cli, engine);
    engine_close(engine);
    return code;
}

static const struct cli_option options[] = {
    {"from", 0, "NUMBER", "first letter (replay: the first that was not replayed yet)"},
    {"to", 0, "NUMBER", "with replay: last letter"},
    {"count", 'n', "N", "with list: how many (100)"},
    {0},
};

const struct cli_command command_dlq = {
    .name = "dlq",
    .arguments = "[list [STREAM] | show STREAM NUMBER | replay STREAM]",
    .summary = "dead letters: look at them, send them through again",
    .text = "Records that could not be decoded, computed or stored are kept in the topic\n"
            "STREAM.dead_letters with their bytes, place, error and attempt. Replay sends them\n"
            "through the stream again, for instance after the schema or the SQL was mended.",
    .examples = "  millrace dlq list\n  millrace dlq show users_created 0\n"
                "  millrace dlq replay users_created",
    .options = options,
    .arguments_max = 3,
    .run = run_dlq,
};

/* ---- doctor ---- */

static int run_doctor(struct cli *cli)
{
    CLEAN(buf_deinit) struct buf answer = {0};
    struct engine *engine;
    enum err err = engine_open(cli, &engine);
    if (err != OK)
        return cli_exit(err);
    err = engine_call(engine, "GET", "/api/doctor", STR_NONE, &answer);
    if (err == OK && !cli->json)
        cli_print(cli, "%s\n", engine_name(engine));
    engine_close(engine);
    if (err != OK)
        return cli_exit(err);
    bool ok = str_equal(json_member(buf_str(&answer), "ok"), STR("true"));
    if (cli->json) {
        cli_print(cli, "%.*s\n", STR_ARG(buf_str(&answer)));
        return ok ? EXIT_DONE : EXIT_FAILED;
    }
    size_t state = 0;
    for (struct str key, item;
         json_next(json_member(buf_str(&answer), "findings"), &state, &key, &item);) {
        CLEAN(buf_deinit) struct buf area = {0}, text = {0}, hint = {0};
        bool good = str_equal(json_member(item, "ok"), STR("true"));
        json_text(json_member(item, "area"), &area);
        json_text(json_member(item, "text"), &text);
        cli_print(cli, "  %-4s %-13.*s %.*s\n", good ? "ok" : "BAD", STR_ARG(buf_str(&area)),
                  STR_ARG(buf_str(&text)));
        struct str advice = json_member(item, "hint");
        if (good || json_kind(advice) != JSON_KIND_STRING)
            continue;
        json_text(advice, &hint);
        cli_print(cli, "                     hint: %.*s\n", STR_ARG(buf_str(&hint)));
    }
    return ok ? EXIT_DONE : EXIT_FAILED;
}

const struct cli_command command_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "health of every part on one screen",
    .text =
        "Looks at the books, the log, the tables, streams, sources, dead letters and the disk.\n"
        "The exit code is 1 when something is wrong.",
    .examples = "  millrace doctor\n  millrace doctor -C users -o json",
    .arguments_max = 0,
    .run = run_doctor,
};
