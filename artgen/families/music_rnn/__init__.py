"""`music.rnn`: a recurrent network over events or over frames."""
