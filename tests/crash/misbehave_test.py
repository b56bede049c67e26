#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An API that misbehaves in every way we know, under three walks at once.

For each fault: new records wait behind it; the walks ask the same again and again, wait longer and
longer (or as long as Retry-After says) and say so in /api/status; nothing ends. Once the API is well
again everything is there, once and in order. At the end the same holds across a restart.
"""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from millrace import Api, Project, main, until, wrong_books  # noqa: E402

SIZE = 10
WALKS = ('page', 'cursor', 'until')

SETTINGS = '''
sources:
  page:
    schema: id BIGINT, updated BIGINT, text STRING
    from:
      http:
        url: http://127.0.0.1:API/page
        page: {param: page, start: 1, size: {param: size, value: 10}}
        records: $.results[*]
        timeout: 300ms
        retry: {attempts: 4, backoff: 20ms..400ms, jitter: false}
  cursor:
    schema: id BIGINT, updated BIGINT, text STRING
    from:
      http:
        url: http://127.0.0.1:API/cursor
        cursor: {param: after, from: $.paging.next}
        records: $.results[*]
        timeout: 300ms
        retry: {attempts: 4, backoff: 20ms..400ms, jitter: false}
  until:
    schema: id BIGINT, updated BIGINT, text STRING
    from:
      http:
        url: http://127.0.0.1:API/until
        until: {param: since, from: $.updated}
        every: 20ms
        records: $.results[*]
        key: $.id
        timeout: 300ms
        retry: {attempts: 4, backoff: 20ms..400ms, jitter: false}
'''

SQL = '\n'.join(f'CREATE STREAMING TABLE {w}_rows AS SELECT id, text FROM STREAM {w};' for w in WALKS)
JSON = {'Content-Type': 'application/json'}


def record(n):
    return {'id': n, 'updated': 1000 + n, 'text': f'record {n}'}


class Data:
    """Records 1..total behind three ways of asking, and the fault of the hour."""

    def __init__(self):
        self.total = 0
        self.fault = None

    def page(self, query):
        first = (int(query['page']) - 1) * SIZE
        return [record(n) for n in range(first + 1, min(first + SIZE, self.total) + 1)], None

    def cursor(self, query):
        after = int(query.get('after', 0))
        found = [record(n) for n in range(after + 1, min(after + SIZE, self.total) + 1)]
        return found, found[-1]['id'] if found else None

    def until(self, query):
        since = int(query.get('since', 0))
        return [record(n) for n in range(1, self.total + 1) if 1000 + n >= since][:SIZE], None

    def well(self, path, query):
        results, after = getattr(self, path[1:])(query)
        return json.dumps({'results': results, 'paging': {'next': after}}, indent=1).encode()

    def decide(self, path, query):
        body = self.well(path, query)
        return self.fault(body) if self.fault else (200, JSON, body)


class World:
    def __init__(self, tap):
        self.tap = tap
        self.data = Data()
        self.api = Api(self.data.decide)
        self.project = Project(SETTINGS.replace('API', str(self.api.port)), SQL)
        self.run = self.project.start()

    def asked(self, walk):
        with self.api.lock:
            return [(at, query) for at, path, query in self.api.requests if path == '/' + walk]

    def more(self, fault=None):
        with self.api.lock:
            self.data.fault = fault
            self.data.total += 3 * SIZE
            self.api.requests.clear()

    def count(self, walk):
        return self.project.source(walk)['records']

    def whole(self, name):
        """Waits until every record is there, then looks at each."""
        total = self.data.total
        for walk in WALKS:
            until(lambda: self.count(walk) >= total,
                  lambda: f'{walk} has {self.count(walk)} of {total}: {self.project.source(walk)}')
        wrong = {}
        for walk in WALKS:
            ids = [json.loads(r['value'])['id'] for r in self.project.records(walk)]
            if ids != list(range(1, total + 1)):
                wrong[walk] = ids
        self.tap.ok(not wrong, f'{name}: then everything is there, once and in order', wrong)

    def watch(self, enough, seen):
        """Looks at the status until enough(): seen[walk] becomes a list of [detail, longest wait, states]."""
        def look():
            for source in self.project.status()['sources']:
                rows = seen[source['name']]
                if not rows or rows[-1][0] != source['detail']:
                    rows.append([source['detail'], 0, set()])
                rows[-1][1] = max(rows[-1][1], source['wait_ms'])
                rows[-1][2].add(source['state'])
            return enough()
        until(look, lambda: f'not seen: {seen}', pause=0.004)


def waits_shown(seen):
    """The waits that details named, in ms, in order."""
    waits = []
    for detail, _, _ in seen:
        found = re.search(r'next try in ([\d.]+) (ms|s)', detail)
        if found:
            ms = float(found.group(1)) * (1000 if found.group(2) == 's' else 1)
            if not waits or waits[-1] != ms:
                waits.append(ms)
    return waits


def same_question(world, name):
    questions = {walk: {json.dumps(q, sort_keys=True) for _, q in world.asked(walk)} for walk in WALKS}
    world.tap.ok(all(len(q) == 1 for q in questions.values()), f'{name}: the same is asked again', questions)


def grows(times):
    """Each gap is at least half of what it has to be: 20, 40, 80, 160, 320, 400, 400 .. ms."""
    # A connection that was kept and is gone is asked again at once by the HTTP library.
    times = times[:1] + [b for a, b in zip(times, times[1:]) if b - a > 0.008]
    gaps = [b - a for a, b in zip(times, times[1:])]
    return all(gap >= 0.5 * min(0.02 * 2 ** i, 0.4) for i, gap in enumerate(gaps))


def fault(world, name, answer, text):
    """text: what the status has to say."""
    tap = world.tap
    world.more(answer)
    seen = {walk: [] for walk in WALKS}
    world.watch(lambda: all(waits_shown(seen[w])[-1:] == [400] and len(world.asked(w)) >= 6 for w in WALKS), seen)
    same_question(world, name)
    for walk in WALKS:
        details = [d for d, _, _ in seen[walk]]
        tap.ok(any(text in d for d in details), f'{name}: {walk} says why it waits', details)
        waits = waits_shown(seen[walk])
        tap.ok(waits == sorted(waits) and len(waits) > 1, f'{name}: {walk} shows growing waits', waits)
    tap.ok(all(grows([at for at, _ in world.asked(w)]) for w in WALKS), f'{name}: the waits are kept',
           {w: [at for at, _ in world.asked(w)] for w in WALKS})
    states = {s for w in WALKS for _, _, some in seen[w] for s in some}
    tap.ok(states <= {'waiting', 'fetching'}, f'{name}: nothing ends', states)
    world.more()
    world.whole(name)


def retry_after(world, name, value):
    tap = world.tap
    world.more(lambda body: (429, {'Retry-After': value() if callable(value) else value}, b'slow down'))
    seen = {walk: [] for walk in WALKS}
    world.watch(lambda: all(len(world.asked(w)) >= 3 for w in WALKS), seen)
    same_question(world, name)
    for walk in WALKS:
        details = [d for d, _, _ in seen[walk]]
        tap.ok(any(re.fullmatch(r'HTTP 429 Too Many Requests; next try in [\d.]+ m?s \(Retry-After\)', d) for d in details),
               f'{name}: {walk} says that it keeps Retry-After', details)
        times = [at for at, _ in world.asked(walk)]
        tap.ok(all(b - a > 0.5 for a, b in zip(times, times[1:])), f'{name}: {walk} waits as it was told', times)
    world.more()
    world.whole(name)


def empty(world):
    tap = world.tap
    before = {w: world.project.source(w)['empty_answers'] for w in WALKS}
    world.more(lambda body: (200, JSON, b'{"results": [], "paging": {"next": null}}'))
    seen = {walk: [] for walk in WALKS}
    world.watch(lambda: all(len(world.asked(w)) >= 12 for w in WALKS), seen)
    same_question(world, 'empty')
    for walk in WALKS:
        details = {d for d, _, _ in seen[walk]}
        tap.ok('the answer was empty' in details, f'empty: {walk} says so', details)
        tap.ok(world.project.source(walk)['empty_answers'] >= before[walk] + 10, f'empty: {walk} counts them')
        tap.ok({s for _, _, some in seen[walk] for s in some} <= {'waiting', 'fetching'}, f'empty: {walk} does not end')
    for walk in ('page', 'cursor'):
        longest = max(ms for _, ms, _ in seen[walk])
        tap.ok(longest > 200, f'empty: {walk} asks less and less often', longest)
    world.more()
    world.whole('empty')


def nobody(world):
    """The server is not there at all."""
    tap = world.tap
    world.more()
    world.whole('before the server goes')
    port = world.api.port
    world.api.close()
    world.data.total += 3 * SIZE
    seen = {walk: [] for walk in WALKS}
    world.watch(lambda: all(waits_shown(seen[w])[-1:] == [400] for w in WALKS), seen)
    tap.ok(all(any('no answer' in d for d, _, _ in seen[w]) for w in WALKS), 'no server: the status says so', seen)
    world.api = Api(world.data.decide, port)
    world.whole('no server')


def faults(tap):
    world = World(tap)
    world.more()
    world.whole('a well API')
    retry_after(world, '429 with Retry-After in seconds', '1')
    retry_after(world, '429 with Retry-After as a date',
                lambda: time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(time.time() + 2)))
    fault(world, '500', lambda body: (500, JSON, b'{"error": "oops"}'), 'HTTP 500 Internal Server Error')
    fault(world, '404', lambda body: (404, JSON, b'{}'), 'HTTP 404 Not Found')
    fault(world, 'half a document', lambda body: (200, JSON, body[:len(body) // 2]), 'the answer is not whole JSON')
    fault(world, 'the connection ends in the middle', lambda body: ('half', body), 'no answer: ')
    fault(world, 'a page of HTML', lambda body: (200, {'Content-Type': 'text/html'}, b'<html>We are sorry</html>'),
          'text/html')
    fault(world, 'a dropped connection', lambda body: 'drop', 'no answer: ')
    fault(world, 'no answer in time', lambda body: 'never', 'no answer: ')
    empty(world)
    nobody(world)
    world.more(lambda body: (200, {'Content-Type': 'text/plain'}, body))
    world.whole('JSON that says it is text')

    status = world.project.status()
    tap.equal(wrong_books(status), None, 'the books balance')
    tap.ok(all(world.project.source(w, status)['errors'] > 30 for w in WALKS), 'failures are counted')
    tap.equal(world.run.stop(), 0, 'Ctrl-C ends it with 0, while nothing is well')
    world.more()
    world.run = world.project.start()
    world.whole('after a restart')
    tap.equal(world.run.stop(), 0, 'Ctrl-C again')
    for walk in WALKS:
        tap.equal(world.project.sql(f'SELECT * FROM {walk}_rows'),
                  [[str(n), f'record {n}'] for n in range(1, world.data.total + 1)], f'{walk}: the table has each row once')
    world.api.close()


def short_pages(tap):
    """Pages that fill up while they are read, and an API that never fills one."""
    world = World(tap)
    with world.api.lock:
        world.data.total = 3
    for step in (1, 5, 1, 13, 7):
        world.whole(f'{world.data.total} records')
        with world.api.lock:
            world.data.total += step
    world.whole('pages that grow')
    tap.equal(world.run.stop(), 0, 'Ctrl-C')
    world.run = world.project.start()
    with world.api.lock:
        world.data.total += 4
    world.whole('pages that grow, after a restart in the middle of one')
    world.run.kill()
    world.api.close()


main(faults, short_pages)
