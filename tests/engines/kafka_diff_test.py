#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random programs of raw Kafka requests on a real Kafka and on millrace: the same answers."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..', 'lib')]
import clients

PYTHON = clients.venv('kafka-python', 'kafka-python==3.0.7', 'python-snappy', 'lz4', 'zstandard')
if os.path.dirname(os.path.abspath(sys.executable)) != os.path.dirname(PYTHON):
    os.execv(PYTHON, [PYTHON, *sys.argv])

import differential
from kafka_program import Different, Target
from kafka_steps import SHOWN, Program
from kafka_wire import APIS, Connection

SEEDS, STEPS = 40, 80
# What millrace has by default, where Kafka has something else (docs/kafka-compatibility.md).
ALIGNED = ['num.partitions=1', 'message.max.bytes=16777216', 'log.segment.bytes=134217728', 'transaction.max.timeout.ms=3600000',
           'auto.create.topics.enable=true']


def allowed(api, version, body, answers):
    """The name of a difference that docs/kafka-compatibility.md tells, or None."""
    return None


def versions(ports):
    """{request: (lowest, highest)} that all brokers serve."""
    out = None
    for port in ports:
        answer = Connection(port).call('ApiVersions', 0, {})
        names = {api[0]: name for name, api in APIS.items()}
        have = {names[one['ApiKey']]: (one['MinVersion'], one['MaxVersion']) for one in answer['ApiKeys'] if one['ApiKey'] in names}
        out = have if out is None else {name: (max(low, out[name][0]), min(high, out[name][1]))
                                        for name, (low, high) in have.items() if name in out}
    return out


def main():
    options = differential.arguments(__doc__)
    here, process = (options.here, None) if options.here else differential.start_millrace('kafka')
    ports = [('millrace', here)]
    if not options.alone:
        there = options.there or differential.start_engine('kafka', '--heap', '512', *[
            word for setting in ALIGNED for word in ('--set', setting)])
        ports.append(('Kafka', there))
    known = versions([port for _, port in ports])

    def one_seed(seed):
        program = Program(seed, [Target(name, port) for name, port in ports], known, SHOWN, allowed)
        difference = None
        try:
            program.run(options.steps or STEPS)
        except Different as e:
            difference = str(e)
        except (TimeoutError, ValueError, OSError) as e:
            difference = f'seed {seed}, step {program.steps}: {type(e).__name__}: {e}\n' + '\n'.join(program.trace[-2:])
        if difference and options.trace:
            print('\n'.join('# ' + line for line in program.trace), flush=True)
        program.clean()
        return program.steps, difference, program.used

    differential.run(options, one_seed, process, options.seeds or SEEDS, 'Kafka')


if __name__ == '__main__':
    main()
