# SPDX-License-Identifier: Apache-2.0
"""wheelyard as a user sees it: a configuration file, a process, its log, its answers."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import wire
from clients import bare_environment

BINARY = os.environ.get("WHEELYARD_BIN", "build/wheelyard")
# Multiplies every limit in seconds, for sanitizers and slow machines.
PATIENCE = float(os.environ.get("WHEELYARD_PATIENCE", "1"))
STOP_S = 5.0
REPORTS = re.compile(r"(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:)[^\n]*")
ROOT = Path(__file__).resolve().parents[3]


def binary():
    """The program under test; a relative name starts at the top of the checkout."""
    return (ROOT / BINARY).resolve()


def is_sanitized():
    """Whether the program was built with a sanitizer, which uses memory and must be loaded first."""
    return bool(re.search(rb"__(a|t)san_init", binary().read_bytes()))


# ------------------------------------------------------------------ configuration

PYTORCH = {
    "canonical": "https://download.pytorch.org/whl/",
    "aliases": ["https://download-r2.pytorch.org/whl/"],
    "channels": ["cpu", "cu*", "rocm*", "xpu", "nightly/*"],
    "owns": ["torch", "torchvision", "torchaudio", "fbgemm-gpu*", "pytorch-triton*"],
    "owns_in": {"rocm*": ["triton"], "nightly/*": ["triton"]},
}
PYPI = {"canonical": "https://files.pythonhosted.org/", "pages": "https://pypi.org/simple/"}


def flat_mirror(name, url, path="pytorch-wheels"):
    base = f"{url}/{path}/"
    return dict(name=name, layout="flat", index=base + "{channel}/", files=base)


def official_mirror(name, url, **more):
    base = f"{url}/whl/"
    index = base + "{channel}/{project}/"
    return dict(name=name, layout="simple", index=index, files=base, **more)


def pypi_mirror(name, url):
    return dict(name=name, layout="simple", index=f"{url}/simple/{{project}}/", files=f"{url}/")


def _toml(value):
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{k}" = {_toml(v)}' for k, v in value.items()) + " }"
    return json.dumps(value)


def _table(heading, values):
    return f"\n{heading}\n" + "".join(f"{key} = {_toml(v)}\n" for key, v in values.items())


def origin_tables(name, mirrors, **origin):
    """An origin with its mirrors."""
    text = _table(f"[origin.{name}]", origin)
    return text + "".join(_table(f"[[origin.{name}.mirror]]", mirror) for mirror in mirrors)


def index_table(name, *origins):
    return _table(f'[index."{name}"]', {"origins": origins})


def configuration(pytorch=(), pypi=(), **top):
    """A configuration file with these mirrors; `top` are keys outside tables."""
    if is_sanitized():  # whose own memory is not the daemon's
        top = {"max_memory": "8GB"} | top
    text = "".join(f"{key} = {_toml(value)}\n" for key, value in top.items())
    for name, origin, mirrors in (("pytorch", PYTORCH, pytorch), ("pypi", PYPI, pypi)):
        if mirrors:
            text += origin_tables(name, mirrors, **origin)
    return text


def flat_and_pypi(mirrors, **top):
    """The smallest set-up that must work: one flat page and PyPI."""
    return configuration(
        pytorch=[flat_mirror("aliyun", mirrors.aliyun.url)],
        pypi=[pypi_mirror("tuna", mirrors.pypi.url)],
        **top,
    )


def all_mirrors(mirrors, **top):
    """The flat page and the official site, which names digests and has metadata."""
    return configuration(
        pytorch=[
            flat_mirror("aliyun", mirrors.aliyun.url),
            official_mirror("official", mirrors.official.url, missing=[403, 404]),
        ],
        pypi=[pypi_mirror("tuna", mirrors.pypi.url)],
        **top,
    )


# ------------------------------------------------------------------ process


def run_wheelyard(*arguments, home, seconds=20):
    """Runs a command to its end; returns the CompletedProcess with text output."""
    return subprocess.run(
        [binary(), *map(str, arguments)],
        env=daemon_environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=seconds * PATIENCE,
        check=False,
    )


def daemon_environment(home):
    options = {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}
    return {**bare_environment(Path(home)), **options}


CRASHES = [-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE, -signal.SIGABRT]


class Daemon:
    """A running wheelyard on a free loopback port."""

    def __init__(self, folder, config, cache_dir=None, listen="127.0.0.1:0", wrap=(), pass_fds=()):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cache_dir = Path(cache_dir or self.folder / "cache")
        self._log = self.folder / "log"
        self._write(config)
        command = [*wrap, binary(), "serve", "--config", self.folder / "config.toml"]
        command += ["--listen", listen, "--cache-dir", self.cache_dir]
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=daemon_environment(self.folder / "home"),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                pass_fds=pass_fds,
            )
        self._address_known = threading.Event()
        self.url = None
        threading.Thread(target=self._read_output, daemon=True).start()
        self._wait_ready()

    def _read_output(self):
        for line in self.process.stdout:
            found = re.match(r"listening on (http://\S+)", line)
            if found and not self.url:
                self.url = found.group(1).rstrip("/")
                self._address_known.set()
        self._address_known.set()  # the end of output: it has given up

    def _wait_ready(self):
        self._address_known.wait(20 * PATIENCE)
        if not self.url:
            self.kill()
            raise RuntimeError(f"wheelyard did not start:\n{self.log_tail()}")
        deadline = time.monotonic() + 30 * PATIENCE
        try:
            while self.get("/-/ready").status != 200:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"/-/ready never came:\n{self.log_tail()}")
                time.sleep(0.01)
        except OSError as problem:  # it listens before it says so: it has gone again
            code = self.process.poll()
            self.kill()
            raise RuntimeError(f"{problem}, exit {code}:\n{self.log()}") from problem

    # ---------------------------------------------------------------- asking

    def index(self, name="cu126"):
        return f"{self.url}/{name}/simple" if name else f"{self.url}/simple"

    def file_url(self, origin, path):
        return f"{self.url}/files/{origin}/{path.replace('+', '%2B')}"

    def get(self, path, headers=None, method="GET", target=None):
        return wire.ask(self.url + path, method, headers, target)

    def page(self, project, index="cu126", headers=None):
        """A project page as uv asks for it (JSON)."""
        prefix = f"/{index}" if index else ""
        return self.get(f"{prefix}/simple/{project}/", headers or {"Accept": wire.JSON})

    def status(self):
        return self.get("/-/status").json()

    def wait_status(self, condition, seconds=30, what="status"):
        """Waits until condition(status) holds; the snapshot is up to a second old."""
        deadline = time.monotonic() + seconds * PATIENCE
        while not condition(status := self.status()):
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not so in {json.dumps(status, indent=1)}")
            time.sleep(0.02)
        return status

    def reconfigure(self, config):
        """Sends SIGHUP with that configuration; does not wait for the reload."""
        self._write(config)
        self.process.send_signal(signal.SIGHUP)

    def _write(self, config):
        """Sets min_free so that a full disk of this machine changes nothing, unless a test says so."""
        if "min_free" not in config:
            config = re.sub(r"(?m)^(?=\[)|\Z", "\nmin_free = 0\n", config, count=1)
        (self.folder / "config.toml").write_text(config)

    # ---------------------------------------------------------------- log and end

    def log(self):
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def wait_log(self, text, seconds=30):
        """Waits until the text is in the log, which another thread writes, after the answer that
        it tells of. Returns the log."""
        deadline = time.monotonic() + seconds * PATIENCE
        while text not in (log := self.log()):
            if time.monotonic() > deadline:
                raise AssertionError(f"never logged: {text!r}\n{self.log_tail()}")
            time.sleep(0.02)
        return log

    def log_tail(self, lines=40):
        return "\n".join(self.log().splitlines()[-lines:])

    def stop(self):
        """Sends SIGTERM; the daemon must end within the promised time, with 0 and no sanitizer report."""
        if self.process.poll() is not None:
            raise AssertionError(f"it had ended with {self.process.returncode}\n{self.log_tail()}")
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_S * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"no end within {STOP_S} s of SIGTERM\n{self.log_tail()}"
            ) from None
        self.check_log()
        assert code == 0, f"exit {code}\n{self.log_tail()}"
        return time.monotonic() - begin

    def check_log(self):
        log = self.log()
        report = REPORTS.search(log)
        if report:
            raise AssertionError("\n".join(log[report.start() :].splitlines()[:60]))

    def kill(self):
        """Kills the daemon, as a crash would."""
        self.check_crash()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)

    def check_crash(self):
        """Asserts that the daemon has not ended by a signal that no test sends."""
        code = self.process.poll()
        assert code not in CRASHES, f"{signal.Signals(-code).name}\n{self.log_tail()}"
