# SPDX-License-Identifier: MIT
"""The Kafka door beside Kafka: part "kafka" of bench.py.

The client is kafka_perf of ../shared/bench (librdkafka), the peer a real Kafka of tools/engines. Both
brokers do each piece in turn, run after run; only one of them runs at a time, since each takes a core.
Kafka's default is beside our durability `os`, Kafka with flush.messages=1 beside `sync`. Rates on two
cores depend on the client as much as on the broker, so CPU seconds of the broker stand beside each.
Without the client the part is left out; without Java ours is measured alone.
"""
import contextlib
import os
import pathlib
import re
import selectors
import shutil
import socket
import struct
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOOPBACK = '127.0.0.1'
THIRD = '<= 1/3 of Kafka'

SPEC = '''name: kafka
storage: file:///tmp/bench
libraries:
  - glob: {include: transformations/**}
database: bench
'''
PROJECT = '''sources:
  clicks: {schema: "id BIGINT"}
listeners: {http: HTTP, kafka: 127.0.0.1:PORT, cql: CQL}
engines: {durability: DURABILITY}
'''
TABLE = 'CREATE STREAMING TABLE clicked AS SELECT id FROM STREAM clicks;\n'


# ---- brokers ----

class Broker:
    def __init__(self, port, pid, tool):
        self.address, self.port, self.pid, self.tool = f'{LOOPBACK}:{port}', port, pid, tool

    def run(self, command, *words):
        """One call of kafka_perf; its figures."""
        done = subprocess.run([self.tool, command, '-b', self.address, '-P', str(self.pid), *map(str, words)],
                              capture_output=True, text=True, timeout=900)
        if done.returncode != 0:
            raise RuntimeError(f'kafka_perf {command} {words}: {done.stdout}{done.stderr}')
        figures = {key: float(value) for key, value in re.findall(r'(\w+)=(-?[\d.]+)', done.stdout)}
        for name in ('failed', 'lost', 'doubled', 'errors'):
            if figures.get(name):
                raise RuntimeError(f'kafka_perf {command} {words}: {done.stdout}')
        return figures

    def topic(self, name, partitions):
        self.run('create', '-t', name, '-p', partitions)
        time.sleep(0.5)

    def rss_mb(self):
        status = pathlib.Path(f'/proc/{self.pid}/status').read_text()
        return int(re.search(r'VmRSS:\s+(\d+) kB', status)[1]) / 1024

    def cpu_s(self):
        words = pathlib.Path(f'/proc/{self.pid}/stat').read_text().rsplit(')', 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf('SC_CLK_TCK')


def project(directory, port, durability, http='off', cql='off'):
    shutil.rmtree(directory, ignore_errors=True)
    (directory / 'transformations').mkdir(parents=True)
    (directory / 'spark-pipeline.yml').write_text(SPEC)
    (directory / 'transformations/all.sql').write_text(TABLE)
    text = PROJECT
    for name, value in [('HTTP', http), ('PORT', port), ('CQL', cql), ('DURABILITY', durability)]:
        text = text.replace(name, str(value))
    (directory / 'millrace.yml').write_text(text)


class Kafka:
    """Starts the one or the other."""

    def __init__(self, bench, tool, tools):
        self.bench, self.tool, self.tools = bench, tool, tools
        self.peer = subprocess.run([ROOT / 'tools/engines/kafka', 'install'], capture_output=True).returncode == 0
        if not self.peer:
            print('kafka: no Kafka here; ours is measured alone', file=sys.stderr)

    @contextlib.contextmanager
    def ours(self, durability):
        directory, port = self.bench.dir / 'kafka-ours', self.tools.free_port()
        project(directory, port, durability)
        with self.tools.running([self.bench.millrace, 'run', str(directory)], port) as process:
            yield Broker(port, process.pid, self.tool)
        shutil.rmtree(directory, ignore_errors=True)

    @contextlib.contextmanager
    def theirs(self, durability):
        directory = self.bench.dir / 'kafka-theirs'
        port = self.tools.free_port()
        engine = [ROOT / 'tools/engines/kafka']
        sync = ['--sync'] if durability == 'sync' else []
        done = subprocess.run([*engine, 'start', '--port', str(port), '--dir', directory, *sync],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f'Kafka does not start: {done.stderr}')
        try:
            broker = Broker(port, int((directory / 'pid').read_text().split()[0]), self.tool)
            if not self.bench.quick:  # its compiler has to have seen the work
                broker.topic('warm', 4)
                broker.run('produce', '-t', 'warm', '-n', 1500000, '-s', 100, '-i')
                broker.run('consume', '-t', 'warm')
                broker.run('delete', '-t', 'warm')
            yield broker
        finally:
            subprocess.run([*engine, 'stop', '--dir', directory, '--purge'], capture_output=True)

    def each(self, durability):
        """Ours and the peer: (broker, whether it is the peer)."""
        for start, is_peer in ((self.ours, False), (self.theirs, True)):
            if is_peer and not self.peer:
                continue
            with start(durability) as broker:
                yield broker, is_peer


# ---- lines ----

class Pair:
    """A row with Kafka's figure beside ours, and what share of it ours may be."""

    def __init__(self, bench, what, unit, target='', share=None, least=None, how=''):
        self.line = bench.line(what, unit, target, how=how, peer='Kafka')
        self.share, self.least = share, least

    def add(self, value, is_peer):
        line = self.line
        (line.peer if is_peer else line.values).append(value)
        if not line.peer:
            return
        peer = sorted(line.peer)[len(line.peer) // 2]
        if self.share:
            line.goal = lambda v: v <= peer * self.share
        elif self.least:
            line.goal = lambda v: v >= peer * self.least


def produce_lines(bench, sizes):
    lines = {}
    for durability in ('os', 'sync'):
        for size, name, count in sizes:
            for partitions in (1, 10):
                if durability == 'sync' and size == 100:
                    continue
                where = f'{name}, {partitions} partition{"s" if partitions > 1 else ""}, {durability}'
                how = (f'{count:,} records, acks=all, batch.size=65536, linger.ms=5; durability {durability} beside '
                       + ('Kafka with flush.messages=1' if durability == 'sync' else "Kafka's default"))
                lines[durability, size, partitions] = count, (
                    Pair(bench, f'Kafka, produce {where}', 'records/s', how=how),
                    Pair(bench, '  CPU of the broker', 's/M records', THIRD, 1 / 3, how='user and system, all threads'))
    return lines


def produce(broker, lines, durability, is_peer):
    for (kind, size, partitions), (count, (rate, cpu)) in lines.items():
        if kind != durability:
            continue
        topic = f'p{size}.{partitions}'
        broker.topic(topic, partitions)
        got = broker.run('produce', '-t', topic, '-n', count, '-w', count // 20, '-s', size)
        broker.run('delete', '-t', topic)
        rate.add(got['rec_s'], is_peer)
        cpu.add(got['broker_cpu_s_per_mrec'], is_peer)


def lone_lines(bench, durability):
    return (Pair(bench, f'Kafka, lone records at 1,000/s, {durability}, p99', 'ms', THIRD, 1 / 3,
                 how='100 B, linger.ms=0, 1 partition, to the acknowledgement'),
            Pair(bench, '  p50', 'ms', how='the same'),
            Pair(bench, '  CPU of the broker', 's/M records', THIRD, 1 / 3, how='the same'))


def lone(broker, lines, count, is_peer):
    broker.topic('lone', 1)
    got = broker.run('produce', '-t', 'lone', '-n', count, '-w', count // 20, '-s', 100, '-l', 0, '-S', 1, '-r', 1000)
    broker.run('delete', '-t', 'lone')
    for line, value in zip(lines, (got['ack_p99_us'] / 1000, got['ack_p50_us'] / 1000, got['broker_cpu_s_per_mrec'])):
        line.add(value, is_peer)


def transaction_lines(bench):
    return (Pair(bench, 'Kafka, transactions of 100 records, os', 'records/s', '>= 3 x Kafka', least=3,
                 how='100 B, 1 partition, one after the other'),
            Pair(bench, '  CPU of the broker', 's/M records', how='the same'))


def transactions(broker, lines, count, is_peer):
    broker.topic('txn', 1)
    got = broker.run('produce', '-t', 'txn', '-n', count, '-w', 1000, '-s', 100, '-T', 100)
    broker.run('delete', '-t', 'txn')
    for line, value in zip(lines, (got['rec_s'], got['broker_cpu_s_per_mrec'])):
        line.add(value, is_peer)


def consume_lines(bench):
    return (Pair(bench, 'Kafka, consume 1 KB, 1 partition', 'MB/s', how='from the beginning, without a group'),
            Pair(bench, '  CPU of the broker', 's/GB', how='the same'))


def consume(broker, lines, count, is_peer):
    broker.topic('read', 1)
    broker.run('produce', '-t', 'read', '-n', count, '-s', 1024)
    got = broker.run('consume', '-t', 'read')
    broker.run('delete', '-t', 'read')
    for line, value in zip(lines, (got['mb_s'], got['broker_cpu_s_per_gb'])):
        line.add(value, is_peer)


def loaded(bench, broker, line, count, is_peer):
    broker.topic('wide', 100)
    broker.run('produce', '-t', 'wide', '-n', count, '-s', 100)
    broker.run('consume', '-t', 'wide')
    line.add(broker.rss_mb(), is_peer)
    broker.run('delete', '-t', 'wide')


# ---- idle consumers ----

def text(value):
    return struct.pack('>h', len(value)) + value.encode()


def fetch_request(topic, partitions, session, epoch):
    """Fetch v11, which both brokers speak: all partitions first, then only the session's number."""
    body = struct.pack('>hhi', 1, 11, epoch) + text('idle')
    body += struct.pack('>iiiibii', -1, 500, 1, 1 << 20, 0, session, epoch)
    if epoch:
        body += struct.pack('>i', 0)
    else:
        body += struct.pack('>i', 1) + text(topic) + struct.pack('>i', len(partitions))
        body += b''.join(struct.pack('>iiqqi', p, -1, 0, -1, 1 << 20) for p in partitions)
    body += struct.pack('>i', 0) + text('')
    return struct.pack('>i', len(body)) + body


class Idle:
    """Consumers that wait for records which do not come, asking again every 500 ms as clients do."""

    def __init__(self, broker, topic, partitions, count):
        self.selector, self.topic, self.answers = selectors.DefaultSelector(), topic, 0
        self.consumers = []
        for i in range(count):
            s = socket.create_connection((LOOPBACK, broker.port))
            mine = [partitions * i // count + k for k in range(partitions // count)]
            s.sendall(fetch_request(topic, mine, 0, 0))
            consumer = [s, b'', 0, mine]
            self.selector.register(s, selectors.EVENT_READ, consumer)
            self.consumers.append(consumer)

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for key, _ in self.selector.select(0.1):
                self.take(key.data)

    def take(self, consumer):
        s, had, epoch, mine = consumer
        data = s.recv(65536)
        if not data:
            raise RuntimeError('a broker closed the connection of an idle consumer')
        had += data
        if len(had) < 4 or len(had) < 4 + struct.unpack_from('>i', had)[0]:
            consumer[1] = had
            return
        _, _, _, code, session = struct.unpack_from('>iiihi', had)
        if code:
            raise RuntimeError(f'a Fetch was answered with error {code}')
        self.answers += 1
        consumer[1:3] = b'', epoch + 1 if session else 0  # no session: the broker has a thousand others
        s.sendall(fetch_request(self.topic, mine, session, consumer[2]))

    def close(self):
        for s, *_ in self.consumers:
            s.close()


def idle_lines(bench, partitions, consumers):
    return (Pair(bench, 'Kafka, idle consumers: CPU', '%', '< 2 %',
                 how=f'{consumers:,} consumers with fetch sessions over {partitions:,} empty partitions'),
            Pair(bench, '  memory', 'MB', '< 200 MB', how='VmRSS'))


def idle(bench, broker, lines, sizes, is_peer):
    partitions, consumers, seconds = sizes
    per_topic = min(partitions, 1000)
    broker.topic('still', per_topic)
    for i in range(1, partitions // per_topic):
        broker.run('create', '-t', f'still{i}', '-p', per_topic)
    time.sleep(3)
    clients = Idle(broker, 'still', per_topic, consumers)
    try:
        clients.run(3)
        before, start = broker.cpu_s(), time.monotonic()
        clients.run(seconds)
        lines[0].add(100 * (broker.cpu_s() - before) / (time.monotonic() - start), is_peer)
        lines[1].add(broker.rss_mb(), is_peer)
    finally:
        clients.close()
    if not is_peer:
        lines[0].line.goal, lines[1].line.goal = lambda v: v < 2, lambda v: v < 200


# ---- all doors, nothing to do ----

def doors(bench, tools):
    memory = bench.line('all doors open, nothing to do: memory', 'MB', '<= 40 MB', lambda v: v <= 40, 'VmRSS')
    cpu = bench.line('  CPU', '%', '< 1 %', lambda v: v < 1, 'over 5 s')
    start = bench.line('  start until all doors listen', 'ms', '<= 50 ms', lambda v: v <= 50, 'a new project')
    for _ in range(bench.runs):
        directory, ports = bench.dir / 'kafka-doors', [tools.free_port() for _ in range(3)]
        project(directory, ports[0], 'sync', f'{LOOPBACK}:{ports[1]}', f'{LOOPBACK}:{ports[2]}')
        began = time.perf_counter()
        with tools.running([bench.millrace, 'run', str(directory)], ports[0]) as process:
            for port in ports[1:]:
                tools.wait_port(port, process)
            start.values.append((time.perf_counter() - began) * 1000)
            time.sleep(0.5 if bench.quick else 3)
            before, began = tools.cpu_ns(process.pid), time.monotonic()
            time.sleep(1 if bench.quick else 5)
            cpu.values.append((tools.cpu_ns(process.pid) - before) / 1e7 / (time.monotonic() - began))
            memory.values.append(tools.memory_mb(process.pid))


# ---- the part ----

def client(bench):
    shared = pathlib.Path(os.environ.get('MILLRACE_SHARED') or ROOT.parent / 'shared')
    source, tool = shared / 'bench/kafka_perf.c', bench.dir / 'kafka_perf'
    if not source.exists():
        return None
    done = subprocess.run(['cc', '-O2', '-std=gnu17', '-o', tool, source, '-lrdkafka', '-lpthread'],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f'{source} is not built: {done.stderr}')
    return str(tool)


def measure(bench, tools):
    doors(bench, tools)
    tool = client(bench)
    if not tool:
        print('kafka: no ../shared/bench/kafka_perf.c; left out', file=sys.stderr)
        return
    scale = 100 if bench.quick else 1
    brokers = Kafka(bench, tool, tools)
    lines = produce_lines(bench, [(100, '100 B', 2000000 // scale), (1024, '1 KB', 300000 // scale)])
    alone = {durability: lone_lines(bench, durability) for durability in ('os', 'sync')}
    txn, read = transaction_lines(bench), consume_lines(bench)
    wide = Pair(bench, 'Kafka, memory after load on 100 partitions', 'MB', '<= 64 MB', how='VmRSS')
    wide.line.goal = lambda v: v <= 64
    sizes = (1000, 100, 2) if bench.quick else (10000, 1000, 10)
    still = idle_lines(bench, *sizes[:2])
    for _ in range(bench.runs):
        for durability in ('os', 'sync'):
            for broker, is_peer in brokers.each(durability):
                produce(broker, lines, durability, is_peer)
                lone(broker, alone[durability], 10000 // scale * (4 if bench.quick else 1), is_peer)
                if durability == 'sync':
                    continue
                consume(broker, read, 300000 // scale, is_peer)
                transactions(broker, txn, 20000 // scale, is_peer)
                loaded(bench, broker, wide, 2000000 // scale, is_peer)
    for start, is_peer in ((brokers.ours, False), (brokers.theirs, True)):
        if is_peer and (bench.quick or not brokers.peer):
            continue
        with start('os') as broker:
            idle(bench, broker, still, sizes, is_peer)
