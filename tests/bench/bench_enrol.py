# Enrolment at scale: a million rows imported, imported again, and devices that bootstrap among them.
# SPDX-License-Identifier: Apache-2.0
"""Started by scripts/bench enrol. The yardstick for the import is the shell of SQLite, which imports the same
file into one table with one index."""
import argparse
import json
import os
import pathlib
import random
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import measure
from bench import commit, machine

LIMIT = 1200
SMALL = 100
WARM_UP = 2000

PROFILE = """class: bench
client: {{ discover: auto }}
servers:
  - id: 101
    uri: coaps://lwm2m.city.example:5684
    security: {{ mode: psk, credential: {credential} }}
"""


def say(text):
    print(f"==> {text}", file=sys.stderr, flush=True)


def die(text):
    sys.exit(f"bench: error: {text}")


def name_of(device):
    return f"bench-{device:06}"


def key_of(device):
    return f"bench-key-{device:06}".encode().hex()


def write_rows(path, devices, columns, row):
    order = list(range(devices))
    random.Random(7).shuffle(order)
    with path.open("w") as out:
        out.write(columns + "\n")
        for device in order:
            out.write(row(device) + "\n")


def timed(command):
    """(seconds, peak of the resident set in KiB, standard output)"""
    begin = time.monotonic()
    with subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True) as process:
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        die(f"{command[0]} ended with {process.returncode}: {out}")
    return time.monotonic() - begin, usage.ru_maxrss, out


class Server:
    """usherd with a sealed store, in a folder of its own."""

    def __init__(self, build, folder):
        self.build = build
        self.folder = folder
        self.process = None
        self.port = 0
        self.samples = []
        (folder / "profiles").mkdir(parents=True)
        key = folder / "master.key"
        key.touch(mode=0o600)
        key.write_text(secrets.token_hex(32) + "\n")
        self.write_profile("generate")
        (folder / "usher.yaml").write_text(
            "workers: 1\n"
            'listeners: [{ address: "127.0.0.1:0" }]\n'
            "profiles: profiles\n"
            "store: { backend: sqlite, path: usher.db, master-key: master.key }\n"
            "http: { socket: usher.sock }\n"
            "log: { level: info, format: json }\n")

    def write_profile(self, credential):
        (self.folder / "profiles/bench.yaml").write_text(PROFILE.format(credential=credential))

    def wait_log(self, event, after=0):
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self.log.read_text()[after:].splitlines():
                if f'"{event}"' in line:
                    return json.loads(line)
            time.sleep(0.005)
        die(f"no {event}:\n" + self.log.read_text()[-2000:])

    def start(self):
        """Seconds until it is ready."""
        self.log = self.folder / "log"
        begin = time.monotonic()
        with self.log.open("w") as stream:
            self.process = subprocess.Popen(
                [str(self.build / "src/usherd"), "-c", str(self.folder / "usher.yaml")],
                stdin=subprocess.DEVNULL, stderr=stream)
        ready = self.wait_log("server.ready")
        seconds = time.monotonic() - begin
        self.port = int(ready["listeners"].split()[0].rpartition(":")[2])
        return seconds

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(LIMIT)

    def switch(self, credential):
        after = self.log.stat().st_size
        self.write_profile(credential)
        self.process.send_signal(signal.SIGHUP)
        self.wait_log("server.reloaded", after)

    def import_file(self, path, *options):
        """(seconds, usher's peak KiB, the status at the end)"""
        seconds, rss, out = timed([self.build / "src/usher", "import", path, "--json", "--socket",
                                   self.folder / "usher.sock", *options])
        return seconds, rss, json.loads(out)

    def bootstrap(self, devices, count):
        """Microseconds of CPU time for each of so many bootstraps."""
        running = measure.Server("usherd", self.process, self.port, self.folder)
        before = running.settled_cpu()
        command = [self.build / "tests/bench/bench-load", "--port", self.port, "--devices", devices,
                   "--bootstraps", count, "--concurrency", 16]
        timed(command)
        return (running.settled_cpu() - before) * 1e6 / count


class Bench:
    def __init__(self, options, folder):
        self.options = options
        self.build = pathlib.Path(options.build).resolve()
        self.folder = pathlib.Path(folder)
        self.servers = []

    def server(self, name):
        server = Server(self.build, self.folder / name)
        self.servers.append(server)
        return server

    def stop(self):
        for server in self.servers:
            if server.process is not None and server.process.poll() is None:
                server.process.kill()
                server.process.wait()

    def sqlite_import(self, rows):
        """Seconds that the shell of SQLite takes: the better of two."""
        best = None
        for _ in range(2):
            path = self.folder / "yardstick.db"
            path.unlink(missing_ok=True)
            seconds, _, _ = timed([
                "sqlite3", path,
                "CREATE TABLE t (endpoint TEXT, class TEXT, identity TEXT, key TEXT, batch TEXT); "
                "CREATE INDEX t_endpoint ON t (endpoint);",
                f'.import --csv --skip 1 "{rows}" t'])
            best = seconds if best is None else min(best, seconds)
            path.unlink()
        say(f"sqlite3 .import: {best:.1f} s")
        return best

    def import_twice(self, large, rows):
        devices = self.options.devices
        first, rss, status = large.import_file(rows)
        if status["created"] != devices:
            die(f"not every row was taken: {status}")
        daemon_rss = measure.memory_kib(large.process.pid, "VmHWM")
        say(f"usher import: {first:.1f} s")
        again, rss_again, status = large.import_file(rows)
        if status["unchanged"] != devices:
            die(f"the second import changed something: {status}")
        say(f"the same file again: {again:.1f} s")
        return first, again, max(rss, rss_again), max(daemon_rss, measure.memory_kib(large.process.pid, "VmHWM"))

    def measure(self, small, large):
        """Median over the runs of large / small, and the medians of both."""
        count = self.options.bootstraps
        samples = []
        for server, devices in ((small, SMALL), (large, self.options.devices)):
            server.bootstrap(devices, WARM_UP)
        for run in range(self.options.runs):
            pair = (small.bootstrap(SMALL, count), large.bootstrap(self.options.devices, count))
            say(f"run {run + 1}: {pair[0]:.1f} us with {SMALL} enrolled, {pair[1]:.1f} with "
                f"{self.options.devices}")
            samples.append(pair)
        return (round(statistics.median(b / a for a, b in samples), 2),
                round(statistics.median(a for a, _ in samples), 1),
                round(statistics.median(b for _, b in samples), 1))

    def run(self):
        devices = self.options.devices
        rows, credentials = self.folder / "rows.csv", self.folder / "credentials.csv"
        say(f"writing {devices} rows")
        write_rows(rows, devices, "endpoint,class,identity,key,batch", lambda device:
                   f"{name_of(device)},bench,{name_of(device)},{key_of(device)},B{device % 16}")
        write_rows(credentials, devices, "endpoint,server.101.key",
                   lambda device: f"{name_of(device)},{key_of(device)}")
        yardstick = self.sqlite_import(rows)
        large, small = self.server("large"), self.server("small")
        large.start()
        first, again, rss, daemon_rss = self.import_twice(large, rows)
        large.stop()
        start = large.start()
        say(f"start with {devices} enrolled: {start:.2f} s")
        small.start()
        few = self.folder / "few.csv"
        write_rows(few, SMALL, "endpoint,class,key", lambda device:
                   f"{name_of(device)},bench,{key_of(device)}")
        small.import_file(few)
        say("bootstraps with generated keys")
        fresh = self.measure(small, large)
        say("a key for a server, for each device")
        large.import_file(credentials, "--on-conflict", "merge")
        few = self.folder / "few-credentials.csv"
        write_rows(few, SMALL, "endpoint,server.101.key",
                   lambda device: f"{name_of(device)},{key_of(device)}")
        small.import_file(few, "--on-conflict", "merge")
        for server in (small, large):
            server.switch("enrolled")
        say("bootstraps with these keys")
        fixed = self.measure(small, large)
        _, _, derive = timed([self.build / "tests/bench/bench-derive"])
        return {
            "machine": machine(), "commit": commit(), "devices": devices,
            "import_s": round(first, 1), "import_sqlite_s": round(yardstick, 1),
            "import_sqlite_ratio": round(first / yardstick, 2),
            "import_rss_kib_usher": rss, "import_rss_kib_usherd": daemon_rss,
            "reimport_s": round(again, 1), "reimport_ratio": round(again / first, 2),
            "start_s_1m": round(start, 2),
            "bootstrap_us_100": fixed[1], "bootstrap_us_1m": fixed[2],
            "bootstrap_cpu_ratio_1m": fixed[0],
            "bootstrap_generate_us_100": fresh[1], "bootstrap_generate_us_1m": fresh[2],
            "bootstrap_generate_cpu_ratio_1m": fresh[0],
            "derive_us": float(derive),
        }


def print_table(result):
    print(f"machine: {result['machine']}\ncommit:  {result['commit']}\n"
          f"{result['devices']} devices, sealed store, rows in random order\n")
    rows = [
        ("import", f"{result['import_s']} s",
         f"{result['import_sqlite_ratio']} x sqlite3 .import ({result['import_sqlite_s']} s)"),
        ("the same file again", f"{result['reimport_s']} s",
         f"{result['reimport_ratio']} x the first time"),
        ("memory of usher, usherd", f"{result['import_rss_kib_usher']} KiB",
         f"{result['import_rss_kib_usherd']} KiB"),
        ("start", f"{result['start_s_1m']} s", ""),
        ("bootstrap, enrolled key", f"{result['bootstrap_us_1m']} us",
         f"{result['bootstrap_cpu_ratio_1m']} x with {SMALL} enrolled"),
        ("bootstrap, generated key", f"{result['bootstrap_generate_us_1m']} us",
         f"{result['bootstrap_generate_cpu_ratio_1m']} x with {SMALL} enrolled"),
        ("deriving a key", f"{result['derive_us']} us", ""),
    ]
    for row in rows:
        print(f"{row[0]:26}{row[1]:>14}   {row[2]}")


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench enrol", allow_abbrev=False)
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--devices", type=int, default=1000000)
    parser.add_argument("--bootstraps", type=int, default=20000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    if not (1000 <= options.devices <= 1000000 and 1 <= options.runs <= 100 and
            100 <= options.bootstraps <= 1000000):
        parser.error("a number is out of range")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="usher-bench-") as folder:
        bench = Bench(options, folder)
        try:
            result = bench.run()
        finally:
            bench.stop()
    print_table(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
