# SPDX-License-Identifier: Apache-2.0
"""What mirrors stop listing, but we hold, stays on its page, marked, as long as its bytes are here."""

import json

import pytest

import wire
from clients import installed
from daemon import PATIENCE, configuration, flat_mirror, index_table, official_mirror
from daemon import origin_tables, pypi_mirror, run_wheelyard
from origin import ACCESS_DENIED, Gate
from standins import flat_page, href_of, wait_until
from wheels import build, metadata_of, sha256_of

OLD, NEW, OTHER = "2.8.0+cu126", "2.9.0+cu126", "0.24.0+cu126"
PATIENT_S = 30 * PATIENCE
FLAT, CPU = "/pytorch-wheels/cu126/", "/pytorch-wheels/cpu/"
OFFICIAL = "/whl/cu126/"


class Shelf:
    """Wheels by name, and the pages of a mirror that lists some of them."""

    def __init__(self, origin, folder):
        self.origin = origin
        self.folder = folder
        self.wheels = {}

    def build(self, version, project="torch", **options):
        wheel = build(self.folder / project, project, version, **options)
        self.wheels[wheel.name] = wheel
        return wheel.name

    def body(self, name):
        return self.wheels[name].read_bytes()

    def put(self, name, folder=FLAT, **trouble):
        self.origin.put(folder + name, self.body(name), **trouble)

    def put_all(self, names, folder=FLAT):
        for name in names:
            self.put(name, folder)

    def list_flat(self, *names, folder=FLAT):
        rows = [(name, len(self.body(name))) for name in names]
        self.origin.put_page(folder, flat_page(folder, rows))

    def list_simple(self, *names, project="torch", folder=OFFICIAL, page=None, status=None, **more):
        """A page as PyPI writes it, with all that can be said of a file; `more` has further members
        by file name."""
        entries = []
        for name in names:
            entry = {"filename": name, "url": folder + href_of(name), "size": len(self.body(name))}
            entry["hashes"] = {"sha256": sha256_of(self.body(name))}
            entry["upload-time"] = "2025-01-02T03:04:05.678901Z"
            entry["requires-python"] = ">=3.7"
            entry.update(more.get(name, {}))
            entries.append(entry)
        document = {"meta": {"api-version": "1.4"}, "name": project, "files": entries, "versions": []}
        if status:
            document["project-status"] = {"status": status}
        path = page or f"{folder}{project}/"
        self.origin.put(path, json.dumps(document).encode(), type=wire.JSON)


@pytest.fixture
def shelf(origin, tmp_path):
    return Shelf(origin, tmp_path / "wheels")


def files(daemon, project="torch", index="cu126"):
    page = daemon.page(project, index=index)
    return {f["filename"]: f for f in page.json()["files"]} if page.status == 200 else {}


def wait_files(daemon, condition, what, **page):
    """Until a page says so: it is asked for again behind each answer, once it is a second old."""
    wait_until(lambda: condition(files(daemon, **page)), PATIENT_S, what)
    return files(daemon, **page)


def wait_delisted(daemon, name, **page):
    return wait_files(daemon, lambda f: f.get(name, {}).get("_delisted"), f"{name} is delisted", **page)


def fetch(daemon, shelf, name, folder="cu126/", origin="pytorch"):
    """Until it is kept."""
    count = daemon.status()["cache"]["blobs"]
    assert wire.ask(daemon.file_url(origin, folder + name)).body == shelf.body(name)
    daemon.wait_status(
        lambda s: s["cache"]["blobs"] == count + 1 and not s["flights"], what=f"{name} is kept"
    )


def holding(serve, config, shelf, name):
    """A daemon that has shown the page and keeps this wheel of it."""
    daemon = serve(config)
    files(daemon)
    fetch(daemon, shelf, name)
    return daemon


def flat(shelf, **top):
    return configuration(pytorch=[flat_mirror("flat", shelf.origin.url)], page_refresh="100ms", **top)


def official(shelf, **top):
    mirror = official_mirror("official", shelf.origin.url, missing=[403, 404])
    return configuration(pytorch=[mirror], page_refresh="100ms", **top)


@pytest.fixture
def stage(shelf):
    """Two wheels on a flat page."""
    names = [shelf.build(OLD), shelf.build(NEW)]
    shelf.put_all(names)
    shelf.list_flat(*names)
    return names


# ------------------------------------------------------------------ clients


def test_clients_install_what_was_delisted(shelf, stage, serve, client, another):
    old, new = stage
    daemon = serve(flat(shelf))
    client.install("--index-url", daemon.index(), "torch")
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1, what="it is kept")
    shelf.list_flat(old)
    shelf.origin.remove(FLAT + new)
    page = wait_delisted(daemon, new)
    assert "_delisted" not in page[old]
    target = another(client).install("--index-url", daemon.index(), "torch")
    assert installed(target)["torch"] == NEW


def test_uv_locks_it_with_digests(shelf, serve, uv):
    old, new = shelf.build(OLD), shelf.build(NEW)
    shelf.put_all((old, new), OFFICIAL)
    shelf.list_simple(old, new)
    daemon = serve(official(shelf))
    fetch(daemon, shelf, new)
    assert files(daemon)[new]["hashes"]
    shelf.list_simple(old)
    shelf.origin.remove(OFFICIAL + new)
    wait_delisted(daemon, new)
    arguments = ("pip", "compile", "--generate-hashes", "--index-url", daemon.index(), "-")
    (uv.home / "in").write_text("torch\n")
    locked = uv.run(*arguments[:-1], uv.home / "in")
    assert f"torch=={NEW}" in locked and sha256_of(shelf.body(new)) in locked


# ------------------------------------------------------------------ what the page says


def test_it_says_what_it_said_before(shelf, serve):
    old, new = shelf.build(OLD), shelf.build(NEW)
    shelf.put_all((old, new), OFFICIAL)
    more = {new: {"yanked": "broken on Tuesdays", "requires-python": ">=3.8"}}
    shelf.list_simple(old, new, **more)
    daemon = serve(official(shelf))
    before = files(daemon)
    fetch(daemon, shelf, new)
    shelf.list_simple(old)
    after = wait_delisted(daemon, new)
    assert after[old] == before[old]
    for key in ("url", "hashes", "size", "requires-python", "upload-time", "yanked"):
        assert after[new][key] == before[new][key], key
    assert after[new]["_mirrors"] == [] and after[new]["core-metadata"]
    document = daemon.page("torch").json()
    wire.check_json_page(document, "torch")
    assert NEW in document["versions"] and document["meta"]["api-version"] != "1.0"
    html = daemon.page("torch", headers={"Accept": "text/html"})
    (link,) = [line for line in html.text.splitlines() if 'data-delisted="true"' in line]
    assert f">{new}</a>" in link and f"#sha256={sha256_of(shelf.body(new))}" in link


def test_a_release_without_a_digest_shows_none(shelf, serve):
    """Nobody named the digest of the one that was delisted: that we computed it is no authority."""
    first, second = shelf.build(NEW), shelf.build(NEW, tags="cp313-none-any")
    shelf.put_all((first, second), OFFICIAL)
    shelf.list_simple(first, second, **{first: {"hashes": {}}})
    daemon = serve(official(shelf))
    fetch(daemon, shelf, first)
    shelf.list_simple(second)
    after = wait_delisted(daemon, first)
    assert [f["hashes"] for f in after.values()] == [{}, {}]


def test_every_file_has_a_time_or_none(shelf, stage, serve):
    """The times of a flat page are made of its rows, that of the one it has lost as well."""
    old, new = stage
    daemon = serve(flat(shelf))
    before = files(daemon)
    fetch(daemon, shelf, new)
    shelf.list_flat(old)
    after = wait_delisted(daemon, new)
    for name in stage:
        assert after[name]["upload-time"] == before[name]["upload-time"]
        assert after[name]["_upload-time-source"] == before[name]["_upload-time-source"]


@pytest.mark.parametrize("kind", ("flat", "simple"))
def test_its_metadata_is_served(shelf, serve, kind):
    new = shelf.build(NEW, header="Requires-Python: >=3.6\n")
    old = shelf.build(OLD)
    folder, config = (FLAT, flat(shelf)) if kind == "flat" else (OFFICIAL, official(shelf))
    put = shelf.list_flat if kind == "flat" else shelf.list_simple
    shelf.put_all((old, new), folder)
    put(old, new)
    daemon = holding(serve, config, shelf, new)
    put(old)
    shelf.origin.remove(folder + new)
    assert wait_delisted(daemon, new)[new]["core-metadata"]
    reply = wire.ask(daemon.file_url("pytorch", f"cu126/{new}") + ".metadata")
    assert reply.status == 200 and reply.body == metadata_of(shelf.wheels[new])


def test_status_and_commands_tell(shelf, stage, serve, tmp_path):
    old, new = stage
    daemon = holding(serve, flat(shelf), shelf, new)
    assert daemon.status()["delisted"] == []
    shelf.list_flat(old)
    wait_delisted(daemon, new)
    (row,) = daemon.wait_status(lambda s: s["delisted"], what="it is told")["delisted"]
    assert (row["origin"], row["path"]) == ("pytorch", f"cu126/{new}") and row["since"] > "2020"
    daemon.wait_log(f"delisted path=pytorch/cu126/{new}")

    def run(*command):
        where = ("--index", "cu126", "--url", daemon.url)
        return run_wheelyard(*command, *where, home=tmp_path).stdout

    told = run("wheels", "torch").splitlines()
    assert [line for line in told if NEW in line and "delisted" in line]
    assert not [line for line in told if OLD in line and "delisted" in line]
    (wheel,) = [w for w in json.loads(run("wheels", "torch", "--json"))["wheels"] if w["filename"] == new]
    assert wheel["delisted"] is True
    assert "delisted" in run("explain", f"torch=={NEW}", "--python", "3.13")


# ------------------------------------------------------------------ for how long


def test_after_a_restart_without_network(shelf, stage, serve):
    old, new = stage
    daemon = holding(serve, flat(shelf), shelf, new)
    shelf.list_flat(old)
    before = wait_delisted(daemon, new)
    daemon.stop()
    shelf.origin.close()
    offline = serve(flat(shelf), cache_dir=daemon.cache_dir)
    assert [row["path"] for row in offline.status()["delisted"]] == [f"cu126/{new}"]
    assert files(offline) == before
    assert wire.ask(offline.file_url("pytorch", f"cu126/{new}")).body == shelf.body(new)


def test_delisted_while_nobody_was_looking(shelf, stage, serve):
    """The daemon was down when it went."""
    old, new = stage
    daemon = holding(serve, flat(shelf), shelf, new)
    daemon.stop()
    shelf.list_flat(old)
    again = serve(flat(shelf), cache_dir=daemon.cache_dir)
    wait_delisted(again, new)


def test_delisted_while_it_is_fetched(shelf, stage, serve):
    old, new = stage
    gate = Gate(1000)
    shelf.put(new, gate=gate)
    daemon = serve(flat(shelf))
    files(daemon)
    download = wire.Download(daemon.file_url("pytorch", f"cu126/{new}"))
    gate.wait_reached(1000)
    download.wait_answer()
    shelf.list_flat(old)
    wait_files(daemon, lambda f: set(f) == {old}, "it has gone: we do not hold it")
    gate.open()
    assert download.wait_end().whole
    wait_delisted(daemon, new)


def test_it_goes_with_its_bytes(shelf, serve):
    old, new = shelf.build(OLD, padding=300_000), shelf.build(NEW, padding=300_000)
    shelf.put_all((old, new))
    shelf.list_flat(old, new)
    daemon = holding(serve, flat(shelf, max_size="500kB"), shelf, new)
    shelf.list_flat(old)
    wait_delisted(daemon, new)
    before = daemon.page("torch")
    assert wire.ask(daemon.file_url("pytorch", f"cu126/{old}")).body == shelf.body(old)
    daemon.wait_log(f"evicted path=pytorch/cu126/{new}")
    after = daemon.page("torch")
    assert wire.file_names(after) == [old] and after["ETag"] != before["ETag"]
    assert daemon.wait_status(lambda s: not s["delisted"], what="nothing is delisted")


def test_it_goes_from_a_page_that_joins_origins(shelf, serve):
    """Also when it is not the first of them that had it."""
    first = shelf.build("1.0", "first-tool")
    old, new = shelf.build(OLD, padding=300_000), shelf.build(NEW, padding=300_000)
    for name in (old, new):
        shelf.put(name, "/lab/")
    shelf.list_flat(old, new, folder="/lab/")
    shelf.list_flat(first, folder="/first/")

    def joined(**top):
        text = configuration(max_size="500kB", **top)
        for name, owns in (("first", "first-*"), ("lab", "torch")):
            base = f"{shelf.origin.url}/{name}/"
            mirror = {"name": name, "layout": "flat", "index": base, "files": base}
            text += origin_tables(name, [mirror], owns=[owns])
        return text + index_table("both", "first", "lab")

    daemon = serve(joined(page_refresh="100ms"))
    files(daemon, index="both")
    fetch(daemon, shelf, new, "", "lab")
    shelf.list_flat(old, folder="/lab/")
    wait_delisted(daemon, new, index="both")
    daemon.stop()
    again = serve(joined(), cache_dir=daemon.cache_dir)
    assert set(wire.file_names(again.get("/both/flat/"))) == {first, old, new}
    assert wire.ask(again.file_url("lab", old)).body == shelf.body(old)
    again.wait_log(f"evicted path=lab/{new}")
    assert set(wire.file_names(again.get("/both/flat/"))) == {first, old}


def test_it_goes_with_its_bytes_though_one_mirror_has_never_said_a_word(shelf, serve):
    """So it is not known to be delisted: it is on the page for its bytes alone, unmarked."""
    old, new = shelf.build(OLD, padding=300_000), shelf.build(NEW, padding=300_000)
    shelf.put_all((old, new))
    shelf.list_flat(old, new)
    shelf.origin.put_page(f"{OFFICIAL}torch/", "broken", status=500)
    flat_one = flat_mirror("flat", shelf.origin.url)
    broken = official_mirror("broken", shelf.origin.url)
    config = configuration(pytorch=[flat_one, broken], page_refresh="100ms", max_size="500kB")
    daemon = holding(serve, config, shelf, new)
    before = files(daemon)[new]["_mirrors"]
    shelf.list_flat(old)
    kept = wait_files(
        daemon,
        lambda f: new in f and f[new].get("_mirrors") != before,
        "it is there for its bytes",
    )
    assert "_delisted" not in kept[new]
    assert wire.ask(daemon.file_url("pytorch", f"cu126/{old}")).body == shelf.body(old)
    daemon.wait_log(f"evicted path=pytorch/cu126/{new}")
    wait_files(daemon, lambda f: set(f) == {old}, "it is gone from the page as well")


def test_a_wheel_listed_again_is_as_any_other(shelf, stage, serve):
    old, new = stage
    daemon = serve(flat(shelf))
    before = files(daemon)
    fetch(daemon, shelf, new)
    shelf.list_flat(old)
    wait_delisted(daemon, new)
    shelf.list_flat(old, new)
    wait_files(daemon, lambda f: "_delisted" not in f[new], "it is listed again")
    assert {**files(daemon)[new], "core-metadata": 0} == {**before[new], "core-metadata": 0}
    assert daemon.wait_status(lambda s: not s["delisted"], what="nothing is delisted")
    shelf.list_flat(old)
    wait_delisted(daemon, new)


@pytest.mark.parametrize("layout", ("simple", "flat"))
def test_below_a_parent_it_is_marked_too(shelf, stage, second_origin, serve, layout):
    """Unless another mirror of the child's has it still."""
    old, new = stage
    parent = holding(serve, flat(shelf), shelf, new)
    shelf.list_flat(old)
    wait_delisted(parent, new)
    wait_until(
        lambda: 'data-delisted="true"' in parent.get("/cu126/flat/").text, PATIENT_S, "the flat page"
    )
    above = {"name": "lan", "parent": parent.url}
    if layout == "flat":
        above.update(layout=layout, index=f"{parent.url}/{{channel}}/flat/")
    child = serve(configuration(pytorch=[above]))
    page = files(child)
    assert page[new]["_delisted"] is True and "_delisted" not in page[old]
    html = child.page("torch", headers={"Accept": "text/html"}).text
    assert html.count('data-delisted="true"') == 1
    rows = [(name, len(shelf.body(name))) for name in stage]
    second_origin.put_page(FLAT, flat_page(FLAT, rows))
    own = flat_mirror("own", second_origin.url)
    for mirrors in ([above, own], [own, above]):
        other = serve(configuration(pytorch=mirrors))
        assert not [f for f in files(other).values() if "_delisted" in f]


@pytest.mark.parametrize("answer", (404, 403))
def test_a_project_that_vanished_lives_on(shelf, serve, answer):
    name, unheld = shelf.build(NEW), shelf.build(OLD)
    vision = shelf.build(OTHER, "torchvision")
    shelf.put_all((name, unheld, vision), OFFICIAL)
    shelf.list_simple(name, unheld)
    shelf.list_simple(vision, project="torchvision")
    shelf.origin.put_page(OFFICIAL, '<!DOCTYPE html><a href="torch/">torch</a>')
    daemon = holding(serve, official(shelf), shelf, name)
    body = ACCESS_DENIED if answer == 403 else b"no such thing"
    shelf.origin.put("/whl/cu126/torch/", body, status=answer)
    shelf.origin.put_page(OFFICIAL, '<!DOCTYPE html><a href="torchvision/">torchvision</a>')
    assert set(wait_delisted(daemon, name)) == {name}
    wait_until(
        lambda: {p["name"] for p in daemon.get("/cu126/simple/", {"Accept": wire.JSON}).json()["projects"]}
        == {"torch", "torchvision"},
        PATIENT_S,
        "the list of projects has it",
    )
    wait_until(
        lambda: {name, vision} <= set(wire.file_names(daemon.get("/cu126/flat/"))), PATIENT_S, "the flat page"
    )
    assert name in wire.file_names(daemon.get("/whl/cu126/torch/", {"Accept": wire.JSON}))


def test_a_project_of_pypi_that_vanished(shelf, serve):
    """Its pages stand in every index."""
    name = shelf.build("1.0", "leftpad")
    shelf.put(name, "/packages/aa/")
    page = "/simple/leftpad/"
    shelf.list_simple(name, project="leftpad", folder="/packages/aa/", page=page)
    shelf.list_flat(shelf.build(NEW))
    config = configuration(
        pytorch=[flat_mirror("flat", shelf.origin.url)],
        pypi=[pypi_mirror("tuna", shelf.origin.url)],
        page_refresh="100ms",
    )
    daemon = serve(config)
    assert set(files(daemon, "leftpad")) == {name}
    fetch(daemon, shelf, name, "packages/aa/", "pypi")
    shelf.origin.remove(page)
    for index in ("cu126", ""):
        assert set(wait_delisted(daemon, name, project="leftpad", index=index)) == {name}


# ------------------------------------------------------------------ what is not shown


def test_what_we_do_not_hold_goes(shelf, stage, serve):
    old, new = stage
    daemon = holding(serve, flat(shelf), shelf, old)
    shelf.list_flat(old)
    wait_files(daemon, lambda f: set(f) == {old}, "the other goes")


def test_what_nobody_ever_listed_is_not_shown(shelf, stage, serve):
    old, new = stage
    shelf.list_flat(old)
    daemon = holding(serve, flat(shelf), shelf, new)
    shelf.list_flat(old, shelf.build("2.7.0+cu126"))
    page = wait_files(daemon, lambda f: len(f) > 1, "there is a third")
    assert new not in page
    assert daemon.status()["delisted"] == []


def test_channels_are_not_merged(shelf, serve):
    """The same name in two channels, with other bytes; and one that stands outside of both."""
    name, shared = shelf.build("2.9.0"), shelf.build("3.0.0", "pytorch-triton")
    keep = shelf.build("2.8.0")
    for folder in (FLAT, CPU):
        shelf.list_flat(name, keep, folder=folder)
        shelf.put(name, folder)
    triton = "/pytorch-wheels/" + shared
    shelf.origin.put(triton, shelf.body(shared))
    row = f'<a href="../{shared}">{shared}</a></body>'
    for folder in (FLAT, CPU):
        text = flat_page(folder, [(n, 1) for n in (name, keep)])
        shelf.origin.put_page(folder, text.replace("</body>", row if folder == FLAT else "</body>"))
    daemon = serve(flat(shelf))
    assert set(files(daemon)) == set(files(daemon, index="cpu")) == {name, keep}
    assert set(files(daemon, "pytorch-triton")) == {shared}
    fetch(daemon, shelf, name)
    fetch(daemon, shelf, shared, "")
    for folder in (FLAT, CPU):
        shelf.list_flat(keep, folder=folder)
    wait_delisted(daemon, name)
    wait_delisted(daemon, shared, project="pytorch-triton")
    wait_files(daemon, lambda f: set(f) == {keep}, "it goes from the other channel", index="cpu")
    assert daemon.page("pytorch-triton", index="cpu").status == 404


def test_a_name_listed_under_another_path_goes_before_what_we_hold(shelf, serve):
    name, keep = shelf.build(NEW), shelf.build(OLD)
    shelf.put(name, OFFICIAL)
    shelf.put(name, "/whl/")
    shelf.list_simple(name, keep)
    daemon = holding(serve, official(shelf), shelf, name)
    shelf.list_simple(name, keep, **{name: {"url": "/whl/" + href_of(name)}})
    page = wait_files(daemon, lambda f: "/files/pytorch/cu126/" not in f[name]["url"], "it has moved")
    assert set(page) == {name, keep} and "_delisted" not in page[name]
    assert daemon.status()["delisted"] == []


def test_a_project_in_quarantine_offers_nothing(shelf, serve):
    name = shelf.build(NEW)
    shelf.put(name, OFFICIAL)
    shelf.list_simple(name)
    daemon = holding(serve, official(shelf), shelf, name)
    shelf.list_simple(status="quarantined")
    wait_files(daemon, lambda f: not f, "nothing is offered")
    assert daemon.status()["delisted"] == []


def test_a_listing_that_shrank_falsely_delists_nothing(shelf, serve):
    names = [shelf.build(f"2.9.{n}+cu126") for n in range(30)]
    shelf.put(names[7])
    shelf.list_flat(*names)
    daemon = serve(flat(shelf))
    before = files(daemon)
    fetch(daemon, shelf, names[7])
    shelf.list_flat(names[0])
    daemon.wait_status(
        lambda s: files(daemon) and [p for p in s["problems"] if p["kind"] == "listing-shrunk"],
        what="it is doubted",
    )
    after = files(daemon)
    assert set(after) == set(before) and not [f for f in after.values() if "_delisted" in f]
