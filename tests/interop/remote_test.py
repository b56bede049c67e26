#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`engines: {tables: cassandra://..}`: rows that go to a database elsewhere: remote_test.py millrace|cassandra.

millrace stores into another millrace, cassandra into a real Cassandra. The project is killed again and
again, and so is the database; what is there at the end is what the records say: nothing lost, nothing
twice. MILLRACE_CQL=HOST:PORT aims at a server that runs already.
"""
import json
import os
import random
import sys
import time
import uuid

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
sys.path.insert(0, os.path.join(ROOT, 'tests', 'lib'))
import millrace  # noqa: E402
import cql_database  # noqa: E402

KIND = sys.argv.pop(1) if len(sys.argv) > 1 else 'millrace'
SETTINGS = '''engines: {tables: "cassandra://%s"}
sources:
  users:
    topic: {partitions: 1}
    schema: "id STRING, n INT, name STRING, at TIMESTAMP, tags ARRAY<STRING>"
    from:
      file: {path: users.ndjson}
targets:
  people: {table: %s.people, key: [id], types: {id: uuid}}
  seen: {table: %s.seen}'''
SQL = '''CREATE STREAMING TABLE people AS SELECT id, n, name, at, tags FROM STREAM users;
CREATE STREAMING TABLE seen AS SELECT id, n FROM STREAM users;
'''
RECORDS = 20000
chance = random.Random(7)


def make_records():
    """Lines of the file, the newest row of each id, all rows, and how many are no uuid."""
    ids = [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(RECORDS // 4)]
    lines, newest, every, bad = [], {}, [], 0
    for n in range(RECORDS):
        name = chance.choice(['Zoë', "O'Neil", '', None, 'x' * 50])
        one = chance.choice(ids) if n % 1000 != 500 else f'no uuid {n}'
        tags = chance.choice([None, [], ['a', 'b'], ['ü']])
        at = f'2024-01-0{n % 9 + 1}T00:00:00.{n % 1000:03}Z'
        lines.append(json.dumps({'id': one, 'n': n, 'name': name, 'at': at, 'tags': tags}))
        every.append((one, str(n)))
        if one.startswith('no'):
            bad += 1
        else:
            newest[one] = (str(n), name)
    return '\n'.join(lines) + '\n', newest, every, bad


def project_at(at, keyspace, text):
    project = millrace.Project(SETTINGS % (at, keyspace, keyspace), SQL)
    project.write('users.ndjson', text)
    return project


def check_tables(tap, project, database, keyspace, newest, every, bad):
    people = {row[0]: (row[1], row[2]) for row in database.rows(f'SELECT id, n, name FROM {keyspace}.people')}
    tap.equal(len(people), len(newest), 'as many rows as keys')
    tap.ok(people == newest, 'each row is the newest of its key',
           [(k, people.get(k), newest[k]) for k in newest if people.get(k) != newest[k]][:5])
    seen = sorted((row[0], row[1]) for row in database.rows(f'SELECT id, n FROM {keyspace}.seen'))
    tap.equal(len(seen), len(every), 'an append-only table has each record once')
    tap.ok(seen == sorted(every), 'and they are the records')
    mine = {row[0]: (row[1], row[2]) for row in project.sql('SELECT id, n, name FROM people')}
    tap.ok(mine == newest, '`millrace sql` reads the same through the client')
    tap.equal(project.sql('SELECT count(*) FROM seen'), [[str(len(every))]], 'and counts')
    tap.equal(len(project.letters('users')), bad, 'a key that is no uuid is a dead letter, once')


def killed_again_and_again(tap):
    database = cql_database.Database(KIND)
    keyspace = 'shop%d' % random.SystemRandom().randint(1, 10**9)
    text, newest, every, bad = make_records()
    project = project_at(database.at, keyspace, text)
    checked = millrace.command('check', project.path, '--connect')
    tap.equal(checked.code, 0, '`check --connect` reaches it')
    tap.has(checked.out, 'tables: Cassandra', 'and says who is there')
    for turn in range(5):
        process = project.start()
        time.sleep(chance.uniform(0.05, 1.0))
        process.kill()
    process = project.start()
    if database.may_die():
        database.kill()
        time.sleep(1)
        database.start()
    else:
        tap.skip('the database goes away', 'it is not ours to kill')

    def stored():
        status = project.status()
        done = all(t['read'] == RECORDS and t['lag'] == 0 for t in status['tables'])
        return done and status
    status = millrace.until(stored, lambda: json.dumps(project.status()['tables']), timeout=240, pause=0.1)
    tap.equal(millrace.wrong_books(status), None, 'the books are balanced')
    check_tables(tap, project, database, keyspace, newest, every, bad)
    tap.equal(process.stop(), 0, 'Ctrl-C ends it well')


def away(tap):
    port = millrace.free_port()
    text, *_ = make_records()
    project = project_at(f'127.0.0.1:{port}', 'shop', text)
    process = project.start()
    table = lambda: project.table('people')
    millrace.until(lambda: table()['state'] == 'blocked', lambda: repr(table()))
    tap.has(table()['detail'], f'127.0.0.1:{port}', 'a stream that waits names the host')
    tap.has(table()['detail'], 'next try in', 'and when it tries again')
    millrace.until(lambda: table()['lag'] == RECORDS, lambda: repr(table()))
    tap.ok(True, 'the log has the records')
    code, doctor = project.doctor()
    tap.ok(code != 0 and any('blocked' in f['text'] for f in doctor['findings']), 'the doctor says so', doctor)
    checked = millrace.command('check', project.path, '--connect')
    tap.ok(checked.code == 1 and f'127.0.0.1:{port}' in checked.err + checked.out, '`check --connect` too', checked)
    asked = project.command('sql', '-e', 'SELECT * FROM people')
    tap.ok(asked.code != 0 and f'127.0.0.1:{port}' in asked.err, 'a query fails and names the host', asked)
    tap.equal(process.stop(), 0, 'Ctrl-C does not wait for it')


def differs(tap):
    database = cql_database.Database(KIND)
    keyspace = 'shop%d' % random.SystemRandom().randint(1, 10**9)
    for statement in (f"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}",
                      f'CREATE TABLE {keyspace}.people (id uuid PRIMARY KEY, n text)'):
        result = database.cql(statement)
        tap.equal(result.code, 0, statement[:40])
    project = project_at(database.at, keyspace, '{"id": "x"}\n')
    process = project.start(wait=False)
    millrace.until(lambda: 'exists and differs' in process.err() + process.out() or not process.alive(),
                   lambda: process.err())
    tap.has(process.err() + process.out(), 'column n has the type text, not int', 'a table that differs is told')
    process.kill()
    result = database.cql('SELECT * FROM nowhere.nothing')
    tap.ok(result.code == 1 and 'InvalidRequest: Error from server: code=2200 [Invalid query] message="' in result.err,
           'errors in the words of cqlsh', result)
    result = database.cql(f'INSERT INTO {keyspace}.people (id, n) VALUES ({uuid.UUID(int=5)}, \'a;b\'); '
                          f'SELECT * FROM {keyspace}.people; SELEC')
    tap.has(result.out, '\n id                                   | n\n'
                        '--------------------------------------+-----\n'
                        ' 00000000-0000-0000-0000-000000000005 | a;b\n\n(1 rows)\n', 'rows as in cqlsh')
    tap.ok(result.code == 1 and 'SyntaxException: ' in result.err, 'a mistake is the exit code', result)
    result = database.cql(f'USE {keyspace}; DESCRIBE TABLE people')
    tap.has(result.out, f'CREATE TABLE {keyspace}.people (', 'DESCRIBE is the server\'s')


millrace.main(killed_again_and_again, away, differs)
