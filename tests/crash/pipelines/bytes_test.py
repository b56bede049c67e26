# SPDX-License-Identifier: MIT
"""Values keep their bytes: through `produce` and the HTTP API into a topic, out through `consume`, and into rows."""
import base64
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'lib'))
from millrace import Project, command, main, request, until  # noqa: E402

SETTINGS = '''
sources:
  raw:
    topic: {name: raw}
    value: text
  docs:
    topic: {name: docs}
    schema: a STRING
'''
SQL = '''
CREATE STREAMING TABLE lines AS SELECT value, length(value) AS characters FROM STREAM raw;
CREATE STREAMING TABLE texts AS SELECT a FROM STREAM docs;
'''


def odd_values():
    """One value a line: no LF, anything else."""
    choose = random.Random(1)
    values = [b'plain', b'', b'ends with CR\r', b'a\rb', b'nul\0inside', b'\0', b'\xff', b'\xc3', b'\xed\xa0\x80',
              b'\xf0\x9f\xa6\x80', b'\xf8\x88\x80\x80\x80', b'tab\tquote"back\\slash', b'{"base64":"eA=="}',
              b'\xef\xbb\xbfmark', '\u2028 \u0085 é'.encode(), b'\x7f\x1b[0m']
    for length in range(1, 60):
        values.append(bytes(choose.randrange(256) for _ in range(length)).replace(b'\n', b''))
    values.append(bytes(range(256)).replace(b'\n', b'') * 500)
    return values


def raw(value):
    """A value as consume shows it, as bytes."""
    return base64.b64decode(value['base64'], validate=True) if isinstance(value, dict) else value.encode()


def consumed(project, topic):
    return [(r['key'], raw(r['value'])) for r in project.records(topic)]


def made(settings=SETTINGS, sql=SQL):
    project = Project(settings, sql)
    command('run', project.path, '--until-idle', '--quiet', '1ms')
    return project


def produced(tap):
    project, values = made(), odd_values()
    for online in (False, True):
        run = project.start() if online else None
        words = ['-s', project.url('')] if online else []
        before = consumed(project, 'raw') if not online else []
        result = project.must('produce', 'raw', *words, input=b'\n'.join(values) + b'\n')
        tap.has(result.out, f'{len(values)} records durable', 'produce says how many')
        if run:
            until(lambda: project.table('lines')['lag'] == 0, 'the lines are not processed')
            run.stop()
        got = [value for _, value in consumed(project, 'raw')][len(before) + len(values) * online:]
        tap.equal(got, values, f'produce keeps every byte, {"through HTTP" if online else "on the files"}')
    whole = project.must('consume', 'raw', '-b', '-e').raw
    tap.ok(whole == b'\n'.join(values + values) + b'\n', 'consume prints the bytes as they are')


def keyed(tap):
    project = made()
    project.must('produce', 'raw', '-K', ':', input=b'k\xff1:v\xfe:2\nplain:x\n:empty\nno key\n')
    records = [(r['key'], r['value']) for r in project.records('raw')]
    tap.equal([(None if k is None else raw(k), raw(v)) for k, v in records],
              [(b'k\xff1', b'v\xfe:2'), (b'plain', b'x'), (b'', b'empty'), (None, b'no key')],
              'keys keep their bytes too')


def posted(tap):
    project = made()
    run = project.start()
    url = project.url('/api/topics/raw/records')

    def post(body):
        return request('POST', url, body, {'Content-Type': 'application/json'})
    answer = post('{"records":[{"value":{"base64":"/wD+"},"key":{"base64":"gA=="}},{"value":"é"},{"value":{"base64":""}},'
                  '{"value":{"base64":"eA==","more":1}},{"value":{"a":[1, 2]}},{"value":12},{"value":null}]}')
    tap.equal(answer.status, 200, 'the API takes {"base64"}')
    for wrong in ('"*"', '"eA"', '"eB=="', '"e A="'):
        answer = post('{"records":[{"value":"good"},{"value":{"base64":%s}}]}' % wrong)
        tap.ok(answer.status == 400 and b'Base64' in answer.body, f'it refuses {wrong}', answer)
    run.stop()
    records = project.records('raw')
    tap.equal([None if r['value'] is None else raw(r['value']) for r in records],
              [b'\xff\0\xfe', 'é'.encode(), b'', b'{"base64":"eA==","more":1}', b'{"a":[1, 2]}', b'12', None],
              'what is in the topic is what was sent, and nothing of what was refused')
    tap.equal(raw(records[0]['key']), b'\x80', 'a key in Base64')


def dead(tap):
    """A value that is not UTF-8 and does not decode: the letter has its bytes."""
    project = made()
    values = [b'{"a":"fine"}', b'{"a":"\xff', b'\xfe\xfd', b'{"a":"also"}\r']
    project.must('produce', 'docs', input=b'\n'.join(values))
    result = command('run', project.path, '--until-idle', '--quiet', '100ms')
    tap.equal(result.code, 0, 'the run ends with 0')
    tap.equal(project.sql('SELECT * FROM texts'), [['fine'], ['also']], 'the others are rows')
    tap.equal([raw(x['value']) for x in project.letters('docs')], values[1:3], 'letters keep every byte')


main(produced, keyed, posted, dead)
