#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clients of Kafka, from their packages, unchanged, against one millrace: kafka_test.py CLIENT.

MILLRACE_KAFKA=HOST:PORT aims at another broker instead: each test passes against a real Kafka too, which
shows that it asks for nothing special. Start that one with num.partitions=1.
"""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import clients
import millrace

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'kafka')
PYTHON = {
    'kafka-python-2.0.2': ('kafka_python.py', ['kafka-python==2.0.2', 'six', 'python-snappy', 'lz4']),
    'kafka-python': ('kafka_python.py', ['kafka-python==3.0.7', 'python-snappy', 'lz4', 'zstandard']),
    'confluent-kafka': ('confluent.py', ['confluent-kafka==2.15.0']),
    'aiokafka': ('aio.py', ['aiokafka==0.13.0', 'cramjam']),
}
GO = {'franz-go': 'franz', 'kafka-go': 'segmentio', 'sarama': 'sarama'}


servers = []  # ours


def broker():
    given = os.environ.get('MILLRACE_KAFKA')
    if given:
        return given
    port = millrace.free_port()
    project = millrace.Project(f'sources:\n  clicks: {{schema: "id BIGINT"}}\nlisteners:\n  kafka: 127.0.0.1:{port}\n  cql: off',
                               'CREATE STREAMING TABLE clicked AS SELECT id FROM STREAM clicks;')
    process = project.start()
    millrace.until(lambda: millrace.can_connect(port), 'the Kafka door stays shut')
    servers.append(process)
    return f'127.0.0.1:{port}'


def python(tap, name):
    script, packages = PYTHON[name]
    clients.relay(tap, name, [clients.venv(name, *packages), os.path.join(HERE, script), broker()], cwd=HERE)


def kafkajs(tap, name):
    modules = clients.node_modules('kafkajs', 'kafkajs@2.2.4')
    if not modules:
        tap.skip(name, 'no npm here')
        return
    clients.relay(tap, name, ['node', os.path.join(HERE, 'kafkajs.js'), broker()], {'NODE_PATH': modules})


def go(tap, name):
    program = clients.go_program(os.path.join(HERE, 'go'), 'kafka')
    if not program:
        tap.skip(name, 'no Go here')
        return
    clients.relay(tap, name, [program, GO[name], broker()])


def kcat(tap, name):
    if not shutil.which('kcat'):
        tap.skip(name, 'no kcat here')
        return
    at = broker()

    def run(*words, text=''):
        return subprocess.run(['kcat', '-b', at, *words], input=text, capture_output=True, text=True, timeout=60)
    lines = ''.join(f'k{i % 3}:v{i}\n' for i in range(100))
    done = run('-P', '-t', 'cat', '-K:', '-z', 'lz4', text=lines)
    tap.equal((done.returncode, done.stderr), (0, ''), 'kcat produces')
    done = run('-C', '-t', 'cat', '-e', '-q', '-o', 'beginning', '-f', '%k:%s\n')
    tap.equal(done.stdout, lines, 'kcat consumes what it produced')
    done = run('-C', '-t', 'cat', '-e', '-q', '-o', '-5', '-f', '%o ')
    tap.equal(done.stdout, '95 96 97 98 99 ', 'the last five')
    done = run('-L', '-J')
    tap.has(done.stdout, '"topic":"cat"', 'metadata names the topic')
    done = run('-Q', '-t', 'cat:0:-1')
    tap.has(done.stdout, 'offset 100', 'the end of a partition')
    done = run('-G', 'cats', '-e', '-q', '-o', 'beginning', '-X', 'auto.offset.reset=earliest', '-f', '%s\n', 'cat')
    tap.equal(len(done.stdout.splitlines()), 100, 'a group of one reads all')


def main():
    name = sys.argv.pop(1)
    if name in PYTHON:
        test = python
    elif name in GO:
        test = go
    else:
        test = {'kafkajs': kafkajs, 'kcat': kcat}[name]
    def one(tap):
        test(tap, name)
        for process in servers:
            tap.ok(process.alive(), f'{name}: the broker still runs', process.err()[-3000:])
    one.__name__ = name
    millrace.main(one)


main()
