# SPDX-License-Identifier: Apache-2.0
"""A plain folder of wheels behind an ordinary web server is a flat mirror, too."""

import re
import subprocess
import sys

import pytest

from clients import installed, origin_of
from daemon import configuration, flat_mirror, pypi_mirror
from standins import Nginx

WHEELS = "pytorch-wheels/cu126"


@pytest.fixture
def folder(tmp_path, library):
    """The channel's wheels and nothing else: the server has to make the page."""
    place = tmp_path / "tree" / WHEELS
    place.mkdir(parents=True)
    for paths in library.channels["cu126"].values():
        for wheel in paths:
            (place / wheel.name).symlink_to(wheel)
    return tmp_path / "tree"


@pytest.fixture(params=["html", "json"])
def nginx(request, folder, tmp_path):
    extra = f"autoindex on; autoindex_format {request.param};"
    server = Nginx(folder, tmp_path / "nginx", extra)
    yield server.url
    server.stop()


@pytest.fixture
def http_server(folder):
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    yield re.search(r"http://[0-9.:]+", process.stdout.readline()).group(0)
    process.terminate()
    process.wait()
    process.stdout.close()


def assert_installs(url, mirrors, serve, uv, library):
    config = configuration(
        pytorch=[flat_mirror("plain", url)], pypi=[pypi_mirror("pypi", mirrors.pypi.url)]
    )
    daemon = serve(config)
    listed = {file["filename"] for file in daemon.page("torch").json()["files"]}
    assert listed == {wheel.name for wheel in library.channels["cu126"]["torch"]}
    target = uv.install("--index-url", daemon.index("cu126"), "torch")
    assert installed(target)["torch"] == "2.9.0+cu126" and origin_of(target, "torch") == "cu126"


def test_an_autoindex_of_nginx(nginx, mirrors, serve, uv, library):
    assert_installs(nginx, mirrors, serve, uv, library)


def test_the_listing_of_python(http_server, mirrors, serve, uv, library):
    """No ranges, HTTP/1.0, names in the page as they come."""
    assert_installs(http_server, mirrors, serve, uv, library)
