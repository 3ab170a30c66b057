# SPDX-License-Identifier: Apache-2.0
"""Real uv and pip at their default limits on bad lines, through us and beside it straight from the mirror.

Where the client alone succeeds it succeeds through us, in no more time than that plus a second. Where
it alone installs something wrong, it does not through us. Both run at the same time, each over a line of
its own in front of the same mirror. `docs/FAULTS.md` has the rows.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

import clients
import wheels
import wire
from clients import ClientFailed, installed, origin_of
from daemon import PATIENCE, configuration, flat_mirror, official_mirror, pypi_mirror
from gates import wait_until
from line import Line, portal_page, portal_redirect
from origin import PORTAL_PAGE
from standins import anchor, flat_page, href_of, simple_page
from wheels import sha256_of

MORE_S = 1.0 * PATIENCE  # what we may cost
AGAIN_S = 2.0  # a file that failed is asked for again
KB, MB = 1000, 1_000_000
FLAT = "/pytorch-wheels/cpu/"


@dataclass
class Run:
    """One installer's run to its end."""

    target: object  # the folder, None when it failed
    seconds: float
    said: str = ""

    @property
    def succeeded(self):
        return self.target is not None


def install(client, *what):
    begun = time.monotonic()
    try:
        target = client.install(*what)
        return Run(target, time.monotonic() - begun)
    except ClientFailed as failure:
        return Run(None, time.monotonic() - begun, str(failure))


pytestmark = pytest.mark.alone  # seconds are compared

@pytest.fixture(name="new", params=("uv", "pip"))
def new_client(request, tmp_path):
    """new(name): the installer on an empty machine of that name."""

    def new(name):
        if request.param == "uv":
            return clients.Uv(tmp_path / name)
        return clients.Pip(tmp_path / name, clients.pip_wheel("newest"))

    new.kind = request.param
    return new


def side_by_side(direct, through):
    """Both functions at the same time; what they return."""
    with ThreadPoolExecutor(2) as pool:
        pair = pool.submit(direct), pool.submit(through)
        return [each.result() for each in pair]


def assert_no_worse(direct, through, may_cost_s=MORE_S):
    if direct.succeeded:
        assert through.succeeded, through.said
        more = through.seconds - direct.seconds
        assert more < may_cost_s, f"{through.seconds:.1f} s, and {direct.seconds:.1f} s without us"


# ------------------------------------------------------------------ far and slow


def long_listing(size, *real):
    """A flat page of at least that many bytes: the real files, and others that nobody asks for."""
    rows = [(path.name, path.stat().st_size) for path in real]
    row = len(flat_page("cpu", [(other_name(0), 1)])) - len(flat_page("cpu", []))
    rows += [(other_name(n), 1_500_000 + n) for n in range(size // row + 1)]
    page = flat_page("cpu", rows)
    assert len(page) >= size
    return page


def other_name(number):
    return f"torchaudio-0.{number:05}.0+cpu-cp39-cp39-macosx_11_0_universal2.whl"


def find_links(line):
    return ("--no-index", "--find-links", f"{line.url}{FLAT}", "torch")


@pytest.fixture(name="flat")
def flat_site(tmp_path, origin):
    """flat(listing size, wheel size): a mirror with a listing in Aliyun's shape and one wheel."""

    def make(listing, padding):
        wheel = wheels.build(tmp_path / "built", "torch", "2.9.0+cpu", padding=padding, says="right")
        origin.put_page(FLAT, long_listing(listing, wheel))
        origin.put(f"{FLAT}{wheel.name}", wheel)
        return wheel

    return make


def flat_daemon(serve, line, **top):
    return serve(configuration(pytorch=[flat_mirror("aliyun", line.url)], **top))


def test_a_listing_of_16_seconds(origin, flat, serve, new):
    """0.3 s away, 150 KB/s, 2.4 MB of listing: what any of several mirrors is on a bad evening."""
    flat(2_400 * KB, 200 * KB)
    with Line(origin.url, 0.3, 150 * KB) as own, Line(origin.url, 0.3, 150 * KB) as ours:
        daemon = flat_daemon(serve, ours)
        direct, through = side_by_side(
            lambda: install(new("direct"), *find_links(own)),
            lambda: install(new("through"), "--index-url", daemon.index("cpu"), "torch"),
        )
        assert direct.succeeded, direct.said
        assert_no_worse(direct, through)
        assert origin_of(through.target, "torch") == "right"
        assert ours.sent < own.sent + 500 * KB, "the listing came more than once"


def test_a_listing_of_half_a_minute_at_the_second_try(origin, flat, serve, new):
    """30 KB/s, 900 KB of listing. The first try may end with 503; the transfer goes on meanwhile."""
    flat(900 * KB, 60 * KB)
    with Line(origin.url, 0.3, 30 * KB) as own, Line(origin.url, 0.3, 30 * KB) as ours:
        daemon = flat_daemon(serve, ours)
        client = new("through")
        what = ("--index-url", daemon.index("cpu"), "torch")

        def at_most_twice():
            first = install(client, *what)
            return first if first.succeeded else install(client, *what)

        direct, through = side_by_side(
            lambda: install(new("direct"), *find_links(own)), at_most_twice
        )
        assert direct.succeeded, direct.said
        assert through.succeeded, through.said
        assert origin_of(through.target, "torch") == "right"
        assert ours.sent < own.sent + 200 * KB, "the listing came more than once"


def test_a_small_wheel_is_not_starved_by_a_large_one(origin, flat, serve, new, tmp_path):
    """Somebody pulls 8 MB from the same slow mirror; a wheel of 60 KB beside it comes all the same."""
    large = wheels.build(tmp_path / "large", "torchvision", "0.24.0+cpu", padding=8 * MB)
    small = flat(100 * KB, 60 * KB)
    origin.put_page(FLAT, long_listing(100 * KB, small, large))
    origin.put(f"{FLAT}{large.name}", large)
    with Line(origin.url, 0.3, 150 * KB) as own, Line(origin.url, 0.3, 150 * KB) as ours:
        daemon = flat_daemon(serve, ours)
        pulls = [
            wire.Download(f"{own.url}{FLAT}{href_of(large.name)}", keep=False),
            wire.Download(daemon.file_url("pytorch", f"cpu/{large.name}"), keep=False),
        ]
        for pull in pulls:
            pull.wait_held(100 * KB)
        direct, through = side_by_side(
            lambda: install(new("direct"), *find_links(own)),
            lambda: install(new("through"), "--index-url", daemon.index("cpu"), "torch"),
        )
        assert all(pull.is_alive() for pull in pulls), "nothing was pulled beside it"
        for pull in pulls:
            pull.leave()
        assert direct.succeeded, direct.said
        assert_no_worse(direct, through)


# ------------------------------------------------------------------ cut


@pytest.mark.parametrize("cut_every, size", [(5 * MB, 17 * MB), (600 * KB, 4 * MB)], ids=["5MB", "600KB"])
def test_a_line_that_is_cut_again_and_again(origin, flat, serve, new, cut_every, size):
    """No byte is asked for twice, so it takes as many requests as the line needs."""
    wheel = flat(10 * KB, size)
    with (
        Line(origin.url, 0.05, 8 * MB, cut_every) as own,
        Line(origin.url, 0.05, 8 * MB, cut_every) as ours,
    ):
        daemon = flat_daemon(serve, ours)
        direct, through = side_by_side(
            lambda: install(new("direct"), *find_links(own)),
            lambda: install(new("through"), "--index-url", daemon.index("cpu"), "torch"),
        )
        assert through.succeeded, through.said
        assert_no_worse(direct, through)
        assert origin_of(through.target, "torch") == "right"
        assert ours.cuts
        assert ours.sent < wheel.stat().st_size + 400 * KB, "bytes came more than once"


# ------------------------------------------------------------------ a portal in between

PARTS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
APP = """
[project]
name = "app"
version = "0"
requires-python = "{python}"
dependencies = [{parts}]

[[tool.uv.index]]
name = "there"
url = "{index}"
default = true
"""


@pytest.fixture(name="parts")
def parts_site(tmp_path, origin):
    """parts(digests): a PyPI-shaped mirror with six projects of one wheel each."""

    def make(has_digests):
        for part in PARTS:
            wheel = wheels.build(tmp_path / "built", part, "1.0", padding=120 * KB, says="right")
            digest = sha256_of(wheel) if has_digests else None
            link = anchor(f"/packages/{wheel.name}", wheel.name, digest)
            origin.put_page(f"/simple/{part}/", simple_page(part, [link]))
            origin.put(f"/packages/{wheel.name}", wheel)

    return make


def sync(client, index):
    """`uv sync` of a project that needs the six parts."""
    folder = client.home / "app"
    folder.mkdir(parents=True, exist_ok=True)
    values = dict(python=clients.REQUIRES_PYTHON, index=index)
    values["parts"] = ", ".join(f'"{part}"' for part in PARTS)
    (folder / "pyproject.toml").write_text(APP.format(**values))
    begun = time.monotonic()
    try:
        client.run("sync", cwd=folder)
    except ClientFailed as failure:
        return Run(None, time.monotonic() - begun, str(failure))
    (site,) = (folder / ".venv" / "lib").glob("python*/site-packages")
    return Run(site, time.monotonic() - begun)


def assert_parts(target):
    assert {part: origin_of(target, part) for part in PARTS} == dict.fromkeys(PARTS, "right")


@pytest.mark.parametrize("after", [2, 9], ids=["pages", "files"])
@pytest.mark.parametrize("has_digests", [True, False], ids=["digests", "no-digests"])
@pytest.mark.parametrize("kind", ["page", "redirect"])
def test_a_portal_in_the_middle_of_a_sync(
    origin, second_origin, parts, serve, tmp_path, kind, has_digests, after
):
    """The first try may fail. When the portal has gone, the next one succeeds at once, and nothing of
    the portal was kept."""
    parts(has_digests)
    second_origin.put_page("/login", PORTAL_PAGE.decode())
    answer = portal_page(PORTAL_PAGE)
    if kind == "redirect":
        answer = portal_redirect(f"{second_origin.url}/login")
    with Line(origin.url, 0.02) as own, Line(origin.url, 0.02) as ours:
        daemon = serve(configuration(pypi=[pypi_mirror("tuna", ours.url)]))
        alone, with_us = clients.Uv(tmp_path / "direct"), clients.Uv(tmp_path / "through")
        for line in (own, ours):
            line.portal(after, 12, answer)
        first = side_by_side(
            lambda: sync(alone, f"{own.url}/simple"), lambda: sync(with_us, daemon.index(""))
        )
        assert own.portal_ends() and ours.portal_ends(), "the portal was never met"
        if first[0].succeeded:
            assert first[1].succeeded, first[1].said
        second = side_by_side(
            lambda: sync(alone, f"{own.url}/simple"), lambda: sync(with_us, daemon.index(""))
        )
        assert second[0].succeeded, second[0].said
        assert_no_worse(*second)
        assert_parts(second[1].target)
        third = sync(clients.Uv(tmp_path / "colleague"), daemon.index(""))
        assert third.succeeded, third.said
        assert_parts(third.target)


def test_a_portal_in_the_middle_of_an_installation_by_pip(origin, parts, serve, tmp_path):
    parts(False)
    pip = clients.pip_wheel("newest")
    with Line(origin.url, 0.02) as own, Line(origin.url, 0.02) as ours:
        daemon = serve(configuration(pypi=[pypi_mirror("tuna", ours.url)]))
        alone, with_us = clients.Pip(tmp_path / "direct", pip), clients.Pip(tmp_path / "through", pip)
        for line in (own, ours):
            line.portal(3, 8, portal_page(PORTAL_PAGE))

        def both():
            return side_by_side(
                lambda: install(alone, "--index-url", f"{own.url}/simple", *PARTS),
                lambda: install(with_us, "--index-url", daemon.index(""), *PARTS),
            )

        first = both()
        assert own.portal_ends() and ours.portal_ends(), "the portal was never met"
        if first[0].succeeded:
            assert first[1].succeeded, first[1].said
        second = both()
        assert second[0].succeeded, second[0].said
        assert_no_worse(*second)
        assert_parts(second[1].target)


# ------------------------------------------------------------------ a slow authority


def test_an_authority_that_takes_nine_seconds(origin, second_origin, serve, new, tmp_path):
    """The page comes without it, long before a client gives up; what it says is added when it has
    come."""
    wheel = wheels.build(tmp_path / "built", "torch", "2.9.0+cpu", padding=50 * KB, says="right")
    origin.put_page(FLAT, flat_page("cpu", [(wheel.name, wheel.stat().st_size)]))
    origin.put(f"{FLAT}{wheel.name}", wheel)
    link = anchor(f"/whl/cpu/{href_of(wheel.name)}", wheel.name, sha256_of(wheel))
    second_origin.put_page("/whl/cpu/torch/", simple_page("torch", [link]))
    second_origin.put(f"/whl/cpu/{wheel.name}", wheel)
    with (
        Line(origin.url, 0.02) as near,
        Line(second_origin.url, 4.5) as own,  # a handshake, then the request
        Line(second_origin.url, 4.5) as ours,
    ):
        mirrors = [flat_mirror("aliyun", near.url), official_mirror("official", ours.url)]
        daemon = serve(configuration(pytorch=mirrors))
        direct, through = side_by_side(
            lambda: install(new("direct"), "--index-url", f"{own.url}/whl/cpu", "torch"),
            lambda: install(new("through"), "--index-url", daemon.index("cpu"), "torch"),
        )
        assert direct.succeeded, direct.said
        assert_no_worse(direct, through)
        assert origin_of(through.target, "torch") == "right"
        digests = lambda: [f["hashes"] for f in daemon.page("torch", "cpu").json()["files"]]
        wait_until(lambda: digests() == [{"sha256": sha256_of(wheel)}], "the page is completed")


# ------------------------------------------------------------------ a mirror that synchronises


def rebuilt(folder, says, project="torch", version="2.9.0+cpu"):
    return wheels.build(folder / says, project, version, padding=200 * KB, says=says)


def both_install(new, mirror, daemon, name, *more):
    """The same installer on new machines, straight from the mirror and through us."""
    return side_by_side(
        lambda: install(new(f"direct-{name}"), "--index-url", f"{mirror}/whl/cpu", "torch", *more),
        lambda: install(new(f"through-{name}"), "--index-url", daemon.index("cpu"), "torch", *more),
    )


def put_official(origin, wheel, digest_of=None):
    link = anchor(f"/whl/cpu/{href_of(wheel.name)}", wheel.name, sha256_of(digest_of or wheel))
    origin.put_page("/whl/cpu/torch/", simple_page("torch", [link]))


def official_daemon(serve, line):
    return serve(configuration(pytorch=[official_mirror("official", line.url)]))


def test_a_listing_that_is_ahead_of_its_files(origin, serve, new, tmp_path):
    """The wheel is named and is a 404 for a moment more. Two seconds after that it is asked for again."""
    wheel = rebuilt(tmp_path, "right")
    origin.put_page(FLAT, flat_page("cpu", [(wheel.name, wheel.stat().st_size)]))
    with Line(origin.url, 0.02) as own, Line(origin.url, 0.02) as ours:
        daemon = flat_daemon(serve, ours)
        alone, with_us = new("direct"), new("through")
        what = ("--index-url", daemon.index("cpu"), "torch")
        for early in side_by_side(
            lambda: install(alone, *find_links(own)), lambda: install(with_us, *what)
        ):
            assert not early.succeeded
        failed = time.monotonic()
        origin.put(f"{FLAT}{wheel.name}", wheel)

        def again_for_two_seconds():
            """A user who is told of a 404 types it again."""
            while not (run := install(with_us, *what)).succeeded:
                if time.monotonic() - failed > AGAIN_S * PATIENCE:
                    break
            return run

        direct, through = side_by_side(
            lambda: install(alone, *find_links(own)), again_for_two_seconds
        )
        assert direct.succeeded, direct.said
        assert_no_worse(direct, through, MORE_S + AGAIN_S * PATIENCE)
        assert origin_of(through.target, "torch") == "right"


def test_a_file_that_is_ahead_of_its_listing(origin, serve, new, tmp_path):
    """The index still names the digest of the bytes that were there before. A client that checks it
    refuses; one that does not installs what the index does not mean, and through us neither does. When
    the index is corrected, it is believed."""
    old, wheel = rebuilt(tmp_path, "old"), rebuilt(tmp_path, "right")
    put_official(origin, wheel, digest_of=old)
    origin.put(f"/whl/cpu/{wheel.name}", wheel)
    with Line(origin.url, 0.02) as own, Line(origin.url, 0.02) as ours:
        daemon = official_daemon(serve, ours)
        _, through = both_install(new, own.url, daemon, "early")
        assert not through.succeeded, "it is not what the index names"
        put_official(origin, wheel)
        direct, through = both_install(new, own.url, daemon, "later")
        assert direct.succeeded, direct.said
        assert_no_worse(direct, through)
        assert origin_of(through.target, "torch") == "right"


def test_an_index_that_is_ahead_of_its_files(origin, serve, new, tmp_path):
    """The index names the digest of a rebuilt wheel while the old bytes are still sent."""
    old, wheel = rebuilt(tmp_path, "old"), rebuilt(tmp_path, "right")
    put_official(origin, wheel)
    origin.put(f"/whl/cpu/{wheel.name}", old)
    with Line(origin.url, 0.02) as own, Line(origin.url, 0.02) as ours:
        daemon = official_daemon(serve, ours)
        _, through = both_install(new, own.url, daemon, "early")
        assert not through.succeeded, "it is not what the index names"
        origin.put(f"/whl/cpu/{wheel.name}", wheel)
        direct, through = both_install(new, own.url, daemon, "later")
        assert direct.succeeded, direct.said
        assert_no_worse(direct, through)
        assert origin_of(through.target, "torch") == "right"


def test_half_a_wheel_while_it_is_copied_there(origin, serve, new, tmp_path):
    """No digest, and the length says that it is whole. Nobody gets it, and it is not kept."""
    wheel = rebuilt(tmp_path, "right")
    body = wheel.read_bytes()
    origin.put_page(FLAT, flat_page("cpu", [(wheel.name, len(body))]))
    origin.put(f"{FLAT}{wheel.name}", body[: len(body) // 2])
    with Line(origin.url, 0.02) as own, Line(origin.url, 0.02) as ours:
        daemon = flat_daemon(serve, ours)

        def both(name):
            return side_by_side(
                lambda: install(new(f"direct-{name}"), *find_links(own)),
                lambda: install(
                    new(f"through-{name}"), "--index-url", daemon.index("cpu"), "torch"
                ),
            )

        direct, through = both("early")
        assert not direct.succeeded and not through.succeeded
        origin.put(f"{FLAT}{wheel.name}", body)
        direct, through = both("later")
        assert direct.succeeded, direct.said
        assert_no_worse(direct, through)
        assert origin_of(through.target, "torch") == "right"
