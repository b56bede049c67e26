/* SPDX-License-Identifier: MIT */
#ifndef PIPELINE_OPERATE_H
#define PIPELINE_OPERATE_H

#include "pipeline/adhoc.h"
#include "pipeline/pipeline.h"

/*
 * What commands and the HTTP API ask of an engine, running or stopped: each call appends one JSON
 * document to out. One place, so that `millrace topics` says the same on a running server and on
 * the files of a stopped one. Errors fill diag. Not from a loop's thread, but for those marked
 * quick.
 */
struct operate {
    struct io *io;
    struct project *project; /* may be NULL */
    struct log *log;
    struct table_store *store; /* may be NULL where no table is needed */
};

/* quick. [{"name","id","partitions","start","end","records","bytes","retention_ms",..}]; with
 * detail also each partition's start, end and bytes. */
enum err operate_topics(const struct operate *op, struct buf *out) MUST_USE;
enum err operate_topic(const struct operate *op, struct str name, struct buf *out,
                       struct diag *diag) MUST_USE;
enum err operate_topic_create(const struct operate *op, struct str name, int32_t partitions,
                              int64_t retention_ms, bool compact, struct buf *out,
                              struct diag *diag) MUST_USE;
enum err operate_topic_delete(const struct operate *op, struct str name, struct buf *out,
                              struct diag *diag) MUST_USE;

/* {"records":[{"partition","offset","timestamp_ms","key","value","headers":{}}],"next":[..],
 * "end":[..]}: records of a topic from the offsets given (one a partition; -1 = its start, -2 = its
 * end), at most records_max and about 4 MB. key and value are text; bytes that are not UTF-8 come
 * as
 * {"base64":".."}. */
enum err operate_consume(const struct operate *op, struct str topic, const int64_t *offsets,
                         size_t offset_count, uint32_t records_max, struct buf *out,
                         struct diag *diag) MUST_USE;
struct produce_record {
    struct str key; /* ptr NULL = none */
    struct str value;
    int32_t partition; /* -1 = by key, or in turn */
};
/* Durable when it returns. {"records":n,"offsets":[{"partition","offset"}]} */
enum err operate_produce(const struct operate *op, struct str topic,
                         const struct produce_record *records, size_t count, struct buf *out,
                         struct diag *diag) MUST_USE;

/* quick. [{"keyspace","name","rows","bytes","key":[..],"columns":[{"name","type","role"}]}] */
enum err operate_tables(const struct operate *op, struct buf *out) MUST_USE;

/* Writes memory to files, or folds the files of all tables into one level. {"tables":n} */
enum err operate_tables_flush(const struct operate *op, struct buf *out) MUST_USE;
enum err operate_tables_compact(const struct operate *op, struct buf *out) MUST_USE;
/* quick. {"host_id","address","data_center","rack","version","load_bytes","uptime_ms","rss_bytes",
 * "cpu_us"}: this node as nodetool shows it. status may be NULL. */
enum err operate_node(const struct operate *op, const struct pipeline_status *status,
                      struct buf *out) MUST_USE;

/* {"columns":[{"name","type"}],"rows":[[..]],"truncated":bool}: cells as text (what CAST AS STRING
 * gives), null for NULL. */
enum err operate_sql(const struct operate *op, struct str text, uint32_t rows_max, struct buf *out,
                     struct diag *diag) MUST_USE;
enum err operate_explain(const struct operate *op, struct str text, struct buf *out,
                         struct diag *diag) MUST_USE;

/* quick. [{"source","topic","letters","oldest_ms","newest_ms"}] of all dead-letter topics. */
enum err operate_dead_letters(const struct operate *op, struct buf *out) MUST_USE;
/* The letters of one such topic, counted: not every offset has one. */
enum err operate_dead_letter_count(const struct operate *op, struct log_topic *topic,
                                   int64_t *ret_letters, int64_t *ret_replayed) MUST_USE;
/* {"letters":[{"number","topic","partition","offset","table","error","class","attempt","time_ms",
 * "key","value"}],"next":n}: from number on. */
enum err operate_dead_letter_list(const struct operate *op, struct str source, int64_t from,
                                  uint32_t count, struct buf *out, struct diag *diag) MUST_USE;
/* Sends letters from..to (numbers, inclusive; to -1 = the last one of now; from -1 = the first that
 * was not replayed yet) through the source's topic again: each is processed by the table that
 * refused it, or by all when it did not decode. {"replayed":n,"next":n} */
enum err operate_dead_letter_replay(const struct operate *op, struct str source, int64_t from,
                                    int64_t to, struct buf *out, struct diag *diag) MUST_USE;

/* {"ok":bool,"findings":[{"area","ok","text","hint"}]}: books, log, tables, disk, dead letters,
 * stuck streams. status may be that of a running pipeline or of pipeline_inspect(). */
void operate_doctor(const struct operate *op, const struct pipeline_status *status, struct buf *out,
                    bool *ret_ok);

#endif
