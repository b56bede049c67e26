#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`engines.log: kafka://..` with another millrace as the Kafka: the same project, the same rows."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import kafka_log  # noqa: E402
from millrace import Project, can_connect, free_port, main, until  # noqa: E402


class Broker:
    """A millrace that is nothing but a Kafka."""

    def __init__(self):
        self.port = free_port()
        self.project = Project('sources: {}\nlisteners:\n  kafka: 127.0.0.1:%d\n  cql: off' % self.port, '')
        self.start()

    def start(self):
        self.run = self.project.start()
        until(lambda: can_connect(self.port), 'the Kafka listens')

    def restart(self):
        self.run.kill()
        self.start()


def test_same_rows(tap):
    broker = Broker()
    there = kafka_log.compare(tap, f'127.0.0.1:{broker.port}', broker.restart)
    broker.run.kill()
    result = there.command('topics')
    tap.ok(result.code != 0, 'a command without that Kafka fails', result)
    tap.has(result.err, 'cannot be reached', 'and says why')
    result = there.command('check', there.path, '--connect')
    tap.has(result.err, 'cannot be reached', 'check --connect says it too')
    tap.has(result.err, 'millrace.yml:2', 'with its place')


main(test_same_rows)
