# SPDX-License-Identifier: MIT
"""kafka-python, 2.0.2 of the tutorials and the current one: BOOTSTRAP is the argument."""
import sys
import threading
import time
import uuid

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError
from kafka.structs import OffsetAndMetadata

import tap

BOOTSTRAP = sys.argv[1]
VERSION = tuple(int(part) for part in kafka.__version__.split('.')[:2])
RUN = uuid.uuid4().hex[:8]


def name(text):
    return f'kp-{text}-{RUN}'


def consume(topic, count, **more):
    consumer = KafkaConsumer(topic, bootstrap_servers=BOOTSTRAP, auto_offset_reset='earliest',
                             consumer_timeout_ms=20000, **more)
    got = []
    for record in consumer:
        got.append(record)
        if len(got) == count:
            break
    consumer.close()
    return got


def the_tutorial():
    """As the tutorials do: defaults, auto-created topic, JSON values, one send a record."""
    topic = name('users')
    producer = KafkaProducer(bootstrap_servers=[BOOTSTRAP], max_block_ms=5000)
    for i in range(100):
        producer.send(topic, f'{{"id": {i}}}'.encode())
    producer.flush()
    producer.close()
    got = consume(topic, 100)
    tap.equal([r.value for r in got], [f'{{"id": {i}}}'.encode() for i in range(100)], 'a topic made by its producer')
    tap.equal([r.offset for r in got], list(range(100)), 'offsets without a gap')


def keys_and_headers():
    topic = name('keys')
    admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    admin.create_topics([NewTopic(topic, 4, 1)])
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, acks='all', linger_ms=20)
    sent = [producer.send(topic, key=b'k%d' % (i % 10), value=b'v%d' % i, headers=[('h', b'%d' % i), ('n', b'')],
                          timestamp_ms=1700000000000 + i) for i in range(400)]
    places = {(f.get(30).partition, f.get(30).offset) for f in sent}
    producer.close()
    tap.equal(len(places), 400, 'every record has a place of its own')
    got = consume(topic, 400)
    tap.equal(sorted(int(r.value[1:]) for r in got), list(range(400)), 'all records from four partitions')
    tap.ok(all(r.headers == [('h', r.value[1:]), ('n', b'')] for r in got), 'headers as they were')
    tap.ok(all(r.timestamp == 1700000000000 + int(r.value[1:]) for r in got), 'timestamps as they were')
    where = {}
    for r in got:
        where.setdefault(r.key, set()).add(r.partition)
    tap.ok(all(len(p) == 1 for p in where.values()), 'a key stays in its partition')
    admin.close()


def compressions():
    for codec in ('gzip', 'snappy', 'lz4', 'zstd'):
        if codec == 'zstd' and VERSION < (2, 1):
            continue
        topic = name(codec)
        producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, compression_type=codec, linger_ms=50)
        values = [b'%d ' % i + b'x' * 100 for i in range(500)]
        for value in values:
            producer.send(topic, value)
        producer.close()
        tap.equal([r.value for r in consume(topic, 500)], values, f'{codec} comes back')


def groups():
    topic, group = name('group'), name('readers')
    admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    admin.create_topics([NewTopic(topic, 4, 1)])
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
    seen, members, stop = [], [], threading.Event()

    def member():
        consumer = KafkaConsumer(topic, bootstrap_servers=BOOTSTRAP, group_id=group, auto_offset_reset='earliest',
                                 enable_auto_commit=False)
        members.append(consumer)
        while not stop.is_set():
            for records in consumer.poll(200).values():
                seen.extend(r.value for r in records)
                consumer.commit()
        consumer.close()
    threads = [threading.Thread(target=member) for _ in range(2)]
    for thread in threads:
        thread.start()

    def shared():
        sizes = [len(m.assignment()) for m in list(members)]
        return sizes == [2, 2]
    until(shared)
    tap.ok(shared(), 'two members share four partitions', [m.assignment() for m in members])
    for i in range(200):
        producer.send(topic, b'%d' % i)
    producer.close()
    until(lambda: len(seen) >= 200)
    tap.equal(sorted(int(v) for v in seen), list(range(200)), 'each record to one member')
    stop.set()
    for thread in threads:
        thread.join()
    offsets = admin.list_consumer_group_offsets(group) if VERSION < (3, 0) else admin.list_group_offsets(group)
    tap.equal(sum(o.offset for o in flat(offsets)), 200, 'committed offsets add up')
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=group, enable_auto_commit=False)
    consumer.subscribe([topic])
    positions = {}

    def joined():
        """The assignment may be taken back at any time: only a whole set of positions counts."""
        consumer.poll(100)
        positions.clear()
        positions.update((p.partition, consumer.position(p)) for p in consumer.assignment())
        return len(positions) == 4
    until(joined)
    tap.ok(sum(positions.values()) == 200, 'a new member goes on where they stopped', positions)
    consumer.close()
    admin.close()


def flat(offsets):
    for key, value in offsets.items():
        if isinstance(value, dict):
            yield from flat(value)
        else:
            yield value


def until(look, seconds=90):
    end = time.monotonic() + seconds
    while not look() and time.monotonic() < end:
        time.sleep(0.05)


def offsets_by_time():
    topic = name('times')
    client = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    client.create_topics([NewTopic(topic, 1, 1, topic_configs={'retention.ms': '-1'})])
    client.close()
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
    for i in range(10):
        producer.send(topic, b'%d' % i, timestamp_ms=1000 * (i + 1)).get(30)
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP)
    place = TopicPartition(topic, 0)
    tap.equal(consumer.offsets_for_times({place: 4500})[place][:2], (4, 5000), 'the first record at or after a time')
    tap.equal(consumer.offsets_for_times({place: 99999999})[place], None, 'no record that late')
    tap.equal((consumer.beginning_offsets([place])[place], consumer.end_offsets([place])[place]), (0, 10), 'both ends')
    consumer.assign([place])
    consumer.seek(place, 7)
    got = []
    until(lambda: got.extend(r.value for rs in consumer.poll(200).values() for r in rs) or len(got) >= 3)
    tap.equal(got, [b'7', b'8', b'9'], 'seek and read on')
    consumer.close()


def admin():
    topic = name('admin')
    client = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    client.create_topics([NewTopic(topic, 2, 1, topic_configs={'retention.ms': '3600000'})])
    tap.ok(topic in client.list_topics(), 'a new topic is listed')
    try:
        client.create_topics([NewTopic(topic, 2, 1)])
        tap.ok(False, 'a topic cannot be made twice')
    except TopicAlreadyExistsError:
        tap.ok(True, 'a topic cannot be made twice')
    client.delete_topics([topic])
    tap.ok(topic not in client.list_topics(), 'a deleted topic is gone')
    try:
        client.delete_topics([topic])
        tap.ok(False, 'a missing topic cannot be deleted')
    except UnknownTopicOrPartitionError:
        tap.ok(True, 'a missing topic cannot be deleted')
    client.close()


def simple_commit():
    topic, group = name('simple'), name('alone')
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
    producer.send(topic, b'a').get(30)
    producer.close()
    place = TopicPartition(topic, 0)
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=group, enable_auto_commit=False)
    consumer.assign([place])
    entry = OffsetAndMetadata(1, 'note') if VERSION < (2, 1) else OffsetAndMetadata(1, 'note', -1)
    consumer.commit({place: entry})
    tap.equal(consumer.committed(place), 1, 'a commit without a membership')
    consumer.close()


tap.run(the_tutorial, keys_and_headers, compressions, groups, offsets_by_time, admin, simple_commit)
