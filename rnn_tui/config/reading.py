"""From what a person wrote (a form, --set, TOML, JSON) to a valid configuration, or one sentence that says why not."""

from __future__ import annotations

import difflib
import errno
import math
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from rnn_tui.config.choices import CHOICES, Choice
from rnn_tui.config.field import shorten
from rnn_tui.config.fields import Config
from rnn_tui.symbols import clean_line

LARGEST_TOML = 250_000
"""Bytes of a configuration; a whole one has two thousand."""
# Each dot of a key opens a table, and the parser keeps every beginning of it: a thousand dots take gigabytes.
_MANY_DOTS = re.compile(r"^[ \t]*[^#\s](?:[^.\n]*+\.){65}", re.MULTILINE)


class ConfigError(ValueError):
    """A choice that cannot be: one sentence naming the field, the value and the range."""


def choice(key: str) -> Choice:
    """The field of that name. Raises ConfigError, naming the nearest valid key."""
    if key in CHOICES:
        return CHOICES[key]
    raise ConfigError(f"{shorten(repr(key))} is no field{_nearest(key)}")


def _nearest(key: str) -> str:
    """The closest key, by its whole name or, without a section, by its last part."""
    close = difflib.get_close_matches(key, CHOICES, n=1, cutoff=0.5)
    if not close:
        last = {c.name: c.key for c in CHOICES.values()}
        close = [last[n] for n in difflib.get_close_matches(key.split(".")[-1], last, n=1, cutoff=0.5)]
    return f"; the nearest is {close[0]}" if close else "; see rnn-lab train --help"


def get(config: Config, key: str) -> Any:
    """The value of a field by its dotted key."""
    c = choice(key)
    return getattr(getattr(config, c.section), c.name)


def put(config: Config, key: str, value: Any) -> Config:
    """The same configuration with one field changed; text is read as the field's kind.

    Raises ConfigError naming the field, the value and the range.
    """
    c = choice(key)
    values = config.model_dump()
    values[c.section][c.name] = read(c, value)
    return parse(values)


def read(c: Choice, value: Any) -> Any:
    """A value, or the text a person typed for it, as the field's own type."""
    if not isinstance(value, str):
        if c.kind == "whole" and isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, bool) != (c.kind == "switch"):
            raise _refused(c, value)
        return value
    text = value.strip()
    try:
        if c.kind == "switch":
            return {"true": True, "on": True, "yes": True, "1": True,
                    "false": False, "off": False, "no": False, "0": False}[text.lower()]  # fmt: skip
        if c.kind == "whole":
            return int(text.replace(",", "").replace("_", ""))
        if c.kind == "number":
            number = float(text)
            if not math.isfinite(number):
                raise ValueError
            return number
    except (ValueError, KeyError):
        raise _refused(c, value) from None
    return text.lower() if c.kind == "choice" else text


def _refused(c: Choice, value: Any) -> ConfigError:
    return ConfigError(f"{c.key}: {shorten(_shown(value))} is not {c.range}")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return repr(value[:61])
    # Python writes no number of more than 4,300 digits.
    if isinstance(value, int) and value.bit_length() > 2000:
        return "a number of hundreds of digits"
    try:
        return str(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__} that can't be shown"


def parse(values: Any) -> Config:
    """A configuration from nested mappings (a TOML file, JSON of a session).

    Raises ConfigError for an unknown section or key (naming the nearest) and for a
    value out of its range.
    """
    if not isinstance(values, Mapping):
        raise ConfigError("a configuration is made of the sections data, model and training")
    sections: dict[str, dict[str, Any]] = {}
    for section, entries in values.items():
        if section not in Config.model_fields:
            close = difflib.get_close_matches(str(section), Config.model_fields, n=1)
            hint = f"; the nearest is [{close[0]}]" if close else _nearest(str(section))
            raise ConfigError(f"[{shorten(str(section))}] is no section{hint}")
        if not isinstance(entries, Mapping):
            raise ConfigError(f"[{section}] must be a table of fields")
        sections[section] = {str(name): read(choice(f"{section}.{name}"), value) for name, value in entries.items()}
    try:
        config = Config.model_validate(sections)
    except ValidationError as error:
        first = error.errors()[0]
        c = CHOICES[".".join(str(part) for part in first["loc"][:2])]
        if first["type"] == "value_error":
            raise ConfigError(f"{c.key}: {first['ctx']['error']}") from None
        raise _refused(c, first["input"]) from None
    _together(config)
    return config


def _together(config: Config) -> None:
    """What no field can know alone."""
    model = config.model
    if model.tied and model.embedding_size != model.hidden_size:
        raise ConfigError(
            f"model.tied: tied weights need embedding_size = hidden_size; "
            f"they are {model.embedding_size} and {model.hidden_size}"
        )


def load_toml(path: Path) -> Config:
    """A configuration from a TOML file. Raises ConfigError naming the file."""
    values = read_toml(path)
    try:
        return parse(values)
    except ConfigError as error:
        raise ConfigError(f"{_named(path)}: {error}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a small TOML file, not checked further; nothing in it takes long or much memory to read.

    Raises ConfigError naming the file: it can't be read, is no plain file, above 250 kB, no UTF-8, no TOML.
    """
    name = _named(path)
    try:
        raw = _read(path)
    except OSError as error:
        raise ConfigError(f"{name}: {(error.strerror or str(error)).lower()}; name a TOML file") from None
    except ValueError:
        raise ConfigError(f"{name}: a path can't hold a NUL character; name a TOML file") from None
    if len(raw) > LARGEST_TOML:
        raise ConfigError(f"{name}: too large for a configuration (250 kB at most)")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}: not TOML: line {line:,} is not UTF-8") from None
    many = _MANY_DOTS.search(text)
    if many:
        line = text.count("\n", 0, many.start()) + 1
        raise ConfigError(f"{name}: not TOML of this kind: line {line:,} has more than 64 dots")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{name}: not TOML of this kind: it is nested too deep") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: not TOML: {clean_line(str(error))[:200]}") from None
    except ValueError:
        raise ConfigError(f"{name}: not TOML of this kind: a number has thousands of digits") from None


def _read(path: Path) -> bytes:
    """The bytes, one more than allowed where there are more. No pipe or device is waited for. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        kind = os.fstat(fd).st_mode
        if stat.S_ISDIR(kind):
            raise OSError(errno.EISDIR, "it is a folder")
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, "it is no plain file")
        found = b""
        while len(found) <= LARGEST_TOML and (piece := os.read(fd, LARGEST_TOML + 1 - len(found))):
            found += piece
        return found
    finally:
        os.close(fd)


def _named(path: Path) -> str:
    return clean_line(os.fspath(path))


def to_toml(config: Config) -> str:
    """The configuration as a TOML file that `load_toml` reads back."""
    return tomli_w.dumps(config.model_dump())


def differences(old: Config, new: Config) -> Iterator[Choice]:
    """The fields in which two configurations differ."""
    for c in CHOICES.values():
        if get(old, c.key) != get(new, c.key):
            yield c
