# SPDX-License-Identifier: MIT
"""Random programs of Kafka requests that run on several brokers at once, step by step.

A step is one request with the same meaning for each broker: what brokers choose themselves (ids of
producers, members, topics) stands in it as a Ref and is put in for each. Answers are made comparable
(normal) and have to be equal. Reads are asked again for a moment before they count as different, since
a broker may tell of a change before all of it is to be seen. Joins and syncs may wait for other members:
they stay pending on a connection of their own, and have to end on all brokers or on none.
"""
import os
import random
import re
import time

import millrace
from differential import unlike
from kafka_wire import Connection, batch, batches

PATIENCE = 3.0  # seconds that brokers have to agree
QUIET = 0.03  # of silence, before a pending request counts as waiting
AGAIN = {14, 15, 16, 51}  # the coordinator loads, moves; a transaction is just ending
READS = {'Fetch', 'ListOffsets', 'Metadata', 'OffsetFetch', 'DescribeGroups', 'ListGroups', 'DescribeConfigs', 'FindCoordinator',
         'OffsetForLeaderEpoch', 'DescribeProducers', 'DescribeTransactions', 'ListTransactions', 'DescribeTopicPartitions',
         'DescribeCluster'}
DROPPED = {*os.environ.get('DIFF_DROP', '').split(','), 'ThrottleTimeMs', 'ErrorMessage', 'BatchIndexErrorMessage', 'Documentation'}
TIMES = {'LogAppendTimeMs', 'TransactionStartTimeMs', 'LastTimestamp', 'Timestamp'}
NODES = {'Host', 'Port', 'ClusterId', 'ControllerId', 'NodeEndpoints'}


KEYS = ('Name', 'Topic', 'TopicId', 'PartitionIndex', 'Partition', 'Index', 'GroupId', 'MemberId', 'ProducerId')  # lists of these have no order


class Ref:
    """Something that each broker has chosen for itself."""
    DEFAULTS = {'pid': 987654, 'member': 'nobody', 'topic': b'\x01' * 16, 'session': 77, 'protocol': 'range', 'generation': -1, 'epoch': 0}

    def __init__(self, kind, name, add=0):
        self.kind, self.name, self.add = kind, name, add

    def value(self, target):
        value = target.known.get((self.kind, self.name), self.DEFAULTS[self.kind])
        return value + self.add if self.add else value

    def __repr__(self):
        return f'<{self.kind} {self.name}{self.add or ""}>'


class Batch:
    """Records for one partition, made with what a broker knows its producer by."""

    def __init__(self, records, **more):
        self.records, self.more, self.made = records, more, {}

    def value(self, target):
        words = {name: item.value(target) if isinstance(item, Ref) else item for name, item in self.more.items()}
        return batch(self.records, **words)

    def __repr__(self):
        return f'Batch({self.records}, {self.more})'


def resolve(value, target):
    if isinstance(value, (Ref, Batch)):
        return value.value(target)
    if isinstance(value, dict):
        return {name: resolve(item, target) for name, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, target) for item in value]
    return value


class Target:
    """One broker and what it has chosen."""

    def __init__(self, name, port):
        self.name, self.port = name, port
        self.connections, self.known, self.names, self.pending = {}, {}, {}, {}

    def on(self, label):
        if label not in self.connections:
            self.connections[label] = Connection(self.port)
        return self.connections[label]

    def learn(self, kind, name, value):
        self.known[(kind, name)] = value
        if kind not in ('generation', 'epoch', 'protocol'):
            self.names.setdefault((kind, value), f'<{kind} {name}>')

    def close(self):
        for connection in self.connections.values():
            connection.close()
        self.connections, self.pending = {}, {}

    # ---- answers ----

    def name_of(self, kind, value):
        return self.names.get((kind, value), value)

    def field(self, name, value, keys):
        if name == 'ProducerId':
            return self.name_of('pid', value)
        if name == 'SessionId':
            return self.name_of('session', value)
        if name in ('MemberId', 'Leader'):
            return re.sub(r'-[0-9a-f-]{36}$', '-<uuid>', self.name_of('member', value))
        if name == 'TopicId':
            return self.name_of('topic', value)
        if name == 'ConfigSource' and value in (3, 4):  # where a default comes from, and what it would be
            return 5
        if name == 'Synonyms':
            return [one for one in value if one['Source'] == 1]
        if name == 'CoordinatorEpoch' and value >= 0:  # how often its coordinator has been moved
            return '-'
        if name in NODES:
            return '-'
        if name in TIMES and abs(value / 1000 - time.time()) < 36000:
            return '<now>'
        if name == 'Records':
            return [self.batch(one) for one in batches(value)] if value else value
        return self.normal(value, keys)

    def batch(self, one):
        out = {**one, 'producer': self.name_of('pid', one['producer'])}
        for name in ('base_time', 'max_time'):
            if abs(one[name] / 1000 - time.time()) < 36000:
                out[name] = '<now>'
        if one['attributes'] & 8 and isinstance(one.get('records'), list):  # its time is that of the append, for all records
            out['records'] = [(offset, '<append>', *rest) for offset, _, *rest in one['records']]
            out['base_time'] = '<append>'
        return out

    def merged(self, topics):
        out = {}
        for one in topics:
            name = one.get('Topic', one.get('TopicId'))
            out.setdefault(name, {**one, 'Partitions': []})['Partitions'].extend(one['Partitions'])
        for one in out.values():
            one['Partitions'].sort(key=lambda part: part['PartitionIndex'])
        return list(out.values())

    def normal(self, value, keys):
        if isinstance(value, dict):
            return {name: self.field(name, item, keys) for name, item in value.items() if name not in DROPPED}
        if isinstance(value, list):
            out = [self.normal(item, keys) for item in value]
            if out and isinstance(out[0], int) and not isinstance(out[0], bool):
                return sorted(out)
            if out and isinstance(out[0], dict):
                if 'AbortedTransactions' in repr(out[0].get('Partitions')):  # of one topic, in one piece or more
                    out = self.merged(out)
                if 'ConfigSource' in out[0]:
                    out = [item for item in out if item['Name'] in keys]
                out.sort(key=lambda item: (repr([item[name] for name in KEYS if name in item]), repr(item)))
            return out
        return value


def errors(value):
    """Every error code in an answer."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name.endswith('ErrorCode') and isinstance(item, int):
                yield item
            else:
                yield from errors(item)
    elif isinstance(value, list):
        for item in value:
            yield from errors(item)


class Different(Exception):
    pass


class Ended(Exception):
    """A named difference behind which the brokers hold other things: the program goes no further."""


class Runner:
    """Steps on all targets. What they are is the program's; see kafka_steps.py."""

    def __init__(self, seed, targets, versions, keys, allowed=None):
        self.seed, self.targets, self.versions, self.keys = seed, targets, versions, keys
        self.allowed = allowed or (lambda *words: None)
        self.random = random.Random(seed)
        self.steps, self.trace, self.used = 0, [], {}
        self.prefix = f'd{seed}-{random.SystemRandom().randrange(1 << 30):x}-'

    def tell(self, text):
        self.trace.append(re.sub(re.escape(self.prefix), '', text))

    def version(self, api, least=0, most=99):
        low, high = self.versions[api]
        return self.random.randint(max(low, least), min(high, most))

    def different(self, api, version, body, answers):
        lines = [f'seed {self.seed}, step {self.steps}: {api} v{version} {body!r}']
        lines += [f'  {target.name}: {millrace.short(answer)}' for target, answer in zip(self.targets, answers)]
        lines += [f'  differs: {line}' for line in unlike(answers[0], answers[1])]
        raise Different(re.sub(re.escape(self.prefix), '', '\n'.join(lines)))

    def compare(self, api, version, body, answers):
        if any(answer != answers[0] for answer in answers[1:]):
            why = self.allowed(api, version, body, answers)
            if why is None:
                return False
            self.used[why] = self.used.get(why, 0) + 1
        return True

    def ask(self, target, label, api, version, body, learn):
        """One broker's answer, as it is, once it is not one of those that ask to come again."""
        for _ in range(100):
            connection = target.on(label)
            answer = connection.call(api, version, resolve(body, target))
            if answer is None:
                connection.close()
                return None
            if not AGAIN & set(errors(answer)):
                break
            time.sleep(0.02)
        if learn:
            learn(target, answer)
        return answer

    def plain(self, api, target, answer):
        if api == 'ListGroups' and answer:  # other programs have theirs
            answer = {**answer, 'Groups': [one for one in answer['Groups'] if one['GroupId'].startswith(self.prefix)]}
        return target.normal(answer, self.keys)

    def call(self, api, body, version=None, label='control', learn=None, again=True):
        """A request that is answered at once. Gives the first broker's answer as it came."""
        version = self.version(api) if version is None else version
        self.steps += 1
        self.tell(f'{self.steps} {label}: {api} v{version} {body!r}')
        end = time.monotonic() + PATIENCE
        while True:
            raw = [self.ask(target, label, api, version, body, learn) for target in self.targets]
            answers = [self.plain(api, target, answer) for target, answer in zip(self.targets, raw)]
            if self.compare(api, version, body, answers):
                break
            if api not in READS or not again or time.monotonic() > end:
                self.different(api, version, body, answers)
            time.sleep(0.02)
        self.tell(f'    {answers[0]!r}')
        return raw[0]

    # ---- requests that may wait ----

    def send(self, api, body, label, learn, version=None):
        version = self.version(api) if version is None else version
        self.steps += 1
        self.tell(f'{self.steps} {label}: {api} v{version} {body!r}')
        for target in self.targets:
            target.on(label).send(api, version, resolve(body, target))
            target.pending[label] = (api, version, body, learn)
        self.settle()

    def waits(self, label):
        return any(label in target.pending for target in self.targets)

    def settle(self):
        """Takes the answers that came, and waits where one broker has answered and another has not."""
        end = time.monotonic() + PATIENCE
        quiet = time.monotonic() + QUIET
        while True:
            ready = [{label for label in target.pending if target.on(label).ready()} for target in self.targets]
            both = set.intersection(*ready)
            for label in sorted(both):
                self.take(label)
                quiet = time.monotonic() + QUIET
            left = [sets - both for sets in ready]
            if not any(left) and time.monotonic() > quiet:
                return
            if time.monotonic() > end and any(left):
                label = sorted(set.union(*left))[0]
                api, version, body, _ = self.targets[0].pending[label]
                answers = [target.normal(target.on(label).answer(), self.keys) if label in sets else 'waits'
                           for target, sets in zip(self.targets, ready)]
                self.different(api, version, body, answers)
            time.sleep(0.002)

    def take(self, label):
        raw = []
        for target in self.targets:
            api, version, body, learn = target.pending.pop(label)
            answer = target.on(label).answer()
            if answer is not None:
                learn(target, answer)
            raw.append(answer)
        answers = [target.normal(answer, self.keys) for target, answer in zip(self.targets, raw)]
        self.tell(f'    {label} is answered: {api} {answers[0]!r}')
        if not self.compare(api, version, body, answers):
            self.different(api, version, body, answers)
