#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kafka's own command line tools and test programs, from its jars, against one millrace.

They are the Java client: producer, consumer, transactions and Admin, as Kafka's authors use them.
MILLRACE_KAFKA=HOST:PORT aims at another broker instead: each test passes against a real Kafka too.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import millrace

TOOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'tools', 'engines', 'kafka')
servers = []  # ours


def broker():
    given = os.environ.get('MILLRACE_KAFKA')
    if given:
        return given
    port = millrace.free_port()
    project = millrace.Project(f'sources:\n  clicks: {{schema: "id BIGINT"}}\nlisteners:\n  kafka: 127.0.0.1:{port}\n  cql: off',
                               'CREATE STREAMING TABLE clicked AS SELECT id FROM STREAM clicks;')
    servers.append(project.start())
    millrace.until(lambda: millrace.can_connect(port), 'the Kafka door stays shut')
    return f'127.0.0.1:{port}'


at = None  # HOST:PORT


def start(name, *words, **more):
    return subprocess.Popen([sys.executable, TOOL, 'tool', name, *[str(word) for word in words]], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def run(name, *words, text=''):
    """(exit code, stdout, stderr) of a tool."""
    child = start(name, *words)
    try:
        out, err = child.communicate(text, timeout=millrace.TIMEOUT)
    except subprocess.TimeoutExpired:
        kill(child)
        out, err = child.communicate()
        raise TimeoutError(f'{name} {words}: {out[-2000:]} {err[-2000:]}')
    return child.returncode, out, err


def must(name, *words, text=''):
    code, out, err = run(name, *words, text=text)
    if code != 0:
        raise RuntimeError(f'{name} {words} ends with {code}: {out[-2000:]} {err[-2000:]}')
    return out


def kill(child):
    """kill -9 of the Java behind it; the script in between then ends by itself."""
    with open(f'/proc/{child.pid}/task/{child.pid}/children') as file:
        for pid in file.read().split():
            os.kill(int(pid), 9)


def kafka(name, *words, **more):
    return must(name, '--bootstrap-server', at, *words, **more)


def create(topic, partitions=1, *configs):
    return kafka('TopicCommand', '--create', '--topic', topic, '--partitions', partitions,
                 *[word for config in configs for word in ('--config', config)])


def values(topic, count, *words):
    """Records that a consumer prints, as lines."""
    return kafka('ConsoleConsumer', '--topic', topic, '--from-beginning', '--max-messages', count, '--timeout-ms', 30000,
                 *words).splitlines()


def offsets(topic, when):
    """{partition: offset}"""
    out = kafka('GetOffsetShell', '--topic', topic, '--time', when)
    return {int(line.split(':')[1]): int(line.split(':')[2]) for line in out.split()}


def topics(tap):
    out = create('java-topic', 3, 'retention.ms=7200000')
    tap.has(out, 'Created topic java-topic', 'a topic is made')
    out = kafka('TopicCommand', '--describe', '--topic', 'java-topic')
    tap.ok(re.search(r'PartitionCount: 3\s+ReplicationFactor: 1\s+Configs: .*retention.ms=7200000', out), 'and described', out)
    tap.equal(len(re.findall(r'Leader: 1\s+Replicas: 1\s+Isr: 1', out)), 3, 'with a leader a partition')
    kafka('TopicCommand', '--alter', '--topic', 'java-topic', '--partitions', 5)
    tap.has(kafka('TopicCommand', '--describe', '--topic', 'java-topic'), 'PartitionCount: 5', 'and widened')
    code, out, err = run('TopicCommand', '--bootstrap-server', at, '--create', '--topic', 'java-topic')
    tap.ok(code == 1 and "Topic 'java-topic' already exists" in out + err, 'not made twice', out + err)
    tap.has(kafka('TopicCommand', '--list'), 'java-topic\n', 'listed')
    kafka('TopicCommand', '--delete', '--topic', 'java-topic')
    tap.ok('java-topic' not in kafka('TopicCommand', '--list').split(), 'gone')


def configs(tap):
    create('java-configs')
    entity = ['--entity-type', 'topics', '--entity-name', 'java-configs']
    kafka('ConfigCommand', *entity, '--alter', '--add-config', 'max.message.bytes=2000,cleanup.policy=[compact,delete]')
    out = kafka('ConfigCommand', *entity, '--describe')
    tap.has(out, 'max.message.bytes=2000', 'a number is set')
    tap.has(out, 'cleanup.policy=compact,delete', 'a list is set')
    kafka('ConfigCommand', *entity, '--alter', '--delete-config', 'max.message.bytes')
    out = kafka('ConfigCommand', *entity, '--describe')
    tap.ok('max.message.bytes' not in out and 'cleanup.policy' in out, 'one is taken back', out)
    out = kafka('ConfigCommand', *entity, '--describe', '--all')
    tap.ok('DEFAULT_CONFIG:message.max.bytes' in out and 'DYNAMIC_TOPIC_CONFIG:max.message.bytes' not in out,
           'the default again', out)
    code, out, err = run('ConfigCommand', '--bootstrap-server', at, *entity, '--alter', '--add-config', 'no.such=1')
    tap.ok(code == 1 and 'InvalidConfigurationException' in err and 'no.such' in err, 'no such key', out + err)
    out = kafka('ConfigCommand', '--entity-type', 'brokers', '--entity-name', 1, '--describe', '--all')
    tap.has(out, 'num.partitions=', 'settings of the broker')


def console(tap):
    create('java-console')
    lines = [f'k{i % 7}:value {i}' for i in range(200)]
    for codec in ('none', 'gzip', 'snappy', 'lz4', 'zstd'):
        kafka('ConsoleProducer', '--topic', 'java-console', '--compression-codec', codec, '--reader-property', 'parse.key=true',
              '--reader-property', 'key.separator=:', text=''.join(line + '\n' for line in lines))
    got = values('java-console', 1000, '--formatter-property', 'print.key=true', '--formatter-property', 'key.separator=:')
    tap.equal(got, lines * 5, 'what was produced in five codecs is consumed')
    got = kafka('ConsoleConsumer', '--topic', 'java-console', '--partition', 0, '--offset', 995, '--max-messages', 5,
                '--formatter-property', 'print.offset=true', '--formatter-property', 'print.value=false').split()
    tap.equal(got, [f'Offset:{i}' for i in range(995, 1000)], 'from an offset')


def groups(tap):
    create('java-group', 2)
    kafka('ConsoleProducer', '--topic', 'java-group', text=''.join(f'{i}\n' for i in range(50)))
    group = 'java-readers'
    got = values('java-group', 50, '--group', group)
    tap.equal(sorted(map(int, got)), list(range(50)), 'a group reads all')
    tap.has(kafka('ConsumerGroupCommand', '--list'), group + '\n', 'is listed')
    tap.has(kafka('ConsumerGroupCommand', '--describe', '--group', group, '--state'), 'Empty', 'nobody is in it')
    out = kafka('ConsumerGroupCommand', '--describe', '--group', group)
    rows = re.findall(r'java-group\s+(\d)\s+(\d+)\s+(\d+)\s+(\d+)', out)
    tap.ok(len(rows) >= 1 and sum(int(row[1]) for row in rows) == 50 and all(row[3] == '0' for row in rows),
           'its lag is 0', out)
    kafka('ConsumerGroupCommand', '--group', group, '--topic', 'java-group', '--reset-offsets', '--to-earliest', '--execute')
    out = kafka('ConsumerGroupCommand', '--describe', '--group', group)
    rows = re.findall(r'java-group\s+(\d)\s+(\d+)\s+(\d+)\s+(\d+)', out)
    tap.equal(sum(int(row[3]) for row in rows), 50, 'all of it after a reset')
    kafka('ConsumerGroupCommand', '--group', group, '--topic', 'java-group', '--delete-offsets')
    out = kafka('ConsumerGroupCommand', '--describe', '--group', group)
    tap.ok('java-group ' not in out, 'offsets are deleted', out)
    got = values('java-group', 50, '--group', group)
    tap.equal(len(got), 50, 'and all is read again')
    out = kafka('ConsumerGroupCommand', '--delete', '--group', group)
    tap.has(out, 'successful', 'is deleted')
    tap.ok(group not in kafka('ConsumerGroupCommand', '--list').split(), 'is gone')


def times(tap):
    create('java-times')
    tap.equal(offsets('java-times', 'latest'), {0: 0}, 'nothing yet')
    kafka('ConsoleProducer', '--topic', 'java-times', text=''.join(f'{i}\n' for i in range(10)))
    between = int(time.time() * 1000) + 1
    time.sleep(0.05)
    kafka('ConsoleProducer', '--topic', 'java-times', text=''.join(f'{i}\n' for i in range(10)))
    tap.equal(offsets('java-times', 'earliest'), {0: 0}, 'earliest')
    tap.equal(offsets('java-times', 'latest'), {0: 20}, 'latest')
    tap.equal(offsets('java-times', between), {0: 10}, 'by time')
    last = offsets('java-times', 'max-timestamp')
    tap.ok(last[0] >= 10, 'latest time', last)


def delete_records(tap):
    create('java-shorter')
    kafka('ConsoleProducer', '--topic', 'java-shorter', text=''.join(f'{i}\n' for i in range(10)))
    folder = millrace.folder()
    path = os.path.join(folder, 'offsets.json')
    with open(path, 'w') as file:
        json.dump({'version': 1, 'partitions': [{'topic': 'java-shorter', 'partition': 0, 'offset': 4}]}, file)
    out = kafka('DeleteRecordsCommand', '--offset-json-file', path)
    tap.has(out, 'low_watermark: 4', 'records are deleted')
    tap.equal(offsets('java-shorter', 'earliest'), {0: 4}, 'the log starts later')
    tap.equal(values('java-shorter', 6), [str(i) for i in range(4, 10)], 'the rest is read')
    with open(path, 'w') as file:
        json.dump({'version': 1, 'partitions': [{'topic': 'java-shorter', 'partition': 0, 'offset': 99}]}, file)
    code, out, err = run('DeleteRecordsCommand', '--bootstrap-server', at, '--offset-json-file', path)
    tap.has(out + err, 'OffsetOutOfRangeException', 'not beyond the end')


def performance(tap):
    create('java-perf', 2)
    out = must('ProducerPerformance', '--topic', 'java-perf', '--num-records', 20000, '--record-size', 100, '--throughput', -1,
               '--producer-props', f'bootstrap.servers={at}', 'acks=all', 'linger.ms=5')
    tap.has(out, '20000 records sent', 'ProducerPerformance')
    tap.equal(sum(offsets('java-perf', 'latest').values()), 20000, 'all are there')
    out = kafka('ConsumerPerformance', '--topic', 'java-perf', '--messages', 20000, '--timeout', 60000)
    row = out.strip().splitlines()[-1].split(', ')
    tap.ok(int(row[4]) >= 20000, 'ConsumerPerformance', out)
    out = must('ProducerPerformance', '--topic', 'java-perf', '--num-records', 2000, '--record-size', 100, '--throughput', -1,
               '--transactional-id', 'java-perf', '--transaction-duration-ms', 100, '--producer-props', f'bootstrap.servers={at}')
    tap.has(out, '2000 records sent', 'ProducerPerformance in transactions')
    out = must('EndToEndLatency', '--bootstrap-server', at, '--topic', 'java-latency', '--num-records', 100,
               '--producer-acks', 'all', '--record-size', 100)
    tap.has(out, 'Percentiles', 'EndToEndLatency')


def events(out, name):
    return [event for event in map(json.loads, out.splitlines()) if event['name'] == name]


def verifiable(tap):
    create('java-verifiable', 3)
    out = kafka('VerifiableProducer', '--topic', 'java-verifiable', '--max-messages', 3000, '--acks', -1)
    tap.equal(len(events(out, 'producer_send_success')), 3000, 'VerifiableProducer: all are acknowledged')
    out = kafka('VerifiableConsumer', '--topic', 'java-verifiable', '--group-id', 'java-verifiable', '--reset-policy', 'earliest',
                '--max-messages', 3000)
    tap.equal(sum(event['count'] for event in events(out, 'records_consumed')), 3000, 'VerifiableConsumer')
    commits = events(out, 'offsets_committed')
    tap.ok(commits and all(event['success'] for event in commits), 'and its commits', out[-2000:])


def copier(tap):
    create('java-in')
    create('java-out')
    kafka('VerifiableProducer', '--topic', 'java-in', '--max-messages', 5000, '--acks', -1)
    words = ['--broker-list', at, '--input-topic', 'java-in', '--input-partition', 0, '--output-topic', 'java-out',
             '--consumer-group', 'java-copier', '--transaction-size', 20, '--transactional-id', 'java-copier',
             '--transaction-timeout', 30000, '--enable-random-aborts', '--use-group-metadata']
    first = start('TransactionalMessageCopier', *words)
    for line in first.stdout:
        if json.loads(line).get('consumed', 0) >= 500:
            break
    kill(first)
    first.communicate()
    out = kafka('TransactionsCommand', 'list')
    tap.has(out, 'java-copier', 'TransactionsCommand list')
    out = kafka('TransactionsCommand', 'describe', '--transactional-id', 'java-copier')
    tap.ok(re.search(r'java-copier\s+\d+\s+\d+\s+\w+\s+30000', out), 'TransactionsCommand describe', out)
    out = kafka('TransactionsCommand', 'describe-producers', '--topic', 'java-out', '--partition', 0)
    tap.ok(re.search(r'^\d+\s+\d+\s', out, re.M), 'TransactionsCommand describe-producers', out)
    kafka('TransactionsCommand', 'find-hanging', '--broker-id', 1)
    code, out, err = run('TransactionalMessageCopier', *words)
    tap.ok(code == 0, 'TransactionalMessageCopier after a kill', out[-2000:] + err[-2000:])
    got = values('java-out', 5000, '--isolation-level', 'read_committed')
    tap.equal(got, [str(i) for i in range(5000)], 'each record was copied once, in order')
    tap.ok(offsets('java-out', 'latest')[0] > 5000, 'beside aborted ones and markers')
    code, out, err = run('ConsoleConsumer', '--bootstrap-server', at, '--topic', 'java-out', '--from-beginning',
                         '--isolation-level', 'read_committed', '--timeout-ms', 3000)
    tap.equal(len(out.split()), 5000, 'and nothing else')
    create('java-out-2')
    words[words.index('java-out')] = 'java-out-2'
    words[words.index('java-copier')] = 'java-copier-2'
    code, out, err = run('TransactionalMessageCopier', *words, '--group-mode')
    tap.ok(code == 0, 'TransactionalMessageCopier as a member of a group', out[-2000:] + err[-2000:])
    got = values('java-out-2', 5000, '--isolation-level', 'read_committed')
    tap.equal(got, [str(i) for i in range(5000)], 'copied each record once too')


def compatibility(tap):
    supported = [word for what in ('offsets-for-times', 'cluster-id', 'create-topics', 'describe-acls', 'describe-configs',
                                   'idempotent-producer') for word in (f'--{what}-supported', 'true')]
    create('java-compatible')
    code, out, err = run('ClientCompatibilityTest', '--bootstrap-server', at, '--topic', 'java-compatible', '--num-cluster-nodes', 1,
                         *supported, '--expect-record-too-large-exception', 'false')
    tap.ok(code == 0, 'ClientCompatibilityTest', out[-2000:] + err[-2000:])


def cluster(tap):
    create('java-cluster', 2)
    kafka('ConsoleProducer', '--topic', 'java-cluster', text='a\nb\n')
    out = kafka('LogDirsCommand', '--describe', '--topic-list', 'java-cluster')
    found = json.loads(out[out.index('{'):])['brokers'][0]
    sizes = [p['size'] for directory in found['logDirs'] for p in directory['partitions']]
    tap.ok(found['broker'] == 1 and len(sizes) == 2 and sum(sizes) > 0, 'LogDirsCommand', out)
    out = kafka('BrokerApiVersionsCommand')
    tap.has(out, 'Produce(0): 0 to 1', 'BrokerApiVersionsCommand')
    tap.ok(re.search(r'Metadata\(3\): 0 to \d+ \[usable: 13\]', out), 'and what Java will use', out)
    out = must('ClusterTool', 'cluster-id', '--bootstrap-server', at)
    tap.ok(re.search(r'Cluster ID: \S{22}$', out, re.M), 'ClusterTool cluster-id', out)
    out = must('ClusterTool', 'list-endpoints', '--bootstrap-server', at)
    tap.has(out, at.rsplit(':', 1)[1], 'ClusterTool list-endpoints')
    out = kafka('MetadataQuorumCommand', 'describe', '--status')
    tap.ok(re.search(r'LeaderId:\s+1\b', out), 'MetadataQuorumCommand', out)
    out = kafka('org.apache.kafka.tools.reassign.ReassignPartitionsCommand', '--list')
    tap.has(out, 'No partition reassignments found', 'ReassignPartitionsCommand')
    code, out, err = run('LeaderElectionCommand', '--bootstrap-server', at, '--election-type', 'preferred', '--topic', 'java-cluster',
                         '--partition', 0)
    tap.ok(code == 0 and 'Valid replica already elected' in out, 'LeaderElectionCommand', out + err)


TESTS = (topics, configs, console, groups, times, delete_records, performance, verifiable, copier, compatibility, cluster)


def main():
    names = sys.argv[1:]  # of some of the tests
    del sys.argv[1:]

    def java(tap):
        global at
        if not shutil.which('java') or not shutil.which('mvn'):
            tap.skip("Kafka's tools", 'no Java or no Maven here')
            return
        at = broker()
        for test in TESTS:
            if names and test.__name__ not in names:
                continue
            try:
                test(tap)
            except Exception as e:
                tap.ok(False, f'{test.__name__} runs to its end', repr(e).replace('\\n', '\n'))
        for process in servers:
            tap.ok(process.alive(), 'the broker still runs', process.err()[-3000:])
    millrace.main(java)


main()
