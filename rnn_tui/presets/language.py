"""Networks that learn what comes next in a text."""

from __future__ import annotations

from rnn_tui.presets.preset import Preset

LANGUAGE = (
    Preset(
        "default",
        "a good start on any text: two LSTM layers of 128 units over an embedding, with AdamW",
    ),
    Preset(
        "three units by hand",
        "a plain RNN for pencil and paper: x_t is one-hot, so W_ih x_t is a column of W_ih, and h_t three numbers",
        {
            "data.path": "builtin:sentences",
            "data.validation_path": "",
            "data.test_path": "",
            "data.vocabulary_size": 0,
            "model.cell": "rnn",
            "model.layers": 1,
            "model.hidden_size": 3,
            "model.embedding_size": 0,
            "training.steps": 2000,
            "training.batch_size": 1,
            "training.sequence_length": 4,
            # W <- W - 0.05 dL/dW and nothing else: no averages, no decay, no clipping.
            "training.optimizer": "sgd",
            "training.learning_rate": 0.05,
            "training.momentum": 0.0,
            "training.weight_decay": 0.0,
            "training.clip_norm": 0.0,
            "training.validate_every": 100,
            "training.validation_tokens": 1000,
            "training.precision": "float32",
        },
    ),
    Preset(
        "char-rnn 2x128",
        "the network of Karpathy's char-rnn (2015): one-hot symbols, two LSTM layers, RMSprop, a falling rate",
        {
            "model.embedding_size": 0,
            "training.steps": 20_000,
            "training.optimizer": "rmsprop",
            "training.momentum": 0.0,
            "training.weight_decay": 0.0,
            # char-rnn multiplies by 0.97 an epoch after the tenth of fifty: 0.74 every ten.
            "training.schedule": "step",
            "training.schedule_points": "0.3,0.5,0.7,0.9",
            "training.schedule_factor": 0.74,
            "training.validate_every": 1000,
        },
    ),
    Preset(
        "wide 2x256, dropout",
        "more units learn more of the text, and dropout keeps them from learning it by heart",
        {
            "model.hidden_size": 256,
            "model.dropout": 0.25,
            "training.steps": 10_000,
            "training.sequence_length": 100,
            "training.schedule": "cosine",
            "training.validate_every": 500,
        },
    ),
    Preset(
        "GRU 2x128",
        "two gates and one state in place of the LSTM's three and two: a quarter fewer weights a layer",
        {"model.cell": "gru"},
    ),
    Preset(
        "plain RNN 1x128",
        "h_t = tanh(W_ih x_t + W_hh h_(t-1) + b): no gate protects h, so it forgets within a few symbols",
        {"model.cell": "rnn", "model.layers": 1},
    ),
    Preset(
        "feedforward baseline",
        "no memory at all: it sees one symbol, so at best it reaches the bigram line",
        {"model.cell": "feedforward", "model.layers": 1, "training.steps": 2000},
    ),
    Preset(
        "deep 4x128",
        "four layers on one another: slower to start, and each layer works on a longer span than the one below",
        {
            "model.layers": 4,
            "model.dropout": 0.1,
            "model.forget_bias": 1.0,
            "training.steps": 10_000,
            "training.schedule": "cosine",
        },
    ),
    Preset(
        "IRNN 1x128",
        "a ReLU RNN whose W_hh starts as the identity, so h is at first carried unchanged (Le et al. 2015)",
        {
            "model.cell": "rnn",
            "model.layers": 1,
            "model.nonlinearity": "relu",
            "model.init": "identity",
            # A ReLU state can grow without bound: a short step and a short gradient hold it.
            "training.learning_rate": 0.0005,
            "training.clip_norm": 1.0,
        },
    ),
    Preset(
        "tied and dropped 2x256",
        "five ways to regularise, after AWD-LSTM (Merity et al. 2018): tied weights, locked dropout, "
        "weight drop, weight decay, early stopping",
        {
            "model.hidden_size": 256,
            "model.embedding_size": 256,
            "model.tied": True,
            "model.dropout": 0.3,
            "model.locked_dropout": True,
            "model.recurrent_dropout": 0.3,
            "training.steps": 20_000,
            "training.sequence_length": 70,
            "training.weight_decay": 0.05,
            "training.clip_norm": 0.25,
            "training.schedule": "cosine",
            "training.validate_every": 500,
            "training.patience": 5,
        },
    ),
    Preset(
        "orthogonal 1x128",
        "a plain RNN whose W_hh starts as a rotation: it makes no h longer or shorter (Saxe et al. 2014)",
        {"model.cell": "rnn", "model.layers": 1, "model.init": "orthogonal", "training.clip_norm": 1.0},
    ),
    Preset(
        "forget bias 1",
        "an LSTM whose forget gates start open, so it begins by keeping what it read (Jozefowicz et al. 2015)",
        {"model.layers": 1, "model.init": "orthogonal", "model.forget_bias": 1.0},
    ),
    Preset(
        "vanish",
        "a plain RNN whose W_hh starts with spectral radius 0.1: the gradient is a tenth at each step back, "
        "and gone after six",
        {"model.cell": "rnn", "model.layers": 1, "model.spectral_radius": 0.1},
    ),
    Preset(
        "explode",
        "a ReLU RNN with spectral radius 1.2, a high rate and no clipping: within ten updates the loss is no number",
        {
            "model.cell": "rnn",
            "model.layers": 1,
            "model.nonlinearity": "relu",
            "model.spectral_radius": 1.2,
            "training.optimizer": "sgd",
            "training.learning_rate": 0.15,
            "training.clip_norm": 0.0,
        },
    ),
    Preset(
        "words 1x200, tied",
        "the next word, as with the Penn Treebank: a symbol is a word, and the readout uses the embedding again",
        {
            "data.symbol": "word",
            "data.vocabulary_size": 10_000,
            "model.layers": 1,
            "model.hidden_size": 200,
            "model.embedding_size": 200,
            "model.tied": True,
            "training.steps": 1000,
            "training.batch_size": 20,
            "training.sequence_length": 35,
            "training.learning_rate": 0.004,
            "training.clip_norm": 1.0,
            "training.validate_every": 100,
            "training.validation_tokens": 10_000,
            "training.patience": 3,
        },
    ),
    Preset(
        "one to one",
        "T = 1: one symbol in, one out, and no state in between; what is left of a recurrent network without time",
        {
            "model.cell": "feedforward",
            "model.layers": 1,
            "training.steps": 1000,
            "training.batch_size": 500,
            "training.sequence_length": 1,
            "training.stateful": False,
            "training.validate_every": 100,
        },
    ),
)
