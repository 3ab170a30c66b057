# SPDX-License-Identifier: Apache-2.0
"""Folders of wheels as origins: what lies in them is listed and served, and nothing else."""

import http.client
import os
import shutil
import sqlite3
import tarfile
import time
import zipfile
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import wheels
import wire
from clients import installed
from daemon import PATIENCE, configuration, index_table, origin_tables, pypi_mirror, run_wheelyard
from standins import wait_until
from wheels import sha256_of

LARGE = 32 << 20  # more than lies in sockets between daemon and client


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "srv" / "wheels"
    path.mkdir(parents=True)
    return path


def lab(folder, pypi=None, owns=("lab-*",), **top):
    """An index `lab`: a folder, and PyPI's stand-in for the rest."""
    text = configuration(pypi=[pypi_mirror("tuna", pypi)] if pypi else (), **top)
    text += f'\n[origin.lab]\ndirectory = "{folder}"\nowns = {list(owns)}\n'
    return text + f"[index.lab]\norigins = {['lab', 'pypi'] if pypi else ['lab']}\n"


def listed(daemon, project):
    """File name -> file of the project's page; {} while there is no page."""
    reply = daemon.page(project, "lab")
    return {f["filename"]: f for f in reply.json()["files"]} if reply.status == 200 else {}


def wait_listed(daemon, *paths, project="lab-tools"):
    """Until the page has these wheels, each under the digest of what it is now."""
    wanted = {path.name: sha256_of(path.read_bytes()) for path in paths}

    def shown():
        files = listed(daemon, project)
        return {n: files[n]["hashes"].get("sha256") for n in wanted if n in files} == wanted

    wait_until(shown, 20 * PATIENCE, f"{', '.join(wanted)} on the page")


def listing(serve, folder, *paths):
    """A daemon whose page has these wheels of the folder."""
    daemon = serve(lab(folder))
    wait_listed(daemon, *paths)
    return daemon


def problems(status):
    return {p["path"]: p["detail"] for p in status["problems"]}


def file_url(daemon, name):
    return daemon.file_url("lab", name)


# ------------------------------------------------------------------ what is there


def test_a_folder_has_pages_lists_files_and_metadata(folder, serve):
    one = wheels.build(folder, "lab-tools", "1.0", header="Requires-Python: >=3.8\n")
    two = wheels.build(folder / "deep er" / "x+y", "lab_tools", "1.1+cu1", says="two")
    wheels.build(folder, "stranger", "1")
    daemon = listing(serve, folder, one, two)

    page_url = daemon.url + "/lab/simple/lab-tools/"
    page = daemon.page("lab-tools", "lab")
    wire.check_json_page(page.json(), "lab-tools")
    files = listed(daemon, "lab-tools")
    assert files[one.name]["requires-python"] == ">=3.8"
    assert files[one.name]["size"] == one.stat().st_size
    assert page["X-Mirror"] == "directory" and page["Cache-Control"] == "public, max-age=5"
    assert daemon.page("lab-tools", "lab")["X-Cache"] == "hit"
    html = daemon.get("/lab/simple/lab-tools/")
    assert sorted(wire.file_names(html)) == sorted(files)

    for name, url in wire.file_urls(page_url, page).items():
        wheel = {w.name: w for w in (one, two)}[name]
        reply = wire.ask(url)
        assert reply.status == 200 and reply.body == wheel.read_bytes()
        assert reply["X-Cache"] == "hit" and reply["X-Mirror"] == "directory"
        metadata = wire.ask(url + ".metadata")
        assert metadata.body == wheels.metadata_of(wheel)
        assert sha256_of(metadata.body) == files[name]["core-metadata"]["sha256"]

    assert [a["href"] for a in wire.anchors(daemon.get("/lab/simple/"))] == ["lab-tools/"]
    assert sorted(wire.file_names(daemon.get("/lab/flat/"))) == sorted(files)
    assert daemon.page("stranger", "lab").status == 404
    assert daemon.get("/files/lab/none-1.0-py3-none-any.whl").status == 404
    assert daemon.get(f"/files/lab/{one.name}.metadata.metadata").status == 404
    assert not list((daemon.cache_dir / "blobs").rglob("*.json")), "a copy was kept"


def test_files_are_served_as_other_files_are(folder, serve):
    wheel = wheels.build(folder, "lab-tools", "1.0", padding=300_000)
    daemon = listing(serve, folder, wheel)
    url, data = file_url(daemon, wheel.name), wheel.read_bytes()
    head = wire.ask(url, method="HEAD")
    assert head.status == 200 and int(head["Content-Length"]) == len(data) and not head.body
    assert head["X-Cache"] == "hit" and head["ETag"] == f'"sha256-{sha256_of(data)}"'
    assert "immutable" not in head["Cache-Control"], "it may be another file tomorrow"
    for text, part in (("0-0", data[:1]), ("-100", data[-100:]), ("5000-", data[5000:])):
        reply = wire.ask(url, headers={"Range": f"bytes={text}"})
        assert (reply.status, reply.body) == (206, part)
        same = {"Range": f"bytes={text}", "If-Range": head["ETag"]}
        assert wire.ask(url, headers=same).body == part
        other = {"Range": f"bytes={text}", "If-Range": '"other"'}
        assert wire.ask(url, headers=other).body == data
    assert wire.ask(url, headers={"Range": f"bytes={len(data)}-"}).status == 416
    assert wire.ask(url, headers={"If-None-Match": head["ETag"]}).status == 304


def test_a_name_that_the_folder_owns_is_never_looked_for_elsewhere(folder, serve, mirrors):
    wheel = wheels.build(folder, "lab-tools", "1.0")
    wheels.build(folder, "filelock", "99.0")
    daemon = serve(lab(folder, mirrors.pypi.url))
    wait_listed(daemon, wheel)
    assert daemon.page("lab-none", "lab").status == 404
    versions = daemon.page("filelock", "lab").json()["versions"]
    assert versions and "99.0" not in versions, "PyPI owns it"


def test_a_folder_may_own_what_lies_in_it(tmp_path, serve, mirrors):
    folder = tmp_path / "srv" / "wheels"
    config = lab(folder, mirrors.pypi.url).replace("owns = ['lab-*']", 'owns = "listed"')
    daemon = serve(config)
    reply = daemon.page("filelock", "lab")
    assert reply.status == 503 and str(folder) in reply.text, "nobody knows whose it is"
    wheel = wheels.build(folder, "lab-tools", "1.0")
    wait_listed(daemon, wheel)
    assert daemon.page("filelock", "lab")["X-Mirror"] == "tuna"
    mine = wheels.build(folder, "filelock", "99.0")
    wait_listed(daemon, mine, project="filelock")
    assert daemon.page("filelock", "lab").json()["versions"] == ["99.0"]
    mine.unlink()
    wait_until(
        lambda: daemon.page("filelock", "lab")["X-Mirror"] == "tuna", 20 * PATIENCE, "PyPI's again"
    )


def test_source_distributions(folder, serve):
    (folder / "pyproject.toml").write_text("[project]\nname = 'lab-tools'\nversion = '1.0'\n")
    with tarfile.open(folder / "lab_tools-1.0.tar.gz", "w:gz") as archive:
        archive.add(folder / "pyproject.toml", "lab_tools-1.0/pyproject.toml")
    with zipfile.ZipFile(folder / "lab-tools-0.9.zip", "w") as archive:
        archive.writestr("lab-tools-0.9/setup.py", "")
    (folder / "lab_tools-1.1.tar.gz").write_bytes(b"no archive at all, but long enough")
    (folder / "lab_tools-1.2.zip").write_bytes(b"no archive at all")
    (folder / "notes.tar.gz").write_bytes(b"no name of a project")
    daemon = listing(serve, folder, folder / "lab_tools-1.0.tar.gz", folder / "lab-tools-0.9.zip")
    assert len(listed(daemon, "lab-tools")) == 2
    told = problems(daemon.wait_status(lambda s: len(problems(s)) >= 2))
    assert told.keys() == {"lab_tools-1.1.tar.gz", "lab_tools-1.2.zip"}
    reply = wire.ask(file_url(daemon, "lab_tools-1.1.tar.gz"))
    assert reply.status == 404 and "no gzip file" in reply.text


# ------------------------------------------------------------------ clients


@pytest.mark.parametrize("kind", ("uv", "pip"))
def test_installs_join_the_folder_with_pypi(folder, serve, mirrors, another, kind, request):
    client = request.getfixturevalue(kind)
    base = wheels.build(folder, "lab-base", "2.0", requires=("filelock",), says="folder")
    wheel = wheels.build(folder / "a b", "lab-tools", "1.0+cu1", requires=("lab-base>=1",))
    daemon = serve(lab(folder, mirrors.pypi.url))
    wait_listed(daemon, base, project="lab-base")
    wait_listed(daemon, wheel)
    for installer in (client, another(client)):
        target = installer.install("--index-url", daemon.index("lab"), "lab-tools")
        found = installed(target)
        assert found["lab-tools"] == "1.0+cu1" and found["lab-base"] == "2.0"
        assert "filelock" in found
        daemon.stop()
        daemon = serve(lab(folder, mirrors.pypi.url), cache_dir=daemon.cache_dir)


def test_commands_know_the_folder(tmp_path, folder, serve):
    wheel = wheels.build(folder, "lab-tools", "1.0", tags="cp313-cp313-win_amd64")
    daemon = listing(serve, folder, wheel)
    where = ("--index", "lab", "--url", daemon.url)
    shown = run_wheelyard("wheels", "lab-tools", *where, home=tmp_path)
    assert shown.returncode == 0 and "1.0" in shown.stdout and "directory" in shown.stdout
    asked = ("explain", "lab-tools==1.0", *where, "--python", "3.13", "--platform")
    assert wheel.name in run_wheelyard(*asked, "win_amd64", home=tmp_path).stdout
    assert run_wheelyard(*asked, "linux_x86_64", home=tmp_path).returncode == 1


# ------------------------------------------------------------------ what is remembered


def test_a_restart_reads_nothing_again(folder, serve):
    """The bytes are others, the file system says that they are not: who read them would see it."""
    wheel = wheels.build(folder, "lab-tools", "1.0")
    daemon = listing(serve, folder, wheel)
    before = daemon.page("lab-tools", "lab").body
    daemon.stop()
    times = wheel.stat()
    with open(wheel, "r+b") as file:
        file.write(b"XXXX")
    os.utime(wheel, ns=(times.st_atime_ns, times.st_mtime_ns))
    daemon = serve(lab(folder), cache_dir=daemon.cache_dir)
    assert daemon.page("lab-tools", "lab").body == before, "at once, and with the digest"


def test_a_file_that_changed_meanwhile_is_read_again(folder, serve):
    wheel = wheels.build(folder, "lab-tools", "1.0")
    daemon = listing(serve, folder, wheel)
    daemon.stop()
    wheels.build(folder, "lab-tools", "1.0", says="another")
    daemon = serve(lab(folder), cache_dir=daemon.cache_dir)
    wait_listed(daemon, wheel)


def test_what_went_while_nobody_looked_is_forgotten(folder, serve):
    gone, stays = (wheels.build(folder, "lab-tools", version) for version in ("1.0", "2.0"))
    daemon = listing(serve, folder, gone, stays)
    daemon.stop()
    assert remembered(daemon) == {gone.name, stays.name}
    gone.unlink()
    daemon = serve(lab(folder), cache_dir=daemon.cache_dir)
    wait_listed(daemon, stays)
    new = wheels.build(folder, "lab-tools", "3.0")
    wait_listed(daemon, new)  # so the folder was looked through a second time
    daemon.stop()
    assert remembered(daemon) == {stays.name, new.name}


def remembered(daemon):
    """Paths of which a stopped daemon's catalogue knows digests."""
    with closing(sqlite3.connect(daemon.cache_dir / "catalogue.sqlite")) as catalogue:
        return {path for (path,) in catalogue.execute("SELECT path FROM local")}


def test_a_folder_that_is_mounted_late_is_not_read_again(tmp_path, folder, serve):
    """The bytes are others, the file system says that they are not: who read them would see it."""
    other = tmp_path / "other"
    wheel = wheels.build(folder, "lab-tools", "1.0")
    config = lab(folder) + f'[origin.other]\ndirectory = "{other}"\nowns = ["other-*"]\n'
    config += index_table("other", "other")
    first = wheels.build(other, "other-tool", "1")
    daemon = serve(config)
    wait_listed(daemon, wheel)
    before = daemon.page("lab-tools", "lab").body
    daemon.stop()
    times = wheel.stat()
    with open(wheel, "r+b") as file:
        file.write(b"XXXX")
    os.utime(wheel, ns=(times.st_atime_ns, times.st_mtime_ns))
    away = wheel.rename(tmp_path / wheel.name)
    daemon = serve(config, cache_dir=daemon.cache_dir)
    assert daemon.page("lab-tools", "lab").status == 404
    second = wheels.build(other, "other-tool", "2")  # listed when both were looked through again
    wanted = {first.name, second.name}
    wait_until(
        lambda: set(wire.file_names(daemon.page("other-tool", "other"))) == wanted,
        20 * PATIENCE,
        "the other folder's",
    )
    away.rename(wheel)
    wait_until(lambda: wheel.name in listed(daemon, "lab-tools"), 20 * PATIENCE, "it is back")
    assert daemon.page("lab-tools", "lab").body == before, "with the digest"


# ------------------------------------------------------------------ changes


def test_changes_are_seen(tmp_path, folder, serve):
    first = wheels.build(folder, "lab-tools", "1.0")
    daemon = listing(serve, folder, first)
    etag = daemon.page("lab-tools", "lab")["ETag"]

    second = wheels.build(folder / "new", "lab-tools", "2.0")
    third = wheels.build(folder / "new", "lab-new", "1")
    wait_listed(daemon, first, second)
    wait_listed(daemon, third, project="lab-new")
    assert daemon.page("lab-tools", "lab")["ETag"] != etag
    assert wire.file_names(daemon.get("/lab/flat/")) != []

    other = wheels.build(tmp_path / "other", "lab-tools", "1.0", says="other")
    os.replace(other, first)
    wait_listed(daemon, first, second)
    assert wire.ask(file_url(daemon, first.name)).body == first.read_bytes()

    first.unlink()
    shutil.rmtree(folder / "new")
    wait_until(lambda: daemon.page("lab-tools", "lab").status == 404, 20 * PATIENCE, "the project is gone")
    assert daemon.page("lab-new", "lab").status == 404
    assert not wire.anchors(daemon.get("/lab/simple/"))
    assert wire.ask(file_url(daemon, first.name)).status == 404
    wait_listed(daemon, wheels.build(folder, "lab-tools", "3.0"))


def test_joined_pages_show_what_is_new_in_a_second_folder(folder, origin, serve):
    base = f"{origin.url}/first/"
    origin.put_page("/first/", '<a href="first_tool-1.0-py3-none-any.whl">x</a>')
    mirror = {"name": "m", "layout": "flat", "index": base, "files": base}
    config = origin_tables("first", [mirror], owns=["first-*"]) + lab(folder)
    daemon = serve(config + index_table("both", "first", "lab"))

    def shown():
        return set(wire.file_names(daemon.get("/both/flat/")))

    old = wheels.build(folder, "lab-tools", "1.0")
    wait_listed(daemon, old)
    wait_until(lambda: old.name in shown(), what="both are joined")
    assert len(shown()) == 2
    assert daemon.get("/both/flat/")["Cache-Control"] == "public, max-age=5"
    new = wheels.build(folder, "lab-tools", "2.0")
    wait_listed(daemon, new)
    wait_until(lambda: new.name in shown(), what="the joined page has it")


def test_a_wheel_that_is_being_copied_is_not_listed(tmp_path, folder, serve):
    whole = wheels.build(tmp_path, "lab-tools", "1.0", padding=500_000)
    data, copy = whole.read_bytes(), folder / whole.name
    daemon = serve(lab(folder))
    with open(copy, "wb") as file:
        file.write(data[:-1])
        file.flush()
        later = wheels.build(folder, "lab-later", "1.0")
        wait_listed(daemon, later, project="lab-later")  # so this one has stood still as well
        assert copy.name not in listed(daemon, "lab-tools")
        assert "its end is missing" in problems(daemon.status())[copy.name]
        assert wire.ask(file_url(daemon, copy.name)).status == 404
        file.write(data[-1:])
    wait_listed(daemon, copy)
    assert copy.name not in problems(daemon.status())


def test_a_wheel_that_is_still_written_is_not_listed(folder, serve):
    """It looks whole all the time, but its time does not stand still."""
    busy = wheels.build(folder, "lab-tools", "1.0")
    daemon = serve(lab(folder))
    calm = wheels.build(folder, "lab-calm", "1.0")
    longest, last = 0, time.monotonic()
    while calm.name not in listed(daemon, "lab-calm"):
        os.utime(busy)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    files = listed(daemon, "lab-tools")
    assert not files or max(longest, time.monotonic() - last) > 1.5
    wait_listed(daemon, busy)


class Slow:
    """A client in the middle of a body."""

    def __init__(self, url, headers=None):
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self.connection.request("GET", parts.path, headers=headers or {})
        self.response = self.connection.getresponse()
        self.body = self.response.read(1000)

    def rest(self):
        """All there is; True when that was the whole body."""
        try:
            self.body += self.response.read()
            return True
        except http.client.IncompleteRead as short:
            self.body += short.partial
        except ConnectionError:
            pass
        finally:
            self.connection.close()
        return False


@pytest.fixture
def large(folder, serve):
    wheel = wheels.build(folder, "lab-tools", "1.0", padding=LARGE)
    daemon = listing(serve, folder, wheel)
    return daemon, wheel


def test_a_file_that_is_replaced_or_removed_under_a_reader(large, tmp_path):
    daemon, wheel = large
    data, url = wheel.read_bytes(), file_url(daemon, wheel.name)
    readers = [Slow(url), Slow(url, {"Range": "bytes=10-"})]
    other = wheels.build(tmp_path / "other", "lab-tools", "1.0", padding=LARGE, says="other")
    os.replace(other, wheel)
    wait_listed(daemon, wheel)
    readers.append(Slow(url))
    wheel.unlink()
    wait_until(lambda: wire.ask(url).status == 404, 20, "it is gone")
    assert all(reader.rest() for reader in readers)
    assert readers[0].body == data and readers[1].body == data[10:]
    assert readers[2].body != data and len(readers[2].body) == len(data) + len("other")


@pytest.mark.parametrize("how", ("overwritten", "overwritten as if it were not", "truncated"))
def test_a_file_that_is_written_under_a_reader(large, how):
    daemon, wheel = large
    data, url = wheel.read_bytes(), file_url(daemon, wheel.name)
    readers = [Slow(url), Slow(url, {"Range": "bytes=10-"}), Slow(url, {"Range": f"bytes=10-{LARGE}"})]
    times = wheel.stat()
    with open(wheel, "r+b") as file:
        if how == "truncated":
            file.truncate(LARGE // 2)
        else:
            file.write(bytes(len(data)))
    if how == "overwritten as if it were not":
        os.utime(wheel, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert not any(reader.rest() for reader in readers), "it ended as if it were whole"
    for reader, start in zip(readers, (0, 10, 10)):
        assert data[start:].startswith(reader.body), "other bytes than those that it began with"


def test_a_file_whose_rights_change_is_served_on(folder, serve):
    """Nobody may tell a change of rights from one of bytes: who reads is cut, who comes is not."""
    wheel = wheels.build(folder, "lab-tools", "1.0", padding=300_000)
    daemon = listing(serve, folder, wheel)
    url, data = file_url(daemon, wheel.name), wheel.read_bytes()
    assert wire.ask(url).body == data

    wheel.chmod(0o600)

    def is_served():
        return wire.ask(url).body == data

    wait_until(is_served, 20 * PATIENCE, "it is opened anew while it is asked for all the time")


def test_a_folder_that_is_not_there(tmp_path, serve, mirrors):
    folder = tmp_path / "mounted" / "wheels"
    daemon = serve(lab(folder, mirrors.pypi.url))
    reply = daemon.page("lab-tools", "lab")
    assert reply.status == 503 and str(folder) in reply.text
    reply = wire.ask(file_url(daemon, "lab_tools-1.0-py3-none-any.whl"))
    assert reply.status == 503 and "No such file or directory" in reply.text
    assert daemon.page("filelock", "lab").status == 200
    status = daemon.wait_status(lambda s: str(folder) in problems(s))
    (state,) = [m for m in status["mirrors"] if m["origin"] == "lab"]
    assert state["state"] == "out" and "No such file" in state["last_error"]

    wheel = wheels.build(folder, "lab-tools", "1.0")
    wait_listed(daemon, wheel)
    status = daemon.wait_status(lambda s: str(folder) not in problems(s))
    assert {m["state"] for m in status["mirrors"]} == {"ok"}

    away = folder.rename(folder.with_name("away"))
    wait_until(lambda: daemon.page("lab-tools", "lab").status == 503, 20, "it is gone again")
    assert wire.ask(file_url(daemon, wheel.name)).status == 503
    away.rename(folder)
    wait_listed(daemon, wheel)
    assert wire.ask(file_url(daemon, wheel.name)).body == wheel.read_bytes()


def test_a_reload_takes_up_a_folder_and_drops_it(tmp_path, folder, serve):
    second = tmp_path / "second"
    wheel = wheels.build(folder, "lab-tools", "1.0")
    other = wheels.build(second, "lab-tools", "2.0")
    daemon = listing(serve, folder, wheel)
    daemon.reconfigure(lab(second))
    wait_listed(daemon, other)
    assert wheel.name not in listed(daemon, "lab-tools")
    assert wire.ask(file_url(daemon, wheel.name)).status == 404
    daemon.reconfigure(lab(folder))
    wait_listed(daemon, wheel)


def test_a_reload_that_corrects_the_folder_is_the_end_of_the_problem(tmp_path, folder, serve):
    wheel = wheels.build(folder, "lab-tools", "1.0")
    mistyped = tmp_path / "mistyped"
    daemon = serve(lab(mistyped))
    daemon.wait_status(lambda s: str(mistyped) in problems(s))
    daemon.reconfigure(lab(folder))
    daemon.wait_status(lambda s: str(mistyped) not in problems(s))
    wait_listed(daemon, wheel)
    daemon.reconfigure(lab(mistyped))
    daemon.wait_status(lambda s: str(mistyped) in problems(s))


# ------------------------------------------------------------------ odd folders


def test_relative_paths_are_meant_from_the_file(tmp_path, serve):
    wheel = wheels.build(tmp_path / "wheels", "lab-tools", "1.0")
    daemon = serve(lab("../wheels/"), folder=tmp_path / "daemon")
    wait_listed(daemon, wheel)
    shown = run_wheelyard("config", "show", "--config", daemon.folder / "config.toml", home=tmp_path)
    assert f'directory = "{tmp_path}/daemon/../wheels"' in shown.stdout


def test_odd_names_and_links(tmp_path, folder, serve):
    good = wheels.build(folder / "a b%20+&#é" / "-", "lab-tools", "1.0")
    (folder / good.name).symlink_to(good)  # the same name again: listed once
    name = "lab_tools-{}-py3-none-any.whl"
    linked = wheels.build(folder, "lab-tools", "2.0")
    outside = wheels.build(tmp_path / "outside", "lab-tools", "3.0")
    inside = folder / "links" / name.format("2.1")
    inside.parent.mkdir()
    shutil.copy(linked, folder / "links.whl.part")
    inside.symlink_to(Path("..") / "links.whl.part")
    (folder / "round").symlink_to(folder)
    (folder / outside.name).symlink_to(outside)
    (folder / "out").symlink_to(tmp_path / "outside")
    (folder / name.format("4")).symlink_to("nothing")
    (folder / name.format("5")).symlink_to(name.format("5"))
    os.mkfifo(folder / name.format("6"))
    (folder / name.format("7")).mkdir()
    (folder / name.format("8")).touch()
    for odd in (b"\xff\xfe", b"new\nline"):
        os.mkdir(os.fsencode(folder) + b"/" + odd)
        shutil.copy(good, os.fsencode(folder) + b"/" + odd + b"/" + good.name.encode())
    shutil.copy(good, folder / ".hidden-1.0-py3-none-any.whl")
    shutil.copy(good, folder / name.format("9").replace("tools", "other"))
    shutil.copy(good, folder / "lab_tools-1.0-nothing.whl")

    daemon = listing(serve, folder, good, linked, inside)
    last = name.format("9").replace("tools", "other")  # all before it have stood still as long
    told = problems(daemon.wait_status(lambda s: last in problems(s)))
    files = listed(daemon, "lab-tools")
    assert files.keys() == {good.name, linked.name, inside.name}
    for file in wire.file_urls(daemon.url + "/lab/simple/lab-tools/", daemon.page("lab-tools", "lab")).values():
        assert wire.ask(file).status == 200
    assert "outside" in told[outside.name] and "outside" in told["out"]
    assert "nowhere" in told[name.format("4")] and "circles" in told[name.format("5")]
    assert "not a regular file" in told[name.format("6")]
    assert "no zip archive" in told[name.format("8")]
    assert "cannot stand in an address" in told[f"new\nline/{good.name}"]
    assert "cannot stand in an address" in told[f"\ufffd\ufffd/{good.name}"]
    assert "Name or Version" in told[last]
    assert wire.ask(file_url(daemon, outside.name)).status == 404
    assert wire.ask(file_url(daemon, "out/" + outside.name)).status == 404
    assert not [path for path in told if "hidden" in path or path.endswith("7-py3-none-any.whl")]


def test_what_may_not_be_read(folder, serve):
    """The daemon is root here, so it has to give up the right to read everything."""
    if not shutil.which("setpriv") or os.getuid():
        pytest.skip("needs root and setpriv")
    wheel = wheels.build(folder, "lab-tools", "1.0")
    closed = wheels.build(folder, "lab-tools", "2.0")
    hidden = wheels.build(folder / "closed", "lab-tools", "3.0")
    for path in (closed, hidden.parent):
        path.chmod(0)
    caps = "-dac_override,-dac_read_search"
    wrap = ("setpriv", f"--bounding-set={caps}", f"--inh-caps={caps}")
    daemon = serve(lab(folder), wrap=wrap)
    wait_listed(daemon, wheel)
    told = problems(daemon.wait_status(lambda s: len(problems(s)) >= 2))
    assert told.keys() == {closed.name, "closed"} and "may not read it" in told[closed.name]
    assert listed(daemon, "lab-tools").keys() == {wheel.name}
    closed.chmod(0o644)
    hidden.parent.chmod(0o755)
    wait_listed(daemon, wheel, closed, hidden)
    assert not problems(daemon.status())
    closed.chmod(0)
    wait_until(lambda: closed.name not in listed(daemon, "lab-tools"), 20, "it is closed again")


def test_a_wheel_without_metadata_is_listed_as_it_is(folder, serve):
    wheel = folder / "lab_tools-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("lab_tools.py", "")
    daemon = listing(serve, folder, wheel)
    assert "core-metadata" not in listed(daemon, "lab-tools")[wheel.name]
    reply = wire.ask(file_url(daemon, wheel.name + ".metadata"))
    assert reply.status == 404 and "METADATA" in reply.text
    assert "no METADATA" in problems(daemon.status())[wheel.name]


# ------------------------------------------------------------------ many


def many(folder, count):
    """Wheels that are as small as can be: 50 of a project."""
    for number in range(count):
        project, version = f"lab-{number // 50}", f"1.{number % 50}"
        stem = f"{project.replace('-', '_')}-{version}"
        below = folder / str(number % 100)
        below.mkdir(exist_ok=True)
        with zipfile.ZipFile(below / f"{stem}-py3-none-any.whl", "w") as archive:
            text = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"
            archive.writestr(f"{stem}.dist-info/METADATA", text)


def thread_nice(pid, name):
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            return int((task / "stat").read_text().rsplit(")", 1)[1].split()[16])
    return None


def test_ten_thousand_files(folder, serve):
    many(folder, 10_000)
    daemon = serve(lab(folder))
    pid = daemon.process.pid
    wait_until(lambda: thread_nice(pid, "directory") == 5, 20, "the thread stands back")

    def is_complete():
        names = wire.anchors(daemon.get("/lab/simple/"))
        return len(names) == 200 and all(
            f["hashes"] for f in listed(daemon, "lab-199").values()
        )

    wait_until(is_complete, 150 * PATIENCE, "all of them are listed and hashed")
    assert len(listed(daemon, "lab-0")) == len(listed(daemon, "lab-199")) == 50
    assert len(wire.anchors(daemon.get("/lab/flat/"))) == 10_000
    wire.check_json_page(daemon.page("lab-77", "lab").json(), "lab-77")
    shutil.rmtree(folder / "99")
    wait_until(lambda: len(listed(daemon, "lab-199")) == 49, 30 * PATIENCE, "one of 50 is gone")
    daemon.stop()
    daemon = serve(lab(folder), cache_dir=daemon.cache_dir)
    assert all(f["hashes"] for f in listed(daemon, "lab-3").values()), "remembered"
    assert len(listed(daemon, "lab-3")) == 49
