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
options = parser.parse_args()
here = os.path.dirname(os.path.abspath(__file__))


def targets():
    found = []
    for source in sorted(glob.glob(f'{here}/*/*_fuzz.c')):
        room, name = source.split('/')[-2], os.path.basename(source)[:-len('_fuzz.c')]
        if options.target in name:
            found.append((room, name))
    return found


def program(room, name):
    for guess in (f'fuzz-{name}', f'fuzz-{name.replace("_", "-")}', f'fuzz-{room}-{name}', f'fuzz-{room}-{name.replace("_", "-")}'):
        path = os.path.join(options.build, 'tests', 'fuzz', room, guess)
        if os.path.exists(path):
            return path
    return None


def run(target):
    room, name = target
    path = program(room, name)
    if not path:
        return name, False, 'no program was built for it'
    work = tempfile.mkdtemp(prefix=f'millrace-fuzz-{name}-')
    folders = [os.path.join(options.keep, name) if options.keep else os.path.join(work, 'new')]
    os.makedirs(folders[0], exist_ok=True)
    for kind in ('corpus', 'regress'):
        folder = f'{here}/{room}/{kind}/{name}'
        if os.path.isdir(folder):
            folders.append(folder)
    command = [path, f'-max_total_time={options.seconds}', '-timeout=20', '-rss_limit_mb=4096', '-print_final_stats=1',
               f'-artifact_prefix={work}/', *folders]
    result = subprocess.run(command, capture_output=True, text=True, errors='replace')
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
    build = subprocess.run(['ninja', '-C', options.build, '--quiet', *[os.path.relpath(p, options.build) for p in
                            {f'{options.build}/tests/fuzz/{r}/fuzz-{n.replace("_", "-")}' for r, n in chosen}]], capture_output=True, text=True)
    if build.returncode:
        # Names differ between rooms: build all then.
        build = subprocess.run(['ninja', '-C', options.build, '--quiet'], capture_output=True, text=True)
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
