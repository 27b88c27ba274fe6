"""Blocks that families share, each tested against its formula written out in float64."""
