# What the tests of the real programs share: a server in a folder of its own, devices, waiting.
# SPDX-License-Identifier: Apache-2.0
"""The programs come from the environment: USHERD, USHER_SIM, LIBCOAP_DEVICE; USHER_SOURCE is the source tree.

Nothing here sleeps for a time that ought to be enough: a test waits for a line in the server's log,
for a program's end, or for an answer. LIMIT ends what would never end."""
import fcntl
import http.client
import json
import os
import pathlib
import secrets

import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

USHERD = os.environ["USHERD"]
# At least one of the two makes of devices; usher-sim can misbehave, libcoap's is another's work.
USHER_SIM = os.environ.get("USHER_SIM", "")
LIBCOAP_DEVICE = os.environ.get("LIBCOAP_DEVICE", "")
SOURCE = pathlib.Path(os.environ["USHER_SOURCE"])
LIMIT = float(os.environ.get("USHER_FUNC_LIMIT", "60"))

LAMP = """class: lamp
servers:
  - id: 101
    uri: coaps://lwm2m.city.example:5684
    security: { mode: psk, credential: generate }
"""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the server's UNIX socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=LIMIT)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(LIMIT)
        self.sock.connect(self.path)


class Log:
    """Lines of a program's standard error, as they come."""

    def __init__(self, stream):
        self.lines = []
        self.ended = False
        self.changed = threading.Condition()
        self.reading = threading.Event()
        self.reading.set()
        self.thread = threading.Thread(target=self.read, args=(stream,), daemon=True)
        self.thread.start()

    def read(self, stream):
        with stream:
            for line in stream:
                self.reading.wait()
                with self.changed:
                    self.lines.append(line.rstrip("\n"))
                    self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def text(self):
        with self.changed:
            return "\n".join(self.lines)

    def events(self):
        """The lines that are JSON, as dictionaries."""
        found = []
        with self.changed:
            lines = list(self.lines)
        for line in lines:
            if line.startswith("{"):
                found.append(json.loads(line))
        return found

    def wait(self, name, after=0, **fields):
        """The first event of that name and with those fields, from the `after`-th line on."""
        deadline = time.monotonic() + LIMIT
        seen = after
        with self.changed:
            while True:
                while seen < len(self.lines):
                    line = self.lines[seen]
                    seen += 1
                    event = json.loads(line) if line.startswith("{") else {}
                    if event.get("event") == name and all(
                        event.get(key) == value for key, value in fields.items()
                    ):
                        return event
                left = deadline - time.monotonic()
                if self.ended or left <= 0:
                    tail = "\n".join(self.lines[-30:])
                    why = "the program ended" if self.ended else "time is up"
                    raise AssertionError(f"no event {name} {fields} ({why}). Log:\n{tail}")
                self.changed.wait(left)

    def position(self):
        with self.changed:
            return len(self.lines)


class Server:
    """usherd in a folder; `folder` stays when it is stopped, so that it can be started again."""

    def __init__(self, folder, address="127.0.0.1", profiles=None, settings="", workers=2):
        self.folder = pathlib.Path(folder)
        self.address = address
        self.socket = self.folder / "usher.sock"
        self.profiles = profiles or self.folder / "profiles"
        self.settings = settings
        self.workers = workers
        self.process = None
        self.log = None
        self.port = None

    def write_config(self, **changes):
        values = {
            "listener": f"[{self.address}]:0" if ":" in self.address else f"{self.address}:0",
            "profiles": self.profiles,
            "database": self.folder / "usher.db",
        }
        values.update(changes)
        (self.folder / "usher.yaml").write_text(
            f"workers: {self.workers}\n"
            f'listeners: [{{ address: "{values["listener"]}" }}]\n'
            f'profiles: ["{values["profiles"]}"]\n'
            f'store: {{ backend: sqlite, path: "{values["database"]}" }}\n'
            f'http: {{ socket: "{self.socket}" }}\n'
            "log: { level: debug, format: json }\n" + self.settings
        )

    def start(self, **environment):
        if not (self.folder / "usher.yaml").exists():
            self.write_config()
        self.process = subprocess.Popen(
            [USHERD, "-c", str(self.folder / "usher.yaml")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, errors="replace", env={**os.environ, **environment})
        self.log = Log(self.process.stderr)
        ready = self.log.wait("server.ready")
        self.port = int(ready["listeners"].split()[0].rpartition(":")[2])
        return self

    def uri(self):
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"coaps://{host}:{self.port}"

    def send_signal(self, number):
        self.process.send_signal(number)

    def lock_database(self, first=120, count=8):
        """Locks the database against readers and writers (the first lock: writers) until the file
        that is returned is closed. 120 to 127: write, checkpoint, recovery, five read marks."""
        held = open(self.folder / "usher.db-shm", "r+b")  # pylint: disable=consider-using-with
        fcntl.lockf(held, fcntl.LOCK_EX, count, first)
        return held

    def stop(self, number=signal.SIGTERM):
        """Sends the signal and waits; returns the exit code, negative for a signal."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("usherd did not end. Log:\n" + self.log.text())
        self.log.thread.join(LIMIT)
        self.process = None
        return code

    def ask(self, method, path, body=None):
        """(status, decoded JSON) of one HTTP request."""
        connection = UnixConnection(self.socket)
        try:
            text = json.dumps(body) if body is not None else None
            headers = {"Content-Type": "application/json"} if text else {}
            connection.request(method, path, body=text, headers=headers)
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, json.loads(data) if data else None
        finally:
            connection.close()

    def get(self, path):
        return self.ask("GET", path)


def device_path(endpoint, tail=""):
    return "/v1/devices/" + urllib.parse.quote(endpoint, safe="") + tail


def run_daemon_to_end(config, *options):
    """usherd that is expected to end by itself; (exit code, standard error)."""
    done = subprocess.run([USHERD, *options, "-c", str(config)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=LIMIT)
    return done.returncode, done.stderr


class FuncTest(unittest.TestCase):
    """A folder and a server for each test; whatever was started is gone afterwards."""

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="usher-func-")
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name)
        (self.folder / "profiles").mkdir()
        self.servers = []
        self.addCleanup(self.stop_servers)
        self.keys = {}

    def stop_servers(self):
        for server in self.servers:
            if server.process is not None and server.process.poll() is None:
                server.process.kill()
                server.process.wait(LIMIT)

    def server(self, **options):
        server = Server(self.folder, **options)
        self.servers.append(server)
        return server

    def write_profile(self, name, text):
        (self.folder / "profiles" / name).write_text(text)

    def ask(self, server, method, path, body=None, expected=(200, 201)):
        status, answer = server.ask(method, path, body)
        self.assertIn(status, expected, f"{method} {path}: {answer}")
        return answer

    def new_key(self, name, length=16):
        """A file with a random key in hexadecimal."""
        path = self.folder / f"{name.replace(':', '_')}.key"
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(length) + "\n")
        return path

    def enroll(self, server, endpoint, klass, tags=None, server_keys=()):
        """Enrols with a key of its own, kept for device()."""
        self.keys[endpoint] = self.new_key(endpoint)
        body = {"class": klass, "key": self.keys[endpoint].read_text().strip()}
        if tags:
            body["tags"] = tags
        if server_keys:
            body["server_credentials"] = [
                {"ssid": ssid, "identity": identity, "key": secrets.token_hex(16)}
                for ssid, identity in server_keys]
        return self.ask(server, "PUT", device_path(endpoint), body)

    def device(self, server, endpoint, *options, identity=None, key=None):
        """One bootstrap by a simulated device: its report."""
        identity = identity or endpoint
        key = key or self.keys[endpoint]
        if not USHER_SIM:
            return self.foreign_device(server, endpoint, identity, key)
        done = subprocess.run(
            [USHER_SIM, "device", "--server", server.uri(), "--endpoint", endpoint,
             "--identity", identity, "--key", f"@{key}", "--json", "-", *options],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
        self.assertTrue(done.stdout.strip(), f"no report: {done.stderr}")
        return json.loads(done.stdout)

    def foreign_device(self, server, endpoint, identity, key):
        """The same by libcoap's device, which accepts whatever it is given."""
        done = subprocess.run(
            [LIBCOAP_DEVICE, server.address, str(server.port), identity, str(key), endpoint],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
        lines = [line.split() for line in done.stdout.splitlines()]
        report = {"state": lines[-1][0] if lines else done.stderr, "reason": "",
                  "operations": []}
        self.assertEqual(done.returncode, 0 if report["state"] == "bootstrapped" else 1, report)
        for words in lines[:-1]:
            if words[0] != "answer":
                report["operations"].append({"method": words[0], "path": words[1], "code": "2.04"})
            elif not words[1].startswith("2."):
                report["reason"] = "request-refused-" + words[1]
        return report

    def start_device(self, server, endpoint, *options):
        """The same, not waited for: the process. Its report goes to standard output."""
        process = subprocess.Popen(
            [USHER_SIM, "device", "--server", server.uri(), "--endpoint", endpoint, "--identity",
             endpoint, "--key", f"@{self.keys[endpoint]}", "--json", "-", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def report_of(self, process):
        """The report of a device that was started, once it has ended."""
        return json.loads(process.communicate(timeout=LIMIT)[0])

    def wait_state(self, server, endpoint, state):
        """Until the device shows that state, be its session over or not."""
        deadline = time.monotonic() + LIMIT
        while self.ask(server, "GET", device_path(endpoint))["state"] != state:
            self.assertLess(time.monotonic(), deadline, f"{endpoint} is not {state}")
            time.sleep(0.005)

    def bootstrap(self, server, endpoint, *options):
        report = self.device(server, endpoint, *options)
        self.assertEqual(report["state"], "bootstrapped", report)
        return report

    def fleet(self, server, names, concurrency, *options):
        """Bootstraps of many enrolled devices: the exit code of usher-sim, and its report."""
        table = self.folder / "fleet.csv"
        table.touch(mode=0o600)
        table.write_text("".join(
            f"{name},{name},{self.keys[name].read_text().strip()}\n" for name in names))
        done = subprocess.run(
            [USHER_SIM, "fleet", "--server", server.uri(), "--keys", str(table), "--concurrency",
             str(concurrency), "--json", "-", "--quiet", *options],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
        self.assertTrue(done.stdout.strip(), f"no report: {done.stderr}")
        return done.returncode, json.loads(done.stdout)

    def show(self, server, endpoint):
        """The device, once no session of it is open: until its outcome is durable, what is shown
        is how far the session is."""
        deadline = time.monotonic() + LIMIT
        while True:
            device = self.ask(server, "GET", device_path(endpoint))
            if device["session_started"] is None:
                return device
            self.assertLess(time.monotonic(), deadline, f"the session stays open: {device}")
            time.sleep(0.002)

    def state(self, server, endpoint):
        """(state, cause) of the device."""
        device = self.show(server, endpoint)
        return device["state"], device.get("cause")

    def wait_outcome(self, server, event, endpoint, after=0):
        return server.log.wait(event, after=after, endpoint=endpoint)


def main():
    unittest.main(verbosity=2)
