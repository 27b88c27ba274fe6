"""`music.chorale`: music in four voices, of which any part can be given and the rest is filled in."""
