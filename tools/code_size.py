#!/usr/bin/env python3
"""How large the library is: lines of code, share of comments, lengths of files and functions, a row a layer.

    code_size.py            prints the table
    code_size.py --update   writes it into CONTRIBUTING.md
    code_size.py --check    fails where CONTRIBUTING.md has another one, a file is too long, or too many functions are

A line of code is one that is neither blank nor a comment alone; files that are generated do not count. A function's length is
that of its text, from its first line to the closing brace.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAYERS = ["src/core", "src/trace", "src/transforms", "src/control", "src/rules", "src/text", "src/primitives", "src/ops", "src/kernels", "src/exec",
          "src/api", "capi", "include/jaxvjp"]
CORE = LAYERS[:4]
LARGEST_FILE, LONG = 400, 30  # lines of a file, of a function
PAGE = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- tools/code_size.py --update -->\n", "<!-- end -->\n"
NOT_A_FUNCTION = re.compile(r"\s*(namespace|class|struct|enum|union|extern|if|for|while|switch|do|else|try|constexpr \w+ \w+ =)\b")


def functions(lines):
    """Lengths of the functions whose headers stand at namespace or class level."""
    lengths, start, indent, header = [], None, "", 0
    for i, line in enumerate(lines):
        if start is not None:
            if line.startswith(indent + "}"):
                lengths.append(i - start + 1)
                start = None
            continue
        if not line.strip() or line.rstrip().endswith((";", "}", ":")) or line.lstrip().startswith(("//", "#", "}")):
            header = i + 1
            continue
        if line.rstrip().endswith("{"):
            text = "".join(lines[header:i + 1])
            if "(" in text and not NOT_A_FUNCTION.match(lines[header]):
                start, indent = header, re.match(r"\s*", lines[header])[0]
            else:
                header = i + 1
    return lengths


def measure(layer):
    code = comments = 0
    longest_file, lengths = 0, []
    for path in sorted((ROOT / layer).rglob("*.[hc]*")):
        text = path.read_text()
        if "do not edit" in text[:400] or "generated" in text[:300]:
            continue
        lines = text.splitlines()
        plain = [line.strip() for line in lines if line.strip()]
        alone = sum(line.startswith(("//", "/*", "*")) for line in plain)
        code += len(plain) - alone
        comments += alone
        longest_file = max(longest_file, len(lines))
        lengths += functions(lines)
    return code, comments, longest_file, lengths


def row(name, code, comments, longest_file, lengths):
    short = sum(n < LONG for n in lengths)
    share = round(100 * comments / max(1, code + comments))
    return f"| {name} | {code} | {share} % | {longest_file} | {len(lengths)} | {round(100 * short / max(1, len(lengths)))} % |\n"


def table():
    found = {layer: measure(layer) for layer in LAYERS}
    text = ("| layer | lines of code | comments | longest file | functions | under 30 lines |\n"
            "| --- | --- | --- | --- | --- | --- |\n")
    text += "".join(row(f"`{layer}`", *found[layer]) for layer in LAYERS)
    total = [found[layer] for layer in CORE]
    core = (sum(t[0] for t in total), sum(t[1] for t in total), max(t[2] for t in total), sum((t[3] for t in total), []))
    text += row("core, trace, transforms, control", *core)
    problems = []
    for layer in CORE:
        if found[layer][2] > LARGEST_FILE:
            problems.append(f"{layer} has a file of {found[layer][2]} lines, of {LARGEST_FILE} at most")
    if sum(n < LONG for n in core[3]) < 0.9 * len(core[3]):
        problems.append("fewer than nine functions in ten have under 30 lines")
    return text, problems


def main():
    text, problems = table()
    page = PAGE.read_text()
    begin, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    if "--update" in sys.argv:
        PAGE.write_text(page[:begin] + text + page[end:])
    elif "--check" not in sys.argv:
        print(text, end="")
    elif page[begin:end] != text:
        problems.append("CONTRIBUTING.md: the table of sizes is stale: tools/code_size.py --update")
    return "\n".join(problems) or 0


if __name__ == "__main__":
    sys.exit(main())
