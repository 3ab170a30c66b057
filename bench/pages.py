# SPDX-License-Identifier: Apache-2.0
"""Index pages in the shapes and sizes of real ones, made up; the same on every machine.

    tree = pages.write(folder / "tree")      # what a mirror serves: see below
    config = pages.configuration(mirror.url)
"""
import hashlib

PYTHONS = ["cp39", "cp310", "cp311", "cp312", "cp313", "cp314", "pp310", "pp311"]
SYSTEMS = ["macosx_10_9_x86_64", "macosx_11_0_arm64", "manylinux_2_27_aarch64.manylinux_2_28_aarch64",
           "manylinux_2_27_x86_64.manylinux_2_28_x86_64", "musllinux_1_2_aarch64",
           "musllinux_1_2_x86_64", "win32", "win_amd64"]
TORCH_SYSTEMS = ["manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "win_amd64"]
# As many files as the pages of the real indexes had in the spring of 2026.
TORCH_FILES, SMALL_FILES, NUMPY_FILES = 214, 12, 3464

CONFIGURATION = """
[origin.pytorch]
canonical = "https://download.pytorch.org/whl/"
channels = ["cpu", "cu*"]
owns = ["torch", "torchrec"]
[[origin.pytorch.mirror]]
name = "stand-in"
layout = "simple"
index = "{mirror}/whl/{{channel}}/{{project}}/"
files = "{mirror}/whl/"

[origin.pypi]
canonical = "https://files.pythonhosted.org/"
pages = "https://pypi.org/simple/"
[[origin.pypi.mirror]]
name = "stand-in-2"
layout = "simple"
index = "{mirror}/simple/{{project}}/"
files = "{mirror}/"
"""


def configuration(mirror_url):
    return CONFIGURATION.format(mirror=mirror_url)


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def names(project, count, local="", pythons=PYTHONS, systems=SYSTEMS):
    """Names of wheels, the newest version first."""
    each = len(pythons) * len(systems)
    last = count // each
    for number in range(count):
        python, system = pythons[number // len(systems) % len(pythons)], systems[number % len(systems)]
        version = f"2.{last - number // each}.0{local}"
        yield f"{project}-{version}-{python}-{python}-{system}.whl"


def link(href, name, more=""):
    metadata = digest("-".join(name.split("-")[:2]))  # one for all wheels of a release, as in life
    return (f'<a href="{href}#sha256={digest(name)}"{more} data-dist-info-metadata="sha256={metadata}" '
            f'data-core-metadata="sha256={metadata}">{name}</a><br />\n')


def page(project, links):
    return (f'<!DOCTYPE html>\n<html>\n  <head><meta name="pypi:repository-version" content="1.4">'
            f"<title>Links for {project}</title></head>\n  <body>\n    <h1>Links for {project}</h1>\n"
            f'{"".join(links)}</body>\n</html>\n')


def torch_page(project, count):
    """As the official index of a channel has it."""
    return page(project, [
        link(f'/whl/cu126/{name.replace("+", "%2B")}', name)
        for name in names(project, count, "+cu126", PYTHONS[:6], TORCH_SYSTEMS)])


def numpy_page(project, count):
    """As PyPI has it."""
    def href(name):
        blake = digest("blake " + name)
        return f"../../packages/{blake[:2]}/{blake[2:4]}/{blake[4:64]}/{name}"
    more = ' data-requires-python="&gt;=3.11"'
    return page(project, [link(href(name), name, more) for name in names(project, count)])


def write(tree):
    """Project pages of torch (some 70 KB), torchrec (4 KB) and numpy (1.8 MB) below `tree`."""
    for path, text in {"whl/cu126/torch": torch_page("torch", TORCH_FILES),
                       "whl/cu126/torchrec": torch_page("torchrec", SMALL_FILES),
                       "simple/numpy": numpy_page("numpy", NUMPY_FILES)}.items():
        folder = tree / path
        folder.mkdir(parents=True)
        (folder / "index.html").write_text(text)
    return tree
