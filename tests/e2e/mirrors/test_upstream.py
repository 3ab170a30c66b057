# SPDX-License-Identifier: Apache-2.0
"""The way to the mirrors: proxies and private certificates."""

import shutil
import subprocess

import pytest

import wheels
import wire
from daemon import configuration, daemon_environment, official_mirror
from standins import Nginx, S3_MANNERS, anchor, simple_page

NAME = "torch-1.0-py3-none-any.whl"


def behind_a_proxy(proxy):
    """The scripted origin as an HTTP proxy: it is asked for whole URLs and looks at their paths."""
    proxy.put_page("/whl/cpu/torch/", simple_page("torch", [anchor(f"/whl/cpu/{NAME}", NAME)]))
    proxy.put(f"/whl/cpu/{NAME}", wheels.sound(NAME))


def test_a_configured_proxy_is_used(origin, serve):
    behind_a_proxy(origin)
    mirrors = [official_mirror("far", "http://mirror.example")]
    daemon = serve(configuration(pytorch=mirrors, proxy=origin.url))
    assert wire.file_names(daemon.page("torch", index="cpu")) == [NAME]
    assert wire.ask(daemon.file_url("pytorch", f"cpu/{NAME}")).body == wheels.sound(NAME)
    targets = {request.target for request in origin.requests}
    assert f"http://mirror.example/whl/cpu/{NAME}" in targets


def test_a_proxy_named_in_the_environment_is_used(origin, serve, monkeypatch):
    behind_a_proxy(origin)
    monkeypatch.setattr("daemon.daemon_environment", _with_proxy(origin.url))
    daemon = serve(configuration(pytorch=[official_mirror("far", "http://mirror.example")]))
    assert wire.file_names(daemon.page("torch", index="cpu")) == [NAME]


def test_no_proxy_goes_for_the_configured_proxy_too(origin, second_origin, serve, monkeypatch):
    behind_a_proxy(second_origin)
    monkeypatch.setattr("daemon.daemon_environment", _with_proxy(None, no_proxy="127.0.0.1"))
    mirrors = [official_mirror("near", second_origin.url)]
    daemon = serve(configuration(pytorch=mirrors, proxy=origin.url))
    assert wire.file_names(daemon.page("torch", index="cpu")) == [NAME]
    assert second_origin.requests and not origin.requests


def _with_proxy(url, **more):
    proxies = {"http_proxy": url, "https_proxy": url} if url else {}
    return lambda home: {**daemon_environment(home), **proxies, **more}


@pytest.fixture
def private_site(tmp_path, trees):
    """(URL, certificate): the official shape by TLS under a certificate that nobody knows."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ("-subj", "/CN=lab", "-addext", "subjectAltName=IP:127.0.0.1")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += [*subject, "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    extra = f"ssl_certificate {certificate}; ssl_certificate_key {key}; {S3_MANNERS}"
    nginx = Nginx(trees.official, tmp_path / "tls", extra, tls=True)
    yield nginx.url, certificate
    nginx.stop()


def test_a_private_certificate_authority(private_site, serve, library):
    url, certificate = private_site
    daemon = serve(configuration(pytorch=[official_mirror("lab", url)], ca_file=str(certificate)))
    assert daemon.page("torch").status == 200
    wheel = library.torch()
    assert wire.ask(daemon.file_url("pytorch", f"cu126/{wheel.name}")).body == wheel.read_bytes()


def test_an_unknown_certificate_is_refused(private_site, serve):
    url, _ = private_site
    daemon = serve(configuration(pytorch=[official_mirror("lab", url)]))
    reply = daemon.page("torch", headers=wire.UV_PAGE)
    assert reply.status == 503 and "lab" in reply.json()["detail"]
