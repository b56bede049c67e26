# SPDX-License-Identifier: MIT
"""spark-parse: is a text accepted or rejected, with which class and where."""
import glob
import json
import os

from compare import short
from engine import attempt


def judge(case, answer):
    if case['accepted']:
        if answer.get('ok'):
            return 'pass', '', ''
        if answer.get('unsupported'):
            return 'refused', '', short(answer.get('message', ''))
        return 'wrong', '', 'accepted there; here %s %s' % (answer.get('class'),
                                                            short(answer.get('message')))
    if answer.get('ok'):
        return 'wrong', '', 'rejected there with %s; accepted here' % case.get('error_class')
    if answer.get('unsupported'):
        return 'refused', '', short(answer.get('message', ''))
    for key, field in (('error_class', 'class'), ('sqlstate', 'sqlstate')):
        if case.get(key) and answer.get(field) != case[key]:
            return 'wrong', '', 'want %s, have %s' % (case[key], answer.get(field))
    return 'pass', '', ''


def units(folder, fixtures, match):
    for path in sorted(glob.glob(os.path.join(folder, '*.jsonl'))):
        group = os.path.basename(path)[:-len('.jsonl')]
        with open(path, encoding='utf-8') as f:
            cases = [json.loads(l) for l in f if l.strip()]
        for at in range(0, len(cases), 100):
            yield unit(group, [c for c in cases[at:at + 100] if match in c['id']])


def unit(group, cases):
    def run(engine):
        results = []
        for case in cases:
            def one(case=case):
                engine.session('UTC')
                return judge(case, engine.ask(op='parse', kind=case['kind'], sql=case['sql']))
            results.append(attempt(case['id'], group, one))
        return results
    return run
