# SPDX-License-Identifier: Apache-2.0
"""Upload times on pages made from listings that know nothing but the date of each row: cool-down
rules of clients work on them."""

import pytest

import wire
from clients import installed
from daemon import configuration, flat_mirror, official_mirror
from standins import anchor, flat_page, href_of, simple_page
from wheels import build

OLD, NEW = "2.8.0", "2.9.0"


def name_of(version):
    return f"torch-{version}+cpu-py3-none-any.whl"


DATES = {name_of(OLD): "2025-01-02 03:04", name_of(NEW): "2025-08-09 10:11"}


@pytest.fixture
def listed(origin, tmp_path):
    """Two releases on a flat page, each with the date of its row."""
    for version in (OLD, NEW):
        wheel = build(tmp_path / "built", "torch", f"{version}+cpu")
        origin.put(f"/pytorch-wheels/cpu/{wheel.name}", wheel.read_bytes())
    origin.put_page("/pytorch-wheels/cpu/", flat_page("cpu", [(n, 1) for n in DATES], dates=DATES))
    return origin


def files(daemon):
    return daemon.page("torch", index="cpu", headers={"Accept": wire.JSON}).json()["files"]


def times(daemon):
    return {file["filename"]: file.get("upload-time") for file in files(daemon)}


def mirror(origin, **more):
    return {**flat_mirror("m", origin.url), **more}


def test_uv_excludes_what_is_newer(listed, serve, uv):
    daemon = serve(configuration(pytorch=[mirror(listed, time_zone="+08:00")]))
    arguments = ("--index-url", daemon.index("cpu"), "torch")
    target = uv.install("--exclude-newer", "2025-06-01T00:00:00Z", *arguments)
    assert installed(target)["torch"] == f"{OLD}+cpu"


def test_pip_takes_what_was_uploaded_before(listed, serve, pip):
    if "--uploaded-prior-to" not in pip.run("install", "--help"):
        pytest.skip("this pip does not know --uploaded-prior-to")
    daemon = serve(configuration(pytorch=[mirror(listed, time_zone="+08:00")]))
    arguments = ("--index-url", daemon.index("cpu"), "torch")
    target = pip.install("--uploaded-prior-to", "2025-06-01T00:00:00Z", *arguments)
    assert installed(target)["torch"] == f"{OLD}+cpu"


@pytest.mark.parametrize(
    "zone, old",
    [
        ("+08:00", "2025-01-01T19:04:59Z"),
        ("+00:00", "2025-01-02T03:04:59Z"),
        ("-03:30", "2025-01-02T06:34:59Z"),
        (None, "2025-01-02T15:04:59Z"),  # wherever its clock hangs, it was no later than that
    ],
)
def test_the_clock_of_the_mirror(listed, serve, zone, old):
    more = {"time_zone": zone} if zone else {}
    daemon = serve(configuration(pytorch=[mirror(listed, **more)]))
    assert times(daemon)[name_of(OLD)] == old
    assert {file["_upload-time-source"] for file in files(daemon)} == {"listing"}


def test_html_shows_them_too(listed, serve):
    daemon = serve(configuration(pytorch=[mirror(listed, time_zone="+00:00")]))
    page = daemon.page("torch", index="cpu", headers={"Accept": "text/html"})
    assert 'data-upload-time="2025-01-02T03:04:59Z"' in page.text


def test_no_file_shows_a_time_when_one_has_none(listed, serve):
    listed.put_page(
        "/pytorch-wheels/cpu/",
        flat_page("cpu", [(n, 1) for n in DATES], dates={**DATES, name_of(NEW): "-"}),
    )
    daemon = serve(configuration(pytorch=[mirror(listed)]))
    assert set(times(daemon).values()) == {None}


def test_a_date_in_the_future_is_now_at_the_latest(listed, serve):
    dates = {name: "2999-01-01 00:00" for name in DATES}
    page = flat_page("cpu", [(n, 1) for n in DATES], dates=dates)
    listed.put_page("/pytorch-wheels/cpu/", page)
    daemon = serve(configuration(pytorch=[mirror(listed)]))
    assert all(time < "2998" for time in times(daemon).values())


def test_what_an_index_says_goes_before_a_listing(listed, second_origin, serve):
    said = "2024-05-06T07:08:09.123456Z"
    links = [
        anchor(f"/whl/cpu/{href_of(n)}", n).replace("<a ", f'<a data-upload-time="{said}" ')
        for n in DATES
    ]
    second_origin.put_page("/whl/cpu/torch/", simple_page("torch", links))
    mirrors = [mirror(listed), official_mirror("official", second_origin.url)]
    daemon = serve(configuration(pytorch=mirrors))
    assert set(times(daemon).values()) == {said}
    assert not any("_upload-time-source" in file for file in files(daemon))
