/* SPDX-License-Identifier: MIT */
/*
 * millrace produce and consume --bootstrap: single records by hand on any broker that speaks
 * Kafka's protocol. The output is that of the commands without --bootstrap.
 */
#include "cli/kafka.h"
#include "format/json.h"

#include <string.h>

enum { CALL_MS = 30000, POLL_MS = 200 };

/* ---- consume ---- */

struct consuming {
    struct cli *cli;
    rd_kafka_t *client;
    const char *topic;
    int64_t left; /* -1 = all */
    bool keys, until_end;
    int partitions, at_end;
};

static struct str bytes_of(const void *ptr, size_t bytes)
{
    return ptr ? str_from(ptr, bytes) : STR_NONE;
}

static void write_headers(struct json_writer *w, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers;
    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    const char *name;
    const void *value;
    size_t bytes;
    json_key(w, "headers");
    json_open(w, '{');
    for (size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &bytes) == RD_KAFKA_RESP_ERR_NO_ERROR;
         i++) {
        json_key(w, name);
        json_bytes(w, bytes_of(value, bytes));
    }
    json_close(w, '}');
}

static void print_object(struct buf *line, const rd_kafka_message_t *m)
{
    struct json_writer w = {.out = line};
    json_open(&w, '{');
    json_key(&w, "partition");
    json_i64(&w, m->partition);
    json_key(&w, "offset");
    json_i64(&w, m->offset);
    json_key(&w, "timestamp");
    json_i64(&w, rd_kafka_message_timestamp(m, NULL));
    json_key(&w, "key");
    json_bytes(&w, bytes_of(m->key, m->key_len));
    json_key(&w, "value");
    json_bytes(&w, bytes_of(m->payload, m->len));
    write_headers(&w, m);
    json_close(&w, '}');
}

static void print_message(struct consuming *c, const rd_kafka_message_t *m)
{
    CLEAN(buf_deinit) struct buf line = {0};
    if (c->cli->json)
        print_object(&line, m);
    else {
        if (c->keys) {
            buf_append(&line, m->key, m->key_len);
            buf_char(&line, '\t');
        }
        buf_append(&line, m->payload, m->len);
    }
    buf_char(&line, '\n');
    cli_write(c->cli, buf_str(&line));
}

/* All partitions of the topic at the place where reading begins. */
static int assign(struct consuming *c)
{
    const rd_kafka_metadata_t *metadata;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(c->client, c->topic, NULL);
    rd_kafka_resp_err_t err = kafka_metadata(c->cli, c->client, topic, &metadata);
    rd_kafka_topic_destroy(topic);
    if (!err && metadata->topics[0].err)
        err = metadata->topics[0].err;
    if (err)
        return kafka_failed(c->cli, c->topic, err, NULL);
    int64_t from;
    if (!cli_number(c->cli, "from", RD_KAFKA_OFFSET_END, &from))
        return EXIT_USAGE;
    if (cli_option(c->cli, "from-beginning"))
        from = RD_KAFKA_OFFSET_BEGINNING;
    c->partitions = metadata->topics[0].partition_cnt;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(c->partitions);
    for (int i = 0; i < c->partitions; i++)
        rd_kafka_topic_partition_list_add(list, c->topic, metadata->topics[0].partitions[i].id)
            ->offset = from;
    err = rd_kafka_assign(c->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_metadata_destroy(metadata);
    return err ? kafka_failed(c->cli, c->topic, err, NULL) : EXIT_DONE;
}

static int consume(struct consuming *c)
{
    int code = assign(c);
    while (code == EXIT_DONE && c->left != 0 && !(c->until_end && c->at_end >= c->partitions)) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c->client, POLL_MS);
        if (!m) {
            if (kafka_gives_up(c->cli, c->client, true))
                code = kafka_failed(c->cli, c->topic, RD_KAFKA_RESP_ERR__TRANSPORT, NULL);
            continue;
        }
        if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            c->at_end++;
        else if (m->err)
            code = kafka_failed(c->cli, c->topic, m->err, rd_kafka_message_errstr(m));
        else {
            print_message(c, m);
            c->left -= c->left > 0;
        }
        rd_kafka_message_destroy(m);
    }
    return code;
}

int kafka_consume_run(struct cli *cli, const char *bootstrap)
{
    struct consuming c = {.cli = cli, .topic = cli_argument(cli, 0, "")};
    c.until_end = cli_option(cli, "until-end");
    c.keys = cli_option(cli, "keys");
    if (!cli_number(cli, "count", -1, &c.left))
        return EXIT_USAGE;
    c.client =
        kafka_client(cli, RD_KAFKA_CONSUMER, bootstrap, "group.id", "millrace-consume",
                     "enable.auto.commit", "false", "enable.partition.eof",
                     c.until_end ? "true" : "false", "isolation.level", "read_committed", NULL);
    if (!c.client)
        return EXIT_FAILED;
    int code = consume(&c);
    rd_kafka_consumer_close(c.client);
    rd_kafka_destroy(c.client);
    return code;
}

/* ---- produce ---- */

struct producing {
    struct cli *cli;
    rd_kafka_t *client;
    const char *topic, *separator;
    int64_t partition;
    size_t delivered, failed;
    rd_kafka_resp_err_t err; /* the first */
};

static void delivered(rd_kafka_t *client, const rd_kafka_message_t *m, void *owner)
{
    struct log_kafka_trouble *trouble = owner;
    struct producing *p = trouble->owner;
    if (!m->err)
        p->delivered++;
    else if (!p->failed++)
        p->err = m->err;
}

static enum err produce_line(void *owner, struct str line)
{
    struct producing *p = owner;
    struct str key = STR_NONE;
    size_t at = p->separator ? str_find(line, str_of(p->separator), 0) : SIZE_MAX;
    if (at != SIZE_MAX) {
        key = str_slice(line, 0, at);
        line = str_slice(line, at + strlen(p->separator), line.bytes);
    }
    for (;;) {
        rd_kafka_resp_err_t err = rd_kafka_producev(
            p->client, RD_KAFKA_V_TOPIC(p->topic), RD_KAFKA_V_PARTITION((int32_t)p->partition),
            RD_KAFKA_V_KEY(key.ptr, key.bytes),
            RD_KAFKA_V_VALUE((void *)(line.ptr ? line.ptr : ""), line.bytes),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            rd_kafka_poll(p->client, POLL_MS);
            if (!kafka_gives_up(p->cli, p->client, p->delivered > 0))
                continue;
            p->err = RD_KAFKA_RESP_ERR__TRANSPORT;
            return ERR_NETWORK;
        }
        rd_kafka_poll(p->client, 0);
        if (!err)
            return p->err ? ERR_NETWORK : OK;
        p->err = err;
        p->failed++;
        return ERR_INVALID;
    }
}

int kafka_produce_run(struct cli *cli, const char *bootstrap)
{
    struct producing p = {.cli = cli, .topic = cli_argument(cli, 0, "")};
    p.separator = cli_option(cli, "key-separator");
    if (!cli_number(cli, "partition", RD_KAFKA_PARTITION_UA, &p.partition))
        return EXIT_USAGE;
    p.client = kafka_producer(cli, bootstrap, delivered, &p);
    if (!p.client)
        return EXIT_FAILED;
    enum err err = cli_each_line(cli, produce_line, &p);
    for (int waited_ms = 0; waited_ms < CALL_MS && rd_kafka_outq_len(p.client);
         waited_ms += POLL_MS)
        if (rd_kafka_flush(p.client, POLL_MS) && kafka_gives_up(cli, p.client, p.delivered > 0))
            break;
    int waiting = rd_kafka_outq_len(p.client);
    rd_kafka_purge(p.client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_destroy(p.client);
    if (!p.err && waiting)
        p.err = RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (p.err) {
        cli_error(cli, "%zu records durable, %zu not", p.delivered, p.failed + (size_t)waiting);
        return kafka_failed(cli, p.topic, p.err, NULL);
    }
    if (err != OK)
        return cli_exit(err);
    cli_print(cli, "%zu record%s durable\n", p.delivered, p.delivered == 1 ? "" : "s");
    return EXIT_DONE;
}
