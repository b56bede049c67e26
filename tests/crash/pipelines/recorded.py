# SPDX-License-Identifier: MIT
"""Recorded pipelines: read a project of ../shared/oracle/pipelines, run a copy of it, compare rows.

What a release cannot run is not listed anywhere: `check` says it. When it points into one item of a
SELECT list, that column goes out of the copy, else the statement, with its target and with everything
that reads from it.
"""
import collections
import decimal
import glob
import json
import math
import os
import re
import shutil

from millrace import Project, command


class Number(str):
    """A JSON number with its digits."""


def parse(line):
    return json.loads(line, parse_float=Number, parse_int=Number)


def lines(path):
    with open(path, 'rb') as file:
        return [line for line in file.read().split(b'\n') if line]


# ---- types as Spark writes them ----

def split_type(text):
    """The parts of 'a,b<c,d>' between commas of the outermost level."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in '<(') - (c in '>)')
        if c == ',' and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return parts + [text[start:]] if text else []


def type_of(text):
    """('struct', [(name, type)..]), ('array', type), ('map', type) or the name of a plain type."""
    text = text.strip()
    if text.startswith('struct<'):
        fields = [part.split(':', 1) for part in split_type(text[7:-1])]
        return 'struct', [(name.strip(), type_of(kind)) for name, kind in fields]
    if text.startswith('array<'):
        return 'array', type_of(text[6:-1])
    if text.startswith('map<'):
        return 'map', type_of(split_type(text[4:-1])[1])
    return text


def plain(value, kind):
    """A cell in a form that is equal when the cells are."""
    if value is None:
        return None
    if isinstance(kind, tuple):
        if kind[0] == 'struct':
            return tuple(plain(value.get(name), one) for name, one in kind[1])
        if kind[0] == 'array':
            return tuple(plain(one, kind[1]) for one in value)
        return ('map',) + tuple(sorted((key, plain(one, kind[1])) for key, one in value.items()))
    if kind.startswith('decimal'):
        return decimal.Decimal(value)
    if isinstance(value, Number):
        return 'number', str(value)
    return value


def close(a, b):
    """Equal, but doubles within 1e-12: the order of additions is not recorded."""
    if a == b:
        return True
    if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
        if a[:1] == ('number',) == b[:1]:
            return math.isclose(float(a[1]), float(b[1]), rel_tol=1e-12)
        return all(close(x, y) for x, y in zip(a, b))
    return False


def difference(got, want, rough):
    """None, or a text that shows rows only here and only there."""
    more = list((collections.Counter(got) - collections.Counter(want)).elements())
    less = list((collections.Counter(want) - collections.Counter(got)).elements())
    if rough:
        for row in list(more):
            twin = next((other for other in less if close(row, other)), None)
            if twin is not None:
                more.remove(row)
                less.remove(twin)
    if not more and not less:
        return None
    return (f'{len(got)} rows, {len(want)} expected; {len(more)} too many: '
            + '; '.join(map(repr, more[:3])) + f'\n{len(less)} missing: ' + '; '.join(map(repr, less[:3])))


# ---- statements ----

STATEMENT = re.compile(r"""(?: '(?:\\.|[^'\\])*' | "(?:\\.|[^"\\])*" | `[^`]*` | --[^\n]* | [^;] )*;?""",
                       re.X | re.S)
CREATED = re.compile(r'CREATE\s+(?:OR\s+REFRESH\s+)?(STREAMING\s+TABLE|MATERIALIZED\s+VIEW|TEMPORARY\s+VIEW|'
                     r'FLOW)\s+(\w+)', re.I)


def select_items(text):
    """(begin, end, name) of each item of the first SELECT list, where each has a name; else nothing."""
    begin = re.search(r'\bSELECT\s+(?!DISTINCT)', text, re.I)
    if not begin:
        return []
    items, depth, start = [], 0, begin.end()
    token = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`[^`]*`|--[^\n]*|[(),;]|\w+|.""", re.S)
    for match in token.finditer(text, start):
        word = match.group().upper()
        depth += (word == '(') - (word == ')')
        if depth == 0 and word in (',', 'FROM', ';'):
            items.append((start, match.start()))
            start = match.end()
            if word != ',':
                break
    names = [re.search(r'(\w+)`?\s*$', text[a:b]) for a, b in items]
    return [(a, b, name.group(1)) for (a, b), name in zip(items, names)] if all(names) else []


class Statement:
    def __init__(self, path, begin, text):
        self.path, self.begin, self.text = path, begin, text
        found = CREATED.search(text)
        self.kind = found.group(1).split()[0].lower() if found else ''
        self.name = found.group(2) if found else ''


def statements(root):
    """Every statement with the place where its text begins."""
    found = []
    for path in sorted(glob.glob(f'{root}/transformations/*.sql')):
        with open(path, encoding='utf-8') as file:
            text = file.read()
        for match in STATEMENT.finditer(text):
            if match.group().strip():
                found.append(Statement(path, match.start(), match.group()))
    return found


def blank(path, begin, end):
    """Takes out a part of a file; lines keep their numbers."""
    with open(path, encoding='utf-8') as file:
        text = file.read()
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text[:begin] + '\n' * text[begin:end].count('\n') + text[end:])


def drop_target(path, name):
    """Takes `  NAME:` and what is indented below it out of the settings."""
    with open(path, encoding='utf-8') as file:
        text = file.read()
    head, tail = text.split('\ntargets:', 1)
    tail = re.sub(rf'\n  {name}:[^\n]*(\n    [^\n]*)*', '', tail)
    with open(path, 'w', encoding='utf-8') as file:
        file.write(head + ('\ntargets:' + tail if re.search(r'\n  \w+:', tail) else tail))


# ---- a project ----

class Recorded(Project):
    """A copy of a recorded project. .refused and .lost say what this release cannot run, and why."""

    def __init__(self, source):
        super().__init__('', '')
        self.source_path = source
        self.name = os.path.basename(source)
        shutil.rmtree(self.path)
        shutil.copytree(source, self.path, ignore=shutil.ignore_patterns('expected'))
        os.system(f'chmod -R u+w "{self.path}"')
        with open(f'{self.path}/millrace.yml', 'a', encoding='utf-8') as file:
            file.write(f'\nlisteners: {{http: 127.0.0.1:{self.port}}}\n')
        self.refused = {}  # statement -> text
        self.lost = {}     # table -> {column: text}
        self.reduce()
        self.tables = {s.name: s for s in statements(self.path) if s.kind in ('streaming', 'materialized')}

    def reduce(self):
        """Drops what check refuses until it refuses nothing."""
        while True:
            result = command('check', self.path, '-o', 'json')
            mistakes = json.loads(result.out)['mistakes']
            if not mistakes:
                if result.code != 0:
                    raise RuntimeError(f'check: {result}')
                return
            self.drop(mistakes[0])

    def drop(self, mistake):
        """Takes out the statement that a mistake points at; the next check says what that leaves."""
        path = os.path.join(self.path, mistake['file'])
        with open(path, encoding='utf-8') as file:
            before = file.read().split('\n')[:mistake['line'] - 1]
        at = sum(len(line) + 1 for line in before) + mistake['column'] - 1
        hit = next((one for one in statements(self.path)
                    if one.path == path and one.begin <= at < one.begin + len(one.text)), None)
        if not hit:
            raise RuntimeError(f'{self.name}: check points at no statement: {mistake}')
        said = f'{mistake["message"]} [{mistake["class"]}]'
        if hit.kind in ('streaming', 'materialized') and self.drop_column(hit, at - hit.begin, said):
            return
        needs = next((name for name in self.refused if re.search(rf'\b(FROM|JOIN)\s+(STREAM\s+)?{name}\b', hit.text)),
                     None)
        self.refused[hit.name] = f'reads from {needs}' if needs else said
        blank(hit.path, hit.begin, hit.begin + len(hit.text))
        self.lost.pop(hit.name, None)
        if hit.kind in ('streaming', 'materialized'):
            drop_target(f'{self.path}/millrace.yml', hit.name)

    def drop_column(self, hit, at, said):
        """Takes out the item of the SELECT list that the mistake stands in, unless it is the only one."""
        items = select_items(hit.text)
        for i, (begin, end, name) in enumerate(items):
            if begin <= at < end and len(items) > 1:
                self.lost.setdefault(hit.name, {})[name] = said
                begin, end = (begin, end + 1) if i + 1 < len(items) else (items[i - 1][1], end)
                blank(hit.path, hit.begin + begin, hit.begin + end)
                return True
        return False

    def inputs(self):
        """source -> its files; what is a single file is a static table."""
        return {os.path.basename(folder): sorted(glob.glob(f'{folder}/*'))
                for folder in sorted(glob.glob(f'{self.path}/input/*')) if os.path.isdir(folder)}

    def expected(self, name):
        return f'{self.source_path}/expected/{name}'

    def schema(self, table):
        with open(self.expected(f'{table}.schema'), encoding='utf-8') as file:
            text = file.read().strip()
        lost = self.lost.get(table, {})
        fields = [part for part in split_type(text[7:-1]) if part.split(':')[0] not in lost]
        return f'struct<{",".join(fields)}>'

    def want(self, table):
        kind = type_of(self.schema(table))
        rows = [parse(line) for line in lines(self.expected(f'{table}.ndjson'))]
        if (self.name, table) == ('json_permissive', 'json_quality'):
            rows = [self.corrupt_counted(rows[0])]
        return [plain(row, kind) for row in rows]

    def corrupt_counted(self, row):
        """Recorded with the table `parsed` read back from JSON files, where a column _corrupt_record means
        something else and comes back empty. Its recorded rows say how many there are."""
        rows = [parse(line) for line in lines(self.expected('parsed.ndjson'))]
        return {**row, 'corrupt': Number(sum(one['_corrupt_record'] is not None for one in rows))}

    def want_epochs(self, table):
        """The rows after each epoch, or None where rows wait for a watermark or replace each other."""
        path = self.expected(f'{table}.epochs.ndjson')
        if not os.path.exists(path):
            return None
        epochs = [parse(line) for line in lines(path)]
        if any('watermark' in epoch for epoch in epochs):
            return None
        kind, rows, after = type_of(self.schema(table)), [], []
        for epoch in epochs:
            rows = rows + [plain(row, kind) for row in epoch['rows']]
            after.append(rows)
        return after

    def got(self, table, *words):
        """Rows of a table, and its schema as Spark writes it."""
        kind = type_of(self.schema(table))
        names = ', '.join(f"'{name}', `{name}`" for name, _ in kind[1])
        query = f"SELECT to_json(named_struct({names})) FROM {table}"
        answer = self.must('sql', *words, '-n', '1000000', '-o', 'json', '-e', query).json()
        shape = self.must('sql', *words, '-n', '1', '-o', 'json', '-e', f'SELECT * FROM {table}').json()['columns']
        rows = [plain(parse(row[0]), kind) for row in answer['rows']]
        return rows, 'struct<' + ','.join(f'{c["name"]}:{c["type"]}' for c in shape) + '>'

    def values(self, path):
        """A file's values as they are."""
        with open(path, 'rb') as file:
            return file.read()

    def produce(self, source, path, online):
        words = ['-s', self.url('')] if online else []
        data = self.values(path)
        result = self.must('produce', source, *words, input=data)
        count = data.count(b'\n') + (not data.endswith(b'\n') and len(data) > 0)
        if f'{count} record' not in result.out:
            raise RuntimeError(f'{count} values of {path}: {result}')
        return count
