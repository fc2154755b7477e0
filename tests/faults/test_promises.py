"""What the lab promises, line by line: the test that holds it is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8").splitlines()
HEADING = "| promise | held by | longer |"


def rows() -> list[tuple[str, list[str], list[str]]]:
    """Of each line of the tables: the promise, the tests that hold it, and the programs that try it for longer."""
    found = []
    for line in LINES:
        if not line.startswith("|") or line in (HEADING, "|---|---|---|"):
            continue
        promise, held, longer = (cell.strip() for cell in line.strip("|").split("|"))
        found.append((promise, re.findall(r"`([^`]+)`", held), re.findall(r"`([^`]+)`", longer)))
    return found


@cache
def functions(path: Path) -> frozenset[str]:
    """The tests of a file, by their names, also those of a class."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    )  # fmt: skip


def test_there_are_promises() -> None:
    assert LINES.count(HEADING) >= 5 and len(rows()) >= 30
    promises = [promise for promise, _, _ in rows()]
    assert len(set(promises)) == len(promises)


@pytest.mark.parametrize(("promise", "tests", "longer"), rows(), ids=[promise[:40] for promise, _, _ in rows()])
def test_what_holds_a_promise_is_there(promise: str, tests: list[str], longer: list[str]) -> None:
    assert promise.endswith(".") and tests, promise
    for each in tests:
        file, _, name = each.partition("::")
        path = ROOT / "tests" / file
        assert re.fullmatch(r"test_\w+\.py", path.name) and name.startswith("test_"), each
        assert path.is_file(), each
        assert name in functions(path), each
    for program in longer:
        assert re.fullmatch(r"tests/soak/soak_\w+\.py", program) and (ROOT / program).is_file(), program
