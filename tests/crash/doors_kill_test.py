#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kill -9 under load through both data doors at once.

    DOORS_ROUNDS=200 DOORS_SEED=1 doors_kill_test.py [sync] [os]

Producers, transactions, groups and CQL writers (doors_kafka.py, doors_cql.py) work against one server that is killed
again and again and comes back on the same ports with the same data. No client object is made anew: they find back by
themselves, and in most rounds each kind of work has to get something done before the next kill. The other rounds kill
sooner: while the server starts, while it ends, or as soon as it listens. A kill loses nothing that was written, so
`os` has to keep what `sync` keeps. One topic feeds a table of the pipeline, which has to hold each record once.

The seed gives the same choices again; the moments are those of the machine.
"""
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import clients  # noqa: E402
import millrace  # noqa: E402

ROUNDS = int(os.environ.get('DOORS_ROUNDS', '20'))
SEED = os.environ.get('DOORS_SEED') or str(random.SystemRandom().randrange(1 << 32))
HERE = os.path.dirname(os.path.abspath(__file__))
PROGRESS = {'kafka': ['plain', 'idem', 'in', 'commit', 'etl', 'group', 'audit', 'watermarks', 'offsets'],
            'cql': ['row 0', 'row 1', 'concurrent', 'overwrite', 'delete', 'counter', 'batch', 'claim 0', 'claim 1',
                    'lwt', 'conditional batch']}
SETTINGS = '''sources:
  idem:
    topic: {{name: idem, partitions: 3, retention: forever, segment_bytes: 1MB}}
    schema: "p INT, n INT"
targets:
  idem_rows: {{table: test.idem_rows, key: [p, n]}}
engines: {{durability: {durability}}}
listeners:
  kafka: 127.0.0.1:{kafka}
  cql: 127.0.0.1:{cql}'''
SQL = '''CREATE STREAMING TABLE idem_rows AS SELECT p, n FROM STREAM idem;
CREATE STREAMING TABLE idem_all AS SELECT p, n FROM STREAM idem;'''


class Client:
    """A program of clients; lines of JSON come back."""

    def __init__(self, program, script, port):
        self.name = script
        self.errors = os.path.join(millrace.folder(), 'err')
        with open(self.errors, 'wb') as err:
            self.child = subprocess.Popen([program, os.path.join(HERE, script), str(port)], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, stderr=err, text=True, start_new_session=True,
                                          env={**os.environ, 'DOORS_SEED': SEED})
        millrace.at_end.append(self.kill)

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()

    def hear(self):
        line = self.child.stdout.readline()
        if not line:
            with open(self.errors, encoding='utf-8', errors='replace') as file:
                raise RuntimeError(f'{self.name} ended: {file.read()[-3000:]}')
        return json.loads(line)

    def ask(self, what):
        self.child.stdin.write(what + '\n')
        self.child.stdin.flush()
        return self.hear()


class World:
    def __init__(self, durability):
        self.random = random.Random(f'{SEED} {durability}')
        self.ports = {'kafka': millrace.free_port(), 'cql': millrace.free_port()}
        self.project = millrace.Project(SETTINGS.format(durability=durability, **self.ports), SQL)
        self.errors = []
        self.start()
        self.clients = {
            'kafka': Client(clients.venv('confluent-kafka', 'confluent-kafka==2.15.0'), 'doors_kafka.py', self.ports['kafka']),
            'cql': Client(clients.venv('cassandra-driver', 'cassandra-driver==3.30.1', 'lz4', 'python-snappy'), 'doors_cql.py',
                          self.ports['cql'])}
        for client in self.clients.values():
            client.hear()

    def start(self, wait=True):
        self.run = self.project.start(wait=wait)
        if wait:
            for port in self.ports.values():
                millrace.until(lambda: self.listens(port), lambda: f'a door stays shut: {self.run.err()}')

    def listens(self, port):
        if not self.run.alive():
            raise RuntimeError(f'run ended by itself: {self.run.out()}{self.run.err()}')
        return millrace.can_connect(port)

    def steps(self):
        steps = {}
        for name, client in self.clients.items():
            answer = client.ask('progress')
            if answer['mistakes']:
                raise RuntimeError('\n'.join(answer['mistakes']))
            steps[name] = answer['steps']
        return steps

    def work(self):
        """Every kind of work gets something done."""
        before = self.steps()

        def look():
            if not self.run.alive():
                raise RuntimeError(f'run ended by itself: {self.run.out()}{self.run.err()}')
            now = self.steps()
            self.stuck = [what for name, kinds in PROGRESS.items() for what in kinds
                          if now[name].get(what, 0) <= before[name].get(what, 0)]
            return not self.stuck
        millrace.until(look, lambda: f'got nothing done since the restart: {self.stuck}', timeout=60, pause=0.05)

    def kill(self):
        self.run.kill()
        for line in self.run.err().splitlines():
            if 'ERROR' in line or 'Sanitizer' in line or 'runtime error' in line:
                self.errors.append(line)

    def round(self):
        shape = self.random.random()
        if shape < 0.10:  # while it starts
            self.start(wait=False)
            time.sleep(self.random.random() * 0.15)
        elif shape < 0.25:  # as soon as it listens
            self.start()
            time.sleep(self.random.random() * 0.4)
        else:
            self.start()
            self.work()
            time.sleep(self.random.random() * 0.5)
        if self.random.random() < 0.15:  # while it ends
            self.run.signal(signal.SIGINT)
            time.sleep(self.random.random() * 0.05)
        self.kill()


def judge_table(tap, world, steps):
    want = steps['kafka']['idem']
    millrace.until(lambda: world.project.table('idem_rows')['lag'] == 0 == world.project.table('idem_all')['lag'],
                   'the tables of the pipeline do not catch up')
    for table in ('idem_rows', 'idem_all'):
        got = world.project.sql(f'SELECT count(*), count(DISTINCT concat(p, "-", n)) FROM {table}')
        tap.equal(got, [[str(want), str(want)]], f'{table}: each record of the producer once')
    tap.equal(millrace.wrong_books(world.project.status()), None, 'the books balance')


def kills(tap, durability, rounds):
    world = World(durability)
    started = time.monotonic()
    world.work()
    world.kill()
    for number in range(rounds - 1):
        try:
            world.round()
        except Exception as e:
            tap.ok(False, f'{durability}: round {number + 2} of {rounds} (seed {SEED})', f'{e}\n{world.run.err()[-2000:]}')
            break
    world.start()
    steps = {}
    for name, client in world.clients.items():
        answer = client.ask('finish')
        steps[name] = answer['steps']
        for good, text, detail in answer['results']:
            tap.ok(good, f'{durability}: {text}', detail)
    judge_table(tap, world, steps)
    tap.equal(world.errors[:5], [], f'{durability}: no error is logged')
    code = world.run.stop()
    tap.ok(code == 0, f'{durability}: it ends with 0', f'{code}: {world.run.out()}{world.run.err()}')
    code, report = world.project.doctor()
    tap.equal(code, 0, f'{durability}: doctor finds all well')
    if code:
        tap.note(report)
    tap.note(f'{durability}: {rounds} kills in {time.monotonic() - started:.0f} s, seed {SEED}: {json.dumps(steps)}')


def sync(tap):
    kills(tap, 'sync', ROUNDS)


def os_(tap):
    kills(tap, 'os', max(2, ROUNDS // 2))


os_.__name__ = 'os'
millrace.main(sync, os_)
