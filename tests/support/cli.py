"""The program `francine` for tests: run to its end, or on a terminal of its own.

The program is FRANCINE_CLI in the environment, by default that of build/.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from harness import ROOT, SLOWNESS, SystemTest, deadline_in, environment, wait_until

CLI = os.environ.get("FRANCINE_CLI", os.path.join(ROOT, "build", "cli", "francine"))


class CliTest(SystemTest):
    """Each test has a home and a working directory of its own."""

    def setUp(self):
        self.home = self.directory()
        self.work = self.directory()
        self.url = None  # of the server that commands talk to

    def variables(self, **more):
        if self.url:
            more = {"FRANCINE_SERVER": self.url, **more}
        return {**environment("cli", HOME=self.home), "TERM": "xterm", **more}

    def cli(self, *arguments, code=0, stdin="", **more):
        """Runs it, away from any terminal, and checks the exit code."""
        done = subprocess.run(
            [CLI, *arguments], input=stdin.encode(), capture_output=True, cwd=self.work,
            env=self.variables(**more), timeout=120 * SLOWNESS, start_new_session=True)
        self.check_end(done.returncode, code, done.stderr.decode())
        if "-" not in arguments:
            self.assertNotIn(b"\x1b", done.stdout + done.stderr)  # no terminal, no colors
        return Output(done.stdout, done.stderr.decode())

    def start(self, *arguments, **more):
        """A process in the background."""
        process = subprocess.Popen(
            [CLI, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, cwd=self.work, env=self.variables(**more),
            start_new_session=True)
        self.addCleanup(finish, process)
        return process

    def terminal(self, *arguments, columns=100, **more):
        terminal = Terminal([CLI, *arguments], self.work, self.variables(**more), columns)
        self.addCleanup(terminal.close)
        return terminal

    def check_end(self, code, wanted, text):
        self.assertNotIn("Sanitizer", text)
        self.assertNotIn("runtime error:", text)
        self.assertEqual(code, wanted, text)

    def path(self, name):
        return os.path.join(self.work, name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content)
        return name

    def assert_files(self, *names):
        """These files and no others, temporary ones neither."""
        self.assertEqual(sorted(os.listdir(self.work)), sorted(names))


class Output:
    def __init__(self, out, err):
        self.bytes = out
        self.out = out.decode(errors="replace")
        self.err = err


def finish(process):
    if process.poll() is None:
        process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()


class Terminal:
    """A program on a pseudo-terminal; what it shows is kept in `shown`."""

    def __init__(self, command, folder, variables, columns):
        self.shown = ""
        self.code = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
                os.chdir(folder)
                os.execve(command[0], command, variables)
            finally:
                os._exit(127)

    def read(self, seconds):
        """More of what is shown; False at the end."""
        if not select.select([self.fd], [], [], max(0, seconds))[0]:
            return True
        try:
            piece = os.read(self.fd, 65536)
        except OSError:  # the program has gone
            return False
        self.shown += piece.decode(errors="replace")
        return bool(piece)

    def expect(self, pattern, seconds=60):
        """Waits until this is shown."""
        deadline = deadline_in(seconds)
        while not re.search(pattern, self.shown):
            left = deadline - time.monotonic()
            if left <= 0 or not self.read(left):
                raise AssertionError(f"{pattern} was not shown, but {self.shown!r}")

    def type(self, text):
        os.write(self.fd, text.encode())

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def wait(self, seconds=60):
        """Reads on to its end; the exit code."""
        deadline = deadline_in(seconds)
        while self.read(deadline - time.monotonic()):
            if time.monotonic() > deadline:
                raise AssertionError(f"it does not end, but shows {self.shown!r}")

        def ended():
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            return pid
        wait_until("the end of the program", ended)
        return self.code

    def close(self):
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


def painted(shown):
    """The last state of the line that is painted over and over, and all before."""
    lines = []
    for line in shown.replace("\r\n", "\n").split("\n"):
        lines.append(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line.split("\r")[-1]))
    return "\n".join(lines)
