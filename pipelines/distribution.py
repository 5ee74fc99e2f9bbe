"""tf.distribute strategies by name."""

import contextlib
import dataclasses
import functools
import os
import signal
import sys

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context

import gin
from pipelines.checks import check_integer, check_number
from pipelines.command_line import one_line, user_errors
from pipelines.errors import RunError, UserError
from pipelines.workers import Workers

STRATEGIES = ("one_device", "mirrored", "multi_worker_mirrored", "tpu")


@gin.configurable(module="pipelines")
@dataclasses.dataclass(frozen=True)
class Distribution:
    """Where the replicas run.

    Args:
        strategy: "one_device", "mirrored" (all GPUs of this machine, or logical CPUs),
            "multi_worker_mirrored" (the GPUs or the CPU of every process that `TF_CONFIG` names),
            or "tpu".
        num_replicas: int or None. For "mirrored": how many; None is every GPU.
        wait_seconds: float. For "multi_worker_mirrored": how long to wait for the other workers.
        lost_after_seconds: float. For "multi_worker_mirrored": how long a worker may be silent
            before it counts as lost.
        tpu: str. For "tpu": name or address of the TPU; "local" on a TPU VM.
        tpu_zone: str or None. Where a TPU with a name is; None asks the machine for its own.
        tpu_project: str or None. Whose it is; None as well.
    """

    strategy: str = "one_device"
    num_replicas: int | None = None
    wait_seconds: float = 600.0
    lost_after_seconds: float = 30.0
    tpu: str = "local"
    tpu_zone: str | None = None
    tpu_project: str | None = None

    def make(self):
        """The strategy: `tf.distribute.Strategy`.

        Several workers have to find each other before TensorFlow starts, so nothing may have made a
        tensor by then.

        Raises:
            UserError: a strategy that there is not, or devices that there are not.
            RunError: other workers that do not come.
        """
        if self.strategy not in STRATEGIES:
            raise UserError(
                f"Distribution.strategy must be one of {', '.join(STRATEGIES)}, "
                f"got {self.strategy!r}"
            )
        check_integer("Distribution.num_replicas", self.num_replicas, optional=True)
        check_number("Distribution.wait_seconds", self.wait_seconds)
        check_number("Distribution.lost_after_seconds", self.lost_after_seconds, least=1.0)
        if self.strategy == "one_device":
            return tf.distribute.get_strategy()
        if self.strategy == "mirrored":
            return tf.distribute.MirroredStrategy(_devices(self.num_replicas))
        if self.strategy == "multi_worker_mirrored":
            Workers.from_environment().meet(self.wait_seconds)
            return _of_workers(self.lost_after_seconds)
        return self._of_tpu()

    def _of_tpu(self):
        # tf-models-official knows the device assignment that newer TPUs want, but of a place only
        # the name; the resolver finds the address that goes with it.
        from official.common import distribute_utils

        place = {"zone": self.tpu_zone, "project": self.tpu_project}
        hint = " (Distribution.tpu names the TPU, tpu_zone and tpu_project where it is)"
        with user_errors(ValueError, tf.errors.OpError, hint=hint):
            address = self.tpu
            if any(place.values()):
                address = tf.distribute.cluster_resolver.TPUClusterResolver(address, **place)
                address = address.master()
            try:
                return distribute_utils.get_distribution_strategy("tpu", tpu_address=address)
            except tf.errors.OpError as error:
                if "No OpKernel was registered" not in str(error):
                    raise
                raise UserError(
                    "this TensorFlow knows no TPU: on a TPU VM, install requirements-tpu.txt and "
                    "requirements-tpu-no-deps.txt into an environment of their own (docs/tpu.md)"
                ) from error


def _of_workers(lost_after_seconds):
    # No public name leads to its ten seconds, too few for a machine that has stalled or moved.
    of_process = context.context()
    of_process.configure_coordination_service = functools.partial(
        of_process.configure_coordination_service,
        heartbeat_timeout_in_ms=round(1000 * lost_after_seconds),
    )
    handler = signal.getsignal(signal.SIGTERM)
    try:
        # Not by way of tf-models-official, whose class for it TensorFlow says to use no more.
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise RunError(f"{one_line(error)}: start all workers again") from error
    except RuntimeError as error:
        raise UserError(
            f"several workers have to meet before TensorFlow starts ({one_line(error)}): make no "
            "tensor before the estimator is first called"
        ) from error
    finally:
        signal.signal(signal.SIGTERM, handler)  # TensorFlow takes it away, and does nothing
    # It makes a last batch of any size possible, by shapes that are not static. Ours are all full,
    # and as many on each worker.
    strategy.extended.experimental_enable_get_next_as_optional = False
    return strategy


def is_chief(strategy):
    """bool. Whether this process writes what all workers of a strategy have to say."""
    return strategy.extended.should_checkpoint


def only_chief_speaks(strategy):
    """Ends the standard output of this process where another one speaks for all workers."""
    if not is_chief(strategy):
        print(f"worker {worker_index(strategy)}: worker 0 tells how the run goes", flush=True)
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (open as long as the process)


def worker_index(strategy):
    """int. Which of a strategy's workers this process is: the chief is 0."""
    return _workers(strategy).index


def of_all_workers(strategy, number):
    """What every worker knows, told to every worker. All of them wait here for each other.

    Args:
        strategy: `tf.distribute.Strategy`.
        number: int. This worker's.

    Returns:
        list of int, one for each worker in their order.
    """
    workers = _workers(strategy)
    if len(workers.addresses) == 1:
        return [number]
    numbers = np.zeros(len(workers.addresses), "int64")
    numbers[workers.index] = number
    return strategy.reduce("SUM", tf.constant(numbers), axis=None).numpy().tolist()


def _workers(strategy):
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return Workers.from_environment()
    return Workers(("",), 0)


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
