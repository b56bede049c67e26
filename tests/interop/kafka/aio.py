# SPDX-License-Identifier: MIT
"""aiokafka: BOOTSTRAP is the argument."""
import asyncio
import sys
import uuid

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

import tap

BOOTSTRAP = sys.argv[1]
RUN = uuid.uuid4().hex[:8]


def name(text):
    return f'aio-{text}-{RUN}'


async def made(topic, partitions):
    admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await admin.start()
    await admin.create_topics([NewTopic(topic, partitions, 1)])
    await admin.close()


async def read(consumer, count):
    got = []
    async with asyncio.timeout(30):
        while len(got) < count:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                got.extend(records)
    return got


async def round_trip():
    topic = name('round')
    await made(topic, 3)
    for codec in (None, 'gzip', 'snappy', 'lz4', 'zstd'):
        producer = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, enable_idempotence=True, compression_type=codec)
        await producer.start()
        await asyncio.gather(*[await producer.send(topic, b'%d' % i, key=b'%d' % (i % 5)) for i in range(200)])
        await producer.stop()
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=BOOTSTRAP, auto_offset_reset='earliest')
    await consumer.start()
    got = await read(consumer, 1000)
    tap.equal(sorted(int(r.value) for r in got), sorted(list(range(200)) * 5), 'five codecs, each record once')
    await consumer.stop()


async def group():
    topic, group_id = name('group'), name('g')
    await made(topic, 4)
    consumers = [AIOKafkaConsumer(topic, bootstrap_servers=BOOTSTRAP, group_id=group_id, auto_offset_reset='earliest',
                                  enable_auto_commit=False) for _ in range(2)]
    for consumer in consumers:
        await consumer.start()
    async with asyncio.timeout(40):
        while sorted(len(c.assignment()) for c in consumers) != [2, 2]:
            await asyncio.sleep(0.1)
    tap.ok(True, 'two members share four partitions')
    producer = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP)
    await producer.start()
    for i in range(100):
        await producer.send_and_wait(topic, b'%d' % i, partition=i % 4)
    parts = await asyncio.gather(*[read(c, 50) for c in consumers])
    tap.equal(sorted(int(r.value) for part in parts for r in part), list(range(100)), 'each record to one member')
    for consumer in consumers:
        await consumer.commit()
        await consumer.stop()
    again = AIOKafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=group_id)
    await again.start()
    committed = [await again.committed(TopicPartition(topic, p)) for p in range(4)]
    tap.equal(committed, [25] * 4, 'commits are there')
    await again.stop()
    await producer.stop()


async def transaction():
    topic = name('txn')
    await made(topic, 1)
    producer = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, transactional_id=name('t'))
    await producer.start()
    async with producer.transaction():
        await producer.send(topic, b'kept')
    await producer.begin_transaction()
    await producer.send_and_wait(topic, b'dropped')
    await producer.abort_transaction()
    async with producer.transaction():
        await producer.send(topic, b'kept too')
    await producer.stop()
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=BOOTSTRAP, auto_offset_reset='earliest',
                                isolation_level='read_committed')
    await consumer.start()
    tap.equal([r.value for r in await read(consumer, 2)], [b'kept', b'kept too'], 'read_committed')
    await consumer.stop()


async def by_time():
    topic = name('time')
    await made(topic, 1)
    producer = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP)
    await producer.start()
    for i in range(5):
        await producer.send_and_wait(topic, b'%d' % i, timestamp_ms=1000 * (i + 1))
    await producer.stop()
    place = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=BOOTSTRAP)
    await consumer.start()
    found = await consumer.offsets_for_times({place: 2500})
    tap.equal((found[place].offset, found[place].timestamp), (2, 3000), 'offsets by time')
    await consumer.stop()


sys.exit(asyncio.run(tap.run_async(round_trip, group, transaction, by_time)))
