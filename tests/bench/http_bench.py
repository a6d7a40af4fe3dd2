# What HTTP costs: answers with a million devices, and what readers of events add to a bootstrap.
# SPDX-License-Identifier: Apache-2.0
"""Started by scripts/bench http. Times are from the request's first byte to the answer's last, over the
UNIX socket on a connection that is kept; CPU time is the server's own, from /proc/PID/stat."""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import platform
import selectors
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time

LIMIT = 60
TICKS = os.sysconf("SC_CLK_TCK")
PROFILE = """class: bench
client: { discover: auto }
servers:
  - id: 101
    uri: coaps://lwm2m.city.example:5684
    security: { mode: psk, credential: enrolled }
"""
FILTERS = {
    "none": "", "class": "class=bench", "class_rare": "class=bench-2", "state_new": "state=new",
    "state_failed": "state=failed", "state_blocked": "state=blocked", "cause": "cause=timeout",
    "prefix": "prefix=device-07", "tag": "tag=district:north", "tag_rare": "tag=district:south",
}


def say(text):
    print(f"==> {text}", file=sys.stderr, flush=True)


def die(text):
    sys.exit(f"bench: error: {text}")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=LIMIT)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(LIMIT)
        self.sock.connect(self.path)

    def ask(self, method, path, body=None):
        self.request(method, path, json.dumps(body) if body else None,
                     {"Content-Type": "application/json"} if body else {})
        answer = self.getresponse()
        text = answer.read()
        if answer.status not in (200, 201):
            die(f"{method} {path}: {answer.status} {text.decode(errors='replace')}")
        return text


class Server:
    """usherd in a folder of its own."""

    def __init__(self, build, folder, name):
        self.folder = folder / name
        (self.folder / "profiles").mkdir(parents=True)
        (self.folder / "profiles/bench.yaml").write_text(PROFILE)
        (self.folder / "profiles/bench-2.yaml").write_text(PROFILE.replace("bench", "bench-2"))
        (self.folder / "usher.yaml").write_text(
            "workers: 1\nlisteners: [{ address: \"127.0.0.1:0\" }]\nprofiles: profiles\n"
            "store: { path: usher.db }\nhttp: { socket: usher.sock }\n")
        self.build = build
        self.process = None
        self.port = None

    def start(self):
        log = self.folder / "log"
        begun = time.monotonic()
        with log.open("w") as stream:
            self.process = subprocess.Popen([self.build / "src/usherd", "-c", self.folder / "usher.yaml"],
                                            stdin=subprocess.DEVNULL, stderr=stream)
        while time.monotonic() - begun < LIMIT and self.process.poll() is None:
            for line in log.read_text().splitlines():
                if '"server.ready"' in line:
                    self.port = int(json.loads(line)["listeners"].split()[0].rpartition(":")[2])
                    return self
            time.sleep(0.02)
        die("usherd does not get ready:\n" + log.read_text()[-2000:])

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(LIMIT)

    def connect(self):
        return UnixConnection(self.folder / "usher.sock")

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def settled_cpu(self):
        """Once it rests, so that deferred work is counted too."""
        last, since = self.cpu(), time.monotonic()
        while time.monotonic() - since < 0.5:
            time.sleep(0.05)
            if self.cpu() > last:
                last, since = self.cpu(), time.monotonic()
        return last


# ---- a million devices ----

def columns(database, table):
    return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]


def multiply(path, count):
    """Copies of an enrolled device, put beside it: as rows, since the enrolment of a million takes a while."""
    database = sqlite3.connect(path)
    names = columns(database, "device")
    now_ms = int(time.time() * 1000)
    changed = {"id": "(SELECT max(id) FROM device) + n", "endpoint": "printf('device-%07d', n)",
               "identity": "CAST(printf('device-%07d', n) AS BLOB)",
               "class": "CASE WHEN n % 50000 = 7 THEN 'bench-2' ELSE class END",
               "state": "CASE WHEN n % 2000 = 3 THEN 6 ELSE 0 END",
               "cause": "CASE WHEN n % 2000 = 3 THEN 5 ELSE 0 END",
               "blocked": "CASE WHEN n % 10000 = 9 THEN 1 ELSE 0 END"}
    values = ", ".join(changed.get(name, name) for name in names)
    database.execute(f"WITH RECURSIVE counter(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < {count}) "
                     f"INSERT INTO device ({', '.join(names)}) SELECT {values} FROM counter, device WHERE endpoint = 'one'")
    number = "CAST(substr(endpoint, 8) AS INTEGER)"
    database.execute("INSERT INTO device_status (id, state, cause, bootstraps, newest_outcome, last_ms, last_duration_ms) "
                     f"SELECT id, CASE WHEN state > 0 THEN state ELSE 4 END, cause, 1, 0, {now_ms} - ({number} * 7919) % {count}, 300 "
                     f"FROM device WHERE endpoint <> 'one' AND (state > 0 OR {number} % 3 <> 0) ORDER BY id")
    types = {row[1]: row[2] for row in database.execute("PRAGMA table_info(outcome)")}
    told = {"seq": "row_number() OVER (ORDER BY s.last_ms)", "device": "d.id", "id": "printf('%032x', d.id)", "class": "d.class",
            "state": "s.state", "cause": "s.cause", "started_ms": "s.last_ms", "warnings": "NULL", "steps": "NULL"}
    values = ", ".join(told.get(name, "''" if kind == "TEXT" else "0") for name, kind in types.items())
    database.execute(f"INSERT INTO outcome ({', '.join(types)}) SELECT {values} FROM device AS d JOIN device_status AS s ON s.id = d.id "
                     "WHERE d.endpoint <> 'one' ORDER BY s.last_ms")
    if "name" in columns(database, "device_tag"):
        database.execute("INSERT INTO device_tag (name, value, endpoint) SELECT 'district', CASE WHEN id % 20000 = 5 THEN "
                         "'south' ELSE 'north' END, endpoint FROM device WHERE endpoint <> 'one'")
    database.execute("INSERT INTO credential (id, generation, changed_ms, retire_at_ms, active_generation, active_place) SELECT id * 65536 + 101, 1, 0, 0, 1, "
                     "CASE WHEN id % 3 = 0 THEN 'south' ELSE 'north' END FROM device WHERE endpoint <> 'one'")
    # What the server counted is no longer so: it counts anew.
    database.execute("DELETE FROM usher_mark WHERE name LIKE 'count%'")
    database.commit()
    database.close()
    return now_ms / 1000


def timed(connection, path, times):
    samples = []
    for _ in range(times):
        begun = time.perf_counter()
        connection.ask("GET", path)
        samples.append((time.perf_counter() - begun) * 1000)
    return samples


def measure_million(build, folder, count):
    server = Server(build, folder, "million").start()
    with contextlib.closing(server.connect()) as connection:
        connection.ask("PUT", "/v1/devices/one", {"class": "bench", "key": "00" * 16, "tags": {"district": "north"}})
    server.stop()
    say(f"{count} devices")
    marked = multiply(server.folder / "usher.db", count)
    begun = time.monotonic()
    server.start()
    start_s = time.monotonic() - begun
    result = {"start_s": round(start_s, 2)}
    with contextlib.closing(server.connect()) as connection:
        total = json.loads(connection.ask("GET", "/v1/status"))["devices"]["total"]
        if total != count + 1:
            die(f"the server counts {total} devices")
        for name, path in (("status_ms_1m", "/v1/status"), ("metrics_ms_1m", "/metrics")):
            result[name] = round(statistics.median(timed(connection, path, 200)), 2)
        result["servers_ms_1m"] = round(timed(connection, "/v1/servers", 1)[0], 1)  # the next ones within 10 s are not counted anew
        filters = {}
        for name, query in FILTERS.items():
            filters[name] = round(statistics.median(timed(connection, f"/v1/devices?limit=100&{query}", 50)), 2)
        for name, seconds in (("since_few", 2), ("since_many", 60), ("since_all", 86400)):
            since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(marked - seconds))
            path = f"/v1/devices?limit=100&since={since}"
            if not json.loads(connection.ask("GET", path))["devices"]:
                die("since finds nothing")
            filters[name] = round(statistics.median(timed(connection, path, 50)), 2)
        result["devices_ms_1m"] = max(filters.values())
        result["devices_ms_1m_by_filter"] = filters
    server.stop()
    return result


# ---- readers of events ----

class Readers:
    """Connections to /v1/events that take everything."""

    def __init__(self, path, count):
        self.selector = selectors.DefaultSelector()
        self.sockets = []
        for _ in range(count):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.connect(str(path))
            connection.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.setblocking(False)
            self.selector.register(connection, selectors.EVENT_READ)
            self.sockets.append(connection)
        self.bytes = self.ended = 0
        self.stopping = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping:
            for key, _ in self.selector.select(0.1):
                got = len(key.fileobj.recv(1 << 18))
                self.bytes += got
                if got == 0:
                    self.selector.unregister(key.fileobj)
                    self.ended += 1

    def stop(self):
        self.stopping = True
        self.thread.join()
        for connection in self.sockets:
            connection.close()


def measure_readers(build, folder, options):
    server = Server(build, folder, "readers").start()
    say("enrolling 500 devices")
    with contextlib.closing(server.connect()) as connection:
        for device in range(500):
            name, key = f"bench-{device:06}", f"bench-key-{device:06}".encode().hex()
            connection.ask("PUT", f"/v1/devices/{name}",
                           {"class": "bench", "identity": name, "key": key,
                            "server_credentials": [{"ssid": 101, "identity": name, "key": key}]})

    def sample(bootstraps):
        before = server.settled_cpu()
        done = subprocess.run([str(word) for word in (
            build / "tests/bench/bench-load", "--port", server.port, "--devices", 500, "--bootstraps",
            bootstraps, "--concurrency", 64)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            die("not every bootstrap succeeded")
        return (server.settled_cpu() - before) * 1e6 / bootstraps

    bootstraps = max(int(options.seconds * 1.1e6 / max(sample(2000), 1)), 2000)
    without, with_readers, received, ended = [], [], 0, 0
    for run in range(options.runs):
        without.append(sample(bootstraps))
        readers = Readers(server.folder / "usher.sock", options.readers)
        try:
            with_readers.append(sample(bootstraps))
        finally:
            readers.stop()
        received, ended = readers.bytes, ended + readers.ended
        say(f"run {run + 1} of {options.runs}: {without[-1]:.1f} us alone, {with_readers[-1]:.1f} us with "
            f"{options.readers} readers, who got {received / 1e6:.0f} MB")
    server.stop()
    return {"sse_readers": options.readers, "sse_bootstraps": bootstraps,
            "bootstrap_us": round(statistics.median(without), 1),
            "bootstrap_with_readers_us": round(statistics.median(with_readers), 1),
            "sse_cpu_ratio": round(statistics.median(b / a for a, b in zip(without, with_readers)), 3),
            "sse_received_bytes": received, "sse_readers_dropped": ended}


def machine():
    model = platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{model}, {os.cpu_count()} CPUs, Linux {platform.release()}"


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench http", allow_abbrev=False)
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--devices", type=int, default=1000000, help="devices in the store (1000000)")
    parser.add_argument("--readers", type=int, default=200, help="readers of events (200)")
    parser.add_argument("--seconds", type=float, default=2, help="CPU time of one sample (2)")
    parser.add_argument("--runs", type=int, default=5, help="pairs of samples (5)")
    parser.add_argument("--json", type=pathlib.Path, help="write the figures there as well")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    build = options.build.resolve()
    with tempfile.TemporaryDirectory(prefix="usher-bench-") as folder:
        result = {"machine": machine(), "devices": options.devices}
        result |= measure_million(build, pathlib.Path(folder), options.devices)
        result |= measure_readers(build, pathlib.Path(folder), options)
    print(f"machine: {result['machine']}\n")
    for name in ("status_ms_1m", "metrics_ms_1m", "servers_ms_1m", "devices_ms_1m"):
        print(f"{name:20}{result[name]:>10} ms with {options.devices} devices")
    for name, value in result["devices_ms_1m_by_filter"].items():
        print(f"    {name:16}{value:>10} ms")
    print(f"{'sse_cpu_ratio':20}{result['sse_cpu_ratio']:>10} ({result['bootstrap_with_readers_us']} us a bootstrap with "
          f"{options.readers} readers, {result['bootstrap_us']} without)")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
