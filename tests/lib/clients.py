# SPDX-License-Identifier: MIT
"""Clients that we did not write: how each comes from its packages, and how its test is run.

Everything fetched is kept in tools/engines' cache. What a machine cannot have (no Go, no npm) is a test
that is skipped, counted.
"""
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
sys.path.insert(0, os.path.join(ROOT, 'tools', 'engines'))
import engine

TIMEOUT = 400


def relay(tap, name, command, environment=None, cwd=None, timeout=TIMEOUT):
    """Runs a program that prints TAP and gives its lines as ours."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=cwd,
                              env={**os.environ, **(environment or {})})
    except subprocess.TimeoutExpired as e:
        tap.ok(False, f'{name} ends', (e.stdout or b'')[-2000:])
        return
    planned = None
    seen = 0
    notes = []
    for line in done.stdout.splitlines():
        result = re.match(r'(not )?ok \d+ - (.*)', line)
        plan = re.match(r'1\.\.(\d+)', line)
        if result:
            seen += 1
            tap.ok(not result.group(1), f'{name}: {result.group(2)}')
        elif plan:
            planned = int(plan.group(1))
        elif line.startswith('#'):
            tap.note(line.lstrip('# '))
            notes.append(line)
    if planned is None or planned != seen:
        tap.ok(False, f'{name} runs to its end', done.stderr[-2000:] + done.stdout[-500:])
    elif done.returncode != 0 and not notes:
        tap.note(done.stderr[-1500:])


def venv(name, *packages):
    return os.path.join(engine.venv('client-' + name, *packages), 'python')


def node_modules(name, *packages):
    """A folder for NODE_PATH, or None."""
    if not shutil.which('npm'):
        return None
    with engine.made_once('client-' + name) as part:
        if part:
            subprocess.check_call(['npm', 'install', '--silent', '--no-audit', '--no-fund', '--prefix', part, *packages],
                                  stdout=sys.stderr)
    return os.path.join(engine.CACHE, 'client-' + name, 'node_modules')


def go_program(folder, name):
    """Builds a Go module of ours; None without a Go that is new enough."""
    if not shutil.which('go'):
        return None
    target = os.path.join(engine.CACHE, 'go-' + name)
    os.makedirs(engine.CACHE, exist_ok=True)
    done = subprocess.run(['go', 'build', '-o', target, '.'], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f'go build: {done.stderr[-2000:]}')
    return target


def cargo_program(folder, name):
    """Builds a Rust program of ours; None without Cargo."""
    if not shutil.which('cargo'):
        return None
    target = os.path.join(engine.CACHE, 'cargo-' + name)
    done = subprocess.run(['cargo', 'build', '--quiet', '--locked', '--manifest-path', os.path.join(folder, 'Cargo.toml'),
                           '--target-dir', target], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f'cargo build: {done.stderr[-2000:]}')
    return os.path.join(target, 'debug', 'interop')
