"""What a person does to a run that trains: clip its gradient, scale W_hh, go back to weights from before."""

from __future__ import annotations

import math

from rnn_tui.model.initial import RadiusError, scale_to_radius, spectral_radius
from rnn_tui.model.network import load_weights
from rnn_tui.training.run import Run, RunError
from rnn_tui.training.trainer import optimizer_state, restore_optimizer
from rnn_tui.views import Flight, FlightRow

CLIPPED_AT = 90
LARGEST_RADIUS = 10.0


def clip_to_percentile(run: Run, share: float = CLIPPED_AT) -> float:
    """Set `training.clip_norm` to that percentile of the last 1,000 gradients' lengths, to 3 digits.

    Raises RunError where no gradient was measured yet.
    """
    norm = float(f"{run.history.percentile(share):.3g}")
    if not norm > 0:
        raise RunError("no gradient has been measured yet; train a few steps first (space)")
    run.change("training.clip_norm", norm)
    return norm


def scale_recurrent(run: Run, radius: float) -> None:
    """Scale W_hh of every layer and direction (of a gated cell: each gate's H x H block) to a spectral radius.

    The optimizer and the carried state stay; the weights of before are kept to go back to.
    Raises RunError, with nothing changed, where the radius can't be had.
    """
    if not (math.isfinite(radius) and 0 < radius <= LARGEST_RADIUS):
        raise RunError(f"W_hh can't be given a spectral radius of {radius:g}; choose one above 0, at most 10")
    cell = run.network.cell
    if not cell.recurrent:
        raise RunError("a feedforward network has no W_hh to scale; build one with a recurrent cell")
    recurrent = [p for name, p in run.network.named_parameters() if ".weight_hh_l0" in name]
    blocks = [block for W_hh in recurrent for block in W_hh.detach().chunk(cell.rows)]
    try:
        before = max(spectral_radius(block) for block in blocks)
        scaled = [scale_to_radius(block, radius) for block in blocks]
    except RadiusError as error:
        raise RunError(str(error)) from None
    trainer = run.trainer
    kept = optimizer_state(trainer.optimizer, trainer.names) if trainer is not None else {}
    run.flight.keep(run.progress.step, run.network, kept, before_change=True)
    for block, new in zip(blocks, scaled, strict=True):
        block.copy_(new)
    run.note_event("spectral radius of W_hh", float(f"{before:.4g}"), radius)
    run.weights_version += 1


def step_back(run: Run) -> int:
    """Go back to the newest weights from before the loss stopped being finite; the step they are of.

    The optimizer's state is that of then; the count of steps and the place in the data go on,
    and so does the carried state where it is finite. Raises RunError where nothing is kept.
    """
    snapshot = run.flight.back
    if snapshot is None:
        raise RunError("there are no weights to go back to: they are kept while it trains, for an update that fails")
    load_weights(run.network, snapshot.weights)
    trainer = run.trainer
    if trainer is not None:
        restore_optimizer(trainer.optimizer, trainer.names, dict(snapshot.optimizer))
        if not all(bool(part.isfinite().all()) for layer in trainer.carry or [] for part in layer):
            trainer.carry = None
    run.note_event("weights", run.progress.step, snapshot.step)
    run.flight.went_back(snapshot)
    run.weights_version += 1
    return snapshot.step


def flight_view(run: Run) -> Flight:
    """The last updates, what first was not finite, and where one could go back to."""
    flight, back = run.flight, run.flight.back
    rows = tuple(
        FlightRow(
            step=row.step,
            loss=row.loss,
            grad_norm=row.grad_norm,
            learning_rate=row.learning_rate,
            clipped=row.clipped,
            group_norms=row.group_norms,
            text="" if run.vocabulary is None else run.vocabulary.decode(row.tokens),
        )
        for row in flight.rows
    )
    return Flight(run.groups, rows, flight.first_bad, flight.bad_step, -1 if back is None else back.step)
