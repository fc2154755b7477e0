"""Sessions that other programs have, as these tell of them: their files are older."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from rnn_tui.session.live import Live, read_live
from rnn_tui.session.lock import holder
from rnn_tui.views import SessionRow


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A session that another program has."""

    who: str
    """`process 4242 on gpu1`."""
    doing: str
    """A phase, in words; `no answer` where it has told nothing for a while."""
    live: Live | None = None
    """What it told last; None where it has told nothing yet."""

    def row(self, row: SessionRow) -> SessionRow:
        """The session as it is there now; `busy` says what is done with it, and by whom."""
        live, busy = self.live, f"{self.doing}, {self.who}" if self.doing else self.who
        if live is None:
            return replace(row, busy=busy)
        return replace(
            row, step=live.step, planned=live.planned or row.planned, tokens=live.tokens, train_loss=live.train_loss,
            val_loss=live.val_loss, best_loss=live.best_loss, busy=busy,
            val_metrics=live.val_metrics or row.val_metrics,
        )  # fmt: skip


def elsewhere(path: Path) -> Elsewhere | None:
    """Who has a session, and what was told of it last; None where nobody has it."""
    held = holder(path)
    if held is None:
        return None
    live = read_live(path)
    if live is None or (live.pid, live.host) != (held.pid, held.host):
        # What stands there was told by a program that had it before.
        return Elsewhere(held.who, held.what)
    return Elsewhere(live.who, live.phase, live)
