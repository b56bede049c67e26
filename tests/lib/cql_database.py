# SPDX-License-Identifier: MIT
"""A database that CQL reaches: another millrace, or a real Cassandra. And a gate before it.

MILLRACE_CQL=HOST:PORT aims at a server that runs already.
"""
import os
import socket
import struct
import subprocess
import tempfile
import threading

import millrace

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
SERVER = '''sources:
  unused: {schema: "id STRING"}
listeners:
'''
EXECUTE = 0x0A


class Database:
    """Ours, or a real one."""

    def __init__(self, kind):
        self.process = None
        given = os.environ.get('MILLRACE_CQL')
        port = millrace.free_port()
        self.at = given or f'127.0.0.1:{port}'
        if given:
            return
        if kind == 'cassandra':
            self.tool = os.path.join(ROOT, 'tools', 'engines', 'cassandra')
            self.folder = tempfile.mkdtemp(prefix='millrace-cassandra-')
            millrace.folders.append(self.folder)
            millrace.at_end.append(lambda: subprocess.run([self.tool, 'stop', '--dir', self.folder, '--kill'],
                                                          capture_output=True))
            self.words = [self.tool, 'start', '--port', str(port), '--dir', self.folder, '--heap', '1024']
            subprocess.run(self.words, check=True, capture_output=True, timeout=900)
        else:
            self.project = millrace.Project(SERVER + f'  kafka: off\n  cql: {self.at}', '')
            self.project.write('transformations/all.sql', 'CREATE STREAMING TABLE unused_ids AS SELECT id FROM STREAM unused;\n')
            self.start()

    def start(self):
        self.process = self.project.start()
        millrace.until(lambda: millrace.can_connect(int(self.at.split(':')[1])), 'the CQL door stays shut')

    def may_die(self):
        return self.process is not None

    def kill(self):
        self.process.kill()

    def cql(self, statement, *words):
        return millrace.command('cql', self.at, '-e', statement, *words)

    def rows(self, statement):
        result = self.cql(statement, '-o', 'json')
        if result.code != 0:
            raise RuntimeError(repr(result))
        return result.json()['rows']


class Gate:
    """A port before the database that lets a number of EXECUTE requests pass, and shuts."""

    def __init__(self, to):
        host, port = to.rsplit(':', 1)
        self.to = (host, int(port))
        self.port = millrace.free_port()
        self.at = f'127.0.0.1:{self.port}'
        self.lock = threading.Condition()
        self.pairs = []
        self.left = None  # EXECUTEs that may pass; None = all
        self.held = False
        self.shuts = 0
        self.listener = None
        self.open()
        millrace.at_end.append(self.shut)

    def open(self):
        self.listener = socket.create_server(('127.0.0.1', self.port))
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def shut(self):
        """Nobody gets in, and who is in is thrown out."""
        with self.lock:
            listener, self.listener = self.listener, None
            pairs, self.pairs = self.pairs, []
            self.shuts += 1
            self.lock.notify_all()
        for one in [listener] if listener else []:
            end(one)
        for pair in pairs:
            for one in pair:
                end(one)

    def let(self, count):
        """From now on count EXECUTEs pass; what comes behind waits. None: all pass."""
        with self.lock:
            self.left, self.held = count, False
            self.lock.notify_all()

    def wait_held(self):
        """Until a request waits before the gate."""
        with self.lock:
            if not self.lock.wait_for(lambda: self.held, millrace.TIMEOUT):
                raise TimeoutError('nothing came to the gate')

    def accept(self, listener):
        while True:
            try:
                inner, _ = listener.accept()
            except OSError:
                return
            try:
                outer = socket.create_connection(self.to)
            except OSError:
                inner.close()
                continue
            with self.lock:
                alive = self.listener is listener
                if alive:
                    self.pairs.append((inner, outer))
            if not alive:
                end(inner)
                end(outer)
                return
            threading.Thread(target=self.requests, args=(inner, outer), daemon=True).start()
            threading.Thread(target=self.answers, args=(outer, inner), daemon=True).start()

    def requests(self, inner, outer):
        shuts = self.shuts
        try:
            while True:
                head = exactly(inner, 9)
                body = exactly(inner, struct.unpack('>I', head[5:])[0])
                if head[4] == EXECUTE:
                    self.pass_one(shuts)
                outer.sendall(head + body)
        except OSError:
            end(inner)
            end(outer)

    def pass_one(self, shuts):
        with self.lock:
            if self.left == 0:
                self.held = True
                self.lock.notify_all()
                self.lock.wait_for(lambda: self.left != 0 or self.shuts != shuts)
            if self.shuts != shuts:
                raise ConnectionError
            if self.left is not None:
                self.left -= 1

    def answers(self, outer, inner):
        try:
            while data := outer.recv(65536):
                inner.sendall(data)
        except OSError:
            pass
        end(inner)
        end(outer)


def end(one):
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    one.close()


def exactly(one, count):
    data = b''
    while len(data) < count:
        more = one.recv(count - len(data))
        if not more:
            raise ConnectionError
        data += more
    return data
