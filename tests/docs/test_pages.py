#!/usr/bin/env python3
# The pages of the repository: what they point to is there, and what they show is what is printed.
# SPDX-License-Identifier: Apache-2.0
"""Usage: test_pages.py USHER SOURCE-DIRECTORY"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

USHER = pathlib.Path(sys.argv[1]).resolve()
SOURCE = pathlib.Path(sys.argv[2]).resolve()
PAGES = sorted([*SOURCE.glob("*.md"), *SOURCE.glob("docs/**/*.md"), *SOURCE.glob("tests/**/*.md")])


def without_code(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


class Pages(unittest.TestCase):
    def test_links_lead_somewhere(self):
        links = 0
        for page in PAGES:
            for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
                if re.match(r"[a-z]+:", target):
                    continue
                links += 1
                path, _, anchor = target.partition("#")
                there = (page.parent / path).resolve() if path else page
                self.assertTrue(there.exists(), f"{page.relative_to(SOURCE)}: {target} is not there")
                if anchor:
                    titles = re.findall(r"^#+ +(.*)", there.read_text(), re.MULTILINE)
                    anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
                    self.assertIn(anchor, anchors, f"{page.relative_to(SOURCE)}: {target}")
        self.assertGreater(links, 20)

    def test_tests_that_are_named_exist(self):
        sources = "\n".join(path.read_text(errors="replace") for path in (SOURCE / "tests").rglob("*")
                            if path.is_file() and (path.suffix in (".c", ".py") or not path.suffix))
        names = 0
        for page in PAGES:
            text = page.read_text()
            for name in re.findall(r"`(test_\w+)`", text):
                names += 1
                self.assertTrue(re.search(rf"\b{name}\b", sources), f"{page.relative_to(SOURCE)}: no test {name}")
            for path in re.findall(r"`((?:tests|scripts|src|include|docs)/[\w./-]+)`", text):
                names += 1
                if re.search(r"[A-Z]{4}", path):  # stands for any
                    continue
                self.assertTrue((SOURCE / path).exists(), f"{page.relative_to(SOURCE)}: {path} is not there")
        self.assertGreater(names, 40)

    def test_the_plan_in_the_readme(self):
        shown = re.search(r"^\$ cat (\S+)\n(.*?)^\$ usher check\n(.*?)^\$ usher (plan .*?)\n(.*?)^```",
                          (SOURCE / "README.md").read_text(), re.MULTILINE | re.DOTALL)
        name, profile, checked, words, plan = shown.groups()
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, name)
            path.parent.mkdir()
            path.write_text(profile)
            for command, expected in (("check", checked), (words, plan)):
                done = subprocess.run([USHER, *command.split()], cwd=folder, capture_output=True, text=True,
                                      timeout=60, env=dict(os.environ, NO_COLOR="1"))
                self.assertEqual((done.stdout, done.returncode), (expected, 0), done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
