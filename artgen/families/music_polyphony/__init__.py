"""`music.polyphony`: piano rolls, every pitch given the past and the lower pitches of its frame."""
