#!/usr/bin/env python3
"""Makes docs/conformance.md: every behaviour of tests/conformance/ids.txt with the tests that are named by its id.

    conformance_table.py                 write the page
    conformance_table.py --check         fail if the page is stale
    conformance_table.py [--check] XML   the same, where a test also counts only if this gtest report says it passed

Fails too where a row says `now` and has no test, says something else and has one, or a test has an id that is no row's.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests/conformance"
PAGE = ROOT / "docs/conformance.md"

TEST = re.compile(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(([A-Z]\d+)_\w+)\s*\)", re.M)
ROW = re.compile(r"([A-Z]\d+)\s+(now|later|bindings|not-planned)\s+(\S.*)")
HEADING = re.compile(r"[A-Z]\. \S.*")

HEAD = """# Conformance

What must hold of rules and transformations, by id, and the tests that pin it: `tests/conformance/group_*.cpp`, through the
C interface alone. Made by `tools/conformance_table.py` from the tests' names and `tests/conformance/ids.txt`.

*tested*: by the tests named. *later*: with a feature that is not there yet. *bindings*: has no counterpart in C. *not
planned*: not in the first release.

"""


def read_rows():
    """The lines of ids.txt: headings as strings, rows as (id, when, behaviour)."""
    rows = []
    for number, line in enumerate((TESTS / "ids.txt").read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        row = ROW.fullmatch(line)
        if not row and not HEADING.fullmatch(line):
            sys.exit(f"tests/conformance/ids.txt:{number}: neither a heading nor a row: {line}")
        rows.append(row.groups() if row else line)
    return rows


def read_tests():
    """id -> names of its tests, in the order of the sources."""
    tests = {}
    for source in sorted(TESTS.glob("*.cpp")):
        for _, name, id in TEST.findall(source.read_text()):
            tests.setdefault(id, []).append(name)
    return tests


def not_passed(report):
    """Names of tests that a gtest report has as failed, skipped or not run; and of all that it has."""
    bad, seen = set(), set()
    for case in xml.parse(report).iter("testcase"):
        name = case.get("name").split("/")[0]
        seen.add(name)
        if case.get("status") == "notrun" or case.find("failure") is not None or case.find("skipped") is not None:
            bad.add(name)
    return bad, seen


def contradictions(rows, tests):
    ids = {row[0]: row[1] for row in rows if not isinstance(row, str)}
    listed = [row[0] for row in rows if not isinstance(row, str)]
    for id in sorted(set(i for i in listed if listed.count(i) > 1)):
        yield f"{id} is listed twice"
    for id, when in ids.items():
        if when == "now" and id not in tests:
            yield f"{id} has no test"
        if when != "now" and id in tests:
            yield f"{id} is said to be `{when}`, and has a test: {tests[id][0]}"
    for id in tests:
        if id not in ids:
            yield f"{tests[id][0]}: {id} is not in tests/conformance/ids.txt"


def page(rows, tests):
    """The page, and how many rows have each status."""
    text, counts = [], {}
    for row in rows:
        if isinstance(row, str):
            text.append(f"\n## {row}\n\n| id | behaviour | tests | status |\n| --- | --- | --- | --- |\n")
            continue
        id, when, behaviour = row
        status = {"now": "tested", "not-planned": "not planned"}.get(when, when)
        counts[status] = counts.get(status, 0) + 1
        names = " ".join(f"`{name}`" for name in tests.get(id, []))
        text.append(f"| {id} | {behaviour} | {names} | {status} |\n")
    total = ", ".join(f"{n} {status}" for status, n in counts.items())
    return HEAD + f"{sum(counts.values())} behaviours: {total}.\n" + "".join(text)


def main():
    arguments = [a for a in sys.argv[1:] if a != "--check"]
    rows, tests = read_rows(), read_tests()
    errors = list(contradictions(rows, tests))
    for report in arguments:
        bad, seen = not_passed(report)
        names = [name for group in tests.values() for name in group]
        errors += [f"{name}: {'did not pass' if name in bad else 'did not run'}" for name in names
                   if name in bad or name not in seen]
    if errors:
        return "\n".join(errors)
    new = page(rows, tests)
    if "--check" not in sys.argv:
        PAGE.write_text(new)
    elif not PAGE.exists() or PAGE.read_text() != new:
        return "docs/conformance.md is stale: tools/conformance_table.py"
    return 0


if __name__ == "__main__":
    sys.exit(main())
