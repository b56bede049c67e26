# SPDX-License-Identifier: MIT
"""Events of GitHub and Wikimedia through a webhook, with duplicates, late ones and kills in between.

The clients send again what was not acknowledged, and some batches although they were. Tables with a
key have each event once; the append-only ones have at least what was sent. All rows are compared with
what Python makes of the files.
"""
import collections
import json
import os
import random
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'lib'))
from millrace import Project, main, until, wrong_books  # noqa: E402
from payloads import by, data, differ, instant, post, rows, text_of  # noqa: E402

SEED = int(os.environ.get('CRASH_SEED') or int.from_bytes(os.urandom(4), 'big'))

GITHUB = '''
sources:
  github:
    topic: {name: github, retention: forever}
    schema: >
      id STRING, type STRING, actor STRUCT<id: BIGINT, login: STRING>, repo STRUCT<id: BIGINT, name: STRING>,
      org STRUCT<id: BIGINT, login: STRING>, public BOOLEAN, created_at TIMESTAMP,
      payload STRUCT<ref: STRING, ref_type: STRING, size: INT, action: STRING, number: INT,
      commits: ARRAY<STRUCT<sha: STRING, author: STRUCT<email: STRING, name: STRING>, message: STRING,
      `distinct`: BOOLEAN>>,
      pages: ARRAY<STRUCT<page_name: STRING, action: STRING>>,
      pull_request: STRUCT<merged: BOOLEAN, additions: INT, user: STRUCT<login: STRING>,
      milestone: STRUCT<title: STRING>>>
    from:
      webhook: {path: /hooks/github, max_body: 32MB}
targets:
  events: {table: gh.events, key: [id]}
  commits: {table: gh.commits, key: [[event_id], [position]]}
  arrivals: {table: gh.arrivals}
  by_type: {table: gh.by_type, key: [type]}
'''

GITHUB_SQL = r'''
CREATE STREAMING TABLE events AS
SELECT id, type, actor.login AS actor, repo.name AS repo, org.login AS org, created_at,
       coalesce(payload.ref, payload.action) AS detail, size(payload.commits) AS commits,
       payload.pull_request.merged AS merged, payload.pull_request.user.login AS author,
       payload.pull_request.milestone.title AS milestone,
       transform(payload.pages, p -> concat(p.action, ' ', p.page_name)) AS pages
FROM STREAM github;

CREATE STREAMING TABLE commits AS
SELECT id AS event_id, pos AS position, c.sha, c.author.name AS author, split(c.message, '\n')[0] AS subject,
       regexp_extract(c.message, '#([0-9]+)', 1) AS issue, length(c.message) AS characters, c.`distinct` AS is_new
FROM STREAM github LATERAL VIEW posexplode(payload.commits) x AS pos, c
WHERE type = 'PushEvent';

CREATE STREAMING TABLE arrivals AS SELECT id, created_at FROM STREAM github;

CREATE MATERIALIZED VIEW by_type AS
SELECT type, count(*) AS events, count(DISTINCT actor) AS actors, min(created_at) AS first_at,
       max(created_at) AS last_at, sum(commits) AS commits
FROM events GROUP BY type;
'''

WIKIMEDIA = '''
sources:
  recent:
    topic: {name: recent, retention: forever}
    schema: >
      meta STRUCT<id: STRING, dt: TIMESTAMP, domain: STRING, `partition`: INT, `offset`: BIGINT>, id BIGINT,
      type STRING, namespace INT, title STRING, comment STRING, `timestamp` BIGINT, user STRING, bot BOOLEAN,
      minor BOOLEAN, patrolled BOOLEAN, length STRUCT<old: BIGINT, new: BIGINT>,
      revision STRUCT<old: BIGINT, new: BIGINT>, log_type STRING, log_action STRING, log_params STRING,
      server_name STRING, wiki STRING
    from:
      webhook: {path: /hooks/changes, max_body: 8MB}
targets:
  changes_by_id: {table: wm.changes_by_id, key: [id]}
  edits_by_wiki: {table: wm.edits_by_wiki, key: [[wiki], [at, id]]}
'''

WIKIMEDIA_SQL = '''
CREATE STREAMING TABLE changes_by_id AS
SELECT meta.id AS id, wiki, type, title, user, timestamp_seconds(`timestamp`) AS at, meta.dt AS dt, bot,
       coalesce(minor, false) AS minor, patrolled, length, revision.old AS revision_old,
       length.new - length.old AS delta, coalesce(concat(log_type, '/', log_action), type) AS kind,
       log_params, comment, id AS change
FROM STREAM recent;

CREATE STREAMING TABLE edits_by_wiki AS
SELECT wiki, timestamp_seconds(`timestamp`) AS at, meta.id AS id, nvl(length.new, 0) - nvl(length.old, 0) AS delta
FROM STREAM recent WHERE type IN ('edit', 'new');
'''


class Kills(threading.Thread):
    """Kills the run at random moments and starts it again, until it is told to end."""

    def __init__(self, project, choose):
        super().__init__(daemon=True)
        self.project, self.choose = project, choose
        self.run_ = project.start()
        self.ending = threading.Event()
        self.count = 0
        self.problem = None

    def run(self):
        try:
            while not self.ending.wait(0.1 + self.choose.random() * 0.5):
                self.run_.kill()
                self.count += 1
                self.run_ = self.project.start()
        except Exception as problem:
            self.problem = problem

    def end(self):
        self.ending.set()
        self.join()
        if self.problem:
            raise self.problem
        return self.run_


def batches(lines, choose):
    """The lines in batches: some late, some batches twice, some as an array."""
    late = [line for line in lines if choose.random() < 0.05]
    held = set(late)
    order = [line for line in lines if line not in held]
    for line in late:
        order.insert(choose.randrange(len(order) + 1), line)
    result = []
    while order:
        count = choose.randint(1, 250)
        batch, order = order[:count], order[count:]
        if choose.random() < 0.1:
            batch = batch + batch[:5]
        body = b'[' + b',\n'.join(batch) + b']' if choose.random() < 0.3 else b'\r\n'.join(batch)
        result.append((len(batch), body))
        if choose.random() < 0.1:
            result.append(result[choose.randrange(len(result))])
    return result


def sent(tap, project, path, lines, choose):
    """Posts all of it while the run is killed; gives the number of records acknowledged."""
    kills = Kills(project, choose)
    kills.start()
    total, mistakes = 0, []
    for count, body in batches(lines, choose):
        said = post(project, path, body)
        total += said
        if said != count:
            mistakes.append((count, said))
        time.sleep(choose.random() * 0.02)
    run = kills.end()
    tap.note(f'{total} records acknowledged, {kills.count} kills')
    tap.equal(mistakes, [], 'each batch is acknowledged with its number of records')

    def settled():
        status = project.status()
        return all(t['lag'] == 0 for t in status['tables']) and status
    status = until(settled, 'the events are not processed')
    tap.equal(wrong_books(status), None, 'the books balance')
    tap.equal(run.stop(), 0, 'the run ends with 0')
    return total


def same(tap, project, table, keys, want):
    wrong = differ(by(rows(project, table), *keys), want)
    tap.ok(wrong is None and want, f'{len(want)} rows of {table}', wrong)


def at(text):
    """2015-01-01T12:00:01Z, with or without an offset of zero, as to_json writes it."""
    return re.sub(r'(\.\d+)?(Z|\+00:00)$', '', text) + '.000Z'


def github_event(e):
    p, pages, pull = e['payload'], e['payload'].get('pages'), e['payload'].get('pull_request') or {}
    ref = p.get('ref')
    return {'id': e['id'], 'type': e['type'], 'actor': e['actor']['login'], 'repo': e['repo']['name'],
            'org': (e.get('org') or {}).get('login'), 'created_at': at(e['created_at']),
            'detail': ref if ref is not None else p.get('action'),
            'commits': len(p['commits']) if p.get('commits') is not None else None,
            'merged': pull.get('merged'), 'author': (pull.get('user') or {}).get('login'),
            'milestone': (pull.get('milestone') or {}).get('title'),
            'pages': None if pages is None else [f'{one["action"]} {one["page_name"]}' for one in pages]}


def github_commits(e):
    for position, c in enumerate(e['payload'].get('commits') or [] if e['type'] == 'PushEvent' else []):
        issue = re.search('#([0-9]+)', c['message'])
        yield (e['id'], position), {
            'event_id': e['id'], 'position': position, 'sha': c['sha'], 'author': c['author']['name'],
            'subject': c['message'].split('\n')[0], 'issue': issue.group(1) if issue else '',
            'characters': len(c['message']), 'is_new': c['distinct']}


def by_type(events):
    groups = collections.defaultdict(list)
    for e in events:
        groups[e['type']].append(e)
    return {(name,): {'type': name, 'events': len(group), 'actors': len({e['actor'] for e in group}),
                      'first_at': min(e['created_at'] for e in group), 'last_at': max(e['created_at'] for e in group),
                      'commits': sum(e['commits'] or 0 for e in group) if any(e['commits'] is not None for e in group)
                      else None}
            for name, group in groups.items()}


def github(tap):
    files = [data('github_events/gharchive-2015-01-01-12.ndjson'), data('github_events/github-events-2021-07-21.ndjson')]
    if None in files:
        tap.skip('GitHub events through a webhook', '../shared/data/github_events or zstd is missing')
        return
    choose = random.Random(SEED)
    lines = [line for file in files for line in file.split(b'\n') if line]
    project = Project(GITHUB, GITHUB_SQL)
    total = sent(tap, project, '/hooks/github', lines, choose)
    values = [json.loads(line) for line in lines]
    events = {(e['id'],): github_event(e) for e in values}
    same(tap, project, 'events', ['id'], events)
    same(tap, project, 'commits', ['event_id', 'position'], dict(pair for e in values for pair in github_commits(e)))
    same(tap, project, 'by_type', ['type'], by_type(events.values()))
    records = project.records('github')
    known = set(lines)
    tap.ok(len(records) >= total and all(r['value'].encode() in known for r in records),
           f'{len(records)} records, {total} acknowledged: each is one that was sent, byte by byte')
    arrivals = rows(project, 'arrivals')
    tap.equal([row['id'] for row in arrivals], [json.loads(r['value'])['id'] for r in records],
              'the append-only table has every record, in the order of the topic')
    tap.equal(project.letters('github'), [], 'no dead letters')


def wikimedia_change(e):
    length, revision = e.get('length'), e.get('revision') or {}
    both = length and length.get('old') is not None and length.get('new') is not None
    kind = f'{e["log_type"]}/{e["log_action"]}' if e.get('log_type') and e.get('log_action') else e['type']
    params = e.get('log_params')
    return {'id': e['meta']['id'], 'wiki': e['wiki'], 'type': e['type'], 'title': e['title'], 'user': e['user'],
            'at': instant(e['timestamp'] * 1000), 'dt': at(e['meta']['dt']), 'bot': e['bot'],
            'minor': e.get('minor') or False, 'patrolled': e.get('patrolled'),
            # to_json leaves NULL fields out
            'length': None if length is None else {k: length[k] for k in ('old', 'new') if length.get(k) is not None},
            'revision_old': revision.get('old'), 'delta': length['new'] - length['old'] if both else None,
            'kind': kind, 'log_params': params if isinstance(params, str) else text_of(params),
            'comment': e['comment'], 'change': e.get('id')}


def wikimedia(tap):
    files = [data(f'wikimedia/{name}') for name in
             ('recentchange-2023-07-29.ndjson', 'recentchange-2025-05-03.ndjson', 'recentchange-2018-pretty.json')]
    if None in files:
        tap.skip('Wikimedia changes through a webhook', '../shared/data/wikimedia is missing')
        return
    choose = random.Random(SEED)
    lines = [line for file in files[:2] for line in file.split(b'\n') if line]
    project = Project(WIKIMEDIA, WIKIMEDIA_SQL)
    sent(tap, project, '/hooks/changes', lines, choose)
    run = project.start()
    tap.equal(post(project, '/hooks/changes', files[2]), 1, 'one change over many lines is one record')
    run.stop()
    values = [json.loads(line) for line in lines + [files[2]]]
    same(tap, project, 'changes_by_id', ['id'], {(e['meta']['id'],): wikimedia_change(e) for e in values})
    edits = {(e['wiki'], instant(e['timestamp'] * 1000), e['meta']['id']): e for e in values if e['type'] in ('edit', 'new')}
    same(tap, project, 'edits_by_wiki', ['wiki', 'at', 'id'], {
        key: {'wiki': key[0], 'at': key[1], 'id': key[2],
              'delta': ((e.get('length') or {}).get('new') or 0) - ((e.get('length') or {}).get('old') or 0)}
        for key, e in edits.items()})
    tap.equal(project.letters('recent'), [], 'no dead letters')


main(github, wikimedia)
