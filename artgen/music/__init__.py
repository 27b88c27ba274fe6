"""What the music families share: pieces, their data, and how they become events and frames."""
