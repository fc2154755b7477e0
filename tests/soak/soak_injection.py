"""Brackets and control characters through every pane, at several sizes and for every kind of data.

python -m tests.soak.soak_injection [--strings 1000] [--seed 0]

Prints what was shown and what reached the terminal; exits with 1 if anything did that should not.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import wcwidth

from rnn_tui import symbols
from rnn_tui.cli import main as lab
from tests.command import REPOSITORY, environment
from tests.faults.hostile import (
    BACK,
    EVERYTHING,
    HELP,
    LENSES,
    NAME,
    PAYLOADS,
    WALK,
    Steps,
    hostile_copy,
    leaks,
    walk,
)
from tests.faults.test_injection import PLACES, show_everywhere, some_brackets
from tests.terminal.terminal import Terminal

TINY = (
    "--set", "model.hidden_size=8", "--set", "model.embedding_size=4", "--set", "training.batch_size=4",
    "--set", "training.validate_every=5", "--set", "training.threads=1", "--steps", "10",
)  # fmt: skip
ANSWERS: Steps = (
    ("1", ("1 Build]",)), *HELP, ("2", ("2 Train]",)), *(("v", ()),) * 3, ("y", ()), *HELP,
    ("3", ("3 Inspect]",)), *(("v", ()),) * 4, ("f", ()), BACK, ("G", ()), BACK, ("B", ()), BACK, ("\r", ()), BACK,
    (")", ()), ("y", ()), *HELP, ("4", ("4 Gradients]",)), *(("v", ()),) * 3, ("y", ()), *HELP,
    ("5", ("5 Generate]",)), ("\r", ()), *(("v", ()), ("y", ())) * 5, (")", ()), ("\r", ()), *HELP,
    ("6", ("6 Sessions]",)), ("y", ()),
)  # fmt: skip


def through_a_terminal(name: str, steps: Steps, folder: Path, variables: dict[str, str], size: tuple[int, int]) -> int:
    """Walk through a session by keys; how much reached the terminal that should not."""
    terminal = Terminal([name], {**environment(folder), **variables, "PYTHONPATH": str(REPOSITORY)}, *size)
    try:
        walk(terminal, steps)
        code = terminal.ended()
    finally:
        terminal.close()
    found = leaks(terminal.bytes, copied=True)
    print(
        f"  {name} at {size[0]}x{size[1]}: {len(terminal.bytes):,} bytes, exit {code}, {len(found)} leaked", *found[:5]
    )
    return len(found) + (code != 0)


def files_of_every_kind(folder: Path, strings: list[str]) -> dict[str, list[str]]:
    """Data whose texts, labels, columns and names are hostile: what to call `train` with, by a session's name."""
    bad = [one.replace("\n", " ").replace("\r", " ").replace("\x00", "") for one in (*PAYLOADS.values(), *strings)]
    draw = random.Random(2)

    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    def write(name: str, lines: list[str]) -> str:
        path = folder / f"{name}{NAME.replace('/', '')}"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return os.fspath(path)

    labels = bad[:5]
    rows = [f"{quoted(draw.choice(bad) + ' a')},{quoted(draw.choice(labels))}" for _ in range(300)]
    tagged = [line for _ in range(200) for line in [*(f"{draw.choice(bad).split()[0]}\t{draw.choice(labels).split()[0]}"
              for _ in range(4)), ""]]  # fmt: skip
    pairs = [f"{draw.choice(bad)}\t{draw.choice(bad)}".replace("\x0b", "").replace("\x0c", "") for _ in range(300)]
    series = [quoted(f"when {bad[0]}") + "," + quoted(bad[1]), *(f"{quoted(bad[k % 9])},{k % 7}" for k in range(300))]
    return {
        "classified": ["--data", write("c.csv", ["text,label", *rows]), "--set", "data.task=classification"],
        "tagged": ["--data", write("t.txt", tagged), "--set", "data.task=tagging"],
        "translated": ["--data", write("p.tsv", pairs), "--set", "data.task=translation"],
        "forecast": ["--data", write("s.csv", series), "--set", "data.task=forecasting", "--set", "data.columns=1"],
        "worded": ["--data", write("w.txt", bad * 20), "--set", "data.symbol=word"],
        "bracketed": ["--data", write("b.txt", strings)],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strings", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    began, failed = time.monotonic(), 0
    strings = some_brackets(chosen.seed, -(-max(chosen.strings, 1) // PLACES) * PLACES)
    with tempfile.TemporaryDirectory() as made:
        os.environ |= environment(Path(made) / "home")
        asyncio.run(show_everywhere(strings, Path(made)))
        print(f"{len(strings):,} strings of brackets shown letter for letter, {time.monotonic() - began:.0f} s")
        for number, size in enumerate(((80, 24), (160, 48), (40, 12))):
            folder = Path(made) / f"evil{number}"
            folder.mkdir()
            _, variables = hostile_copy(folder)
            failed += through_a_terminal("evil", (*LENSES, *WALK) if number < 1 else ANSWERS, folder, variables, size)
        folder = Path(made) / "kinds"
        folder.mkdir()
        os.environ |= environment(folder)
        for name, words in files_of_every_kind(folder, strings).items():
            if lab(["train", "--new", name, *words, *TINY]) != 0:
                print(f"  {name} could not be trained")
                failed += 1
                continue
            failed += through_a_terminal(name, ANSWERS, folder, {}, (100, 30))
    signs = [chr(code) for code in range(sys.maxunicode + 1)]
    wrong = [one for one in signs if symbols.width(one) != wcwidth.wcwidth(symbols.sign(one))]
    print(f"{len(signs):,} characters: {len(wrong)} signs are not as wide as terminals draw them",
          *(hex(ord(one)) for one in wrong[:10]))  # fmt: skip
    failed += len(wrong) + len(leaks(symbols.clean_line(EVERYTHING.replace(PAYLOADS["nothing"], "")).encode()))
    print(f"{'failed' if failed else 'held'}: {failed} leaks or failures, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
