# SPDX-License-Identifier: MIT
"""Certificates for guarded servers, made anew in a folder: nothing secret is kept in the repository.

    ca.pem                     who signs
    server.pem, server.key     127.0.0.1, ::1 and localhost
    elsewhere.pem, .key        signed as well, but of another host
    client.pem, client.key     a client's own, CN=millrace
    stranger.pem, .key         a client's, signed by other-ca.pem
    other-ca.pem               another signer, whom no server knows
    server.both, elsewhere.both   key and chain in one file, as Kafka and Cassandra want it
"""
import os
import shutil
import subprocess

DAYS = '3'


def openssl(*words):
    done = subprocess.run(['openssl', *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f'openssl {" ".join(words)}: {done.stderr[-500:]}')


def authority(folder, name):
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', DAYS,
            '-subj', f'/CN={name}', '-keyout', f'{folder}/{name}.key', '-out', f'{folder}/{name}.pem',
            '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign')


def signed(folder, name, subject, by, names=None, usage='serverAuth,clientAuth'):
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', f'/CN={subject}',
            '-keyout', f'{folder}/{name}.key', '-out', f'{folder}/{name}.csr')
    with open(f'{folder}/{name}.ext', 'w') as file:
        file.write(f'basicConstraints=CA:FALSE\nextendedKeyUsage={usage}\n')
        file.write(f'subjectAltName={names}\n' if names else '')
    openssl('x509', '-req', '-in', f'{folder}/{name}.csr', '-CA', f'{folder}/{by}.pem', '-CAkey', f'{folder}/{by}.key',
            '-CAcreateserial', '-days', DAYS, '-extfile', f'{folder}/{name}.ext', '-out', f'{folder}/{name}.pem')
    with open(f'{folder}/{name}.both', 'wb') as both:
        for part in (f'{name}.key', f'{name}.pem', f'{by}.pem'):
            with open(f'{folder}/{part}', 'rb') as file:
                both.write(file.read())


def can_be_made():
    return shutil.which('openssl') is not None


def make(folder):
    """Makes what is not there yet and gives the folder."""
    if os.path.exists(f'{folder}/whole'):
        return folder
    os.makedirs(folder, mode=0o700, exist_ok=True)
    for name in ('ca', 'other-ca'):
        authority(folder, name)
    signed(folder, 'server', 'localhost', 'ca', 'IP:127.0.0.1,IP:::1,DNS:localhost')
    signed(folder, 'elsewhere', 'db.elsewhere.example', 'ca', 'DNS:db.elsewhere.example')
    signed(folder, 'client', 'millrace', 'ca', usage='clientAuth')
    signed(folder, 'stranger', 'stranger', 'other-ca', usage='clientAuth')
    open(f'{folder}/whole', 'w').close()
    return folder
