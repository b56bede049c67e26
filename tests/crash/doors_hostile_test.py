#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Strangers, liars and idlers at the data doors, while a good client goes on.

    DOORS_SEED=1 doors_hostile_test.py [strangers] [lies] [fuzz] [halves] [slow_readers] [slow_writers] [idle] [waiting]

Everything that is sent is bytes on raw sockets. After each attack the server has to be the same process, its memory
bounded, itself quiet, and each round trip of the good client, made meanwhile, answered. What no limit of the machine
allows (files that may be open) is skipped, counted.
"""
import os
import random
import re
import resource
import socket
import ssl
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import doors_raw as raw  # noqa: E402
import millrace  # noqa: E402

SEED = os.environ.get('DOORS_SEED') or str(random.SystemRandom().randrange(1 << 32))
SIZE = float(os.environ.get('DOORS_SIZE', '1'))  # of what is thrown at it
MEGABYTE = 1 << 20
SETTINGS = '''sources:
  clicks: {{schema: "id BIGINT"}}
listeners:
  kafka: 127.0.0.1:{kafka}
  cql: 127.0.0.1:{cql}'''
SQL = 'CREATE STREAMING TABLE clicked AS SELECT id FROM STREAM clicks;'


class Good(threading.Thread):
    """Writes through both doors and reads back what it wrote."""

    def __init__(self, ports):
        super().__init__(daemon=True)
        self.ports = ports
        self.trips = 0
        self.worst = 0.0
        self.mistake = None
        self.ending = False

    def trip(self, kafka, cql, n):
        value = f'good {n}'.encode()
        offset = kafka.produce('good', raw.batch(value))
        if value not in kafka.fetch('good', offset):
            raise RuntimeError(f'{value} is not at {offset}')
        cql.query(f"INSERT INTO good.rows (k, v) VALUES ({n}, '{value.decode()}')")
        if value not in cql.query(f'SELECT v FROM good.rows WHERE k = {n}'):
            raise RuntimeError(f'{value} is not a row')

    def run(self):
        n = 0
        try:
            while not self.ending:
                start = time.monotonic()
                with raw.Kafka(self.ports['kafka']) as kafka, raw.Cql(self.ports['cql']) as cql:
                    for _ in range(10):
                        n += 1
                        self.trip(kafka, cql, n)
                        self.worst = max(self.worst, time.monotonic() - start)
                        self.trips += 1
                        time.sleep(0.01)
                        start = time.monotonic()
        except Exception as e:
            self.mistake = f'trip {n}: {e!r}'


class World:
    def __init__(self, tap, name):
        self.tap, self.name = tap, name
        self.random = random.Random(f'{SEED} {name}')
        self.ports = {'kafka': millrace.free_port(), 'cql': millrace.free_port()}
        self.project = millrace.Project(SETTINGS.format(**self.ports), SQL)
        self.run = self.project.start()
        for port in self.ports.values():
            millrace.until(lambda: millrace.can_connect(port), f'a door stays shut: {self.run.err()}')
        with raw.Kafka(self.ports['kafka']) as kafka, raw.Cql(self.ports['cql']) as cql:
            for topic in ('good', 'victim', 'quiet'):
                kafka.make(topic)
            for keyspace in ('good', 'victim'):
                cql.query(f"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}")
                cql.query(f'CREATE TABLE {keyspace}.rows (k int PRIMARY KEY, v text)')
        self.good = Good(self.ports)
        self.good.start()
        millrace.until(lambda: self.good.trips > 5 or self.good.mistake, 'the good client gets nothing done')

    def status(self, key):
        with open(f'/proc/{self.run.pid}/status', encoding='utf-8') as file:
            return int(re.search(rf'^{key}:\s+(\d+)', file.read(), re.M).group(1))

    def ticks(self):
        with open(f'/proc/{self.run.pid}/stat', encoding='utf-8') as file:
            words = file.read().rsplit(')', 1)[1].split()
        return int(words[11]) + int(words[12])

    def peak(self):
        """MB since the last call."""
        peak = self.status('VmHWM') / 1024
        with open(f'/proc/{self.run.pid}/clear_refs', 'w', encoding='utf-8') as file:
            file.write('5')
        return peak

    def served(self, what, trips=10):
        """The good client gets on, from here."""
        before = self.good.trips
        millrace.until(lambda: self.good.trips >= before + trips or self.good.mistake or not self.run.alive(),
                       lambda: f'{what}: the good client gets nothing done', timeout=raw.PATIENCE * 2)

    def pause(self):
        self.good.ending = True
        self.good.join(raw.PATIENCE * 2)

    def resume(self):
        """The counts and the mistake of before stay."""
        before, self.good = self.good, Good(self.ports)
        self.good.trips, self.good.worst, self.good.mistake = before.trips, before.worst, before.mistake
        self.good.start()

    def judge(self, megabytes, line=None):
        tap, name = self.tap, self.name
        self.served(name)
        self.pause()
        tap.ok(self.run.alive(), f'{name}: the server still runs', self.run.err()[-3000:])
        tap.ok(not self.good.mistake, f'{name}: the good client was always answered', self.good.mistake)
        tap.note(f'{name}: {self.good.trips} round trips, the slowest {self.good.worst * 1000:.0f} ms; seed {SEED}')
        if not self.run.alive():
            return
        peak = self.peak()
        if sanitized():
            tap.note(f'{name}: at most {peak:.0f} MB under the sanitizers')
        else:
            tap.ok(peak < megabytes, f'{name}: memory is bounded by {megabytes} MB', f'{peak:.0f} MB')
            tap.note(f'{name}: at most {peak:.0f} MB')
        millrace.until(self.quiet, f'{name}: it stays busy')
        tap.ok(True, f'{name}: quiet afterwards')
        if line:
            tap.ok(re.search(line, self.run.err()), f'{name}: the log says why', self.run.err()[-1500:])
        tap.ok(len(self.run.err()) < MEGABYTE, f'{name}: the log stays small', len(self.run.err()))
        code = self.run.stop()
        tap.ok(code == 0, f'{name}: it ends with 0', f'{code}: {self.run.err()[-3000:]}')

    def quiet(self):
        """Less than a tenth of a core, over half a second."""
        before = self.ticks()
        time.sleep(0.5)
        return self.ticks() - before < 0.05 * os.sysconf('SC_CLK_TCK')


def sanitized():
    with open(millrace.program(), 'rb') as file:
        return b'__asan_init' in file.read()


def throw(port, data, hear=True):
    """Sends, reads what comes until the end; gives it. No end in time is an error."""
    connection = raw.Connection(port)
    try:
        connection.send(data)
        connection.socket.shutdown(socket.SHUT_WR)
        return connection.rest() if hear else b''
    except (BrokenPipeError, ConnectionError):
        return b''
    finally:
        connection.close()


def closes(port, data):
    """Whether the server ends a connection on which this was sent, without being asked to."""
    with raw.Connection(port) as connection:
        try:
            connection.send(data)
        except ConnectionError:
            return True
        connection.rest()
        return True


# ---- attacks ----

def strangers(tap):
    world = World(tap, 'strangers')
    for door, port in world.ports.items():
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with socket.create_connection(('127.0.0.1', port), raw.PATIENCE) as plain:
                context.wrap_socket(plain).close()
            tap.ok(False, f'{door}: a TLS greeting is no greeting here')
        except (ssl.SSLError, ConnectionError, TimeoutError) as e:
            tap.ok(not isinstance(e, TimeoutError), f'{door}: a TLS greeting is turned away', e)
        for what, data in (('HTTP', b'GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n'),
                           ('HTTP POST', b'POST /hooks/events HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}'),
                           ('SSH', b'SSH-2.0-OpenSSH_9.2\r\n'), ('text', b'hello, is anybody there?\n' * 10),
                           ('PostgreSQL', b'\0\0\0\x08\x04\xd2\x16\x2f' + b'\xff' * 40), ('0xff', b'\xff' * 64)):
            tap.ok(closes(port, data), f'{door}: {what} is turned away')
    for data in (b'\0' * 64, b'\0\0\0\0'):
        tap.ok(closes(world.ports['kafka'], data), 'kafka: zeros are turned away')
    throw(world.ports['cql'], b'\0' * 64)
    tap.equal(throw(world.ports['kafka'], raw.envelope(raw.OPTIONS, b'')), b'', 'CQL is turned away at the Kafka door')
    tap.has(throw(world.ports['cql'], raw.metadata('victim')), b'version', 'Kafka is told so at the CQL door')
    world.judge(150, r'127\.0\.0\.1:\d+.*closed')


def lies(tap):
    world = World(tap, 'lies')
    kafka, cql = world.ports['kafka'], world.ports['cql']
    head = struct.pack('>hhi', 3, 1, 1) + raw.text('raw')
    for size in (-1, -2**31, 2**31 - 1, 0, 1, 7, 100 * MEGABYTE + 1, 1 << 30):
        tap.ok(closes(kafka, struct.pack('>i', size) + head), f'kafka: a frame of {size} bytes is refused')
    counts = (-2**31, -2, 2**31 - 1, 1 << 24, 65536)
    for key in range(0, 70):
        for version in (0, 1, 3, 4, 7, 9, 12):
            for count in counts:
                for body in (struct.pack('>i', count), b'\xff\xff' + struct.pack('>i', count), struct.pack('>hhi', 5, 5, count),
                             struct.pack('>iiii', count, count, count, count), b'\0' + b'\xff' * 4 + b'\x0f'):
                    if world.random.random() < 0.05 * SIZE:
                        throw(kafka, raw.request(key, version, body))
    records = bytearray(raw.batch(b'victim'))
    for at, form, value in ((8, '>i', 2**31 - 1), (8, '>i', -5), (57, '>i', 2**31 - 1), (57, '>i', -1), (23, '>i', 2**31 - 1)):
        lie = bytearray(records)
        struct.pack_into(form, lie, at, value)
        throw(kafka, raw.produce('victim', bytes(lie)))
    for size in (-1, 2**31 - 1, 256 * MEGABYTE, 17 * MEGABYTE):
        answer = throw(cql, raw.startup() + struct.pack('>BBhBi', 4, 0, 1, raw.QUERY, size) + b'SELECT')
        tap.ok(answer, f'cql: a frame of {size} bytes is answered', answer)
    for count in (-2**31, -2, 2**31 - 1, 1 << 24):
        for opcode in (raw.STARTUP, raw.QUERY, raw.PREPARE, raw.EXECUTE, raw.REGISTER, raw.BATCH, raw.AUTH_RESPONSE):
            for body in (struct.pack('>i', count), b'\x7f\xff' + struct.pack('>i', count), b'\0' + struct.pack('>Hi', 65535, count),
                         struct.pack('>i', 4) + b'LIST' + struct.pack('>hBh', 1, 1, -1) + struct.pack('>i', count)):
                answer = throw(cql, raw.startup() + raw.envelope(opcode, body))
                if not answer:
                    tap.ok(False, f'cql: a lie in opcode {opcode} is answered', body)
    world.judge(300, r'a request of -?\d+ bytes')


def mutate(random_, data):
    data = bytearray(data)
    for _ in range(random_.choice([1, 1, 2, 5, 20])):
        at = random_.randrange(len(data))
        kind = random_.random()
        if kind < 0.5:
            data[at] ^= 1 << random_.randrange(8)
        elif kind < 0.7:
            data[at] = random_.choice([0, 1, 0x7f, 0x80, 0xff])
        elif kind < 0.85:
            del data[at:at + random_.randrange(1, 9)]
        else:
            data[at:at] = random_.randbytes(random_.randrange(1, 9))
        if not data:
            data = bytearray(b'\0')
    return bytes(data)


def fuzz(tap):
    world = World(tap, 'fuzz')
    random_ = world.random
    group = raw.text('victims')
    kafka = [raw.metadata('victim'), raw.produce('victim', raw.batch(b'victim', b'again')), raw.fetch('victim', 0),
             raw.request(18, 3, b'\0\x02a\x02b\0'), raw.request(2, 1, struct.pack('>ii', -1, 1) + raw.text('victim') +
                                                               struct.pack('>iiq', 1, 0, -1)),
             raw.request(10, 1, group + b'\0'), raw.request(8, 2, group + struct.pack('>i', -1) + raw.text('') +
                                                            struct.pack('>qi', -1, 1) + raw.text('victim') +
                                                            struct.pack('>iiqh', 1, 0, 3, -1)),
             raw.request(11, 1, group + struct.pack('>ii', 6000, 6000) + raw.text('') + raw.text('consumer') +
                         struct.pack('>i', 1) + raw.text('range') + struct.pack('>i', 4) + b'abcd'),
             raw.request(22, 0, raw.text('victim-txn') + struct.pack('>i', 60000)),
             raw.request(32, 0, struct.pack('>ib', 1, 2) + raw.text('victim') + struct.pack('>i', -1)),
             raw.request(19, 0, struct.pack('>i', 1) + raw.text('victim-new') + struct.pack('>ihiii', 1, 1, 0, 0, 1000))]
    statements = ["INSERT INTO victim.rows (k, v) VALUES (1, 'x')", 'SELECT * FROM victim.rows WHERE k IN (1, 2, 3) LIMIT 2',
                  "UPDATE victim.rows USING TTL 100 SET v = 'y' WHERE k = 2 IF v = 'x'", 'DELETE v FROM victim.rows WHERE k = 1',
                  "BEGIN BATCH INSERT INTO victim.rows (k, v) VALUES (3, 'a'); DELETE FROM victim.rows WHERE k = 3; APPLY BATCH",
                  'SELECT count(*), max(v), token(k) FROM victim.rows ALLOW FILTERING', 'DESCRIBE TABLE victim.rows']
    cql = [raw.query(s) for s in statements]
    cql += [raw.envelope(raw.PREPARE, struct.pack('>i', len(s)) + s.encode()) for s in statements]
    cql += [raw.envelope(raw.OPTIONS, b''), raw.envelope(raw.REGISTER, struct.pack('>h', 1) + raw.text('SCHEMA_CHANGE')),
            raw.envelope(raw.EXECUTE, struct.pack('>h', 16) + b'\x11' * 16 + struct.pack('>hB', 1, 0))]
    thrown = 0
    for _ in range(int(1500 * SIZE)):
        frame = mutate(random_, random_.choice(kafka)[4:])
        if random_.random() < 0.1:
            frame = struct.pack('>hhi', random_.randrange(-1, 95), random_.randrange(-1, 18), 1) + random_.randbytes(random_.randrange(200))
        frames = struct.pack('>i', len(frame)) + frame
        throw(world.ports['kafka'], mutate(random_, frames * 2) if random_.random() < 0.2 else frames)
        version = random_.choice([3, 4, 4, 4, 5])
        frame = mutate(random_, random_.choice(cql))
        if random_.random() < 0.1:
            frame = raw.envelope(random_.randrange(256), random_.randbytes(random_.randrange(200)), flags=random_.randrange(256))
        throw(world.ports['cql'], raw.startup(version) + (frame if version == 4 else random_.randbytes(6) + frame))
        thrown += 2
    tap.ok(world.run.alive(), f'fuzz: {thrown} broken requests are survived', world.run.err()[-3000:])
    world.judge(400)


def halves(tap):
    """Half frames, then silence; more of them than there is memory for."""
    world = World(tap, 'halves')
    count = int(100 * SIZE)
    small = raw.produce('victim', raw.batch(b'x' * 20000))
    statement = raw.query("INSERT INTO victim.rows (k, v) VALUES (1, '" + 'x' * 20000 + "')")
    held = []
    for _ in range(count):
        held.append(raw.Connection(world.ports['kafka']))
        held[-1].send(small[:len(small) // 2])
        held.append(raw.Connection(world.ports['cql']))
        held[-1].send(raw.startup() + statement[:len(statement) // 2])
    world.served('small halves')
    tap.ok(not world.good.mistake, f'halves: {2 * count} small halves hold up nobody', world.good.mistake)
    small_peak = world.peak()
    tap.ok(sanitized() or small_peak < 200, 'halves: they cost little', small_peak)
    big = struct.pack('>i', 90 * MEGABYTE) + struct.pack('>hhi', 0, 3, 1) + raw.text('raw')
    part = b'x' * MEGABYTE
    for _ in range(12):
        connection = raw.Connection(world.ports['kafka'], timeout=1)
        held.append(connection)
        try:
            connection.send(big)
            for _ in range(60):
                connection.send(part)
        except OSError:
            pass  # not read any more: as it should be
    for _ in range(40):
        connection = raw.Connection(world.ports['cql'], timeout=1)
        held.append(connection)
        try:
            connection.send(raw.startup() + struct.pack('>BBhBi', 4, 0, 1, raw.QUERY, 15 * MEGABYTE) + struct.pack('>i', 14 * MEGABYTE))
            for _ in range(10):
                connection.send(part)
        except OSError:
            pass
    world.served('big halves')
    tap.ok(not world.good.mistake, 'halves: big ones hold up nobody for good', world.good.mistake)
    for connection in held:
        connection.close()
    world.judge(1000)


def slow_readers(tap):
    """They ask for much and never read."""
    world = World(tap, 'slow readers')
    count = int(100 * SIZE)
    with raw.Kafka(world.ports['kafka']) as kafka, raw.Cql(world.ports['cql']) as cql:
        batch = raw.batch(b'x' * 500000)
        for _ in range(80):
            kafka.produce('victim', batch)
        cql.query('CREATE TABLE victim.big (k int, n int, v text, PRIMARY KEY (k, n))')
        for n in range(40):
            cql.query(f"INSERT INTO victim.big (k, n, v) VALUES (1, {n}, '{'x' * 100000}')")
    held = []
    for _ in range(count):
        connection = raw.Connection(world.ports['kafka'], receive_bytes=4096)
        connection.send(raw.fetch('victim', 0, bytes_max=50 * MEGABYTE) * 50)
        held.append(connection)
        connection = raw.Connection(world.ports['cql'], receive_bytes=4096)
        connection.send(raw.startup() + raw.query('SELECT * FROM victim.big') * 50)
        held.append(connection)
    world.served('slow readers', 50)
    tap.ok(not world.good.mistake, f'slow readers: {2 * count} of them hold up nobody', world.good.mistake)
    for connection in held:
        connection.close()
    world.judge(700)


def slow_writers(tap):
    """A byte now and then."""
    world = World(tap, 'slow writers')
    count = int(100 * SIZE)
    held = []
    for _ in range(count):
        held.append((raw.Connection(world.ports['kafka']), raw.produce('victim', raw.batch(b'x' * 100))))
        held.append((raw.Connection(world.ports['cql']), raw.startup() + raw.query('SELECT * FROM victim.rows')))
    for at in range(12):
        for connection, data in held:
            connection.send(data[at:at + 1])
        world.served('slow writers', 20)
    for connection, data in held:
        connection.send(data[12:])
    answered = sum(bool(connection.socket.recv(4)) for connection, _ in held)
    tap.equal(answered, len(held), 'slow writers: they are answered when they are done')
    for connection, _ in held:
        connection.close()
    world.judge(200)


def idle(tap):
    """Connections that say nothing, through both doors."""
    count = int(5000 * SIZE)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * count + 1000:
        tap.skip(f'idle: {count} idle connections a door', f'at most {hard} files may be open')
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * count + 1000), hard))
    world = World(tap, 'idle')
    before = world.status('VmRSS')
    held = []
    for i in range(count):
        held.append(raw.Connection(world.ports['kafka']))
        held.append(raw.Connection(world.ports['cql']))
        if i % 3 == 0:
            held[-1].send(raw.startup())
    world.served('idle')
    tap.ok(not world.good.mistake, f'idle: {2 * count} connections hold up nobody', world.good.mistake)
    tap.note(f'idle: {(world.status("VmRSS") - before) * 1024 // len(held)} bytes a connection')
    world.pause()
    millrace.until(world.quiet, 'idle: they keep it busy')
    tap.ok(True, 'idle: they cost no work')
    for connection in held:
        connection.close()
    world.resume()
    world.judge(300)


def waiting(tap):
    """Consumers that wait for a record that does not come, then comes."""
    world = World(tap, 'waiting')
    count = int(1000 * SIZE)
    held = [raw.Kafka(world.ports['kafka']) for _ in range(count)]
    for connection in held:
        connection.send(raw.fetch('quiet', 0, wait_ms=100000))
    world.served('waiting')
    world.pause()
    millrace.until(world.quiet, 'waiting: they keep it busy')
    tap.ok(True, f'waiting: {count} long polls cost no work')
    with raw.Kafka(world.ports['kafka']) as kafka:
        kafka.produce('quiet', raw.batch(b'at last'))
    woken = sum(b'at last' in connection.answer() for connection in held)
    tap.equal(woken, count, 'waiting: each gets the record')
    for connection in held:
        connection.send(raw.fetch('quiet', 1, wait_ms=100000))
        connection.close()
    world.resume()
    world.judge(200)


millrace.main(strangers, lies, fuzz, halves, slow_readers, slow_writers, idle, waiting)
