#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Drivers of Cassandra and cqlsh, from their packages, unchanged, against one millrace: cql_test.py CLIENT.

MILLRACE_CQL=HOST:PORT aims at another server instead: each test passes against a real Cassandra too.
"""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import clients
import millrace

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'cql')
SETTINGS = '''sources:
  users:
    schema: "id STRING, name STRING, age INT, at TIMESTAMP"
targets:
  people: {table: shop.people, key: [id], types: {id: uuid}}
listeners:
'''
SQL = "CREATE STREAMING TABLE people AS SELECT id, name, age, at FROM STREAM users;\n"
ID = '6f1c2f0e-5c2b-4a53-9a56-0d3c9b1a7e21'


servers = []  # ours


def server():
    """host:port, and the project when it is ours."""
    given = os.environ.get('MILLRACE_CQL')
    if given:
        return given, None
    port = millrace.free_port()
    project = millrace.Project(SETTINGS + f'  kafka: off\n  cql: 127.0.0.1:{port}', SQL)
    process = project.start()
    millrace.until(lambda: millrace.can_connect(port), 'the CQL door stays shut')
    servers.append(process)
    return f'127.0.0.1:{port}', project


def python(tap, name):
    at, _ = server()
    program = clients.venv('cassandra-driver', 'cassandra-driver==3.30.1', 'lz4', 'python-snappy')
    for version, compression in ((3, ''), (4, 'snappy'), (5, ''), (4, ''), (5, 'lz4')):
        words = [program, os.path.join(HERE, 'driver.py'), at, str(version)] + ([compression] if compression else [])
        clients.relay(tap, f'{name} v{version}{" " + compression if compression else ""}', words)


def node(tap, name):
    modules = clients.node_modules('cassandra-driver-node', 'cassandra-driver@4.10.0')
    if not modules:
        tap.skip(name, 'no npm here')
        return
    clients.relay(tap, name, ['node', os.path.join(HERE, 'driver.js'), server()[0]], {'NODE_PATH': modules})


def gocql(tap, name):
    program = clients.go_program(os.path.join(HERE, 'go'), 'gocql')
    if not program:
        tap.skip(name, 'no Go here')
        return
    at, _ = server()
    for version in ('4', '5'):
        clients.relay(tap, f'{name} v{version}', [program, at, version])


def rust(tap, name):
    program = clients.cargo_program(os.path.join(HERE, 'rust'), 'scylla')
    if not program:
        tap.skip(name, 'no Cargo here')
        return
    clients.relay(tap, name, [program, server()[0]])


def java(tap, name):
    jars = clients.engine.jars('java-driver-jars', 'com.datastax.oss:java-driver-core:4.17.0', 'org.slf4j:slf4j-nop:1.7.36')
    host, port = server()[0].split(':')
    clients.relay(tap, name, [clients.engine.java(), '-cp', f'{jars}/*', os.path.join(HERE, 'java', 'Driver.java'), host, port])


CQLSH_FILE = '''CREATE KEYSPACE IF NOT EXISTS spark_streams WITH replication = {'class': 'SimpleStrategy', 'replication_factor': '1'};
CREATE TABLE IF NOT EXISTS spark_streams.created_users (id UUID PRIMARY KEY, first_name TEXT, email TEXT);
USE spark_streams;
INSERT INTO created_users (id, first_name, email) VALUES (6f1c2f0e-5c2b-4a53-9a56-0d3c9b1a7e21, 'Ada', 'ada@example.com');
SELECT * FROM created_users;
DESCRIBE keyspaces;
DESCRIBE created_users;
SELECT count(*) FROM created_users;
'''


def cqlsh(tap, name):
    at, project = server()
    host, port = at.split(':')
    program = os.path.join(clients.ROOT, 'tools', 'engines', 'cassandra')

    def run(*words, text=None):
        return subprocess.run([program, 'cqlsh', *words, host, port], capture_output=True, text=True, timeout=200, input=text)
    file = os.path.join(millrace.folder(), 'init.cql')
    with open(file, 'w') as out:
        out.write(CQLSH_FILE)
    done = run('-u', 'cassandra', '-p', 'cassandra', '-f', file)
    tap.equal(done.returncode, 0, 'the file of a tutorial runs')
    tap.ok(re.search(r'6f1c2f0e-5c2b-4a53-9a56-0d3c9b1a7e21 \| *ada@example.com \| *Ada', done.stdout), 'its row is shown', done.stdout)
    tap.ok(re.search(r'^spark_streams\b|\bspark_streams\b', done.stdout), 'DESCRIBE keyspaces', done.stdout)
    tap.has(done.stdout, 'CREATE TABLE spark_streams.created_users (\n    id uuid PRIMARY KEY,\n    email text,\n    first_name text\n)',
            'DESCRIBE of a table')
    done = run('-e', 'SELEC * FROM x')
    tap.ok(done.returncode == 2 and 'SyntaxException: line 1:0 no viable alternative at input' in done.stderr, 'a mistake is told in Cassandra\'s words', done.stderr)
    done = run('-e', "COPY spark_streams.created_users (id, first_name, email) TO STDOUT")
    tap.has(done.stdout, '6f1c2f0e-5c2b-4a53-9a56-0d3c9b1a7e21,Ada,ada@example.com', 'COPY TO')
    done = run('-e', "TRACING OFF; EXPAND ON; SELECT first_name FROM spark_streams.created_users; DESCRIBE CLUSTER")
    tap.has(done.stdout, 'Murmur3Partitioner', 'DESCRIBE CLUSTER')
    done = run('-e', 'TRACING ON; SELECT first_name FROM spark_streams.created_users')
    tap.ok(re.search(r'Tracing session: [0-9a-f-]{36}', done.stdout) and 'Request complete' in done.stdout, 'TRACING ON prints what was done', done.stdout + done.stderr)
    done = run('-e', 'DROP MATERIALIZED VIEW IF EXISTS spark_streams.none; LIST ROLES')
    tap.has(done.stderr, 'You have to be logged in and not anonymous to perform this request', 'nobody is logged in')
    if project:
        table_of_the_pipeline(tap, project, run)
    run('-e', 'DROP KEYSPACE spark_streams')


def table_of_the_pipeline(tap, project, run):
    project.must('produce', 'users', input=f'{{"id": "{ID}", "name": "Ada", "age": 36, "at": "2026-01-02T03:04:05.678Z"}}\n')
    millrace.until(lambda: project.table('people')['stored'] == 1, 'the row is not stored')
    done = run('-e', 'SELECT id, name, age, at FROM shop.people')
    tap.ok(re.search(rf'{ID} \| *Ada \| *36 \| *2026-01-02 03:04:05.678000\+0000', done.stdout), 'a table of the pipeline is a table here', done.stdout)
    done = run('-e', f"UPDATE shop.people SET age = 37 WHERE id = {ID}")
    tap.equal(done.returncode, 0, 'it can be written')
    tap.equal(project.sql('SELECT name, age FROM shop.people'), [['Ada', '37']], 'and SQL sees that')
    run('-e', 'CREATE INDEX ON shop.people (name)')
    project.must('produce', 'users', input=f'{{"id": "{ID[:-1]}2", "name": "Bob", "age": 1}}\n')
    millrace.until(lambda: project.table('people')['stored'] == 2, 'the row is not stored')
    done = run('-e', "SELECT age FROM shop.people WHERE name = 'Bob'")
    tap.has(done.stdout, '(1 rows)', 'an index finds rows that the pipeline wrote after it')


def main():
    name = sys.argv.pop(1)
    test = {'cassandra-driver': python, 'cassandra-driver-node': node, 'gocql': gocql, 'cqlsh': cqlsh,
            'scylla': rust, 'java-driver': java}[name]
    def one(tap):
        test(tap, name)
        for process in servers:
            tap.ok(process.alive(), f'{name}: the server still runs', process.err()[-3000:])
    one.__name__ = name
    millrace.main(one)


main()
