from __future__ import annotations

import errno
import gzip
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rnn_tui.config import DataConfig
from rnn_tui.data import source
from rnn_tui.data.source import FileSource
from rnn_tui.data.text import DataError, read_corpus

GOOD = "a perfectly good text\n" * 40


def refusal(path: str, field: str = "path") -> str:
    main = {"path": "builtin:sentences"} if field != "path" else {}
    config = DataConfig.model_validate(main | {field: path})
    with pytest.raises(DataError) as caught:
        read_corpus(config)
    message = str(caught.value)
    assert "\n" not in message
    assert message.count("; ") == 2
    return message


def folder(path: Path) -> None:
    path.mkdir()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def holding(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**30 + 1)


PACKED = gzip.compress(random.Random(1).randbytes(3000).hex().encode())


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("folder", folder, "this is a folder, not a text"),
        ("fifo", fifo, "this is a pipe or a device, not a file"),
        ("missing.txt", lambda path: None, "no such file"),
        ("empty.txt", holding(b""), "the file is empty"),
        ("mark.txt", holding(b"\xef\xbb\xbf"), "the text is empty"),
        ("empty.gz", holding(gzip.compress(b"")), "the text is empty"),
        ("one.txt", holding(b"x"), "the text is one character long"),
        ("one.txt", holding("日".encode()), "the text is one character long"),
        ("one.txt", holding(b"\r\n"), "the text is one character long"),
        ("huge.txt", sparse, "the text is larger than 1 GB"),
        ("image.bin", holding(random.Random(1).randbytes(100_000)), "this is binary data, not UTF-8 text"),
        ("zeros.bin", holding(bytes(1000)), "this is binary data"),
        ("wide.txt", holding(GOOD.encode("utf-16")), "the text is UTF-16, not UTF-8"),
        ("wide.txt", holding(b"\xfe\xff" + GOOD.encode("utf-16-be")), "the text is UTF-16, not UTF-8"),
        ("wide.txt", holding(GOOD.encode("utf-32")), "the text is UTF-32, not UTF-8"),
        ("wide.txt", holding(b"\x00\x00\xfe\xff" + GOOD.encode("utf-32-be")), "the text is UTF-32, not UTF-8"),
        ("wide.gz", holding(gzip.compress(GOOD.encode("utf-16"))), "the text is UTF-16, not UTF-8"),
        ("unmarked.txt", holding(GOOD.encode("utf-16-le")), "this is binary data"),
        ("short.gz", holding(PACKED[:-20]), "the gzip file is damaged or cut short"),
        ("short.gz", holding(PACKED[:5]), "the gzip file is damaged or cut short"),
        ("flipped.gz", holding(PACKED[:900] + bytes(50) + PACKED[950:]), "the gzip file is damaged"),
        ("sum.gz", holding(PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:]), "the gzip file is damaged"),
        ("junk.gz", holding(PACKED + b"junk"), "the gzip file is damaged"),
        ("plain.gz", holding(GOOD.encode()), "the file is named .gz but is not gzip"),
    ],
)
@pytest.mark.parametrize("field", ["path", "validation_path"])
def test_what_can_not_be_read_is_one_clear_sentence(
    tmp_path: Path, cache: Path, name: str, make: Callable[[Path], object], says: str, field: str
) -> None:
    make(tmp_path / name)
    message = refusal(str(tmp_path / name), field)
    assert message.startswith(says)
    assert f"data.{field} {tmp_path / name}" in message
    # Of the built-in main text there may be a copy; of what was refused nothing, and nothing half-written.
    assert len(list(cache.glob("*"))) + len(list(cache.glob(".*"))) == (2 if cache.exists() and field != "path" else 0)


def test_wide_text_tells_how_to_convert(tmp_path: Path) -> None:
    (tmp_path / "wide.txt").write_bytes(GOOD.encode("utf-16"))
    assert "iconv -f UTF-16 -t UTF-8" in refusal(str(tmp_path / "wide.txt"))


def test_a_device_is_refused_without_reading() -> None:
    assert refusal("/dev/zero").startswith("this is a pipe or a device")


def test_a_folder_in_the_place_of_a_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(GOOD)
    assert refusal(str(tmp_path / "file" / "below")).startswith("no such file")


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.txt"
    path.write_text(GOOD)

    def forbidden(*args: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    # Root reads everything, so the system's answer is given here.
    monkeypatch.setattr(os, "open", forbidden)
    assert refusal(str(path)).startswith("the file can't be read (permission denied); data.path")


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "loop", "\x1b[31mred"])
def test_paths_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    message = refusal(path)
    assert "\x1b" not in message and "\0" not in message
    assert len(message) < 500


@pytest.mark.parametrize("path", ["", "  "])
def test_no_path_at_all(path: str) -> None:
    assert refusal(path).startswith("no text is named; data.path")


def test_an_unknown_built_in_text_names_the_nearest() -> None:
    told = "no such built-in text; builtin:python-doc; the nearest is builtin:python-docs"
    assert refusal("builtin:python-doc") == told
    assert "builtin:sentences" in refusal("builtin:\x1b")


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "text.txt").write_text(GOOD)
    assert read_corpus(DataConfig(path="~/text.txt")).source == str(tmp_path / "text.txt")


def test_a_link_to_a_text_is_followed(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(GOOD)
    (tmp_path / "link.txt").symlink_to(tmp_path / "text.txt")
    assert read_corpus(DataConfig(path=str(tmp_path / "link.txt"))).view.characters == len(GOOD)


def test_a_gzip_bomb_is_read_no_further_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "LIMIT", 100_000)
    monkeypatch.setattr(source, "CHUNK", 1000)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"a" * 50_000_000))
    file = FileSource(str(path), "data.path")
    read = 0
    with pytest.raises(DataError, match="larger than 1 GB"):
        for piece, _ in file.chunks(1000):
            read += len(piece)
    file.close()
    assert read == 100_000
    assert refusal(str(path)).startswith("the text is larger than 1 GB")


def test_a_text_as_long_as_the_limit_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "LIMIT", len(GOOD))
    for name, data in (("t.txt", GOOD.encode()), ("t.gz", gzip.compress(GOOD.encode()))):
        (tmp_path / name).write_bytes(data)
        assert read_corpus(DataConfig(path=str(tmp_path / name))).view.characters == len(GOOD)


@pytest.mark.parametrize("moment", [0, 3, 4, 7])
def test_a_file_that_changes_while_it_is_read(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    monkeypatch.setattr(source, "CHUNK", len(GOOD) // 4)
    path = tmp_path / "log.txt"
    path.write_text(GOOD)
    told = iter(range(10_000))

    def progress(share: float, doing: str) -> None:
        if next(told) == moment:
            with path.open("a") as file:
                file.write("one more line\n")

    with pytest.raises(DataError, match=r"^the file changed while it was read; data\.path .*log\.txt; try again"):
        read_corpus(DataConfig(path=str(path)), progress)
    assert not cache.exists() or not list(cache.iterdir())


def test_files_are_closed_after_a_refusal(tmp_path: Path) -> None:
    def held() -> Iterator[str]:
        for name in os.listdir("/proc/self/fd"):
            try:
                yield os.readlink(f"/proc/self/fd/{name}")
            except OSError:
                continue

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc")
    for name, data in (("a.bin", bytes(1000)), ("b.txt", b"\xff\xfea\0"), ("c.gz", PACKED[:-20])):
        (tmp_path / name).write_bytes(data)
        refusal(str(tmp_path / name))
    assert not [path for path in held() if str(tmp_path) in path]
