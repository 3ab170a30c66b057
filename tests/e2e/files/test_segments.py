# SPDX-License-Identifier: Apache-2.0
"""One large file from several connections and mirrors at once."""

import re
import threading
import time

import pytest

import wire
from daemon import configuration, official_mirror
from origin import Gate, Origin
from standins import anchor, href_of, simple_page, wait_until
from wheels import build, sha256_of

MIB = 1 << 20
NAME = "torch-2.9.0+cu126-py3-none-any.whl"
PATH = f"/whl/cu126/{NAME}"
HEDGE_S = 1  # without an answer for so long another mirror is asked, too
PACE = 20 * MIB  # of an origin's connection, whose kernel then holds little that counts as sent
pytestmark = pytest.mark.alone  # who is slow and who is fast is measured by the daemon itself


@pytest.fixture(scope="module")
def body(tmp_path_factory):
    folder = tmp_path_factory.mktemp("segments")
    return build(folder, "torch", "2.9.0+cu126", padding=40 * MIB).read_bytes()


class Counting(Gate):
    """A gate that knows where bodies stand before it."""

    def __init__(self, limit=0):
        super().__init__(limit)
        self.begun = []
        self._changed = threading.Condition()

    def pass_from(self, position):
        with self._changed:
            self.begun.append(position)
            self._changed.notify_all()
        return super().pass_from(position)

    def wait_begun(self, condition, seconds=60):
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.begun), seconds), self.begun


def publish(origin, body, **trouble):
    link = anchor(f"/whl/cu126/{href_of(NAME)}", NAME, sha256_of(body))
    origin.put_page("/whl/cu126/torch/", simple_page("torch", [link]))
    origin.put(PATH, body, **trouble)


def start(serve, *origins, **top):
    mirrors = [official_mirror(f"m{n}", origin.url) for n, origin in enumerate(origins)]
    daemon = serve(configuration(pytorch=mirrors, **top))
    assert daemon.page("torch").status == 200
    return daemon


def download(daemon):
    return wire.Download(daemon.file_url("pytorch", f"cu126/{NAME}"))


def assert_whole(client, body):
    assert client.wait_end().whole, f"cut at {client.held}"
    assert client.sha256() == sha256_of(body)


def sent(*origins):
    return sum(origin.body_bytes(PATH) for origin in origins)


def raced(*origins):
    """How many requests were for a run that another one had been for, or for its rest: who does not
    answer in time is raced by the next mirror, and whoever answers last is cut."""
    asked = [r.range or "bytes=0-" for origin in origins for r in origin.asked(PATH, "GET")]
    firsts, lasts = zip(*(re.fullmatch(r"bytes=(\d+)-(\d*)", text).groups() for text in asked))
    ends = [last for last in lasts if last]
    return max(len(firsts) - len(set(firsts)), len(ends) - len(set(ends)))


def assert_sent_once(body, *origins):
    """The file once, and at most 1 MiB for each transfer that was cut: none is where parts meet."""
    cuts = raced(*origins)
    assert len(body) <= sent(*origins) <= len(body) + cuts * MIB, f"{cuts} raced"


def test_two_mirrors_send_parts_at_once(origin, second_origin, serve, body):
    gates = Counting(), Counting()
    publish(origin, body, gate=gates[0], pace=PACE)
    publish(second_origin, body, gate=gates[1], pace=PACE)
    daemon = start(serve, origin, second_origin)
    begin = time.monotonic()
    client = download(daemon)
    # Nobody has sent a byte, and both are asked for two parts; on a busy machine also for one that
    # the other was slow to answer for.
    for gate in gates:
        gate.wait_begun(lambda begun: len(set(begun)) >= 2)
    assert 0 in gates[0].begun
    wait_until(lambda: len(set(gates[0].begun + gates[1].begun)) >= 4, what="four parts")
    begun = gates[0].begun + gates[1].begun
    if time.monotonic() - begin < HEDGE_S:
        assert len(begun) == 4, "one part from two connections"
    for gate in gates:
        gate.open()
    assert_whole(client, body)
    assert origin.body_bytes(PATH) > MIB and second_origin.body_bytes(PATH) > MIB
    assert_sent_once(body, origin, second_origin)
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1, what="the blob is kept")


def test_who_loses_a_race_costs_little(origin, second_origin, serve, body):
    """Both are asked for the beginning, and answer at the same time."""
    silences = threading.Event(), threading.Event()
    for each, silence in zip((origin, second_origin), silences):
        publish(each, body, silent=silence, pace=PACE)
    client = download(start(serve, origin, second_origin))
    for each in (origin, second_origin):
        each.wait_asked(PATH)
    for silence in silences:
        silence.set()
    assert_whole(client, body)
    assert raced(origin, second_origin) >= 1
    assert_sent_once(body, origin, second_origin)


def test_a_sole_mirror_has_two_connections_for_one_file(origin, serve, body):
    gate = Counting()
    publish(origin, body, gate=gate)
    client = download(start(serve, origin))
    gate.wait_begun(lambda begun: len(begun) >= 2)
    gate.allow(4 * MIB)
    client.wait_held(4 * MIB)
    assert len(origin.asked(PATH, "GET")) == 2
    gate.open()
    assert_whole(client, body)
    assert sent(origin) == len(body)


def test_one_connection_per_file_is_one_transfer(origin, serve, body):
    publish(origin, body)
    client = download(start(serve, origin, connections_per_file=1))
    assert_whole(client, body)
    assert len(origin.asked(PATH, "GET")) == 1 and sent(origin) == len(body)


@pytest.mark.parametrize("trouble", ["length", "ranges", "etag"])
def test_a_mirror_with_another_file_has_no_part(origin, second_origin, serve, body, trouble):
    other = bytes(len(body) - (trouble == "length"))
    gate = Counting()
    if trouble == "etag":  # without a digest the validator decides
        page = simple_page("torch", [anchor(f"/whl/cu126/{href_of(NAME)}", NAME)])
        for where, content in ((origin, body), (second_origin, other)):
            where.put_page("/whl/cu126/torch/", page)
            where.put(PATH, content, gate=gate if where is origin else None)
    else:
        publish(origin, body, gate=gate)
        publish(second_origin, other, ignore_range=trouble == "ranges")
        link = anchor(f"/whl/cu126/{href_of(NAME)}", NAME, sha256_of(body))
        second_origin.put_page("/whl/cu126/torch/", simple_page("torch", [link]))
    daemon = start(serve, origin, second_origin, connections_per_file=1)
    client = download(daemon)
    refused = "transfer failed mirror=m1"
    daemon.wait_log(refused)
    gate.open()
    assert_whole(client, body)
    assert len(second_origin.asked(PATH)) == 1, "it had its chance"


def test_limits_hold_over_files(origin, serve, tmp_path):
    """Four connections per mirror, two of them per file: the third file's front comes before
    segments of the others, and nothing is asked beyond."""
    gate, bodies = Counting(), []
    for number in range(3):
        wheel = build(tmp_path, "torch", f"2.{number}.0+cu126", padding=30 * MIB)
        origin.put(f"/whl/cu126/{wheel.name}", wheel, gate=gate)
        bodies.append((wheel.name, wheel.read_bytes()))
    page = simple_page("torch", [anchor(f"/whl/cu126/{href_of(n)}", n, sha256_of(b)) for n, b in bodies])
    origin.put_page("/whl/cu126/torch/", page)
    daemon = start(serve, origin)
    clients = []
    for name, _ in bodies:
        clients.append(wire.Download(daemon.file_url("pytorch", f"cu126/{name}")))
        origin.wait_asked(f"/whl/cu126/{name}")
        gate.wait_begun(lambda begun: begun.count(0) >= len(clients))
    gate.allow(1000)
    for client in clients:
        client.wait_held(1000)
    gate.open()
    for client, (_, content) in zip(clients, bodies):
        assert_whole(client, content)
    assert origin.most_at_once[None] == 4, "all that is allowed is used"
    for name, _ in bodies:
        assert origin.most_at_once[f"/whl/cu126/{name}"] <= 2


def test_an_open_end_far_ahead_is_fetched_where_it_reads(origin, serve, body):
    """The front stands at the gate; who began behind it need not wait for it."""
    gate = Gate(1 * MIB)
    publish(origin, body)
    origin.change(PATH, gate=gate)
    daemon = start(serve, origin)
    whole = download(daemon)
    whole.wait_held(MIB)
    begin = 30 * MIB
    gate_at = begin + 2 * MIB
    origin.change(PATH, gate=None)
    tail = wire.Download(
        daemon.file_url("pytorch", f"cu126/{NAME}"), headers={"Range": f"bytes={begin}-"}
    )
    tail.wait_held(gate_at - begin)
    assert whole.held == MIB
    gate.open()
    assert_whole(whole, body)
    assert tail.wait_end().whole


def test_parts_of_a_large_file_leave_the_rest_alone(origin, serve, body):
    publish(origin, body)
    daemon = start(serve, origin)
    url = f"/files/pytorch/cu126/{href_of(NAME)}"
    assert daemon.get(url, method="HEAD").status == 200
    for first, end in ((len(body) - 16384, len(body)), (20 * MIB, 20 * MIB + 1000)):
        reply = daemon.get(url, {"Range": f"bytes={first}-{end - 1}"})
        assert reply.body == body[first:end]
    daemon.wait_status(lambda s: not any(f["readers"] for f in s["flights"]), what="nobody reads")
    assert sent(origin) == 16384 + 1000


def test_a_silent_mirror_is_hedged(origin, second_origin, serve, body, tmp_path):
    """No answer for about a second: the next is asked, long before the silence counts as a fault."""
    silence = threading.Event()
    publish(origin, body, silent=silence)
    publish(second_origin, body)
    small = build(tmp_path, "torch", "2.8.0+cu126")
    links = [anchor(f"/whl/cu126/{href_of(n)}", n) for n in (NAME, small.name)]
    for each in (origin, second_origin):
        each.put_page("/whl/cu126/torch/", simple_page("torch", links))
        each.put(f"/whl/cu126/{small.name}", small)
    daemon = start(serve, origin, second_origin, stall_timeout="60s")
    assert_whole(download(daemon), body)
    assert not silence.is_set() and origin.body_bytes(PATH) == 0
    slow = daemon.status()["mirrors"][0]
    assert "no byte for" in slow["last_error"] and slow["state"] == "slow"
    daemon.wait_log("transfer failed mirror=m0")
    # It is known: the next file does not wait for it.
    reply = daemon.get(f"/files/pytorch/cu126/{href_of(small.name)}")
    assert reply.body == small.read_bytes() and not origin.asked(f"/whl/cu126/{small.name}")


def test_a_mirror_that_stalls_is_left_in_mid_file(origin, second_origin, serve, body):
    """Long before the stall counts as a fault, and for all its parts."""
    publish(origin, body, gate=Gate(MIB))
    publish(second_origin, body)
    daemon = start(serve, origin, second_origin, stall_timeout="60s")
    assert_whole(download(daemon), body)
    assert 0 < origin.body_bytes(PATH) <= MIB
    slow = daemon.status()["mirrors"][0]
    assert "no byte for" in slow["last_error"] and slow["state"] == "slow"


def test_a_mirror_that_is_slow_is_left_in_mid_file(origin, second_origin, serve, body):
    """A fortieth of the file a second: it brings what it can until that is measured."""
    publish(origin, body, pace=MIB)
    publish(second_origin, body)
    daemon = start(serve, origin, second_origin)
    assert_whole(download(daemon), body)
    assert MIB < origin.body_bytes(PATH) < len(body) / 3
    slow = daemon.status()["mirrors"][0]
    assert "bytes a second" in slow["last_error"] and 0 < slow["rate_bytes_s"] < 2 * MIB
