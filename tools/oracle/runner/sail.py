# SPDX-License-Identifier: MIT
"""sail-functions and sail-scenarios: examples of functions and operators."""
import glob
import json
import os
import re

from compare import refusal, same_rows, short
from engine import attempt

ZONE_KEYS = ('spark.sql.session.timeZone', 'spark.sql.ansi.enabled', 'spark.sql.timestampType')


def files(folder):
    for path in sorted(glob.glob(os.path.join(folder, '*.jsonl'))):
        with open(path, encoding='utf-8') as f:
            yield os.path.basename(path)[:-len('.jsonl')], [json.loads(l) for l in f if l.strip()]


def units_of(folder, match, one):
    for group, cases in files(folder):
        cases = [c for c in cases if match in c['id']]
        for at in range(0, len(cases), 50):
            yield make_unit(group, cases[at:at + 50], one)


def make_unit(group, cases, one):
    def run(engine):
        return [attempt(c['id'], group, lambda c=c: one(engine, c)) for c in cases]
    return run


def function_units(folder, fixtures, match):
    return units_of(folder, match, one_function)


def scenario_units(folder, fixtures, match):
    return units_of(folder, match, one_scenario)


def describe(answer):
    if answer.get('ok'):
        return short('\\n'.join('\t'.join(r) for r in answer['rows']))
    return '%s: %s' % (answer.get('class') or answer.get('error'), short(answer.get('message')))


def schema_text(columns):
    return 'struct<%s>' % ','.join('%s:%s' % (c['name'], c['type']) for c in columns)


def type_list(columns):
    return [c['type'] for c in columns]


def have_types(schema, names):
    """Types out of the engine's struct<..> when the names are known."""
    body, types = schema[len('struct<'):-1], []
    for i, name in enumerate(names):
        body = body[len(name) + 1:]
        end = body.find(',' + names[i + 1] + ':') if i + 1 < len(names) else len(body)
        types.append(body[:end])
        body = body[end + 1:]
    return types


def one_function(engine, case):
    if case['class'] == 'jvm':
        return 'skip', 'jvm', ''
    engine.session('America/Los_Angeles')
    answer = engine.ask(op='run', sql=case['query'].strip().rstrip(';'), style='hive')
    if refusal(answer):
        return refusal(answer)
    if case['class'] == 'error':
        ok = not answer.get('ok')
        return ('pass' if ok else 'wrong'), '', '' if ok else 'want an error, have rows'
    if not answer.get('ok'):
        return 'wrong', '', 'want %s, have %s' % (short(case['rows']), describe(answer))
    names, types = answer['names'], have_types(answer['schema'], answer['names'])
    want = type_list(case['columns'])
    if types != want:
        return 'wrong', 'schema', 'want %s, have %s' % (short(want), short(types))
    if names != [c['name'] for c in case['columns']]:
        return 'wrong', 'name', 'want %s, have %s' % (short([c['name'] for c in case['columns']]),
                                                      short(names))
    if case['class'] == 'volatile':
        return 'pass', 'volatile', ''
    rows = ['\t'.join(r).strip() for r in answer['rows']]
    lines = [l.strip() for l in '\n'.join(rows).split('\n')]
    good = [r.strip() for r in case['rows']]
    if lines == good or sorted(lines) == sorted(good):
        return 'pass', '', ''
    return 'wrong', '', 'want %s, have %s' % (short(good), short(rows))


TREE = re.compile(r'^[ |]*\|-- (.*): (\w[^:]*?)( \(nullable|\(containsNull|\(value| \(value|$)')


def tree_types(schema):
    """(name, type) of the top level of a tree text."""
    fields = []
    for line in schema.split('\n'):
        if line.startswith(' |-- '):
            name, rest = line[5:].rsplit(': ', 1)
            fields.append((name, rest.split(' (')[0]))
    return fields


TREE_NAMES = {'int': 'integer', 'bigint': 'long', 'smallint': 'short', 'tinyint': 'byte'}


def tree_name(type_text):
    head = re.match(r'\w+', type_text).group(0) if re.match(r'\w+', type_text) else type_text
    if head in ('array', 'map', 'struct'):
        return head
    return TREE_NAMES.get(type_text, type_text)


def one_scenario(engine, case):
    conf = case.get('conf') or {}
    unknown = [k for k in conf if k not in ZONE_KEYS]
    engine.session(conf.get('spark.sql.session.timeZone', 'UTC'),
                   str(conf.get('spark.sql.ansi.enabled', 'true')).lower() == 'true',
                   conf.get('spark.sql.timestampType') == 'TIMESTAMP_NTZ')
    if unknown:
        return 'skip', 'setting', unknown[0]
    setup = case.get('setup') or []
    for sql in [setup] if isinstance(setup, str) else setup:
        answer = engine.ask(op='run', sql=sql.strip().rstrip(';'), style='show')
        if refusal(answer):
            return 'refused', 'setup', refusal(answer)[2]
    schema_only = 'rows' not in case and 'error_regex' not in case
    answer = engine.ask(op='plan' if schema_only and 'schema' in case else 'run',
                        sql=case['sql'].strip().rstrip(';'), style='show')
    if refusal(answer):
        return refusal(answer)
    if 'error_regex' in case:
        if answer.get('ok'):
            return 'wrong', 'no-error', 'want an error like %s, have %s' % (
                short(case['error_regex']), describe(answer))
        text = '[%s] %s SQLSTATE: %s' % (answer.get('class'), answer.get('message'),
                                         answer.get('sqlstate'))
        if re.search(case['error_regex'], text, re.S | re.I):
            return 'pass', '', ''
        return 'wrong', 'message', 'want %s, have %s' % (short(case['error_regex']), short(text))
    if not answer.get('ok'):
        return 'wrong', 'error', describe(answer)
    if 'schema' in case:
        want = tree_types(case['schema'])
        types = have_types(answer['schema'], answer['names'])
        have = [(n, tree_name(t)) for n, t in zip(answer['names'], types)]
        if want != have:
            return 'wrong', 'schema', 'want %s, have %s' % (short(want), short(have))
    if 'rows' in case:
        if answer['names'] != case['columns']:
            return 'wrong', 'name', 'want %s, have %s' % (short(case['columns']),
                                                          short(answer['names']))
        rows = [[c.strip() for c in r] for r in answer['rows']]
        want = [[c.strip() for c in r] for r in case['rows']]
        if not same_rows(want, rows, case.get('ordered', False), set()):
            return 'wrong', '', 'want %s, have %s' % (short(want), short(rows))
    return 'pass', '', ''
