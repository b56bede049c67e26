/* SPDX-License-Identifier: MIT */
/* A CQL server over a store, and nothing else, for clients of others:
 *     test-cql-server DIRECTORY ADDRESS [sync] [user password]
 * Runs until SIGTERM or SIGINT. */
#include "serve/cql/cql.h"

#include <stdio.h>
#include <string.h>

static void stop(void *owner, int number)
{
    io_loop_stop(owner);
}

static enum err run(struct io *io, int count, char **args, struct diag *diag)
{
    struct io_loop *loop;
    struct table_store *store;
    struct cql_server *server;
    struct table_store_options store_options = {.cache_bytes = 64 << 20,
                                                .memtable_bytes = 64 << 20};
    struct cql_server_options options = {.address = args[2], .cluster_name = STR("Test Cluster")};
    int at = 3;
    if (at < count && strcmp(args[at], "sync") == 0) {
        options.sync = true;
        at++;
    }
    if (at + 1 < count) {
        options.user = str_of(args[at]);
        options.password = str_of(args[at + 1]);
    }
    TRY(io_loop_new(io, &loop));
    enum err err = table_store_open(io, args[1], &store_options, diag, &store);
    if (err == OK) {
        err = cql_server_new(loop, store, &options, diag, &server);
        if (err == OK) {
            printf("port %u\n", cql_server_port(server));
            fflush(stdout);
            err = io_signals_watch(loop, stop, loop);
            if (err == OK)
                io_loop_run(loop);
            cql_server_free(server);
        }
        table_store_close(store);
    }
    io_loop_free(loop);
    return err;
}

int main(int argc, char **argv)
{
    struct diag diag = {0};
    if (argc < 3) {
        fprintf(stderr, "usage: test-cql-server DIRECTORY ADDRESS [sync] [user password]\n");
        return 2;
    }
    struct io *io = io_kernel_new();
    enum err err = run(io, argc, argv, &diag);
    if (err != OK)
        fprintf(stderr, "%s %s\n", err_text(err), diag.message);
    io_free(io);
    return err != OK;
}
