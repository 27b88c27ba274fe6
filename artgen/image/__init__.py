"""What all picture families share: batches, latents, quality, previews, samples and editing."""
