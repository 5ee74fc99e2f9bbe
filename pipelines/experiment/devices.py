"""What an experiment runs on."""

import keras


def name():
    """The accelerator as its backend calls it, or "cpu"."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].device_kind
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    details = tf.config.experimental.get_device_details(found[0]) if found else {}
    return details.get("device_name", "cpu")


def keep_compiled(folder):
    """Has JAX keep there what it compiles, for models that differ in nothing but their seed.

    Where `JAX_COMPILATION_CACHE_DIR` says another folder, that stays. TensorFlow keeps nothing.

    Args:
        folder: path. What a kill has torn in it is compiled again, with JAX's warning, at every
            start; what was copied from another folder is not found.
    """
    if keras.backend.backend() == "jax":
        import jax

        if not jax.config.jax_compilation_cache_dir:
            jax.config.update("jax_compilation_cache_dir", str(folder.resolve()))
