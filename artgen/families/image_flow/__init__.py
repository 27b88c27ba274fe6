"""`image.flow`: a U-Net trained by flow matching."""
