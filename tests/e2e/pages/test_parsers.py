# SPDX-License-Identifier: Apache-2.0
"""Pages of ours as others read them. Every saved page of a real mirror is put behind a daemon; of
what it makes of it html5lib finds no error in the HTML, and pypi-simple and mousebender read the same
in HTML and JSON, field by field."""

import gzip
import json
import os
import re
import warnings
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import html5lib
import mousebender.simple
import pytest
from pypi_simple import IndexPage, ProjectPage

import wire
from daemon import ROOT

DATA = Path(os.environ.get("WHEELYARD_DATA", ROOT.parent / "shared" / "data"))
FOLDERS = ("derived", "findlinks", "official", "servers", "simple")
SAME = (
    "filename url project version package_type digests requires_python has_sig is_yanked "
    "has_metadata metadata_digests provenance_url"
).split()
HTML = "text/html"
FLAT_MOST = 100  # projects on a flat page that is looked at
PROJECTS_MOST = 20  # of a saved page, the first of them

if not DATA.is_dir():
    pytest.skip(f"no saved pages in {DATA}", allow_module_level=True)


# ------------------------------------------------------------------ what the parsers say


def tree_of(reply):
    """The document, if html5lib has no complaint about it."""
    assert reply.status == 200 and reply["Content-Type"] == "text/html; charset=utf-8"
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(reply.body, transport_encoding="utf-8")


def numbers_of(tree):
    """Size and upload-time of each link, which the other parsers do not look for in HTML."""
    return [(a.get("data-size"), a.get("data-upload-time")) for a in tree.iter("a")]


def by_mousebender(reply, project):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mousebender.simple.APIVersionWarning)  # it stops at 1.1
        type = reply["Content-Type"]
        page = mousebender.simple.parse_project_details(reply.text, type, project)
    known = ("filename", "url", "hashes", "requires-python", "core-metadata", "yanked")
    files = [{key: file.get(key) or None for key in known} for file in page["files"]]
    return page["name"], files


def forms(daemon, path):
    """HTML and JSON of one and the same page: it may become another while we ask."""
    while True:
        html, document = (daemon.get(path, {"Accept": accept}) for accept in (HTML, wire.JSON))
        if daemon.get(path, {"Accept": HTML}, "HEAD")["ETag"] == html["ETag"]:
            return html, document


def check_project(daemon, path):
    """Both forms of a project page; returns the names of its files."""
    project, url = path.rstrip("/").rsplit("/", 1)[-1], daemon.url + path
    html, document = forms(daemon, path)
    assert document.status == 200, document.text
    files = document.json()["files"]
    numbers = [(file.get("size"), file.get("upload-time")) for file in files]
    assert numbers_of(tree_of(html)) == [(s if s is None else str(s), t) for s, t in numbers]
    one = ProjectPage.from_html(project, html.body, url, "utf-8")
    two = ProjectPage.from_json_data(document.json(), url)
    assert (one.project, one.status, one.status_reason) == (project, two.status, two.status_reason)
    assert two.project == project and len(one.packages) == len(two.packages)
    for a, b in zip(one.packages, two.packages):
        assert [getattr(a, key) for key in SAME] == [getattr(b, key) for key in SAME]
        assert (a.yanked_reason or None) == b.yanked_reason
    assert by_mousebender(html, project) == by_mousebender(document, project)
    assert [file["filename"] for file in files] == [package.filename for package in two.packages]
    return {file["filename"] for file in files}


def check_list(daemon, path):
    """Both forms of a project list; returns its names."""
    html, document = forms(daemon, path)
    links = [(a.get("href"), a.text) for a in tree_of(html).iter("a")]
    names = [project["name"] for project in document.json()["projects"]]
    assert links == [(f"{name}/", name) for name in names]
    assert IndexPage.from_html(html.body).projects == names
    assert IndexPage.from_json_data(document.json()).projects == names
    for reply in (html, document):
        page = mousebender.simple.parse_project_index(reply.text, reply["Content-Type"])
        assert [project["name"] for project in page["projects"]] == names
    return names


# ------------------------------------------------------------------ the saved pages


class Saved:
    """A page, and the table of what is on it."""

    def __init__(self, number, page, base):
        self.name, self.page, self.base = f"p{number}", page, urlsplit(base)
        self.path = f"/{self.name}/{self.base.netloc}{self.base.path}"
        self.hosts, self.files = set(), {}
        table = DATA / "expected" / f"{page}.tsv"
        opened = open if table.exists() else gzip.open
        table = table if table.exists() else table.with_name(f"{table.name}.gz")
        with opened(table, "rt", encoding="utf-8") as lines:
            for line in list(lines)[1:]:
                project, _, _, filename, url = line.split("\t")[:5]
                parts = urlsplit(url)
                self.hosts.add(f"{parts.scheme}://{parts.netloc}/")
                if re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", project):  # else it has no page
                    self.files.setdefault(project, set()).add(filename)

    def body(self):
        content = (DATA / self.page).read_bytes()
        return gzip.decompress(content) if self.page.endswith(".gz") else content

    def origin(self, url):
        """An origin with this page alone, which is its only channel's."""
        mirror = f"{url}/{{channel}}/{self.base.netloc}{self.base.path}"
        return (
            f'[origin.{self.name}]\ncanonical = "https://{self.name}.example/"\n'
            f"aliases = {json.dumps(sorted(self.hosts))}\n"
            f'channels = ["{self.name}"]\nowns = ["*"]\n[[origin.{self.name}.mirror]]\n'
            f'name = "m"\nlayout = "flat"\nindex = "{mirror}"\nfiles = "{url}/"\n'
        )


def saved(folder):
    summary = (DATA / "expected" / "SUMMARY.tsv").read_text().splitlines()[1:]
    rows = [line.split("\t") for line in summary]
    pages = [(n, row[0], row[1]) for n, row in enumerate(rows) if row[0].startswith(f"{folder}/")]
    return [Saved(*page) for page in pages]


def check_flat(daemon, path, files):
    """Each name once, and as html5lib wants it."""
    links = tree_of(daemon.get(path)).findall(".//a")
    names = [link.text for link in links]
    assert sorted(names) == sorted(set().union(*files.values()))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_saved_page(origin, serve, folder):
    pages = [page for page in saved(folder) if page.files]
    assert pages
    for page in pages:
        origin.put(page.path, page.body(), type=HTML)
    daemon = serve("".join(page.origin(origin.url) for page in pages))
    for page in pages:
        names = check_list(daemon, f"/{page.name}/simple/")
        assert names == sorted(page.files), page.page
        if len(names) < FLAT_MOST:
            check_flat(daemon, f"/{page.name}/flat/", page.files)
        for name in names[:PROJECTS_MOST]:
            assert check_project(daemon, f"/{page.name}/simple/{name}/") == page.files[name]
        few = min(names, key=lambda name: len(page.files[name]))
        for form in (f"whl/{page.name}", f"mirror/{page.name}.example/{page.name}"):
            assert check_list(daemon, f"/{form}/") == names
            assert check_project(daemon, f"/{form}/{few}/") == page.files[few]
    assert "".join(tree_of(daemon.get("/")).itertext()).count("wheelyard")
