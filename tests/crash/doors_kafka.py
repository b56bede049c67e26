# SPDX-License-Identifier: MIT
"""Kafka clients for doors_kill_test.py: PORT is the argument. Each client object lives for the whole test.

    plain     a producer without idempotence: what was reported delivered stands at the offset of the report
    idem      an idempotent one (its topic feeds a table of the pipeline): each record once, in order
    txn       a transactional one over two topics: committed whole, aborted never
    etl       in -> out: consume, transform, produce with the offsets in the transaction; each record once
    readers   a group of two that commits; what was committed never goes back
    audit     reads committed records all the while: sees each once, and what a reader sees at the end
    watch     high watermarks and committed offsets of both groups never go back
"""
import collections
import json
import sys
import threading
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from doors_worker import Worker

BOOTSTRAP = f'127.0.0.1:{sys.argv[1]}'
TOPICS = {'plain': 3, 'idem': 3, 'in': 2, 'out': 2, 'txn-a': 2, 'txn-b': 1}  # idem is made by the project
worker = Worker()


def config(error_cb=None, **more):
    return {'bootstrap.servers': BOOTSTRAP, 'reconnect.backoff.ms': 20, 'reconnect.backoff.max.ms': 100, 'log_level': 0,
            'retry.backoff.ms': 20, **{k.replace('_', '.'): v for k, v in more.items()},
            'error_cb': error_cb or on_error}


def on_error(error):
    if error.fatal():
        worker.mistake(f'fatal: {error}')


def producer(**more):
    return Producer(config(retry_backoff_max_ms=100, linger_ms=2, **more))


def consumer(group, **more):
    return Consumer(config(group_id=group, auto_offset_reset='earliest', enable_auto_commit=False, fetch_wait_max_ms=100,
                           session_timeout_ms=10000, heartbeat_interval_ms=1000,
                           **more))


def partitions(*topics):
    return [TopicPartition(t, p) for t in topics for p in range(TOPICS[t])]


admin = AdminClient(config())
for future in admin.create_topics([NewTopic(t, n, 1) for t, n in TOPICS.items() if t != 'idem']).values():
    future.result(30)


# ---- producers without transactions ----

class Stream:
    """Numbered records into the partitions of a topic."""

    def __init__(self, name, **more):
        self.name, self.producer = name, producer(**more)
        self.next = [0] * TOPICS[name]
        self.acked = {}  # (partition, n) -> offset
        self.open = 0

    def delivered(self, p, n):
        def report(error, message):
            self.open -= 1
            if error:
                worker.mistake(f'{self.name} {p} {n}: {error}')
                return
            self.acked[p, n] = message.offset()
            worker.step(self.name)
        return report

    def once(self, chance):
        if self.open < 200:
            for _ in range(chance.randint(1, 8)):
                p = chance.randrange(len(self.next))
                n = self.next[p]
                self.next[p] += 1
                self.open += 1
                value = json.dumps({'p': p, 'n': n, 'more': 'x' * chance.randint(0, 300)})
                self.producer.produce(self.name, value, partition=p, on_delivery=self.delivered(p, n))
        self.producer.poll(0.005)

    def flush(self):
        self.producer.flush(60)
        worker.equal(sum(self.next) - len(self.acked), 0, f'{self.name}: each record is reported delivered ({len(self.acked)})')


plain = Stream('plain', acks='all', enable_idempotence=False)
idem = Stream('idem', enable_idempotence=True)
source = Stream('in', enable_idempotence=True)


# ---- transactions ----

def finished(what):
    """Runs a step of a transaction again while it may be; True when done, False when it has to be aborted."""
    end = time.monotonic() + 120
    while True:
        try:
            what()
            return True
        except KafkaException as e:
            error = e.args[0]
            if error.txn_requires_abort():
                return False
            if not error.retriable() or time.monotonic() > end:
                raise


class Transactions:
    def __init__(self, name):
        self.name = name
        self.begin_anew()

    def begin_anew(self):
        self.producer = producer(transactional_id=self.name, transaction_timeout_ms=60000, delivery_timeout_ms=60000,
                                 error_cb=self.on_error)
        finished(lambda: self.producer.init_transactions(60))

    @staticmethod
    def on_error(error):
        if error.code() != KafkaError.INVALID_TXN_STATE:  # end() decides
            on_error(error)

    def begin(self):
        self.known = False  # the broker has said yes to some of it
        self.producer.begin_transaction()

    def delivered(self, error, _):
        self.known = self.known or not error

    def send_offsets(self, offsets, group):
        if not finished(lambda: self.producer.send_offsets_to_transaction(offsets, group, 30)):
            return False
        self.known = True
        return True

    def send(self, topic, p, value):
        while True:
            try:
                self.producer.produce(topic, json.dumps(value), partition=p, on_delivery=self.delivered)
                return True
            except BufferError:
                self.producer.poll(0.01)
            except KafkaException as e:
                if e.args[0].txn_requires_abort():
                    return False
                raise

    def end(self, commit):
        """Whether it was committed."""
        if commit and finished(lambda: self.producer.commit_transaction(30)):
            return True
        # An abort behind a request to add partitions that was lost is refused by any broker, for good, to this
        # client's older EndTxn: INVALID_TXN_STATE, as the broker never heard of the transaction. So the partitions
        # are there before; but where the transaction has failed already, the client does not ask for them again.
        self.producer.flush(60)
        try:
            if not finished(lambda: self.producer.abort_transaction(30)):
                raise RuntimeError('an abort has to be aborted')
        except KafkaException as e:
            if e.args[0].code() != KafkaError.INVALID_TXN_STATE or self.known:
                raise
            self.begin_anew()
        return False


txn = Transactions('txn-1')
committed, aborted = {}, set()  # number -> records; numbers


def transact(chance):
    n = len(committed) + len(aborted)
    txn.begin()
    sent = []
    good = True
    for i in range(chance.randint(1, 6)):
        topic, p = chance.choice([('txn-a', 0), ('txn-a', 1), ('txn-b', 0)])
        good = good and txn.send(topic, p, [n, i])
        sent.append((topic, p, i))
        if chance.random() < 0.2:
            txn.producer.flush(0.05)  # into the log before its fate is known
    if txn.end(good and chance.random() < 0.7):
        committed[n] = sent
        worker.step('commit')
    else:
        aborted.add(n)
        worker.step('abort')


class Etl:
    """Consume, transform, produce."""

    def __init__(self, name):
        self.name = name
        self.txn = Transactions(name)
        self.consumer = consumer('etl', isolation_level='read_committed')
        self.consumer.subscribe(['in'])
        self.attempt = 0

    def rewind(self):
        while True:
            try:
                mine = self.consumer.assignment()
                for tp in self.consumer.committed(mine, timeout=10) if mine else []:
                    self.consumer.seek(TopicPartition(tp.topic, tp.partition, tp.offset if tp.offset >= 0 else OFFSET_BEGINNING))
                return
            except KafkaException as e:
                if e.args[0].code() == KafkaError._STATE:
                    return  # taken away meanwhile
                time.sleep(0.02)

    def once(self, chance):
        messages = [m for m in self.consumer.consume(300, 0.1) if not m.error()]
        if not messages:
            return
        self.attempt += 1
        self.txn.begin()
        offsets = {}
        good = True
        for m in messages:
            value = json.loads(m.value())
            good = good and self.txn.send('out', m.partition(), [m.partition(), value['n'], self.name, self.attempt])
            offsets[m.partition()] = m.offset() + 1
        to = [TopicPartition('in', p, offset) for p, offset in offsets.items()]
        good = good and self.txn.send_offsets(to, self.consumer.consumer_group_metadata())
        if self.txn.end(good and chance.random() < 0.8):
            worker.step('etl')
        else:
            self.rewind()


# ---- a group that commits ----

reached = collections.defaultdict(int)  # (group, topic, partition) -> offset whose commit was answered
reached_lock = threading.Lock()


class Reader:
    def __init__(self):
        self.consumer = consumer('readers')
        self.consumer.subscribe(['idem'])
        self.seen = set()

    def once(self, chance):
        messages = [m for m in self.consumer.consume(100, 0.1) if not m.error()]
        if not messages:
            return
        ends = {}
        for m in messages:
            self.seen.add((m.partition(), m.offset()))
            ends[m.partition()] = m.offset() + 1
        try:
            done = self.consumer.commit(offsets=[TopicPartition('idem', p, o) for p, o in ends.items()], asynchronous=False)
        except KafkaException:
            return  # rebalanced, or in doubt
        with reached_lock:
            for tp in done:
                if not tp.error:
                    at = 'readers', tp.topic, tp.partition
                    reached[at] = max(reached[at], tp.offset)
                    worker.step('group')


class Audit:
    """Reads committed records, as they come."""

    def __init__(self):
        self.consumer = consumer('audit', isolation_level='read_committed')
        self.consumer.assign([TopicPartition(t.topic, t.partition, 0) for t in partitions('out', 'txn-a', 'txn-b')])
        self.last = {}
        self.seen = collections.defaultdict(list)

    def once(self, chance):
        for m in self.consumer.consume(200, 0.1):
            if m.error():
                continue
            at = m.topic(), m.partition()
            if m.offset() <= self.last.get(at, -1):
                worker.mistake(f'audit: {at} went back from {self.last[at]} to {m.offset()}')
            self.last[at] = m.offset()
            self.seen[at].append((m.offset(), m.value()))
            worker.step('audit')


class Watch:
    def __init__(self):
        self.high = {}
        self.committed = {}
        self.watermarks = consumer('watch', isolation_level='read_uncommitted')
        self.groups = {'readers': (consumer('readers'), partitions('idem')), 'etl': (consumer('etl'), partitions('in'))}

    def watermark(self, chance):
        for tp in partitions(*TOPICS):
            try:
                high = self.watermarks.get_watermark_offsets(tp, timeout=10)[1]
            except KafkaException:
                return
            at = tp.topic, tp.partition
            if high < self.high.get(at, 0):
                worker.mistake(f'the high watermark of {at} went back from {self.high[at]} to {high}')
            self.high[at] = high
        worker.step('watermarks')

    def offsets(self, chance):
        for group, (client, asked) in self.groups.items():
            with reached_lock:
                floor = dict(reached)
            try:
                found = client.committed(asked, timeout=10)
            except KafkaException:
                return
            for tp in found:
                at = group, tp.topic, tp.partition
                least = max(self.committed.get(at, -1001), floor.get(at, -1001))
                if tp.error or tp.offset < least:
                    worker.mistake(f'the committed offset of {at} went back from {least} to {tp.offset} {tp.error}')
                self.committed[at] = max(tp.offset, least)
        worker.step('offsets')


# ---- the end ----

def read_all(topic, isolation):
    """{partition: [(offset, value)]} up to the end as a new client finds it."""
    client = consumer('end', isolation_level=isolation, enable_partition_eof=True)
    client.assign([TopicPartition(topic, p, 0) for p in range(TOPICS[topic])])
    found = {p: [] for p in range(TOPICS[topic])}
    ends, limit = set(), time.monotonic() + 120
    while len(ends) < TOPICS[topic] and time.monotonic() < limit:
        for m in client.consume(1000, 0.2):
            if not m.error():
                found[m.partition()].append((m.offset(), json.loads(m.value())))
            elif m.error().code() == KafkaError._PARTITION_EOF:
                ends.add(m.partition())
    client.close()
    worker.equal(len(ends), TOPICS[topic], f'{topic} is read to its end, {isolation}')
    return found


def until(look, seconds=120):
    end = time.monotonic() + seconds
    while not look() and time.monotonic() < end:
        time.sleep(0.05)


def judge_streams():
    for stream, isolation in ((idem, 'read_uncommitted'), (source, 'read_committed')):
        found = read_all(stream.name, isolation)
        worker.equal([[v['n'] for _, v in found[p]] == list(range(n)) for p, n in enumerate(stream.next)],
                     [True] * len(stream.next), f'{stream.name}: each record once and in order')
        wrong = [(p, o, v['n']) for p in found for o, v in found[p] if stream.acked.get((p, v['n']), o) != o]
        worker.equal(wrong[:5], [], f'{stream.name}: at the offset that was reported')
    found = {(p, o): v['n'] for p, records in read_all('plain', 'read_uncommitted').items() for o, v in records}
    wrong = [(p, n, o, found.get((p, o))) for (p, n), o in plain.acked.items() if found.get((p, o)) != n]
    worker.equal(wrong[:5], [], 'plain: each acknowledged record stands at its offset')
    extra = len(found) - len(plain.acked)
    worker.ok(extra >= 0 and set(found.values()) <= set(range(max(plain.next))), f'plain: sent again at most ({extra})')


def judge_transactions():
    have = collections.Counter()
    for topic in ('txn-a', 'txn-b'):
        for p, records in read_all(topic, 'read_committed').items():
            have.update((n, topic, p, i) for _, (n, i) in records)
    want = collections.Counter((n, *record) for n, sent in committed.items() for record in sent)
    worker.equal((list((want - have).items())[:5], list((have - want).items())[:5]), ([], []),
                 f'transactions: committed whole ({len(committed)}), aborted never ({len(aborted)})')


def judge_audit(audit):
    wrong = []
    for topic in ('out', 'txn-a', 'txn-b'):
        for p, records in read_all(topic, 'read_committed').items():
            seen = [(o, json.loads(v)) for o, v in audit.seen[topic, p]]
            if seen != records:
                wrong.append((topic, p, [x for x in seen if x not in records][:5], [x for x in records if x not in seen][:5]))
    worker.equal(wrong, [], 'who read along saw what a reader sees at the end')


def finish():
    worker.join(worker.ending)
    for stream in (plain, idem, source):
        stream.flush()
    total = sum(source.next)
    until(lambda: sum(len(audit.seen['out', p]) for p in (0, 1)) >= total)
    until(lambda: all(reached['readers', 'idem', p] >= n for p, n in enumerate(idem.next)))
    time.sleep(0.5)  # what should not come would come
    worker.drained.set()
    worker.join(worker.drained)
    for p, records in read_all('out', 'read_committed').items():
        worker.equal((len(records), sorted(v[1] for _, v in records) == list(range(source.next[p]))), (source.next[p], True),
                     f'in -> out: partition {p} has each record once')
    judge_streams()
    judge_transactions()
    judge_audit(audit)
    seen = set().union(*(r.seen for r in readers))
    missing = [(p, o) for p, n in enumerate(idem.next) for o in range(n) if (p, o) not in seen]
    worker.equal(missing[:5], [], f'the group was handed each record ({len(seen)})')
    for client in [r.consumer for r in readers] + [e.consumer for e in etls] + [audit.consumer]:
        client.close()


readers = [Reader(), Reader()]
etls = [Etl('etl-1'), Etl('etl-2')]
audit, watch = Audit(), Watch()
for stream in (plain, idem, source):
    worker.activity(stream.name, stream.once, pause=0.01)
worker.activity('transactions', transact, pause=0.01)
for i, etl in enumerate(etls):
    worker.activity(f'etl {i}', etl.once, worker.drained)
for i, reader in enumerate(readers):
    worker.activity(f'reader {i}', reader.once, worker.drained, pause=0.02)
worker.activity('audit', audit.once, worker.drained)
worker.activity('watermarks', watch.watermark, worker.drained, pause=0.05)
worker.activity('offsets', watch.offsets, worker.drained, pause=0.05)
worker.serve(finish)
