# SPDX-License-Identifier: Apache-2.0
"""Real uv and real pip, each with an empty home and empty caches, untouched by the configuration of
whoever runs the tests."""

import glob
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import wheels

# For projects: the Python that the binary wheels were fetched for.
REQUIRES_PYTHON = f"=={sys.version_info.major}.{sys.version_info.minor}.*"
DEBIAN_PIP = "/usr/share/python-wheels/pip-23.0*.whl"


def bare_environment(home):
    """An environment with only a path and a home: no PIP_*, no UV_*, no proxies."""
    home.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "XDG_CONFIG_DIRS": str(home / "no-config"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "UV_CACHE_DIR": str(home / "uv-cache"),
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_LINK_MODE": "copy",
    }


def installed(target):
    """The content of a --target folder or site-packages: normalised name -> version."""
    found = importlib.metadata.distributions(path=[str(target)])
    return {d.metadata["Name"].lower().replace("_", "-"): d.version for d in found}


def origin_of(target, module):
    """The origin that the suite's own wheel names."""
    scope = {}
    exec((Path(target) / module / "__init__.py").read_text(), scope)  # pylint: disable=exec-used
    return scope["ORIGIN"]


class ClientFailed(AssertionError):
    pass


class Client:
    """One installer on one fresh machine."""

    def __init__(self, home, command, environment=None):
        self.home = Path(home)
        self.command = [str(part) for part in command]
        self.environment = {**bare_environment(self.home), **(environment or {})}

    def start(self, *arguments, cwd=None, says="", errors=subprocess.PIPE):
        """Runs the client to its end with `says` as its input; returns the CompletedProcess."""
        return subprocess.run(
            [*self.command, *map(str, arguments)],
            cwd=cwd or self.home,
            env=self.environment,
            input=says,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            timeout=150,
            check=False,
        )

    def run(self, *arguments, cwd=None, fails=False):
        """Runs the client and returns its output. With `fails` a success is an error."""
        done = self.start(*arguments, cwd=cwd, errors=subprocess.STDOUT)
        if (done.returncode != 0) != fails:
            command = " ".join(map(str, done.args))
            raise ClientFailed(f"{command}\nexit {done.returncode}\n{done.stdout}")
        return done.stdout

    def install(self, *what, fails=False):
        """Installs into a folder of its own; returns the folder (the output when it must fail)."""
        raise NotImplementedError


class Uv(Client):
    def __init__(self, home, program=None):
        beside = Path(sys.executable).parent / "uv"
        program = program or (beside if beside.exists() else shutil.which("uv"))
        if not program:
            raise RuntimeError("uv is not installed: scripts/bootstrap")
        super().__init__(home, [program])

    def install(self, *what, fails=False):
        target = self.home / "target"
        output = self.run("pip", "install", "--target", target, *what, fails=fails)
        return output if fails else target


class Pip(Client):
    def __init__(self, home, wheel):
        super().__init__(home, [sys.executable, "-m", "pip"], {"PYTHONPATH": str(wheel)})

    def install(self, *what, fails=False):
        target = self.home / "target"
        target_options = ("--target", target, "--no-compile", "--only-binary=:all:")
        output = self.run("install", *target_options, *what, fails=fails)
        return output if fails else target


FORKS = """\
import json, os, sys
import pip._internal.cli.main, pip._internal.commands.install
import pip._internal.resolution.resolvelib.resolver
for line in sys.stdin:
    output, *arguments = json.loads(line)
    child = os.fork()
    if not child:
        to = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(to, 1)
        os.dup2(to, 2)
        code = pip._internal.cli.main.main(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class ForkingPip(Pip):
    """pip for many small runs: each is a process of its own that need not import pip again.
    One at a time."""

    def __init__(self, home, wheel):
        super().__init__(home, wheel)
        self._output = self.home / "output"
        self._process = subprocess.Popen(
            [sys.executable, "-c", FORKS],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, *arguments):
        """Its exit status and its output."""
        self._process.stdin.write(json.dumps([str(w) for w in (self._output, *arguments)]) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        return code, self._output.read_text()

    def stop(self):
        self._process.communicate(timeout=60)


def debian_pip():
    """Debian's own pip (package python3-pip-whl), or None on other systems."""
    return next(iter(glob.glob(DEBIAN_PIP)), None)


def pip_wheel(kind):
    """The unpacked wheel to run pip from, by PYTHONPATH: "newest", a version, or "debian" (None when there
    is none)."""
    wheel = debian_pip() if kind == "debian" else wheels.fetch_pip("" if kind == "newest" else kind)
    return wheel and wheels.unpacked(wheel)
