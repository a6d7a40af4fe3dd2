# Running servers and loads, and what they use of processor and memory.
# SPDX-License-Identifier: Apache-2.0
import http.client
import json
import math
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time

LIMIT = 60  # seconds until what should have happened counts as failed
SETTLED = 0.25  # seconds without CPU time after which a server has done what it put off
WARM_UP = 2000  # bootstraps before the first sample; they also tell how many make a sample

PROFILE = """class: bench
client: {{ discover: auto }}
servers:
  - id: 101
    uri: coaps://lwm2m.city.example:5684
    security: {{ mode: psk, credential: {credential} }}
"""


class Failed(Exception):
    """A part cannot go on; the others can."""


class Partly(Failed):
    """Some of a part's figures are there."""

    def __init__(self, figures, reason):
        super().__init__(reason)
        self.figures = figures


class Progress:
    """What is being done: a line that is written over on a terminal, else lines."""

    def __init__(self):
        self.started = time.monotonic()
        self.terminal = sys.stderr.isatty()
        self.part = ""

    def say(self, text):
        seconds = int(time.monotonic() - self.started)
        line = f"[{seconds // 60:2}:{seconds % 60:02}] {self.part}: {text}"
        if self.terminal:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\033[K{line[:width]}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def clear(self):
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def cpu_seconds(pid):
    """User and system time of all threads, those that have ended too."""
    return time.clock_gettime((~pid << 3) | 2)


def memory_kib(pid, key="VmRSS"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise Failed("a server has gone")


def middle(samples, digits=1):
    return round(statistics.median(samples), digits)


def middle_ratio(ours, theirs):
    """Each sample is held against the one taken just before or after it."""
    return round(statistics.median(a / b for a, b in zip(ours, theirs)), 3)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the server's UNIX socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=LIMIT)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(LIMIT)
        self.sock.connect(self.path)


class Server:
    """A running server, usherd or a floor."""

    def __init__(self, name, process, port, folder=None):
        self.name = name
        self.pid = process.pid
        self.process = process
        self.port = port
        self.folder = folder  # of usherd
        self.count = 0  # what makes a sample
        self.samples = []

    def ask(self, path):
        connection = UnixConnection(self.folder / "usher.sock")
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != 200:
            raise Failed(f"{path}: {answer.status}")
        return body

    def settled_cpu(self):
        """CPU time once everything is done that was put off, such as folding outcomes into the rows
        of devices: a list asks for that."""
        if self.folder is not None:
            self.ask("/v1/devices?limit=1")
        deadline = time.monotonic() + LIMIT
        last, since = cpu_seconds(self.pid), time.monotonic()
        while time.monotonic() < deadline and time.monotonic() - since < SETTLED:
            time.sleep(0.02)
            now = cpu_seconds(self.pid)
            if now - last > 0.0005:
                since = time.monotonic()
            last = now
        return last

    def measure(self, work, count):
        """Microseconds of CPU time each, of `count` things that work(count) has done to it."""
        before = self.settled_cpu()
        work(count)
        return (self.settled_cpu() - before) * 1e6 / count

    def calibrate(self, work, count, seconds):
        """How many make a sample of so many seconds of CPU time."""
        each = max(self.measure(work, count), 0.1)
        self.count = max(math.ceil(seconds * 1.1e6 / each), 1)
        return each

    def sample(self, work):
        self.samples.append(self.measure(work, self.count))
        return self.samples[-1]


class Holder:
    """A load that holds sessions open."""

    def __init__(self, process):
        self.process = process
        self.open = self.answer()["open"]

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failed("the load that holds sessions has gone")
        return json.loads(line)

    def command(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return self.answer()

    def messages(self, count, window=64):
        if self.command(f"messages {count} {window}")["answers"] != count:
            raise Failed("not every message was answered")

    def alive(self):
        return self.command("alive")["alive"]


class Bench:
    """Starts what parts measure, in a folder of its own, and ends it."""

    def __init__(self, options, folder, progress):
        self.options = options
        self.build = pathlib.Path(options.build).resolve()
        self.folder = pathlib.Path(folder)
        self.progress = progress
        self.processes = []
        self.databases = {}
        self.number = 0
        raise_file_limit()

    def say(self, text):
        self.progress.say(text)

    def start(self, *command, **streams):
        process = subprocess.Popen([str(word) for word in command], text=True,
                                   **{"stdin": subprocess.DEVNULL, **streams})
        self.processes.append(process)
        return process

    def stop(self):
        """Ends everything that runs."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.processes = []

    def run(self, *command, limit=LIMIT, **streams):
        """Runs to the end; what it wrote to standard output."""
        process = self.start(*command, stdout=subprocess.PIPE, **streams)
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired as late:
            process.kill()
            raise Failed(f"{pathlib.Path(str(command[0])).name} takes too long") from late
        self.processes.remove(process)
        return process.returncode, output

    # ---- loads ----

    def program(self, name):
        return self.build / "tests/bench" / f"bench-{name}"

    def load(self, server, bootstraps, *more, concurrency=None, devices=None):
        devices = devices or self.options.devices
        code, _ = self.run(self.program("load"), "--port", server.port, "--devices", devices,
                           "--bootstraps", bootstraps, "--concurrency",
                           min(concurrency or self.options.concurrency, devices), *more,
                           limit=LIMIT + bootstraps / 100)
        if code != 0:
            raise Failed(f"{server.name}: not every bootstrap succeeded")

    def hold(self, server, sessions):
        process = self.start(self.program("load"), "--port", server.port, "--devices",
                             self.options.devices, "--sessions", sessions, "--concurrency", 256,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        holder = Holder(process)
        if holder.open != sessions:
            raise Failed(f"{server.name}: {holder.open} of {sessions} sessions opened")
        return holder

    def sim(self, *arguments, limit=LIMIT):
        """usher-sim with --json: its exit code and its report."""
        code, output = self.run(self.build / "src/usher-sim", *arguments, "--json", "-", "--quiet",
                                limit=limit)
        if not output:
            raise Failed(f"usher-sim {arguments[0]} ended with {code}")
        return code, json.loads(output)

    # ---- servers ----

    def database(self, credential):
        """A database with the devices in it; made once and copied."""
        if credential not in self.databases:
            self.say(f"enrolling {self.options.devices} devices, {credential}")
            path = self.folder / f"{credential}.db"
            code, _ = self.run(self.program("enroll"), path, self.options.devices, credential,
                               limit=600)
            if code != 0:
                raise Failed("the devices could not be enrolled")
            self.databases[credential] = path
        return self.databases[credential]

    def usherd(self, name, credential="enrolled", workers=1, listener="", settings="", build=None):
        self.number += 1
        folder = self.folder / f"{self.number}-{name}"
        (folder / "profiles").mkdir(parents=True)
        (folder / "profiles/bench.yaml").write_text(PROFILE.format(credential=credential))
        shutil.copy(self.database(credential), folder / "usher.db")
        (folder / "usher.yaml").write_text(
            f"workers: {workers}\n"
            f'listeners: [{{ address: "127.0.0.1:0"{listener} }}]\n'
            f'profiles: ["{folder}/profiles"]\n'
            f'store: {{ backend: sqlite, path: "{folder}/usher.db" }}\n'
            f'http: {{ socket: "{folder}/usher.sock" }}\n'
            "limits: { sessions: 100000, half-open: 4096 }\n"
            "log: { level: info, format: json }\n" + settings)
        with (folder / "log").open("w") as stream:
            process = self.start((build or self.build) / "src/usherd", "-c", folder / "usher.yaml",
                                 stderr=stream)
        return Server(name, process, self.wait_ready(process, folder / "log"), folder)

    def wait_ready(self, process, log):
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline and process.poll() is None:
            for line in log.read_text().splitlines():
                if '"server.ready"' in line:
                    return int(json.loads(line)["listeners"].split()[0].rpartition(":")[2])
            time.sleep(0.05)
        raise Failed("usherd does not get ready: " + log.read_text()[-2000:])

    def record(self, server):
        """The requests that usherd sends to one device, in hexadecimal."""
        path = self.folder / f"{server.name}.messages"
        self.load(server, 1, "--record", path, concurrency=1)
        return path

    def floor(self, messages=None, name="floor", program="floor", certificates=None):
        words = [word for word in (messages, certificates) if word is not None]
        process = self.start(self.program(program), *words, stdout=subprocess.PIPE)
        line = process.stdout.readline()
        if not line.strip().isdigit():
            raise Failed("a floor does not start")
        return Server(name, process, int(line))

    # ---- samples ----

    def alternate(self, what, targets, warm_up=WARM_UP):
        """Samples of each (server, work) in turn, so that all see the same machine."""
        for server, work in targets:
            server.calibrate(work, warm_up, self.options.seconds)
        for run in range(self.options.runs):
            for server, work in targets:
                value = server.sample(work)
                self.say(f"{what}, {run + 1} of {self.options.runs}, {server.name}: {value:.2f} us")


def raise_file_limit():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def shape(path):
    """The lengths of recorded messages."""
    return [len(line) // 2 for line in path.read_text().split()]
