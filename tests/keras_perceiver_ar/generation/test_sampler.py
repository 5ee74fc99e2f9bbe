import numpy as np
import pytest

from keras_perceiver_ar.generation import BeamSearch, Sampler


def test_samplers_by_name():
    assert Sampler.get("greedy") == Sampler(temperature=0.0)
    assert Sampler.get("temperature") == Sampler(1.0, 1.0)
    assert Sampler.get("top_p") == Sampler(1.0, 0.95)
    assert Sampler.get("top_k") == Sampler(top_k=50)
    assert Sampler.get("min_p") == Sampler(min_p=0.05)
    assert Sampler.get("typical") == Sampler(typical_p=0.95)
    assert Sampler.get("beam") == BeamSearch(4)
    own = Sampler(0.7, 0.8, cut_before_temperature=True)
    assert Sampler.get(own) is own


@pytest.mark.parametrize(
    "culprit, arguments",
    [
        ("temperature=-0.1", {"temperature": -0.1}),
        ("temperature=nan", {"temperature": float("nan")}),
        ("temperature=-1", {"temperature": [1, -1]}),
        ("top_p=1.1", {"top_p": 1.1}),
        ("top_p=-0.5", {"top_p": np.array([0.5, -0.5])}),
        ("top_k=-1", {"top_k": -1}),
        ("top_k=2.0", {"top_k": 2.0}),
        ("min_p=1.5", {"min_p": 1.5}),
        ("typical_p=nan", {"typical_p": [0.5, float("nan")]}),
        ("repetition_penalty=0", {"repetition_penalty": 0}),
        ("repetition_penalty=hot", {"repetition_penalty": "hot"}),
    ],
)
def test_numbers_out_of_range(culprit, arguments):
    with pytest.raises(ValueError, match=f"Received: {culprit}"):
        Sampler(**arguments)


def test_unknown_sampler():
    with pytest.raises(ValueError, match=r"'greedy', .*'typical'.*Received: 'hot'"):
        Sampler.get("hot")


def test_what_is_off_is_no_part_of_the_program():
    assert set(Sampler().settings(3)) == {"temperature"}
    assert set(Sampler(top_k=[0, 0, 0], top_p=1).settings(3)) == {"temperature"}
    settings = Sampler(0.5, top_k=[0, 4, 0], min_p=0.1).settings(3)
    assert {name: value.dtype.name for name, value in settings.items()} == {
        "temperature": "float32",
        "top_k": "int32",
        "min_p": "float32",
    }
    assert settings["top_k"].tolist() == [0, 4, 0]
    assert settings["temperature"].tolist() == [0.5] * 3
    with pytest.raises(ValueError, match=r"`top_k` must .* 3 rows. Received: shape \(2,\)"):
        Sampler(top_k=[1, 2]).settings(3)
