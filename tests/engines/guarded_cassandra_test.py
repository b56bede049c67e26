#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A real Cassandra that asks for a login and TLS, then for a client's certificate: `millrace cql` and `engines.tables`."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'lib'))
import guarded  # noqa: E402
import millrace  # noqa: E402

TOOL = os.path.join(HERE, '..', '..', 'tools', 'engines', 'cassandra')
USER, PASSWORD = 'cassandra', 'cassandra'
ADA = 'se+cret-of-ada'


class Cassandra:
    def __init__(self):
        self.port = millrace.free_port()
        self.dir = millrace.folder()
        self.at = f'127.0.0.1:{self.port}'
        self.folder = guarded.files(f'{self.dir}/certificates')
        millrace.at_end.append(self.stop)

    def start(self, *words):
        done = subprocess.run([TOOL, 'start', '--port', str(self.port), '--dir', self.dir, '--heap', '512', '--auth', '--tls', *words],
                              capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise RuntimeError(f'Cassandra does not start: {done.stderr[-2000:]}')

    def stop(self):
        subprocess.run([TOOL, 'stop', '--dir', self.dir], capture_output=True, timeout=120)


def guarded_cassandra(tap):
    if not guarded.certificates.can_be_made():
        tap.skip('a guarded Cassandra', 'no openssl here')
        return
    server = Cassandra()
    server.start()
    folder, ca, at = server.folder, f'{server.folder}/ca.pem', server.at
    said = guarded.Said(ADA)
    made = millrace.command('cql', at, '-u', USER, '-p', PASSWORD, '--ca', ca, '-e', 'CREATE KEYSPACE guarded WITH replication = '
                            "{'class': 'SimpleStrategy', 'replication_factor': 1}; CREATE ROLE ada WITH LOGIN = true AND "
                            f"PASSWORD = '{ADA}'; GRANT ALL ON KEYSPACE guarded TO ada; CREATE ROLE eve WITH LOGIN = true AND "
                            f"PASSWORD = '{ADA}'")
    tap.equal(made.code, 0, 'roles are made')
    guarded.cql_login(tap, said, at, 'ada', ADA, ca)
    elsewhere = guarded.Door(server.port, address='127.0.0.2')
    words = ['-e', 'SELECT key FROM system.local', '-u', 'ada', '-p', ADA, '--ca', ca]
    guarded.refused(tap, said.command('cql', elsewhere.at, *words), 'that of another host', 'cql: a name that is not in the certificate')
    url = f'cassandra://ada:{ADA}@{at}?tls=true&ca=ca.pem'
    wrong = [
        ('a wrong password', url.replace(ADA, guarded.WRONG), 'incorrect'),
        ('another signer', url.replace('=ca.pem', '=other-ca.pem'), 'signed by nobody that is trusted here'),
        ('another host', url.replace(at, elsewhere.at), 'that of another host'),
        ('no login', f'cassandra://{at}?tls=true&ca=ca.pem', 'asks for a login'),
        ('no TLS', f'cassandra://ada:{ADA}@{at}', 'TLS'),
    ]
    late = [('no right', url.replace('ada:', 'eve:'), 'eve has no')]
    guarded.tables_elsewhere(tap, said, 'guarded', url, wrong, folder, late)
    server.stop()
    millrace.until(lambda: not any(millrace.can_connect(server.port + i) for i in range(3)), 'its ports are free')
    server.start('--client-certificates')
    guarded.cql_certificate(tap, said, at, ['-u', 'ada', '-p', ADA], folder)
    said.check(tap)


millrace.main(guarded_cassandra)
