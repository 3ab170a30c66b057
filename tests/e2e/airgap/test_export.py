# SPDX-License-Identifier: Apache-2.0
"""`wheelyard export --all`: a bundle of what the daemon holds, with the rows as its indexes had them."""

import json

import pytest

import bundles
import wire
from clients import Uv, installed
from daemon import configuration, flat_mirror, pypi_mirror, run_wheelyard
from standins import flat_page, href_of
from wheels import build, metadata_of, sha256_of

DONE, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3
TORCH = "2.9.0+cu126"
UPLOADED = "2025-01-02T03:04:05.678901Z"

pytestmark = pytest.mark.skipif(
    not bundles.has_minisign(), reason="there is no minisign (scripts/bootstrap test)"
)


@pytest.fixture
def wheels(tmp_path):
    folder = tmp_path / "wheels"
    return {
        "torch": build(folder, "torch", TORCH, requires=["alpha"], padding=300_000),
        "alpha": build(folder, "alpha", "1.0", padding=50_000),
        "yanked": build(folder, "alpha", "2.0"),
        "never": build(folder, "alpha", "0.5"),  # listed, and nobody fetches it
    }


@pytest.fixture
def daemon(origin, wheels, serve, place):
    """It holds three of four wheels."""
    torch = wheels["torch"]
    page = flat_page("cu126", [(torch.name, torch.stat().st_size)])
    origin.put_page("/pytorch-wheels/cu126/", page)
    origin.put(f"/pytorch-wheels/cu126/{torch.name}", torch)
    entries = []
    for name in ("alpha", "yanked", "never"):
        path = wheels[name]
        origin.put(f"/packages/aa/{path.name}", path)
        entry = {"filename": path.name, "url": f"/packages/aa/{href_of(path.name)}"}
        entry |= {"hashes": {"sha256": sha256_of(path)}, "size": path.stat().st_size}
        entry |= {"upload-time": UPLOADED, "requires-python": ">=3.7"}
        entries.append(entry | ({"yanked": "broken on Tuesdays"} if name == "yanked" else {}))
    document = {"meta": {"api-version": "1.1"}, "name": "alpha", "files": entries, "versions": []}
    origin.put("/simple/alpha/", json.dumps(document).encode(), type=wire.JSON)
    running = serve(
        configuration(
            pytorch=[flat_mirror("flat", origin.url)],
            pypi=[pypi_mirror("tuna", origin.url)],
            socket=str(place),
        )
    )
    for project in ("torch", "alpha"):
        assert running.page(project, index="cu126").status == 200
    assert wire.ask(running.file_url("pytorch", f"cu126/{torch.name}")).status == 200
    for name in ("alpha", "yanked"):
        url = running.file_url("pypi", f"packages/aa/{wheels[name].name}")
        assert wire.ask(url).status == 200
    running.wait_status(lambda s: s["cache"]["blobs"] == 3 and not s["flights"], what="all is kept")
    return running


@pytest.fixture
def export(place, tmp_path):
    def run(*arguments, socket=None):
        return run_wheelyard(
            "export", *arguments, "--socket", socket or place, home=tmp_path, seconds=60
        )

    return run


def test_all_that_is_held_goes_into_a_bundle(daemon, export, wheels, tmp_path):
    key = bundles.Key(tmp_path / "key")
    out = tmp_path / "out"
    done = export("--all", "-o", out, "--name", "lab", "--split", "250kB", "--sign", key.secret)
    assert done.returncode == DONE, done.stderr
    assert len(list(out.glob("lab.part*.tar"))) >= 2
    assert key.verify(out / "manifest.json").returncode == 0
    assert run_wheelyard("verify", out, "--key", key.line, home=tmp_path).returncode == DONE

    manifest = json.loads((out / "manifest.json").read_text())
    found = {f["path"].rsplit("/", 1)[-1]: f for f in manifest["files"]}
    assert set(found) == {wheels[n].name for n in ("torch", "alpha", "yanked")}
    for name in ("torch", "alpha", "yanked"):
        path, row = wheels[name], found[wheels[name].name]
        assert (row["size"], row["sha256"]) == (path.stat().st_size, sha256_of(path))
        assert row["metadata"]["sha256"] == sha256_of(metadata_of(path))
    alpha, yanked = found[wheels["alpha"].name], found[wheels["yanked"].name]
    assert (alpha["requires-python"], alpha["upload-time"]) == (">=3.7", UPLOADED)
    assert "yanked" not in alpha
    assert yanked["yanked"] == "broken on Tuesdays"
    # The date of a flat page is one that wheelyard has made: no index said it.
    assert "upload-time" not in found[wheels["torch"].name]


def test_the_bundle_installs_without_the_daemon(daemon, export, tmp_path):
    out = tmp_path / "out"
    assert export("--all", "-o", out).returncode == DONE
    daemon.stop()
    tree = tmp_path / "tree"
    bundles.unpack(out.glob("*.tar"), tree)
    target = Uv(tmp_path / "uv").install("torch", "--index-url", tree.as_uri() + "/simple")
    assert installed(target) == {"torch": TORCH, "alpha": "1.0"}


def test_since_carries_what_is_new(daemon, export, wheels, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert export("--all", "-o", first).returncode == DONE
    url = daemon.file_url("pypi", f"packages/aa/{wheels['never'].name}")
    assert wire.ask(url).status == 200
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 4 and not s["flights"], what="it is kept")
    done = export("--all", "-o", second, "--since", first / "manifest.json", "--json")
    assert done.returncode == DONE, done.stderr
    told = json.loads(done.stdout)
    assert (told["files"], told["carried"], told["parts"]) == (4, 1, 1)
    again = export("--all", "-o", second)
    assert again.returncode == FAILED and "has a bundle already" in again.stderr


def test_a_password_from_a_file(daemon, export, tmp_path):
    key = bundles.Key(tmp_path / "key", with_password=True)
    words = tmp_path / "password"
    words.write_text("wrong\n")
    sign = ("--all", "-o", tmp_path / "out", "--sign", key.secret, "--password-file", words)
    done = export(*sign)
    assert done.returncode == USAGE and "the password is wrong" in done.stderr
    assert not (tmp_path / "out").exists()
    words.write_text(f"{bundles.PASSWORD}\n")
    assert export(*sign).returncode == DONE
    assert key.verify(tmp_path / "out" / "manifest.json").returncode == 0


def test_a_blob_that_is_gone_or_damaged(daemon, export, wheels, tmp_path):
    digest = sha256_of(wheels["alpha"])
    blob = next(daemon.cache_dir.rglob(digest))
    data = blob.read_bytes()
    blob.chmod(0o600)
    blob.write_bytes(data[:-1] + b"x")
    done = export("--all", "-o", tmp_path / "out")
    assert done.returncode == FAILED
    assert f"{wheels['alpha'].name}: its bytes are not those of its row" in done.stderr
    assert not list((tmp_path / "out").iterdir())
    blob.write_bytes(data)
    assert export("--all", "-o", tmp_path / "out").returncode == DONE


def test_usage(export, tmp_path):
    out = tmp_path / "out"
    assert export().returncode == USAGE
    assert export("--all").returncode == USAGE
    assert export("-o", out).returncode == USAGE
    assert export("--all", "-o", out, "--split", "4 parts").returncode == USAGE
    assert export("--all", "-o", out, "--name", "../x").returncode == USAGE
    assert export("--all", "-o", out, "--since", tmp_path / "nothing").returncode == USAGE
    assert export("--all", "-o", out).returncode == UNREACHABLE
    assert not out.exists()
    done = export("--help")
    assert done.returncode == DONE and "--split SIZE" in done.stdout
