"""The one training loop and what stands beside it. It knows no family by name."""
