import pytest
import tensorflow as tf

from pipelines.distribution import Distribution, is_chief, of_all_workers, worker_index
from pipelines.errors import UserError
from tests.pipelines import runs


def test_one_process_is_its_own_chief():
    strategy = Distribution().make()
    assert is_chief(strategy) and worker_index(strategy) == 0
    assert of_all_workers(strategy, 7) == [7]


def test_several_workers_need_their_addresses(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UserError, match="needs TF_CONFIG"):
        Distribution("multi_worker_mirrored").make()


def test_several_workers_have_to_meet_before_the_first_tensor(monkeypatch):
    tf.constant(0)
    monkeypatch.setenv("TF_CONFIG", runs.cluster(1)[0]["TF_CONFIG"])
    with pytest.raises(UserError, match="before TensorFlow starts"):
        Distribution("multi_worker_mirrored").make()
    assert Distribution().make().num_replicas_in_sync == 1


@pytest.mark.parametrize(
    ("distribution", "address"),
    [
        (Distribution("tpu"), "local"),
        (Distribution("tpu", tpu="pod"), "pod"),
        (Distribution("tpu", tpu="pod", tpu_zone="z", tpu_project="p"), "grpc://pod.z.p"),
    ],
)
def test_a_tpu_is_found_by_its_name_and_place(monkeypatch, distribution, address):
    from official.common import distribute_utils

    class Resolver:
        def __init__(self, tpu, zone, project):
            self.place = f"grpc://{tpu}.{zone}.{project}"

        def master(self):
            return self.place

    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", Resolver)
    monkeypatch.setattr(
        distribute_utils, "get_distribution_strategy", lambda name, tpu_address: tpu_address
    )
    assert distribution.make() == address


def test_a_tensorflow_without_tpus_says_what_to_install(monkeypatch):
    from official.common import distribute_utils

    def refuse(name, tpu_address):
        raise tf.errors.NotFoundError(None, None, "No OpKernel was registered to support Op 'X'")

    monkeypatch.setattr(distribute_utils, "get_distribution_strategy", refuse)
    with pytest.raises(UserError, match="knows no TPU: on a TPU VM, install requirements-tpu.txt"):
        Distribution("tpu").make()
