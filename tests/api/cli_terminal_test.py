#!/usr/bin/env python3
"""francine on a terminal: what it paints, asks and does on Ctrl-C; and what is made
from its command line: man pages, completion, documentation."""

import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from cli import CLI, CliTest, painted
from harness import ROOT, SLOWNESS, Server

GENERATE = os.environ.get("FRANCINE_GENERATE",
                          os.path.join(os.path.dirname(CLI), "francine-generate"))
BAR = r"\[=*>? *\] +\d+% +\d+/\d+ shares  \d+:\d\d"
LONG = ["--parallel", "20000", "--width", "512", "--height", "512"]


class OnTerminal(CliTest):
    @classmethod
    def setUpClass(cls):
        cls.shared = Server()
        cls.addClassCleanup(cls.shared.close)

    def setUp(self):
        super().setUp()
        self.url = self.shared.url

    def session_named(self, terminal):
        terminal.expect(r"The session is (\w+)\.")
        return re.search(r"The session is (\w+)\.", terminal.shown).group(1)

    def state_of_only(self, session):
        answer = self.shared.get(f"/sessions/{session}/executions").json()
        self.assertEqual(len(answer["executions"]), 1)
        return answer["executions"][0]["state"]

    def test_the_bar(self):
        side = str(int(400 / SLOWNESS))
        terminal = self.terminal("render", "--parallel", "64", "--width", side, "--height", side,
                                 "-o", "a.png", columns=90)
        self.assertEqual(terminal.wait(), 0, terminal.shown)
        bars = re.findall(r"\r([^\r\n]*)\x1b\[K", terminal.shown)
        self.assertGreater(len([bar for bar in bars if re.match(BAR, bar)]), 1, bars)
        self.assertLess(max(map(len, bars)), 90)
        done = [int(bar) for bar in re.findall(r"(\d+)/64 shares", terminal.shown)]
        self.assertEqual(done, sorted(done))
        # In the end the bar is gone, and one line says what is there.
        self.assertRegex(painted(terminal.shown), r"^a\.png: png, [\d.]+ kB, in [\d.:]+ (s|min)\n$")
        self.assert_files("a.png")

    def test_quiet_is_silent(self):
        terminal = self.terminal("render", "--quiet", "-o", "a.png")
        self.assertEqual((terminal.wait(), terminal.shown), (0, ""))

    def test_a_narrow_and_a_dumb_terminal(self):
        terminal = self.terminal("render", "-o", "a.png", columns=20)
        self.assertEqual(terminal.wait(), 0)
        for bar in re.findall(r"\r([^\r\n]*)\x1b\[K", terminal.shown):
            self.assertLess(len(bar), 20)
        terminal = self.terminal("render", "-o", "a.png", TERM="dumb")
        self.assertEqual(terminal.wait(), 0)
        self.assertNotIn("\x1b", terminal.shown)

    def test_ctrl_c_cancels_on_the_server(self):
        terminal = self.terminal("render", *LONG, "-o", "a.png", "--keep-session")
        session = self.session_named(terminal)
        terminal.expect(BAR)
        terminal.type("\x03")
        self.assertEqual(terminal.wait(), 130, terminal.shown)
        self.assertRegex(terminal.shown, r"Cancelling the execution on the server.*\r\n"
                                         r"The execution is cancelled\.\r\n"
                                         r"francine: interrupted\r\n$")
        self.assertEqual(self.state_of_only(session), "cancelled")
        self.assert_files()
        self.cli("delete", session)

    def test_ctrl_c_leaves_no_session_of_ours(self):
        before = self.shared.get("/sessions").json()
        terminal = self.terminal("render", *LONG, "-o", "a.png")
        terminal.expect(BAR)
        terminal.type("\x03")
        self.assertEqual(terminal.wait(), 130)
        self.assertEqual(self.shared.get("/sessions").json(), before)

    def test_lines_and_sigterm_away_from_a_terminal(self):
        process = self.start("render", *LONG, "-o", "a.png")
        self.assertRegex(process.stderr.readline(), rb"^\d+%, \d+ of 20000 shares, \d+\.\d s")
        process.send_signal(signal.SIGTERM)
        self.assertIn(b"The execution is cancelled.", process.stderr.read())
        self.assertEqual(process.wait(), 143)

    def test_a_second_ctrl_c_quits_at_once(self):
        server = self.server(workers=1)
        self.url = server.url
        terminal = self.terminal("render", *LONG, "-o", "a.png")
        terminal.expect(BAR)
        os.kill(server.pid, signal.SIGSTOP)  # it will not answer
        self.addCleanup(os.kill, server.pid, signal.SIGCONT)
        terminal.type("\x03")
        terminal.expect("Ctrl-C again quits at once")
        terminal.type("\x03")
        self.assertEqual(terminal.wait(20), 130)
        self.assert_files()

    def test_a_watched_farm_is_painted_anew(self):
        terminal = self.terminal("status", "--watch")
        terminal.expect(r"(?s)\x1b\[H.*slots +\[.*\x1b\[H.*slots +\[")
        terminal.type("\x03")
        self.assertEqual(terminal.wait(), 0)

    def test_colors(self):
        self.assertIn("\x1b[1mNAME", self.shown("workers"))
        self.assertNotIn("\x1b", self.shown("workers", NO_COLOR="1"))
        self.assertNotIn("\x1b", self.shown("workers", TERM="dumb"))
        self.assertNotIn("\x1b", self.shown("workers", "--json"))

    def shown(self, *arguments, **more):
        terminal = self.terminal(*arguments, **more)
        self.assertEqual(terminal.wait(), 0)
        return terminal.shown

    def test_no_picture_on_a_terminal(self):
        terminal = self.terminal("render", "-o", "-")
        self.assertEqual(terminal.wait(), 2)
        self.assertIn("-o FILE", terminal.shown)


class Passwords(CliTest):
    def setUp(self):
        super().setUp()
        config = os.path.join(self.directory(), "config")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"users": {"anna": "secret word"}, "privateKey": "k" * 40}, file)
        self.url = self.server("--config", config, workers=1).url

    def test_the_password_is_asked_for_and_not_shown(self):
        terminal = self.terminal("login")
        terminal.expect("User for http://127.0.0.1:\\d+: ")
        self.assertTrue(terminal.echoes())
        terminal.type("anna\n")
        terminal.expect("Password of anna at http://127.0.0.1:\\d+: ")
        self.assertFalse(terminal.echoes())
        terminal.type("secret word\n")
        self.assertEqual(terminal.wait(), 0, terminal.shown)
        self.assertNotIn("secret", terminal.shown)
        self.assertIn("Logged in", terminal.shown)
        self.cli("sessions")

    def test_ctrl_c_and_the_end_of_input_at_the_password(self):
        for key, code in (("\x03", 130), ("\x04", 1)):
            terminal = self.terminal("login", "anna")
            terminal.expect("Password")
            terminal.type(key)
            terminal.read(0)
            self.assertEqual(terminal.wait(), code, terminal.shown)
        self.assertEqual(os.listdir(self.home), [])


class FromTheSameSource(CliTest):
    """What --help, man pages, completion and docs/cli.md say."""

    @classmethod
    def setUpClass(cls):
        cls.pages = tempfile.mkdtemp(prefix="francine-man-")
        cls.addClassCleanup(shutil.rmtree, cls.pages)
        subprocess.run([GENERATE, "man", cls.pages], check=True, timeout=60 * SLOWNESS)

    def commands(self):
        text = self.cli("--help").out.split("\nCommands:\n")[1].split("\n\n")[0]
        return re.findall(r"(?m)^  (\w+)", text)

    def options(self, command):
        return set(re.findall(r"(?<![\w-])--[a-z][\w-]*", self.cli(command, "--help").out))

    def page(self, name):
        with open(os.path.join(self.pages, name), encoding="utf-8") as file:
            return file.read()

    def test_help_fits_a_terminal(self):
        for command in [[], *([name] for name in self.commands())]:
            for line in self.cli(*command, "--help").out.splitlines():
                self.assertTrue(len(line) <= 80 or line.startswith("  francine"), line)
        self.assertGreaterEqual(len(self.commands()), 13)
        self.assertRegex(self.cli("--version").out, r"^francine \d+\.\d+\.\d+\n$")
        self.cli(code=2)
        self.assertIn("no command rendr", self.cli("rendr", code=2).err)

    def test_man_pages(self):
        names = {"francine.1"} | {f"francine-{name}.1" for name in self.commands()}
        self.assertEqual(set(os.listdir(self.pages)), names)
        for name in self.commands():
            page = self.page(f"francine-{name}.1").replace("\\-", "-")
            self.assertTrue(page.startswith(f".TH FRANCINE-{name.upper()} 1 "), page[:60])
            for option in self.options(name):
                self.assertIn(option, page)
            self.assertIn(f"francine-{name}", self.page("francine.1").replace("\\-", "-"))
        for heading in (".SH ENVIRONMENT", ".SH FILES", ".SH EXIT CODES"):
            self.assertIn(heading, self.page("francine.1"))

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_man_pages_are_well_formed(self):
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "error",
                               *glob.glob(os.path.join(self.pages, "*.1"))],
                              capture_output=True, check=False, timeout=60 * SLOWNESS)
        self.assertEqual(done.stdout, b"")

    def test_the_build_makes_every_page(self):
        with open(os.path.join(ROOT, "cli", "man", "meson.build"), encoding="utf-8") as file:
            build = file.read()
        for name in self.commands():
            self.assertIn(f"'{name}'", build)

    def test_docs(self):
        done = subprocess.run([GENERATE, "markdown"], capture_output=True, check=True,
                              timeout=60 * SLOWNESS)
        with open(os.path.join(ROOT, "docs", "cli.md"), "rb") as file:
            self.assertEqual(file.read().decode(), done.stdout.decode(),
                             "docs/cli.md: write it with francine-generate markdown")

    def complete(self, *words):
        """What bash offers for the last of the words."""
        script = ('source <("$0" completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
                  '_francine; printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-c", script, CLI, "francine", *words], cwd=self.work,
                              capture_output=True, check=False, timeout=60 * SLOWNESS)
        # compopt says that no completion is under way, which is true here.
        errors = [line for line in done.stderr.decode().splitlines() if "compopt" not in line]
        self.assertEqual(errors, [])
        return done.stdout.decode().split()

    def test_completion_of_bash(self):
        self.assertEqual(self.complete(""), self.commands())
        self.assertEqual(self.complete("re"), ["render", "result"])
        self.assertEqual(self.complete("--json", "wor"), ["workers"])
        for name in self.commands():
            offered = self.complete(name, "--")
            self.assertEqual(set(offered), self.options(name), name)
        self.assertEqual(self.complete("render", "--format", ""), ["png", "jpg", "exr"])
        self.assertEqual(self.complete("completion", "f"), ["fish"])
        self.assertEqual(self.complete("show", ""), [])

    def test_completion_scripts_mention_everything(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.cli("completion", shell).out
            for name in self.commands():
                self.assertIn(name, script)
            for option in self.options("render"):
                self.assertIn(option.removeprefix("--"), script)
            if shutil.which(shell):
                subprocess.run([shell, "-n"], input=script.encode(), check=True,
                               timeout=60 * SLOWNESS)


if __name__ == "__main__":
    unittest.main()
