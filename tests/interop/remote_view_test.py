#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Materialized views in `engines: {tables: cassandra://..}`: remote_view_test.py millrace|cassandra.

The database is another millrace or a real Cassandra. What the table has at rest is what the records say,
whatever happened on the way: a gate before the database stops a run at a request that the test chooses.
"""
import json
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import cql_database  # noqa: E402
import millrace  # noqa: E402

KIND = sys.argv.pop(1) if len(sys.argv) > 1 else 'millrace'
SETTINGS = '''engines: {tables: "cassandra://%s"}
sources:
  orders: {topic: {partitions: 1}, schema: "region STRING, id INT, amount INT, price DECIMAL(10,2)"}
targets:
  totals: {table: %s.totals, key: [[region], [id]]}
'''
TOTALS = '''CREATE MATERIALIZED VIEW totals AS
SELECT region, id, sum(amount) AS total, CASE WHEN sum(amount) % 2 = 1 THEN 'odd' END AS note
FROM orders GROUP BY region, id HAVING sum(amount) > 0;
'''
MORE_TARGETS = '''  newest: {table: %s.newest, key: [region]}
  prices: {table: %s.prices, key: [[region], [price]]}
  odd: {table: %s.odd}
'''
MORE = TOTALS + '''CREATE MATERIALIZED VIEW odd AS SELECT id, total FROM totals WHERE note IS NOT NULL;
CREATE MATERIALIZED VIEW newest AS SELECT region, id, CASE WHEN id % 2 = 0 THEN id END AS even FROM orders;
CREATE MATERIALIZED VIEW prices AS SELECT region, price, count(*) AS n FROM orders WHERE price > 0 GROUP BY region, price;
'''
ROWS = 5000  # more than two pages of keys
REGIONS = ['north', 'süd', "O'Neil", 'x' * 40]


class Orders:
    """A project, the records that it was given, and what its views are to hold."""

    def __init__(self, at, more=False):
        self.keyspace = 'views%d' % random.SystemRandom().randint(1, 10**9)
        settings = SETTINGS % (at, self.keyspace)
        if more:
            settings += MORE_TARGETS % (self.keyspace, self.keyspace, self.keyspace)
        self.project = millrace.Project(settings, MORE if more else TOTALS)
        self.records = []

    def give(self, records):
        """(id, amount) or (id, amount, price), in one go."""
        lines = []
        for id, amount, *price in records:
            one = {'region': REGIONS[id % 4], 'id': id, 'amount': amount, 'price': price[0] if price else 0}
            self.records.append(one)
            lines.append(json.dumps(one))
        self.project.must('produce', 'orders', input='\n'.join(lines) + '\n')

    def totals(self):
        sums = {}
        for one in self.records:
            key = (one['region'], str(one['id']))
            sums[key] = sums.get(key, 0) + one['amount']
        return {key: (str(s), 'odd' if s % 2 else None) for key, s in sums.items() if s > 0}

    def newest(self):
        last = {one['region']: one['id'] for one in self.records}
        return {region: (str(id), None if id % 2 else str(id)) for region, id in last.items()}

    def stored(self, database, columns, table, keys):
        rows = database.rows(f'SELECT {columns} FROM {self.keyspace}.{table}')
        return {tuple(row[:keys]) if keys > 1 else row[0]: tuple(row[keys:]) for row in rows}

    def stored_totals(self, database):
        return self.stored(database, 'region, id, total, note', 'totals', 2)

    def settled(self, database):
        """At rest with all that was given: until the table is what it should be."""
        want = self.totals()
        millrace.until(lambda: self.view()['rows'] == len(want) and self.view()['state'] == 'idle' and
                       self.stored_totals(database) == want,
                       lambda: f'{self.view()}\n{difference(self.stored_totals(database), want)}', pause=0.05)

    def view(self, name='totals'):
        return self.project.table(name)


def difference(got, want):
    return [(key, got.get(key), want.get(key)) for key in sorted({*got, *want}) if got.get(key) != want.get(key)][:5]


def changes(tap):
    """Rows change, go away and come; by key, without a key, over another view."""
    database = cql_database.Database(KIND)
    orders = Orders(database.at, more=True)
    checked = millrace.command('check', orders.project.path, '--connect')
    tap.has(checked.out, f'{orders.keyspace}.totals will be made', '`check --connect` looks at the tables of views')
    process = orders.project.start()
    orders.give((id, 1 + id % 7, 1.5 if id < 4 else 0) for id in range(ROWS))
    everything(tap, orders, database, 'the first run')
    checked = millrace.command('check', orders.project.path, '--connect')
    tap.has(checked.out, f'{orders.keyspace}.totals fits', 'and they fit when they are there')
    before = orders.totals()
    written = dict((tuple(row[:2]), int(row[2])) for row in
                   database.rows(f'SELECT region, id, writetime(total) FROM {orders.keyspace}.totals'))

    # A row of somebody else's, and the same row in another spelling of its key.
    run_cql(tap, database, f"INSERT INTO {orders.keyspace}.totals (region, id, total) VALUES ('nowhere', -1, 5)")
    run_cql(tap, database, f"DELETE FROM {orders.keyspace}.prices WHERE region = 'north' AND price = 1.50")
    run_cql(tap, database, f"INSERT INTO {orders.keyspace}.prices (region, price, n) VALUES ('north', 1.5, 9)")
    orders.give([(id, -(1 + id % 7)) for id in range(0, ROWS, 3)] + [(id, 3) for id in range(1, ROWS, 3)] +
                [(id, 2) for id in range(ROWS, ROWS + 500)])
    everything(tap, orders, database, 'a second run')
    after = orders.totals()
    gone = sorted(set(before) - set(after))
    tap.ok(gone and set(after) - set(before) and any(before[k] != after[k] for k in set(before) & set(after)),
           'in which rows went, came and changed')

    # A request of the first run that was long on its way.
    region, id = gone[0]
    run_cql(tap, database, f"INSERT INTO {orders.keyspace}.totals (region, id, total) VALUES ('{quoted(region)}', {id}, 1) "
                           f"USING TIMESTAMP {written[(region, id)]}")
    tap.ok(orders.stored_totals(database) == after, 'a late request of an older run changes nothing')

    orders.give((int(id), -int(total)) for (_, id), (total, _) in after.items())
    everything(tap, orders, database, 'an empty result')
    tap.equal(database.rows(f'SELECT * FROM {orders.keyspace}.totals'), [], 'which is no row')
    orders.give((id, 5) for id in range(0, ROWS, 2))
    everything(tap, orders, database, 'rows that come back')
    tap.equal(process.stop(), 0, 'Ctrl-C ends it well')
    mine = {(row[0], row[1]): (row[2], row[3]) for row in orders.project.sql('SELECT region, id, total, note FROM totals')}
    tap.ok(mine == orders.totals(), '`millrace sql` reads a stopped project too', difference(mine, orders.totals()))


def everything(tap, orders, database, what):
    millrace.until(lambda: all(t['epoch'] for t in orders.project.status()['tables']), 'a view has no table', pause=0.05)
    orders.settled(database)
    want = orders.totals()
    odd = sorted((id, total) for (_, id), (total, note) in want.items() if note)
    look = lambda: sorted(tuple(row) for row in database.rows(f'SELECT id, total FROM {orders.keyspace}.odd'))
    millrace.until(lambda: look() == odd, lambda: f'odd: {len(look())} rows, not {len(odd)}', pause=0.05)
    millrace.until(lambda: orders.stored(database, 'region, id, even', 'newest', 1) == orders.newest(),
                   lambda: f'{orders.stored(database, "region, id, even", "newest", 1)}\n{orders.newest()}', pause=0.05)
    look = lambda: sorted(tuple(row) for row in database.rows(f'SELECT region, n FROM {orders.keyspace}.prices'))
    millrace.until(lambda: look() == sorted((region, '1') for region in REGIONS), lambda: repr(look()), pause=0.05)
    tap.ok(True, f'{what}: each table is what its query says')
    mine = {(row[0], row[1]): (row[2], row[3]) for row in orders.project.sql('SELECT region, id, total, note FROM totals')}
    tap.ok(mine == want, 'and `millrace sql` reads the same', difference(mine, want))


def quoted(text):
    return text.replace("'", "''")


def run_cql(tap, database, statement):
    result = database.cql(statement)
    tap.ok(result.code == 0, statement[:60], result)


def cut_off(tap):
    """kill -9 among the rows of a run, and among its deletes."""
    database = cql_database.Database(KIND)
    gate = cql_database.Gate(database.at)
    orders = Orders(gate.at)
    process = orders.project.start()
    orders.give((id, 2) for id in range(ROWS))
    orders.settled(database)
    process.stop()

    # All rows change but those that go away.
    orders.give((id, -2 if id % 5 == 0 else 2) for id in range(ROWS))
    old, new = 2, 4
    keeps = ROWS - ROWS // 5
    for passes, changed, left in ((0, 0, ROWS), (1234, 1234, ROWS), (keeps, keeps, ROWS), (keeps + 321, keeps, ROWS - 321)):
        gate.let(passes)
        process = orders.project.start()
        gate.wait_held()
        process.kill()

        def there():
            rows = orders.stored_totals(database)
            return sum(total == str(new) for total, _ in rows.values()) == changed and len(rows) == left
        millrace.until(there, lambda: f'{passes} of {keeps}: {len(orders.stored_totals(database))} rows')
        totals = {total for total, _ in orders.stored_totals(database).values()}
        tap.ok(totals <= {str(old), str(new)}, f'killed behind request {passes}: {changed} rows are new, {left} are there')
        gate.shut()
        gate.let(None)
        gate.open()
        if passes != keeps + 321:
            continue
        # The others went on from what the one before left; now one is let to its end.
        process = orders.project.start()
        orders.settled(database)
        tap.equal(len(orders.stored_totals(database)), keeps, 'the next run brings it to its end')
        tap.equal(process.stop(), 0, 'and ends well')


def away(tap):
    """The database goes away in the middle of a run and comes back; it is away at a start."""
    database = cql_database.Database(KIND)
    gate = cql_database.Gate(database.at)
    orders = Orders(gate.at)
    process = orders.project.start()
    orders.give((id, 1) for id in range(ROWS))
    orders.settled(database)
    process.stop()

    orders.give((id, 2 if id % 2 else -1) for id in range(ROWS))
    gate.let(1000)
    process = orders.project.start()
    gate.wait_held()
    gate.shut()
    blocked(tap, orders, gate)
    code, doctor = orders.project.doctor()
    tap.ok(code != 0 and any('totals is blocked' in f['text'] for f in doctor['findings']), 'the doctor says so', doctor)
    gate.let(None)
    gate.open()
    orders.settled(database)
    tap.ok(True, 'it goes on when the database is back')

    gate.shut()
    orders.give((id, 1) for id in range(0, ROWS, 2))
    blocked(tap, orders, gate)
    tap.equal(process.stop(), 0, 'Ctrl-C does not wait for it')
    process = orders.project.start()
    blocked(tap, orders, gate)
    gate.open()
    orders.settled(database)
    tap.ok(True, 'a project that started without it goes on too')
    gate.shut()
    asked = orders.project.command('sql', '-e', 'SELECT * FROM totals')
    tap.ok(asked.code != 0 and gate.at in asked.err, 'a query names the host', asked)
    tap.equal(process.stop(), 0, 'Ctrl-C ends it')


def blocked(tap, orders, gate):
    millrace.until(lambda: orders.view()['state'] == 'blocked', lambda: repr(orders.view()))
    millrace.until(lambda: gate.at in orders.view()['detail'], lambda: repr(orders.view()))
    tap.ok(True, 'a view that waits is blocked and names the host')


def refused(tap):
    """What the database does not take: a table that differs, a key, a table that goes away."""
    database = cql_database.Database(KIND)
    orders = Orders(database.at)
    run_cql(tap, database, f"CREATE KEYSPACE {orders.keyspace} WITH replication = "
                           "{'class': 'SimpleStrategy', 'replication_factor': 1}")
    run_cql(tap, database, f'CREATE TABLE {orders.keyspace}.totals (region text, id text, total bigint, note text, '
                           'PRIMARY KEY (region, id))')
    process = orders.project.start()
    millrace.until(lambda: orders.view()['state'] == 'failed', lambda: repr(orders.view()))
    tap.has(orders.view()['detail'], 'column id has the type text, not int', 'a table that differs fails the view')
    run_cql(tap, database, f'DROP TABLE {orders.keyspace}.totals')
    orders.give((id, 1) for id in range(100))
    orders.settled(database)
    tap.ok(True, 'without it the next run makes its own')
    run_cql(tap, database, f'DROP TABLE {orders.keyspace}.totals')
    orders.give((id, 1) for id in range(50, 150))
    orders.settled(database)
    tap.ok(True, 'a table that was dropped under it is made again')

    big = {'region': 'y' * 70000, 'id': 1, 'amount': 1, 'price': 0}
    orders.project.must('produce', 'orders', input=json.dumps(big) + '\n')
    millrace.until(lambda: orders.view()['state'] == 'failed', lambda: repr(orders.view()))
    tap.has(orders.view()['detail'], 'rows refused: 1, the others are stored; the first: ', 'a key that is too long fails the view')
    orders.give([(0, -1), (500, 4)])
    millrace.until(lambda: orders.stored_totals(database) == orders.totals(),
                   lambda: difference(orders.stored_totals(database), orders.totals()))
    tap.equal(orders.view()['state'], 'failed', 'but all other rows are as they should be')
    orders.project.must('produce', 'orders', input=json.dumps({**big, 'amount': -1}) + '\n')
    orders.settled(database)
    tap.ok(True, 'and it is well again without that key')
    tap.equal(process.stop(), 0, 'Ctrl-C ends it well')


def over_a_table(tap):
    """A view over a streaming table, which is there only when it has a row."""
    database = cql_database.Database(KIND)
    orders = Orders(database.at)
    orders.project.write('transformations/all.sql', """CREATE STREAMING TABLE stored AS SELECT id, amount FROM STREAM orders;
CREATE MATERIALIZED VIEW totals AS SELECT 'all' AS region, count(*) AS id, sum(amount) AS total FROM stored;
""")
    process = orders.project.start()
    look = lambda: database.rows(f'SELECT region, id, total FROM {orders.keyspace}.totals')
    shows = lambda want: lambda: orders.view()['epoch'] and look() == want
    millrace.until(shows([['all', '0', None]]), lambda: repr(orders.view()), pause=0.05)
    tap.ok(True, 'a table that is not made yet has no rows')
    orders.give((id, 2) for id in range(ROWS))
    millrace.until(shows([['all', str(ROWS), str(2 * ROWS)]]), lambda: f'{look()} {orders.view()}', pause=0.05)
    tap.ok(True, 'the row of a key that changes goes away')
    tap.equal(process.stop(), 0, 'Ctrl-C ends it well')


millrace.main(changes, cut_off, away, refused, over_a_table)
