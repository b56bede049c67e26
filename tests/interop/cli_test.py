#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every command as somebody meets it who has never seen the program."""
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from millrace import (Process, Project, command, folder, free_port, main, program, request, until,  # noqa: E402
                      wrong_books)

COMMANDS = ['init', 'run', 'check', 'sql', 'topics', 'consume', 'produce', 'tables', 'dlq', 'doctor', 'inspect',
            'mock-api', 'bench', 'completion']

NUMBERS = '''
sources:
  numbers:
    schema: id BIGINT, name STRING
targets:
  named: {table: test.named, key: [id]}
'''
SQL = '''
CREATE STREAMING TABLE named AS SELECT id, upper(name) AS name FROM STREAM numbers WHERE id > 0;
CREATE STREAMING TABLE everything AS SELECT * FROM STREAM numbers;
'''


def numbers(first, last):
    return '\n'.join(json.dumps({'id': n, 'name': f'n{n}'}) for n in range(first, last + 1))


def filled(count=3):
    """A stopped project with that many records."""
    project = Project(NUMBERS, SQL)
    run = project.start()
    project.must('produce', 'numbers', input=numbers(1, count))
    until(lambda: all(t['lag'] == 0 and t['read'] == count for t in project.status()['tables']), project.status)
    run.stop()
    return project


def first_steps(tap):
    """What the readme says: init, check, run, sql, with the offline API."""
    home = folder()
    api = Process('mock-api', '--listen', '127.0.0.1:0')
    env = {'DATASOURCE_URL': f'http://127.0.0.1:{api.port()}/api/'}
    done = command('init', 'users', '--example', 'random-users', cwd=home)
    tap.equal(done.code, 0, 'init')
    tap.has(done.out, 'next: millrace check users', 'it says what comes next')
    tap.equal(command('init', 'users', cwd=home).code, 1, 'init writes over nothing')
    path = f'{home}/users'
    port = free_port()
    with open(f'{path}/millrace.yml', encoding='utf-8') as file:
        text = file.read()
    with open(f'{path}/millrace.yml', 'w', encoding='utf-8') as file:
        file.write(text.replace('127.0.0.1:8080', f'127.0.0.1:{port}').replace('every: 1s', 'every: 100ms'))
    done = command('check', 'users', cwd=home)
    tap.equal((done.code, done.out), (0, 'users is fine: 1 source, 1 table\n'), 'check')
    done = command('check', 'users', '--connect', cwd=home, env=env)
    tap.ok(done.code == 0 and 'source users_created: reached' in done.out, 'check --connect', done)
    done = command('check', 'users', '--connect', cwd=home, env={'DATASOURCE_URL': 'http://127.0.0.1:9/'})
    tap.ok(done.code == 1 and 'millrace.yml:' in done.err and '127.0.0.1:9' in done.err, 'check --connect where nobody listens', done)
    done = command('run', 'users', '--for', '2s', cwd=home, env=env)
    tap.equal(done.code, 0, 'run --for 2s')
    for part in ('listening on http://127.0.0.1:', 'fetched', 'stored', 'dead-lettered', 'rows/s', 'p50', 'p99', 'books balance'):
        tap.has(done.out, part, f'its summary has {part!r}')
    done = command('run', 'users', '--for', '500ms', '-o', 'json', cwd=home, env=env)
    status = done.json()
    tap.ok(done.code == 0 and status['balanced'] and status['sources'][0]['fetched'] > 0, 'run -o json', done)
    done = command('sql', '-C', 'users', '-e', 'SELECT first_name, email FROM created_users LIMIT 3', cwd=home)
    tap.ok(done.code == 0 and done.out.splitlines()[0].split() == ['first_name', 'email'] and '3 rows' in done.out, 'sql', done)
    done = command('sql', '-e', 'SELECT count(*) FROM created_users', '-o', 'json', cwd=path)
    tap.equal(int(done.json()['rows'][0][0]), status['tables'][0]['rows'], 'sql in the directory of the project')
    tap.equal(command('doctor', cwd=path).code, 0, 'doctor')
    tap.equal(api.stop(), 0, 'mock-api ends by Ctrl-C')

    for name in ('clickstream', 'earthquakes', 'random-users'):
        tap.equal(command('init', name, '--example', name, cwd=folder()).code, 0, f'init --example {name}')
    done = command('init', 'x', '--example', 'random-user', cwd=home)
    tap.ok(done.code == 2 and 'random-users' in done.err, 'init with an unknown example names those there are', done)


def clickstream(tap):
    """The quickstart's second half."""
    home = folder()
    command('init', 'clicks', '--example', 'clickstream', cwd=home)
    port = free_port()
    with open(f'{home}/clicks/millrace.yml', encoding='utf-8') as file:
        text = file.read()
    with open(f'{home}/clicks/millrace.yml', 'w', encoding='utf-8') as file:
        file.write(text.replace('listeners: {http: 127.0.0.1:8080}', f'listeners: {{http: 127.0.0.1:{port}}}'))
    run = Process('run', f'{home}/clicks')
    tap.equal(run.port(), port, 'run says where it listens')
    answer = request('POST', f'http://127.0.0.1:{port}/hooks/events',
                     '{"event_id":"1","user_id":"ann","event_type":"purchase","timestamp":"2026-01-01T12:00:00Z",'
                     '"page":{"url":"/home","title":"Home"},"items":[{"sku":"a1","price":9.5,"count":2}]}')
    tap.equal(answer.status, 200, 'an event is taken')
    env = {'MILLRACE_SERVER': f'http://127.0.0.1:{port}'}
    until(lambda: command('sql', '-e', 'SELECT * FROM events', '-o', 'json', env=env, cwd=home).json()['rows'], 'no row')
    done = command('sql', '-e', 'SELECT sku, price, count, amount FROM purchases', '-o', 'csv', env=env, cwd=home)
    tap.equal((done.code, done.out), (0, 'sku,price,count,amount\r\na1,9.50,2,19.00\r\n'), 'sql over MILLRACE_SERVER, as CSV')
    tap.equal(run.stop(), 0, 'Ctrl-C')


def usage(tap):
    done = command('--help')
    tap.ok(done.code == 0 and all(name in done.out for name in COMMANDS), '--help names every command', done)
    tap.equal(command().code, 2, 'no command: 2')
    done = command('--version')
    tap.ok(done.code == 0 and re.fullmatch(r'millrace \d+\.\d+\.\d+\n', done.out), '--version', done)
    done = command('rnu')
    tap.ok(done.code == 2 and "did you mean 'run'?" in done.err, 'a typing mistake: 2, and the nearest command', done)
    for name in COMMANDS:
        done = command(name, '--help')
        tap.ok(done.code == 0 and f'millrace {name}' in done.out and not done.err, f'{name} --help', done)
        tap.equal(command(name, '-h').out, done.out, f'{name} -h')
        done = command(name, '--nonsense')
        tap.ok(done.code == 2 and '--nonsense' in done.err, f'{name} --nonsense: 2', done)
        done = command(name, '-o', 'xml')
        tap.equal(done.code, 2, f'{name} -o xml: 2')
    for words in (['run', 'a', 'b'], ['run', '--for'], ['run', '--for', 'soon'], ['consume'], ['produce'], ['inspect'],
                  ['topics', 'nonsense'], ['topics', 'create'], ['dlq', 'show'], ['dlq', 'nonsense', 'x'],
                  ['consume', 'x', '-n', 'many'], ['sql', 'SELECT 1'], ['run', '--until-idle=yes']):
        done = command(*words, cwd=folder())
        tap.ok(done.code == 2 and done.err, f'{" ".join(words)}: 2', done)
    done = command('run', folder())
    tap.ok(done.code == 1 and 'spark-pipeline.yml' in done.err and 'init' in done.err, 'run without a project says what to do', done)
    done = command('sql', '-C', folder(), '-e', 'SELECT 1')
    tap.ok(done.code == 1 and 'not a project' in done.err, 'sql without a project', done)
    done = command('sql', '-s', 'http://127.0.0.1:9', '-e', 'SELECT 1')
    tap.ok(done.code == 75 and 'millrace run' in done.err, 'no server: 75, and what to do', done)
    project = Project(NUMBERS, SQL)
    done = project.command('sql', '-e', 'SELECT 1')
    tap.ok(done.code == 1 and 'no data yet' in done.err, 'a project that never ran', done)
    done = command('completion', 'bash')
    tap.ok(done.code == 0 and all(name in done.out for name in COMMANDS), 'completion bash', done)
    bash = subprocess.run(['bash', '-n'], input=done.raw, capture_output=True)
    tap.equal((bash.returncode, bash.stderr), (0, b''), 'which bash can read')


def mistakes(tap):
    """check shows all at once, with place and hint."""
    project = Project('''sources:
  numbers:
    shema: id BIGINT
    schema: id BIGINTT, name STRING
    from:
      http:
        url: http://127.0.0.1/
        tmieout: 10s
targets:
  namde: {table: test.named, key: [id]}
''', 'CREATE STREAMING TABLE named AS\nSELECT id,\n       nmae FROM STREAM numbers;\n')
    done = command('check', project.path)
    tap.equal(done.code, 1, 'check of a project with mistakes: 1')
    for part in ("millrace.yml:3:5: ", "did you mean 'schema'?", 'millrace.yml:4:', 'millrace.yml:8:9: ', "did you mean 'timeout'?", '^'):
        tap.has(done.err, part, f'it shows {part!r}')
    mistakes = command('check', project.path, '-o', 'json').json()
    tap.ok(not mistakes['ok'] and len(mistakes['mistakes']) >= 3
           and all(m['file'] and m['message'] for m in mistakes['mistakes']), 'check -o json', mistakes)
    done = command('run', project.path)
    tap.ok(done.code == 1 and 'nothing was started' in done.err, 'run of it starts nothing', done)

    project = Project(NUMBERS, 'CREATE STREAMING TABLE named AS\nSELECT id,\n       nmae FROM STREAM numbers;\n')
    done = command('check', project.path)
    tap.ok(done.code == 1 and 'transformations/all.sql:3:8: ' in done.err and 'nmae' in done.err and '       ^' in done.err,
           'a mistake in SQL with line, column and caret', done)


def queries(tap):
    project = filled()
    done = project.command('sql', '-e', 'SELECT * FROM named ORDER BY id')
    tap.equal(done.out, 'id  name\n--  ----\n 1  N1\n 2  N2\n 3  N3\n3 rows\n', 'sql as a table')
    done = project.command('sql', '-o', 'csv', input='SELECT id, name FROM test.named ORDER BY id DESC LIMIT 2')
    tap.equal(done.out, 'id,name\r\n3,N3\r\n2,N2\r\n', 'sql from standard input, as CSV')
    done = project.command('sql', '-o', 'json', '-e', 'SELECT id, NULL AS nothing FROM named WHERE id = 1')
    tap.equal(done.json(), {'columns': [{'name': 'id', 'type': 'bigint'}, {'name': 'nothing', 'type': 'void'}],
                            'rows': [['1', None]], 'truncated': False}, 'sql as JSON')
    done = project.command('sql', '-n', '2', '-e', 'SELECT * FROM named')
    tap.ok('2 rows, more are there' in done.out, 'sql says when rows are left out', done)
    tap.equal(project.sql('SELECT count(*) FROM numbers'), [['3']], 'a stream is a table of its records')
    tap.equal(project.sql('SELECT upper(concat("a", "b"))'), [['AB']], 'an expression alone')
    done = project.command('sql', '--explain', '-e', 'SELECT id FROM named WHERE id = 2')
    tap.ok(done.code == 0 and 'named' in done.out, 'sql --explain', done)
    for query, parts in (
            ('SELECT nmae FROM named', ['UNRESOLVED_COLUMN', 'nmae', '^']),
            ('SELECT id\nFROM nmaed', ['TABLE_OR_VIEW_NOT_FOUND', 'nmaed', '^']),
            ('SELECT id FORM named', ['PARSE_SYNTAX_ERROR', '^']),
            ('SELECT 1/0', ['DIVIDE_BY_ZERO']),
            ('SELECT CAST("x" AS INT)', ['CAST_INVALID_INPUT'])):
        done = project.command('sql', '-e', query)
        tap.ok(done.code == 1 and all(p in done.err for p in parts) and not done.out, f'{query!r} is refused: {parts}', done)
    done = project.command('sql', '-e', 'SELECT 1; SELECT 2 AS two', '-o', 'csv')
    tap.ok(done.out.endswith('two\r\n2\r\n'), 'two statements', done)


def topics(tap):
    project = filled()

    def both(where, count=3):
        """The same on a stopped project and through a running server."""
        name = f'extra_{where}'
        tap.equal(project.command('topics', 'create', name, '--partitions', '3').code, 0, f'{where}: create')
        done = project.command('topics', 'create', name)
        tap.ok(done.code == 1 and name in done.err, f'{where}: create what is there', done)
        names = [t['name'] for t in project.must('topics', '-o', 'json').json()]
        tap.ok({'numbers', name} <= set(names), f'{where}: list', names)
        tap.has(project.must('topics', 'list').out, name, f'{where}: list as a table')
        one = project.must('topics', 'describe', name, '-o', 'json').json()
        tap.equal((one['partitions'], [p['end'] for p in one['offsets']]), (3, [0, 0, 0]), f'{where}: describe')
        done = project.command('produce', name, '-K', ':', input='a:1\nb:2\na:3\nc:4:5\r\n')
        tap.equal((done.code, done.out), (0, '4 records durable\n'), f'{where}: produce with keys')
        got = [json.loads(line) for line in project.must('consume', name, '-b', '-e', '-o', 'json').out.splitlines()]
        tap.equal(sorted((r['key'], r['value']) for r in got), [('a', '1'), ('a', '3'), ('b', '2'), ('c', '4:5\r')],
                  f'{where}: consume; bytes are kept as they are')
        tap.equal(len({r['partition'] for r in got if r['key'] == 'a'}), 1, f'{where}: a key has one partition')
        tap.equal([r['value'] for r in got if r['key'] == 'a'], ['1', '3'], f'{where}: and its order')
        out = project.must('consume', name, '-b', '-e', '-k').out
        tap.equal(sorted(out.split('\n')[:-1]), ['a\t1', 'a\t3', 'b\t2', 'c\t4:5\r'], f'{where}: consume -k')
        tap.equal(project.must('produce', name, '-p', '2', input='last').out, '1 record durable\n', f'{where}: produce -p, no end of line')
        tap.equal(project.command('produce', name, '-p', '3', input='x').code, 1, f'{where}: produce into no partition')
        tap.equal(project.must('consume', name, '-b', '-e', '-n', '2').out.count('\n'), 2, f'{where}: consume -n 2')
        tap.equal(project.must('produce', name, input='').out, '0 records durable\n', f'{where}: produce nothing')
        done = project.command('topics', 'delete', 'numbers')
        tap.ok(done.code in (1, 75) and 'source' in done.err, f'{where}: a source\'s topic is not deleted', done)
        tap.equal(project.command('topics', 'delete', name).code, 0, f'{where}: delete')
        done = project.command('consume', name, '-b', '-e')
        tap.ok(done.code == 1 and name in done.err, f'{where}: then it is gone', done)
        done = project.command('consume', 'numbesr', '-b', '-e')
        tap.ok(done.code == 1 and "did you mean 'numbers'?" in done.err, f'{where}: a typing mistake', done)
        tap.equal(project.must('consume', 'numbers', '-b', '-e', '--from', '1').out.count('\n'), count, f'{where}: -b beats --from')
        tap.equal(project.must('consume', 'numbers', '-e', '--from', '1').out, numbers(2, count) + '\n', f'{where}: consume --from 1')
        done = project.command('topics', 'create', 'a/b')
        tap.equal(done.code, 1, f'{where}: a name that is none')
        tables = project.must('tables', '-o', 'json').json()
        tap.equal({t['keyspace'] + '.' + t['name'] for t in tables}, {'test.named', 'test.everything'}, f'{where}: tables')
        out = project.must('tables', 'test.named').out
        tap.ok('bigint' in out.lower() and 'partition' in out, f'{where}: the columns of a table', out)
        tap.equal(project.command('tables', 'nothing').code, 1, f'{where}: a table that is not there')
        tap.equal(project.must('dlq').out, 'no dead letters\n', f'{where}: dlq')
        done = project.command('doctor')
        tap.ok(done.code == 0 and done.out.count('  ok') == 7, f'{where}: doctor', done)
        tap.equal(project.sql('SELECT id, name FROM named ORDER BY id'), [[str(n), f'N{n}'] for n in range(1, count + 1)],
                  f'{where}: sql')

    both('stopped')
    run = project.start()
    both('running')
    follow = Process('consume', 'numbers', '-C', project.path)
    until(lambda: time.sleep(0.5) or True, '')
    project.must('produce', 'numbers', input='{"id": 4, "name": "n4"}')
    until(lambda: follow.out() == '{"id": 4, "name": "n4"}\n', follow.out)
    tap.ok(True, 'consume follows')
    follow.signal(signal.SIGINT)
    follow.wait()
    tap.equal(run.stop(), 0, 'Ctrl-C')
    both('stopped_again', 4)


def segments(tap):
    project = filled()
    path = f'{project.path}/data/log'
    found = [os.path.join(at, name) for at, _, names in os.walk(path) for name in names if name.endswith('.log') and 'numbers' in at]
    tap.ok(found, 'there is a segment file')
    done = command('inspect', found[0], '--records')
    tap.ok(done.code == 0 and 'all batches are fine' in done.out and '\\"id\\": 1' in done.out, 'inspect', done)
    with open(found[0], 'rb') as file:
        data = bytearray(file.read())
    at = data.find(b'"n2"')
    data[at + 1] ^= 1
    damaged = os.path.join(folder(), 'damaged.log')
    with open(damaged, 'wb') as file:
        file.write(data)
    done = command('inspect', damaged)
    tap.ok(done.code == 1 and 'DAMAGED' in done.out and 'BAD' in done.out, 'inspect of a damaged one', done)
    tap.equal(command('inspect', '/nothing/there').code, 1, 'inspect of nothing')


def signals(tap):
    """One Ctrl-C takes what is there; two end at once; a second run is told to come later."""
    project = Project(NUMBERS, SQL)
    run = project.start()
    done = command('run', project.path)
    tap.ok(done.code == 75 and project.path in done.err, 'a second run: 75', done)
    tap.ok(run.alive() and request('GET', project.url('/health')).body == b'ok\n', 'which does not harm the first')
    project.must('produce', 'numbers', input=numbers(1, 20000))
    tap.equal(run.stop(), 0, 'Ctrl-C')
    tap.ok('stopping' in run.err() and 'books balance' in run.out(), 'it says so, and the summary', run.out() + run.err())
    tap.equal(project.sql('SELECT count(*) FROM named'), [['20000']], 'all that was in the topic is in the table')

    for number in (signal.SIGTERM, signal.SIGINT):
        run = project.start()
        run.signal(number)
        tap.equal(run.wait(), 0, f'signal {number}: 0')
    run = project.start()
    project.must('produce', 'numbers', input=numbers(20001, 90000))
    run.signal(signal.SIGINT)
    time.sleep(0.005)
    run.signal(signal.SIGINT)
    code = run.wait()
    tap.ok(code in (0, 1), f'Ctrl-C twice: it ends with {code}', run.err())
    run = command('run', project.path, '--until-idle', '--quiet', '200ms', '-o', 'json')
    tap.equal((run.code, wrong_books(run.json())), (0, None), 'the next run goes on')
    tap.equal(project.sql('SELECT count(*), max(id) FROM named'), [['90000', '90000']], 'nothing is missing')

    api = Process('mock-api', '--listen', '127.0.0.1:0')
    done = command('mock-api', '--listen', f'127.0.0.1:{api.port()}')
    tap.ok(done.code == 75 and 'cannot listen' in done.err, 'an address in use', done)
    taken = Project(NUMBERS, SQL, port=api.port())
    done = command('run', taken.path)
    tap.ok(done.code == 75 and f'127.0.0.1:{api.port()}' in done.err and 'listeners' in done.err, 'a port in use: what to do', done)
    api.signal(signal.SIGTERM)
    tap.equal(api.wait(), 0, 'mock-api ends by SIGTERM')


def two_projects(tap):
    """Side by side, and commands find theirs."""
    one, two = Project(NUMBERS, SQL), Project(NUMBERS, SQL)
    runs = [one.start(), two.start()]
    one.must('produce', 'numbers', input=numbers(1, 5))
    two.must('produce', 'numbers', input=numbers(101, 102))
    for project, count in ((one, 5), (two, 2)):
        until(lambda: project.table('named')['read'] == count, project.status)
    tap.equal((one.sql('SELECT count(*) FROM named'), two.sql('SELECT count(*) FROM named')), ([['5']], [['2']]), 'each has its own')
    done = command('sql', '-s', two.url('/'), '-e', 'SELECT min(id) FROM named', '-o', 'csv')
    tap.equal(done.out.splitlines()[1], '101', '--server names one')
    tap.equal([run.stop() for run in runs], [0, 0], 'Ctrl-C')
    tap.equal((one.sql('SELECT count(*) FROM named'), two.sql('SELECT count(*) FROM named')), ([['5']], [['2']]), 'stopped, the same')


def idle(tap):
    """--until-idle with a file ends by itself."""
    project = Project('sources:\n  lines:\n    value: text\n    from:\n      file: {path: "in/*.txt", format: ndjson, follow: false}\n',
                      'CREATE STREAMING TABLE words AS SELECT length(value) AS n FROM STREAM lines;',
                      files={'in/a.txt': 'a\nbb\n', 'in/b.txt': 'ccc\n'})
    done = command('run', project.path, '--until-idle', '-o', 'json')
    tap.ok(done.code == 0 and done.json()['tables'][0]['stored'] == 3, 'run --until-idle', done)
    tap.equal(done.err, '', 'which says nothing when all is well')
    tap.equal(sorted(project.sql('SELECT n FROM words')), [['1'], ['2'], ['3']], 'every line')


def reader_gone(tap):
    """| head"""
    project = filled(20000)
    line = f'{program()} consume numbers -C {project.path} -b -e | head -n 2; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(['bash', '-c', line], capture_output=True, text=True, timeout=60)
    tap.ok(done.stdout.startswith('{"id": 1,') and not done.stderr, 'consume | head is quiet', done)


main(first_steps, clickstream, usage, mistakes, queries, topics, segments, signals, two_projects, idle, reader_gone)
