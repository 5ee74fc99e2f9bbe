"""Text of tokens that come one after the other."""

_REPLACEMENT = "\ufffd"
_WINDOW = 64


class TextStream:
    """Decodes tokens as they come, each part of the text once it can no longer change.

    All parts together are the text of all tokens. Bytes of a character that is not whole decode to
    U+FFFD, so that is kept back wherever it comes last. Pieces of words join as they do in the
    whole: what is decoded is always a stretch of tokens, long enough that its first one, which
    loses a blank before it, is never among the new ones.

    Args:
        decode: function of a list of ids that returns their text. It must go from left to right:
            the text of some tokens begins with that of the first of them, but for U+FFFD at its
            end.
    """

    def __init__(self, decode):
        self._decode = decode
        self._ids = []
        self._told = ""  # of the text of these ids

    def add(self, token_ids):
        """Takes tokens.

        Args:
            token_ids: sequence of int.

        Returns:
            str: the text that they make certain; it may be empty.
        """
        self._ids.extend(map(int, token_ids))
        text = self._decode(self._ids)
        certain = text.rstrip(_REPLACEMENT)
        new, self._told = certain[len(self._told) :], certain
        if certain == text and len(self._ids) > 2 * _WINDOW:
            end = self._decode(self._ids[-_WINDOW:])
            if end.strip():
                self._ids, self._told = self._ids[-_WINDOW:], end
        return new

    def end(self):
        """The text that was kept back."""
        return self._decode(self._ids)[len(self._told) :]
