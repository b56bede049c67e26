#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Wrong projects and what `millrace check` says about them.

Each folder here is a project (its .env is called env, so that it is not ignored) with expected.txt:
everything that the command prints, and its exit code. GOLDEN_REWRITE=1 writes expected.txt anew; the
diff is reviewed. Prints TAP.
"""
import difflib, os, pathlib, shutil, subprocess, sys, tempfile

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = pathlib.Path(os.environ['MILLRACE_BUILD']).resolve() / 'src/cli/millrace'
REWRITE = os.environ.get('GOLDEN_REWRITE') == '1'


def say(case):
    """The answer for one project, in a copy where its env is .env; nothing of ours in the environment."""
    with tempfile.TemporaryDirectory(prefix='millrace-check-') as folder:
        project = pathlib.Path(folder) / 'project'
        shutil.copytree(case, project, ignore=shutil.ignore_patterns('expected.txt'))
        if (project / 'env').exists():
            (project / 'env').rename(project / '.env')
        keep = {k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS') or k in ('PATH', 'TMPDIR')}
        done = subprocess.run([PROGRAM, 'check', 'project'], cwd=folder, env=keep, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        return done.stdout.decode('utf-8', 'backslashreplace') + f'exit {done.returncode}\n'


def main():
    if not PROGRAM.exists():
        print('1..0 # SKIP the program is not built')
        return 0
    cases = sorted(p for p in HERE.iterdir() if p.is_dir() and p.name != '__pycache__')
    print(f'1..{len(cases)}')
    failed = 0
    for number, case in enumerate(cases, 1):
        have, expected = say(case), case / 'expected.txt'
        if REWRITE:
            expected.write_text(have)
        want = expected.read_text() if expected.exists() else ''
        failed += have != want
        print(f"{'ok' if have == want else 'not ok'} {number} - {case.name}")
        if have != want:
            for line in difflib.unified_diff(want.splitlines(), have.splitlines(), 'expected', 'now', lineterm=''):
                print('# ' + line)
    return 1 if failed else 0


sys.exit(main())
