#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A real Kafka that asks for a login, for TLS, for a certificate: commands and `engines.log`, and each mistake."""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'lib'))
import guarded  # noqa: E402
import millrace  # noqa: E402

TOOL = os.path.join(HERE, '..', '..', 'tools', 'engines', 'kafka')
PASSWORD = 'admin-secret&1'
QUOTED = 'admin-secret%261'
SETTINGS = '''engines: {log: "${LOG}"}
sources:
  numbers:
    topic: {name: numbers, retention: forever}
    schema: "n BIGINT"'''
SQL = 'CREATE STREAMING TABLE numbers_all AS SELECT n FROM STREAM numbers;\n'


def free_ports(count):
    """The first of that many in a row."""
    while True:
        first = millrace.free_port()
        if first + count < 65536 and not any(millrace.can_connect(first + i) for i in range(count)):
            return first


class Broker:
    def __init__(self):
        self.port = free_ports(6)
        self.dir = millrace.folder()
        self.folder = guarded.files(f'{self.dir}/certificates')
        millrace.at_end.append(self.stop)

    def start(self, *words):
        done = subprocess.run([TOOL, 'start', '--port', str(self.port), '--dir', self.dir, '--heap', '256', '--partitions', '1',
                               '--guarded', *words], capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise RuntimeError(f'Kafka does not start: {done.stderr[-2000:]}')

    def stop(self):
        subprocess.run([TOOL, 'stop', '--kill', '--dir', self.dir], capture_output=True, timeout=60)

    def at(self, ahead):
        return f'127.0.0.1:{self.port + ahead}'

    def url(self, ahead, protocol, *more, password=QUOTED, ca=True, mechanism='PLAIN'):
        parts = [f'security.protocol={protocol}']
        if 'SASL' in protocol:
            parts += [f'sasl.mechanisms={mechanism}', 'sasl.username=admin', f'sasl.password={password}']
        if 'SSL' in protocol and ca:
            parts.append('ssl.ca.location=' + (f'{self.folder}/ca.pem' if ca is True else ca))
        return f'kafka://{self.at(ahead)}?' + '&'.join([*parts, *more])


def own(folder, name, key=None):
    return [f'ssl.certificate.location={folder}/{name}.pem', f'ssl.key.location={folder}/{key or name}.key']


def mistakes(broker):
    """What is wrong, how it is written, what is said."""
    f = broker.folder
    return [
        ('a wrong password', broker.url(3, 'SASL_SSL', password=guarded.WRONG), 'does not let us in: SASL authentication error'),
        ('a way of login that it has not', broker.url(2, 'SASL_PLAINTEXT', mechanism='SCRAM-SHA-512'), 'PLAIN,SCRAM-SHA-256'),
        ('no login', f'kafka://{broker.at(2)}', 'as a port does that asks for a login'),
        ('a login where none is asked for', broker.url(0, 'SASL_PLAINTEXT'), 'this port asks for no login'),
        ('no TLS', broker.url(3, 'SASL_PLAINTEXT'), 'as a port does that speaks TLS'),
        ('TLS where there is none', broker.url(2, 'SASL_SSL'), 'does not speak TLS'),
        ('an unknown signer', broker.url(3, 'SASL_SSL', ca=False), 'signed by nobody that is trusted here'),
        ('another signer', broker.url(3, 'SASL_SSL', ca=f'{f}/other-ca.pem'), 'signed by nobody that is trusted here'),
        ('no such file', broker.url(3, 'SASL_SSL', ca=f'{f}/absent.pem'), 'ssl.ca.location failed'),
        ('another host', broker.url(5, 'SASL_SSL'), 'is that of another host'),
        ('no certificate of ours', broker.url(4, 'SSL'), 'asks for a certificate of ours'),
        ('one of an unknown signer', broker.url(4, 'SSL', *own(f, 'stranger')), 'does not take our certificate'),
        ('a key of another', broker.url(4, 'SSL', *own(f, 'client', 'stranger')), 'ssl.key.location failed'),
        ('a & in a password', broker.url(3, 'SASL_SSL', password=PASSWORD), 'there is no = behind a &'),
        ('a login before the host', f'kafka://admin:{QUOTED}@{broker.at(3)}', 'takes no USER:PASSWORD@'),
    ]


def commands(tap, said, broker):
    both = ['-B', broker.url(3, 'SASL_SSL')]
    tap.has(said.command('topics', 'create', 'letters', *both).out, 'made letters', 'topics create: a login over TLS')
    tap.has(said.command('produce', 'letters', *both, input='a\nb\n').out, '2 records durable', 'produce')
    tap.equal(said.command('consume', 'letters', '-b', '-e', *both).out, 'a\nb\n', 'consume')
    tap.has(said.command('topics', env={'MILLRACE_BOOTSTRAP': both[1]}).out, 'letters', 'topics: the URL from the environment')
    tap.equal(said.command('groups', *both).code, 0, 'groups')
    path = os.path.join(broker.dir, 'client.properties')
    with open(path, 'w') as file:
        file.write('# as Kafka\'s own tools take it\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n'
                   'sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required '
                   f'username="admin" password="{PASSWORD}";\n')
    tap.has(said.command('topics', '-B', broker.at(2), '--command-config', path).out, 'letters', 'topics: settings of a file')
    tap.has(said.command('topics', '-B', broker.url(4, 'SSL', *own(broker.folder, 'client'))).out, 'letters',
            'topics: a certificate of our own')
    scram = said.command('topics', '-B', broker.url(2, 'SASL_PLAINTEXT', mechanism='SCRAM-SHA-256'))
    tap.ok('letters' in scram.out or 'cannot log in by SCRAM; 2.6.1' in scram.err, 'SCRAM, or why this librdkafka has none', scram)
    for what, url, part in mistakes(broker):
        guarded.refused(tap, said.command('topics', '-B', url), part, f'topics: {what}')
    wrong = mistakes(broker)[0]
    for words in (['groups'], ['produce', 'letters'], ['consume', 'letters'], ['topics', 'create', 'more']):
        guarded.refused(tap, said.command(*words, '-B', wrong[1], input='x\n'), wrong[2], f'{" ".join(words)}: {wrong[0]}')
    alice = f'kafka://{broker.at(2)}?security.protocol=SASL_PLAINTEXT&sasl.mechanisms=PLAIN&sasl.username=alice&sasl.password=alice-secret'
    guarded.refused(tap, said.command('produce', 'letters', '-B', alice, input='x\n'), 'authorization failed', 'produce: no right')
    guarded.refused(tap, said.command('consume', 'letters', '-b', '-e', '-B', alice), 'authorization failed', 'consume: no right')
    return alice


def log_elsewhere(tap, said, broker, alice):
    project = millrace.Project(SETTINGS, SQL)
    shutil.copy(f'{broker.folder}/ca.pem', project.path)
    for what, url, part in mistakes(broker):
        if 'TLS' in what:
            continue  # may pass by itself, so it takes its time: `topics` has shown it
        result = said.command('check', project.path, '--connect', env={'LOG': url})
        guarded.refused(tap, result, part, f'check --connect: {what}')
        tap.ok('millrace.yml:1' in result.err and 'hint: ' in result.err, f'with place and hint: {what}', result)
    wrong = mistakes(broker)[0]
    result = said.command('run', project.path, '--for', '5s', env={'LOG': wrong[1]})
    tap.ok(result.code == 1 and wrong[2] in result.err, 'run: a wrong password ends it', result)
    result = said.command('run', project.path, '--for', '5s', env={'LOG': alice})
    tap.ok(result.code == 1 and 'hint: give the user' in result.err, 'run: a user without rights', result)
    env = {'LOG': broker.url(3, 'SASL_SSL', ca='ca.pem')}
    result = said.command('check', project.path, '--connect', env=env)
    tap.ok(result.code == 0 and 'log: Kafka at' in result.out, 'check --connect: all is well', result)
    run = project.start(env=env)
    tap.equal(said.command('produce', 'numbers', '-C', project.path, input='{"n": 1}\n', env=env).code, 0, 'produce')
    millrace.until(lambda: project.table('numbers_all')['stored'] == 1, run.story)
    tap.equal(said.command('groups', '-C', project.path, env=env).code, 0, 'groups: with the settings of the project at hand')
    broker.stop()
    millrace.until(lambda: not millrace.can_connect(broker.port), 'the port of the killed Kafka is free')
    changed = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_admin="changed";'
    broker.start('--set', f'listener.name.both.plain.sasl.jaas.config={changed}')
    refused = millrace.until(lambda: b'SASL authentication error' in (health := said.get(project.url('/health'))).body and health,
                             lambda: said.get(project.url('/health')), timeout=60)
    tap.ok(refused.status == 503, 'a password that was changed: /health says so', refused)
    doctor = said.command('doctor', '-C', project.path, env=env)
    tap.ok(doctor.code != 0 and 'correct sasl.username and sasl.password' in doctor.out + doctor.err, 'and the doctor', doctor)
    tap.has(said.get(project.url('/api/status')).body.decode(), 'SASL authentication error', 'and /api/status')
    tap.ok(run.alive(), 'the run goes on')
    broker.stop()
    millrace.until(lambda: not millrace.can_connect(broker.port), 'the port of the killed Kafka is free')
    broker.start()
    said.command('produce', 'numbers', '-C', project.path, input='{"n": 2}\n', env=env)
    millrace.until(lambda: project.table('numbers_all')['stored'] == 2, run.story, timeout=60)
    tap.equal(said.get(project.url('/health')).status, 200, 'and does its work when the password fits again')
    run.stop()
    said.add(run.out(), run.err())


def guarded_kafka(tap):
    if not guarded.certificates.can_be_made():
        tap.skip('a guarded Kafka', 'no openssl here')
        return
    broker = Broker()
    broker.start()
    said = guarded.Said(PASSWORD, QUOTED, 'alice-secret')
    alice = commands(tap, said, broker)
    log_elsewhere(tap, said, broker, alice)
    said.check(tap)


millrace.main(guarded_kafka)
