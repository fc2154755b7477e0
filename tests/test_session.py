"""The session file: what is written is what is read, and any safetensors reader opens it."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open
from safetensors.numpy import save as serialize

from rnn_tui.config import Config
from rnn_tui.data.coding import Coding
from rnn_tui.session import (
    SessionError,
    SessionFile,
    companion,
    load,
    load_or_previous,
    pack_samples,
    pack_vocabulary,
    save,
    set_aside,
    stamp,
    unpack_samples,
)
from rnn_tui.session.coded import pack_coding, unpack_coding, unpack_symbols
from rnn_tui.views import Sample
from tests.session_builder import SYMBOLS, small_config, small_session


def same(a: SessionFile, b: SessionFile) -> None:
    assert a.config == b.config
    assert a.tensors.keys() == b.tensors.keys()
    for name in a.tensors:
        assert a.tensors[name].shape == b.tensors[name].shape, name
        assert a.tensors[name].tobytes() == b.tensors[name].tobytes(), name
    assert (a.resolved, a.view, a.notes) == (b.resolved, b.view, b.notes)


def test_round_trip(tmp_path: Path) -> None:
    path, session = tmp_path / "demo.safetensors", small_session(7)
    written = save(path, session)
    read = load(path)
    same(session, read)
    assert read.symbols == SYMBOLS
    assert [(s.step, s.prompt, s.text) for s in read.samples] == [(0, "日", "aé\n"), (7, "", "😀")]
    assert math.isnan(read.samples[0].val_loss) and read.samples[1].val_loss == 1.5
    assert read.progress["step"] == 7 and read.progress["title"] == "a text" and read.progress["val_step"] == -1
    assert math.isnan(read.progress["val_loss"]) and math.isnan(read.progress["best_loss"])
    assert read.stamp == written == stamp(path) and not read.readonly and not read.notice and not read.damaged


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "feedforward"])
@pytest.mark.parametrize("change", [{}, {"embedding_size": 0}, {"tied": True, "embedding_size": 3},
                                    {"initial_state": "learned"}])  # fmt: skip
def test_every_network(tmp_path: Path, cell: str, change: dict[str, Any]) -> None:
    session = small_session(2, small_config(cell=cell, **change))
    save(tmp_path / "demo.safetensors", session)
    same(session, load(tmp_path / "demo.safetensors"))


def test_a_plain_reader_opens_it(tmp_path: Path) -> None:
    path, session = tmp_path / "demo.safetensors", small_session(5)
    save(path, session)
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        assert set(file.keys()) == set(session.tensors)
        for name in file.keys():  # noqa: SIM118
            assert file.get_tensor(name).tobytes() == session.tensors[name].tobytes()
    assert metadata["format"] == "rnn-lab/1.0"
    sums = json.loads(metadata["checksums"])
    assert sums["tensors"] == {n: hashlib.sha256(a.tobytes()).hexdigest() for n, a in session.tensors.items()}
    del metadata["checksums"]
    assert sums["metadata"] == {k: hashlib.sha256(v.encode()).hexdigest() for k, v in metadata.items()}
    assert json.loads(metadata["progress"])["val_loss"] is None


def test_written_again_by_the_library_it_is_still_a_session(tmp_path: Path) -> None:
    path, session = tmp_path / "demo.safetensors", small_session(5)
    save(path, session)
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    (tmp_path / "again.safetensors").write_bytes(serialize(session.tensors, metadata))
    same(session, load(tmp_path / "again.safetensors"))


def test_floats_are_stored_as_float32(tmp_path: Path) -> None:
    path, session = tmp_path / "demo.safetensors", small_session(3)
    for name in list(session.tensors):
        if name.startswith(("model.", "history.train")):
            session.tensors[name] = np.asfortranarray(session.tensors[name].astype(np.float64))
    session.tensors["history.step"] = session.tensors["history.step"].astype(np.int32)
    session.tensors["history.clipped"] = np.array([True, False, True])
    save(path, session)
    read = load(path).tensors
    assert all(read[n].dtype == np.float32 for n in read if n.startswith(("model.", "best.", "optimizer.", "carry.")))
    assert read["history.step"].dtype == np.int64 and read["history.clipped"].tolist() == [1, 0, 1]
    np.testing.assert_array_equal(read["model.output.weight"], session.tensors["model.output.weight"].astype("f4"))


symbols = st.lists(st.characters(codec="utf-8"), min_size=1, max_size=40, unique=True).map(tuple)
tables = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**60), 2**60)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=10),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


def recording(config: Config, vocabulary: int, F: int = 3, T: int = 7) -> dict[str, Any]:
    """The tensors of a recording that fits a configuration."""
    draw = np.random.default_rng(F)
    n = min(5, vocabulary)
    found = {
        "tokens": draw.integers(0, vocabulary, T).astype(np.int32),
        "steps": np.arange(F, dtype=np.int64) * 3,
        "top_id": draw.integers(0, vocabulary, (F, T, n)).astype(np.int32),
        "top_p": draw.random((F, T, n), np.float32),
        "bits": draw.random((F, T), np.float32),
    }
    found["bits"][:, 0] = np.nan
    hidden = config.model.hidden_size
    for k in range(config.model.layers):
        for state in ("h", "c") if config.model.cell == "lstm" else ("h",):
            found[f"layers.{k}.{state}"] = draw.integers(-127, 128, (F, T, hidden)).astype(np.int8)
            found[f"layers.{k}.{state}_scale"] = draw.random((F, hidden), np.float32)
    return {f"timelapse.{name}": array for name, array in found.items()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_arbitrary_contents_come_back(tmp_path: Path, data: st.DataObject) -> None:
    config = small_config(
        cell=data.draw(st.sampled_from(["rnn", "gru", "lstm", "feedforward"])),
        layers=data.draw(st.integers(1, 3)),
        hidden_size=data.draw(st.integers(1, 5)),
        embedding_size=data.draw(st.integers(0, 4)),
    )
    session = small_session(data.draw(st.integers(0, 9)), config, data.draw(symbols))
    floats = hnp.from_dtype(np.dtype("f4"), allow_nan=True)
    for name in data.draw(st.lists(st.sampled_from(sorted(session.tensors)), max_size=4)):
        array = session.tensors[name]
        if array.dtype == np.float32:
            session.tensors[name] = data.draw(hnp.arrays(np.float32, array.shape, elements=floats))
    for group in data.draw(st.sets(st.sampled_from(["best.", "optimizer.", "carry.", "rng.", "history.", "samples"]))):
        session.tensors = {n: a for n, a in session.tensors.items() if not n.startswith(group)}
    session.tensors["rng.dropout"] = data.draw(hnp.arrays(np.uint8, st.integers(0, 30)))
    if data.draw(st.booleans()):
        session.tensors |= recording(config, len(session.symbols), data.draw(st.integers(1, 9)))
    session.view, session.resolved = data.draw(tables), data.draw(tables)
    session.notes = data.draw(st.text(st.characters(codec="utf-8")))
    path = tmp_path / "demo.safetensors"
    save(path, session)
    same(session, load(path))


WRONG: dict[str, Any] = {
    "a missing weight": lambda t: t.pop("model.output.bias"),
    "a wrong shape": lambda t: t.update({"model.output.bias": np.zeros(7, "f4")}),
    "a weight of whole numbers": lambda t: t.update({"model.output.bias": np.zeros(6, "i8")}),
    "a weight too many": lambda t: t.update({"model.layers.2.bias_ih_l0": np.zeros(12, "f4")}),
    "the backward direction": lambda t: t.update({"model.layers.0.bias_ih_l0_reverse": np.zeros(12, "f4")}),
    "an encoder": lambda t: t.update({"model.encoder.layers.0.bias_ih_l0": np.zeros(12, "f4")}),
    "half of the best weights": lambda t: t.pop("best.output.bias"),
    "an unknown name": lambda t: t.update({"extra": np.zeros(1, "f4")}),
    "an unknown parameter's state": lambda t: t.update({"optimizer.layers.9.bias.exp_avg": np.zeros(1, "f4")}),
    "a state of another shape": lambda t: t.update({"optimizer.output.bias.exp_avg": np.zeros(5, "f4")}),
    "a carried state of another width": lambda t: t.update({"carry.layers.0.h": np.zeros((4, 2), "f4")}),
    "two batch sizes": lambda t: t.update({"carry.layers.0.h": np.zeros((5, 3), "f4")}),
    "half a carried state": lambda t: t.pop("carry.layers.1.c"),
    "random state of floats": lambda t: t.update({"rng.data": np.zeros(3, "f4")}),
    "a short column": lambda t: t.update({"history.train_loss": np.zeros(2, "f4")}),
    "no steps": lambda t: t.pop("history.step"),
    "too long a history": lambda t: (t.pop("history.train_loss"), t.pop("history.val_loss"),
                                     t.update({"history.step": np.zeros(20_001, "i8")})),
    "no vocabulary": lambda t: t.pop("vocabulary"),
    "a symbol twice": lambda t: t.update({"vocabulary": pack_vocabulary("abcdea")}),
    "half a symbol": lambda t: t.update({"vocabulary": np.array([0xE6, 0x97], "u1")}),
    "samples that are none": lambda t: t.update({"samples": pack_vocabulary("{}")}),
    "an object": lambda t: t.update({"rng.data": np.array([{}], dtype=object)}),
    "complex numbers": lambda t: t.update({"model.output.bias": np.zeros(6, "c8")}),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_has_no_place_is_neither_written_nor_read(tmp_path: Path, case: str) -> None:
    path, session = tmp_path / "demo.safetensors", small_session(5)
    save(path, session)
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    before = path.read_bytes()
    WRONG[case](session.tensors)
    with pytest.raises(SessionError, match=r"^demo was not saved: "):
        save(path, session)
    assert path.read_bytes() == before
    if case in ("an object", "complex numbers"):
        return
    # The same, with checksums that are right, from another writer.
    codes = {"f4": "F32", "i8": "I64", "u1": "U8"}
    shapes = {n: [codes[a.dtype.str[1:]], list(a.shape)] for n, a in session.tensors.items()}
    sums = json.loads(metadata["checksums"])
    sums["tensors"] = {n: hashlib.sha256(a.tobytes()).hexdigest() for n, a in session.tensors.items()}
    sums["layout"] = hashlib.sha256(json.dumps({n: shapes[n] for n in sorted(shapes)}).encode()).hexdigest()
    path.write_bytes(serialize(session.tensors, metadata | {"checksums": json.dumps(sums, separators=(",", ":"))}))
    words = r"^demo can't be opened: .*(tensor|model\.|carried|history|vocabulary|samples)"
    with pytest.raises(SessionError, match=words):
        load(path)


def rewritten(path: Path, **texts: str) -> None:
    """Gives the file other texts, with checksums that fit."""
    with safe_open(path, framework="numpy") as file:
        metadata = {**file.metadata(), **texts}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    sums = json.loads(metadata.pop("checksums"))
    sums["metadata"] = {k: hashlib.sha256(v.encode()).hexdigest() for k, v in metadata.items()}
    path.write_bytes(serialize(tensors, metadata | {"checksums": json.dumps(sums)}))


def test_versions(tmp_path: Path) -> None:
    path = tmp_path / "demo.safetensors"
    save(path, small_session(3))
    rewritten(path, format="rnn-lab/1.7", colour="blue")
    before, later = path.read_bytes(), load(path)
    assert later.readonly and "later" in later.notice and later.progress["step"] == 3
    with pytest.raises(SessionError, match="later rnn-lab"):
        save(path, later)
    rewritten(path, config='{"model":{"peepholes":true}}')
    with pytest.raises(SessionError, match=r"later rnn-lab .*peepholes.*; update rnn-lab"):
        load_or_previous(path)
    rewritten(path, format="rnn-lab/2.0")
    with pytest.raises(SessionError, match=r"format is 2\.0, this rnn-lab reads 1\.x; update"):
        load_or_previous(path)
    path.write_bytes(before)
    rewritten(path, format="other/1.0")
    with pytest.raises(SessionError, match="none of rnn-lab"):
        load(path)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("config", '{"model":{"cell":"lstm","cell":"lstm"}}'),
        ("config", '{"model":{"hidden_size":99999}}'),
        ("config", '{"modle":{}}'),
        ("config", "[]"),
        ("progress", '{"step":NaN}'),
        ("progress", '{"step":1e999}'),
        ("progress", '{"step":"many"}'),
        ("progress", '{"step":true}'),
        ("progress", '{"events":{}}'),
        ("view", "[" * 21 + "]" * 21),
        ("view", '{"a":' * 5000 + "1" + "}" * 5000),
        ("view", '{"a":Infinity}'),
        ("resolved", "{"),
        ("resolved", '"' + '\\"' * 100_000),
    ],
    ids=lambda text: text[:30],
)
def test_texts_that_are_no_strict_json(tmp_path: Path, key: str, text: str) -> None:
    path = tmp_path / "demo.safetensors"
    save(path, small_session(3))
    rewritten(path, **{key: text})
    with pytest.raises(SessionError, match=r"^demo can't be opened: "):
        load(path)


def test_expected_stamp(tmp_path: Path) -> None:
    path = tmp_path / "demo.safetensors"
    first = save(path, small_session(1))
    second = save(path, small_session(2), expect=first)
    with pytest.raises(SessionError, match="changed by another program; save under another name"):
        save(path, small_session(3), expect=first)
    assert stamp(path) == second and load(path).progress["step"] == 2
    path.unlink()
    with pytest.raises(SessionError, match="removed by another program"):
        save(path, small_session(3), expect=second)
    assert not path.exists()


def test_new_refuses_a_taken_name_and_forgets_a_dead_one(tmp_path: Path) -> None:
    path = tmp_path / "demo.safetensors"
    save(path, small_session(1), new=True)
    save(path, small_session(2))
    with pytest.raises(SessionError, match="already"):
        save(path, small_session(3), new=True)
    assert load(path).progress["step"] == 2 and load(companion(path, "previous")).progress["step"] == 1
    path.unlink()
    save(path, small_session(9), new=True)
    assert not companion(path, "previous").exists()


def test_permissions_stay(tmp_path: Path) -> None:
    path = tmp_path / "demo.safetensors"
    before = os.umask(0o027)
    try:
        save(path, small_session(1))
        assert path.stat().st_mode & 0o777 == 0o640
        path.chmod(0o600)
        save(path, small_session(2))
        assert path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


def test_previous_is_used_and_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "demo.safetensors"
    for step in (1, 2, 3):
        save(path, small_session(step))
    path.write_bytes(path.read_bytes()[:-1])
    broken = path.read_bytes()
    session = load_or_previous(path)
    assert session.damaged and session.path == path and session.progress["step"] == 2
    used = "the save before it (.demo.previous.safetensors) is used, step 2"
    assert session.notice == f"demo.safetensors is damaged; {used}"
    aside = set_aside(path)
    assert aside is not None and aside.name.startswith(".demo.damaged-") and aside.read_bytes() == broken
    assert load(path).progress["step"] == 2
    save(path, small_session(4), expect=stamp(path))
    assert load(path).progress["step"] == 4 and load(companion(path, "previous")).progress["step"] == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [".demo.previous.safetensors", "demo.safetensors", aside.name]
    )


def test_a_missing_file_with_an_earlier_save(tmp_path: Path) -> None:
    path = tmp_path / "demo.safetensors"
    with pytest.raises(SessionError, match=r"^there is no session demo in "):
        load_or_previous(path)
    save(path, small_session(1))
    save(path, small_session(2))
    path.unlink()
    session = load_or_previous(path)
    assert session.progress["step"] == 1 and "missing" in session.notice and session.stamp is None


def test_too_long_notes_are_refused_with_a_sentence(tmp_path: Path) -> None:
    session = small_session(1)
    session.notes = "x" * (1 << 20)
    with pytest.raises(SessionError, match="at most 1,048,576 are written"):
        save(tmp_path / "demo.safetensors", session)
    assert not list(tmp_path.iterdir())


def test_samples_are_bounded() -> None:
    kept = unpack_samples(pack_samples([Sample(k, "p" * 500, "日" * 500) for k in range(5000)]))
    assert len(kept) <= 200 and kept[0].step == 0 and kept[-1].step == 4999
    assert [s.step for s in kept[:10]] == list(range(10)) and all(len(s.text) == 400 for s in kept)
    assert [s.step for s in kept] == sorted({s.step for s in kept})


def test_torch_is_never_imported() -> None:
    code = (
        "import sys, pathlib, tempfile\n"
        "from tests.session_builder import small_session\n"
        "import rnn_tui.session as s, rnn_tui.export as e\n"
        "f = pathlib.Path(tempfile.mkdtemp())\n"
        "s.save(f / 'a.safetensors', small_session(2)); s.load(f / 'a.safetensors'); s.list_sessions(f)\n"
        "e.export(s.load(f / 'a.safetensors'), f, 'weights')\n"
        "assert not {'torch', 'textual', 'rich'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


def test_golden_file_of_format_1_0() -> None:
    session = load(Path(__file__).parent / "golden" / "session-1.0.safetensors")
    assert session.config.model.cell == "rnn" and session.config.model.hidden_size == 2
    assert session.symbols == ("a", "é", "日") and session.notes == "kept for ever"
    assert session.progress["step"] == 3 and session.progress["val_loss"] == 1.5
    assert session.samples == (Sample(3, "a", "é日", 1.5),)
    assert session.tensors["model.layers.0.weight_ih_l0"].tolist() == [[0.0, 0.5, 1.0], [1.5, 2.0, 2.5]]
    assert session.tensors["best.output.bias"].tolist() == [0.0, 0.5, 1.0]
    assert session.tensors["carry.layers.0.h"].tolist() == [[0.0, 0.5], [1.0, 1.5]]
    assert session.tensors["history.step"].tolist() == [1, 2, 3] and session.tensors["rng.data"].tolist() == [7, 8]
    assert session.resolved == {"precision": "float32"} and session.view == {"pane": "train"} and not session.readonly


def test_metrics_that_can_not_be_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "demo.safetensors"
    session = small_session(3)
    session.progress["val_metrics"] = {"accuracy": 0.5, "f1": math.nan, "bleu": "high", "exact": True}
    save(path, session)
    assert load(path).progress["val_metrics"] == {"accuracy": 0.5}
    session.progress["val_metrics"] = {f"m{k}": 1.0 for k in range(100)}
    save(path, session)
    assert load(path).progress["val_metrics"] == {}
    session.progress["val_metrics"] = ["accuracy"]
    save(path, session)
    assert load(path).progress["val_metrics"] == {}


@pytest.mark.parametrize(
    "coding",
    [
        Coding(("<unk>", "<eos>", "the", "cat"), symbol="word"),
        Coding(("<pad>", "a", "b"), ("B-PER", "O")),
        Coding(("Sunspots", "b"), ("Sunspots t+1",), numeric=True, mean=(51.5, 1.0), std=(44.25, 2.0)),
        Coding(("level",), ("level t+1",), numeric=True, mean=(1e9 + 0.7,), std=(1e-50,)),
        Coding(("\0", "\n", "日", "😀")),
    ],
)
def test_what_data_are_coded_with_is_kept(coding: Coding) -> None:
    tensors = pack_coding(coding)
    found = unpack_coding(Config(), tensors, tensors, {"symbol": coding.symbol})
    assert (found.inputs, found.outputs, found.symbol) == (coding.inputs, coding.outputs, coding.symbol)
    assert (found.numeric, found.mean, found.std) == (coding.numeric, coding.mean, coding.std)


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=8, unique=True))
def test_symbols_of_any_length_are_cut_where_they_end(symbols: list[str]) -> None:
    clean = [s for s in symbols if s == s.encode("utf-8", "ignore").decode()]
    if clean:
        tensors = pack_coding(Coding(tuple(clean)))
        assert unpack_symbols(tensors, "vocabulary") == tuple(clean)


@pytest.mark.parametrize("ends", [[1], [1, 1, 3], [2, 1, 3], [-1, 1, 3], [1, 2, 4], []])
def test_symbols_that_are_cut_wrongly_are_refused(ends: list[int]) -> None:
    tensors = {"vocabulary": pack_vocabulary(("ab", "c")), "vocabulary.ends": np.array(ends, np.int64)}
    with pytest.raises(SessionError, match="vocabulary"):
        unpack_symbols(tensors, "vocabulary")


@pytest.mark.parametrize(("mean", "std"), [([1.0], [0.0]), ([1.0], [-1.0]), ([np.nan], [1.0]), ([1.0, 2.0], [1.0])])
def test_a_scale_that_can_not_be_is_refused(mean: list[float], std: list[float]) -> None:
    tensors = {
        "vocabulary": pack_vocabulary(("x",)),
        "scale.mean": np.array(mean, np.float32),
        "scale.std": np.array(std, np.float32),
    }
    with pytest.raises(SessionError, match="scale"):
        unpack_coding(Config(), tensors, tensors, {})
