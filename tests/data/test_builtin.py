from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from rnn_tui.config import BUILTIN_TEXTS, DataConfig
from rnn_tui.data import builtin
from rnn_tui.data.builtin import builtin_text
from rnn_tui.data.catalog import catalog
from rnn_tui.data.sentences import sentences
from rnn_tui.data.text import read_corpus


@pytest.mark.parametrize("name", BUILTIN_TEXTS)
def test_each_built_in_text_is_read_as_a_file_is(name: str, cache: Path) -> None:
    text = builtin_text(name)
    for _ in range(2):
        corpus = read_corpus(DataConfig(path=name))
        found = "".join(corpus.decode(part) for part in (corpus.train, corpus.validation, corpus.test))
        assert found == text.data.decode().replace("\r\n", "\n").replace("\r", "\n")
    assert corpus.title == text.title
    assert corpus.source == name
    assert corpus.sha256 == hashlib.sha256(text.data).hexdigest()
    assert len(list(cache.iterdir())) == 2
    uniform, unigram, bigram = (baseline.loss for baseline in corpus.view.baselines)
    assert bigram < unigram < uniform


def test_the_documentation_is_pythons_own() -> None:
    topics = pytest.importorskip("pydoc_data.topics").topics
    text = builtin_text("builtin:python-docs").data.decode()
    places = [text.index(topics[key].strip("\n")) for key in sorted(topics)]
    assert all(place >= 0 for place in places)
    assert text.startswith(topics[min(topics)].strip("\n"))


def test_the_source_is_bounded_and_without_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    import argparse

    text = builtin_text("builtin:python-source")
    if text.notice:
        pytest.skip("this Python has no source")
    assert len(text.data) <= builtin.SOURCE_BYTES
    assert Path(argparse.__file__).read_text().rstrip("\n") in text.data.decode()
    named = [path.parts for path in builtin._library_files(Path(argparse.__file__).parent)]
    assert not [parts for parts in named if {"test", "tests", "site-packages", "__pycache__"} & set(parts)]
    monkeypatch.setattr(builtin, "SOURCE_BYTES", 100_000)
    short = builtin_text("builtin:python-source").data
    assert 0 < len(short) <= 100_000
    assert text.data.startswith(short)
    ast.parse(builtin._source_of(Path(argparse.__file__)))


def test_a_module_that_can_not_be_decoded_is_left_out(tmp_path: Path) -> None:
    for name, data in (("a.py", b"x = '\xff'\n"), ("b.py", b"# coding: nonsense\n"), ("c.py", b"")):
        (tmp_path / name).write_bytes(data)
        assert builtin._source_of(tmp_path / name) == b""
    (tmp_path / "d.py").write_bytes("# coding: latin-1\nx = 'é'".encode("latin-1"))
    assert builtin._source_of(tmp_path / "d.py") == "# coding: latin-1\nx = 'é'\n\n".encode()
    assert builtin._source_of(tmp_path / "missing.py") == b""


def test_where_python_lacks_a_text_sentences_take_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path / "nowhere"))
    for name in ("builtin:python-docs", "builtin:python-source"):
        corpus = read_corpus(DataConfig(path=name))
        assert corpus.title == "Generated sentences"
        assert corpus.view.notices[0].startswith("this Python has no ")


def test_sentences_are_the_same_everywhere() -> None:
    text = sentences(300_000)
    assert text.isascii()
    assert 300_000 <= len(text) < 301_000
    assert hashlib.sha256(text.encode()).hexdigest() == GOLDEN
    assert sentences(1000, seed=2) != sentences(1000, seed=1)


def test_sentences_close_what_they_open() -> None:
    for paragraph in sentences(100_000).split("\n\n"):
        assert paragraph.count("(") == paragraph.count(")")
        assert paragraph.count('"') % 2 == 0
        assert not paragraph or paragraph[-1] in '.?"'
        assert "  " not in paragraph


GOLDEN = "52d429cd65055e6b07d53507e6dc14e9aaa38546a31a115cc93f572d5497d3fd"


def test_the_catalog_lists_them_all() -> None:
    rows = catalog()
    assert tuple(row.name for row in rows) == BUILTIN_TEXTS
    for row in rows:
        data = builtin_text(row.name).data
        assert row.what and row.licence
        assert (row.size, row.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_reading_imports_neither_torch_nor_textual() -> None:
    code = (
        "import sys, rnn_tui.data.text, rnn_tui.data.catalog; "
        "print([name for name in ('torch', 'textual', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
