# SPDX-License-Identifier: MIT
"""What random programs for brokers are made of: topics, records, groups, transactions, and mistakes in each."""
import time

from kafka_program import Batch, Ref, Runner, resolve
from kafka_wire import CODECS

DAY = 86400000
CONFIGS = {  # what both know and mean the same; None is a value that is refused
    'cleanup.policy': ['compact', 'delete', 'compact,delete', 'nonsense', ''],
    'compression.type': ['producer', 'nonsense'],
    'max.message.bytes': ['300', '2000', '100000', '-1', 'many'],
    'message.timestamp.type': ['CreateTime', 'LogAppendTime', 'Never'],
    'retention.ms': ['-1', '7200000000', '-2', 'x'],
    'retention.bytes': ['-1', '1000000000', 'x'],
    'min.insync.replicas': ['1', '0', 'x'],
    'segment.bytes': ['1048576', '10', '2000000'],
    'message.timestamp.after.max.ms': ['3600000', '0', '-1'],
    'message.timestamp.before.max.ms': ['9223372036854775807', '1000', '-5'],
    'min.compaction.lag.ms': ['0', '1000', '-1'],
    'delete.retention.ms': ['86400000', '5', 'x'],
    'flush.messages': ['1', '9223372036854775807', '-1'],
    'unclean.leader.election.enable': ['true', 'false', 'maybe'],
    'preallocate': ['true', 'false'],
    'no.such.key': ['1'],
}
SHOWN = [name for name in CONFIGS if name != 'no.such.key']
BAD_NAMES = ['', '.', '..', 'a b', 'x' * 250, 'sl/ash', 'ümlaut']


class Program(Runner):
    def __init__(self, *words, **more):
        super().__init__(*words, **more)
        self.start = int(time.time()) * 1000 - 5 * DAY  # well within the default retention
        self.topics = {}  # label: partitions, -1 when it is gone
        self.producers = {}  # label: {'id', 'sequences', 'last', 'added'}
        self.open = set()  # ids with a transaction that may be open
        self.members = {}  # label: {'group', 'instance'}
        self.session_epoch, self.session_version = 0, 7

    def chance(self, part):
        return self.random.random() < part

    def pick(self, items):
        return self.random.choice(list(items))

    def topic(self, label):
        return self.prefix + label

    # ---- what stands in requests ----

    def any_topic(self, strange=0.06):
        if self.chance(strange) or not self.topics:
            return 'nosuch'
        living = [label for label, count in self.topics.items() if count > 0]
        return self.pick(living if living and self.chance(0.95) else self.topics)

    def partition(self, label, strange=0.05):
        if self.chance(strange):
            return self.pick([-1, 7, 99])
        return self.random.randrange(max(1, self.topics.get(label, 1)))

    def places(self, most=3, strange=0.06):
        """{topic: [partitions]} without anything twice."""
        out = {}
        for _ in range(self.random.randint(1, most)):
            label = self.any_topic(strange)
            one = self.partition(label, strange)
            if one not in out.setdefault(label, []):
                out[label].append(one)
        return out

    def by_topic(self, places, make, name='Name', **more):
        return [{name: self.topic(label), **({'TopicId': Ref('topic', label)} if more.get('ids') else {}),
                 'Partitions': [make(label, one) for one in ones]} for label, ones in places.items()]

    def bytes(self):
        return bytes(self.random.randrange(97, 123) for _ in range(self.random.choice([0, 1, 5, 20])))

    def records(self):
        out = []
        for _ in range(self.pick([1, 1, 2, 3, 8])):
            at = self.start + 1000 * self.random.randrange(1000)
            if self.chance(0.03):
                at = self.start + 400 * DAY  # refused; much older ones would begin a new segment
            key = None if self.chance(0.3) else self.bytes()
            value = None if self.chance(0.15) else self.bytes() * (40 if self.chance(0.1) else 1)
            headers = [(self.bytes(), None if self.chance(0.3) else self.bytes()) for _ in range(self.pick([0, 0, 0, 1, 2]))]
            out.append((at, key, value, headers))
        return out

    # ---- topics ----

    def learn_topics(self, target, answer):
        for one in answer['Topics']:
            if one['ErrorCode'] == 0 and any(one.get('TopicId', b'')):
                target.learn('topic', one['Name'][len(self.prefix):], one['TopicId'])

    def see_topics(self, *labels):
        """Waits until the brokers tell the same about them, and learns their ids."""
        answer = self.call('Metadata', {'Topics': [{'Name': self.topic(label)} for label in labels],
                                        'AllowAutoTopicCreation': False}, 12, learn=self.learn_topics)
        for one in answer['Topics']:
            label = one['Name'][len(self.prefix):]
            self.topics[label] = len(one['Partitions']) if one['ErrorCode'] == 0 else -1
            if one['ErrorCode'] == 0:
                self.list_offsets({label: list(range(len(one['Partitions'])))}, -1)

    def settings(self, most=2):
        names = self.random.sample(list(CONFIGS), self.random.randint(0, most))
        return [(name, self.pick(CONFIGS[name])) for name in names]

    def create(self):
        wanted = []
        for _ in range(self.pick([1, 1, 2])):
            label = f't{self.random.randrange(8)}'
            one = {'Name': self.topic(label), 'NumPartitions': self.pick([1, 2, 3, 3]), 'ReplicationFactor': 1, 'Configs': []}
            if self.chance(0.1):
                one['NumPartitions'] = self.pick([0, -2])
            if self.chance(0.08):
                one['ReplicationFactor'] = self.pick([0, 2, -2])
            if self.chance(0.1):
                one.update(NumPartitions=-1, ReplicationFactor=-1, Assignments=[
                    {'PartitionIndex': i, 'BrokerIds': self.pick([[1], [1], [1], [2], [1, 1], []])} for i in range(self.pick([1, 2]))])
            if self.chance(0.5):
                one['Configs'] = [{'Name': name, 'Value': value} for name, value in self.settings()]
            if self.chance(0.08):
                one['Name'] = self.pick(BAD_NAMES)
            wanted.append((label, one))
        self.call('CreateTopics', {'Topics': [one for _, one in wanted], 'timeoutMs': 10000, 'validateOnly': self.chance(0.1)},
                  learn=self.learn_topics)
        self.see_topics(*sorted({label for label, _ in wanted}))

    def delete(self):
        labels = {self.any_topic(0.2) for _ in range(self.pick([1, 1, 2]))}
        ids = self.chance(0.5)
        version = self.version('DeleteTopics')
        body = {'TopicNames': [self.topic(label) for label in sorted(labels)], 'TimeoutMs': 10000,
                'Topics': [{'Name': None, 'TopicId': Ref('topic', label)} if ids else {'Name': self.topic(label)}
                           for label in sorted(labels)]}
        self.call('DeleteTopics', body, version)
        self.see_topics(*sorted(labels))
        for producer in self.producers.values():
            producer['sequences'] = {at: n for at, n in producer['sequences'].items() if at[0] not in labels}

    def widen(self):
        label = self.any_topic()
        one = {'Name': self.topic(label), 'Count': self.topics.get(label, 1) + self.pick([1, 1, 1, 0, -1]), 'Assignments': None}
        if self.topics.get(label, 1) > 3 or self.chance(0.1):
            one['Count'] = self.pick([0, -1, 1])
        if self.chance(0.2):
            one['Assignments'] = self.pick([[{'BrokerIds': [1]}], [{'BrokerIds': [3]}], [{'BrokerIds': [1]}] * 2, []])
        self.call('CreatePartitions', {'Topics': [one], 'TimeoutMs': 10000, 'ValidateOnly': self.chance(0.15)})
        self.see_topics(label)

    def describe_configs(self, label=None):
        label = label or self.any_topic()
        self.call('DescribeConfigs', {'Resources': [{'ResourceType': 2, 'ResourceName': self.topic(label),
                                                     'ConfigurationKeys': None if self.chance(0.5) else SHOWN}],
                                      'IncludeSynonyms': self.chance(0.5), 'IncludeDocumentation': False})

    def alter(self):
        label = self.any_topic()
        resource = {'ResourceType': self.pick([2] * 20 + [77]), 'ResourceName': self.topic(label)}
        if self.chance(0.3):
            self.call('AlterConfigs', {'Resources': [{**resource, 'Configs': [
                {'Name': name, 'Value': value} for name, value in self.settings(3)]}], 'ValidateOnly': self.chance(0.1)})
        else:
            settings = [{'Name': name, 'ConfigOperation': self.pick([0, 0, 0, 1, 2, 3] if name == 'cleanup.policy' else [0, 0, 0, 1, 1, 2]),
                         'Value': value} for name, value in self.settings(3)]
            self.call('IncrementalAlterConfigs', {'Resources': [{**resource, 'Configs': settings}], 'ValidateOnly': self.chance(0.1)})
        self.describe_configs(label)
        time.sleep(0.03 if len(self.targets) > 1 else 0)

    def metadata(self):
        version = self.version('Metadata', 4)
        topics = [{'Name': self.topic(self.any_topic(0.2)), 'TopicId': bytes(16)} for _ in range(self.pick([0, 1, 2]))]
        if self.chance(0.15):
            topics.append({'Name': self.pick(BAD_NAMES), 'TopicId': bytes(16)})
        if version >= 12 and self.chance(0.4):
            topics = [{'Name': None, 'TopicId': Ref('topic', self.any_topic(0.2))}]
        unique = {repr(one): one for one in topics}
        self.call('Metadata', {'Topics': list(unique.values()), 'AllowAutoTopicCreation': False,
                               'IncludeTopicAuthorizedOperations': self.chance(0.2)}, version)

    def describe_partitions(self):
        self.call('DescribeTopicPartitions', {'Topics': [{'Name': self.topic(label)} for label in sorted(self.places())],
                                              'ResponsePartitionLimit': self.pick([2000, 1, 2])})

    # ---- records ----

    def produce_body(self, label, one, made, transactional=None, acks=None):
        return {'TransactionalId': transactional, 'Acks': self.pick([-1, -1, 1]) if acks is None else acks, 'TimeoutMs': 10000,
                'TopicData': [{'Name': self.topic(label), 'TopicId': Ref('topic', label),
                               'PartitionData': [{'Index': one, 'Records': made}]}]}

    def produce(self):
        label = self.any_topic()
        one = self.partition(label)
        wrong = self.pick(['crc', 'magic', 'last', 'control', 'length', 'count', 'old']) \
            if self.chance(0.08) else None
        if not 0 <= one < self.topics.get(label, -1):
            wrong = None  # which of two mistakes is told depends on which
        codec = 'none' if self.chance(0.6) else self.pick(CODECS)
        if wrong == 'count':
            codec = 'none'  # what is compressed we do not open to count it (docs/kafka-compatibility.md)
        body = self.produce_body(label, one, Batch(self.records(), codec=codec, wrong=wrong))
        if self.chance(0.03):
            body['Acks'] = self.pick([2, -3])
        self.call('Produce', body, self.version('Produce', 7))

    def produce_silently(self):
        """acks=0: no answer; the next request tells whether the connection has ended."""
        label = self.any_topic(0)
        body = self.produce_body(label, self.partition(label, 0), Batch(self.records()), acks=0)
        version = self.version('Produce', 3)
        for target in self.targets:
            target.on('silent').send('Produce', version, resolve(body, target))
        self.steps += 1
        self.tell(f'{self.steps} silent: Produce v{version} {body!r}')
        self.call('ListGroups', {'StatesFilter': ['Nothing']}, 4, 'silent')

    def list_offsets(self, places, when=None, level=None):
        def at():
            return self.pick([-1, -1, -2, -2, -3, -4, self.start + 1000 * self.random.randrange(1100), 0, -9])
        stamps = {(label, one): at() if when is None else when for label, ones in places.items() for one in ones}
        need = {-3: 7, -4: 8}
        version = self.version('ListOffsets', max([need.get(stamp, 1) for stamp in stamps.values()]), 11)
        self.call('ListOffsets', {'ReplicaId': -1, 'IsolationLevel': self.pick([0, 1]) if level is None else level,
                                  'TimeoutMs': 5000, 'Topics': self.by_topic(places, lambda label, one: {
                                      'PartitionIndex': one, 'Timestamp': stamps[(label, one)],
                                      'CurrentLeaderEpoch': self.pick([-1, -1, -1, 0, 5]) if when is None else -1})}, version)

    def some_offsets(self):
        self.list_offsets(self.places())

    def fetch(self):
        places = self.places()

        def make(label, one):
            return {'Partition': one, 'CurrentLeaderEpoch': self.pick([-1] * 8 + [0, 3]),
                    'FetchOffset': self.pick([0, 0, 0, 1, 2, 5, 9, 20, 60, -1]) if self.chance(0.8) else self.random.randrange(40),
                    'PartitionMaxBytes': self.pick([1 << 20, 1 << 20, 1 << 20, 1, 150, 400])}
        version = self.version('Fetch', 4)
        self.call('Fetch', {'ReplicaId': -1, 'ReplicaState': {'ReplicaId': -1, 'ReplicaEpoch': -1}, 'MaxWaitMs': 0, 'MinBytes': 0,
                            'MaxBytes': self.pick([1 << 24, 1 << 24, 300, 1]), 'IsolationLevel': self.pick([0, 1]),
                            'SessionId': 0, 'SessionEpoch': -1,
                            'Topics': self.by_topic(places, make, 'Topic', ids=True)}, version)

    def session(self):
        """Fetches that say only what is new since the last one."""
        opens = self.session_epoch == 0 or self.chance(0.15)
        if opens:
            self.session_version = self.version('Fetch', 7)
        epoch = 0 if opens else self.session_epoch if self.chance(0.93) else self.pick([self.session_epoch + 1, 1, -1])

        def make(label, one):
            return {'Partition': one, 'FetchOffset': self.pick([0, 0, 1, 3, 8, 500]), 'PartitionMaxBytes': 1 << 20}
        places = self.places(3, 0.03) if opens or self.chance(0.5) else {}
        forgotten = [] if opens or self.chance(0.7) else [
            {'Topic': self.topic(label), 'TopicId': Ref('topic', label), 'Partitions': ones} for label, ones in self.places(1, 0.03).items()]

        def learn(target, answer):
            if answer['SessionId']:
                target.learn('session', 's', answer['SessionId'])
        answer = self.call('Fetch', {
            'ReplicaId': -1, 'ReplicaState': {'ReplicaId': -1, 'ReplicaEpoch': -1}, 'MaxWaitMs': 0, 'MinBytes': 0, 'MaxBytes': 1 << 24,
            'IsolationLevel': 0, 'SessionId': 0 if opens else Ref('session', 's', self.pick([0] * 30 + [1])), 'SessionEpoch': epoch,
            'Topics': self.by_topic(places, make, 'Topic', ids=True), 'ForgottenTopicsData': forgotten},
            self.session_version if self.chance(0.97) else self.version('Fetch', 7), learn=learn, again=False)
        if answer and answer['ErrorCode'] == 0:
            self.session_epoch = 1 if opens else self.session_epoch + 1 if epoch > 0 else 0

    def delete_records(self):
        places = self.places(2)
        self.call('DeleteRecords', {'TimeoutMs': 5000, 'Topics': self.by_topic(places, lambda label, one: {
            'PartitionIndex': one, 'Offset': self.pick([-1, 0, 1, 2, 3, 5, 10, 1000, -2])})})
        self.list_offsets(places, -2)

    def leader_epochs(self):
        places = self.places()
        self.call('OffsetForLeaderEpoch', {'ReplicaId': -1, 'Topics': self.by_topic(places, lambda label, one: {
            'Partition': one, 'CurrentLeaderEpoch': self.pick([-1, -1, 0, 4]), 'LeaderEpoch': self.pick([0, 0, 1, -1, 9])}, 'Topic')})

    # ---- producers with sequences, transactions ----

    def init_producer(self):
        label = f'p{len(self.producers)}'
        transactional = self.prefix + f'x{self.random.randrange(3)}' if self.chance(0.65) else None
        body = {'TransactionalId': transactional, 'TransactionTimeoutMs': self.pick([60000] * 15 + [0, -1, 1 << 30])}
        if self.chance(0.05):
            body['TransactionalId'] = ''
        again = [name for name, one in self.producers.items() if one['id'] == transactional]
        again = again[-1:] if transactional in self.open else again
        if again and self.chance(0.4):
            old = self.pick(again)
            open_ = transactional in self.open
            # Kafka lets a wrong epoch end an open transaction; a second answer then depends on the moment.
            add = 0 if open_ or self.chance(0.5) else self.pick([1, -1])
            body.update(ProducerId=Ref('pid', old), ProducerEpoch=Ref('epoch', old, add))

        def learn(target, answer):
            if answer['ErrorCode'] == 0:
                target.learn('pid', label, answer['ProducerId'])
                target.learn('epoch', label, answer['ProducerEpoch'])
        answer = self.call('InitProducerId', body, learn=learn)
        if answer and answer['ErrorCode'] == 0:
            self.producers[label] = {'id': transactional, 'sequences': {}, 'last': {}, 'added': set()}
            self.ended(transactional)
        return label

    def producer(self, transactional):
        labels = [label for label, one in self.producers.items() if (one['id'] is not None) == transactional]
        if not labels or self.chance(0.08):
            self.init_producer()
            labels = [label for label, one in self.producers.items() if (one['id'] is not None) == transactional]
        if not labels:
            return None
        return labels[-1] if self.chance(0.75) else self.pick(labels)

    def produce_sequence(self, transactional=False):
        label = self.producer(transactional)
        if label is None:
            return
        producer = self.producers[label]
        place = self.pick(sorted(producer['added'])) if producer['added'] and self.chance(0.85) else None
        topic = place[0] if place else self.any_topic(0.02)
        one = place[1] if place else self.partition(topic, 0.02)
        at = (topic, one)
        records = self.records()
        sequence = producer['sequences'].get(at, 0)
        if at in producer['last'] and self.chance(0.12):
            sequence, records = producer['last'][at]
        elif self.chance(0.08):
            sequence += self.pick([1, 3, -1, -2])
        epoch = Ref('epoch', label, self.pick([0] * 25 + [1]))
        made = Batch(records, producer=Ref('pid', label), epoch=epoch, sequence=sequence,
                     transactional=transactional != self.chance(0.03))
        answer = self.call('Produce', self.produce_body(topic, one, made, producer['id'], acks=self.pick([-1, -1, -1, 1])),
                           self.version('Produce', 7, 11))
        if answer and answer['Responses'][0]['PartitionResponses'][0]['ErrorCode'] == 0:
            if sequence == producer['sequences'].get(at, 0):
                producer['sequences'][at] = sequence + len(records)
            producer['last'][at] = (sequence, records)

    def produce_transactional(self):
        self.produce_sequence(True)

    def transaction(self, label):
        return {'TransactionalId': self.producers[label]['id'] if self.chance(0.97) else self.prefix + 'never',
                'ProducerId': Ref('pid', label, self.pick([0] * 30 + [1])), 'ProducerEpoch': Ref('epoch', label, self.pick([0] * 25 + [1, -1]))}

    def add_partitions(self):
        label = self.producer(True)
        if label is None:
            return
        places = self.places(3, 0.03)
        one = self.transaction(label)
        self.open.add(self.producers[label]['id'])
        answer = self.call('AddPartitionsToTxn', {
            'V3AndBelowTransactionalId': one['TransactionalId'], 'V3AndBelowProducerId': one['ProducerId'],
            'V3AndBelowProducerEpoch': one['ProducerEpoch'],
            'V3AndBelowTopics': [{'Name': self.topic(topic), 'Partitions': ones} for topic, ones in places.items()]},
            self.version('AddPartitionsToTxn', 0, 3))
        for topic in (answer or {}).get('ResultsByTopicV3AndBelow', []):
            for place in topic['ResultsByPartition']:
                if place['PartitionErrorCode'] == 0:
                    self.producers[label]['added'].add((topic['Name'][len(self.prefix):], place['PartitionIndex']))

    def add_offsets(self):
        label = self.producer(True)
        if label is None:
            return
        group = self.group()
        self.open.add(self.producers[label]['id'])
        self.call('AddOffsetsToTxn', {**self.transaction(label), 'GroupId': group}, self.version('AddOffsetsToTxn', 0, 3))
        if self.chance(0.9):
            self.transaction_commit(label, group)

    def transaction_commit(self, label=None, group=None):
        label = label or self.producer(True)
        if label is None:
            return
        member = self.pick(self.members) if self.members and self.chance(0.3) else None
        body = {**self.transaction(label), 'GroupId': group or self.group(),
                'Topics': self.by_topic(self.places(), lambda topic, one: {
                    'PartitionIndex': one, 'CommittedOffset': self.random.randrange(50), 'CommittedMetadata': self.metadata_text()})}
        if member:
            body.update(GroupId=self.members[member]['group'], MemberId=Ref('member', member),
                        GenerationIdOrMemberEpoch=Ref('generation', member, self.pick([0, 0, 1])))
        self.call('TxnOffsetCommit', body, self.version('TxnOffsetCommit', 0, 3))

    def ended(self, transactional):
        self.open.discard(transactional)
        for one in self.producers.values():
            if one['id'] == transactional:
                one['added'] = set()
        if transactional is not None:
            self.describe_transaction(transactional)

    def end_transaction(self):
        label = self.producer(True)
        if label is None:
            return
        self.call('EndTxn', {**self.transaction(label), 'Committed': self.chance(0.55)}, self.version('EndTxn', 0, 4))
        self.ended(self.producers[label]['id'])

    def describe_transaction(self, name=None):
        name = name or self.prefix + f'x{self.random.randrange(4)}'
        self.call('DescribeTransactions', {'TransactionalIds': [name]})

    def describe_producers(self):
        self.call('DescribeProducers', {'Topics': [{'Name': self.topic(label), 'PartitionIndexes': ones}
                                                   for label, ones in self.places(2).items()]})

    def list_transactions(self):
        pids = [Ref('pid', label) for label in self.producers] or [987654]
        self.call('ListTransactions', {'StateFilters': self.pick([[], [], ['Ongoing'], ['Empty', 'CompleteCommit'], ['Nonsense']]),
                                       'ProducerIdFilters': pids}, 0)

    # ---- groups ----

    def group(self):
        return self.prefix + f'g{self.random.randrange(3)}'

    def metadata_text(self):
        return self.pick(['', 'note', None, 'ü', 'x' * 5000] if self.chance(0.1) else ['', 'note'])

    def join(self, label=None, again=True):
        if label is None:
            label = f'm{len(self.members)}'
            self.members[label] = {'group': self.group(), 'instance': self.pick([None, None, None, 'i0', 'i1'])}
        if self.waits(label):
            return
        member = self.members[label]
        version = self.version('JoinGroup', 5 if member['instance'] else 0)
        body = {'GroupId': member['group'], 'SessionTimeoutMs': self.pick([600000] * 30 + [100, 2000000000]), 'RebalanceTimeoutMs': 600000,
                'MemberId': Ref('member', label) if any(('member', label) in t.known for t in self.targets) else self.pick([''] * 20 + ['stranger']),
                'GroupInstanceId': member['instance'], 'ProtocolType': self.pick(['consumer'] * 20 + ['connect', '']),
                'Protocols': self.pick([[{'Name': 'range', 'Metadata': b'r'}]] * 6 + [
                    [{'Name': 'range', 'Metadata': b'r2'}, {'Name': 'sticky', 'Metadata': b's'}],
                    [{'Name': 'sticky', 'Metadata': b's'}, {'Name': 'range', 'Metadata': b'r'}], [{'Name': 'other', 'Metadata': b'o'}], []])}
        if self.chance(0.02):
            body['GroupId'] = ''
        result = []

        def learn(target, answer):
            if answer['MemberId'] and answer['ErrorCode'] in (0, 79):
                target.learn('member', label, answer['MemberId'])
            if answer['ErrorCode'] == 0:
                target.learn('generation', label, answer['GenerationId'])
                target.learn('protocol', label, answer['ProtocolName'])
                member['leads'] = answer['Leader'] == answer['MemberId']
            result.append(answer['ErrorCode'])
        self.send('JoinGroup', body, label, learn, version)
        if result[:1] == [79] and again and self.chance(0.9):
            self.join(label, False)

    def member(self, group=None):
        labels = [label for label, one in self.members.items() if group is None or one['group'] == group]
        return labels[-1] if labels and self.chance(0.5) else self.pick(labels) if labels else None

    def sync(self, label=None):
        label = label or self.member()
        if label is None or self.waits(label):
            return
        member = self.members[label]
        others = [name for name, one in self.members.items() if one['group'] == member['group']]
        gives = member.get('leads') != self.chance(0.05)
        body = {'GroupId': member['group'], 'GenerationId': Ref('generation', label, self.pick([0] * 20 + [1, -1])), 'MemberId': Ref('member', label),
                'GroupInstanceId': member['instance'] if self.chance(0.97) else 'i9',
                'ProtocolType': self.pick(['consumer'] * 20 + ['connect', None]),
                'ProtocolName': Ref('protocol', label) if self.chance(0.9) else self.pick(['range', 'sticky', None]),
                'Assignments': [{'MemberId': Ref('member', name), 'Assignment': b'for ' + name.encode()} for name in others] if gives else []}
        self.send('SyncGroup', body, label, lambda target, answer: None,
                  self.version('SyncGroup', 3 if body['GroupInstanceId'] else 0))

    def round(self):
        """All members of a group join again, and then ask for their part."""
        group = self.group()
        labels = [label for label, one in self.members.items() if one['group'] == group]
        for label in labels:
            self.join(label)
        for label in labels:
            self.sync(label)

    def heartbeat(self):
        label = self.member()
        if label:
            self.call('Heartbeat', {'GroupId': self.members[label]['group'], 'GenerationId': Ref('generation', label, self.pick([0] * 10 + [1])),
                                    'MemberId': Ref('member', label) if self.chance(0.95) else '',
                                    'GroupInstanceId': self.members[label]['instance']},
                      self.version('Heartbeat', 3 if self.members[label]['instance'] else 0))

    def leave(self):
        label = self.member()
        if label is None:
            return
        one = self.members[label]
        members = [{'MemberId': Ref('member', label), 'GroupInstanceId': one['instance'] if self.chance(0.9) else None}]
        if self.chance(0.2):
            members.append({'MemberId': self.pick(['', 'nobody']), 'GroupInstanceId': self.pick(['i0', 'i1', 'i7', None])})
        self.call('LeaveGroup', {'GroupId': one['group'], 'MemberId': Ref('member', label), 'Members': members},
                  self.version('LeaveGroup', 3 if len(members) > 1 or one['instance'] else 0))
        self.settle()

    def commit(self):
        label = self.member() if self.chance(0.6) else None
        body = {'GroupId': self.group(), 'Topics': self.by_topic(self.places(), lambda topic, one: {
            'PartitionIndex': one, 'CommittedOffset': self.pick([0, 1, 5, 77, -1]), 'CommittedLeaderEpoch': self.pick([-1, 0, 3]),
            'CommittedMetadata': self.metadata_text()}, ids=True)}
        if label:
            body.update(GroupId=self.members[label]['group'], MemberId=Ref('member', label),
                        GenerationIdOrMemberEpoch=Ref('generation', label, self.pick([0] * 8 + [1, -1])),
                        GroupInstanceId=self.members[label]['instance'])
        self.call('OffsetCommit', body, self.version('OffsetCommit', 7 if body.get('GroupInstanceId') else 2))

    def committed(self):
        version = self.version('OffsetFetch', 2)
        group, places, everything = self.group(), self.places(), self.chance(0.3)
        topics = None if everything else [{'Name': self.topic(label), 'TopicId': Ref('topic', label), 'PartitionIndexes': ones}
                                          for label, ones in places.items()]
        stable = self.chance(0.3) and version >= 7
        self.call('OffsetFetch', {'GroupId': group, 'Groups': [{'GroupId': group, 'Topics': topics}], 'RequireStable': stable,
                                  'Topics': None if everything else [{'Name': one['Name'], 'PartitionIndexes': one['PartitionIndexes']}
                                                                     for one in topics]}, version)

    def delete_offsets(self):
        self.call('OffsetDelete', {'GroupId': self.group(), 'Topics': self.by_topic(self.places(), lambda label, one: {'PartitionIndex': one})})

    def delete_group(self):
        self.call('DeleteGroups', {'GroupsNames': sorted({self.group() for _ in range(2)} | ({'nogroup'} if self.chance(0.2) else set()))})

    def describe_group(self):
        self.call('DescribeGroups', {'Groups': sorted({self.group() for _ in range(2)}), 'IncludeAuthorizedOperations': self.chance(0.2)})

    def list_groups(self):
        self.call('ListGroups', {'StatesFilter': self.pick([[], [], ['Stable'], ['Empty', 'Dead'], ['PreparingRebalance'], ['Nonsense'], ['stable']]),
                                 'TypesFilter': self.pick([[], [], ['classic'], ['consumer'], ['Nonsense']])})

    WEIGHTS = {
        'create': 5, 'delete': 1.5, 'widen': 2, 'describe_configs': 1.5, 'alter': 3, 'metadata': 2.5, 'describe_partitions': 1,
        'produce': 9, 'produce_silently': 1, 'some_offsets': 6, 'fetch': 10, 'delete_records': 2, 'leader_epochs': 1.5,
        'init_producer': 2, 'produce_sequence': 5, 'produce_transactional': 9, 'add_partitions': 6, 'add_offsets': 2,
        'transaction_commit': 1, 'end_transaction': 6, 'describe_transaction': 1, 'describe_producers': 2, 'list_transactions': 1,
        'join': 5, 'sync': 5, 'round': 3, 'heartbeat': 3, 'leave': 2, 'commit': 4, 'committed': 4, 'delete_offsets': 1.5,
        'delete_group': 1.5, 'describe_group': 3, 'list_groups': 1, 'session': 3,
    }

    def begin(self):
        """Coordinators are there, and three topics."""
        for type_, names in ((0, [f'g{i}' for i in range(3)]), (1, [f'x{i}' for i in range(4)])):
            for name in names:
                self.call('FindCoordinator', {'Key': self.prefix + name, 'KeyType': type_}, 2)
        self.call('CreateTopics', {'Topics': [{'Name': self.topic(f't{i}'), 'NumPartitions': i + 1, 'ReplicationFactor': 1,
                                               'Configs': [{'Name': 'retention.ms', 'Value': '-1'}]} for i in range(3)], 'timeoutMs': 10000}, 4)
        self.see_topics('t0', 't1', 't2')

    def run(self, count):
        """A program may favour some steps: what is rare together comes together in some seeds."""
        names = list(self.WEIGHTS)
        weights = [self.WEIGHTS[name] * self.pick([0.2, 1, 1, 3]) for name in names]
        self.begin()
        for name in self.random.choices(names, weights, k=count):
            getattr(self, name)()
        self.end()

    def end(self):
        """Everything that can be read is read once more; then it goes away."""
        for label, count in self.topics.items():
            for one in range(max(0, count)):
                for level in (0, 1):
                    self.call('Fetch', {'ReplicaId': -1, 'MaxWaitMs': 0, 'MinBytes': 0, 'IsolationLevel': level, 'SessionEpoch': -1,
                                        'Topics': [{'Topic': self.topic(label), 'Partitions': [
                                            {'Partition': one, 'FetchOffset': 0, 'PartitionMaxBytes': 1 << 24}]}]}, 11)
        self.call('OffsetFetch', {'Groups': [{'GroupId': self.prefix + f'g{i}', 'Topics': None} for i in range(3)]}, 8)

    def clean(self):
        names = [self.topic(label) for label, count in self.topics.items() if count > 0]
        for target in self.targets:
            target.close()
            if names:
                target.on('control').call('DeleteTopics', 4, {'TopicNames': names, 'TimeoutMs': 10000})
            target.close()
