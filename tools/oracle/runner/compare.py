# SPDX-License-Identifier: MIT
"""Comparing rows, errors and schemas with recorded ones."""
import re


def short(text, most=110):
    text = str(text)
    return text if len(text) <= most else text[:most] + '..'


def same_number(a, b, relative):
    try:
        x, y = float(a), float(b)
    except ValueError:
        return False
    if x == y or (x != x and y != y):
        return True
    return relative > 0 and abs(x - y) <= relative * max(abs(x), abs(y))


def same_cell(want, have, is_double, relative=0.0):
    if want == have:
        return True
    return is_double and same_number(want, have, relative)


def refusal(answer):
    """('refused', ..) when the engine said that it does not offer this."""
    if answer.get('unsupported'):
        return 'refused', '', short(answer.get('message', ''))
    return None


def same_rows(want, have, ordered, doubles, relative=0.0):
    """Rows are lists of cells. doubles: indices of columns compared as numbers."""
    if len(want) != len(have):
        return False
    if not ordered:
        want, have = sorted(want), sorted(have)
    for w, h in zip(want, have):
        if len(w) != len(h):
            return False
        for i, (a, b) in enumerate(zip(w, h)):
            if not same_cell(a, b, i in doubles, relative):
                return False
    return True


def field_types(schema):
    """Types of struct<a:int,b:array<int>>, in order."""
    body = schema[len('struct<'):-1] if schema.startswith('struct<') else ''
    types, depth, start = [], 0, 0
    parts = []
    for i, c in enumerate(body):
        depth += c in '<(' 
        depth -= c in '>)'
        if c == ',' and depth == 0:
            parts.append(body[start:i])
            start = i + 1
    if body:
        parts.append(body[start:])
    for p in parts:
        types.append(p.rsplit(':', 1)[-1] if '<' not in p else p[p.find(':', 0) + 1:])
    return types


def double_columns(schema):
    return {i for i, t in enumerate(field_types(schema)) if t in ('double', 'float')}


IDS = re.compile(r'#\d+')
