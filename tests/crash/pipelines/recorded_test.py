# SPDX-License-Identifier: MIT
"""Runs every recorded pipeline in three ways and compares tables and dead letters with the recorded ones.

    recorded_test.py [PROJECT..]      PIPELINES=DIR reads another folder, CRASH_SEED=n repeats the choices

    epochs   one input file, wait until it is processed, the next file; rows after each epoch too
    at once  all files before the first run, one run until idle
    killed   every file is taken while the run is killed with -9 again and again

A table or column that `check` refuses is skipped with the text of the refusal. The tables of REQUIRED may not be.
"""
import glob
import json
import os
import random
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'lib'))
import millrace  # noqa: E402
from millrace import command, until, wrong_books  # noqa: E402
from recorded import Recorded, difference, lines  # noqa: E402

SEED = int(os.environ.get('CRASH_SEED') or int.from_bytes(os.urandom(4), 'big'))
REQUIRED = {
    'random_users': ['created_users', 'users_by_age', 'users_per_country'],
    'json_permissive': ['parsed', 'rejected', 'json_quality'],
    'github_commits': ['commits', 'push_summary'],
    'aircraft_arrays': ['positions'],
}


def root():
    shared = os.environ.get('MILLRACE_SHARED') or os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                               '..', '..', '..', '..', 'shared')
    return os.environ.get('PIPELINES') or os.path.join(shared, 'oracle', 'pipelines')


def compare_letters(tap, project, way):
    for source in project.inputs():
        path = project.expected(f'dead_letters.{source}.ndjson')
        want = sorted(json.loads(line)['value'] for line in lines(path)) if os.path.exists(path) else []
        letters = project.letters(source)
        got = sorted(letter['value'] for letter in letters if letter['table'] is None)
        tap.equal(got, want, f'{project.name} {way}: {len(want)} dead letters of {source}')
        tables = [letter for letter in letters if letter['table'] is not None]
        tap.equal(tables, [], f'{project.name} {way}: no table of {source} refused a value')


def compare(tap, project, way):
    """All tables of a stopped project, its dead letters and its books."""
    for table, statement in project.tables.items():
        rows, schema = project.got(table)
        view = statement.kind == 'materialized'
        wrong = difference(rows, project.want(table), rough=view)
        tap.ok(wrong is None, f'{project.name} {way}: rows of {table}', wrong)
        tap.equal(schema, project.schema(table), f'{project.name} {way}: type of {table}')
    compare_letters(tap, project, way)
    code, answer = project.doctor()
    tap.ok(code == 0 and answer['ok'], f'{project.name} {way}: doctor finds nothing', answer)


def wait_processed(project, counts):
    """Until every stream has read what was produced."""
    def look():
        status = project.status()
        wrong = wrong_books(status)
        if wrong:
            raise RuntimeError(wrong)
        failed = [t for t in status['tables'] if t['state'] in ('failed', 'blocked')]
        if failed:
            raise RuntimeError(f'{failed}')
        streams = [t for t in status['tables'] if not t['view']]
        return all(t['read'] == counts[t['source']] for t in streams)
    until(look, lambda: f'{counts} are not processed: {project.status()}')


def steps(project):
    """[[(source, file)..]..]: what comes with each epoch."""
    files = project.inputs()
    most = max(len(one) for one in files.values())
    return [[(source, one[i]) for source, one in files.items() if i < len(one)] for i in range(most)]


def run_epochs(tap, project):
    counts = {source: 0 for source in project.inputs()}
    after = {table: project.want_epochs(table) for table in project.tables}
    run = project.start()
    for number, step in enumerate(steps(project)):
        for source, path in step:
            counts[source] += project.produce(source, path, online=True)
        wait_processed(project, counts)
        for table, epochs in after.items():
            if epochs:
                wrong = difference(project.got(table, '-s', project.url(''))[0], epochs[number], rough=False)
                tap.ok(wrong is None, f'{project.name} epochs: {table} after epoch {number}', wrong)
    tap.equal(run.stop(), 0, f'{project.name} epochs: the run ends with 0')
    compare(tap, project, 'epochs')


def make_topics(project):
    """A first run makes them."""
    result = command('run', project.path, '--until-idle', '--quiet', '1ms')
    if result.code != 0:
        raise RuntimeError(f'the first run: {result}')


def run_at_once(tap, project):
    make_topics(project)
    for source, files in project.inputs().items():
        for path in files:
            project.produce(source, path, online=False)
    result = command('run', project.path, '--until-idle', '--quiet', '300ms')
    tap.ok(result.code == 0, f'{project.name} at once: the run ends with 0', result)
    compare(tap, project, 'at once')


def run_killed(tap, project):
    choose = random.Random(f'{SEED} {project.name}')
    counts = {source: 0 for source in project.inputs()}
    make_topics(project)
    for step in steps(project):
        for source, path in step:
            counts[source] += project.produce(source, path, online=False)
        for _ in range(4):
            run = project.start(wait=False)
            if choose.random() < 0.7:
                project.wait_listening(run, pause=0.001)
            time.sleep(choose.random() * 0.05)
            run.kill()
        run = project.start()
        if choose.random() < 0.5:
            wait_processed(project, counts)
        run.kill()
    run = project.start()
    wait_processed(project, counts)
    tap.equal(run.stop(), 0, f'{project.name} killed: the run ends with 0')
    compare(tap, project, 'killed')


def report_refused(tap, project):
    """Skips what is said to be unsupported; any other refusal is a failure."""
    found = list(project.refused.items())
    found += [(f'{table}.{name}', text) for table, columns in project.lost.items() for name, text in columns.items()]
    for name, text in found:
        if re.search(r'not supported|UNSUPPORTED|no place in a pipeline|^reads from|needs more than this release', text):
            tap.skip(f'{project.name}: {name}', re.sub(r'\s+', ' ', text))
        else:
            tap.ok(False, f'{project.name}: {name} is taken', text)


def one(tap, path):
    first = True
    for way in (run_epochs, run_at_once, run_killed):
        project = Recorded(path)
        if first:
            report_refused(tap, project)
            for name in REQUIRED.get(project.name, []):
                tap.ok(name in project.tables and name not in project.lost, f'{project.name}: {name} is not refused',
                       project.refused.get(name) or project.lost.get(name))
            first = False
        if not project.tables:
            return
        try:
            way(tap, project)
        except Exception as problem:
            tap.ok(False, f'{project.name}: {way.__name__} runs to its end', repr(problem))
        finally:
            millrace.end_all()


def main():
    tap = millrace.Tap()
    tap.note(f'CRASH_SEED={SEED}')
    found = sorted(path for path in glob.glob(f'{root()}/*') if os.path.isdir(f'{path}/transformations'))
    if not found:
        tap.skip('recorded pipelines', 'there is no ../shared/oracle/pipelines')
    for path in found:
        if not sys.argv[1:] or os.path.basename(path) in sys.argv[1:]:
            one(tap, os.path.abspath(path))
    tap.done()


main()
