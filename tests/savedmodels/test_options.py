"""Models with options of all kinds answer from a SavedModel as they do in Python."""

import numpy as np
import pytest
import tensorflow as tf

from savedmodels import export
from tests.pipelines import runs
from tests.savedmodels import exports

ROWS = ([2, 40, 50, 60, 70, 80, 90], [2], [2, 258, 3, 17])
pytestmark = pytest.mark.slow

OPTIONS = {
    "two latents on a position, more cross-attends, chunks": (
        "PerceiverARBackbone.latent_query = @LatentQuery()",
        "LatentQuery.latents_per_position = 2",
        "PerceiverARBackbone.cross_attend = @CrossAttend()",
        "CrossAttend.after_layers = (0,)",
        "CrossAttend.route = @AttentionRoute()",
        "AttentionRoute.key_chunk_size = 7",
        "PerceiverARCausalLM.tie_embeddings = True",
    ),
    "nothing that can be cached": (
        "PerceiverARBackbone.positions = @RotaryEmbedding()",
        "RotaryEmbedding.max_wavelength = 20",
        "RotaryEmbedding.from_end = True",
        "PerceiverARBackbone.latent_query = @LatentQuery()",
        "LatentQuery.style = 'learned'",
    ),
}


@pytest.fixture(scope="module", params=OPTIONS)
def exported(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("options")
    flags = runs.copy_flags("CONTEXT = 20", "LATENTS = 6", *OPTIONS[request.param])
    model = runs.save_untrained(folder / "run", flags, scale=0.5)
    flags = [f"--model_dir={folder / 'run'}", f"--output={folder / 'exported'}"]
    assert runs.call(export.main, *flags) == 0
    return model, tf.saved_model.load(str(folder / "exported" / "1"))


def test_scores_are_those_of_the_python_model(exported):
    model, loaded = exported
    token_ids, lengths = exports.padded(ROWS)
    inputs = {"token_ids": token_ids, "lengths": lengths}
    served = exports.ask(loaded, "score", **inputs)["log_probs"]
    np.testing.assert_allclose(served, np.array(model.score(inputs)), atol=2e-5)


def test_what_is_generated_is_that_of_the_python_model(exported):
    model, loaded = exported
    token_ids, lengths = exports.padded(ROWS)
    sampling = exports.sampling(len(ROWS), temperature=(0.0,), max_new_tokens=(8,))
    inputs = {"token_ids": token_ids, "lengths": lengths, **sampling}
    served = exports.ask(loaded, "generate", **inputs)
    exports.assert_generated(served, model, ROWS, sampling)
