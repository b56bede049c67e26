#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads every C file of a build once more with Clang, so that a change is good for both compilers.

    clang.py BUILD [--jobs N]

Nothing is compiled: -fsyntax-only tells all warnings, which are errors. A file is read again only
when it, a header that it includes or its flags changed (BUILD/clang/ remembers).
"""
import argparse, concurrent.futures, hashlib, json, os, shlex, shutil, subprocess, sys

GCC_ONLY = {'-Wno-format-truncation', '-Wno-maybe-uninitialized'}
parser = argparse.ArgumentParser()
parser.add_argument('build')
parser.add_argument('--jobs', type=int, default=os.cpu_count() or 2)
options = parser.parse_args()
build = os.path.abspath(options.build)
notes = os.path.join(build, 'clang')


def flags_of(entry):
    """The command of the build without its outputs and without what only GCC knows."""
    words = shlex.split(entry['command'])[1:]
    kept = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in ('-o', '-MF', '-MQ', '-MT'):
            skip = True
        elif word not in GCC_ONLY and word not in ('-MD', '-c', '-Winvalid-pch'):
            kept.append(word)
    return kept


def is_read(note, command):
    """Whether Clang found nothing in this file before, and nothing that it includes is newer."""
    try:
        told, *files = open(note).read().split('\n')
        time = os.stat(note).st_mtime_ns
        return told == command and all(os.stat(os.path.join(build, f)).st_mtime_ns < time for f in files)
    except OSError:
        return False


def read(entry):
    flags = flags_of(entry)
    command = shlex.join(flags)
    note = os.path.join(notes, hashlib.sha256(entry['output'].encode()).hexdigest()[:24])
    if is_read(note, command):
        return 0, ''
    done = subprocess.run(['clang', '-fsyntax-only', '-MD', '-MF', note + '.d', *flags], cwd=build, capture_output=True, text=True)
    if done.returncode:
        return 1, done.stdout + done.stderr
    with open(note + '.d') as deps:
        files = deps.read().replace('\\\n', ' ').split(':', 1)[1].split()
    with open(note, 'w') as out:
        out.write('\n'.join([command, *files]))
    os.unlink(note + '.d')
    return 0, done.stderr


def main():
    if not shutil.which('clang'):
        print('clang: not installed, files not read (make setup-test installs it)')
        return 0
    os.makedirs(notes, exist_ok=True)
    with open(os.path.join(build, 'compile_commands.json')) as file:
        entries = [e for e in json.load(file) if e['file'].endswith('.c')]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for bad, text in pool.map(read, entries):
            failed += bad
            if text:
                print(text, end='')
    print(f'clang: {len(entries)} files, {failed} with mistakes')
    return 1 if failed else 0


sys.exit(main())
