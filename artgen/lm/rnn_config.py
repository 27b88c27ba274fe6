"""The `model` section of families whose network is a stack of recurrent layers. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from artgen.config import PositiveInt, Section


class RNNModelConfig(Section):
    """A stack of recurrent layers."""

    cell: Literal["rnn", "gru", "lstm"] = Field("lstm", description="the recurrence: Elman's, gated, or with a memory cell")
    n_layers: PositiveInt = Field(2, description="recurrent layers, one on top of the other")
    d_model: PositiveInt = Field(256, description="width of the hidden state")
    d_embed: PositiveInt | None = Field(None, description="width of the token vectors; null: d_model")
    nonlinearity: Literal["tanh", "relu"] = Field("tanh", description="of the cell rnn; gru and lstm always use tanh")
    norm: Literal["none", "layer", "rms"] = Field("none", description="normalise the input of every layer and of the head")
    residual: bool = Field(False, description="add a layer's input to its output where their widths are equal")
    tie_embeddings: bool = Field(False, description="one table for reading and for predicting tokens")
    dropout: float = Field(
        0.0, ge=0, lt=1, description="share of activations dropped in training, between layers and not over time"
    )
    context: PositiveInt = Field(
        128, description="time steps that a gradient goes back; the state is carried on without gradient"
    )

    @property
    def embed_width(self) -> int:
        """Width of the token vectors."""
        return self.d_embed or self.d_model

    @model_validator(mode="after")
    def _nonlinearity_is_used(self) -> RNNModelConfig:
        if self.nonlinearity != "tanh" and self.cell != "rnn":
            raise ValueError(
                f"nonlinearity {self.nonlinearity} has no meaning for cell {self.cell}: leave it out, or set cell=rnn"
            )
        return self
