"""Text, images and music from a checkpoint: what `pipelines.generate` does.

Nothing here imports TensorFlow: `request`, `prompt_files` and `early_checks` refuse what they can
in less time than it takes to load it.
"""
