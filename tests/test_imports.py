"""What may import what: read off the sources, and seen in fresh interpreters."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each part of the package, and what of the package it may import, wherever the import stands: itself, and
# these with all that is below them. The longest name that fits a module is the part it belongs to.
MAY_IMPORT: dict[str, set[str]] = {
    "": set(),
    "symbols": set(),
    "config": {"symbols"},
    "views": {"config", "symbols"},
    "presets": {"config", "symbols"},
    "data": {"config", "views", "symbols"},
    "model": {"config", "views", "symbols"},
    "model.shapes": {
        "config", "views", "symbols", "model.cells", "model.parameters", "model.memory", "model.cautions",
    },
    "model.parameters": {"config", "views", "symbols", "model.cells"},
    "model.memory": {"config", "views", "symbols", "model.cells", "model.parameters"},
    "model.cautions": {"config", "views", "symbols", "model.cells", "model.parameters", "model.memory"},
    "model.cells": {"config", "views", "symbols", "model.feedforward"},
    "generation": {"config", "views", "symbols", "data", "model"},
    "tasks": {"config", "views", "symbols", "data", "model", "generation"},
    "inspection": {"config", "views", "symbols", "data", "model", "tasks", "generation"},
    "training": {"config", "views", "symbols", "data", "model", "tasks", "generation", "inspection"},
    "session": {"config", "views", "symbols", "data.coding", "model.shapes", "model.cells"},
    # Plain functions for a notebook: they take a session, a network or a module of torch.
    "microscope": {
        "config", "views", "symbols", "data", "model", "tasks", "generation", "inspection", "session",
    },
    "export": {"config", "views", "symbols", "session"},
    "lab": {
        "config", "views", "symbols", "presets", "data", "model", "tasks", "generation", "inspection", "training",
        "session", "export",
    },
    "lessons": {"config", "views", "symbols", "presets", "session", "lab"},
    "app": {
        "config", "views", "symbols", "presets", "data.catalog", "model.shapes", "session", "export", "lab", "lessons",
    },
    "process": {"config", "views", "symbols", "session", "lab"},
    "watchdog": {"views", "process", "lab"},
    "launcher": {"process", "session", "symbols"},
    "doctor": {
        "config", "views", "symbols", "data", "model.shapes", "session", "lab", "process", "training", "app.settings",
    },
    "commands": {
        "config", "views", "symbols", "presets", "data", "model", "tasks", "generation", "inspection", "training",
        "session", "export", "lab", "lessons", "process", "watchdog", "launcher", "doctor", "app", "microscope",
    },
    "cli": {
        "config", "views", "symbols", "session", "commands", "process", "watchdog", "launcher", "app.actions",
        "app.settings",
    },
    # These two serve the command line too, which must not wait for Textual.
    "app.actions": {"config", "views", "symbols"},
    "app.settings": {"config", "views", "symbols"},
    "__main__": {"cli"},
}  # fmt: skip

# Libraries that only some parts may import, and those parts.
ONLY_IN: dict[str, set[str]] = {
    "textual": {"app"},
    "rich": {"app"},
    "plotext": {"app"},
    "typer": {"cli", "commands"},
    # The pattern of a person: `re` holds the interpreter's lock while it searches.
    "regex": {"inspection"},
    "torch": {
        "model", "model.cells", "tasks", "generation", "inspection", "training", "lab", "export", "doctor", "commands",
        "microscope",
    },
}  # fmt: skip

# Parts whose import, in a fresh interpreter, may bring a library in; all others leave it out.
BRINGS_IN: dict[str, set[str]] = {
    "torch": {"model", "tasks", "generation", "inspection", "training", "microscope"},
    # Textual brings it in, and so does Typer.
    "rich": {"app", "cli", "commands"},
}

NEVER_IMPORTED = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
NEVER_CALLED = {"eval", "exec", "torch.load", "np.load", "numpy.load"}


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its name within it; the package itself is the empty name."""
    found = {}
    for path in sorted((ROOT / "rnn_tui").rglob("*.py")):
        parts = path.relative_to(ROOT / "rnn_tui").with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def below(module: str, part: str) -> bool:
    return module == part or module.startswith(f"{part}.")


def part_of(module: str) -> str:
    return max((part for part in MAY_IMPORT if below(module, part) or not part), key=len)


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def imports(module: str) -> Iterator[tuple[str, int]]:
    """Dotted names that a module imports anywhere in it, and the lines; relative ones made absolute."""
    path = modules()[module]
    package = ["rnn_tui", *module.split(".")] if module else ["rnn_tui"]
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((f"{start}.{alias.name}", node.lineno) for alias in node.names)


def own_imports(module: str) -> Iterator[tuple[str, int]]:
    """The modules of the package that a module imports, by their names within it."""
    for name, line in imports(module):
        if below(name, "rnn_tui"):
            inner = name.removeprefix("rnn_tui").removeprefix(".")
            # `from rnn_tui.config import Config` names a module and something in it.
            yield (inner if inner in modules() else inner.rpartition(".")[0]), line


def test_every_module_has_a_place_in_the_table() -> None:
    assert [module for module in modules() if module and not part_of(module)] == []


def test_a_module_imports_only_what_its_part_may() -> None:
    wrong = []
    for module, path in modules().items():
        part = part_of(module)
        allowed = MAY_IMPORT[part] | ({part} if part else set())
        wrong += [
            f"{path.relative_to(ROOT)}:{line}: {part or 'rnn_tui'} may not import {name}"
            for name, line in own_imports(module)
            if name and not any(below(name, one) for one in allowed)
        ]
        wrong += [
            f"{path.relative_to(ROOT)}:{line}: {part or 'rnn_tui'} may not import {library}"
            for name, line in imports(module)
            for library, parts in ONLY_IN.items()
            if below(name, library) and part not in parts
        ]
    assert wrong == []


def test_nothing_runs_what_a_file_says() -> None:
    wrong = set()
    for module, path in modules().items():
        wrong |= {(path, name, line) for name, line in imports(module) if name.partition(".")[0] in NEVER_IMPORTED}
        wrong |= {(path, name, line) for name, line in imports(module) if name in NEVER_CALLED | {"builtins.eval"}}
        wrong |= {
            (path, name, node.lineno)
            for node in ast.walk(tree(module))
            if isinstance(node, (ast.Name, ast.Attribute)) and (name := ast.unparse(node)) in NEVER_CALLED
        }
    assert wrong == set()


WATCH = """
import importlib, json, sys
library = sys.argv[1]
for name in sys.argv[2:]:
    importlib.import_module(name)
    if library in sys.modules:
        print(json.dumps(name))
        break
else:
    print(json.dumps(None))
"""


@pytest.mark.parametrize("library", BRINGS_IN)
def test_imports_leave_a_library_out(library: str) -> None:
    """In one interpreter, one module after the other, so that the first that brings the library in is named."""
    chosen = [module for module in modules() if part_of(module) not in BRINGS_IN[library] | {"__main__"}]
    names = [f"rnn_tui.{module}" if module else "rnn_tui" for module in chosen]
    assert len(names) > 10
    run = subprocess.run([sys.executable, "-c", WATCH, library, *names], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) is None


HELP = """
import contextlib, io, json, runpy, sys
sys.argv = ["rnn-lab", "--help"]
shown = io.StringIO()
with contextlib.redirect_stdout(shown):
    try:
        runpy.run_module("rnn_tui", run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code or 0
print(json.dumps([code, shown.getvalue(), "torch" in sys.modules]))
"""


def test_help_leaves_torch_out() -> None:
    run = subprocess.run([sys.executable, "-c", HELP], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    code, shown, torch = json.loads(run.stdout.splitlines()[-1])
    assert code == 0
    assert "train" in shown
    assert not torch
