# SPDX-License-Identifier: MIT
"""Real payloads for the tests: files of ../shared/data, plain or compressed, and rows as Python values."""
import datetime
import http.client
import json
import os
import shutil
import subprocess
import time

from millrace import TIMEOUT, Project, request

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..')


def data(name):
    """The bytes of a file of ../shared/data, or None: not here, or no zstd to read it."""
    shared = os.environ.get('MILLRACE_SHARED') or os.path.join(ROOT, '..', 'shared')
    path = os.path.join(shared, 'data', name)
    if os.path.exists(path):
        with open(path, 'rb') as file:
            return file.read()
    if os.path.exists(f'{path}.zst') and shutil.which('zstd'):
        return subprocess.run(['zstd', '-dc', '--long=27', f'{path}.zst'], capture_output=True, check=True).stdout
    return None


def rows(project, table, *words):
    """Every row as an object; NULL columns are None."""
    answer = project.must('sql', *words, '-n', '1000000', '-o', 'json', '-e', f'SELECT * FROM {table} LIMIT 0').json()
    names = [column['name'] for column in answer['columns']]
    query = 'SELECT to_json(named_struct({})) FROM {}'.format(', '.join(f"'{n}', `{n}`" for n in names), table)
    answer = project.must('sql', *words, '-n', '1000000', '-o', 'json', '-e', query).json()
    return [{**dict.fromkeys(names), **json.loads(row[0])} for row in answer['rows']]


def instant(ms):
    """Milliseconds since 1970 as to_json writes a TIMESTAMP."""
    if ms is None:
        return None
    at = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)
    return at.strftime('%Y-%m-%dT%H:%M:%S.') + f'{at.microsecond // 1000:03}Z'


def text_of(value):
    """JSON that a STRING column takes in: compact, without needless escapes."""
    return None if value is None else json.dumps(value, separators=(',', ':'), ensure_ascii=False)


def by(found, *names):
    """Rows by their key; a key that is there twice is an error."""
    result = {tuple(row[name] for name in names): row for row in found}
    if len(result) != len(found):
        raise ValueError(f'{len(found)} rows have {len(result)} keys {names}')
    return result


def differ(got, want):
    """None, or what is only here, only there, or different; both map keys to rows."""
    if got == want:
        return None
    more, less = set(got) - set(want), set(want) - set(got)
    other = [key for key in set(got) & set(want) if got[key] != want[key]]
    lines = [f'{len(got)} rows, {len(want)} expected; {len(more)} too many, {len(less)} missing, {len(other)} different']
    lines += [f'too many {got[key]}' for key in list(more)[:2]] + [f'missing {want[key]}' for key in list(less)[:2]]
    for key in other[:3]:
        lines += [f'{key} {name}: {got[key].get(name)!r}, expected {want[key].get(name)!r}'
                  for name in want[key] if got[key].get(name) != want[key][name]]
    return '\n'.join(lines)


def example(name, changes=None):
    """A project of examples/ with other settings, a free port and a folder of its own."""
    project = Project('', '')
    shutil.rmtree(project.path)
    shutil.copytree(os.path.join(ROOT, 'examples', name), project.path, ignore=shutil.ignore_patterns('data'))
    with open(f'{project.path}/millrace.yml', encoding='utf-8') as file:
        text = file.read()
    for old, new in {'http: 127.0.0.1:8080': f'http: 127.0.0.1:{project.port}', **(changes or {})}.items():
        if old not in text:
            raise ValueError(f'examples/{name} has no {old}')
        text = text.replace(old, new)
    project.write('millrace.yml', text)
    return project


def post(project, path, body):
    """Posts until it is acknowledged, also over a kill and a restart: what was not answered comes again."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        try:
            answer = request('POST', project.url(path), body, {'Content-Type': 'application/json'})
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)
            continue
        if answer.status == 200:
            return answer.json()['records']
        if answer.status not in (429, 503):
            raise RuntimeError(f'{answer}')
        time.sleep(0.05)
    raise TimeoutError('not acknowledged')
