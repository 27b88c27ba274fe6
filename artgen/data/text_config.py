"""The `data` section of text families. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from artgen.config import ONE_OR_MORE, IsPath, PositiveInt, Section

EMBEDDED = "python-docs"  # the manual that ships inside Python itself: pydoc_data.topics
STANDARD_INPUT = "-"
DOWNLOADS = ("tinyshakespeare",)  # artgen.data.named has their addresses and checksums


DataPaths = Annotated[list[str], ONE_OR_MORE, IsPath(EMBEDDED, STANDARD_INPUT, *DOWNLOADS)]


class TokenizerConfig(Section):
    """How text becomes numbers."""

    kind: Literal["char", "byte", "bpe"] = Field(
        "char", description="a token is a character, a UTF-8 byte, or a frequent piece"
    )
    vocab_size: int = Field(2048, ge=260, le=65000, description="bpe: number of pieces learned from the text")


class SplitConfig(Section):
    """What is held out for validation."""

    by: Literal["blocks", "documents"] = Field("blocks", description="contiguous blocks of the text, or whole documents")
    validation: float = Field(0.1, gt=0, lt=0.9, description="share held out")
    blocks: PositiveInt = Field(1, description="blocks: how many held-out blocks, evenly spread; 1 is the end of the text")


class FormConfig(Section):
    """Documents are kept only if every line has the same length and both numbers are among these. Punctuation is not counted."""

    n_lines: list[PositiveInt] = Field([4], min_length=1)
    line_lengths: list[PositiveInt] = Field([5, 7], min_length=1)


class TextDataConfig(Section):
    """Which text, read how."""

    path: DataPaths = Field([EMBEDDED], description="files, folders, globs, - for standard input, or a known set's name")
    field: str | None = Field(None, description="JSON or JSONL: the field that holds the text, a.b for one inside another")
    separator: str | None = Field(
        None, min_length=1, description="plain text: what stands between documents; none: a file is one document"
    )
    break_lines_after: str = Field("", description="characters after which a line ends, such as 。")
    remove: str = Field("", description="characters to leave out")
    stanza_lines: PositiveInt | None = Field(None, description="cut documents into stanzas of so many lines")
    form: FormConfig | None = Field(None, description="keep only documents of a regular form")
    deduplicate: bool = Field(False, description="drop documents that were seen before")
    tokenizer: TokenizerConfig = TokenizerConfig()
    split: SplitConfig = SplitConfig()

    @model_validator(mode="after")
    def _names_a_text(self) -> TextDataConfig:
        if not self.path:
            what = f"JSON or JSONL with the text in the field {self.field!r}" if self.field else "a file, a folder or a glob"
            raise ValueError(f"no text is named, give --data: {what}")
        return self
