#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures what is promised, and writes docs/benchmarks.md.

    tests/bench/bench.py --build build-release [--runs 5] [--only NAME,..] [--dir /tmp] [--no-write]

Each measurement runs --runs times, side by side with its peer where it has one (the bare disk, a bare
server), since machines have moods; medians are told, with the least and the greatest beside them.
Nothing fails on a figure: the exit code is non-zero only when something could not be measured, or
when what was measured was wrong (books that do not balance, an answer that is not 2xx).
"""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ONLY_LOOPBACK = "127.0.0.1"


class Line:
    """One row of the report."""

    def __init__(self, what, unit, target="", goal=None, how="", peer=""):
        self.what, self.unit, self.target, self.goal = what, unit, target, goal
        self.how, self.peer_name, self.values, self.peer, self.extra = how, peer, [], [], []

    def show(self, value):
        digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 20 else 2
        return f"{value:,.{digits}f} {self.unit}".strip()

    def median(self):
        return statistics.median(self.values)

    def spread(self):
        return f"{self.show(min(self.values))} .. {self.show(max(self.values))}"

    def peer_text(self):
        if not self.peer:
            return self.peer_name
        return f"{self.peer_name}: {self.show(statistics.median(self.peer))}"

    def verdict(self):
        if self.goal is None:
            return ""
        return "yes" if self.goal(self.median()) else "no"

    def print(self):
        text = f"{self.what:<46} {self.show(self.median()):>18}"
        text += f"  [{self.target}]" if self.target else ""
        text += f"  {self.peer_text()}" if self.peer_text() else ""
        print(text + ("  NOT MET" if self.verdict() == "no" else ""), flush=True)


# ---- processes ----

def free_port():
    with socket.socket() as s:
        s.bind((ONLY_LOOPBACK, 0))
        return s.getsockname()[1]


def answers(port):
    with socket.socket() as s:
        return s.connect_ex((ONLY_LOOPBACK, port)) == 0


def wait_port(port, process=None, seconds=20.0, step=0.0002):
    end = time.monotonic() + seconds
    while not answers(port):
        if time.monotonic() > end or (process and process.poll() is not None):
            raise RuntimeError(f"nothing listens on {port}")
        time.sleep(step)


@contextlib.contextmanager
def running(command, port=None, core=None, env=None):
    """A process that is ended by Ctrl-C, and by force when it does not go."""
    if core is not None and shutil.which("taskset") and os.cpu_count() > 1:
        command = ["taskset", "-c", str(core)] + command
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**os.environ, **(env or {})})
    try:
        if port:
            wait_port(port, process)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def output(command, env=None, core=None):
    if core is not None and shutil.which("taskset") and os.cpu_count() > 1:
        command = ["taskset", "-c", str(core)] + command
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})})
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def cpu_ns(pid):
    """CPU time of all threads that live."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total


def memory_mb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


# ---- projects ----

SPEC = """name: bench
storage: file:///tmp/bench
libraries:
  - glob: {include: transformations/**}
database: bench
"""

HOOK = """sources:
  events:
    topic: {name: events, partitions: 1, retention: 7d}
    value: json
    schema: "event_id STRING, user_id STRING"
    from:
      webhook: {path: /hooks/events, max_body: 4MB}
listeners: {http: 127.0.0.1:PORT}
"""


class Bench:
    def __init__(self, options):
        self.runs, self.quick = options.runs, options.quick
        self.build = pathlib.Path(options.build).resolve()
        self.millrace = str(self.build / "src/cli/millrace")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="millrace-bench-", dir=options.dir))
        self.lines = []
        self.load = os.getloadavg()[0]

    def line(self, *args, **named):
        line = Line(*args, **named)
        self.lines.append(line)
        return line

    def tool(self, path):
        return str(self.build / "tests/bench" / path)

    def users(self, name, url, changes=()):
        """examples/random-users with another port, address, and whatever is to differ."""
        directory = self.dir / name
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(ROOT / "examples/random-users", directory)
        port = free_port()
        text = (directory / "millrace.yml").read_text()
        for old, new in [("127.0.0.1:8080", f"127.0.0.1:{port}"),
                         ("${DATASOURCE_URL:-https://randomuser.me/api/}", url), *changes]:
            if old not in text:
                raise RuntimeError(f"examples/random-users has no '{old}' any more")
            text = text.replace(old, new)
        (directory / "millrace.yml").write_text(text)
        return directory, port

    @contextlib.contextmanager
    def mock(self):
        port = free_port()
        with running([self.millrace, "mock-api", "--listen", f"127.0.0.1:{port}"], port) as process:
            yield f"http://127.0.0.1:{port}/api/", process

    # ---- 1. start ----

    def start_ms(self, directory, port):
        start = time.perf_counter()
        process = subprocess.Popen([self.millrace, "run", str(directory)], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            wait_port(port, process)
            accepts = time.perf_counter() - start
            with socket.create_connection((ONLY_LOOPBACK, port)) as s:
                s.sendall(b"GET /health HTTP/1.1\r\nHost: bench\r\n\r\n")
                if not s.recv(4096).startswith(b"HTTP/1.1 200"):
                    raise RuntimeError("/health does not say 200")
            return accepts * 1000, (time.perf_counter() - start) * 1000
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()

    def start(self):
        how = "exec of `millrace run` of examples/random-users until the HTTP port accepts"
        empty = self.line("start to listening, no data yet", "ms", "<= 20 ms", lambda v: v <= 20, how)
        full = self.line("start to listening, 5,000 rows of data", "ms", "<= 20 ms", lambda v: v <= 20,
                         how + "; the data of an earlier run")
        answer = self.line("  start to the first answer, no data yet", "ms",
                           how="the same until GET /health is answered: stores open, streams running")
        full_answer = self.line("  start to the first answer, 5,000 rows", "ms", how="the same")
        dead_url = f"http://127.0.0.1:{free_port()}/api/"
        with self.mock() as (url, _):
            full_dir, full_port = self.users("start-full", url)
            output([self.millrace, "run", str(full_dir), "--for", "10s", "-o", "json"])
        for _ in range(self.runs):
            directory, port = self.users("start-empty", dead_url)
            for line, then, where in [(empty, answer, (directory, port)),
                                      (full, full_answer, (full_dir, full_port))]:
                accepts, answered = self.start_ms(*where)
                line.values.append(accepts)
                then.values.append(answered)

    # ---- 2. idle ----

    def idle(self):
        memory = self.line("memory when idle", "MB", "<= 25 MB", lambda v: v <= 25,
                           "VmRSS of examples/random-users, 500 users stored, the source waiting")
        cpu = self.line("CPU when idle", "%", "< 1 %", lambda v: v < 1,
                        "of one core, all threads, over 10 s of the same")
        seconds = 2 if self.quick else 10
        with self.mock() as (url, _):
            for _ in range(self.runs):
                directory, port = self.users("idle", url, [("every: 1s", "every: 1h")])
                with running([self.millrace, "run", str(directory)], port) as process:
                    time.sleep(3)
                    before, start = cpu_ns(process.pid), time.monotonic()
                    time.sleep(seconds)
                    used, took = cpu_ns(process.pid) - before, time.monotonic() - start
                    cpu.values.append(used / 1e7 / took)
                    memory.values.append(memory_mb(process.pid))

    # ---- 3. JSON ----

    def json(self):
        five = self.line("JSON, 233-byte bids, 5 of 7 fields", "M records/s", ">= 6 M records/s",
                         lambda v: v >= 6, "bench-json on one core, from memory into columns")
        checked = self.line("JSON, the same, all 7 fields checked", "M records/s",
                            how="bench-json; the schema has 7 fields, 5 are built")
        for _ in range(self.runs):
            text = output([self.tool("format/bench-json"), "0.5"], core=1)
            five.values.append(number(text, r"bids, 5 of 7 members\s+([\d.]+) M"))
            checked.values.append(number(text, r"bids, all in schema, 5 wanted\s+([\d.]+) M"))

    # ---- 4. log ----

    def log(self):
        how = "bench-log: 96 batches of 1 MiB, each acknowledged before the next"
        peer = "bare write + fdatasync"
        bulk = self.line("log, 1 KB records in 1 MB groups, durable", "MB/s", "", None, how,
                         peer + ", preallocated 1 MiB")
        share = self.line("  share of the bare disk", "%", ">= 60 %", lambda v: v >= 60, "the same run")
        under_way = self.line("  with 8 groups under way", "MB/s", how="groups share a sync")
        lone = self.line("log, a lone record of 1 KB durable", "us", how="median of 200", peer=peer)
        times = self.line("  times the bare disk", "", "<= 2", lambda v: v <= 2, "the same run")
        for _ in range(self.runs):
            text = output([self.tool("log/bench-log"), str(self.dir)])
            bulk.values.append(number(text, r"one by one\s+([\d.]+) MB/s"))
            bulk.peer.append(number(text, r"fdatasync, reserved\s+([\d.]+) MB/s"))
            share.values.append(number(text, r"one by one.*?([\d.]+) % of"))
            under_way.values.append(number(text, r"under way\s+([\d.]+) MB/s"))
            lone.values.append(number(text, r"a lone record of 1 KB\s+([\d.]+) us"))
            lone.peer.append(number(text, r"1 KB write \+ fdatasync, zero-written\s+([\d.]+) us"))
            times.values.append(number(text, r"([\d.]+) times bare"))

    # ---- 5. webhooks ----

    def hook_project(self):
        directory, port = self.dir / "hook", free_port()
        shutil.rmtree(directory, ignore_errors=True)
        (directory / "transformations").mkdir(parents=True)
        (directory / "spark-pipeline.yml").write_text(SPEC)
        (directory / "millrace.yml").write_text(HOOK.replace("PORT", str(port)))
        return directory, port

    def send(self, port, connections, records):
        seconds = "1" if self.quick else "3"
        return output([self.tool("serve/webhook-load"), "send", str(port), "/hooks/events",
                       str(connections), str(records), seconds], core=1)

    def webhook(self):
        single = self.line("webhook, one record a request", "requests/s", ">= 60,000",
                           lambda v: v >= 60000, peer="bare epoll server",
                           how="256 connections; 200 after fdatasync; server on core 0, load on core 1")
        array = self.line("webhook, arrays of 100 records", "records/s", ">= 500,000",
                          lambda v: v >= 500000, peer="bare epoll server",
                          how="32 connections, otherwise the same")
        p99 = self.line("webhook, one record, p99 to the answer", "ms", peer="bare epoll server",
                        how="256 connections at full speed")
        bare_port = free_port()
        for _ in range(self.runs):
            directory, port = self.hook_project()
            with running([self.millrace, "run", str(directory)], port, core=0):
                one, many = self.send(port, 256, 1), self.send(port, 32, 100)
            with running([self.tool("serve/webhook-load"), "answer", str(bare_port)], bare_port, core=0):
                bare_one, bare_many = self.send(bare_port, 256, 1), self.send(bare_port, 32, 100)
            single.values.append(number(one, r"requests/s (\d+)"))
            single.peer.append(number(bare_one, r"requests/s (\d+)"))
            array.values.append(number(many, r"records/s (\d+)"))
            array.peer.append(number(bare_many, r"records/s (\d+)"))
            p99.values.append(number(one, r"p99_us (\d+)") / 1000)
            p99.peer.append(number(bare_one, r"p99_us (\d+)") / 1000)

    # ---- 6. end to end ----

    def pipeline(self):
        seconds = 3 if self.quick else 10
        rows = self.line("API -> topic -> SQL -> table", "rows/s", ">= 150,000", lambda v: v >= 150000,
                         f"`millrace mock-api` and `millrace run` of examples/random-users walking pages "
                         f"of 5,000 for {seconds} s; rows stored, durability sync, the drain included")
        p50 = self.line("  arrival of a record to its stored row, p50", "ms", how="the run's own status")
        p99 = self.line("  the same, p99", "ms", how="the run's own status")
        cpu = self.line("  CPU of `millrace run`", "us/row", how="user and system, all threads")
        mock_cpu = self.line("  CPU of `millrace mock-api`", "us/row", how="the same")
        memory = self.line("  memory of `millrace run` at the end", "MB", how="VmRSS")
        changes = [("every: 1s", "page: {param: page, start: 1}"), ("results: 500", "results: 5000")]
        for _ in range(self.runs):
            with self.mock() as (url, mock):
                directory, _ = self.users("pipeline", url, changes)
                status = json.loads(output([self.millrace, "run", str(directory), "--for", f"{seconds}s",
                                            "-o", "json"]))
                mock_us = cpu_ns(mock.pid) / 1000
            table = status["tables"][0]
            if not status["balanced"] or table["dead_lettered"] or table["lag"]:
                raise RuntimeError(f"the books are wrong: {json.dumps(status)}")
            rows.values.append(table["rows"] / status["running_ms"] * 1000)
            p50.values.append(table["p50_us"] / 1000)
            p99.values.append(table["p99_us"] / 1000)
            cpu.values.append(status["cpu_us"] / table["rows"])
            mock_cpu.values.append(mock_us / table["rows"])
            memory.values.append(status["rss_bytes"] / 1e6)
            shutil.rmtree(directory)

    # ---- 7. tables ----

    def table(self):
        upserts = self.line("table upserts", "rows/s",
                            how="bench-table: 12 columns, 300,000 rows, 5,000 a commit, each synced")
        for _ in range(self.runs):
            text = output([self.tool("table/bench-table"), "300000", "5000"], env={"BENCH_SHORT": "1"})
            upserts.values.append(number(text, r"upsert, synced\s+([\d.]+) rows/s"))

    # ---- 8. the Kafka door ----

    def kafka(self):
        import kafka
        kafka.measure(self, sys.modules[__name__])

    # ---- 9. the CQL door ----

    def cql(self):
        import cql
        cql.measure(self, sys.modules[__name__])


def number(text, pattern):
    found = re.search(pattern, text)
    if not found:
        raise RuntimeError(f"no '{pattern}' in:\n{text}")
    return float(found[1])


# ---- the report ----

def machine(directory):
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())
    system = re.search(r'PRETTY_NAME="(.*)"', pathlib.Path("/etc/os-release").read_text())
    disk = subprocess.run(["df", "--output=fstype", str(directory)], capture_output=True, text=True)
    return [("processor", cpu[1] if cpu else os.uname().machine),
            ("cores", str(os.cpu_count())),
            ("memory", f"{int(memory[1]) / 1024 / 1024:.1f} GiB"),
            ("system", f"{system[1] if system else ''}, Linux {os.uname().release}"),
            ("file system", disk.stdout.split()[-1])]


HEAD = """# Benchmarks

Written by `make bench` (`tests/bench/bench.py`); do not edit. Medians of several runs; a peer is measured
in turn with it, in the same run. Figures of other machines differ; the ratios to the peers should not,
much. A section says when and how it was measured; `bench.py --only kafka` measures and writes one of them.
"""
# What is measured together stands together: title -> parts of class Bench.
SECTIONS = {"The main job": ["start", "idle", "json", "log", "webhook", "pipeline", "table"],
            "The Kafka door, beside Kafka": ["kafka"],
            "The CQL door, beside Cassandra": ["cql"]}
PARTS = [part for parts in SECTIONS.values() for part in parts]


def section(bench, title, lines):
    busy = ": busy with something else, so compare with the peers only" if bench.load > 1 else ""
    conditions = machine(bench.dir) + [
        ("load before", f"{bench.load:.1f}{busy}"), ("runs", str(bench.runs)),
        ("date", datetime.date.today().isoformat()),
        ("command", "`" + " ".join(["tests/bench/bench.py"] + sys.argv[1:]) + "`")]
    out = [f"## {title}", "", "| machine | |", "|---|---|"]
    out += [f"| {name} | {value} |" for name, value in conditions]
    out += ["", "| what | target | median | met | least .. greatest | peer | how |", "|---|---|---|---|---|---|---|"]
    for line in lines:
        out.append(f"| {line.what.strip()} | {line.target} | {line.show(line.median())} | "
                   f"{line.verdict()} | {line.spread()} | {line.peer_text()} | {line.how} |")
    return "\n".join(out) + "\n"


def write_report(bench, lines_of):
    """A section of which a part was not measured stays as it was."""
    path = ROOT / "docs/benchmarks.md"
    old = re.split(r"^(?=## )", path.read_text(), flags=re.M)[1:] if path.exists() else []
    texts = {text.splitlines()[0][3:]: text.rstrip() + "\n" for text in old}
    for title, parts in SECTIONS.items():
        if all(part in lines_of for part in parts):
            texts[title] = section(bench, title, [line for part in parts for line in lines_of[part]])
    path.write_text("\n".join([HEAD] + [texts[title] for title in SECTIONS if title in texts]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", required=True, help="build folder of a release build")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", help="some of: " + ", ".join(PARTS))
    parser.add_argument("--dir", default="/tmp", help="where the data goes (/tmp)")
    parser.add_argument("--quick", action="store_true", help="shorter runs, for a first look")
    parser.add_argument("--no-write", action="store_true", help="leave docs/benchmarks.md alone")
    options = parser.parse_args()
    bench, failed, lines_of = Bench(options), False, {}
    try:
        for part in options.only.split(",") if options.only else PARTS:
            first = len(bench.lines)
            try:
                getattr(bench, part)()
            except (RuntimeError, OSError) as error:
                print(f"{part}: {error}", file=sys.stderr, flush=True)
                failed = True
                continue
            lines_of[part] = bench.lines[first:]
            for line in lines_of[part]:
                line.print()
        if not (options.no_write or options.quick):
            write_report(bench, lines_of)
    finally:
        shutil.rmtree(bench.dir, ignore_errors=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
