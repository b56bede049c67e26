#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A full disk stops the intake with a clear answer, loses nothing, and is over when there is room.

The data directory stands on a small tmpfs that a ballast file fills. Mounting needs root; elsewhere
the tests are skipped and counted as such.
"""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from millrace import TIMEOUT, Project, at_end, main, request, until, wrong_books  # noqa: E402

SETTINGS = '''
sources:
  events:
    topic: {name: events, retention: forever, segment_bytes: 1MB}
    schema: id BIGINT, text STRING
    from:
      webhook: {path: /hooks/events, max_body: 1MB}
targets:
  events_by_id: {table: test.events_by_id, key: [id]}
'''
SQL = 'CREATE STREAMING TABLE events_by_id AS SELECT id, text FROM STREAM events;'


class Disk:
    """A tmpfs; leave() leaves that many bytes free."""

    def __init__(self, path, megabytes):
        self.path = path
        self.ballast = os.path.join(path, 'ballast')
        os.makedirs(path, exist_ok=True)
        subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={megabytes}m', 'tmpfs', path], check=True,
                       capture_output=True)
        at_end.append(self.end)

    def free(self):
        at = os.statvfs(self.path)
        return at.f_bavail * at.f_frsize

    def leave(self, wanted):
        with open(self.ballast, 'ab') as file:
            while self.free() > wanted:
                step = min(self.free() - wanted, 1 << 20)
                try:
                    file.write(b'\0' * step)
                    file.flush()
                except OSError:
                    return

    def room(self):
        os.unlink(self.ballast)

    def end(self):
        subprocess.run(['umount', '-l', self.path], capture_output=True)


def disk_or_skip(tap, path, megabytes, name):
    try:
        return Disk(path, megabytes)
    except (subprocess.CalledProcessError, OSError) as error:
        tap.skip(name, f'a tmpfs cannot be mounted here: {error}')
        return None


class Client:
    """Posts numbered records and remembers what was acknowledged."""

    def __init__(self, project):
        self.project = project
        self.next = 1
        self.acked = []
        self.refused = []
        self.answers = []

    def post(self, bytes=20000):
        text = json.dumps({'id': self.next, 'text': 'x' * bytes})
        answer = request('POST', self.project.url('/hooks/events'), text, {'Content-Type': 'application/json'})
        (self.acked if answer.status // 100 == 2 else self.refused).append(self.next)
        self.answers.append(answer)
        self.next += 1
        return answer.status

    def until_refused(self):
        for _ in range(20000):
            if self.post() // 100 != 2:
                return self.answers[-1]
        raise RuntimeError('the disk does not get full')


def verify(tap, project, client, where):
    ids = [json.loads(r['value'])['id'] for r in project.records('events')]
    tap.equal(ids, client.acked, f'{where}: the topic has what was acknowledged, once and in order')
    got = sorted(int(row[0]) for row in project.sql('SELECT id FROM events_by_id'))
    tap.equal(got, client.acked, f'{where}: the table too')


def log_full(tap):
    project = Project(SETTINGS, SQL)
    disk = disk_or_skip(tap, os.path.join(project.path, 'data'), 192, 'a full disk under the log')
    if not disk:
        return
    run = project.start()
    client = Client(project)
    for _ in range(20):
        client.post()
    tap.equal(len(client.acked), 20, 'there is room: acknowledged')
    disk.leave(3 << 20)
    answer = client.until_refused()
    tap.ok(answer.status in (503, 507), f'full: the webhook answers {answer.status}', answer)
    tap.ok('full' in answer.body.decode(), 'and says why', answer)
    disk.leave(0)
    tap.ok(all(client.post() in (503, 507) for _ in range(5)), 'it goes on refusing')
    status = until(lambda: next((s for s in [project.status()] if s['log'] != 'ok'), None), 'no word in the status')
    tap.equal(status['log'], 'the disk is full', '/api/status says so')
    tap.equal(wrong_books(status), None, 'the books balance')
    health = request('GET', project.url('/health'))
    tap.ok(health.status == 503 and b'full' in health.body, '/health answers 503 with the reason', health)
    code, findings = project.doctor()
    tap.ok(code == 1 and 'the disk is full' in json.dumps(findings), 'doctor says so', findings)
    until(lambda: 'intake has stopped: the disk is full' in run.out(), run.out)
    tap.ok(True, 'run shows it')

    disk.room()
    until(lambda: client.post() // 100 == 2, lambda: client.answers[-1], pause=0.1)
    tap.ok(True, 'room is made: it goes on by itself')
    for _ in range(20):
        client.post()
    tap.equal(client.acked[-20:], list(range(client.next - 20, client.next)), 'as before')
    until(lambda: project.table('events_by_id')['lag'] == 0, project.status, TIMEOUT / 4)
    status = project.status()
    tap.equal((status['log'], wrong_books(status)), ('ok', None), 'the status is well again')
    tap.equal(request('GET', project.url('/health')).status, 200, '/health too')
    verify(tap, project, client, 'after room was made')

    disk.leave(2 << 20)
    client.until_refused()
    disk.leave(0)
    client.post()
    run.kill()
    disk.room()
    run = project.start()
    until(lambda: project.table('events_by_id')['lag'] == 0, project.status, TIMEOUT / 4)
    tap.equal(client.post(), 200, 'killed on a full disk, started with room: it takes records')
    until(lambda: project.table('events_by_id')['lag'] == 0, project.status, TIMEOUT / 4)
    tap.equal(run.stop(), 0, 'Ctrl-C')
    verify(tap, project, client, 'after a kill on a full disk')


def tables_full(tap):
    """Only the tables have no room: records are still taken and wait."""
    project = Project(SETTINGS, SQL)
    disk = disk_or_skip(tap, os.path.join(project.path, 'data', 'tables'), 128, 'a full disk under the tables')
    if not disk:
        return
    run = project.start()
    client = Client(project)
    client.post()
    disk.leave(2 << 20)
    blocked = None
    for _ in range(3000):
        client.post()
        blocked = project.table('events_by_id')
        if blocked['state'] == 'blocked':
            break
    tap.ok(blocked['state'] == 'blocked' and 'the disk is full' in blocked['detail'], 'full: the table is blocked and says why', blocked)
    for _ in range(20):
        client.post()
    tap.equal(client.refused, [], 'records are still taken')
    status = project.status()
    tap.equal(wrong_books(status), None, 'the books balance')
    tap.ok(project.table('events_by_id', status)['lag'] >= 20, 'they wait', status)
    code, findings = project.doctor()
    tap.ok(code == 1 and 'the disk is full' in json.dumps(findings), 'doctor says so', findings)
    tap.ok(run.alive(), 'the run goes on')
    disk.room()
    until(lambda: project.table('events_by_id')['lag'] == 0, project.status, TIMEOUT / 4)
    tap.ok(True, 'room is made: the table catches up by itself')
    status = project.status()
    tap.ok(project.table('events_by_id', status)['state'] in ('idle', 'running') and wrong_books(status) is None,
           'and is well again', status)
    verify(tap, project, client, 'after room was made')

    disk.leave(1 << 20)
    for _ in range(3000):
        client.post()
        if project.table('events_by_id')['state'] == 'blocked':
            break
    run.kill()
    disk.room()
    run = project.start()
    until(lambda: project.table('events_by_id')['lag'] == 0, project.status, TIMEOUT / 4)
    tap.equal(run.stop(), 0, 'killed on a full disk, started with room: Ctrl-C ends with 0')
    verify(tap, project, client, 'after a kill on a full disk')


def full_at_start(tap):
    """A first start on a full disk, and a later one with records that wait."""
    project = Project(SETTINGS, SQL)
    disk = disk_or_skip(tap, os.path.join(project.path, 'data'), 192, 'a start on a full disk')
    if not disk:
        return
    disk.leave(0)
    run = project.start(wait=False)
    tap.equal(run.wait(), 75, 'the first run on a full disk ends with 75: later')
    tap.ok('the disk is full' in run.err(), 'and says so', run.err())
    disk.room()
    run = project.start()
    client = Client(project)
    tap.equal(client.post(), 200, 'with room it works')
    until(lambda: project.table('events_by_id')['lag'] == 0, project.status)
    tap.equal(run.stop(), 0, 'Ctrl-C')

    disk.leave(0)
    run = project.start(wait=False)
    until(lambda: not run.alive() or project.serves(), 'it neither runs nor ends')
    if run.alive():
        tap.ok(client.post() in (200, 503, 507), 'a later run on a full disk answers', client.answers[-1])
        disk.room()
    else:
        tap.ok(run.wait() == 75 and 'the disk is full' in run.err(), 'a later run on a full disk ends with 75', run.err())
        disk.room()
        run = project.start()
    until(lambda: client.post() == 200, lambda: client.answers[-1], TIMEOUT / 4, pause=0.2)
    until(lambda: project.table('events_by_id')['lag'] == 0, project.status, TIMEOUT / 4)
    tap.equal(run.stop(), 0, 'with room it goes on; Ctrl-C')
    verify(tap, project, client, 'after full starts')


main(log_full, tables_full, full_at_start)
