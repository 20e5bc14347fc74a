#!/usr/bin/env python3
"""Counts what the suites of some builds said: `N passed, N failed, N skipped`. Fails if any did.

    count_tests.py BUILD...

A gtest binary counts its cases, from the XML it wrote; one that failed without a failing case (a leak found at exit, a
crash) is a failure more. A script counts as one. A build whose tests did not run is one failure.
"""
import json
import pathlib
import sys
import xml.etree.ElementTree as xml


def cases(path):
    """passed, failed, skipped of a gtest XML."""
    passed = failed = skipped = 0
    for case in xml.parse(path).iter("testcase"):
        if case.get("status") == "notrun":
            continue
        failed_here, skipped_here = case.find("failure") is not None, case.find("skipped") is not None
        failed += failed_here
        skipped += skipped_here and not failed_here
        passed += not failed_here and not skipped_here
    return passed, failed, skipped


def count(build):
    log = build / "meson-logs/testlog.json"
    if not log.exists():
        print(f"{build}: not built, no tests run")
        return 0, 1, 0
    total = [0, 0, 0]
    for line in log.read_text().splitlines():
        test = json.loads(line)
        name, result = test["name"].split(" / ")[-1].split(":")[-1], test["result"]
        report = build / f"{name}.xml"
        found = cases(report) if report.exists() else (0, 0, 0)
        if result == "SKIP":
            found = (0, 0, 1)
        elif result not in ("OK", "EXPECTEDFAIL"):
            if not found[1]:
                found = (found[0], 1, found[2])
            print(f"{build}: {name}: {result}")
        elif not report.exists():
            found = (1, 0, 0)
        total = [a + b for a, b in zip(total, found)]
    return total


def main():
    passed, failed, skipped = map(sum, zip(*(count(pathlib.Path(b)) for b in sys.argv[1:])))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
