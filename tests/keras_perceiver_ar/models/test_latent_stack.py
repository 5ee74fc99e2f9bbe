import numpy as np

import keras_perceiver_ar as kpar
from tests.keras_perceiver_ar.support import compiled, random_ids, tiny_model


def test_the_route_of_the_latent_blocks_changes_nothing_and_is_saved():
    route = kpar.models.AttentionRoute(head_group_size=1, query_chunk_size=3, key_chunk_size=2)
    model = tiny_model()
    other = tiny_model(route=route)
    other.set_weights(model.get_weights())
    again = kpar.models.PerceiverARBackbone.from_config(other.backbone.get_config())
    for backbone in (other.backbone, again):
        latent_blocks = backbone.latent_stack.latent_blocks
        assert [block.attention.route for block in latent_blocks] == [route] * 2
        assert backbone.latent_stack.blocks[0].attention.route is None
    inputs = {"token_ids": random_ids(0, 2, 12), "lengths": np.array([3, 12], "int32")}
    wanted = compiled(model)(inputs)
    np.testing.assert_allclose(compiled(other)(inputs), wanted, rtol=0, atol=1e-5)
