"""`import`: weights that were trained elsewhere, as a session."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnn_tui.commands.arguments import Json, folder_of
from rnn_tui.commands.errors import DONE, WrongArguments, arguments
from rnn_tui.commands.output import Progress, print_json, put, say

if TYPE_CHECKING:
    from rnn_tui.data.text import Corpus
    from rnn_tui.session import SessionFile

LARGEST_VOCABULARY_FILE = 32 << 20
CELLS = ("rnn", "gru", "lstm")
NONLINEARITIES = ("tanh", "relu")
_ESCAPES: Mapping[str, str] = {"\\n": "\n", "\\t": "\t", "\\r": "\r", "\\\\": "\\"}


def import_weights(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.safetensors", help="A state dict saved with safetensors.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the new session.")],
    vocabulary: Annotated[
        Path | None,
        typer.Option("--vocabulary", metavar="FILE",
                     help="The symbols in the order of their numbers: JSON (a list, or symbol to number), or a text "
                          r"with one a line, where \n \t \\ stand for line end, tab and backslash."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="PATH",
                     help="The text it was trained on: its characters, sorted, are the symbols. It can then be "
                          "scored on it, and train on."),
    ] = None,
    cell: Annotated[
        str, typer.Option("--cell", metavar="CELL", help="rnn, gru or lstm: a check; it follows from the shapes.")
    ] = "",
    nonlinearity: Annotated[
        str, typer.Option("--nonlinearity", metavar="F", help="Of a plain RNN: tanh (the default) or relu.")
    ] = "",
    prefix: Annotated[
        str | None, typer.Option("--prefix", metavar="P", help="Which recurrent stack, as lstm. in lstm.weight_ih_l0.")
    ] = None,
    embedding: Annotated[
        str, typer.Option("--embedding", metavar="TENSOR", help="The embedding; none: symbols are one-hot.")
    ] = "",
    output: Annotated[
        str,
        typer.Option("--output", metavar="TENSOR",
                     help="The readout; the embedding itself where they are tied; none: zeros."),
    ] = "",
    as_json: Json = False,
) -> int:  # fmt: skip
    """Make a session of the weights of an nn.RNN, nn.GRU or nn.LSTM that were trained elsewhere.

    The stack, its cell, the embedding and the readout are found by the names and shapes of the
    tensors; what was taken for what is told. Only the symbols have to be given.
    """
    from rnn_tui.session import check_name, prepare_folder, save
    from rnn_tui.session.foreign import in_order_of, read_foreign
    from rnn_tui.session.lock import Lock
    from rnn_tui.session.names import refuse_taken

    _one_of("cell", cell, CELLS)
    _one_of("nonlinearity", nonlinearity, NONLINEARITIES)
    folder = folder_of(ctx)
    with arguments():
        path = refuse_taken(folder, check_name(name))
        given = None if vocabulary is None else read_vocabulary(vocabulary)
        corpus = None if data is None else read_text(data)
        symbols = corpus.symbols if given is None and corpus is not None else given
        found = read_foreign(
            file, symbols, prefix=prefix, cell=cell, nonlinearity=nonlinearity, embedding=embedding, output=output
        )
        session = found.session if corpus is None else in_order_of(found.session, corpus.symbols)
        if corpus is not None:
            session = _with_text(session, corpus)
    prepare_folder(folder)
    with Lock(path, "importing"):
        save(path, session, new=True)
    for line in found.told:
        say(line)
    model = session.config.model
    values: dict[str, Any] = {
        "session": name,
        "cell": model.cell,
        "layers": model.layers,
        "hidden_size": model.hidden_size,
        "embedding_size": model.embedding_size,
        "vocabulary": len(session.symbols),
        "parameters": sum(array.size for key, array in session.tensors.items() if key.startswith("model.")),
        "path": os.fspath(path),
    }
    if as_json:
        print_json(values)
    else:
        say(f"{values['parameters']:,} parameters, {values['vocabulary']:,} symbols; rnn-lab {name} opens it")
        put(os.fspath(path), exact=True)
    return DONE


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value and value not in choices:
        raise WrongArguments(f"{value[:60]!r} can't be; --{option}; choose one of {', '.join(choices)}")


def read_text(path: str) -> Corpus:
    """The text that the weights were trained on. Raises DataError."""
    from rnn_tui.config import DataConfig
    from rnn_tui.data.catalog import named
    from rnn_tui.data.text import read_corpus

    where = path if named(path) or not path.strip() else os.path.abspath(os.path.expanduser(path))
    with Progress() as progress:
        return read_corpus(DataConfig(path=where), progress.share)


def _with_text(session: SessionFile, corpus: Corpus) -> SessionFile:
    """The session with its text named, as if it had been trained on it here."""
    from rnn_tui.config import put

    config = put(session.config, "data.path", corpus.source)
    for key in ("data.validation_path", "data.test_path"):
        config = put(config, key, "")
    config = put(config, "data.vocabulary_size", 0)
    session.config = config
    session.progress = {**session.progress, "title": corpus.title}
    session.resolved = {**session.resolved, "corpus_sha256": corpus.sha256, "title": corpus.title}
    return session


def read_vocabulary(path: Path) -> tuple[str, ...]:
    """The symbols in the order of their numbers, from JSON or from a text with one a line.

    JSON: a list of symbols, a table from symbol to number, or one from number to symbol. In a
    text `\\n`, `\\t`, `\\r` and `\\\\` are escapes. Raises SessionError.
    """
    from rnn_tui.session import SessionError
    from rnn_tui.session.files import read_small
    from rnn_tui.session.foreign import check_symbols

    try:
        raw = read_small(Path(os.path.realpath(os.path.expanduser(path))), LARGEST_VOCABULARY_FILE)
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SessionError(f"the vocabulary is not UTF-8; {path}; save it as UTF-8") from None
    except OSError as error:
        raise SessionError(
            f"the vocabulary can't be read ({(error.strerror or str(error)).lower()}); {path}; check the path"
        ) from None
    try:
        symbols = _from_json(text, path) or _from_lines(text)
        if not symbols:
            raise SessionError("the vocabulary is empty; give one symbol a line")
        check_symbols(symbols)
    except SessionError as error:
        raise SessionError(f"{error} ({path})") from None
    return tuple(symbols)


def _from_json(text: str, path: Path) -> list[str]:
    """The symbols of a JSON list or table; empty where it is a text with one symbol a line."""
    from rnn_tui.session import DamagedError, SessionError
    from rnn_tui.session.layout import strict_json

    sure = path.suffix.lower() == ".json"
    if not sure and text.lstrip()[:1] not in ("[", "{"):
        return []
    try:
        values = strict_json(text, "the vocabulary")
    except DamagedError:
        if sure:
            raise
        return []
    if isinstance(values, dict) and values and all(isinstance(symbol, str) for symbol in values.values()):
        # From number to symbol: JSON's keys are texts.
        values = {symbol: int(key) if key.isdecimal() and len(key) < 9 else -1 for key, symbol in values.items()}
    if isinstance(values, dict):
        numbers = list(values.values())
        if any(type(k) is not int for k in numbers) or set(numbers) != set(range(len(values))):
            raise SessionError("the vocabulary's numbers are not 0, 1, 2 ... each once; number its symbols so")
        return sorted(values, key=lambda symbol: int(values[symbol]))
    if isinstance(values, list) and all(isinstance(symbol, str) for symbol in values):
        return values
    if sure:
        raise SessionError("the vocabulary is no list of symbols and no table of them; give one of these")
    return []


def _from_lines(text: str) -> list[str]:
    from rnn_tui.session import SessionError

    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    if lines and all(line.endswith("\r") and len(line) > 1 for line in lines):
        lines = [line[:-1] for line in lines]
    if "" in lines:
        raise SessionError(rf"line {lines.index('') + 1:,} of the vocabulary is empty; write \n for the line end")
    return [_ESCAPES.get(line, line) for line in lines]
