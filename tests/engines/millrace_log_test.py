#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`engines.log: kafka://..` with another millrace as the Kafka: the same project, the same rows."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import kafka_log  # noqa: E402
from millrace import Project, can_connect, free_port, main, request, until  # noqa: E402


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


def test_away(tap):
    """Brokers that go and come back, and a run that ends without them."""
    broker = Broker()
    there = kafka_log.project(f'kafka://127.0.0.1:{broker.port}', kafka_log.mock_api())
    run = kafka_log.started(there)
    kafka_log.produce(there, range(20))
    broker.run.kill()
    until(lambda: request('GET', there.url('/health')).status == 503, '/health says that the Kafka is away', timeout=300)
    code, doctor = there.doctor()
    log = next(f for f in doctor['findings'] if f['area'] == 'log')
    tap.ok(code != 0 and 'does not answer' in log['text'], 'the doctor says it too', doctor)
    tap.ok(run.alive(), 'the run goes on')
    broker.start()
    kafka_log.produce(there, range(20, 40))
    until(kafka_log.at_rest(there, 40), lambda: f'rest: {there.status()}', timeout=300, pause=0.05)
    got = kafka_log.rows(there)
    tap.equal(len(got['users_all']), kafka_log.PAGES * kafka_log.PAGE, 'it goes on by itself, and nothing is lost or twice')
    tap.equal(len(got['numbers_all']), 36, 'nor of what was produced')
    tap.equal(request('GET', there.url('/health')).status, 200, '/health is well again')
    broker.run.kill()
    until(lambda: request('GET', there.url('/health')).status == 503, 'it is away again', timeout=300)
    run.stop()
    tap.ok(True, 'a run ends without its Kafka')
    result = there.command('topics')
    tap.ok(result.code != 0, 'a run does not start, nor do commands', result)


main(test_same_rows, test_away)
