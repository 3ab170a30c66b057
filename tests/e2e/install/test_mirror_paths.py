# SPDX-License-Identifier: Apache-2.0
"""/mirror/{host}/{path}: the public sites path for path, for clients that put our address in front of
theirs, as pixi does by its [mirrors]. What they write into a lock stays official."""

import hashlib

import pytest

import wire
from daemon import all_mirrors, flat_and_pypi
from test_pixi import FILE, PAGE

PYTORCH = "https://download.pytorch.org"
PYPI = "https://pypi.org"
PYPI_FILES = "https://files.pythonhosted.org"


def ours(daemon, url):
    """The rewriting that a client does by prefix."""
    for site in (PYTORCH, PYPI, PYPI_FILES):
        if url.startswith(f"{site}/"):
            return f"{daemon.url}/mirror/{url.removeprefix('https://')}"
    raise AssertionError(f"not a public site: {url}")


def page(daemon, url):
    reply = wire.ask(ours(daemon, url), headers=PAGE)
    assert reply.status == 200, reply.text
    return reply


@pytest.mark.parametrize(
    "url, own, files",
    [
        (f"{PYTORCH}/whl/cu126/torch/", "/cu126/simple/torch/", f"{PYTORCH}/whl/cu126/"),
        (f"{PYTORCH}/whl/cu126/filelock/", "/cu126/simple/filelock/", f"{PYPI_FILES}/packages/"),
        (f"{PYPI}/simple/filelock/", "/simple/filelock/", f"{PYPI_FILES}/packages/"),
    ],
    ids=["torch", "a-dependency", "pypi"],
)
def test_a_page_names_official_urls(mirrors, serve, url, own, files):
    daemon = serve(all_mirrors(mirrors))
    official = page(daemon, url).json()["files"]
    plain = daemon.get(own, PAGE).json()["files"]
    assert official and len(official) == len(plain)
    for file, same in zip(official, plain):
        assert file.pop("url").startswith(files)
        del same["url"]
        assert file == same


def test_files_and_metadata_come_by_the_same_rewriting(mirrors, serve):
    daemon = serve(all_mirrors(mirrors))
    for url in (f"{PYTORCH}/whl/cu126/torch/", f"{PYPI}/simple/filelock/"):
        file = page(daemon, url).json()["files"][-1]
        got = wire.ask(ours(daemon, file["url"]), headers=FILE)
        assert hashlib.sha256(got.body).hexdigest() == file["hashes"]["sha256"]
        assert file["url"].split("#")[0].count("+") == 0, "%2B, as the site itself writes it"
        if "core-metadata" in file:
            metadata = wire.ask(f"{ours(daemon, file['url'])}.metadata", headers=FILE)
            assert metadata.status == 200 and metadata.text.startswith("Metadata-Version")


def test_one_wheel_by_both_names_is_fetched_once(mirrors, serve):
    daemon = serve(flat_and_pypi(mirrors))
    url = page(daemon, f"{PYTORCH}/whl/cu126/torch/").json()["files"][-1]["url"]
    assert wire.ask(ours(daemon, url), headers=FILE).status == 200
    path = url.removeprefix(f"{PYTORCH}/whl")
    again = daemon.get(f"/files/pytorch{path}")
    assert (again.status, again["X-Cache"]) == (200, "hit")


def test_lists_and_redirects(mirrors, serve):
    daemon = serve(all_mirrors(mirrors))
    names = page(daemon, f"{PYTORCH}/whl/cu126/").json()["projects"]
    assert {"name": "torch"} in names
    moved = wire.ask(ours(daemon, f"{PYTORCH}/whl/cu126/Torch_Vision/"), headers=PAGE)
    assert (moved.status, moved["Location"]) == (301, "../torch-vision/")


def test_no_other_site_is_reached(mirrors, serve):
    daemon = serve(all_mirrors(mirrors))
    for path in ("/mirror/example.org/simple/torch/", "/mirror/pypi.org/", "/mirror/"):
        assert daemon.get(path).status == 404


def test_an_origin_without_a_public_site_has_no_such_page(mirrors, serve):
    text = flat_and_pypi(mirrors).replace('canonical = "https://files.pythonhosted.org/"\n', "")
    daemon = serve(text)
    reply = wire.ask(ours(daemon, f"{PYTORCH}/whl/cu126/filelock/"), headers=PAGE)
    assert reply.status == 404 and "public site" in reply.text
