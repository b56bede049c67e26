/* SPDX-License-Identifier: MIT */
/* Help texts and shell completion, made from the table of commands. */
#include "cli/commands.h"
#include "cli/options.h"
#include "pipeline/project.h"
#include "serve/api.h"
#include "serve/kafka/kafka.h"

#include <string.h>

void help_overview(struct cli *cli)
{
    cli_print(cli, "millrace: from an API to a table, in one program.\n\n"
                   "usage: millrace COMMAND [OPTIONS] [ARGUMENTS]\n\n");
    for (size_t i = 0; cli_commands[i]; i++)
        cli_print(cli, "  %-12s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    cli_print(cli, "\n`millrace COMMAND --help` tells more. A first project:\n\n"
                   "  millrace mock-api &\n"
                   "  millrace init users --example random-users\n"
                   "  DATASOURCE_URL=http://127.0.0.1:8090/api/ millrace run users --for 20s\n"
                   "  millrace sql -C users -e 'SELECT * FROM created_users LIMIT 10'\n");
}

static void help_options(struct cli *cli, const struct cli_option *options)
{
    for (size_t i = 0; options && options[i].name; i++) {
        CLEAN(buf_deinit) struct buf left = {0};
        if (options[i].letter)
            buf_printf(&left, "-%c, ", options[i].letter);
        buf_printf(&left, "--%s%s%s", options[i].name, options[i].value ? " " : "",
                   options[i].value ? options[i].value : "");
        cli_print(cli, "  %-26s %s\n", buf_c_str(&left), options[i].help);
    }
}

void help_command(struct cli *cli, const struct cli_command *command)
{
    cli_print(cli, "millrace %s: %s\n\nusage: millrace %s [OPTIONS]%s%s\n", command->name,
              command->summary, command->name, command->arguments[0] ? " " : "",
              command->arguments);
    if (command->text)
        cli_print(cli, "\n%s\n", command->text);
    if (command->options) {
        cli_print(cli, "\nOptions:\n");
        help_options(cli, command->options);
    }
    cli_print(cli, "\nOptions of every command:\n");
    help_options(cli, cli_shared_options);
    if (command->examples)
        cli_print(cli, "\nExamples:\n%s\n", command->examples);
    cli_print(cli, "\nExit codes: 0 done, 1 failed, 2 wrong usage, 75 try again later.\n");
}

/* ---- completion ---- */

static void bash_words(struct cli *cli, const struct cli_option *options)
{
    for (size_t i = 0; options && options[i].name; i++)
        cli_print(cli, " --%s", options[i].name);
}

static void bash(struct cli *cli)
{
    cli_print(cli, "_millrace() {\n  local word=${COMP_WORDS[COMP_CWORD]} words\n"
                   "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    words='");
    for (size_t i = 0; cli_commands[i]; i++)
        cli_print(cli, "%s%s", i ? " " : "", cli_commands[i]->name);
    cli_print(cli, "'\n  else\n    case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; cli_commands[i]; i++) {
        cli_print(cli, "      %s) words='", cli_commands[i]->name);
        bash_words(cli, cli_commands[i]->options);
        bash_words(cli, cli_shared_options);
        cli_print(cli, "' ;;\n");
    }
    cli_print(cli, "    esac\n  fi\n"
                   "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
                   "  [ ${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "
                   "\"$word\")\n}\ncomplete -o filenames -F _millrace millrace\n");
}

static void fish(struct cli *cli)
{
    for (size_t i = 0; cli_commands[i]; i++) {
        const struct cli_command *c = cli_commands[i];
        cli_print(cli, "complete -c millrace -n __fish_use_subcommand -a %s -d '%s'\n", c->name,
                  c->summary);
        for (size_t k = 0; c->options && c->options[k].name; k++)
            cli_print(cli,
                      "complete -c millrace -n '__fish_seen_subcommand_from %s' -l %s -d '%s'\n",
                      c->name, c->options[k].name, c->options[k].help);
    }
}

/* `millrace completion docs` feeds docs/commands.md (make docs). */
static void commands_document(struct cli *cli)
{
    for (size_t i = 0; cli_commands[i]; i++) {
        cli_print(cli, "\n## millrace %s\n\n```\n", cli_commands[i]->name);
        help_command(cli, cli_commands[i]);
        cli_print(cli, "```\n");
    }
}

static int run_completion(struct cli *cli)
{
    const char *shell = cli_argument(cli, 0, "bash");
    if (strcmp(shell, "fish") == 0)
        fish(cli);
    else if (strcmp(shell, "bash") == 0)
        bash(cli);
    else if (strcmp(shell, "zsh") == 0) {
        cli_print(cli, "autoload -U +X bashcompinit && bashcompinit\n");
        bash(cli);
    } else if (strcmp(shell, "docs") == 0)
        commands_document(cli);
    else if (strcmp(shell, "configuration") == 0) {
        CLEAN(buf_deinit) struct buf text = {0};
        configuration_document(&text);
        cli_write(cli, buf_str(&text));
    } else if (strcmp(shell, "api") == 0) {
        CLEAN(buf_deinit) struct buf text = {0};
        api_document(&text);
        cli_write(cli, buf_str(&text));
    } else if (strcmp(shell, "kafka") == 0) {
        CLEAN(buf_deinit) struct buf text = {0};
        kafka_broker_document(&text);
        cli_write(cli, buf_str(&text));
    } else {
        cli_error(cli, "completion is there for bash, zsh and fish, not '%s'", shell);
        return EXIT_USAGE;
    }
    return EXIT_DONE;
}

const struct cli_command command_completion = {
    .name = "completion",
    .arguments = "[bash|zsh|fish]",
    .summary = "prints the completion script for a shell",
    .examples = "  millrace completion bash > /etc/bash_completion.d/millrace\n"
                "  source <(millrace completion zsh)",
    .arguments_max = 1,
    .run = run_completion,
};
