#!/usr/bin/env python3
# Shows that scripts/check-layers finds each kind of wrong include, and accepts right ones.
# SPDX-License-Identifier: Apache-2.0
import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECK_LAYERS = pathlib.Path(__file__).resolve().parents[2] / "scripts/check-layers"

TABLE = """
modules = {
  'base': [],
  'model': ['base'],
  'store': ['model', 'base', 'sqlite'],
  'http': ['store', 'model', 'base', 'libmicrohttpd'],
}
programs = {
  'usherd': [http_dep],
}
"""

RIGHT = {
    "src/meson.build": TABLE,
    "include/usher/base.h": "/* module: base */\n#include <stdint.h>\n",
    "include/usher/path.h": '/* Paths. */\n/* module: model */\n#include "usher/base.h"\n',
    "include/usher/store.h": '/* module: store */\n#include "usher/path.h"\n',
    "include/usher/http.h": '/* module: http */\n#include "usher/base.h"\n',
    "src/base/base.c": '#include "usher/base.h"\n#include <unistd.h>\n',
    "src/model/path.c": '#include "usher/path.h"\n#include "path_priv.h"\n',
    "src/model/path_priv.h": "#include <string.h>\n",
    "src/store/store.c": '#include "usher/store.h"\n#include <sqlite3.h>\n',
    "src/http/http.c": '#include "usher/http.h"\n#include "usher/store.h"\n#include <microhttpd.h>\n',
    "src/main_usherd.c": '#include "usher/http.h"\n',
}


class CheckLayers(unittest.TestCase):
    def check(self, changes):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in {**RIGHT, **changes}.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return subprocess.run([sys.executable, CHECK_LAYERS, root], capture_output=True, text=True)

    def refuses(self, name, text, *words):
        result = self.check({name: text})
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        for word in (name, *words):
            self.assertIn(word, result.stderr)

    def test_clock_in_the_driver(self):
        table = TABLE.replace("}\nprograms", "  'server': ['base'],\n}\nprograms")
        tree = {"src/meson.build": table, "src/server/worker.c": "#include <time.h>\n"}
        self.assertEqual(self.check(tree).returncode, 0)
        result = self.check({**tree, "src/server/driver.c": "#include <time.h>\n"})
        self.assertEqual(result.returncode, 1)
        self.assertIn("src/server/driver.c:1", result.stderr)
        self.assertIn("told the time", result.stderr)

    def test_right_tree(self):
        result = self.check({})
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("of 4 modules", result.stdout)

    def test_upward(self):
        self.refuses("src/model/up.c", '#include "usher/store.h"\n', ":1:", "`model`", "`store`")

    def test_upward_in_public_header(self):
        self.refuses("include/usher/value.h", '/* module: model */\n#include "usher/store.h"\n', ":2:")

    def test_foreign_library(self):
        self.refuses("src/http/db.c", "#include <sqlite3.h>\n", "`sqlite`")

    def test_unknown_library(self):
        self.refuses("src/http/glib.c", "#  include <glib.h>\n", "glib.h")

    def test_private_header_by_path(self):
        self.refuses("src/store/peek.c", '#include "../model/path_priv.h"\n', "private")

    def test_private_header_by_name(self):
        self.refuses("src/store/peek.c", '#include "path_priv.h"\n', "private")

    def test_header_without_module(self):
        self.refuses("include/usher/lost.h", "#include <stdint.h>\n", "module: NAME")

    def test_header_of_unknown_module(self):
        self.refuses("include/usher/lost.h", "/* module: attic */\n", "attic")

    def test_missing_public_header(self):
        self.refuses("src/store/gone.c", '#include "usher/gone.h"\n', "usher/gone.h")

    def test_core_without_clock(self):
        self.refuses("src/model/now.c", "#include <time.h>\n", "core")

    def test_folder_without_entry(self):
        result = self.check({"src/attic/old.c": ""})
        self.assertEqual(result.returncode, 1)
        self.assertIn("src/attic", result.stderr)

    def test_program_uses_what_it_does_not_link(self):
        table = TABLE.replace("[http_dep]", "[model_dep]")
        result = self.check({"src/meson.build": table})
        self.assertEqual(result.returncode, 1)
        self.assertIn("src/main_usherd.c:1", result.stderr)

    def test_table_out_of_order(self):
        table = TABLE.replace("'base': []", "'base': ['store']")
        result = self.check({"src/meson.build": table})
        self.assertEqual(result.returncode, 1)
        self.assertIn("above", result.stderr)


if __name__ == "__main__":
    unittest.main()
