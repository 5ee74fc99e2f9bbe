"""The training loop on Orbit."""
