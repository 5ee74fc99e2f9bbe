"""What a layer has to save so that its quantised parts can be loaded."""

import keras


def saved_dtype(layer):
    """The dtype policy for a layer's config, with those of its quantised sublayers.

    Sublayers are quantised after they were made, so the config of the layer that makes them has to
    say which: as Keras proposes in `DTypePolicyMap`.

    Args:
        layer: Keras layer or model.

    Returns:
        dict, a serialised `DTypePolicy` or `DTypePolicyMap`.
    """
    policy = layer.dtype_policy
    if not isinstance(policy, keras.dtype_policies.DTypePolicyMap):
        quantized = {
            sublayer.path: sublayer.dtype_policy
            for sublayer in layer._flatten_layers(include_self=False)
            if sublayer.quantization_mode is not None
        }
        if quantized:
            policy = keras.dtype_policies.DTypePolicyMap(policy, quantized)
    return keras.dtype_policies.serialize(policy)
