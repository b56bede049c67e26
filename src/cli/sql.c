/* SPDX-License-Identifier: MIT */
/*
 * millrace sql: queries over topics and tables, from -e, standard input or a prompt with history
 * (libedit). A statement ends with a semicolon; \d, \t and \q are the prompt's own words.
 */
#include "base/mem.h"
#include "cli/commands.h"
#include "format/json.h"

#include <editline/readline.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = 16 << 20, HISTORY_LINES = 1000 };

static enum err run_text(struct cli *cli, struct engine *engine, struct str text, int64_t rows_max,
                         bool explain)
{
    CLEAN(buf_deinit) struct buf body = {0}, answer = {0};
    struct json_writer w = {.out = &body};
    json_open(&w, '{');
    json_key(&w, "query");
    json_str(&w, text);
    json_key(&w, "rows_max");
    json_i64(&w, rows_max);
    json_key(&w, "explain");
    json_bool(&w, explain);
    json_close(&w, '}');
    engine_source(engine, text);
    TRY(engine_call(engine, "POST", "/api/sql", buf_str(&body), &answer));
    if (explain) {
        CLEAN(buf_deinit) struct buf plan = {0};
        json_text(json_member(buf_str(&answer), "plan"), &plan);
        cli_write(cli, buf_str(&plan));
    } else
        cli_rows(cli, buf_str(&answer));
    return OK;
}

/* ---- the prompt ---- */

static void list(struct cli *cli, struct engine *engine, const char *path, const char *title)
{
    CLEAN(buf_deinit) struct buf answer = {0};
    const struct cli_column columns[] = {{title, "name", false}};
    if (engine_call(engine, "GET", path, STR_NONE, &answer) == OK)
        cli_table(cli, buf_str(&answer), columns, 1);
}

/* False ends the shell. */
static bool shell_word(struct cli *cli, struct engine *engine, const char *word)
{
    if (strcmp(word, "\\q") == 0 || strcmp(word, "quit") == 0 || strcmp(word, "exit") == 0)
        return false;
    if (strcmp(word, "\\d") == 0)
        list(cli, engine, "/api/tables", "table");
    else if (strcmp(word, "\\t") == 0)
        list(cli, engine, "/api/topics", "topic");
    else
        cli_print(cli, "\\d tables, \\t topics, \\q quit; anything else is SQL and ends with ;\n");
    return true;
}

static bool is_whole(struct str text)
{
    text = str_trim(text);
    return text.bytes && text.ptr[text.bytes - 1] == ';';
}

static char *history_path(struct cli *cli, struct buf *path)
{
    const char *home = io_env(cli->io, "HOME");
    buf_printf(path, "%s/.millrace_history", home ? home : ".");
    return (char *)buf_c_str(path);
}

static int shell(struct cli *cli, struct engine *engine, int64_t rows_max)
{
    CLEAN(buf_deinit) struct buf path = {0}, text = {0};
    cli_print(cli, "millrace on %s; \\? for help\n", engine_name(engine));
    using_history();
    stifle_history(HISTORY_LINES);
    read_history(history_path(cli, &path));
    for (;;) {
        char *line = readline(text.bytes ? "   ... " : "sql> ");
        if (!line)
            break;
        struct str trimmed = str_trim(str_of(line));
        bool word = !text.bytes && trimmed.bytes &&
                    (trimmed.ptr[0] == '\\' || str_equal(trimmed, STR("quit")) ||
                     str_equal(trimmed, STR("exit")));
        bool more = true;
        if (word) {
            CLEAN(mem_free_at) char *copy = str_dup(trimmed);
            more = shell_word(cli, engine, copy);
        } else if (trimmed.bytes) {
            buf_str_append(&text, str_of(line));
            buf_char(&text, '\n');
        }
        free(line);
        if (!more)
            break;
        if (!is_whole(buf_str(&text)))
            continue;
        CLEAN(mem_free_at) char *whole = str_dup(str_trim(buf_str(&text)));
        add_history(whole);
        (void)!run_text(cli, engine, str_of(whole), rows_max, false);
        buf_reset(&text);
    }
    write_history(history_path(cli, (buf_reset(&path), &path)));
    return EXIT_DONE;
}

static int run_sql(struct cli *cli)
{
    CLEAN(buf_deinit) struct buf input = {.bytes_max = INPUT_MAX};
    const char *text = cli_option(cli, "execute");
    struct engine *engine;
    int64_t rows_max;
    if (!cli_number(cli, "rows", 1000, &rows_max))
        return EXIT_USAGE;
    enum err err = engine_open(cli, &engine);
    if (err != OK)
        return cli_exit(err);
    int code;
    if (!text && io_is_terminal(cli->io, 0))
        code = shell(cli, engine, rows_max);
    else {
        if (!text)
            err = cli_read_input(cli, &input);
        if (err == OK)
            err = run_text(cli, engine, text ? str_of(text) : buf_str(&input), rows_max,
                           cli_option(cli, "explain") != NULL);
        code = cli_exit(err);
    }
    engine_close(engine);
    return code;
}

static const struct cli_option options[] = {
    {"execute", 'e', "QUERY", "run that query instead of opening a prompt"},
    {"rows", 'n', "N", "most rows of an answer (1000)"},
    {"explain", 0, NULL, "show the plan instead of the rows"},
    {0},
};

const struct cli_command command_sql = {
    .name = "sql",
    .arguments = "",
    .summary = "runs Spark SQL over topics and tables",
    .text =
        "Without -e reads standard input; on a terminal it opens a prompt with history. Names are\n"
        "those of the project (sources and tables), keyspace.table, or any topic, whose columns\n"
        "are then key, value, topic, partition, offset and timestamp.",
    .examples = "  millrace sql -C users -e 'SELECT * FROM created_users LIMIT 10'\n"
                "  millrace sql -e 'SELECT count(*) FROM users_created' -o json",
    .options = options,
    .arguments_max = 0,
    .run = run_sql,
};
