#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Poison among good records: every good one is stored, every bad one is a dead letter, nothing stops.

What is poison is what Spark 4.2 in PERMISSIVE mode calls corrupt (docs/formats/json.md), what the SQL
cannot compute, and what the table cannot store. The same set comes through a file, through `produce`
and through the HTTP API; letters are listed, shown and sent through again.
"""
import base64
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from millrace import TIMEOUT, Project, command, main, request, until, wrong_books  # noqa: E402

SCHEMA = 'id BIGINT, name STRING, price DOUBLE, count INT, tags ARRAY<STRING>, place STRUCT<x: INT>'
SQL = '''
CREATE STREAMING TABLE items AS
SELECT id, name, price, CAST(name AS STRING) AS text, count, 100 DIV count AS share, size(tags) AS tags
FROM STREAM raw;
'''
TOPIC = 'topic: {name: raw, max_message_bytes: 32MB}'
TARGETS = 'targets:\n  items: {table: test.items, key: [id]}\n'
BIG = 10 * 1000 * 1000


def good(id, **more):
    return json.dumps({'id': id, 'name': f'n{id}', 'price': 1.5, 'count': 2, 'tags': ['a'], **more}).encode()


# (name, bytes, part of the error). None: it is stored.
DECODE = 'MALFORMED_RECORD_IN_PARSING'
POISON = [
    ('not JSON', b'hello, world', DECODE),
    ('truncated', b'{"id": 1, "name": "ab', DECODE),
    ('a text for a number', b'{"id": "1"}', DECODE),
    ('a number for an array', b'{"id": 2, "tags": 7}', DECODE),
    ('an array as the record', b'[{"id": 3}]', DECODE),
    ('a fraction for BIGINT', b'{"id": 4.5}', DECODE),
    ('past 2^63', b'{"id": 9223372036854775808}', DECODE),
    ('past 2^31 for INT', b'{"id": 5, "count": 2147483648}', DECODE),
    ('nested 100,000 deep', b'{"id": 6, "deep": ' + b'[' * 100000 + b']' * 100000 + b'}', DECODE),
    ('an unescaped NUL', b'{"id": 7, "name": "a\0b"}', DECODE),
    ('bytes that are no text', b'{"id": 8, \xff\xfe}', DECODE),
    ('a struct that does not fit', b'{"id": 9, "place": {"x": "far"}}', DECODE),
    ('no id: the key is NULL', b'{"name": "nobody", "count": 1}', None),
    ('a division by zero', b'{"id": 10, "name": "zero", "count": 0}', 'DIVIDE_BY_ZERO'),
]
# (name, bytes, id, {column: text}): odd, but good.
ODD = [
    ('a name twice: the last wins', b'{"id": 100, "name": "first", "count": 1, "name": "last"}', '100', {'name': 'last'}),
    ('NaN for DOUBLE', b'{"id": 101, "price": NaN, "count": 1}', '101', {'price': 'NaN'}),
    ('2^63 - 1', b'{"id": 9223372036854775807, "count": 1}', '9223372036854775807', {}),
    ('an escaped NUL', b'{"id": 102, "name": "a\\u0000b", "count": 1}', '102', {'name': 'a\0b'}),
    ('a byte that is not UTF-8', b'{"id": 103, "name": "a\xffb", "count": 1}', '103', {'name': 'a\ufffdb'}),
    ('something behind the record', b'{"id": 104, "name": "x", "count": 1} and more', '104', {'name': 'x'}),
    ('unknown fields', b'{"id": 105, "count": 1, "what": {"ever": [1, {}]}}', '105', {}),
    ('single quotes', b"{'id': 106, 'name': 'it', 'count': 1}", '106', {'name': 'it'}),
]


def big(id):
    return b'{"id": %d, "count": 1, "name": "' % id + b'x' * BIG + b'"}'


def mixed():
    """Every hostile record between two good ones; the good ones are 1000, 1001 .."""
    lines = [good(1000)]
    for number, hostile in enumerate([p[1] for p in POISON] + [o[1] for o in ODD]):
        lines += [hostile, good(1001 + number)]
    return lines


def check_rows(tap, project, where, extra=()):
    rows = {row[0]: row for row in project.sql('SELECT id, name, price, count, share, tags FROM items')}
    columns = {'name': 1, 'price': 2}
    count = len(POISON) + len(ODD) + 1
    missing = [i for i in range(1000, 1000 + count) if rows.get(str(i)) != [str(i), f'n{i}', '1.5', '2', '50', '1']]
    tap.ok(not missing, f'{where}: every good record is a row', (missing, len(rows), list(rows.items())[:3]))
    for name, _, id, want in ODD:
        row = rows.get(id)
        tap.ok(row and all(row[columns[c]] == text for c, text in want.items()), f'{where}: {name}', row)
    tap.equal(len(rows), count + len(ODD) + len(extra), f'{where}: and no other row')


def bytes_of(value):
    """Of a value in JSON: a text, or {"base64": ..} for bytes that are none."""
    return base64.b64decode(value['base64']) if isinstance(value, dict) else value.encode()


def check_letters(tap, project, where, records):
    """records: bytes of each topic record by offset, as far as known."""
    letters = {(x['offset'], x['attempt']): x for x in project.letters('raw')}
    for name, value, error in POISON:
        offset = records.index(value)
        letter = letters.pop((offset, 1), None)
        if not tap.ok(letter, f'{where}: a letter for {name}'):
            continue
        decodes = error != DECODE
        tap.ok(bytes_of(letter['value']) == value, f'{where}: its bytes', letter['value'])
        tap.ok(letter['error'] and letter['topic'] == 'raw' and letter['partition'] == 0
               and letter['table'] == ('items' if decodes else None)
               and (error is None or error == letter['class']), f'{where}: with place and reason', letter)
    tap.equal(letters, {}, f'{where}: and no other letter')


def check_books(tap, project, where, poison):
    code, answer = project.doctor()
    tap.ok(code == 0, f'{where}: doctor finds nothing', answer)
    tap.ok(str(poison) in next(f['text'] for f in answer['findings'] if f['area'] == 'books'),
           f'{where}: the books have {poison} dead letters', answer)


def from_file(tap):
    lines = mixed() + [big(2000), good(2001)]
    project = Project(f'sources:\n  raw:\n    {TOPIC}\n    schema: >\n      {SCHEMA}\n'
                      f'    from:\n      file: {{path: in.ndjson, format: ndjson}}\n{TARGETS}', SQL,
                      files={'in.ndjson': b'\n'.join(lines) + b'\n'})
    run = command('run', project.path, '--until-idle', '--quiet', '500ms', '-o', 'json')
    if not tap.equal(run.code, 0, 'file: the run ends well'):
        tap.note(run)
        return
    status = run.json()
    tap.equal(wrong_books(status), None, 'file: the books balance')
    tap.equal(status['sources'][0]['records'], len(lines), 'file: every line is a record')
    check_rows(tap, project, 'file', extra=(2000, 2001))
    tap.equal(project.sql('SELECT length(name) FROM items WHERE id = 2000'), [[str(BIG)]], 'file: a record of 10 MB')
    check_letters(tap, project, 'file', lines)
    check_books(tap, project, 'file', len(POISON))
    again = command('run', project.path, '--until-idle', '--quiet', '300ms', '-o', 'json')
    tap.equal((again.code, again.json()['sources'][0]['records']), (0, len(lines)), 'file: a second run reads nothing again')


def from_produce(tap):
    """Through the command and into a running server, bytes that are no text among them."""
    lines = mixed()
    project = Project(f'sources:\n  raw:\n    {TOPIC}\n    schema: >\n      {SCHEMA}\n{TARGETS}', SQL)
    run = project.start()
    done = project.command('produce', 'raw', input=b'\n'.join(lines) + b'\n')
    tap.equal((done.code, done.out), (0, f'{len(lines)} records durable\n'), 'produce: all are durable')
    until(lambda: project.table('items')['read'] == len(lines), lambda: project.table('items'))
    tap.equal(wrong_books(project.status()), None, 'produce: the books balance')
    check_rows(tap, project, 'produce')
    check_letters(tap, project, 'produce', lines)
    tap.ok(project.must('consume', 'raw', '-b', '-e').raw == b'\n'.join(lines) + b'\n', 'consume prints the bytes that were produced')
    body = json.dumps({'records': [{'value': good(3000).decode()}, {'value': 'poison over HTTP'}, {'value': None},
                                   {'value': good(3001).decode()}]})
    answer = request('POST', project.url('/api/topics/raw/records'), body)
    tap.equal(answer.status, 200, 'HTTP API: taken')
    until(lambda: project.table('items')['lag'] == 0, 'lag')
    letters = project.letters('raw')[-2:]
    tap.equal([(x['value'], x['offset'], x['table'] is None) for x in letters],
              [('poison over HTTP', len(lines) + 1, True), (None, len(lines) + 2, True)],
              'HTTP API: a letter for what is not JSON, and for null')
    tap.equal(project.sql('SELECT id FROM items WHERE id >= 3000 AND id < 4000'), [['3000'], ['3001']], 'HTTP API: rows')
    tap.equal(run.stop(), 0, 'Ctrl-C')


def replayed(tap):
    """list, show, replay: on a stopped project, after mending the SQL, and on a running server."""
    settings = f'sources:\n  raw:\n    {TOPIC}\n    schema: >\n      {SCHEMA}\n{TARGETS}'
    project = Project(settings, SQL)
    run = project.start()
    lines = [good(1), b'{"id": 2, "name": "zero", "count": 0}', b'not JSON', good(3)]
    project.command('produce', 'raw', input=b'\n'.join(lines))
    until(lambda: project.table('items')['read'] == 4, 'read')
    live = project.must('dlq', 'list', '-o', 'json').json()
    tap.equal([(x['source'], x['letters'], x['replayed']) for x in live], [('raw', 2, 0)], 'dlq list of a running server')
    tap.equal(run.stop(), 0, 'stopped')

    text = project.must('dlq', 'list').out
    tap.ok('raw' in text and text.split()[-3:] == ['raw', '2', '0'], 'dlq list as a table', text)
    text = project.must('dlq', 'list', 'raw').out
    tap.ok('DIVIDE_BY_ZERO' in text or 'Division by zero' in text or 'division by zero' in text.lower(),
           'dlq list raw says why', text)
    number = next(x['number'] for x in project.letters('raw') if x['table'] == 'items')
    text = project.must('dlq', 'show', 'raw', str(number)).out
    tap.ok('"zero"' in text and 'attempt    1' in text and 'offset     1' in text and 'items' in text, 'dlq show', text)
    one = project.must('dlq', 'show', 'raw', str(number), '-o', 'json').json()
    tap.equal((one['value'], one['offset'], one['attempt']), (lines[1].decode(), 1, 1), 'dlq show -o json')
    tap.equal(project.command('dlq', 'show', 'raw', '99').code, 1, 'dlq show of a letter that is not there')
    tap.equal(project.command('dlq', 'list', 'nothing').code, 1, 'dlq list of a stream that has none')

    # The SQL is mended; the poison stays poison.
    project.write('transformations/all.sql', SQL.replace('100 DIV count', 'CASE WHEN count = 0 THEN 0 ELSE 100 DIV count END'))
    tap.equal(project.must('dlq', 'replay', 'raw', '-o', 'json').json()['replayed'], 2, 'replay of a stopped project')
    run = command('run', project.path, '--until-idle', '--quiet', '300ms', '-o', 'json')
    tap.equal((run.code, wrong_books(run.json())), (0, None), 'the run takes them, the books balance')
    tap.equal(project.sql('SELECT id, name FROM items ORDER BY id'), [['1', 'n1'], ['2', 'zero'], ['3', 'n3']],
              'the mended one is a row now')
    letters = project.letters('raw')
    place = max(r['offset'] for r in project.records('raw') if r['value'] == 'not JSON')
    tap.equal([(x['value'], x['attempt'], x['offset']) for x in letters[2:]], [('not JSON', 2, place)],
              'the other one is a letter again: attempt 2')
    tap.equal(project.must('dlq', 'list', '-o', 'json').json()[0]['replayed'], 2, 'dlq list counts what was replayed')

    run = project.start()
    tap.equal(project.must('dlq', 'replay', 'raw', '-o', 'json').json()['replayed'], 1, 'replay on a running server: the new one only')
    until(lambda: len(project.letters('raw')) == 4, lambda: project.letters('raw'))
    tap.equal(project.letters('raw')[3]['attempt'], 3, 'attempt 3')
    tap.equal(project.must('dlq', 'replay', 'raw', '--from', '0', '--to', '0', '-o', 'json').json()['replayed'], 1,
              'replay of one letter by its number')
    until(lambda: project.table('items')['read'] == 8, lambda: project.table('items'))
    tap.equal(wrong_books(project.status()), None, 'the books balance')
    tap.equal(run.stop(), 0, 'Ctrl-C')
    code, answer = project.doctor()
    tap.equal(code, 0, 'doctor finds nothing')


def large(tap):
    """A poison record as large as a topic may take, and more letters than a batch holds."""
    project = Project(f'sources:\n  raw:\n    topic: {{name: raw, max_message_bytes: 100MB}}\n    schema: >\n      {SCHEMA}\n'
                      f'    from:\n      webhook: {{path: /hooks/raw, max_body: 100MB}}\n{TARGETS}', SQL)
    run = project.start()
    post = lambda body: request('POST', project.url('/hooks/raw'), body).status
    tap.equal((post(b'{"id": "' + b'x' * 70000000 + b'"}'), post(good(1))), (200, 200), 'a poison record of 70 MB is taken')
    until(lambda: project.table('items')['read'] == 2, run.err, TIMEOUT / 4)
    tap.equal(project.table('items')['dead_lettered'], 1, 'it is a dead letter, and the stream goes on')
    for _ in range(3):
        post(b'\n'.join([b'{"id": "' + b'y' * 9000000 + b'"}'] * 3))
    until(lambda: project.table('items')['dead_lettered'] == 10, project.status)
    tap.equal(project.must('dlq', 'replay', 'raw', '--from', '3', '--to', '3', '-o', 'json').json()['replayed'], 1, 'one by its number')
    tap.equal(project.must('dlq', 'list', '-o', 'json').json()[0]['replayed'], 0, 'passes over none of those before it')
    tap.equal(project.must('dlq', 'replay', 'raw', '--to', '9', '-o', 'json').json()['replayed'], 10, 'all of them, 151 MB')
    until(lambda: project.table('items')['dead_lettered'] == 21, project.status)
    tap.equal(project.must('dlq', 'list', '-o', 'json').json()[0]['replayed'], 10, 'are counted as replayed')
    tap.equal((wrong_books(project.status()), run.stop()), (None, 0), 'the books balance, Ctrl-C')


def failing(tap):
    """on_error: fail stops at the first bad record and names it; what came before is stored."""
    project = Project(f'sources:\n  raw:\n    {TOPIC}\n    on_error: fail\n    schema: >\n      {SCHEMA}\n{TARGETS}', SQL)
    run = project.start('-o', 'json')
    project.command('produce', 'raw', input=good(1))
    until(lambda: project.table('items')['stored'] == 1, 'stored')
    project.command('produce', 'raw', input=b'{"id": 2, "count": "x"}')
    tap.equal(run.wait(), 1, 'on_error: fail: the run ends with 1')
    tap.ok('raw-0@1' in run.err(), 'and names the record', run.err())
    tap.equal(project.sql('SELECT id FROM items'), [['1']], 'what came before is stored')


def kept(tap):
    """A schema with _corrupt_record keeps everything as rows."""
    project = Project(f'sources:\n  raw:\n    {TOPIC}\n    schema: id BIGINT, _corrupt_record STRING\n',
                      'CREATE STREAMING TABLE items AS SELECT id, _corrupt_record AS bad FROM STREAM raw;')
    run = project.start()
    project.command('produce', 'raw', input=b'{"id": 1}\nnot JSON\n{"id": "2"}\n{"id": 3}')
    until(lambda: project.table('items')['read'] == 4, 'read')
    run.stop()
    tap.equal(project.sql('SELECT * FROM items'),
              [['1', None], [None, 'not JSON'], [None, '{"id": "2"}'], ['3', None]], '_corrupt_record keeps what does not fit')
    tap.equal(project.letters('raw'), [], 'and there are no dead letters')


main(from_file, from_produce, replayed, large, failing, kept)
