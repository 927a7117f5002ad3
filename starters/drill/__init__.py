"""A drill: a private installation on which everything that may break is broken, and what was lost of it."""
