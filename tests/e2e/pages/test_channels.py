# SPDX-License-Identifier: Apache-2.0
"""One index per channel, one owner per name."""

import pytest

import wire
from clients import installed, origin_of
from daemon import all_mirrors, configuration, flat_and_pypi, flat_mirror, pypi_mirror
from standins import anchor, flat_page, simple_page
from wheels import build


@pytest.mark.parametrize("channel", ["cu126", "cpu"])
def test_each_index_resolves_its_own_build(mirrors, serve, uv, channel):
    daemon = serve(all_mirrors(mirrors))
    target = uv.install("--index-url", daemon.index(channel), "torch", "torchvision")
    assert installed(target)["torch"] == f"2.9.0+{channel}"
    assert installed(target)["torchvision"] == f"0.24.0+{channel}"
    assert origin_of(target, "torch") == channel


@pytest.mark.parametrize("channel", ["cu126", "cpu"])
def test_channels_are_never_mixed_on_a_page(mirrors, serve, channel):
    daemon = serve(all_mirrors(mirrors))
    names = wire.file_names(daemon.page("torch", index=channel))
    assert names and all(f"+{channel}-" in name for name in names)


def test_the_cpu_build_needs_no_triton(mirrors, serve, pip):
    daemon = serve(flat_and_pypi(mirrors))
    target = pip.install("--index-url", daemon.index("cpu"), "torch")
    assert "triton" not in installed(target)


@pytest.mark.parametrize("project", ["requests", "certifi", "jinja2"])
def test_names_on_both_sides_are_pypis(mirrors, serve, library, project):
    """The official site lists old copies (here: temptingly high versions) of them."""
    daemon = serve(all_mirrors(mirrors))
    names = set(wire.file_names(daemon.page(project)))
    assert names == {w.name for w in library.pypi if w.name.lower().startswith(f"{project}-")}
    assert not names & {wheel.name for wheel in library.stale[project]}


def test_clients_see_pypis_requests(mirrors, serve, client):
    daemon = serve(all_mirrors(mirrors))
    target = client.install("--index-url", daemon.index("cu126"), "requests", "jinja2")
    assert not {"99.28.1", "99.1.2", "2099.1.1"} & set(installed(target).values())


def test_the_owner_answers_alone(mirrors, serve):
    """A miss in the owner is a 404, never a fall-through to somebody who has the name."""
    daemon = serve(all_mirrors(mirrors))
    assert daemon.page("torchaudio").status == 404, "owned by pytorch, which does not list it"
    assert daemon.page("torch", index="").status == 404, "/simple/ is PyPI alone"
    assert daemon.page("triton").status == 200, "PyPI's on cu126"
    assert daemon.page("triton", index="rocm6.4").status == 400, "pytorch's on rocm, which no mirror has"


def test_torch_of_pypi_is_never_shown_in_a_channel(origin, mirrors, serve):
    link = anchor("../../packages/aa/bb/torch-99.0-py3-none-any.whl", "torch-99.0-py3-none-any.whl")
    origin.put_page("/simple/torch/", simple_page("torch", [link]))
    daemon = serve(
        configuration(
            pytorch=[flat_mirror("aliyun", mirrors.aliyun.url)],
            pypi=[pypi_mirror("tuna", origin.url)],
        )
    )
    assert wire.file_names(daemon.page("torch", index="")) == ["torch-99.0-py3-none-any.whl"]
    assert "torch-99.0-py3-none-any.whl" not in wire.file_names(daemon.page("torch"))


def test_one_name_under_two_channels_stays_two_files(origin, serve, tmp_path):
    """Real wheels without +local exist in several folders, each time with other bytes."""
    copies = {}
    for channel in ("cu126", "cpu"):
        wheel = build(tmp_path / channel, "torchaudio", "2.9.0", says=channel)
        copies[channel] = wheel.read_bytes()
        origin.put(f"/pytorch-wheels/{channel}/{wheel.name}", wheel)
        page = flat_page(channel, [(wheel.name, wheel.stat().st_size)])
        origin.put_page(f"/pytorch-wheels/{channel}/", page)
    daemon = serve(configuration(pytorch=[flat_mirror("flat", origin.url)]))
    for channel, body in copies.items():
        page = daemon.page("torchaudio", index=channel)
        (url,) = wire.file_urls(f"{daemon.index(channel)}/torchaudio/", page).values()
        assert wire.ask(url).body == body
