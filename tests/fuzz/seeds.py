# SPDX-License-Identifier: Apache-2.0
"""seeds.py FOLDER [DATA]: writes FOLDER/<fuzzer>/*, inputs for each fuzzer to start from.

They are the small ones of tests/data/fuzz/ and, where the saved pages are there, pieces of those: a
page's head and a few of its rows, because a fuzzer gets further with many short inputs than with few
long ones."""

import base64
import gzip
import hashlib
import io
import json
import pathlib
import re
import sys
import tarfile
import zipfile
from urllib.parse import quote

PIECE = 3000  # bytes of a page's rows in one input
PIECES = 3  # of one page
OWN = pathlib.Path(__file__).parent.parent / "data" / "fuzz"


def write(folder, name, content):
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    (place / hashlib.sha1(content).hexdigest()).write_bytes(content)


def own_seeds():
    for file in OWN.glob("*.txt"):
        for seed in file.read_bytes().split(b"\n--\n"):
            yield file.stem, seed.removesuffix(b"\n")


def pages(data):
    for file in sorted(data.rglob("*")):
        if not file.is_file() or {"expected", "locks", "scenarios", "metadata"} & set(file.parts):
            continue
        content = file.read_bytes()
        content = gzip.decompress(content) if file.suffix == ".gz" else content
        if content.lstrip()[:1] in (b"<", b"{", b"["):
            yield content


def html_pieces(page):
    """The head, then rows from the start, the middle and the end."""
    first = page.find(b"<a ")
    if first < 0:
        yield page[:PIECE]
        return
    rows = [m.start() for m in re.finditer(rb"<a ", page)]
    for i in range(PIECES):
        start = rows[i * (len(rows) - 1) // max(1, PIECES - 1)]
        end = page.rfind(b">", start, start + PIECE)
        yield page[: min(first, 1000)] + page[start : end + 1]


def json_pieces(page):
    """The document with a few of its files or projects."""
    document = json.loads(page)
    parts = [document] if isinstance(document, list) else document.values()
    lists = [part for part in parts if isinstance(part, list)]
    whole = [list(part) for part in lists]
    for i in range(PIECES):
        for part, every in zip(lists, whole):
            part[:] = every[i * len(every) // PIECES :][:4]
        yield json.dumps(document).encode()


def names_and_paths(data):
    for table in sorted((data / "expected").rglob("*.tsv")):
        rows = [row.split("\t") for row in table.read_text().splitlines()[1:200:23]]
        for row in (row for row in rows if len(row) > 4):
            yield row[3], row[4], row[1]


def data_seeds(data):
    for page in pages(data):
        if page.lstrip()[:1] == b"<":
            yield from (("listing", piece) for piece in html_pieces(page))
            continue
        try:
            yield from (("json", piece) for piece in json_pieces(page))
        except ValueError:
            yield "json", page[:PIECE]
    for file, url, version in names_and_paths(data):
        yield "name", f"{file}\n{version}".encode()
        yield "url", url.encode()
        yield "route", f"/files/pytorch/cu126/{file}".encode()


def map_seeds():
    """Size, mode, then place (two bytes), length and bytes: nothing, a marked table, the header."""
    marks = bytes([1, 2, 0, 17, 3, 255, 1])
    yield "map", bytes([9, 1])
    yield "map", bytes([9, 1, 0, 0, len(marks)]) + marks
    yield "map", bytes([9, 2, 32, 0, 2, 9, 0, 0, 2, 6]) + b"+x\0--+"
    yield "map", bytes([9, 2, 16, 0, 4, 1, 0, 1, 0])


DIGEST = "a" * 64
MANIFEST = f"""{{"wheelyard-bundle":1,"id":"lab-1","name":"lab","date":"2026-05-28T20:26:40Z","since":null,
"parts":[
{{"name":"lab.part001.tar","payload":2560}},
{{"name":"lab.part002.tar","payload":2560}}
],
"locks":[
{{"name":"uv.lock","sha256":"{DIGEST}","files":["o/a-1.tar.gz"]}}
],
"others":[
{{"path":"README.txt","size":5,"sha256":"{DIGEST}","part":1,"offset":512}}
],
"files":[
{{"origin":"o","path":"a-1.tar.gz","project":"a","kind":"sdist","size":600,"sha256":"{DIGEST}","pieces":[\
{{"part":1,"offset":1536,"size":0,"sha256":"{DIGEST}"}},{{"part":2,"offset":512,"size":600,"sha256":"{DIGEST}"}}]}},
{{"origin":"o","path":"b-1-py3-none-any.whl","project":"b","kind":"wheel","requires-python":">=3","yanked":true,\
"upload-time":"2026-01-02T03:04:05Z","size":7,"sha256":"{DIGEST}","metadata":{{"size":1,"sha256":"{DIGEST}"}}}}
]}}
"""


def bundle_seeds():
    """Manifests; keys and signatures, with a byte in front that says which; changes of a part: whether
    checksums are made good, then place (two bytes), length and bytes: nothing, a link, another name."""
    yield "manifest", MANIFEST.encode()
    comment = b"untrusted comment: a key\n"
    yield "minisign", b"\0" + comment + base64.b64encode(b"Ed" + bytes(40)) + b"\n"
    for kind in (b"\0\0", b"Sc"):
        secret = base64.b64encode(b"Ed" + kind + b"B2" + bytes(152))
        yield "minisign", b"\1" + comment + secret + b"\n"
    for kind in (b"Ed", b"ED"):
        lines = (b"untrusted comment: x", base64.b64encode(kind + bytes(72)))
        lines += (b"trusted comment: y", base64.b64encode(bytes(64)))
        yield "minisign", b"\2" + b"\n".join(lines) + b"\n"
    yield "bundle", b"\0"
    yield "bundle", b"\1" + bytes([156, 0, 1]) + b"2"
    yield "bundle", b"\1" + bytes([0, 8, 5]) + b"../x\0"


def format_seeds():
    types = ("v1+json", "v1+html", "latest+json", "latest+html")
    for name in ("text/html", *(f"application/vnd.pypi.simple.{kind}" for kind in types)):
        for sent in (name, quote(name), quote(name, safe="").lower()):
            yield "format", f"format={sent}\ntext/html, {name};q=0.5".encode()


def control_seeds():
    yield "control", b'["cache","rm","torch-2.9.0+cu126-py3-none-any.whl"]'
    yield "control", b'["cache","verify","sha256:0a1b","100000000"]'


def wheel(packing, zip64=False, comment=b""):
    """A small wheel, with a byte in front that says how large a gap is."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        archive.writestr("torch/__init__.py", "x = 1")
        with archive.open("torch-2.9.0+cu126.dist-info/METADATA", "w", force_zip64=zip64) as member:
            member.write(b"Metadata-Version: 2.1\nName: torch\nVersion: 2.9.0+cu126\n\nAbout\n")
        archive.writestr("torch-2.9.0+cu126.dist-info/RECORD", "")
        archive.comment = comment
    return file.getvalue()


def wheel_seeds():
    for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        for options in ({}, {"zip64": True}, {"comment": b"PK\5\6"}):
            yield "wheel", b"\0" + wheel(packing, **options)
    end = b"PK\6\6" + bytes([44, 0, 0, 0, 0, 0, 0, 0, 45, 0, 45, 0]) + bytes(40)
    yield "wheel", b"\x40" + end + b"PK\6\7" + bytes(16) + b"PK\5\6" + bytes(18)


def recorded(packing):
    """A wheel whose RECORD has digests, one of each kind."""
    file = io.BytesIO()
    members = {
        "torch/__init__.py": b"x = 1",
        "torch/a,b.py": b"y" * 50,
        "torch-2.9.0+cu126.dist-info/METADATA": b"Metadata-Version: 2.1\nName: torch\nVersion: 2.9.0+cu126\n",
    }
    record = ""
    with zipfile.ZipFile(file, "w", packing) as archive:
        for (name, data), kind in zip(members.items(), ("sha256", "sha384", "sha512")):
            archive.writestr(name, data)
            digest = base64.urlsafe_b64encode(hashlib.new(kind, data).digest()).decode().rstrip("=")
            record += f'"{name}",{kind}={digest},{len(data)}\n'
        record += "torch-2.9.0+cu126.dist-info/RECORD,,\n"
        archive.writestr("torch-2.9.0+cu126.dist-info/RECORD", record)
    return file.getvalue()


def sdist(mode):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        info = tarfile.TarInfo("torch-2.9.0/PKG-INFO")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"Name:"))
    return file.getvalue()


def zipped_sdist(packing):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        archive.writestr("torch-2.9.0/setup.py", "x = 1")
        archive.writestr("torch-2.9.0/PKG-INFO", "Metadata-Version: 2.1\nName: torch\n")
    return file.getvalue()


# What a size of the end record, of a directory entry or of RECORD's may claim.
LIES = (0, 1, 0xFFFF, 0xFFFFFFFF, 0x7FFFFFFF)


def lying(archive):
    """The archive with a size or an offset that lies: of the end record, or of an entry."""
    end = archive.rindex(b"PK\5\6")
    entry = archive.index(b"PK\1\2")
    for place in (end + 10, end + 12, end + 16, end + 20, entry + 20, entry + 24, entry + 28, entry + 42):
        for lie in LIES:
            spoilt = bytearray(archive)
            spoilt[place : place + 2] = (lie & 0xFFFF).to_bytes(2, "little")
            if lie > 0xFFFF:
                spoilt[place : place + 4] = lie.to_bytes(4, "little")
            yield bytes(spoilt[: len(archive)])


def archive_seeds():
    """Two bytes in front: which file name, and at which read the disk fails."""
    for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        whole = recorded(packing)
        yield "archive", b"\0\0" + whole
        yield "archive", b"\0\3#!/bin/sh\n" + whole
        yield "archive", b"\0\0" + whole[: len(whole) // 2]
        yield from (("archive", b"\0\0" + spoilt) for spoilt in lying(whole))
    yield "archive", b"\0\0" + wheel(zipfile.ZIP_DEFLATED, zip64=True)
    for number, mode in ((1, "w:gz"), (2, "w:xz"), (3, "w:bz2"), (4, "w")):
        yield "archive", bytes([number, 2]) + sdist(mode)
    for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        yield "archive", b"\5\2" + zipped_sdist(packing)


LOCK_PIECE = 2500  # bytes of a lock in one input, cut at a line
LOCK_FUZZERS = {
    "uv": "uvlock", "pylock": "pylock", "pixi": "pixilock", "requirements": "requirements",
    "poetry": "poetrylock", "pdm": "pdmlock",
}


def lock_seeds(data):
    """The head of each saved lock, and where it can be cut one package of it and its end."""
    for file in sorted((data / "locks").rglob("*")):
        if not file.is_file():
            continue
        content = file.read_bytes()
        content = gzip.decompress(content) if file.suffix == ".gz" else content
        fuzzer = LOCK_FUZZERS[file.relative_to(data / "locks").parts[0]]
        head = content[:LOCK_PIECE].rpartition(b"\n")[0] + b"\n"
        yield fuzzer, head
        parts = content.split(b"\n[[package")
        for part in (parts[1::40] if len(parts) > 1 else [])[:4]:
            yield fuzzer, parts[0][:1000].rpartition(b"\n")[0] + b"\n[[package" + part + b"\n" + content[-300:].partition(b"\n\n")[2]
        for marker in list(dict.fromkeys(re.findall(rb"marker = [\"'](.*)[\"']", content)))[:20]:
            yield "marker", marker
        for url in re.findall(rb"https?://[^\s\"',]+", content)[:400:40]:
            yield "addresses", url


def main():
    folder = pathlib.Path(sys.argv[1])
    data = pathlib.Path(sys.argv[2])
    for name, content in (
        *own_seeds(),
        *map_seeds(),
        *bundle_seeds(),
        *format_seeds(),
        *control_seeds(),
        *wheel_seeds(),
        *archive_seeds(),
    ):
        write(folder, name, content)
    if not data.is_dir():
        print(f"fuzz: no saved pages in {data}: starting from the small inputs alone")
        return
    for name, content in (*data_seeds(data), *lock_seeds(data)):
        write(folder, name, content)


main()
