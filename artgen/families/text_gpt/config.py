"""The config of `text.gpt`. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from artgen.config import RunConfig
from artgen.data.text_config import TextDataConfig
from artgen.lm.config import TextSampleConfig
from artgen.lm.gpt_config import GPTModelConfig


class GPTDataConfig(TextDataConfig):
    """Which text, read how, and how windows of it are cut."""

    crops: Literal["anywhere", "documents"] = Field(
        "anywhere", description="where training windows begin; documents: every second one with a document, for short ones"
    )


class TextGPTConfig(RunConfig):
    """Transformer language model: learns to continue text (poems, plays, prose, code)"""

    family: Literal["text.gpt"] = "text.gpt"
    data: GPTDataConfig = GPTDataConfig()
    model: GPTModelConfig = GPTModelConfig()
    sample: TextSampleConfig = TextSampleConfig()


CONFIG = TextGPTConfig
