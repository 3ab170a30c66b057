# SPDX-License-Identifier: Apache-2.0
"""Wrong bytes, and who answers for them: a mirror whose own copy differs from what is confirmed; nobody
while the index may be as wrong as the mirror. A file is refused for seconds, never a mirror for hours
because of an index."""

import shutil
import threading

import pytest

import wire
from daemon import configuration, official_mirror
from origin import Gate
from standins import anchor, href_of, simple_page, wait_until
from wheels import build, sha256_of

MIB = 1 << 20
FIRST = 16 * MIB  # so much the first mirror is asked for; the second begins there
NAME = "torch-2.9.0+cu126-py3-none-any.whl"
PATH = f"/whl/cu126/{NAME}"


@pytest.fixture(scope="module")
def body(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blame")
    return build(folder, "torch", "2.9.0+cu126", padding=24 * MIB).read_bytes()


def start(serve, origins, **top):
    mirrors = [official_mirror(f"m{n}", origin.url) for n, origin in enumerate(origins)]
    return serve(configuration(pytorch=mirrors, connections_per_file=1, **top))


def publish(origins, body, liar, at, gates):
    """All name the right digest; one has a wrong byte. The file comes in parts of both."""
    page = simple_page("torch", [anchor(f"/whl/cu126/{href_of(NAME)}", NAME, sha256_of(body))])
    for number, origin in enumerate(origins):
        served = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :] if number == liar else body
        origin.put_page("/whl/cu126/torch/", page)
        origin.put(PATH, served, gate=gates[number])


def download(daemon):
    return wire.Download(daemon.file_url("pytorch", f"cu126/{NAME}"))


def has_parts_of_both(status):
    return [sorted(flight["mirrors"]) for flight in status["flights"]] == [["m0", "m1"]]


def cut_by_wrong_byte(serve, origins, body, liar, **top):
    """The liar sends one wrong byte where its part meets the other's, and then fails: the file is
    fetched again from the honest mirror alone. The second mirror says nothing before the first has
    sent its part, or it would bring that, too, on a machine where the first seems slow. Returns the
    daemon when the reader was cut."""
    at = FIRST - 1 if liar == 0 else FIRST
    gates = [Gate(), Gate()]
    publish(origins, body, liar, at, gates)
    daemon = start(serve, origins, **top)
    assert daemon.page("torch").status == 200
    first_is_done = threading.Event()
    origins[1].change(PATH, silent=first_is_done)
    client = download(daemon)
    gates[0].allow(FIRST)
    gates[1].allow(FIRST + MIB)
    gates[0].wait_reached(FIRST)
    first_is_done.set()
    daemon.wait_status(has_parts_of_both, what="each has its part")
    origins[liar].change(PATH, status=503)
    for gate in gates:
        gate.open()
    assert not client.wait_end().whole
    return daemon


def told(daemon, kind="wrong-digest"):
    return [p["detail"] for p in daemon.status()["problems"] if p["kind"] == kind]


def blamed(daemon):
    lines = [line for line in daemon.log().splitlines() if line.startswith("blamed mirror=")]
    return [line.split()[1].removeprefix("mirror=") for line in lines]


def refusals(daemon):
    return daemon.log().count("wrong digest mirror=")


def states(daemon):
    return {m["name"]: m["state"] for m in daemon.status()["mirrors"]}


def ask(daemon, name=NAME, **headers):
    """A reader that is cut comes again, as installers do, and hears why."""
    return wire.ask_until_whole(daemon.file_url("pytorch", f"cu126/{name}"), headers)[-1]


def is_right(reply, body):
    return reply.status == 200 and reply.body == body


@pytest.mark.parametrize("liar", [0, 1])
def test_of_a_mixture_nobody_is_blamed(origin, second_origin, serve, body, liar):
    daemon = cut_by_wrong_byte(serve, [origin, second_origin], body, liar)
    assert is_right(ask(daemon), body)
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="kept")
    assert not told(daemon) and not blamed(daemon)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    return {
        f"torch-2.9.{n}+cu126-py3-none-any.whl": build(folder, "torch", f"2.9.{n}+cu126").read_bytes()
        for n in range(5)
    }


def publish_small(origins, small, wrong=(), claimed=None, liar=None):
    """All name the digests of `claimed`; the liar (None: all) spoils the wheels numbered by `wrong`."""
    claimed = claimed or small
    rows = [anchor(f"/whl/cu126/{href_of(name)}", name, sha256_of(body)) for name, body in claimed.items()]
    for number, origin in enumerate(origins):
        origin.put_page("/whl/cu126/torch/", simple_page("torch", rows))
        for n, (name, body) in enumerate(small.items()):
            spoilt = n in wrong and liar in (None, number)
            origin.put(f"/whl/cu126/{name}", spoil(body) if spoilt else body)


def spoil(body, by=1):
    return body[:-1] + bytes([body[-1] ^ by])


def same_etag(_):
    return '"of-all-versions"'


def file_paths(small):
    return [f"/whl/cu126/{name}" for name in small]


def test_a_copy_that_differs_from_what_is_confirmed_is_blamed(origin, second_origin, serve, small):
    first, path = list(small)[0], file_paths(small)[0]
    origins = [origin, second_origin]
    publish_small(origins, small, wrong=[0], liar=0)
    daemon = start(serve, origins)
    assert daemon.page("torch").status == 200
    assert is_right(ask(daemon, first), small[first])
    wait_until(lambda: blamed(daemon) == ["m0"], what="it is blamed")
    [text] = told(daemon)
    assert text.startswith("wrong digest: m0 sent sha256=") and states(daemon)["m0"] == "ok"

    # Afterwards it is asked for this file last, and nobody has to be told: it may be right by then.
    daemon.stop()
    shutil.rmtree(daemon.cache_dir / "blobs")
    before = len(origin.asked(path))
    config = (daemon.folder / "config.toml").read_text()
    daemon = serve(config, folder=daemon.folder, cache_dir=daemon.cache_dir)
    assert is_right(ask(daemon, first), small[first])
    assert len(origin.asked(path)) == before
    daemon.stop()
    shutil.rmtree(daemon.cache_dir / "blobs")
    origin.put(path, small[first])
    second_origin.change(path, status=503)
    daemon = serve(config, folder=daemon.folder, cache_dir=daemon.cache_dir)
    assert is_right(ask(daemon, first), small[first])


def test_a_mirror_that_spoils_three_files_is_out_until_it_sends_a_right_one(origin, second_origin, serve, small):
    origins = [origin, second_origin]
    publish_small(origins, small, wrong=[0, 1, 2], liar=0)
    daemon = start(serve, origins)
    assert daemon.page("torch").status == 200
    names = list(small)
    for name in names[:3]:
        wait_until(lambda n=name: is_right(ask(daemon, n), small[n]), what=f"{name} of the other")
    daemon.wait_status(lambda _: states(daemon)["m0"] == "out", what="it is out")
    assert is_right(ask(daemon, names[3]), small[names[3]])
    assert not origin.asked(f"/whl/cu126/{names[3]}")
    second_origin.change(f"/whl/cu126/{names[4]}", status=404)  # no other is left
    wait_until(lambda: is_right(ask(daemon, names[4]), small[names[4]]), what="the fifth")
    daemon.wait_status(lambda _: states(daemon)["m0"] == "ok", what="it is in again")


def test_wrong_digests_of_an_index_put_no_sound_mirror_out(origin, second_origin, serve, small):
    """Three wheels, two mirrors that agree, and an index that is wrong: the index is doubted."""
    names = list(small)
    claimed = small | {name: b"what the index means " + name.encode() for name in names[:3]}
    publish_small([origin, second_origin], small, claimed=claimed)
    daemon = start(serve, [origin, second_origin])
    assert daemon.page("torch").status == 200
    for name in names[:3]:
        reply = ask(daemon, name)
        assert reply.status == 502
        assert sha256_of(small[name]) in reply.text and sha256_of(claimed[name]) in reply.text
    daemon.wait_status(lambda _: len(told(daemon, "doubtful-digest")) == 3, what="problems say so")
    assert all(detail.startswith("m0,m1 sent the same; ") for detail in told(daemon, "doubtful-digest"))
    for name in names[3:]:
        assert is_right(ask(daemon, name), small[name])
    assert not blamed(daemon) and set(states(daemon).values()) == {"ok"}


def test_a_sole_mirror_behind_its_index_is_asked_again_in_seconds(origin, serve, small):
    first, path = list(small)[0], file_paths(small)[0]
    publish_small([origin], small, wrong=[0])
    origin.change(path, etag=same_etag)
    daemon = start(serve, [origin])
    assert daemon.page("torch").status == 200
    assert ask(daemon, first).status == 502
    origin.put(path, small[first], etag=same_etag)  # not even its ETag is another
    wait_until(lambda: is_right(ask(daemon, first), small[first]), seconds=30, what="it is served")
    assert not blamed(daemon) and states(daemon) == {"m0": "ok"}


def test_the_wait_grows_and_no_cache_and_another_etag_end_it(origin, serve, small):
    first, path = list(small)[0], file_paths(small)[0]
    publish_small([origin], small, wrong=[0])
    daemon = start(serve, [origin])
    assert daemon.page("torch").status == 200
    for times in range(1, 7):  # whoever says no-cache does not wait
        wait_until(
            lambda t=times: ask(daemon, first, **{"Cache-Control": "no-cache"}).status == 502
            and refusals(daemon) >= t,
            what="it is fetched again",
        )
    before, looks = refusals(daemon), len(origin.asked(path))
    wait_until(lambda: ask(daemon, first).status == 502 and len(origin.asked(path)) > looks, what="a look")
    reply = ask(daemon, first)
    assert reply.status == 502 and sha256_of(small[first]) in reply.text
    assert refusals(daemon) == before, "its ETag is the same: nothing is taken"
    origin.put(path, small[first])  # and another ETag
    wait_until(lambda: is_right(ask(daemon, first), small[first]), seconds=5, what="it is served")


def test_a_restart_forgets_a_refusal(origin, serve, small):
    first, path = list(small)[0], file_paths(small)[0]
    publish_small([origin], small, wrong=[0])
    origin.change(path, etag=same_etag)
    daemon = start(serve, [origin])
    assert daemon.page("torch").status == 200
    for _ in range(5):
        assert ask(daemon, first, **{"Cache-Control": "no-cache"}).status == 502
    origin.put(path, small[first], etag=same_etag)
    config = (daemon.folder / "config.toml").read_text()
    daemon.stop()
    daemon = serve(config, folder=daemon.folder, cache_dir=daemon.cache_dir)
    assert is_right(ask(daemon, first), small[first])
