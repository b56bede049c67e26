# SPDX-License-Identifier: MIT
"""The CQL door beside Cassandra: part "cql" of bench.py.

The client is cql-load of this folder for both, since a driver's own work would set the pace: it costs less than a
microsecond a request. The peer is a real Cassandra of tools/engines; both servers do each piece in turn, run after
run, and only one of them runs at a time. Cassandra's periodic commit log is beside our durability `os`, its batch
mode beside `sync`. CPU seconds of the server stand beside each rate: on few cores the rate tells the client's and
the neighbours' mood as well. Without Java ours is measured alone.
"""
import contextlib
import json
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOOPBACK = '127.0.0.1'
FIFTH = '<= 1/5 of Cassandra'
RATE = 200000

SPEC = '''name: cql
storage: file:///tmp/bench
libraries:
  - glob: {include: transformations/**}
database: bench
'''
PROJECT = '''sources:
  clicks: {schema: "id BIGINT"}
listeners: {http: off, kafka: off, cql: 127.0.0.1:PORT}
engines: {durability: DURABILITY}
'''
TABLE = 'CREATE STREAMING TABLE clicked AS SELECT id FROM STREAM clicks;\n'


# ---- servers ----

class Server:
    def __init__(self, tool, port, pid):
        self.tool, self.port, self.pid = tool, port, pid

    def run(self, op, count, connections, depth, span=None):
        """One call of cql-load; its figures. Rows are of 200 bytes."""
        words = [self.tool, self.port, op, count, connections, depth, 200, self.pid, span or count]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=1800)
        if done.returncode != 0:
            raise RuntimeError(f'cql-load {op}: {done.stdout}{done.stderr}')
        return json.loads(done.stdout)


class Servers:
    """Starts the one or the other."""

    def __init__(self, bench, tools):
        self.bench, self.tools = bench, tools
        self.tool = bench.tool('serve/cql-load')
        self.engine = ROOT / 'tools/engines/cassandra'
        self.peer = subprocess.run([self.engine, 'install'], capture_output=True).returncode == 0
        if not self.peer:
            print('cql: no Cassandra here; ours is measured alone', file=sys.stderr)

    @contextlib.contextmanager
    def ours(self, durability, sizes):
        directory, port = self.bench.dir / 'cql-ours', self.tools.free_port()
        shutil.rmtree(directory, ignore_errors=True)
        (directory / 'transformations').mkdir(parents=True)
        (directory / 'spark-pipeline.yml').write_text(SPEC)
        (directory / 'transformations/all.sql').write_text(TABLE)
        (directory / 'millrace.yml').write_text(
            PROJECT.replace('PORT', str(port)).replace('DURABILITY', durability))
        with self.tools.running([self.bench.millrace, 'run', str(directory)], port) as process:
            yield Server(self.tool, port, process.pid)
        shutil.rmtree(directory, ignore_errors=True)

    @contextlib.contextmanager
    def theirs(self, durability, sizes):
        directory, port = self.bench.dir / 'cql-theirs', self.tools.free_port()
        sync = 'batch' if durability == 'sync' else 'periodic'
        done = subprocess.run([self.engine, 'start', '--port', str(port), '--dir', directory, '--sync', sync],
                              capture_output=True, text=True)
        try:
            if done.returncode != 0:
                raise RuntimeError(f'Cassandra does not start: {done.stderr}')
            server = Server(self.tool, port, int((directory / 'pid').read_text().split()[0]))
            if not self.bench.quick:  # its compiler has to have seen the work
                server.run('insert', sizes['rows'], 2, 128)
                server.run('read', sizes['rows'], 2, 128)
            yield server
        finally:
            subprocess.run([self.engine, 'stop', '--dir', directory, '--purge'], capture_output=True)

    def each(self, durability, sizes):
        """Ours and the peer: (server, whether it is the peer)."""
        for start, is_peer in ((self.ours, False), (self.theirs, True)):
            if is_peer and not self.peer:
                continue
            with start(durability, sizes) as server:
                yield server, is_peer


# ---- lines ----

class Pair:
    """A row with Cassandra's figure beside ours, and what ours has to be."""

    def __init__(self, bench, what, unit, target='', share=None, goal=None, how=''):
        self.line = bench.line(what, unit, target, how=how, peer='Cassandra')
        self.share, self.line.goal = share, goal

    def add(self, value, is_peer):
        line = self.line
        (line.peer if is_peer else line.values).append(value)
        if self.share and line.peer:
            peer = sorted(line.peer)[len(line.peer) // 2]
            line.goal = lambda v: v <= peer * self.share


PIECES = {
    'insert': 'inserts of 200 bytes by a prepared statement',
    'read': 'reads by primary key, at random among the rows',
    'mixed': 'an insert and a read in turn',
}


def lines_of(bench, durability, sizes):
    mode = 'periodic' if durability == 'os' else 'batch'
    beside = f'durability {durability} beside Cassandra\'s commitlog_sync {mode}'
    lines = {}
    for op, what in PIECES.items():
        if op != 'insert' and durability == 'sync':
            continue
        target = f'>= {RATE:,}' if op != 'mixed' else ''
        goal = (lambda v: v >= RATE) if op != 'mixed' else None
        how = f'{sizes["rows"]:,} {what}; 2 connections, 128 under way on each; {beside}'
        lines[op] = (Pair(bench, f'CQL, {op}, {durability}', '/s', target, goal=goal, how=how),
                     Pair(bench, '  CPU of the server', 's/M', FIFTH if op != 'mixed' else '',
                          0.2 if op != 'mixed' else None, how='user and system, all threads'),
                     Pair(bench, '  p99', 'ms', how='the same run'))
        lone = f'{sizes["lone"]:,} on one connection, each after the answer to the one before'
        if op != 'mixed':
            lines[f'lone {op}'] = (Pair(bench, f'CQL, one {op} at a time, {durability}, p50', 'us', how=lone),
                                   Pair(bench, '  CPU of the server', 's/M', how='the same run'))
    if durability == 'os':
        lines['connect'] = (Pair(bench, 'CQL, connect', 'ms', '<= 5 ms', goal=lambda v: v <= 5,
                                 how='from connect() to READY, median'),)
    return lines


def measure_one(server, lines, sizes, is_peer):
    def add(name, *values):
        for line, value in zip(lines[name], values):
            line.add(value, is_peer)

    def per_million(got):
        return got['cpu_s'] * 1e6 / got['ops']

    for op in PIECES:
        if op not in lines:
            continue
        got = server.run(op, sizes['rows'], 2, 128, sizes['rows'])
        add(op, got['ops_s'], per_million(got), got['p99_us'] / 1000)
    for op in ('insert', 'read'):
        if f'lone {op}' in lines:
            got = server.run(op, sizes['lone'], 1, 1)
            add(f'lone {op}', got['p50_us'], per_million(got))
    if 'connect' in lines:
        add('connect', server.run('connect', sizes['connects'], 1, 1)['p50_us'] / 1000)


def measure(bench, tools):
    scale = 100 if bench.quick else 1
    sizes = {'rows': 1000000 // scale, 'lone': 20000 // scale, 'connects': 20 if bench.quick else 200}
    servers = Servers(bench, tools)
    lines = {durability: lines_of(bench, durability, sizes) for durability in ('os', 'sync')}
    for _ in range(bench.runs):
        for durability in ('os', 'sync'):
            for server, is_peer in servers.each(durability, sizes):
                measure_one(server, lines[durability], sizes, is_peer)
