#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our CQL client and servers that ask for a login and TLS: a millrace whose door is behind one with TLS."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import guarded  # noqa: E402
import millrace  # noqa: E402

USER, PASSWORD = 'ada', 'se+cret-of-ada'
SETTINGS = '''sources:
  unused: {schema: "id STRING"}
listeners:
  kafka: off
  cql: 127.0.0.1:%d
  cql_login: ada:se+cret-of-ada'''


def guarded_door(tap):
    folder = guarded.files(os.path.join(millrace.folder(), 'certificates'))
    if not folder:
        tap.skip('TLS to a CQL server', 'no openssl here')
        return
    port = millrace.free_port()
    server = millrace.Project(SETTINGS % port, 'CREATE STREAMING TABLE unused_ids AS SELECT id FROM STREAM unused;\n')
    process = server.start()
    millrace.until(lambda: millrace.can_connect(port), 'the CQL door listens')
    said = guarded.Said(PASSWORD)
    ca = f'{folder}/ca.pem'
    tls = guarded.Door(port, folder, 'server')
    elsewhere = guarded.Door(port, folder, 'elsewhere')
    asks = guarded.Door(port, folder, 'server', asks=True)
    login = ['-u', USER, '-p', PASSWORD]
    guarded.cql_login(tap, said, tls.at, USER, PASSWORD, ca, f'127.0.0.1:{port}')
    guarded.refused(tap, said.command('cql', elsewhere.at, '-e', 'SELECT key FROM system.local', *login, '--ca', ca),
                    'that of another host', 'cql: the certificate of another host')
    guarded.cql_certificate(tap, said, asks.at, login, folder)
    at = f'cassandra://{USER}:{PASSWORD}@{tls.at}?tls=true&ca=ca.pem'
    wrong = [
        ('a wrong password', at.replace(PASSWORD, guarded.WRONG), 'incorrect'),
        ('another signer', at.replace('=ca.pem', '=other-ca.pem'), 'signed by nobody that is trusted here'),
        ('another host', at.replace(tls.at, elsewhere.at), 'that of another host'),
        ('no login', f'cassandra://{tls.at}?tls=true&ca=ca.pem', 'asks for a login'),
        ('no TLS', f'cassandra://{USER}:{PASSWORD}@{tls.at}', 'TLS'),
        ('a certificate is missing', at.replace(tls.at, asks.at), 'certificate of ours'),
        ('half of a certificate', at + '&cert=client.pem', "'cert' and 'key' belong together"),
        ('a & in a password', at.replace(PASSWORD, 'a&' + PASSWORD).replace('?', '?password=x&' + PASSWORD + '&'), '%26'),
    ]
    guarded.tables_elsewhere(tap, said, 'guarded', at.replace(tls.at, asks.at) + '&cert=client.pem&key=client.key',
                             wrong, folder)
    said.add(process.out(), process.err())
    process.stop()
    said.check(tap)


millrace.main(guarded_door)
