"""Training loops, and what they need: pictures, augmentation, averages, checkpoints. Torch is imported here."""
