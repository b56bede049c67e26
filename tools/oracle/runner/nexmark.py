# SPDX-License-Identifier: MIT
"""nexmark: queries over fixed persons, auctions and bids, whole and as streams."""
import glob
import json
import os
import re

from compare import refusal, same_rows, short
from engine import attempt


def schemas(fixtures):
    with open(os.path.join(fixtures, 'schema.sql'), encoding='utf-8') as f:
        text = f.read()
    return dict(re.findall(r'CREATE TABLE (\w+)\s*\((.*)\);', text))


def inputs(fixtures, name):
    with open(os.path.join(fixtures, name + '.ndjson'), encoding='utf-8') as f:
        return [json.loads(l) for l in f if l.strip()]


def find(folders, *names):
    for folder in folders:
        path = os.path.join(folder, *names)
        if os.path.exists(path):
            return path
    return None


def query_text(path):
    with open(path, encoding='utf-8') as f:
        lines = [l for l in f.read().split('\n') if not l.startswith('--')]
    return '\n'.join(lines).strip().rstrip(';')


def unescape(cell):
    return re.sub(r'\\(.)', lambda m: {'t': '\t', 'n': '\n'}.get(m.group(1), m.group(1)), cell)


def expected(path):
    with open(path, encoding='utf-8') as f:
        lines = f.read().split('\n')
    header = [h.rsplit(':', 1) for h in lines[0].split('\t')]
    rows = [[unescape(c) for c in l.split('\t')] for l in lines[1:] if l]
    return header, rows


def compare(path, answer):
    header, want = expected(path)
    if not answer.get('ok'):
        return 'wrong', 'error', '%s: %s' % (answer.get('class'), short(answer.get('message')))
    doubles = {i for i, (_, t) in enumerate(header) if t in ('double', 'float')}
    if same_rows(want, answer['rows'], False, doubles, 1e-12):
        return 'pass', '', ''
    have = sorted(answer['rows'])
    return 'wrong', '', 'want %d rows, have %d; first %s and %s' % (
        len(want), len(have), short(sorted(want)[:1]), short(have[:1]))


def batch(engine, fixtures, folders, query, path):
    text = find(folders, 'queries', query + '.sql')
    if not text:
        return 'skip', 'no-text', ''
    engine.session('UTC')
    for name, ddl in schemas(fixtures).items():
        engine.ask(op='table', name=name, schema=ddl, rows=inputs(fixtures, name))
    answer = engine.ask(op='run', sql=query_text(text), style='hive')
    return refusal(answer) or compare(path, answer)


def stream(engine, fixtures, folders, query, path):
    text = find(folders, 'queries', query + '.stream.sql')
    engine.session('UTC')
    tables = schemas(fixtures)
    for name, ddl in tables.items():
        engine.ask(op='table', name=name, schema=ddl, rows=[], stream=True)
    answer = engine.ask(op='stream', sql=query_text(text))
    if refusal(answer) or not answer.get('ok'):
        return refusal(answer) or ('wrong', 'error', '%s: %s' % (answer.get('class'),
                                                                  short(answer.get('message'))))
    rows = {name: inputs(fixtures, name) for name in tables}
    got = {'ok': True, 'rows': []}
    for at in range(0, max(map(len, rows.values())), 10):
        answer = engine.ask(op='push', rows={n: r[at:at + 10] for n, r in rows.items()},
                            style='hive')
        if not answer.get('ok'):
            return refusal(answer) or compare(path, answer)
        got['rows'] += answer['rows']
    return compare(path, got)


def units(folder, fixtures, match):
    folders = [folder, fixtures]
    for path in sorted(glob.glob(os.path.join(folder, 'expected', '*.tsv'))):
        query = os.path.basename(path)[:-len('.tsv')]
        yield lambda e, q=query, p=path: [attempt(
            q + '.batch', 'batch', lambda: batch(e, fixtures, folders, q, p))]
        if find(folders, 'queries', query + '.stream.sql'):
            yield lambda e, q=query, p=path: [attempt(
                q + '.stream', 'stream', lambda: stream(e, fixtures, folders, q, p))]
