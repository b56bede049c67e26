#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random programs of raw Kafka requests on a real Kafka and on millrace: the same answers."""
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..', 'lib')]
import clients

PYTHON = clients.venv('kafka-python', 'kafka-python==3.0.7', 'python-snappy', 'lz4', 'zstandard')
if os.path.dirname(os.path.abspath(sys.executable)) != os.path.dirname(PYTHON):
    os.execv(PYTHON, [PYTHON, *sys.argv])

import differential
from kafka_program import Different, Target
from kafka_steps import SHOWN, Program
from kafka_wire import APIS, Connection

SEEDS, STEPS = 40, 80
# What millrace has by default, where Kafka has something else (docs/kafka-compatibility.md).
ALIGNED = ['num.partitions=1', 'log.segment.bytes=134217728', 'transaction.max.timeout.ms=3600000',
           'auto.create.topics.enable=true', 'offsets.topic.num.partitions=1', 'transaction.state.log.num.partitions=1',
           'log.retention.check.interval.ms=36000000', 'log.initial.task.delay.ms=36000000']


def without_nowhere(api, answer):
    """As if commits of offset -1 were not listed."""
    def listed(one):
        left = [part for part in one['Partitions'] if part['CommittedOffset'] >= 0]
        return [{**one, 'Partitions': left}] if left else []
    if 'Groups' not in answer:
        return {**answer, 'Topics': [topic for one in answer['Topics'] for topic in listed(one)]}
    return {**answer, 'Groups': [{**group, 'Topics': [topic for one in group['Topics'] for topic in listed(one)]}
                                 for group in answer['Groups']]}


def without_append_time(api, answer):
    return json.loads(re.sub(r'"LogAppendTimeMs": -?\d+', '"LogAppendTimeMs": -1', json.dumps(answer)))


def deleted_by_id(api, answer):
    text = re.sub(r"'ErrorCode': (100|103)\b", "'ErrorCode': 3", repr(answer))
    return text.replace("'AbortedTransactions': None", "'AbortedTransactions': []")


def without_repeats(api, answer):
    """As if a partition of a topic that nobody knows were asked for once."""
    def once(topic):
        parts = []
        for part in topic['Partitions']:
            if part not in parts or part['ErrorCode'] not in (3, 100):
                parts.append(part)
        return {**topic, 'Partitions': parts}
    return {**answer, 'Responses': [once(topic) for topic in answer['Responses']]}


def without_later_aborts(api, answer):
    """As if only those were listed that begin in what is given."""
    def part_of(part):
        ends = [batch['offset'] + batch['last'] for batch in part['Records'] or [] if isinstance(batch, dict)]
        aborted = part['AbortedTransactions']
        return {**part, 'AbortedTransactions': [one for one in aborted or [] if ends and one['FirstOffset'] <= max(ends)]}
    return {**answer, 'Responses': [{**topic, 'Partitions': [part_of(part) for part in topic['Partitions']]}
                                    for topic in answer['Responses']]}


def stable_from_start(api, answer):
    """As if Kafka's last stable offset were never before the start of the log."""
    def view(value):
        if isinstance(value, dict):
            value = {key: view(one) for key, one in value.items()}
            if 'LastStableOffset' in value and value['LastStableOffset'] >= 0:
                value['LastStableOffset'] = max(value['LastStableOffset'], value.get('LogStartOffset', 0))
            return value
        return [view(one) for one in value] if isinstance(value, list) else value
    return view(answer)


# What may differ, with its row in docs/kafka-compatibility.md.
ALLOWED = (
    ('commits of the offset -1 are not listed', ('OffsetFetch',), without_nowhere),
    ('a repeated batch is acknowledged without its time', ('Produce',), without_append_time),
    ('records deleted into an open transaction', ('Fetch',), stable_from_start),
    ('aborted transactions behind what is given', ('Fetch',), without_later_aborts),
    ('an unknown partition, asked for twice', ('Fetch',), without_repeats),
    ('a topic deleted under a fetch session', ('Fetch',), deleted_by_id),
)


def allowed(api, version, body, answers):
    """The name of a difference that docs/kafka-compatibility.md tells, or None."""
    if None not in answers:
        for name, apis, view in ALLOWED:
            if api in apis and all(view(api, answer) == view(api, answers[0]) for answer in answers):
                return name
    return None


def versions(ports):
    """{request: (lowest, highest)} that all brokers serve."""
    out = None
    for port in ports:
        answer = Connection(port).call('ApiVersions', 0, {})
        names = {api[0]: name for name, api in APIS.items()}
        have = {names[one['ApiKey']]: (one['MinVersion'], one['MaxVersion']) for one in answer['ApiKeys'] if one['ApiKey'] in names}
        out = have if out is None else {name: (max(low, out[name][0]), min(high, out[name][1]))
                                        for name, (low, high) in have.items() if name in out}
    return out


def main():
    options = differential.arguments(__doc__)
    here, process = (options.here, None) if options.here else differential.start_millrace('kafka')
    ports = [('millrace', here)]
    if not options.alone:
        there = options.there or differential.start_engine('kafka', '--heap', '512', *[
            word for setting in ALIGNED for word in ('--set', setting)])
        ports.append(('Kafka', there))
    known = versions([port for _, port in ports])

    def one_seed(seed):
        program = Program(seed, [Target(name, port) for name, port in ports], known, SHOWN, allowed)
        difference = None
        try:
            program.run(options.steps or STEPS)
        except Different as e:
            difference = str(e)
        except (TimeoutError, ValueError, OSError) as e:
            difference = f'seed {seed}, step {program.steps}: {type(e).__name__}: {e}\n' + '\n'.join(program.trace[-2:])
        if difference and options.trace:
            print('\n'.join('# ' + line for line in program.trace), flush=True)
        program.clean()
        return program.steps, difference, program.used

    differential.run(options, one_seed, process, options.seeds or SEEDS, 'Kafka')


if __name__ == '__main__':
    main()
