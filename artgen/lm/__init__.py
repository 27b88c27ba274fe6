"""Language modelling over any sequence of tokens: objective, generation, constraints."""
