"""JSON as signatures need it: one way to write a content, and reading that leaves no second meaning."""

from __future__ import annotations

import json
import math
from typing import Any

DEEPEST = 40  # levels of nesting; a release has fewer than ten


def written(content: Any) -> bytes:
    """Write JSON for people and digests: sorted keys, two spaces, UTF-8, one line feed at the end.

    >>> written({"b": 1, "a": "é"}) == '{\\n  "a": "é",\\n  "b": 1\\n}\\n'.encode()
    True
    """
    return (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def compact(content: Any) -> bytes:
    """Write JSON to be signed: sorted keys, no spaces, UTF-8."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def read(content: bytes) -> Any:
    """Read JSON strictly; the order of keys and the spaces between them do not matter.

    Raises ValueError, in words, for what is not UTF-8 or not JSON, a key that occurs twice, a number that is not finite,
    text that cannot be written again, or endless nesting.
    """
    if content.startswith(b"\xef\xbb\xbf"):
        raise ValueError("it begins with a byte order mark")
    try:
        found = json.loads(content.decode("utf-8"), object_pairs_hook=_once, parse_float=_finite, parse_constant=_finite)
        if _depth(found) > DEEPEST:
            raise RecursionError
        written(found)
        return found
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except UnicodeEncodeError:
        raise ValueError("it holds half a character") from None
    except RecursionError:
        raise ValueError("it is nested without end") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON (line {error.lineno})") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError(f"the key {next(k for k in keys if keys.count(k) > 1)!r} occurs twice")
    return dict(pairs)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"it holds a number that is not finite ({text[:12]})")
    return number


def _depth(content: Any) -> int:
    """Measure how deep lists and mappings are nested, without recursion."""
    deepest, level = 0, [content]
    while level and deepest <= DEEPEST:
        inner = [x for c in level if isinstance(c, dict | list) for x in (c.values() if isinstance(c, dict) else c)]
        deepest, level = deepest + 1, inner
    return deepest
