# SPDX-License-Identifier: MIT
"""Types of CQL and values of them: each as a literal and as what the Python driver binds.

The values of a type are few, so that rows meet; among them are the empty, the extreme and the odd.
"""
import datetime
import decimal
import ipaddress
import re
import uuid

SIMPLE = {
    'int': ['0', '1', '2', '3', '-1', '7', '2147483647', '-2147483648'],
    'bigint': ['0', '1', '2', '-5', '9223372036854775807'],
    'smallint': ['0', '1', '2', '-32768'],
    'tinyint': ['0', '1', '-1', '127'],
    'varint': ['0', '1', '-1', '128', '123456789012345678901234567890'],
    'text': ["'a'", "'b'", "'ab'", "''", "'it''s'", "'ä'", "'zz'"],
    'ascii': ["'a'", "'b'", "'q'"],
    'boolean': ['true', 'false'],
    'float': ['0.0', '1.5', '-2.25', '1e10'],
    'double': ['0.0', '1.5', '-2.25', '1e100', '-0.5'],
    'decimal': ['0', '1.5', '1.50', '-2.25', '1e5'],
    'blob': ['0x', '0x00', '0x01ff', '0xcafe'],
    'uuid': ['6f1c2f0e-5c2b-4a53-9a56-0d3c9b1a7e21', '00000000-0000-4000-8000-000000000001', 'ffffffff-ffff-4fff-bfff-ffffffffffff'],
    'timeuuid': ['50554d6e-29bb-11e5-b345-feff819cdc9f', '6acf5e30-29bb-11e5-b345-feff819cdc9f'],
    'timestamp': ["'2015-07-14 10:00:00+0000'", "'1969-12-31 23:59:59.999+0000'", '0', '1600000000123'],
    'date': ["'2015-07-14'", "'1969-12-31'", "'2024-02-29'"],
    'time': ["'10:00:00'", "'23:59:59.999999999'", "'00:00:00'"],
    'inet': ["'127.0.0.1'", "'::1'", "'10.0.0.7'"],
    'duration': ['1mo2d3h', '5s', 'P1Y'],
}
KEYS = [name for name in SIMPLE if name != 'duration']
WRONG = ['1', "'text'", 'true', '0xff', '1.5', 'null', '[1]', "{'a': 1}", '{1}', "'2015-99-01'", '99999999999999999999', 'NaN', '(1, 2)']


def python_value(type_, literal):
    """What is bound for a literal of a simple type; None when that is not told here."""
    text = literal.strip("'").replace("''", "'")
    if type_ in ('int', 'bigint', 'smallint', 'tinyint', 'varint'):
        return int(literal)
    if type_ in ('text', 'ascii'):
        return text
    if type_ == 'boolean':
        return literal == 'true'
    if type_ in ('float', 'double'):
        return float(literal)
    if type_ == 'decimal':
        return decimal.Decimal(literal)
    if type_ == 'blob':
        return bytes.fromhex(literal[2:])
    if type_ in ('uuid', 'timeuuid'):
        return uuid.UUID(literal)
    if type_ == 'timestamp':
        return {'0': datetime.datetime(1970, 1, 1), '1600000000123': datetime.datetime(2020, 9, 13, 12, 26, 40, 123000),
                "'2015-07-14 10:00:00+0000'": datetime.datetime(2015, 7, 14, 10)}.get(
                    literal, datetime.datetime(1969, 12, 31, 23, 59, 59, 999000))
    if type_ == 'date':
        return datetime.date.fromisoformat(text)
    if type_ == 'time':
        return '23:59:59.999999999' if '.' in text else text
    if type_ == 'inet':
        return str(ipaddress.ip_address(text))
    return None


class Type:
    """name: as in a CREATE TABLE. kind: simple, list, set, map, tuple, udt, counter."""

    def __init__(self, name, kind='simple', parts=(), fields=(), frozen=False):
        self.name, self.kind, self.parts, self.fields, self.frozen = name, kind, list(parts), list(fields), frozen

    def multi(self):
        return self.kind in ('list', 'set', 'map', 'udt') and not self.frozen

    def bindable(self):
        return self.name != 'duration' and self.kind != 'udt' and all(part.bindable() for part in self.parts)

    def value(self, chance):
        """(literal, value to bind)"""
        if self.kind == 'simple':
            literal = chance.choice(SIMPLE[self.name])
            return literal, python_value(self.name, literal)
        if self.kind == 'counter':
            number = chance.choice([1, 2, -1, 10])
            return str(number), number
        if self.kind == 'tuple':
            items = [part.value(chance) for part in self.parts]
            return '(' + ', '.join(one for one, _ in items) + ')', tuple(one for _, one in items)
        if self.kind == 'udt':
            items = [(name, part.value(chance)) for name, part in zip(self.fields, self.parts) if chance.random() < 0.8]
            return '{' + ', '.join(f'{name}: {one}' for name, (one, _) in items) + '}', None
        if self.kind == 'map':
            items = {}  # a key stands once: which of two counts depends on more than CQL says
            for _ in range(chance.choice([0, 1, 2, 3])):
                key = self.parts[0].value(chance)
                items[repr(decimal_free(key[1]))] = key, self.parts[1].value(chance)
            items = list(items.values())
            return '{' + ', '.join(f'{k}: {v}' for (k, _), (v, _) in items) + '}', {k: v for (_, k), (_, v) in items}
        items = [self.parts[0].value(chance) for _ in range(chance.choice([0, 1, 2, 3]))]
        opening, closing = '[]' if self.kind == 'list' else '{}'
        return opening + ', '.join(one for one, _ in items) + closing, [one for _, one in items]


def decimal_free(value):
    return float(value) if isinstance(value, decimal.Decimal) else value


def simple(chance, names=None):
    return Type(chance.choice(names or ['int', 'text', 'int', 'text', *SIMPLE]))


def any_type(chance, udts, depth=0):
    """A type of a regular column; inside of others everything is frozen."""
    if depth > 1 or chance.random() < 0.55:
        return simple(chance)
    kind = chance.choice(['list', 'set', 'map', 'list', 'set', 'map', 'tuple', 'udt'])
    if kind == 'udt' and not udts:
        kind = 'set'
    frozen = depth > 0 or chance.random() < 0.3
    inner = [any_type(chance, udts, depth + 1) if chance.random() < 0.3 else simple(chance) for _ in range(2)]
    keys = simple(chance, KEYS)
    if kind == 'tuple':
        return Type(f'tuple<{inner[0].name}, {inner[1].name}>' if depth == 0 else f'frozen<tuple<{inner[0].name}, {inner[1].name}>>',
                    'tuple', inner, frozen=True)
    if kind == 'udt':
        one = chance.choice(udts)
        return Type(f'frozen<{one.name}>' if frozen else one.name, 'udt', one.parts, one.fields, frozen)
    parts = [keys, inner[1]] if kind == 'map' else [keys] if kind == 'set' else [inner[0]]
    name = f'{kind}<{", ".join(part.name for part in parts)}>'
    return Type(f'frozen<{name}>' if frozen else name, kind, parts, frozen=frozen)


# ---- answers ----

def shown(number):
    return number.group(0) if number.group(0) == '<ttl>' else str(decimal.Decimal(number.group(0)).normalize())


def normal(value):
    """A value of a row in a form that can be compared: exact, with its order."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        if 99000 < value <= 100000:
            return '<ttl>'
        if 1600000000000000 < value < 2100000000000000:
            return '<now>'
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return [normal(one) for one in value]
    if hasattr(value, 'items'):
        return [(normal(k), normal(v)) for k, v in value.items()]
    if isinstance(value, decimal.Decimal):
        return f'Decimal {value.normalize()}'  # of equal keys either spelling may stay
    if isinstance(value, str) and value.startswith('{"'):  # SELECT JSON
        value = re.sub(r'\b1[6-9]\d{14}\b', '<now>', re.sub(r'\b(99\d{3}|100000)\b', '<ttl>', value))
        return re.sub(r'-?\d+\.\d+|-?\d+E\+\d+|\b100000\b|<ttl>(?= *[,}\]])', shown, value).replace('1E+5', '<ttl>')
    if isinstance(value, (str, bytes)):
        return value
    if hasattr(value, '__iter__'):
        return [normal(one) for one in value]
    return f'{type(value).__name__} {value}'
