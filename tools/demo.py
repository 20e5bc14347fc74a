#!/usr/bin/env python3
"""Runs the examples and compares every number that they print with the expected one.

    demo.py BUILD                   all of them; ends with one line that says whether every number is the expected one
    demo.py PROGRAM [ARGUMENTS...]  one; with arguments its output may be shorter than what is expected

What NAME is to print stands in examples/*/NAME.expected, line by line. Words must be the same, and

    3.14         is a number within one unit of its last digit (inf and nan are themselves)
    {0.20..0.24} is a number between these, {n} any number, the same wherever {n} stands
    *            is any text
    # ...        is a comment
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
NUMBER = r"(?<![\w.])[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|inf|nan)(?![\w])"
TOKEN = re.compile(r"\{(\S+?)\.\.(\S+?)\}|\{(\w+)\}|(\*)|(" + NUMBER + r")|\s+|(.)")


def last_digit(text):
    """The weight of the last digit: 0.01 of 3.14."""
    mantissa, _, exponent = text.partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def compile_line(line):
    """A pattern for the words of an expected line, and for each number in it a test of its text."""
    pattern, tests = "", []
    for low, high, name, any_text, number, other in TOKEN.findall(line):
        if low or name or number:
            pattern += f"({NUMBER})"
        if low:
            tests.append(lambda t, seen, a=float(low), b=float(high): a <= float(t) <= b)
        elif name:
            tests.append(lambda t, seen, n=name: seen.setdefault(n, t) == t)
        elif number in ("inf", "-inf", "nan"):
            tests.append(lambda t, seen, e=number: t == e)
        elif number:
            tests.append(lambda t, seen, e=number: abs(float(t) - float(e)) <= last_digit(e) * 1.0001)
        elif any_text:
            pattern += ".*?"
        else:
            pattern += re.escape(other) if other else r"\s+"
    return re.compile(pattern + r"\s*$"), tests


def compare(expected, printed, seen):
    """How many of the line's numbers are right, and how many there are; None when the words differ."""
    pattern, tests = compile_line(expected)
    found = pattern.match(printed)
    if not found:
        return None
    return sum(test(text, seen) for test, text in zip(tests, found.groups())), len(tests)


def run(program, arguments):
    """Prints what the program prints, with a mark on lines that are not as expected. Returns right and all numbers."""
    name = pathlib.Path(program).name
    path = next(ROOT.glob(f"examples/*/{name}.expected"))
    expected = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    done = subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True)
    printed = [line for line in done.stdout.splitlines() if line.strip()]
    print(f"== {name} {' '.join(arguments)}".rstrip())
    right = total = 0
    seen = {}
    for want, line in zip(expected, printed):
        score = compare(want, line, seen)
        print("  " + line)
        if not score or score[0] < score[1]:
            print(f"  ^ NOT AS EXPECTED: {want}")
        right, total = right + (score or (0, 1))[0], total + (score or (0, 1))[1]
    short = len(expected) - len(printed)
    if done.returncode or short < 0 or (short > 0 and not arguments) or not printed:
        print(f"  NOT AS EXPECTED: {len(printed)} lines for {len(expected)}, exit code {done.returncode}\n{done.stderr}")
        total += 1
    return right, total


def main():
    target = pathlib.Path(sys.argv[1]).resolve()
    programs = [target]
    if target.is_dir():
        programs = [next((target / "examples").rglob(path.stem)) for path in sorted(ROOT.glob("examples/*/*.expected"))]
    scores = [run(str(program), sys.argv[2:]) for program in programs]
    right, total = map(sum, zip(*scores))
    if right == total:
        print(f"demo: all {total} printed numbers are the expected ones")
    else:
        print(f"demo: {total - right} of {total} printed numbers are NOT the expected ones")
    return right != total


if __name__ == "__main__":
    sys.exit(main())
