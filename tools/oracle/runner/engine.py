# SPDX-License-Identifier: MIT
"""The engine as a child process that answers JSON lines."""
import glob
import json
import os
import select
import subprocess
import tempfile


class Crash(Exception):
    """The child ended without an answer."""


class Timeout(Exception):
    """No answer in time."""


def newest():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    found = glob.glob(os.path.join(root, 'build*', 'tools', 'oracle', 'millrace-oracle'))
    return max(found, key=os.path.getmtime) if found else None


class Engine:
    def __init__(self, path, timeout):
        self.path, self.timeout = path, timeout
        self.child = self.errors = None
        self.pending = b''

    def start(self):
        self.errors = tempfile.TemporaryFile()
        self.child = subprocess.Popen([self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=self.errors)
        self.pending = b''

    def stop(self):
        if self.child:
            self.child.kill()
            self.child.stdin.close()
            self.child.stdout.close()
            self.child.wait()
            self.errors.close()
        self.child = None

    def _dead(self):
        code = self.child.wait()
        self.errors.seek(0)
        text = self.errors.read().decode('utf-8', 'replace')
        lines = [l for l in text.splitlines() if 'ERROR' in l or 'error' in l or 'check' in l]
        self.stop()
        raise Crash('status %d: %s' % (code, (lines or text.splitlines() or [''])[0][:300]))

    def ask(self, **request):
        """The answer to one request, as a dict."""
        if not self.child:
            self.start()
        try:
            self.child.stdin.write(json.dumps(request).encode() + b'\n')
            self.child.stdin.flush()
        except BrokenPipeError:
            self._dead()
        fd = self.child.stdout.fileno()
        while b'\n' not in self.pending:
            ready, _, _ = select.select([fd], [], [], self.timeout)
            if not ready:
                self.stop()
                raise Timeout('no answer in %g s' % self.timeout)
            more = os.read(fd, 1 << 20)
            if not more:
                self._dead()
            self.pending += more
        line, self.pending = self.pending.split(b'\n', 1)
        return json.loads(line.decode('utf-8', 'replace'))

    def session(self, zone, ansi=True, ntz=False, legacy_interval=False):
        return self.ask(op='session', zone=zone, ansi=ansi, ntz=ntz,
                        legacy_interval=legacy_interval)


def attempt(case_id, group, function):
    """function() -> (outcome, rule, detail); crashes and timeouts become outcomes."""
    from report import Result
    try:
        outcome, rule, detail = function()
    except Crash as error:
        outcome, rule, detail = 'crash', '', str(error)
    except Timeout as error:
        outcome, rule, detail = 'timeout', '', str(error)
    return Result(case_id, outcome, group, rule, detail)
