#!/usr/bin/env python3
# Bytes and round trips of one bootstrap of a street light, counted by the server on the wire: step by
# step in two formats, and as a Bootstrap-Pack. Run: tests/bench/bytes.py BUILD-FOLDER
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv.pop()).resolve()
os.environ.update(USHERD=str(BUILD / "src/usherd"), USHER=str(BUILD / "src/usher"),
                  USHER_SIM=str(BUILD / "src/usher-sim"), USHER_SOURCE=str(SOURCE),
                  LIBCOAP_DEVICE=str(BUILD / "tests/interop/libcoap_device"))
sys.path.insert(0, str(SOURCE / "tests/func"))
from funclib import LIMIT, FuncTest  # noqa: E402

DEVICE = os.environ["LIBCOAP_DEVICE"]
SENML_JSON, SENML_CBOR, LWM2M_CBOR = 110, 112, 11544


class Bytes(FuncTest):
    def runTest(self):
        self.serving = self.server(profiles=SOURCE / "profiles").start()
        print(f"{'way':34} {'sent':>6} {'received':>9} {'exchanges':>10}")
        for name, options in (("step by step, TLV", ["--pct", "tlv"]),
                              ("step by step, SenML CBOR", ["--pct", "senml-cbor"]),
                              ("step by step, SenML JSON", ["--pct", "senml-json"])):
            endpoint = "urn:dev:os:0042-lamp7"
            self.enroll(self.serving, endpoint, "street-light")
            report = self.bootstrap(self.serving, endpoint, "--object", "3416", "--merge",
                                    "--lwm2m", "1.1", *options)
            self.show_row(name, endpoint, len(report["operations"]) + 1)
        for name, number in (("Bootstrap-Pack, SenML CBOR", SENML_CBOR),
                             ("Bootstrap-Pack, SenML JSON", SENML_JSON),
                             ("Bootstrap-Pack, LwM2M CBOR", LWM2M_CBOR)):
            endpoint = "urn:dev:os:0042-lamp7"
            self.enroll(self.serving, endpoint, "street-light")
            done = subprocess.run(
                [DEVICE, self.serving.address, str(self.serving.port), endpoint,
                 str(self.keys[endpoint]), endpoint, str(number)],
                capture_output=True, text=True, timeout=LIMIT)
            payload = next(line for line in done.stdout.splitlines() if line.startswith("payload"))
            blocks = -(-((len(payload) - 8) // 2) // 1024)
            self.show_row(name, endpoint, blocks)

    def show_row(self, name, endpoint, exchanges):
        self.show(self.serving, endpoint)
        path = f"/v1/devices/{endpoint.replace(':', '%3A')}/history?limit=1"
        last = self.ask(self.serving, "GET", path)["outcomes"][0]
        print(f"{name:34} {last['bytes_sent']:6} {last['bytes_received']:9} {exchanges:10}")
        self.ask(self.serving, "DELETE", f"/v1/devices/{endpoint.replace(':', '%3A')}")


test = Bytes()
result = test.run()
for _, text in result.errors + result.failures:
    print(text, file=sys.stderr)
sys.exit(0 if result.wasSuccessful() else 1)
