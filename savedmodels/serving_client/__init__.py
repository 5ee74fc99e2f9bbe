"""The parts of `savedmodels.client`. Its command alone needs more of this repository."""
