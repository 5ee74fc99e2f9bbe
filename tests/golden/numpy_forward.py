"""A second opinion: the forward pass of Perceiver AR in plain NumPy and float64.

Written from the conventions that ../shared/golden/README.md states, without a look at the package
or at the original's source, so that all three can be held against each other. It is slow and plain
on purpose, and knows every option of the original. Where the original goes wrong (chunks and head
groups) or crashes, it gives what the option stands for:

- Chunks of any size and groups of heads are ways to save memory, and change nothing.
- A query offset with absolute positions starts each latent from the row of the next position;
  keys and values keep their own.
- Several latents of a position all carry the rotary position of that position.
- Learned queries with several latents have a row per latent, or one for all if shared; the code of
  the place within the position is added to either.

B batch, M inputs, P position indices, U latent positions, N latents (U times the latents of each
position), H heads, D head width, C channels, V vocabulary.
"""

import math

import numpy as np

ROOT = "perceiver_ar"
MASKED = -1e30  # what the score of a forbidden key is set to, not what is added to it
ACTIVATIONS = {
    "sq_relu": lambda x: np.maximum(x, 0) ** 2,
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
}


def forward(config, params, token_ids, positions):
    """Run the model of one configuration, as for evaluation: nothing is dropped.

    Args:
        config: dict. What a `config.json` of the golden cases holds; `model_kwargs` is read.
        params: mapping of the original's names, `module/name`, to arrays.
        token_ids: int array (B, M). Ids as they go into the model; the first 0 ends a row.
        positions: int array (B, M, P), or (B, M) for P = 1. Not read where the options ask for
            positions relative to the last input.

    Returns:
        dict of `logits` (B, U, V) in float64, `latent_last_steps` (B, U) int, `encoder_mask`
        (B, N, M) bool or None for a single latent, which the original never masks, and
        `processor_mask` (B, N, N) bool.

    Raises:
        ValueError: The conventions do not say what these options would mean together.
    """
    options = config["model_kwargs"]
    token_ids = np.asarray(token_ids)
    positions = np.asarray(positions)
    positions = positions[..., None] if positions.ndim == 2 else positions
    rotary = options["position_encoding_type"] == "rotary"
    if options["mask_style"] != "final_block":
        raise ValueError(f"mask_style must be 'final_block'; got {options['mask_style']!r}.")
    if not options["use_positions_from_data"]:
        positions = terminal_relative_positions(token_ids)[..., None]
        if rotary and options["use_negative_rotary_positions"]:
            positions = -positions
    if rotary and positions.shape[-1] != 1:
        raise ValueError(f"rotary positions need one index; got {positions.shape[-1]}.")

    per_position = options["num_latents_per_position"]
    steps = latent_last_steps(token_ids, options["z_index_dim"] // per_position)  # (B, U)
    latent_steps = np.repeat(steps, per_position, axis=1)  # (B, N)
    encoder_mask = None
    if options["z_index_dim"] > 1:
        encoder_mask = cross_attend_mask(latent_steps, token_ids)
    processor_mask = latent_mask(latent_steps)

    offset = int(options["initial_query_offsetting"])
    tokens = rows(params[f"{ROOT}/~/embed/embeddings"], token_ids)  # (B, M, C)
    inputs = starts = tokens
    if not rotary:
        inputs = tokens + embed_positions(params, positions)
        starts = tokens + embed_positions(params, positions + offset)
    x = initial_latents(options, params, gather(starts, steps))  # (B, N, C)

    latent_positions = gather(positions, latent_steps) + offset  # (B, N, P)
    rotate_latents = rotation(options, latent_positions)
    rotate_inputs = rotation(options, positions)

    def cross_attend(x, number):
        path = numbered(f"{ROOT}/~/cross_attention", number)
        return cross_attention_block(
            options, params, path, x, inputs, encoder_mask, rotate_latents, rotate_inputs
        )

    crossed = 0
    if options["include_initial_cross_attention"]:
        x, crossed = cross_attend(x, 0), 1
    for layer in range(options["num_transformers_per_block"]):
        path = numbered(f"{ROOT}/~/self_attention", layer)
        x = latent_block(options, params, path, x, processor_mask, rotate_latents)
        if layer in options["additional_cross_attend_after_layers"]:
            x, crossed = cross_attend(x, crossed), crossed + 1

    x = layer_norm(params, f"{ROOT}/layer_norm", x)
    x = x.reshape(*steps.shape, per_position, -1).mean(axis=2)  # (B, U, C)
    return {
        "logits": linear(params, f"{ROOT}/~/logits", x),
        "latent_last_steps": steps,
        "encoder_mask": encoder_mask,
        "processor_mask": processor_mask,
    }


def sequence_lengths(token_ids):
    """Index of the first 0 of each row, or M if there is none: (B, M) → (B,)."""
    padding = token_ids == 0
    return np.where(padding.any(axis=1), padding.argmax(axis=1), token_ids.shape[1])


def terminal_relative_positions(token_ids):
    """0 at the last valid input, 1 before it; padding counts on from M − 1: (B, M) → (B, M)."""
    num_inputs = token_ids.shape[1]
    lengths = sequence_lengths(token_ids)[:, None]
    return (lengths - 1 - np.arange(num_inputs)) % num_inputs


def latent_last_steps(token_ids, num_positions):
    """Index of the last input that each latent position sees, −1 without: (B, M) → (B, U)."""
    lengths = sequence_lengths(token_ids)[:, None]
    return np.maximum(lengths - num_positions + np.arange(num_positions), -1)


def cross_attend_mask(latent_steps, token_ids):
    """Inputs that a latent may read: (B, N) and (B, M) → (B, N, M) bool."""
    seen = np.arange(token_ids.shape[1]) <= latent_steps[:, :, None]
    return seen & (token_ids != 0)[:, None, :]


def latent_mask(latent_steps):
    """Latents that a latent may read, itself always: (B, N) → (B, N, N) bool."""
    seen = latent_steps[:, :, None] >= latent_steps[:, None, :]
    valid = (latent_steps >= 0)[:, None, :]
    return seen & valid | np.eye(latent_steps.shape[1], dtype=bool)


def initial_latents(options, params, starts):
    """What the first block is given: (B, U, C) of the inputs → (B, N, C) of the latents."""
    per_position = options["num_latents_per_position"]
    num_latents = options["z_index_dim"]
    style = options["initial_query_embed_style"]
    num_layers = options["initial_query_embed_num_layers"] if style == "mlp" else 0
    if style == "learned":
        learned = array(params, f"{ROOT}/q_embed_learned")
        wanted = 1 if options["share_learned_initial_query"] else num_latents
        if len(learned) != wanted:
            raise ValueError(f"q_embed_learned must have {wanted} rows; got {len(learned)}.")
        x = np.broadcast_to(learned, (len(starts), num_latents, learned.shape[-1]))
    elif style in ("none", "mlp"):
        # The projection is the first applied and the last numbered.
        x = linear(params, numbered(f"{ROOT}/~/linear", num_layers), starts)
        x = np.repeat(x, per_position, axis=1)
    else:
        raise ValueError(f"initial_query_embed_style must be none, mlp or learned; got {style!r}.")
    if per_position > 1:
        code = array(params, f"{ROOT}/~/z_pos_enc/pos_embs")
        x = x + np.tile(code, (num_latents // per_position, 1))
    for layer in range(num_layers):
        x = linear(params, numbered(f"{ROOT}/~/linear", layer), x)
        x = ACTIVATIONS[options["initial_query_embed_activation_name"]](x)
    return x


def cross_attention_block(options, params, path, x, inputs, mask, rotate_latents, rotate_inputs):
    """Latents (B, N, C) read the inputs (B, M, C') → (B, N, C)."""
    width = len(array(params, f"{path}/attention/linear/b"))
    wanted = {"kv": options["input_embed_dim"], "q": options["num_z_channels"]}
    wanted = wanted[options["cross_attention_shape_for_attn"]]
    if width != wanted:
        raise ValueError(f"{path} must attend with {wanted} channels; its weights have {width}.")
    queries = layer_norm(params, f"{path}/layer_norm", x)
    keys = layer_norm(params, f"{path}/layer_norm_1", inputs)
    num_heads = options["num_cross_attend_heads"]
    attended = attention(
        params, path, queries, keys, num_heads, mask, rotate_latents, rotate_inputs
    )
    x = x + attended if options["encoder_use_query_residual"] else attended
    return x + feed_forward(options, params, path, layer_norm(params, f"{path}/layer_norm_2", x))


def latent_block(options, params, path, x, mask, rotate):
    """Latents read each other: (B, N, C) → (B, N, C)."""
    normed = layer_norm(params, f"{path}/layer_norm", x)
    num_heads = options["num_transformer_heads"]
    x = x + attention(params, path, normed, normed, num_heads, mask, rotate, rotate)
    return x + feed_forward(options, params, path, layer_norm(params, f"{path}/layer_norm_1", x))


def attention(params, path, queries, keys, num_heads, mask, rotate_queries, rotate_keys):
    """Queries (B, N, C) read the keys (B, K, C'), and as values too → (B, N, C)."""

    def project(number, x):
        x = linear(params, numbered(f"{path}/attention/linear", number), x)
        return x.reshape(*x.shape[:2], num_heads, -1)  # (B, N, H, D)

    q, k, v = project(0, queries), project(1, keys), project(2, keys)
    scores = np.einsum("bnhd,bkhd->bhnk", rotate_queries(q), rotate_keys(k))
    scores = scores / math.sqrt(q.shape[-1])
    if mask is not None:
        # Where nothing is allowed, all scores are alike: the average of all values, padding too.
        scores = np.where(mask[:, None], scores, MASKED)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)
    x = np.einsum("bhnk,bkhd->bnhd", weights, v)
    x = x.reshape(*x.shape[:2], -1)
    return linear(params, numbered(f"{path}/attention/linear", 3), x)


def rotation(options, positions):
    """How heads (B, K, H, D) at positions (B, K, P) are turned; not at all unless rotary."""
    if options["position_encoding_type"] != "rotary":
        return lambda x: x
    longest = options["max_wavelength"] + int(options["initial_query_offsetting"])

    def rotate(x):
        num_heads, head_dim = x.shape[2:]
        heads = math.floor(options["fraction_heads_to_rotate"] * num_heads)
        bands = math.floor(head_dim * options["fraction_to_rotate"] / 2)
        # The end is included, so the last wavelength is `longest` itself unless it is the only one.
        exponents = np.linspace(0, bands, bands) / max(bands, 1)
        angles = positions[:, :, :1, None] / np.float64(longest) ** exponents  # (B, K, 1, bands)
        cos, sin = np.cos(angles), np.sin(angles)
        even, odd = x[:, :, :heads, : 2 * bands : 2], x[:, :, :heads, 1 : 2 * bands : 2]
        turned = x.copy()
        turned[:, :, :heads, : 2 * bands : 2] = even * cos - odd * sin
        turned[:, :, :heads, 1 : 2 * bands : 2] = odd * cos + even * sin
        return turned

    return rotate


def embed_positions(params, positions):
    """Sum of one row per index, from the last row on beyond a table: (B, M, P) → (B, M, C)."""
    paths = [f"{ROOT}/~/embed_{number + 1}/embeddings" for number in range(positions.shape[-1])]
    if f"{ROOT}/~/embed_{len(paths) + 1}/embeddings" in params:
        raise ValueError(f"there are more tables than the {len(paths)} indices of a position.")
    return sum(rows(params[path], positions[..., i]) for i, path in enumerate(paths))


def feed_forward(options, params, path, x):
    """The two linear layers of a block: (B, N, C) → (B, N, C)."""
    x = linear(params, f"{path}/dense/linear", x)
    return linear(params, f"{path}/dense/linear_1", ACTIVATIONS[options["activation_name"]](x))


def layer_norm(params, path, x):
    """Over the last axis, with scale and offset."""
    variance = (x**2).mean(axis=-1, keepdims=True) - x.mean(axis=-1, keepdims=True) ** 2
    x = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(variance + 1e-5)
    return x * array(params, f"{path}/scale") + array(params, f"{path}/offset")


def linear(params, path, x):
    """(…, C) → (…, C')."""
    return x @ array(params, f"{path}/w") + array(params, f"{path}/b")


def array(params, name):
    """A parameter in float64."""
    return np.asarray(params[name], dtype="float64")


def rows(table, index):
    """Rows of a table, its last for any index beyond: (R, C) and (…) → (…, C)."""
    return np.asarray(table, dtype="float64")[np.clip(index, 0, len(table) - 1)]


def gather(x, steps):
    """Entries at the steps, the last one at −1: (B, M, C) and (B, N) → (B, N, C)."""
    return np.take_along_axis(x, steps[:, :, None], axis=1)


def numbered(path, number):
    """Haiku's name of the module that is created so many others after the first of its kind."""
    return f"{path}_{number}" if number else path
