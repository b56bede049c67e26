# SPDX-License-Identifier: MIT
"""CQL writers for doors_kill_test.py: PORT is the argument. One Cluster and one set of statements for the whole test.

An exception leaves a write in doubt: it may be there or not, but never half. What was answered has to be there.
The driver is kept from preparing again when the node comes back, so that statements have to survive by themselves.
"""
import collections
import itertools
import logging
import sys
import threading
import time
import uuid

from cassandra import InvalidRequest, OperationTimedOut
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.policies import ConstantReconnectionPolicy, FallthroughRetryPolicy, WhiteListRoundRobinPolicy
from cassandra.protocol import SyntaxException
from cassandra.query import BatchStatement, BatchType, SimpleStatement

from doors_worker import Worker

PORT = int(sys.argv[1])
LWT_ROWS = 100  # of one contended partition
worker = Worker()
reprepared = []


class Log(logging.Handler):
    def emit(self, record):
        if 'Re-preparing' in record.getMessage() or 'not found on host' in record.getMessage():
            reprepared.append(record.getMessage())


logging.getLogger('cassandra').addHandler(Log())
logging.getLogger('cassandra').setLevel(logging.DEBUG)
logging.getLogger('cassandra').propagate = False

profile = ExecutionProfile(load_balancing_policy=WhiteListRoundRobinPolicy(['127.0.0.1']), request_timeout=20,
                           retry_policy=FallthroughRetryPolicy())
cluster = Cluster(['127.0.0.1'], port=PORT, protocol_version=5, execution_profiles={EXEC_PROFILE_DEFAULT: profile},
                  reconnection_policy=ConstantReconnectionPolicy(0.05, max_attempts=None), reprepare_on_up=False)
session = cluster.connect()
for text in (
        "CREATE KEYSPACE door WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        'CREATE TABLE door.rows (w int, n int, v text, PRIMARY KEY (w, n))',
        'CREATE TABLE door.many (k int PRIMARY KEY, v text)',
        'CREATE TABLE door.latest (k int PRIMARY KEY, v bigint, t text)',
        'CREATE TABLE door.gone (w int, n int, v text, PRIMARY KEY (w, n))',
        'CREATE TABLE door.lwt (k int PRIMARY KEY, n int, done set<uuid>)',
        'CREATE TABLE door.ledger (k int, id uuid, n int static, v text, PRIMARY KEY (k, id))',
        'CREATE TABLE door.claims (id int PRIMARY KEY, owner text)',
        'CREATE TABLE door.counters (k int PRIMARY KEY, n counter)',
        'CREATE TABLE door.debit (id int PRIMARY KEY, v int)',
        'CREATE TABLE door.credit (id int, part int, v int, PRIMARY KEY (id, part))'):
    session.execute(text)

UNKNOWN = object()


def attempt(statement, values=None):
    """The rows, or UNKNOWN; what the statement itself is to blame for goes up."""
    try:
        return session.execute(statement, values)
    except (InvalidRequest, SyntaxException):
        raise
    except OperationTimedOut as e:
        if 'Client request timeout' in str(e):
            worker.mistake(f'no answer in 20 s to {statement}: {e}')
        return UNKNOWN
    except Exception:
        time.sleep(0.02)
        return UNKNOWN


class Numbered:
    """What a writer did, by number."""

    def __init__(self):
        self.next = itertools.count()
        self.acked, self.unknown, self.refused = set(), set(), set()

    def note(self, n, answer):
        (self.unknown if answer is UNKNOWN else self.acked).add(n)
        return answer is not UNKNOWN


# ---- plain rows ----

insert_row = session.prepare('INSERT INTO door.rows (w, n, v) VALUES (?, ?, ?)')
rows = [Numbered() for _ in range(2)]


def row_writer(w):
    def once(chance):
        n = next(rows[w].next)
        if rows[w].note(n, attempt(insert_row, (w, n, f'{w}-{n}' * (1 + n % 40)))):
            worker.step(f'row {w}')
    return once


insert_many = session.prepare('INSERT INTO door.many (k, v) VALUES (?, ?)')
many = Numbered()


def many_writer(chance):
    numbers = [next(many.next) for _ in range(60)]
    try:
        answers = execute_concurrent_with_args(session, insert_many, [(n, f'm{n}') for n in numbers], concurrency=30,
                                               raise_on_first_error=False)
    except Exception:
        many.unknown.update(numbers)
        return
    for n, (good, _) in zip(numbers, answers):
        (many.acked if good else many.unknown).add(n)
    if all(good for good, _ in answers):
        worker.step('concurrent')
    else:
        time.sleep(0.02)


# ---- one row written over and over; rows written and taken away ----

set_latest = session.prepare('UPDATE door.latest SET v = ?, t = ? WHERE k = ?')
latest = collections.defaultdict(lambda: [0, 0])  # k -> last acked, last tried


def latest_writer(chance):
    k = chance.randrange(5)
    v = latest[k][1] = latest[k][1] + 1
    if attempt(set_latest, (v, f't{v}', k)) is not UNKNOWN:
        latest[k][0] = v
        worker.step('overwrite')


insert_gone = session.prepare('INSERT INTO door.gone (w, n, v) VALUES (?, ?, ?)')
delete_gone = session.prepare('DELETE FROM door.gone WHERE w = ? AND n = ?')
gone = {'kept': set(), 'deleted': set()}
gone_next = itertools.count()


def gone_writer(chance):
    n = next(gone_next)
    if attempt(insert_gone, (n % 3, n, 'here')) is UNKNOWN:
        return
    if chance.random() < 0.3:
        gone['kept'].add(n)
        return
    if attempt(delete_gone, (n % 3, n)) is not UNKNOWN:
        gone['deleted'].add(n)
        worker.step('delete')


# ---- compare and set ----

lwt_open = session.prepare('INSERT INTO door.lwt (k, n) VALUES (?, 0) IF NOT EXISTS')
lwt_read = session.prepare('SELECT n FROM door.lwt WHERE k = ?')
lwt_set = session.prepare('UPDATE door.lwt SET n = ?, done = done + ? WHERE k = ? IF n = ?')
ledger_read = session.prepare('SELECT n FROM door.ledger WHERE k = ? LIMIT 1')
ledger_open = session.prepare('UPDATE door.ledger SET n = 0 WHERE k = ? IF n = null')
ledger_set = session.prepare('UPDATE door.ledger SET n = ? WHERE k = ? IF n = ?')
ledger_row = session.prepare('INSERT INTO door.ledger (k, id, v) VALUES (?, ?, ?)')


class Contended:
    """Threads that count in the same partition, each with a mark of its own; a new partition now and then."""

    def __init__(self, name, open_, read, write):
        self.name, self.open, self.read, self.write = name, open_, read, write
        self.k = 0
        self.applied = collections.defaultdict(set)
        self.refused = collections.defaultdict(set)
        self.unknown = collections.defaultdict(set)

    def once(self, chance):
        k = self.k
        read = attempt(self.read, (k,))
        if read is UNKNOWN:
            return
        row = read.one()
        if row is None or row.n is None:
            attempt(self.open, (k,))
            return
        if row.n >= LWT_ROWS:
            self.k = max(self.k, k + 1)
            return
        mark = uuid.uuid4()
        answer = self.write(k, row.n, mark)
        if answer is UNKNOWN:
            self.unknown[k].add(mark)
        elif answer.one().applied:
            self.applied[k].add(mark)
            worker.step(self.name)
        else:
            self.refused[k].add(mark)

    def judge(self, k, n, marks):
        """What is wrong, or None."""
        if n != len(marks):
            return f'{k}: n is {n}, marks are {len(marks)}'
        if self.applied[k] - marks or self.refused[k] & marks or marks - self.applied[k] - self.unknown[k]:
            return f'{k}: applied but gone {self.applied[k] - marks}, refused but there {self.refused[k] & marks}'
        return None


def ledger_write(k, n, mark):
    batch = BatchStatement(BatchType.LOGGED)
    batch.add(ledger_set, (n + 1, k, n))
    batch.add(ledger_row, (k, mark, f'{n + 1}'))
    return attempt(batch)


lwt = Contended('lwt', lwt_open, lwt_read, lambda k, n, mark: attempt(lwt_set, (n + 1, {mark}, k, n)))
ledger = Contended('conditional batch', ledger_open, ledger_read, ledger_write)

claim = session.prepare('INSERT INTO door.claims (id, owner) VALUES (?, ?) IF NOT EXISTS')
claimed, claims_tried = {}, collections.defaultdict(dict)


def claimer(who):
    numbers = itertools.count()

    def once(chance):
        n = next(numbers)
        answer = attempt(claim, (n, who))
        applied = None if answer is UNKNOWN else answer.one().applied
        claims_tried[n][who] = applied
        if applied:
            if claimed.setdefault(n, who) != who:
                worker.mistake(f'claim {n} was given to {claimed[n]} and {who}')
        if applied is not None:
            worker.step(f'claim {who}')
    return once


# ---- counters ----

count_up = session.prepare('UPDATE door.counters SET n = n + ? WHERE k = ?')
counters = collections.defaultdict(lambda: [0, 0])  # k -> acked, in doubt
counter_lock = threading.Lock()


def counter(chance):
    k, by = chance.randrange(3), chance.randint(1, 3)
    answer = attempt(count_up, (by, k))
    with counter_lock:
        counters[k][1 if answer is UNKNOWN else 0] += by
    if answer is not UNKNOWN:
        worker.step('counter')


# ---- batches over two tables ----

debit = session.prepare('INSERT INTO door.debit (id, v) VALUES (?, ?)')
credit = session.prepare('INSERT INTO door.credit (id, part, v) VALUES (?, ?, ?)')
batches = Numbered()


def batcher(chance):
    n = next(batches.next)
    batch = BatchStatement(BatchType.LOGGED)
    batch.add(debit, (n, n))
    for part in range(3):
        batch.add(credit, (n, part, n))
    batch.add(debit, (-n - 1, n))
    if batches.note(n, attempt(batch)):
        worker.step('batch')


# ---- the end ----

def select(text):
    for _ in range(50):
        try:
            return list(session.execute(SimpleStatement(text, fetch_size=5000), timeout=60))
        except Exception as e:
            error = e
            time.sleep(0.1)
    raise error


def judge_numbered(name, numbered, have):
    worker.equal(sorted(numbered.acked - have)[:20], [], f'{name}: what was answered is there ({len(numbered.acked)})')
    worker.equal(sorted(have - numbered.acked - numbered.unknown)[:20], [], f'{name}: nothing else is there')


def judge_lwt():
    have = {r.k: (r.n, set(r.done or ())) for r in select('SELECT * FROM door.lwt')}
    wrong = [w for w in (lwt.judge(k, *have.get(k, (0, set()))) for k in range(lwt.k + 1)) if w]
    worker.equal(wrong, [], f'LWT: the counter is what was applied ({sum(map(len, lwt.applied.values()))})')
    marks, n = collections.defaultdict(set), {}
    for r in select('SELECT k, id, n, v FROM door.ledger'):
        n[r.k] = r.n
        if r.id:
            marks[r.k].add(r.id)
    wrong = [w for w in (ledger.judge(k, n.get(k, 0), marks[k]) for k in range(ledger.k + 1)) if w]
    worker.equal(wrong, [], f'conditional batches: the same ({sum(map(len, ledger.applied.values()))})')
    owner = {r.id: r.owner for r in select('SELECT id, owner FROM door.claims')}
    wrong = []
    for n, tried in claims_tried.items():
        may = {who for who, applied in tried.items() if applied is not False}
        if (n in claimed and owner.get(n) != claimed[n]) or (n in owner and owner[n] not in may) or \
                (n not in owner and None not in tried.values()):
            wrong.append((n, owner.get(n), tried))
    worker.equal(wrong[:10], [], f'IF NOT EXISTS: each row is the one winner\'s ({len(claimed)})')


def judge_batches():
    parts = collections.Counter(r.id for r in select('SELECT id, part FROM door.credit'))
    debits = {r.id for r in select('SELECT id FROM door.debit')}
    half = [n for n in set(parts) | {d if d >= 0 else -d - 1 for d in debits}
            if not (parts[n] == 3 and n in debits and -n - 1 in debits)]
    worker.equal(sorted(half)[:10], [], 'no batch is half there')
    judge_numbered('batches', batches, set(parts))


def finish():
    worker.join(worker.ending)
    for w in (0, 1):
        found = {r.n: r.v for r in select(f'SELECT n, v FROM door.rows WHERE w = {w}')}
        judge_numbered(f'rows of writer {w}', rows[w], set(found))
        worker.ok(all(v == f'{w}-{n}' * (1 + n % 40) for n, v in found.items()), 'with their values')
    judge_numbered('concurrent rows', many, {r.k for r in select('SELECT k FROM door.many')})
    found = {r.k: (r.v, r.t) for r in select('SELECT k, v, t FROM door.latest')}
    wrong = [(k, found.get(k), acked, tried) for k, (acked, tried) in latest.items()
             if acked and (k not in found or not acked <= found[k][0] <= tried or found[k][1] != f't{found[k][0]}')]
    worker.equal(wrong, [], 'a row written over and over has the last value, whole')
    there = {r.n for r in select('SELECT n FROM door.gone')}
    worker.equal((sorted(gone['kept'] - there)[:10], sorted(gone['deleted'] & there)[:10]), ([], []),
                 f'what was deleted stays away, the rest stays ({len(gone["deleted"])})')
    judge_lwt()
    found = {r.k: r.n for r in select('SELECT k, n FROM door.counters')}
    wrong = [(k, found.get(k), both) for k, both in counters.items() if not both[0] <= found.get(k, 0) <= sum(both)]
    worker.equal(wrong, [], f'counters: what was answered, at most what is in doubt more ({dict(counters)})')
    judge_batches()
    worker.equal(reprepared[:5], [], 'prepared statements survived')


for w in (0, 1):
    worker.activity(f'row {w}', row_writer(w))
worker.activity('concurrent', many_writer, pause=0.03)
worker.activity('overwrite', latest_writer)
worker.activity('delete', gone_writer)
worker.activity('counter', counter)
worker.activity('batch', batcher)
for i in (0, 1):
    worker.activity(f'claim {i}', claimer(f'{i}'))
for i in range(3):
    worker.activity('lwt', lwt.once)
    worker.activity('conditional batch', ledger.once)
worker.serve(finish)
