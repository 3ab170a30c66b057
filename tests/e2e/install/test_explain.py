# SPDX-License-Identifier: Apache-2.0
"""`wheelyard wheels` and `wheelyard explain`: what there is, what would be taken, why nothing is."""

import json
import socket

import pytest

import wire
from clients import ClientFailed
from daemon import configuration, flat_mirror, official_mirror, pypi_mirror, run_wheelyard
from standins import flat_page
from wheels import build

YES, NO, USAGE, UNREACHABLE = 0, 1, 2, 3
LINUX = "manylinux_2_28_x86_64"

# Version, and the tags of its wheels.
RELEASES = {
    "2.7.0+cu126": [f"{p}-{p}-{s}" for p in ("cp39", "cp313") for s in (LINUX, "win_amd64")],
    "2.8.0+cu126": [f"{p}-{p}-{s}" for p in ("cp313", "cp314") for s in (LINUX, "win_amd64")]
    + [f"cp313-cp313t-{LINUX}", "cp38-abi3-macosx_14_0_arm64"],
    "2.9.0+cu126": ["cp314-cp314-win_amd64", "cp314-cp314-manylinux_2_39_x86_64"],
    "2.9.1+cu126": ["cp314-cp314-win_amd64"],
    "3.0.0rc1+cu126": [f"cp313-cp313-{LINUX}"],
}
YANKED = "torch-2.9.1+cu126-cp314-cp314-win_amd64.whl"
REQUIRES = {"torch-2.8.0+cu126-cp38-abi3-macosx_14_0_arm64.whl": ">=3.10"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("torch")
    built = [build(folder, "torch", v, tags) for v, all_tags in RELEASES.items() for tags in all_tags]
    return {path.name: path.read_bytes() for path in built}


def _simple_page(files):
    """The official site's page: what is yanked, what asks for a Python, and sizes, but not of 2.7."""
    entries = []
    for name, body in files.items():
        entry = {"filename": name, "url": name.replace("+", "%2B"), "hashes": {}}
        entry["url"] = "../" + entry["url"]
        if "-2.7.0" in name:
            continue
        entry["size"] = len(body)
        if name == YANKED:
            entry["yanked"] = "broken"
        if name in REQUIRES:
            entry["requires-python"] = REQUIRES[name]
        entries.append(entry)
    page = {"meta": {"api-version": "1.0"}, "name": "torch", "files": entries}
    return json.dumps(page).encode()


@pytest.fixture
def daemon(serve, origin, second_origin, files):
    page = flat_page("cu126", [(name, len(body)) for name, body in files.items()])
    origin.put_page("/pytorch-wheels/cu126/", page)
    second_origin.put("/whl/cu126/torch/", _simple_page(files), type=wire.JSON)
    for name, body in files.items():
        origin.put(f"/pytorch-wheels/cu126/{name}", body, head_status=405)  # sizes stay rounded
    mirrors = [flat_mirror("aliyun", origin.url), official_mirror("official", second_origin.url)]
    return serve(configuration(pytorch=mirrors))


@pytest.fixture
def ask(daemon, tmp_path):
    def run(*arguments, code=YES):
        done = run_wheelyard(*arguments, "--url", daemon.url, home=tmp_path)
        assert done.returncode == code or code is None, done
        return done.stdout

    return run


@pytest.fixture
def explain(ask):
    def run(requirement, python, platform, *more, code=YES):
        target = ("--python", python, "--platform", platform, "--index", "cu126")
        return ask("explain", requirement, *target, *more, code=code)

    return run


def _size(files, name):
    return f"{len(files[f'torch-{name}.whl']) / 1000:.1f}kB"


# -------------------------------------------------------------------- wheels


def test_matrix(ask, files):
    lines = ask("wheels", "torch>=2.7,<2.9", "--index", "cu126").splitlines()
    kb = _size(files, "2.8.0+cu126-cp313-cp313-win_amd64")
    size = len(files["torch-2.7.0+cu126-cp39-cp39-win_amd64.whl"])
    about = f"~{round(size / 1024, 1) * 1.024:.1f}kB"
    assert [line.split(maxsplit=6) for line in lines] == [
        ["version", "platform", "cp38-abi3", "cp39", "cp313", "cp313t", "cp314  mirrors"],
        ["2.8.0+cu126", "linux_x86_64", "-", "-", kb, kb, f"{kb}  aliyun, official"],
        ["macosx_arm64", kb, "-", "-", "-", "-", "aliyun, official"],
        ["win_amd64", "-", "-", kb, "-", kb, "aliyun, official"],
        ["2.7.0+cu126", "linux_x86_64", "-", about, about, "-", "-  aliyun"],
        ["win_amd64", "-", about, about, "-", "-", "aliyun"],
    ]
    starts = {line.index("cp313t") + 6 for line in lines[:1]}
    assert starts == {lines[1].index(kb, lines[1].index(kb) + 1) + len(kb)}, "columns line up"


def test_wheels_as_json(ask, files, daemon):
    answer = json.loads(ask("wheels", "torch", "--index=cu126", "--json"))
    assert answer["project"] == "torch" and answer["index"] == "cu126"
    wheels = {wheel["filename"]: wheel for wheel in answer["wheels"]}
    assert wheels.keys() == files.keys()
    yanked = wheels[YANKED]
    assert yanked["yanked"] is True and yanked["size"] == len(files[YANKED])
    assert yanked["mirrors"] == ["aliyun", "official"]
    assert (yanked["version"], yanked["python"], yanked["platform"]) == (
        "2.9.1+cu126",
        "cp314",
        "win_amd64",
    )
    assert yanked["url"] == daemon.file_url("pytorch", f"cu126/{YANKED}")
    assert answer["wheels"][0]["version"] == "3.0.0rc1+cu126"


def test_no_wheels(ask):
    told = ask("wheels", "torch==99", "--index", "cu126", code=NO)
    assert told == "no wheel of torch==99 in cu126\n"
    told = ask("wheels", "torchvision", "--index", "cu126", code=NO)
    assert "torchvision" in told and "no project" in told


# ------------------------------------------------------------------- explain


def test_a_file_that_fits(explain, daemon, files):
    told = explain("torch==2.8.0", "3.13", "win_amd64")
    name = "torch-2.8.0+cu126-cp313-cp313-win_amd64.whl"
    lines = dict(line.split(maxsplit=1) for line in told.splitlines()[1:])
    assert told.splitlines()[0] == name
    assert lines["tag"] == "cp313-cp313-win_amd64"
    assert lines["size"] == f"{len(files[name]) / 1000:.1f} kB"
    assert lines["mirrors"] == "aliyun, official"
    assert wire.ask(lines["url"]).body == files[name]

    answer = json.loads(explain("torch==2.8.0", "3.13", "win_amd64", "--json"))
    assert answer["fits"] is True and answer["versions"] == 1 and answer["newer"] == []
    assert answer["file"]["filename"] == name and answer["file"]["tag"] == lines["tag"]


def test_why_not_a_newer_one(explain):
    told = explain("torch", "3.13", "win_amd64")
    assert told.startswith("torch-2.8.0+cu126-cp313-cp313-win_amd64.whl\n")
    assert "newer: no cp313 wheel for win_amd64; cp314 has 2.8.0 to 2.9.0" in told


@pytest.mark.parametrize(
    "requirement, python, platform, reasons",
    [
        ("torch", "3.15", "win_amd64", ["no cp315 wheel for win_amd64; cp314 has 2.8.0 to 2.9.0"]),
        (
            "torch==2.9.0",
            "3.13",
            "win_amd64",
            ["no cp313 wheel for win_amd64; cp314 has", "2.7.0 to 2.8.0 has a file for cp313 on win"],
        ),
        ("torch==2.9.0", "3.14t", "win_amd64", ["no cp314t wheel for win_amd64; cp314 has"]),
        ("torch", "3.12", LINUX, ["cp314 has 2.8.0, cp313 has 2.7.0 to 3.0.0rc1, cp39 has 2.7.0"]),
        ("torch==2.7.0", "3.13", "win32", ["no wheel for win32; linux_x86_64 has 2.7.0, win_amd64"]),
        ("torch==2.9.0", "3.14", LINUX, [f"built for manylinux_2_39_x86_64, which is newer than"]),
        ("torch==4", "3.13", LINUX, ["no such version; there are 2.7.0 to 3.0.0rc1"]),
        ("torch==2.8.0", "3.9", "macosx_15_0_arm64", ["2.8.0 requires Python >=3.10"]),
        ("torch>2.9.0", "3.14", "win_amd64", ["2.9.1 is yanked: only == takes it"]),
    ],
)
def test_why_nothing_fits(explain, requirement, python, platform, reasons):
    told = explain(requirement, python, platform, code=NO)
    assert told.startswith(f"nothing fits {requirement} for Python {python} on {platform} in cu126\n")
    for reason in reasons:
        assert reason in told
    answer = json.loads(explain(requirement, python, platform, "--json", code=NO))
    assert answer["fits"] is False
    lines = [line.strip() for line in told.splitlines()[1:]]
    assert answer["reasons"] + answer["others"] == lines and lines


def test_yanked_when_pinned(explain):
    told = explain("torch==2.9.1", "3.14", "win_amd64")
    assert told.startswith(YANKED) and "yanked" in told


def test_yanked_only_when_nothing_else_is_left(serve, origin, tmp_path):
    names = ["a-1.0+x-py3-none-any.whl", "a-1.0-py3-none-any.whl"]
    entries = [{"filename": n, "url": n.replace("+", "%2B"), "hashes": {}} for n in names]
    entries[0]["yanked"] = True
    page = {"meta": {"api-version": "1.0"}, "name": "a", "files": entries}
    origin.put("/simple/a/", json.dumps(page).encode(), type=wire.JSON)
    daemon = serve(configuration(pypi=[pypi_mirror("tuna", origin.url)]))
    arguments = ("explain", "a==1.0", "--python", "3.13", "--url", daemon.url)
    assert run_wheelyard(*arguments, home=tmp_path).stdout.startswith(names[1])


def test_a_project_that_is_not_there(explain):
    told = explain("torchvision", "3.13", LINUX, code=NO)
    assert "no project torchvision" in told
    assert json.loads(explain("torchvision", "3.13", LINUX, "--json", code=NO))["fits"] is False


def test_this_machine_is_the_default(ask):
    told = ask("explain", "torch==2.8.0", "--python", "3.13.2", "--index", "cu126", "--json")
    assert json.loads(told)["platform"].startswith("linux_")


TARGETS = [("3.13", LINUX), ("3.14", "win_amd64")]


@pytest.mark.parametrize("python, platform", TARGETS)
def test_pip_takes_the_same(explain, daemon, pip, python, platform):
    for requirement in ("torch", "torch<2.8", "torch==2.9.1", "torch>=3.0a1"):
        answer = json.loads(explain(requirement, python, platform, "--json", code=None))
        chosen = answer.get("file", {}).get("filename")
        report = pip.home / "report.json"
        report.unlink(missing_ok=True)
        try:
            pip.run(
                *("install", "--dry-run", "--no-deps", "--only-binary=:all:", "--ignore-installed"),
                *("--target", pip.home / "none", "--report", report, "--index-url", daemon.index()),
                *("--python-version", python, "--platform", platform, requirement),
            )
            (installed,) = json.loads(report.read_text())["install"]
            taken = installed["download_info"]["url"].rsplit("/", 1)[1].replace("%2B", "+")
        except ClientFailed:
            taken = None
        assert chosen == taken, (requirement, python, platform)


# ------------------------------------------------------------- hints in 404s


def _detail(reply):
    assert reply.status == 404 and reply["Content-Type"] == "application/problem+json"
    return reply.json()["detail"]


def test_a_misspelled_project_is_told_apart(daemon):
    assert "did you mean torchvision?" in _detail(daemon.page("torchvison"))
    assert "did you mean" not in _detail(daemon.page("requests"))
    assert "channel cu126" in _detail(daemon.page("torchaudio"))


def test_an_unknown_index_names_the_known(daemon):
    for path in ("/nope/simple/torch/", "/whl/nope/torch/"):
        reply = daemon.get(path, wire.UV_PAGE)
        assert reply.status == 400 and "cu*, rocm*" in reply.json()["detail"], path


def test_a_file_that_is_not_there(daemon):
    file = "/files/pytorch/cu126/torch-2.8.0%2Bcu126-cp315-cp315-win_amd64.whl"
    assert daemon.page("torch").status == 200
    told = _detail(daemon.get(file, {"Accept": wire.JSON}))
    assert told.endswith("no cp315 wheel of 2.8.0+cu126 for win_amd64; there are cp313, cp314")
    page = daemon.get(file, {"Accept": "text/html"})
    assert page.status == 404 and "there are cp313, cp314" in page.text
    gone = daemon.get(file.replace("2.8.0", "1.0"), {"Accept": wire.JSON})
    assert _detail(gone).endswith("there are 2.7.0+cu126 to 3.0.0rc1+cu126")


# ----------------------------------------------------------------- arguments


def test_the_configured_address(daemon, tmp_path):
    own = tmp_path / "own.toml"
    address = daemon.url.removeprefix("http://")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        own.write_text(f'listen = ["127.0.0.1:{port}", "{address}"]\n')
        told = run_wheelyard("wheels", "torch", "--index", "cu126", "--config", own, home=tmp_path)
    assert told.returncode == YES and "2.9.1+cu126" in told.stdout and not told.stderr


def test_no_daemon(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        told = run_wheelyard("wheels", "torch", "--url", url, home=tmp_path)
        assert told.returncode == UNREACHABLE and url in told.stderr and not told.stdout
        assert "no daemon answers" in told.stderr


def test_something_else_answers(origin, tmp_path):
    origin.put_page("/cu126/simple/torch/", "<html>hello</html>")
    told = run_wheelyard("wheels", "torch", "--index=cu126", "--url", origin.url, home=tmp_path)
    assert told.returncode == UNREACHABLE and "listing" in told.stderr


def test_mirrors_that_do_not_answer(serve, origin, tmp_path):
    daemon = serve(configuration(pytorch=[flat_mirror("aliyun", origin.url)], listing_timeout="1s"))
    origin.put_page("/pytorch-wheels/cu126/", "", status=500)
    told = run_wheelyard("wheels", "torch", "--index=cu126", "--url", daemon.url, home=tmp_path)
    assert told.returncode == NO and "503" in told.stderr and "aliyun" in told.stderr


@pytest.mark.parametrize(
    "arguments, says",
    [
        (("wheels",), "which project"),
        (("wheels", "torch", "torchvision"), "one requirement"),
        (("wheels", "torch =2"), "not a requirement"),
        (("wheels", "torch; python_version > '3'"), "not a requirement"),
        (("wheels", "torch", "--index", "../x"), "not the name of an index"),
        (("wheels", "torch", "--python", "3.13"), "unknown flag"),
        (("wheels", "torch", "--url"), "value is missing"),
        (("wheels", "torch", "--url", "ftp://x"), "ftp://x: not a URL"),
        (("explain", "torch"), "which Python"),
        (("explain", "torch", "--python", "three"), "three"),
        (("explain", "torch", "--python", "3.13", "--platform", "win amd64"), "not a Python"),
        (("explain", "torch", "--python", "3.13", "--config", "/nowhere"), "/nowhere"),
    ],
)
def test_usage(tmp_path, arguments, says):
    told = run_wheelyard(*arguments, home=tmp_path)
    assert told.returncode == USAGE and says in told.stderr and not told.stdout


@pytest.mark.parametrize("path", ["/cu126/simple", "/cu126/simple/"])
def test_the_address_of_an_index(daemon, ask, tmp_path, path):
    told = run_wheelyard("wheels", "torch", "--url", daemon.url + path, home=tmp_path)
    assert told.returncode == YES and told.stdout == ask("wheels", "torch", "--index", "cu126")


@pytest.mark.parametrize("command", ["wheels", "explain"])
def test_help(tmp_path, command):
    told = run_wheelyard(command, "--help", home=tmp_path)
    assert told.returncode == YES and told.stdout.startswith(f"usage: wheelyard {command}")
