"""Words that every layer writes alike."""

from __future__ import annotations


def lower_first(text: str) -> str:
    """Put a title inside a sentence; abbreviations keep their capitals.

    >>> lower_first("Heart failure"), lower_first("COPD")
    ('heart failure', 'COPD')
    """
    first = text.split()[0] if text.split() else ""
    return text if first[1:].lower() != first[1:] else text[:1].lower() + text[1:]
