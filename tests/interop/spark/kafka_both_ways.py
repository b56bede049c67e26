# SPDX-License-Identifier: MIT
"""Spark's Kafka source and sink: kafka_both_ways.py KAFKA: copies topic `numbers` to `doubled`, counts."""
import sys
import tempfile

from pyspark.sql import SparkSession

kafka = sys.argv[1]
spark = SparkSession.builder.config('spark.sql.shuffle.partitions', 2).config('spark.ui.enabled', False).getOrCreate()


def source(reader, topic, **more):
    return reader.format('kafka').option('kafka.bootstrap.servers', kafka).option('subscribe', topic).options(**more)


query = (source(spark.readStream, 'numbers', startingOffsets='earliest', includeHeaders='true').load()
         .selectExpr('key', 'CAST(CAST(CAST(value AS STRING) AS INT) * 2 AS STRING) AS value', 'headers')
         .writeStream.format('kafka').option('kafka.bootstrap.servers', kafka).option('topic', 'doubled')
         .option('includeHeaders', True).option('checkpointLocation', tempfile.mkdtemp()).trigger(availableNow=True).start())
query.awaitTermination()
doubled = source(spark.read, 'doubled', startingOffsets='earliest', endingOffsets='latest').load()
total = doubled.selectExpr('sum(CAST(CAST(value AS STRING) AS BIGINT)) AS s', 'count(*) AS n').collect()[0]
print('DOUBLED', total.n, total.s)
by_time = source(spark.read, 'numbers', startingOffsetsByTimestamp='{"numbers": {"0": 1700000000500}}',
                 startingOffsetsByTimestampStrategy='latest').load()
print('BY_TIME', by_time.count())
spark.stop()
