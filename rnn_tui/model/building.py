"""The network that a configuration and what is read and answered call for."""

from __future__ import annotations

from rnn_tui.config import ModelConfig
from rnn_tui.model.network import Network
from rnn_tui.model.translation import EncoderDecoder
from rnn_tui.views import Sizes

Built = Network | EncoderDecoder
"""What a session trains, whatever its task."""


def build(model: ModelConfig, sizes: Sizes, device: str = "cpu") -> Built:
    """A network, or with `sizes.decoder` an encoder and a decoder; it holds no values yet."""
    return EncoderDecoder(model, sizes, device) if sizes.decoder else Network(model, sizes, device)
