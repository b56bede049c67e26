#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the libFuzzer targets of a build with -Dfuzzers=true, from their corpus, for some seconds each.

    fuzz.py --build DIR --seconds N [--target NAME] [--jobs N] [--keep DIR]

New inputs go to a folder of their own (--keep, else thrown away); a crash is copied to
tests/fuzz/ROOM/regress/, named, and fails the run. Ends with `N passed, N failed, N skipped`.
"""
import argparse, concurrent.futures, glob, os, re, shutil, subprocess, sys, tempfile

parser = argparse.ArgumentParser()
parser.add_argument('--build', required=True)
parser.add_argument('--seconds', type=int, default=120)
parser.add_argument('--target', default='')
parser.add_argument('--jobs', type=int, default=os.cpu_count() or 2)
parser.add_argument('--keep')
parser.add_argument('--seed', type=int, default=1)
options = parser.parse_args()
here = os.path.dirname(os.path.abspath(__file__))


def targets():
    """(room, name, program) of every fuzz target of the build."""
    text = subprocess.run(['ninja', '-C', options.build, '-t', 'targets', 'all'], capture_output=True, text=True, check=True).stdout
    found = set(re.findall(r'^(tests/fuzz/([^/]+)/fuzz-([\w-]+)): ', text, re.M))
    return sorted((room, name, path) for path, room, name in found if options.target in name)


def folders_of(room, name):
    """The corpus and the crashes of before: named as the target, with or without the room in front."""
    names = {name, name.replace('-', '_'), name.removeprefix(room + '-')}
    return [folder for kind in ('corpus', 'regress') for n in sorted(names)
            if os.path.isdir(folder := f'{here}/{room}/{kind}/{n}')]


def run(target):
    room, name, path = target
    path = os.path.join(options.build, path)
    work = tempfile.mkdtemp(prefix=f'millrace-fuzz-{name}-')
    folders = [os.path.join(options.keep, name) if options.keep else os.path.join(work, 'new')]
    os.makedirs(folders[0], exist_ok=True)
    folders += folders_of(room, name)
    command = [path, f'-max_total_time={options.seconds}', '-timeout=20', '-rss_limit_mb=4096', '-print_final_stats=1', f'-seed={options.seed}',
               f'-artifact_prefix={work}/', *folders]
    env = dict(os.environ, LSAN_OPTIONS=f'suppressions={here}/../lib/lsan.supp:print_suppressions=0')
    result = subprocess.run(command, capture_output=True, text=True, errors='replace', env=env)
    text = result.stderr
    runs = re.search(r'stat::number_of_executed_units:\s*(\d+)', text)
    crashes = glob.glob(f'{work}/crash-*') + glob.glob(f'{work}/timeout-*') + glob.glob(f'{work}/oom-*') + glob.glob(f'{work}/leak-*')
    for crash in crashes:
        os.makedirs(f'{here}/{room}/regress/{name}', exist_ok=True)
        shutil.copy(crash, f'{here}/{room}/regress/{name}/')
    good = result.returncode == 0 and not crashes
    shutil.rmtree(work, ignore_errors=True)
    return name, good, f'{runs.group(1) if runs else "?"} runs' if good else text[-3000:]


def main():
    failed = 0
    chosen = targets()
    build = subprocess.run(['ninja', '-C', options.build, '--quiet', *[path for _, _, path in chosen]], capture_output=True, text=True)
    if build.returncode:
        print(build.stdout[-3000:], build.stderr[-3000:])
        return 1
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for name, good, text in pool.map(run, chosen):
            failed += not good
            print(f'{"ok" if good else "FAIL"} fuzz {name}: {text}', flush=True)
    state = os.environ.get('MILLRACE_TEST_SUM')
    if state:
        with open(state, 'a') as file:
            file.write(f'{len(chosen) - failed} {failed} 0\n')
    print(f'{len(chosen) - failed} passed, {failed} failed, 0 skipped')
    return 1 if failed else 0


sys.exit(main())
