"""`style.fast`: a network that paints any photograph in the style of one or several paintings, in real time."""
