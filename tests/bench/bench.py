# Runs the parts of scripts/bench, prints a table and writes the figures as JSON.
# SPDX-License-Identifier: Apache-2.0
"""Started by scripts/bench; docs/performance.md explains the figures."""
import argparse
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
import tempfile

import parts
from measure import Bench, Failed, Progress

# Part, what it measures, and the figures that it promises.
PARTS = {
    "psk": (parts.psk, ["psk_us", "psk_floor_us", "psk_ratio", "psk_generate_us",
                        "psk_generate_ratio"]),
    "x509": (parts.x509, ["x509_us", "x509_floor_us", "x509_ratio", "p256_speedup"]),
    "msg": (parts.msg, ["msg_ratio_100", "msg_ratio_1k", "msg_ratio_10k"]),
    "open": (parts.open_sessions, ["bootstrap_ratio_50k_open", "rss_kib_per_session"]),
    "workers": (parts.workers, ["two_worker_ratio"]),
    "hello": (parts.hello, ["hello_us", "hello_ratio"]),
    "flood": (parts.flood, ["flood_done", "flood_rss_delta_kib", "flood_p99_ratio"]),
    "slow": (parts.slow, ["slow_done", "slow_sent_twice"]),
}

# Name, figure, the absolutes beside it, and what must be reached: at most.
ROWS = [
    ("PSK bootstrap, us", "psk_ratio", ("psk_us", "psk_floor_us"), 1.25),
    ("PSK, generated key, us", "psk_generate_ratio", ("psk_generate_us", "psk_floor_us"), 1.45),
    ("X.509 bootstrap, us", "x509_ratio", ("x509_us", "x509_floor_us"), 1.15),
    ("X.509, Mbed TLS's P-256 / libcrypto's", "p256_speedup", ("x509_us", "x509_stock_us"), None),
    ("message, 100 sessions, us", "msg_ratio_100", ("msg_us_100", "msg_floor_us_100"), 1.3),
    ("message, 1,000 sessions, us", "msg_ratio_1k", ("msg_us_1k", "msg_floor_us_1k"), None),
    ("message, 10,000 sessions, us", "msg_ratio_10k", ("msg_us_10k", "msg_floor_us_10k"), 1.3),
    ("bootstrap, 50,000 / none open, us", "bootstrap_ratio_50k_open",
     ("bootstrap_us_50k_open", "bootstrap_us_none_open"), 1.5),
    ("memory of an open session, KiB", "rss_kib_per_session", (), 20),
    ("bootstrap, two workers / one, us", "two_worker_ratio", ("two_worker_us", "one_worker_us"),
     1.1),
    ("forged ClientHello, us", "hello_ratio", ("hello_us", "hello_floor_us"), 1.5),
    ("devices done in a flood", "flood_done", ("flood_devices",), None),
    ("p99 in a flood / calm, ms", "flood_p99_ratio", ("flood_p99_ms", "calm_p99_ms"), 3),
    ("memory taken in a flood, KiB", "flood_rss_delta_kib", (), None),
    ("by the same devices without, KiB", "calm_rss_delta_kib", (), None),
    ("done in the worst flood", "flood_max_done", ("flood_devices",), None),
    ("open sessions lost in it", "flood_max_sessions_lost", (), 0),
    ("slow devices done", "slow_done", ("slow_devices",), None),
    ("sent twice to slow devices", "slow_sent_twice", (), 0),
]


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


def measure(options, folder):
    """The figures; those of a part that failed are null, and `not_measured` says why."""
    progress = Progress()
    bench = Bench(options, folder, progress)
    result = {"machine": machine(), "commit": commit(), "devices": options.devices,
              "concurrency": options.concurrency, "runs": options.runs,
              "sample_seconds": options.seconds}
    reasons = {}
    try:
        for name in options.parts:
            function, figures = PARTS[name]
            progress.part = name
            try:
                result.update(function(bench))
            except (Failed, OSError, subprocess.SubprocessError) as error:
                result.update(dict.fromkeys(figures) | getattr(error, "figures", {}))
                reasons.update((figure, str(error)) for figure in figures
                               if result[figure] is None)
            finally:
                bench.stop()
    finally:
        bench.stop()
        progress.clear()
    for name in PARTS:
        if name not in options.parts:
            result.update(dict.fromkeys(PARTS[name][1]))
            reasons.update(dict.fromkeys(PARTS[name][1], "not asked for"))
    if reasons:
        result["not_measured"] = reasons
    return result


def print_table(result):
    print(f"machine: {result['machine']}")
    print(f"commit:  {result['commit']}")
    print(f"{result['devices']} devices enrolled, {result['concurrency']} at a time; medians of "
          f"{result['runs']} samples of {result['sample_seconds']:g} s CPU or more\n")
    print(f"{'':36}{'usherd':>10}{'floor':>10}{'ratio':>9}{'must':>7}")
    for name, figure, beside, must in ROWS:
        value = result.get(figure)
        if value is None:
            continue
        if len(beside) == 2:
            left, right, ratio = result[beside[0]], result[beside[1]], value
        else:
            left, right, ratio = value, f"of {result[beside[0]]}" if beside else "", ""
        print(f"{name:36}{left:>10}{right:>10}{ratio:>9}{'' if must is None else f'<={must}':>7}")
    for figure, reason in result.get("not_measured", {}).items():
        if reason != "not asked for":
            print(f"not measured: {figure}: {reason}")


def parse_arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", allow_abbrev=False)
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--stock-build", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--devices", type=int, default=100000)
    parser.add_argument("--concurrency", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=50000)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    unknown = [name for name in options.parts if name not in PARTS]
    if unknown:
        parser.error(f"no part '{unknown[0]}'; there are: {' '.join(PARTS)}")
    options.parts = options.parts or list(PARTS)
    if not (1 <= options.devices <= 1000000 and 1 <= options.runs <= 1000 and
            0 < options.seconds <= 600 and 1 <= options.concurrency <= 4096 and
            1 <= options.sessions <= 1000000):
        parser.error("a number is out of range")
    return options


def main():
    options = parse_arguments()
    # Ended by a signal, the servers go and the folder with them.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="usher-bench-") as folder:
        result = measure(options, folder)
    print_table(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    failed = set(result.get("not_measured", {}).values()) - {"not asked for"}
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
