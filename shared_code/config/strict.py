"""Settings as declared classes: unknown keys are refused, and all faults of a file are found in one go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from shared_code.model import did_you_mean, few

STEM = r"[a-z][a-z0-9_]*"


class Fault(NamedTuple):
    """Hold one thing that is wrong with settings: the keys that lead to it, what is wrong, what is allowed."""

    keys: tuple[str, ...]
    wrong: str
    allowed: str = ""


class Strict(BaseModel):
    """Refuse keys nobody declared: a misspelt setting must never be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def faults(cls, content: dict[str, Any]) -> Iterator[Fault]:
        """Find what the types of the keys cannot say. `content` is as written, and may be faulty elsewhere."""
        yield from ()

    @model_validator(mode="wrap")
    @classmethod
    def _all_at_once(cls, content: Any, handler: Any) -> Any:
        """Report the faults of names and the errors of types together."""
        found = list(cls.faults(content)) if isinstance(content, dict) else []
        if not found:
            return handler(content)
        lines = [
            InitErrorDetails(type=PydanticCustomError("fault", "{wrong}", {"wrong": f.wrong, "allowed": f.allowed}),
                             loc=f.keys, input=None)
            for f in found
        ]  # fmt: skip
        try:
            handler(content)
        except ValidationError as error:
            lines = [*map(_again, error.errors()), *lines]
        raise ValidationError.from_exception_data(cls.__name__, lines)


def _again(error: Any) -> InitErrorDetails:
    kind = error["type"]
    if kind == "fault":
        kind = PydanticCustomError("fault", "{wrong}", error["ctx"])
    return InitErrorDetails(type=kind, loc=error["loc"], input=error["input"], ctx=error.get("ctx", {}))


def key_of(content: Any, key: str) -> Any:
    """Read one key of content as written or already made into a declaration; None where it is not there.

    >>> key_of({"a": 1}, "a"), key_of("text", "a")
    (1, None)
    """
    return content.get(key) if isinstance(content, dict) else getattr(content, key, None)


def mapping(content: Any, *keys: str) -> dict[str, Any]:
    """Follow keys into content as written; empty where something else than a mapping stands there.

    >>> mapping({"a": {"b": {"c": 1}}}, "a", "b"), mapping({"a": 3}, "a", "b")
    ({'c': 1}, {})
    """
    for key in keys:
        content = key_of(content, key)
    return content if isinstance(content, dict) else {}


def sequence(content: Any) -> list[Any]:
    """Give a list as written; empty where something else stands there."""
    return list(content) if isinstance(content, list | tuple) else []


def unknown(keys: tuple[str, ...], names: Iterable[Any], known: Iterable[str], of: str) -> Iterator[Fault]:
    """Find names that are not known, with the nearest one.

    >>> [fault.wrong for fault in unknown(("needs",), ["persn"], ["person"], "a table of the data model")]
    ["'persn' is not a table of the data model (did you mean person?)"]
    """
    listed = list(known)
    for name in names:
        if name not in listed:
            yield Fault(keys, f"{name!r} is not {of}{did_you_mean(str(name), listed)}", few(listed, 20))


def code_text(value: Any) -> str:
    """Write a value of a settings file as the code a person means by it: 1.0 is 1, true is true.

    >>> code_text(1.0), code_text(True), code_text("01")
    ('1', 'true', '01')
    """
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
