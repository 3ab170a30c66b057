# SPDX-License-Identifier: Apache-2.0
"""The configuration as its users meet it: messages and exit codes."""

import os
import subprocess
import tomllib

import pytest

from daemon import binary, configuration, daemon_environment, official_mirror, run_wheelyard

MIRROR = official_mirror("m", "http://127.0.0.1:9")


def check(tmp_path, text):
    """`wheelyard config check` of a file with this text."""
    file = tmp_path / "wheelyard.toml"
    file.write_text(text)
    return file, run_wheelyard("config", "check", "--config", file, home=tmp_path)


def test_a_sound_file(tmp_path):
    _, done = check(tmp_path, configuration(pytorch=[MIRROR], max_size="200GB", min_free="5GB"))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "text, line, key",
    [
        ("max_sise = '1GB'\n", 1, "max_sise"),
        ("\nmax_size = 7.5\n", 2, "max_size"),
        ("max_size = 'many'\n", 1, "max_size"),
        ("min_free = '-1GB'\n", 1, "min_free"),
        ("listen = ['127.0.0.1:99999']\n", 1, "listen"),
        ("# a comment\npage_refresh = 'often'\n", 2, "page_refresh"),
        ("[origin.pytorch]\ncanonical = 'ftp://x/'\n", 2, "canonical"),
        ("[origin.x]\n[[origin.x.mirror]]\nname = 'm'\nlayout = 'tree'\n", 4, "layout"),
        ("[origin.x]\nflavour = 'sweet'\n", 2, "flavour"),
    ],
)
def test_what_is_wrong_and_where(tmp_path, text, line, key):
    file, done = check(tmp_path, text)
    assert done.returncode == 2
    expected = f"{file}:{line}: "
    (said,) = [each for each in done.stderr.splitlines() if each.startswith(expected)]
    assert key in said


FOLDER = """\
[origin.lab]
owns = ["lab"]
directory = "{}"
[index.lab]
origins = ["lab"]
"""


def test_a_folder_of_wheels_that_is_not_there(tmp_path):
    """A daemon starts without, and looks again; so it is a warning."""
    folder = tmp_path / "wheels"
    file, done = check(tmp_path, FOLDER.format(folder))
    line = f"{file}:3: origin.lab.directory: warning: {folder}: No such file or directory"
    assert done.returncode == 0 and done.stderr.startswith(line) and done.stderr.count("\n") == 1
    folder.write_text("a file")
    _, done = check(tmp_path, FOLDER.format(folder))
    assert done.returncode == 0 and "Not a directory" in done.stderr
    folder.unlink()
    folder.mkdir()
    assert check(tmp_path, FOLDER.format(folder))[1].stderr == ""


def test_a_cache_that_cannot_be_made(tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("")
    for place, says in ((taken, "cannot be written"), (taken / "cache", "cannot be made")):
        file, done = check(tmp_path, f'\ncache_dir = "{place}"\n')
        assert done.returncode == 2 and "Not a directory" in done.stderr
        assert done.stderr.startswith(f"{file}:2: cache_dir: {place} {says}")
    flag = ("--cache-dir", taken / "cache")
    done = run_wheelyard("config", "check", "--config", file, *flag, home=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith(f"--cache-dir: {taken}/cache cannot be made")
    done = run_wheelyard("config", "show", "--config", file, home=tmp_path)
    assert done.returncode == 0 and done.stderr == ""
    _, done = check(tmp_path, f'cache_dir = "{tmp_path}/a/b/c/"\n')
    assert (done.returncode, done.stderr) == (0, "") and not (tmp_path / "a").exists()


WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]  # of root's


def test_what_another_user_may(tmp_path):
    """Who checks the configuration of a service need not be the service's user."""
    own, closed = tmp_path / "own", tmp_path / "closed"
    own.mkdir(0o755)
    closed.mkdir(0o700)
    try:
        for folder in (own, closed):
            os.chown(folder, 65534, 65534)
        subprocess.run([*WITHOUT_RIGHTS, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root can have folders of others")

    def check_as_another(cache_dir):
        file = tmp_path / "wheelyard.toml"
        file.write_text(f'cache_dir = "{cache_dir}"\n' + FOLDER.format(closed))
        done = subprocess.run(
            [*WITHOUT_RIGHTS, binary(), "config", "check", "--config", file],
            env=daemon_environment(tmp_path), capture_output=True, text=True, check=False,
        )  # fmt: skip
        folder, place = done.stderr.splitlines()
        assert f"origin.lab.directory: warning: {closed}: Permission denied" in folder
        return done.returncode, place

    code, told = check_as_another(own)
    assert code == 0 and "cache_dir: warning:" in told and "another user" in told
    code, told = check_as_another(own / "new")
    assert code == 2 and f"cannot be made in {own}: Permission denied" in told


def test_a_file_that_is_no_toml(tmp_path):
    file, done = check(tmp_path, "listen = [\n")
    assert done.returncode == 2 and done.stderr.startswith(f"{file}:")


def test_serve_refuses_a_wrong_file(tmp_path):
    file = tmp_path / "wheelyard.toml"
    file.write_text("max_sise = '1GB'\n")
    done = run_wheelyard("serve", "--config", file, home=tmp_path)
    assert done.returncode == 2 and f"{file}:1: max_sise" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("serve", "--no-such-flag"), ("no-such-command",), ("serve", "--config"), ("config", "bake")],
)
def test_wrong_usage(tmp_path, arguments):
    assert run_wheelyard(*arguments, home=tmp_path).returncode == 2


@pytest.mark.parametrize(
    "typed, meant",
    [
        ("max_sise = '1GB'", "max_size"),
        ("max-size = '1GB'", "max_size"),
        ("page_refersh = '1h'", "page_refresh"),
        ("[orign.x]", "origin"),
        ("[origin.x]\nchanels = []", "channels"),
        ("[[origin.x.mirror]]\nlayuot = 'flat'", "layout"),
        ("[index.x]\norigin = []", "origins"),
        ("flavour = 'sweet'", None),
    ],
)
def test_what_an_unknown_key_is_meant_for(tmp_path, typed, meant):
    _, done = check(tmp_path, typed + "\n")
    (said,) = [line for line in done.stderr.splitlines() if "unknown key" in line]
    assert said.endswith(f"did you mean {meant}?" if meant else "unknown key")


COMMANDS = [
    (("sevre",), "serve"),
    (("cahce", "ls"), "cache"),
    (("config", "chekc"), "check"),
    (("cache", "verfiy"), "verify"),
    (("cache", "ls", "--jsn"), "--json"),
    (("serve", "--max-sise", "1GB"), "--max-size"),
    (("serve", "--max_sise=1GB"), "--max-size"),
    (("config", "check", "--conifg=x"), "--config"),
    (("setup", "pip", "--wirte"), "--write"),
    (("setup", "pixy"), "pixi"),
    (("doctor", "--projetc", "torch"), "--project"),
    (("wheels", "torch", "--indx", "cpu"), "--index"),
    (("explain", "torch", "--pyton=3.12"), "--python"),
]


@pytest.mark.parametrize("arguments, meant", COMMANDS)
def test_what_an_unknown_argument_is_meant_for(tmp_path, arguments, meant):
    done = run_wheelyard(*arguments, home=tmp_path)
    assert done.returncode == 2 and f"did you mean {meant}?" in done.stderr


def test_a_flag_without_a_value_is_not_an_unknown_one(tmp_path):
    for arguments in (("setup", "pip", "--index"), ("cache", "ls", "--rate"), ("doctor", "--url")):
        done = run_wheelyard(*arguments, home=tmp_path)
        assert done.returncode == 2 and "its value is missing" in done.stderr
    assert "takes no value" in run_wheelyard("doctor", "--json=1", home=tmp_path).stderr


def test_flags_are_understood_as_the_keys_are_written(tmp_path):
    shown = run_wheelyard("config", "show", "--max_size", "3GB", "--page_refresh=2h", home=tmp_path)
    options = tomllib.loads(shown.stdout)
    assert (options["max_size"], options["page_refresh"]) == ("3GB", "2h")


def test_the_file_to_check_needs_no_flag(tmp_path):
    file = tmp_path / "wheelyard.toml"
    file.write_text("max_sise = '1GB'\n")
    done = run_wheelyard("config", "check", file, home=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith(f"{file}:1: max_sise")
    file.write_text("max_size = '3GB'\n")
    assert run_wheelyard("config", "check", "--min-free", "1GB", file, home=tmp_path).returncode == 0
    shown = run_wheelyard("config", "show", file, home=tmp_path).stdout
    assert tomllib.loads(shown)["max_size"] == "3GB"
    done = run_wheelyard("config", "check", file, file, home=tmp_path)
    assert done.returncode == 2 and "unexpected argument" in done.stderr
    done = run_wheelyard("serve", file, home=tmp_path)
    assert done.returncode == 2 and "unexpected argument" in done.stderr


def test_a_file_that_is_not_there(tmp_path):
    done = run_wheelyard("serve", "--config", tmp_path / "nothing", home=tmp_path)
    assert done.returncode == 2 and "nothing" in done.stderr


def test_show_default_is_a_file_to_start_from(tmp_path):
    done = run_wheelyard("config", "show", "--default", home=tmp_path)
    assert done.returncode == 0
    built_in = tomllib.loads(done.stdout)
    pytorch = [mirror["name"] for mirror in built_in["origin"]["pytorch"]["mirror"]]
    pypi = [mirror["name"] for mirror in built_in["origin"]["pypi"]["mirror"]]
    assert {"aliyun", "nju", "sjtu"} <= set(pytorch) and {"tuna", "aliyun"} <= set(pypi)
    _, again = check(tmp_path, done.stdout)
    assert again.returncode == 0


def test_show_reads_back_to_the_same(tmp_path):
    file, _ = check(tmp_path, configuration(pytorch=[MIRROR], max_size="7GB"))
    first = run_wheelyard("config", "show", "--config", file, home=tmp_path).stdout
    assert tomllib.loads(first)["origin"]["pytorch"]["mirror"][0]["name"] == "m"
    file.write_text(first)
    second = run_wheelyard("config", "show", "--config", file, home=tmp_path).stdout
    assert tomllib.loads(second) == tomllib.loads(first)


COMMANDS = ["serve", "config", "cache", "wheels", "explain", "setup", "doctor"]


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(tmp_path, command, flag):
    done = run_wheelyard(command, flag, home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: wheelyard {command} ")
    assert "\nExit: 0 " in done.stdout and "  --config " in done.stdout or command == "cache"
    assert not [line for line in done.stdout.splitlines() if len(line) > 100]


def test_help(tmp_path):
    for arguments in (["--help"], ["-h"], ["help"]):
        done = run_wheelyard(*arguments, home=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    assert all(f"\n  {command} " in done.stdout for command in COMMANDS)
    done = run_wheelyard(home=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("usage: wheelyard COMMAND")
