/* SPDX-License-Identifier: MIT */
/* millrace mock-api: an offline randomuser.me, for demos and tests. */
#include "cli/commands.h"
#include "serve/mock_api.h"

static void stop(void *owner, int number)
{
    io_loop_stop(owner);
}

static int run_mock(struct cli *cli)
{
    struct mock_api_options options = {.address = "127.0.0.1:8090", .never_repeat = true};
    struct io_loop *loop;
    struct mock_api *api;
    struct diag diag = {0};
    int64_t seed, limit;
    if (!cli_number(cli, "seed", 1, &seed) || !cli_number(cli, "limit", 0, &limit))
        return EXIT_USAGE;
    if (cli_option(cli, "listen"))
        options.address = cli_option(cli, "listen");
    options.seed = (uint64_t)seed;
    options.rate_per_minute = (uint32_t)limit;
    options.faults = cli_option(cli, "fault");
    if (io_loop_new(cli->io, &loop) != OK || io_signals_watch(loop, stop, loop) != OK)
        return EXIT_FAILED;
    enum err err = mock_api_new(loop, &options, &diag, &api);
    if (err != OK) {
        diag_set(&diag, err, 0, 0, "cannot listen on %s: %s", options.address, err_text(err));
        cli_diag(cli, NULL, &diag);
        io_loop_free(loop);
        return cli_exit(err);
    }
    cli_print(cli, "mock API on http://127.0.0.1:%u/api/ (Ctrl-C ends it)\n", mock_api_port(api));
    io_loop_run(loop);
    mock_api_free(api);
    io_loop_free(loop);
    return EXIT_DONE;
}

static const struct cli_option options_table[] = {
    {"listen", 'l', "ADDRESS", "where to listen (127.0.0.1:8090)"},
    {"seed", 0, "N", "users that depend on N only (1)"},
    {"limit", 0, "N", "answer 429 after N requests a minute"},
    {"fault", 'f', "LIST", "rate-limit,500,slow,empty,truncate,drop by chance, as 500=0.2 (0.1)"},
    {0},
};

const struct cli_command command_mock = {
    .name = "mock-api",
    .arguments = "",
    .summary = "an offline randomuser.me that can misbehave",
    .text =
        "Serves http://127.0.0.1:8090/api/ with every field of randomuser.me v1.4. Parameters:\n"
        "results (1..5000), seed, page, gender, nat, inc, exc, noinfo. Without seed= each\n"
        "request gives new users; with it the same users again.",
    .examples = "  millrace mock-api\n"
                "  millrace mock-api --fault rate-limit=0.1,500=0.05,empty=0.02 --seed 7\n"
                "  curl 'http://127.0.0.1:8090/api/?results=2&nat=de,fr'",
    .options = options_table,
    .arguments_max = 0,
    .run = run_mock,
};
