# SPDX-License-Identifier: Apache-2.0
"""Stand-in mirrors: real nginx in front of trees in the shapes that the real mirrors have.

aliyun     /pytorch-wheels/<channel>/            one flat page; /<channel>/torch/ is a 404
official   /whl/<channel>/<project>/             simple index, digests, .metadata, S3's 403
pypi       /simple/<project>/ and /packages/...  what bandersnatch writes
"""

import contextlib
import hashlib
import html
import os
import random
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from wheels import build, metadata_of, project_of, sha256_of

# ------------------------------------------------------------------ pages


def href_of(name):
    """A file name as mirrors write it into a link: `+` becomes %2B."""
    return quote(name)


def anchor(
    href, name, sha256=None, metadata_sha256=None, requires_python=None, yanked=None
):
    """One link of a simple page, with the attributes that are known."""
    target = href + (f"#sha256={sha256}" if sha256 else "")
    attributes = f'href="{html.escape(target)}"'
    if requires_python:
        attributes += f' data-requires-python="{html.escape(requires_python)}"'
    if metadata_sha256:
        attributes += f' data-dist-info-metadata="sha256={metadata_sha256}"'
        attributes += f' data-core-metadata="sha256={metadata_sha256}"'
    if yanked is not None:
        attributes += f' data-yanked="{html.escape(yanked)}"'
    return f"    <a {attributes}>{html.escape(name)}</a><br/>\n"


def simple_page(project, anchors, ending=""):
    return (
        "<!DOCTYPE html>\n<html>\n  <body>\n"
        f"    <h1>Links for {project}</h1>\n{''.join(anchors)}  </body>\n</html>\n{ending}"
    )


def root_page(projects):
    links = "".join(f'    <a href="{name}/">{name}</a><br/>\n' for name in sorted(projects))
    return f"<!DOCTYPE html>\n<html>\n  <body>\n{links}  </body>\n</html>\n"


def _flat_row(name, size, plus, date):
    shown = f"{size / 1024 / 1024:.1f} MB" if size >= 1 << 20 else f"{size / 1024:.1f} KB"
    return (
        "                <tr>\n"
        f'                    <td class="link"><a href="{name if plus else href_of(name)}">'
        f"{name}</a></td>\n"
        f'                    <td class="size">{shown}</td>\n'
        f'                    <td class="date">{date}</td>\n'
        "                </tr>\n\n"
    )


def flat_page(channel, files, nonce="5b1dc1e0", plus=False, dates=None):
    """Aliyun's shape: navigation, scripts with a nonce that differs on each visit, a table of bare
    names with rounded sizes; no digest, no metadata. `files` are (name, size) pairs; `plus` writes
    a raw `+` into the links; `dates` has a file's own, as the server's clock shows it."""
    rows = "".join(
        _flat_row(name, size, plus, (dates or {}).get(name, "2025-10-15 18:04"))
        for name, size in sorted(files)
    )
    return f"""

<!DOCTYPE html>
<html>

<head>
    <meta charset="utf-8">
    <title>pytorch-wheels下载_开源镜像站</title>
    <link rel="canonical" href="https://mirrors.example/pytorch-wheels/{channel}/">
    <script type="text/javascript" src="https://assets.example/base" nonce="{nonce}"></script>
    <link rel="stylesheet"
        href="https://assets.example/css/mirrorNav.css">
</head>
<body data-spm="25603864"><script nonce="{nonce}">
with(document)with(body)with(insertBefore(createElement("script"),firstChild))setAttribute("exparams","category=&userid=&trid={nonce}&yunid=%22<a href='x.whl'>%22")
</script>
    <div class="navigation">
            <a class="link-element" href="//developer.example/mirror/" target="_blank">全部镜像</a>
            <a class="link-element" href="mailto:mirrors@example.org" target="_blank">反馈与建议</a>
            <a href="javascript:void(0);" class="dropmenu-button am-icon-more">
                <i></i>
    </div>
    <h1 class="mirror-nav">Index of /pytorch-wheels/{channel}/</h1>
        <table class="table">
            <thead>
                <tr>
                    <th class="fileName">
                        <a href="javascript:void(0);">File Name</a></th>
                    <th class="fileSize">
                        <a href="javascript:void(0);">File Size</a></th>
                    <th class="date">
                        <a href="javascript:void(0);">Date</a></th>
                </tr>
            </thead>
            <tbody>
                <tr>
                    <td class="link"><a href="../">Parent directory/</a></td>
                    <td class="size">-</td>
                    <td class="date">-</td>
                </tr>

{rows}            </tbody>
        </table>
    <a href="https://beian.example/" target="_blank">备案</a>
</body>
</html>
"""


# ------------------------------------------------------------------ other sites


class FindLinks:
    """pyg's, vllm's, jax's and flashinfer's sites as their generators write them, each below its
    host's name on one scripted origin. `wheels` has what each serves."""

    PYG = "data.pyg.org/whl"
    VLLM = "wheels.vllm.ai"
    JAX = "storage.googleapis.com/jax-releases"
    FLASHINFER = "flashinfer.ai/whl/cu129"
    RELEASES = "github.com/flashinfer-ai/flashinfer/releases/download"
    COMMIT = "aa384b3c0f1e2d3c4b5a69788796a5b4c3d2e1f0"

    def __init__(self, origin, folder):
        self.origin, self._folder, self.wheels = origin, folder, {}
        self._put_pyg()
        self._put_vllm()
        self._put_jax()
        self._put_flashinfer()

    def local(self, text):
        """The text with these sites' addresses turned into the stand-in's."""
        for host in ("data.pyg.org", "wheels.vllm.ai", "storage.googleapis.com", "flashinfer.ai"):
            text = text.replace(f"https://{host}", f"{self.origin.url}/{host}")
        return text.replace("https://github.com", f"{self.origin.url}/github.com")

    def _build(self, site, project, version):
        says = f"{site}'s"
        wheel = build(self._folder / site, project, version, requires=("packaging",), says=says)
        self.wheels[site] = wheel
        return wheel

    def _put_pyg(self):
        """The page of one torch links into the folder of an older one."""
        wheel = self._build("pyg", "pyg_lib", "0.5.0+pt29cu126")
        name = wheel.name
        row = f'<a href="torch-2.9.0%2Bcu126/{quote(name)}">{name}</a><br/>\n'
        page = f"<!DOCTYPE html>\n<html>\n<body>\n{row}</body>\n</html>\n"
        self.origin.put_page(f"/{self.PYG}/torch-2.9.1+cu126.html", page)
        self.origin.put(f"/{self.PYG}/torch-2.9.0+cu126/{name}", wheel)

    def _put_vllm(self):
        """A simple index whose list has folders of other builds, and whose links climb."""
        wheel = self._build("vllm", "vllm", "0.11.1+gaa384b3c0.cu129")
        href = f"../../../{self.COMMIT}/{quote(wheel.name)}"
        meta = '<meta name="pypi:repository-version" content="1.0">'
        page = f'<!DOCTYPE html>\n<html>\n{meta}\n<body>\n<a href="{href}">{wheel.name}</a><br/>'
        nightly = f"/{self.VLLM}/nightly/cu129/"
        self.origin.put_page(f"{nightly}vllm/", page + "\n</body>\n</html>\n")
        rows = "".join(f'    <a href="{n}/">{n}/</a><br/>\n' for n in ("cpu", "cu130", "vllm"))
        self.origin.put_page(nightly, f"<!DOCTYPE html>\n<html>\n{meta}\n<body>\n{rows}</body>")
        self.origin.put(f"/{self.VLLM}/{self.COMMIT}/{wheel.name}", wheel)

    def _put_jax(self):
        """Absolute links with a raw plus; the text has a folder."""
        wheel = self._build("jax", "jaxlib", "0.4.30+cuda12.cudnn91")
        base = f"{self.origin.url}/{self.JAX}"
        row = f'<a href="{base}/cuda12/{wheel.name}">cuda12/{wheel.name}</a><br>\n'
        self.origin.put_page(
            f"/{self.JAX}/jax_cuda_releases.html",
            "<!DOCTYPE html>\n<html>\n<head><meta http-equiv=\"Content-Type\" "
            f'content="text/html; charset=utf-8"></head>\n<body>\n{row}</body>\n</html>\n',
        )
        self.origin.put(f"/{self.JAX}/cuda12/{wheel.name}", wheel)

    def _put_flashinfer(self):
        """A simple tree of links to another host, with digests; that host sends on to a third."""
        wheel = self._build("flashinfer", "flashinfer_jit_cache", "0.6.13+cu129")
        link = f"{self.origin.url}/{self.RELEASES}/v0.6.13/{wheel.name}#sha256={sha256_of(wheel)}"
        page = f'<!DOCTYPE html>\n<h1>Links</h1>\n<a href="{link}">{wheel.name}</a><br>\n'
        self.origin.put_page(f"/{self.FLASHINFER}/flashinfer-jit-cache/", page)
        root = '<!DOCTYPE html>\n<a href="flashinfer-jit-cache/">flashinfer-jit-cache/</a><br>\n'
        self.origin.put_page(f"/{self.FLASHINFER}/", root)
        asset = "/release-assets.githubusercontent.com/1/2"
        self.origin.put(asset, wheel)
        there = f"{self.origin.url}{asset}?filename={quote(wheel.name)}"
        self.origin.put(f"/{self.RELEASES}/v0.6.13/{wheel.name}", b"", location=there)


# ------------------------------------------------------------------ trees


def _place(wheel, folder, sidecar=False):
    """Puts a wheel into a tree, as a hard link where that works, and its .metadata beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / wheel.name
    if not target.exists():
        try:
            os.link(wheel, target)
        except OSError:
            shutil.copyfile(wheel, target)
    if sidecar:
        (folder / f"{wheel.name}.metadata").write_bytes(metadata_of(wheel))


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def build_flat_tree(root, library):
    for channel, projects in library.channels.items():
        wheels = [wheel for paths in projects.values() for wheel in paths]
        for wheel in wheels:
            _place(wheel, root / "pytorch-wheels" / channel)
        listed = [(wheel.name, wheel.stat().st_size) for wheel in wheels]
        _write(root / "pytorch-wheels" / channel / "index.html", flat_page(channel, listed))


def _official_anchor(wheel, prefix):
    digests = sha256_of(wheel), sha256_of(metadata_of(wheel))
    return anchor(f"{prefix}{href_of(wheel.name)}", wheel.name, *digests)


def build_official_tree(root, library):
    """torch's links are root-relative, torchvision's absolute to another host of the same site, as
    on the real one; PyPI's names are listed too, from copies that lie under /whl/ itself."""
    for channel, projects in library.channels.items():
        folder = root / "whl" / channel
        for project, paths in projects.items():
            host = "https://download-r2.pytorch.org" if project == "torchvision" else ""
            for wheel in paths:
                _place(wheel, folder, sidecar=True)
            links = [_official_anchor(wheel, f"{host}/whl/{channel}/") for wheel in paths]
            page = simple_page(project, links, "<!--TIMESTAMP 1773550775-->\n")
            _write(folder / project / "index.html", page)
        for project, paths in library.stale.items():
            for wheel in paths:
                _place(wheel, root / "whl", sidecar=True)
            links = [_official_anchor(wheel, "/whl/") for wheel in paths]
            _write(folder / project / "index.html", simple_page(project, links))
        _write(folder / "index.html", root_page([*projects, *library.stale]))
    # What S3 says about every key that it does not have.
    _write(root / "denied.xml", ACCESS_DENIED)


ACCESS_DENIED = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>'
    "<Message>Access Denied</Message><RequestId>4D0A</RequestId><HostId>x</HostId></Error>"
)


def pypi_folder(wheel):
    """Where PyPI keeps a file: under the BLAKE2b of its bytes."""
    digest = hashlib.blake2b(wheel.read_bytes(), digest_size=32).hexdigest()
    return f"packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}"


def _requires_python(wheel):
    found = re.search(rb"^Requires-Python: (.+)$", metadata_of(wheel), re.MULTILINE)
    return found.group(1).decode().strip() if found else None


def build_pypi_tree(root, wheels):
    pages = {}
    for wheel in wheels:
        folder = pypi_folder(wheel)
        _place(wheel, root / folder, sidecar=True)
        digests = sha256_of(wheel), sha256_of(metadata_of(wheel))
        href = f"../../{folder}/{href_of(wheel.name)}"
        link = anchor(href, wheel.name, *digests, _requires_python(wheel))
        pages.setdefault(project_of(wheel), []).append(link)
    for project, links in pages.items():
        page = simple_page(project, links, "<!--SERIAL 31415926-->")
        _write(root / "simple" / project / "index.html", page)
    _write(root / "simple" / "index.html", root_page(pages))


# ------------------------------------------------------------------ nginx

NGINX_CONF = """
daemon off;
{user}
worker_processes 1;
error_log {folder}/error.log warn;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    log_format plain '$request_method $request_uri $status $body_bytes_sent';
    access_log {folder}/access.log plain;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    types {{ text/html html; application/xml xml; }}
    default_type binary/octet-stream;
    charset utf-8;
    server {{
        listen 127.0.0.1:{port}{ssl};
        root {root};
        index index.html;
        {extra}
    }}
}}
"""
S3_MANNERS = "error_page 404 =403 /denied.xml; location = /denied.xml { internal; }"


def free_port():
    """A port for a program that is about to listen. It is none of those that the kernel gives to
    connections, so that no test that runs beside this one is given it meanwhile."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.SystemRandom().randrange(10_000, max(first, 20_000))
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(condition, seconds=30.0, what="condition"):
    """For what gives no event of its own (another process): looks again every 5 ms."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not so after {seconds:.0f} s")
        time.sleep(0.005)


def _answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Nginx:
    """One nginx on a loopback port of its own, serving one tree until stop()."""

    def __init__(self, root, folder, extra="", tls=False):
        self.root, self.folder, self.extra = Path(root), Path(folder), extra
        self.tls = tls
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._start()

    def _start(self):
        user = "user root;" if os.geteuid() == 0 else ""
        values = dict(folder=self.folder, root=self.root, port=self.port, extra=self.extra)
        values["ssl"] = " ssl" if self.tls else ""
        (self.folder / "nginx.conf").write_text(NGINX_CONF.format(user=user, **values))
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        command = [program, "-p", self.folder, "-c", self.folder / "nginx.conf"]
        with open(self.folder / "stderr", "wb") as errors:
            self._process = subprocess.Popen(command, stderr=errors)
        wait_until(lambda: self._process.poll() is not None or _answers(self.port), what="nginx")
        if self._process.poll() is not None:
            raise RuntimeError(f"nginx did not start: {(self.folder / 'stderr').read_text()}")

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait(10)

    def requests(self):
        """(method, decoded URI, status, body bytes) of every finished request so far. nginx writes
        a line after the last byte: a client can be faster than the log."""
        rows = []
        for line in (self.folder / "access.log").read_text().splitlines():
            method, uri, status, size = line.split(" ")
            rows.append((method, uri.replace("%2B", "+"), int(status), int(size)))
        return rows

    def wheel_requests(self):
        """For bytes of wheels; what a HEAD says of them costs nothing."""
        return [r for r in self.requests() if r[1].endswith(".whl") and r[0] == "GET"]

    def sent_more_than_once(self):
        """Wheels of which more bytes left than they have."""
        sent = {}
        for _, path, _, size in self.wheel_requests():
            sent[path] = sent.get(path, 0) + size
        return [p for p, size in sent.items() if size > (self.root / p[1:]).stat().st_size]


# ------------------------------------------------------------------ all of them together


@dataclass
class Trees:
    """The three trees on disk; nginx can be started on them any number of times."""

    flat: Path
    official: Path
    pypi: Path


def build_trees(root, library):
    trees = Trees(root / "flat", root / "official", root / "pypi")
    build_flat_tree(trees.flat, library)
    build_official_tree(trees.official, library)
    build_pypi_tree(trees.pypi, library.pypi)
    return trees


class Mirrors:
    """The three stand-ins, running."""

    def __init__(self, trees, folder):
        self.aliyun = Nginx(trees.flat, folder / "aliyun")
        self.official = Nginx(trees.official, folder / "official", S3_MANNERS)
        self.pypi = Nginx(trees.pypi, folder / "pypi")

    def stop(self):
        for mirror in (self.aliyun, self.official, self.pypi):
            mirror.stop()

    def sent_more_than_once(self):
        every = (self.aliyun, self.official, self.pypi)
        return [path for mirror in every for path in mirror.sent_more_than_once()]

    def flat_url(self, channel="cu126"):
        return f"{self.aliyun.url}/pytorch-wheels/{channel}/"

    def wheel_requests(self):
        return [
            row
            for mirror in (self.aliyun, self.official, self.pypi)
            for row in mirror.wheel_requests()
        ]
