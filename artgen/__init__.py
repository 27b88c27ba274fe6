"""artgen: train small generative models on your own art, and make new work with them."""

__version__ = "0.1.0"
