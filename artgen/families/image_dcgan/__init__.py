"""`image.dcgan`: the classic convolutional GAN, to learn the game from."""
