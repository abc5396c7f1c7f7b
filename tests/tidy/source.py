"""The project's files, and C++ text without its comments and literals."""

import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def all_files():
    """Every file of the project, relative to its root, sorted."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):  # not a checkout
        listed = []
        for folder, folders, names in os.walk(ROOT):
            folders[:] = [f for f in folders
                          if not f.startswith((".git", "build", "__pycache__"))]
            listed += [os.path.relpath(os.path.join(folder, n), ROOT) for n in names]
    return sorted({f for f in listed if f and os.path.isfile(os.path.join(ROOT, f))})


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def is_cpp(path):
    return path.endswith((".cc", ".h"))


TOKENS = re.compile(
    r'R"(?P<delimiter>[^\s()\\]{0,16})\(.*?\)(?P=delimiter)"'  # raw string
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'"  # not the separator of 10'000
    r"|//[^\n]*"
    r"|/\*.*?\*/",
    re.DOTALL)


def _blank(match):
    """As many lines, but nothing in them; literals keep their quotes."""
    text = match.group(0)
    quotes = '""' if text[0] in "\"'R" else " "
    return quotes + "\n" * text.count("\n")


def code_only(text):
    """C++ text without comments and without what literals say; lines stay."""
    return TOKENS.sub(_blank, text)


def comments(text):
    """(line, text) of each // comment."""
    for match in TOKENS.finditer(text):
        if match.group(0).startswith("//"):
            yield text.count("\n", 0, match.start()) + 1, match.group(0)


SCOPE = re.compile(r'\b(?:namespace|class|struct|enum|union)\b|\bextern\s*""')


def functions(text):
    """(first line, number of lines) of each function body in C++ text.

    An approximation by counting braces: a block that opens in a namespace or class,
    behind something with parentheses, is a function; what opens behind `namespace`,
    `class` and so on is a scope, whatever its parentheses.
    """
    code = re.sub(r"^\s*#.*?(?<!\\)$", "", code_only(text), flags=re.MULTILINE)
    found = []
    stack = []  # "scope", "function" or "other", with the line where it began
    line, start, start_line = 1, 0, 1
    depth_in_parentheses = 0
    for at, c in enumerate(code):
        if c == "\n":
            line += 1
        elif c in "()":
            depth_in_parentheses += 1 if c == "(" else -1
        elif c == "{":
            head = code[start:at]
            in_scope = all(kind == "scope" for kind, _ in stack)
            first = start_line + len(head[:len(head) - len(head.lstrip())].split("\n")) - 1
            if depth_in_parentheses > 0 or not in_scope:
                stack.append(("other", line))
            elif SCOPE.search(head) and not re.search(r"\)\s*(?:const)?\s*(?:noexcept)?\s*$", head):
                stack.append(("scope", line))
            elif "(" in head:
                stack.append(("function", first))
            else:
                stack.append(("other", line))
        elif c == "}" and stack:
            kind, first = stack.pop()
            if kind == "function":
                found.append((first, line - first + 1))
        if c in ";{}" and depth_in_parentheses == 0:
            start, start_line = at + 1, line
    return found
