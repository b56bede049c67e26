# SPDX-License-Identifier: MIT
"""examples/clickstream: the events of a shop, sent by clients that repeat themselves, while it is killed."""
import decimal
import json
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'lib'))
from millrace import main, until, wrong_books  # noqa: E402
from payloads import by, differ, example, instant, post, rows  # noqa: E402

SEED = int(os.environ.get('CRASH_SEED') or int.from_bytes(os.urandom(4), 'big'))
START_MS = 1767268800000


def made(n, choose):
    """Event n as a client sends it; absent, null and empty are all there."""
    e = {'event_id': f'e{n}', 'user_id': choose.choice(['ann', 'bob', 'čeněk', None]),
         'event_type': choose.choice(['click', 'VIEW', 'Purchase', 'purchase']), 'timestamp': instant(START_MS + n * 1013)}
    if choose.random() < 0.7:
        e['page'] = {'url': f'/p/{n % 17}', 'title': choose.choice(['Home', None, 'Größe']),
                     'referrer': choose.choice([None, 'https://example.org/a/b', 'app', 'http://x.test'])}
    if choose.random() < 0.8:
        e['items'] = [{'sku': f's{choose.randrange(9)}', 'price': choose.randrange(1, 99999) / 100,
                       'count': choose.choice([1, 2, 3, None])} for _ in range(choose.randrange(4))]
    if choose.random() < 0.5:
        e['properties'] = {'campaign': choose.choice(['spring', None, '']), 'ab': 'x'}
    return e


def event(e):
    page = e.get('page') or {}
    referrer, items, title = page.get('referrer'), e.get('items'), page.get('title')
    return {'event_id': e['event_id'], 'user_id': e['user_id'], 'event_type': e['event_type'].lower(),
            'happened_at': e['timestamp'], 'url': page.get('url'), 'title': '' if title is None else title,
            'referrer_host': referrer.split('://')[1].split('/')[0] if referrer and '://' in referrer else 'direct',
            'campaign': (e.get('properties') or {}).get('campaign'), 'item_count': None if items is None else len(items)}


def purchases(e):
    for position, item in enumerate(e.get('items') or [] if e['event_type'].lower() == 'purchase' else []):
        amount = None if item['count'] is None else float(decimal.Decimal(str(item['price'])) * item['count'])
        yield (e['event_id'], position), {
            'event_id': e['event_id'], 'user_id': e['user_id'], 'happened_at': e['timestamp'], 'position': position,
            'sku': item['sku'], 'price': item['price'], 'count': item['count'], 'amount': amount}


def sales(bought):
    groups = {}
    for row in bought:
        groups.setdefault((row['sku'],), []).append(row)
    return {key: {'sku': key[0], 'purchases': len(group), 'pieces': sum(r['count'] or 0 for r in group),
                  'amount': float(sum(decimal.Decimal(str(r['amount'])) for r in group if r['amount'] is not None)),
                  'last_sold_at': max(r['happened_at'] for r in group)} for key, group in groups.items()}


def shop(tap):
    tap.note(f'CRASH_SEED={SEED}')
    choose = random.Random(SEED)
    events = [made(n, choose) for n in range(1500)]
    project = example('clickstream')
    run = project.start()
    at = 0
    while at < len(events):
        batch = events[at:at + choose.randint(1, 60)]
        at += len(batch)
        again = choose.sample(events[:at], min(at, 3)) if choose.random() < 0.3 else []
        body = '\n'.join(json.dumps(e, ensure_ascii=choose.random() < 0.5) for e in batch + again).encode()
        post(project, '/hooks/events', body)
        if choose.random() < 0.1:
            run.kill()
            run = project.start()

    def settled():
        status = project.status()
        return all(t['lag'] == 0 for t in status['tables']) and status
    status = until(settled, 'the events are not processed')
    tap.equal(wrong_books(status), None, 'the books balance')
    tap.equal(run.stop(), 0, 'the run ends with 0')
    bought = dict(pair for e in events for pair in purchases(e))
    for table, keys, want in (('events', ['event_id'], {(e['event_id'],): event(e) for e in events if e['user_id']}),
                              ('purchases', ['event_id', 'position'], bought),
                              ('sales', ['sku'], sales(bought.values()))):
        wrong = differ(by(rows(project, table), *keys), want)
        tap.ok(wrong is None and want, f'{len(want)} rows of {table}', wrong)
    tap.equal(project.letters('raw_events'), [], 'no dead letters')


main(shop)
