# SPDX-License-Identifier: Apache-2.0
"""/{index}/flat/: all wheels of the index's own origin on one page, for --find-links and uv's
format = "flat"."""

import re
import threading
from urllib.parse import unquote, urljoin, urlsplit

import wire
from clients import REQUIRES_PYTHON, installed
from daemon import all_mirrors, configuration, flat_and_pypi, flat_mirror, official_mirror
from standins import anchor, flat_page, href_of, root_page, simple_page, wait_until
from wheels import sha256_of

URL = "/cu126/flat/"

PROJECT = f"""
[project]
name = "app"
version = "0"
requires-python = "{REQUIRES_PYTHON}"
dependencies = ["torch"]

[tool.uv.sources]
torch = {{{{ index = "torch-flat" }}}}

[[tool.uv.index]]
name = "torch-flat"
url = "{{flat}}"
format = "flat"
explicit = true

[[tool.uv.index]]
name = "pypi"
url = "{{pypi}}"
default = true
"""


def links(page):
    """File name -> (absolute path, SHA-256 or None)."""
    found = {}
    for href in re.findall(r'<a href="([^"]+)"', page.text):
        parts = urlsplit(urljoin(f"http://any{URL}", href))
        digest = parts.fragment.removeprefix("sha256=") or None
        found[unquote(parts.path.rsplit("/", 1)[1])] = (parts.path, digest)
    return found


def test_pip_finds_links(mirrors, serve, pip):
    daemon = serve(all_mirrors(mirrors))
    flat = f"{daemon.url}{URL}"
    target = pip.install("--find-links", flat, "--index-url", daemon.index(""), "torch")
    assert installed(target)["torch"] == "2.9.0+cu126"


def test_uv_reads_it_as_a_flat_index(mirrors, serve, uv):
    daemon = serve(all_mirrors(mirrors))
    folder = uv.home / "app"
    folder.mkdir()
    text = PROJECT.format(flat=f"{daemon.url}{URL}", pypi=daemon.index(""))
    (folder / "pyproject.toml").write_text(text)
    uv.run("lock", cwd=folder)
    lock = (folder / "uv.lock").read_text()
    assert re.search(r'torch-2\.9\.0%2Bcu126[^"]*", hash = "sha256:', lock)


def test_it_has_every_wheel_of_the_project_pages(mirrors, serve):
    daemon = serve(all_mirrors(mirrors))
    flat = links(daemon.get(URL))
    names = [p["name"] for p in daemon.get("/cu126/simple/", {"Accept": wire.JSON}).json()["projects"]]
    pages = [daemon.page(name, headers={"Accept": wire.JSON}).json() for name in names]
    assert "torch" in names and any(page["files"] for page in pages)
    files = {
        file["filename"]: file["hashes"].get("sha256")
        for page, name in zip(pages, names)
        for file in page["files"]
        if name.startswith("torch")
    }
    assert {name: digest for name, (_, digest) in flat.items() if name in files} == files
    for path, _ in flat.values():
        assert path.startswith("/files/pytorch/")


def test_it_is_html_whatever_is_asked_for(mirrors, serve):
    daemon = serve(flat_and_pypi(mirrors))
    page = daemon.get(URL, {"Accept": wire.JSON})
    assert (page.status, page["Content-Type"]) == (200, "text/html; charset=utf-8")
    again = daemon.get(URL, {"Accept": wire.JSON, "If-None-Match": page["ETag"]})
    assert (again.status, again["X-Cache"]) == (304, "hit")
    moved = daemon.get(URL[:-1])
    assert (moved.status, moved["Location"]) == (301, "flat/")
    assert daemon.get(f"{URL}torch/").status == 404


def test_everything_is_too_much_for_one_page(mirrors, serve):
    text = '[index.everything]\norigins = ["pypi"]\n'
    daemon = serve(f"{flat_and_pypi(mirrors)}\n{text}")
    reply = daemon.get("/everything/flat/")
    assert reply.status == 404 and "simple/" in reply.text


def test_digests_come_from_the_pages_of_projects(origin, second_origin, serve):
    """A flat mirror lists, one with pages names digests: the flat page asks it for each project."""
    names = ["torch-2.9.0+cu126-py3-none-any.whl", "torchvision-0.24.0+cu126-py3-none-any.whl"]
    origin.put_page("/pytorch-wheels/cu126/", flat_page("cu126", [(name, 1) for name in names]))
    digests = {}
    for name in names:
        project = name.split("-")[0]
        digests[name] = sha256_of(name.encode())
        link = anchor(f"/whl/cu126/{href_of(name)}", name, digests[name])
        second_origin.put_page(f"/whl/cu126/{project}/", simple_page(project, [link]))
    second_origin.put_page("/whl/cu126/", root_page(["torch", "torchvision"]))
    mirrors = [flat_mirror("m1", origin.url), official_mirror("m2", second_origin.url)]
    daemon = serve(configuration(pytorch=mirrors))
    assert {name: digest for name, (_, digest) in links(daemon.get(URL)).items()} == digests


def test_a_project_stays_while_a_list_of_names_is_late(origin, second_origin, serve):
    """Memory is short, and the project's own page is done with: its listing is in use all the
    same, for the flat page is made once more when the late mirror gives up."""
    late = threading.Event()
    for channel, project in (("cu126", "torch"), ("cu128", "torchaudio")):
        name = f"{project}-2.9.0-py3-none-any.whl"
        page = simple_page(project, [anchor(f"/whl/{channel}/{name}", name)])
        origin.put_page(f"/whl/{channel}/{project}/", page + f"<!-- {'x' * (1 << 20)} -->")
        origin.put_page(f"/whl/{channel}/", root_page([project]))
    second_origin.put_page("/whl/cu126/", "", status=500, silent=late)
    mirrors = [official_mirror("m1", origin.url), official_mirror("m2", second_origin.url)]
    daemon = serve(configuration(pytorch=mirrors, page_memory=1 << 20, listing_timeout="2s"))
    whole = ["torch-2.9.0-py3-none-any.whl"]
    wait_until(lambda: list(links(daemon.get(URL))) == whole, what="the page without the late one")
    assert daemon.page("torchaudio", "cu128").status == 200
    daemon.wait_status(lambda s: s["memory"]["listings"] < 2 << 20, what="who is not used goes")
    late.set()
    wait_until(lambda: "max-age=10" not in daemon.get(URL)["Cache-Control"], what="the last page")
    assert list(links(daemon.get(URL))) == whole


def test_a_new_wheel_appears(origin, serve):
    old, new = (f"torch-2.{n}.0+cu126-py3-none-any.whl" for n in (8, 9))
    path = "/pytorch-wheels/cu126/"
    origin.put_page(path, flat_page("cu126", [(old, 1)]))
    daemon = serve(configuration(pytorch=[flat_mirror("m", origin.url)], page_refresh="1s"))
    assert list(links(daemon.get(URL))) == [old]
    origin.put_page(path, flat_page("cu126", [(old, 1), (new, 1)]))
    wait_until(lambda: len(links(daemon.get(URL))) == 2, what="the new wheel")
    origin.put_page(path, flat_page("cu126", [(old, 1), ("torchaudio-1.0-py3-none-any.whl", 1)]))
    wait_until(lambda: "torchaudio-1.0-py3-none-any.whl" in links(daemon.get(URL)), what="another")


def test_a_dead_mirror_is_said(serve, origin):
    origin.put_page("/pytorch-wheels/cu126/", "", status=503)
    daemon = serve(configuration(pytorch=[flat_mirror("m", origin.url)]))
    reply = daemon.get(URL)
    assert reply.status == 503 and "m: HTTP 503" in reply.text
