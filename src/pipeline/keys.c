/* SPDX-License-Identifier: MIT */
/*
 * Every key of spark-pipeline.yml and millrace.yml that is not a connector's own. The check, its
 * hints and docs/configuration.md are made from these tables. Keys of kinds that a later release
 * brings are not listed: an unknown key is an error, not a silent wish.
 */
#include "pipeline/project.h"

#define TTL_MAX_MS (630720000LL * 1000) /* 20 years, Cassandra's */

const struct key_info spark_spec_keys[] = {
    {"name", KEY_TEXT, true, NULL, "Name of the pipeline.", NULL, NULL, 0, 0},
    {"storage", KEY_TEXT, true, NULL,
     "Spark's checkpoint folder, a URI with a scheme. millrace keeps its state in data_dir and "
     "only "
     "checks the form.",
     NULL, NULL, 0, 0},
    {"libraries", KEY_ANY, false, "transformations/**",
     "List of `glob: {include: PATTERN}`: which .sql files belong to the pipeline.", NULL, NULL, 0,
     0},
    {"catalog", KEY_TEXT, false, "spark_catalog", "Spark's catalog.", NULL, NULL, 0, 0},
    {"database", KEY_TEXT, false, "default", "Keyspace of tables that name none.", NULL, NULL, 0,
     0},
    {"schema", KEY_TEXT, false, NULL, "Another word for database.", NULL, NULL, 0, 0},
    {"configuration", KEY_TEXT_MAP, false, NULL,
     "Session settings, all as text: spark.sql.session.timeZone (UTC), spark.sql.ansi.enabled "
     "(\"true\"), spark.sql.caseSensitive (\"false\"), spark.sql.timestampType; others are left to "
     "Spark.",
     NULL, NULL, 0, 0},
    {0},
};

const struct key_info engine_keys[] = {
    {"log", KEY_TEXT, false, "embedded",
     "Where topics live: `embedded`, or `kafka://host1:9092,host2:9092` with settings of "
     "librdkafka "
     "to get in, as `?security.protocol=SASL_SSL&sasl.mechanisms=PLAIN&sasl.username=..`.",
     NULL, NULL, 0, 0},
    {"tables", KEY_TEXT, false, "embedded",
     "Where tables live: `embedded`, or `cassandra://host1,host2:9042?datacenter=dc1&user=..`. "
     "Settings of the URL: datacenter, user and password (or USER:PASSWORD@ before the hosts), tls "
     "(true), ca (file of certificates), cert and key (files of our own), consistency "
     "(local_quorum), timeout_ms (12000), "
     "connections (1 a host), replicas (1, of a keyspace that is made).",
     NULL, NULL, 0, 0},
    {"registry", KEY_CHOICE, false, "embedded", "Where schemas are registered.", "embedded", NULL,
     0, 0},
    {"metadata", KEY_CHOICE, false, "embedded", "Where runs and users are kept.", "embedded", NULL,
     0, 0},
    {"durability", KEY_TEXT, false, "sync",
     "When a write is acknowledged: `sync` after fdatasync (group commit), `interval:50ms` when "
     "written, with at most that much at risk on power loss, `os` when written.",
     NULL, NULL, 0, 0},
    {0},
};

const struct key_info topic_keys[] = {
    {"name", KEY_TEXT, false, NULL, "Name of the topic; the source's name by default.", NULL, NULL,
     0, 0},
    {"partitions", KEY_INT, false, "1", "Number of partitions.", NULL, NULL, 1, 10000},
    {"retention", KEY_DURATION, false, "7d",
     "How long records are kept, as 12h or 7d; `forever` keeps all.", "forever", NULL, 1,
     INT64_MAX},
    {"retention_bytes", KEY_BYTES, false, NULL, "Most bytes of one partition; none by default.",
     NULL, NULL, 0, 0},
    {"segment_bytes", KEY_BYTES, false, "128MB", "Size of a segment file.", NULL, NULL, 1048576,
     2147483647},
    {"max_message_bytes", KEY_BYTES, false, "16MB", "Largest batch that is accepted.", NULL, NULL,
     1024, 104857600},
    {"compression", KEY_CHOICE, false, "none", "Codec of the batches that millrace writes.",
     "none|gzip|snappy|lz4|zstd", NULL, 0, 0},
    {0},
};

const struct key_info source_keys[] = {
    {"topic", KEY_MAP, false, NULL, "The topic that holds the stream.", NULL, topic_keys, 0, 0},
    {"file", KEY_PATH, false, NULL,
     "A static table instead of a topic: a file of one value a line, relative to the project.",
     NULL, NULL, 0, 0},
    {"value", KEY_CHOICE, false, "json",
     "How a record's value is read. text: one column `value`; raw: Kafka's own columns key, value, "
     "topic, partition, offset, timestamp.",
     "json|csv|text|raw", NULL, 0, 0},
    {"schema", KEY_DDL, false, NULL,
     "Fields and types of a value in Spark DDL, or the path of a file under schemas/ that holds "
     "it. A field `_corrupt_record STRING` keeps values that do not fit as rows.",
     NULL, NULL, 0, 0},
    {"from", KEY_ANY, false, NULL,
     "What fills the topic: one connector with its settings. Leave it out when producers do.", NULL,
     NULL, 0, 0},
    {"on_error", KEY_CHOICE, false, "dead_letter",
     "What happens to a record that cannot be decoded or processed: it goes to the topic "
     "SOURCE.dead_letters, or the stream stops.",
     "dead_letter|fail", NULL, 0, 0},
    {0},
};

const struct key_info target_keys[] = {
    {"table", KEY_TEXT, false, NULL,
     "keyspace.table to store into, created when missing; the pipeline's database and the target's "
     "name by default.",
     NULL, NULL, 0, 0},
    {"key", KEY_KEY_LIST, false, NULL,
     "Primary key: a list of columns; a list of lists parts it into [[partition], [clustering]]. "
     "Without it the table is append-only.",
     NULL, NULL, 0, 0},
    {"types", KEY_TEXT_MAP, false, NULL,
     "CQL types of columns where they differ from the natural ones, as {id: uuid}; "
     "docs/formats/table.md lists them.",
     NULL, NULL, 0, 0},
    {"ttl", KEY_DURATION, false, NULL,
     "Rows vanish that long after they were written; from 1s to 20 years.", NULL, NULL, 1000,
     TTL_MAX_MS},
    {0},
};

const struct key_info listener_keys[] = {
    {"http", KEY_TEXT, false, "127.0.0.1:8080", "HTTP API and webhooks, HOST:PORT; `off` for none.",
     NULL, NULL, 0, 0},
    {"kafka", KEY_TEXT_OR_LIST, false, "[127.0.0.1:9092, 127.0.0.1:29092]",
     "Kafka's protocol, HOST:PORT or HOST:PORT=ADVERTISED with the address that clients of this "
     "listener are told; `off` for none. A port that is not named here and not free is left shut, "
     "with a warning.",
     NULL, NULL, 0, 0},
    {"kafka_partitions", KEY_INT, false, "1",
     "Partitions of topics that clients of Kafka make without a number, as by first use.", NULL,
     NULL, 1, 10000},
    {"kafka_auto_create", KEY_BOOL, false, "true",
     "Topics that clients of Kafka ask for are made by first use; `false` leaves it to "
     "CreateTopics.",
     NULL, NULL, 0, 0},
    {"cql", KEY_TEXT, false, "127.0.0.1:9042",
     "Cassandra's native protocol, HOST:PORT or HOST:PORT=ADVERTISED; `off` for none.", NULL, NULL,
     0, 0},
    {"cql_login", KEY_TEXT, false, NULL,
     "USER:PASSWORD that CQL clients must give; without it any are let in.", NULL, NULL, 0, 0},
    {"open", KEY_BOOL, false, "false",
     "Listen beyond loopback although a door asks for no password.", NULL, NULL, 0, 0},
    {0},
};

const struct key_info project_keys[] = {
    {"engines", KEY_MAP, false, NULL, "Which engines do the work.", NULL, engine_keys, 0, 0},
    {"sources", KEY_ANY, false, NULL, "Streams by name: what SQL reads as STREAM name.", NULL, NULL,
     0, 0},
    {"targets", KEY_ANY, false, NULL, "Where the tables of the SQL files are stored, by name.",
     NULL, NULL, 0, 0},
    {"listeners", KEY_MAP, false, NULL, "Addresses to listen on.", NULL, listener_keys, 0, 0},
    {"data_dir", KEY_PATH, false, "data", "Where state lives, relative to the project.", NULL, NULL,
     0, 0},
    {0},
};
