# SPDX-License-Identifier: MIT
"""Kafka and CQL by hand, just enough to be a good client beside bad ones: every byte is under the test's control."""
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from crc32c import crc32c  # noqa: E402

PATIENCE = 120  # for any answer


def varint(n):
    n = n << 1 ^ n >> 63
    out = bytearray()
    while n & ~0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def text(value):
    return struct.pack('>h', len(value)) + value.encode()


# ---- Kafka ----

PRODUCE, FETCH, LIST_OFFSETS, METADATA, FIND_COORDINATOR, JOIN_GROUP = 0, 1, 2, 3, 10, 11


def batch(*values):
    """A record batch."""
    records = b''
    for i, value in enumerate(values):
        record = b'\0' + varint(0) + varint(i) + varint(-1) + varint(len(value)) + value + varint(0)
        records += varint(len(record)) + record
    body = struct.pack('>hiqqqhii', 0, len(values) - 1, 1700000000000, 1700000000000, -1, -1, -1, len(values)) + records
    return struct.pack('>qiibI', 0, len(body) + 9, 0, 2, crc32c(body)) + body


def request(key, version, body, correlation=1):
    head = struct.pack('>hhi', key, version, correlation) + text('raw')
    return struct.pack('>i', len(head) + len(body)) + head + body


def metadata(topic):
    return request(METADATA, 1, struct.pack('>i', 1) + text(topic))


def produce(topic, records, acks=-1, partition=0):
    return request(PRODUCE, 3, struct.pack('>hhii', -1, acks, 30000, 1) + text(topic) +
                   struct.pack('>iii', 1, partition, len(records)) + records)


def fetch(topic, offset, wait_ms=0, bytes_max=1 << 20, partition=0, bytes_min=1):
    return request(FETCH, 4, struct.pack('>iiiibi', -1, wait_ms, bytes_min, bytes_max, 0, 1) + text(topic) +
                   struct.pack('>iiqi', 1, partition, offset, bytes_max))


# ---- CQL ----

ERROR, STARTUP, READY, AUTHENTICATE, OPTIONS, QUERY, RESULT, PREPARE, EXECUTE, REGISTER, BATCH, AUTH_RESPONSE, AUTH_SUCCESS = \
    0, 1, 2, 3, 5, 7, 8, 9, 10, 11, 13, 15, 16


def envelope(opcode, body, stream=0, version=4, flags=0):
    return struct.pack('>BBhBi', version, flags, stream, opcode, len(body)) + body


def startup(version=4):
    return envelope(STARTUP, struct.pack('>h', 1) + text('CQL_VERSION') + text('3.0.0'), version=version)


def query(statement, stream=0, version=4):
    flags = b'\0' * (4 if version > 4 else 1)
    return envelope(QUERY, struct.pack('>i', len(statement)) + statement.encode() + struct.pack('>h', 1) + flags, stream, version)


# ---- connections ----

class Connection:
    def __init__(self, port, timeout=PATIENCE, receive_bytes=0):
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(timeout)
        self.socket.connect(('127.0.0.1', port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def exactly(self, count):
        parts = []
        while count:
            part = self.socket.recv(min(count, 1 << 20))
            if not part:
                raise ConnectionError('it ended')
            parts.append(part)
            count -= len(part)
        return b''.join(parts)

    def rest(self):
        """What comes until the other side ends, which it has to."""
        parts = []
        while True:
            try:
                part = self.socket.recv(1 << 16)
            except ConnectionError:
                break
            if not part:
                break
            parts.append(part)
        return b''.join(parts)


class Kafka(Connection):
    def answer(self):
        size, = struct.unpack('>i', self.exactly(4))
        return self.exactly(size)[4:]

    def ask(self, data):
        self.send(data)
        return self.answer()

    def produce(self, topic, records):
        """The offset."""
        answer = self.ask(produce(topic, records))
        at = 4 + 2 + len(topic) + 4 + 4
        error, offset = struct.unpack_from('>hq', answer, at)
        if error:
            raise RuntimeError(f'produce: error {error}')
        return offset

    def fetch(self, topic, offset, **more):
        """The bytes of records."""
        answer = self.ask(fetch(topic, offset, **more))
        at = 4 + 4 + 2 + len(topic) + 4 + 4
        error, _, _, aborted = struct.unpack_from('>hqqi', answer, at)
        if error:
            raise RuntimeError(f'fetch: error {error}')
        return answer[at + 22 + max(aborted, 0) * 16 + 4:]

    def make(self, topic):
        for _ in range(100):
            answer = self.ask(metadata(topic))
            at = answer.rindex(text(topic))
            if answer[at - 2:at] == b'\0\0':
                return


class Cql(Connection):
    def __init__(self, port, version=4, **more):
        super().__init__(port, **more)
        self.send(startup(version))
        opcode, _ = self.answer()
        if opcode == AUTHENTICATE:
            self.send(envelope(AUTH_RESPONSE, struct.pack('>i', 4) + b'\0a\0b', version=version))
            opcode, _ = self.answer()
        if opcode not in (READY, AUTH_SUCCESS):
            raise RuntimeError(f'STARTUP was answered with {opcode}')

    def answer(self):
        head = self.exactly(9)
        _, _, _, opcode, size = struct.unpack('>BBhBi', head)
        return opcode, self.exactly(size)

    def query(self, statement):
        self.send(query(statement))
        opcode, body = self.answer()
        if opcode != RESULT:
            raise RuntimeError(f'{statement[:200]}: {body[4:300]}')
        return body
