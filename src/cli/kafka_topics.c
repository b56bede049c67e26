/* SPDX-License-Identifier: MIT */
/* millrace topics --bootstrap: the topics of any broker that speaks Kafka's protocol. */
#include "base/civil.h"
#include "cli/kafka.h"
#include "format/json.h"

#include <stdio.h>
#include <string.h>

enum { CALL_MS = 30000 };

/* First and end offset of a partition; -1, -1 when the broker does not say. */
static void watermarks(rd_kafka_t *client, const char *topic, int32_t partition, int64_t *low,
                       int64_t *high)
{
    if (rd_kafka_query_watermark_offsets(client, topic, partition, low, high, CALL_MS) !=
        RD_KAFKA_RESP_ERR_NO_ERROR)
        *low = *high = -1;
}

static void write_topic(struct json_writer *w, rd_kafka_t *client,
                        const rd_kafka_metadata_topic_t *t)
{
    int64_t records = 0;
    for (int i = 0; i < t->partition_cnt; i++) {
        int64_t low, high;
        watermarks(client, t->topic, t->partitions[i].id, &low, &high);
        records += high - low;
    }
    json_open(w, '{');
    json_key(w, "name");
    json_str(w, str_of(t->topic));
    json_key(w, "partitions");
    json_i64(w, t->partition_cnt);
    json_key(w, "records");
    json_i64(w, records);
    json_close(w, '}');
}

static int list(struct cli *cli, rd_kafka_t *client)
{
    static const struct cli_column columns[] = {
        {"topic", "name", false}, {"partitions", "partitions", true}, {"records", "records", true}};
    const rd_kafka_metadata_t *metadata;
    rd_kafka_resp_err_t err = kafka_metadata(cli, client, NULL, &metadata);
    if (err)
        return kafka_failed(cli, "topics", err, NULL);
    CLEAN(buf_deinit) struct buf out = {0};
    struct json_writer w = {.out = &out};
    json_open(&w, '[');
    for (int i = 0; i < metadata->topic_cnt; i++)
        write_topic(&w, client, &metadata->topics[i]);
    json_close(&w, ']');
    cli_table(cli, buf_str(&out), columns, 3);
    rd_kafka_metadata_destroy(metadata);
    return EXIT_DONE;
}

static void write_partitions(struct json_writer *w, rd_kafka_t *client,
                             const rd_kafka_metadata_topic_t *t)
{
    json_open(w, '[');
    for (int i = 0; i < t->partition_cnt; i++) {
        int64_t low, high;
        watermarks(client, t->topic, t->partitions[i].id, &low, &high);
        json_open(w, '{');
        json_key(w, "partition");
        json_i64(w, t->partitions[i].id);
        json_key(w, "leader");
        json_i64(w, t->partitions[i].leader);
        json_key(w, "start");
        json_i64(w, low);
        json_key(w, "end");
        json_i64(w, high);
        json_close(w, '}');
    }
    json_close(w, ']');
}

static int describe(struct cli *cli, rd_kafka_t *client, const char *name)
{
    static const struct cli_column columns[] = {{"partition", "partition", true},
                                                {"leader", "leader", true},
                                                {"start", "start", true},
                                                {"end", "end", true}};
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
    const rd_kafka_metadata_t *metadata;
    rd_kafka_resp_err_t err = kafka_metadata(cli, client, topic, &metadata);
    if (!err && metadata->topic_cnt == 1)
        err = metadata->topics[0].err;
    rd_kafka_topic_destroy(topic);
    if (err)
        return kafka_failed(cli, name, err, NULL);
    CLEAN(buf_deinit) struct buf out = {0};
    struct json_writer w = {.out = &out};
    write_partitions(&w, client, &metadata->topics[0]);
    cli_table(cli, buf_str(&out), columns, 4);
    rd_kafka_metadata_destroy(metadata);
    return EXIT_DONE;
}

/* Prints what became of each topic of the answer. */
static int told(struct cli *cli, const rd_kafka_topic_result_t **results, size_t count,
                const char *word)
{
    int code = EXIT_DONE;
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t err = rd_kafka_topic_result_error(results[i]);
        if (err)
            code = kafka_failed(cli, rd_kafka_topic_result_name(results[i]), err,
                                rd_kafka_topic_result_error_string(results[i]));
        else
            cli_print(cli, "%s %s\n", word, rd_kafka_topic_result_name(results[i]));
    }
    return code;
}

static int create(struct cli *cli, const char *bootstrap, const char *name)
{
    struct kafka_admin admin;
    int64_t partitions, retention_ms;
    char text[300];
    if (!cli_number(cli, "partitions", -1, &partitions) ||
        !cli_duration_ms(cli, "retention", 0, &retention_ms))
        return EXIT_USAGE;
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(name, (int)partitions, -1, text, sizeof text);
    if (!topic) {
        cli_error(cli, "%s", text);
        return EXIT_USAGE;
    }
    snprintf(text, sizeof text, "%lld", (long long)retention_ms);
    if (retention_ms)
        rd_kafka_NewTopic_set_config(topic, "retention.ms", text);
    if (cli_option(cli, "compact"))
        rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "compact");
    int code = EXIT_FAILED;
    if (kafka_admin_open(cli, bootstrap, RD_KAFKA_ADMIN_OP_CREATETOPICS, &admin)) {
        rd_kafka_CreateTopics(admin.client, &topic, 1, admin.options, admin.queue);
        rd_kafka_event_t *event = kafka_admin_wait(&admin, name);
        size_t count;
        if (event) {
            const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(
                rd_kafka_event_CreateTopics_result(event), &count);
            code = told(cli, results, count, "made");
            rd_kafka_event_destroy(event);
        }
        kafka_admin_close(&admin);
    }
    rd_kafka_NewTopic_destroy(topic);
    return code;
}

static int delete_topic(struct cli *cli, const char *bootstrap, const char *name)
{
    struct kafka_admin admin;
    if (!kafka_admin_open(cli, bootstrap, RD_KAFKA_ADMIN_OP_DELETETOPICS, &admin))
        return EXIT_FAILED;
    rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(name);
    rd_kafka_DeleteTopics(admin.client, &topic, 1, admin.options, admin.queue);
    rd_kafka_event_t *event = kafka_admin_wait(&admin, name);
    int code = EXIT_FAILED;
    size_t count;
    if (event) {
        const rd_kafka_topic_result_t **results =
            rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
        code = told(cli, results, count, "deleted");
        rd_kafka_event_destroy(event);
    }
    rd_kafka_DeleteTopic_destroy(topic);
    kafka_admin_close(&admin);
    return code;
}

int kafka_topics_run(struct cli *cli, const char *bootstrap)
{
    const char *verb = cli_argument(cli, 0, "list"), *name = cli_argument(cli, 1, NULL);
    if (strcmp(verb, "create") == 0)
        return create(cli, bootstrap, name);
    if (strcmp(verb, "delete") == 0)
        return delete_topic(cli, bootstrap, name);
    rd_kafka_t *client = kafka_client(cli, RD_KAFKA_PRODUCER, bootstrap, NULL);
    if (!client)
        return EXIT_FAILED;
    int code = strcmp(verb, "list") == 0 ? list(cli, client) : describe(cli, client, name);
    rd_kafka_destroy(client);
    return code;
}
