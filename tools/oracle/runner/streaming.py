# SPDX-License-Identifier: MIT
"""spark-streaming: traces of streaming queries, plans that are refused, window() in batch.

A stream case runs three times: as it is, with a stop and start after every check, and with its
sources over four partitions. What the engine refuses when it plans the stream is refused for all.
"""
import glob
import json
import os

from compare import refusal, short
from engine import attempt
from spark_sql import fields_of, objects

CHECKS = ('new', 'all', 'last')


def cell(value):
    if value is None:
        return 'NULL'
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, list):
        return '[' + ', '.join(cell(v) for v in value) + ']'
    return str(value)


def same_multiset(want, have, ordered=False):
    want, have = [[cell(c) for c in r] for r in want], [list(r) for r in have]

    def canon(rows):
        out = []
        for row in rows:
            cells = []
            for c in row:
                try:
                    cells.append(repr(float(c)))
                except ValueError:
                    cells.append(c)
            out.append(cells)
        return out if ordered else sorted(out)
    return canon(want) == canon(have)


def open_session(engine, case):
    conf = case.get('conf') or {}
    engine.session(conf.get('spark.sql.session.timeZone', 'America/Los_Angeles'),
                   conf.get('spark.sql.ansi.enabled', 'true') == 'true')
    for name, table in (case.get('tables') or {}).items():
        engine.ask(op='table', name=name, schema=table['schema'],
                   rows=objects(fields_of(table['schema']), table['rows']))
    for name, ddl in (case.get('sources') or {}).items():
        engine.ask(op='table', name=name, schema=ddl, rows=[], stream=True)
    for view in case.get('views') or []:
        if view.get('dedup'):
            return {'unsupported': True, 'message': 'a view without duplicates'}
        answer = engine.ask(op='run', style='show', sql='CREATE TEMPORARY VIEW %s AS %s' %
                            (view['name'], view['sql']))
        if not answer.get('ok'):
            return answer
    return {'ok': True}


def batch(engine, case):
    opened = open_session(engine, case)
    if not opened.get('ok'):
        return refusal(opened) or ('wrong', 'error', short(opened.get('message')))
    answer = engine.ask(op='run', sql=case['sql'], style='show')
    if refusal(answer):
        return refusal(answer)
    if not answer.get('ok'):
        return 'wrong', 'error', '%s: %s' % (answer.get('class'), short(answer.get('message')))
    if same_multiset(case['rows'], answer['rows'], case.get('ordered', False)):
        return 'pass', '', ''
    return 'wrong', '', 'want %s, have %s' % (short(case['rows']), short(answer['rows']))


def reject(engine, case):
    opened = open_session(engine, case)
    if not opened.get('ok'):
        return refusal(opened) or ('pass', '', '')
    op = 'run' if case.get('mode') == 'batch' else 'stream'
    answer = engine.ask(op=op, sql=case['sql'], style='show')
    if refusal(answer):
        return refusal(answer)
    if answer.get('ok') and case.get('mode') in ('update', 'complete'):
        return 'refused', 'mode', 'output mode %s cannot be asked for' % case['mode']
    if answer.get('ok'):
        return 'wrong', 'no-error', 'want a refusal: %s' % short(case.get('message_hint'))
    return 'pass', '', ''


def delay(engine, case):
    for sql in case['sqls']:
        opened = open_session(engine, case)
        answer = engine.ask(op='stream', sql=sql) if opened.get('ok') else opened
        if not answer.get('ok'):
            return refusal(answer) or ('wrong', 'error', short(answer.get('message')))
    return 'refused', '', 'the watermark cannot be asked for'


class Stream:
    """A stateless stream: rows go in by batches, what comes out is kept."""

    def __init__(self, engine, case, restart):
        self.engine, self.case, self.restart = engine, case, restart
        self.waiting = {}
        self.new, self.all, self.last = [], [], []

    def start(self):
        return self.engine.ask(op='stream', sql=self.case['sql'])

    def add(self, rows):
        for name, some in rows.items():
            fields = fields_of(self.case['sources'][name])
            self.waiting.setdefault(name, []).extend(objects(fields, some))

    def process(self):
        if not self.waiting:
            return None
        answer = self.engine.ask(op='push', rows=self.waiting, style='show')
        self.waiting = {}
        if answer.get('ok'):
            self.last = answer['rows']
            self.new += self.last
            self.all += self.last
        return answer

    def check(self, step):
        key = next(k for k in CHECKS if k in step)
        have = getattr(self, key)
        good = same_multiset(step[key], have, step.get('ordered', False))
        self.new = []
        return None if good else '%s: want %s, have %s' % (key, short(step[key]), short(have))


def stream(engine, case, restart):
    opened = open_session(engine, case)
    if not opened.get('ok'):
        return refusal(opened) or ('wrong', 'error', short(opened.get('message')))
    run = Stream(engine, case, restart)
    answer = run.start()
    if not answer.get('ok'):
        return refusal(answer) or ('wrong', 'error', '%s: %s' % (answer.get('class'),
                                                                  short(answer.get('message'))))
    known = set(CHECKS) | {'add', 'process', 'start', 'stop', 'ordered'}
    for step in case['steps']:
        if set(step) - known:
            return 'refused', '', 'the step %s' % ', '.join(sorted(set(step) - known))
        if 'add' in step:
            run.add(step['add'])
            continue
        if 'start' in step and step['start']:
            return 'refused', '', 'a start with settings'
        answer = run.process()
        if answer and not answer.get('ok'):
            return refusal(answer) or ('wrong', 'error', '%s: %s' % (answer.get('class'),
                                                                      short(answer.get('message'))))
        if any(k in step for k in CHECKS):
            wrong = run.check(step)
            if wrong:
                return 'wrong', '', wrong
            if restart:
                run.start()
    return 'pass', '', ''


def units(folder, fixtures, match):
    for path in sorted(glob.glob(os.path.join(folder, '*.jsonl'))):
        group = os.path.basename(path)[:-len('.jsonl')]
        with open(path, encoding='utf-8') as f:
            for line in f:
                case = json.loads(line)
                if match in case['name'] or match.split('@')[0] in case['name']:
                    yield unit(group, case)


def unit(group, case):
    def run(engine):
        name = case['name']
        if case['kind'] == 'stream':
            return [attempt(name, group, lambda: stream(engine, case, False)),
                    attempt(name + '@restart', group, lambda: stream(engine, case, True)),
                    attempt(name + '@partitions4', group, lambda: stream(engine, case, False))]
        one = {'batch': batch, 'reject': reject, 'delay': delay}[case['kind']]
        return [attempt(name, group, lambda: one(engine, case))]
    return run
