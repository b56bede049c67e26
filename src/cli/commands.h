/* SPDX-License-Identifier: MIT */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"

/* One file each: command_NAME in NAME.c. */
extern const struct cli_command command_init;
extern const struct cli_command command_run;
extern const struct cli_command command_check;
extern const struct cli_command command_sql;
extern const struct cli_command command_cql;
extern const struct cli_command command_topics;
extern const struct cli_command command_groups;
extern const struct cli_command command_consume;
extern const struct cli_command command_produce;
extern const struct cli_command command_tables;
extern const struct cli_command command_nodetool;
extern const struct cli_command command_dlq;
extern const struct cli_command command_doctor;
extern const struct cli_command command_inspect;
extern const struct cli_command command_mock;
extern const struct cli_command command_bench;
extern const struct cli_command command_completion;

#endif
