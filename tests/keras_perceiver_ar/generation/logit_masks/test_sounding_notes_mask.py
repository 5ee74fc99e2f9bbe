import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import keras_perceiver_ar as kpar
from keras_perceiver_ar.codecs import performance_codec as codec
from keras_perceiver_ar.generation import History, SoundingNotesMask, history
from tests.keras_perceiver_ar.support import jitted, tiny_model, to_numpy

mask = SoundingNotesMask()


@jitted
def allowed(token_ids, lengths):
    places = history.last_places(token_ids, lengths, codec.VOCAB_SIZE)
    return mask(History(token_ids, lengths, places))


@given(st.integers(0, 10**6))
def test_only_what_sounds_can_end(seed):
    random = np.random.default_rng(seed)
    # Few pitches, so that notes are struck again, end twice, or end before they begin.
    ids = random.choice([codec.NOTE_ON, codec.NOTE_OFF, codec.TIME_SHIFT], (4, 12))
    ids = (ids + random.integers(60, 63, ids.shape)).astype("int32")
    lengths = random.integers(0, 13, 4).astype("int32")
    found = to_numpy(allowed(ids, lengths))
    for row, length in enumerate(lengths):
        sounding = set()
        for token in ids[row, :length].tolist():
            if token < codec.NOTE_OFF:
                sounding.add(token - codec.NOTE_ON)
            elif token < codec.TIME_SHIFT:
                sounding.discard(token - codec.NOTE_OFF)
        wanted = np.ones(codec.VOCAB_SIZE, bool)
        wanted[codec.NOTE_OFF : codec.TIME_SHIFT] = False
        wanted[[codec.NOTE_OFF + pitch for pitch in sounding]] = True
        np.testing.assert_array_equal(found[row], wanted)


def test_a_performance_that_is_drawn_ends_no_silent_note():
    model = tiny_model(vocab_size=codec.VOCAB_SIZE, max_context=64, num_layers=1)
    prompts = np.array([[2, 0], [2, codec.NOTE_ON + 60]])
    sampler = kpar.generation.Sampler(3.0)
    options = {"seed": 3, "stop_ids": ()}

    def silent_ends(ids):
        sounding, silent = set(), 0
        for token in ids.tolist():
            if codec.NOTE_ON <= token < codec.NOTE_OFF:
                sounding.add(token - codec.NOTE_ON)
            elif codec.NOTE_OFF <= token < codec.TIME_SHIFT:
                silent += token - codec.NOTE_OFF not in sounding
                sounding.discard(token - codec.NOTE_OFF)
        return silent

    free = model.generate(prompts, 60, sampler, **options)["token_ids"]
    assert sum(map(silent_ends, free)) > 5
    kept = model.generate(prompts, 60, sampler, **options, masks=mask)["token_ids"]
    assert sum(map(silent_ends, kept)) == 0
