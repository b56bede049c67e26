# SPDX-License-Identifier: MIT
"""Kafka's protocol, raw: messages as dictionaries, in any version, from src/wire/kafka/messages.txt.

What a client library would check, retry or hide is left to the caller: a request may be as wrong as a
test wants it. Record batches are made and read here too, with each of their header fields in sight.
"""
import gzip
import os
import select
import socket
import struct
import sys
import uuid

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
sys.path.insert(0, os.path.join(ROOT, 'tools', 'kafka'))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'lib'))
import messages
from crc32c import crc32c

APIS = {api[1]: api for api in messages.parse(os.path.join(ROOT, 'src', 'wire', 'kafka', 'messages.txt'))}
FIXED = {'int8': '>b', 'int16': '>h', 'uint16': '>H', 'int32': '>i', 'int64': '>q', 'float64': '>d', 'bool': '>?'}
CODECS = ('none', 'gzip', 'snappy', 'lz4', 'zstd')


def unsigned(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def zigzag(number):
    return unsigned(number << 1 if number >= 0 else (-number << 1) - 1)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count < 0 or self.at + count > len(self.data):
            raise ValueError(f'{count} bytes at {self.at} of {len(self.data)}')
        self.at += count
        return self.data[self.at - count:self.at]

    def fixed(self, type_):
        return struct.unpack(FIXED[type_], self.take(struct.calcsize(FIXED[type_])))[0]

    def unsigned(self):
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7

    def zigzag(self):
        number = self.unsigned()
        return number >> 1 ^ -(number & 1)


# ---- messages ----

def default(field):
    if field.array:
        return None if field.default == 'null' else []
    if field.default == 'null':
        return None
    if field.of:
        return None if field.pointer else {}
    if field.type in ('string', 'bytes', 'records'):
        return '' if field.type == 'string' else b''
    if field.type == 'uuid':
        return bytes(16)
    if field.type == 'bool':
        return field.default == 'true'
    return float(field.default or 0) if field.type == 'float64' else int(field.default or 0)


def encode_length(count, flexible, wide):
    if flexible:
        return unsigned(count + 1)
    return struct.pack('>i' if wide else '>h', count)


def encode_one(field, value, version, flexible):
    if field.of:
        if field.pointer:
            return b'\xff' if value is None else b'\x01' + encode(field.of, value, version)
        return encode(field.of, value, version)
    if field.type == 'uuid':
        return value
    if field.type in FIXED:
        return struct.pack(FIXED[field.type], value)
    if value is None:
        return encode_length(-1, flexible, field.type != 'string')
    data = value.encode() if isinstance(value, str) else value
    return encode_length(len(data), flexible, field.type != 'string') + data


def encode_field(field, value, version, flexible):
    if not field.array:
        return encode_one(field, value, version, flexible)
    if value is None:
        return encode_length(-1, flexible, True)
    return encode_length(len(value), flexible, True) + b''.join(
        encode_one(field, item, version, flexible) for item in value)


def encode(message, value, version):
    """Fields that the version does not have are left out, missing ones have their default."""
    flexible = version >= message.flexible
    out, tagged = [], []
    known = {field.name for field in message.fields}
    if set(value) - known:
        raise KeyError(f'{message.name} has no {set(value) - known}')
    for field in message.fields:
        if not field.range[0] <= version <= field.range[1]:
            continue
        item = value.get(field.name, default(field))
        if field.tag < 0:
            out.append(encode_field(field, item, version, flexible))
        elif item != default(field):
            tagged.append((field.tag, encode_field(field, item, version, flexible)))
    if flexible:
        out.append(unsigned(len(tagged)))
        for tag, data in sorted(tagged):
            out.append(unsigned(tag) + unsigned(len(data)) + data)
    return b''.join(out)


def decode_length(reader, flexible, wide):
    return reader.unsigned() - 1 if flexible else reader.fixed('int32' if wide else 'int16')


def decode_one(reader, field, version, flexible):
    if field.of:
        if field.pointer and reader.fixed('int8') < 0:
            return None
        return decode(reader, field.of, version)
    if field.type == 'uuid':
        return reader.take(16)
    if field.type in FIXED:
        return reader.fixed(field.type)
    count = decode_length(reader, flexible, field.type != 'string')
    if count < 0:
        return None
    data = reader.take(count)
    return data.decode() if field.type == 'string' else data


def decode_field(reader, field, version, flexible):
    if not field.array:
        return decode_one(reader, field, version, flexible)
    count = decode_length(reader, flexible, True)
    return None if count < 0 else [decode_one(reader, field, version, flexible) for _ in range(count)]


def decode(reader, message, version):
    flexible = version >= message.flexible
    out = {}
    for field in message.fields:
        if field.range[0] <= version <= field.range[1]:
            out[field.name] = default(field) if field.tag >= 0 else decode_field(reader, field, version, flexible)
    if flexible:
        for _ in range(reader.unsigned()):
            tag = reader.unsigned()
            data = Reader(reader.take(reader.unsigned()))
            for field in message.fields:
                if field.tag == tag:
                    out[field.name] = decode_field(data, field, version, True)
    return out


class Connection:
    """Requests may be sent ahead; answers come in their order. An ended connection is None for an answer."""

    def __init__(self, port):
        self.port, self.socket, self.have, self.waiting, self.number = port, None, b'', [], 0

    def send(self, api, version, body):
        _, _, request, _ = APIS[api]
        if self.socket is None:
            self.socket = socket.create_connection(('127.0.0.1', self.port), 60)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number += 1
        flexible = version >= request.flexible
        data = struct.pack('>hhi', APIS[api][0], version, self.number) + struct.pack('>h', 4) + b'diff' + \
            (b'\0' if flexible else b'') + encode(request, body, version)
        if not (api == 'Produce' and body['Acks'] == 0):
            self.waiting.append((api, version, self.number))
        try:
            self.socket.sendall(struct.pack('>i', len(data)) + data)
        except OSError:
            self.close()

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket, self.have = None, b''

    def whole(self):
        return len(self.have) >= 4 and len(self.have) >= 4 + struct.unpack('>i', self.have[:4])[0]

    def ready(self, seconds=0):
        """True when an answer, or the end of the connection, is there."""
        while self.waiting and self.socket and not self.whole():
            if not select.select([self.socket], [], [], seconds)[0]:
                return False
            try:
                more = self.socket.recv(1 << 20)
            except OSError:
                more = b''
            if not more:
                self.close()
            self.have += more
        return bool(self.waiting)

    def answer(self, seconds=60):
        if not self.ready(seconds):
            raise TimeoutError(f'no answer to {self.waiting[:1]} in {seconds} s')
        api, version, number = self.waiting.pop(0)
        if self.socket is None:
            self.waiting = []
            return None
        size = struct.unpack('>i', self.have[:4])[0]
        data, self.have = self.have[4:4 + size], self.have[4 + size:]
        reader = Reader(data)
        if reader.fixed('int32') != number:
            raise ValueError(f'{api}: another correlation id')
        response = APIS[api][3]
        if api == 'ApiVersions' and data[4:6] == b'\0\x23':
            version = 0
        elif version >= response.flexible and api != 'ApiVersions':
            reader.take(1)
        out = decode(reader, response, version)
        if reader.at != len(data):
            raise ValueError(f'{api} v{version}: {len(data) - reader.at} bytes too many')
        return out

    def call(self, api, version, body):
        self.send(api, version, body)
        return self.answer()


# ---- record batches ----

def compress(codec, data):
    if codec == 'gzip':
        return gzip.compress(data, mtime=0)
    if codec == 'snappy':
        import snappy
        part = snappy.compress(data)
        return b'\x82SNAPPY\0' + struct.pack('>iii', 1, 1, len(part)) + part
    if codec == 'lz4':
        import lz4.frame
        return lz4.frame.compress(data)
    if codec == 'zstd':
        import zstandard
        return zstandard.ZstdCompressor().compress(data)
    return data


def decompress(codec, data):
    if codec == 'gzip':
        return gzip.decompress(data)
    if codec == 'snappy':
        import snappy
        if not data.startswith(b'\x82SNAPPY\0'):
            return snappy.decompress(data)
        reader, out = Reader(data), []
        reader.take(16)
        while reader.at < len(data):
            out.append(snappy.decompress(reader.take(reader.fixed('int32'))))
        return b''.join(out)
    if codec == 'lz4':
        import lz4.frame
        return lz4.frame.decompress(data)
    if codec == 'zstd':
        import zstandard
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return data


def text(data):
    """A length and the bytes; -1 is null."""
    return zigzag(-1) if data is None else zigzag(len(data)) + data


def record(number, delta, key, value, headers):
    body = b'\0' + zigzag(delta) + zigzag(number) + text(key) + text(value) + zigzag(len(headers)) + \
        b''.join(text(name) + text(content) for name, content in headers)
    return zigzag(len(body)) + body


def batch(records, codec='none', producer=-1, epoch=-1, sequence=-1, transactional=False, wrong=None):
    """records: [(timestamp, key, value, headers)]. wrong: what is broken in it."""
    base = records[0][0] if records else 0
    body = b''.join(record(i + (1 if wrong == 'delta' and i else 0), at - base, key, value, headers)
                    for i, (at, key, value, headers) in enumerate(records))
    attributes = CODECS.index(codec) | (16 if transactional else 0) | (32 if wrong == 'control' else 0)
    if wrong == 'codec':
        attributes |= 7
    count = len(records) + (1 if wrong == 'count' else 0)
    data = compress(codec, body)
    if wrong == 'garbage':
        data = b'\x07garbage' + data[3:]
    tail = struct.pack('>hiqqqhii', attributes, count - 1 if wrong != 'last' else count + 2, base,
                       max([at for at, *_ in records], default=base), producer, epoch, sequence, count) + data
    crc = crc32c(tail) ^ (1 if wrong == 'crc' else 0)
    head = struct.pack('>ibI', -1, {'magic': 3, 'old': 1}.get(wrong, 2), crc) + tail
    return struct.pack('>qi', 0, len(head) + (7 if wrong == 'length' else 0)) + head


def read_record(reader, base_offset, base_time):
    reader.zigzag()
    reader.take(1)
    at = base_time + reader.zigzag()
    offset = base_offset + reader.zigzag()

    def item():
        count = reader.zigzag()
        return None if count < 0 else reader.take(count)
    key, value = item(), item()
    return offset, at, key, value, [(item(), item()) for _ in range(reader.zigzag())]


def batches(data):
    """Every whole batch as a dictionary; a torn one at the end is left out."""
    out, at = [], 0
    while data and len(data) - at >= 61:
        offset, size = struct.unpack('>qi', data[at:at + 12])
        if len(data) - at < 12 + size:
            break
        _, magic, crc, attributes, last, base, most, producer, epoch, sequence, count = struct.unpack(
            '>ibIhiqqqhii', data[at + 12:at + 61])
        body = data[at + 61:at + 12 + size]
        one = {'offset': offset, 'last': last, 'magic': magic, 'attributes': attributes, 'producer': producer,
               'epoch': epoch, 'sequence': sequence, 'base_time': base, 'max_time': most,
               'crc': crc == crc32c(data[at + 21:at + 12 + size])}
        try:
            reader = Reader(decompress(CODECS[attributes & 7], body))
            records = [read_record(reader, offset, base) for _ in range(count)]
        except Exception as e:
            records = f'cannot be read: {type(e).__name__}'
        if attributes & 32:
            one['control'] = [(key[:4], value[:2]) for _, _, key, value, _ in records]
        else:
            one['records'] = records
        out.append(one)
        at += 12 + size
    return out


def topic_id(data):
    return str(uuid.UUID(bytes=data))
