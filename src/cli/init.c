/* SPDX-License-Identifier: MIT */
/* millrace init: a project that runs, written from the examples that are built in. */
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/examples.h"

#include <string.h>

static const char *const GITIGNORE = "/data/\n.env\n";
static const char *const ENV =
    "# Values for ${NAME} in millrace.yml. This file stays on your machine.\n"
    "# DATASOURCE_URL=http://127.0.0.1:8090/api/\n";

static bool is_example(const char *name)
{
    for (size_t i = 0; example_files[i].folder; i++)
        if (strcmp(example_files[i].folder, name) == 0)
            return true;
    return false;
}

static int unknown_example(struct cli *cli, const char *name)
{
    CLEAN(buf_deinit) struct buf names = {0};
    for (size_t i = 0; example_files[i].folder; i++)
        if (i == 0 || strcmp(example_files[i].folder, example_files[i - 1].folder) != 0)
            buf_printf(&names, "%s%s", names.bytes ? ", " : "", example_files[i].folder);
    cli_error(cli, "there is no example '%s'; there are: %s", name, buf_c_str(&names));
    return EXIT_USAGE;
}

static enum err write_file(struct cli *cli, const char *directory, const char *path,
                           struct str content)
{
    CLEAN(buf_deinit) struct buf full = {0}, folder = {0};
    const char *slash = strrchr(path, '/');
    buf_printf(&full, "%s/%s", directory, path);
    buf_printf(&folder, "%s/%.*s", directory, slash ? (int)(slash - path) : 0, path);
    TRY(io_path_make_directory(cli->io, buf_c_str(&folder)));
    TRY(io_path_replace(cli->io, buf_c_str(&full), content.ptr, content.bytes));
    cli_print(cli, "  %s/%s\n", directory, path);
    return OK;
}

static enum err write_project(struct cli *cli, const char *directory, const char *example)
{
    TRY(io_path_make_directory(cli->io, directory));
    for (size_t i = 0; example_files[i].folder; i++)
        if (strcmp(example_files[i].folder, example) == 0)
            TRY(write_file(cli, directory, example_files[i].path,
                           str_from(example_files[i].content, example_files[i].bytes)));
    TRY(write_file(cli, directory, ".gitignore", str_of(GITIGNORE)));
    return write_file(cli, directory, ".env", str_of(ENV));
}

static int run_init(struct cli *cli)
{
    const char *directory = cli_argument(cli, 0, "."), *example = cli_option(cli, "example");
    CLEAN(buf_deinit) struct buf path = {0};
    struct io_stat stat;
    example = example ? example : "random-users";
    if (!is_example(example))
        return unknown_example(cli, example);
    buf_printf(&path, "%s/millrace.yml", directory);
    if (io_path_stat(cli->io, buf_c_str(&path), &stat) == OK) {
        cli_error(cli, "%s is there already; nothing was written", buf_c_str(&path));
        return EXIT_FAILED;
    }
    enum err err = write_project(cli, directory, example);
    if (err != OK) {
        cli_error(cli, "cannot write to %s: %s", directory, err_text(err));
        return cli_exit(err);
    }
    cli_print(cli, "next: millrace check %s && millrace run %s\n", directory, directory);
    return EXIT_DONE;
}

static const struct cli_option options[] = {
    {"example", 0, "NAME", "random-users (default), clickstream or earthquakes"},
    {0},
};

const struct cli_command command_init = {
    .name = "init",
    .arguments = "[DIR]",
    .summary = "writes a project that runs",
    .examples = "  millrace init users --example random-users\n"
                "  millrace init clicks --example clickstream",
    .options = options,
    .arguments_max = 1,
    .run = run_init,
};
