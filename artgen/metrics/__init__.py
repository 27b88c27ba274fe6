"""How good, how varied and how original the output is."""
