#!/usr/bin/env python3
"""What `ninja install` leaves, used from outside: a program that is compiled with what
pkg-config says, against the shared and against the static library, the installed
server, and a Meson project that has Francine as a subproject.
"""

import os
import shutil
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("BUILD_DIR", os.path.join(ROOT, "build"))
CXX = os.environ.get("CXX_COMMAND", "c++")
PUBLIC_HEADERS = sorted(os.listdir(os.path.join(ROOT, "include", "francine")))


def run(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} failed ({done.returncode}):\n{done.stdout}")
    return done.stdout


def find(directory, name):
    for path, _, files in os.walk(directory):
        if name in files:
            return os.path.join(path, name)
    raise AssertionError(f"no {name} was installed")


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.mkdtemp(prefix="francine-install-")
        cls.addClassCleanup(shutil.rmtree, cls.place)
        run("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", cls.place)
        cls.library_dir = os.path.dirname(find(cls.place, "libfrancine.a"))
        package = find(cls.place, "francine.pc")
        with open(package, encoding="utf-8") as file:
            prefix = file.readline().strip().removeprefix("prefix=")
        cls.prefix = cls.place + prefix
        cls.environment = {**os.environ, "PKG_CONFIG_PATH": os.path.dirname(package),
                           "LD_LIBRARY_PATH": cls.library_dir}

    def pkg_config(self, *arguments):
        """What pkg-config would say, were this directory not a staged one."""
        return run("pkg-config", f"--define-variable=prefix={self.prefix}", *arguments, "francine",
                   env=self.environment).split()

    def compile(self, libraries):
        program = os.path.join(self.place, "outside")
        run(CXX, "-std=c++20", "-Wall", "-Wextra", "-Werror",
            os.path.join(HERE, "outside", "outside.cc"), *self.pkg_config("--cflags"),
            *libraries, "-o", program)
        return program

    def test_public_headers_and_no_others(self):
        installed = sorted(os.listdir(os.path.join(self.prefix, "include", "francine")))
        self.assertEqual(installed, [h for h in PUBLIC_HEADERS if h.endswith(".h")])

    def test_each_public_header_stands_alone(self):
        for header in os.listdir(os.path.join(self.prefix, "include", "francine")):
            with self.subTest(header):
                run(CXX, "-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++",
                    *self.pkg_config("--cflags"), "-", input=f"#include <francine/{header}>\n")

    def test_shared_library(self):
        program = self.compile(self.pkg_config("--libs"))
        self.assertIn("libfrancine.so", run("ldd", program, env=self.environment))
        self.assertRegex(run(program, env=self.environment), r"^\d+ bytes\n$")

    def test_static_library(self):
        only_static = os.path.join(self.place, "static")
        os.makedirs(only_static)
        shutil.copy(os.path.join(self.library_dir, "libfrancine.a"), only_static)
        libraries = [flag for flag in self.pkg_config("--libs", "--static")
                     if flag != "-L" + self.library_dir]
        program = self.compile(["-L" + only_static, *libraries])
        self.assertNotIn("libfrancine", run("ldd", program))
        self.assertRegex(run(program), r"^\d+ bytes\n$")

    def test_server(self):
        server = find(self.place, "francine-server")
        self.assertRegex(run(server, "--version"), r"\d+\.\d+\.\d+")

    def test_command_line(self):
        program = os.path.join(os.path.dirname(find(self.place, "francine-server")), "francine")
        self.assertRegex(run(program, "--version"), r"^francine \d+\.\d+\.\d+\n$")
        for name in ("francine.1", "francine-render.1", "francine.fish", "_francine"):
            with open(find(self.place, name), encoding="utf-8") as file:
                self.assertIn("francine", file.read())
        bash = os.path.join(self.prefix, "share", "bash-completion", "completions", "francine")
        with open(bash, encoding="utf-8") as file:
            self.assertEqual(file.read(), run(program, "completion", "bash"))


class Subproject(unittest.TestCase):
    def test_of_another_meson_project(self):
        place = tempfile.mkdtemp(prefix="francine-outside-")
        self.addCleanup(shutil.rmtree, place)
        project = os.path.join(place, "outside")
        shutil.copytree(os.path.join(HERE, "outside"), project)
        os.makedirs(os.path.join(project, "subprojects"))
        os.symlink(ROOT, os.path.join(project, "subprojects", "francine"))
        build = os.path.join(place, "build")
        # Not optimised: it shall link and run, not be fast.
        run("meson", "setup", "--buildtype=debug", "-Doptimization=0", "-Ddebug=false",
            build, project)
        run("ninja", "-C", build, "outside")
        self.assertRegex(run(os.path.join(build, "outside")), r"^\d+ bytes\n$")


if __name__ == "__main__":
    unittest.main()
