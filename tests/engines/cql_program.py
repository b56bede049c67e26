# SPDX-License-Identifier: MIT
"""Random schemas and statements of CQL, right ones and wrong ones."""
import random

from cql_values import KEYS, WRONG, Type, any_type, simple

OPTIONS = ["comment = 'x'", 'gc_grace_seconds = 100', 'default_time_to_live = 100000', 'bloom_filter_fp_chance = 0.5', "caching = {'keys': 'NONE'}",
           'no_such = 1', 'gc_grace_seconds = -1', "compaction = {'class': 'NoSuch'}", 'bloom_filter_fp_chance = 7', 'default_time_to_live = -5',
           "compression = {'enabled': 'false'}", 'cdc = true', "comment = 5", "speculative_retry = 'NEVER'"]
JUNK = ['SELEC', ')', '(', ';', ',', 'WHERE', "'", 'FROM', '1', '*', 'AND', '=', 'frozen', '"', 'IF', '$$', '--']


class Column:
    def __init__(self, name, type_, kind):
        self.name, self.type, self.kind = name, type_, kind  # kind: key, clustering, static, regular


class Table:
    def __init__(self, name, columns, orders, counter):
        self.name, self.columns, self.orders, self.counter, self.indexes = name, columns, orders, counter, []

    def of(self, *kinds):
        return [one for one in self.columns if one.kind in kinds]


class Statement:
    """text, and values where it is prepared; page: how many rows at a time."""

    def __init__(self, text, values=None, page=None, wide=False):
        self.text, self.values, self.page, self.wide = text, values, page, wide

    def __repr__(self):
        return self.text + (f'  with {self.values!r}' if self.values is not None else '') + (f'  by {self.page}' if self.page else '')


class Generator:
    def __init__(self, seed):
        self.random, self.other = random.Random(seed), random.Random(f'conditions {seed}')
        self.seed, self.tables, self.udts, self.number = seed, [], [], 0
        self.bound = None  # the values of a statement with markers

    def chance(self, part):
        return self.random.random() < part

    def pick(self, items):
        return self.random.choice(list(items))

    def some(self, items, most=99):
        items = list(items)
        return self.random.sample(items, self.random.randint(1, min(most, len(items)))) if items else []

    def name(self, kind):
        self.number += 1
        return f'{kind}{self.number}'

    # ---- terms ----

    def term(self, type_, null=0.05, wrong=0.01):
        """A literal, or a marker when the statement is a prepared one."""
        if self.chance(wrong):
            return self.pick(WRONG)
        literal, value = type_.value(self.random)
        bind = self.bound is not None and type_.bindable()
        if self.chance(null):
            literal, value = 'null', None
        if bind:
            self.bound.append(value)
            return '?'
        if type_.name in ('int', 'bigint') and literal != 'null' and self.chance(0.04):
            return self.pick([f'{literal} + 1', f'({type_.name}){literal}', '1 + 1', '5 / 0', '-(1)'])
        return literal

    def using(self, delete=False):
        parts = []
        if self.chance(0.35):
            parts.append(f'TIMESTAMP {self.pick([1, 2, 3, 5, 8, 13, 1000])}')
        if not delete and self.chance(0.12):
            parts.append(f'TTL {self.pick([100000, 100000, 100000, 0, -1, 999999999])}')
        return ' USING ' + ' AND '.join(parts) if parts else ''

    # ---- definitions ----

    def create_type(self):
        count = self.random.randint(1, 3)
        parts = [simple(self.random) if self.chance(0.8) else any_type(self.random, self.udts, 1) for _ in range(count)]
        one = Type(self.name('u'), 'udt', parts, [f'f{i}' for i in range(count)])
        self.udts.append(one)
        return Statement(f'CREATE TYPE {one.name} (' + ', '.join(f'{f} {p.name}' for f, p in zip(one.fields, parts)) + ')', wide=True)

    def create_table(self):
        counter = self.chance(0.15)
        columns = []
        for kind, count in (('key', self.pick([1, 1, 2])), ('clustering', self.pick([0, 1, 1, 2, 2, 3])), ('static', self.pick([0, 0, 1, 2])),
                            ('regular', self.pick([0, 1, 2, 3, 4]))):
            if kind == 'static' and not any(one.kind == 'clustering' for one in columns) and not self.chance(0.05):
                continue
            for i in range(count):
                if kind in ('key', 'clustering'):
                    type_ = simple(self.random, ['int', 'int', 'text', *KEYS]) if self.chance(0.97) else any_type(self.random, self.udts)
                elif counter:
                    type_ = Type('counter', 'counter')
                else:
                    type_ = any_type(self.random, self.udts)
                columns.append(Column({'key': 'p', 'clustering': 'c', 'static': 's', 'regular': 'v'}[kind] + str(i), type_, kind))
        table = Table(self.name('t'), columns, [], counter)
        clustering = table.of('clustering')
        parts = [f'{one.name} {one.type.name}{" static" if one.kind == "static" else ""}' for one in columns]
        self.random.shuffle(parts)
        key = ', '.join(one.name for one in table.of('key'))
        parts.append(f'PRIMARY KEY (({key})' + ''.join(', ' + one.name for one in clustering) + ')')
        options = []
        if clustering and self.chance(0.5):
            table.orders = [self.pick(['ASC', 'DESC']) for _ in clustering]
            options.append('CLUSTERING ORDER BY (' + ', '.join(f'{one.name} {order}' for one, order in zip(clustering, table.orders)) + ')')
        if self.chance(0.15):
            options.append(self.pick(OPTIONS))
        self.tables.append(table)
        return Statement(f'CREATE TABLE {table.name} (' + ', '.join(parts) + ')' + (' WITH ' + ' AND '.join(options) if options else ''), wide=True)

    def alter(self):
        table = self.pick(self.tables)
        what = self.pick(['add', 'add', 'drop', 'drop', 'rename', 'with', 'wrong'])
        text = f'ALTER TABLE {table.name} '
        if what == 'add':
            used = {one.name for one in table.columns}
            name = self.pick([f'v{i}' for i in range(7)])
            type_ = Type('counter', 'counter') if table.counter else any_type(self.random, self.udts)
            if name not in used:
                table.columns.append(Column(name, type_, 'regular'))
            return Statement(text + self.pick(['ADD ', 'ADD ', 'ADD IF NOT EXISTS ']) + f'{name} {type_.name}', wide=True)
        if what == 'drop':
            column = self.pick(table.columns)
            if column.kind in ('regular', 'static'):
                table.columns.remove(column)
            return Statement(text + self.pick(['DROP ', 'DROP ', 'DROP IF EXISTS ']) + column.name, wide=True)
        if what == 'rename':
            column = self.pick(table.of('key', 'clustering') if self.chance(0.8) else table.columns)
            new = self.pick(['k0', 'k1', 'k2', 'v0'])
            if column.kind in ('key', 'clustering') and new not in {one.name for one in table.columns} and not table.indexes:
                old, column.name = column.name, new
                return Statement(text + f'RENAME {old} TO {new}', wide=True)
            return Statement(text + f'RENAME {column.name} TO {new}', wide=True)
        if what == 'with':
            return Statement(text + 'WITH ' + self.pick(OPTIONS), wide=True)
        return Statement(text + self.pick(['ALTER v0 TYPE text', 'ADD x nosuchtype', 'ADD p0 int', 'DROP nosuch', 'RENAME nosuch TO k9',
                                           'ADD y map<text>', 'ADD z list<list<int>>', 'ADD w counter', 'ADD q frozen<int>', 'DROP p0']), wide=True)

    def index(self):
        table = self.pick(self.tables)
        column = self.pick(table.columns)
        if self.chance(0.2) and table.indexes:
            return Statement('DROP INDEX ' + self.pick(table.indexes), wide=True)
        name = self.name('i')
        target = column.name
        if column.type.kind == 'map':
            target = self.pick(['keys({})', 'values({})', 'entries({})', 'full({})', '{}']).format(column.name)
        elif column.type.kind in ('list', 'set'):
            target = self.pick(['values({})', 'full({})', '{}', 'keys({})']).format(column.name)
        table.indexes.append(name)
        return Statement(f'CREATE INDEX {self.pick(["", "IF NOT EXISTS "])}{name} ON {table.name} ({target})', wide=True)

    def wrong_definition(self):
        table = self.pick(self.tables)
        return Statement(self.pick([
            f'CREATE TABLE {table.name} (a int PRIMARY KEY)', f'CREATE TABLE IF NOT EXISTS {table.name} (a int PRIMARY KEY)',
            'CREATE TABLE nokey (a int)', 'CREATE TABLE twice (a int, a text, PRIMARY KEY (a))', 'CREATE TABLE x1 (a int, PRIMARY KEY (b))',
            'CREATE TABLE x2 (a int PRIMARY KEY, b counter, c int)', 'CREATE TABLE x3 (a list<int> PRIMARY KEY)', 'CREATE TABLE x4 (a int PRIMARY KEY, s int static)',
            'CREATE TABLE x5 (a duration PRIMARY KEY)', 'CREATE TABLE x6 (a int, b int, PRIMARY KEY (a, b)) WITH CLUSTERING ORDER BY (a ASC)',
            'CREATE TABLE x7 (a int PRIMARY KEY, b nosuch)', 'CREATE TABLE x8 (a int PRIMARY KEY, b list<list<int>>)', 'CREATE TABLE x9 (a counter PRIMARY KEY)',
            'CREATE TABLE nokeyspace.t (a int PRIMARY KEY)', 'DROP TABLE nosuch', 'DROP TABLE IF EXISTS nosuch', 'DROP TYPE nosuch', 'DROP INDEX nosuch', 'DROP INDEX IF EXISTS nosuch',
            'CREATE TYPE u1 (a int)', 'CREATE TYPE w1 (a counter)', 'CREATE TYPE w2 (a int, a int)', f'CREATE INDEX ON {table.name} (nosuch)', 'CREATE INDEX ON nosuch (a)',
            'DROP KEYSPACE nosuchkeyspace', "CREATE KEYSPACE k WITH replication = {'class': 'NoSuch'}", "CREATE KEYSPACE k2 WITH replication = {}", 'USE nosuchkeyspace',
            'TRUNCATE nosuch', f'DROP TYPE {self.udts[0].name if self.udts else "u9"}', 'ALTER TYPE nosuch ADD a int', 'CREATE TABLE "Quoted" (a int PRIMARY KEY, b frozen<nosuch>)',
            'CREATE TABLE x10 (a int, b int, c int, PRIMARY KEY ((a), b)) WITH CLUSTERING ORDER BY (c DESC)', 'CREATE TABLE x11 (a int PRIMARY KEY) WITH no_such_option = 1',
            'CREATE TABLE x12 (a int PRIMARY KEY, m map<duration, int>)', 'CREATE TABLE x13 (a int PRIMARY KEY, m set<counter>)', 'CREATE TABLE x14 (a int, b map<int, int>, PRIMARY KEY (a, b))',
            'ALTER KEYSPACE nosuchkeyspace WITH durable_writes = true', 'DROP ROLE nosuch', 'CREATE FUNCTION f (a int) CALLED ON NULL INPUT RETURNS int LANGUAGE java AS \'return a;\'',
            f'CREATE MATERIALIZED VIEW mv AS SELECT * FROM {table.name} WHERE p0 IS NOT NULL PRIMARY KEY (p0)',
        ]), wide=True)

    def alter_type(self):
        if not self.udts:
            return self.create_type()
        one = self.pick(self.udts)
        if self.chance(0.5):
            part, name = simple(self.random), f'f{len(one.fields)}'
            one.parts.append(part)
            one.fields.append(name)
            return Statement(f'ALTER TYPE {one.name} ADD {name} {part.name}', wide=True)
        return Statement(f'ALTER TYPE {one.name} ' + self.pick(['ADD f0 int', 'RENAME nosuch TO b', 'ADD q counter', 'ALTER f0 TYPE blob', 'RENAME f0 TO f0']), wide=True)

    # ---- relations ----

    def key_relations(self, table, whole=True):
        out = []
        columns = table.of('key')
        for i, one in enumerate(columns):
            if i == len(columns) - 1 and self.chance(0.1):
                out.append(f'{one.name} IN ({", ".join(self.term(one.type, 0) for _ in range(self.pick([1, 2, 3, 0])))})')
            elif whole or self.chance(0.9):
                out.append(f'{one.name} = {self.term(one.type, 0.005)}')
        return out

    def clustering_relations(self, table, whole=False):
        columns = table.of('clustering')
        out = []
        if not columns:
            return out
        if whole:
            return [f'{one.name} = {self.term(one.type, 0.005)}' for one in columns if self.chance(0.98)]
        count = self.random.randint(0, len(columns))
        out += [f'{one.name} = {self.term(one.type, 0)}' for one in columns[:count]]
        left = columns[count:]
        if left and self.chance(0.7):
            one = left[0]
            what = self.pick(['range', 'range', 'both', 'in', 'many', 'manyin'])
            if what == 'range':
                out.append(f'{one.name} {self.pick(["<", ">", "<=", ">="])} {self.term(one.type, 0.01)}')
            elif what == 'both':
                out += [f'{one.name} {self.pick([">", ">="])} {self.term(one.type, 0)}', f'{one.name} {self.pick(["<", "<="])} {self.term(one.type, 0)}']
            elif what == 'in':
                out.append(f'{one.name} IN ({", ".join(self.term(one.type, 0) for _ in range(self.pick([1, 2, 3, 0])))})')
            else:
                names = left[:self.random.randint(1, len(left))]

                def row():
                    return '(' + ', '.join(self.term(name.type, 0) for name in names) + ')'
                right = row() if what == 'many' else f'({row()}, {row()})'
                out.append(f'({", ".join(name.name for name in names)}) {self.pick(["=", "<", ">", "<=", ">="]) if what == "many" else "IN"} {right}')
        if self.chance(0.05):
            out.append(f'{self.pick(columns).name} = {self.term(self.pick(columns).type, 0)}')
        return out

    def filter(self, table):
        one = self.pick(table.columns)
        kind = one.type.kind
        if kind in ('list', 'set') and self.chance(0.7):
            return f'{one.name} CONTAINS {self.term(one.type.parts[0], 0.03)}'
        if kind == 'map' and self.chance(0.8):
            what = self.pick(['CONTAINS', 'KEY', 'entry'])
            if what == 'KEY':
                return f'{one.name} CONTAINS KEY {self.term(one.type.parts[0], 0)}'
            if what == 'entry':
                return f'{one.name}[{self.term(one.type.parts[0], 0)}] = {self.term(one.type.parts[1], 0)}'
            return f'{one.name} CONTAINS {self.term(one.type.parts[1], 0)}'
        how = self.pick(['=', '=', '=', '<', '>', '<=', '>=', 'IN', '!=', 'LIKE', 'CONTAINS'] if self.chance(0.3) else ['=', '<', '>='])
        if how == 'IN':
            return f'{one.name} IN ({", ".join(self.term(one.type, 0) for _ in range(2))})'
        return f'{one.name} {how} {self.term(one.type, 0.03)}'

    def token(self, table):
        names = ', '.join(one.name for one in table.of('key'))
        if self.chance(0.5):
            right = self.pick(['0', '-9223372036854775807', '9223372036854775807', '-1000000000000000000', '1.5'])
        else:
            right = 'token(' + ', '.join(self.term(one.type, 0) for one in table.of('key')) + ')'
        return f'token({names}) {self.pick(["<", ">", "<=", ">=", "="])} {right}'

    # ---- changes ----

    def condition(self, table, kinds=('regular', 'static')):
        columns = table.of(*kinds) or table.columns
        parts = []
        for one in self.some(columns, 2):
            how = self.pick(['=', '=', '!=', '<', '>=', 'IN'])
            if how == 'IN':
                parts.append(f'{one.name} IN ({self.term(one.type)}, {self.term(one.type)})')
            elif one.type.kind == 'map' and self.chance(0.5):
                parts.append(f'{one.name}[{self.term(one.type.parts[0], 0)}] {how} {self.term(one.type.parts[1])}')
            elif one.type.kind == 'list' and self.chance(0.4):
                parts.append(f'{one.name}[{self.pick([0, 1, 5, -1])}] {how} {self.term(one.type.parts[0])}')
            elif one.type.kind == 'udt' and self.chance(0.5):
                i = self.random.randrange(len(one.type.fields))
                parts.append(f'{one.name}.{one.type.fields[i]} {how} {self.term(one.type.parts[i])}')
            else:
                parts.append(f'{one.name} {how} {self.term(one.type)}')
        return ' IF ' + ' AND '.join(parts)

    def insert(self, table):
        if self.chance(0.07):
            return self.insert_json(table)
        columns = table.of('key', 'clustering')
        if self.chance(0.02):
            columns = columns[:-1]
        others = [one for one in table.of('static', 'regular') if self.chance(0.75)]
        if self.chance(0.07):
            columns = [one for one in columns if one.kind == 'key']
            others = table.of('static')
        columns = columns + others
        self.random.shuffle(columns)
        names = [one.name for one in columns]
        if self.chance(0.015) and names:
            names[0] = self.pick(['nosuch', names[-1]])
        values = [self.term(one.type, 0.08 if one.kind in ('static', 'regular') else 0.01) for one in columns]
        if self.chance(0.01):
            values.append('1')
        unless = ' IF NOT EXISTS' if self.chance(0.1) else ''
        return f'INSERT INTO {table.name} ({", ".join(names)}) VALUES ({", ".join(values)}){unless}{self.using() if not unless or self.chance(0.1) else ""}'

    def insert_json(self, table):
        def text(type_):
            if self.chance(0.1):
                return 'null'
            literal, value = type_.value(self.random)
            if isinstance(value, bool):
                return str(value).lower()
            if isinstance(value, (int, float)):
                return repr(value)
            return '"' + literal.strip("'").replace('"', '') + '"'
        columns = [one for one in table.columns if one.type.kind == 'simple' and one.type.name not in ('duration',)]
        items = ', '.join(f'"{one.name}": {text(one.type)}' for one in columns)
        return f"INSERT INTO {table.name} JSON '{{{items}}}'{self.pick(['', ' DEFAULT UNSET', ' DEFAULT NULL'])}"

    def assignment(self, one):
        type_ = one.type
        if type_.kind == 'counter':
            return f'{one.name} = {one.name} {self.pick(["+", "-"])} {self.term(type_, 0.02)}'
        if type_.multi() and self.chance(0.7):
            if type_.kind == 'list':
                whole = Type('', 'list', type_.parts)
                return self.pick([lambda: f'{one.name} = {one.name} + {self.term(whole, 0.02)}', lambda: f'{one.name} = {self.term(whole, 0.02)} + {one.name}',
                                  lambda: f'{one.name} = {one.name} - {self.term(whole, 0.02)}', lambda: f'{one.name}[{self.pick([0, 1, 2, -1])}] = {self.term(type_.parts[0])}',
                                  lambda: f'{one.name} += {self.term(whole)}'])()
            if type_.kind == 'set':
                whole = Type('', 'set', type_.parts)
                return f'{one.name} = {one.name} {self.pick(["+", "-"])} {self.term(whole, 0.02)}'
            if type_.kind == 'map':
                return self.pick([lambda: f'{one.name}[{self.term(type_.parts[0], 0.02)}] = {self.term(type_.parts[1])}',
                                  lambda: f'{one.name} = {one.name} + {self.term(Type("", "map", type_.parts), 0.02)}',
                                  lambda: f'{one.name} = {one.name} - {self.term(Type("", "set", type_.parts[:1]), 0.02)}'])()
            i = self.random.randrange(len(type_.fields))
            return f'{one.name}.{type_.fields[i]} = {self.term(type_.parts[i])}'
        if self.chance(0.02):
            return f'{one.name} = {one.name} + {self.term(type_)}'
        return f'{one.name} = {self.term(type_)}'

    def update(self, table):
        columns = table.of('static', 'regular')
        static = columns and self.chance(0.15)
        if static:
            columns = table.of('static') or columns
        if not columns or self.chance(0.01):
            columns = table.columns
        using = self.using()
        sets = ', '.join(self.assignment(one) for one in self.some(columns, 3))
        relations = self.key_relations(table) + ([] if static else self.clustering_relations(table, self.chance(0.95)))
        if self.chance(0.02):
            relations.append(self.filter(table))
        condition = ''
        if self.chance(0.1):
            condition, using = self.pick([' IF EXISTS', None]) or self.condition(table), using if self.chance(0.1) else ''
        return f'UPDATE {table.name}{using} SET {sets} WHERE {" AND ".join(relations) or "p0 = 1"}{condition}'

    def delete(self, table):
        what = ''
        if self.chance(0.35) and table.of('static', 'regular'):
            parts = []
            for one in self.some(table.of('static', 'regular'), 2):
                if one.type.multi() and one.type.kind in ('list', 'map') and self.chance(0.5):
                    parts.append(f'{one.name}[{self.pick([0, 1]) if one.type.kind == "list" else self.term(one.type.parts[0], 0)}]')
                elif one.type.kind == 'udt' and one.type.multi() and self.chance(0.5):
                    parts.append(f'{one.name}.{self.pick(one.type.fields)}')
                else:
                    parts.append(one.name)
            what = ' ' + ', '.join(parts)
        if table.counter and table.of('static', 'regular') and not what:
            what = ' ' + self.pick(table.of('static', 'regular')).name  # of whole rows: see docs/cql-compatibility.md
        using = self.using(True)
        relations = self.key_relations(table) + self.clustering_relations(table, self.chance(0.6))
        condition = ''
        if self.chance(0.08):
            condition, using = self.pick([' IF EXISTS', None]) or self.condition(table), ''
        return f'DELETE{what} FROM {table.name}{using} WHERE {" AND ".join(relations) or "p0 = 1"}{condition}'

    def change(self, table):
        if table.counter:
            return self.pick([self.update] * 8 + [self.delete, self.insert])(table)
        return self.pick([self.insert] * 5 + [self.update] * 4 + [self.delete] * 2)(table)

    def batch(self):
        tables = [self.pick(self.tables)] * 3 if self.chance(0.6) else [self.pick(self.tables) for _ in range(3)]
        kind = self.pick(['', 'UNLOGGED ', '']) if not tables[0].counter else self.pick(['COUNTER ', 'COUNTER ', ''])
        using = f' USING TIMESTAMP {self.pick([2, 7])}' if self.chance(0.2) else ''
        parts = [self.change(self.pick(tables)) for _ in range(self.pick([1, 2, 3, 4]))]
        if self.chance(0.8):
            parts = [part for part in parts if ' IF ' not in part] or parts
        return Statement(f'BEGIN {kind}BATCH{using} {"; ".join(parts)}; APPLY BATCH')

    # ---- conditions on what is static and on rows ----

    def one_of_partition(self, table, keys):
        """A change of static columns, of a row, or of both, in a partition; most with a condition."""
        statics, regulars, clustering = table.of('static'), table.of('regular'), table.of('clustering')
        row = self.chance(0.55)
        where = [f'{one.name} = {literal}' for one, literal in keys]
        place = [(one, self.term(one.type, 0, 0)) for one in clustering] if row else []
        where += [f'{one.name} = {literal}' for one, literal in place]
        columns = self.some(self.pick([statics, regulars, statics + regulars]) if row else statics, 2) or self.some(statics, 2)
        what = self.pick(['insert', 'insert', 'update', 'update', 'delete'])
        if what == 'insert':
            values = [*keys, *place, *((one, self.term(one.type, 0.1, 0)) for one in columns if not row or self.chance(0.7))]
            condition = self.pick([' IF NOT EXISTS', ' IF NOT EXISTS', ''])
            return f'INSERT INTO {table.name} ({", ".join(one.name for one, _ in values)}) VALUES ({", ".join(literal for _, literal in values)}){condition}'
        kinds = self.pick([('static',), ('regular',), ('static', 'regular')]) if row else ('static',)
        condition = self.pick([' IF EXISTS', self.condition(table, kinds), self.condition(table, kinds), ''])
        if what == 'update':
            return f'UPDATE {table.name} SET {", ".join(self.assignment(one) for one in columns)} WHERE {" AND ".join(where)}{condition}'
        names = ' ' + ', '.join(one.name for one in columns) if not row or self.chance(0.6) else ''
        return f'DELETE{names} FROM {table.name} WHERE {" AND ".join(where)}{condition}'

    def of_partition(self):
        """One such change, or a batch of them; None where no table has static columns."""
        tables = [one for one in self.tables if one.of('static') and one.of('clustering') and not one.counter]
        if not tables:
            return None
        table = self.pick(tables)
        keys = [(one, self.term(one.type, 0, 0)) for one in table.of('key')]
        parts = [self.one_of_partition(table, keys) for _ in range(self.pick([1, 1, 1, 2, 2, 3]))]
        return Statement(parts[0] if len(parts) == 1 and self.chance(0.8) else f'BEGIN BATCH {"; ".join(parts)}; APPLY BATCH')

    # ---- reads ----

    def selector(self, table, depth=0):
        one = self.pick(table.columns)
        how = self.random.random()
        if how < 0.45 or depth > 1:
            return one.name
        kind = one.type.kind
        if how < 0.6:
            return self.pick(['writetime({})', 'ttl({})', 'maxwritetime({})'] if self.chance(0.9) else ['minwritetime({})']).format(one.name)
        if how < 0.66 and kind == 'map':
            return f'{one.name}[{self.term(one.type.parts[0], 0)}]'
        if how < 0.66 and kind == 'udt':
            return f'{one.name}.{self.pick(one.type.fields)}'
        if how < 0.7:
            return f'token({", ".join(key.name for key in table.of("key"))})'
        if how < 0.8:
            return f'cast({one.name} as {self.pick(["text", "int", "double", "bigint", "varint", "timestamp", "date"])})'
        if how < 0.88:
            return self.pick(['toJson({})', 'typeAsBlob({})', 'blobAsInt({})', 'intAsBlob({})', 'abs({})', 'toTimestamp({})', 'toDate({})', 'toUnixTimestamp({})',
                              'map_keys({})', 'map_values({})', 'collection_count({})', 'collection_max({})', 'nosuch({})', 'round({})', 'length({})', 'octet_length({})',
                              'exp({})', 'text_as_blob({})', 'collection_sum({})']).format(self.selector(table, depth + 1) if self.chance(0.3) else one.name)
        if how < 0.92:
            return f'{one.name} {self.pick("+-*/%")} {self.pick(["1", "2", "0", one.name, "1.5"])}'
        return self.pick(['count({})', 'min({})', 'max({})', 'sum({})', 'avg({})']).format(one.name)

    def select(self):
        table = self.pick(self.tables)
        aggregates = self.chance(0.15)
        keys, clustering = table.of('key'), table.of('clustering')
        group = ''
        if self.chance(0.1):
            columns = (keys + clustering)[:self.random.randint(1, len(keys + clustering))]
            if self.chance(0.1):
                columns = [self.pick(table.columns)]
            group = ' GROUP BY ' + ', '.join(one.name for one in columns)
        if self.chance(0.35) and not group:
            what = '*'
        elif aggregates or group:
            what = ', '.join(self.pick(['count(*)', 'count({0})', 'min({0})', 'max({0})', 'sum({0})', 'avg({0})', '{0}']).format(self.pick(table.columns).name)
                             for _ in range(self.pick([1, 2, 3])))
        else:
            what = ', '.join(self.selector(table) + self.pick([''] * 6 + [f' AS a{i}']) for i in range(self.pick([1, 2, 3])))
        if self.chance(0.05):
            what = 'DISTINCT ' + ', '.join(one.name for one in self.pick([keys, keys, keys + table.of('static'), keys + clustering]))
        elif self.chance(0.07):
            what = 'JSON ' + what
        how = self.random.random()
        relations = []
        if how < 0.5:
            relations = self.key_relations(table, self.chance(0.95)) + self.clustering_relations(table)
        elif how < 0.6:
            relations = [self.token(table)] + ([self.token(table)] if self.chance(0.4) else []) + (self.clustering_relations(table) if self.chance(0.2) else [])
        elif how < 0.75:
            relations = [self.filter(table)] + ([self.filter(table)] if self.chance(0.25) else [])
        elif how < 0.8:
            relations = self.clustering_relations(table)
        if relations and self.chance(0.1):
            relations.append(self.filter(table))
        order = ''
        if clustering and self.chance(0.18 if how < 0.5 else 0.03):
            columns = clustering[:self.random.randint(1, len(clustering))]
            flip = self.chance(0.5)
            orders = [order if not flip else {'ASC': 'DESC', 'DESC': 'ASC'}[order] for order in table.orders or ['ASC'] * len(clustering)]
            if self.chance(0.1):
                orders = [self.pick(['ASC', 'DESC', '']) for _ in orders]
            order = ' ORDER BY ' + ', '.join(f'{one.name} {direction}' for one, direction in zip(columns, orders))
            if self.chance(0.05):
                order = ' ORDER BY ' + self.pick(table.columns).name
        limit = ''
        if self.chance(0.12):
            limit += f' PER PARTITION LIMIT {self.pick([1, 2, 3, 0])}'
        if self.chance(0.2):
            limit += f' LIMIT {self.pick([1, 2, 3, 5, 10, 0, -1])}'
        if self.chance(0.85 if how >= 0.6 else 0.1):
            limit += ' ALLOW FILTERING'
        where = ' WHERE ' + ' AND '.join(relations) if relations else ''
        return f'SELECT {what} FROM {table.name}{where}{group}{order}{limit}'

    def break_(self, text):
        """A statement that is most likely wrong now."""
        words = text.split(' ')
        i = self.random.randrange(len(words))
        how = self.pick(['drop', 'junk', 'twice', 'cut', 'swap'])
        if how == 'drop':
            del words[i]
        elif how == 'junk':
            words.insert(i, self.pick(JUNK))
        elif how == 'twice':
            words.insert(i, words[i])
        elif how == 'cut':
            words = words[:max(1, i)]
        else:
            j = self.random.randrange(len(words))
            words[i], words[j] = words[j], words[i]
        return ' '.join(words)

    def statement(self):
        if self.other.random() < 0.1:  # of a random sequence of its own: the rest of the program is what it was without
            self.random, self.other = self.other, self.random
            one = self.of_partition()
            self.random, self.other = self.other, self.random
            if one:
                return one
        how = self.random.random()
        if not self.tables:
            return self.create_table()
        if how < 0.03:
            return self.pick([self.alter, self.alter, self.index, self.wrong_definition, self.wrong_definition, self.alter_type,
                              lambda: Statement(f'TRUNCATE {self.pick(self.tables).name}', wide=True)])()
        if how < 0.07:
            return self.batch()
        self.bound = [] if self.chance(0.2) else None
        reads = how > 0.5
        text = self.select() if reads else self.change(self.pick(self.tables))
        values, self.bound = self.bound, None
        if values is None and self.chance(0.02):
            text = self.break_(text)
        return Statement(text, values, self.pick([1, 2, 3, 7]) if reads and self.chance(0.25) else None)

    def learn(self, statement, worked):
        """A table that could not be made is asked for no more, but by chance."""
        if not worked and statement.text.startswith('CREATE TABLE t') and not self.chance(0.05):
            name = statement.text.split()[2]
            self.tables = [one for one in self.tables if one.name != name]

    def opening(self):
        out = [self.create_type() for _ in range(self.pick([0, 1, 1, 2]))]
        out += [self.create_table() for _ in range(self.pick([1, 2, 2, 3]))]
        return out

    def closing(self):
        """All rows once more."""
        return [Statement(f'SELECT * FROM {table.name}', page=self.pick([None, 2])) for table in self.tables]
