#!/usr/bin/env python3
"""The lists of sources in the meson.build files name every source there is, in alphabetical order.

    check_sources.py            compare
    check_sources.py --update   write the lists

A list is `NAME = files(...)`; which files belong to it stands in the comment above: `# sources: src/core/*.cpp`.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = re.compile(r"^# sources: (\S+)\n(\w+) = files\((.*?)\)$", re.S | re.M)


def updated(build):
    """The text of a meson.build with its lists as they should be."""

    def listing(m):
        names = sorted(str(p.relative_to(build.parent)) for p in ROOT.glob(m[1]))
        body = "".join(f"  '{name}',\n" for name in names)
        return f"# sources: {m[1]}\n{m[2]} = files({chr(10) + body if body else ''})"

    return LIST.sub(listing, build.read_text())


def main():
    stale = []
    for build in sorted(p for d in (".", "src", "capi", "tests", "examples", "bench") for p in (ROOT / d).glob(
            "meson.build" if d == "." else "**/meson.build")):
        text = updated(build)
        if text == build.read_text():
            continue
        if "--update" in sys.argv:
            build.write_text(text)
        else:
            stale.append(f"{build.relative_to(ROOT)}: a list of sources is stale: tools/check_sources.py --update")
    return "\n".join(stale) or 0


if __name__ == "__main__":
    sys.exit(main())
