"""Reads the declarations of the installed C headers: what check_header and check_symbols compare.

The headers keep to a small part of C (no unions, bit-fields, inline functions or macros that carry meaning), so a few
expressions read them; what they do not understand is an error, never skipped.
"""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADERS = [ROOT / "include/jaxvjp/jaxvjp.h", ROOT / "include/jaxvjp/ops.h"]


def body(path):
    """The declarations: no comments, no preprocessor lines, no extern "C" braces."""
    text = re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.S)
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*$", "", text, flags=re.M)
    text = re.sub(r'extern "C" \{', "", text)
    depth, kept = 0, []
    for c in text:
        depth += (c == "{") - (c == "}")
        if depth < 0:  # the brace that closes extern "C"
            depth = 0
            continue
        kept.append(c)
    return "".join(kept)


def statements(text):
    start = depth = 0
    for i, c in enumerate(text):
        depth += (c in "{(") - (c in "})")
        if c == ";" and depth == 0:
            yield " ".join(text[start:i].split())
            start = i + 1
    assert not text[start:].strip(), f"not a declaration: {text[start:].strip()[:80]}"


def constants(listing):
    value = -1
    for item in filter(None, (i.strip() for i in listing.split(","))):
        name, _, number = (part.strip() for part in item.partition("="))
        value = int(number, 0) if number else value + 1
        yield f"constant {name} = {value}"


def declarations(path):
    """Lines such as 'function int32_t jaxvjp_failed(const jaxvjp_context *cx)', in the order of the file."""
    for name, value in re.findall(r"^#define (JAXVJP_\w+) (INT64_MIN|-?\d\w*)", path.read_text(), flags=re.M):
        yield f"constant {name} = {value}"
    for s in statements(body(path)):
        if m := re.fullmatch(r"enum \{(.*)\}", s):
            yield from constants(m[1])
        elif m := re.fullmatch(r"typedef struct (\w+) \1", s):
            yield f"handle {m[1]}"
        elif m := re.fullmatch(r"typedef struct (\w+) \{(.*)\} \1", s):
            for i, field in enumerate(f.strip() for f in m[2].split(";") if f.strip()):
                yield f"field {m[1]}[{i}] {field}"
        elif m := re.fullmatch(r"typedef (.+?) \(\*(\w+)\)(\(.*\))", s):
            yield f"callback {m[1]} {m[2]}{m[3]}"
        elif m := re.fullmatch(r"JAXVJP_API\((.+?)\) (jaxvjp_\w+)(\(.*\))", s):
            yield f"function {m[1]} {m[2]}{m[3]}"
        else:
            raise SystemExit(f"{path.name}: cannot read: {s}")


def dump():
    return [line for path in HEADERS for line in declarations(path)]


def functions():
    return sorted(re.search(r"(jaxvjp_\w+)\(", line)[1] for line in dump() if line.startswith("function"))
