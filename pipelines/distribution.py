"""tf.distribute strategies by name."""

import dataclasses

import tensorflow as tf

import gin
from pipelines.command_line import user_errors
from pipelines.errors import UserError

STRATEGIES = ("one_device", "mirrored", "tpu")


@gin.configurable(module="pipelines")
@dataclasses.dataclass(frozen=True)
class Distribution:
    """Where the replicas run.

    Args:
        strategy: "one_device", "mirrored" (all GPUs of this machine, or logical CPUs), or "tpu".
        num_replicas: int or None. For "mirrored": how many; None is every GPU.
        tpu: str. For "tpu": name or address of the TPU; "local" on a TPU VM.
    """

    strategy: str = "one_device"
    num_replicas: int | None = None
    tpu: str = "local"

    def make(self):
        """The strategy: `tf.distribute.Strategy`.

        Raises:
            UserError: a strategy that there is not, or devices that there are not.
        """
        if self.strategy not in STRATEGIES:
            raise UserError(
                f"Distribution.strategy must be one of {', '.join(STRATEGIES)}, "
                f"got {self.strategy!r}"
            )
        if self.strategy == "one_device":
            return tf.distribute.get_strategy()
        if self.strategy == "mirrored":
            return tf.distribute.MirroredStrategy(_devices(self.num_replicas))
        # tf-models-official knows the device assignment that newer TPUs want.
        from official.common import distribute_utils

        with user_errors(ValueError, tf.errors.OpError, hint=" (Distribution.tpu names the TPU)"):
            return distribute_utils.get_distribution_strategy("tpu", tpu_address=self.tpu)


def _devices(num_replicas):
    gpus = tf.config.list_logical_devices("GPU")
    if num_replicas is None:
        num_replicas = max(len(gpus), 1)
    if gpus:
        if num_replicas > len(gpus):
            raise UserError(
                f"Distribution.num_replicas is {num_replicas}, but there are {len(gpus)} GPUs"
            )
        return [device.name for device in gpus[:num_replicas]]
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * num_replicas
        )
    except RuntimeError as error:
        if len(tf.config.list_logical_devices("CPU")) < num_replicas:
            raise UserError(
                f"TensorFlow has started with fewer than {num_replicas} logical CPUs"
            ) from error
    return [f"CPU:{index}" for index in range(num_replicas)]
