"""`music.transformer`: a decoder-only Transformer over the events of pieces."""
