#!/usr/bin/env python3
# `usher check` and `usher plan`: what they print, where, and with which exit code.
# SPDX-License-Identifier: Apache-2.0
"""Usage: test_offline.py USHER SOURCE-DIRECTORY"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

USHER = pathlib.Path(sys.argv[1]).resolve()
SOURCE = pathlib.Path(sys.argv[2]).resolve()

LAMP = """class: lamp
servers:
  - id: 101
    uri: coaps://lwm2m.city.example:5684
    security: { mode: psk, credential: generate }
"""
METER = """class: meter
match: { endpoint: "wm-*" }
servers:
  - id: 301
    uri: coaps://h
    security: { mode: psk, credential: enrolled }
write: { /3/0/14: "${tags.zone} of ${identity}" }
"""
# Vector V1 of the TLV tests, around its key.
V1_BEFORE = ("c8001f636f6170733a2f2f6c776d326d2e636974792e6578616d706c653a35363834c10100c10200c80315757"
             "26e3a6465763a6f733a303034322d6c616d7037c80510")
V1_AFTER = "c10a65"


class Offline(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.top = pathlib.Path(self.folder.name)
        (self.top / "profiles").mkdir()
        self.write("lamp.yaml", LAMP)

    def tearDown(self):
        self.folder.cleanup()

    def write(self, name, text):
        (self.top / "profiles" / name).write_text(text)

    def usher(self, *arguments, exit_code=0, stdin=None):
        done = subprocess.run([USHER, *arguments], cwd=self.top, capture_output=True, text=True,
                              input=stdin, timeout=60)
        self.assertEqual(done.returncode, exit_code, done.stdout + done.stderr)
        return done

    # --- check ---

    def test_check_says_that_all_is_well(self):
        done = self.usher("check")
        self.assertEqual((done.stdout, done.stderr), ("1 class, no errors\n", ""))
        self.assertEqual(self.usher("check", "-q").stdout, "")

    def test_check_of_the_samples(self):
        done = self.usher("check", str(SOURCE / "profiles"))
        self.assertEqual(done.stdout, "3 classes, no errors\n")

    def test_check_names_the_place(self):
        self.write("bad.yaml", "class: bad\nservers: []\nlivetime: 5\n")
        done = self.usher("check", exit_code=3)
        lines = done.stdout.splitlines()
        self.assertIn("profiles/bad.yaml:2:10: error: no server in the list", lines[0])
        self.assertIn("profiles/bad.yaml:3:1: error: unknown key 'livetime'", lines[1])
        self.assertEqual(lines[2], "2 errors")
        quiet = self.usher("check", "--quiet", exit_code=3)
        self.assertEqual(quiet.stdout.splitlines(), lines[:2])

    def test_check_of_files(self):
        self.write("bad.yaml", "class: bad\n")
        self.usher("check", "profiles/lamp.yaml")
        self.usher("check", "profiles/lamp.yaml", "profiles/bad.yaml", exit_code=3)

    def test_check_counts_warnings_and_passes(self):
        self.write("lamp.yaml", LAMP + "delete: [/]\n")
        done = self.usher("check")
        self.assertIn("profiles/lamp.yaml:6:10: warning: deleting / also wipes", done.stdout)
        self.assertIn("1 class, no errors, 1 warning\n", done.stdout)
        self.assertEqual(self.usher("check", "-q").stdout, "")

    def test_check_json(self):
        done = json.loads(self.usher("check", "--json").stdout)
        self.assertEqual(done, {"ok": True, "classes": ["lamp"], "errors": 0, "warnings": 0,
                                "findings": []})
        self.write("bad.yaml", "class: bad\nservers: 5\n")
        done = json.loads(self.usher("check", "--json", exit_code=3).stdout)
        self.assertFalse(done["ok"])
        self.assertEqual(done["findings"], [{
            "level": "error", "file": "profiles/bad.yaml", "line": 2, "column": 10,
            "text": "expected a list of servers, found a single value"}])

    def test_check_of_what_is_not_there(self):
        done = self.usher("check", "elsewhere", exit_code=3)
        self.assertIn("elsewhere: error: cannot open: No such file or directory", done.stdout)
        (self.top / "profiles/lamp.yaml").unlink()
        self.assertIn("no profile here", self.usher("check", exit_code=3).stdout)
        (self.top / "profiles").rmdir()
        done = self.usher("check", exit_code=2)
        self.assertEqual(done.stdout, "")
        self.assertIn("usher check DIR", done.stderr)

    def test_usage(self):
        self.assertIn("did you mean '--json'?", self.usher("check", "--jason", exit_code=2).stderr)
        for command in "check", "plan":
            help_text = self.usher(command, "--help").stdout
            self.assertIn("examples:", help_text)
        self.usher("plan", exit_code=2)
        self.usher("plan", "a", "b", exit_code=2)

    # --- plan ---

    def test_plan_shows_operations_and_no_key(self):
        done = self.usher("plan", "urn:dev:os:0042-lamp7", "--class", "lamp")
        self.assertIn("delete /0\ndelete /1\nwrite /0/1\n", done.stdout)
        self.assertIn("<psk-key of server 101>", done.stdout)
        self.assertTrue(done.stdout.endswith("finish\n"))
        self.assertEqual(done.stderr, "")

    def test_plan_with_payloads(self):
        done = self.usher("plan", "urn:dev:os:0042-lamp7", "--class", "lamp", "--format", "tlv")
        self.assertIn("references stand in the place of keys", done.stdout)
        masked = "<psk-key of server 101>".ljust(2 * 16, ".")
        self.assertIn(f"/0/1, 86 bytes\n    {V1_BEFORE}{masked}{V1_AFTER}\n", done.stdout)
        for name in "senml-json", "senml-cbor", "lwm2m-cbor":
            self.assertIn(f"payloads in {name}",
                          self.usher("plan", "x", "--class", "lamp", "--format", name).stdout)
        text = self.usher("plan", "x", "--class", "lamp", "--format", "text").stdout
        self.assertNotIn("payloads", text)
        self.assertIn("--format takes",
                      self.usher("plan", "x", "--class", "lamp", "--format", "xml", exit_code=2).stderr)

    def test_plan_json(self):
        done = json.loads(self.usher("plan", "urn:dev:os:0042-lamp7", "--class", "lamp", "--json",
                                     "--format", "tlv").stdout)
        self.assertEqual(done["endpoint"], "urn:dev:os:0042-lamp7")
        self.assertEqual(done["class"], "lamp")
        self.assertEqual(done["payload_keys"], "zeros")
        self.assertEqual([step["operation"] for step in done["operations"]],
                         ["delete", "delete", "write", "write", "finish"])
        self.assertEqual(done["operations"][2]["payload"], V1_BEFORE + "00" * 16 + V1_AFTER)
        self.assertEqual(done["operations"][2]["payload_secrets"], [
            {"offset": len(V1_BEFORE) // 2, "length": 16, "secret": "psk-key", "server": 101}])
        self.assertEqual(done["operations"][3]["payload_secrets"], [])
        key = [value for value in done["operations"][2]["values"] if value["path"] == "/0/1/5"][0]
        self.assertEqual(key["secret"], "psk-key")
        plain = json.loads(self.usher("plan", "x", "--class", "lamp", "--json").stdout)
        self.assertNotIn("payload_format", plain)

    def test_plan_by_match_with_tags_and_stand_in_credentials(self):
        self.write("meter.yaml", METER)
        done = self.usher("plan", "wm-1", "--tag", "zone=north", "--identity", "me")
        self.assertIn('"north of me"', done.stdout)
        self.assertIn("class meter", done.stdout)
        done = self.usher("plan", "wm-1", "--profiles", "profiles", exit_code=3)
        self.assertIn("profiles/meter.yaml:7: ${tags.zone} has no value", done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertIn("--class", self.usher("plan", "bin", "--profiles", "profiles", exit_code=3).stderr)

    def test_plan_where_no_server_is_in_sight(self):
        self.write("lamp.yaml", LAMP + 'match: { endpoint: "lamp*" }\n')
        done = self.usher("plan", "lamp7")
        self.assertIn("class lamp", done.stdout)
        self.assertIn("no server is running here: by the profiles in ./profiles", done.stderr)
        self.assertIn("start usherd", self.usher("plan", "lamp7", "--socket", "none", exit_code=1).stderr)
        (self.top / "profiles/lamp.yaml").unlink()
        (self.top / "profiles").rmdir()
        self.assertIn("start usherd", self.usher("plan", "lamp7", exit_code=1).stderr)

    def test_plan_by_a_server_or_by_files(self):
        for offline in ["--class", "lamp"], ["--profiles", "."], ["--tag", "a=b"], ["--identity", "i"]:
            done = self.usher("plan", "x", *offline, "--socket", "s", exit_code=2)
            self.assertIn(f"{offline[0]} describes one without a server", done.stderr)

    def test_plan_with_discover_and_version(self):
        links = self.top / "links"
        links.write_text("</>;lwm2m=1.2,</0/0>;ssid=5,</0/1>,</1/0>;ssid=5\n")
        done = self.usher("plan", "x", "--class", "lamp", "--discover", "links")
        self.assertIn("LwM2M 1.2", done.stdout)
        self.assertIn("delete /0/0\ndelete /1\nwrite /0/0\n", done.stdout)
        piped = self.usher("plan", "x", "--class", "lamp", "--discover", "-",
                           stdin=links.read_text())
        self.assertEqual(piped.stdout, done.stdout)
        self.assertIn("LwM2M 1.1",
                      self.usher("plan", "x", "--class", "lamp", "--lwm2m", "1.1").stdout)
        self.usher("plan", "x", "--class", "lamp", "--lwm2m", "2.0", exit_code=2)
        self.usher("plan", "x", "--class", "lamp", "--discover", "nothing", exit_code=3)
        links.write_text("garbage")
        self.usher("plan", "x", "--class", "lamp", "--discover", "links", exit_code=3)
        links.write_bytes(b"</0/0>\0,</1>")
        self.assertIn("zero byte", self.usher("plan", "x", "--class", "lamp", "--discover", "links",
                                              exit_code=3).stderr)
        links.write_text("</0>," * 20000)
        self.assertIn("64 KiB", self.usher("plan", "x", "--class", "lamp", "--discover", "links",
                                           exit_code=3).stderr)

    def test_plan_refuses(self):
        self.assertIn("did you mean 'lamp'?",
                      self.usher("plan", "x", "--class", "lmap", exit_code=3).stderr)
        self.usher("plan", "x", "--class", "lamp", "--tag", "zone", exit_code=2)
        self.usher("plan", "x", "--class", "lamp", "--tag", "a b=c", exit_code=3)
        self.usher("plan", "x" * 256, "--class", "lamp", exit_code=3)
        self.usher("plan", "x", "--class", "lamp", "--identity", "i" * 129, exit_code=2)
        self.write("bad.yaml", "class: bad\n")
        done = self.usher("plan", "x", "--class", "lamp", exit_code=3)
        self.assertIn("profiles/bad.yaml:1:1: error: 'servers' is missing", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_names_cannot_steer_the_terminal(self):
        done = self.usher("plan", "a\u202eb", "--class", "lamp")
        self.assertNotIn("\u202e", done.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
