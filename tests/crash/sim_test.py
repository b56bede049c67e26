#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""10,000 seeds each of the log on the simulated disk, of the Kafka door on it, and of the CQL door on the simulated
network, by the optimised programs (SIM_SEEDS changes that); two processes at a time, each with a share of a part."""
import os, subprocess, sys, time
from concurrent.futures import ThreadPoolExecutor

SHARES = 2
PARTS = {'log': 'tests/sim/log/sim-log', 'kafka': 'tests/sim/serve/kafka/sim-kafka',
         'cql': 'tests/sim/serve/cql/sim-cql'}
release = os.environ.get('MILLRACE_RELEASE')
parts = {name: f'{release}/{path}' for name, path in PARTS.items() if release and os.path.exists(f'{release}/{path}')}
if not parts:
    print('1..0 # SKIP no release build')
    sys.exit(0)
first, seeds = int(os.environ.get('SIM_FROM', '1')), int(os.environ.get('SIM_SEEDS', '10000'))


def run(program, share):
    start, end = first + seeds * share // SHARES, first + seeds * (share + 1) // SHARES
    began = time.monotonic()
    done = subprocess.run([program, '--seeds', str(start), str(end - start)], capture_output=True, text=True)
    return done, time.monotonic() - began


print(f'1..{len(PARTS)}')
with ThreadPoolExecutor(SHARES) as pool:
    for number, (name, program) in enumerate(parts.items(), 1):
        results = list(pool.map(lambda share: run(program, share), range(SHARES)))
        good = all(done.returncode == 0 for done, _ in results)
        for done, seconds in results:
            lines = [line for line in done.stdout.splitlines() if not line.startswith('1..')]
            print('\n'.join('# ' + line.removeprefix('# ') for line in lines))
            if done.returncode:
                print('# ' + done.stderr.strip()[-2000:].replace('\n', '\n# '))
            print(f'# {seconds:.0f} s')
        print(f'{"" if good else "not "}ok {number} - {seeds} seeds of {name}', flush=True)
for number in range(len(parts) + 1, len(PARTS) + 1):
    print(f'ok {number} # SKIP not built')
