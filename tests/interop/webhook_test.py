#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The webhook as clients speak to it: bodies, refusals, and what HTTP/1.1 allows on the way.

A 2xx answer means that the records are on disk: the run is killed -9 right after it, and they are there.
"""
import base64
import json
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from millrace import Project, Raw, main, request, until  # noqa: E402

SETTINGS = '''
sources:
  events:
    schema: id BIGINT, text STRING
    from:
      webhook: {path: /hooks/events, max_body: 64KB}
  bearer:
    schema: id BIGINT
    from:
      webhook: {path: /hooks/bearer, auth: {bearer: secret-token}}
  basic:
    schema: id BIGINT
    from:
      webhook: {path: /hooks/basic, auth: {basic: {user: ann, password: "pass:word"}}}
  keyed:
    schema: id BIGINT
    from:
      webhook: {path: /hooks/keyed, auth: {api_key: {value: k-123}}}
'''
SQL = 'CREATE STREAMING TABLE rows AS SELECT id, text FROM STREAM events;'
JSON = {'Content-Type': 'application/json'}


def post(project, body, headers=JSON, path='/hooks/events', method='POST'):
    return request(method, project.url(path), body, headers)


def values(project, topic='events'):
    return [r['value'] for r in project.records(topic)]


def bodies(tap):
    project = Project(SETTINGS, SQL)
    run = project.start()
    cases = [
        ('one record', '{"id": 1}', JSON, ['{"id": 1}']),
        ('an array', ' [{"id": 2} , {"id":3}]\n', JSON, ['{"id": 2}', '{"id":3}']),
        ('NDJSON', '{"id": 4}\n{"id": 5}\n', {'Content-Type': 'application/x-ndjson'}, ['{"id": 4}', '{"id": 5}']),
        ('NDJSON with CR LF, blank lines and no end', '{"id": 6}\r\n\r\n{"id": 7}', {'Content-Type': 'application/x-ndjson'},
         ['{"id": 6}', '{"id": 7}']),
        ('what curl -d says', '{"id": 8}', {'Content-Type': 'application/x-www-form-urlencoded'}, ['{"id": 8}']),
        ('no content type', '{"id": 9}\n{"id": 10}', {}, ['{"id": 9}', '{"id": 10}']),
        ('one record over lines', '{\n  "id": 11,\n  "text": "é\\u00e9"\n}', JSON, ['{\n  "id": 11,\n  "text": "é\\u00e9"\n}']),
        ('a charset', '{"id": 12}', {'Content-Type': 'application/json; charset=utf-8'}, ['{"id": 12}']),
    ]
    want = []
    for name, body, headers, records in cases:
        answer = post(project, body.encode(), headers)
        tap.ok(answer.status == 200 and answer.json() == {'records': len(records)}, f'{name}: 200', answer)
        want += records
        tap.equal(values(project), want, f'{name}: the bytes are in the topic')
    answer = post(project, '[]')
    tap.ok(answer.status in (200, 400), 'an empty array is answered', answer)
    tap.equal(values(project), want, 'and is nothing')
    until(lambda: project.table('rows')['read'] == len(want), lambda: project.table('rows'))
    tap.equal([row[0] for row in project.sql('SELECT id FROM rows')], [str(n) for n in range(1, 13)], 'all are rows')

    # A shape is chosen by the content, and curl itself agrees.
    done = subprocess.run(['curl', '-sS', '-w', ' %{http_code}', '-d', '{"id": 20}', project.url('/hooks/events')],
                          capture_output=True, text=True)
    tap.equal(done.stdout, '{"records":1} 200', 'curl -d')
    tap.equal(run.stop(), 0, 'Ctrl-C')


def refusals(tap):
    project = Project(SETTINGS, SQL)
    run = project.start()
    cases = [
        ('a half record', '{"id": 1', 400, 'line 1'),
        ('a mistake on line 3', '{"id": 1}\n{"id": 2}\n{"id": x}', 400, 'line 3'),
        ('a column', '{"id": 1,,}', 400, 'column 10'),
        ('nothing', '', 400, None),
        ('bytes that are no UTF-8', b'{"id": "\xff"}', 400, None),
        ('a trailing comma in an array', '[{"id": 1},]', 400, 'column 12'),
        ('too large', '{"id": 1, "text": "' + 'x' * 70000 + '"}', 413, None),
    ]
    for name, body, status, part in cases:
        answer = post(project, body)
        tap.ok(answer.status == status and (not part or part in answer.json()['error']['message']),
               f'{name}: {status}{" with " + part if part else ""}', answer)
    tap.equal(values(project), [], 'nothing of it was taken, not even the good lines before a mistake')
    tap.equal(post(project, None, method='GET').status, 405, 'GET: 405')
    tap.equal(post(project, '{}', path='/hooks/other').status, 404, 'another path: 404')

    basic = base64.b64encode(b'ann:pass:word').decode()
    for path, good, wrong in (
            ('bearer', {'Authorization': 'Bearer secret-token'}, {'Authorization': 'Bearer secret-toke'}),
            ('basic', {'Authorization': f'Basic {basic}'}, {'Authorization': 'Basic ' + base64.b64encode(b'ann:pass').decode()}),
            ('keyed', {'X-API-Key': 'k-123'}, {'X-API-Key': 'k-1234'})):
        tap.equal(post(project, '{"id": 1}', JSON, f'/hooks/{path}').status, 401, f'{path}: 401 without')
        tap.equal(post(project, '{"id": 1}', {**JSON, **wrong}, f'/hooks/{path}').status, 401, f'{path}: 401 with a wrong one')
        tap.equal(post(project, '{"id": 1}', {**JSON, **good}, f'/hooks/{path}').status, 200, f'{path}: 200 with it')
        tap.equal(values(project, path), ['{"id": 1}'], f'{path}: only that is in the topic')
    answer = post(project, '{"id": 1}', JSON, '/hooks/bearer')
    tap.ok('secret' not in str(answer.headers) + answer.body.decode(), 'a refusal does not tell the secret', answer)
    tap.equal(run.stop(), 0, 'Ctrl-C')


def protocol(tap):
    project = Project(SETTINGS, SQL)
    run = project.start()
    head = 'POST /hooks/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'

    raw = Raw(project.port)
    raw.send(head + 'Transfer-Encoding: chunked\r\n\r\n5\r\n{"id"\r\n2;a=b\r\n: \r\n2\r\n1}\r\n0\r\nTrailer: x\r\n\r\n')
    tap.equal(raw.answer().status, 200, 'chunked, with an extension and a trailer')
    body = '{"id": 2}'
    for n in range(3, 8):
        raw.send(f'{head}Content-Length: 9\r\n\r\n{{"id": {n}}}')
        if raw.answer().status != 200:
            tap.ok(False, f'keep-alive: record {n}')
    tap.ok(True, 'five more on the same connection')
    raw.send(''.join(f'{head}Content-Length: 10\r\n\r\n{{"id": {n}}}' for n in range(10, 40)))
    answers = [raw.answer() for _ in range(30)]
    tap.ok(all(a and a.status == 200 for a in answers), 'thirty pipelined requests, thirty answers', answers)
    raw.send(head + 'Expect: 100-continue\r\nContent-Length: 9\r\n\r\n')
    tap.equal(raw.answer().status, 100, 'Expect: 100-continue is answered before the body')
    raw.send(body)
    tap.equal(raw.answer().status, 200, 'and after it')
    for byte in f'{head}Content-Length: 10\r\n\r\n{{"id": 50}}'.encode():
        raw.send(bytes([byte]))
    tap.equal(raw.answer().status, 200, 'byte by byte')
    raw.send(head + 'Connection: close\r\nContent-Length: 10\r\n\r\n{"id": 51}')
    tap.equal(raw.answer().status, 200, 'Connection: close is answered')
    tap.ok(raw.ended(), 'and closes')

    raw = Raw(project.port)
    raw.send(head.replace('1.1', '1.0') + 'Content-Length: 10\r\n\r\n{"id": 52}')
    tap.equal(raw.answer().status, 200, 'HTTP/1.0')
    tap.ok(raw.ended(), 'which closes')

    raw = Raw(project.port)
    raw.send(head + 'Expect: 100-continue\r\nContent-Length: 70000\r\n\r\n')
    tap.equal(raw.answer().status, 413, 'Expect: 100-continue of too much: 413 at once')
    raw.close()
    raw = Raw(project.port)
    raw.send(head + 'Transfer-Encoding: chunked\r\n\r\n' + 'ffff\r\n' + 'x' * 65535 + '\r\n2\r\nxx\r\n')
    tap.equal(raw.answer().status, 413, 'chunks over the limit: 413')
    raw.close()
    for name, bad in (
            ('both lengths', head + 'Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n'),
            ('two lengths', head + 'Content-Length: 9\r\nContent-Length: 8\r\n\r\n{"id": 1}'),
            ('a length that is none', head + 'Content-Length: -1\r\n\r\n'),
            ('no request at all', 'hello\r\n\r\n'),
            ('a chunk size that is none', head + 'Transfer-Encoding: chunked\r\n\r\nzz\r\n')):
        raw = Raw(project.port)
        raw.send(bad)
        answer = raw.answer()
        tap.ok(answer is None or answer.status == 400, f'{name}: 400', answer)
        tap.ok(raw.ended(), f'{name}: and the connection ends')
        raw.close()
    raw = Raw(project.port)
    raw.send(head + 'Content-Length: 100\r\n\r\n{"id": 99}')
    raw.close()
    tap.ok(post(project, '{"id": 53}').status == 200, 'a client that goes away in the middle harms nobody')
    want = [1, 3, 4, 5, 6, 7, *range(10, 40), 2, 50, 51, 52, 53]
    tap.equal([json.loads(v)['id'] for v in values(project)], want, 'every answered record is there, once and in order')
    tap.equal(run.stop(), 0, 'Ctrl-C')


def many(tap):
    """Twenty clients at once; then Ctrl-C under load: every answer is kept."""
    project = Project(SETTINGS, SQL)
    run = project.start()
    acked, lock = [], threading.Lock()

    def client(number):
        n = 0
        try:
            raw = Raw(project.port)
            while True:
                text = json.dumps({'id': number * 1000000 + n})
                raw.send(f'POST /hooks/events HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text)}\r\n\r\n{text}')
                answer = raw.answer()
                if answer is None:
                    return
                if answer.status == 200:
                    with lock:
                        acked.append(number * 1000000 + n)
                n += 1
        except OSError:
            pass

    threads = [threading.Thread(target=client, args=(n,), daemon=True) for n in range(1, 21)]
    for thread in threads:
        thread.start()
    until(lambda: len(acked) > 500, 'no answers')
    tap.equal(run.stop(), 0, 'Ctrl-C under load')
    for thread in threads:
        thread.join()
    got = [json.loads(v)['id'] for v in values(project)]
    tap.equal(len(set(got)), len(got), 'no record twice')
    tap.ok(set(acked) <= set(got), f'all of {len(acked)} acknowledged records are there', sorted(set(acked) - set(got))[:20])
    for number in range(1, 21):
        own = [i for i in got if i // 1000000 == number]
        if own != sorted(own):
            tap.ok(False, f'client {number}: in order', own)
    tap.ok(True, 'and in the order of each client')
    code, findings = project.doctor()
    tap.equal((code, project.sql('SELECT count(*) FROM rows')), (0, [[str(len(got))]]), 'and all are rows')


def durable(tap):
    """kill -9 in the moment of the answer."""
    project = Project(SETTINGS, SQL)
    acked = []
    for n in range(1, 41):
        run = project.start()
        raw = Raw(project.port)
        text = '\n'.join(json.dumps({'id': n * 100 + k}) for k in range(n % 7 + 1))
        raw.send(f'POST /hooks/events HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text)}\r\n\r\n{text}')
        answer = raw.answer()
        run.kill()
        if not answer or answer.status != 200:
            tap.ok(False, f'round {n}: answered', answer)
        acked += [n * 100 + k for k in range(n % 7 + 1)]
    tap.equal([json.loads(v)['id'] for v in values(project)], acked, '40 times killed at the answer: every record is there, once')
    run = project.start()
    until(lambda: project.table('rows')['lag'] == 0, 'lag')
    tap.equal(run.stop(), 0, 'Ctrl-C')
    tap.equal([int(r[0]) for r in project.sql('SELECT id FROM rows')], acked, 'and every row')


main(bodies, refusals, protocol, many, durable)
