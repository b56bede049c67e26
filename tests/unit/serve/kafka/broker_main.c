/* SPDX-License-Identifier: MIT */
/* A broker over a log, and nothing else, for clients of others:
 *     test-kafka-broker DIRECTORY ADDRESS [sync|os [PARTITIONS]]
 * Runs until SIGTERM or SIGINT. */
#include "base/logline.h"
#include "serve/kafka/kafka.h"

#include <stdio.h>
#include <string.h>

static void stop(void *owner, int number)
{
    io_loop_stop(owner);
}

static enum err run(struct io *io, char **args, struct diag *diag)
{
    struct io_loop *loop;
    struct log *log;
    struct kafka_broker *broker;
    struct log_options options = {.durability = LOG_SYNC, .own_thread = true};
    struct kafka_broker_options broker_options = {.partitions_default = 4};
    struct kafka_listener_options listen = {.address = args[2]};
    uint16_t port;
    int64_t partitions;
    if (args[3] && strcmp(args[3], "os") == 0)
        options.durability = LOG_OS;
    if (args[3] && args[4] && str_to_i64(str_of(args[4]), &partitions) == OK)
        broker_options.partitions_default = (int32_t)partitions;
    TRY(io_loop_new(io, &loop));
    enum err err = log_open(io, args[1], &options, diag, &log);
    if (err == OK) {
        err = kafka_broker_new(loop, log, &broker_options, diag, &broker);
        if (err == OK) {
            err = kafka_broker_listen(broker, &listen, &port);
            if (err == OK)
                err = io_signals_watch(loop, stop, loop);
            if (err == OK)
                io_loop_run(loop);
            kafka_broker_free(broker);
        }
        log_close(log);
    }
    io_loop_free(loop);
    return err;
}

int main(int argc, char **argv)
{
    struct diag diag = {0};
    if (argc < 3) {
        fprintf(stderr, "usage: test-kafka-broker DIRECTORY ADDRESS [sync|os [PARTITIONS]]\n");
        return 2;
    }
    struct io *io = io_kernel_new();
    enum err err = run(io, argv, &diag);
    if (err != OK)
        fprintf(stderr, "%s %s\n", err_text(err), diag.message);
    io_free(io);
    return err != OK;
}
