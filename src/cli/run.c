/* SPDX-License-Identifier: MIT */
/*
 * millrace run: a project in the foreground. One loop does the network and the timers; the status
 * is redrawn in place on a terminal and printed as lines elsewhere. Ends by Ctrl-C (drains; a
 * second one ends at once), by --for, by --until-idle, or when a stream or source has failed.
 */
#include "base/civil.h"
#include "base/logline.h"
#include "cli/commands.h"
#include "cli/doors.h"
#include "pipeline/pipeline.h"
#include "serve/api.h"

#include <stdio.h>
#include <string.h>

enum {
    LIVE_MS = 250,
    LINES_MS = 5000,
    IDLE_LOOK_MS = 20,
    QUIET_MS = 3000,
    LOCK_WAIT_MS = 3000,
    LOCK_LOOK_MS = 10,
};

struct run {
    struct cli *cli;
    struct io *io;
    struct io_loop *loop;
    struct project *project;
    struct pipeline *pipeline;
    struct http_server *server;
    struct api *api;
    struct doors doors;
    struct io_timer end_timer, status_timer, idle_timer;
    int64_t started_ns;
    int64_t quiet_ms;
    bool live; /* redraw in place */
    bool stopping;
    bool failed;
    int lines_drawn;
    uint64_t *counts; /* one a line, of the time it was drawn before */
    int64_t looked_ns;
    struct pipeline_status first; /* books at the start */
    struct arena first_arena;
};

/* ---- stopping ---- */

static void drained(void *owner)
{
    struct run *run = owner;
    io_loop_stop(run->loop);
}

static void stop(struct run *run)
{
    if (run->stopping)
        return;
    run->stopping = true;
    pipeline_drain(run->pipeline, drained, run);
}

static void signalled(void *owner, int number)
{
    struct run *run = owner;
    if (run->stopping) {
        io_loop_stop(run->loop);
        return;
    }
    if (!run->cli->json)
        fprintf(stderr, "%sstopping: taking what is in the topics (again to stop at once)\n",
                run->live ? "\n" : "");
    run->lines_drawn = 0;
    stop(run);
}

static void time_is_up(struct io_timer *timer)
{
    stop(timer->owner);
}

static void look_idle(struct io_timer *timer)
{
    struct run *run = timer->owner;
    char text[300];
    if (pipeline_failed(run->pipeline, text, sizeof text)) {
        run->failed = true;
        stop(run);
        return;
    }
    if (run->quiet_ms && pipeline_is_idle(run->pipeline, run->quiet_ms)) {
        stop(run);
        return;
    }
    io_timer_start(run->loop, timer, (run->quiet_ms ? IDLE_LOOK_MS : LIVE_MS) * 1000000LL);
}

/* ---- status ---- */

static void print_ms(struct buf *out, int64_t us)
{
    if (us < 0)
        buf_text(out, "-");
    else
        buf_printf(out, us < 10000 ? "%.1f ms" : "%.0f ms", (double)us / 1000);
}

static const char *source_word(const struct source_status *s)
{
    static const char *const words[] = {"idle", "fetching", "waiting", "blocked", "done", "failed"};
    return words[s->state];
}

static void source_line(struct buf *out, const struct pipeline_source_status *s, double rate)
{
    buf_printf(out, "  %-18.*s %-9s", STR_ARG(s->name), s->connector ? s->connector : "topic");
    if (s->connector)
        buf_printf(out, " fetched %-10llu %8.0f/s  appended %-10llu %s",
                   (unsigned long long)s->fetched, rate, (unsigned long long)s->appended,
                   source_word(&s->source));
    else
        buf_printf(out, " records %-10lld", (long long)s->topic_records);
    if (s->source.detail[0])
        buf_printf(out, ": %s", s->source.detail);
    buf_char(out, '\n');
}

static void table_line(struct buf *out, const struct pipeline_table_status *t, double rate)
{
    buf_printf(out, "  %-18.*s %-9s", STR_ARG(t->name), t->state);
    if (t->view) {
        buf_printf(out, " rows    %-10llu refreshed %llu times", (unsigned long long)t->rows,
                   (unsigned long long)t->epoch);
    } else {
        buf_printf(out, " stored  %-10llu %8.0f/s  p50 ", (unsigned long long)t->stored, rate);
        print_ms(out, t->p50_us);
        buf_text(out, " p99 ");
        print_ms(out, t->p99_us);
        buf_printf(out, "  lag %lld  dead %llu  filtered %llu", (long long)t->lag,
                   (unsigned long long)t->dead, (unsigned long long)t->filtered);
    }
    if (t->detail[0])
        buf_printf(out, "  %s", t->detail);
    buf_char(out, '\n');
}

/* Lines that wrapped could not be drawn over: they are cut at the terminal's edge. */
static void cut_lines(struct str text, uint32_t columns, struct buf *out)
{
    for (struct str line; str_cut(&text, '\n', &line);) {
        uint32_t column = 0;
        size_t bytes = 0;
        for (; bytes < line.bytes; bytes++) {
            column += ((unsigned char)line.ptr[bytes] & 0xC0) != 0x80;
            if (column >= columns)
                break;
        }
        buf_str_append(out, str_slice(line, 0, bytes));
        if (text.ptr)
            buf_char(out, '\n');
    }
}

/* What a line's counter grew by since the line was drawn before, a second. */
static double rate(struct run *run, size_t line, uint64_t count, double seconds)
{
    uint64_t grown = count - run->counts[line];
    run->counts[line] = count;
    return seconds > 0 ? (double)grown / seconds : 0;
}

static void status_lines(struct run *run, const struct pipeline_status *status, double seconds,
                         struct buf *out)
{
    size_t line = 0;
    for (size_t i = 0; i < status->source_count; i++, line++)
        source_line(out, &status->sources[i], rate(run, line, status->sources[i].fetched, seconds));
    for (size_t i = 0; i < status->table_count; i++, line++)
        table_line(out, &status->tables[i], rate(run, line, status->tables[i].rows, seconds));
    if (status->log_health != OK)
        buf_printf(out, "  intake has stopped: %s\n",
                   status->log_trouble[0] ? status->log_trouble : err_text(status->log_health));
}

static void draw(struct run *run)
{
    CLEAN(arena_deinit) struct arena arena = {.bytes_max = 16 << 20};
    CLEAN(buf_deinit) struct buf lines = {0}, out = {0};
    struct pipeline_status status;
    int64_t now_ns = io_now_ns(run->io);
    pipeline_status(run->pipeline, &arena, &status);
    status_lines(run, &status, (double)(now_ns - run->looked_ns) / 1e9, &lines);
    run->looked_ns = now_ns;
    if (run->live && run->lines_drawn)
        buf_printf(&out, "\033[%dA\033[J", run->lines_drawn);
    if (run->live)
        cut_lines(buf_str(&lines), io_terminal_columns(run->io), &out);
    else
        buf_str_append(&out, buf_str(&lines));
    run->lines_drawn = (int)(status.source_count + status.table_count) + (status.log_health != OK);
    cli_write(run->cli, buf_str(&out));
}

static void status_due(struct io_timer *timer)
{
    struct run *run = timer->owner;
    if (run->stopping)
        return;
    draw(run);
    io_timer_start(run->loop, timer, (run->live ? LIVE_MS : LINES_MS) * 1000000LL);
}

/* ---- summary ---- */

static uint64_t since(uint64_t now, uint64_t first)
{
    return now >= first ? now - first : now;
}

static void summary_table(struct run *run, const struct pipeline_table_status *t,
                          const struct pipeline_table_status *first, double seconds,
                          struct buf *out)
{
    uint64_t read = since(t->read, first->read), dead = since(t->dead, first->dead);
    if (t->view) {
        buf_printf(out, "  %.*s.%.*s\n    rows           %12llu   (materialized view)\n",
                   STR_ARG(t->keyspace), STR_ARG(t->table), (unsigned long long)t->rows);
        return;
    }
    buf_printf(out,
               "  %.*s.%.*s\n    processed      %12llu\n    stored         %12llu   (%llu rows)\n"
               "    filtered       %12llu\n    dead-lettered  %12llu\n    rows/s         %12.0f\n",
               STR_ARG(t->keyspace), STR_ARG(t->table), (unsigned long long)(read - dead),
               (unsigned long long)since(t->stored, first->stored),
               (unsigned long long)since(t->rows, first->rows),
               (unsigned long long)since(t->filtered, first->filtered), (unsigned long long)dead,
               seconds > 0 ? (double)since(t->rows, first->rows) / seconds : 0);
    buf_text(out, "    latency        p50 ");
    print_ms(out, t->p50_us);
    buf_text(out, ", p99 ");
    print_ms(out, t->p99_us);
    buf_text(out, " from the record's arrival to the stored row\n");
}

static void summary(struct run *run, const struct pipeline_status *status)
{
    CLEAN(buf_deinit) struct buf out = {0};
    double seconds = (double)status->running_ms / 1000;
    if (run->cli->json) {
        pipeline_status_json(status, &out);
        buf_char(&out, '\n');
        cli_write(run->cli, buf_str(&out));
        return;
    }
    buf_printf(&out, "\n%s after %.1f s, %.1f s of CPU, %.0f MB of memory\n",
               run->failed ? "failed" : "done", seconds, (double)status->usage.cpu_us / 1e6,
               (double)status->usage.rss_bytes / 1e6);
    for (size_t i = 0; i < status->source_count; i++) {
        const struct pipeline_source_status *s = &status->sources[i];
        if (!s->connector)
            continue;
        buf_printf(&out,
                   "  %.*s\n    fetched        %12llu   (%llu requests, %llu failed, %llu empty)\n"
                   "    appended       %12llu\n    records/s      %12.0f\n",
                   STR_ARG(s->name), (unsigned long long)s->fetched,
                   (unsigned long long)s->source.requests, (unsigned long long)s->source.errors,
                   (unsigned long long)s->source.empty_answers, (unsigned long long)s->appended,
                   seconds > 0 ? (double)s->fetched / seconds : 0);
    }
    for (size_t i = 0; i < status->table_count; i++)
        summary_table(run, &status->tables[i], &run->first.tables[i], seconds, &out);
    buf_printf(&out, "  books %s%s\n", status->balanced ? "balance" : "DO NOT balance: ",
               status->balanced ? "" : status->imbalance);
    cli_write(run->cli, buf_str(&out));
}

/* ---- starting ---- */

/* "127.0.0.1:", with the colon. */
static struct str host_of(struct str address)
{
    while (address.bytes && address.ptr[address.bytes - 1] != ':')
        address.bytes--;
    return address;
}

/* Clients need not be refused while the stores are opened: they wait, since the loop does not turn
 * before all is ready. */
static enum err listen_http(struct run *run, uint16_t *ret_port, struct diag *diag)
{
    struct http_server_options options = {0};
    if (!run->project->listen_http.ptr)
        return OK;
    TRY(http_server_new(run->loop, &options, &run->server));
    CLEAN(mem_free_at) char *address = str_dup(run->project->listen_http);
    enum err err = http_server_listen(run->server, address, NULL, ret_port);
    if (err == OK)
        return OK;
    diag_hint(diag, "set `listeners: {http: 127.0.0.1:PORT}` in millrace.yml, or `off`");
    return diag_set(diag, err, 0, 0, "cannot listen on %s: %s", address, err_text(err));
}

static enum err open_api(struct run *run, uint16_t port)
{
    if (!run->server)
        return OK;
    TRY(api_new(run->server, run->pipeline, &run->api));
    return OK;
}

static void say_listening(struct run *run, uint16_t port)
{
    CLEAN(buf_deinit) struct buf line = {0};
    if (run->server)
        buf_printf(&line, " · http://%.*s%u", STR_ARG(host_of(run->project->listen_http)), port);
    doors_print(&run->doors, run->project, &line);
    if (line.bytes)
        cli_print(run->cli, "listening on %.*s, ready in %.1f ms\n",
                  STR_ARG(str_slice(buf_str(&line), strlen(" · "), line.bytes)),
                  (double)(io_now_ns(run->io) - run->started_ns) / 1e6);
}

/* Another run of the project would have its port. Else it is a command that has the files open for
 * a moment. */
static enum err open_pipeline(struct run *run, bool wait, struct diag *diag)
{
    int64_t end_ns = io_now_ns(run->io) + LOCK_WAIT_MS * 1000000LL;
    for (;;) {
        enum err err = pipeline_open(run->project, run->loop, diag, &run->pipeline);
        if (err != ERR_CONFLICT || !wait || io_now_ns(run->io) > end_ns)
            return err;
        *diag = (struct diag){0};
        io_sleep_ns(run->io, LOCK_LOOK_MS * 1000000LL);
    }
}

static enum err open_run(struct run *run, const char *directory)
{
    struct diag_list diags = {0};
    struct diag diag = {0};
    enum err err = project_load(run->io, directory, &diags, &run->project);
    for (size_t i = 0; i < diags.count; i++)
        cli_diag(run->cli, directory, &diags.items[i]);
    if (err != OK)
        cli_error(run->cli, "%zu mistake%s in %s; nothing was started", diags.count + diags.dropped,
                  diags.count == 1 ? "" : "s", directory);
    diag_list_deinit(&diags);
    TRY(err);
    /* Of two runs of one project the second shall hear of the data, not of the port. */
    struct diag listening = {0};
    uint16_t port = 0;
    enum err listens = listen_http(run, &port, &listening);
    err = open_pipeline(run, listens == OK, &diag);
    if (err == OK && listens != OK) {
        err = listens;
        diag = listening;
    }
    if (err == OK)
        err = open_api(run, port);
    if (err == OK)
        err = doors_open(run->cli, run->pipeline, &run->doors, &diag);
    if (err == OK && !run->cli->json)
        say_listening(run, port);
    if (err != OK) {
        diag_set(&diag, err, 0, 0, "%s", err_text(err));
        cli_diag(run->cli, directory, &diag);
    }
    return err;
}

static void start(struct run *run, int64_t for_ms)
{
    arena_init(&run->first_arena, 16 << 20);
    pipeline_start(run->pipeline);
    pipeline_status(run->pipeline, &run->first_arena, &run->first);
    run->counts =
        mem_zero((run->first.source_count + run->first.table_count + 1) * sizeof *run->counts);
    for (size_t i = 0; i < run->first.table_count; i++)
        run->counts[run->first.source_count + i] = run->first.tables[i].rows;
    run->looked_ns = io_now_ns(run->io);
    run->end_timer = (struct io_timer){.fire = time_is_up, .owner = run};
    run->status_timer = (struct io_timer){.fire = status_due, .owner = run};
    run->idle_timer = (struct io_timer){.fire = look_idle, .owner = run};
    if (for_ms)
        io_timer_start(run->loop, &run->end_timer, for_ms * 1000000);
    if (!run->cli->json)
        io_timer_start(run->loop, &run->status_timer, (run->live ? LIVE_MS : LINES_MS) * 1000000LL);
    /* Failure is looked for now and then; idleness often, when somebody waits for it. */
    io_timer_start(run->loop, &run->idle_timer, IDLE_LOOK_MS * 1000000LL);
}

static void close_run(struct run *run)
{
    io_timer_stop(run->loop, &run->end_timer);
    io_timer_stop(run->loop, &run->status_timer);
    io_timer_stop(run->loop, &run->idle_timer);
    doors_close(&run->doors);
    api_free(run->api);
    http_server_free(run->server);
    pipeline_close(run->pipeline);
    project_free(run->project);
    arena_deinit(&run->first_arena);
    mem_free(run->counts);
}

static int finish(struct run *run)
{
    CLEAN(arena_deinit) struct arena arena = {.bytes_max = 16 << 20};
    struct pipeline_status status;
    char text[300];
    if (run->live && !run->cli->json)
        draw(run);
    pipeline_status(run->pipeline, &arena, &status);
    summary(run, &status);
    if (pipeline_failed(run->pipeline, text, sizeof text)) {
        cli_error(run->cli, "%s", text);
        return EXIT_FAILED;
    }
    if (status.log_health != OK || status.table_health != OK) {
        enum err err = status.log_health != OK ? status.log_health : status.table_health;
        cli_error(run->cli, "%s", err_text(err));
        return cli_exit(err);
    }
    return status.balanced ? EXIT_DONE : EXIT_FAILED;
}

static int run_run(struct cli *cli)
{
    const char *directory = cli_argument(cli, 0, cli_option(cli, "project"));
    struct run run = {.cli = cli, .io = cli->io, .started_ns = io_now_ns(cli->io)};
    int64_t for_ms, quiet_ms;
    if (!cli_duration_ms(cli, "for", 0, &for_ms) ||
        !cli_duration_ms(cli, "quiet", QUIET_MS, &quiet_ms))
        return EXIT_USAGE;
    run.quiet_ms = cli_option(cli, "until-idle") ? quiet_ms : 0;
    run.live = io_is_terminal(cli->io, 1) && !cli->json;
    if (cli->json)
        log_level_set(LOG_WARN);
    if (io_loop_new(cli->io, &run.loop) != OK ||
        io_signals_watch(run.loop, signalled, &run) != OK) {
        cli_error(cli, "the event loop cannot be made");
        return EXIT_FAILED;
    }
    enum err err = open_run(&run, directory ? directory : ".");
    int code = cli_exit(err);
    if (err == OK) {
        start(&run, for_ms);
        io_loop_run(run.loop);
        code = finish(&run);
    }
    close_run(&run);
    io_loop_free(run.loop);
    return code;
}

static const struct cli_option options[] = {
    {"for", 0, "TIME", "end by itself after that time (60s, 5m), drained"},
    {"until-idle", 0, NULL, "end when everything that comes is stored"},
    {"quiet", 0, "TIME", "with --until-idle: how long nothing new may come (3s)"},
    {0},
};

const struct cli_command command_run = {
    .name = "run",
    .arguments = "[DIR]",
    .summary = "runs a project in the foreground",
    .text =
        "Starts the sources, streams, tables and listeners of the project in DIR (the working\n"
        "directory by default) and shows one line for each. Ctrl-C stops the sources, takes\n"
        "what is in the topics and ends; a second Ctrl-C ends at once, which loses nothing\n"
        "either: the next run goes on where this one stopped.\n\n"
        "The exit code is 0 when all is well, 1 when a stream or source failed or the books do\n"
        "not balance, 75 when the disk is full or another run works on the same data.",
    .examples = "  millrace run users\n"
                "  millrace run users --for 60s -o json\n"
                "  DATASOURCE_URL=https://randomuser.me/api/ millrace run users",
    .options = options,
    .arguments_max = 1,
    .run = run_run,
};
