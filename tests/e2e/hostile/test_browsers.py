# SPDX-License-Identifier: Apache-2.0
"""A page of somebody else's in a user's browser: it reaches what the user reaches, but has nothing
fetched here, learns nothing of what is kept, and shows nothing of ours as its own."""

import base64
import hashlib
import re

import pytest

import wire
from daemon import all_mirrors
from wheels import sha256_of

WHEEL = "torch-2.9.0+cu126-py3-none-any.whl"
FOREIGN = {
    "image": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    "link": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    "fetch": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    "old-browser": {"Origin": "https://evil.example"},
    "sandbox": {"Origin": "null"},
    "other-port": {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    "other-port-old": {"Origin": "http://127.0.0.1:1"},
}
OWN = {
    "typed": {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
    "own-link": {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"},
    "wiki-of-the-lab": {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"},
    "installer": {},
}


def upstream(mirrors):
    return len(mirrors.aliyun.requests()) + len(mirrors.official.requests())


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_another_sites_page_has_nothing_fetched(own_mirrors, serve, headers, method):
    daemon = serve(all_mirrors(own_mirrors))
    before = upstream(own_mirrors)
    for path in ("/cu126/simple/torch/", "/simple/", f"/files/pytorch/cu126/{WHEEL}"):
        reply = daemon.get(path, headers, method)
        assert reply.status == 403
        assert method == "HEAD" or "another site" in reply.text
        assert not reply["Access-Control-Allow-Origin"]
    assert upstream(own_mirrors) == before


@pytest.mark.parametrize("headers", OWN.values(), ids=OWN)
def test_a_user_and_an_installer_are_answered(mirrors, serve, headers):
    daemon = serve(all_mirrors(mirrors))
    assert daemon.get("/cu126/simple/torch/", headers).status == 200
    own = {**headers, "Origin": daemon.url}
    assert daemon.get("/cu126/simple/torch/", own).status == 200


def test_a_link_from_elsewhere_to_the_start_page_works(mirrors, serve):
    daemon = serve(all_mirrors(mirrors))
    assert daemon.get("/", FOREIGN["link"]).status == 200


@pytest.mark.parametrize(
    "path", ["/", "/-/status", "/-/health", "/-/indexes", "/nosuch", "/cu126/simple/torch/", WHEEL]
)
def test_every_reply_forbids_guessing_scripts_and_frames(mirrors, serve, path):
    daemon = serve(all_mirrors(mirrors))
    target = path if path.startswith("/") else f"/files/pytorch/cu126/{path}"
    for method in ("GET", "HEAD"):
        reply = daemon.get(target, {"Accept": "text/html, */*;q=0.1"}, method)
        assert reply["X-Content-Type-Options"] == "nosniff"
        policy = reply["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        taken_by_installers = reply.status == 200 and ("simple" in target or "files" in target)
        wanted = None if taken_by_installers else "same-origin"
        assert reply["Cross-Origin-Resource-Policy"] == wanted
    again = daemon.get(target, {"If-None-Match": "*"})
    assert again["X-Content-Type-Options"] == "nosniff"


def test_the_policy_allows_the_one_style_sheet_there_is(mirrors, serve):
    daemon = serve(all_mirrors(mirrors))
    home = daemon.get("/")
    styles = re.findall(r"<style>(.*?)</style>", home.text, re.S)
    digest = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
    assert len(styles) == 1 and f"'sha256-{digest}'" in home["Content-Security-Policy"]
    assert not re.search(r"<script|\son\w+=|style=", home.text)


@pytest.mark.parametrize("method", ["OPTIONS", "POST", "PUT", "DELETE", "TRACE"])
def test_nothing_can_be_changed_by_http(mirrors, serve, method):
    daemon = serve(all_mirrors(mirrors))
    assert daemon.get("/cu126/simple/torch/", {}, method).status in (405, 400)
