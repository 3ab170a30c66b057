# SPDX-License-Identifier: Apache-2.0
"""A mirror that answers as no server does, to take from the others what all transfers share."""

import socketserver
import threading

import pytest

import wire
from daemon import PATIENCE, origin_tables, pypi_mirror
from wheels import build

MIB = 1 << 20
ATTACKS = 16  # of 1 MiB each, by mirrors of their own; the pool of received bytes has ten
WHEEL = "demo-1.0-py3-none-any.whl"


class Liar:
    """A server of the attacker's own, on an address of its own: `say` answers each request on a
    raw connection, which stays open until the daemon closes it."""

    def __init__(self, say):
        self.asked = 0
        self.change = threading.Condition()
        liar = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.settimeout(60 * PATIENCE)
                try:
                    self.answer()
                except OSError:
                    pass  # the daemon has closed it

            def answer(self):
                head = b""
                while b"\r\n\r\n" not in head:
                    more = self.request.recv(65536)
                    if not more:
                        return
                    head += more
                with liar.change:
                    liar.asked += 1
                    liar.change.notify_all()
                say(self.request)
                self.request.recv(1)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 128

        self.server = Server(("127.0.0.2", 0), Handler)
        self.url = f"http://127.0.0.2:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def switch(connection):
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + b"x" * MIB)


def interim(connection):
    for _ in range(100_000):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100)


def long_header(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for n in range(100_000):
        connection.sendall(b"X-%d: %s\r\n" % (n, b"x" * 900))


def unannounced(connection):
    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" + b"x" * MIB)


ATTACKERS = {"101": switch, "1xx": interim, "headers": long_header, "no-header": unannounced}


@pytest.fixture(name="liar")
def _liar(request):
    liar = Liar(ATTACKERS[request.param])
    yield liar
    liar.close()


@pytest.mark.parametrize("liar", ATTACKERS, indirect=True)
def test_what_is_no_answer_takes_nothing_from_other_mirrors(origin, serve, liar, tmp_path):
    body = build(tmp_path / "built", "demo", "1.0", padding=4 * MIB).read_bytes()
    origin.put(f"/packages/{WHEEL}", body)
    evil = [f"evil{n}" for n in range(ATTACKS)]  # one would be backed off from
    config = "".join(origin_tables(e, [pypi_mirror(e, liar.url)], owns=[f"{e}*"]) for e in evil)
    config += origin_tables("pypi", [pypi_mirror("good", origin.url)])
    daemon = serve(config)
    urls = [daemon.file_url(e, f"packages/{e}-1.0-py3-none-any.whl") for e in evil]
    attacks = [wire.Download(url) for url in urls]
    for attack in attacks:
        attack.wait_end()
        assert attack.status in (502, 503, 504)
    assert liar.asked >= ATTACKS
    reply = wire.ask(daemon.file_url("pypi", f"packages/{WHEEL}"))
    assert reply.status == 200 and reply.body == body

    def are_known(status):
        return all(m.get("last_error") for m in status["mirrors"] if m["name"] in evil)

    daemon.wait_status(are_known, what="each of them is named with what it did")
    daemon.stop()
    assert "not given back" not in daemon.log()
