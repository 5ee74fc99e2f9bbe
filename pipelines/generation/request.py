"""What a person asks `pipelines.generate` for, and whether it goes together. No TensorFlow."""

import dataclasses
import os

from pipelines.checks import check_integer, check_number
from pipelines.errors import UserError

TEXT, IMAGE, MUSIC = "text", "image", "music"
# What an output of each kind may be called. Text may have any other name as well.
SUFFIXES = {IMAGE: (".png",), MUSIC: (".mid", ".wav")}
JSON_LINES = ".jsonl"
# What is above these is a slip, and would fill the memory: with places for tokens, with rows that
# wait, with beams, each of which takes what a row takes.
MOST_NEW_TOKENS, MOST_SAMPLES, MOST_BEAMS = 10**7, 10**6, 1024
_NO_TEXT = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".mid", ".midi", ".wav", ".mp3")


@dataclasses.dataclass(frozen=True)
class Request:
    """What to continue, how far, how often, and where to.

    Attributes:
        prompts: tuple of `prompt_files.Prompt`, one or more.
        output: str or None. File, or None for text on standard output.
        prompt_tokens: int or None. Of each prompt the first so many tokens, its start not counted.
        prompt_seconds: float or None. Of a performance what happens in the first so many seconds.
        keep_rows: int or None. Upper rows of an image that the prompt gives.
        max_new_tokens: int or None. None is 256 of text, and otherwise a whole image or as many
            events as the context has room for.
        samples: int. Rows for each prompt.
        batch_size: int. Rows drawn at once, at most.
        sampling: dict. Of `keras_perceiver_ar.generation.Sampler`.
        beam: dict or None. Of `keras_perceiver_ar.generation.BeamSearch`, which is used instead.
        slide: int, "half" or None. Oldest tokens that leave where the context is full.
        seed: int. Of the first row; each row after it has the next one. A search has none.
        num_latents: int or None.
    """

    prompts: tuple
    output: str | None = None
    prompt_tokens: int | None = None
    prompt_seconds: float | None = None
    keep_rows: int | None = None
    max_new_tokens: int | None = None
    samples: int = 1
    batch_size: int = 8
    sampling: dict = dataclasses.field(default_factory=dict)
    beam: dict | None = None
    slide: int | str | None = None
    seed: int = 0
    num_latents: int | None = None

    @property
    def num_rows(self):
        """Rows that are drawn, of all prompts."""
        return len(self.prompts) * self.samples

    def check(self, kind, image_size=None):
        """Refuses what the kind of data has no place for.

        Args:
            kind: `TEXT`, `IMAGE` or `MUSIC`.
            image_size: int or None. Side of the images, where it is known.

        Raises:
            UserError: names the flag.
        """
        self._check_output(kind)
        check_integer("--prompt_tokens", self.prompt_tokens, optional=True)
        check_number("--prompt_seconds", self.prompt_seconds, optional=True, above=True)
        if kind != TEXT and any(prompt.is_line for prompt in self.prompts):
            raise UserError(
                f"--prompts_file holds text, and this run generates {kind}: use --prompt"
            )
        if kind == IMAGE and self.slide is not None:
            raise UserError("--slide is for text and music: an image ends where it is full")
        if kind != MUSIC and self.prompt_seconds is not None:
            raise UserError(f"--prompt_seconds is for music, and this run generates {kind}")
        if kind != IMAGE:
            if self.keep_rows is not None:
                raise UserError(f"--keep_rows is for images, and this run generates {kind}")
            return
        if self.prompt_tokens is not None:
            raise UserError(
                "--prompt_tokens is for text and music: of images --keep_rows are given"
            )
        if bool(self.prompts[0].text) != (self.keep_rows is not None):
            raise UserError(
                "an image is drawn from nothing, or below the upper rows of another: "
                "give --prompt=IMAGE.png and --keep_rows=ROWS together, or neither"
            )
        if image_size is not None:
            check_integer("--keep_rows", self.keep_rows, 1, image_size - 1, optional=True)

    def _check_output(self, kind):
        output = self.output or ""
        if kind == TEXT and output.lower().endswith(_NO_TEXT):
            raise UserError(
                "what this run generates is text: give --output=FILE.txt, or FILE.jsonl, or none"
            )
        if kind != TEXT and not output.endswith(SUFFIXES[kind]):
            wanted = " or ".join(f"FILE{suffix}" for suffix in SUFFIXES[kind])
            raise UserError(f"what this run generates is no text: give --output={wanted}")
        if kind == TEXT and "://" in output:
            raise UserError(f"text is written to local files alone, got {output!r}: copy it there")
        if os.path.isdir(output):
            raise UserError(f"cannot write {output!r}: it is a folder")
        folder = os.path.dirname(output)
        if folder and "://" not in output and not os.path.isdir(folder):
            raise UserError(f"cannot write {output!r}: there is no folder {folder!r}")


def check_length(prompt, num_tokens, context):
    """Refuses a prompt that the model cannot read as a whole.

    Args:
        prompt: `prompt_files.Prompt`.
        num_tokens: int. Its tokens, the start included.
        context: int. M.

    Raises:
        UserError: it is longer than the context.
    """
    if num_tokens > context:
        raise UserError(
            f"{prompt.name} has {num_tokens} tokens and the context of the model is {context}: "
            "shorten the prompt, or take its beginning with --prompt_tokens"
        )
