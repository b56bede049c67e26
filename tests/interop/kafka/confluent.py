# SPDX-License-Identifier: MIT
"""confluent-kafka (librdkafka): BOOTSTRAP is the argument."""
import sys
import time
import uuid

from confluent_kafka import (Consumer, KafkaError, KafkaException, OFFSET_BEGINNING, Producer, TopicPartition,
                             ConsumerGroupTopicPartitions, IsolationLevel)
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   OffsetSpec, ResourceType)

import tap

BOOTSTRAP = sys.argv[1]
RUN = uuid.uuid4().hex[:8]


def name(text):
    return f'ck-{text}-{RUN}'


def producer(**more):
    return Producer({'bootstrap.servers': BOOTSTRAP, **{k.replace('_', '.'): v for k, v in more.items()}})


def consumer(group, **more):
    return Consumer({'bootstrap.servers': BOOTSTRAP, 'group.id': group, 'auto.offset.reset': 'earliest',
                     'enable.auto.commit': False, **{k.replace('_', '.'): v for k, v in more.items()}})


def read(c, count, seconds=30):
    got, end = [], time.monotonic() + seconds
    while len(got) < count and time.monotonic() < end:
        m = c.poll(0.2)
        if m and not m.error():
            got.append(m)
    return got


def made(topic, partitions=1, config=None):
    admin = AdminClient({'bootstrap.servers': BOOTSTRAP})
    admin.create_topics([NewTopic(topic, partitions, 1, config=config or {})])[topic].result(30)
    return admin


def compressions():
    for codec in ('none', 'gzip', 'snappy', 'lz4', 'zstd'):
        topic = name(codec)
        made(topic)
        p = producer(compression_type=codec, enable_idempotence=True, linger_ms=20)
        values = [f'{i} {"x" * 200}'.encode() for i in range(1000)]
        for value in values:
            p.produce(topic, value)
        p.flush(30)
        c = consumer(name('g'))
        c.subscribe([topic])
        got = read(c, 1000)
        tap.equal([m.value() for m in got], values, f'idempotent producer, {codec}: each once and in order')
        c.close()


def delivery_reports():
    topic = name('reports')
    made(topic, 3)
    places = []
    p = producer(acks='all')
    for i in range(300):
        p.produce(topic, key=str(i % 7), value=str(i), headers={'a': b'1'}, on_delivery=lambda e, m: places.append((e, m.partition(), m.offset())))
    p.flush(30)
    tap.equal(len({place[1:] for place in places if place[0] is None}), 300, 'each report names a place of its own')


def too_large():
    topic = name('large')
    made(topic, 1, {'max.message.bytes': '1000'})
    errors = []
    p = producer()
    p.produce(topic, b'x' * 5000, on_delivery=lambda e, m: errors.append(e))
    p.flush(30)
    tap.equal(errors[0].code(), KafkaError.MSG_SIZE_TOO_LARGE, 'a record over max.message.bytes is refused by name')


def refused(topic, value, **more):
    """The code of the report."""
    p, codes = producer(), []
    p.produce(topic, value, on_delivery=lambda error, _: codes.append(error and error.code()), **more)
    p.flush(30)
    return codes


def timestamps():
    now = int(time.time() * 1000)
    topic = name('times')
    made(topic, 1, {'message.timestamp.before.max.ms': '60000', 'message.timestamp.after.max.ms': '5000'})
    wrong = KafkaError.INVALID_TIMESTAMP
    tap.equal([refused(topic, 'x', timestamp=now + d) for d in (-120000, 60000, 0)], [[wrong], [wrong], [None]],
              'timestamps too old and too new are refused')
    topic = name('appended')
    made(topic, 1, {'message.timestamp.type': 'LogAppendTime'})
    p = producer()
    p.produce(topic, 'x', timestamp=1000)
    p.flush(30)
    c = consumer(name('times'))
    c.subscribe([topic])
    kind, at = read(c, 1)[0].timestamp()
    c.close()
    tap.ok(kind == 2 and abs(at - now) < 600000, 'LogAppendTime takes the place of the producer\'s time', f'{kind} {at}')


def stored_codecs():
    """What the topic wants, whatever was sent; each record is there."""
    values = [f'{i} {"x" * 200}'.encode() for i in range(300)]
    for want in ('uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'):
        topic = name(f'as-{want}')
        made(topic, 1, {'compression.type': want})
        for sent in ('none', 'zstd'):
            p = producer(compression_type=sent, enable_idempotence=True, linger_ms=20)
            for value in values:
                p.produce(topic, value)
            p.flush(30)
        c = consumer(name('codecs'))
        c.subscribe([topic])
        tap.equal([m.value() for m in read(c, 600)], values * 2, f'compression.type={want}')
        c.close()


def rebalance(strategy):
    topic, group = name('re' + strategy[:4]), name('g' + strategy[:4])
    made(topic, 6)
    one = consumer(group, partition_assignment_strategy=strategy, session_timeout_ms=10000)
    one.subscribe([topic])
    end = time.monotonic() + 30
    while len(one.assignment()) != 6 and time.monotonic() < end:
        one.poll(0.1)
    tap.equal(len(one.assignment()), 6, f'{strategy}: one member has all')
    two = consumer(group, partition_assignment_strategy=strategy, session_timeout_ms=10000)
    two.subscribe([topic])
    while (len(one.assignment()), len(two.assignment())) != (3, 3) and time.monotonic() < end:
        one.poll(0.05), two.poll(0.05)
    tap.equal((len(one.assignment()), len(two.assignment())), (3, 3), f'{strategy}: two share')
    one.close()
    while len(two.assignment()) != 6 and time.monotonic() < end:
        two.poll(0.1)
    tap.equal(len(two.assignment()), 6, f'{strategy}: the other has all again')
    two.close()


def rebalances():
    for strategy in ('range', 'roundrobin', 'cooperative-sticky'):
        rebalance(strategy)


def static_members():
    topic, group = name('static'), name('gs')
    made(topic, 2)
    c = consumer(group, group_instance_id='i1', session_timeout_ms=30000)
    c.subscribe([topic])
    end = time.monotonic() + 30
    while len(c.assignment()) != 2 and time.monotonic() < end:
        c.poll(0.1)
    admin = AdminClient({'bootstrap.servers': BOOTSTRAP})
    before = admin.describe_consumer_groups([group])[group].result(30)
    c.close()
    d = consumer(group, group_instance_id='i1', session_timeout_ms=30000)
    d.subscribe([topic])
    while len(d.assignment()) != 2 and time.monotonic() < end:
        d.poll(0.1)
    after = admin.describe_consumer_groups([group])[group].result(30)
    tap.equal([m.group_instance_id for m in after.members], ['i1'], 'a static member is known by its name')
    tap.equal(len(d.assignment()), 2, 'it comes back to what it had')
    tap.ok(before.members[0].member_id != after.members[0].member_id, 'under a new member id')
    d.close()


def transactions():
    topic = name('txn')
    made(topic, 2)
    p = producer(transactional_id=name('t'))
    p.init_transactions(30)
    for turn, keep in enumerate((True, False, True)):
        p.begin_transaction()
        for i in range(10):
            p.produce(topic, f'{turn}-{i}', partition=i % 2)
        if keep:
            p.commit_transaction(30)
        else:
            p.flush(30)
            p.abort_transaction(30)
    c = consumer(name('committed'), isolation_level='read_committed')
    c.subscribe([topic])
    got = sorted(m.value().decode() for m in read(c, 20))
    tap.equal(got, sorted(f'{t}-{i}' for t in (0, 2) for i in range(10)), 'read_committed sees committed transactions only')
    tap.equal(read(c, 1, 1), [], 'and nothing else')
    c.close()
    u = consumer(name('uncommitted'), isolation_level='read_uncommitted')
    u.subscribe([topic])
    tap.equal(len(read(u, 30)), 30, 'read_uncommitted sees all')
    u.close()


def fencing():
    topic = name('fence')
    made(topic)
    first, second = (producer(transactional_id=name('same')) for _ in range(2))
    first.init_transactions(30)
    first.begin_transaction()
    first.produce(topic, b'old')
    first.flush(30)
    second.init_transactions(30)
    try:
        first.commit_transaction(30)
        tap.ok(False, 'an older producer of the same id is fenced')
    except KafkaException as e:
        tap.ok(e.args[0].code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH),
               'an older producer of the same id is fenced', e)
    second.begin_transaction()
    second.produce(topic, b'new')
    second.commit_transaction(30)
    c = consumer(name('gf'), isolation_level='read_committed')
    c.subscribe([topic])
    tap.equal([m.value() for m in read(c, 1)], [b'new'], 'what it had written is not seen')
    c.close()


def consume_process_produce():
    source, target, group = name('in'), name('out'), name('cpp')
    made(source)
    made(target)
    p = producer()
    for i in range(50):
        p.produce(source, str(i))
    p.flush(30)
    t = producer(transactional_id=name('cpp'))
    t.init_transactions(30)
    c = consumer(group, isolation_level='read_committed')
    c.subscribe([source])
    for turn in range(5):
        messages = read(c, 10)
        t.begin_transaction()
        for m in messages:
            t.produce(target, m.value())
        t.send_offsets_to_transaction(c.position(c.assignment()), c.consumer_group_metadata(), 30)
        if turn == 2:  # given up: the same records are taken again
            t.abort_transaction(30)
            for place in c.committed(c.assignment(), 30):
                c.seek(place if place.offset >= 0 else TopicPartition(place.topic, place.partition, OFFSET_BEGINNING))
        else:
            t.commit_transaction(30)
    messages = read(c, 10)
    t.begin_transaction()
    for m in messages:
        t.produce(target, m.value())
    t.send_offsets_to_transaction(c.position(c.assignment()), c.consumer_group_metadata(), 30)
    t.commit_transaction(30)
    place = c.committed([TopicPartition(source, 0)], 30)[0]
    tap.equal(place.offset, 50, 'offsets of the transaction are committed')
    c.close()
    r = consumer(name('cppr'), isolation_level='read_committed')
    r.subscribe([target])
    tap.equal([int(m.value()) for m in read(r, 50)], list(range(50)), 'each record once')
    r.close()


def administration():
    topic = name('adm')
    admin = made(topic, 1, {'retention.ms': '60000'})
    resource = ConfigResource(ResourceType.TOPIC, topic)
    config = admin.describe_configs([resource])[resource].result(30)
    tap.equal((config['retention.ms'].value, config['cleanup.policy'].value), ('60000', 'delete'), 'configs of a topic')
    tap.ok(len(config) > 25, 'every key of a topic is told', sorted(config))
    change = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[
        ConfigEntry('cleanup.policy', 'compact', incremental_operation=AlterConfigOpType.APPEND),
        ConfigEntry('retention.ms', None, incremental_operation=AlterConfigOpType.DELETE)])
    admin.incremental_alter_configs([change])[change].result(30)
    config = admin.describe_configs([resource])[resource].result(30)
    tap.equal(config['cleanup.policy'].value, 'delete,compact', 'a policy is appended')
    tap.equal(config['retention.ms'].value, '604800000', 'a key is back at its default')
    wrong = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[
        ConfigEntry('no.such.key', '1', incremental_operation=AlterConfigOpType.SET)])
    try:
        admin.incremental_alter_configs([wrong])[wrong].result(30)
        tap.ok(False, 'an unknown key is refused')
    except KafkaException as e:
        tap.equal(e.args[0].code(), KafkaError.INVALID_CONFIG, 'an unknown key is refused')
    admin.create_partitions([NewPartitions(topic, 3)])[topic].result(30)
    tap.equal(len(admin.list_topics(topic, 30).topics[topic].partitions), 3, 'partitions are added')
    cluster = admin.describe_cluster().result(30)
    tap.equal(len(cluster.cluster_id), 22, 'the cluster has an id')
    tap.equal([f'{n.host}:{n.port}' for n in cluster.nodes], [BOOTSTRAP.replace('localhost', '127.0.0.1')], 'one node')
    admin.delete_topics([topic])[topic].result(30)
    tap.ok(topic not in admin.list_topics(timeout=30).topics, 'a deleted topic is gone')
    topic = name('places')
    made(topic, 1, {'retention.ms': '-1'})
    p = producer()
    for i in range(10):
        p.produce(topic, str(i), partition=0, timestamp=1000 * (i + 1))
    p.flush(30)
    place = TopicPartition(topic, 0)
    ends = {spec: admin.list_offsets({place: s}, isolation_level=IsolationLevel.READ_COMMITTED)[place].result(30).offset
            for spec, s in (('first', OffsetSpec.earliest()), ('end', OffsetSpec.latest()),
                            ('max', OffsetSpec.max_timestamp()), ('time', OffsetSpec.for_timestamp(3500)))}
    tap.equal(ends, {'first': 0, 'end': 10, 'max': 9, 'time': 3}, 'offsets by place and time')
    left = admin.delete_records([TopicPartition(topic, 0, 4)])[place].result(30)
    tap.equal(left.low_watermark, 4, 'records are deleted up to an offset')
    tap.equal(admin.list_offsets({place: OffsetSpec.earliest()})[place].result(30).offset, 4, 'and gone')
    group = name('goff')
    entries = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 7, 'note')])
    admin.alter_consumer_group_offsets([entries])[group].result(30)
    got = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(30)
    tap.equal([(t.partition, t.offset) for t in got.topic_partitions], [(0, 7)], 'offsets of a group are set from outside')
    listed = admin.list_consumer_groups().result(30)
    tap.ok(group in [g.group_id for g in listed.valid], 'the group is listed')
    admin.delete_consumer_groups([group])[group].result(30)
    listed = admin.list_consumer_groups().result(30)
    tap.ok(group not in [g.group_id for g in listed.valid], 'and deleted')
    t = producer(transactional_id=name('tx'))
    t.init_transactions(30)
    t.begin_transaction()
    c = consumer(group)
    t.send_offsets_to_transaction([TopicPartition(topic, 0, 9)], c.consumer_group_metadata(), 30)
    admin.delete_consumer_groups([group])[group].result(30)
    t.commit_transaction(30)
    tap.equal([tp.offset for tp in c.committed([TopicPartition(topic, 0)], 30)], [-1001],
              'a deleted group has no offsets of a transaction that was open')
    c.close()


tap.run(compressions, delivery_reports, too_large, timestamps, stored_codecs, rebalances, static_members, transactions, fencing,
        consume_process_produce, administration)
