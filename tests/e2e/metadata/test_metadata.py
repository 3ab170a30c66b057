# SPDX-License-Identifier: Apache-2.0
"""Metadata that no mirror gives, read out of wheels: what it costs, and what becomes of it when
mirrors, wheels and authorities do not play along."""

import re
import threading
import time

import pytest

import wire
from daemon import configuration, flat_mirror, official_mirror, pypi_mirror
from origin import Gate
from standins import anchor, flat_page, href_of, simple_page, wait_until
from wheels import PLATFORMS, PYTHON_TAG, build, metadata_of, sha256_of

BIG = 48 << 20  # of one wheel
MOST = 200_000  # bytes of wheels that a resolution may cost
TAGS = f"{PYTHON_TAG}-{PYTHON_TAG}-{PLATFORMS[0]}"
FOLDER = "/pytorch-wheels/cu126"


@pytest.fixture(scope="module")
def torch(tmp_path_factory):
    """A large wheel with a need of its own."""
    folder = tmp_path_factory.mktemp("big")
    return build(folder, "torch", "2.9.0+cu126", TAGS, ["six"], padding=BIG)


@pytest.fixture(scope="module")
def six(tmp_path_factory):
    return build(tmp_path_factory.mktemp("six"), "six", "1.17.0")


def put_flat(origin, *wheels, channel="cu126", **trouble):
    rows = [(wheel.name, wheel.stat().st_size) for wheel in wheels]
    origin.put_page(f"/pytorch-wheels/{channel}/", flat_page(channel, rows))
    for wheel in wheels:
        origin.put(f"/pytorch-wheels/{channel}/{wheel.name}", wheel, **trouble)


def put_pypi(origin, *wheels):
    """Without metadata, as an old mirror."""
    for wheel in wheels:
        project = wheel.name.split("-")[0]
        link = anchor(f"/packages/{wheel.name}", wheel.name, sha256_of(wheel))
        origin.put_page(f"/simple/{project}/", simple_page(project, [link]))
        origin.put(f"/packages/{wheel.name}", wheel)


def flat(origin, **top):
    mirrors = [flat_mirror("flat", origin.url)]
    return configuration(pytorch=mirrors, pypi=[pypi_mirror("pypi", origin.url)], **top)


def path_of(wheel):
    return f"{FOLDER}/{wheel.name}"


def url_of(wheel):
    return f"/files/pytorch/cu126/{href_of(wheel.name)}.metadata"


def page_file(daemon, wheel, project="torch"):
    files = daemon.page(project).json()["files"]
    return next(file for file in files if file["filename"] == wheel.name)


def compile_with(client, daemon):
    """Resolves torch without installing it; returns what the client printed."""
    needed = client.home / "needed.in"
    needed.write_text("torch\n")
    if type(client).__name__ == "Uv":
        index = ("--default-index", daemon.index("cu126"))
        return client.run("pip", "compile", "--no-header", *index, needed)
    options = ("--dry-run", "--ignore-installed", "--target", client.home / "target")
    return client.run("install", *options, "--index-url", daemon.index("cu126"), "-r", needed)


def most(client, wheel):
    """Old pips fetch what they resolved, dry run or not: then all of it, and what a transfer that
    is cut had under way."""
    fetches = "pip 23" in client.run("--version")
    return wheel.stat().st_size + (1 << 20) if fetches else MOST


# ------------------------------------------------------------------ what it costs


def test_resolving_costs_the_end_of_the_wheel_once(origin, serve, client, another, torch, six):
    put_flat(origin, torch)
    put_pypi(origin, six)
    daemon = serve(flat(origin))
    output = compile_with(client, daemon)
    assert "six" in output and re.search("torch[=-]+2.9.0", output)
    assert page_file(daemon, torch)["core-metadata"]
    assert 0 < origin.body_bytes(path_of(torch)) < most(client, torch)
    before = len(origin.asked(path_of(torch)))
    compile_with(another(client), daemon)
    assert len(origin.asked(path_of(torch))) == before
    assert not origin.asked(f"{path_of(torch)}.metadata"), "a flat mirror has none"


def test_what_was_read_for_metadata_is_not_fetched_again(origin, serve, torch):
    put_flat(origin, torch)
    daemon = serve(flat(origin))
    assert daemon.get(url_of(torch)).body == metadata_of(torch)
    first = [r.range for r in origin.asked(path_of(torch), "GET")]
    assert len(first) == 1 and first[0].endswith(f"-{torch.stat().st_size - 1}")
    assert daemon.get(url_of(torch).removesuffix(".metadata")).body == torch.read_bytes()
    assert origin.body_bytes(path_of(torch)) == torch.stat().st_size


def test_after_a_restart_nothing_is_asked_for(origin, serve, torch, tmp_path):
    put_flat(origin, torch)
    daemon = serve(flat(origin), cache_dir=tmp_path / "cache")
    assert page_file(daemon, torch)["core-metadata"] is True
    made = daemon.get(url_of(torch))
    daemon.stop()
    assert len(origin.tries) == 1
    asked = len(origin.asked(path_of(torch)))
    daemon = serve(flat(origin), cache_dir=tmp_path / "cache")
    assert page_file(daemon, torch)["core-metadata"] == {"sha256": sha256_of(made.body)}
    again = daemon.get(url_of(torch))
    assert (again.status, again.body, again["ETag"]) == (200, made.body, made["ETag"])
    assert (len(origin.asked(path_of(torch))), len(origin.tries)) == (asked, 1)


def test_it_is_a_file_like_others(origin, serve, torch):
    put_flat(origin, torch)
    daemon = serve(flat(origin))
    first = daemon.get(url_of(torch), {"Accept-Encoding": "gzip"})
    assert (first.status, first["X-Cache"], first["X-Mirror"]) == (200, "miss", "flat")
    assert first["Content-Encoding"] is None, "pip crashes on a coded one"
    assert first["Content-Type"] == "text/plain; charset=utf-8"
    assert first["ETag"] == f'"sha256-{sha256_of(first.body)}"'
    assert "immutable" not in first["Cache-Control"], "nobody vouches for the wheel"
    again = daemon.get(url_of(torch))
    assert (again.body, again["X-Cache"]) == (first.body, "hit")
    head = daemon.get(url_of(torch), method="HEAD")
    assert (head.status, head["Content-Length"]) == (200, str(len(first.body)))
    part = daemon.get(url_of(torch), {"Range": "bytes=5-9"})
    assert (part.status, part.body) == (206, first.body[5:10])
    assert daemon.get(url_of(torch), {"If-None-Match": first["ETag"]}).status == 304


def test_many_ask_at_once(origin, serve, torch):
    gate = Gate()
    put_flat(origin, torch, gate=gate)
    daemon = serve(flat(origin))
    clients = [wire.Download(daemon.url + url_of(torch)) for _ in range(20)]
    origin.wait_asked(path_of(torch))
    gate.open()
    for client in clients:
        assert client.wait_end().whole and client.body == metadata_of(torch)
    assert len(origin.asked(path_of(torch), "GET")) == 1


# ------------------------------------------------------------------ what is promised


def test_nothing_is_promised_without_ranges(origin, serve, torch):
    put_flat(origin, torch, ignore_range=True)
    daemon = serve(flat(origin))
    for _ in range(2):
        assert "core-metadata" not in page_file(daemon, torch)
    assert len(origin.tries) == 1
    # Who asks nevertheless is not refused: the wheel is fetched for it.
    assert daemon.get(url_of(torch)).body == metadata_of(torch)


@pytest.mark.parametrize("trouble", [{"ignore_range": True}, {"refuse_range": 403}])
def test_a_promise_is_kept_when_ranges_fail_later(origin, serve, uv, torch, six, trouble):
    put_flat(origin, torch)
    put_pypi(origin, six)
    daemon = serve(flat(origin))
    assert page_file(daemon, torch)["core-metadata"] is True
    origin.change(path_of(torch), **trouble)
    assert "six" in compile_with(uv, daemon)
    assert origin.body_bytes(path_of(torch)) >= torch.stat().st_size - (64 << 10)


def test_a_mirror_that_does_not_answer_delays_a_page_for_a_moment(origin, serve, torch):
    put_flat(origin, torch, silent=threading.Event())
    daemon = serve(flat(origin, stall_timeout="60s"))
    begun = time.monotonic()
    assert "core-metadata" not in page_file(daemon, torch)
    assert time.monotonic() - begun < 30


def test_requires_python_of_wheels_that_are_known(origin, serve, tmp_path):
    wheel = build(tmp_path, "torch", "2.9.0+cu126", TAGS, header="Requires-Python: >=3.7\n")
    put_flat(origin, wheel)
    daemon = serve(flat(origin))
    assert "requires-python" not in page_file(daemon, wheel)
    made = daemon.get(url_of(wheel)).body
    assert made == metadata_of(wheel) and b"Requires-Python: >=3.7" in made
    fresh = {"Accept": wire.JSON, "Cache-Control": "no-cache"}
    (file,) = daemon.page("torch", headers=fresh).json()["files"]
    assert file["requires-python"] == ">=3.7"
    assert file["core-metadata"] == {"sha256": sha256_of(made)}


# ------------------------------------------------------------------ authorities


def vouched(origin, second_origin, wheel, digest):
    """A flat page, and an official one that names the digest of metadata it does not give."""
    link = anchor(f"/whl/cu126/{href_of(wheel.name)}", wheel.name, None, digest)
    second_origin.put_page("/whl/cu126/torch/", simple_page("torch", [link]))
    put_flat(origin, wheel)
    mirrors = [flat_mirror("flat", origin.url), official_mirror("official", second_origin.url)]
    return configuration(pytorch=mirrors)


def test_an_authority_vouches_for_what_is_made(origin, second_origin, serve, torch):
    digest = sha256_of(metadata_of(torch))
    daemon = serve(vouched(origin, second_origin, torch, digest))
    assert page_file(daemon, torch)["core-metadata"] == {"sha256": digest}
    reply = daemon.get(url_of(torch))
    assert (reply.status, reply.body) == (200, metadata_of(torch))
    assert "immutable" in reply["Cache-Control"]


def test_what_an_authority_contradicts_is_not_served(origin, second_origin, serve, torch):
    daemon = serve(vouched(origin, second_origin, torch, "ab" * 32))
    assert page_file(daemon, torch)["core-metadata"] == {"sha256": "ab" * 32}
    reply = daemon.get(url_of(torch))
    assert reply.status == 502 and "authority" in reply.text
    (problem,) = [p for p in daemon.status()["problems"] if p["kind"] == "metadata"]
    assert problem["path"] == f"cu126/{torch.name}"


# ------------------------------------------------------------------ wheels that are wrong


@pytest.mark.parametrize("padding", [0, 3 << 20], ids=["small", "read by its end"])
def test_metadata_of_another_project_is_refused(origin, serve, uv, tmp_path, padding):
    inside = build(tmp_path / "a", "torchvision", "2.9.0+cu126", TAGS, padding=padding)
    wheel = inside.rename(tmp_path / f"torch-2.9.0+cu126-{TAGS}.whl")
    put_flat(origin, wheel)
    daemon = serve(flat(origin))
    reply = daemon.get(url_of(wheel))
    assert reply.status == 502 and "another project" in reply.text
    wait_until(
        lambda: any("another project" in p["detail"] for p in daemon.status()["problems"]),
        what="it is said",
    )
    uv.install("--index-url", daemon.index("cu126"), "torch", fails=True)


def test_metadata_of_another_version_is_served_and_flagged(origin, serve, tmp_path):
    inside = build(tmp_path / "a", "torch", "2.8.0+cu126", TAGS, padding=3 << 20)
    wheel = inside.rename(tmp_path / f"torch-2.9.0+cu126-{TAGS}.whl")
    put_flat(origin, wheel)
    daemon = serve(flat(origin))
    assert daemon.get(url_of(wheel)).body == metadata_of(wheel)
    (problem,) = [p for p in daemon.status()["problems"] if p["kind"] == "metadata"]
    assert "Name or Version" in problem["detail"]
    wait_until(lambda: "metadata flagged" in daemon.log(), what="the log tells")


def test_a_wheel_that_is_no_archive(origin, serve, torch, tmp_path):
    broken = tmp_path / f"torch-2.8.0+cu126-{TAGS}.whl"
    broken.write_bytes(b"<html>" + bytes(2_000_000))  # its end alone is read
    put_flat(origin, torch, broken)
    daemon = serve(flat(origin))
    assert page_file(daemon, broken)["core-metadata"] is True
    reply = daemon.get(url_of(broken))
    assert reply.status == 502 and "no zip archive" in reply.text
    document = daemon.page("torch", headers={"Accept": wire.JSON, "Cache-Control": "no-cache"})
    promised = [f["filename"] for f in document.json()["files"] if "core-metadata" in f]
    assert promised == [torch.name], "what cannot be made is promised no more"


def test_wrong_bytes_take_back_what_was_made_of_them(origin, second_origin, serve, tmp_path):
    """The end of a wheel is not checked before all of it is there."""
    good = build(tmp_path / "good", "torch", "2.9.0+cu126", TAGS, ["six"], padding=8 << 20)
    bad = build(tmp_path / "bad", "torch", "2.9.0+cu126", TAGS, ["nix"], padding=8 << 20)
    for origin_ in (origin, second_origin):
        link = anchor(f"/whl/cu126/{href_of(good.name)}", good.name, sha256_of(good))
        origin_.put_page("/whl/cu126/torch/", simple_page("torch", [link]))
    origin.put(f"/whl/cu126/{good.name}", bad)
    names = [("liar", origin), ("honest", second_origin)]
    mirrors = [official_mirror(name, origin_.url) for name, origin_ in names]
    daemon = serve(configuration(pytorch=mirrors))
    assert daemon.page("torch").status == 200
    assert b"nix" in daemon.get(url_of(good)).body
    second_origin.put(f"/whl/cu126/{good.name}", good)
    wheel = daemon.file_url("pytorch", f"cu126/{good.name}")
    assert wire.ask_until_whole(wheel)[-1].body == good.read_bytes()
    assert daemon.get(url_of(good)).body == metadata_of(good)
