# Runs usherd and the floor in turn under the same load and prints what a bootstrap costs them.
# SPDX-License-Identifier: Apache-2.0
"""Started by scripts/bench. CPU time is the process's own, from /proc/PID/stat."""
import argparse
import http.client
import json
import math
import os
import pathlib
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

LIMIT = 60  # seconds until what should have happened counts as failed
SETTLED = 0.4  # seconds without CPU time after which a server has done its deferred work
WARM_UP = 1000  # bootstraps before the first sample; they also tell how many make a sample
TICKS = os.sysconf("SC_CLK_TCK")

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


def cpu_seconds(pid):
    """User and system time of all threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def settled_cpu(pid):
    """CPU time once the process rests, so that deferred work is counted too."""
    deadline = time.monotonic() + LIMIT
    last, since = cpu_seconds(pid), time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - since < SETTLED:
        time.sleep(0.05)
        now = cpu_seconds(pid)
        if now > last:
            last, since = now, time.monotonic()
    return last


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the server's UNIX socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=LIMIT)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(LIMIT)
        self.sock.connect(self.path)


class Target:
    """A running server and the samples taken of it."""

    def __init__(self, name, process, port):
        self.name = name
        self.process = process
        self.port = port
        self.bootstraps = WARM_UP
        self.samples = []

    def sample(self, bench):
        """Microseconds of CPU time per bootstrap."""
        before = settled_cpu(self.process.pid)
        bench.load(self.port, self.bootstraps, bench.options.concurrency)
        used = settled_cpu(self.process.pid) - before
        return used * 1e6 / self.bootstraps

    def warm_up(self, bench):
        each = max(self.sample(bench), 1)
        self.bootstraps = math.ceil(bench.options.seconds * 1.15e6 / each)
        say(f"{self.name}: about {each:.0f} us, {self.bootstraps} bootstraps a sample")


class Bench:
    def __init__(self, options, folder):
        self.options = options
        self.build = pathlib.Path(options.build).resolve()
        self.folder = pathlib.Path(folder)
        self.processes = []

    def start(self, *command, **streams):
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                   text=True, **streams)
        self.processes.append(process)
        return process

    def stop(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def load(self, port, bootstraps, concurrency, *more):
        command = [self.build / "tests/bench/bench-load", "--port", port, "--devices",
                   self.options.devices, "--bootstraps", bootstraps, "--concurrency", concurrency,
                   *more]
        process = self.start(*command, stdout=subprocess.DEVNULL)
        if process.wait(LIMIT + bootstraps / 100) != 0:
            die("not every bootstrap succeeded")

    def record(self, target):
        """The requests that usherd sends to one device, in hexadecimal."""
        path = self.folder / f"{target.name}.messages"
        self.load(target.port, 1, 1, "--record", path)
        return path

    # ---- usherd ----

    def enroll(self, path):
        say(f"enrolling {self.options.devices} devices")
        connection = UnixConnection(path)
        for device in range(self.options.devices):
            name = f"bench-{device:06}"
            key = f"bench-key-{device:06}".encode().hex()
            body = {"class": "bench", "identity": name, "key": key,
                    "server_credentials": [{"ssid": 101, "identity": name, "key": key}]}
            connection.request("PUT", f"/v1/devices/{name}", json.dumps(body),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status not in (200, 201):
                die(f"enrolling {name}: {answer.status} {text.decode(errors='replace')}")
        connection.close()

    def wait_ready(self, process, log):
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline and process.poll() is None:
            for line in log.read_text().splitlines():
                if '"server.ready"' in line:
                    return int(json.loads(line)["listeners"].split()[0].rpartition(":")[2])
            time.sleep(0.05)
        die("usherd does not get ready:\n" + log.read_text()[-2000:])

    def start_usherd(self, credential):
        folder = self.folder / credential
        (folder / "profiles").mkdir(parents=True)
        (folder / "profiles/bench.yaml").write_text(PROFILE.format(credential=credential))
        (folder / "usher.yaml").write_text(
            "workers: 1\n"
            'listeners: [{ address: "127.0.0.1:0" }]\n'
            f'profiles: ["{folder}/profiles"]\n'
            f'store: {{ backend: sqlite, path: "{folder}/usher.db" }}\n'
            f'http: {{ socket: "{folder}/usher.sock" }}\n'
            "log: { level: info, format: json }\n")
        log = folder / "log"
        with log.open("w") as stream:
            process = self.start(self.build / "src/usherd", "-c", folder / "usher.yaml",
                                 stderr=stream)
        port = self.wait_ready(process, log)
        self.enroll(folder / "usher.sock")
        return Target(credential, process, port)

    def start_floor(self, messages):
        process = self.start(self.build / "tests/bench/bench-floor", messages,
                             stdout=subprocess.PIPE)
        line = process.stdout.readline()
        if not line.strip().isdigit():
            die("the floor does not start")
        return Target("floor", process, int(line))

    # ---- the whole ----

    def run(self):
        enrolled = self.start_usherd("enrolled")
        generate = self.start_usherd("generate")
        messages = self.record(enrolled)
        if shape(messages) != shape(self.record(generate)):
            die("the two profiles do not lead to messages of the same lengths")
        floor = self.start_floor(messages)
        targets = [floor, enrolled, generate]
        for target in targets:
            target.warm_up(self)
        for run in range(self.options.runs):
            for target in targets:
                target.samples.append(self.sample_of(target, run))
        return self.result(floor, enrolled, generate, shape(messages))

    def sample_of(self, target, run):
        value = target.sample(self)
        say(f"run {run + 1} of {self.options.runs}, {target.name}: {value:.1f} us")
        return value

    def result(self, floor, enrolled, generate, lengths):
        def ratio(target):
            """Each run is held against the floor's run just before it."""
            return round(statistics.median(
                ours / theirs for ours, theirs in zip(target.samples, floor.samples)), 2)

        def middle(target):
            return round(statistics.median(target.samples), 1)

        return {
            "machine": machine(),
            "commit": commit(),
            "devices": self.options.devices,
            "concurrency": self.options.concurrency,
            "runs": self.options.runs,
            "messages": len(lengths),
            "message_bytes": sum(lengths),
            "bootstraps": {t.name: t.bootstraps for t in (floor, enrolled, generate)},
            "samples_us": {t.name: [round(value, 1) for value in t.samples]
                           for t in (floor, enrolled, generate)},
            "psk_us": middle(enrolled),
            "psk_floor_us": middle(floor),
            "psk_ratio": ratio(enrolled),
            "psk_generate_us": middle(generate),
            "psk_generate_ratio": ratio(generate),
            "rss_kib": peak_kib(enrolled.process.pid),
        }


def shape(path):
    """The lengths of recorded messages."""
    return [len(line) // 2 for line in path.read_text().split()]


def machine():
    model = platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{model}, {os.cpu_count()} CPUs, Linux {platform.release()}"


def commit():
    def git(*arguments):
        return subprocess.run(["git", *arguments], capture_output=True, text=True,
                              check=False).stdout.strip()

    name = git("rev-parse", "--short=12", "HEAD") or "unknown"
    return name + "+changes" if git("status", "--porcelain", "--untracked-files=no") else name


def print_table(result):
    print(f"machine: {result['machine']}")
    print(f"commit:  {result['commit']}")
    print(f"{result['devices']} devices, {result['concurrency']} at a time, "
          f"{result['messages']} requests of {result['message_bytes']} bytes in all; "
          f"median of {result['runs']} runs\n")
    rows = [
        ("", "CPU us per bootstrap", "x floor"),
        ("floor: Mbed TLS alone", result["psk_floor_us"], 1.0),
        ("usherd, PSK, enrolled key", result["psk_us"], result["psk_ratio"]),
        ("usherd, PSK, generated key", result["psk_generate_us"], result["psk_generate_ratio"]),
    ]
    for name, value, ratio in rows:
        print(f"{name:28}{value:>22}{ratio:>10}")
    print(f"\nusherd's memory at its largest: {result['rss_kib']} KiB")


def parse_arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", allow_abbrev=False)
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    if not (1 <= options.devices <= 1000000 and 1 <= options.runs <= 1000 and
            0 < options.seconds <= 600 and 1 <= options.concurrency <= 1024):
        parser.error("a number is out of range")
    if options.concurrency > options.devices:
        parser.error("--concurrency is more than --devices: a device cannot bootstrap twice at once")
    return options


def main():
    options = parse_arguments()
    # Ended by a signal, the servers go and the folder with them.
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
