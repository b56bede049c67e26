# SPDX-License-Identifier: MIT
"""The tutorials' Spark job: topic -> from_json -> Cassandra table, with the connectors that they use.

spark-submit tutorial.py KAFKA CQL_HOST CQL_PORT: takes what the topic holds and ends.
"""
import sys
import tempfile

from pyspark.sql import SparkSession
from pyspark.sql.functions import col, from_json
from pyspark.sql.types import StringType, StructField, StructType

kafka, host, port = sys.argv[1:]
spark = (SparkSession.builder.appName('SparkDataStreaming')
         .config('spark.cassandra.connection.host', host).config('spark.cassandra.connection.port', port)
         .config('spark.cassandra.auth.username', 'cassandra').config('spark.cassandra.auth.password', 'cassandra')
         .config('spark.sql.shuffle.partitions', 2).config('spark.ui.enabled', False).getOrCreate())
names = ['id', 'first_name', 'last_name', 'gender', 'address', 'post_code', 'email', 'username', 'registered_date', 'phone',
         'picture']
schema = StructType([StructField(name, StringType(), name != 'id') for name in names])
stream = (spark.readStream.format('kafka').option('kafka.bootstrap.servers', kafka).option('subscribe', 'users_created')
          .option('startingOffsets', 'earliest').load())
users = stream.selectExpr('CAST(value AS STRING)').select(from_json(col('value'), schema).alias('data')).select('data.*')
query = (users.writeStream.format('org.apache.spark.sql.cassandra').option('checkpointLocation', tempfile.mkdtemp())
         .option('keyspace', 'spark_streams').option('table', 'created_users').trigger(availableNow=True).start())
query.awaitTermination()
table = spark.read.format('org.apache.spark.sql.cassandra').options(keyspace='spark_streams', table='created_users').load()
print('ROWS', table.count(), table.where("first_name = 'f7'").select('email').collect()[0][0])
spark.stop()
