/* SPDX-License-Identifier: MIT */
/*
 * millrace cql: CQL statements for any server of Cassandra's protocol, from -e, a file, standard
 * input or a prompt with history (libedit). What the server says is shown in its words; DESCRIBE
 * and USE are the server's own. A statement is sent once: what is not known to have happened is
 * told, not tried again.
 */
#include "cli/cql.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "pipeline/project.h"

#include <editline/readline.h>
#include <stdlib.h>

enum { INPUT_MAX = 64 << 20, HISTORY_LINES = 1000, PAGE_ROWS = 1000, ONE = 1 };
static const int64_t TURN_NS = 1000000000;

struct prompt {
    struct cli *cli;
    struct arena arena;
    struct cql_place place;
    struct io_loop *loop;
    struct cql_client *client;
    char keyspace[64];
    /* of the call in flight */
    struct cql_page *page;
    bool done;
    enum err err;
};

/* ---- one statement ---- */

static void print_warnings(struct prompt *p, const struct cql_reply *reply)
{
    struct reader r = reader_of(reply->warnings.ptr, reply->warnings.bytes);
    for (uint16_t i = 0; i < reply->warning_count && r.err == OK; i++) {
        struct str text = cql_string_read(&r);
        cli_error(p->cli, "warning: %.*s", STR_ARG(text));
    }
}

static void answered(struct cql_call *call, const struct cql_reply *reply)
{
    struct prompt *p = call->owner;
    CLEAN(buf_deinit) struct buf out = {0};
    p->done = true;
    p->err = reply->err;
    p->page->more = false;
    print_warnings(p, reply);
    if (reply->err == ERR_INVALID) {
        cql_print_error(&reply->error, &out);
        cli_error(p->cli, "%.*s", STR_ARG(str_trim(buf_str(&out))));
        return;
    }
    if (reply->err != OK) {
        cli_error(p->cli, "%.*s", STR_ARG(reply->error.message));
        return;
    }
    struct reader r = reader_of(reply->body.ptr, reply->body.bytes);
    if (reply->kind == CQL_RESULT_SET_KEYSPACE) {
        struct str name = cql_string_read(&r);
        buf_str_append(&out, str_slice(name, 0, sizeof p->keyspace - 1));
        memcpy(p->keyspace, buf_c_str(&out), out.bytes + 1);
    } else if (reply->kind == CQL_RESULT_ROWS) {
        p->err = cql_print_page(p->page, reply->body, &out);
        if (p->err == OK && !p->page->more)
            cql_print_end(p->cli, p->page, &out);
        cli_write(p->cli, buf_str(&out));
    }
}

static enum err run_one(struct prompt *p, struct str statement)
{
    struct cql_page page = {.output = p->cli->output};
    struct str word = str_trim(statement);
    page.describes = str_equal_nocase(str_slice(word, 0, 4), STR("DESC"));
    p->page = &page;
    do {
        CLEAN(buf_deinit) struct buf body = {0};
        cql_query_body(&body, statement, p->place.consistency, PAGE_ROWS,
                       page.paging.bytes ? buf_str(&page.paging) : STR_NONE);
        struct cql_call call = {.opcode = CQL_QUERY,
                                .body = buf_str(&body),
                                .once = true,
                                .done = answered,
                                .owner = p};
        p->done = false;
        io_loop_turn(p->loop, 0);
        cql_client_submit(p->client, &call);
        while (!p->done)
            io_loop_turn(p->loop, TURN_NS);
    } while (p->err == OK && page.more);
    cql_page_deinit(&page);
    return p->err;
}

/* "CONSISTENCY [LEVEL]" is the prompt's, as in cqlsh. False: not that. */
static bool consistency_word(struct prompt *p, struct str statement)
{
    struct str text = str_trim(statement), word = str_slice(text, 0, strlen("CONSISTENCY"));
    if (!str_equal_nocase(word, STR("CONSISTENCY")))
        return false;
    struct str level = str_trim(str_slice(text, word.bytes, text.bytes));
    p->err = OK;
    if (level.bytes)
        p->err = cql_consistency_parse(level, &p->place.consistency);
    if (p->err != OK)
        cli_error(p->cli, "there is no consistency %.*s", STR_ARG(level));
    return true;
}

/* Runs all whole statements; *ret_rest is what is left. The first error, but all are run. */
static enum err run_text(struct prompt *p, struct str text, bool rest_is_whole,
                         struct str *ret_rest)
{
    enum err first = OK;
    size_t from = 0;
    while (from < text.bytes) {
        size_t end = cql_statement_end(text, from), behind = end;
        if (end == SIZE_MAX && !rest_is_whole)
            break;
        if (end == SIZE_MAX)
            end = behind = text.bytes;
        else
            end--;
        struct str statement = str_slice(text, from, end);
        from = behind;
        if (cql_is_blank(statement))
            continue;
        enum err err = consistency_word(p, statement) ? p->err : run_one(p, statement);
        first = first == OK ? err : first;
        if (err == ERR_NETWORK)
            break;
    }
    *ret_rest = str_slice(text, from, text.bytes);
    return first;
}

/* ---- the prompt ---- */

static char *history_path(struct cli *cli, struct buf *path)
{
    const char *home = io_env(cli->io, "HOME");
    buf_printf(path, "%s/.millrace_cql_history", home ? home : ".");
    return (char *)buf_c_str(path);
}

/* Words that need no `;`. False ends the shell. */
static bool shell_word(struct prompt *p, struct str word, bool *ret_was_one)
{
    if (str_ends(word, STR(";")))
        word = str_trim(str_slice(word, 0, word.bytes - 1));
    bool quits = str_equal_nocase(word, STR("exit")) || str_equal_nocase(word, STR("quit")) ||
                 str_equal(word, STR("\\q"));
    *ret_was_one = quits || str_equal_nocase(word, STR("help")) || str_equal(word, STR("\\?"));
    if (*ret_was_one && !quits)
        cli_print(p->cli, "CQL ends with ;  DESCRIBE KEYSPACES, TABLES, TABLE name  USE keyspace  "
                          "CONSISTENCY level  exit\n");
    return !quits;
}

static int shell(struct prompt *p)
{
    struct cli *cli = p->cli;
    CLEAN(buf_deinit) struct buf path = {0}, text = {0};
    cli_print(cli, "connected to %s; help for help\n", p->place.hosts[0]);
    using_history();
    stifle_history(HISTORY_LINES);
    read_history(history_path(cli, &path));
    for (bool more = true; more;) {
        CLEAN(buf_deinit) struct buf prompt = {0};
        buf_printf(&prompt, "cql%s%s> ", p->keyspace[0] ? ":" : "", p->keyspace);
        char *line = readline(text.bytes ? "   ... " : buf_c_str(&prompt));
        if (!line)
            break;
        bool was_word = false;
        struct str rest, trimmed = str_trim(str_of(line));
        if (!text.bytes && trimmed.bytes)
            more = shell_word(p, trimmed, &was_word);
        if (!was_word && (text.bytes || trimmed.bytes)) {
            buf_str_append(&text, str_of(line));
            buf_char(&text, '\n');
        }
        free(line);
        if (was_word || cql_statement_end(buf_str(&text), 0) == SIZE_MAX)
            continue;
        CLEAN(mem_free_at) char *whole = str_dup(str_trim(buf_str(&text)));
        add_history(whole);
        (void)!run_text(p, buf_str(&text), false, &rest);
        buf_consume(&text, text.bytes - rest.bytes);
        if (cql_is_blank(buf_str(&text)))
            buf_reset(&text);
    }
    write_history(history_path(cli, (buf_reset(&path), &path)));
    return EXIT_DONE;
}

/* ---- where to ---- */

static void take_text(struct prompt *p, const char *given, char **text)
{
    if (given)
        *text = arena_text(&p->arena, str_of(given));
}

/* Options go before what the URL says. */
static enum err take_options(struct prompt *p, const char *user, const char *password,
                             struct diag *diag)
{
    const char *ca = cli_option(p->cli, "ca"), *cert = cli_option(p->cli, "cert"),
               *key = cli_option(p->cli, "key");
    if (user && !password)
        password = io_env(p->cli->io, "MILLRACE_CQL_PASSWORD");
    if (!user != !password) {
        diag_hint(diag, "the password may stand in MILLRACE_CQL_PASSWORD");
        return diag_set(diag, ERR_INVALID, 0, 0, "--user and --password belong together");
    }
    if (!cert != !key)
        return diag_set(diag, ERR_INVALID, 0, 0, "--cert and --key belong together");
    take_text(p, user, &p->place.user);
    take_text(p, password, &p->place.password);
    take_text(p, ca, &p->place.ca_path);
    take_text(p, cert, &p->place.cert_path);
    take_text(p, key, &p->place.key_path);
    p->place.tls |= ca || cert || cli_option(p->cli, "tls");
    p->place.consistency = ONE;
    return OK;
}

/* The argument, or where the project at hand listens, or Cassandra's own. */
static enum err find_place(struct prompt *p, struct diag *diag)
{
    struct cli *cli = p->cli;
    const char *given = cli_argument(cli, 0, NULL);
    const char *directory = cli_option(cli, "project");
    const char *user = cli_option(cli, "user"), *password = cli_option(cli, "password");
    CLEAN(buf_deinit) struct buf address = {0}, file = {0};
    struct io_stat stat;
    buf_printf(&file, "%s/millrace.yml", directory ? directory : ".");
    if (given)
        buf_text(&address, given);
    else if (directory || io_path_stat(cli->io, buf_c_str(&file), &stat) == OK) {
        struct diag_list diags = {0};
        struct project *project = NULL;
        enum err err = project_load(cli->io, directory ? directory : ".", &diags, &project);
        if (err != OK && !project && diags.count)
            *diag = diags.items[0];
        diag_list_deinit(&diags);
        if (!project)
            return err;
        if (project->cql.count)
            buf_str_append(&address, project->cql.addresses[0].listen);
        if (project->cql_user.ptr && !user) {
            user = arena_text(&p->arena, project->cql_user);
            password = arena_text(&p->arena, project->cql_password);
        }
        project_free(project);
    }
    if (!address.bytes)
        buf_text(&address, "127.0.0.1:9042");
    if (str_starts(buf_str(&address), STR("cassandra://")))
        TRY(cql_place_parse(&p->arena, buf_str(&address), diag, &p->place));
    else
        TRY(cql_place_of_host(&p->arena, buf_str(&address), diag, &p->place));
    return take_options(p, user, password, diag);
}

static enum err run_input(struct prompt *p, const char *text, const char *file)
{
    CLEAN(buf_deinit) struct buf input = {.bytes_max = INPUT_MAX};
    struct str rest;
    if (file) {
        enum err err = io_path_read(p->cli->io, file, INPUT_MAX, &input);
        if (err != OK)
            return cli_error(p->cli, "cannot read %s: %s", file, err_text(err)), err;
    } else if (!text)
        TRY(cli_read_input(p->cli, &input));
    return run_text(p, text ? str_of(text) : buf_str(&input), true, &rest);
}

static int connected(struct prompt *p)
{
    struct cli *cli = p->cli;
    const char *text = cli_option(cli, "execute"), *file = cli_option(cli, "file");
    struct diag diag = {0};
    struct cql_client_options options = {
        .place = &p->place, .keyspace = cli_option(cli, "keyspace"), .give_up = true};
    enum err err = cql_client_new(p->loop, &options, &diag, &p->client);
    int code;
    if (err != OK) {
        diag_set(&diag, err, 0, 0, "%s", err_text(err));
        cli_diag(cli, NULL, &diag);
        return cli_exit(err);
    }
    if (!text && !file && io_is_terminal(cli->io, 0))
        code = shell(p);
    else
        code = cli_exit(run_input(p, text, file));
    cql_client_free(p->client);
    for (int quiet = 0; quiet < 3;)
        quiet = io_loop_turn(p->loop, 1000000) ? 0 : quiet + 1;
    return code;
}

static int run_cql(struct cli *cli)
{
    struct prompt p = {.cli = cli};
    struct diag diag = {0};
    int code;
    arena_init(&p.arena, 1 << 20);
    enum err err = find_place(&p, &diag);
    if (err == OK)
        err = io_loop_new(cli->io, &p.loop);
    if (err != OK) {
        diag_set(&diag, err, 0, 0, "%s", err_text(err));
        cli_diag(cli, NULL, &diag);
        code = err == ERR_INVALID ? EXIT_USAGE : cli_exit(err);
    } else
        code = connected(&p);
    if (p.loop)
        io_loop_free(p.loop);
    arena_deinit(&p.arena);
    return code;
}

static const struct cli_option options[] = {
    {"execute", 'e', "STATEMENT", "run that instead of opening a prompt"},
    {"file", 'f', "FILE", "run the statements of a file"},
    {"keyspace", 'k', "NAME", "begin with USE NAME"},
    {"user", 'u', "NAME", "log in as NAME"},
    {"password", 'p', "TEXT", "with that password (also MILLRACE_CQL_PASSWORD)"},
    {"tls", 0, NULL, "over TLS"},
    {"ca", 0, "FILE", "over TLS, trusting the certificates of FILE"},
    {"cert", 0, "FILE", "over TLS, showing the certificate of FILE"},
    {"key", 0, "FILE", "with --cert: its key"},
    {0},
};

const struct cli_command command_cql = {
    .name = "cql",
    .arguments = "[HOST[:PORT] | cassandra://..]",
    .summary = "a CQL prompt for this server or a Cassandra",
    .text =
        "Without -e and -f reads standard input; on a terminal it opens a prompt with history.\n"
        "Without an address it goes to the `cql` listener of the project at hand, else to\n"
        "127.0.0.1:9042. A URL is written as for `engines.tables`. Statements end with ;.\n"
        "DESCRIBE and USE are the server's; CONSISTENCY LEVEL sets that of the following\n"
        "statements (ONE).",
    .examples = "  millrace cql -e 'SELECT * FROM spark_streams.created_users LIMIT 10'\n"
                "  millrace cql -f schema.cql db1:9042 -u cassandra -p cassandra\n"
                "  millrace cql 'cassandra://ada:secret@db1?tls=true&ca=ca.pem'",
    .options = options,
    .arguments_max = 1,
    .run = run_cql,
};
