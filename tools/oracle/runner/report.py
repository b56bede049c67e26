# SPDX-License-Identifier: MIT
"""Results of cases: the report and the summary."""
import collections
import os

Result = collections.namedtuple('Result', 'id outcome group rule detail')
OUTCOMES = ('pass', 'wrong', 'refused', 'crash', 'timeout', 'skip')


def field(text):
    return str(text).replace('\t', '\\t').replace('\n', '\\n').replace('\r', '\\r')


def write(path, results):
    part = path + '.part'
    with open(part, 'w', encoding='utf-8', errors='replace', newline='\n') as out:
        out.write('id\toutcome\tgroup\trule\tdetail\n')
        for r in results:
            out.write('\t'.join(field(f) for f in (r.id, r.outcome, r.group, r.rule, r.detail[:300])))
            out.write('\n')
    os.replace(part, path)


def line(name, results):
    counts = collections.Counter(r.outcome for r in results)
    cells = ' '.join('%s %5d' % (o, counts[o]) for o in OUTCOMES)
    return '%-44s cases %5d  %s' % (name[:44], len(results), cells)


def wrong_data(path):
    """ids whose recorded answer is wrong, with the reason."""
    if not os.path.exists(path):
        return {}
    with open(path, encoding='utf-8') as f:
        rows = [l.rstrip('\n').split('\t', 1) for l in f if l.strip() and not l.startswith('#')]
    return {row[0]: row[1] if len(row) > 1 else '' for row in rows}


def without_wrong_data(results, known):
    """Cases whose recorded answer is wrong are skipped by that rule, unless they pass."""
    return [r if r.id not in known or r.outcome == 'pass' else
            r._replace(outcome='skip', rule='wrong-data', detail=known[r.id]) for r in results]


def summary(part, results):
    groups = collections.OrderedDict()
    for r in results:
        groups.setdefault(r.group, []).append(r)
    for name, some in groups.items():
        print(line(name, some))
    for r in results:
        if r.rule == 'wrong-data':
            print('wrong data: %s: %s' % (r.id, r.detail))
    print(line('all of ' + part, results))
