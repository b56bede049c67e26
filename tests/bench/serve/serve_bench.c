/* SPDX-License-Identifier: MIT */
/*
 * Speed of the ways in, without the pipeline behind them:
 *
 *   bench-serve users                how fast mock users are made, one core
 *   bench-serve pull [SECONDS]       mock API and http source in one process: rows into a log
 *   bench-serve webhook PORT [SECONDS]   POST /hook into a log; drive it with wrk, see below
 *
 *   wrk -t1 -c64 -d5 -s tests/bench/serve/post.lua http://127.0.0.1:PORT/hook
 */
#include "connect/webhook.h"
#include "serve/mock_api.h"
#include "tree.h"

#include <stdio.h>
#include <stdlib.h>

struct bench {
    struct io *io;
    struct io_loop *loop;
    struct log *log;
    struct log_topic *topic;
    struct feed *feed;
    struct tree tree;
    struct source *source;
    const struct connector *connector;
    char dir[64];
};

static void must(enum err err, const char *what)
{
    if (err == OK)
        return;
    fprintf(stderr, "%s: %s\n", what, err_text(err));
    exit(1);
}

static double seconds(struct bench *b)
{
    return (double)io_now_ns(b->io) / 1e9;
}

static void bench_open(struct bench *b, const char *kind)
{
    struct log_options options = {.durability = LOG_SYNC, .own_thread = true};
    struct log_topic_config config;
    uint64_t number;
    b->io = io_kernel_new();
    io_random(b->io, &number, sizeof number);
    snprintf(b->dir, sizeof b->dir, "/tmp/bench-serve-%016llx", (unsigned long long)number);
    must(io_loop_new(b->io, &b->loop), "loop");
    must(log_open(b->io, b->dir, &options, NULL, &b->log), "log");
    log_topic_config_default(&config);
    must(log_topic_create(b->log, STR("t"), &config, NULL, &b->topic), "topic");
    must(feed_new(b->log, b->topic, b->loop, STR("bench"), 0, &b->feed), "feed");
    tree_init(&b->tree);
    b->connector = connector_find(str_of(kind));
}

static void bench_start(struct bench *b)
{
    struct diag diag = {0};
    must(b->connector->open(b->loop, &b->tree.root, b->dir, STR("bench"), b->feed, &diag,
                            &b->source),
         diag.message);
    b->connector->start(b->source);
}

static void report(struct bench *b, const char *what, double took)
{
    struct feed_counters counters;
    struct io_usage usage;
    feed_counters(b->feed, &counters);
    io_usage(b->io, &usage);
    printf("%s: %.2f us of processor a record, all threads, mock included; %.0f MB\n", what,
           (double)usage.cpu_us / (double)counters.appended, (double)usage.rss_bytes / 1e6);
    printf("%s: %.0f records/s, %.1f MB/s, %llu records in %.2f s\n", what,
           (double)counters.appended / took, (double)counters.bytes / took / 1e6,
           (unsigned long long)counters.appended, took);
    log_close(b->log);
    must(io_path_remove_tree(b->io, b->dir), "remove");
}

static int bench_users(void)
{
    struct bench b = {.io = io_kernel_new()};
    struct buf out = {0};
    mock_api_user(1, 0, &out);
    double start = seconds(&b);
    size_t bytes = 0;
    enum { USERS = 1000000 };
    for (uint64_t i = 0; i < USERS; i++) {
        buf_reset(&out);
        mock_api_user(1, i, &out);
        bytes += out.bytes;
    }
    double took = seconds(&b) - start;
    printf("users: %.0f users/s, %.0f bytes each\n", USERS / took, (double)bytes / USERS);
    return 0;
}

static int bench_pull(double duration)
{
    struct bench b = {0};
    struct mock_api *api = NULL;
    char url[64];
    bench_open(&b, "http");
    struct mock_api_options options = {.address = "127.0.0.1:0", .seed = 1};
    must(mock_api_new(b.loop, &options, NULL, &api), "mock");
    snprintf(url, sizeof url, "http://127.0.0.1:%u/api/", mock_api_port(api));
    tree_set(&b.tree, "url", url);
    tree_set(&b.tree, "query.seed", "bench");
    tree_set(&b.tree, "page.param", "page");
    tree_set(&b.tree, "page.size.param", "results");
    tree_set(&b.tree, "page.size.value", "5000");
    tree_set(&b.tree, "records", "$.results[*]");
    tree_set(&b.tree, "key", "$.login.uuid");
    bench_start(&b);
    double start = seconds(&b);
    while (seconds(&b) - start < duration)
        io_loop_turn(b.loop, 10000000);
    report(&b, "pull", seconds(&b) - start);
    return 0;
}

struct hook {
    struct webhook_request request;
    struct http_exchange *exchange;
    struct hook *next;
};
static struct hook *spare;

static void answered(struct webhook_request *request, const struct webhook_answer *answer)
{
    struct hook *hook = request->owner;
    http_exchange_answer(hook->exchange, answer->status, "application/json", STR("{\"records\":1}"),
                         NULL);
    hook->next = spare;
    spare = hook;
}

static void handle(struct http_exchange *exchange, void *owner)
{
    struct bench *b = owner;
    struct hook *hook = spare ? spare : mem_zero(sizeof *hook);
    spare = spare ? spare->next : NULL;
    hook->exchange = exchange;
    hook->request = (struct webhook_request){
        .body = http_exchange_body(exchange), .answered = answered, .owner = hook};
    b->connector->webhook->accept(b->source, &hook->request);
}

static int bench_webhook(const char *port, double duration)
{
    struct bench b = {0};
    struct http_server *server = NULL;
    char address[64];
    bench_open(&b, "webhook");
    tree_set(&b.tree, "path", "/hook");
    bench_start(&b);
    must(http_server_new(b.loop, NULL, &server), "server");
    http_server_route(server, "POST", "/hook", 0, handle, &b);
    snprintf(address, sizeof address, "127.0.0.1:%s", port);
    must(http_server_listen(server, address, NULL, NULL), address);
    double start = seconds(&b);
    while (seconds(&b) - start < duration)
        io_loop_turn(b.loop, 10000000);
    report(&b, "webhook", seconds(&b) - start);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "users";
    if (strcmp(what, "pull") == 0)
        return bench_pull(argc > 2 ? strtod(argv[2], NULL) : 3);
    if (strcmp(what, "webhook") == 0)
        return bench_webhook(argc > 2 ? argv[2] : "18099", argc > 3 ? strtod(argv[3], NULL) : 8);
    return bench_users();
}
