# SPDX-License-Identifier: MIT
"""What the differential tests share: their seeds, TAP, and a real server beside a millrace.

    NAME_diff_test.py [--seeds N] [--from S] [--steps N] [--alone] [--here PORT] [--there PORT] [--seconds N]

Without --seeds it takes DIFF_SEEDS of them (a bounded number), one TAP line a group. --alone runs the
programs on millrace only: that they run, and that nothing breaks. --here and --there aim at servers that
run already. A seed that differs is run once more: what does not come again is told, and is no failure.
"""
import argparse
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'lib'))
import millrace

GROUP = 10
PROJECT = '''sources:
  unused: {schema: "id STRING"}
listeners:
'''


def arguments(text):
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument('--seeds', type=int, default=int(os.environ.get('DIFF_SEEDS', '0')))
    parser.add_argument('--from', dest='first', type=int, default=int(os.environ.get('DIFF_FROM', '1')))
    parser.add_argument('--steps', type=int, default=0)
    parser.add_argument('--seconds', type=float, default=0, help='starts no seed after that')
    parser.add_argument('--alone', action='store_true')
    parser.add_argument('--here', type=int)
    parser.add_argument('--there', type=int)
    parser.add_argument('--trace', action='store_true', help='prints every step of a seed that differs')
    parser.add_argument('--go-on', action='store_true', help='does not end after ten seeds that differ')
    return parser.parse_args()


def start_millrace(door):
    """The port of a millrace's kafka or cql door."""
    port = millrace.free_port()
    doors = {'kafka': 'off', 'cql': 'off', door: f'127.0.0.1:{port}'}
    project = millrace.Project(PROJECT + f'  kafka: {doors["kafka"]}\n  cql: {doors["cql"]}',
                               'CREATE STREAMING TABLE unused_ids AS SELECT id FROM STREAM unused;\n')
    process = project.start()
    millrace.until(lambda: millrace.can_connect(port), f'the {door} door stays shut')
    return port, process


def start_engine(name, *words):
    """The port of a real server from tools/engines; it is stopped by its id at the end."""
    tool = os.path.join(HERE, '..', '..', 'tools', 'engines', name)
    port, folder = millrace.free_port(), millrace.folder()
    millrace.at_end.append(lambda: subprocess.run([tool, 'stop', '--dir', folder, '--kill'], capture_output=True))
    done = subprocess.run([tool, 'start', '--port', str(port), '--dir', folder, *words], capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise RuntimeError(f'{name} does not start: {done.stderr[-2000:]}')
    return port


def unlike(one, other, at=''):
    """Lines that say where two answers differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(set(one) | set(other)):
            if name not in one or name not in other:
                yield f'{at}.{name}: {one.get(name, "nothing")!r} / {other.get(name, "nothing")!r}'
            else:
                yield from unlike(one[name], other[name], f'{at}.{name}')
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, (a, b) in enumerate(zip(one, other)):
            yield from unlike(a, b, f'{at}[{i}]')
    elif one != other:
        yield f'{at}: {one!r} / {other!r}'


def rss(process):
    with open(f'/proc/{process.pid}/status') as file:
        return next(int(line.split()[1]) >> 10 for line in file if line.startswith('VmRSS'))


def run(options, one_seed, process, seeds, about):
    """one_seed(seed) gives (steps, difference or None, {allowed difference: how often})."""
    tap = millrace.Tap()
    end = time.monotonic() + options.seconds if options.seconds else None
    steps = done = once = 0
    used, bad = {}, []
    first, failed = options.first, 0
    for seed in range(options.first, options.first + seeds):
        count, difference, allowed = one_seed(seed)
        if difference:
            again = one_seed(seed)[1]
            if again:
                bad.append(again)
                failed += 1
            else:
                once += 1
                tap.note(f'seed {seed} differed once, and not again:\n{difference}')
        steps += count
        done += 1
        for name, times in allowed.items():
            used[name] = used.get(name, 0) + times
        late = end is not None and time.monotonic() > end
        if seed - first + 1 == GROUP or seed == options.first + seeds - 1 or late or not alive(process):
            tap.ok(not bad, f'{about}: seeds {first} to {seed}', '\n\n'.join(bad))
            first, bad = seed + 1, []
        if not alive(process):
            tap.ok(False, 'millrace runs', process.err()[-6000:])
            break
        if late or failed >= 10 and not options.go_on:
            break
    tap.note(f'{done} seeds, {steps} steps, {failed} seeds differ, {once} differed once')
    for name, times in sorted(used.items()):
        tap.note(f'allowed: {name}: {times} times')
    if process:
        tap.note(f'millrace: {rss(process)} MB' if alive(process) else 'millrace has ended')
    millrace.end_all()
    tap.done()


def alive(process):
    return process is None or process.alive()
