# SPDX-License-Identifier: Apache-2.0
"""Who may ask, and who is believed: allow_clients, trusted_proxies, and the proxies of docs/deploy.md."""

import re
import shutil
import socket
import subprocess

import pytest

import clients
import wire
from daemon import daemon_environment, flat_and_pypi, run_wheelyard
from documents import blocks_of
from standins import Nginx, free_port, wait_until

WHEEL = "cu126/torch-2.9.0%2Bcu126-cp311-cp311-manylinux_2_28_x86_64.whl"
EVERYTHING = ("/", "/cu126/simple/torch/", f"/files/pytorch/{WHEEL}", "/-/status", "/-/health", "/-/indexes")
BEHIND = {"hosts": ["wheels.lab"], "trusted_proxies": ["127.0.0.1"]}


def by(address):
    return {"X-Forwarded-For": address}


def own_address():
    """An address of this machine that is not loopback; no packet is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        try:
            udp.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return udp.getsockname()[0]


# ------------------------------------------------------------------ who may ask


@pytest.mark.parametrize("path", EVERYTHING)
def test_only_the_networks_of_allow_clients_are_served(mirrors, serve, path):
    allowed = ["192.168.0.0/16", "fd00::/8"]
    daemon = serve(flat_and_pypi(mirrors, allow_clients=allowed, **BEHIND))
    for client in ("192.168.7.9", "fd00::7", "127.0.0.1"):
        assert daemon.get(path, by(client)).status == 200, client
    assert daemon.get(path).status == 200  # this machine itself
    for client in ("192.169.0.1", "fe00::7", "203.0.113.9"):
        reply = daemon.get(path, by(client))
        assert reply.status == 403
        assert client in reply.json()["detail"] and "allow_clients" in reply.json()["detail"]


def test_a_client_that_a_proxy_hides_is_not_served(mirrors, serve):
    daemon = serve(flat_and_pypi(mirrors, allow_clients=["192.168.0.0/16"], **BEHIND))
    assert daemon.get("/-/health", by("unknown")).status == 403
    assert daemon.get("/-/health", {"Forwarded": "proto=https"}).status == 403


@pytest.fixture
def on_all_addresses(mirrors, serve):
    """on_all_addresses(networks): URL at this machine's own address of a daemon that allows them."""

    def start(*networks):
        address = own_address()
        config = flat_and_pypi(mirrors, allow_clients=networks)
        port = serve(config, listen="0.0.0.0:0").url.rpartition(":")[2]
        return f"http://{address}:{port}"

    return start


def test_a_client_with_an_address_of_its_own(on_all_addresses):
    """Without a proxy: the address that the connection comes from."""
    near, far = on_all_addresses(own_address()), on_all_addresses("203.0.113.0/24")
    assert wire.ask(f"{near}/-/health").status == 200
    assert wire.ask(f"{far}/-/health").status == 403
    assert wire.ask(f"{far}/-/health", headers=by("203.0.113.7")).status == 403


def test_uv_names_the_status(on_all_addresses, tmp_path):
    index = on_all_addresses("203.0.113.0/24") + "/cu126/simple/"
    said = clients.Uv(tmp_path / "uv").install("--index-url", index, "torch", fails=True)
    assert "403 Forbidden" in said  # of an index page it shows no more


def test_a_reload_changes_who_may_ask(mirrors, serve):
    daemon = serve(flat_and_pypi(mirrors, **BEHIND))
    assert daemon.get("/-/health", by("203.0.113.9")).status == 200
    daemon.reconfigure(flat_and_pypi(mirrors, allow_clients=["10.0.0.0/8"], **BEHIND))
    wait_until(lambda: daemon.get("/-/health", by("203.0.113.9")).status == 403)
    assert daemon.get("/-/health", by("10.1.2.3")).status == 200


# ------------------------------------------------------------------ who is believed


def test_a_client_cannot_name_itself(mirrors, serve):
    """Neither without a trusted proxy, nor by what it writes before the proxy appends its address."""
    allow = {"allow_clients": ["192.168.0.0/16"]}
    trusting = serve(flat_and_pypi(mirrors, **allow, **BEHIND))
    for lie in ("192.168.0.1, 203.0.113.9", "192.168.0.1,,, 203.0.113.9", "x" * 300 + ", 203.0.113.9"):
        assert trusting.get("/-/health", by(lie)).status == 403
    assert trusting.get("/-/health", {"Forwarded": "for=192.168.0.1, for=203.0.113.9"}).status == 403
    plain = serve(flat_and_pypi(mirrors))
    plain.get("/-/health", {**by("192.168.0.1"), "X-Forwarded-Host": "evil.example"})
    plain.wait_log("path=/-/health status=200")
    assert "client=127.0.0.1" in plain.log() and "192.168.0.1" not in plain.log()


def test_two_headers_that_disagree_are_refused(mirrors, serve):
    daemon = serve(flat_and_pypi(mirrors, **BEHIND))
    reply = daemon.get("/-/health", {**by("10.0.0.1"), "Forwarded": "for=192.168.0.1"})
    assert reply.status == 400 and "two clients" in reply.json()["detail"]
    assert daemon.get("/-/health", {**by("10.0.0.1"), "Forwarded": "for=10.0.0.1"}).status == 200


@pytest.mark.parametrize("value", ["for=", 'for="10.0.0.1', "nonsense;;", "for=10.0.0.1 x"])
def test_a_malformed_header_of_a_trusted_proxy_is_refused(mirrors, serve, value):
    daemon = serve(flat_and_pypi(mirrors, **BEHIND))
    reply = daemon.get("/-/health", {"Forwarded": value})
    assert reply.status == 400 and "malformed" in reply.json()["detail"]


def test_a_name_that_the_proxy_was_called_by_must_be_ours(mirrors, serve):
    daemon = serve(flat_and_pypi(mirrors, **BEHIND))
    assert daemon.get("/", {"X-Forwarded-Host": "wheels.lab"}).status == 200
    reply = daemon.get("/", {"X-Forwarded-Host": "evil.example"})
    assert reply.status == 421 and "evil.example" in reply.json()["detail"]


def test_the_log_and_the_start_page_show_the_client_and_its_address(mirrors, serve):
    daemon = serve(flat_and_pypi(mirrors, **BEHIND))
    headers = {
        **by("203.0.113.9, 127.0.0.1"),
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "wheels.lab",
        "X-Forwarded-Prefix": "/python/",
    }
    page = daemon.get("/", headers).body.decode()
    assert "https://wheels.lab/python/" in page and daemon.url not in page
    daemon.wait_log("client=203.0.113.9")


# ------------------------------------------------------------------ the recipes of the manual


@pytest.fixture
def certificate(tmp_path):
    """(certificate, key) of localhost, signed by itself."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    made = tmp_path / "localhost.pem", tmp_path / "localhost.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-addext", "basicConstraints=critical,CA:FALSE"]  # rustls takes no CA for a server
    subprocess.run([*command, "-out", made[0], "-keyout", made[1]], check=True, capture_output=True)
    return made


def recipe(language):
    (block,) = [b for b in blocks_of("docs/deploy.md") if b.language == language]
    return block.text


@pytest.fixture
def nginx(tmp_path, certificate):
    """nginx(daemon): the server block of the manual, below the names and ports of this test."""
    running = []

    def start(daemon):
        body = re.fullmatch(r"server \{\n(.*)\}\n", recipe("nginx"), re.DOTALL)[1]
        body = re.sub(r"(?m)^    (listen|server_name) .*\n", "", body)
        for named, there in (
            ("/etc/ssl/wheels.lab.pem", certificate[0]),
            ("/etc/ssl/private/wheels.lab.key", certificate[1]),
            ("127.0.0.1:8503", daemon.url.removeprefix("http://")),
        ):
            assert named in body
            body = body.replace(named, str(there))
        running.append(Nginx(tmp_path, tmp_path / "front", body, tls=True))
        return running[-1].port

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def caddy(tmp_path, certificate):
    """The same with Caddy; its own authority would need a store of the system."""
    program = shutil.which("caddy")
    if not program:
        pytest.skip("no caddy here (package caddy)")
    running = []

    def start(daemon):
        port = free_port()
        text = recipe("caddyfile")
        for named, there in (
            ("wheels.lab {", f"localhost:{port} {{"),
            ("tls internal", f"tls {certificate[0]} {certificate[1]}"),
            ("127.0.0.1:8503", daemon.url.removeprefix("http://")),
        ):
            assert named in text
            text = text.replace(named, there)
        options = "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n"
        (tmp_path / "Caddyfile").write_text(options + text)
        home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "caddy")}
        command = [program, "run", "--config", tmp_path / "Caddyfile", "--adapter", "caddyfile"]
        with open(tmp_path / "caddy.log", "wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=home)
        running.append(process)
        wait_until(lambda: process.poll() is not None or _listens(port), what="caddy")
        assert process.poll() is None, (tmp_path / "caddy.log").read_text()
        return port

    yield start
    for process in running:
        process.terminate()
        process.wait(10)


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("server", ["nginx", "caddy"])
def test_the_recipes_of_the_manual(mirrors, serve, client, certificate, tmp_path, server, request):
    """Real clients by TLS, below a path, with the configuration that stands beside the recipe."""
    front = request.getfixturevalue(server)
    daemon = serve(flat_and_pypi(mirrors, trusted_proxies=["127.0.0.1", "::1"]))
    url = f"https://localhost:{front(daemon)}/python"
    uv = isinstance(client, clients.Uv)
    client.environment |= {"SSL_CERT_FILE": str(certificate[0])} if uv else {"PIP_CERT": str(certificate[0])}
    target = client.install("--index-url", f"{url}/cu126/simple/", "torch")
    assert clients.installed(target)["torch"] == "2.9.0+cu126"
    home = wire.ask(f"{url}/", ca_file=certificate[0])
    assert home.status == 200 and f"{url}/cu126/simple" in home.body.decode()
    moved = wire.ask(f"{url}/cu126/torch/", ca_file=certificate[0])
    assert moved.status == 301 and not moved.headers["Location"].startswith("/")
    daemon.wait_log("client=127.0.0.1 method=GET path=/cu126/torch/ status=301")


COMMANDS = (
    ("wheels", "torch", "--url", "{url}/cu126/simple/"),
    ("explain", "torch", "--python", "3.11", "--url", "{url}", "--index", "cu126"),
    ("indexes", "--url", "{url}"),
    ("setup", "uv", "--url", "{url}", "--index", "cu126"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_commands_ask_through_the_proxy(mirrors, serve, nginx, certificate, tmp_path, command, monkeypatch):
    """By TLS and below a path, as clients do."""
    daemon = serve(flat_and_pypi(mirrors, trusted_proxies=["127.0.0.1"]))
    assert daemon.page("torch").status == 200  # from now on cu126 is there
    url = f"https://localhost:{nginx(daemon)}/python"
    words = [word.format(url=url) for word in command]
    monkeypatch.setattr("daemon.daemon_environment", lambda home: {**daemon_environment(home), "SSL_CERT_FILE": str(certificate[0])})
    done = run_wheelyard(*words, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "torch" in done.stdout or "cu126" in done.stdout


def test_a_certificate_that_nobody_knows_is_named(mirrors, serve, nginx, tmp_path):
    url = f"https://localhost:{nginx(serve(flat_and_pypi(mirrors)))}/python"
    done = run_wheelyard("wheels", "torch", "--url", url, "--index", "cu126", home=tmp_path)
    assert done.returncode == 3 and "certificate" in done.stderr and "SSL_CERT_FILE" in done.stderr
