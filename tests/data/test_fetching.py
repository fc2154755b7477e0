from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from filelock import FileLock

from rnn_tui.data import catalog, download, fetching
from rnn_tui.data.catalog import KnownSet, downloads_folder
from rnn_tui.data.fetching import (
    FetchCancelled,
    FetchError,
    Transfer,
    clear_downloads,
    downloaded_size,
    fetch,
    verified,
)
from rnn_tui.data.network_faults import network_fault
from tests.data.server import Exchange, serving

WHOLE = bytes(range(256)) * 1200
OTHER = WHOLE[::-1]


def known(url: str, data: bytes = WHOLE, file: str = "toy.txt") -> KnownSet:
    return KnownSet(
        "toy", "language", "bytes", "none needed", f"{url}/toy", file, len(data), hashlib.sha256(data).hexdigest()
    )


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def folder(cache: Path) -> Path:
    return cache.parent / "data"


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Iterator[KnownSet]:
    toy = known("http://127.0.0.1:9")
    monkeypatch.setattr(catalog, "SETS", (toy,))
    monkeypatch.setattr(fetching, "SETS", (toy,))
    yield toy


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def begin(folder: Path, toy: KnownSet, done: bytes, state: str = '"one"') -> None:
    """What an earlier call left that was cut off."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "toy.txt.part").write_bytes(done)
    (folder / "toy.txt.part.json").write_text(json.dumps({"url": toy.url, "state": state}))


def test_a_file_is_fetched_whole_and_checked(folder: Path) -> None:
    seen: list[Transfer] = []
    with serving(lambda x: x.part(WHOLE)) as server:
        toy = known(server.url)
        found = fetch(toy, seen.append)
        assert found.path == folder / "toy.txt" == toy.path
        assert found.path.read_bytes() == WHOLE
        assert (found.size, found.sha256, found.there, found.resumed) == (toy.size, toy.sha256, False, 0)
        assert toy.fetched and verified(toy)
        assert left(folder) == ["toy.txt"]
        assert server.requests[0][0] == "/toy"
        assert server.requests[0][1]["Accept-Encoding"] == "identity"
        again = fetch(toy)
        assert again.there and again.path == found.path
        assert len(server.requests) == 1
    done = [transfer.done for transfer in seen]
    assert done == sorted(done) and done[0] == 0 and done[-1] == seen[-1].total == len(WHOLE)
    assert seen[-1].rate > 0 and seen[-1].seconds_left == 0


def test_the_time_left() -> None:
    assert Transfer(done=100, total=400, rate=30.0).seconds_left == 10.0
    assert Transfer(done=0, total=400, rate=0.0).seconds_left == float("inf")


def test_a_cut_connection_is_gone_on_with_at_once(folder: Path) -> None:
    def answer(x: Exchange) -> None:
        x.part(WHOLE, until=x.first + 100_000)

    with serving(answer) as server:
        found = fetch(known(server.url))
        assert found.path.read_bytes() == WHOLE
        assert server.ranges() == ["", "bytes=100000-", "bytes=200000-", "bytes=300000-"]
        assert server.requests[1][1]["If-Range"] == '"one"'


def test_a_later_call_goes_on_from_there(folder: Path) -> None:
    with serving(lambda x: x.part(WHOLE)) as server:
        toy = known(server.url)
        begin(folder, toy, WHOLE[:1234])
        seen: list[Transfer] = []
        found = fetch(toy, seen.append)
        assert found.path.read_bytes() == WHOLE
        assert found.resumed == 1234
        assert server.ranges() == ["bytes=1234-"]
        assert seen[0].done == 1234
    assert left(folder) == ["toy.txt"]


def test_what_has_come_is_kept_and_told(folder: Path, listed: KnownSet) -> None:
    def answer(x: Exchange) -> None:
        if x.first:
            x.say(206, b"", {"Content-Length": "306200", "Content-Range": "bytes 1000-307199/307200"})
        else:
            x.part(WHOLE, until=1000)

    with serving(answer) as server:
        toy = known(server.url)
        with pytest.raises(FetchError, match=r"cut the connection; .*/toy; .* \(1,000 of 307,200 bytes are kept"):
            fetch(toy)
        assert server.ranges() == ["", "bytes=1000-"]
    assert (folder / "toy.txt.part").read_bytes() == WHOLE[:1000]
    assert json.loads((folder / "toy.txt.part.json").read_text()) == {"url": toy.url, "state": '"one"'}
    assert not toy.fetched
    assert downloaded_size() == 1000 + (folder / "toy.txt.part.json").stat().st_size


def test_it_does_not_connect_for_ever(folder: Path) -> None:
    with serving(lambda x: x.part(WHOLE, until=x.first + 10)) as server:
        with pytest.raises(FetchError, match=r"again and again; .* \(50 of 307,200"):
            fetch(known(server.url))
        assert len(server.requests) == download.CONNECTIONS


def test_a_server_without_ranges_starts_over(folder: Path) -> None:
    with serving(lambda x: x.say(200, WHOLE)) as server:
        toy = known(server.url)
        begin(folder, toy, OTHER[:5000])
        found = fetch(toy)
        assert found.path.read_bytes() == WHOLE
        assert found.resumed == 0
        assert server.ranges() == ["bytes=5000-"]


def test_a_file_that_changed_is_not_mixed_with_the_old(folder: Path) -> None:
    with serving(lambda x: x.part(WHOLE, etag='"two"')) as server:
        toy = known(server.url)
        begin(folder, toy, OTHER[:5000])
        assert fetch(toy).path.read_bytes() == WHOLE
        assert server.requests[0][1]["If-Range"] == '"one"'


@pytest.mark.parametrize("state", ["", '"one"'])
def test_a_beginning_of_other_bytes_is_thrown_away(folder: Path, state: str) -> None:
    """Where the server knows nothing of states, or keeps one for two files."""
    with serving(lambda x: x.part(WHOLE)) as server:
        toy = known(server.url)
        begin(folder, toy, OTHER[:5000], state)
        found = fetch(toy)
        assert found.path.read_bytes() == WHOLE and found.resumed == 0
        assert server.ranges() == ["bytes=5000-", ""]


@pytest.mark.parametrize(
    "note", ["", "{", "[]", '{"url": 1, "state": ""}', '{"url": "http://elsewhere/toy", "state": ""}']
)
def test_a_beginning_from_elsewhere_or_nowhere_is_not_used(folder: Path, note: str) -> None:
    with serving(lambda x: x.part(WHOLE)) as server:
        toy = known(server.url)
        begin(folder, toy, OTHER[:5000])
        (folder / "toy.txt.part.json").write_text(note)
        assert fetch(toy).path.read_bytes() == WHOLE
        assert server.ranges() == [""]


def test_a_part_that_is_whole_needs_no_network(folder: Path) -> None:
    toy = known("http://127.0.0.1:9")
    begin(folder, toy, WHOLE)
    assert fetch(toy).path.read_bytes() == WHOLE
    assert left(folder) == ["toy.txt"]


def test_a_range_that_can_not_be_is_answered_by_starting_over(folder: Path) -> None:
    with serving(lambda x: x.say(416) if x.first else x.part(WHOLE)) as server:
        toy = known(server.url)
        begin(folder, toy, WHOLE[:5000])
        assert fetch(toy).path.read_bytes() == WHOLE
        assert server.ranges() == ["bytes=5000-", ""]


def test_another_range_than_was_asked_for_is_refused(folder: Path) -> None:
    def answer(x: Exchange) -> None:
        if x.first:
            x.say(206, WHOLE[10:], {"Content-Range": f"bytes 10-{len(WHOLE) - 1}/{len(WHOLE)}"})
        else:
            x.part(WHOLE)

    with serving(answer) as server:
        toy = known(server.url)
        begin(folder, toy, WHOLE[:5000])
        assert fetch(toy).path.read_bytes() == WHOLE


def test_wrong_bytes_are_kept_nowhere(folder: Path) -> None:
    with serving(lambda x: x.part(OTHER)) as server:
        toy = known(server.url)
        with pytest.raises(FetchError, match=r"not those of toy: their SHA-256 is another.*nothing.*kept; .*/toy; "):
            fetch(toy)
        assert len(server.requests) == 1
    assert left(folder) == []


@pytest.mark.parametrize(
    ("body", "said"), [(WHOLE[:-1], "307,199 bytes"), (WHOLE + b"!", "307,201 bytes")], ids=["less", "more"]
)
def test_another_size_is_refused_before_it_is_read(folder: Path, body: bytes, said: str) -> None:
    seen: list[Transfer] = []
    with serving(lambda x: x.part(body)) as server, pytest.raises(FetchError, match=said):
        fetch(known(server.url), seen.append)
    assert left(folder) == [] and seen == []


def test_more_bytes_than_there_should_be(folder: Path) -> None:
    def answer(x: Exchange) -> None:
        x.send_response(200)
        x.send_header("Connection", "close")
        x.end_headers()
        x.wfile.write(WHOLE * 2)

    with serving(answer) as server, pytest.raises(FetchError, match="more bytes come than the 307,200 of toy"):
        fetch(known(server.url))
    assert left(folder) == []


def test_chunks_of_unknown_length(folder: Path) -> None:
    def answer(x: Exchange) -> None:
        x.send_response(200)
        x.send_header("Transfer-Encoding", "chunked")
        x.end_headers()
        for start in range(0, len(WHOLE), 50_000):
            piece = WHOLE[start : start + 50_000]
            x.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if len(x.server.requests) > 1:
            x.wfile.write(b"0\r\n\r\n")

    with serving(answer) as server:
        assert fetch(known(server.url)).path.read_bytes() == WHOLE


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", gzip.compress(WHOLE)), ("x-gzip", gzip.compress(WHOLE)), ("deflate", zlib.compress(WHOLE))],
    ids=["gzip", "x-gzip", "deflate"],
)
def test_a_body_packed_without_being_asked(folder: Path, encoding: str, packed: bytes) -> None:
    with serving(lambda x: x.say(200, packed, {"Content-Encoding": encoding})) as server:
        assert fetch(known(server.url)).path.read_bytes() == WHOLE


def test_a_gzip_file_that_is_called_packed_stays_as_it_is(folder: Path) -> None:
    packed = gzip.compress(WHOLE)
    with serving(lambda x: x.say(200, packed, {"Content-Encoding": "gzip"})) as server:
        assert fetch(known(server.url, packed, "toy.txt.gz")).path.read_bytes() == packed


def test_a_packed_body_that_is_cut_leaves_nothing(folder: Path) -> None:
    packed = gzip.compress(WHOLE)

    def answer(x: Exchange) -> None:
        x.say(200, packed[:-500], {"Content-Encoding": "gzip", "Content-Length": str(len(packed))})

    with serving(answer) as server, pytest.raises(FetchError, match="cut the connection"):
        fetch(known(server.url))
    assert left(folder) == []
    for encoding, body, said in (("gzip", WHOLE, "is damaged"), ("br", WHOLE, "packed in a way.*br")):
        with (
            serving(lambda x, e=encoding, b=body: x.say(200, b, {"Content-Encoding": e})) as server,  # type: ignore[misc]
            pytest.raises(FetchError, match=said),
        ):
            fetch(known(server.url))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, "has no such file"), (410, "has no such file"), (403, "does not let anybody"), (429, "too often"),
        (407, "the proxy wants"), (500, "a fault of its own"), (503, "a fault of its own"), (418, "refuses"),
        (204, "without the file"), (304, "can't be had"),
    ],
)  # fmt: skip
def test_refusals(folder: Path, status: int, said: str) -> None:
    with serving(lambda x: x.say(status)) as server:
        toy = known(server.url)
        with pytest.raises(FetchError, match=rf"{said}.*HTTP {status}.*; {server.url}/toy; ") as caught:
            fetch(toy)
        assert "\n" not in str(caught.value) and str(caught.value).count(";") == 2
        assert len(server.requests) == 1
    assert left(folder) == []


def test_redirects_are_followed_with_the_range(folder: Path) -> None:
    def answer(x: Exchange) -> None:
        if x.path == "/toy":
            x.say(302, b"", {"Location": "/there"})
        else:
            x.part(WHOLE)

    with serving(answer) as server:
        toy = known(server.url)
        begin(folder, toy, WHOLE[:777])
        found = fetch(toy)
        assert found.path.read_bytes() == WHOLE and found.resumed == 777
        assert [path for path, _ in server.requests] == ["/toy", "/there"]
        assert server.ranges() == ["bytes=777-"] * 2


def test_a_circle_of_redirects(folder: Path) -> None:
    with serving(lambda x: x.say(301, b"", {"Location": "/toy"})) as server:
        with pytest.raises(FetchError, match="in a circle"):
            fetch(known(server.url))
        assert len(server.requests) <= 10


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/toy", "data:,x"])
def test_a_redirect_away_from_http(folder: Path, place: str) -> None:
    with serving(lambda x: x.say(302, b"", {"Location": place})) as server, pytest.raises(FetchError, match="http"):
        fetch(known(server.url))
    assert left(folder) == []


def test_a_silent_server(folder: Path) -> None:
    def answer(x: Exchange) -> None:
        if not x.first:
            x.part(WHOLE, until=1000)
        else:
            x.say(206, b"", {"Content-Length": "306200", "Content-Range": "bytes 1000-307199/307200"})
        x.server.released.wait()

    with serving(answer) as server:
        toy = known(server.url)
        with pytest.raises(
            FetchError, match=r"is silent: nothing came for 0.2 seconds; .*\(1,000 of 307,200 bytes are"
        ):
            fetch(toy, timeout=0.2)
        assert (folder / "toy.txt.part").read_bytes() == WHOLE[:1000]
    with serving(lambda x: x.server.released.wait() and None) as server, pytest.raises(FetchError, match="is silent"):
        fetch(known(server.url), timeout=0.1)


def test_nobody_there(folder: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(FetchError, match=rf"127.0.0.1:{port} refuses the connection; http://127.0.0.1:{port}/toy; try"):
        fetch(known(f"http://127.0.0.1:{port}"))


def test_what_is_no_http(folder: Path) -> None:
    with (
        serving(lambda x: x.wfile.write(b"220 mail.example ESMTP\r\n") and None) as server,
        pytest.raises(FetchError, match="no HTTP"),
    ):
        fetch(known(server.url))
    with serving(lambda x: None) as server, pytest.raises(FetchError, match="cut the connection"):
        fetch(known(server.url))
    with serving(lambda x: x.say(200, WHOLE)) as server, pytest.raises(FetchError, match="no safe connection"):
        fetch(known(server.url.replace("http", "https")))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (socket.gaierror(-2, "Name or service not known"), "can't be found: there is no network"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "there is no network"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "there is no network"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "cut the connection"),
        (TimeoutError("timed out"), "is silent: nothing came for 9 seconds"),
        (OSError(errno.EACCES, "Permission denied"), r"can't be reached \(permission denied\)"),
        (ssl.SSLError(1, "[SSL: WRONG] wrong"), "no safe connection to example.org"),
        (urllib.error.URLError("unknown url type: ftp"), r"can't be reached \(unknown url type: ftp\)"),
    ],
)
def test_faults_of_the_network(error: OSError, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrapped in (error, urllib.error.URLError(error)):
        sentence = network_fault(wrapped, "https://example.org/toy", 9)
        assert re.search(said, sentence)
        assert "example.org" in sentence
    monkeypatch.setenv("https_proxy", "http://me:secret@proxy.example:3128")
    through = network_fault(error, "https://example.org/toy", 9)
    assert "the proxy proxy.example:3128" in through and "asked for example.org" in through
    assert "secret" not in through
    monkeypatch.setenv("no_proxy", "example.org")
    assert "proxy" not in network_fault(error, "https://example.org/toy", 9)


def test_a_certificate_that_proves_nothing() -> None:
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_message = "self-signed certificate"
    sentence = network_fault(error, "https://a.b/c", 1)
    assert sentence.startswith("a.b can't prove who it is (self-signed certificate): ") and "SSL_CERT_FILE" in sentence


def test_the_proxy_of_the_environment_is_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda x: x.part(WHOLE)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        toy = known("http://nowhere.invalid")
        assert fetch(toy).path.read_bytes() == WHOLE
        assert proxy.requests[0][0] == toy.url


@pytest.mark.parametrize(
    "url", ["file:///etc", "ftp://host", "host/path", "http://", "http://host:port", "http://a b", "http://a\r\nX: y"]
)
def test_what_is_no_url_of_http(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FetchError, match="no URL of http or https"):
        fetch(known(url))
    monkeypatch.setenv(fetching.MIRROR, url)
    with pytest.raises(FetchError, match=fetching.MIRROR):
        fetch(known("http://127.0.0.1:9"))


def test_a_mirror(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda x: x.part(WHOLE)) as server:
        monkeypatch.setenv(fetching.MIRROR, f"{server.url}/all/")
        found = fetch(known("http://127.0.0.1:9"))
        assert found.path.read_bytes() == WHOLE
        assert found.url == f"{server.url}/all/toy.txt"
        assert server.requests[0][0] == "/all/toy.txt"


def test_cancelling_keeps_what_has_come(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Transfer] = []
    with serving(lambda x: x.part(WHOLE)) as server:
        toy = known(server.url)
        with pytest.raises(FetchCancelled):
            fetch(toy, seen.append, lambda: bool(seen) and seen[-1].done > 0)
        kept = (folder / "toy.txt.part").read_bytes()
        assert 0 < len(kept) < len(WHOLE) and WHOLE.startswith(kept)
        assert fetch(toy).resumed == len(kept)


def test_a_full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on the size of a file stands in for it: the write itself fails."""
    code = f"""
import resource, signal, sys
from rnn_tui.data.catalog import KnownSet
from rnn_tui.data.fetching import FetchError, fetch
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
toy = KnownSet("toy", "language", "bytes", "-", sys.argv[1], "toy.txt", {len(WHOLE)}, "0" * 64)
try:
    fetch(toy)
except FetchError as error:
    print(error)
"""
    with serving(lambda x: x.part(WHOLE)) as server:
        done = subprocess.run([sys.executable, "-c", code, server.url], capture_output=True, text=True, check=True)
    assert "the 307,200 bytes of toy can't be kept (file too large)" in done.stdout
    assert "RNN_LAB_CACHE" in done.stdout
    assert (folder / "toy.txt.part").stat().st_size == 100_000


def test_a_folder_that_can_not_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RNN_LAB_CACHE", str(tmp_path / "file"))
    with pytest.raises(FetchError, match=r"can't be kept \(.*RNN_LAB_CACHE"):
        fetch(known("http://127.0.0.1:9"))


def test_a_damaged_file_is_fetched_again(folder: Path) -> None:
    with serving(lambda x: x.part(WHOLE)) as server:
        toy = known(server.url)
        folder.mkdir(parents=True)
        toy.path.write_bytes(OTHER)
        assert toy.fetched and not verified(toy)
        assert not fetch(toy).there
        assert toy.path.read_bytes() == WHOLE


def test_two_at_once_fetch_once(folder: Path) -> None:
    began = threading.Event()

    def answer(x: Exchange) -> None:
        began.set()
        second.wait(10)
        x.part(WHOLE)

    second = threading.Event()
    found = []
    with serving(answer) as server:
        toy = known(server.url)
        threads = [threading.Thread(target=lambda: found.append(fetch(toy))) for _ in range(2)]
        threads[0].start()
        assert began.wait(10)
        threads[1].start()
        second.set()
        for thread in threads:
            thread.join()
        assert len(server.requests) == 1
    assert sorted(one.there for one in found) == [False, True]
    assert toy.path.read_bytes() == WHOLE


def test_whoever_waits_may_leave(folder: Path) -> None:
    toy = known("http://127.0.0.1:9")
    folder.mkdir(parents=True)
    asked = iter([False, False, True])
    with FileLock(folder / "toy.txt.lock"), pytest.raises(FetchCancelled):
        fetch(toy, cancelled=lambda: next(asked))


def test_clearing_takes_what_is_ours(folder: Path, listed: KnownSet) -> None:
    begin(folder, listed, WHOLE[:10])
    listed.path.write_bytes(WHOLE)
    (folder / "notes.txt").write_text("mine")
    size = len(WHOLE) + 10 + (folder / "toy.txt.part.json").stat().st_size
    assert downloaded_size() == size
    with FileLock(folder / "toy.txt.lock"):
        assert clear_downloads() == 0
    assert clear_downloads() == size
    assert left(folder) == ["notes.txt"]
    assert clear_downloads() == downloaded_size() == 0


def test_nothing_to_clear(listed: KnownSet) -> None:
    assert clear_downloads() == downloaded_size() == 0
    assert not downloads_folder().exists()


def test_the_bytes_are_read_in_pieces(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "CHUNK", 1000)
    seen: list[Transfer] = []
    with serving(lambda x: x.part(WHOLE)) as server:
        assert fetch(known(server.url), seen.append).path.read_bytes() == WHOLE
    assert max(b.done - a.done for a, b in pairwise(seen)) <= 1000
