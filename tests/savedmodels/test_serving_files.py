"""The examples beside savedmodels/ are what TF Serving, Docker and Kubernetes could read."""

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf import wrappers_pb2 as wrappers
from tensorflow_serving.config import model_server_config_pb2

FILES = ("models.config", "batching.config", "docker-compose.yaml", "kubernetes.yaml")
# As in tensorflow_serving/servables/tensorflow/session_bundle_config.proto, which
# tensorflow-serving-api leaves out: names, types and numbers of the fields.
BATCHING = (
    ("max_batch_size", ".google.protobuf.Int64Value"),
    ("batch_timeout_micros", ".google.protobuf.Int64Value"),
    ("max_enqueued_batches", ".google.protobuf.Int64Value"),
    ("num_batch_threads", ".google.protobuf.Int64Value"),
    ("thread_pool_name", ".google.protobuf.StringValue"),
    ("allowed_batch_sizes", "int64"),
    ("pad_variable_length_inputs", "bool"),
)


@pytest.fixture
def files(repository):
    """Texts of the examples, by name."""
    return {name: (repository / "savedmodels" / name).read_text() for name in FILES}


def batching_parameters():
    """A message like TF Serving's own."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="batching.proto", syntax="proto3", dependency=[wrappers.DESCRIPTOR.name]
    )
    message = file.message_type.add(name="BatchingParameters")
    for number, (name, kind) in enumerate(BATCHING, 1):
        field = message.field.add(name=name, number=number, label=kinds.LABEL_OPTIONAL)
        field.type = {"int64": kinds.TYPE_INT64, "bool": kinds.TYPE_BOOL}.get(
            kind, kinds.TYPE_MESSAGE
        )
        if kind.startswith("."):
            field.type_name = kind
        elif kind == "int64":
            field.label = kinds.LABEL_REPEATED
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("BatchingParameters"))()


def server_flags(words):
    return dict(word.removeprefix("--").split("=") for word in words)


def test_each_says_at_once_that_it_was_not_run(files):
    for name, text in files.items():
        assert "not run here" in text.splitlines()[0], name


def test_labels_name_versions_that_are_served(files):
    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse(files["models.config"], config)
    (model,) = config.model_config_list.config
    assert set(model.version_labels) == {"stable", "canary"}
    served = model.model_version_policy.specific.versions
    assert set(model.version_labels.values()) <= set(served)
    assert model.model_platform == "tensorflow"


def test_batches_are_padded_and_not_split(files):
    parameters = batching_parameters()
    text_format.Parse(files["batching.config"], parameters)
    assert parameters.pad_variable_length_inputs
    assert parameters.max_batch_size.value >= 1 and parameters.num_batch_threads.value >= 1
    assert not parameters.allowed_batch_sizes
    # Not among the fields: a file with it would not have been parsed.
    assert "enable_large_batch_splitting" not in dict(BATCHING)


def test_docker_and_kubernetes_start_the_same_server(files):
    compose = yaml.safe_load(files["docker-compose.yaml"])["services"]["serving"]
    deployment, service = yaml.safe_load_all(files["kubernetes.yaml"])
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert compose["image"] == container["image"]
    flags = server_flags(compose["command"])
    assert flags == server_flags(container["args"])
    assert flags["allow_version_labels_for_unavailable_models"] == "true"  # labels at the start

    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse(files["models.config"], config)
    base_path = config.model_config_list.config[0].base_path
    mounts = {volume["mountPath"]: volume["name"] for volume in container["volumeMounts"]}
    assert {base_path, "/config"} == set(mounts)
    assert set(mounts.values()) == {volume["name"] for volume in pod["volumes"]}
    targets = [volume.split(":")[1] for volume in compose["volumes"]]
    wanted = [flags["model_config_file"], flags["batching_parameters_file"]]
    assert targets == [base_path, *wanted]

    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": int(flags["port"]), "rest": int(flags["rest_api_port"])}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == set(ports)
