# SPDX-License-Identifier: Apache-2.0
"""Bundles: what tar unpacks is an index for pip and uv, and `wheelyard verify` finds all damage."""

import contextlib
import hashlib
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

import pytest

import bundles
import clients
from daemon import run_wheelyard
from standins import Nginx, free_port, wait_until, _answers
from wheels import build

DONE, FAILED, USAGE = 0, 1, 2
PART = 1_000_000
LOCAL = "9.9.0+cu126.1"

pytestmark = pytest.mark.skipif(
    not bundles.make_bundle_binary().exists() or not bundles.has_minisign(),
    reason="make-bundle is not built, or there is no minisign (scripts/bootstrap test)",
)


# ------------------------------------------------------------------ the bundle


def _build_rows(folder):
    """Wheels of two origins; torch has a name with a plus sign, and one is larger than a part."""
    torch = build(folder, "torch", LOCAL, requires=["alpha"], padding=500_000, says="bundle")
    alpha = build(folder, "alpha", "1.0", padding=300_000, header="Requires-Python: >=3.8\n")
    old = build(folder, "alpha", "0.9", padding=20_000)
    big = build(folder, "big", "2.0", requires=["alpha"], padding=1_700_000)
    future = build(folder, "alpha", "3.0", header="Requires-Python: >=3.99\n")
    return [
        bundles.row(torch, "pytorch", "cu126"),
        bundles.row(alpha, "pypi", "packages/aa", **{"requires-python": ">=3.8"}),
        bundles.row(old, "pypi", "packages/bb", **{"upload-time": "2026-01-02T03:04:05Z"}),
        bundles.row(big, "pypi", "packages/cc", metadata=False),
        bundles.row(future, "pypi", "packages/dd", **{"requires-python": ">=3.99"}),
        bundles.row(build(folder, "alpha", "2.0"), "pypi", "packages/ee", yanked="it is broken"),
    ]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return _build_rows(tmp_path_factory.mktemp("bundled"))


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return bundles.Key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def made(tmp_path_factory, rows, key):
    """A signed bundle that nobody changes."""
    folder = tmp_path_factory.mktemp("made") / "out"
    bundles.write(folder, rows, PART, key=key)
    return folder


@pytest.fixture
def bundle(made, tmp_path):
    """A copy of it for one test."""
    return Path(shutil.copytree(made, tmp_path / "bundle"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory, made):
    """It unpacked, and its pieces joined, by the commands of its own README.txt."""
    folder = tmp_path_factory.mktemp("unpacked") / "with a space"
    bundles.unpack(sorted(made.glob("*.tar"), reverse=True), folder)
    bundles.join_pieces(folder)
    return folder


@pytest.fixture
def verify(tmp_path, key):
    def run(*paths, with_key=key, options=()):
        given = ["--key", with_key.public] if with_key else []
        return run_wheelyard("verify", *paths, *given, *options, home=tmp_path, seconds=60)

    return run


def parts_of(folder):
    return sorted(folder.glob("*.part*.tar"))


# ------------------------------------------------------------------ the tree as an index


@contextlib.contextmanager
def http_server(folder):
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with subprocess.Popen(
        [*command, "--directory", folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_until(lambda: _answers(port), what="http.server")
            yield f"http://127.0.0.1:{port}/simple/"
        finally:
            process.terminate()


@contextlib.contextmanager
def plain_nginx(folder, home):
    nginx = Nginx(folder, home / "nginx")
    try:
        yield f"{nginx.url}/simple/"
    finally:
        nginx.stop()


CONF = """
daemon off;
{user}
worker_processes 1;
error_log {home}/error.log warn;
pid {home}/nginx.pid;
events {{ worker_connections 64; }}
http {{
    access_log {home}/access.log;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    types {{ text/html html; }}
{ours}
}}
"""


@contextlib.contextmanager
def json_nginx(folder, home):
    """nginx with the lines that README.txt shows."""
    home = home / "json-nginx"
    home.mkdir()
    port = free_port()
    readme = (folder / "README.txt").read_text()
    ours = re.search(r"(    map \$http_accept.*\n    }\n)", readme, re.DOTALL).group(1)
    ours = ours.replace("listen 8080", f"listen 127.0.0.1:{port}")
    ours = ours.replace("root FOLDER", f'root "{folder}"')
    user = "user root;" if os.geteuid() == 0 else ""
    (home / "nginx.conf").write_text(CONF.format(user=user, home=home, ours=ours))
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with subprocess.Popen([program, "-p", home, "-c", home / "nginx.conf"]) as process:
        try:
            wait_until(lambda: process.poll() is not None or _answers(port), what="nginx")
            yield f"http://127.0.0.1:{port}/simple/"
        finally:
            process.terminate()


@contextlib.contextmanager
def served(way, folder, home):
    if way == "file":
        yield folder.as_uri() + "/simple"
        return
    if way == "nginx":
        folder = Path(shutil.copytree(folder, home / "tree"))  # its stand-in takes no spaces
    server = {"http.server": http_server}.get(way)
    opened = server(folder) if server else {"nginx": plain_nginx, "json": json_nginx}[way](folder, home)
    with opened as url:
        yield url


@pytest.mark.parametrize("way", ("file", "http.server", "nginx", "json"))
def test_clients_install_from_the_unpacked_tree(tree, client, way, tmp_path):
    with served(way, tree, tmp_path) as url:
        target = client.install("torch", "big", "--index-url", url)
    # 2.0 is yanked, 3.0 wants another Python, and torch has a plus sign in its name.
    assert clients.installed(target) == {"torch": LOCAL, "alpha": "1.0", "big": "2.0"}
    assert clients.origin_of(target, "torch") == "bundle"


def test_json_goes_to_clients_that_ask_for_it(tree, tmp_path):
    with json_nginx(tree, tmp_path) as url:
        for accept, kind in (
            ("application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.v1+json"),
            ("text/html", "text/html"),
        ):
            request = urllib.request.Request(f"{url}alpha/", headers={"Accept": accept})
            with urllib.request.urlopen(request) as reply:
                assert reply.headers["Content-Type"] == kind
                assert reply.headers["Vary"] == "Accept"
                body = reply.read()
            assert body.startswith(b"{" if "json" in kind else b"<!DOCTYPE html>")


def test_pages_say_what_the_rows_said(tree, rows):
    page = json.loads((tree / "simple/alpha/index.json").read_text())
    files = {f["filename"]: f for f in page["files"]}
    assert len(files) == 4
    for row in rows:
        path = Path(row["file"])
        if not path.name.startswith("alpha"):
            continue
        shown = files[path.name]
        data = path.read_bytes()
        assert shown["hashes"] == {"sha256": hashlib.sha256(data).hexdigest()}
        assert shown["size"] == len(data)
        assert shown.get("requires-python") == row.get("requires-python")
        assert shown.get("yanked", False) == row.get("yanked", False)
        linked = (tree / "simple/alpha" / urllib.request.url2pathname(shown["url"])).resolve()
        assert linked.read_bytes() == data
        metadata = linked.with_name(linked.name + ".metadata").read_bytes()
        assert shown["core-metadata"] == {"sha256": hashlib.sha256(metadata).hexdigest()}
    names = json.loads((tree / "simple/index.json").read_text())["projects"]
    assert [p["name"] for p in names] == ["alpha", "big", "torch"]


# ------------------------------------------------------------------ verify


def test_a_whole_bundle(made, verify, tmp_path):
    done = verify(made)
    assert done.returncode == DONE, done.stdout + done.stderr
    assert "lab-2026-05-28 is whole and signed by" in done.stdout
    parts = parts_of(made)
    assert len(parts) >= 3
    assert all(p.stat().st_size <= PART for p in parts)
    random.Random(1).shuffle(parts)
    assert verify(*parts).returncode == DONE
    told = json.loads(verify(*parts, options=["--json"]).stdout)
    assert told["good"] and [p["state"] for p in told["bundles"][0]["parts"]] == ["good"] * len(parts)


def test_an_unpacked_tree_is_verified_too(tree, verify, tmp_path):
    assert verify(tree).returncode == DONE
    copy = Path(shutil.copytree(tree, tmp_path / "tree"))
    wheel = next((copy / "files/pytorch").rglob("*.whl"))
    data = bytearray(wheel.read_bytes())
    data[1000] ^= 1
    wheel.write_bytes(data)
    done = verify(copy)
    assert done.returncode == FAILED
    assert f"  pytorch/cu126/{wheel.name}\n" in done.stdout
    # A link that leads out of the folder is not followed.
    wheel.unlink()
    wheel.symlink_to(next((tree / "files/pytorch").rglob("*.whl")))
    assert verify(copy).returncode == FAILED


def test_a_damaged_part_is_named_with_its_files(bundle, verify):
    torch = parts_of(bundle)[-1]
    data = bytearray(torch.read_bytes())
    with tarfile.open(torch) as archive:
        member = next(m for m in archive if m.name.endswith(".whl"))
    data[member.offset_data + 5000] ^= 1
    torch.write_bytes(data)
    done = verify(bundle)
    count = len(parts_of(bundle))
    assert done.returncode == FAILED
    assert f"part {count} of {count} of lab-2026-05-28 ({torch.name}) is damaged: 1 file; " in done.stdout
    assert f"{member.name}: its bytes are not those that the manifest names" in done.stdout
    assert f"  {member.name.removeprefix('files/')}\n" in done.stdout
    told = json.loads(verify(bundle, options=["--json"]).stdout)
    states = [p["state"] for p in told["bundles"][0]["parts"]]
    assert states == ["good"] * (count - 1) + ["damaged"]
    assert told["bundles"][0]["parts"][-1]["files"] == [member.name.removeprefix("files/")]


def test_a_missing_part_is_named_and_only_it_is_needed(bundle, verify, tmp_path):
    late = parts_of(bundle)[1]
    stick = tmp_path / "stick"
    stick.mkdir()
    shutil.move(late, stick / late.name)
    done = verify(bundle)
    assert done.returncode == FAILED
    assert re.search(rf"part 2 of \d+ of lab-2026-05-28 \({late.name}\) is missing: \d file", done.stdout)
    assert "damaged" not in done.stdout
    assert verify(bundle, stick).returncode == DONE  # it came late, from another medium


def _with_member(part, to, change):
    """The part again, as Python's tarfile writes it, each member as `change` makes it."""
    with tarfile.open(part) as old, tarfile.open(to, "w", format=tarfile.USTAR_FORMAT) as new:
        for member in old:
            data = old.extractfile(member).read()
            for info, body in change(member, data):
                new.addfile(info, io.BytesIO(body) if body is not None else None)


def _info(name, kind=tarfile.REGTYPE, size=0, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, link
    return info


def _is_wheel(member):
    return member.name.startswith("files/") and member.name.endswith(".whl")


HOSTILE = {
    "climbs": lambda m, d: [(_info("../../evil.whl", size=len(d)), d)],
    "absolute": lambda m, d: [(_info("/etc/evil.whl", size=len(d)), d)],
    "link": lambda m, d: [(_info(m.name, tarfile.SYMTYPE, link="/etc/passwd"), None)],
    "hard link": lambda m, d: [(_info(m.name, tarfile.LNKTYPE, link="manifest.json"), None)],
    "device": lambda m, d: [(_info(m.name, tarfile.CHRTYPE), None)],
    "pipe": lambda m, d: [(_info(m.name, tarfile.FIFOTYPE), None)],
    "twice": lambda m, d: [(m, d), (m, d)],
    "foreign": lambda m, d: [(m, d), (_info("files/pypi/x/evil-1-py3-none-any.whl", size=4), b"evil")],
    "short": lambda m, d: [(_info(m.name, size=len(d) - 512), d[:-512])],
    "gone": lambda m, d: [],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_members_are_refused(bundle, verify, kind):
    part = parts_of(bundle)[-1]
    good = part.read_bytes()
    _with_member(
        bundle / part.name,
        bundle / "new",
        lambda m, d: HOSTILE[kind](m, d) if _is_wheel(m) else [(m, d)],
    )
    os.replace(bundle / "new", part)
    assert part.read_bytes() != good
    done = verify(bundle)
    assert done.returncode == FAILED
    assert f"({part.name}) is damaged" in done.stdout


def test_a_bundle_of_another_key(made, verify, tmp_path):
    other = bundles.Key(tmp_path / "other")
    done = verify(made, with_key=other)
    assert done.returncode == FAILED
    assert "it is signed by another key" in done.stdout
    assert "torch" not in done.stdout  # nothing that it says is believed
    done = verify(made, with_key=None)
    assert done.returncode == FAILED and "no public key was given" in done.stdout
    assert verify(made, with_key=None, options=["--unsigned"]).returncode == DONE
    assert verify(made, with_key=other, options=["--unsigned"]).returncode == FAILED


def test_a_manifest_that_was_changed(bundle, verify):
    manifest = bundle / "manifest.json"
    for part in parts_of(bundle):
        part.unlink()
    text = manifest.read_text()
    manifest.write_text(text.replace("cu126", "cu127"))
    done = verify(bundle)
    assert done.returncode == FAILED
    assert "its signature is wrong: it is forged or damaged" in done.stdout


def test_the_key_of_the_configuration(made, verify, key, tmp_path):
    config = tmp_path / "wheelyard.conf"
    for value in (key.line, key.public):
        config.write_text(f'bundle_key = "{value}"\n')
        done = verify(made, with_key=None, options=["--config", config])
        assert done.returncode == DONE, done.stdout + done.stderr
    config.write_text('bundle_key = "nonsense"\n')
    done = verify(made, with_key=None, options=["--config", config])
    assert done.returncode == USAGE
    assert "bundle_key: " in done.stderr


def test_usage(verify, made, tmp_path):
    assert verify().returncode == USAGE
    assert verify(made, options=["--nonsense"]).returncode == USAGE
    assert verify(made, with_key=None, options=["--key", "nowhere"]).returncode == USAGE
    done = verify(options=["--help"])
    assert done.returncode == DONE and "wheelyard cache verify" in done.stdout
    assert verify(tmp_path / "nothing").returncode == FAILED
    (tmp_path / "empty").mkdir()
    done = verify(tmp_path / "empty")
    assert done.returncode == FAILED and "there is no bundle here" in done.stdout
    (tmp_path / "x.tar").write_bytes(b"no tar at all" * 100)
    done = verify(tmp_path / "x.tar")
    assert done.returncode == FAILED and "it is no part of a bundle" in done.stdout


# ------------------------------------------------------------------ minisign


def test_minisign_agrees_with_us(made, key):
    done = key.verify(made / "manifest.json")
    assert done.returncode == 0, done.stderr
    assert "lab-2026-05-28 of wheelyard" in done.stdout


@pytest.mark.parametrize("options", ((), ("-l",)), ids=("prehashed", "legacy"))
def test_we_agree_with_minisign(tmp_path, rows, key, verify, options):
    folder = tmp_path / "out"
    bundles.write(folder, rows, PART)
    assert verify(folder).returncode == FAILED
    key.sign(folder / "manifest.json", *options)
    assert verify(folder).returncode == DONE
    with open(folder / "manifest.json", "a") as manifest:
        manifest.write("\n")
    assert verify(folder).returncode == FAILED


@pytest.mark.alone
def test_a_key_with_a_password(tmp_path, rows):
    locked = bundles.Key(tmp_path / "locked", with_password=True)
    bundles.write(tmp_path / "out", rows[:1], 0, key=locked)
    assert locked.verify(tmp_path / "out" / "manifest.json").returncode == 0


# ------------------------------------------------------------------ writing


def test_two_runs_write_the_same(tmp_path, rows, key, made):
    again = bundles.write(tmp_path / "again", rows[::-1], PART, key=key)
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in parts_of(made)]


def test_only_what_is_new_is_carried(tmp_path, made, rows, key, verify, tree):
    new = build(tmp_path / "new", "newcomer", "1.0", requires=["alpha"])
    more = [*rows, bundles.row(new, "pypi", "packages/ff")]
    since = made / "manifest.json"
    day = bundles.DATE + 86400
    parts = bundles.write(tmp_path / "more", more, PART, key=key, date=day, since=since)
    assert len(parts) == 1 and parts[0].stat().st_size < 100_000
    done = verify(tmp_path / "more")
    assert done.returncode == DONE
    assert f"continues lab-2026-05-28, which has {len(rows)} more of its files" in done.stdout
    # Unpacked over the first one, it is one index of all files.
    folder = Path(shutil.copytree(tree, tmp_path / "tree"))
    subprocess.run(["tar", "-xf", parts[0], "-C", folder], check=True)
    uv = clients.Uv(tmp_path / "uv")
    target = uv.install("newcomer", "torch", "--index-url", folder.as_uri() + "/simple")
    assert set(clients.installed(target)) == {"newcomer", "alpha", "torch"}


def test_bytes_that_are_not_as_the_row_says(tmp_path, rows, key):
    wrong = [dict(r) for r in rows]
    wrong[0]["sha256"] = "0" * 64
    command = bundles.command(tmp_path / "out", PART, key=key)
    done = subprocess.run(
        command, input=bundles.rows_text(wrong), capture_output=True, text=True, check=False
    )
    assert done.returncode == FAILED
    assert f"{Path(rows[0]['file']).name}: its bytes are not those of its row" in done.stderr
    assert not list((tmp_path / "out").iterdir())


def test_a_killed_run_is_begun_anew(tmp_path, rows, key, made, verify):
    """kill -9 at twenty moments; each time the next run ends as if there had been none."""
    chance = random.Random(7)
    folder = tmp_path / "out"
    killed = 0
    for _ in range(20):
        command = bundles.command(folder, PART, key=key)
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            process.stdin.write(bundles.rows_text(rows).encode())
            process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0.0, 0.08))
            process.send_signal(signal.SIGKILL)
            process.wait(30)
        killed += process.returncode == -signal.SIGKILL
        whole = (folder / "manifest.json").exists()
        if whole and not (folder / ".wheelyard-unfinished").exists():
            assert verify(folder).returncode == DONE
            shutil.rmtree(folder)
    assert killed
    bundles.write(folder, rows, PART, key=key)
    assert sorted(p.name for p in folder.iterdir()) == sorted(p.name for p in made.iterdir())
    assert [p.read_bytes() for p in parts_of(folder)] == [p.read_bytes() for p in parts_of(made)]
