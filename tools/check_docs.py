#!/usr/bin/env python3
"""What the documents show is so: programs in C compile, run and print what stands below them, code in C++ stands in the
sources, the table of layers is that of check_layers.py, and links lead somewhere.

    check_docs.py LIBRARY                    compare
    JAXVJP_UPDATE=1 check_docs.py LIBRARY    write what the programs print, and the table, into the documents

The word after a fence's language says what a block is:

    c NAME          declarations of the program NAME, in the order of the document
    c NAME main     statements of its main, where `cx` is a context
    c NAME whole    all of it
    text NAME       what the statements (or the whole program) just above print
    cpp PATH        lines that stand in PATH as they are
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import check_layers

ROOT = check_layers.ROOT
UPDATE = bool(os.environ.get("JAXVJP_UPDATE"))
DOCUMENTS = ["README.md", "DESIGN.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/README.md"]
BLOCK = re.compile(r"^```(c|cpp|text)\b *(\S*) *(\w*)\n(.*?)^```$", re.S | re.M)
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[\w-]*)?\)")
TABLE = re.compile(r"(<!-- layers -->\n).*?(<!-- end -->)", re.S)
FLAGS = ["-std=c99", "-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-pthread"]
HEAD = "#define _POSIX_C_SOURCE 200809L\n" + "".join(
    f"#include <{name}.h>\n" for name in ("jaxvjp/jaxvjp", "math", "pthread", "stdio", "stdlib", "string"))
# What several of the documents' programs print is told apart by a form feed.
MAIN = """int main(void) {{
  jaxvjp_context *cx = jaxvjp_context_new(NULL);
  int32_t failed;
{}
  failed = jaxvjp_failed(cx);
  if (failed) fprintf(stderr, "%s\\n", jaxvjp_error_text(cx));
  jaxvjp_context_free(cx);
  return failed != 0;
}}
"""


class Problem(Exception):
    pass


class Program:
    """declarations and statements: (line, code); outputs: (statement it belongs to, the text block)."""

    def __init__(self, document, name):
        self.document, self.name = document, name
        self.declarations, self.statements, self.outputs = [], [], {}
        self.whole = False

    def add(self, role, line, code):
        self.whole = self.whole or role == "whole"
        (self.statements if role else self.declarations).append((line, code))

    def source(self):
        place = lambda piece: f'#line {piece[0]} "{self.document}"\n{piece[1]}'
        if self.whole:
            return place(self.statements[0])
        body = '  putchar(\'\\f\');\n'.join(place(s) for s in self.statements)
        return HEAD + "".join(map(place, self.declarations)) + MAIN.format(body)

    def run(self, library):
        """What each of its statements prints."""
        with tempfile.TemporaryDirectory() as work:
            source, binary = pathlib.Path(work, "program.c"), pathlib.Path(work, "program")
            source.write_text(self.source())
            subprocess.run(["cc", *FLAGS, f"-I{ROOT}/include", source, library, f"-Wl,-rpath,{library.parent}", "-lm", "-o",
                            binary], check=True, cwd=ROOT)
            done = subprocess.run([binary], capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise Problem(f"{self.document}: program {self.name}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.split("\f")


def line_of(text, position):
    return text.count("\n", 0, position) + 2  # the line below the fence


def read(document, text):
    """The document's programs, and problems with its other blocks."""
    programs, last, problems = {}, None, []
    for m in BLOCK.finditer(text):
        language, name, role, code = m.groups()
        where = f"{document}:{line_of(text, m.start())}"
        if language == "cpp":
            path = ROOT / name
            if not name or not path.is_file() or code not in path.read_text():
                problems.append(f"{where}: these lines do not stand in {name or 'a file that is named'}")
        elif language == "c":
            if not name or role not in ("", "main", "whole"):
                problems.append(f"{where}: a program in C needs a name")
                continue
            last = programs.setdefault(name, Program(document, name))
            last.add(role, line_of(text, m.start()), code)
        elif name and last and name == last.name and last.statements:
            last.outputs[len(last.statements) - 1] = m
        elif name:
            problems.append(f"{where}: no statements of {name} stand above this text")
    return programs.values(), problems


def check_programs(text, programs, library, problems):
    """The text with what the programs print."""
    found = []
    for program in programs:
        for i, printed in enumerate(program.run(library)):
            block = program.outputs.get(i)
            if block:
                found.append((block, printed))
            elif printed:
                problems.append(f"{program.document}: program {program.name} prints what no block shows: {printed}")
    for block, printed in sorted(found, key=lambda pair: -pair[0].start()):
        start, end = block.span(4)
        if text[start:end] != printed and not UPDATE:
            problems.append(f"program {block[2]}: the document says\n{text[start:end]}the program prints\n{printed}")
        text = text[:start] + printed + text[end:]
    return text


def layers_table():
    rows = ["| layer | may include, besides itself and the standard library |", "| --- | --- |"]
    for layer, allowed in check_layers.ALLOWED.items():
        names = [f"`{name}`" for name in allowed] + (["xsimd, BLAS"] if layer == "src/kernels" else [])
        rows.append(f"| `{layer}` | {', '.join(names) or 'nothing'} |")
    return "\n".join(rows) + "\n"


def check(document, library, problems):
    path = ROOT / document
    old = path.read_text()
    programs, found = read(document, old)
    problems += found
    text = check_programs(old, programs, library, problems)
    text = TABLE.sub(lambda m: m[1] + layers_table() + m[2], text)
    if text != old and UPDATE:
        path.write_text(text)
    elif text != old:
        problems.append(f"{document} is stale: JAXVJP_UPDATE=1 tools/check_docs.py LIBRARY, and read what changed")
    for target in LINK.findall(text):
        if not (path.parent / target).exists():
            problems.append(f"{document}: a link leads nowhere: {target}")


def main():
    library, problems = pathlib.Path(sys.argv[1]).resolve(), []
    for document in DOCUMENTS:
        try:
            check(document, library, problems)
        except (Problem, subprocess.SubprocessError) as problem:
            problems.append(str(problem))
    return "\n".join(problems) or 0


if __name__ == "__main__":
    sys.exit(main())
