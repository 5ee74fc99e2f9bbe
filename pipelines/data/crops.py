"""Where a training row ends in its document, and which of its targets count.

A document has T targets, 0 … T − 1; target t follows t + 1 inputs. A crop is `end`, the number of
the first target behind it, and `scored`, how many of its last targets count. Its inputs are as many
events before the last target as the context takes.

Every policy chooses one number of a range, all alike. An example takes its own part of the range
(the k-th of K), so that the examples of a document cover it evenly.
"""

import dataclasses

import tensorflow as tf

from pipelines.checks import check_integer
from pipelines.data.batches import MOST
from pipelines.errors import UserError

LATENT_POLICIES = ("none", "full_latents", "full_latents_with_prefix", "equal_position_likelihood")


@dataclasses.dataclass(frozen=True)
class RandomCrop:
    """A crop ends anywhere behind the first inputs, and all of its targets count.

    As the original crops (`minimum_crop_length`, which counts one event more).

    Args:
        min_inputs: int. Fewest inputs; a shorter document is taken whole.
    """

    min_inputs: int = 1

    def __post_init__(self):
        check_integer("RandomCrop.min_inputs", self.min_inputs, most=MOST)

    def check_context(self, context):
        """Refuses a context that the crop does not fit: none, as a shorter one cuts the inputs."""

    def range(self, num_targets):
        """The first choice, and how many there are: int64 tensors like `num_targets`."""
        first = tf.minimum(tf.cast(self.min_inputs, tf.int64), num_targets)
        return first, num_targets - first + 1

    def place(self, choice, num_targets):
        """`end` and `scored` of a choice, int64 tensors."""
        del num_targets
        return choice, choice


@dataclasses.dataclass(frozen=True)
class LatentCrop:
    """Where the latents lie in the document, as flaxformer's `CroppingMethod` has it.

    Args:
        num_latents: int. N.
        policy: str. "none": the latents lie at the end of the document. "full_latents": N targets
            anywhere. "full_latents_with_prefix": the same, but the first latents may lie on the
            prefix, which is not scored. "equal_position_likelihood": the N targets may stick out at
            either end, so that every target is as likely to count.
        prefix: int. Inputs at the start whose targets never count.
    """

    num_latents: int
    policy: str = "full_latents"
    prefix: int = 0

    def __post_init__(self):
        check_integer("LatentCrop.num_latents", self.num_latents, most=MOST)
        check_integer("LatentCrop.prefix", self.prefix, least=0, most=MOST)
        if self.policy not in LATENT_POLICIES:
            raise UserError(
                f"LatentCrop.policy must be one of {', '.join(LATENT_POLICIES)}, "
                f"got {self.policy!r}"
            )

    def check_context(self, context):
        """Refuses a context without room for the latents, of which each sits on an input.

        Raises:
            UserError: names both numbers.
        """
        if self.num_latents > context:
            raise UserError(
                f"LatentCrop.num_latents is {self.num_latents} and the context {context}: each "
                "latent sits on an input of its own, so choose as many or fewer"
            )

    def _prefix(self, num_targets):
        return tf.minimum(tf.cast(self.prefix, tf.int64), num_targets - 1)

    def range(self, num_targets):
        """The first choice, and how many there are: int64 tensors like `num_targets`."""
        latents, prefix = tf.cast(self.num_latents, tf.int64), self._prefix(num_targets)
        last = num_targets - latents
        if self.policy == "none":
            first = last
        elif self.policy == "full_latents":
            first = prefix
        elif self.policy == "full_latents_with_prefix":
            first = tf.maximum(prefix - latents + 1, 0)
        else:
            first, last = prefix - latents + 1, num_targets - 1
        # A document with fewer targets than latents has one place.
        return first, tf.maximum(last - first + 1, 1)

    def place(self, choice, num_targets):
        """`end` and `scored` of a choice, int64 tensors."""
        end = tf.minimum(choice + self.num_latents, num_targets)
        return end, end - tf.maximum(choice, self._prefix(num_targets))
