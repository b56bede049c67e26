# SPDX-License-Identifier: MIT
"""What the clients of doors_kill_test.py share: activities in threads, counts of what they got done, a judgement.

Each client program is one process for the whole test. It prints a line of JSON when it is ready, then answers the
lines that it reads: `progress` with what each activity has got done so far, `finish` with the results of its checks.
An activity is a function that is called again and again until the end; it says step() for each thing that the server
acknowledged, and mistake() for what must not be. An exception that it does not expect is a mistake too.
"""
import collections
import json
import os
import random
import sys
import threading
import time
import traceback

SEED = int(os.environ['DOORS_SEED'])
HURRY = float(os.environ.get('DOORS_PAUSE', '0.004'))  # between two requests of one activity


class Worker:
    def __init__(self):
        self.ending = threading.Event()  # nothing new is begun
        self.drained = threading.Event()  # what only follows ends too
        self.lock = threading.Lock()
        self.steps = collections.Counter()
        self.mistakes = []
        self.threads = []
        self.results = []

    def step(self, name, count=1):
        with self.lock:
            self.steps[name] += count

    def mistake(self, text):
        with self.lock:
            if len(self.mistakes) < 50:
                self.mistakes.append(f'{time.strftime("%H:%M:%S")} {text}')

    def activity(self, name, once, until=None, pause=HURRY):
        """once(random) again and again in a thread of its own; counted in the progress."""
        until = until or self.ending
        chance = random.Random(f'{SEED} {name}')

        def run():
            try:
                while not until.is_set():
                    once(chance)
                    time.sleep(chance.random() * 2 * pause)
            except Exception:
                self.mistake(f'{name} ended: {traceback.format_exc()}')
        thread = threading.Thread(target=run, name=name, daemon=True)
        self.threads.append((thread, until))
        thread.start()

    def join(self, until, seconds=120):
        end = time.monotonic() + seconds
        for thread, its in self.threads:
            if its is until:
                thread.join(max(0.0, end - time.monotonic()))
                if thread.is_alive():
                    self.mistake(f'{thread.name} does not end')

    def ok(self, good, name, detail=None):
        self.results.append([bool(good), name, None if good else str(detail)[:3000]])
        return good

    def equal(self, got, want, name):
        return self.ok(got == want, name, f'got  {str(got)[:1200]}\nwant {str(want)[:1200]}')

    def serve(self, finish):
        print(json.dumps({'ready': True}), flush=True)
        for line in sys.stdin:
            if line.strip() == 'finish':
                self.ending.set()
                try:
                    finish()
                except Exception:
                    self.ok(False, 'the end is judged', traceback.format_exc())
                self.ok(not self.mistakes, 'no client met what must not be', '\n'.join(self.mistakes))
                with self.lock:
                    steps = dict(self.steps)
                print(json.dumps({'results': self.results, 'steps': steps}), flush=True)
                break
            with self.lock:
                answer = {'steps': dict(self.steps), 'mistakes': self.mistakes[:5]}
            print(json.dumps(answer), flush=True)
        os._exit(0)  # threads of the drivers may linger
