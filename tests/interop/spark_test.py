#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Spark beside millrace: the tutorials' job with the Spark Cassandra connector, and Spark's Kafka source and sink.

Spark comes from PyPI, the connectors from Maven Central, into the engines' cache.
"""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import clients
import millrace

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'spark')
SETTINGS = '''sources:
  users_created:
    schema: "id STRING, first_name STRING"
  numbers:
    value: text
listeners:
'''
SQL = "CREATE STREAMING TABLE seen AS SELECT value FROM STREAM numbers;\n"
TABLE = '''CREATE KEYSPACE spark_streams WITH replication = {'class': 'SimpleStrategy', 'replication_factor': '1'};
CREATE TABLE spark_streams.created_users (id UUID PRIMARY KEY, first_name TEXT, last_name TEXT, gender TEXT, address TEXT,
    post_code TEXT, email TEXT, username TEXT, registered_date TEXT, phone TEXT, picture TEXT);'''


def start():
    kafka, cql = millrace.free_port(), millrace.free_port()
    project = millrace.Project(SETTINGS + f'  kafka: 127.0.0.1:{kafka}\n  cql: 127.0.0.1:{cql}', SQL)
    process = project.start()
    millrace.until(lambda: millrace.can_connect(kafka) and millrace.can_connect(cql), 'the doors stay shut')
    return project, process, kafka, cql


def kafka_parts(scala, connector, tokens, client):
    """Spark's Kafka connector; not every part is on Maven Central in every release."""
    return [f'org.apache.spark:spark-sql-kafka-0-10_{scala}:{connector}!',
            f'org.apache.spark:spark-token-provider-kafka-0-10_{scala}:{tokens}!',
            f'org.apache.kafka:kafka-clients:{client}!', 'org.apache.commons:commons-pool2:2.12.1!']


def submit(version, coordinates, script, *words):
    """Runs a program in a local Spark; its output."""
    python = clients.venv(f'spark-{version}', f'pyspark=={version}')
    folder = clients.engine.jars(f'spark-{version}-connectors', *coordinates)
    jars = ','.join(os.path.join(folder, name) for name in sorted(os.listdir(folder))
                    if not re.match(r'(scala-library|scala-reflect|spark-(core|sql|catalyst|tags|unsafe)_|slf4j|log4j)', name))
    java = os.path.dirname(os.path.dirname(clients.engine.java(17)))
    environment = {**os.environ, 'JAVA_HOME': java, 'PYSPARK_PYTHON': python, 'SPARK_LOCAL_IP': '127.0.0.1'}
    environment.pop('SPARK_HOME', None)
    done = subprocess.run([os.path.join(os.path.dirname(python), 'spark-submit'), '--master', 'local[2]', '--driver-memory', '1g',
                           '--conf', 'spark.driver.extraJavaOptions=-XX:+UseSerialGC -XX:TieredStopAtLevel=1',
                           '--jars', jars, os.path.join(HERE, script), *words],
                          capture_output=True, text=True, timeout=800, env=environment, cwd=millrace.folder())
    return done.stdout + ('' if done.returncode == 0 else done.stderr[-4000:])


def tutorial(tap):
    project, process, kafka, cql = start()
    cqlsh = os.path.join(clients.ROOT, 'tools', 'engines', 'cassandra')
    done = subprocess.run([cqlsh, 'cqlsh', '-e', TABLE, '127.0.0.1', str(cql)], capture_output=True, text=True, timeout=200)
    tap.equal(done.returncode, 0, 'the table of the tutorial is made')
    lines = ''.join(json.dumps({'id': f'00000000-0000-4000-8000-{i:012}', 'first_name': f'f{i}', 'email': f'e{i}@example.com'}) + '\n'
                    for i in range(500))
    project.must('produce', 'users_created', input=lines)
    out = submit('3.5.6', kafka_parts('2.12', '3.5.7', '3.5.7', '3.4.1') + [
        'com.datastax.spark:spark-cassandra-connector_2.12:3.5.1'], 'tutorial.py', f'127.0.0.1:{kafka}',
                 '127.0.0.1', str(cql))
    tap.has(out, 'ROWS 500 e7@example.com', 'Spark reads our topic, writes our table and reads it back')
    got = project.sql('SELECT count(*), count(email), count(last_name) FROM spark_streams.created_users')
    tap.equal(got, [['500', '500', '0']], 'and our SQL sees the rows')
    tap.ok(process.alive(), 'the server still runs', process.err())


def kafka(tap):
    project, process, port, _ = start()
    records = [f'k{i}:{i}' for i in range(1000)]
    project.must('produce', 'numbers', '-K', ':', input='\n'.join(records) + '\n')
    out = submit('4.2.0', kafka_parts('2.13', '4.2.0', '4.0.0', '3.9.1'), 'kafka_both_ways.py', f'127.0.0.1:{port}')
    tap.has(out, f'DOUBLED 1000 {sum(range(1000)) * 2}', 'source and sink')
    tap.has(out, 'BY_TIME 1000', 'offsets by time')
    tap.ok(process.alive(), 'the server still runs', process.err())


millrace.main(tutorial, kafka)
