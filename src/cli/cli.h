/* SPDX-License-Identifier: MIT */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/diag.h"
#include "io/io.h"

/*
 * The commands. Each is one row of a table: name, options, texts; the parser, --help, the shell
 * completion and docs/commands.md come from it. Exit codes: 0 done, 1 failed, 2 wrong usage, 75 try
 * again later.
 */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_LATER = 75 };

struct cli_option {
    const char *name;  /* "for": --for */
    char letter;       /* 0 = none */
    const char *value; /* name of its value in help; NULL = a flag */
    const char *help;
};

struct cli;

struct cli_command {
    const char *name;
    const char *arguments;            /* "[DIR]", for usage */
    const char *summary;              /* one line */
    const char *text;                 /* paragraphs for --help; may be NULL */
    const char *examples;             /* lines; may be NULL */
    const struct cli_option *options; /* ended by name NULL; NULL = none */
    int arguments_min, arguments_max; /* max -1 = any */
    int (*run)(struct cli *cli);
};

enum { CLI_OPTIONS_MAX = 24 };

struct cli {
    struct io *io;
    const struct cli_command *command;
    const char *values[CLI_OPTIONS_MAX]; /* by the option's index; "" for a flag that is set */
    const char *shared_values[8];        /* the options of every command */
    char **arguments;
    int argument_count;
    bool json;          /* -o json */
    const char *output; /* "table", "json", "csv" */
};

extern const struct cli_command *const cli_commands[]; /* ended by NULL */
extern const struct cli_option cli_shared_options[];

/* The value of an option, or NULL when it is not given; flags give "". */
const char *cli_option(const struct cli *cli, const char *name);
/* The argument at index, or fallback. */
const char *cli_argument(const struct cli *cli, int index, const char *fallback);
/* A number or duration of an option. Prints and answers false when it is none. */
bool cli_number(const struct cli *cli, const char *name, int64_t fallback, int64_t *ret_value);
bool cli_duration_ms(const struct cli *cli, const char *name, int64_t fallback, int64_t *ret_value);

/* Standard output; prints to it. */
void cli_print(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void cli_write(const struct cli *cli, struct str bytes);
/* One line to standard error: "millrace: ..". */
void cli_error(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The diag with the line of its file and a caret, to standard error. directory may be NULL. */
void cli_diag(const struct cli *cli, const char *directory, const struct diag *diag);
/* The same with the text at hand; source may be STR_NONE. */
void cli_diag_text(struct str source, const struct diag *diag);
/* All of standard input, behind what out has; ERR_LIMIT: more than out may hold. */
enum err cli_read_input(struct cli *cli, struct buf *out) MUST_USE;
/* Standard input, one call a line without its line feed; ERR_LIMIT: printed. */
enum err cli_each_line(struct cli *cli, enum err (*line)(void *owner, struct str line),
                       void *owner) MUST_USE;
/* Exit code of an error: 75 for what may go away by itself. */
int cli_exit(enum err err);

/* ---- the engine behind a command: a running server, or the files of a stopped project ---- */

struct engine;
/* --server or MILLRACE_SERVER: that server. Else the project at directory (--project, or the
 * working directory): its files, or its server when it runs. Else http://127.0.0.1:8080. Prints
 * what is wrong.
 */
enum err engine_open(const struct cli *cli, struct engine **ret_engine) MUST_USE;
void engine_close(struct engine *engine);
/* One call of the API (serve/api.h). body may be STR_NONE. Appends the answer to out; for an error
 * answer prints it and gives its code. */
enum err engine_call(struct engine *engine, const char *method, const char *path, struct str body,
                     struct buf *out) MUST_USE;
/* The text that places of errors refer to, shown with a caret; borrowed for the next call. */
void engine_source(struct engine *engine, struct str text);
/* The same, quiet: the answer's status in ret_status, errors of the API in out. */
enum err engine_call_status(struct engine *engine, const char *method, const char *path,
                            struct str body, struct buf *out, int *ret_status) MUST_USE;
/* "http://127.0.0.1:8080" or the project's directory. */
const char *engine_name(const struct engine *engine);

/* ---- printing a JSON list of objects as a table ---- */
struct cli_column {
    const char *title;
    const char *member; /* of each object */
    bool right;         /* numbers */
};
/* Columns as wide as their widest cell; the text of strings, raw otherwise. */
void cli_table(const struct cli *cli, struct str list, const struct cli_column *columns,
               size_t count);
/* {"columns":[..],"rows":[..]} of /api/sql in the wanted output form. */
void cli_rows(const struct cli *cli, struct str answer);

#endif
