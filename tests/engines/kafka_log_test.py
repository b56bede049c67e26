#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`engines.log: kafka://..` with a real Kafka: the same project, the same rows, whatever is killed."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'lib'))
import kafka_log  # noqa: E402
from millrace import at_end, can_connect, folder, free_port, main, until  # noqa: E402

TOOL = os.path.join(HERE, '..', '..', 'tools', 'engines', 'kafka')


class Broker:
    def __init__(self):
        self.port = free_port()
        self.dir = folder()
        at_end.append(self.stop)
        self.start()

    def start(self):
        subprocess.run([TOOL, 'start', '--port', str(self.port), '--dir', self.dir], check=True,
                       stdout=subprocess.DEVNULL, timeout=300)

    def stop(self):
        subprocess.run([TOOL, 'stop', '--kill', '--dir', self.dir], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=60)

    def restart(self):
        self.stop()
        until(lambda: not can_connect(self.port), 'the port of the killed Kafka is free')
        self.start()


def test_same_rows(tap):
    broker = Broker()
    kafka_log.compare(tap, f'127.0.0.1:{broker.port}', broker.restart)


main(test_same_rows)
