"""The config of `text.rnn`. Imports no torch."""

from __future__ import annotations

from typing import Literal

from artgen.config import RunConfig
from artgen.data.text_config import TextDataConfig
from artgen.lm.config import TextSampleConfig
from artgen.lm.rnn_config import RNNModelConfig


class TextRNNConfig(RunConfig):
    """Recurrent language model (Elman, GRU, LSTM): small, and samples at the same speed however long the text"""

    family: Literal["text.rnn"] = "text.rnn"
    data: TextDataConfig = TextDataConfig()
    model: RNNModelConfig = RNNModelConfig()
    sample: TextSampleConfig = TextSampleConfig()


CONFIG = TextRNNConfig
