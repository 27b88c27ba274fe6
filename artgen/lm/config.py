"""The `sample` section of text families: how tokens are drawn, and what the text must obey. Imports no torch."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from artgen.config import Fraction, PositiveInt, Section


class TextSampleConfig(Section):
    """How text is made. The command line's options are laid over this section."""

    medium: ClassVar[str] = "text"

    prompt: str = Field("", description="text that the sample continues; empty: it begins like a document")
    max_tokens: PositiveInt = Field(500, le=1_000_000_000, description="most tokens made, the prompt not counted")
    temperature: float = Field(
        0.8, ge=0, description="0 takes the likeliest token, 1 samples the model as it is, above is wilder"
    )
    top_k: int = Field(0, ge=0, description="draw from the k likeliest tokens only; 0 turns it off")
    top_p: Fraction = Field(
        1.0, description="draw from the likeliest tokens that together reach this probability; 1 turns it off"
    )
    min_p: Fraction = Field(0.0, description="drop tokens less likely than this share of the likeliest; 0 turns it off")
    repetition_penalty: float = Field(1.0, gt=0, description="above 1, tokens that were used are less likely; 1 turns it off")
    stop: list[str] = Field([], description="strings that end the sample; the string itself is left out")
    lines: PositiveInt | None = Field(None, description="make exactly so many lines")
    line_length: list[PositiveInt] | None = Field(
        None, min_length=1, description="characters in a line, punctuation not counted; all lines get one length of the list"
    )
    allowed: str | None = Field(
        None, min_length=1, description="the only characters that may appear, beside line ends; null allows all"
    )
    acrostic: str | None = Field(None, min_length=1, description="line i begins with character i of this word")
