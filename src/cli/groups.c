/* SPDX-License-Identifier: MIT */
/*
 * millrace groups: what kafka-consumer-groups does, through Kafka's protocol, so that it works on
 * millrace and on any other broker.
 */
#include "base/civil.h"
#include "cli/commands.h"
#include "cli/kafka.h"
#include "format/json.h"

#include <string.h>

enum { CALL_MS = 30000, PARTITIONS_MAX = 10000 };

/* ---- list ---- */

static int list(struct cli *cli, const char *bootstrap)
{
    static const struct cli_column columns[] = {{"group", "name", false},
                                                {"state", "state", false}};
    struct kafka_admin admin;
    if (!kafka_admin_open(cli, bootstrap, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, &admin))
        return EXIT_FAILED;
    rd_kafka_ListConsumerGroups(admin.client, admin.options, admin.queue);
    rd_kafka_event_t *event = kafka_admin_wait(&admin, "groups");
    if (event) {
        CLEAN(buf_deinit) struct buf out = {0};
        struct json_writer w = {.out = &out};
        size_t count;
        const rd_kafka_ConsumerGroupListing_t **groups = rd_kafka_ListConsumerGroups_result_valid(
            rd_kafka_event_ListConsumerGroups_result(event), &count);
        json_open(&w, '[');
        for (size_t i = 0; i < count; i++) {
            json_open(&w, '{');
            json_key(&w, "name");
            json_str(&w, str_of(rd_kafka_ConsumerGroupListing_group_id(groups[i])));
            json_key(&w, "state");
            json_str(&w, str_of(rd_kafka_consumer_group_state_name(
                             rd_kafka_ConsumerGroupListing_state(groups[i]))));
            json_close(&w, '}');
        }
        json_close(&w, ']');
        cli_table(cli, buf_str(&out), columns, 2);
        rd_kafka_event_destroy(event);
    }
    kafka_admin_close(&admin);
    return event ? EXIT_DONE : EXIT_FAILED;
}

/* ---- describe ---- */

/* "CLIENT at HOST" of the member that has the partition; "" for none. */
static void owner_of(const rd_kafka_ConsumerGroupDescription_t *group,
                     const rd_kafka_topic_partition_t *wanted, struct buf *out)
{
    size_t count = rd_kafka_ConsumerGroupDescription_member_count(group);
    for (size_t i = 0; i < count; i++) {
        const rd_kafka_MemberDescription_t *member =
            rd_kafka_ConsumerGroupDescription_member(group, i);
        const rd_kafka_topic_partition_list_t *has =
            rd_kafka_MemberAssignment_partitions(rd_kafka_MemberDescription_assignment(member));
        for (int p = 0; has && p < has->cnt; p++)
            if (has->elems[p].partition == wanted->partition &&
                strcmp(has->elems[p].topic, wanted->topic) == 0) {
                buf_printf(out, "%s at %s", rd_kafka_MemberDescription_client_id(member),
                           rd_kafka_MemberDescription_host(member));
                return;
            }
    }
}

static void write_offset(struct json_writer *w, rd_kafka_t *client,
                         const rd_kafka_ConsumerGroupDescription_t *group,
                         const rd_kafka_topic_partition_t *p)
{
    CLEAN(buf_deinit) struct buf owner = {0};
    int64_t low, end = -1;
    if (rd_kafka_query_watermark_offsets(client, p->topic, p->partition, &low, &end, CALL_MS))
        end = -1;
    owner_of(group, p, &owner);
    json_open(w, '{');
    json_key(w, "topic");
    json_str(w, str_of(p->topic));
    json_key(w, "partition");
    json_i64(w, p->partition);
    json_key(w, "offset");
    json_i64(w, p->offset);
    json_key(w, "end");
    json_i64(w, end);
    json_key(w, "lag");
    json_i64(w, end < 0 || p->offset < 0 ? -1 : end - p->offset);
    json_key(w, "member");
    json_str(w, owner.bytes ? buf_str(&owner) : STR(""));
    json_close(w, '}');
}

static rd_kafka_event_t *describe_call(struct kafka_admin *admin, const char *name)
{
    rd_kafka_DescribeConsumerGroups(admin->client, &name, 1, admin->options, admin->queue);
    return kafka_admin_wait(admin, name);
}

/* The committed offsets; NULL: printed. */
static rd_kafka_event_t *offsets_call(struct cli *cli, const char *bootstrap, const char *name,
                                      struct kafka_admin *admin)
{
    if (!kafka_admin_open(cli, bootstrap, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, admin))
        return NULL;
    rd_kafka_ListConsumerGroupOffsets_t *what = rd_kafka_ListConsumerGroupOffsets_new(name, NULL);
    rd_kafka_ListConsumerGroupOffsets(admin->client, &what, 1, admin->options, admin->queue);
    rd_kafka_event_t *event = kafka_admin_wait(admin, name);
    rd_kafka_ListConsumerGroupOffsets_destroy(what);
    return event;
}

static const rd_kafka_topic_partition_list_t *offsets_of(rd_kafka_event_t *event)
{
    size_t count;
    const rd_kafka_group_result_t **groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
        rd_kafka_event_ListConsumerGroupOffsets_result(event), &count);
    return count ? rd_kafka_group_result_partitions(groups[0]) : NULL;
}

static void print_group(struct cli *cli, rd_kafka_t *client,
                        const rd_kafka_ConsumerGroupDescription_t *group,
                        const rd_kafka_topic_partition_list_t *offsets)
{
    static const struct cli_column columns[] = {
        {"topic", "topic", false},  {"partition", "partition", true},
        {"offset", "offset", true}, {"end", "end", true},
        {"lag", "lag", true},       {"member", "member", false}};
    CLEAN(buf_deinit) struct buf out = {0};
    struct json_writer w = {.out = &out};
    json_open(&w, '[');
    for (int i = 0; offsets && i < offsets->cnt; i++)
        write_offset(&w, client, group, &offsets->elems[i]);
    json_close(&w, ']');
    if (!cli->json)
        cli_print(
            cli, "%s: %s, %zu members, assignor %s\n",
            rd_kafka_ConsumerGroupDescription_group_id(group),
            rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupDescription_state(group)),
            rd_kafka_ConsumerGroupDescription_member_count(group),
            rd_kafka_ConsumerGroupDescription_partition_assignor(group));
    cli_table(cli, buf_str(&out), columns, 6);
}

static int describe(struct cli *cli, const char *bootstrap, const char *name)
{
    struct kafka_admin admin, offsets_admin;
    if (!kafka_admin_open(cli, bootstrap, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, &admin))
        return EXIT_FAILED;
    int code = EXIT_FAILED;
    rd_kafka_event_t *event = describe_call(&admin, name);
    if (event) {
        size_t count;
        const rd_kafka_ConsumerGroupDescription_t **groups =
            rd_kafka_DescribeConsumerGroups_result_groups(
                rd_kafka_event_DescribeConsumerGroups_result(event), &count);
        const rd_kafka_error_t *error =
            count ? rd_kafka_ConsumerGroupDescription_error(groups[0]) : NULL;
        if (error)
            code =
                kafka_failed(cli, name, rd_kafka_error_code(error), rd_kafka_error_string(error));
        rd_kafka_event_t *offsets =
            error ? NULL : offsets_call(cli, bootstrap, name, &offsets_admin);
        if (offsets) {
            print_group(cli, admin.client, groups[0], offsets_of(offsets));
            rd_kafka_event_destroy(offsets);
            kafka_admin_close(&offsets_admin);
            code = EXIT_DONE;
        }
        rd_kafka_event_destroy(event);
    }
    kafka_admin_close(&admin);
    return code;
}

/* ---- reset ---- */

/* --to earliest, latest, an offset, or a time: the offset of each partition. False: printed. */
static bool reset_target(struct cli *cli, rd_kafka_t *client, const char *to,
                         rd_kafka_topic_partition_list_t *list)
{
    int64_t low, high, number;
    bool earliest = strcmp(to, "earliest") == 0, latest = strcmp(to, "latest") == 0;
    if (!earliest && !latest && str_to_i64(str_of(to), &number) != OK) {
        cli_error(cli, "--to takes earliest, latest or an offset, not '%s'", to);
        return false;
    }
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *p = &list->elems[i];
        rd_kafka_resp_err_t err =
            rd_kafka_query_watermark_offsets(client, p->topic, p->partition, &low, &high, CALL_MS);
        if (err) {
            kafka_failed(cli, p->topic, err, NULL);
            return false;
        }
        int64_t wanted = earliest ? low : latest ? high : number;
        p->offset = wanted < low ? low : wanted > high ? high : wanted;
    }
    return true;
}

static rd_kafka_topic_partition_list_t *partitions_of(struct cli *cli, rd_kafka_t *client,
                                                      const char *name)
{
    const rd_kafka_metadata_t *metadata;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
    rd_kafka_resp_err_t err = kafka_metadata(cli, client, topic, &metadata);
    rd_kafka_topic_destroy(topic);
    if (!err && metadata->topics[0].err)
        err = metadata->topics[0].err;
    if (err) {
        kafka_failed(cli, name, err, NULL);
        return NULL;
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    for (int i = 0; i < metadata->topics[0].partition_cnt; i++)
        rd_kafka_topic_partition_list_add(list, name, metadata->topics[0].partitions[i].id);
    rd_kafka_metadata_destroy(metadata);
    return list;
}

static int reset_call(struct kafka_admin *admin, const char *name,
                      const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_AlterConsumerGroupOffsets_t *what = rd_kafka_AlterConsumerGroupOffsets_new(name, list);
    rd_kafka_AlterConsumerGroupOffsets(admin->client, &what, 1, admin->options, admin->queue);
    rd_kafka_event_t *event = kafka_admin_wait(admin, name);
    rd_kafka_AlterConsumerGroupOffsets_destroy(what);
    if (!event)
        return EXIT_FAILED;
    size_t count;
    int code = EXIT_DONE;
    const rd_kafka_group_result_t **groups = rd_kafka_AlterConsumerGroupOffsets_result_groups(
        rd_kafka_event_AlterConsumerGroupOffsets_result(event), &count);
    const rd_kafka_error_t *error = count ? rd_kafka_group_result_error(groups[0]) : NULL;
    if (error)
        code = kafka_failed(admin->cli, name, rd_kafka_error_code(error),
                            rd_kafka_error_string(error));
    const rd_kafka_topic_partition_list_t *done =
        count ? rd_kafka_group_result_partitions(groups[0]) : NULL;
    for (int i = 0; !error && done && i < done->cnt; i++) {
        if (done->elems[i].err)
            code = kafka_failed(admin->cli, done->elems[i].topic, done->elems[i].err, NULL);
        else
            cli_print(admin->cli, "%s[%d] goes on at %lld\n", done->elems[i].topic,
                      done->elems[i].partition, (long long)done->elems[i].offset);
    }
    rd_kafka_event_destroy(event);
    return code;
}

static int reset(struct cli *cli, const char *bootstrap, const char *name)
{
    const char *topic = cli_option(cli, "topic"), *to = cli_option(cli, "to");
    struct kafka_admin admin;
    if (!topic || !to) {
        cli_error(cli, "reset needs --topic TOPIC and --to earliest|latest|OFFSET");
        return EXIT_USAGE;
    }
    if (!kafka_admin_open(cli, bootstrap, RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, &admin))
        return EXIT_FAILED;
    int code = EXIT_FAILED;
    rd_kafka_topic_partition_list_t *list = partitions_of(cli, admin.client, topic);
    if (list && reset_target(cli, admin.client, to, list))
        code = reset_call(&admin, name, list);
    if (list)
        rd_kafka_topic_partition_list_destroy(list);
    kafka_admin_close(&admin);
    return code;
}

/* ---- delete ---- */

static int delete_group(struct cli *cli, const char *bootstrap, const char *name)
{
    struct kafka_admin admin;
    if (!kafka_admin_open(cli, bootstrap, RD_KAFKA_ADMIN_OP_DELETEGROUPS, &admin))
        return EXIT_FAILED;
    rd_kafka_DeleteGroup_t *what = rd_kafka_DeleteGroup_new(name);
    rd_kafka_DeleteGroups(admin.client, &what, 1, admin.options, admin.queue);
    rd_kafka_event_t *event = kafka_admin_wait(&admin, name);
    int code = event ? EXIT_DONE : EXIT_FAILED;
    if (event) {
        size_t count;
        const rd_kafka_group_result_t **groups =
            rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(event), &count);
        const rd_kafka_error_t *error = count ? rd_kafka_group_result_error(groups[0]) : NULL;
        if (error)
            code =
                kafka_failed(cli, name, rd_kafka_error_code(error), rd_kafka_error_string(error));
        else
            cli_print(cli, "deleted %s\n", name);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_DeleteGroup_destroy(what);
    kafka_admin_close(&admin);
    return code;
}

static int run_groups(struct cli *cli)
{
    const char *verb = cli_argument(cli, 0, "list"), *name = cli_argument(cli, 1, NULL);
    static const struct {
        const char *verb;
        int (*run)(struct cli *cli, const char *bootstrap, const char *name);
    } verbs[] = {{"describe", describe}, {"reset", reset}, {"delete", delete_group}};
    CLEAN(arena_deinit) struct arena arena = {.bytes_max = 1 << 20};
    const char *bootstrap = kafka_bootstrap_default(cli, &arena);
    if (strcmp(verb, "list") == 0)
        return list(cli, bootstrap);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (name && strcmp(verb, verbs[i].verb) == 0)
            return verbs[i].run(cli, bootstrap, name);
    cli_error(cli, "usage: millrace groups [list | describe GROUP | reset GROUP | delete GROUP]");
    return EXIT_USAGE;
}

static const struct cli_option options[] = {
    KAFKA_BOOTSTRAP_OPTION,
    KAFKA_PROPERTY_OPTION,
    {"topic", 't', "TOPIC", "with reset: whose offsets"},
    {"to", 0, "PLACE", "with reset: earliest, latest or an offset"},
    {0},
};

const struct cli_command command_groups = {
    .name = "groups",
    .arguments = "[list | describe GROUP | reset GROUP | delete GROUP]",
    .summary = "consumer groups: lists, shows lag, moves offsets, deletes",
    .text = "Speaks Kafka's protocol: to the project's own Kafka address, or with --bootstrap to\n"
            "any broker. reset and delete need a group without members.",
    .examples = "  millrace groups\n  millrace groups describe reports\n"
                "  millrace groups reset reports --topic clicks --to earliest",
    .options = options,
    .arguments_max = 2,
    .run = run_groups,
};
