# SPDX-License-Identifier: Apache-2.0
"""A client on the LAN that sends what it likes."""

import socket
import threading
import time
from urllib.parse import urlsplit

import pytest

import wire
from daemon import PATIENCE, all_mirrors, configuration, official_mirror
from standins import anchor, href_of, simple_page
from wheels import build, sha256_of

NAME = "torch-2.9.0+cu126-py3-none-any.whl"
ID = "0123456789abcdef"


def one_wheel(origin, body, **trouble):
    link = anchor(f"/whl/cu126/{href_of(NAME)}", NAME, sha256_of(body))
    origin.put_page("/whl/cu126/torch/", simple_page("torch", [link]))
    origin.put(f"/whl/cu126/{NAME}", body, **trouble)
    return configuration(pytorch=[official_mirror("m1", origin.url)])


VIAS = {
    "a-secret": ("1.1 build-host.corp (user joe)", ""),
    "a-header": ("1.1 a (b\\)c), HTTP/1.1 d:80", ""),
    "wheelyard": (f"1.1 x, 1.1 wheelyard-{ID} (y)", f"1.1 wheelyard-{ID}"),
    "no-hex": ("1.1 wheelyard-passwords", ""),
    "malformed": (f"1.1, 1.1 wheelyard-{ID}", ""),
    "long": ("1.1 " + "a" * 3000, ""),
}


@pytest.mark.parametrize("name", VIAS)
def test_of_a_clients_via_only_names_of_wheelyards_go_on(origin, serve, tmp_path, name):
    written, passed = VIAS[name]
    body = build(tmp_path / "built", "torch", "2.9.0+cu126").read_bytes()
    daemon = serve(one_wheel(origin, body))
    assert daemon.get("/cu126/simple/torch/", {"Via": written}).status == 200
    seen = origin.asked("/whl/cu126/torch/")[0].headers["via"]
    before, _, own = seen.rpartition("1.1 wheelyard-")
    assert before.rstrip(", ") == passed and len(own) == 16


def test_a_chain_of_too_many_wheelyards_ends(mirrors, serve):
    daemon = serve(all_mirrors(mirrors))
    chain = ", ".join(f"1.1 wheelyard-{n:016x}" for n in range(17))
    assert daemon.get("/cu126/simple/torch/", {"Via": chain}).status == 508
    assert daemon.get("/cu126/simple/torch/", {"Via": chain.partition(", ")[2]}).status == 200


def exchange(daemon, *targets, close=True):
    """All requests at once, then the client's end is closed; all that comes until the end."""
    place = urlsplit(daemon.url)
    with socket.create_connection((place.hostname, place.port), 20 * PATIENCE) as client:
        requests = [f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n" for target in targets]
        client.sendall("".join(requests).encode())
        if close:
            client.shutdown(socket.SHUT_WR)
        got = b""
        while block := client.recv(1 << 16):
            got += block
        return got


def test_a_half_closed_client_has_the_rest_of_its_answers(mirrors, serve):
    daemon = serve(all_mirrors(mirrors))
    got = exchange(daemon, "/-/health", "/cu126/simple/torch/", "/-/health", "/-/health")
    assert got.count(b"HTTP/1.1 200") == 4 and got.endswith(b"ok\n")


def test_a_half_closed_client_that_would_have_to_wait_ends_cleanly(origin, serve, tmp_path):
    """It may have left, so nothing is fetched on for it; but it is not reset."""
    body = build(tmp_path / "built", "torch", "2.9.0+cu126").read_bytes()
    config = one_wheel(origin, body, silent=threading.Event())
    daemon = serve(config)
    assert daemon.page("torch").status == 200
    begin = time.monotonic()
    got = exchange(daemon, "/-/health", daemon.file_url("pytorch", f"cu126/{NAME}")[len(daemon.url) :])
    assert got.count(b"HTTP/1.1 ") == 2 and b"HTTP/1.1 503" in got
    assert time.monotonic() - begin < 8 * PATIENCE


def test_files_of_other_projects_on_a_projects_page_are_left_out_and_counted(
    origin, serve, tmp_path
):
    body = build(tmp_path / "built", "torch", "2.9.0+cu126").read_bytes()
    config = one_wheel(origin, body)
    names = [NAME, "numpy-9.0-py3-none-any.whl", "torch_evil-1.0.tar.gz", "requests-9.0.tar.gz"]
    links = [anchor(f"/whl/cu126/{href_of(name)}", name) for name in names]
    origin.put_page("/whl/cu126/torch/", simple_page("torch", links))
    daemon = serve(config)
    shown = [f["filename"] for f in daemon.page("torch").json()["files"]]
    assert NAME in shown and not [n for n in shown if n.startswith(("numpy", "requests"))]
    problem = daemon.wait_status(lambda s: s["problems"])["problems"][0]
    assert problem["kind"] == "foreign-files" and "3 files" in problem["detail"]


def test_sigterm_under_load_ends_with_0(origin, serve, tmp_path):
    body = build(tmp_path / "built", "torch", "2.9.0+cu126", padding=20_000_000).read_bytes()
    daemon = serve(one_wheel(origin, body, pace=2_000_000))
    assert daemon.page("torch").status == 200
    url = daemon.file_url("pytorch", f"cu126/{NAME}")
    stop = threading.Event()

    def load(target):
        while not stop.is_set():
            try:
                wire.ask(target)
            except OSError:
                return

    targets = [url, daemon.url + "/cu126/simple/torch/", daemon.url + "/-/status"] * 8
    threads = [threading.Thread(target=load, args=(t,), daemon=True) for t in targets]
    for thread in threads:
        thread.start()
    daemon.wait_status(lambda s: s["flights"] and s["flights"][0]["readers"] >= 4)
    try:
        daemon.stop()  # asserts 0
    finally:
        stop.set()
