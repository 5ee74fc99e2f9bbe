"""A picture of notes: time from left to right, pitch from below, velocity as shade."""

import textwrap

import numpy as np

from keras_perceiver_ar.codecs.notes import MAX_VELOCITY
from pipelines import figures

_NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
_WHITE = (0, 2, 4, 5, 7, 9, 11)
_OCTAVE = 12
_FEW = 2 * _OCTAVE  # semitones, of which each white key is named
_PROMPT = figures.COLOURS[1]
_INCHES_PER_SECOND = 0.5
_NARROWEST, _WIDEST = 8.0, 60.0
_LETTERS_PER_INCH = 12  # of a title, about


def check_library():
    """Refuses to go on without matplotlib.

    Raises:
        UserError: it is not installed.
    """
    figures.check_installed("the picture of the notes needs", "give --output=FILE.mid")


def name(pitch):
    """What musicians call a pitch of MIDI: 60 is C4."""
    return f"{_NAMES[pitch % _OCTAVE]}{pitch // _OCTAVE - 1}"


def draw(notes, prompt_seconds=0.0, title=None):
    """Draws notes.

    Args:
        notes: records (N,) of dtype `keras_perceiver_ar.codecs.notes.NOTE`.
        prompt_seconds: float. What comes before is marked as the prompt; 0 marks nothing.
        title: str or None. What these notes are and where they are from.

    Returns:
        bytes of a PNG, 500 pixels high and 800 to 6,000 wide.
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    seconds = max(float(notes["offset"].max(initial=0.0)), prompt_seconds, 0.01)
    width = float(np.clip(seconds * _INCHES_PER_SECOND, _NARROWEST, _WIDEST))
    figure = figures.figure(width, 5)
    panel = figure.subplots()
    bars = [
        Rectangle((note["onset"], note["pitch"] - 0.4), note["offset"] - note["onset"], 0.8)
        for note in notes
    ]
    bars = PatchCollection(bars, cmap="Blues", edgecolor="black", linewidth=0.3)
    bars.set_array(notes["velocity"])
    bars.set_clim(-MAX_VELOCITY / 4, MAX_VELOCITY)  # the softest is no white on white
    panel.add_collection(bars)
    scale = f"velocity: how hard a key is struck, 0 – {MAX_VELOCITY}"
    bar = figure.colorbar(bars, label=scale, fraction=0.05, pad=0.01)
    bar.ax.set_ylim(0, MAX_VELOCITY)
    low = int(notes["pitch"].min(initial=60)) - 2
    high = int(notes["pitch"].max(initial=60)) + 2
    pitches = np.arange(low, high + 1)
    named = np.isin(pitches % _OCTAVE, _WHITE if high - low <= _FEW else (0,))
    panel.set_yticks(pitches[named], [name(pitch) for pitch in pitches[named]])
    panel.set_xlim(0, seconds)
    panel.set_ylim(low, high)
    panel.set_xlabel("seconds")
    panel.set_ylabel("pitch (C4 is the middle C)")
    panel.grid(alpha=0.3)
    if title:
        figure.suptitle(textwrap.fill(title, int(width * _LETTERS_PER_INCH)), fontsize=10)
    if prompt_seconds:
        panel.axvspan(0, prompt_seconds, color=_PROMPT, alpha=0.1)
        panel.axvline(prompt_seconds, color=_PROMPT, linestyle="--")
        panel.set_title(f"prompt: {prompt_seconds:.1f} s", loc="left", color=_PROMPT)
    panel.set_title(f"{len(notes):,} note{'' if len(notes) == 1 else 's'}", loc="right")
    return figures.content(figure, "png", dpi=100)
