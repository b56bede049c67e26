#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the tests that Meson knows, reads their TAP, counts, and prints what failed.

    run.py --build DIR --suites unit,golden [--release DIR] [--match REGEX] [--jobs N]

A program counts as failed when it exits non-zero, prints no plan, or is killed at its timeout. The
last line is `N passed, N failed, N skipped`. Tests of the suites crash and interop run one at a time.
"""
import argparse, concurrent.futures, json, os, re, signal, subprocess, sys, time

parser = argparse.ArgumentParser()
parser.add_argument('--build', required=True)
parser.add_argument('--release')
parser.add_argument('--suites', required=True)
parser.add_argument('--match', default='')
parser.add_argument('--jobs', type=int, default=os.cpu_count() or 2)
parser.add_argument('--empty-is-fine', action='store_true')
parser.add_argument('-v', '--verbose', action='store_true')
options = parser.parse_args()
suites = options.suites.split(',')
ALONE = {'crash', 'interop', 'engines', 'bench'}


def load():
    text = subprocess.run(['meson', 'introspect', '--tests', options.build], capture_output=True, text=True, check=True).stdout
    tests = []
    for test in json.loads(text):
        suite = [s.split(':')[-1] for s in test['suite']]
        if set(suite) & set(suites) and re.search(options.match, test['name']):
            tests.append((test['name'], suite[0], test['cmd'], test.get('env') or {}, test.get('timeout') or 60, test.get('workdir')))
    return tests


def environment(extra):
    env = dict(os.environ)
    env.setdefault('ASAN_OPTIONS', 'detect_leaks=1:abort_on_error=0:exitcode=99')
    env.setdefault('UBSAN_OPTIONS', 'halt_on_error=1:print_stacktrace=1')
    env.setdefault('LSAN_OPTIONS', f'suppressions={os.path.dirname(os.path.abspath(__file__))}/lib/lsan.supp:print_suppressions=0')
    env['MILLRACE_BUILD'] = os.path.abspath(options.build)
    env['MILLRACE_RELEASE'] = os.path.abspath(options.release) if options.release else ''
    env['MILLRACE_SOURCE'] = os.path.abspath(os.path.join(os.path.dirname(__file__), '..'))
    env.update(extra)
    return env


def run(test):
    name, suite, command, extra, timeout, workdir = test
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                               env=environment(extra), cwd=workdir, start_new_session=True)
    try:
        out, _ = process.communicate(timeout=timeout * 3)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, _ = process.communicate()
        code = 'no end'
    text = out.decode('utf-8', 'replace')
    # cmocka of Debian 12 says `not ok 1 # SKIP name` for a skipped test.
    passed = len(re.findall(r'^ok\b(?!.*# SKIP)', text, re.M | re.I))
    skipped = len(re.findall(r'^(?:not )?ok\b.*# SKIP', text, re.M | re.I)) + (1 if re.search(r'^1\.\.0 # SKIP', text, re.M | re.I) else 0)
    failed = len(re.findall(r'^not ok\b(?!.*# SKIP)', text, re.M | re.I))
    plan = re.search(r'^1\.\.(\d+)', text, re.M)
    if code != 0 and not failed:
        failed = 1
    elif code == 0 and not plan:
        failed, text = failed + 1, text + '\n(no TAP plan)'
    elif code == 0 and plan and int(plan.group(1)) > passed + failed + skipped:
        failed, text = failed + 1, text + f'\n(planned {plan.group(1)}, saw {passed + failed + skipped})'
    return name, passed, failed, skipped, text, code, time.monotonic() - start


def main():
    tests = load()
    total = [0, 0, 0]

    def show(result):
        name, passed, failed, skipped, text, code, seconds = result
        total[0] += passed
        total[1] += failed
        total[2] += skipped
        word = 'FAIL' if failed else 'ok'
        if failed or skipped or options.verbose or seconds > 20:
            print(f'{word:4} {name}: {passed} passed, {failed} failed, {skipped} skipped ({seconds:.1f} s)', flush=True)
        if failed:
            lines = text.splitlines()
            shown = [line for line in lines if not line.startswith('ok ')][-60:]
            print('\n'.join('     ' + line for line in shown), flush=True)
            print(f'     (exit {code})', flush=True)

    together = [t for t in tests if t[1] not in ALONE]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for future in concurrent.futures.as_completed([pool.submit(run, t) for t in together]):
            show(future.result())
    for test in tests:
        if test[1] in ALONE:
            show(run(test))
    if not tests and not options.empty_is_fine:
        print('no test was found', flush=True)
        total[1] += 1
    state = os.environ.get('MILLRACE_TEST_SUM')
    if state:
        with open(state, 'a') as file:
            file.write(f'{total[0]} {total[1]} {total[2]}\n')
    if tests or not options.empty_is_fine:
        print(f'{total[0]} passed, {total[1]} failed, {total[2]} skipped', flush=True)
    return 1 if total[1] else 0


sys.exit(main())
