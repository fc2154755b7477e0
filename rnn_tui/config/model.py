"""The network."""

from __future__ import annotations

from typing import Literal

from rnn_tui.config.field import SIZES, TENTHS, Section, field


class ModelConfig(Section):
    """The network: which cell, how many, how wide."""

    cell: Literal["rnn", "gru", "lstm", "feedforward"] = field(
        "lstm",
        "the recurrent cell; feedforward, h_t = tanh(W_ih x_t + b), has no memory and is the baseline",
        label="Cell",
        applies="new net",
    )
    layers: int = field(
        2, "cells stacked on one another", label="Layers", applies="new net", low=1, high=8,
        ladder=tuple(range(1, 9)),
    )  # fmt: skip
    hidden_size: int = field(
        128, "units in each layer: the length of h", label="Hidden size", applies="new net",
        low=1, high=8192, unit="units", ladder=SIZES,
    )  # fmt: skip
    embedding_size: int = field(
        128, "length of the learned vector for each symbol (0: one-hot)", label="Embedding", applies="new net",
        low=0, high=8192, unit="units", ladder=(0, *SIZES),
    )  # fmt: skip
    bidirectional: bool = field(
        False,
        "a second layer beside each reads from the end to the beginning: at every timestep all of the sequence is "
        "known (Schuster and Paliwal 1997)",
        label="Bidirectional",
        applies="new net",
        tasks=("language", "tagging", "classification"),
    )
    attention: bool = field(
        False,
        "the decoder looks at every state of the encoder, not at the last alone (Luong, Pham and Manning 2015, dot)",
        label="Attention",
        applies="new net",
        tasks=("translation",),
    )
    nonlinearity: Literal["tanh", "relu"] = field(
        "tanh", "of the plain RNN only", label="Nonlinearity", applies="new net"
    )
    dropout: float = field(
        0.0,
        "share of activations dropped between layers, in training only (with one layer it does nothing)",
        label="Dropout",
        applies="now",
        low=0.0,
        high=0.95,
        ladder=TENTHS,
    )
    locked_dropout: bool = field(
        False, "one dropout mask for all timesteps (Gal and Ghahramani 2016)", label="Locked dropout", applies="now"
    )
    recurrent_dropout: float = field(
        0.0,
        "share of W_hh dropped, one mask for all timesteps (weight drop, Merity et al. 2018)",
        label="Recurrent drop",
        applies="now",
        low=0.0,
        high=0.95,
        ladder=TENTHS,
    )
    tied: bool = field(
        False,
        "the readout shares its weights with the embedding (needs embedding_size = hidden_size)",
        label="Tied weights",
        applies="new net",
    )
    initial_state: Literal["zero", "learned"] = field(
        "zero", "h_0 where a sequence starts: zeros, or a learned vector", label="Initial state", applies="new net"
    )
    init: Literal["default", "xavier", "orthogonal", "identity"] = field(
        "default",
        "initial weights: PyTorch's own, Xavier, orthogonal gate by gate, or identity for W_hh",
        label="Initial weights",
        applies="new net",
    )
    spectral_radius: float = field(
        0.0,
        "scale the initial W_hh, gate by gate, to this largest |eigenvalue| (0: leave it as drawn)",
        label="Spectral radius",
        applies="new net",
        low=0.0,
        high=10.0,
        ladder=(0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0),
    )
    forget_bias: float = field(
        0.0,
        "set the LSTM's forget-gate bias to this (0: leave it as drawn, which starts f at 0.5)",
        label="Forget bias",
        applies="new net",
        low=-10.0,
        high=10.0,
        ladder=(-1.0, 0.0, 1.0, 2.0, 3.0, 5.0),
    )
