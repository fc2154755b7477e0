"""Session files under everything that can happen to them: hostile headers, truncation, flipped bits, kills while
saving, and every failing call of a save with every fate of what was not flushed.

    python -m tests.soak.soak_files [--headers N] [--bits N] [--kills N]

Prints its figures; exits 1 where a promise did not hold.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rnn_tui.session import DamagedError, SessionError, load, save
from tests.faults.power import crashes, step_on
from tests.session_builder import small_config, small_session

GOLDEN = Path(__file__).parents[1] / "golden"
SLOWEST, MOST_GROWTH = 0.2, 50 << 20
PARTS = (
    b'"', b"{", b"}", b"[", b"]", b",", b":", b"9" * 30, b"9" * 5000, b"-1", b"\\", b"\\u0000", b"\\ud800", b"null",
    b"true", b"1e999", b"1.5", b"\xff", b"\x00", b'"F64"', b'"I64"', b"__metadata__", b"../../etc/x\x1b[2J",
    b'{"a":' * 30, b"[" * 3000, b"4611686018427387904", b'"a":0,"a":1', b" " * 1000,
)  # fmt: skip


class Broken(AssertionError):
    """A promise that did not hold."""


def grown() -> int:
    """Bytes of the largest memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def seeds(folder: Path) -> list[bytes]:
    """Whole session files: those of released versions, and fresh ones."""
    found = [path.read_bytes() for path in sorted(GOLDEN.glob("*.safetensors"))]
    for k, cell in enumerate(("rnn", "gru", "lstm", "feedforward"), 1):
        path = folder / f"{cell}.safetensors"
        save(path, small_session(k, small_config(cell=cell, layers=1)))
        found.append(path.read_bytes())
    return found


def mutated(raw: bytes, draw: random.Random) -> bytes:
    """The file with one to four faults in its header; its length is mostly set right again."""
    length = int.from_bytes(raw[:8], "little")
    header = bytearray(raw[8 : 8 + length])
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(header))
        match draw.randrange(6):
            case 0:
                header[at] = draw.randrange(256)
            case 1:
                del header[at : at + draw.randint(1, 60)]
            case 2:
                header[at:at] = draw.choice(PARTS)
            case 3:
                other = draw.randrange(len(header))
                header[at:at] = header[other : other + draw.randint(1, 200)]
            case 4:
                header[at : at + draw.randint(1, 12)] = draw.choice(PARTS)
            case _:
                header[at:] = header[at : at + 1] * draw.randint(1, 50)
        header = header or bytearray(b"{")
    said = len(header) if draw.random() < 0.9 else draw.choice((0, 1, length, 1 << 22, 1 << 32, (1 << 64) - 1))
    return said.to_bytes(8, "little") + bytes(header) + raw[8 + length :]


def refused(path: Path, raw: bytes, kind: type[SessionError]) -> float:
    """Seconds until a file is refused. Raises Broken where it isn't, or in another way."""
    path.write_bytes(raw)
    start = time.perf_counter()
    try:
        load(path)
    except kind as error:
        taken = time.perf_counter() - start
        text = str(error)
        if "\n" in text or "\x1b" in text or len(text) > 500 or not text.startswith(path.stem):
            raise Broken(f"told badly: {text!r}") from None
        return taken
    except Exception as error:
        raise Broken(f"{type(error).__name__}: {error}") from error
    raise Broken("a file that is not whole was read")


def headers(folder: Path, count: int, seed: int = 1) -> tuple[float, int]:
    """Slowest refusal in seconds, and bytes of growth, over so many mutated headers."""
    draw, known = random.Random(seed), seeds(folder)
    path = folder / "demo.safetensors"
    refused(path, mutated(known[0], draw), SessionError)
    before, slowest = grown(), 0.0
    for _ in range(count):
        raw = draw.choice(known)
        while _same(changed := mutated(raw, draw), raw):
            pass
        slowest = max(slowest, refused(path, changed, SessionError))
    return slowest, grown() - before


def _same(one: bytes, other: bytes) -> bool:
    """Whether two files differ in nothing but the spaces that fill up a header."""
    parts = [(raw[8:end].rstrip(b" "), raw[end:]) for raw in (one, other) for end in (8 + _said(raw),)]
    return parts[0] == parts[1]


def _said(raw: bytes) -> int:
    return int.from_bytes(raw[:8], "little")


def truncations(folder: Path) -> int:
    """Every shorter length of a file: each is refused. Returns how many."""
    path = folder / "short.safetensors"
    save(path, small_session(1, small_config(layers=1, hidden_size=1, embedding_size=0)))
    raw = path.read_bytes()
    for length in range(len(raw)):
        refused(path, raw[:length], DamagedError)
    return len(raw)


def flipped_bits(folder: Path, count: int, seed: int = 2) -> int:
    """So many bits of a file, each flipped alone: each is found."""
    path, draw = folder / "bits.safetensors", random.Random(seed)
    save(path, small_session(6))
    raw = path.read_bytes()
    for place in draw.sample(range(8 * len(raw)), count):
        changed = bytearray(raw)
        changed[place // 8] ^= 1 << place % 8
        refused(path, bytes(changed), DamagedError)
    return count


WRITER = """
import pathlib, sys
from rnn_tui.session import save
from tests.session_builder import small_session
path, step = pathlib.Path(sys.argv[1]), int(sys.argv[2])
session = small_session(30)
print("ready", flush=True)
while True:
    step += 1
    session.progress["step"] = session.progress["tokens"] = step
    save(path, session)
    print(step, flush=True)
"""


def kills(folder: Path, count: int, seed: int = 3) -> tuple[int, int]:
    """Processes of their own, killed with SIGKILL while they save: files that could not be read, temporary files left.

    Raises Broken where the file is neither the last save nor the one under way.
    """
    path, draw = folder / "killed.safetensors", random.Random(seed)
    save(path, small_session(30))
    reached, unreadable, left = 30, 0, 0
    for _ in range(count):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, path, str(reached)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        writer.stdout.readline()
        for _ in range(draw.randint(0, 4)):
            reached = int(writer.stdout.readline())
        time.sleep(draw.random() * 0.03)
        writer.kill()
        rest = [int(line) for line in writer.stdout if line.strip().isdecimal() and line.endswith("\n")]
        writer.wait()
        reached = rest[-1] if rest else reached
        left = max(left, sum(name.endswith(".tmp") for name in os.listdir(folder)))
        for name in [name for name in os.listdir(folder) if name.endswith(".tmp")]:
            os.unlink(folder / name)
        try:
            step = load(path).progress["step"]
        except SessionError:
            unreadable += 1
            continue
        if step not in (reached, reached + 1):
            raise Broken(f"step {step} was read, {reached} was saved")
        reached = int(step)
    return unreadable, left


def power_cuts() -> int:
    """Every call of a save, every fault, every fate of what was not flushed. Returns how many disks were read."""
    count = 0
    for crash in crashes():
        count += 1
        step = step_on(crash.disk)
        if step not in crash.allowed:
            raise Broken(f"{crash.kind}: step {step} was read, not one of {crash.allowed}")
    return count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--headers", type=int, default=100_000)
    parser.add_argument("--bits", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=200)
    asked = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="rnn-lab-soak-"))
    try:
        for name in ("headers", "short", "bits", "kills"):
            (base / name).mkdir()
        start = time.monotonic()
        slowest, growth = headers(base / "headers", asked.headers)
        told = f"slowest {slowest:.3f} s, growth {growth >> 20} MB"
        print(f"{asked.headers:,} mutated headers refused; {told}", flush=True)
        print(f"{truncations(base / 'short'):,} truncations refused", flush=True)
        print(f"{flipped_bits(base / 'bits', asked.bits):,} flipped bits found", flush=True)
        unreadable, left = kills(base / "kills", asked.kills)
        told = f"{unreadable} unreadable, at most {left} temporary file left"
        print(f"{asked.kills:,} kills while saving: {told}", flush=True)
        print(f"{power_cuts():,} disks after a fault and a power cut: n or n - 1 was read from each", flush=True)
        print(f"{time.monotonic() - start:.0f} s")
    except Broken as error:
        print(f"BROKEN: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return int(bool(unreadable) or left > 1 or slowest > SLOWEST or growth > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
