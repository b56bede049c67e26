#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""10,000 seeds of the log on the simulated disk, by the optimised program (SIM_SEEDS changes that)."""
import os, sys

release = os.environ.get('MILLRACE_RELEASE')
program = release and f'{release}/tests/sim/log/sim-log'
if not program or not os.path.exists(program):
    print('1..0 # SKIP no release build')
    sys.exit(0)
os.execv(program, [program, '--seeds', os.environ.get('SIM_FROM', '1'), os.environ.get('SIM_SEEDS', '10000')])
