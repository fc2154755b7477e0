"""A session as one safetensors file: what is in it, how it is saved, and how it is read again."""

from __future__ import annotations

import errno
import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from rnn_tui.config import Config, ConfigError, parse
from rnn_tui.data.coding import Coding
from rnn_tui.session import coded, contents, layout
from rnn_tui.session.files import (
    FILES,
    DamagedError,
    Files,
    SessionError,
    Stamp,
    link_over,
    open_regular,
    read_pieces,
    reason,
    stamp,
    write_atomic,
)
from rnn_tui.session.layout import Array, Header
from rnn_tui.session.names import companion, name_of
from rnn_tui.session.places import is_gallery
from rnn_tui.symbols import clean_line
from rnn_tui.views import Sample

FORMAT = "rnn-lab/1.0"
_MAJOR, _MINOR = 1, 0
_FORMAT = re.compile(r"rnn-lab/(\d{1,4})\.(\d{1,4})")
_STRINGS = ("format", "config", "progress", "resolved", "view", "notes")


@dataclass
class SessionFile:
    """Everything that a session keeps.

    `tensors` are named as in the file (`model.layers.0.weight_ih_l0`, `history.step`,
    `vocabulary` ...); floats are float32, but for the scale of a series. `progress` holds at least what
    `contents.NO_PROGRESS` lists. `view` is what a screen left there to find its place again.
    """

    config: Config
    tensors: dict[str, Array]
    progress: dict[str, Any] = field(default_factory=dict)
    resolved: dict[str, Any] = field(default_factory=dict)
    view: dict[str, Any] = field(default_factory=dict)
    notes: str = ""
    path: Path | None = None
    """Where it was read from: a session's own file also where the save before it had to be used."""
    stamp: Stamp | None = None
    """Of `path` when it was read: what the next save has to expect there."""
    readonly: bool = False
    """Written by a later version: it can be looked at, not saved over."""
    damaged: bool = False
    """`path` is damaged and this is the save before it; `set_aside` puts that one into use."""
    notice: str = ""
    """One sentence about how it was read; empty where there is nothing to tell."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is read, in the order of their numbers: symbols, or the names of columns."""
        return coded.unpack_symbols(self.tensors, "vocabulary")

    @property
    def coding(self) -> Coding:
        """How its data become numbers and back."""
        return coded.unpack_coding(self.config, self.tensors, self.tensors, self.resolved)

    @property
    def samples(self) -> tuple[Sample, ...]:
        """What the model wrote along the way, oldest first."""
        packed = self.tensors.get("samples")
        return () if packed is None else contents.unpack_samples(packed)


def save(
    path: Path,
    session: SessionFile,
    files: Files = FILES,
    *,
    expect: Stamp | None = None,
    new: bool = False,
) -> Stamp:
    """Writes the session whole or not at all; what stood there before becomes the previous save.

    `expect` is the stamp of this session's last load or save: a file that another program
    changed since is not overwritten. `new` refuses a name that is taken. Returns the new
    stamp. Raises SessionError with one sentence; what stood under the name is then untouched,
    unless the error's `stamp` says that the new contents did get there.
    """
    name = name_of(path)
    if session.readonly:
        raise SessionError(f"{name} was written by a later rnn-lab; save under another name, or update rnn-lab")
    if is_gallery(path, files):
        raise SessionError(f"{name} belongs to the gallery and is never written; save under another name")
    try:
        tensors = layout.in_order({key: _storable(key, array) for key, array in session.tensors.items()})
        shapes = {key: (layout.code_of(array), array.shape) for key, array in tensors.items()}
        _check(session, shapes, tensors)
        pieces = layout.pieces(tensors, _metadata(session, tensors))
    except (DamagedError, ValueError, RecursionError) as error:
        raise SessionError(f"{name} was not saved: {error}") from error
    return write_atomic(path, pieces, files, previous=companion(path, "previous"), new=new, expect=expect)


def _storable(name: str, array: Array) -> Array:
    """The array in a type that the file has, C-contiguous, little-endian; copied only where it must be."""
    match array.dtype.kind:
        case "f":
            kind = "F64" if name.startswith("scale.") else "F32"
        case "b":
            kind = "U8"
        case "i" if name.startswith("timelapse.") and array.dtype.itemsize in (1, 4):
            kind = "I8" if array.dtype.itemsize == 1 else "I32"
        case "i" | "u":
            kind = "U8" if array.dtype == np.uint8 and name != "history.step" else "I64"
        case _:
            raise ValueError(f"the tensor {name} is of a type that can't be kept ({array.dtype})")
    # ascontiguousarray would give a scalar an axis.
    return np.asarray(array, dtype=layout.TYPES[kind], order="C")


def _metadata(session: SessionFile, tensors: Mapping[str, Array]) -> dict[str, str]:
    progress = {**contents.NO_PROGRESS, "updated": time.time(), **session.progress}
    texts = {
        "format": FORMAT,
        "config": contents.pack_json(session.config.model_dump()),
        "progress": contents.pack_json(progress),
        "resolved": contents.pack_json(session.resolved),
        "view": contents.pack_json(session.view),
        "notes": session.notes.encode("utf-8", "replace").decode("utf-8"),
    }
    contents.unpack_progress(texts["progress"])
    for key in ("resolved", "view"):
        contents.unpack_table(texts[key], f"its {key}")
    sums = {
        "tensors": {name: hashlib.sha256(layout.octets(array)).hexdigest() for name, array in tensors.items()},
        "metadata": {key: _sum(text) for key, text in texts.items()},
        "layout": _sum(layout.layout_text({n: (layout.code_of(a), a.shape) for n, a in tensors.items()})),
    }
    return {**texts, "checksums": contents.pack_json(sums)}


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _check(session: SessionFile, shapes: contents.Shapes, tensors: Mapping[str, Array]) -> None:
    coding = coded.unpack_coding(session.config, tensors, tensors, session.resolved)
    contents.check_tensors(session.config, shapes, coding.sizes)
    if "samples" in tensors:
        contents.unpack_samples(tensors["samples"])
    contents.check_history(tensors)
    contents.check_recording(tensors, len(coding.answers))


@dataclass(frozen=True, slots=True)
class Summary:
    """What a file's header says, checked against its checksums; no tensor was read."""

    header: Header
    config: Config
    progress: dict[str, Any]
    sums: Mapping[str, str]
    """SHA-256 of each tensor."""
    newer: bool


def summarize(header: Header) -> Summary:
    """The texts of a header, verified. Raises SessionError (DamagedError where it isn't whole)."""
    metadata = header.metadata
    if "format" not in metadata or "checksums" not in metadata:
        raise DamagedError("it is a safetensors file, but not a session")
    sums = contents.unpack_table(metadata["checksums"], "its list of checksums")
    texts, tensors = sums.get("metadata"), sums.get("tensors")
    if not isinstance(texts, dict) or not isinstance(tensors, dict):
        raise DamagedError("its list of checksums is not complete")
    if texts.get("format") != _sum(metadata["format"]):
        raise DamagedError("its format does not have its checksum")
    newer = _newer(metadata["format"])
    for key, text in metadata.items():
        if key != "checksums" and texts.get(key) != _sum(text):
            raise DamagedError(f"its {clean_line(key[:40])} does not have its checksum")
    if not set(_STRINGS) <= set(metadata) or set(texts) != set(metadata) - {"checksums"}:
        raise DamagedError("its metadata are not complete")
    as_written = header.canonical and contents.pack_json(sums) == metadata["checksums"]
    if not newer and (set(metadata) != {*_STRINGS, "checksums"} or not as_written):
        raise DamagedError("its header is not as it was written")
    shapes = {name: (entry.code, entry.shape) for name, entry in header.tensors.items()}
    if set(tensors) != set(shapes) or sums.get("layout") != _sum(layout.layout_text(shapes)):
        raise DamagedError("its tensors are not those that were written")
    try:
        config = parse(contents.unpack_table(metadata["config"], "its configuration"))
    except ConfigError as error:
        if newer:
            raise SessionError(f"it was written by a later rnn-lab ({error}); update rnn-lab") from None
        raise DamagedError(f"its configuration can't be: {error}") from None
    return Summary(header, config, contents.unpack_progress(metadata["progress"]), tensors, newer)


def _newer(text: str) -> bool:
    """Whether the format is a later minor one. Raises SessionError for another major one."""
    found = _FORMAT.fullmatch(text)
    if found is None:
        raise DamagedError("its format is none of rnn-lab")
    if int(found[1]) != _MAJOR:
        later = "update rnn-lab" if int(found[1]) > _MAJOR else "open it with the version that wrote it"
        raise SessionError(f"its format is {found[1]}.{found[2]}, this rnn-lab reads {_MAJOR}.x; {later}")
    return int(found[2]) > _MINOR


@contextmanager
def opened(path: Path, files: Files = FILES) -> Iterator[tuple[int, Stamp, Summary]]:
    """The open file, its stamp and its summary. Raises SessionError, naming the file, for any fault of it."""
    name = clean_line(name_of(path))
    start = f"{name} can't be opened:"
    try:
        fd, status = open_regular(path, files)
        try:
            yield fd, Stamp.of(status), summarize(layout.read_header(fd, status.st_size, files))
        finally:
            files.close(fd)
    except DamagedError as error:
        raise DamagedError(f"{start} {clean_line(str(error))}; restore it from a copy, or delete it") from error
    except SessionError as error:
        raise SessionError(f"{start} {clean_line(str(error))}") from error
    except FileNotFoundError:
        raise DamagedError(f"there is no session {name} in {clean_line(str(path.parent))}") from None
    except MemoryError:
        raise SessionError(f"{start} there is not enough free memory; close other programs") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EINVAL, errno.ENXIO):
            what, remedy = "it is a link or no plain file", "move it away"
        else:
            what, remedy = reason(error, path.parent)
        failed = DamagedError if error.errno == errno.EIO else SessionError
        raise failed(f"{start} {what}; {remedy}") from error


def load(path: Path, files: Files = FILES) -> SessionFile:
    """Reads a session whole and verifies every byte of it.

    Names, shapes and types are held against the configuration before anything is allocated.
    Raises SessionError with one sentence; DamagedError where an earlier save may be whole.
    """
    with opened(path, files) as (fd, read_stamp, summary):
        header, metadata = summary.header, summary.header.metadata
        shapes = {name: (entry.code, entry.shape) for name, entry in header.tensors.items()}
        if shapes.get("vocabulary", ("", ()))[0] != "U8":
            raise DamagedError("its vocabulary is missing")
        free = int(psutil.virtual_memory().available)
        if header.size > free:
            raise SessionError(f"it needs {header.size >> 20:,} MB of memory, {free >> 20:,} MB are free")
        resolved = contents.unpack_resolved(metadata["resolved"])
        coding = coded.unpack_coding(summary.config, _coding(fd, summary, files), shapes, resolved)
        coded.check_task(summary.config, coding)
        contents.check_tensors(summary.config, shapes, coding.sizes, summary.newer)
        tensors = _read_all(fd, summary, files)
        if "samples" in tensors:
            contents.unpack_samples(tensors["samples"])
        contents.check_history(tensors, summary.progress["step"])
        contents.check_recording(tensors, len(coding.answers))
        return SessionFile(
            config=summary.config,
            tensors=tensors,
            progress=summary.progress,
            resolved=resolved,
            view=contents.unpack_table(metadata["view"], "its view"),
            notes=metadata["notes"],
            path=path,
            stamp=read_stamp,
            readonly=summary.newer,
            notice=f"{name_of(path)} was written by a later rnn-lab and can only be looked at" if summary.newer else "",
        )


def _coding(fd: int, summary: Summary, files: Files) -> dict[str, Array]:
    """Vocabulary, labels and scale alone, ahead of the rest: their lengths decide on all shapes."""
    found = {}
    for name in coded.NAMES:
        entry = summary.header.tensors.get(name)
        if entry is not None:
            if not coded.fits(name, entry.code, entry.shape):
                raise DamagedError(f"the tensor {name} is not what it can be")
            files.seek(fd, summary.header.start + entry.begin)
            found[name] = _read(fd, name, summary, files)
    return found


def _read_all(fd: int, summary: Summary, files: Files) -> dict[str, Array]:
    files.seek(fd, summary.header.start)
    return {name: _read(fd, name, summary, files) for name in summary.header.tensors}


def _read(fd: int, name: str, summary: Summary, files: Files) -> Array:
    entry = summary.header.tensors[name]
    array = np.empty(entry.shape, layout.TYPES[entry.code])
    layout.read_tensor(fd, entry, array, files)
    if hashlib.sha256(layout.octets(array)).hexdigest() != summary.sums[name]:
        raise DamagedError(f"the tensor {name[:80]} does not have its checksum")
    return array


def load_or_previous(path: Path, files: Files = FILES) -> SessionFile:
    """`load`, or where the file is damaged the save before it, with a notice that says so.

    Raises SessionError where neither can be read.
    """
    try:
        return load(path, files)
    except DamagedError as first:
        previous = companion(path, "previous")
        try:
            session = load(previous, files)
        except SessionError:
            raise first from None
    step = session.progress["step"]
    session.path, session.stamp = path, stamp(path, files)
    session.damaged = True
    what = "is damaged" if session.stamp else "is missing"
    session.notice = f"{path.name} {what}; the save before it ({previous.name}) is used, step {step:,}"
    return session


def set_aside(path: Path, files: Files = FILES) -> Path | None:
    """Puts the save before it in the place of a damaged file, which is kept beside it.

    Returns where the damaged file is now; None where there was none. To be called by the
    holder of the lock, before it saves. Raises SessionError; the previous save stays in any case.
    """
    previous = companion(path, "previous")
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f".{name_of(path)}.damaged-{moment}.safetensors")
    try:
        kept = stamp(path, files) is not None
        if kept:
            link_over(path, aside, files)
        link_over(previous, path, files)
        files.fsync_folder(path.parent)
    except OSError as error:
        what, remedy = reason(error, path.parent)
        raise SessionError(f"the damaged file {path.name} was not set aside: {what}; {remedy}") from error
    return aside if kept else None


def copy_file(source: Path, target: Path, files: Files = FILES) -> Stamp:
    """Copies a session's newest save to a new name, byte by byte. Raises SessionError."""
    with opened(source, files):
        pass
    try:
        fd, _ = open_regular(source, files)
    except OSError as error:
        what, remedy = reason(error, source.parent)
        raise SessionError(f"{name_of(source)} can't be opened: {what}; {remedy}") from error
    try:
        return write_atomic(target, read_pieces(fd, files), files, previous=companion(target, "previous"), new=True)
    finally:
        # It was only read: nothing is lost where closing fails.
        with suppress(OSError):
            files.close(fd)
