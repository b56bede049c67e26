# SPDX-License-Identifier: MIT
"""spark-sql: Spark's golden files. One file is one session."""
import json
import os
import re

from compare import double_columns, refusal, same_rows, short
from engine import Crash, Timeout
from report import Result

BLOCK = re.compile(r'^-- !query.*$\n?', re.M)
MISSING = ('TABLE_OR_VIEW_NOT_FOUND', 'UNRESOLVED_ROUTINE', 'VARIABLE_NOT_FOUND')
CREATES = re.compile(r'^\s*(create|insert|drop|alter|declare|cache|use|merge|replace|load)\b', re.I)


def blocks(path):
    with open(path, 'rb') as f:
        text = f.read().decode('utf-8', 'replace')
    parts = BLOCK.split(text)[1:]
    for i in range(0, len(parts) - 2, 3):
        yield parts[i].strip(), parts[i + 1].strip(), parts[i + 2].rstrip()


MADE = re.compile(r'''^\s*(?:create\s+(?:or\s+replace\s+)?(?:(?:global\s+)?temp(?:orary)?\s+)?(?:table|view|function)
                       |declare(?:\s+or\s+replace)?(?:\s+variable)?
                       |insert\s+(?:into|overwrite)(?:\s+table)?|set\s+var(?:iable)?)\s+
                       (?:if\s+not\s+exists\s+)?((?:[\w.`]+\s*,\s*)*[\w.`]+)''', re.I | re.X)


def made_by(sql):
    """Names of the relations, functions and variables that a statement makes or fills."""
    m = MADE.match(sql)
    return {n.strip().strip('`').split('.')[-1].strip('`').lower()
            for n in m.group(1).split(',')} if m else set()


def fixture_rows(folder, table, files):
    if 'rows' in table:
        return table['rows']
    with open(os.path.join(folder, 'tables', table['file']), encoding='utf-8') as f:
        return [l.rstrip('\n').split('\t') for l in f]


def fields_of(ddl):
    parts, depth, start = [], 0, 0
    for i, c in enumerate(ddl):
        depth += c in '<('
        depth -= c in '>)'
        if c == ',' and depth == 0:
            parts.append(ddl[start:i])
            start = i + 1
    parts.append(ddl[start:])
    return [(p.split()[0].strip('`'), ' '.join(p.split()[1:])) for p in parts]


def value_of(text, type_text):
    """A cell of a table file, or of JSON rows, as the engine's JSON reader takes it."""
    kind = type_text.split('<')[0].split('(')[0].upper()
    if kind == 'MAP' and isinstance(text, list):
        return {str(k): v for k, v in text}
    if isinstance(text, str) and kind in ('INT', 'BIGINT', 'SMALLINT', 'TINYINT'):
        return int(text)
    if isinstance(text, str) and kind in ('FLOAT', 'DOUBLE'):
        return float(text)
    return text


def objects(fields, rows):
    return [{name: value_of(v, t) for (name, t), v in zip(fields, row) if v is not None}
            for row in rows]


_tables = {}


def tables(folder):
    if folder not in _tables:
        found = []
        path = os.path.join(folder, 'tables', 'tables.jsonl')
        if os.path.exists(path):
            with open(path, encoding='utf-8') as f:
                for line in f:
                    t = json.loads(line)
                    found.append((t['table'], t['schema'],
                                  objects(fields_of(t['schema']), fixture_rows(folder, t, None))))
        _tables[folder] = found
    return _tables[folder]


def result_files(folder):
    results = os.path.join(folder, 'results')
    for base, dirs, names in os.walk(results):
        dirs.sort()
        for name in sorted(names):
            path = os.path.join(base, name)
            if name.endswith('.out'):
                newer = path + '.java21'
                yield os.path.relpath(path, results)[:-len('.out')], \
                    newer if os.path.exists(newer) else path


def settings(folder, name):
    """--SET lines of the input file."""
    path = os.path.join(folder, 'inputs', name)
    found = {}
    if os.path.exists(path):
        with open(path, 'rb') as f:
            for line in f.read().decode('utf-8', 'replace').split('\n'):
                m = re.match(r'--SET\s+(.*)', line.strip())
                if m:
                    for pair in m.group(1).split(','):
                        if '=' in pair:
                            key, value = pair.split('=', 1)
                            found[key.strip()] = value.strip()
    return found


# Settings that the engine has, and those that never change an answer.
KNOWN = ('spark.sql.session.timeZone', 'spark.sql.ansi.enabled', 'spark.sql.timestampType')
HARMLESS = re.compile(r'^spark\.sql\.(optimizer|codegen|adaptive|autoBroadcast|cbo|join|shuffle|execution|'
                      r'cartesian|crossJoin|constraintPropagation|subquery|inMemory|files|sources|parquet|'
                      r'orc|warehouse|catalog|maxMetadata|exchange|limit|statistics|planChange|'
                      r'analyzer\.(single|failAmb)|requireAllCluster|window\.exec|runtime|event|ui|'
                      r'unionOutput|preserveCharVarchar|charAsVarchar)', re.I)
SET = re.compile(r'^set\s+(spark\.[\w.]+)\s*=\s*(.*)$', re.I | re.S)


def foreign(key):
    """True for a setting that may change answers and that the engine does not have."""
    return key.startswith('spark.') and key not in KNOWN and not HARMLESS.match(key)


def follow_set(sql, settings_now):
    """Keeps what SET statements changed; default values undo it."""
    m = SET.match(sql.strip())
    if m and foreign(m.group(1)):
        if m.group(2).strip().lower() in ('false', 'default') and m.group(1) in settings_now:
            settings_now.discard(m.group(1))
        else:
            settings_now.add(m.group(1))
    elif re.match(r'^reset\b', sql.strip(), re.I):
        settings_now.clear()


def units(folder, fixtures, match):
    for name, path in result_files(folder):
        if match and match.split('#')[0] not in name:
            continue
        yield unit(folder, fixtures, name, path)


def open_session(engine, fixtures, name, conf, sql_text):
    engine.session('America/Los_Angeles',
                   conf.get('spark.sql.ansi.enabled', 'false' if name.startswith('nonansi/')
                            else 'true').lower() == 'true',
                   name.startswith('timestampNTZ/') or
                   conf.get('spark.sql.timestampType') == 'TIMESTAMP_NTZ',
                   name.startswith('postgreSQL/'))
    for table, schema, rows in tables(fixtures):
        if table in sql_text.lower():
            engine.ask(op='table', name=table, schema=schema, rows=rows)


def error_of(output):
    """(class, state) of a recorded error; (None, None) for one without; None for no error."""
    head = output.split('\n', 1)[0]
    if not re.match(r'^[\w.$]+(Exception|Error)$', head):
        return None
    cls = re.search(r'"(?:errorClass|condition)"\s*:\s*"([^"]+)"', output)
    state = re.search(r'"sqlState"\s*:\s*"([^"]+)"', output)
    return (cls.group(1) if cls else None, state.group(1) if state else None)


def judge(sql, schema, output, answer, refused_before):
    want_error = error_of(output) if schema in ('struct<>', '') else None
    if refusal(answer):
        return refusal(answer)
    if not answer.get('ok'):
        if want_error is not None:
            cls, state = want_error
            have = answer.get('class')
            if cls is None or cls.startswith('_LEGACY') or (have == cls and (
                    state is None or state == answer.get('sqlstate'))):
                return 'pass', '', ''
        if answer.get('class') in MISSING and refused_before:
            return 'skip', 'needs-refused-statement', refused_before[-1]
        if want_error is not None:
            return 'wrong', 'error-class', 'want %s, have %s: %s' % (
                want_error[0], answer.get('class'), short(answer.get('message')))
        return 'wrong', 'error', '%s: %s' % (answer.get('class') or answer.get('error'),
                                             short(answer.get('message')))
    if want_error is not None:
        return 'wrong', 'no-error', 'want %s' % want_error[0]
    if 'rows' not in answer or schema == 'struct<>':
        return 'pass', '', ''
    # the golden files were written with one kind of line end
    if answer['schema'].replace('\r', '\n') != schema.replace('\r', '\n'):
        return 'wrong', 'schema', 'want %s, have %s' % (short(schema), short(answer['schema']))
    rows = '\n'.join('\t'.join(r) for r in answer['rows']).rstrip()
    if rows == output:
        return 'pass', '', ''
    doubles = double_columns(schema)
    ordered = answer.get('ordered')
    want = [l.split('\t') for l in output.split('\n')] if output else []
    have = [l.split('\t') for l in rows.split('\n')] if rows else []
    loose = re.search(r'\b(corr|stddev|std|var|covar|regr|skew|kurt)', sql, re.I)
    whole = '\n'.join('\t'.join(r) for r in answer['rows']).split('\n')
    for rows_now in (have, [l.split('\t') for l in whole]):  # a last row may be an empty text
        if same_rows(want, rows_now, ordered, doubles, 1e-14 if loose else 0.0):
            return 'pass', '', ''
    return 'wrong', '', 'want %s, have %s' % (short(output), short(rows))


def unit(folder, fixtures, name, path):
    def run(engine):
        cases = list(blocks(path))
        conf = settings(fixtures if os.path.exists(os.path.join(fixtures, 'inputs', name))
                        else folder, name)
        text = '\n'.join(c[0] for c in cases)
        results, refused, done = [], [], []  # done: statements that made the session
        if name.startswith('udaf/'):
            return [Result('%s#%d' % (name, i), 'skip', name, 'pandas', '')
                    for i in range(len(cases))]

        def begin():
            open_session(engine, fixtures, name, conf, text)
            for sql in done:
                engine.ask(op='run', sql=sql, style='hive')
        begin()
        unmade = set()  # what refused statements would have made: it is absent, or an older one
        in_force = {k for k in conf if foreign(k)}
        for i, (sql, schema, output) in enumerate(cases):
            case_id = '%s#%d' % (name, i)
            follow_set(sql, in_force)
            if in_force:
                results.append(Result(case_id, 'skip', name, 'setting', sorted(in_force)[0]))
                if CREATES.match(sql):
                    refused.append(short(sql.replace('\n', ' '), 60))
                continue
            try:
                answer = engine.ask(op='run', sql=sql, style='hive')
                outcome, rule, detail = judge(sql, schema, output, answer, refused)
                if outcome == 'wrong' and unmade & set(re.findall(r'\w+', sql.lower())):
                    outcome, rule = 'skip', 'needs-refused-statement'
                if made_by(sql):
                    unmade = (unmade - made_by(sql)) if answer.get('ok') else unmade | made_by(sql)
                if answer.get('ok') and 'rows' not in answer:
                    done.append(sql)
                if CREATES.match(sql) and not answer.get('ok'):
                    refused.append(short(sql.replace('\n', ' '), 60))
            except (Crash, Timeout) as error:
                outcome, rule = ('crash' if isinstance(error, Crash) else 'timeout'), ''
                detail = str(error)
                if CREATES.match(sql):
                    refused.append(short(sql.replace('\n', ' '), 60))
                begin()
            results.append(Result(case_id, outcome, name, rule, detail))
        return results
    return run
