/* SPDX-License-Identifier: MIT */
#ifndef TEST_CQL_HARNESS_H
#define TEST_CQL_HARNESS_H

/* A CQL server on the simulated machine, over a store in memory, and raw clients of it. */
#include "serve/cql/cql.h"
#include "wire/cql/cql.h"

#include "test.h"

struct rig {
    struct io *io;
    struct io_loop *loop;
    struct table_store *store;
    struct cql_server *server;
    struct arena arena;
    char address[64];
};
void rig_up(struct rig *rig, const struct cql_server_options *options);
/* The server goes and comes back; the store stays. */
void rig_restart(struct rig *rig, const struct cql_server_options *options);
void rig_down(struct rig *rig);
void rig_turns(struct rig *rig, int count);
void rig_pass(struct rig *rig, int64_t ms);

struct client {
    struct rig *rig;
    struct io_stream *stream;
    struct buf in;   /* as it came */
    struct buf flat; /* envelopes, out of their segments */
    uint8_t version;
    enum cql_compression compression;
    bool framed, closed;
    int16_t next_stream;
    size_t segments; /* received */
};
struct client *client_new(struct rig *rig, unsigned version);
void client_free(struct client *client);
/* Bytes as they are. */
void client_raw(struct client *client, const void *data, size_t bytes);
/* Bytes of envelopes, in segments where the connection has them. */
void client_envelopes(struct client *client, struct str envelopes);
/* Gives it a stream id; sends. */
int16_t client_send(struct client *client, struct cql_request *request);
/* STARTUP with an option or two; waits for READY (or AUTHENTICATE, or fails the test). */
void client_startup(struct client *client, const char *compression, uint8_t expected_opcode);

struct answer {
    struct cql_header header;
    struct str body; /* in the rig's arena, decompressed, behind the warnings */
};
/* The answer of a stream id, waiting up to 60 s of simulated time; false: closed or none. */
bool client_answer(struct client *client, int16_t stream, struct answer *ret_answer);
/* The next of whatever stream. */
bool client_next(struct client *client, struct answer *ret_answer);
/* Sends and waits. */
struct answer client_ask(struct client *client, struct cql_request *request);
struct answer client_query(struct client *client, const char *text);
/* An ERROR's code; its text must contain the words. */
void assert_error(struct rig *rig, const struct answer *answer, enum cql_error_code code,
                  const char *words);
/* RESULT of a kind; the reader stands behind it. */
struct reader assert_result(const struct answer *answer, enum cql_result_kind kind);
bool client_is_closed(struct client *client);

#endif
