#!/usr/bin/env python3
# The manual pages are well-formed, and say something of every command, option and key there is.
# SPDX-License-Identifier: Apache-2.0
"""Usage: test_manuals.py USHER USHERD USHER-SIM SOURCE-DIRECTORY PAGE.."""
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

USHER, USHERD, USHER_SIM = (pathlib.Path(name).resolve() for name in sys.argv[1:4])
SOURCE = pathlib.Path(sys.argv[4])
PAGES = {pathlib.Path(name).name: pathlib.Path(name) for name in sys.argv[5:]}


def output(*words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


def options_in(help_text):
    return set(re.findall(r"^ +(?:-\w, )?--([a-z0-9-]+)", help_text, re.MULTILINE))


def options_of(page):
    return set(re.findall(r"\bFl -([a-z0-9-]+)", PAGES[page].read_text()))


def commands_of_usher():
    overview = output(USHER, "help").partition("commands:\n")[2].partition("\n\n")[0]
    return [line.split()[0] for line in overview.splitlines()]


class Manuals(unittest.TestCase):
    def test_all_are_here(self):
        self.assertEqual(sorted(PAGES), ["usher-profile.5", "usher-sim.1", "usher.1", "usher.yaml.5",
                                         "usherd.8"])

    @unittest.skipUnless(shutil.which("mandoc"), "SKIPPED: mandoc is not installed")
    def test_mandoc_finds_nothing(self):
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *PAGES.values()],
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.stdout, "")

    @unittest.skipUnless(shutil.which("man") and shutil.which("groff"), "SKIPPED: man is not installed")
    def test_man_finds_nothing(self):
        for page in PAGES.values():
            done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page],
                                  capture_output=True, text=True, timeout=30)
            self.assertEqual(done.stderr, "", page)

    def test_usher(self):
        commands = commands_of_usher()
        self.assertIn("enroll", commands)
        page = PAGES["usher.1"].read_text()
        known = options_of("usher.1")
        for command in commands:
            self.assertTrue(re.search(rf"(?m)^\.It .*Cm {command}\b", page), f"usher.1 says nothing of {command}")
            if command == "help":
                continue
            missing = options_in(output(USHER, command, "--help")) - known
            self.assertFalse(missing, f"usher.1 says nothing of these options of {command}")

    def test_usherd(self):
        self.assertFalse(options_in(output(USHERD, "--help")) - options_of("usherd.8"))

    def test_usher_sim(self):
        commands = re.findall(r"usher-sim ([a-z]+) \.\.", output(USHER_SIM, "--help"))
        self.assertIn("device", commands)
        page = PAGES["usher-sim.1"].read_text()
        for command in commands:
            self.assertTrue(f".Cm {command}\n" in page, f"usher-sim.1 says nothing of {command}")
            missing = options_in(output(USHER_SIM, command, "--help")) - options_of("usher-sim.1") - {"help"}
            self.assertFalse(missing, f"usher-sim.1 says nothing of these options of {command}")

    def test_configuration(self):
        """Every key of the example, which a test of config holds to the code."""
        example = (SOURCE / "docs/examples/usher.yaml").read_text()
        page = (SOURCE / "docs/configuration.md").read_text()
        section = None
        keys = 0
        for line in example.splitlines():
            top = re.match(r"([a-z0-9-]+):", line)
            below = re.match(r" +(?:- |# )?([a-z0-9-]+): ", line)
            if top:
                section = top.group(1)
            found = below or top
            if found:
                self.assertRegex(page, rf"`(?:{section}: )?{found.group(1)}`|`{section}: ",
                                 f"docs/configuration.md says nothing of {found.group(1)}")
                keys += 1
            if below and section != "listeners":
                self.assertIn(f"`{section}: {below.group(1)}`", page)
        self.assertGreater(keys, 10)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
