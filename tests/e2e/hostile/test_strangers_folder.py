# SPDX-License-Identifier: Apache-2.0
"""Commands in a folder that a stranger has prepared: a project that was cloned, or one in /tmp. What
is written goes where it is said to go; what is no file holds nothing up; a file that is made to be
slow to read is refused with a sentence."""

import os
import resource
import stat
import subprocess
import tomllib

import pytest

from daemon import binary, configuration, daemon_environment, pypi_mirror

DONE, FAILED, USAGE = 0, 1, 2
URL = "http://wheels.lab:8503"
PROJECT = '[project]\nname = "app"\nversion = "0"\n'
CLIENTS = {"pixi": "pixi.toml", "poetry": "pyproject.toml", "pdm": "pyproject.toml",
           "pipenv": "Pipfile", "uv": "pyproject.toml"}  # fmt: skip
SECONDS = 10  # most processor time that a command may take, whatever it reads


def run(folder, *arguments, wrap=()):
    """A command in that folder, which ends by itself and within SECONDS of processor time."""

    def limit():
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))

    return subprocess.run(
        [*wrap, binary(), *map(str, arguments)], env=daemon_environment(folder.parent / "home"),
        cwd=folder, capture_output=True, text=True, timeout=120, check=False, preexec_fn=limit,
    )  # fmt: skip


def setup(folder, client, *arguments, **options):
    more = ("--project",) if client == "uv" else ()
    return run(folder, "setup", client, "--index", "cu126", "--url", URL, "--write", *more, *arguments, **options)


@pytest.fixture(name="folder")
def _folder(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture(name="victim")
def _victim(tmp_path):
    victim = tmp_path / "precious"
    victim.write_text("precious\n")
    yield victim
    assert victim.read_text() == "precious\n"


# --------------------------------------------------------------- planted names


@pytest.mark.parametrize("client", CLIENTS)
def test_planted_links_lead_nowhere(folder, victim, client):
    """Under every name that a version of this program has used, or might."""
    file = folder / CLIENTS[client]
    file.write_text(PROJECT)
    endings = [".new", ".bak", ".bak.new", ".bak2", ".bak2.new", ".tmp", "~", ".swp"]
    planted = {file.name + ending for ending in endings} | {f".{file.name}.new", f".{file.name}.tmp"}
    for name in planted:
        (folder / name).symlink_to(victim)
    done = setup(folder, client)
    assert done.returncode == DONE, done
    assert "cu126/simple" in file.read_text() and stat.S_ISREG(file.lstat().st_mode)
    made = {f.name for f in folder.iterdir()} - planted - {file.name}
    assert made == {f"{file.name}.bak3"} and (folder / made.pop()).read_text() == PROJECT
    assert all((folder / name).is_symlink() for name in planted)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_planted_link_to_nothing_makes_nothing(folder, tmp_path, client):
    file = folder / CLIENTS[client]
    file.write_text(PROJECT)
    for ending in (".new", ".bak", ".bak.new"):
        (folder / (file.name + ending)).symlink_to(tmp_path / f"made{ending}")
    assert setup(folder, client).returncode == DONE
    assert not list(tmp_path.glob("made*"))


@pytest.mark.parametrize("kind", ["fifo", "folder", "link to a fifo", "link to a device", "loop"])
@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_no_file_is_refused_and_waited_for_by_nobody(folder, tmp_path, client, kind):
    file = folder / CLIENTS[client]
    if kind == "fifo":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    elif kind == "link to a fifo":
        os.mkfifo(tmp_path / "fifo")
        file.symlink_to(tmp_path / "fifo")
    elif kind == "link to a device":
        file.symlink_to("/dev/zero")
    else:
        file.symlink_to(file.name)
    done = setup(folder, client)
    assert done.returncode == FAILED and file.name in done.stderr, done
    assert [f.name for f in folder.iterdir()] == [file.name]


def test_a_link_to_a_file_of_the_same_owner_is_followed_and_said(folder, tmp_path):
    real = tmp_path / "elsewhere.toml"
    real.write_text(PROJECT)
    (folder / "pyproject.toml").symlink_to(real)
    done = setup(folder, "poetry")
    assert done.returncode == DONE and f"a link: what changes is {real}" in done.stdout
    assert (folder / "pyproject.toml").is_symlink() and "cu126" in real.read_text()


def test_a_link_of_a_stranger_to_a_file_of_ours_is_not_followed(folder, tmp_path):
    """As root in a folder of another user's."""
    if os.geteuid() != 0:
        pytest.skip("only root can make links of other users")
    real = tmp_path / "ours.toml"
    real.write_text(PROJECT)
    link = folder / "pyproject.toml"
    link.symlink_to(real)
    os.lchown(link, 65534, 65534)
    done = setup(folder, "poetry")
    assert done.returncode == FAILED and "is not followed" in done.stderr
    assert real.read_text() == PROJECT


def test_mode_and_owner_stay(folder):
    file = folder / "pyproject.toml"
    file.write_text(PROJECT)
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 65534, 65534)
    before = file.stat()
    assert setup(folder, "pdm").returncode == DONE
    for made in (file, folder / "pyproject.toml.bak"):
        now = made.stat()
        assert (now.st_mode, now.st_uid, now.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_undo_follows_no_planted_copy(folder, victim):
    file = folder / "pyproject.toml"
    file.write_text(PROJECT)
    assert setup(folder, "poetry").returncode == DONE
    (folder / "pyproject.toml.bak2").symlink_to(victim)
    os.mkfifo(folder / "pyproject.toml.bak3")
    done = run(folder, "setup", "poetry", "--url", URL, "--undo")
    assert done.returncode == DONE and file.read_text() == PROJECT, done


# ------------------------------------------------------------- made to be slow

BOMBS = {
    "a key of 100,000 parts": "a" + ".b" * 100_000 + " = 1\n",
    "100,000 dotted keys": "".join(f"a.{n}=1\n" for n in range(100_000)),
    "100,000 dotted tables": "".join(f"{n}.k=1\n" for n in range(100_000)),
    "100,000 headings": "".join(f"[t{n}]\n" for n in range(75_000)),
    "a heading of 100,000 parts": "[a" + ".b" * 100_000 + "]\n",
    "100,000 brackets": "a = " + "[" * 100_000 + "\n",
    "100,000 braces": "a = " + "{a=" * 100_000 + "\n",
    "brackets in a table": "[x]\na = [\n" + "[" * 100_000 + "\n",
    "inline tables": "a = [" + "{b=1}," * 100_000 + "]\n",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_toml_that_is_made_to_be_slow(folder, bomb):
    file = folder / "wheelyard.toml"
    file.write_text(BOMBS[bomb])
    for command in (("config", "check"), ("config", "show"), ("serve", "--listen", "127.0.0.1:0", "--config")):
        done = run(folder, *command, file)
        assert done.returncode == USAGE, (command, done.returncode, done.stderr[-300:])
        (said,) = done.stderr.splitlines()
        assert said.startswith(f"{file}:") and "not TOML" in said
    (folder / "pyproject.toml").write_text(BOMBS[bomb])
    for client in ("poetry", "pdm", "pixi", "uv"):
        done = setup(folder, client)
        assert done.returncode == FAILED and "cannot be changed here" in done.stderr, done.returncode
    assert {f.name for f in folder.iterdir()} == {"wheelyard.toml", "pyproject.toml"}
    doctor = run(folder, "doctor", "--url", "http://127.0.0.1:9")
    assert doctor.returncode >= 0, doctor.returncode


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_reload_of_such_a_file_is_refused(serve, bomb):
    sound = configuration(pypi=[pypi_mirror("m", "http://127.0.0.1:9")])
    daemon = serve(sound)
    daemon.reconfigure(BOMBS[bomb])
    daemon.wait_log("reload refused")
    assert daemon.get("/-/ready").status == 200
    daemon.stop()


def test_what_is_as_large_as_may_be_is_read_quickly(folder):
    """Just within the bounds."""
    file = folder / "pyproject.toml"
    file.write_text(PROJECT + "".join(f"t{n}.k = 1\n" for n in range(9000)))
    assert setup(folder, "poetry").returncode == DONE
    assert len(tomllib.loads(file.read_text())["project"]) == 9002


def test_thousands_of_faults_are_not_told_one_by_one(folder):
    file = folder / "wheelyard.toml"
    file.write_text("".join(f"k{n} = 1\n" for n in range(20_000)))
    done = run(folder, "config", "check", file)
    assert done.returncode == USAGE
    lines = done.stderr.splitlines()
    assert len(lines) <= 101 and lines[-1] == f"{file}: 19900 more of them"


@pytest.mark.parametrize("kind", ["a line", "options", "sections", "a list", "indented"])
def test_ini_that_is_made_to_be_slow(folder, kind):
    large = 3 << 20
    texts = {
        "a line": "[global]\nk = " + "x" * large + "\n",
        "options": "[global]\n" + "trusted-host = a\n" * 60_000,
        "sections": "[global]\n" * (large // 9),
        "a list": "[global]\ntrusted-host =\n" + "    a.lab\n" * (large // 10),
        "indented": "[global]\ntrusted-host =\n" + "".join(f"{' ' * (n % 50)}a\n" for n in range(100_000)),
    }
    home = folder.parent / "home"
    file = home / ".config" / "pip" / "pip.conf"
    file.parent.mkdir(parents=True)
    file.write_text(texts[kind])
    done = run(folder, "setup", "pip", "--index", "cu126", "--url", URL, "--write")
    assert done.returncode == DONE, (done.returncode, done.stderr[-300:])
    assert "index-url = http://wheels.lab:8503/cu126/simple" in file.read_text()
    assert run(folder, "doctor", "--url", "http://127.0.0.1:9").returncode >= 0


@pytest.mark.parametrize("size", [5 << 20, 1 << 33])
def test_files_of_no_usual_size(folder, size):
    for name in ("pyproject.toml", "wheelyard.toml"):
        with open(folder / name, "wb") as file:
            file.write(PROJECT.encode())
            file.truncate(size)
    done = setup(folder, "poetry")
    assert done.returncode == FAILED and "too big" in done.stderr
    done = run(folder, "config", "check", folder / "wheelyard.toml")
    assert done.returncode == USAGE and "too big" in done.stderr


@pytest.mark.parametrize("kind", ["fifo", "folder", "device"])
def test_a_configuration_that_is_no_file(folder, kind):
    file = folder / "wheelyard.toml"
    if kind == "fifo":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.symlink_to("/dev/zero")
    for command in (("config", "check"), ("serve", "--config")):
        done = run(folder, *command, file)
        assert done.returncode == USAGE and f"{file}: cannot be read: not a regular file" in done.stderr


ESCAPES = "\x1b[2J\x1b]0;title\x07 \x9b31m \u202eevil\u2066 \x7f"
MARKS = "title \x9b31m \u202eevil\u2066 \u200f"  # which TOML allows


def test_nothing_of_it_gets_to_the_terminal_as_a_command(folder):
    """Escapes and marks of direction that stand in a file that is shown, or complained of."""
    file = folder / "pyproject.toml"
    file.write_text(PROJECT + f"\n# {MARKS}\n")
    pip = folder.parent / "home" / ".config" / "pip" / "pip.conf"
    pip.parent.mkdir(parents=True)
    pip.write_text(f"[global]\n# {ESCAPES}\n")
    escaped = ESCAPES.encode("unicode_escape").decode().replace("\\x", "\\u00")
    (folder / "wheelyard.toml").write_text(f'"{escaped}" = 1\n[origin."{escaped}"]\n')
    write = ("setup", "pip", "--index", "cu126", "--url", URL, "--write")
    for done in (setup(folder, "poetry"), run(folder, *write), run(folder, "config", "check", "wheelyard.toml")):
        said = done.stdout + done.stderr
        assert "title" in said, done
        assert not [c for c in said if c != "\n" and not c.isprintable()], said
    assert MARKS in file.read_text() and ESCAPES in pip.read_text()
