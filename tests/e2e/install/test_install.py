# SPDX-License-Identifier: Apache-2.0
"""torch from a flat page, its dependencies from PyPI, through wheelyard, with every client."""

import pytest

from clients import installed, origin_of
from daemon import all_mirrors, flat_and_pypi

TORCH_AND_ITS_NEEDS = {
    "torch": "2.9.0+cu126",
    "torchvision": "0.24.0+cu126",
    "triton": "3.5.0",
    "nvidia-cublas-cu12": "12.6.4.1",
}
FROM_PYPI = {"filelock", "typing-extensions", "sympy", "networkx", "jinja2", "fsspec", "packaging"}


def assert_is_torch_and_all_it_needs(target):
    found = installed(target)
    assert TORCH_AND_ITS_NEEDS.items() <= found.items()
    assert FROM_PYPI <= found.keys()
    assert origin_of(target, "torch") == "cu126" and origin_of(target, "triton") == "pypi"


@pytest.mark.parametrize("mirrored", [flat_and_pypi, all_mirrors], ids=["flat", "all"])
def test_every_client_installs_torch(mirrors, serve, client, mirrored):
    daemon = serve(mirrored(mirrors))
    target = client.install("--index-url", daemon.index("cu126"), "torch", "torchvision")
    assert_is_torch_and_all_it_needs(target)


def test_a_second_machine_is_served_from_the_cache(own_mirrors, serve, client, another):
    daemon = serve(flat_and_pypi(own_mirrors))
    arguments = ("--index-url", daemon.index("cu126"), "torch", "torchvision")
    client.install(*arguments)
    assert_is_torch_and_all_it_needs(another(client).install(*arguments))
    assert own_mirrors.sent_more_than_once() == []
    kept = len(TORCH_AND_ITS_NEEDS) + len(FROM_PYPI)
    daemon.wait_status(lambda s: s["cache"]["blobs"] >= kept, what="all are kept")


def test_plain_pypi(mirrors, serve, client):
    daemon = serve(flat_and_pypi(mirrors))
    target = client.install("--index-url", daemon.index(""), "requests")
    assert {"requests", "certifi", "idna", "urllib3", "charset-normalizer"} <= installed(
        target
    ).keys()


def test_the_drop_in_for_the_official_address(mirrors, serve, client):
    daemon = serve(flat_and_pypi(mirrors))
    target = client.install("--index-url", f"{daemon.url}/whl/cu126", "torch")
    assert installed(target)["torch"] == "2.9.0+cu126"


def test_pip_checks_the_digests_that_an_authority_names(mirrors, serve, pip):
    """--require-hashes reads them from our page."""
    daemon = serve(all_mirrors(mirrors))
    page = daemon.page("filelock", index="").json()
    newest = page["files"][-1]
    needed = pip.home / "needed.txt"
    version = newest["filename"].split("-")[1]
    needed.write_text(f"filelock=={version} --hash=sha256:{newest['hashes']['sha256']}\n")
    target = pip.install("--index-url", daemon.index(""), "--require-hashes", "-r", needed)
    assert installed(target) == {"filelock": version}
