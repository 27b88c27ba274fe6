"""`image.vae`: a convolutional variational autoencoder, the model to learn from."""
