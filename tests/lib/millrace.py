# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: the program, its projects and processes, HTTP, TAP.

Processes are started in groups of their own and ended by their id, whatever happens to the test;
folders go away with them. The program is that of MILLRACE_RELEASE when it is set, else MILLRACE_BUILD.
"""
import atexit
import http.client
import http.server
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse

TIMEOUT = 120  # of anything that has to happen; far beyond what it takes


def program():
    for name in ('MILLRACE_RELEASE', 'MILLRACE_BUILD'):
        folder = os.environ.get(name)
        if folder:
            path = os.path.join(folder, 'src', 'cli', 'millrace')
            if os.path.exists(path):
                return path
    sys.exit('set MILLRACE_RELEASE or MILLRACE_BUILD to a build folder that has src/cli/millrace')


# ---- TAP ----

class Tap:
    """Counts and prints. done() prints the plan and ends the program."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def ok(self, good, name, detail=None):
        self.count += 1
        if not good:
            self.failed += 1
        print(f'{"ok" if good else "not ok"} {self.count} - {name}', flush=True)
        if not good and detail is not None:
            self.note(detail)
        return bool(good)

    def equal(self, got, want, name):
        return self.ok(got == want, name, f'got  {short(got)}\nwant {short(want)}')

    def has(self, text, part, name):
        return self.ok(part in text, name, f'no {part!r} in\n{short(text)}')

    def skip(self, name, why):
        self.count += 1
        print(f'ok {self.count} - {name} # SKIP {why}', flush=True)

    def note(self, text):
        for line in str(text).splitlines():
            print(f'#   {line}', flush=True)

    def done(self):
        print(f'1..{self.count}', flush=True)
        sys.exit(1 if self.failed or not self.count else 0)


def short(value, most=3000):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= most else text[:most] + f' .. ({len(text)} characters)'


def main(*tests):
    """Runs functions that take a Tap; an exception is a failed test, and the others still run."""
    tap = Tap()
    wanted = sys.argv[1:]
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        try:
            test(tap)
        except Exception:
            tap.ok(False, f'{test.__name__} runs to its end', traceback.format_exc())
            for process in processes:
                tap.note(process.story())
        finally:
            end_all()
    tap.done()


# ---- folders and ports ----

folders = []


def folder():
    path = tempfile.mkdtemp(prefix='millrace-test-')
    folders.append(path)
    return path


def free_port():
    """By chance, outside the range that the system gives to others before it is used."""
    while True:
        port = random.SystemRandom().randint(10000, 32000)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(('127.0.0.1', port))
                return port
            except OSError:
                pass


def until(look, what, timeout=TIMEOUT, pause=0.01):
    """Waits for look() to be true and gives its value."""
    end = time.monotonic() + timeout
    while True:
        value = look()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(what() if callable(what) else what)
        time.sleep(pause)


# ---- processes ----

processes = []


class Process:
    """A running millrace; its output goes to files that out() and err() read."""

    def __init__(self, *words, env=None, cwd=None, program_path=None):
        self.files = tempfile.mkdtemp(prefix='millrace-out-')
        folders.append(self.files)
        with open(f'{self.files}/out', 'wb') as out, open(f'{self.files}/err', 'wb') as err:
            self.child = subprocess.Popen([program_path or program(), *words], stdin=subprocess.DEVNULL,
                                          stdout=out, stderr=err, cwd=cwd,
                                          env={**os.environ, **(env or {})}, start_new_session=True)
        self.pid = self.child.pid
        processes.append(self)

    def read(self, name):
        with open(f'{self.files}/{name}', encoding='utf-8', errors='replace') as file:
            return file.read()

    def out(self):
        return self.read('out')

    def err(self):
        return self.read('err')

    def alive(self):
        return self.child.poll() is None

    def story(self):
        """For a test that went wrong: what ran, whether it still does, and what it said last."""
        state = 'runs' if self.alive() else f'ended with {self.child.returncode}'
        return f'{self.child.args}: {state}\nout: {self.out()[-1500:]}\nerr: {self.err()[-1500:]}'

    def signal(self, number):
        if self.alive():
            self.child.send_signal(number)

    def kill(self):
        """kill -9, and waits for the end."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def wait(self, timeout=TIMEOUT):
        code = self.child.wait(timeout)
        if self in processes:
            processes.remove(self)
        return code

    def stop(self):
        """Ctrl-C and the exit code."""
        self.signal(signal.SIGINT)
        return self.wait()

    def port(self):
        """The port that it says it listens on."""
        def look():
            found = re.search(r'on http://127\.0\.0\.1:(\d+)', self.out())
            if not found and not self.alive():
                raise RuntimeError(f'it ended with {self.child.returncode}: {self.err()}')
            return found and int(found.group(1))
        return until(look, lambda: f'no port in {self.out()!r}', pause=0.005)


at_end = []  # what else has to be undone: functions


def end_all():
    for process in list(processes):
        try:
            process.kill()
        except Exception:
            pass
    while at_end:
        at_end.pop()()
    while folders:
        shutil.rmtree(folders.pop(), ignore_errors=True)


atexit.register(end_all)


def end_at_signal(number, frame):
    end_all()
    os._exit(128 + number)


for one in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(one, end_at_signal)
# A shell that starts us in the background has us ignore Ctrl-C, and what we start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Result:
    def __init__(self, code, out, err):
        self.code = code
        self.raw = out
        self.out = out.decode('utf-8', 'replace')
        self.err = err.decode('utf-8', 'replace')

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f'exit {self.code}\nout: {short(self.out)}\nerr: {short(self.err)}'


def command(*words, input=b'', env=None, cwd=None, timeout=TIMEOUT):
    """Runs a millrace command to its end."""
    if isinstance(input, str):
        input = input.encode()
    done = subprocess.run([program(), *words], input=input, capture_output=True, cwd=cwd,
                          env={**os.environ, **(env or {})}, timeout=timeout)
    return Result(done.returncode, done.stdout, done.stderr)


# ---- projects ----

class Project:
    """A project directory with one port; settings may use {port}."""

    def __init__(self, settings, sql, database='test', files=None, port=None):
        self.path = folder()
        self.port = port or free_port()
        self.write('spark-pipeline.yml',
                   f'name: test\nstorage: file:///tmp/millrace-test\ndatabase: {database}\n'
                   'libraries:\n  - glob: {include: transformations/**}\n'
                   'configuration: {spark.sql.session.timeZone: UTC}\n')
        self.settings(settings)
        self.write('transformations/all.sql', sql)
        for name, text in (files or {}).items():
            self.write(name, text)

    def settings(self, text):
        # The data doors are shut unless a test opens them: many projects run side by side.
        if '\nlisteners:' in text:
            text = text.replace('\nlisteners:', f'\nlisteners:\n  http: 127.0.0.1:{self.port}', 1)
        else:
            text += f'\nlisteners: {{http: 127.0.0.1:{self.port}, kafka: off, cql: off}}'
        self.write('millrace.yml', text + '\n')

    def write(self, name, text):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as file:
            file.write(text if isinstance(text, bytes) else text.encode())

    def start(self, *words, wait=True, env=None):
        process = Process('run', self.path, *words, env=env)
        if wait:
            self.wait_listening(process)
        return process

    def wait_listening(self, process, pause=0.002):
        """Until it answers: it listens before its data is open, and until then others may take the data."""
        def look():
            if not process.alive():
                raise RuntimeError(f'run ended with {process.child.returncode}: {process.out()}{process.err()}')
            return self.serves()
        until(look, lambda: f'{self.path} does not listen: {process.err()}', pause=pause)

    def serves(self):
        try:
            return request('GET', self.url('/api/status')).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def url(self, path):
        return f'http://127.0.0.1:{self.port}{path}'

    def command(self, name, *words, **more):
        return command(name, '-C', self.path, *words, **more)

    def must(self, name, *words, **more):
        result = self.command(name, *words, **more)
        if result.code != 0:
            raise RuntimeError(f'millrace {name} {" ".join(words)}: {result}')
        return result

    def sql(self, query, rows=1000000):
        """Rows of texts; None is NULL."""
        return self.must('sql', '-n', str(rows), '-o', 'json', '-e', query).json()['rows']

    def records(self, topic):
        """Every record of a topic, as objects."""
        text = self.must('consume', topic, '-b', '-e', '-o', 'json').out
        return [json.loads(line) for line in text.split('\n') if line]

    def letters(self, source):
        """Every dead letter of a source, as objects."""
        result = self.command('dlq', 'list', source, '-n', '100000', '-o', 'json')
        if result.code != 0 and 'has no dead letters' in result.err:
            return []
        if result.code != 0:
            raise RuntimeError(repr(result))
        return result.json()

    def doctor(self):
        result = self.command('doctor', '-o', 'json')
        return result.code, (result.json() if result.out else {'err': result.err})

    def status(self):
        return get_json(self.url('/api/status'))

    def source(self, name, status=None):
        return next(s for s in (status or self.status())['sources'] if s['name'] == name)

    def table(self, name, status=None):
        return next(t for t in (status or self.status())['tables'] if t['name'] == name)


def wrong_books(status):
    """What does not add up in /api/status, or None. Independent of the program's own check."""
    records = {s['name']: s['records'] for s in status['sources']}
    for t in status['tables']:
        if t['view']:
            continue
        if t['read'] != t['stored'] + t['filtered'] + t['dead_lettered']:
            return f'{t["name"]}: read is not stored + filtered + dead: {t}'
        if t['read'] + t['passed'] + t['lag'] != records[t['source']]:
            return f'{t["name"]}: read + passed + lag is not the records of {t["source"]}: {t}, {records}'
    if not status['balanced']:
        return status['imbalance']
    return None


# ---- HTTP ----

class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f'HTTP {self.status} {self.headers} {short(self.body.decode("utf-8", "replace"))}'


def can_connect(port):
    with socket.socket() as s:
        s.settimeout(5)
        return s.connect_ex(('127.0.0.1', port)) == 0


def request(method, url, body=None, headers=None, timeout=TIMEOUT):
    """One request on a connection of its own. OSError and HTTPException tell that there is no answer."""
    at = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=timeout)
    try:
        path = at.path + ('?' + at.query if at.query else '')
        connection.request(method, path, body.encode() if isinstance(body, str) else body, headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()


def get_json(url):
    answer = request('GET', url)
    if answer.status != 200:
        raise RuntimeError(f'{url}: {answer}')
    return answer.json()


class Raw:
    """A connection that bytes are written to as they are; answers are read one by one."""

    def __init__(self, port, timeout=TIMEOUT):
        self.socket = socket.create_connection(('127.0.0.1', port), timeout)
        self.have = b''

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def more(self):
        data = self.socket.recv(65536)
        self.have += data
        return bool(data)

    def answer(self):
        """The next answer; None when the connection has ended before one is whole."""
        while b'\r\n\r\n' not in self.have:
            if not self.more():
                return None
        head, self.have = self.have.split(b'\r\n\r\n', 1)
        lines = head.decode('latin-1').split('\r\n')
        headers = [tuple(part.strip() for part in line.split(':', 1)) for line in lines[1:]]
        answer = Answer(int(lines[0].split()[1]), headers, b'')
        if answer.status == 100:
            return answer
        length = int(answer.headers.get('content-length', 0))
        while len(self.have) < length:
            if not self.more():
                return None
        answer.body, self.have = self.have[:length], self.have[length:]
        return answer

    def ended(self):
        """True when the other side has closed and nothing is left."""
        try:
            return not self.have and not self.more()
        except ConnectionError:
            return True

    def close(self):
        self.socket.close()


# ---- a server under the test's control ----

class Api:
    """Answers with what decide(path, query) gives: (status, headers, body), or a word:

    'drop' closes the connection, 'half' sends half of what it promised, 'never' does not answer. The
    word may come with the body: ('half', body). Every request is kept in .requests as (time, path, query).
    """

    def __init__(self, decide, port=0):
        self.decide = decide
        self.requests = []
        self.lock = threading.Lock()
        self.ending = threading.Event()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_GET(self):
                owner.handle(self)

            def log_message(self, *words):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request, client_address):
                pass  # the caller went away, as a killed one does

        self.server = Server(('127.0.0.1', port), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={'poll_interval': 0.01},
                                       daemon=True)
        self.thread.start()

    def handle(self, handler):
        at = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(at.query))
        with self.lock:
            self.requests.append((time.monotonic(), at.path, query))
            what = self.decide(at.path, query)
        if self.ending.is_set():
            what = 'drop'
        if isinstance(what, str):
            what = (what, b'')
        if len(what) == 2:
            word, body = what
            if word == 'never':
                self.ending.wait(TIMEOUT)
            elif word == 'half':
                handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n'
                                    % len(body) + body[:len(body) // 2])
                handler.wfile.flush()
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        status, headers, body = what
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header('Content-Length', str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def close(self):
        self.ending.set()
        self.server.shutdown()
        self.server.server_close()
