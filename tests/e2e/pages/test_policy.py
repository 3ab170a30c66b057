# SPDX-License-Identifier: Apache-2.0
"""Policies: what they hide from pages cannot be had in any other way, and clients are told why."""

import datetime
import html
import json

import pytest

import wire
from clients import Pip
from daemon import configuration, official_mirror, pypi_mirror, run_wheelyard
from documents import blocks_of
from standins import root_page, wait_until
from test_parent import parent_mirror
from wheels import build, metadata_of, sha256_of

BAD, GOOD = "torch-2.9.0+cpu-py3-none-any.whl", "torch-2.8.0+cpu-py3-none-any.whl"
FOLDER = "/whl/cpu"
HOUR, DAY = 3600, 86400


def ago(seconds):
    when = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


class Site:
    """The official site with two releases of torch: 2.8.0 is old, 2.9.0 an hour."""

    def __init__(self, origin, folder, is_named=True):
        self.origin, self.wheels, self.is_named = origin, {}, is_named
        for name, age in ((GOOD, 300 * DAY), (BAD, HOUR)):
            self.wheels[name] = build(folder, "torch", name.split("-")[1], padding=200_000)
            origin.put(f"{FOLDER}/{name}", self.wheels[name].read_bytes())
            metadata = metadata_of(self.wheels[name])
            origin.put(f"{FOLDER}/{name}.metadata", metadata)
        origin.put_page(f"{FOLDER}/", root_page(["torch"]))
        self.list({GOOD: 300 * DAY, BAD: HOUR})

    def list(self, ages):
        files = [self.row(name, age) for name, age in ages.items()]
        page = {"meta": {"api-version": "1.1"}, "name": "torch", "versions": [], "files": files}
        self.origin.put(f"{FOLDER}/torch/", json.dumps(page).encode(), type=wire.JSON)

    def row(self, name, age):
        wheel = self.wheels[name]
        row = {"filename": name, "url": f"{FOLDER}/{name.replace('+', '%2B')}"}
        row |= {"size": wheel.stat().st_size, "upload-time": ago(age), "hashes": {}}
        if self.is_named:
            row["hashes"] = {"sha256": sha256_of(wheel)}
            row["core-metadata"] = {"sha256": sha256_of(metadata_of(wheel))}
        return row

    def config(self, **top):
        return configuration(pytorch=[official_mirror("site", self.origin.url)], **top)


@pytest.fixture
def site(origin, tmp_path):
    return Site(origin, tmp_path / "built")


ADVISORY = {
    "id": "PYSEC-2026-7",
    "summary": "steals tokens",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "torch"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "2.9"}, {"fixed": "3"}]}],
        }
    ],
}

# What hides torch 2.9.0 and not 2.8.0, and a part of the reason.
RULES = {
    "min_age": "min_age is 3d: wait until",
    "deny": 'denied by "torch>2.8.1": stolen credentials',
    "deny_digest": 'denied by "sha256:',
    "allow": "not on the list of what is allowed",
    "allow_digest": "not on the list of what is allowed",
    "advisories": "advisory PYSEC-2026-7: steals tokens",
}


def rule_of(name, site, folder):
    """The keys of a rule."""
    bad, good = (f"sha256:{sha256_of(site.wheels[name])}" for name in (BAD, GOOD))
    path = folder / "osv.json"
    path.write_text(json.dumps(ADVISORY))
    return {
        "min_age": {"min_age": "3d"},
        "deny": {"deny": ["x", {"what": "torch>2.8.1", "reason": "stolen credentials"}]},
        "deny_digest": {"deny": [bad]},
        "allow": {"allow": ["torch<=2.8", "numpy"]},
        "allow_digest": {"allow": [good]},
        "advisories": {"advisories": str(path)},
    }[name]


# ------------------------------------------------------------------ the ways in

PAGES = ("/cpu/simple/torch/", "/whl/cpu/torch/", "/mirror/download.pytorch.org/whl/cpu/torch/")
FILES = ("/files/pytorch/cpu/", "/mirror/download.pytorch.org/whl/cpu/")
ASKS = {
    "get": {},
    "head": {"method": "HEAD"},
    "range": {"headers": {"Range": "bytes=0-9"}},
    "tail": {"headers": {"Range": "bytes=-9"}},
    "open range": {"headers": {"Range": "bytes=9-"}},
    "again": {"headers": {"If-None-Match": "*"}},
}


def path_of(folder, name):
    return folder + name.replace("+", "%2B")


def check_page(reply, reason):
    """BAD is hidden for that reason (None: it is listed), and GOOD is listed."""
    assert reply.status == 200
    if "json" in reply["Content-Type"]:
        page = reply.json()
        names = {file["filename"] for file in page["files"]}
        hidden = {row["filename"]: row["reason"] for row in page.get("_hidden", [])}
    else:
        names = set(wire.file_names(reply))
        comments = reply.text.split("<!-- hidden by policy: ")[1:]
        hidden = dict(text.split(" -->")[0].split(": ", 1) for text in comments)
    assert GOOD in names and GOOD not in hidden
    assert (BAD in names) == (reason is None)
    if reason:
        assert reason in html.unescape(hidden[BAD])
    else:
        assert not hidden


def check_pages(daemon, reason):
    for path in PAGES:
        for accept in (wire.JSON, "text/html"):
            check_page(daemon.get(path, {"Accept": accept}), reason)
    check_page(daemon.get("/cpu/flat/", {"Accept": "text/html"}), reason)


def check_files(daemon, reason):
    """Every way to a file: BAD is refused with the reason, GOOD is given."""
    for folder in FILES:
        for suffix in ("", ".metadata"):
            for what, ask in ASKS.items():
                bad = daemon.get(path_of(folder, BAD) + suffix, **ask)
                good = daemon.get(path_of(folder, GOOD) + suffix, **ask)
                assert good.status in (200, 206, 304), (what, suffix, good.status, good.text)
                if not reason:
                    assert bad.status == good.status, (what, suffix, bad.status, bad.text)
                    continue
                assert bad.status == 403, (folder, what, suffix, bad.status)
                if what != "head":
                    assert bad["Content-Type"] == "application/problem+json"
                    detail = bad.json()["detail"]
                    assert detail.startswith(f"policy: {BAD}: ") and reason in detail


@pytest.mark.parametrize("rule", RULES)
def test_no_way_leads_past_it(site, serve, tmp_path, rule):
    """Files first: nobody has asked for a page. Then again what is in the cache."""
    keys = rule_of(rule, site, tmp_path)
    daemon = serve(site.config(**keys))
    check_files(daemon, RULES[rule])
    check_pages(daemon, RULES[rule])
    check_files(daemon, RULES[rule])
    sent = [row for row in site.origin.requests if BAD in row.path]
    assert not sent, "no byte of it was fetched"


@pytest.mark.parametrize("rule", RULES)
def test_what_is_in_the_cache_is_no_way_either(site, serve, tmp_path, rule):
    """The rules come with a reload; without them all is as before. Then without any mirror."""
    daemon = serve(site.config())
    check_pages(daemon, None)
    check_files(daemon, None)
    wait_until(lambda: daemon.get(path_of(FILES[0], BAD))["X-Cache"] == "hit", what="kept")
    keys = rule_of(rule, site, tmp_path)
    daemon.reconfigure(site.config(**keys))
    daemon.wait_log("configuration reloaded")
    check_files(daemon, RULES[rule])
    check_pages(daemon, RULES[rule])
    daemon.stop()
    offline = serve(site.config(offline=True, **keys), cache_dir=daemon.cache_dir)
    check_files(offline, RULES[rule])
    check_page(offline.page("torch", index="cpu"), RULES[rule])
    offline.reconfigure(site.config(offline=True))
    offline.wait_log("configuration reloaded")
    check_files(offline, None)


def test_exceptions_of_the_age_are_none(site, serve):
    daemon = serve(site.config(min_age="3d", min_age_except=["tor*"]))
    check_files(daemon, None)
    check_pages(daemon, None)


def test_a_file_that_is_old_enough_appears(site, serve):
    """Nobody does anything: time passes."""
    site.list({GOOD: 300 * DAY, BAD: 3 * DAY - 4})
    daemon = serve(site.config(min_age="3d"))
    check_page(daemon.page("torch", index="cpu"), RULES["min_age"])
    assert daemon.get(path_of(FILES[0], BAD)).status == 403
    wait_until(lambda: BAD in daemon.page("torch", index="cpu").text.split("_hidden")[0])
    check_files(daemon, None)


def test_a_page_that_hides_everything_is_a_page(site, serve):
    """Not "no such project": pip and uv would say that there is none."""
    daemon = serve(site.config(deny=[{"what": "torch", "reason": "not here"}]))
    page = daemon.page("torch", index="cpu")
    assert page.status == 200 and page.json()["files"] == []
    assert len(page.json()["_hidden"]) == 2
    plain = daemon.page("torch", index="cpu", headers={"Accept": "text/html"})
    assert plain.status == 200 and plain.text.count("denied by &quot;torch&quot;: not here") == 2
    assert not wire.anchors(plain)


def test_reasons_cannot_leave_their_comment(site, serve):
    daemon = serve(site.config(deny=[{"what": "torch", "reason": "--><a href='x'>x</a><!--"}]))
    page = daemon.page("torch", index="cpu", headers={"Accept": "text/html"})
    assert not wire.anchors(page) and page.text.count("-->") == page.text.count("<!--") == 2


def test_files_of_no_page_have_no_age(site, serve):
    """What no page dates is not old enough; without min_age it may be had."""
    name = BAD.replace("2.9.0", "2.7.0")
    site.origin.put(f"{FOLDER}/{name}", site.wheels[GOOD].read_bytes())
    daemon = serve(site.config(min_age="3d"))
    refused = daemon.get(path_of(FILES[0], name))
    assert refused.status == 403 and "no page says when it was uploaded" in refused.text
    strange = daemon.get("/files/pytorch/cpu/setup.exe")
    assert strange.status == 403 and "tells no project" in strange.text


def test_an_age_that_cannot_be_known_is_no_403(site, serve, tmp_path):
    """The mirror is away and nothing is stored: the file is worth asking for again."""
    site.origin.put(f"{FOLDER}/torch/", b"", status=500)
    daemon = serve(site.config(min_age="3d"))
    reply = daemon.get(path_of(FILES[0], GOOD))
    assert reply.status == 503 and "site" in reply.text


def test_bytes_that_only_the_download_shows(origin, serve, tmp_path):
    """No page names a digest. The end of the file is held back until it is known; from then on the
    file is refused at once."""
    site = Site(origin, tmp_path / "built", is_named=False)
    daemon = serve(site.config(**rule_of("deny_digest", site, tmp_path)))
    first = daemon.get(path_of(FILES[0], BAD))
    # The status line waits for bytes; where the verdict is there by then, it is a refusal already.
    assert first.cut or first.status in (403, 502)
    assert first.body != site.wheels[BAD].read_bytes()
    wait_until(lambda: daemon.get(path_of(FILES[0], BAD)).status == 403, what="refused")
    assert daemon.get(path_of(FILES[0], GOOD)).body == site.wheels[GOOD].read_bytes()


# ------------------------------------------------------------------ indexes


def test_rules_of_an_index_hold_for_its_pages(site, origin, serve, tmp_path):
    """The address of a file names no index: what any page lists can be had."""
    numpy = build(tmp_path / "built", "numpy", "1.0")
    origin.put(f"/packages/{numpy.name}", numpy.read_bytes())
    row = {"filename": numpy.name, "url": f"../../packages/{numpy.name}", "hashes": {}}
    page = {"meta": {"api-version": "1.0"}, "name": "numpy", "files": [row]}
    origin.put("/simple/numpy/", json.dumps(page).encode(), type=wire.JSON)
    lab = '\n[index.lab]\norigins = ["pypi"]\ndeny = ["numpy"]\n'
    channel = '\n[channel."cpu"]\ndeny = [{ what = "torch>2.8.1", reason = "late" }]\n'
    mirrors = {"pytorch": [official_mirror("site", origin.url)]}
    mirrors["pypi"] = [pypi_mirror("tuna", origin.url)]
    daemon = serve(configuration(**mirrors) + lab + channel)
    listed = {index: daemon.page("numpy", index=index).json() for index in ("lab", "", "cpu")}
    assert not listed["lab"]["files"] and "[index.lab]" in listed["lab"]["_hidden"][0]["reason"]
    assert listed[""]["files"] and listed["cpu"]["files"]
    assert daemon.get(f"/files/pypi/packages/{numpy.name}").status == 200
    check_page(daemon.page("torch", index="cpu"), 'in [channel."cpu"]: late')
    assert daemon.get(path_of(FILES[0], BAD)).status == 403, "only pages of cpu could list it"
    daemon.reconfigure(configuration(deny=["numpy"], **mirrors) + lab)
    daemon.wait_log("configuration reloaded")
    assert daemon.get(f"/files/pypi/packages/{numpy.name}").status == 403


def test_a_child_sees_hidden_what_its_parent_hides(site, serve):
    """And its own cache does not pass by its own policy."""
    parent = serve(site.config(deny=["torch>2.8.1"]))
    child = serve(configuration(pytorch=[parent_mirror(parent.url)]))
    names = [file["filename"] for file in child.page("torch", index="cpu").json()["files"]]
    assert names == [GOOD]
    refused = child.get(path_of(FILES[0], BAD))
    assert refused.status >= 400 and BAD.encode() not in refused.body[:4]
    parent.reconfigure(site.config())
    parent.wait_log("configuration reloaded")
    other = serve(configuration(pytorch=[parent_mirror(parent.url)]))
    check_files(other, None)
    other.reconfigure(configuration(pytorch=[parent_mirror(parent.url)], deny=["torch>2.8.1"]))
    other.wait_log("configuration reloaded")
    check_files(other, "denied by")
    check_page(other.page("torch", index="cpu"), "denied by")


# ------------------------------------------------------------------ advisories


def test_advisories_are_read_again_when_they_change(site, serve, tmp_path):
    path = tmp_path / "osv.json"
    path.write_text("[]")
    daemon = serve(site.config(advisories=str(path)))
    check_page(daemon.page("torch", index="cpu"), None)
    path.write_text(json.dumps({"vulns": [ADVISORY, {"id": "odd", "affected": [{}]}]}))
    reason = RULES["advisories"]
    wait_until(lambda: daemon.get(path_of(FILES[0], BAD)).status == 403, what="refused")
    wait_until(lambda: "_hidden" in daemon.page("torch", index="cpu").text, what="hidden")
    check_page(daemon.page("torch", index="cpu"), reason)
    (problem,) = problems(daemon, "vulns[1].affected[0]")
    assert problem["kind"] == "advisories" and problem["path"] == str(path)
    path.write_text("{broken")
    daemon.wait_log("advisories that were read before stay in force")
    (problem,) = problems(daemon, "stay in force")
    check_files(daemon, reason)
    path.write_text("[]")
    wait_until(lambda: daemon.get(path_of(FILES[0], BAD)).status == 200, what="admitted")
    daemon.wait_status(lambda status: not status["problems"], what="no problem")


def problems(daemon, text):
    def has(status):
        return any(text in problem["detail"] for problem in status["problems"])

    return daemon.wait_status(has, what=text)["problems"]


def test_advisories_that_are_not_there(site, serve, tmp_path):
    """The daemon starts, says so, and reads them when they come."""
    path = tmp_path / "osv.json"
    daemon = serve(site.config(advisories=str(path)))
    problems(daemon, "there is no such file; no advisory is in force")
    path.write_text(json.dumps(ADVISORY))
    wait_until(lambda: daemon.get(path_of(FILES[0], BAD)).status == 403, what="refused")


def test_the_advisory_of_the_manual(site, serve, tmp_path):
    """As docs/policy.md has it, but for the name; its second range ends below the release that is bad."""
    (block,) = [b for b in blocks_of("docs/policy.md") if b.language == "json"]
    path = tmp_path / "osv.json"
    path.write_text(block.text.replace('"evil"', '"torch"').replace('"2.3"', '"2.8.5"'))
    daemon = serve(site.config(advisories=str(path)))
    reply = daemon.get(path_of(FILES[0], GOOD), wire.UV_PAGE)
    assert reply.status == 403 and "PYSEC-2026-7: steals tokens" in reply.json()["detail"]
    assert daemon.get(path_of(FILES[0], BAD)).status == 200


# ------------------------------------------------------------------ clients


def test_uv_and_pip_say_why(site, serve, client):
    """pip shows no more of a reply than its status."""
    daemon = serve(site.config(deny=[{"what": "torch>2.8.1", "reason": "stolen credentials"}]))
    wanted = f"torch @ {daemon.url}{path_of(FILES[0], BAD)}"
    said = client.install("--no-deps", wanted, fails=True)
    assert "403" in said and "Forbidden" in said
    assert isinstance(client, Pip) or 'denied by "torch>2.8.1": stolen credentials' in said
    target = client.install("--no-deps", "--index-url", daemon.index("cpu"), "torch")
    assert (target / "torch-2.8.0+cpu.dist-info").exists()


def test_explain_says_which_rule(site, serve, tmp_path):
    daemon = serve(site.config(min_age="3d"))
    common = ("--python", "3.12", "--index", "cpu", "--url", daemon.url)
    done = run_wheelyard("explain", "torch", *common, home=tmp_path)
    assert done.returncode == 0 and GOOD in done.stdout
    assert f"hidden: {BAD}: uploaded" in done.stdout and "wait until" in done.stdout
    done = run_wheelyard("explain", "torch==2.9.0", *common, home=tmp_path)
    assert done.returncode == 1 and f"{BAD} is hidden by policy: uploaded" in done.stdout
    done = run_wheelyard("explain", "torch", "--json", *common, home=tmp_path)
    (row,) = json.loads(done.stdout)["hidden"]
    assert row["filename"] == BAD and "min_age" in row["reason"]
