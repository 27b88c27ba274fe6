"""Style transfer: the layout of one picture in the style of another."""
