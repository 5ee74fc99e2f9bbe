"""Small groups of settings, so that no class takes sixty."""

import dataclasses


class Options:
    """Base of frozen dataclasses that Keras can serialise. Tuples become lists on the way."""

    def get_config(self):
        """Every field by its name."""
        return {
            field.name: list(value) if isinstance(value, tuple) else value
            for field in dataclasses.fields(self)
            for value in [getattr(self, field.name)]
        }

    @classmethod
    def from_config(cls, config):
        """The options of a `get_config`."""
        return cls(**config)
