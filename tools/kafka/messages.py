#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the C structs and tables of Kafka's messages from src/wire/kafka/messages.txt.

    messages.py MESSAGES OUT.h OUT.c

The notation is told at the head of messages.txt. A mistake there ends the build with its line.
"""
import re, sys

NUMBERS = {'bool': ('bool', 1), 'int8': ('int8_t', 1), 'int16': ('int16_t', 2),
           'uint16': ('uint16_t', 2), 'int32': ('int32_t', 4), 'int64': ('int64_t', 8),
           'float64': ('double', 8)}
TEXTS = {'string': 2, 'bytes': 4, 'records': 4}
NEVER = 32767
KEYWORDS = {'default', 'switch', 'case', 'register', 'static', 'int', 'long', 'short', 'char'}


class Mistake(Exception):
    pass


def snake(name):
    name = re.sub(r'([A-Z]+)([A-Z][a-z])', r'\1_\2', name)
    name = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name).lower()
    return name + '_' if name in KEYWORDS else name


def versions(text, whole):
    match = re.fullmatch(r'(\d+)(?:-(\d+)|(\+))?', text)
    if not match:
        raise Mistake(f'versions: {text}')
    low = int(match[1])
    high = int(match[2]) if match[2] else whole[1] if match[3] else low
    if whole and not whole[0] <= low <= high <= whole[1]:
        raise Mistake(f'versions {text} are outside of {whole[0]}-{whole[1]}')
    return low, high


class Message:
    """A message or a struct in it."""

    def __init__(self, name, range_, flexible):
        self.name, self.range, self.flexible = name, range_, flexible
        self.fields = []

    @property
    def c(self):
        return 'kafka_' + '_'.join(snake(part).rstrip('_') for part in self.name.split('.'))


class Field:
    def __init__(self, words, message, structs):
        whole = message.range
        self.name, type_ = words[0], words[1]
        self.c = snake(self.name)
        self.array = type_.startswith('[')
        self.type = type_.strip('[]')
        self.range, self.nullable, self.default, self.tag = whole, NEVER, None, -1
        self.ignorable = False
        rest = words[2:]
        if rest and rest[0][0].isdigit():
            self.range = versions(rest.pop(0), whole)
        while rest:
            word = rest.pop(0)
            if word == 'nullable':
                self.nullable = int(rest.pop(0)) if rest and rest[0].isdigit() else self.range[0]
            elif word == 'default':
                self.default = rest.pop(0)
            elif word == 'tag':
                self.tag = int(rest.pop(0))
            elif word == 'ignorable':
                self.ignorable = True
            else:
                raise Mistake(f'what is {word}?')
        self.of = None
        self.defines = False
        if self.type not in NUMBERS and self.type not in TEXTS and self.type != 'uuid':
            if not self.type[0].isupper():
                raise Mistake(f'there is no type {self.type}')
            self.defines = self.type not in structs
            if self.defines:
                top = message.name.split('.')[0]
                structs[self.type] = Message(f'{top}.{self.type}', whole, message.flexible)
            self.of = structs[self.type]
        if self.default == 'null' and self.nullable == NEVER:
            raise Mistake('default null, and not nullable')
        if self.tag >= 0 and self.range[0] < message.flexible:
            raise Mistake('a tag in a version that is not flexible')

    @property
    def pointer(self):
        return self.of and not self.array and self.nullable != NEVER


def parse(path):
    """[(key, name, request, response, structs in order of need)]"""
    apis, stack, message, structs = [], [], None, {}
    for number, line in enumerate(open(path, encoding='utf-8'), 1):
        words = line.split()
        if not words or words[0].startswith('#'):
            continue
        try:
            depth = (len(line) - len(line.lstrip(' '))) // 2
            if words[0] == 'api' and depth == 0:
                apis.append([int(words[1]), words[2]])
            elif words[0] in ('request', 'response') and depth == 0:
                flexible = int(words[3].rstrip('+')) if len(words) > 2 else NEVER
                range_ = versions(words[1], (0, NEVER))
                message, structs = Message(apis[-1][1] + words[0].capitalize(), range_, flexible), {}
                apis[-1].append(message)
                stack = [message]
            else:
                del stack[depth:]
                if depth != len(stack):
                    raise Mistake('too deep')
                field = Field(words, stack[-1], structs)
                stack[-1].fields.append(field)
                if field.defines:
                    stack.append(field.of)
        except (Mistake, IndexError, ValueError) as error:
            sys.exit(f'{path}:{number}: {error}')
    return sorted(apis, key=lambda api: api[0])


def in_order(message, seen):
    """Structs before those that hold them."""
    for field in message.fields:
        if field.of and field.of.name not in seen:
            yield from in_order(field.of, seen)
    if message.name not in seen:
        seen.add(message.name)
        yield message


def least(message, version):
    """The fewest bytes that it takes in a version."""
    flexible = version >= message.flexible
    total = 1 if flexible else 0
    for field in message.fields:
        if not field.range[0] <= version <= field.range[1] or field.tag >= 0:
            continue
        if field.array:
            total += 1 if flexible else 4
        elif field.of:
            total += 1 if field.pointer else least(field.of, version)
        elif field.type == 'uuid':
            total += 16
        elif field.type in TEXTS:
            total += 1 if flexible else TEXTS[field.type]
        else:
            total += NUMBERS[field.type][1]
    return total


def declare(message):
    out = [f'struct {message.c} {{']
    for field in message.fields:
        if field.of:
            base = f'struct {field.of.c}'
        elif field.type in TEXTS:
            base = 'struct str'
        else:
            base = 'uint8_t' if field.type == 'uuid' else NUMBERS[field.type][0]
        if field.array:
            star = f'(*{field.c})[16]' if field.type == 'uuid' else f'*{field.c}'
            out += [f'    {base} {star};', f'    int32_t {field.c}_count;']
        elif field.type == 'uuid':
            out.append(f'    uint8_t {field.c}[16];')
        else:
            out.append(f'    {base} {"*" if field.pointer else ""}{field.c};')
    return out + ['};', f'extern const struct kafka_message {message.c}_message;']


def defaults(message):
    """The initialiser of a struct with its defaults."""
    out = []
    for field in message.fields:
        null = field.default == 'null'
        if field.array:
            if null:
                out.append(f'.{field.c}_count = -1')
        elif field.of:
            if not field.pointer:
                out.append(f'.{field.c} = {defaults(field.of)}')
        elif field.type in TEXTS:
            if not null:
                out.append(f'.{field.c} = {{"", 0}}')
        elif field.default is not None:
            value = field.default
            if value == '-9223372036854775808':
                value = 'INT64_MIN'
            out.append(f'.{field.c} = {value}')
    return '{' + (', '.join(out) or '0') + '}'


def tables(message):
    struct = f'struct {message.c}'
    out = []
    if message.fields:
        out.append(f'static const struct kafka_field {message.c}_fields[] = {{')
    for field in message.fields:
        kind = 'KAFKA_STRUCT' if field.of else f'KAFKA_{field.type.upper()}'
        row = [f'.name = "{field.name}"', f'.type = {kind}', f'.version_min = {field.range[0]}',
               f'.version_max = {field.range[1]}', f'.nullable_from = {field.nullable}',
               f'.tag = {field.tag}', f'.offset = offsetof({struct}, {field.c})']
        if field.array:
            row += ['.array = true', f'.count_offset = offsetof({struct}, {field.c}_count)']
        if field.ignorable:
            row.append('.ignorable = true')
        if field.of:
            row.append(f'.of = &{field.of.c}_message')
        out.append('    {' + ', '.join(row) + '},')
    if message.fields:
        out.append('};')
    bytes_min = min(least(message, v) for v in range(message.range[0], message.range[1] + 1))
    has_tags = any(field.tag >= 0 for field in message.fields)
    out += [f'static const {struct} {message.c}_defaults = {defaults(message)};' if message.fields else '',
            f'const struct kafka_message {message.c}_message = {{',
            f'    .name = "{message.name}", .version_min = {message.range[0]}, .version_max = {message.range[1]},',
            f'    .flexible_from = {message.flexible}, .field_count = {len(message.fields)}, .bytes_min = {bytes_min},']
    if message.fields:
        out.append(f'    .bytes = sizeof({struct}), .fields = {message.c}_fields, .defaults = &{message.c}_defaults,')
    if has_tags:
        out.append('    .tagged = true,')
    return out + ['};']


def main():
    source, header, code = sys.argv[1:]
    apis = parse(source)
    note = '/* Made by tools/kafka/messages.py from src/wire/kafka/messages.txt. */'
    h = [note, '#ifndef GEN_KAFKA_MESSAGES_H', '#define GEN_KAFKA_MESSAGES_H', '', '#include "base/str.h"', '',
         'struct kafka_message;', '', 'enum kafka_key {']
    h += [f'    KAFKA_KEY_{snake(name).upper()} = {key},' for key, name, _, _ in apis]
    h += ['};', f'enum {{ KAFKA_APIS = {len(apis)} }};', '']
    c = [note, '#include "wire/kafka/kafka.h"', '', '#include <stddef.h>', '']
    for key, name, request, response in apis:
        for top in (request, response):
            for message in in_order(top, set()):
                if not message.fields:
                    h += [f'struct {message.c} {{', '    char none;', '};',
                          f'extern const struct kafka_message {message.c}_message;']
                    c += [f'static const struct {message.c} {message.c}_defaults = {{0}};']
                else:
                    h += declare(message)
                h.append('')
                table = tables(message)
                if not message.fields:
                    table.insert(-1, f'    .bytes = 1, .defaults = &{message.c}_defaults,')
                c += [line for line in table if line] + ['']
    c.append('const struct kafka_api kafka_apis[] = {')
    c += [f'    {{{key}, "{name}", &{request.c}_message, &{response.c}_message}},'
          for key, name, request, response in apis]
    c += ['    {0, NULL, NULL, NULL},', '};', '']
    h += ['#endif', '']
    open(header, 'w', encoding='utf-8').write('\n'.join(h))
    open(code, 'w', encoding='utf-8').write('\n'.join(c))


if __name__ == '__main__':
    main()
