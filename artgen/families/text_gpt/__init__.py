"""`text.gpt`: a decoder-only Transformer language model."""
