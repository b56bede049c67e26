/* SPDX-License-Identifier: MIT */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "cli/cli.h"

enum options_outcome { OPTIONS_GOOD, OPTIONS_HELP, OPTIONS_WRONG };

/* Sorts the words behind the command into options and arguments. Prints what is wrong. */
enum options_outcome options_parse(struct cli *cli, int count, char **words);

/* help.c */
void help_overview(struct cli *cli);
void help_command(struct cli *cli, const struct cli_command *command);

#endif
