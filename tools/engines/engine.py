# SPDX-License-Identifier: MIT
"""What the scripts of real servers share: packages, jars, processes that are ended by their id.

A server lives in a directory: its data, its log and a file `pid`. Downloads are kept in
${XDG_CACHE_HOME:-~/.cache}/millrace-engines and made whole by a rename, under a lock, so that two
starts at once fetch once. Everything listens on 127.0.0.1.
"""
import argparse
import contextlib
import fcntl
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

CACHE = os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'millrace-engines')
POM = '''<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>jars</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>{}</dependencies></project>'''
DEPENDENCY = '<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>{}</dependency>'
ALONE = '<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>'


def say(text):
    print(f'{os.path.basename(sys.argv[0])}: {text}', file=sys.stderr, flush=True)


def die(text):
    say(text)
    sys.exit(1)


def apt_install(*packages):
    say('installing ' + ' '.join(packages))
    root = [] if os.getuid() == 0 else ['sudo', '-n']
    environment = ['env', 'DEBIAN_FRONTEND=noninteractive']
    install = [*root, *environment, 'apt-get', 'install', '-y', '-qq', '--no-install-recommends', *packages]
    with open(os.devnull, 'w') as null:
        if subprocess.call(install, stdout=null, stderr=null) != 0:
            subprocess.call([*root, *environment, 'apt-get', 'update', '-qq'], stdout=null)
            if subprocess.call(install, stdout=sys.stderr) != 0:
                die('could not install ' + ' '.join(packages))


@contextlib.contextmanager
def made_once(name, mark=''):
    """Gives a new folder to fill when CACHE/name is not there yet, or without its mark, else None."""
    os.makedirs(CACHE, exist_ok=True)
    target = os.path.join(CACHE, name)
    with open(os.path.join(CACHE, name.replace('/', '-') + '.lock'), 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(os.path.join(target, mark)):
            yield None
            return
        shutil.rmtree(target, ignore_errors=True)  # its making was cut short
        part = target + '.part'
        shutil.rmtree(part, ignore_errors=True)
        os.makedirs(part)
        yield part
        os.rename(part, target)


def java(newest=99):
    """A Java of version 17 or later; newest bounds it (Cassandra takes no later one than 17)."""
    found = [os.path.join(os.environ['JAVA_HOME'], 'bin/java')] if os.environ.get('JAVA_HOME') else []
    found += sorted(glob.glob('/usr/lib/jvm/*/bin/java')) + ([shutil.which('java')] if shutil.which('java') else [])
    for path in found:
        if not os.path.exists(path):
            continue
        text = subprocess.run([path, '-version'], capture_output=True, text=True).stderr
        version = re.search(r'version "(\d+)', text)
        if version and 17 <= int(version.group(1)) <= newest:
            return path
    apt_install('openjdk-17-jdk-headless')
    path = glob.glob('/usr/lib/jvm/*17*/bin/java')
    return path[0] if path else die('no Java 17')


def jars(name, *coordinates):
    """The folder of jars with all they need, from Maven Central; a coordinate that ends with ! comes alone."""
    with made_once(name) as part:
        if part:
            if not shutil.which('mvn'):
                java()
                apt_install('maven')
            say(f'fetching {name} with Maven')
            with open(os.path.join(part, 'pom.xml'), 'w') as file:
                file.write(POM.format(''.join(
                    DEPENDENCY.format(*c.rstrip('!').split(':'), ALONE if c.endswith('!') else '') for c in coordinates)))
            done = subprocess.run(['mvn', '-q', '-B', '-ntp', 'dependency:copy-dependencies', '-DincludeScope=runtime',
                                   f'-DoutputDirectory={part}/libs'], cwd=part, capture_output=True, text=True)
            if done.returncode != 0:
                die('Maven failed:\n' + done.stdout[-2000:])
    return os.path.join(CACHE, name, 'libs')


def venv(name, *packages):
    """The bin folder of a Python environment with these packages."""
    with made_once(name, 'whole') as part:
        if part:
            if subprocess.call([sys.executable, '-c', 'import venv, ensurepip'], stderr=subprocess.DEVNULL) != 0:
                apt_install('python3-venv')
            say(f'fetching {name} with pip')
            final = os.path.join(CACHE, name)
            # An environment knows its own path: it is made where it will stand.
            os.rename(part, final)
            try:
                subprocess.check_call([sys.executable, '-m', 'venv', final])
                subprocess.check_call([f'{final}/bin/pip', '-q', '--disable-pip-version-check', 'install', *packages],
                                      stdout=sys.stderr)
            except (subprocess.CalledProcessError, KeyboardInterrupt):
                shutil.rmtree(final)
                die(f'pip could not install {" ".join(packages)}')
            open(os.path.join(final, 'whole'), 'w').close()
            os.rename(final, part)
    return os.path.join(CACHE, name, 'bin')


# ---- the running server ----

class Server:
    def __init__(self, directory, mark):
        self.directory = os.path.abspath(directory)
        self.mark = mark  # stands in the command line of the process
        self.pid_file = os.path.join(self.directory, 'pid')

    def pid(self):
        try:
            with open(self.pid_file) as file:
                number = int(file.read().split()[0])
            with open(f'/proc/{number}/cmdline', 'rb') as file:
                return number if self.mark.encode() in file.read() else None
        except (OSError, ValueError, IndexError):
            return None

    def port(self):
        with open(self.pid_file) as file:
            return int(file.read().split()[1])

    def start(self, command, port, ready, environment=None, seconds=180):
        """Starts it in a session of its own and waits for ready()."""
        log = os.path.join(self.directory, 'log')
        with open(log, 'wb') as out:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, close_fds=True,
                                     start_new_session=True, env={**os.environ, **(environment or {})})
        with open(self.pid_file, 'w') as file:
            file.write(f'{child.pid} {port}\n')
        end = time.monotonic() + seconds
        while not ready():
            if child.poll() is not None or time.monotonic() > end:
                with open(log, errors='replace') as file:
                    sys.stderr.write(''.join(file.readlines()[-15:]))
                self.stop(True)
                die(f'it did not start, see {log}')
            time.sleep(0.05)
        print(f'127.0.0.1:{port}')

    def stop(self, kill=False):
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGKILL if kill else signal.SIGTERM)
            end = time.monotonic() + 30
            while self.pid():
                if time.monotonic() > end:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.05)
        with contextlib.suppress(OSError):
            os.unlink(self.pid_file)

    def status(self):
        pid = self.pid()
        if not pid:
            print(f'stopped {self.directory}')
            sys.exit(3)
        with open(f'/proc/{pid}/stat') as file:
            fields = file.read().rsplit(') ', 1)[1].split()
        with open(f'/proc/{pid}/status') as file:
            rss = int(re.search(r'VmRSS:\s+(\d+)', file.read()).group(1)) // 1024
        seconds = (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
        print(f'127.0.0.1:{self.port()} pid {pid} rss {rss} MB cpu {seconds:.2f} s')


def listens(port):
    with socket.socket() as s:
        s.settimeout(2)
        return s.connect_ex(('127.0.0.1', port)) == 0


def need_free(*ports):
    for port in ports:
        if listens(port):
            die(f'port {port} is in use')


def arguments(description, name):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--dir', default=f'/tmp/millrace-{name}-{os.getuid()}', help='data, log and pid file')
    return parser
