#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Help texts fit on a screen, and docs/ holds what the program's own tables say (`make docs`). TAP."""
import os, pathlib, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = pathlib.Path(os.environ['MILLRACE_BUILD']).resolve() / 'src/cli/millrace'
count = failed = 0


def ok(good, name, *why):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}")
    for line in () if good else why:
        print('#', line)


def say(*words):
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL)


if not PROGRAM.exists():
    print('1..0 # SKIP the program is not built')
    sys.exit(0)

overview = say('--help')
ok(overview.returncode == 0 and not overview.stderr, '--help')
nothing = say()
ok(nothing.returncode == 2 and nothing.stdout == overview.stdout, 'no command: the overview, wrong usage')
commands = [line.split()[0] for line in overview.stdout.split('[ARGUMENTS]')[1].split('`millrace')[0].splitlines() if line]
ok(len(commands) >= 14, 'the overview lists the commands', commands)
for command in commands:
    help = say(command, '--help')
    lines = help.stdout.splitlines()
    wide = [line for line in lines if len(line) > 100]
    loose = [line for line in lines if line != line.rstrip()]
    ok(help.returncode == 0 and f'usage: millrace {command}' in help.stdout and not wide and not loose,
       f'{command} --help', *wide, *loose)
near = say('chekc')
ok(near.returncode == 2 and "did you mean 'check'?" in near.stderr, 'an unknown command has a neighbour')

with tempfile.TemporaryDirectory(prefix='millrace-docs-') as folder:
    os.mkdir(folder + '/docs')
    subprocess.run([sys.executable, ROOT / 'tools/gen/docs.py', PROGRAM], cwd=folder, check=True)
    for page in ('configuration.md', 'commands.md', 'api.md', 'kafka-compatibility.md'):
        have = (ROOT / 'docs' / page)
        same = have.exists() and have.read_text() == pathlib.Path(folder, 'docs', page).read_text()
        ok(same, f'docs/{page} is what the program says', 'run `make docs`')
print(f'1..{count}')
sys.exit(1 if failed else 0)
