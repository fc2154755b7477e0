"""Configurations, vocabularies and weights of strangers: read, or refused in one sentence; no code of theirs runs."""

from __future__ import annotations

import io
import json
import os
import pickle  # noqa: TID251
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_tui.commands.importing import read_vocabulary
from rnn_tui.config import CHOICES, Config, ConfigError, load_toml, parse, put
from rnn_tui.session import SessionError
from rnn_tui.session.foreign import read_foreign
from tests.command import TINY, Command, command, trained  # noqa: F401

TOML: dict[str, tuple[bytes, str]] = {
    "a number of 20,000 digits": (b"[model]\nhidden_size = " + b"9" * 20_000, "thousands of digits"),
    "a hexadecimal number of 20,000 digits": (b"[model]\nhidden_size = 0x" + b"f" * 20_000, "hundreds of digits"),
    "brackets": (b"[model]\nhidden_size = " + b"[" * 20_000, "nested too deep"),
    "inline tables": (b"[model]\ncell = " + b"{a=" * 20_000, "nested too deep"),
    "a key of 40,000 parts": (b"[model]\ncell" + b".a" * 40_000 + b" = 1", "more than 64 dots"),
    "a table of 40,000 parts": (b"[" + b"a." * 40_000 + b"a]", "more than 64 dots"),
    "many keys": (b"[model]\n" + b"".join(b"k%d=1\n" % k for k in range(80_000)), "too large"),
    "a date": (b"[model]\nhidden_size = 1979-05-27T07:32:00Z", "is not a whole number"),
    "a table": (b"[model.hidden_size]\nx = 1", "is not a whole number"),
    "a list of tables": (b"[[model]]\nx = 1", "must be a table"),
    "a key twice": (b"[model]\nhidden_size = 1\nhidden_size = 2", "not TOML"),
    "no UTF-8": (b'[model]\ncell = "\xff"', "line 2 is not UTF-8"),
    "infinity": (b"[training]\nlearning_rate = inf", "is not a number"),
    "1e400": (b"[training]\nlearning_rate = 1e400", "is not a number"),
    "a section that drives": (b'["mo\\u001b]0;PWN\\u0007"]\nx = 1', "is no section"),
    "a key that drives": (b'[model]\n"hid\\u001b[2J" = 1', "is no field"),
    "a value that drives": (b'[model]\ncell = "\\u001b[2J\\u009b"', "is not one of"),
}


@pytest.mark.parametrize("case", TOML)
def test_a_configuration_of_a_stranger(tmp_path: Path, case: str) -> None:
    text, told = TOML[case]
    path = tmp_path / "net.toml"
    path.write_bytes(text)
    start = time.process_time()
    with pytest.raises(ConfigError, match=told) as refused:
        load_toml(path)
    shown = str(refused.value)
    assert not any(sign in shown for sign in "\n\x1b\x07\x9b") and len(shown) < 500
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "make", [os.mkfifo, os.mkdir, lambda p: p.symlink_to("/dev/zero"), lambda p: p.symlink_to(p.name), lambda p: None]
)
def test_what_is_no_file_of_a_configuration(command: Command, make: Callable[[Path], object]) -> None:  # noqa: F811
    path = command.folder / "net.toml"
    make(path)
    found = command("train", "--new", "it", "--config", path, "--steps", "1")
    assert found.code == 2 and str(path) in found.error


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "net.toml").write_bytes(b"\xef\xbb\xbf[model]\nhidden_size = 4\n")
    assert load_toml(tmp_path / "net.toml").model.hidden_size == 4


_leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.binary(max_size=5), st.datetimes(),
    st.sampled_from([10**400, -(10**4000), 2**62, "1e400", "nan", "\x1b[2J", "9" * 5000, "\udcff"]),
)  # fmt: skip
_values = st.recursive(_leaves, lambda at: st.lists(at, max_size=3) | st.dictionaries(st.text(), at, max_size=3))


@settings(max_examples=150)
@given(st.sampled_from(sorted(CHOICES)), _values)
def test_any_value_of_any_field_is_taken_or_refused(key: str, value: Any) -> None:
    section, _, name = key.partition(".")
    for take in (lambda: put(Config(), key, value), lambda: parse({section: {name: value}})):
        try:
            take()
        except ConfigError as error:
            assert "\n" not in str(error) and "\x1b" not in str(error) and len(str(error)) < 1000


def test_a_value_nested_without_end_is_refused() -> None:
    value: Any = 1
    for _ in range(100_000):
        value = {"a": value}
    with pytest.raises(ConfigError, match=r"model\.hidden_size"):
        parse({"model": {"hidden_size": value}})
    while isinstance(value, dict):
        # Taken apart level by level: Python's own way of letting go of it may be too deep.
        value = value.pop("a")


class Canary:
    """Sings when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {self.path}",))


def _zip(*parts: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in parts:
            file.writestr(name, data)
    return made.getvalue()


def test_no_code_of_a_stranger_runs(trained: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    canary = tmp_path / "canary"
    song = pickle.dumps(Canary(canary))
    array = io.BytesIO()
    np.save(array, np.array([Canary(canary)], object), allow_pickle=True)
    files = {
        "a.pkl": song, "a.pt": _zip(("archive/data.pkl", song), ("archive/version", b"3")), "a.npy": array.getvalue(),
        "a.npz": _zip(("a.npy", array.getvalue())), "bomb.pt": _zip(("archive/data/0", bytes(9_000_000))),
        "a.py": f"open({str(canary)!r}, 'w')".encode(),
        "a.yaml": f"!!python/object/apply:os.system ['touch {canary}']".encode(),
    }  # fmt: skip
    monkeypatch.setenv("RNN_LAB_SESSIONS", str(tmp_path))
    for name, raw in files.items():
        (tmp_path / name).write_bytes(raw)
        (tmp_path / "hostile.safetensors").write_bytes(raw)
        found = trained("import", tmp_path / name, "--name", "it", "--vocabulary", tmp_path / name)
        assert found.code in (1, 2) and found.error
        found = trained("eval", "hostile")
        assert found.code == 1 and "hostile can't be opened" in found.error
        for option in ("--data", "--config") if name in ("a.pkl", "a.yaml") else ():
            trained("train", "--new", "it", option, tmp_path / name, *TINY, "--set", "data.split=100/0", "--steps", "1")
            (tmp_path / "it.safetensors").unlink(missing_ok=True)
    assert not canary.exists()


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [0]}', '{"a": {}}', '{"a": 0.0}', '{"a": null}', '{"' + "9" * 5000 + '": "a"}', '{"\u0661": "a"}',
        "[[]]", '["a", 1]', "[" * 50, '{"a": 1e999}', '{"a": ' + "9" * 5000 + "}", '["' + "x" * 100_000 + '"]',
        '["\\u001b[2J"]',
    ],
    ids=range(13),
)  # fmt: skip
def test_a_vocabulary_of_a_stranger(tmp_path: Path, text: str) -> None:
    path = tmp_path / "v.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SessionError) as refused:
        read_vocabulary(path)
    assert "\x1b" not in str(refused.value) and "\n" not in str(refused.value) and len(str(refused.value)) < 500


@pytest.mark.parametrize(
    "make", [os.mkfifo, os.mkdir, lambda p: p.symlink_to("/dev/zero"), lambda p: p.symlink_to(p.name)]
)
def test_what_is_no_file_of_weights_or_symbols(tmp_path: Path, make: Callable[[Path], object]) -> None:
    path = tmp_path / "m.safetensors"
    make(path)
    with pytest.raises(SessionError, match=r"m\.safetensors"):
        read_foreign(path, "ab")
    with pytest.raises(SessionError, match="the vocabulary can't be read"):
        read_vocabulary(path)


@pytest.mark.parametrize(
    "tensors",
    [
        {"lstm.weight_ih_l0": ("F32", [2**40, 2**40]), "lstm.weight_hh_l0": ("F32", [4, 1])},
        {"lstm.weight_ih_l0": ("F32", [4, 0]), "lstm.weight_hh_l0": ("F32", [4, 1])},
        {"lstm.weight_ih_l0": ("F32", [0, 0]), "lstm.weight_hh_l0": ("F32", [0, 0])},
        {"\x1b[2J.weight_ih_l0": ("F32", [4, 3]), "\x1b[2J.weight_hh_l0": ("F32", [4, 1])},
        {"../../etc/x": ("F32", [1])},
        {f"l.weight_hh_l{k}": ("F32", [4, 1]) for k in range(3000)},
    ],
    ids=["absurd", "no inputs", "nothing", "a name that drives", "a name that leaves", "many layers"],
)
def test_weights_that_can_not_be(tmp_path: Path, tensors: dict[str, tuple[str, list[int]]]) -> None:
    header, end = {}, 0
    for name, (code, shape) in tensors.items():
        size = 4 * int(np.prod(shape, dtype=object))
        header[name] = {"dtype": code, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    raw = json.dumps(header).encode()
    path = tmp_path / "m.safetensors"
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(min(end, 1_000_000)))
    with pytest.raises(SessionError) as refused:
        read_foreign(path, "ab")
    assert "\x1b" not in str(refused.value) and "\n" not in str(refused.value) and len(str(refused.value)) < 500
