#!/usr/bin/env python3
"""Style as a test: which folder may include which, how long files and functions
may be, which calls are banned where, that nothing is dead and no link is broken."""

import ast
import os
import re
import unittest

from source import ROOT, all_files, code_only, comments, functions, is_cpp, read

MAX_SOURCE_LINES = 500
MAX_HEADER_LINES = 300
MAX_FUNCTION_LINES = 90

# Which folders of lib/ a folder may include, besides itself and include/.
CORE = ["base"]
PART = ["base", "core", "scheduling", "image"]
RUNTIME = PART + ["journal", "producers", "resources", "instances", "net", "providers"]
ARROWS = {
    "base": [],
    "core": CORE,
    "scheduling": CORE,
    "image": CORE,
    "journal": PART,
    "producers": PART,
    "resources": PART,
    "instances": PART,
    "net": PART,
    "providers": ["base", "net"],
    "runtime": RUNTIME,
    "api": ["base", "net"],
    "testing": RUNTIME + ["runtime"],
}
PROGRAMS = {
    "server": ["base", "net", "api", "journal", "server"],  # journal/inspect.h
    "cli": ["base", "net", "api", "cli"],
}

# Where headers of other libraries may be included, and whether by headers of ours.
LIBRARIES = {
    "asio": (["lib/net", "lib/runtime"], False),
    "httplib": (["lib/net", "bench"], False),
    "rapidjson": (["lib"], False),
    "embree3": (["lib/producers", "bench"], False),
    "curl": (["lib/net"], False),
    "wslay": (["lib/net"], False),
    "argon2": (["server"], False),
    "sqlite3": (["lib/journal", "bench"], False),
    "spdlog": (["server"], False),
    "CLI": (["cli"], False),
    "openssl": (["lib/base", "lib/net"], False),
    "doctest": (["tests"], True),
}

BANNED = {
    "everywhere": [
        r"\b(?:rand|srand|drand48)\s*\(", r"\b(?:localtime|gmtime|ctime|asctime)\s*\(",
        r"(?<![\w.>])(?:std::)?system\s*\(", r"\bpopen\s*\(", r"\btmpnam\s*\(", r"\bmktemp\s*\(",
        r"\b(?:strcpy|strcat|strncpy|sprintf|vsprintf|gets|strtok)\s*\(",
        r"\b(?:atoi|atol|atof)\s*\(", r"\balloca\s*\(", r"\busing\s+namespace\s+std\b",
        r"\bsetjmp\b", r"\blongjmp\b", r"\bvolatile\b",
    ],
    "core": [
        r"_clock\b", r"\b(?:time|clock|clock_gettime|gettimeofday)\s*\(",
        r"\brandom_device\b", r"\bmt19937", r"\b(?:std::)?(?:jthread|thread|mutex|async|atomic)\b",
        r"\bcondition_variable\b", r"\bunordered_", r"\b(?:i|o)?fstream\b", r"\biostream\b",
        r"\bstd::c(?:out|err|in)\b", r"\bf?printf\s*\(", r"\bf?open\s*\(", r"\bstd::filesystem\b",
        r"\bgetenv\s*\(", r"\brapidjson\b",
    ],
    "tests": [r"\bsleep_(?:for|until)\b", r"\bu?sleep\s*\(", r"\bnanosleep\s*\("],
}
PYTHON_BANNED = [r"\btime\.sleep\b", r"\bfrom time import\b.*\bsleep\b", r"\bos\.system\b",
                 r"\bshell\s*=\s*True\b"]

FILES = all_files()
CPP = [f for f in FILES if is_cpp(f)]
PYTHON = [f for f in FILES if f.endswith(".py")]
TEXT = [f for f in FILES
        if f.endswith((".cc", ".h", ".in", ".py", ".sh", ".md", "meson.build", "run"))]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)

# Examples in headers are indented by four spaces or more.
CODE_IN_COMMENT = re.compile(
    r"^// ?(?:[\w:<>*&.\-\[\]]+(?: [\w:*&]+)?(?: ?=[^;]*|\([^;]*\));|\}|"
    r"(?:if|for|while|switch) ?\(.*\{|return\b.*;|#include.*)$")


def includes(path):
    return INCLUDE.findall(read(path))


def part_of(path):
    """"lib/core/state.h" -> "core"; "server/rest.h" -> "server"."""
    parts = path.split("/")
    return parts[1] if parts[0] == "lib" else parts[0]


class Tidy(unittest.TestCase):
    def report(self, problems):
        self.assertFalse(problems, "\n" + "\n".join(problems))

    def test_includes_follow_the_arrows(self):
        problems = []
        for path in CPP:
            part = part_of(path)
            for bracket, name in includes(path):
                folder = name.split("/")[0]
                if bracket == "<" or "/" not in name or folder not in ARROWS | PROGRAMS | {"lib": 0}:
                    continue
                if path.startswith("lib/"):
                    allowed = ARROWS.get(part, []) + [part]
                elif part in PROGRAMS:
                    allowed = PROGRAMS[part]
                elif part in ("examples", "include", "bindings"):
                    allowed = []
                else:  # tests and benchmarks see everything
                    allowed = [*ARROWS, *PROGRAMS]
                if folder not in allowed:
                    problems.append(f"{path} must not include {name}")
        self.report(problems)

    def test_public_headers_include_std_and_their_own_only(self):
        problems = []
        for path in CPP:
            if not path.startswith("include/"):
                continue
            for bracket, name in includes(path):
                standard = re.fullmatch(r"[a-z_]+", name)
                if bracket != "<" or not (standard or name.startswith("francine/")):
                    problems.append(f"{path} must not include {name}")
        self.report(problems)

    def test_libraries_stay_where_they_belong(self):
        problems = []
        for path in CPP:
            for _, name in includes(path):
                library = re.split(r"[/.]", name)[0]
                if library not in LIBRARIES or name == "rapidjson/fwd.h":
                    continue
                folders, in_headers = LIBRARIES[library]
                if not path.startswith(tuple(f + "/" for f in folders + ["tests"])):
                    problems.append(f"{path} must not include {name}")
                if path.endswith(".h") and not in_headers:
                    problems.append(f"{path} is a header and must not include {name}")
        self.report(problems)

    def test_include_guards(self):
        problems = []
        for path in CPP:
            if not path.endswith(".h"):
                continue
            name = path.removeprefix("lib/").removeprefix("include/francine/")
            guard = re.sub(r"[^A-Z0-9]", "_", f"FRANCINE_{name}".upper())
            if f"#ifndef {guard}\n#define {guard}\n" not in read(path):
                problems.append(f"{path} needs the include guard {guard}")
        self.report(problems)

    def test_lengths_of_files(self):
        problems = []
        for path in CPP + PYTHON:
            lines = read(path).count("\n")
            limit = MAX_HEADER_LINES if path.endswith(".h") else MAX_SOURCE_LINES
            if lines > limit:
                problems.append(f"{path} has {lines} lines, more than {limit}")
        self.report(problems)

    def test_lengths_of_functions(self):
        problems = []
        for path in CPP:
            for line, length in functions(read(path)):
                if length > MAX_FUNCTION_LINES:
                    problems.append(f"{path}:{line}: a function of {length} lines")
        for path in PYTHON:
            for node in ast.walk(ast.parse(read(path))):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    length = node.end_lineno - node.lineno + 1
                    if length > MAX_FUNCTION_LINES:
                        problems.append(f"{path}:{node.lineno}: a function of {length} lines")
        self.report(problems)

    def test_banned_calls(self):
        problems = []

        def search(path, code, patterns):
            for pattern in patterns:
                for match in re.finditer(pattern, code):
                    line = code.count("\n", 0, match.start()) + 1
                    problems.append(f"{path}:{line}: {match.group(0)}")

        for path in CPP:
            code = code_only(read(path))
            search(path, code, BANNED["everywhere"])
            if path.startswith(("lib/core/", "lib/scheduling/")):
                search(path, code, BANNED["core"])
            if path.startswith("tests/"):
                search(path, code, BANNED["tests"])
        for path in PYTHON:
            if path != "tests/tidy/tidy_test.py":
                search(path, read(path), PYTHON_BANNED)
        self.report(problems)

    def test_whitespace(self):
        problems = []
        for path in TEXT:
            text = read(path)
            for number, line in enumerate(text.split("\n"), 1):
                if line != line.rstrip():
                    problems.append(f"{path}:{number}: trailing white space")
                if "\t" in line:
                    problems.append(f"{path}:{number}: a tab")
                if "\r" in line:
                    problems.append(f"{path}:{number}: a carriage return")
            if text and not text.endswith("\n"):
                problems.append(f"{path}: no newline at the end")
            if text.endswith("\n\n"):
                problems.append(f"{path}: empty lines at the end")
        self.report(problems)

    def test_no_code_in_comments(self):
        problems = []
        for path in CPP:
            for line, comment in comments(read(path)):
                if CODE_IN_COMMENT.match(comment):
                    problems.append(f"{path}:{line}: {comment}")
                if re.search(r"\b(?:TODO|FIXME|XXX|HACK)\b", comment):
                    problems.append(f"{path}:{line}: {comment}")
        self.report(problems)

    def test_links_in_documents(self):
        problems = []
        for path in FILES:
            if not path.endswith(".md"):
                continue
            text = re.sub(r"^(?: {4}|```).*$", "", read(path), flags=re.MULTILINE)
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                target, _, anchor = target.partition("#")
                if re.match(r"[a-z]+:", target):
                    continue
                file = os.path.normpath(os.path.join(os.path.dirname(path), target or
                                                     os.path.basename(path)))
                if not os.path.exists(os.path.join(ROOT, file)):
                    problems.append(f"{path}: {target} does not exist")
                elif anchor and file.endswith(".md") and anchor not in anchors(file):
                    problems.append(f"{path}: {file} has no heading #{anchor}")
        self.report(problems)

    def test_the_readme_quotes_what_compiles(self):
        example = read("examples/embed.cc")
        quoted = re.findall(r"^```cpp\n(.*?)^```", read("README.md"), re.MULTILINE | re.DOTALL)
        self.assertTrue(quoted)
        self.report([code for code in quoted if code not in example])

    def test_every_file_is_used(self):
        problems = []
        build = {f: read(f) for f in FILES if f.endswith("meson.build")}
        included = {name for path in CPP for _, name in includes(path)}
        names = {os.path.basename(name) for name in included}
        python = "\n".join(read(f) for f in PYTHON)
        for path in FILES:
            folder, name = os.path.split(path)
            # A meson.build names the sources of its folder and of those below it.
            above = [text for file, text in build.items()
                     if (folder + "/").startswith(os.path.dirname(file) + "/")]
            stem = re.escape(name.removesuffix(".cc"))
            listed = any(re.search(rf"[/']{re.escape(name)}'", text) or
                         re.search(rf"'{stem}'", text) and "+ '.cc'" in text for text in above)
            if path.endswith(".cc") and not listed and f"{name}'" not in python:
                problems.append(f"{path} is in no meson.build")
            if path.endswith(".h") and name not in names and not listed:
                problems.append(f"{path} is included by nobody")
            if path.endswith("_test.py") and not listed:
                problems.append(f"{path} is in no meson.build")
        self.report(problems)


def anchors(path):
    """The anchors of a Markdown file's headings, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", read(path), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(words.strip().replace(" ", "-"))
    return found


class TheChecksThemselves(unittest.TestCase):
    """Checks that cannot fail are worth nothing."""

    def test_code_only(self):
        self.assertEqual(code_only("a // rand()\n"), "a  \n")
        self.assertEqual(code_only('f("rand()", \'"\');'), 'f("", "");')
        self.assertEqual(code_only('R"x(a)" b\n)x" + 1'), '""\n + 1')
        self.assertEqual(code_only("10'000 + rand() + 1'0"), "10'000 + rand() + 1'0")
        self.assertEqual(code_only("a /* b\n c */ d"), "a  \n d")

    def test_functions(self):
        body = "  x();\n" * 5
        text = ("namespace a {\nstruct B {\n  int f() const {\n" + body + "  }\n};\n"
                "int kTable[] = {\n1,\n};\n"
                "template <class T>\nstruct S g(\n    int b) {\n  if (b) {\n  }\n"
                "  auto l = [&](int c) {\n  };\n" + body + "}\n"
                "void h() {}\n}\n")
        self.assertEqual([length for _, length in functions(text)], [7, 13, 1])

    def test_code_in_comments(self):
        for comment in ["// x = 1;", "// int y = f(2);", "// foo(bar);", "// }",
                        "// if (a) {", "// return 0;", "//#include <a>"]:
            self.assertTrue(CODE_IN_COMMENT.match(comment), comment)
        for comment in ["// holds it while (and only while) a task runs;", "//     f(x);",
                        "// 64 bytes (a line);", "// nothing"]:
            self.assertFalse(CODE_IN_COMMENT.match(comment), comment)

    def test_banned(self):
        for code in ["rand()", "std::system(x)", "sprintf(a)", "localtime(&t)"]:
            self.assertTrue(any(re.search(p, code) for p in BANNED["everywhere"]), code)
        for code in ["snprintf(a)", "file.system(x)", "operand()", "localtime_r(&t)"]:
            self.assertFalse(any(re.search(p, code) for p in BANNED["everywhere"]), code)


if __name__ == "__main__":
    unittest.main()
