#!/usr/bin/env python3
"""check.py COMPILER...: a primitive without a required rule does not compile, and the compiler shows the sentence of its
file's first line; complete.cpp compiles."""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def problem(compiler, path):
    first = path.read_text().splitlines()[0]
    command = [*compiler, "-std=c++20", "-fsyntax-only", f"-I{ROOT / 'src'}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin:/usr/local/bin"})
    if not first.startswith("// expect: "):
        return f"does not compile:\n{done.stderr}" if done.returncode else None
    sentence = first.removeprefix("// expect: ")
    if done.returncode == 0:
        return "compiles"
    return None if sentence in done.stderr else f"does not say: {sentence}\n{done.stderr}"


def main():
    compiler, found = sys.argv[1:] or ["c++"], 0
    for path in sorted(HERE.glob("*.cpp")):
        if text := problem(compiler, path):
            print(f"{path.name}: {text}")
            found += 1
    return f"{found} of them" if found else 0


if __name__ == "__main__":
    sys.exit(main())
