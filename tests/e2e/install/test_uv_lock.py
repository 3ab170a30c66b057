# SPDX-License-Identifier: Apache-2.0
"""uv projects: lock and sync, with wheelyard as the default index and as an explicit one."""

import tomllib

import pytest

from clients import REQUIRES_PYTHON, installed
from daemon import all_mirrors, flat_and_pypi
from wheels import PYTHON_TAG

HEAD = """
[project]
name = "app"
version = "0"
requires-python = "{python}"
dependencies = ["torch", "torchvision"]
"""
AS_DEFAULT = HEAD + """
[[tool.uv.index]]
name = "wheelyard"
url = "{cu126}"
default = true
"""
AS_EXPLICIT = HEAD + """
[tool.uv.sources]
torch = {{ index = "wheelyard-cu126" }}
torchvision = {{ index = "wheelyard-cu126" }}

[[tool.uv.index]]
name = "wheelyard-cu126"
url = "{cu126}"
explicit = true

[[tool.uv.index]]
name = "wheelyard"
url = "{pypi}"
default = true
"""


def make_project(client, text, daemon):
    folder = client.home / "app"
    folder.mkdir(parents=True)
    values = dict(cu126=daemon.index("cu126"), pypi=daemon.index(""), python=REQUIRES_PYTHON)
    (folder / "pyproject.toml").write_text(text.format(**values))
    return folder


def synced(folder):
    (site,) = (folder / ".venv" / "lib").glob("python*/site-packages")
    return installed(site)


@pytest.mark.parametrize("text", [AS_DEFAULT, AS_EXPLICIT], ids=["default", "explicit"])
@pytest.mark.parametrize("mirrored", [flat_and_pypi, all_mirrors], ids=["flat", "all"])
def test_lock_and_sync(mirrors, serve, uv, text, mirrored):
    daemon = serve(mirrored(mirrors))
    folder = make_project(uv, text, daemon)
    uv.run("lock", cwd=folder)
    uv.run("sync", "--frozen", cwd=folder)
    found = synced(folder)
    assert found["torch"] == "2.9.0+cu126" and found["torchvision"] == "0.24.0+cu126"
    assert found["triton"] == "3.5.0"
    uv.run("lock", "--check", cwd=folder)


def test_the_lock_holds_our_addresses_and_digests(mirrors, serve, uv, library):
    """Documented: locks made through us name our URL."""
    daemon = serve(all_mirrors(mirrors))
    folder = make_project(uv, AS_DEFAULT, daemon)
    uv.run("lock", cwd=folder)
    packages = tomllib.loads((folder / "uv.lock").read_text())["package"]
    torch = next(package for package in packages if package["name"] == "torch")
    start = f"torch-2.9.0+cu126-{PYTHON_TAG}-"
    listed = [p for p in library.channels["cu126"]["torch"] if p.name.startswith(start)]
    assert torch["source"] == {"registry": daemon.index("cu126")}
    assert len(torch["wheels"]) == len(listed)
    for wheel in torch["wheels"]:
        assert wheel["url"].startswith(f"{daemon.url}/files/pytorch/cu126/torch-2.9.0%2Bcu126-")
        assert wheel["hash"].startswith("sha256:")
