# SPDX-License-Identifier: Apache-2.0
"""`wheelyard prefetch --with`: what locks leave out, from the pages of the index."""

import gzip
import json

import pytest

import wire
from daemon import configuration, pypi_mirror, run_wheelyard
from standins import href_of
from wheels import build, sha256_of

DONE, FAILED, USAGE = 0, 1, 2
LINUX, WINDOWS = "manylinux_2_17_x86_64", "win_amd64"
TARGET = ("--python", "3.12", "--platform", "linux_x86_64")
BUILT = {
    "tool": (
        ("1.0", "py3-none-any", {}),
        ("2.0", "py3-none-any", {"requires-python": ">=3.8"}),
        ("2.1", "py3-none-any", {"requires-python": ">=3.13"}),
        ("2.2", "py3-none-any", {"yanked": "broken"}),
        ("3.0rc1", "py3-none-any", {}),
    ),
    "native": tuple(("0.9", f"py3-none-{platform}", {}) for platform in (LINUX, WINDOWS)),
    "builder": (("4.0", "py3-none-any", {}),),
}


@pytest.fixture
def daemon(origin, serve, place, tmp_path):
    def publish(project, files):
        document = {"meta": {"api-version": "1.1"}, "name": project, "files": files, "versions": []}
        origin.put(f"/simple/{project}/", json.dumps(document).encode(), type=wire.JSON)

    for project, releases in BUILT.items():
        files = []
        for version, tags, more in releases:
            wheel = build(tmp_path / "wheels", project, version, tags, padding=10_000)
            origin.put(f"/packages/{wheel.name}", wheel)
            row = {"filename": wheel.name, "url": f"/packages/{href_of(wheel.name)}", "size": wheel.stat().st_size}
            files.append(row | {"hashes": {"sha256": sha256_of(wheel)}} | more)
        publish(project, files)
    name, body = "source-1.0.tar.gz", gzip.compress(bytes(10_240))
    origin.put(f"/packages/{name}", body)
    hashes = {"sha256": sha256_of(body)}
    publish("source", [{"filename": name, "url": f"/packages/{name}", "size": len(body), "hashes": hashes}])
    return serve(configuration(pypi=[pypi_mirror("p", origin.url)], socket=str(place)))


@pytest.fixture
def lock(tmp_path):
    """It wants `builder` itself."""
    wheel = "builder-4.0-py3-none-any.whl"
    text = 'lock-version = "1.0"\ncreated-by = "a test"\n[[packages]]\nname = "builder"\nversion = "4.0"\n'
    text += f'[[packages.wheels]]\nurl = "https://files.pythonhosted.org/packages/{wheel}"\n'

    def write():
        digest = sha256_of(tmp_path / "wheels" / wheel)
        (tmp_path / "pylock.toml").write_text(text + f'hashes = {{ sha256 = "{digest}" }}\n')
        return tmp_path / "pylock.toml"

    return write


@pytest.fixture
def ours(daemon, lock, place, tmp_path):
    def run(command, *arguments, lock_flag=()):
        common = ("--config", daemon.folder / "config.toml", "--socket", place, "--url", daemon.url)
        return run_wheelyard(command, *lock_flag, lock(), *arguments, *common, home=tmp_path, seconds=60)

    return run


def _files(done):
    return {f["name"]: f["added"] for f in json.loads(done.stdout)["files"]}


def test_the_newest_release_that_fits_each_target(ours):
    done = ours("prefetch", *TARGET, "--platform", WINDOWS, "--with", "tool,native,builder", "--json")
    assert done.returncode == DONE, done.stderr
    assert _files(done) == {
        "tool-2.0-py3-none-any.whl": True,
        f"native-0.9-py3-none-{LINUX}.whl": True,
        f"native-0.9-py3-none-{WINDOWS}.whl": True,
        "builder-4.0-py3-none-any.whl": False,  # the lock wants it as well
    }
    assert all(f["held"] for f in json.loads(done.stdout)["files"])
    plan = ours("prefetch", *TARGET, "--with", "tool", "--dry-run").stdout.splitlines()
    assert plan[0].startswith("2 files, 0 MB, 1 of them by --with; 2 are held")
    assert plan[1] == "--with: tool-2.0-py3-none-any.whl"


def test_a_version_by_name(ours):
    done = ours("prefetch", *TARGET, "--with", "tool==1.0", "--dry-run", "--json")
    assert "tool-1.0-py3-none-any.whl" in _files(done)
    newer = ours("prefetch", "--python", "3.13", "--platform", "linux_x86_64", "--with=tool", "--dry-run", "--json")
    assert "tool-2.1-py3-none-any.whl" in _files(newer)


def test_what_no_file_fits_is_missing(ours):
    done = ours("prefetch", *TARGET, "--with", "tool==9.0,nosuch", "--dry-run", "--json")
    assert done.returncode == FAILED
    skips = {s["what"]: s for s in json.loads(done.stdout)["skipped"]}
    assert set(skips) == {"tool==9.0", "nosuch"} and all(s["needed"] for s in skips.values())
    assert skips["tool==9.0"]["lock"] == "--with" and skips["tool==9.0"]["reason"]
    assert _files(ours("prefetch", *TARGET, "--with", "source", "--dry-run", "--json"))["source-1.0.tar.gz"]
    no = ours("prefetch", *TARGET, "--with", "source", "--no-sdist", "--dry-run")
    assert no.returncode == FAILED and "--with: source: " in no.stderr


def test_usage(ours):
    without = ours("prefetch", "--with", "tool", "--dry-run")
    assert without.returncode == USAGE and "for which target?" in without.stderr
    assert ours("prefetch", *TARGET, "--with", "not a name", "--dry-run").returncode == USAGE


def test_a_bundle_has_them(ours, tmp_path):
    with_tool = (*TARGET, "--with", "tool")
    assert ours("prefetch", *with_tool).returncode == DONE
    done = ours("export", *with_tool, "-o", tmp_path / "out", lock_flag=("--lock",))
    assert done.returncode == DONE, done.stderr
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert {f["path"].rsplit("/", 1)[-1] for f in manifest["files"]} == {
        *("tool-2.0-py3-none-any.whl", "builder-4.0-py3-none-any.whl")
    }
