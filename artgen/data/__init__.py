"""What a model learns from: sources, tokenizers, memory-mapped tokens."""
