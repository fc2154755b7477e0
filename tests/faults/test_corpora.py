"""Data of strangers: each file is read or refused in one sentence, in little time and memory, by every task."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from rnn_tui.config import Config, put
from rnn_tui.data import lines, source
from rnn_tui.data.guessing import guess
from rnn_tui.data.source import DataError
from rnn_tui.tasks import task_of
from tests.command import REPOSITORY, TINY, Command, command  # noqa: F401

READ = ("language", "tagging", "classification", "composing", "translation", "forecasting")


def whole(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**30)


def secret(path: Path) -> None:
    path.write_text("a,b\n" * 100)
    path.chmod(0)


def bomb(unit: bytes, megabytes: int) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        with gzip.open(path, "wb", compresslevel=9) as file:
            for _ in range(megabytes):
                file.write(unit * (2**20 // len(unit)))

    return make


NOISE = random.Random(1).randbytes(1_000_000)
HOSTILE: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": os.mkdir,
    "a circle of links": lambda path: path.symlink_to(path.name),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "nothing there": lambda path: None,
    "empty": whole(b""),
    "line ends": whole(b"\n" * 1000),
    "one sign": whole(b"a"),
    "noise": whole(NOISE),
    "zeros of 1 GB": sparse,
    "UTF-16": whole("a text\tB\n".encode("utf-16") * 50),
    "UTF-16 without its mark": whole("a text\tB\n".encode("utf-16-le") * 50),
    "NUL": whole(b"a\tb\0\n" * 50),
    "a cut gzip": whole(gzip.compress(NOISE)[:5000]),
    "a bomb of letters": bomb(b"a", 16),
    "a bomb of lines": bomb(b"a\tb\n", 16),
    "a quotation mark that is never closed": whole(b'a,b\n"' + b"x,1\n" * 20_000),
    "a field of 2 MB": whole(b'a,b\n"' + b"x" * 2_000_000 + b'",1\n'),
    "a million columns": whole(b"\n".join([b",".join([b"1"] * 1_000_000)] * 2)),
    "a line of spaces": whole(b"a\tb\n" * 9 + b"a" + b" " * 200_000 + b"b\n"),
    "dates without an end": whole(b'd,v\n"1-1 1' + b" " * 100_000 + b'\nx",1\n' + b'"2-2",2\n'),
    "a number of 400 digits": whole(b"v\n1\n" + b"9" * 401 + b"\n2\n"),
    "numbers that are none": whole(b"v\n" + b"inf\nnan\n-inf\n1e999\n" * 20),
    "a hundred thousand labels": whole("".join(f"text {k},l{k // 2}\n" for k in range(8000)).encode()),
    "a mark that drives": whole(b"\x1b]0;PWN\x07\t\x1b[2J\n" * 3 + b"x\n"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_every_task_reads_or_refuses_it_at_once(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "INFLATED", 2**22)
    path = tmp_path / "data.txt"
    HOSTILE[case](path)
    before = psutil.Process().memory_info().rss
    start = time.process_time()
    for task in (*READ, "guess"):
        config = put(put(Config(), "data.task", task), "data.path", str(path)) if task in READ else Config()
        try:
            if task == "guess":
                guess(str(path))
            else:
                task_of(task).check(task_of(task).read(config.data, seed=1), config)
        except DataError as error:
            text = str(error)
            assert "\n" not in text and "\x1b" not in text and "\x07" not in text and len(text) < 700
    assert time.process_time() - start < 30
    assert psutil.Process().memory_info().rss - before < 500 << 20


@pytest.mark.parametrize("case", ["a pipe", "a folder", "a circle of links", "UTF-16"])
def test_the_command_tells_one_sentence(command: Command, case: str) -> None:  # noqa: F811
    path = command.folder / "data.txt"
    HOSTILE[case](path)
    for task in ("language", "tagging"):
        found = command("train", "--new", "it", "--data", path, "--set", f"data.task={task}", *TINY, "--steps", "1")
        assert found.code == 2 and str(path) in found.error


def test_a_bomb_is_left_long_before_its_end(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    bomb(b"a\tb\n", 80)(path)
    assert path.stat().st_size < 1_000_000
    for task in ("language", "tagging"):
        start = time.process_time()
        with pytest.raises(DataError, match="300 times as long"):
            task_of(task).read(put(put(Config(), "data.task", task), "data.path", str(path)).data, seed=1)
        assert time.process_time() - start < 10


def test_memory_is_asked_for_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lines.tsv"
    path.write_bytes(b"a\tb\n" * 500_000)
    free = psutil.virtual_memory()._replace(available=100 << 20)
    monkeypatch.setattr(lines.psutil, "virtual_memory", lambda: free)
    config = put(put(Config(), "data.task", "tagging"), "data.path", str(path))
    with pytest.raises(DataError, match=r"takes up to [\d,]+ MB of memory, 100 MB are free; .*take a part of it"):
        task_of("tagging").read(config.data, seed=1)


def test_a_hundred_thousand_kinds_of_symbols_are_estimated_before_they_are_trained(command: Command) -> None:  # noqa: F811
    kinds = "".join(chr(k) for k in range(0x100, 0x1A000) if not 0xD800 <= k < 0xE000)
    path = command.text("kinds.txt", kinds * 3)
    found = command("train", "--new", "it", "--data", path, "--set", "model.hidden_size=8192", "--steps", "1")
    assert found.code in (1, 2) and "GB" in found.error and not list(command.sessions.glob("*.safetensors"))


LONG = """
import resource, sys
from rnn_tui.config import DataConfig
from rnn_tui.data.text import read_corpus
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
before, told = peak(), []
corpus = read_corpus(DataConfig(path=sys.argv[1]), lambda share, doing: told.append(share))
print(peak() - before, len(told), corpus.view.characters, len(corpus.view.preview))
"""


def test_one_line_of_many_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "line.txt"
    path.write_bytes(b"a line without an end " * 1_000_000)
    call = [sys.executable, "-c", LONG, str(path)]
    done = subprocess.run(call, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    grown, told, characters, preview = map(int, done.stdout.split())
    assert characters == 22_000_000 and grown < 200 << 20 and told > 100 and preview < 1000
    assert guess(str(path)).task == "language"


def test_what_vanishes_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("abcd" * 300_000)

    def vanish(share: float, doing: str) -> None:
        path.unlink(missing_ok=True)

    found = task_of("language").read(put(Config(), "data.path", str(path)).data, seed=1, progress=vanish)
    assert found.view.characters == 1_200_000
