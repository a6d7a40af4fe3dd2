#!/usr/bin/env python3
# Commands typed wrong: one line that says what is wrong, the right exit code, nothing on standard output.
# SPDX-License-Identifier: Apache-2.0
"""Usage: test_mistakes.py USHER USHERD USHER-SIM"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

PROGRAMS = dict(zip(("usher", "usherd", "usher-sim"), (pathlib.Path(word).resolve() for word in sys.argv[1:4])))
LONG = "x" * 300

# What is typed, the exit code, and a part of the one line that answers it.
MISTAKES = [
    ("usher frobnicate", 2, "unknown command 'frobnicate'; see 'usher help'"),
    ("usher stauts", 2, "did you mean 'status'?"),
    ("usher help nix", 2, "unknown command 'nix'"),
    ("usher show", 2, "something is missing; usage: usher show ENDPOINT"),
    ("usher plan", 2, "something is missing; usage: usher plan ENDPOINT"),
    ("usher show a b", 2, "unexpected argument 'b'"),
    ("usher show a --jsn", 2, "unknown option '--jsn'; did you mean '--json'?"),
    ("usher status --socket", 2, "a value is missing after '--socket'"),
    ("usher status --json=yes", 2, "no value is expected"),
    ("usher list --limit 0", 2, "--limit must lie between 1 and 1000"),
    ("usher list --limit x", 2, "--limit takes a whole number, not 'x'"),
    ("usher list --state bootstraped", 3, "did you mean 'bootstrapped'?"),
    ("usher wait lamp --state x", 3, "there are new, seen, writing"),
    ("usher wait", 2, "name the endpoints to wait for"),
    ("usher wait lamp --timeout 5x", 2, "a time such as 90s"),
    ("usher enroll lamp --key 00112233445566778899aabbccddeeff", 2, "keys are not given on the command line"),
    ("usher enroll lamp --key @nofile", 3, "cannot read the key file 'nofile' (No such file or directory)"),
    ("usher show ''", 3, "endpoint is empty"),
    (f"usher show {LONG}", 3, "endpoint has 300 bytes; at most 255 are allowed"),
    ("usher status --socket /nowhere/s", 1, "no server answers at /nowhere/s"),
    ("usher status --url http://127.0.0.1:1", 1, "no server answers at http://127.0.0.1:1"),
    ("usher status --url foo", 3, "'foo' is not a URL"),
    ("usher status --url http://127.0.0.1 --socket s", 2, "not both"),
    ("usher check", 2, "there is no directory 'profiles' here"),
    ("usher plan x --class lamp", 3, "profiles: error: cannot open"),
    ("usherd", 2, "no configuration given: use -c FILE"),
    ("usherd -c", 2, "--config needs the name of a file"),
    ("usherd -x", 2, "unknown option '-x'"),
    ("usherd --tset", 2, "unknown option '--tset'"),
    ("usherd serve", 2, "unexpected argument 'serve'"),
    ("usherd -c nofile", 3, "nofile: error: cannot open: No such file or directory"),
    ("usherd -t -c .", 3, ".: error: not a regular file"),
    ("usher-sim fly", 2, "unknown command 'fly'; see 'usher-sim --help'"),
    ("usher-sim device", 2, "--server is missing"),
    ("usher-sim device --sever x", 2, "unknown argument '--sever'"),
    ("usher-sim device --server", 2, "--server needs URI"),
    ("usher-sim device --server x --endpoint e --key @k", 3, "'x' is no server; write coaps://HOST:PORT"),
    ("usher-sim device --server coaps://127.0.0.1:1 --key 0011", 2, "never on the command line"),
    ("usher-sim device --server coaps://127.0.0.1:1 --endpoint e --key @nofile", 3, "cannot read 'nofile'"),
    ("usher-sim fleet --server coaps://127.0.0.1:1 --keys nofile", 3, "cannot read 'nofile'"),
]

# Every way to ask for help or the version.
QUESTIONS = [f"{program} {word}" for program in PROGRAMS for word in ("-h", "--help", "help", "-V", "--version", "version")]
QUESTIONS += [f"usher-sim {command} {word}" for command in ("device", "fleet") for word in ("-h", "--help")]


class Mistakes(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def type(self, line):
        program, _, rest = line.partition(" ")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("USHER_")}
        return subprocess.run(["/bin/sh", "-c", f'exec "$0" {rest}', PROGRAMS[program]], cwd=self.folder.name,
                              env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    def test_each_is_told_in_one_line(self):
        for line, code, part in MISTAKES:
            with self.subTest(line):
                done = self.type(line)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertIn(part, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertTrue(done.stderr.isprintable() or done.stderr[:-1].isprintable())

    def test_no_key_is_repeated(self):
        for line, _, _ in MISTAKES:
            for key in re.findall(r"--key ([0-9a-f]{16,})", line):
                self.assertNotIn(key, self.type(line).stderr)

    def test_help_and_version_are_never_a_mistake(self):
        for line in QUESTIONS:
            with self.subTest(line):
                done = self.type(line)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertRegex(done.stdout, r"(?i)usage: |^usher\S* \d+\.\d+")

    def test_no_colour_outside_a_terminal(self):
        for line in QUESTIONS + [line for line, _, _ in MISTAKES]:
            done = self.type(line)
            self.assertNotIn("\033", done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
