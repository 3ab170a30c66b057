# SPDX-License-Identifier: Apache-2.0
"""`prefetch`, the daemon behind it, and `export`, killed at twenty moments each: the same command, given
again, ends as if nothing had happened. A moment is the n-th byte of a mirror, or the n-th change of a file."""

import json
import random
import subprocess

import pytest

import bundles
from daemon import PATIENCE, binary, configuration, daemon_environment, flat_mirror, run_wheelyard
from origin import Gate
from standins import flat_page
from wheels import build, sha256_of

DONE, FAILED = 0, 1
SEEDS = range(20)
LIBRARY = binary().parent / "tests/preload/libfaults.so"
SIZES = (60_000, 90_000, 150_000, 250_000, 400_000)


class World:
    """Five wheels, a mirror whose bodies stop where a test says, and a lock that wants all of them."""

    def __init__(self, origin, serve, place, folder):
        self._serve, self._place, self._folder = serve, place, folder
        self.wheels, self.gates = [], []
        lock = 'lock-version = "1.0"\ncreated-by = "a test"\n'
        for number, padding in enumerate(SIZES):
            wheel = build(folder / "wheels", "torch", f"2.{number}.0+cu126", padding=padding)
            self.wheels.append(wheel)
            self.gates.append(Gate(1 << 62))
            origin.put(f"/pytorch-wheels/cu126/{wheel.name}", wheel, gate=self.gates[-1])
            url = f"https://download.pytorch.org/whl/cu126/{wheel.name.replace('+', '%2B')}"
            lock += f'[[packages]]\nname = "torch"\nversion = "2.{number}.0+cu126"\n[[packages.wheels]]\n'
            lock += f'url = "{url}"\nhashes = {{ sha256 = "{sha256_of(wheel)}" }}\n'
        rows = [(wheel.name, wheel.stat().st_size) for wheel in self.wheels]
        origin.put_page("/pytorch-wheels/cu126/", flat_page("cu126", rows))
        self.lock = folder / "pylock.toml"
        self.lock.write_text(lock)
        mirrors = [flat_mirror("flat", origin.url)]
        self._config = configuration(pytorch=mirrors, socket=str(place), stall_timeout="60s")
        self.daemon = serve(self._config)

    def restart(self):
        self.daemon.kill()
        self.daemon = self._serve(self._config, cache_dir=self.daemon.cache_dir)

    def words(self, command, *arguments):
        config = self.daemon.folder / "config.toml"
        return [command, *map(str, arguments), "--config", config, "--socket", self._place]

    def run(self, *words):
        return run_wheelyard(*self.words(*words), home=self._folder, seconds=60)

    def begin(self, *words):
        return subprocess.Popen(
            [binary(), *self.words(*words)],
            env=daemon_environment(self._folder),
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def held(self):
        """Digests of what is kept whole; each file of it is on the disk, and right."""
        said = run_wheelyard("cache", "ls", "--json", "--socket", self._place, home=self._folder)
        found = {b["name"].rsplit("/", 1)[-1]: b for b in json.loads(said.stdout)["blobs"] if b["complete"]}
        for row in found.values():
            digest = row["sha256"]
            assert sha256_of(self.daemon.cache_dir / "blobs" / digest[:2] / digest) == digest
        return {name: (row["sha256"], row.get("sets")) for name, row in found.items()}


@pytest.fixture
def world(origin, serve, place, tmp_path):
    made = World(origin, serve, place, tmp_path)
    yield made
    for gate in made.gates:
        gate.open()


@pytest.mark.parametrize("seed", SEEDS)
def test_prefetch_and_its_daemon_are_killed(world, origin, seed):
    chance = random.Random(seed)
    number = chance.randrange(len(SIZES))
    size = world.wheels[number].stat().st_size
    position = chance.randrange(1, size)
    who = ("command", "daemon", "both")[seed % 3]
    gate = Gate(position)
    world.gates[number] = gate
    origin.change(f"/pytorch-wheels/cu126/{world.wheels[number].name}", gate=gate)
    process = world.begin("prefetch", world.lock, "--pin", "lab")
    gate.wait_reached(position)
    if who != "daemon":
        process.kill()
    if who != "command":
        world.restart()
    process.wait(30 * PATIENCE)
    gate.open()
    for name, (digest, _) in world.held().items():
        assert digest == sha256_of(next(w for w in world.wheels if w.name == name)), who
    done = world.run("prefetch", world.lock, "--pin", "lab", "--json")
    assert done.returncode == DONE, (who, done.stdout, done.stderr)
    assert all(f["held"] for f in json.loads(done.stdout)["files"])
    assert world.held() == {wheel.name: (sha256_of(wheel), "lab") for wheel in world.wheels}


# --------------------------------------------------------------------- export


@pytest.fixture
def filled(world):
    assert world.run("prefetch", world.lock, "--pin", "lab").returncode == DONE
    return world


def _export(world, out, folder, step=0, mode="kill-after"):
    """An export that is killed at that step; gives how it ended, and the number of steps so far."""
    trace = folder / f"trace-{step}-{mode}"
    settings = {
        "LD_PRELOAD": LIBRARY,
        "WHEELYARD_FAULT_DIR": out.resolve(),
        "WHEELYARD_FAULT_TRACE": trace,
        "WHEELYARD_FAULT_STEP": step,
        "WHEELYARD_FAULT_MODE": mode,
    }
    command = ["env", *(f"{name}={value}" for name, value in settings.items()), binary()]
    command += world.words("export", "--pinned", "lab", "-o", out, "--split", "500kB")
    done = subprocess.run(command, env=daemon_environment(folder), cwd=folder, capture_output=True, check=False)
    return done, len(trace.read_text().splitlines())


def _content(out, tree):
    bundles.unpack(out.glob("*.tar"), tree)
    wheels = {path.name: sha256_of(path) for path in tree.rglob("*.whl")}
    manifest = json.loads((out / "manifest.json").read_text())
    return wheels, [(f["path"], f["sha256"], f["size"]) for f in manifest["files"]]


@pytest.mark.skipif(not LIBRARY.exists(), reason=f"{LIBRARY} is built with the daemon")
def test_export_is_killed(filled, tmp_path):
    def fresh(name):
        out = tmp_path / name
        out.mkdir()
        return out

    whole = fresh("whole")
    done, steps = _export(filled, whole, tmp_path)
    assert done.returncode == DONE, done.stderr
    expected = _content(whole, tmp_path / "tree")
    assert len(expected[0]) == len(SIZES) and steps > 20
    hit = 0
    for seed in SEEDS:
        chance = random.Random(seed)
        step, mode = chance.randint(1, steps), chance.choice(("kill-before", "kill-after", "kill-torn"))
        out = fresh(f"out-{seed}")
        killed, _ = _export(filled, out, tmp_path, step, mode)
        hit += killed.returncode < 0
        again = filled.run("export", "--pinned", "lab", "-o", out, "--split", "500kB")
        is_complete = "has a bundle already" in again.stderr  # the kill came after the last change
        assert again.returncode == (FAILED if is_complete else DONE), (seed, step, mode, again.stderr)
        verified = run_wheelyard("verify", out, "--unsigned", home=tmp_path)
        assert verified.returncode == DONE, (seed, step, mode, verified.stdout)
        assert _content(out, tmp_path / f"tree-{seed}") == expected
        assert not [path.name for path in out.iterdir() if path.name.startswith(".") or path.suffix == ".tmp"]
    assert hit >= len(SEEDS) // 2  # a step may be torn that writes nothing
