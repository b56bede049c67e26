# SPDX-License-Identifier: MIT
"""examples/earthquakes on captured feeds of the USGS, served one after the other as a feed that is polled.

Every capture is served twice, as a feed repeats itself, some with corrections of their quakes; in
between the server fails and sends halves, and the run is killed. The tables are compared with what
Python makes of the captures.
"""
import copy
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'lib'))
from millrace import Api, main, until, wrong_books  # noqa: E402
from payloads import by, data, differ, example, instant, rows  # noqa: E402

NAMES = ['usgs/all_week-2018-02-07.geojson', 'usgs/all_week-2021-04-27.geojson', 'usgs/m1_week-2022-04-04.geojson',
         'usgs/m1_day-2022-04-04.geojson']


def corrected(capture):
    """The same feed some minutes later: magnitudes, places and depths change, one value goes away."""
    later = copy.deepcopy(capture)
    for i, feature in enumerate(later['features'][::7]):
        feature['properties'].update(updated=feature['properties']['updated'] + 60000 + i, status='reviewed',
                                     mag=None if i % 11 == 10 else 4.4 + i % 5 / 10, place=f'{i} km né de "là", \U0001f30b')
        feature['properties']['felt'] = i if i % 3 else None
        if i % 4 == 0:
            feature['geometry']['coordinates'][2] = None
        if i % 9 == 5:
            feature['properties']['type'] = 'quarry blast'
    return later


def followed(captures):
    """Each capture and its correction; what was corrected once stays so in later captures."""
    newest, result = {}, []
    for capture in captures:
        first = copy.deepcopy(capture)
        first['features'] = [newest.get(feature['id'], feature) for feature in capture['features']]
        second = corrected(first)
        newest.update((feature['id'], feature) for feature in second['features'])
        result += [first, second]
    return result


def event(feature):
    p, at = feature['properties'], feature['geometry']['coordinates']
    return {'id': feature['id'], 'happened_at': instant(p['time']), 'updated_at': instant(p['updated']),
            'magnitude': p['mag'], 'place': p['place'], 'longitude': at[0], 'latitude': at[1], 'depth_km': at[2],
            'felt': p['felt'] or 0, 'tsunami': p['tsunami'] == 1, 'status': p['status']}


def strong(feature):
    p = feature['properties']
    return {'net': p['net'], 'happened_at': instant(p['time']), 'id': feature['id'], 'magnitude': p['mag'],
            'place': p['place'].upper()}


def by_network(strongs):
    """What the view makes of the strong quakes; the place only where one quake is the strongest."""
    groups = {}
    for row in strongs.values():
        groups.setdefault(row['net'], []).append(row)
    result = {}
    for net, group in groups.items():
        most = max(row['magnitude'] for row in group)
        places = [row['place'] for row in group if row['magnitude'] == most]
        result[(net,)] = {'net': net, 'quakes': len(group), 'strongest': most, 'newest': max(r['happened_at'] for r in group),
                          'place': places}
    return result


def expected(served):
    """The last version of each key, of the quakes that the queries let through."""
    events, strongs = {}, {}
    for capture in served:
        for feature in capture['features']:
            p = feature['properties']
            if p['type'] != 'earthquake':
                continue
            events[(feature['id'],)] = event(feature)
            if p['mag'] is not None and p['mag'] >= 4.5:
                row = strong(feature)
                strongs[(row['net'], row['happened_at'], row['id'])] = row
    return events, strongs


def polled(tap):
    texts = [data(name) for name in NAMES]
    if None in texts:
        tap.skip('earthquakes on captured feeds', '../shared/data/usgs or zstd is missing')
        return
    captures = followed([json.loads(text) for text in texts])
    answers = []
    for i, capture in enumerate(captures):
        body = json.dumps(capture).encode()
        good = (200, {'Content-Type': 'application/json'}, body)
        answers += [good, good]
        if i == 2:
            answers += [(503, {}, b'busy'), ('half', body)]
    answers.append((200, {}, b'{"type":"FeatureCollection","features":[]}'))
    served = []

    def decide(path, query):
        at = min(len(served), len(answers) - 1)
        served.append(at)
        return answers[at]
    api = Api(decide)
    project = example('earthquakes', {'every: 60s': 'every: 20ms'})
    env = {'QUAKES_URL': f'http://127.0.0.1:{api.port}/feed.geojson'}
    run = project.start(env=env)
    until(lambda: len(served) > 8, 'the feed is not polled')
    run.kill()
    run = project.start(env=env)

    def polled_all():
        if not run.alive():
            raise RuntimeError(f'the run ended with {run.child.returncode}: {run.out()}{run.err()}')
        return len(served) > len(answers) + 3
    until(polled_all, lambda: f'the feed is not polled to its end: {len(served)} requests, {project.status()}')

    def settled():
        status = project.status()
        return all(t['lag'] == 0 for t in status['tables']) and status
    status = until(settled, 'the quakes are not processed')
    tap.equal(wrong_books(status), None, 'the books balance')
    tap.equal(run.stop(), 0, 'the run ends with 0')
    api.close()
    check(tap, project, captures)


def check(tap, project, captures):
    records = [r['value'] for r in project.records('quakes')]
    want = list(dict.fromkeys(json.dumps(feature) for capture in captures for feature in capture['features']))
    tap.ok(records == want, f'{len(records)} records: every version of a quake once, in order, byte by byte',
           f'{len(want)} expected')
    events, strongs = expected(captures)
    wrong = differ(by(rows(project, 'events'), 'id'), events)
    tap.ok(wrong is None, f'{len(events)} quakes, each in its last version', wrong)
    wrong = differ(by(rows(project, 'strong'), 'net', 'happened_at', 'id'), strongs)
    tap.ok(wrong is None, f'{len(strongs)} strong ones', wrong)
    networks, want = by(rows(project, 'networks'), 'net'), by_network(strongs)
    for key, row in networks.items():
        if row['place'] in want.get(key, {}).get('place', []):
            row['place'] = want[key]['place']
    wrong = differ(networks, want)
    tap.ok(wrong is None and len(want) > 3, f'{len(want)} networks in the materialized view', wrong)
    nulls = sum(row['depth_km'] is None or row['magnitude'] is None for row in events.values())
    tap.ok(nulls > 10, f'{nulls} of them with NULL')
    order = [[row['net'], row['happened_at'], row['id']] for row in rows(project, "strong WHERE net = 'us'")]
    tap.ok(len(order) > 10 and order == sorted(order), 'strong quakes of one network come in the order of time')
    tap.equal(project.letters('quakes'), [], 'no dead letters')
    code, answer = project.doctor()
    tap.ok(code == 0 and answer['ok'], 'doctor finds nothing', answer)


main(polled)
