/* SPDX-License-Identifier: MIT */
/* The program's door: which command, which options, then the command itself. */
#include "cli/commands.h"
#include "cli/options.h"

#include <string.h>

const struct cli_command *const cli_commands[] = {
    &command_init,
    &command_run,
    &command_check,
    &command_sql,
    &command_cql,
    &command_topics,
    &command_groups,
    &command_consume,
    &command_produce,
    &command_tables,
    &command_nodetool,
    &command_dlq,
    &command_doctor,
    &command_inspect,
    &command_mock,
    &command_bench,
    &command_completion,
    NULL,
};

static int version(struct cli *cli)
{
    cli_print(cli, "millrace %s\n", MILLRACE_VERSION);
    return EXIT_DONE;
}

static int unknown(struct cli *cli, const char *name)
{
    const char *names[64];
    size_t count = 0;
    for (; cli_commands[count]; count++)
        names[count] = cli_commands[count]->name;
    struct str nearest = str_nearest(str_of(name), names, count);
    cli_error(cli, "there is no command '%s'%s%.*s%s", name, nearest.ptr ? "; did you mean '" : "",
              STR_ARG(nearest), nearest.ptr ? "'?" : "");
    cli_error(cli, "`millrace --help` lists the commands");
    return EXIT_USAGE;
}

static int run_command(struct cli *cli, int count, char **words)
{
    enum options_outcome outcome = options_parse(cli, count, words);
    if (outcome == OPTIONS_HELP) {
        help_command(cli, cli->command);
        return EXIT_DONE;
    }
    return outcome == OPTIONS_WRONG ? EXIT_USAGE : cli->command->run(cli);
}

int main(int argc, char **argv)
{
    struct cli cli = {.io = io_kernel_new(), .output = "table"};
    int code = EXIT_USAGE;
    const char *slash = strrchr(argv[0], '/');
    bool as_nodetool = strcmp(slash ? slash + 1 : argv[0], "nodetool") == 0;
    const char *word = argc > 1 ? argv[1] : "--help";
    for (size_t i = 0; cli_commands[i]; i++)
        if (strcmp(word, cli_commands[i]->name) == 0)
            cli.command = cli_commands[i];
    if (as_nodetool) {
        cli.command = &command_nodetool;
        code = run_command(&cli, argc - 1, argv + 1);
    } else if (cli.command)
        code = run_command(&cli, argc - 2, argv + 2);
    else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        help_overview(&cli);
        code = argc > 1 ? EXIT_DONE : EXIT_USAGE;
    } else if (strcmp(word, "--version") == 0 || strcmp(word, "version") == 0)
        code = version(&cli);
    else
        code = unknown(&cli, word);
    io_free(cli.io);
    return code;
}
