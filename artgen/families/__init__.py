"""One package per model family, found by `artgen.registry`."""
