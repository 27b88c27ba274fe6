"""`image.gan`: a small modern GAN for few pictures."""
