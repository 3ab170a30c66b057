# SPDX-License-Identifier: Apache-2.0
"""The case this project exists for: an index URL that points at a flat page."""

import wire
from clients import REQUIRES_PYTHON, installed, origin_of
from daemon import configuration, flat_and_pypi, flat_mirror
from standins import flat_page, wait_until

PROJECT = """
[project]
name = "app"
version = "0"
requires-python = "{python}"
dependencies = ["torch"]

[tool.uv.sources]
torch = {{ index = "torch-index" }}

[[tool.uv.index]]
name = "torch-index"
url = "{torch}"
explicit = true

[[tool.uv.index]]
name = "pypi"
url = "{pypi}"
default = true
"""


def write_project(client, torch, pypi):
    folder = client.home / "app"
    folder.mkdir()
    text = PROJECT.format(torch=torch, pypi=pypi, python=REQUIRES_PYTHON)
    (folder / "pyproject.toml").write_text(text)
    return folder


def test_uv_with_the_flat_page_as_index_fails(mirrors, uv):
    pypi = f"{mirrors.pypi.url}/simple"
    arguments = ("--default-index", mirrors.flat_url(), "--index", pypi, "torch")
    assert "torch was not found in the package registry" in uv.install(*arguments, fails=True)
    asked = ("GET", "/pytorch-wheels/cu126/torch/", 404)
    wait_until(lambda: asked in [row[:3] for row in mirrors.aliyun.requests()], what="uv asked")


def test_pip_with_the_flat_page_as_index_fails(mirrors, pip):
    output = pip.install("--index-url", mirrors.flat_url(), "torch", fails=True)
    assert "from versions: none" in output


def test_a_per_package_index_on_the_flat_page_fails(mirrors, uv):
    folder = write_project(uv, mirrors.flat_url(), f"{mirrors.pypi.url}/simple")
    assert "not found in the package registry" in uv.run("lock", cwd=folder, fails=True)


def test_the_same_project_works_through_wheelyard(mirrors, serve, uv):
    daemon = serve(flat_and_pypi(mirrors))
    folder = write_project(uv, daemon.index("cu126"), daemon.index(""))
    uv.run("lock", cwd=folder)
    uv.run("sync", cwd=folder)
    (site,) = (folder / ".venv" / "lib").glob("python*/site-packages")
    assert installed(site)["torch"] == "2.9.0+cu126"


def test_triton_comes_from_pypi_when_there_is_only_the_flat_page(own_mirrors, serve, uv):
    """Aliyun's folders have no triton: torch on Linux installs because PyPI owns the name."""
    daemon = serve(flat_and_pypi(own_mirrors))
    target = uv.install("--index-url", daemon.index("cu126"), "torch")
    assert installed(target)["triton"] == "3.5.0" and origin_of(target, "triton") == "pypi"
    wait_until(
        lambda: any("/triton-3.5.0-" in row[1] for row in own_mirrors.pypi.wheel_requests()),
        what="PyPI's mirror sent triton",
    )


def test_the_flat_page_becomes_a_page_per_project(mirrors, serve, library):
    daemon = serve(flat_and_pypi(mirrors))
    for project, wheels in library.channels["cu126"].items():
        names = wire.file_names(daemon.page(project))
        assert sorted(names) == sorted(wheel.name for wheel in wheels)


def test_a_raw_plus_in_the_links_means_the_same_files(origin, serve, library):
    wheel = library.torch()
    page = flat_page("cu126", [(wheel.name, wheel.stat().st_size)], plus=True)
    origin.put_page("/pytorch-wheels/cu126/", page)
    origin.put(f"/pytorch-wheels/cu126/{wheel.name}", wheel)
    daemon = serve(configuration(pytorch=[flat_mirror("flat", origin.url)]))
    document = daemon.page("torch").json()
    wire.check_json_page(document, "torch")
    url = wire.file_urls(f"{daemon.index()}/torch/", daemon.page("torch"))[wheel.name]
    assert wire.ask(url).body == wheel.read_bytes()
    (request,) = origin.asked(f"/pytorch-wheels/cu126/{wheel.name}", "GET")
    assert "%2B" in request.target, "a raw + is no file on S3"
