# SPDX-License-Identifier: Apache-2.0
"""Files of which nobody names a digest: what they say of themselves is looked at before the last byte
goes out and before anything is kept; a wheel's own RECORD is compared soon after; and what changes
at the mirror is fetched again."""

import base64
import gzip
import hashlib
import io
import json
import shutil
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

import pytest

import wire
from daemon import PATIENCE, configuration, flat_mirror, is_sanitized, pypi_mirror, run_wheelyard
from origin import PORTAL_PAGE
from standins import flat_page, simple_page, wait_until
from wheels import build, metadata_of, sha256_of, sound

NAME = "torch-2.9.0+cu126-py3-none-any.whl"
SDIST = "torch-2.9.0.tar.gz"
FOLDER = "/pytorch-wheels/cu126"
SIZE = 300_000
RIGHT = sound(NAME, SIZE, "right")


def sdist(name="torch-2.9.0", mode="w:gz", filling=SIZE, project="torch"):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for member, data in ((f"{name}/PKG-INFO", f"Name: {project}\n".encode()), (f"{name}/fill", bytes(filling))):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def zipped_sdist(project):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("torch-2.9.0/fill", bytes(SIZE))
        archive.writestr("torch-2.9.0/PKG-INFO", f"Metadata-Version: 2.1\nName: {project}\n")
    return packed.getvalue()


def empty_archive():
    packed = io.BytesIO()
    zipfile.ZipFile(packed, "w").close()
    return packed.getvalue()


# What came instead of a wheel, and what is said of it.
INSTEAD = {
    "login page": (PORTAL_PAGE, "a web page"),
    "soft 404": (b"<!DOCTYPE html>\n<html><h1>404 Not Found</h1>" + b" " * 90000, "a web page"),
    "LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 9\n",
        "a Git LFS pointer",
    ),
    "error as JSON": (b'{"error": "not found"}', "a JSON document"),
    "empty archive": (empty_archive(), "the archive is empty"),
    "half a wheel": (RIGHT[: SIZE // 2], "its end is missing"),
    "the end of a wheel": (RIGHT[SIZE // 2 :], "contradicts itself"),
    "another project's wheel": (
        sound("demo-2.9.0+cu126-py3-none-any.whl", SIZE),
        "a wheel of another project: demo",
    ),
    "a wheel without METADATA": (RIGHT.replace(b"/METADATA", b"/METADATO"), "no METADATA"),
    "zeros": (bytes(SIZE), "zero bytes"),
}


class Stage:
    """Flat mirrors, which name no digest, and a daemon that follows them."""

    def __init__(self, serve, home, place, *origins, **top):
        self.home, self.socket = home, str(place)
        mirrors = [flat_mirror(f"m{n}", origin.url) for n, origin in enumerate(origins)]
        self.config = configuration(pytorch=mirrors, socket=self.socket, **top)
        self.serve, self.daemon = serve, serve(self.config)

    def url(self, name=NAME):
        return self.daemon.file_url("pytorch", f"cu126/{name}")

    def ask(self, name=NAME, **headers):
        return wire.ask(self.url(name), headers=headers)

    def cache(self, *arguments):
        result = run_wheelyard("cache", *arguments, "--socket", self.socket, home=self.home)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def rows(self):
        return json.loads(self.cache("ls", "--json"))["blobs"]

    def level(self):
        [row] = [row for row in self.rows() if row["complete"]]
        return row.get("level")

    def wait_level(self, level):
        self.daemon.wait_status(lambda s: s["evidence"][level] == 1, what=f"level {level}")

    def wait_kept(self, count=1):
        self.daemon.wait_status(
            lambda s: s["cache"]["blobs"] == count and not s["flights"], what=f"{count} kept"
        )

    def problems(self, kind):
        return [p for p in self.daemon.status()["problems"] if p["kind"] == kind]

    def aside(self):
        folder = self.daemon.cache_dir / "quarantine"
        return {p.name for p in folder.iterdir()} if folder.exists() else set()

    def restart(self):
        self.daemon.stop()
        self.daemon = self.serve(self.config, cache_dir=self.daemon.cache_dir)


@pytest.fixture
def stage(serve, tmp_path):
    place = Path(tempfile.mkdtemp(prefix="wy"))  # a socket's name may have a hundred bytes only
    yield lambda *origins, **top: Stage(serve, tmp_path, place / "s", *origins, **top)
    shutil.rmtree(place)


def put(origin, body, name=NAME, **trouble):
    origin.put_page(f"{FOLDER}/", flat_page("cu126", [(name, len(body))]))
    origin.put(f"{FOLDER}/{name}", body, **trouble)


def is_whole(reply, body):
    return reply.status == 200 and not reply.cut and reply.body == body


# ------------------------------------------------------- before the last byte


@pytest.mark.parametrize("kind", INSTEAD)
def test_what_is_no_wheel_is_neither_delivered_nor_kept(origin, stage, kind):
    body, says = INSTEAD[kind]
    put(origin, body, type="text/html" if b"html" in body else "application/octet-stream")
    s = stage(origin)
    first = s.ask()
    assert not is_whole(first, body)
    again = first if first.status == 502 else s.ask()  # within the second of the failure
    assert again.status == 502, f"{again.status} {again.body[:200]}"
    assert "m0" in again.text and says in again.text, again.text
    s.wait_kept(0)
    put(origin, RIGHT)
    wait_until(lambda: is_whole(s.ask(), RIGHT), what="the right wheel")
    s.wait_kept()
    assert s.ask()["X-Cache"] == "hit"


def test_another_mirror_that_has_the_wheel_is_asked(origin, second_origin, stage):
    put(origin, INSTEAD["soft 404"][0], type="text/html")
    put(second_origin, RIGHT)
    s = stage(origin, second_origin)
    replies = wire.ask_until_whole(s.url())
    assert is_whole(replies[-1], RIGHT)
    assert not any(is_whole(reply, INSTEAD["soft 404"][0]) for reply in replies)
    s.wait_kept()


def test_uv_installs_from_the_mirror_that_is_right(origin, second_origin, stage, uv, tmp_path):
    wheel = build(tmp_path / "w", "torch", "2.9.0+cu126", says="right", padding=SIZE)
    put(origin, wheel.read_bytes()[: SIZE // 2], wheel.name)
    put(second_origin, wheel.read_bytes(), wheel.name)
    s = stage(origin, second_origin)
    target = tmp_path / "target"
    uv.run("pip", "install", "--target", target, "--index-url", s.daemon.index(), "torch")
    assert "right" in (target / "torch" / "__init__.py").read_text()


@pytest.mark.parametrize("kind", ("prefix", "comment", "zip64", "other version"))
def test_what_is_a_wheel_all_the_same_is_kept(origin, stage, kind):
    body = RIGHT
    if kind == "prefix":
        body = b"#!/usr/bin/env python3\n" + RIGHT
    if kind == "comment":
        body = RIGHT[:-2] + (70).to_bytes(2, "little") + b"c" * 70
    if kind == "zip64":
        packed = io.BytesIO(RIGHT)
        with zipfile.ZipFile(packed, "a") as archive:
            with archive.open("torch/x.py", "w", force_zip64=True) as member:
                member.write(b"x = 1\n")
        body = packed.getvalue()
    if kind == "other version":
        body = sound("torch-2.8.0-py3-none-any.whl", SIZE)
    put(origin, body)
    s = stage(origin)
    assert is_whole(s.ask(), body)
    s.wait_kept()
    assert s.ask()["X-Cache"] == "hit"
    told = bool(s.problems("other-version"))
    assert told == (kind == "other version")


@pytest.mark.parametrize(
    "kind", ("whole", "half", "web page", "gzipped web page", "another project's")
)
def test_sdists_by_their_stream(origin, stage, kind):
    body = sdist(project="torch" if kind != "another project's" else "demo")
    if kind == "half":
        body = body[: len(body) // 2]
    if kind == "web page":
        body = PORTAL_PAGE
    if kind == "gzipped web page":
        body = gzip.compress(PORTAL_PAGE)
    put(origin, body, SDIST)
    s = stage(origin)
    reply = s.ask(SDIST)
    assert is_whole(reply, body) == (kind == "whole")
    s.wait_kept(int(kind == "whole"))
    if kind == "whole":
        assert s.level() == "structure"


@pytest.mark.parametrize("project", ("torch", "demo"))
@pytest.mark.parametrize("suffix", (".zip", ".tar"))
def test_sdists_of_another_form_name_their_project_too(origin, stage, suffix, project):
    name = SDIST.replace(".tar.gz", suffix)
    body = zipped_sdist(project) if suffix == ".zip" else sdist(mode="w", project=project)
    put(origin, body, name)
    s = stage(origin)
    reply = s.ask(name)
    assert is_whole(reply, body) == (project == "torch")
    s.wait_kept(int(project == "torch"))


def test_a_range_is_served_though_the_file_is_not_judged(origin, stage):
    put(origin, RIGHT)
    s = stage(origin)
    assert s.ask(Range="bytes=-1000").body == RIGHT[-1000:]


@pytest.mark.parametrize("kind", ("right", "login page", "half a wheel", "another project's wheel"))
def test_what_passes_by_unkept_is_judged_by_its_end(origin, stage, kind):
    body = RIGHT if kind == "right" else INSTEAD[kind][0]
    put(origin, body)
    s = stage(origin, min_free="1000TB")
    reply = s.ask()
    assert is_whole(reply, body) == (kind == "right")
    s.wait_kept(0)
    if kind == "right":
        assert reply["X-Cache"] == "pass"
    else:
        wait_until(lambda: s.problems("unsound"), what="it is said")


# ------------------------------------------------------------------ metadata


def pypi_only(serve, origin):
    return serve(configuration(pypi=[pypi_mirror("pypi", origin.url)]))


@pytest.mark.parametrize("kind", ("right", "web page", "other project", "other version", "no version"))
def test_what_comes_as_metadata_must_be_metadata(origin, serve, tmp_path, kind):
    wheel = build(tmp_path, "six", "1.17.0")
    right = metadata_of(wheel)
    sent = {
        "right": right + b"\nOf the mirror.\n",
        "web page": PORTAL_PAGE,
        "other project": right.replace(b"Name: six", b"Name: sex"),
        "other version": right.replace(b"1.17.0", b"1.16.0"),
        "no version": right.replace(b"Version: 1.17.0\n", b""),
    }[kind]
    link = f'<a href="/packages/{wheel.name}" data-core-metadata="true">{wheel.name}</a>'
    origin.put_page("/simple/six/", simple_page("six", [link]))
    origin.put(f"/packages/{wheel.name}", wheel)
    origin.put(f"/packages/{wheel.name}.metadata", sent)
    daemon = pypi_only(serve, origin)
    reply = daemon.get(f"/files/pypi/packages/{wheel.name}.metadata")
    believed = kind in ("right", "other version")
    assert reply.status == 200 and reply.body == (sent if believed else right)
    told = [p["kind"] for p in daemon.status()["problems"]]
    assert ("other-version" in told) == (kind == "other version")
    again = daemon.get(f"/files/pypi/packages/{wheel.name}.metadata")
    assert again.body == reply.body


# -------------------------------------------------------------------- levels


def spoilt(body, crc=False):
    """The wheel with one byte of a member changed; with its CRC put right, so that only RECORD
    contradicts."""
    packed, out = io.BytesIO(body), io.BytesIO()
    if crc:
        at = body.index(b"SEED")
        return body[:at] + b"s" + body[at + 1 :]
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            new.writestr(info, data.replace(b"SEED", b"sEED") if "__init__" in info.filename else data)
    return out.getvalue()


def test_levels_are_shown_everywhere(origin, stage):
    put(origin, RIGHT)
    s = stage(origin)
    assert is_whole(s.ask(), RIGHT)
    s.wait_level("record")
    assert s.level() == "record"
    assert "record" in s.cache("ls") and "agrees with its RECORD" in s.cache("info", NAME)
    assert s.cache("verify").split()[:2] == ["good", "record"]
    s.restart()
    s.wait_level("record")
    assert s.level() == "record", "it is remembered"


def test_a_record_without_digests_proves_nothing(origin, stage):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        info = "torch-2.9.0+cu126.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: torch\nVersion: 2.9.0+cu126\n")
        archive.writestr(f"{info}/RECORD", f"{info}/METADATA,,\n{info}/RECORD,,\n")
    put(origin, packed.getvalue())
    s = stage(origin)
    s.ask()
    s.wait_level("structure")
    s.daemon.wait_status(lambda _: "no digest" in s.cache("info", NAME), what="checked")
    assert s.level() == "structure" and "structure" in s.cache("verify")


@pytest.mark.parametrize("crc", (True, False), ids=("damaged", "not what RECORD says"))
def test_what_its_record_refutes_goes_to_quarantine_and_is_fetched_again(origin, stage, crc):
    bad = spoilt(RIGHT, crc)
    put(origin, bad)
    s = stage(origin)
    assert is_whole(s.ask(), bad), "its structure is sound"
    wait_until(lambda: s.aside() == {sha256_of(bad)}, what="quarantine")
    [problem] = s.problems("unsound")
    assert "torch/__init__.py" in problem["detail"] and "m0" in problem["detail"]
    put(origin, RIGHT)
    wait_until(lambda: is_whole(s.ask(), RIGHT), what="the right wheel")
    s.wait_level("record")


def test_the_same_damaged_bytes_are_not_delivered_twice(origin, stage):
    bad = spoilt(RIGHT, crc=True)
    put(origin, bad)
    s = stage(origin)
    s.ask()
    wait_until(lambda: s.aside() == {sha256_of(bad)}, what="quarantine")
    s.restart()
    assert not is_whole(s.ask(), bad)
    reply = s.ask()
    assert reply.status == 502 and "torch/__init__.py is damaged" in reply.text


def test_a_wheel_that_was_published_with_a_wrong_record_is_delivered(origin, stage):
    """No damage, for every copy is so; pip installs it, too. It stays at its structure."""
    bad = spoilt(RIGHT)
    put(origin, bad)
    s = stage(origin)
    s.ask()
    wait_until(lambda: s.aside() == {sha256_of(bad)}, what="quarantine")
    assert is_whole(s.ask(), bad)
    s.wait_level("structure")
    assert s.ask()["X-Cache"] == "hit" and "not what its RECORD says" in s.cache("info", NAME)
    s.restart()
    assert s.ask()["X-Cache"] == "hit" and s.level() == "structure"


def adopted(cache_dir, name, body):
    """What another version kept: a blob and what stands beside it."""
    digest = sha256_of(body)
    place = cache_dir / "blobs" / digest[:2] / digest
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(body)
    row = {"origin": "pytorch", "path": f"cu126/{name}", "etag": '"x"', "mirrors": "m0"}
    text = json.dumps({"files": [{**row, "authoritative": False}], "size": len(body)})
    place.with_name(f"{digest}.json").write_text(text)


def test_what_an_older_version_kept_is_looked_at(origin, stage):
    put(origin, RIGHT)
    s = stage(origin)
    s.daemon.stop()
    other = "torch-2.8.0+cu126-py3-none-any.whl"
    adopted(s.daemon.cache_dir, NAME, PORTAL_PAGE)
    adopted(s.daemon.cache_dir, other, sound(other, SIZE))
    adopted(s.daemon.cache_dir, f"{other}.metadata", b"<html>sign in</html>")
    s.daemon = s.serve(s.config, cache_dir=s.daemon.cache_dir)
    wait_until(lambda: len(s.aside()) == 2, what="quarantine")
    s.wait_level("record")
    assert is_whole(s.ask(), RIGHT)
    assert is_whole(s.ask(other), sound(other, SIZE))


def anonymous_bytes(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")


def urlsafe(digest):
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def test_a_record_check_of_a_large_wheel_takes_little_memory(origin, stage):
    """Three members of 50 MB, packed, so that the test itself is light."""
    packed, rows = io.BytesIO(), ""
    info = "torch-2.9.0+cu126.dist-info"
    members = {f"torch/lib{n}.so": bytes(50 << 20) for n in range(3)}
    members[f"{info}/METADATA"] = b"Metadata-Version: 2.1\nName: torch\nVersion: 2.9.0+cu126\n"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
            rows += f"{name},sha512={urlsafe(hashlib.sha512(data).digest())},{len(data)}\n"
        archive.writestr(f"{info}/RECORD", f"{rows}{info}/RECORD,,\n")
    put(origin, packed.getvalue())
    s = stage(origin)
    before = anonymous_bytes(s.daemon.process.pid)
    s.ask()
    most, deadline = 0, time.monotonic() + 60 * PATIENCE
    while s.daemon.status()["evidence"]["record"] == 0:
        most = max(most, anonymous_bytes(s.daemon.process.pid))
        assert time.monotonic() < deadline, s.daemon.log_tail()
        time.sleep(0.01)
    if not is_sanitized():
        assert most - before < 24 << 20


# ------------------------------------------------------- what changes at its mirror

REFRESH = dict(page_refresh="1s")


def replaced(s, body):
    """Asks until the new bytes are served; all that was served before was whole and old."""
    seen = []

    def asked():
        seen.append(s.ask())
        return is_whole(seen[-1], body)

    wait_until(asked, what="the new bytes")
    assert all(is_whole(reply, RIGHT) for reply in seen[:-1])
    return seen


@pytest.mark.parametrize("kind", ("size", "ETag", "date"))
def test_what_nobody_vouches_for_is_fetched_again_when_it_changes(origin, stage, kind):
    put(origin, RIGHT, etag=(lambda n: '"same"') if kind == "date" else None)
    other = sound(NAME, SIZE + (1000 if kind == "size" else 0), "another")
    s = stage(origin, **REFRESH)
    first = s.ask()
    s.wait_kept()
    if kind == "date":
        put(origin, other, etag=lambda n: '"other"', modified="Thu, 16 Oct 2025 18:04:00 GMT")
    else:
        put(origin, other)
    last = replaced(s, other)[-1]
    assert last["ETag"] != first["ETag"]
    s.wait_kept()
    assert [row["sha256"] for row in s.rows()] == [sha256_of(other)]
    s.restart()
    assert is_whole(s.ask(), other)


def page_with(origin, size, date="2025-10-15 18:04"):
    origin.put_page(f"{FOLDER}/", flat_page("cu126", [(NAME, size)], dates={NAME: date}))


def wait_taken_over(s, body):
    """The file is not asked for meanwhile: only its page is."""
    wait_until(
        lambda: s.daemon.page("torch") and {row["sha256"] for row in s.rows()} == {sha256_of(body)},
        what="the new bytes",
    )
    assert is_whole(s.ask(), body)


def listed_and_kept(origin, stage):
    """The right wheel, once on its page and once asked for; and that reply."""
    put(origin, RIGHT)
    s = stage(origin, **REFRESH)
    assert s.daemon.page("torch").status == 200
    first = s.ask()
    s.wait_kept()
    return s, first


@pytest.mark.parametrize("kind", ("size", "date", "date, and HEAD is refused"))
def test_another_row_on_its_page_has_a_file_looked_at_though_nobody_uses_it(origin, stage, kind):
    s, first = listed_and_kept(origin, stage)
    other = sound(NAME, 2 * SIZE if kind == "size" else SIZE, "another")
    origin.put(f"{FOLDER}/{NAME}", other, head_status=405 if "HEAD" in kind else None)
    page_with(origin, len(other), "2025-10-15 18:04" if kind == "size" else "2025-11-20 09:00")
    wait_taken_over(s, other)
    assert s.ask()["ETag"] != first["ETag"]


def test_another_row_is_seen_after_a_restart(origin, stage):
    s, _ = listed_and_kept(origin, stage)
    other = sound(NAME, SIZE, "another")
    origin.put(f"{FOLDER}/{NAME}", other)
    page_with(origin, len(other), "2025-11-20 09:00")
    s.restart()
    wait_taken_over(s, other)


def test_another_row_of_the_same_file_is_no_reason_to_fetch_it(origin, stage):
    """The page was written anew, and HEAD says what it said before."""
    s, _ = listed_and_kept(origin, stage)
    bodies = len(origin.asked(f"{FOLDER}/{NAME}", "GET"))
    page_with(origin, SIZE, "2025-11-20 09:00")
    wait_until(
        lambda: s.daemon.page("torch") and "another row of a file" in s.daemon.log(),
        what="the row is seen",
    )
    wait_until(lambda: origin.asked(f"{FOLDER}/{NAME}", "HEAD"), what="HEAD")
    assert is_whole(s.ask(), RIGHT)
    assert len(origin.asked(f"{FOLDER}/{NAME}", "GET")) == bodies


def test_a_client_that_says_no_cache_has_it_compared_at_once(origin, stage):
    put(origin, RIGHT)
    s = stage(origin)
    s.ask()
    s.wait_kept()
    other = sound(NAME, SIZE, "another")
    put(origin, other)
    assert is_whole(s.ask(), RIGHT)
    assert not origin.asked(f"{FOLDER}/{NAME}", "HEAD"), "it is not due"
    assert is_whole(s.ask(**{"Cache-Control": "no-cache"}), RIGHT), "the old bytes serve meanwhile"
    wait_until(
        lambda: {row["sha256"] for row in s.rows()} == {sha256_of(other)}, what="the new bytes"
    )
    assert is_whole(s.ask(), other)
    [head] = origin.asked(f"{FOLDER}/{NAME}", "HEAD")
    assert head.headers["cache-control"] == "no-cache", "a cache on the way is to ask the mirror"
    s.ask(**{"Cache-Control": "no-cache"})
    assert len(origin.asked(f"{FOLDER}/{NAME}", "HEAD")) == 1, "once in thirty seconds"


@pytest.mark.parametrize("names", ("ETag and date", "neither"))
def test_what_was_evicted_and_is_another_now_has_another_etag(origin, stage, names):
    says = {} if "ETag" in names else dict(etag=lambda n: None, modified=None)
    put(origin, RIGHT, **says)
    s = stage(origin)
    first = s.ask()
    s.wait_kept()
    other = sound(NAME, SIZE, "another")
    assert len(other) == len(RIGHT)
    s.cache("rm", f"pytorch/cu126/{NAME}")
    s.wait_kept(0)
    put(origin, other, **says)
    second = s.ask()
    assert is_whole(second, other) and second["ETag"] != first["ETag"]
    mixed = s.ask(Range="bytes=100-", **{"If-Range": first["ETag"]})
    assert is_whole(mixed, other), "a client that resumes what it had of the old bytes begins anew"


def test_what_replaces_it_must_be_sound(origin, stage):
    put(origin, RIGHT)
    s = stage(origin, **REFRESH)
    s.ask()
    s.wait_kept()
    put(origin, PORTAL_PAGE, type="text/html")
    wait_until(lambda: s.ask() and s.problems("unsound"), what="the portal is refused")
    assert is_whole(s.ask(), RIGHT)
    [problem] = s.problems("unsound")
    assert problem["detail"].count("m0") == 1, problem["detail"]
    s.restart()
    assert is_whole(s.ask(), RIGHT)


def test_when_the_first_mirror_has_junk_the_other_gives_the_new_file(
    origin, second_origin, stage
):
    other = sound(NAME, SIZE, "another")
    for each in (origin, second_origin):
        put(each, RIGHT)
    s = stage(origin, second_origin, **REFRESH)
    s.ask()
    s.wait_kept()
    put(origin, PORTAL_PAGE, type="text/html")
    put(second_origin, other)
    replaced(s, other)


def test_a_file_that_only_changes_its_name_is_fetched_again_seldom(origin, stage):
    """Mirrors that make up an ETag for each answer exist; the bytes are the same."""
    put(origin, RIGHT, etag=lambda n: f'"{n}"')
    s = stage(origin, **REFRESH)
    s.ask()
    s.wait_kept()
    wait_until(lambda: s.ask() and "the same still" in s.daemon.log(), what="it is compared")
    begin = time.monotonic()
    while time.monotonic() - begin < 2.5:
        assert is_whole(s.ask(), RIGHT)
    assert s.daemon.log().count("the same still") == 1
    assert "replaced" not in s.daemon.log()


def test_what_has_gone_from_its_mirror_stays(origin, stage):
    put(origin, RIGHT)
    s = stage(origin, **REFRESH)
    s.ask()
    s.wait_kept()
    origin.remove(f"{FOLDER}/{NAME}")
    asked = len(origin.asked(f"{FOLDER}/{NAME}", "HEAD"))
    wait_until(
        lambda: is_whole(s.ask(), RIGHT) and len(origin.asked(f"{FOLDER}/{NAME}", "HEAD")) > asked,
        what="the mirror is asked",
    )
    assert is_whole(s.ask(), RIGHT)


def test_what_an_authority_names_is_not_compared(origin, stage):
    put(origin, RIGHT)
    link = f'<a href="{NAME}#sha256={sha256_of(RIGHT)}">{NAME}</a>'
    origin.put_page(f"{FOLDER}/", f"<html><body>{link}</body></html>")
    s = stage(origin, **REFRESH)
    assert s.daemon.page("torch").status == 200
    s.ask()
    s.wait_level("authority")
    asked = len(origin.asked(f"{FOLDER}/{NAME}"))
    begin = time.monotonic()
    while time.monotonic() - begin < 1.5:
        assert is_whole(s.ask(), RIGHT)
    assert len(origin.asked(f"{FOLDER}/{NAME}")) == asked


@pytest.mark.parametrize("size", (40_000, SIZE, 3_000_000), ids=("40 kB", "300 kB", "3 MB"))
@pytest.mark.parametrize("asked", ("metadata", "wheel"))
def test_a_page_promises_no_metadata_of_what_is_no_wheel(origin, stage, size, asked):
    """Until the mirror has another file there: pip ends with an error where a promised one is none."""
    right = sound(NAME, size, "right")
    put(origin, right[: size // 2])
    s = stage(origin, **REFRESH)

    def promised():
        [file] = s.daemon.page("torch").json()["files"]
        return bool(file.get("core-metadata"))

    wait_until(promised, what="ranges are known to be honoured")
    if asked == "metadata":
        assert wire.ask(f"{s.url()}.metadata").status == 502
    else:
        wait_until(lambda: s.ask().status == 502, what="the wheel is refused")
    wait_until(lambda: not promised(), what="it is promised no more")
    assert wire.ask(f"{s.url()}.metadata").status == 502
    assert not promised()
    s.restart()
    assert not promised()
    put(origin, right)
    wait_until(lambda: is_whole(s.ask(), right), what="the right wheel")
    wait_until(promised, what="it is promised again")
    assert b"Name: torch" in wire.ask(f"{s.url()}.metadata").body
