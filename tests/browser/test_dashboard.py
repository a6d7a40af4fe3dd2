#!/usr/bin/env python3
# The dashboard in a real browser against the real server: every view, light, dark and on a phone; by
# keyboard; login; what happens live. USHER_SCREENSHOTS=FOLDER keeps a picture of each view.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "func")]
import webdriver  # noqa: E402

if os.environ.get("USHER_BROWSER") != "1":
    print("skipped: scripts/test --browser runs this")
    sys.exit(77)
if webdriver.find() is None:
    print("skipped: chromium and chromedriver (Debian packages chromium chromium-driver) are not there")
    sys.exit(77)

from funclib import LAMP, FuncTest, device_path, main  # noqa: E402

USHER = os.environ["USHER"]
PICTURES = os.environ.get("USHER_SCREENSHOTS")
CHECKS = (HERE / "checks.js").read_text()
ENTER, TAB = "\ue007", "\ue004"
LOOKS = {"light": (1280, 900, False), "dark": (1280, 900, True), "phone": (390, 844, False)}
VIEWS = {
    "overview": ("", "Overview"), "devices": ("devices", "Devices"),
    "device": ("device/urn%3Adev%3Aos%3A0042-lamp-001", "urn:dev:os:0042-lamp-001"),
    "failed-device": ("device/urn%3Adev%3Aos%3A0042-lamp-004", "urn:dev:os:0042-lamp-004"),
    "failures": ("failures", "Failures, and what to do"), "turned-away": ("turned-away", "Turned away"),
    "live": ("live", "Live"), "imports": ("imports", "Imports"), "profiles": ("profiles", "Profiles"),
}
# A picture for readers shows the usual place, not that of this run.
HIDE_FOLDER = """for (const cell of document.querySelectorAll("td, th"))
  if (cell.textContent.startsWith(arguments[0])) cell.textContent = cell.textContent.replace(arguments[0], "/etc/usher");"""
STREET_LIGHT = LAMP.replace("class: lamp", "class: street-light").replace("uri: coaps://lwm2m.city.example:5684", """pick:
      by: weight
      from:
        - { name: dm-north, uri: "coaps://north.city.example", weight: 2 }
        - { name: dm-south, uri: "coaps://south.city.example" }""")
METER = LAMP.replace("class: lamp", "class: water-meter").replace("101", "201")


class Dashboard(FuncTest):
    def setUp(self):
        super().setUp()
        self.write_profile("street-light.yaml", STREET_LIGHT)
        self.write_profile("water-meter.yaml", METER)
        self.serving = self.server()
        self.serving.write_config()
        config = self.folder / "usher.yaml"
        config.write_text(config.read_text().replace("http: {", 'http: { address: "127.0.0.1:0", tokens: tokens.json, '))
        self.serving.start()
        self.port = self.serving.log.wait("server.ready")["http_port"]
        self.browser = webdriver.Browser()
        self.addCleanup(self.browser.close)

    def play(self):
        """A street that is half way through its first day."""
        names = [f"urn:dev:os:0042-lamp-{i:03}" for i in range(1, 13)]
        for i, name in enumerate(names):
            self.enroll(self.serving, name, "street-light", tags={"district": "north" if i % 2 else "south", "pole": str(1000 + i)})
        rows = "".join(f"urn:dev:os:0042-meter-{i:03},water-meter,{i:032x},west\n" for i in range(1, 131))
        (self.folder / "meters.csv").write_text("endpoint,class,key,district\n" + rows + "odd-one,water-meter,xyz,west\n")
        done = subprocess.run([USHER, "import", str(self.folder / "meters.csv"), "--socket", str(self.serving.socket)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 5, done.stderr)
        for name in names[:8]:
            if name != names[3]:
                self.bootstrap(self.serving, name)
        self.device(self.serving, names[3], "--rule", "PUT:/1/0=4.00")
        self.device(self.serving, "urn:dev:os:0042-lamp-999", identity=names[8], key=self.keys[names[8]])
        self.device(self.serving, "old-lamp-77", key=self.new_key("old-lamp-77"))
        self.device(self.serving, names[9], key=self.new_key("wrong"))
        self.ask(self.serving, "POST", device_path(names[10], "/block"))
        self.device(self.serving, names[10])
        for name in names:
            self.show(self.serving, name)

    def token(self, scope):
        done = subprocess.run([USHER, "token", "create", scope, "--scope", scope, "--json", "--socket", str(self.serving.socket)],
                              capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["token"]

    def log_in(self, scope="operator"):
        self.browser.look(*LOOKS["light"])
        self.browser.go(f"http://127.0.0.1:{self.port}/")
        self.browser.wait("return document.querySelector('h1')?.textContent === 'Log in'")
        self.browser.run("document.querySelector('#token').focus()")
        self.browser.keys(*self.token(scope), ENTER)
        self.open("", "Overview")

    def open(self, place, heading):
        self.browser.run("location.hash = '#/' + arguments[0]", place)
        self.browser.wait("return document.querySelector('h1')?.textContent === arguments[0] && "
                          "document.querySelector('main').getAttribute('aria-busy') === 'false'", heading)

    def text(self):
        return self.browser.run("return document.querySelector('main').innerText")

    def check(self, what):
        self.assertEqual(self.browser.run(CHECKS), [], what)

    def test_every_view_in_every_look(self):
        self.play()
        self.log_in()
        self.browser.errors()
        for look, size in LOOKS.items():
            self.browser.look(*size)
            for view, (place, heading) in VIEWS.items():
                self.open(place, heading)
                if view == "live":
                    self.some_life()
                self.check(f"{view}, {look}")
                if PICTURES:
                    self.browser.run(HIDE_FOLDER, str(self.folder))
                    self.browser.picture(pathlib.Path(PICTURES) / f"{view}-{look}.png")
        self.assertEqual(self.browser.errors(), [])

    def some_life(self):
        self.browser.wait("return document.body.innerText.includes('Connected: what happens')")
        for i in (1, 2):
            self.bootstrap(self.serving, f"urn:dev:os:0042-lamp-{i:03}")
        self.browser.wait("return document.querySelectorAll('.log li').length > 12")

    def test_what_the_views_say(self):
        self.play()
        self.log_in()
        overview = self.text()
        for words in ("142", "street-light", "water-meter", "Set up", "7 set up, 2 failed, 3 turned away in the last hour"):
            self.assertIn(words, overview)
        self.open("failures", VIEWS["failures"][1])
        self.assertIn("Refused a setting", self.text())
        self.assertIn("Name does not fit the key", self.text())
        self.open("imports", "Imports")
        for words in ("done", "131 of 131 rows", "130"):
            self.assertIn(words, self.text())
        self.open("profiles", "Profiles")
        for words in ("How devices are shared out", "dm-north", "66.7 %", "dm-south", "33.3 %"):
            self.assertIn(words, self.text())
        shares = self.browser.run("return [...document.querySelectorAll('.meter')].map((item) => item.getAttribute('aria-label'))")
        self.assertEqual(sum(int(share.split(" of ")[0]) for share in shares), 7)
        self.assertTrue(all(share.endswith("of 7 devices") for share in shares), shares)
        self.open("turned-away", "Turned away")
        for words in ("old-lamp-77", "Not enrolled", "Wrong key", "Blocked", "usher enroll --class CLASS --key-file FILE 'old-lamp-77'"):
            self.assertIn(words, self.text())
        self.open(*VIEWS["failed-device"])
        for words in ("Refused a setting", "refused: bad request (4.00)", "Secure connection", "Write"):
            self.assertIn(words, self.text())
        self.open(*VIEWS["device"])
        for words in ("Write: Server account (Security)", "Finish", "accepted (2.04)", "district: south"):
            self.assertIn(words, self.text())
        self.browser.run("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
        self.assertIn("secret, not shown", self.text())
        for key in self.keys.values():
            self.assertNotIn(key.read_text().strip(), self.browser.run("return document.documentElement.outerHTML"))

    def test_searching_and_paging(self):
        self.play()
        self.log_in()
        self.open("devices", "Devices")
        self.browser.wait("return document.querySelectorAll('tbody tr').length === 100")
        self.browser.run("[...document.querySelectorAll('button')].find((item) => item.textContent === 'Next page').click()")
        self.browser.wait("return document.querySelectorAll('tbody tr').length === 42")
        self.browser.run("[...document.querySelectorAll('button')].find((item) => item.textContent === 'Previous page').click()")
        self.browser.wait("return document.querySelectorAll('tbody tr').length === 100")
        self.browser.run("document.querySelector('#f-prefix').focus()")
        self.browser.keys(*"urn:dev:os:0042-lamp-00", ENTER)
        self.browser.wait("return document.querySelectorAll('tbody tr').length === 9")
        self.open("devices?tag=district:north&state=bootstrapped", "Devices")
        self.browser.wait("return document.querySelectorAll('tbody tr').length === 3")
        self.open("devices?class=nothing", "Devices")
        self.browser.wait("return document.body.innerText.includes('No device fits.')")

    def test_by_keyboard_alone(self):
        self.play()
        self.log_in()
        self.browser.run("location.reload()")
        self.open("", "Overview")
        self.browser.keys(TAB, ENTER)  # skip to content
        self.assertEqual(self.browser.run("return document.activeElement.id"), "main")
        self.open("devices", "Devices")
        self.browser.run("document.querySelector('.skip').focus()")
        self.browser.keys(ENTER)
        self.assertEqual(self.browser.run("return [document.activeElement.id, location.hash]"), ["main", "#/devices"])
        self.browser.run("document.querySelector('.brand').focus()")
        for _ in range(20):
            self.browser.keys(TAB)
            if self.browser.run("return document.activeElement.textContent") == "Turned away":
                break
        self.assertNotEqual(self.browser.run("return getComputedStyle(document.activeElement).outlineStyle"), "none")
        self.browser.keys(ENTER)
        self.browser.wait("return document.querySelector('h1')?.textContent === 'Turned away'")
        self.assertEqual(self.browser.run("return document.activeElement.id"), "main")

    def test_blocking_needs_the_scope(self):
        self.play()
        self.log_in("viewer")
        self.open(*VIEWS["device"])
        self.assertNotIn("Block this device", self.text())
        self.browser.run("sessionStorage.clear(); location.reload()")
        self.browser.wait("return document.querySelector('h1')?.textContent === 'Log in'")
        self.log_in("operator")
        self.open(*VIEWS["device"])
        self.browser.run("[...document.querySelectorAll('button')].find((item) => item.textContent === 'Block this device').click()")
        self.browser.wait("return document.body.innerText.includes('Let it in again')")
        self.assertEqual(self.state(self.serving, VIEWS["device"][1])[0], "blocked")

    def test_a_held_device_is_approved(self):
        self.write_profile("valve.yaml", METER.replace("class: water-meter", "class: valve\nrebootstrap: approve").replace("201", "301"))
        self.serving.send_signal(1)
        self.serving.log.wait("server.reloaded")
        self.enroll(self.serving, "valve-1", "valve")
        self.bootstrap(self.serving, "valve-1")
        self.show(self.serving, "valve-1")
        self.device(self.serving, "valve-1", "--timeout", "3s")
        self.serving.log.wait("session.held")
        self.assertEqual(self.state(self.serving, "valve-1")[0], "held")
        self.log_in("operator")
        self.assertIn("Waiting for approval", self.text())
        self.open("device/valve-1", "valve-1")
        self.check("a held device")
        self.browser.run("[...document.querySelectorAll('button')].find((item) => item.textContent === 'Approve this device').click()")
        self.browser.wait("return !document.body.innerText.includes('Approve this device')")
        self.bootstrap(self.serving, "valve-1")

    def test_a_token_that_is_revoked_and_a_server_that_stops(self):
        self.log_in()
        tokens = self.ask(self.serving, "GET", "/v1/tokens")["tokens"]
        self.ask(self.serving, "DELETE", "/v1/tokens/" + tokens[0]["id"])
        self.browser.wait("return document.querySelector('h1')?.textContent === 'Log in'")
        self.assertIn("revoked", self.text())
        self.log_in()
        self.serving.stop()
        self.browser.wait("return document.body.innerText.includes('No answer')")

    def test_many_devices_do_not_slow_it(self):
        self.log_in()
        names = [f"mass-{i:05}" for i in range(2000)]
        for name in names:
            self.ask(self.serving, "PUT", device_path(name), {"class": "street-light", "generate": True})
        self.open("devices", "Devices")
        self.browser.wait("return document.querySelectorAll('tbody tr').length === 100")
        self.assertLess(self.browser.run("return document.querySelectorAll('*').length"), 3000)

    def test_hostile_names_are_text(self):
        name = "<img src=x onerror=alert(1)>\"'&"
        self.ask(self.serving, "PUT", device_path(name), {"class": "street-light", "generate": True, "tags": {"note": "<b>x</b>"}})
        self.device(self.serving, name, identity="<script>alert(2)</script>", key=self.new_key("x"))
        self.log_in()
        self.browser.errors()
        for place, heading in (("devices", "Devices"), ("turned-away", "Turned away"), ("device/" + "".join(f"%{ord(c):02x}" for c in name), name)):
            self.open(place, heading)
            self.assertEqual(self.browser.run("return document.querySelectorAll('main img, main script, main b').length"), 0)
        self.assertEqual(self.browser.errors(), [])


main()
