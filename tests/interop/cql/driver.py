# SPDX-License-Identifier: MIT
"""cassandra-driver: HOST:PORT and the protocol version are the arguments."""
import datetime
import decimal
import os
import sys
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'kafka'))
import tap
from cassandra import AlreadyExists, InvalidRequest, ReadFailure, ReadTimeout, util
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import WhiteListRoundRobinPolicy
from cassandra.protocol import SyntaxException
from cassandra.query import BatchStatement, BatchType, SimpleStatement

HOST, PORT = sys.argv[1].rsplit(':', 1)
VERSION = int(sys.argv[2])
COMPRESSION = sys.argv[3] if len(sys.argv) > 3 else False
KEYSPACE = f'py{VERSION}_{uuid.uuid4().hex[:8]}'
profile = ExecutionProfile(load_balancing_policy=WhiteListRoundRobinPolicy([HOST]), request_timeout=60)
cluster = Cluster([HOST], port=int(PORT), protocol_version=VERSION, compression=COMPRESSION,
                  execution_profiles={EXEC_PROFILE_DEFAULT: profile})
session = cluster.connect()


def run(query, *values, **more):
    return list(session.execute(query, values or None, **more))


def setup():
    session.execute(f"CREATE KEYSPACE {KEYSPACE} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}")
    session.set_keyspace(KEYSPACE)
    tap.ok(KEYSPACE in cluster.metadata.keyspaces, 'a new keyspace is in the metadata')


def the_tutorial():
    run('CREATE TABLE IF NOT EXISTS created_users (id UUID PRIMARY KEY, first_name TEXT, last_name TEXT, gender TEXT, '
        'address TEXT, post_code TEXT, email TEXT, username TEXT, registered_date TEXT, phone TEXT, picture TEXT)')
    ids = [uuid.uuid4() for _ in range(20)]
    for i, one in enumerate(ids):
        run('INSERT INTO created_users (id, first_name, last_name, email) VALUES (%s, %s, %s, %s)', one, f'f{i}', "l'a", None)
    rows = run('SELECT * FROM created_users')
    tap.equal(sorted(r.first_name for r in rows), sorted(f'f{i}' for i in range(20)), 'rows come back')
    tap.equal({r.last_name for r in rows}, {"l'a"}, 'a quote in a text')
    tap.equal(len(run('SELECT first_name FROM created_users LIMIT 10')), 10, 'LIMIT')
    tap.equal(run('SELECT count(*) FROM created_users')[0].count, 20, 'count(*)')
    tap.equal(run('SELECT first_name FROM created_users WHERE id = %s', ids[3])[0].first_name, 'f3', 'by key')


VALUES = {
    'ascii': 'abc', 'bigint': -2**63, 'blob': b'\x00\xff', 'boolean': True, 'date': util.Date(datetime.date(2026, 2, 28)),
    'decimal': decimal.Decimal('-123456789012345678901234567890.0123'), 'double': 1.5e300, 'float': 0.25, 'inet': '::1',
    'int': -2**31, 'smallint': -32768, 'text': 'žluťoučký', 'time': util.Time('12:34:56.789'), 'tinyint': -128,
    'timestamp': datetime.datetime(2026, 2, 3, 4, 5, 6, 789000), 'timeuuid': uuid.uuid1(), 'uuid': uuid.uuid4(),
    'varint': -2**200, 'list<int>': [3, 1, 2], 'set<text>': util.sortedset(['a', 'b']), 'map<text, int>': util.OrderedMapSerializedKey,
    'frozen<list<frozen<map<text, int>>>>': [{'a': 1}], 'tuple<int, text>': (1, 'x'), 'duration': util.Duration(1, 2, 3000),
}
VALUES['map<text, int>'] = {'a': 1, 'b': 2}


def every_type():
    skipped = {'date', 'time', 'smallint', 'tinyint', 'duration'} if VERSION < 4 else {'duration'} if VERSION < 5 else set()
    types = [t for t in VALUES if t not in skipped]
    columns = ', '.join(f'c{i} {t}' for i, t in enumerate(types))
    run(f'CREATE TABLE every_type (k int PRIMARY KEY, {columns})')
    insert = session.prepare(f'INSERT INTO every_type (k, {", ".join(f"c{i}" for i in range(len(types)))}) '
                             f'VALUES (?{", ?" * len(types)})')
    session.execute(insert, [1, *[VALUES[t] for t in types]])
    session.execute(insert, [2, *[None] * len(types)])
    row = run('SELECT * FROM every_type WHERE k = 1')[0]
    for i, t in enumerate(types):
        got, want = getattr(row, f'c{i}'), VALUES[t]
        if t == 'map<text, int>':
            got = dict(got)
        if 'frozen<map' in t:
            got = [dict(m) for m in got]
        tap.equal(got, want, t)
    tap.ok(all(v is None for v in run('SELECT * FROM every_type WHERE k = 2')[0][1:]), 'nulls')


def clustering():
    run('CREATE TABLE ev (k int, a int, b text, v int, s int static, PRIMARY KEY (k, a, b)) '
        'WITH CLUSTERING ORDER BY (a DESC, b ASC)')
    for a in range(5):
        for b in 'xyz':
            run('INSERT INTO ev (k, a, b, v) VALUES (1, %s, %s, %s)', a, b, a * 10)
    run('UPDATE ev SET s = 7 WHERE k = 1')
    rows = run('SELECT a, b, s FROM ev WHERE k = 1')
    tap.equal([(r.a, r.b) for r in rows], [(a, b) for a in (4, 3, 2, 1, 0) for b in 'xyz'], 'clustering order')
    tap.equal({r.s for r in rows}, {7}, 'a static column')
    got = [(r.a, r.b) for r in run('SELECT a, b FROM ev WHERE k = 1 AND a > 1 AND a <= 3 ORDER BY a ASC')]
    tap.equal(got, [(2, 'z'), (2, 'y'), (2, 'x'), (3, 'z'), (3, 'y'), (3, 'x')], 'a slice in reverse')
    tap.equal(len(run("SELECT * FROM ev WHERE k = 1 AND (a, b) >= (2, 'y')")), 8, 'a slice over two columns')
    tap.equal([r.a for r in run("SELECT a FROM ev WHERE k = 1 AND a IN (0, 4) AND b = 'x'")], [4, 0], 'IN')
    run('DELETE FROM ev WHERE k = 1 AND a >= 3')
    tap.equal(run('SELECT count(*) FROM ev WHERE k = 1')[0].count, 9, 'a range is deleted')
    tap.equal(len(run('SELECT * FROM ev WHERE v = 10 ALLOW FILTERING')), 3, 'ALLOW FILTERING')
    try:
        run('SELECT * FROM ev WHERE v = 10')
        tap.ok(False, 'filtering has to be allowed')
    except InvalidRequest as e:
        tap.ok('ALLOW FILTERING' in str(e), 'filtering has to be allowed', e)


def paging():
    run('CREATE TABLE pages (k int, c int, PRIMARY KEY (k, c))')
    insert = session.prepare('INSERT INTO pages (k, c) VALUES (?, ?)')
    futures = [session.execute_async(insert, (i % 7, i)) for i in range(1000)]
    for future in futures:
        future.result()
    for size in (1, 13, 5000):
        got = [(r.k, r.c) for r in session.execute(SimpleStatement('SELECT k, c FROM pages', fetch_size=size))] if size > 1 else \
              [(r.k, r.c) for r in session.execute(SimpleStatement('SELECT k, c FROM pages WHERE k = 3', fetch_size=size))]
        want = 1000 if size > 1 else len(range(3, 1000, 7))
        tap.equal((len(got), len(set(got))), (want, want), f'pages of {size}: each row once')
    first = session.execute(SimpleStatement('SELECT k, c FROM pages', fetch_size=100))
    state = first.paging_state
    rest = list(session.execute(SimpleStatement('SELECT k, c FROM pages', fetch_size=100), paging_state=state))
    tap.equal(len(rest), 900, 'a paging state goes on where it was')


def collections():
    run('CREATE TABLE col (k int PRIMARY KEY, l list<int>, s set<int>, m map<text, int>)')
    run("INSERT INTO col (k, l, s, m) VALUES (1, [1, 2], {3, 1}, {'a': 1})")
    run('UPDATE col SET l = l + [3] WHERE k = 1')
    run('UPDATE col SET l = [0] + l, s = s + {2}, m[\'b\'] = 2 WHERE k = 1')
    run('UPDATE col SET s = s - {3}, m = m - {\'a\'} WHERE k = 1')
    run('UPDATE col SET l[1] = 7 WHERE k = 1')
    row = run('SELECT l, s, m FROM col WHERE k = 1')[0]
    tap.equal((row.l, set(row.s), dict(row.m)), ([0, 7, 2, 3], {1, 2}, {'b': 2}), 'changes of collections')
    run('DELETE l[0] FROM col WHERE k = 1')
    tap.equal(run('SELECT l FROM col WHERE k = 1')[0].l, [7, 2, 3], 'an element is deleted')
    tap.equal(len(run("SELECT * FROM col WHERE s CONTAINS 2 ALLOW FILTERING")), 1, 'CONTAINS')


def user_types():
    run('CREATE TYPE address (street text, zip int)')
    run('CREATE TABLE people (k int PRIMARY KEY, home frozen<address>, work address)')
    run("INSERT INTO people (k, home, work) VALUES (1, {street: 's', zip: 1}, {street: 'w'})")
    run('UPDATE people SET work.zip = 5 WHERE k = 1')
    row = run('SELECT home, work, work.zip AS z FROM people')[0]
    tap.equal((tuple(row.home), tuple(row.work), row.z), (('s', 1), ('w', 5), 5), 'user types')


def counters():
    run('CREATE TABLE hits (page text PRIMARY KEY, n counter)')
    for i in range(10):
        run("UPDATE hits SET n = n + %s WHERE page = 'a'", i)
    run("UPDATE hits SET n = n - 5 WHERE page = 'a'")
    tap.equal(run('SELECT n FROM hits')[0].n, 40, 'counters')


def light_transactions():
    run('CREATE TABLE lwt (k int PRIMARY KEY, v int, w text)')
    tap.equal(run('INSERT INTO lwt (k, v) VALUES (1, 1) IF NOT EXISTS')[0].applied, True, 'IF NOT EXISTS applies once')
    row = run('INSERT INTO lwt (k, v) VALUES (1, 2) IF NOT EXISTS')[0]
    tap.equal((row.applied, row.k, row.v, row.w), (False, 1, 1, None), 'then it tells what is there')
    row = run('UPDATE lwt SET v = 5 WHERE k = 1 IF v = 3')[0]
    tap.equal((row.applied, row.v), (False, 1), 'a condition that does not hold')
    tap.equal(run('UPDATE lwt SET v = 5 WHERE k = 1 IF v IN (1, 2)')[0].applied, True, 'one that does')
    tap.equal(run('DELETE FROM lwt WHERE k = 2 IF EXISTS')[0].applied, False, 'IF EXISTS of nothing')
    tap.equal(run('SELECT v FROM lwt WHERE k = 1')[0].v, 5, 'what was written')


def batches():
    run('CREATE TABLE b (k int, c int, v int, PRIMARY KEY (k, c))')
    insert = session.prepare('INSERT INTO b (k, c, v) VALUES (?, ?, ?)')
    for kind in (BatchType.LOGGED, BatchType.UNLOGGED):
        batch = BatchStatement(batch_type=kind)
        for i in range(50):
            batch.add(insert, (kind.value, i, i))
        batch.add(SimpleStatement('DELETE FROM b WHERE k = %s AND c = 0'), (kind.value + 100,))
        session.execute(batch)
    tap.equal(run('SELECT count(*) FROM b')[0].count, 100, 'prepared batches')
    run('BEGIN BATCH USING TIMESTAMP 5 INSERT INTO b (k, c, v) VALUES (9, 9, 1); UPDATE b SET v = 2 WHERE k = 9 AND c = 8; APPLY BATCH')
    tap.equal([(r.c, r.t) for r in run('SELECT c, writetime(v) AS t FROM b WHERE k = 9')], [(8, 5), (9, 5)], 'a batch in text has one timestamp')


def times_to_live():
    run('CREATE TABLE ttl (k int PRIMARY KEY, v int, w int) WITH default_time_to_live = 1000')
    run('INSERT INTO ttl (k, v) VALUES (1, 1) USING TTL 2')
    run('INSERT INTO ttl (k, v) VALUES (2, 1)')
    row = run('SELECT ttl(v) AS t FROM ttl WHERE k = 2')[0]
    tap.ok(990 <= row.t <= 1000, 'the default of a table', row)
    end = time.monotonic() + 30
    while run('SELECT * FROM ttl WHERE k = 1') and time.monotonic() < end:
        time.sleep(0.2)
    tap.equal(run('SELECT * FROM ttl WHERE k = 1'), [], 'a row vanishes')


def timestamps():
    run('CREATE TABLE ts (k int PRIMARY KEY, v int)')
    run('INSERT INTO ts (k, v) VALUES (1, 1) USING TIMESTAMP 100')
    run('INSERT INTO ts (k, v) VALUES (1, 2) USING TIMESTAMP 50')
    tap.equal(run('SELECT v FROM ts')[0].v, 1, 'an older write changes nothing')
    run('DELETE FROM ts USING TIMESTAMP 100 WHERE k = 1')
    tap.equal(run('SELECT v FROM ts'), [], 'a deletion of the same timestamp wins')
    run('INSERT INTO ts (k, v) VALUES (1, 3) USING TIMESTAMP 101')
    tap.equal(run('SELECT v, writetime(v) AS t FROM ts')[0], (3, 101), 'a later write is seen')


def schema_changes():
    run('CREATE TABLE alt (k int PRIMARY KEY, v int)')
    run('ALTER TABLE alt ADD w text')
    run("INSERT INTO alt (k, v, w) VALUES (1, 2, 'x')")
    tap.equal(list(cluster.metadata.keyspaces[KEYSPACE].tables['alt'].columns), ['k', 'v', 'w'], 'a new column is known')
    run('ALTER TABLE alt DROP v')
    tap.equal(run('SELECT * FROM alt')[0]._fields, ('k', 'w'), 'a dropped one is gone')
    try:
        run('CREATE TABLE alt (k int PRIMARY KEY)')
        tap.ok(False, 'a table cannot be made twice')
    except AlreadyExists as e:
        tap.equal((e.keyspace, e.table), (KEYSPACE, 'alt'), 'a table cannot be made twice')
    for query, error, words in (('SELEC * FROM alt', SyntaxException, 'no viable alternative'),
                                ('SELECT * FROM nothing', InvalidRequest, 'table nothing does not exist'),
                                ('SELECT nothing FROM alt', InvalidRequest, 'Undefined column name nothing'),
                                ('INSERT INTO alt (w) VALUES (\'x\')', InvalidRequest, 'Some partition key parts are missing: k')):
        try:
            run(query)
            tap.ok(False, query)
        except error as e:
            tap.ok(words in str(e), f'{query} is refused', e)
    run('CREATE INDEX ON alt (w)')
    got, end = None, time.monotonic() + 30
    while got is None and time.monotonic() < end:  # until it is built
        try:
            got = [r.k for r in run("SELECT k FROM alt WHERE w = 'x'")]
        except (ReadFailure, ReadTimeout):
            time.sleep(0.1)
    tap.equal(got, [1], 'an index')
    run('TRUNCATE alt')
    tap.equal(run('SELECT * FROM alt'), [], 'TRUNCATE')
    run('DROP TABLE alt')
    tap.ok('alt' not in cluster.metadata.keyspaces[KEYSPACE].tables, 'a dropped table is gone')


def functions():
    run('CREATE TABLE f (k int PRIMARY KEY, v int, d double, t timestamp)')
    for i in range(1, 5):
        run('INSERT INTO f (k, v, d, t) VALUES (%s, %s, %s, %s)', i, i * 10, i / 2, 1000 * i)
    row = run('SELECT min(v), max(v), sum(v), avg(d), count(v) FROM f')[0]
    tap.equal(tuple(row), (10, 40, 100, 1.25, 4), 'aggregates')
    row = \
        run('SELECT cast(v AS text) AS a, v + 1 AS c, blobasint(intasblob(v)) AS d, tojson(v) AS e FROM f WHERE k = 2')
    tap.equal(tuple(row[0]), ('20', 21, 20, '20'), 'functions')
    tap.equal(run('SELECT JSON k, v FROM f WHERE k = 1')[0][0], '{"k": 1, "v": 10}', 'SELECT JSON')
    run('INSERT INTO f JSON \'{"k": 9, "v": 90, "d": 1e3}\'')
    tap.equal(tuple(run('SELECT v, d FROM f WHERE k = 9')[0]), (90, 1000.0), 'INSERT JSON')
    ring = run('SELECT k FROM f WHERE token(k) > %s AND token(k) <= %s', -2**63, 2**63 - 1)
    tap.equal(sorted(r.k for r in ring), [1, 2, 3, 4, 9], 'a range of tokens')


def unset_and_names():
    if VERSION < 4:
        return
    from cassandra.query import UNSET_VALUE
    run('CREATE TABLE u (k int PRIMARY KEY, v int, w int)')
    insert = session.prepare('INSERT INTO u (k, v, w) VALUES (:k, :v, :w)')
    session.execute(insert, {'k': 1, 'v': 1, 'w': 1})
    session.execute(insert, {'k': 1, 'v': UNSET_VALUE, 'w': None})
    tap.equal(tuple(run('SELECT v, w FROM u')[0]), (1, None), 'unset leaves, null deletes')


def tracing():
    run('CREATE TABLE tr (k int PRIMARY KEY, v text)')
    done = session.execute_async("INSERT INTO tr (k, v) VALUES (1, 'x')", trace=True)
    done.result()
    trace = done.get_query_trace(max_wait=20)
    tap.equal((trace.request_type, trace.coordinator), ('Execute CQL3 query', HOST), 'a statement is traced')
    tap.equal(trace.parameters['query'], "INSERT INTO tr (k, v) VALUES (1, 'x')", 'its text is told')
    tap.ok(len(trace.events) > 1 and trace.duration.total_seconds() >= 0, 'and what was done for it', trace.events)
    select = session.prepare('SELECT v FROM tr WHERE k = ?')
    done = session.execute_async(select, (1,), trace=True)
    tap.equal(done.result().one().v, 'x', 'a prepared statement with a trace')
    trace = done.get_query_trace(max_wait=20)
    tap.equal((trace.request_type, trace.parameters['bound_var_0_k']), ('Execute CQL3 prepared query', '1'), 'and its value')


def heavy_batches():
    run('CREATE TABLE hb (k int PRIMARY KEY, v text)')

    def batch(kind, count, size):
        done = BatchStatement(kind)
        for k in range(count):
            done.add(SimpleStatement("INSERT INTO hb (k, v) VALUES (%s, %s)"), (k, 'x' * size))
        future = session.execute_async(done)
        future.result()
        return future.warnings or []
    tap.equal(batch(BatchType.LOGGED, 2, 100), [], 'a light batch')
    if VERSION >= 4:
        got = ''.join(batch(BatchType.LOGGED, 2, 3000))
        tap.ok('is of size 6140, exceeding specified threshold of 5120 by 1020' in got, 'a heavy batch is warned of', got)
        got = ''.join(batch(BatchType.UNLOGGED, 11, 1))
        tap.ok('Unlogged batch covering 11 partitions' in got, 'one over many partitions too', got)
    try:
        batch(BatchType.LOGGED, 2, 30000)
        tap.ok(False, 'a batch that is too large')
    except InvalidRequest as e:
        tap.ok('Batch too large' in str(e), 'a batch that is too large is refused', e)
    tap.equal(batch(BatchType.LOGGED, 1, 60000), [], 'of one partition it may be large')


def columns_again():
    run('CREATE TABLE ca (k int PRIMARY KEY, v text)')
    run("INSERT INTO ca (k, v) VALUES (1, 'old') USING TIMESTAMP 1000")
    run("INSERT INTO ca (k, v) VALUES (2, 'new') USING TIMESTAMP 3000")
    run('ALTER TABLE ca DROP v USING TIMESTAMP 2000')
    run('ALTER TABLE ca ADD v text')
    tap.equal(sorted((r.k, r.v) for r in run('SELECT k, v FROM ca')), [(1, None), (2, 'new')],
              'a column that comes again has what is newer than its drop')


def described():
    told = session.execute('DESCRIBE CLUSTER').one()
    owners = {owner for of_range in told.range_ownership.values() for owner in of_range}
    tap.ok(len(owners) == 1 and owners.pop().startswith(f'/{HOST}:'), 'whose the ranges are', told.range_ownership)


def finish():
    session.execute(f'DROP KEYSPACE {KEYSPACE}')
    tap.ok(KEYSPACE not in cluster.metadata.keyspaces, 'a dropped keyspace is gone')
    cluster.shutdown()


tap.run(setup, the_tutorial, every_type, clustering, paging, collections, user_types, counters, light_transactions, batches,
        times_to_live, timestamps, schema_changes, functions, unset_and_names,
        tracing, heavy_batches, columns_again, described, finish)
