# A browser under control: the WebDriver protocol (W3C) over plain HTTP, as far as the tests need it.
# SPDX-License-Identifier: Apache-2.0
import base64
import http.client
import json
import re
import shutil
import subprocess
import tempfile
import time

LIMIT = 60
ARGUMENTS = ["--headless=new", "--disable-gpu", "--no-sandbox", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-dev-shm-usage", "--hide-scrollbars", "--lang=en-GB"]


def find():
    """(browser, driver), or None where one is missing."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class Browser:
    def __init__(self):
        browser, driver = find()
        self.folder = tempfile.TemporaryDirectory(prefix="usher-browser-")
        self.driver = subprocess.Popen([driver, "--port=0"], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.port = None
        for line in self.driver.stdout:
            found = re.search(r"on port ([1-9]\d*)", line)
            if found:
                self.port = int(found[1])
                break
        options = {"binary": browser, "args": ARGUMENTS + [f"--user-data-dir={self.folder.name}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options,
                  "goog:loggingPrefs": {"browser": "ALL"}, "acceptInsecureCerts": True}
        try:
            answer = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            self.session = "/session/" + answer["sessionId"]
        except BaseException:
            self.end_driver()
            raise

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body),
                               headers={"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise AssertionError(f"{path}: {value['error']}: {value['message'][:500]}")
        return value

    def close(self):
        try:
            self.call("DELETE", self.session)
        finally:
            self.end_driver()

    def end_driver(self):
        self.driver.terminate()
        self.driver.wait(LIMIT)
        self.driver.stdout.close()
        self.folder.cleanup()

    def go(self, url):
        self.call("POST", self.session + "/url", {"url": url})

    def run(self, script, *arguments):
        return self.call("POST", self.session + "/execute/sync",
                         {"script": script, "args": list(arguments)})

    def wait(self, script, *arguments):
        """Until the script's value is true; that value."""
        deadline = time.monotonic() + LIMIT
        while True:
            value = self.run(script, *arguments)
            if value:
                return value
            if time.monotonic() > deadline:
                text = self.run("return document.body.innerText")
                raise AssertionError(f"never true: {script}\nThe page says:\n{text[:3000]}")
            time.sleep(0.05)

    def command(self, name, **parameters):
        """One of the browser's own (Chrome DevTools Protocol)."""
        return self.call("POST", self.session + "/goog/cdp/execute",
                         {"cmd": name, "params": parameters})

    def keys(self, *keys):
        """Pressed one after the other, at what has the focus."""
        actions = []
        for key in keys:
            actions += [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.call("POST", self.session + "/actions",
                  {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def errors(self):
        """What the page complained of since the last call."""
        log = self.call("POST", self.session + "/se/log", {"type": "browser"})
        return [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]

    def look(self, width, height, dark=False):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height,
                     deviceScaleFactor=1, mobile=width < 600)
        self.command("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}])

    def picture(self, path, most=1400):
        """The whole page as PNG, not higher than `most`."""
        size = self.run("return [innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], most), "scale": 1}
        data = self.command("Page.captureScreenshot", format="png", clip=clip,
                            captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))
