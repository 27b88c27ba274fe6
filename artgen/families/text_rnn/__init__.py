"""`text.rnn`: a recurrent language model."""
