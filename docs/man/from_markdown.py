#!/usr/bin/env python3
# Makes a manual page (mdoc) of a page in docs/, so that both say the same.
# SPDX-License-Identifier: Apache-2.0
"""Usage: from_markdown.py PAGE.md NAME SECTION "one line" "SEE ALSO entries" > NAME.SECTION

Reads what our pages use of Markdown: headings, paragraphs, lists, tables, code (indented or fenced),
`code`, **bold**, *emphasis*, [links](..), which keep their text. A table becomes a list: the first
column is the term. What stands before the first heading of the second level is the description."""
import re
import sys

DATE = "November 26, 2026"
CODE, BOLD, EMPHASIS = "\x01", "\x02", "\x03"
FONTS = {CODE: r"\fB", BOLD: r"\fB", EMPHASIS: r"\fI"}


def escape(text):
    return text.replace("\\", r"\e").replace("-", r"\-")


def inline(text):
    """One line's worth of text with its fonts; code is taken out first, as nothing in it is markup."""
    parts = re.split(r"(``.+?``|`[^`]+`)", text)
    done = ""
    for part in parts:
        if part.startswith("`"):
            done += FONTS[CODE] + escape(part.strip("`").strip()) + r"\fR"
            continue
        part = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", part)
        part = escape(part)
        part = re.sub(r"\*\*(.+?)\*\*", lambda m: FONTS[BOLD] + m.group(1) + r"\fR", part)
        part = re.sub(r"(?<![\w*])\*([^*\s][^*]*)\*(?!\w)",
                      lambda m: FONTS[EMPHASIS] + m.group(1) + r"\fR", part)
        done += part
    return done


def text_line(text):
    """A text line must not look like a request."""
    line = inline(text)
    return (r"\&" + line if line[:1] in (".", "'") else line) + "\n"


def macro_argument(text):
    """One argument of a macro: no word of it may be taken for another macro."""
    return '"' + inline(text).replace('"', r"\(dq") + '"'


def paragraphs(lines):
    """A sentence a line, as mdoc wants it: the spaces behind sentences are the formatter's."""
    text = " ".join(line.strip() for line in lines)
    return "".join(text_line(part) for part in re.split(r"(?<=[.?!]) +(?=\S)", text) if part)


def cells(row):
    # A bar inside code does not part columns.
    row = re.sub(r"`[^`]*`", lambda m: m.group(0).replace("|", "\x04"), row.strip().strip("|"))
    return [cell.strip().replace("\x04", "|") for cell in row.split("|")]


class Page:
    def __init__(self, lines):
        self.lines = lines
        self.at = 0
        self.out = ""

    def take_while(self, wanted):
        start = self.at
        while self.at < len(self.lines) and wanted(self.lines[self.at]):
            self.at += 1
        return self.lines[start:self.at]

    def heading(self):
        level, title = re.match(r"(#+) +(.*)", self.lines[self.at]).groups()
        self.at += 1
        if level == "#":
            return
        if level == "##":
            self.out += f".Sh {macro_argument(re.sub('[`*]', '', title).upper())}\n"
        else:
            self.out += f".Ss {macro_argument(re.sub('[`*]', '', title))}\n"

    def literal(self, lines):
        while lines and not lines[-1].strip():
            lines.pop()
        body = "".join((r"\&" if line[:1] in (".", "'") else "") + escape(line) + "\n"
                       for line in lines)
        self.out += ".Bd -literal -offset indent\n" + body + ".Ed\n"

    def fenced(self):
        self.at += 1
        self.literal(self.take_while(lambda line: not line.startswith("```")))
        self.at += 1

    def indented(self):
        lines = self.take_while(lambda line: line.startswith("    ") or not line.strip())
        self.literal([line[4:] for line in lines])

    def table(self):
        rows = [cells(row) for row in self.take_while(lambda line: line.startswith("|"))]
        titles = rows[0] if any(rows[0]) else None
        self.out += ".Bl -tag -width Ds\n"
        for row in rows[2:]:
            self.out += f".It {macro_argument(row[0])}\n"
            for title, cell in zip((titles or row)[1:-1], row[1:-1]):
                if cell:
                    self.out += paragraphs([f"{title}: {cell}." if titles else cell])
            self.out += paragraphs([row[-1]])
        self.out += ".El\n"

    def bullets(self):
        self.out += ".Bl -bullet -compact\n"
        while self.at < len(self.lines) and self.lines[self.at].startswith("- "):
            first = [self.lines[self.at][2:]]
            self.at += 1
            self.out += ".It\n" + paragraphs(
                first + self.take_while(lambda line: line.startswith("  ") and line.strip()))
        self.out += ".El\n"

    def prose(self):
        def more(line):
            return line.strip() and not re.match(r"#|\||```|    |- ", line)
        self.out += ".Pp\n" + paragraphs(self.take_while(more))

    def render(self):
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if not line.strip():
                self.at += 1
            elif line.startswith("#"):
                self.heading()
            elif line.startswith("```"):
                self.fenced()
            elif line.startswith("|"):
                self.table()
            elif line.startswith("- "):
                self.bullets()
            elif line.startswith("    "):
                self.indented()
            else:
                self.prose()
        # A paragraph break directly behind a heading or before a display says nothing.
        text = re.sub(r"(\.S[hs] [^\n]*\n)\.Pp\n", r"\1", self.out)
        return re.sub(r"\.Pp\n(\.B[dl] )", r"\1", text)


def main(path, name, section, what, also):
    with open(path, encoding="utf-8") as file:
        body = Page(file.read().splitlines()).render()
    body = re.sub(r"\A\.Pp\n", "", body)
    links = " ,\n".join(".Xr " + entry.replace("(", " ").replace(")", "") for entry in also.split())
    sys.stdout.write(f'.\\" SPDX-License-Identifier: Apache-2.0\n.\\" Made of docs/{path.split("/")[-1]}'
                     f"; change that.\n.Dd {DATE}\n.Dt {name.upper()} {section}\n.Os usher\n"
                     f".Sh NAME\n.Nm {name}\n.Nd {what}\n.Sh DESCRIPTION\n{body}"
                     f".Sh SEE ALSO\n{links}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
