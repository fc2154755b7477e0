"""What is measured while it trains, what first was not finite, and the way back."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rnn_tui.config import Config, parse, put
from rnn_tui.model.initial import RadiusError, scale_to_radius
from rnn_tui.model.network import weights
from rnn_tui.presets import preset
from rnn_tui.tasks.language import TASK
from rnn_tui.training.flight import KEPT_UPDATES, FlightRecorder, Flown, group_of, groups_of
from rnn_tui.training.intervening import clip_to_percentile, flight_view, scale_recurrent, step_back
from rnn_tui.training.randomness import generator
from rnn_tui.training.run import Run, RunError
from rnn_tui.training.trainer import RATIO_EVERY, NonFinite
from tests.networks import build
from tests.training.conftest import make_run

CELLS = ("rnn", "gru", "lstm", "feedforward")


def model(config: Config, **choices: object) -> Config:
    values = config.model_dump()
    values["model"] |= choices
    return parse(values)


def independent_gradients(run: Run, config: Config) -> dict[str, torch.Tensor]:
    """dL/dW of the first update of a run, by autograd on its own network and its own batch."""
    assert run.data is not None
    streams = TASK.batches(run.data, config, generator(config.training.seed, "data"))
    batch = streams.next()
    inputs, targets = batch.inputs, batch.targets
    logits, _ = run.network(inputs)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    named = dict(run.network.named_parameters())
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {name: g for name, g in zip(named, found, strict=True) if g is not None}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("initial", ["zero", "learned"])
def test_norms_by_group_are_those_of_autograd(small: Config, cell: str, initial: str) -> None:
    config = model(small, cell=cell, initial_state=initial)
    run = make_run(config)
    expected: dict[str, float] = {}
    gradients = independent_gradients(run, config)
    for name, gradient in gradients.items():
        group = group_of(name)
        expected[group] = expected.get(group, 0.0) + float(gradient.double().square().sum())
    run.step()
    view = run.history.thinned(10)
    assert run.groups == tuple(dict.fromkeys(group_of(name) for name in weights(run.network)))
    for k, group in enumerate(run.groups):
        np.testing.assert_allclose(view["group_norms"][k, 0], math.sqrt(expected[group]), rtol=1e-5)
    total = float(torch.nn.utils.get_total_norm(gradients.values()))
    np.testing.assert_allclose(run.progress.grad_norm, total, rtol=1e-6)
    np.testing.assert_allclose(math.hypot(*view["group_norms"][:, 0]), total, rtol=1e-5)


def test_groups_have_the_names_of_the_equations() -> None:
    names = [
        "embedding.weight", "layers.0.weight_ih_l0", "layers.0.weight_hh_l0", "layers.0.bias_ih_l0",
        "layers.0.bias_hh_l0", "layers.0.h_0", "layers.11.weight_hh_l0", "output.weight", "output.bias",
    ]  # fmt: skip
    assert groups_of(names) == ("embedding", "layer 0 W_ih", "layer 0 W_hh", "layer 0 b", "layer 11 W_hh", "output")


def test_the_update_is_measured_against_the_weights(small: Config) -> None:
    run = make_run(small)
    expected: dict[int, list[float]] = {}
    for made in range(2 * RATIO_EVERY + 1):
        before = {name: value.double().clone() for name, value in weights(run.network).items()}
        run.step()
        if made % RATIO_EVERY == 0:
            moved = {g: 0.0 for g in run.groups}
            length = dict(moved)
            for name, value in weights(run.network).items():
                moved[group_of(name)] += float((value.double() - before[name]).square().sum())
                length[group_of(name)] += float(before[name].square().sum())
            expected[made] = [math.sqrt(moved[g] / length[g]) for g in run.groups]
    ratios = run.history.thinned(1000)["update_ratios"]
    assert np.flatnonzero(~np.isnan(ratios[0])).tolist() == list(expected)
    for made, values in expected.items():
        np.testing.assert_allclose(ratios[:, made], values, rtol=1e-4)


def test_columns_of_groups_are_saved_restored_and_may_be_missing(small: Config) -> None:
    run = make_run(small)
    for _ in range(30):
        run.step()
    arrays = run.arrays()
    assert {"history.norm_layer_0_w_hh", "history.ratio_embedding", "history.norm_output"} <= set(arrays)
    again = make_run(small)
    again.restore(arrays, run.progress_record(), run.resolved(), [])
    for name in ("group_norms", "update_ratios"):
        np.testing.assert_array_equal(again.history.thinned(50)[name], run.history.thinned(50)[name])
    older = {n: a for n, a in arrays.items() if not n.startswith(("history.norm_", "history.ratio_"))}
    again = make_run(small)
    again.restore(older, run.progress_record(), run.resolved(), [])
    again.step()
    norms = again.history.thinned(50)["group_norms"]
    assert np.isnan(norms[:, :-1]).all() and np.isfinite(norms[:, -1]).all()


def test_clipping_at_the_90th_percentile(small: Config) -> None:
    run = make_run(small)
    with pytest.raises(RunError, match="no gradient"):
        clip_to_percentile(run)
    norms = []
    for _ in range(40):
        run.step()
        norms.append(run.progress.grad_norm)
    expected = float(f"{np.percentile(np.array(norms, np.float32), 90):.3g}")
    assert clip_to_percentile(run) == run.config.training.clip_norm == expected
    assert run.progress.events[-1] == {"step": 40, "field": "training.clip_norm", "from": 5.0, "to": expected}


def radius_of(block: torch.Tensor) -> float:
    return float(np.abs(np.linalg.eigvals(block.detach().double().numpy())).max())


@pytest.mark.parametrize(("cell", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_the_recurrence_is_scaled_gate_by_gate(small: Config, cell: str, gates: int) -> None:
    config = model(small, cell=cell)
    built, plain = make_run(model(config, spectral_radius=1.5)), make_run(config)
    live = make_run(config)
    live.step()
    assert live.trainer is not None
    carry, version = live.trainer.carry, live.weights_version
    scale_recurrent(live, 3)
    for k in range(2):
        for run, radius in ((built, 1.5), (live, 3.0)):
            W = weights(run.network)[f"layers.{k}.weight_hh_l0"]
            assert [radius_of(block) for block in W.chunk(gates)] == pytest.approx([radius] * gates, rel=1e-5)
        a, b = (weights(run.network)[f"layers.{k}.weight_hh_l0"] for run in (built, plain))
        share = a / b
        assert float((share[:12] - share[0, 0]).abs().max()) < 1e-5, "the same numbers, all of them longer"
    others = [name for name in weights(built.network) if "weight_hh" not in name]
    assert all(torch.equal(weights(built.network)[n], weights(plain.network)[n]) for n in others)
    assert live.trainer.carry is carry and live.weights_version == version + 1
    assert live.progress.events[-1]["to"] == 3
    live.step()


def test_a_radius_that_cannot_be_had_changes_nothing(small: Config) -> None:
    run = make_run(small)
    with torch.no_grad():
        weights(run.network)["layers.1.weight_hh_l0"][:12] = 0
    before = {name: value.clone() for name, value in weights(run.network).items()}
    with pytest.raises(RunError, match="no eigenvalue but 0"):
        scale_recurrent(run, 1)
    for radius in (0, -1, 11, math.nan, math.inf):
        with pytest.raises(RunError, match="above 0, at most 10"):
            scale_recurrent(run, radius)
    with pytest.raises(RunError, match="feedforward"):
        scale_recurrent(make_run(model(small, cell="feedforward")), 1)
    assert all(torch.equal(before[name], value) for name, value in weights(run.network).items())
    assert not run.progress.events and run.weights_version == 0
    with pytest.raises(RadiusError):
        scale_to_radius(torch.full((2, 2), math.inf), 1.0)


def poison_weight(run: Run) -> None:
    with torch.no_grad():
        run.network.get_parameter("layers.1.bias_ih_l0")[3] = math.nan


def poison_carry(run: Run) -> None:
    assert run.trainer is not None and run.trainer.carry is not None
    run.trainer.carry[1][1][2, 4] = math.inf


def poison_gradient(run: Run) -> None:
    run.network.get_parameter("layers.0.weight_hh_l0").register_hook(lambda gradient: gradient * math.inf)


def overflow_output(run: Run) -> None:
    with torch.no_grad():
        # Every gate open: each h is near 1, and twelve of them times the largest float is more than it.
        run.network.get_parameter("layers.1.bias_ih_l0").fill_(50)
        run.network.output.weight.fill_(3e38)


def overflow_length(run: Run) -> None:
    run.network.get_parameter("output.weight").register_hook(lambda gradient: torch.full_like(gradient, 1e30))


@pytest.mark.parametrize(
    ("plant", "named"),
    [
        (poison_weight, "layers.1.bias_ih_l0"),
        (poison_carry, "c of layer 1, carried from the batch before"),
        (poison_gradient, "gradient of layers.0.weight_hh_l0"),
        (overflow_output, "logits at t 0"),
        (overflow_length, "length of the gradient of output.weight"),
    ],
)
def test_the_first_tensor_that_is_not_finite_is_named(small: Config, plant: Callable[[Run], None], named: str) -> None:
    run = make_run(put(small, "model.dropout", 0.2))
    for _ in range(3):
        run.step()
    plant(run)
    before = run.generators["dropout"].get_state()
    for _ in range(2):
        with pytest.raises(NonFinite):
            run.step()
        assert torch.equal(before, run.generators["dropout"].get_state())
        flight = flight_view(run)
        assert flight.first_bad == named and flight.bad_step == 4
        assert [row.step for row in flight.rows] == [1, 2, 3, 4]


def test_a_state_that_overflows_is_named_with_its_timestep(small: Config) -> None:
    run = make_run(model(small, cell="rnn", nonlinearity="relu", layers=2))
    with torch.no_grad():
        # h grows a million-fold a step from 1 on: 1e38 is passed at t = 6, in the layer above.
        for name, value in run.network.named_parameters():
            if name.startswith("layers.1"):
                value.zero_()
        run.network.get_parameter("layers.1.weight_hh_l0").copy_(1e6 * torch.eye(12))
        run.network.get_parameter("layers.1.bias_ih_l0").fill_(1.0)
    with pytest.raises(NonFinite):
        run.step()
    assert flight_view(run).first_bad == "h of layer 1 at t 7"


def test_the_recorder_holds_the_last_updates_and_what_was_read(small: Config) -> None:
    run = make_run(small)
    twin = make_run(small)
    assert run.data is not None
    read = []
    for _ in range(KEPT_UPDATES + 10):
        run.step()
        streams = twin.trainer.batches  # type: ignore[union-attr]
        read.append(run.vocabulary.decode(streams.next().inputs[:, 0].numpy()))
    flight = flight_view(run)
    assert [row.step for row in flight.rows] == list(range(11, KEPT_UPDATES + 11))
    assert [row.text for row in flight.rows] == read[10:]
    assert [np.float32(row.loss) for row in flight.rows] == run.history.column("train_loss")[10:].tolist()
    assert (flight.first_bad, flight.bad_step, flight.back_step) == ("", -1, -1)
    assert all(len(row.group_norms) == len(flight.groups) for row in flight.rows)


def test_going_back_after_a_rate_that_was_too_high(small: Config) -> None:
    config = model(small, cell="rnn", nonlinearity="relu")
    config = put(put(config, "training.optimizer", "sgd"), "training.clip_norm", 0)
    run = make_run(config)
    kept = {}
    for _ in range(120):
        if run.progress.step == 100:
            kept = {n: a for n, a in run.arrays().items() if n.startswith(("model.", "optimizer."))}
        run.step()
    run.change("training.learning_rate", 1e6)
    with pytest.raises(RunError, match="no weights to go back to"):
        step_back(run)
    with pytest.raises(NonFinite):
        for _ in range(50):
            run.step()
    failed = run.progress.step
    assert 120 < failed < 150 and flight_view(run).back_step == 100
    version = run.weights_version
    assert step_back(run) == 100
    for name, array in kept.items():
        np.testing.assert_array_equal(run.arrays()[name], array, err_msg=name)
    assert run.progress.step == failed and run.weights_version == version + 1 and run.flight.back is None
    assert run.progress.events[-1] == {"step": failed, "field": "weights", "from": failed, "to": 100}
    run.change("training.learning_rate", 0.01)
    for _ in range(20):
        run.step()
    assert run.progress.step == failed + 20 and math.isfinite(run.progress.grad_norm)
    assert run.history.column("train_loss")[-1] < 4


def test_going_back_after_w_hh_was_scaled_gives_the_weights_of_before(small: Config) -> None:
    config = model(small, cell="rnn", nonlinearity="relu")
    config = put(put(config, "training.optimizer", "sgd"), "training.clip_norm", 0)
    run = make_run(config)
    kept = {n: a for n, a in run.arrays().items() if n.startswith("model.")}
    run.change("training.learning_rate", 10.0)
    scale_recurrent(run, 10.0)
    with pytest.raises(NonFinite):
        for _ in range(50):
            run.step()
    assert step_back(run) == 0
    for name, array in kept.items():
        np.testing.assert_array_equal(run.arrays()[name], array, err_msg=name)


def test_weights_from_just_before_the_end_are_passed_over() -> None:
    network = build()
    flight = FlightRecorder()

    def fail(step: int) -> int:
        flight.failed(Flown(step, math.nan, math.nan, 0.1, False, (), np.zeros(0, np.int32)), "loss")
        return -1 if flight.back is None else flight.back.step

    assert fail(1) == -1
    flight.keep(0, network, {})
    assert fail(1) == -1, "those are the weights that failed"
    assert fail(6) == 0, "there is nothing older"
    flight.keep(50, network, {})
    assert fail(56) == 0 and fail(61) == 50 and fail(51) == 0
    flight.keep(100, network, {})
    assert fail(101) == 50 and fail(111) == 100
    back = flight.back
    assert back is not None
    flight.went_back(back)
    assert fail(115) == 100 and [s.step for s in flight.snapshots] == [50, 100]


def test_recorder_and_snapshots_leave_the_run_as_it_was(small: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    config = put(small, "model.dropout", 0.2)
    seen = []
    for blind in (False, True):
        if blind:
            monkeypatch.setattr(FlightRecorder, "flown", lambda self, row: None)
            monkeypatch.setattr(FlightRecorder, "snapshot_due", lambda self, made: False)
        run = make_run(config)
        for _ in range(60):
            run.step()
        seen.append(run.arrays())
    assert seen[0].keys() == seen[1].keys()
    for name, array in seen[0].items():
        np.testing.assert_array_equal(seen[1][name], array, err_msg=name)


def test_another_optimizer_starts_anew_from_an_old_snapshot(small: Config) -> None:
    run = make_run(small)
    for _ in range(12):
        run.step()
    run.change("training.optimizer", "sgd")
    poison_carry(run)
    with pytest.raises(NonFinite):
        run.step()
    assert step_back(run) == 0
    assert run.trainer is not None and run.trainer.carry is None, "a state that is not finite starts anew"
    run.step()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_preset_that_explodes_does_and_the_way_back_is_open(seed: int) -> None:
    base = put(put(Config(), "training.precision", "float32"), "training.autosave_seconds", 60)
    run = make_run(put(preset("explode").config(base), "training.seed", seed))
    with pytest.raises(NonFinite):
        for _ in range(60):
            run.step()
    flight = flight_view(run)
    assert flight.first_bad and flight.bad_step == run.progress.step + 1
    assert max(row.grad_norm for row in flight.rows[:-1]) > 1000
    assert step_back(run) == 0
    run.change("training.clip_norm", 0.5)
    for _ in range(10):
        run.step()
    assert run.history.column("train_loss")[-1] < math.log(len(run.vocabulary))


def test_the_preset_that_vanishes_hardly_sends_a_gradient_back() -> None:
    """|dh_t/dh_(t-6)| of its fresh weights is below a millionth, that of the default RNN is not."""
    norms = []
    for name in ("vanish", "plain RNN 1x128"):
        run = make_run(put(preset(name).config(), "training.precision", "float32"))
        W = run.network.get_parameter("layers.0.weight_hh_l0").detach().double()
        norms.append(float(torch.linalg.matrix_norm(torch.linalg.matrix_power(W, 6), 2)))
    assert norms[0] < 2e-5 < 1e-2 < norms[1]
