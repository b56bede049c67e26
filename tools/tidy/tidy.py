#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the house rules on every C file: floors, public headers, sizes, banned calls, heads.

    tidy.py [--sizes]        --sizes lists the longest files and functions instead

Each message says the fix. Exceptions stand in the tables below with their reason; an exception that
nothing needs any more is a mistake too, so the lists only get shorter.
"""
import os, re, subprocess, sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))

# Who stands on which floor; a file includes its own folder and public headers of lower floors.
FLOOR = {'base': 0, 'io': 1, 'data': 1, 'wire': 2, 'format': 2, 'log': 3, 'table': 3, 'query': 4,
         'connect': 4, 'pipeline': 5, 'serve': 6, 'cli': 7}
# Includes on one floor that are meant.
SAME_FLOOR = set()
# Headers that other folders may include.
PUBLIC = {
    'base': None, 'data': None,                       # all of them
    'io': {'io.h', 'loop.h', 'thread.h', 'worker.h', 'sim.h'},
    'wire': {'http.h', 'kafka/kafka.h', 'cql/cql.h', 'cql/type.h'},
    'format': {'json.h', 'csv.h'},
    'log': {'log.h', 'record_batch.h', 'kafka_trouble.h'},
    'table': {'table.h', 'cells.h', 'codec.h'},
    'query': {'query.h'},
    'connect': {'connect.h', 'webhook.h', 'fetch.h', 'cql_client.h'},
    'pipeline': {'pipeline.h', 'project.h', 'operate.h', 'adhoc.h'},
    'serve': {'http.h', 'mock_api.h', 'api.h', 'kafka/kafka.h', 'cql/cql.h'},
    'cli': set(),
}
# Only io calls the kernel, reads a clock, sleeps, asks for randomness; only base calls malloc.
BANNED = [
    (r'\b(malloc|calloc|realloc|free|strdup|strndup|aligned_alloc)\s*\(', {'base'}, 'use base/mem.h'),
    (r'\b(strcpy|strcat|sprintf|vsprintf|gets|strtok)\s*\(', set(), 'use struct buf or snprintf'),
    (r'\b(atoi|atol|atoll|atof)\s*\(', set(), 'use str_to_i64 / str_to_f64: they report errors'),
    (r'\b(time|gettimeofday|clock_gettime|localtime|gmtime|localtime_r|gmtime_r|mktime|strftime|strptime)\s*\(', {'io'}, 'take the time from io'),
    (r'\b(rand|srand|random|drand48|getrandom|arc4random)\s*\(', {'io'}, 'take a struct prng, or io_random()'),
    (r'\b(sleep|usleep|nanosleep)\s*\(', {'io'}, 'use io_sleep_ns() or a timer'),
    (r'\b(open|openat|creat|fopen|fdopen|read|pread|write|pwrite|writev|pwritev|fsync|fdatasync|ftruncate|unlink|rename|mkdir|rmdir|opendir|stat|fstat|lstat)\s*\(', {'io'}, 'go through io/io.h'),
    (r'\b(socket|bind|listen|accept|accept4|connect|send|recv|sendto|recvfrom|epoll_\w+|poll|select|getaddrinfo)\s*\(', {'io'}, 'go through io/loop.h'),
    (r'\b(pthread_\w+|fork|execv\w*|system|popen|signal|sigaction|getenv|setlocale)\s*\(', {'io'}, 'go through io'),
    (r'\b(setjmp|longjmp|alloca)\s*\(', set(), 'no hidden control flow'),
]
# (file, word): why it may.
EXCEPTIONS = {
    ('src/cli/sql.c', 'free'): 'readline() hands out memory of the C library',
    ('src/cli/cql.c', 'free'): 'readline() hands out memory of the C library',
}
FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70
LINE_COLUMNS_MAX = 100
# Functions over the limit that stay: (file, function): reason.
LONG_FUNCTIONS = {}

mistakes = []
used = set()


def mistake(path, line, text):
    mistakes.append(f'{path}:{line}: {text}')


def without_comments_and_strings(text):
    def blank(match):
        s = match.group(0)
        return re.sub(r'[^\n]', ' ', s) if s.startswith('/') else s[0] + ' ' * (len(s) - 2) + s[-1]
    return re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def check_includes(path, room, text):
    for number, line in enumerate(text.split('\n'), 1):
        match = re.match(r'#include "([^"]+)"', line)
        if not match:
            continue
        name = match.group(1)
        if '/' not in name:
            mistake(path, number, f'write the folder: "{room}/{name}"')
            continue
        other, header = name.split('/', 1)
        if other == room:
            continue
        if other not in FLOOR:
            if other == 'gen':
                continue
            mistake(path, number, f'there is no room {other}')
        elif FLOOR[other] > FLOOR[room] or (FLOOR[other] == FLOOR[room] and (room, other) not in SAME_FLOOR):
            mistake(path, number, f'{room} (floor {FLOOR[room]}) may not look up or sideways to {other} (floor {FLOOR[other]})')
        elif PUBLIC[other] is not None and header not in PUBLIC[other]:
            mistake(path, number, f'{name} is private to {other}; public are: {", ".join(sorted(PUBLIC[other]))}')


def check_calls(path, room, code):
    for pattern, rooms, advice in BANNED:
        if room in rooms:
            continue
        for match in re.finditer(pattern, code):
            before = code[:match.start()]
            if re.search(r'(->|\.|\bstatic\b[^;{}()]*|\w\s+\**)$', before.split('\n')[-1]) and not re.search(r'(return|=|\(|,|&&|\|\||!|;|else|do)\s*$', before.split('\n')[-1]):
                continue  # a member or a declaration of our own
            word = match.group(1)
            if (path, word) in EXCEPTIONS:
                used.add((path, word))
                continue
            mistake(path, before.count('\n') + 1, f'{word}() is not called here: {advice}')


def functions(code):
    """(name, first line, lines) of each function body: a { at column 0 up to the } at column 0."""
    lines = code.split('\n')
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith('{') and not line.startswith('{0'):
            start = number
        elif line.startswith('}') and start:
            head = ''
            for back in range(start - 2, max(start - 12, -1), -1):
                head = lines[back] + ' ' + head
                if re.match(r'^[A-Za-z_]', lines[back]) and '(' in head:
                    break
            name = re.search(r'(\w+)\s*\(', head)
            if name and not re.match(r'\s*(struct|enum|union|static const|const)\b[^(]*=\s*$', head):
                yield name.group(1), start, number - start + 1
            start = None


def check_file(path):
    room = path.split('/')[1]
    text = open(os.path.join(ROOT, path), encoding='utf-8').read()
    lines = text.split('\n')
    if not lines[0].startswith('/* SPDX-License-Identifier: MIT */'):
        mistake(path, 1, 'begin with /* SPDX-License-Identifier: MIT */')
    if path.endswith('.c') and not re.match(r'/\* SPDX[^\n]*\n\s*/\*', text):
        mistake(path, 2, 'say in a comment what this file is and why it is this way')
    if path.endswith('.h') and '#ifndef' not in text[:200]:
        mistake(path, 2, 'guard the header')
    if len(lines) > FILE_LINES_MAX:
        mistake(path, len(lines), f'{len(lines)} lines: over {FILE_LINES_MAX}; look for the seam')
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_COLUMNS_MAX:
            mistake(path, number, f'{len(line)} columns: over {LINE_COLUMNS_MAX}; run make format')
        if '\t' in line:
            mistake(path, number, 'a tab; run make format')
        if re.search(r'\b(TODO|FIXME|XXX|HACK)\b', line):
            mistake(path, number, 'finish it; unfinished work is not merged')
    code = without_comments_and_strings(text)
    for number, line in enumerate(code.split('\n'), 1):
        if '//' in line:
            mistake(path, number, 'write /* */; // is for debugging')
    check_includes(path, room, text)
    check_calls(path, room, code)
    for name, start, count in functions(code):
        if count <= FUNCTION_LINES_MAX:
            continue
        if (path, name) in LONG_FUNCTIONS:
            used.add((path, name))
        else:
            mistake(path, start, f'{name}() has {count} lines: over {FUNCTION_LINES_MAX}; split it')


def show_sizes(paths):
    rows, bodies = [], []
    for path in paths:
        text = open(os.path.join(ROOT, path), encoding='utf-8').read()
        rows.append((text.count('\n'), path))
        bodies += [(count, f'{path}:{start} {name}()') for name, start, count in functions(without_comments_and_strings(text))]
    for title, items in (('files', rows), ('functions', bodies)):
        print(f'longest {title}:')
        for count, name in sorted(items, reverse=True)[:12]:
            print(f'  {count:5} {name}')


def main():
    listed = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard', 'src'], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    paths = sorted(p for p in listed if p.endswith(('.c', '.h')) and os.path.exists(os.path.join(ROOT, p)))
    if '--sizes' in sys.argv:
        return show_sizes(paths)
    for path in paths:
        check_file(path)
    for key in set(EXCEPTIONS) | set(LONG_FUNCTIONS):
        if key not in used:
            mistake(key[0], 1, f'the exception for {key[1]} in tools/tidy/tidy.py is not needed any more')
    for text in mistakes:
        print(text)
    print(f'tidy: {len(paths)} files, {len(mistakes)} mistakes')
    return 1 if mistakes else 0


sys.exit(main())
