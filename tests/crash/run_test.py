#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Nothing lost, nothing twice: a run that is killed -9 again and again.

    CRASH_ROUNDS=200 CRASH_SEED=1 run_test.py

An API that misbehaves is walked page by page, a client posts numbered records to a webhook, poison
among them, and never sends one again. The run is killed at random moments, also while it starts or
ends, and now and then the `doctor` that looks at the stopped project is killed too. Books are checked in every
round. At the end, on the stopped project: every acknowledged record is in the topic and in the tables
exactly once and in order, every other one at most once and a request whole or not at all; every page's
users are there exactly once and in order; there is one dead letter for each poison record. A third
source follows files that grow, half lines among them, into three partitions of a compressed topic.

The weaker durabilities promise less for a power loss only, so they pass the same test in fewer rounds.
The seed gives the same choices again; the moments are those of the machine.
"""
import collections
import http.client
import json
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from millrace import Process, Project, command, get_json, main, until, wrong_books  # noqa: E402

ROUNDS = int(os.environ.get('CRASH_ROUNDS', '200'))
SEED = int(os.environ.get('CRASH_SEED') or int.from_bytes(os.urandom(4), 'big'))
PAGE = 25
FAULTS = 'rate-limit=0.01,500=0.05,slow=0.01,empty=0.05,truncate=0.05,drop=0.05'

SOURCES = '''
sources:
  users:
    topic: {name: users, retention: forever, segment_bytes: 1MB}
    schema: >
      login STRUCT<uuid: STRING, username: STRING>, name STRUCT<first: STRING, last: STRING>,
      email STRING, nat STRING
FROM
  events:
    topic: {name: events, retention: forever, segment_bytes: 1MB}
    schema: seq BIGINT, kind STRING, amount STRING
    from:
      webhook: {path: /hooks/events, max_body: 1MB}
  lines:
    topic: {name: lines, retention: forever, segment_bytes: 1MB, partitions: 3, compression: zstd}
    schema: "file INT, n INT, words ARRAY<STRING>"
    from:
      file: {path: "in/*.ndjson", format: ndjson, follow: true, every: 10ms}
targets:
  users_by_id: {table: test.users_by_id, key: [id], types: {id: uuid}}
  events_by_seq: {table: test.events_by_seq, key: [seq]}
'''

WALK = '''
    from:
      http:
        url: http://127.0.0.1:API/api/
        query: {seed: walk, inc: "login,name,email,nat"}
        page: {param: page, start: 1, size: {param: results, value: 25}}
        records: $.results[*]
        key: $.login.uuid
        timeout: 400ms
        retry: {attempts: 5, backoff: 2ms..30ms}
'''

SQL = '''
CREATE STREAMING TABLE users_all AS
SELECT login.uuid AS id, name.first AS first_name, email, nat FROM STREAM users;
CREATE STREAMING TABLE users_by_id AS
SELECT login.uuid AS id, lower(nat) AS nat, email FROM STREAM users WHERE nat <> 'US';
CREATE STREAMING TABLE events_all AS
SELECT seq, kind, CAST(amount AS INT) AS amount FROM STREAM events;
CREATE STREAMING TABLE events_by_seq AS
SELECT seq, kind FROM STREAM events WHERE kind <> 'skip';
CREATE STREAMING TABLE words AS
SELECT file, n, pos, word FROM STREAM lines LATERAL VIEW posexplode(words) w AS pos, word;
'''


def event(n, random_):
    """(kind, text) of record n."""
    chance = random_.random()
    if chance < 0.03:  # does not decode
        return 'type', json.dumps({'n': n, 'seq': f'{n}', 'kind': 'type', 'amount': f'{n}'})
    if chance < 0.05:  # decodes; events_all cannot compute it
        return 'cast', json.dumps({'n': n, 'seq': n, 'kind': 'cast', 'amount': f'{n} pieces'})
    if chance < 0.07:  # events_by_seq cannot store it: no key
        return 'key', json.dumps({'n': n, 'seq': None, 'kind': f'key {n}', 'amount': f'{n}'})
    if chance < 0.17:
        return 'skip', json.dumps({'n': n, 'seq': n, 'kind': 'skip', 'amount': f'{n}'})
    return 'good', json.dumps({'n': n, 'seq': n, 'kind': 'good', 'amount': f'{n}'})


class Client(threading.Thread):
    """Posts numbered records, each once, whatever comes of it."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.random = random.Random(SEED + 1)
        self.next = 1
        self.texts = {}       # n -> (kind, text)
        self.requests = []    # [numbers, outcome]: acked, refused, unknown
        self.statuses = collections.Counter()
        self.ending = False
        self.mistake = None

    def body(self):
        """(numbers, body, may be taken)"""
        shape = self.random.choice(['single', 'array', 'lines', 'lines'])
        count = 1 if shape == 'single' else self.random.randint(1, 12)
        numbers = list(range(self.next, self.next + count))
        self.next += count
        for n in numbers:
            self.texts[n] = event(n, self.random)
        texts = [self.texts[n][1] for n in numbers]
        if self.random.random() < 0.02:
            return numbers, '\n'.join(texts) + '\n{"n": ', False  # broken: refused as a whole
        if shape == 'array':
            return numbers, '[' + ', '.join(texts) + ']', True
        return numbers, '\n'.join(texts), True

    def post(self, connection):
        numbers, body, fine = self.body()
        entry = [numbers, 'unknown']
        self.requests.append(entry)
        connection.request('POST', '/hooks/events', body.encode(), {'Content-Type': 'application/json'})
        answer = connection.getresponse()
        text = answer.read()
        self.statuses[answer.status] += 1
        if answer.status // 100 == 2:
            entry[1] = 'acked'
            if not fine or json.loads(text)['records'] != len(numbers):
                self.mistake = f'{answer.status} {text} for {body}'
        else:
            entry[1] = 'refused'
            if fine and answer.status not in (429, 503):
                self.mistake = f'{answer.status} {text} for {body}'

    def run(self):
        connection = None
        while not self.ending:
            try:
                if not connection:
                    connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
                    connection.connect()
                self.post(connection)
                time.sleep(self.random.random() * 0.004)
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = None
                time.sleep(0.001)

    def end(self):
        self.ending = True
        self.join()


class Writer(threading.Thread):
    """Appends lines to files that the run follows; now and then half a line, then the rest."""
    LINES = 400

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path
        self.random = random.Random(SEED + 2)
        self.written = []  # (file, n, words)
        self.ending = False
        os.makedirs(path)

    def lines(self, file, number):
        for n in range(self.LINES):
            words = [f'{number}-{n}-{k}' for k in range(self.random.choice([0, 1, 1, 2, 5]))]
            text = json.dumps({'file': number, 'n': n, 'words': words, 'more': 'x' * self.random.randint(0, 2000)}) + '\n'
            half = self.random.randint(0, len(text)) if self.random.random() < 0.1 else 0
            file.write(text[:half])
            file.flush()
            if half:
                time.sleep(self.random.random() * 0.02)
            file.write(text[half:])
            file.flush()
            self.written.append((number, n, words))
            time.sleep(self.random.random() * 0.008)
            if self.ending:
                return

    def run(self):
        number = 0
        while not self.ending:
            with open(f'{self.path}/{number:05}.ndjson', 'w', encoding='utf-8') as file:
                self.lines(file, number)
            number += 1

    def end(self):
        self.ending = True
        self.join()


class Rounds:
    def __init__(self, tap, project):
        self.tap = tap
        self.project = project
        self.random = random.Random(SEED)
        self.kinds = collections.Counter()
        self.read = {}  # of each table, as was seen last: never goes back
        self.wrong = []
        self.requests = self.errors = self.empty = 0

    def look(self, status, where):
        wrong = wrong_books(status)
        if wrong:
            self.wrong.append(f'{where}: {wrong}')
        for t in status['tables']:
            if t['read'] < self.read.get(t['name'], 0):
                self.wrong.append(f'{where}: {t["name"]} went back from {self.read[t["name"]]} to {t["read"]}')
            if t['state'] in ('failed', 'blocked'):
                self.wrong.append(f'{where}: {t["name"]} {t["state"]}: {t["detail"]}')
            self.read[t['name']] = t['read']
        for s in status['sources']:
            if s['connector'] and s['name'] == 'users':
                self.requests += s['requests']
                self.errors += s['errors']
                self.empty += s['empty_answers']

    def doctor(self, where):
        code, answer = self.project.doctor()
        if code != 0:
            self.wrong.append(f'{where}: doctor says {code} {answer}')

    def end(self, run, number):
        """Most runs are killed where they are; some while they drain or close, some end well."""
        chance = self.random.random()
        if chance < 0.12:
            self.kinds['while it ends'] += 1
            run.signal(signal.SIGINT)
            time.sleep(self.random.random() * 0.03)
        elif chance < 0.16:
            self.kinds['not at all'] += 1
            code = run.stop()
            if code != 0:
                self.wrong.append(f'round {number}: Ctrl-C gives {code}: {run.err()}')

    def one(self, number):
        run = self.project.start(wait=False)
        if self.random.random() < 0.12:
            self.kinds['while it starts'] += 1
            time.sleep(self.random.random() * 0.03)
        else:
            self.kinds['while it runs'] += 1
            self.project.wait_listening(run, pause=0.001)
            time.sleep(self.random.uniform(0.03, 0.5))
            self.look(self.project.status(), f'round {number}')
            self.end(run, number)
        run.kill()
        if self.random.random() < 0.3:
            self.kinds['doctor'] += 1
            self.doctor(f'round {number}')
        elif self.random.random() < 0.15:
            self.kinds['doctor killed'] += 1
            doctor = Process('doctor', '-C', self.project.path)
            time.sleep(self.random.random() * 0.03)
            doctor.kill()


def reference_users(count):
    """The same users from an API without faults, in large pages."""
    api = Process('mock-api', '--listen', '127.0.0.1:0')
    users, page = [], 1
    while len(users) < count:
        users += get_json(f'http://127.0.0.1:{api.port()}/api/?seed=walk&inc=login,name,email,nat&results=5000&page={page}')['results']
        page += 1
    api.kill()
    return users[:count]


def check_users(tap, project):
    values = [json.loads(r['value']) for r in project.records('users')]
    tap.ok(len(values) >= PAGE and len(values) % PAGE == 0, f'{len(values)} users are whole pages')
    want = reference_users(len(values))
    ids = [u['login']['uuid'] for u in values]
    tap.equal(len(set(ids)), len(ids), 'no user is in the topic twice')
    bad = next((i for i in range(len(values)) if values[i] != want[i]), None)
    tap.ok(bad is None, 'every page is in the topic once, in order',
           f'record {bad}: {values[bad] if bad is not None else ""}')
    tap.equal(project.sql('SELECT * FROM users_all'),
              [[u['login']['uuid'], u['name']['first'], u['email'], u['nat']] for u in want],
              'the append-only table has every user once, in order')
    tap.equal(sorted(project.sql('SELECT id, nat, email FROM users_by_id')),
              sorted([u['login']['uuid'], u['nat'].lower(), u['email']] for u in want if u['nat'] != 'US'),
              'the keyed table has every user that the query lets through')
    return want


def check_requests(tap, client, found):
    lost = [n for numbers, outcome in client.requests if outcome == 'acked' for n in numbers if n not in found]
    tap.ok(not lost, 'every acknowledged record is in the topic', f'{len(lost)} are lost: {lost[:20]}')
    taken = [n for numbers, outcome in client.requests if outcome == 'refused' for n in numbers if n in found]
    tap.ok(not taken, 'no refused record is in the topic', taken[:20])
    parts = [numbers for numbers, _ in client.requests if 0 < sum(n in found for n in numbers) < len(numbers)]
    tap.ok(not parts, 'a request is there whole or not at all', parts[:5])
    for outcome in ('acked', 'unknown', 'refused'):
        tap.note(f'{sum(len(r[0]) for r in client.requests if r[1] == outcome)} records {outcome}')
    unknown = sum(n in found for numbers, outcome in client.requests if outcome == 'unknown' for n in numbers)
    tap.note(f'{unknown} of the unknown ones were taken')


def check_events(tap, project, client):
    records = project.records('events')
    order = [json.loads(r['value'])['n'] for r in records]
    tap.ok(all(a < b for a, b in zip(order, order[1:])), 'records are in the topic once and in order',
           [(a, b) for a, b in zip(order, order[1:]) if a >= b][:10])
    tap.ok(all(r['value'] == client.texts[n][1] for r, n in zip(records, order)), 'their bytes are those sent')
    check_requests(tap, client, set(order))
    kinds = [client.texts[n][0] for n in order]
    rows = [[None if k == 'key' else str(n), f'key {n}' if k == 'key' else k, str(n)]
            for n, k in zip(order, kinds) if k not in ('type', 'cast')]
    tap.equal(project.sql('SELECT * FROM events_all'), rows, 'the append-only table has each once, in order')
    rows = [[str(n), k] for n, k in zip(order, kinds) if k in ('good', 'cast')]
    got = sorted(project.sql('SELECT seq, kind FROM events_by_seq'), key=lambda row: int(row[0]))
    tap.equal(got, rows, 'the keyed table has each once')
    letters = project.letters('events')
    table = {'type': None, 'cast': 'events_all', 'key': 'events_by_seq'}
    want = {(table[k], r['offset'], r['value']) for r, k in zip(records, kinds) if k in table}
    got = [(x['table'], x['offset'], x['value']) for x in letters]
    tap.ok(len(got) == len(set(got)) and set(got) == want, f'{len(want)} dead letters: one for each poison record',
           f'{len(got)} letters, missing {list(want - set(got))[:5]}, too many '
           f'{[x for x, c in collections.Counter(got).items() if c > 1 or x not in want][:5]}')
    tap.ok(all(x['attempt'] == 1 and x['error'] for x in letters), 'each says why, attempt 1')
    return kinds


def check_lines(tap, project, writer):
    records = project.records('lines')
    places = [(r['partition'], r['offset'], json.loads(r['value'])) for r in records]
    got = collections.Counter((v['file'], v['n']) for _, _, v in places)
    want = {(file, n) for file, n, _ in writer.written}
    tap.ok(set(got) == want and max(got.values()) == 1, f'each of {len(want)} lines is in the topic once',
           f'missing {sorted(want - set(got))[:9]}, too many {[k for k, c in got.items() if c > 1 or k not in want][:9]}')
    last, wrong = {}, []
    for partition, offset, v in places:
        if v['n'] <= last.get((partition, v['file']), -1):
            wrong.append((partition, offset))
        last[(partition, v['file'])] = v['n']
    tap.ok(not wrong and len({p for p, _, _ in places}) == 3, 'in order in each of three partitions', wrong[:9])
    rows = [[str(v['file']), str(v['n']), str(k), word] for _, _, v in sorted(places, key=lambda place: place[:2])
            for k, word in enumerate(v['words'])]
    tap.equal(project.sql('SELECT file, n, pos, word FROM words'), rows, 'and every row that they explode into')
    return len(records), sum(not v['words'] for _, _, v in places)


def check_books(tap, project, status, users, kinds, lines):
    count = collections.Counter(kinds)
    names = {t['name']: (t['read'], t['stored'], t['filtered'], t['dead_lettered'], t['lag'])
             for t in status['tables']}
    us, events, poison = sum(u['nat'] == 'US' for u in users), len(kinds), count['type']
    tap.equal(names, {
        'users_all': (len(users), len(users), 0, 0, 0),
        'users_by_id': (len(users), len(users) - us, us, 0, 0),
        'events_all': (events, events - poison - count['cast'], 0, poison + count['cast'], 0),
        'events_by_seq': (events, count['good'] + count['cast'], count['skip'], poison + count['key'], 0),
        'words': (lines[0], lines[0] - lines[1], lines[1], 0, 0),
    }, 'the books say what is there')
    code, answer = project.doctor()
    tap.ok(code == 0 and answer['ok'], 'doctor finds nothing', answer)


def killed(tap, durability, count):
    tap.note(f'durability {durability}: {count} rounds, CRASH_SEED={SEED}')
    api = Process('mock-api', '--listen', '127.0.0.1:0', '--seed', str(SEED % 1000000), '--fault', FAULTS)
    settings = f'engines: {{durability: "{durability}"}}\n' + SOURCES.replace('FROM\n', WALK.replace('API', str(api.port())).lstrip('\n'))
    project = Project(settings, SQL)
    client = Client(project.port)
    writer = Writer(f'{project.path}/in')
    client.start()
    writer.start()
    rounds = Rounds(tap, project)
    begin = time.monotonic()
    for number in range(1, count + 1):
        rounds.one(number)
    tap.note(f'{dict(rounds.kinds)} in {time.monotonic() - begin:.0f} s; seen of the API: '
             f'{rounds.requests} requests, {rounds.errors} failed, {rounds.empty} empty')

    # A run that is left alone, drained by Ctrl-C; then one without the endless API, until idle.
    run = project.start()
    time.sleep(0.5)
    client.end()
    writer.end()
    until(lambda: project.source('users')['requests'] > 3, 'the API is not asked', pause=0.1)
    rounds.look(project.status(), 'the last run')
    tap.equal(run.stop(), 0, 'Ctrl-C: drained, exit code 0')
    project.settings(SOURCES.replace('FROM\n', ''))
    idle = command('run', project.path, '--until-idle', '--quiet', '300ms', '-o', 'json')
    tap.equal(idle.code, 0, 'a run until idle ends with 0')
    status = idle.json()
    rounds.look(status, 'until idle')
    tap.ok(api.alive(), 'the API lived through all of it')
    tap.ok(not client.mistake, 'the webhook answered as it should', client.mistake)
    tap.ok(not rounds.wrong, f'the books balanced in {count} rounds', '\n'.join(rounds.wrong[:20]))
    tap.ok(rounds.errors, 'the API failed meanwhile')
    tap.note(f'webhook answers: {dict(client.statuses)}')
    users = check_users(tap, project)
    kinds = check_events(tap, project, client)
    lines = check_lines(tap, project, writer)
    check_books(tap, project, status, users, kinds, lines)


def sync(tap):
    killed(tap, 'sync', ROUNDS)


def interval(tap):
    killed(tap, 'interval:50ms', max(1, ROUNDS // 10))


def os_(tap):
    killed(tap, 'os', max(1, ROUNDS // 10))


main(sync, interval, os_)
