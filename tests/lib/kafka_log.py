# SPDX-License-Identifier: MIT
"""One project with its topics here and in a Kafka elsewhere: the same rows, whatever is killed.

Used with a real Kafka (tests/engines) and with another millrace as the Kafka (tests/interop).
"""
import http.server
import os
import random
import threading
import time
import urllib.parse

from millrace import Process, Project, at_end, request, until

PAGES = int(os.environ.get('KAFKA_LOG_PAGES', '60'))
KILLS = int(os.environ.get('KAFKA_LOG_KILLS', '6'))
PAGE = 20

SETTINGS = '''
engines: {log: "LOG"}
sources:
  users:
    topic: {name: users, partitions: 3, retention: forever}
    schema: >
      login STRUCT<uuid: STRING, username: STRING>, name STRUCT<first: STRING, last: STRING>,
      email STRING, nat STRING
    from:
      http:
        url: http://127.0.0.1:API/api/
        query: {seed: walk, inc: "login,name,email,nat"}
        page: {param: page, start: 1, size: {param: results, value: 20}}
        records: $.results[*]
        key: $.login.uuid
        timeout: 5s
        retry: {attempts: 5, backoff: 2ms..30ms}
  numbers:
    topic: {name: numbers, retention: forever}
    schema: "n BIGINT, text STRING"
targets:
  users_by_id: {table: test.users_by_id, key: [id], types: {id: uuid}}
'''

SQL = '''
CREATE STREAMING TABLE users_all AS
SELECT login.uuid AS id, name.first AS first_name, email, nat FROM STREAM users;
CREATE STREAMING TABLE users_by_id AS
SELECT login.uuid AS id, lower(nat) AS nat, email FROM STREAM users WHERE nat <> 'US';
CREATE STREAMING TABLE numbers_all AS
SELECT n, CAST(text AS INT) AS value FROM STREAM numbers;
'''

TABLES = {
    'users_all': 'SELECT id, first_name, email, nat FROM test.users_all ORDER BY id, email',
    'users_by_id': 'SELECT id, nat, email FROM test.users_by_id ORDER BY id',
    'numbers_all': 'SELECT n, value FROM test.numbers_all ORDER BY n',
}


class Pages(http.server.BaseHTTPRequestHandler):
    """The mock API's first pages, and none behind them."""
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if int(query['page'][0]) > PAGES:
            body = b'{"results": []}'
        else:
            body = request('GET', f'http://127.0.0.1:{self.server.api}{self.path}').body
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass  # the run was killed

    def log_message(self, *words):
        pass


def mock_api():
    api = Process('mock-api', '--listen', '127.0.0.1:0')
    pages = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Pages)
    pages.api = api.port()
    pages.daemon_threads = True
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    at_end.append(pages.shutdown)
    return pages.server_address[1]


def project(log, api):
    settings = SETTINGS.replace('LOG', log).replace('API', str(api))
    return Project(settings, SQL)


def produce(one, numbers):
    lines = ''.join('{"n": %d, "text": "%s"}\n' % (n, 'bad' if n % 10 == 9 else n * 2) for n in numbers)
    one.must('produce', 'numbers', input=lines)


def rows(one):
    return {name: one.sql(query) for name, query in TABLES.items()}


def at_rest(one, numbers):
    def look():
        status = one.status()
        enough = {'users_all': PAGES * PAGE, 'users_by_id': PAGES * PAGE, 'numbers_all': numbers}
        return all(t['lag'] == 0 and t['read'] >= enough[t['name']] for t in status['tables'])
    return look


def finish(one, run, numbers):
    until(at_rest(one, numbers), lambda: f'rest: {one.status()}', timeout=300, pause=0.05)
    time.sleep(0.5)  # for what would come twice
    until(at_rest(one, numbers), 'rest again', timeout=300, pause=0.05)
    status = one.status()
    run.stop()
    return status


def started(one):
    """A run that is open: it answers what only an open one can."""
    run = one.start()

    def look():
        if not run.alive():
            raise RuntimeError(f'run ended: {run.out()}{run.err()}')
        try:
            return request('GET', one.url('/api/status')).status == 200
        except OSError:
            return False
    until(look, lambda: f'{one.path} is not open: {run.err()}', timeout=300)
    return run


def compare(tap, kafka, restart=None):
    """kafka: HOST:PORT. restart: ends and starts that Kafka in the middle."""
    chance = random.Random(int(os.environ.get('KAFKA_LOG_SEED', '1')))
    api = mock_api()
    here = project('embedded', api)
    run = here.start()
    produce(here, range(40))
    finish(here, run, 40)
    want = rows(here)
    tap.equal(len(want['users_all']), PAGES * PAGE, 'the embedded log has every user')

    there = project(f'kafka://{kafka}', api)
    tap.has(there.must('check', there.path, '--connect').out, 'Kafka at', 'check --connect names the Kafka')
    run = started(there)
    produce(there, range(20))
    for kill in range(KILLS):
        time.sleep(chance.uniform(0.05, 0.6))
        run.kill()
        run = started(there)
        if restart and kill == KILLS // 2:
            restart()
    produce(there, range(20, 40))
    status = finish(there, run, 40)
    tap.ok(status['balanced'], 'the books balance over gaps', status['imbalance'])
    got = rows(there)
    for name in TABLES:
        tap.equal(got[name], want[name], f'{name}: the same rows, none lost, none twice')
    letters = there.letters('numbers')
    tap.equal(sorted(letter['offset'] for letter in letters), sorted({l['offset'] for l in letters}),
              'each dead letter is there once')
    tap.equal(len(letters), 4, 'one for each record that cannot be computed')
    tap.equal(len(there.records('users')), PAGES * PAGE, 'consume gives each record once')
    topics = there.must('topics', '-o', 'json').json()
    tap.ok({'users', 'numbers'} <= {t['name'] for t in topics}, 'topics are those of the Kafka', topics)
    code, doctor = there.doctor()
    tap.equal(code, 0, f'the doctor is content: {doctor}')
    return there
