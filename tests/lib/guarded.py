# SPDX-License-Identifier: MIT
"""Servers that ask for a login and TLS: certificates, a door in front of one that has none, and what users try.

The same words are said to a real Cassandra (tests/engines) and to a millrace behind a door with TLS
(tests/interop). Whatever is printed, logged or answered in between is looked through for the secrets.
"""
import contextlib
import os
import shutil
import socket
import ssl
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', '..', 'tools', 'engines'))
import certificates  # noqa: E402
import millrace  # noqa: E402

WRONG = 'geheim+wrong'
NUMBERS = 20


class Said:
    """Everything that was said; no secret may be in it."""

    def __init__(self, *secrets):
        self.secrets = [*secrets, WRONG, WRONG.replace('+', '%2B')]
        self.texts = []

    def add(self, *texts):
        self.texts += texts

    def command(self, *words, **more):
        result = millrace.command(*words, **more)
        self.add(result.out, result.err)
        return result

    def get(self, url):
        answer = millrace.request('GET', url)
        self.add(answer.body.decode('utf-8', 'replace'), str(answer.headers))
        return answer

    def check(self, tap):
        found = [(s, t[max(0, t.index(s) - 200):][:400]) for t in self.texts for s in self.secrets if s in t]
        tap.ok(self.texts and not found, f'no secret is in {len(self.texts)} texts', found[:3])


def files(where):
    """The folder of the certificates; None when this machine cannot make them."""
    return certificates.make(where) if certificates.can_be_made() else None


class Door:
    """TCP to a port of 127.0.0.1, through TLS when a certificate is named."""

    def __init__(self, to, folder=None, name=None, asks=False, address='127.0.0.1'):
        self.to = to
        self.context = None
        if name:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(f'{folder}/{name}.pem', f'{folder}/{name}.key')
        if asks:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(f'{folder}/ca.pem')
        self.socket = socket.create_server((address, 0))
        self.at = f'{address}:{self.socket.getsockname()[1]}'
        millrace.at_end.append(self.socket.close)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                one, _ = self.socket.accept()
                threading.Thread(target=self.serve, args=(one,), daemon=True).start()

    def serve(self, one):
        with contextlib.suppress(OSError), one:
            one.settimeout(millrace.TIMEOUT)
            if self.context:
                one = self.context.wrap_socket(one, server_side=True)
            with one, socket.create_connection(('127.0.0.1', self.to)) as other:
                threading.Thread(target=self.copy, args=(other, one), daemon=True).start()
                self.copy(one, other)

    @staticmethod
    def copy(source, target):
        with contextlib.suppress(OSError, ValueError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


# ---- what users of a guarded Cassandra do ----

def refused(tap, result, part, name):
    tap.ok(result.code != 0 and part in result.err, name, f'no {part!r}: {result}')


def cql_login(tap, said, at, user, password, ca, plain=None):
    """`millrace cql`: what works, and what is wrong. plain: a port without TLS that asks for a login."""
    words = ['cql', at, '-e', 'SELECT key FROM system.local']
    login = ['-u', user, '-p', password]
    tap.has(said.command(*words, *login, '--ca', ca).out, 'local', 'cql: a login over TLS')
    tap.has(said.command(*words, '-u', user, '--ca', ca, env={'MILLRACE_CQL_PASSWORD': password}).out, 'local',
            'cql: the password from the environment')
    url = f'cassandra://{user}:{password}@{at}?tls=true&ca={ca}'
    tap.has(said.command('cql', url, *words[2:]).out, 'local', 'cql: the same as a URL')
    refused(tap, said.command(*words, '-u', user, '-p', WRONG, '--ca', ca), 'incorrect', 'cql: a wrong password')
    refused(tap, said.command(*words, '--ca', ca), 'asks for a login', 'cql: no login')
    refused(tap, said.command(*words, *login, '--tls'), 'signed by nobody that is trusted here', 'cql: an unknown signer')
    refused(tap, said.command(*words, *login, '--ca', ca.replace('/ca.', '/other-ca.')),
            'signed by nobody that is trusted here', 'cql: another signer')
    refused(tap, said.command(*words, *login, '--ca', ca + '.absent'), 'ca.pem.absent', 'cql: a file that is not there')
    refused(tap, said.command(*words, *login), 'TLS', 'cql: without TLS where it is wanted')
    if plain:
        result = said.command('cql', plain, *words[2:], *login, '--ca', ca)
        refused(tap, result, 'does not speak TLS', 'cql: with TLS where there is none')


def cql_certificate(tap, said, at, login, folder):
    """A port that asks for a client's certificate."""
    words = ['cql', at, '-e', 'SELECT key FROM system.local', *login, '--ca', f'{folder}/ca.pem']

    def own(name, key=None):
        return ['--cert', f'{folder}/{name}.pem', '--key', f'{folder}/{key or name}.key']
    tap.has(said.command(*words, *own('client')).out, 'local', 'cql: a certificate of our own')
    refused(tap, said.command(*words), 'certificate of ours', 'cql: without one where it is wanted')
    refused(tap, said.command(*words, *own('stranger')), 'take our certificate', 'cql: one of an unknown signer')
    refused(tap, said.command(*words, *own('client', 'stranger')), 'does not belong to the certificate',
            'cql: a key of another')


SETTINGS = '''engines: {tables: "${TABLES}"}
sources:
  numbers:
    topic: {partitions: 1}
    schema: "id STRING, n INT"
    from:
      file: {path: numbers.ndjson}
targets:
  numbers_all: {table: KEYSPACE.numbers_all, key: [id]}'''
SQL = 'CREATE STREAMING TABLE numbers_all AS SELECT id, n FROM STREAM numbers;\n'


def look(project, said, env):
    """What a running project says of itself."""
    status, health = said.get(project.url('/api/status')), said.get(project.url('/health'))
    doctor = said.command('doctor', '-C', project.path, env=env)
    return status.json(), health, doctor


def tables_elsewhere(tap, said, keyspace, url, wrong, folder, late=()):
    """engines.tables. url has the login, and names ca.pem of the project; wrong: (what, url, part of what is said).

    late: what only a run can meet.
    """
    project = millrace.Project(SETTINGS.replace('KEYSPACE', keyspace), SQL)
    project.write('numbers.ndjson', ''.join('{"id": "%d", "n": %d}\n' % (n, n) for n in range(NUMBERS)))
    for name in ('ca.pem', 'other-ca.pem', 'client.pem', 'client.key'):
        shutil.copy(f'{folder}/{name}', project.path)
    for what, one, part in wrong:
        result = said.command('check', project.path, '--connect', env={'TABLES': one})
        refused(tap, result, part, f'check --connect: {what}')
        tap.has(result.err, 'millrace.yml:1', f'with its place: {what}')
    for what, one, part in [wrong[0], *late]:
        run = project.start(env={'TABLES': one})
        millrace.until(lambda: part in project.table('numbers_all')['detail'], run.story)
        status, health, doctor = look(project, said, {'TABLES': one})
        tap.has(project.table('numbers_all', status)['detail'], part, f'status: {what}')
        tap.ok(health.status == 503 and part.encode() in health.body, f'/health: {what}', health)
        tap.ok(doctor.code != 0 and part in doctor.out + doctor.err, f'doctor: {what}', doctor)
        run.stop()
        said.add(run.out(), run.err())
    result = said.command('check', project.path, '--connect', env={'TABLES': url})
    tap.ok(result.code == 0 and 'tables: Cassandra' in result.out, 'check --connect: all is well', result)
    run = project.start(env={'TABLES': url})
    millrace.until(lambda: project.table('numbers_all')['stored'] == NUMBERS, lambda: run.story())
    rows = said.command('sql', '-C', project.path, '-o', 'csv', '-e', 'SELECT count(*), sum(n) FROM numbers_all', env={'TABLES': url})
    tap.has(rows.out, f'{NUMBERS},{NUMBERS * (NUMBERS - 1) // 2}', 'rows go through TLS and come back')
    status, health, doctor = look(project, said, {'TABLES': url})
    tap.ok(health.status == 200, '/health is well', health)
    tap.equal(run.stop(), 0, 'and it ends well')
    said.add(run.out(), run.err())
