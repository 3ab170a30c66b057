# SPDX-License-Identifier: Apache-2.0
"""What mirrors claim of a file's digest, and what is believed of it: other algorithms than SHA-256,
pages that are corrected, a stale mirror against the site, mirrors that disagree."""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import pytest

import wire
from clients import Pip, Uv, installed, pip_wheel
from daemon import binary, configuration, origin_tables, pypi_mirror, run_wheelyard
from origin import Gate
from standins import simple_page, wait_until
from wheels import build

NAME = "demo-1.0-py3-none-any.whl"
PATH = f"/packages/{NAME}"
PAGE = "/simple/demo/"


@pytest.fixture(name="body")
def _body(tmp_path):
    return build(tmp_path / "built", "demo", "1.0", padding=200_000).read_bytes()


def wrong(body):
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def digest(algorithm, body):
    return hashlib.new(algorithm, body).hexdigest()


def link(fragment="", more=""):
    return f'<a href="../..{PATH}{fragment}"{more}>{NAME}</a><br/>\n'


def put_html(origin, *fragments, more=""):
    origin.put_page(PAGE, simple_page("demo", [link(f"#{f}" if f else "", more) for f in fragments]))


def put_json(origin, hashes, **more):
    file = {"filename": NAME, "url": f"../..{PATH}", "hashes": hashes, **more}
    document = {"meta": {"api-version": "1.0"}, "name": "demo", "files": [file]}
    origin.put(PAGE, json.dumps(document).encode(), type="application/vnd.pypi.simple.v1+json")


def one_mirror(origin, **top):
    """Pages are refreshed each second: a client's no-cache counts once in 30."""
    top = {"page_refresh": "1s", **top}
    return configuration(pypi=[pypi_mirror("m", origin.url)], **top)


def shown(daemon):
    (file,) = daemon.page("demo", index="").json()["files"]
    return file["hashes"]


@pytest.mark.parametrize("algorithm", ["sha512", "sha384", "sha224", "blake2b", "sha1", "md5"])
@pytest.mark.parametrize("form", ["html", "json"])
def test_other_algorithms_are_passed_on(origin, serve, body, algorithm, form):
    value = digest(algorithm, body)
    if form == "html":
        put_html(origin, f"{algorithm}={value}")
    else:
        put_json(origin, {algorithm: value, "unheard-of": "00"})
    daemon = serve(one_mirror(origin))
    assert shown(daemon) == {algorithm: value}
    (seen,) = wire.anchors(daemon.get("/simple/demo/"))
    assert seen["href"].endswith(f"/{NAME}#{algorithm}={value}")


def test_of_several_html_names_the_best_and_json_all(origin, serve, body):
    values = {a: digest(a, body) for a in ("sha256", "sha512", "md5")}
    put_json(origin, values, **{"core-metadata": {"sha512": "ab" * 64}})
    daemon = serve(one_mirror(origin))
    page = daemon.page("demo", index="").json()
    del values["md5"]  # there is better
    assert page["files"][0]["hashes"] == values
    assert page["files"][0]["core-metadata"] == {"sha512": "ab" * 64}
    (seen,) = wire.anchors(daemon.get("/simple/demo/"))
    assert seen["href"].endswith(f"#sha256={values['sha256']}")
    assert seen["data-core-metadata"] == f"sha512={'ab' * 64}"


def test_one_link_with_two_digests_shows_none(origin, serve, body):
    put_html(origin, f"sha256={digest('sha256', body)}", f"sha256={'0' * 64}")
    daemon = serve(one_mirror(origin))
    assert shown(daemon) == {}
    problem = daemon.wait_status(lambda s: s["problems"], what="a problem")["problems"][0]
    assert problem["kind"] == "digest-disputed" and "0" * 64 in problem["detail"]


# ------------------------------------------------------------------ checked at download


def file_url(daemon):
    return daemon.file_url("pypi", f"packages/{NAME}")


def get(daemon):
    """As installers do: after a cut it is asked for again."""
    return wire.ask_until_whole(file_url(daemon))[-1]


def is_whole(reply):
    return reply.status == 200 and not reply.cut


def wait_refused(daemon):
    """The reply that says why; nobody gets all of the file meanwhile."""
    replies = []

    def says_so():
        replies.append(wire.ask(file_url(daemon)))
        assert not is_whole(replies[-1])
        return replies[-1].status == 502

    wait_until(says_so, what="a refusal")
    return replies[-1].text


def wait_right(daemon, body):
    """The file is served sooner or later, and nobody gets all of another one meanwhile."""
    replies = []

    def comes():
        replies.append(wire.ask(file_url(daemon)))
        assert replies[-1].body == body or not is_whole(replies[-1])
        return is_whole(replies[-1])

    wait_until(comes, what="the file")
    return replies[-1]


def wait_kept(daemon):
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="it is kept")


def problems(status, kind):
    return [problem for problem in status["problems"] if problem["kind"] == kind]


def wait_dispute(daemon):
    """Of this one file; its detail."""
    status = daemon.wait_status(lambda s: problems(s, "digest-disputed"), what="a dispute")
    (problem,) = problems(status, "digest-disputed")
    assert problem["path"] == f"packages/{NAME}"
    return problem["detail"]


def wait_no_dispute(daemon):
    wait_until(
        lambda: shown(daemon) and not problems(daemon.status(), "digest-disputed"),
        what="the dispute is over",
    )


def client_of(kind, folder):
    """It asks a second time and no more: how long it waits before the sixth is not ours."""
    client = Uv(folder) if kind == "uv" else Pip(folder, pip_wheel("newest"))
    client.environment.update(PIP_RETRIES="1", UV_HTTP_RETRIES="1")
    return client


@pytest.mark.parametrize("kind", ["uv", "pip"])
@pytest.mark.parametrize("algorithm, form", [("sha512", "html"), ("sha384", "json"), ("md5", "html")])
def test_spoilt_bytes_under_another_algorithm_are_refused(
    origin, second_origin, serve, body, tmp_path, algorithm, form, kind
):
    value = digest(algorithm, body)
    for mirror in (origin, second_origin):
        if form == "html":
            put_html(mirror, f"{algorithm}={value}")
        else:
            put_json(mirror, {algorithm: value})
    origin.put(PATH, wrong(body))
    second_origin.put(PATH, body)
    spoilt = serve(one_mirror(origin))
    what = ("--index-url", f"{spoilt.url}/simple", "demo")
    client_of(kind, tmp_path / "spoilt").install(*what, fails=True)
    assert spoilt.status()["cache"]["blobs"] == 0
    sound = serve(one_mirror(second_origin))
    what = ("--index-url", f"{sound.url}/simple", "demo")
    assert installed(client_of(kind, tmp_path / "sound").install(*what)) == {"demo": "1.0"}
    wait_kept(sound)
    assert "immutable" in wire.ask(file_url(sound))["Cache-Control"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "md5"])
def test_a_refusal_names_both_digests(origin, serve, body, algorithm):
    put_html(origin, f"{algorithm}={digest(algorithm, body)}")
    origin.put(PATH, wrong(body))
    daemon = serve(one_mirror(origin))
    assert shown(daemon) == {algorithm: digest(algorithm, body)}
    text = wait_refused(daemon)
    assert digest(algorithm, body) in text and digest(algorithm, wrong(body)) in text
    assert "m: " in text and " said 20" in text


def test_bytes_of_an_algorithm_that_is_named_only_now(origin, serve, body):
    """A lock file goes straight to the wheel; its page says while it comes what it should be."""
    gate = Gate(100_000)
    put_html(origin, f"sha512={digest('sha512', body)}")
    origin.put(PATH, wrong(body), gate=gate)
    daemon = serve(one_mirror(origin))
    download = wire.Download(file_url(daemon))
    download.wait_answer()
    assert shown(daemon) == {"sha512": digest("sha512", body)}
    gate.open()
    assert not download.wait_end().whole
    assert daemon.status()["cache"]["blobs"] == 0


# ------------------------------------------------------------------ an index that is corrected


def test_an_index_that_is_corrected_is_believed_at_its_refresh(origin, serve, body):
    put_html(origin, f"sha256={'0' * 64}")
    origin.put(PATH, body)
    daemon = serve(one_mirror(origin))
    assert shown(daemon) == {"sha256": "0" * 64}
    wait_refused(daemon)
    right = {"sha256": digest("sha256", body)}
    put_html(origin, f"sha256={right['sha256']}")
    wait_until(lambda: shown(daemon) == right, what="the corrected page")
    reply = wait_right(daemon, body)
    assert reply["ETag"] == f'"sha256-{right["sha256"]}"'
    wait_no_dispute(daemon)


def test_an_index_that_is_corrected_while_we_were_away(origin, serve, body):
    put_html(origin, f"sha512={'0' * 128}")
    origin.put(PATH, body)
    config = one_mirror(origin)
    daemon = serve(config)
    assert shown(daemon) == {"sha512": "0" * 128}
    wait_refused(daemon)
    daemon.stop()
    right = {"sha512": digest("sha512", body)}
    put_html(origin, f"sha512={right['sha512']}")
    daemon = serve(config, cache_dir=daemon.cache_dir)
    wait_until(lambda: shown(daemon) == right, what="the corrected page")
    wait_right(daemon, body)


def test_a_mismatch_asks_the_page_again_before_anybody_is_blamed(origin, serve, body):
    """The index was corrected a moment ago, and our page of it is not ten minutes old."""
    put_html(origin, f"sha256={'0' * 64}")
    origin.put(PATH, body)
    daemon = serve(one_mirror(origin, page_refresh="10min"))
    assert shown(daemon) == {"sha256": "0" * 64}
    put_html(origin, f"sha256={digest('sha256', body)}")
    reply = wire.ask(file_url(daemon))
    assert is_whole(reply) and reply.body == body
    assert origin.asked(PAGE) and len(origin.asked(PATH, "GET")) == 1
    caches = [request.headers.get("cache-control") for request in origin.asked(PAGE)]
    assert caches == [None, "no-cache"], "a cache on the way may have the page of before"
    assert not problems(daemon.status(), "wrong-digest")
    assert "wrong digest" not in daemon.log()


def test_a_page_is_asked_again_once_in_a_while(origin, serve, body):
    put_html(origin, f"sha256={'0' * 64}")
    origin.put(PATH, body)
    daemon = serve(one_mirror(origin, page_refresh="10min"))
    shown(daemon)
    for _ in range(2):
        wait_refused(daemon)
    assert len(origin.asked(PAGE)) == 2


# ------------------------------------------------------------------ what was kept


def test_what_was_kept_stays_under_a_corrected_algorithm(origin, serve, body):
    """The same bytes under another claim: nothing is fetched again."""
    put_html(origin, f"sha256={digest('sha256', body)}")
    origin.put(PATH, body)
    daemon = serve(one_mirror(origin))
    shown(daemon)
    assert get(daemon).body == body
    wait_kept(daemon)
    put_html(origin, f"sha512={digest('sha512', body)}")
    now = {"sha512": digest("sha512", body)}
    wait_until(lambda: shown(daemon) == now, what="the other claim")
    reply = wire.ask(file_url(daemon))
    assert (reply["X-Cache"], reply.body) == ("hit", body) and "immutable" in reply["Cache-Control"]
    assert len(origin.asked(PATH, "GET")) == 1


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "md5"])
def test_what_was_kept_under_a_claim_that_is_corrected_is_fetched_again(
    origin, serve, body, algorithm
):
    old, new = wrong(body), body
    put_html(origin, f"{algorithm}={digest(algorithm, old)}")
    origin.put(PATH, old)
    config = one_mirror(origin)
    daemon = serve(config)
    shown(daemon)
    assert get(daemon).body == old
    wait_kept(daemon)
    put_html(origin, f"{algorithm}={digest(algorithm, new)}")
    origin.put(PATH, new)
    now = {algorithm: digest(algorithm, new)}
    wait_until(lambda: shown(daemon) == now, what="the corrected claim")
    assert wait_right(daemon, new).body == new
    wait_kept(daemon)
    daemon.stop()
    again = wire.ask(file_url(serve(config, cache_dir=daemon.cache_dir)))
    assert (again["X-Cache"], again.body) == ("hit", new)


@pytest.mark.parametrize("restart", [False, True], ids=["at-once", "after-a-restart"])
@pytest.mark.parametrize("kept", ["right", "wrong"])
def test_what_was_kept_without_a_claim_is_compared_when_one_comes(
    origin, serve, body, kept, restart
):
    put_html(origin, "")
    origin.put(PATH, body if kept == "right" else wrong(body))
    config = one_mirror(origin)
    daemon = serve(config)
    assert shown(daemon) == {}
    assert get(daemon).status == 200
    wait_kept(daemon)
    put_html(origin, f"sha512={digest('sha512', body)}")
    origin.put(PATH, body)
    if restart:
        daemon.stop()
        daemon = serve(config, cache_dir=daemon.cache_dir)
    wait_until(lambda: shown(daemon), what="the claim")
    reply = wait_right(daemon, body)
    assert reply["X-Cache"] == ("hit" if kept == "right" else "miss")
    assert len(origin.asked(PATH, "GET")) == (1 if kept == "right" else 2)


# ------------------------------------------------------------------ site and mirrors


def site_and(mirror, site, **top):
    """The mirror comes first: it would be asked first."""
    mirrors = [pypi_mirror("mirror", mirror.url), pypi_mirror("site", site.url)]
    text = "".join(f'{key} = "{value}"\n' for key, value in top.items())
    return text + origin_tables("pypi", mirrors, canonical=f"{site.url}/")


def test_a_stale_mirror_cannot_vouch_for_its_own_bytes(origin, second_origin, serve, body):
    site, stale = origin, second_origin
    put_html(site, f"sha256={digest('sha256', body)}")
    put_html(stale, f"sha256={digest('sha256', wrong(body))}")
    site.put(PATH, body)
    stale.put(PATH, wrong(body))
    daemon = serve(site_and(stale, site, page_refresh="1s"))
    assert shown(daemon) == {"sha256": digest("sha256", body)}
    assert wait_right(daemon, body).body == body
    detail = wait_dispute(daemon)
    assert f"site: sha256={digest('sha256', body)} said 20" in detail
    assert f"mirror: sha256={digest('sha256', wrong(body))} said 20" in detail
    put_html(stale, f"sha256={digest('sha256', body)}")  # it has caught up
    wait_no_dispute(daemon)


def test_mirrors_that_disagree_while_the_site_is_silent(origin, second_origin, serve, body):
    """No digest is shown, either's bytes are taken, and bytes that nobody names are not."""
    put_html(origin, f"sha256={digest('sha256', body)}")
    put_html(second_origin, f"sha256={'0' * 64}")
    origin.put(PATH, wrong(body))
    second_origin.put(PATH, wrong(body))
    mirrors = [pypi_mirror("a", origin.url), pypi_mirror("b", second_origin.url)]
    daemon = serve(configuration(pypi=mirrors, page_refresh="1s"))
    assert shown(daemon) == {}
    detail = wait_dispute(daemon)
    assert f"a: sha256={digest('sha256', body)}" in detail and f"b: sha256={'0' * 64}" in detail
    wait_refused(daemon)
    daemon.stop()
    for mirror in (origin, second_origin):
        mirror.put(PATH, body)
    daemon = serve(configuration(pypi=mirrors, page_refresh="1s"))
    assert shown(daemon) == {}
    reply = wait_right(daemon, body)
    assert "immutable" not in reply["Cache-Control"]
    wait_kept(daemon)
    put_html(second_origin, f"sha256={digest('sha256', body)}")
    right = {"sha256": digest("sha256", body)}
    wait_until(lambda: shown(daemon) == right, what="they agree")
    wait_no_dispute(daemon)
    reply = wire.ask(file_url(daemon))
    assert reply["X-Cache"] == "hit" and "immutable" in reply["Cache-Control"]


def test_bytes_of_either_digest_of_one_link_are_taken(origin, serve, body):
    put_html(origin, f"sha256={'0' * 64}", f"sha256={digest('sha256', body)}")
    origin.put(PATH, body)
    daemon = serve(one_mirror(origin))
    assert shown(daemon) == {}
    assert is_whole(get(daemon))
    wait_kept(daemon)


# ------------------------------------------------------------------ metadata

METADATA = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"


@pytest.mark.parametrize("spoilt", [False, True], ids=["right", "spoilt"])
def test_metadata_under_another_algorithm(origin, serve, body, spoilt):
    digest_of_it = digest("sha512", METADATA)
    put_html(origin, "", more=f' data-core-metadata="sha512={digest_of_it}"')
    origin.put(PATH, body)
    origin.put(f"{PATH}.metadata", METADATA + b"Summary: x\n" if spoilt else METADATA)
    daemon = serve(one_mirror(origin))
    page = daemon.page("demo", index="").json()
    assert page["files"][0]["core-metadata"] == {"sha512": digest_of_it}
    replies = wire.ask_until_whole(file_url(daemon) + ".metadata")
    assert replies[0].body == METADATA or not is_whole(replies[0])
    assert replies[-1].body == METADATA  # at last made of the wheel, where it says the same
    assert spoilt or "immutable" in replies[0]["Cache-Control"]


# ------------------------------------------------------------------ nothing can be kept

FAULTS = binary().parent / "tests/preload/libfaults.so"


@pytest.mark.skipif(not FAULTS.exists(), reason=f"{FAULTS} is built with the daemon")
@pytest.mark.parametrize("spoilt", [False, True], ids=["right", "spoilt"])
def test_what_passes_by_is_checked_by_other_algorithms(origin, serve, tmp_path, body, spoilt):
    put_html(origin, f"sha512={digest('sha512', body)}")
    origin.put(PATH, wrong(body) if spoilt else body)
    cache = tmp_path / "full"
    (cache / "partials").mkdir(parents=True)
    settings = {"DIR": cache.resolve(), "ONLY": "/partials/", "STEP": 1, "MODE": "enospc-on"}
    settings = [f"WHEELYARD_FAULT_{key}={value}" for key, value in settings.items()]
    wrap = ("env", f"LD_PRELOAD={FAULTS}", *settings)
    daemon = serve(one_mirror(origin, min_free=0), cache_dir=cache, wrap=wrap)
    shown(daemon)
    replies = wire.ask_until_whole(file_url(daemon))
    if spoilt:
        assert not any(is_whole(reply) for reply in replies)
        daemon.wait_log("wrong digest")
    else:
        assert (replies[-1]["X-Cache"], replies[-1].body) == ("pass", body)

# ------------------------------------------------------------------ shown


def claims_of(daemon):
    return daemon.get(f"/-/claims/pypi/packages/{NAME}").json()


def test_claims_are_shown(origin, second_origin, serve, body):
    """Who says what, since when, and what of it is believed: the site against a stale mirror."""
    site, stale = origin, second_origin
    put_html(site, f"sha256={digest('sha256', body)}")
    put_html(stale, f"sha256={'0' * 64}&sha512={digest('sha512', body)}")
    daemon = serve(site_and(stale, site, page_refresh="1s"))
    wait_until(lambda: shown(daemon) and len(claims_of(daemon)["claims"]) == 3, what="the claims")
    answer = claims_of(daemon)
    assert answer["believed"] == f"sha256={digest('sha256', body)}"
    assert answer["rank"] == "site" and answer["disputed"] is False
    rows = {(c["mirror"], c["algorithm"]): c for c in answer["claims"]}
    right, wrong_one = rows["site", "sha256"], rows["mirror", "sha256"]
    assert right["value"] == digest("sha256", body) and wrong_one["value"] == "0" * 64
    assert rows["mirror", "sha512"]["value"] == digest("sha512", body)
    assert right["counts"] and right["site"] and not wrong_one["counts"] and not wrong_one["site"]
    assert right["conflict"] and wrong_one["conflict"]
    assert all(c["state"] == "current" and c["said"].startswith("20") for c in answer["claims"])
    put_html(stale, "")  # it does not say so any more
    wait_until(
        lambda: shown(daemon) and "remembered" in {c["state"] for c in claims_of(daemon)["claims"]},
        what="the claim is remembered",
    )
    rows = {(c["mirror"], c["algorithm"]): c for c in claims_of(daemon)["claims"]}
    assert rows["mirror", "sha256"]["state"] == "remembered"
    assert not rows["site", "sha256"]["conflict"]


def test_claims_of_what_nobody_knows_are_none(origin, serve):
    daemon = serve(one_mirror(origin))
    answer = claims_of(daemon)
    assert answer["claims"] == [] and answer["rank"] == "none" and "believed" not in answer
    reply = daemon.get("/-/claims/nowhere/x.whl")
    assert reply.status == 404 and "no such origin" in reply.text


def test_status_says_what_a_download_is_compared_with(origin, serve, body):
    gate = Gate(100_000)
    put_html(origin, f"sha512={digest('sha512', body)}")
    origin.put(PATH, body, gate=gate)
    daemon = serve(one_mirror(origin))
    shown(daemon)
    download = wire.Download(file_url(daemon))
    download.wait_answer()
    [flight] = daemon.wait_status(lambda s: s["flights"], what="a flight")["flights"]
    [claim] = flight["claims"]
    assert claim["mirror"] == "m" and claim["value"] == digest("sha512", body)
    gate.open()
    assert download.wait_end().whole


def test_info_and_explain_show_claims(origin, serve, body, tmp_path):
    place = Path(tempfile.mkdtemp(prefix="wy"))
    put_html(origin, f"sha256={digest('sha256', body)}")
    origin.put(PATH, body)
    daemon = serve(one_mirror(origin, socket=str(place / "s")))
    shown(daemon)
    assert get(daemon).body == body
    wait_kept(daemon)
    result = run_wheelyard("cache", "info", NAME, "--socket", str(place / "s"), home=tmp_path)
    said = f"m: sha256={digest('sha256', body)} said 20"
    assert f"claims    {said}" in result.stdout and "(current, believed)" in result.stdout
    explain = ("explain", "demo", "--python", "3.13", "--url", daemon.url)
    result = run_wheelyard(*explain, home=tmp_path)
    assert f"claim    {said}" in result.stdout, result.stdout + result.stderr
    result = run_wheelyard(*explain, "--json", home=tmp_path)
    [claim] = json.loads(result.stdout)["file"]["claims"]
    assert claim["mirror"] == "m" and claim["state"] == "current" and claim["counts"]
    shutil.rmtree(place)


def test_a_refusal_names_who_sent_and_who_claims(origin, second_origin, serve, body):
    site, mirror = origin, second_origin
    put_html(site, f"sha256={digest('sha256', body)}")
    put_html(mirror, "")
    mirror.put(PATH, wrong(body))
    daemon = serve(site_and(mirror, site))
    assert shown(daemon)
    text = wait_refused(daemon)
    assert f"mirror sent sha256={digest('sha256', wrong(body))}" in text
    assert f"claimed is site: sha256={digest('sha256', body)} said 20" in text
    [problem] = problems(daemon.status(), "wrong-digest")
    assert problem["detail"].count("mirror") == 1, problem["detail"]
