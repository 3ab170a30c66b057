# SPDX-License-Identifier: Apache-2.0
"""A download goes on where it stopped: after a kill, after a stop, from another mirror; and not
where what is on the disk is not to be trusted."""

from concurrent.futures import ThreadPoolExecutor

import pytest

import wire
from daemon import binary, configuration, flat_mirror, official_mirror
from gates import wait_until
from origin import Gate
from standins import flat_page
from test_fanout import publish
from wheels import sound

FAULTS = binary().parent / "tests/preload/libfaults.so"
SIZE = 30_000_000
HALF = SIZE // 2
MIB = 1 << 20
CHUNK = 64 << 10
HEAD = 20 << 10  # of a map, before its tables
PAGE = 4096
NAME = "torch-2.9.0+cu126-cp312-cp312-manylinux_2_28_x86_64.whl"
FLAT = f"/pytorch-wheels/cu126/{NAME}"


def noise(seed, size=SIZE, name=NAME):
    """A wheel of bytes that do not compress."""
    return sound(name, size, seed)


def put_flat(origin, body, **trouble):
    """A mirror that names no digest."""
    origin.put_page("/pytorch-wheels/cu126/", flat_page("cu126", [(NAME, len(body))]))
    origin.put(FLAT, body, **trouble)


def flat_config(*origins):
    return configuration(
        pytorch=[flat_mirror(f"flat-{n}", o.url) for n, o in enumerate(origins, 1)]
    )


def stop_at_half(daemon, gate, end="kill"):
    """A client has half the wheel when the daemon goes."""
    download = wire.Download(daemon.file_url("pytorch", f"cu126/{NAME}"))
    download.wait_held(HALF)
    getattr(daemon, end)()
    gate.open()
    assert not download.wait_end().whole


def fetch(daemon):
    reply = wire.ask(daemon.file_url("pytorch", f"cu126/{NAME}"))
    assert reply.status == 200 and not reply.cut
    return reply


def wait_kept(daemon):
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="kept")
    names = [p.name for p in (daemon.cache_dir / "partials").iterdir()]
    assert not names, "nothing is left of the partial"


class Later:
    """What is asked of origins from now on."""

    def __init__(self, *origins):
        self.origins = [(origin, len(origin.requests)) for origin in origins]

    def bytes(self):
        lists = [origin.requests[count:] for origin, count in self.origins]
        return sum(r.sent for requests in lists for r in requests if r.path.endswith(NAME))


def map_of(daemon):
    (path,) = (daemon.cache_dir / "partials").glob("*.map")
    return path


def partial_of(daemon):
    return map_of(daemon).with_suffix("")


def sealed_tables(content):
    """(offset, bytes) of the two sealed copies in a map of a file of SIZE."""
    chunks = -(-SIZE // CHUNK)
    first = HEAD + -(-chunks // PAGE) * PAGE
    step = -(-(16 + chunks) // PAGE) * PAGE
    return [(at, content[at : at + 16 + chunks]) for at in (first, first + step)]


def wait_sealed(daemon, count):
    def is_sealed():
        tables = sealed_tables(map_of(daemon).read_bytes())
        return any(len(text[16:]) - text[16:].count(0) >= count for _, text in tables)

    wait_until(is_sealed, "it is synced")


def rewrite_boot(path):
    """As if the machine had been restarted since."""
    boot = open("/proc/sys/kernel/random/boot_id", "rb").read().strip()
    content = path.read_bytes()
    assert content.count(boot) == 1
    path.write_bytes(content.replace(boot, b"0" * 8 + boot[8:]))


@pytest.mark.concurrent
@pytest.mark.parametrize("end", ["kill", "stop"])
@pytest.mark.parametrize("authority", [False, True])
def test_goes_on_where_it_was(origin, serve, end, authority):
    body, gate = noise(1), Gate(HALF)
    if authority:
        publish(origin, NAME, body, gate=gate)
        config = configuration(pytorch=[official_mirror("official", origin.url)])
    else:
        put_flat(origin, body, gate=gate)
        config = flat_config(origin)
    daemon = serve(config)
    assert daemon.page("torch").status == 200
    stop_at_half(daemon, gate, end)

    later = Later(origin)
    again = serve(config, cache_dir=daemon.cache_dir)
    reply = fetch(again)
    assert reply.body == body
    assert reply["X-Cache"] == "partial"
    assert later.bytes() <= SIZE - HALF + MIB
    wait_kept(again)


def ask_range(daemon, name, last):
    reply = wire.ask(
        daemon.file_url("pytorch", f"cu126/{name}"), headers={"Range": f"bytes=0-{last}"}
    )
    assert reply.status == 206 and not reply.cut
    return reply


def test_a_forgotten_flight_goes_on_without_restart(origin, serve):
    """There are too many that nobody reads: the oldest is forgotten, what it brought is not."""
    body, most = noise(1), 512
    put_flat(origin, body)
    daemon = serve(flat_config(origin))
    ask_range(daemon, NAME, HALF - 1)
    daemon.wait_status(lambda s: not any(f["readers"] for f in s["flights"]), what="it is left")
    names = [NAME.replace("2.9.0", f"2.9.{n + 1}") for n in range(most)]
    for name in names:
        origin.put(f"/pytorch-wheels/cu126/{name}", body, etag=lambda _: '"same"')
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda name: ask_range(daemon, name, 0), names))
    daemon.wait_status(
        lambda s: len(s["flights"]) == most and NAME not in str(s["flights"]), what="forgotten"
    )
    later = Later(origin)
    reply = fetch(daemon)
    assert reply.body == body and reply["X-Cache"] == "partial"
    assert later.bytes() <= SIZE - HALF + MIB


def test_what_was_left_gives_way_to_what_is_wanted(origin, serve):
    """Below max_size there is room for one wheel alone."""
    body, gate = noise(1), Gate(HALF)
    put_flat(origin, body, gate=gate)
    config = flat_config(origin)
    daemon = serve(config)
    stop_at_half(daemon, gate)
    other = NAME.replace("2.9.0", "2.9.1")
    origin.put(f"/pytorch-wheels/cu126/{other}", noise(2, name=other))
    again = serve(f"max_size = {SIZE + MIB}\n{config}", cache_dir=daemon.cache_dir)
    assert wire.ask(again.file_url("pytorch", f"cu126/{other}")).body == noise(2, name=other)
    wait_kept(again)


def test_goes_on_after_two_kills(origin, serve):
    body, gate = noise(1), Gate(HALF)
    put_flat(origin, body, gate=gate)
    daemon = serve(flat_config(origin))
    stop_at_half(daemon, gate)
    gate = Gate(HALF + 5 * MIB)
    origin.change(FLAT, gate=gate)
    again = serve(flat_config(origin), cache_dir=daemon.cache_dir)
    download = wire.Download(again.file_url("pytorch", f"cu126/{NAME}"))
    download.wait_held(HALF + 5 * MIB)
    again.kill()
    gate.open()
    later = Later(origin)
    third = serve(flat_config(origin), cache_dir=daemon.cache_dir)
    assert fetch(third).body == body
    assert later.bytes() <= SIZE - HALF - 4 * MIB
    wait_kept(third)


def test_after_another_boot_what_was_synced_counts(origin, serve):
    body, gate = noise(1), Gate(HALF)
    put_flat(origin, body, gate=gate)
    daemon = serve(flat_config(origin))
    download = wire.Download(daemon.file_url("pytorch", f"cu126/{NAME}"))
    download.wait_held(HALF)
    wait_sealed(daemon, HALF // CHUNK)
    daemon.kill()
    gate.open()
    rewrite_boot(map_of(daemon))
    later = Later(origin)
    again = serve(flat_config(origin), cache_dir=daemon.cache_dir)
    assert fetch(again).body == body
    assert later.bytes() <= SIZE - HALF + MIB
    wait_kept(again)


def test_after_another_boot_what_was_not_synced_does_not(origin, serve):
    body, gate = noise(1), Gate(HALF)
    put_flat(origin, body, gate=gate)
    daemon = serve(flat_config(origin))
    stop_at_half(daemon, gate)
    path = map_of(daemon)
    rewrite_boot(path)
    content = bytearray(path.read_bytes())
    for at, text in sealed_tables(content):
        content[at : at + len(text)] = bytes(len(text))
    path.write_bytes(content)
    later = Later(origin)
    again = serve(flat_config(origin), cache_dir=daemon.cache_dir)
    assert fetch(again).body == body
    assert later.bytes() == SIZE
    wait_kept(again)


@pytest.mark.parametrize("size", [SIZE, SIZE + 1000])
def test_another_version_meanwhile_starts_over(origin, serve, size):
    gate = Gate(HALF)
    put_flat(origin, noise(1), gate=gate)
    daemon = serve(flat_config(origin))
    download = wire.Download(daemon.file_url("pytorch", f"cu126/{NAME}"))
    download.wait_held(HALF)
    daemon.kill()
    gate.open()
    body = noise(2, size)
    put_flat(origin, body)
    again = serve(flat_config(origin), cache_dir=daemon.cache_dir)
    reply = fetch(again)
    assert reply.body == body
    assert reply["ETag"] != download.headers["ETag"]
    wait_kept(again)


@pytest.mark.parametrize("authority", [False, True])
def test_another_mirror_goes_on(origin, second_origin, serve, authority):
    """By the digest, or by the strong ETag that both send."""
    body, gate = noise(1), Gate(HALF)
    for each, gated in ((origin, gate), (second_origin, None)):
        (publish(each, NAME, body, gate=gated) if authority else put_flat(each, body, gate=gated))
    both = [origin, second_origin]
    config = (
        configuration(pytorch=[official_mirror(f"o{n}", o.url) for n, o in enumerate(both)])
        if authority
        else flat_config(*both)
    )
    daemon = serve(config)
    assert daemon.page("torch").status == 200
    stop_at_half(daemon, gate)
    origin.close()
    later = Later(second_origin)
    again = serve(config, cache_dir=daemon.cache_dir)
    assert fetch(again).body == body
    assert later.bytes() <= SIZE - HALF + MIB
    wait_kept(again)


@pytest.mark.parametrize("stays", [True, False])
def test_mirrors_are_known_by_name(origin, second_origin, serve, stays):
    """The configuration of today lists another mirror first, and may not have the old one."""
    body, gate = noise(1), Gate(HALF)
    publish(origin, NAME, body, gate=gate)
    publish(second_origin, NAME, body)
    daemon = serve(configuration(pytorch=[official_mirror("old", origin.url)]))
    assert daemon.page("torch").status == 200
    stop_at_half(daemon, gate)
    origin.close()
    mirrors = [official_mirror("new", second_origin.url), official_mirror("old", origin.url)]
    config = configuration(pytorch=mirrors if stays else mirrors[:1])
    again = serve(config, cache_dir=daemon.cache_dir)
    assert fetch(again).body == body
    wait_kept(again)
    names = "mirrors=new,old\n" if stays else "mirrors=new\n"
    again.wait_status(lambda _: names in again.log(), what="who sent it is known")


def test_a_corrupt_map_starts_over(origin, serve):
    body, gate = noise(1), Gate(HALF)
    put_flat(origin, body, gate=gate)
    daemon = serve(flat_config(origin))
    stop_at_half(daemon, gate)
    path = map_of(daemon)
    path.write_bytes(b"\xff" * path.stat().st_size)
    later = Later(origin)
    again = serve(flat_config(origin), cache_dir=daemon.cache_dir)
    assert fetch(again).body == body
    assert later.bytes() == SIZE
    wait_kept(again)


def test_a_partial_that_was_cut_starts_over(origin, serve):
    body, gate = noise(1), Gate(HALF)
    put_flat(origin, body, gate=gate)
    daemon = serve(flat_config(origin))
    stop_at_half(daemon, gate)
    with open(partial_of(daemon), "r+b") as partial:
        partial.truncate(HALF // 2)
    again = serve(flat_config(origin), cache_dir=daemon.cache_dir)
    assert fetch(again).body == body
    wait_kept(again)


def test_bytes_that_went_bad_on_the_disk_never_end_well(origin, serve):
    """Nobody is blamed for them, so that the only mirror can do it again."""
    body, gate = noise(1), Gate(HALF)
    publish(origin, NAME, body, gate=gate)
    config = configuration(pytorch=[official_mirror("official", origin.url)])
    daemon = serve(config)
    assert daemon.page("torch").status == 200
    stop_at_half(daemon, gate)
    with open(partial_of(daemon), "r+b") as partial:
        partial.seek(1_000_000)
        partial.write(bytes([body[1_000_000] ^ 1]))
    again = serve(config, cache_dir=daemon.cache_dir)
    url = again.file_url("pytorch", f"cu126/{NAME}")
    first = wire.Download(url).wait_end()
    assert not first.whole, "the wrong byte was sent before anybody could know"
    assert fetch(again).body == body
    wait_kept(again)
    assert "wrong digest mirror" not in again.log()


def test_a_partial_without_map_is_removed_at_start(origin, serve):
    daemon = serve(flat_config(origin))
    daemon.stop()
    for name in ("5", "5.json", "6.map", "x.map", "x"):
        (daemon.cache_dir / "partials" / name).write_bytes(b"left")
    again = serve(flat_config(origin), cache_dir=daemon.cache_dir)
    assert not list((again.cache_dir / "partials").iterdir())


def test_the_map_names_the_mirror_whose_bytes_are_there(origin, second_origin, serve):
    """The first one answered, and broke off before its first byte; its file is another one. Without
    a digest, and without strong ETags, nobody else would notice when the two met."""
    first, second, gate = noise(1), noise(2), Gate(HALF)
    put_flat(origin, first, cut_after=0, etag=lambda _: 'W/"first"')
    put_flat(second_origin, second, gate=gate, etag=lambda _: 'W/"second"')
    config = flat_config(origin, second_origin)
    daemon = serve(config)
    download = wire.Download(daemon.file_url("pytorch", f"cu126/{NAME}"))
    download.wait_held(HALF)
    assert origin.body_bytes(FLAT) == 0
    daemon.kill()
    second_origin.close()
    put_flat(origin, first, etag=lambda _: 'W/"first"')
    again = serve(config, cache_dir=daemon.cache_dir)
    reply = wire.ask(again.file_url("pytorch", f"cu126/{NAME}"))
    assert reply.body == first
    wait_kept(again)


@pytest.mark.skipif(not FAULTS.exists(), reason=f"{FAULTS} is built with the daemon")
def test_names_are_synced_once_for_each_map(origin, serve, tmp_path):
    """And before the first seal; the data at each."""
    body, gate, cache, trace = noise(1), Gate(MIB), tmp_path / "cache", tmp_path / "trace"
    put_flat(origin, body, gate=gate)
    settings = {"LD_PRELOAD": FAULTS, "WHEELYARD_FAULT_DIR": cache, "WHEELYARD_FAULT_TRACE": trace}
    wrap = ("env", *(f"{name}={value}" for name, value in settings.items()))
    daemon = serve(flat_config(origin), cache_dir=cache, wrap=wrap)
    download = wire.Download(daemon.file_url("pytorch", f"cu126/{NAME}"))

    def syncs():
        calls = [line.split(" ", 2)[1:] for line in trace.read_text().splitlines()]
        return [path for call, path in calls if call in ("fsync", "fdatasync", "msync") and "blobs" not in path]

    for count in (1, 2, 3):
        gate.allow(count * 2 * MIB)
        wait_until(
            lambda n=count: sum(p.startswith("partials/") for p in syncs()) >= n, f"{count} syncs"
        )
    names = [path for path in syncs() if path.startswith("partials")]
    assert names[0] == "partials" and names.count("partials") == 1
    gate.open()
    assert download.wait_end().whole
