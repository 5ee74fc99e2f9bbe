"""tf.distribute strategies by name."""

import contextlib
import dataclasses

import tensorflow as tf

import gin
from pipelines.checks import check_integer
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
        check_integer("Distribution.num_replicas", self.num_replicas, optional=True)
        if self.strategy == "one_device":
            return tf.distribute.get_strategy()
        if self.strategy == "mirrored":
            return tf.distribute.MirroredStrategy(_devices(self.num_replicas))
        # tf-models-official knows the device assignment that newer TPUs want.
        from official.common import distribute_utils

        with user_errors(ValueError, tf.errors.OpError, hint=" (Distribution.tpu names the TPU)"):
            return distribute_utils.get_distribution_strategy("tpu", tpu_address=self.tpu)


def host_float(value):
    """A number on the host, of a variable that a strategy may hold once for each replica.

    Args:
        value: scalar tensor, `tf.Variable` or Keras variable.

    Returns:
        float.
    """
    return float(tf.convert_to_tensor(getattr(value, "value", value)))


def _devices(num_replicas):
    # Of physical devices: to ask for logical ones would settle how many there are.
    gpus = tf.config.list_physical_devices("GPU")
    kind = "GPU" if gpus else "CPU"
    if num_replicas is None:
        num_replicas = max(len(gpus), 1)
    if not gpus:
        split = [tf.config.LogicalDeviceConfiguration()] * num_replicas
        with contextlib.suppress(RuntimeError):  # TensorFlow has started: what there is must do
            cpu = tf.config.list_physical_devices("CPU")[0]
            tf.config.set_logical_device_configuration(cpu, split)
    devices = tf.config.list_logical_devices(kind)
    if num_replicas > len(devices):
        raise UserError(
            f"Distribution.num_replicas is {num_replicas}, but there are {len(devices)} {kind}s"
        )
    return [device.name for device in devices[:num_replicas]]
