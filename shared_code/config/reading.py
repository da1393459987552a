"""Reading of YAML settings with errors a person can act on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from shared_code.model import Problem, Refused, did_you_mean, few

M = TypeVar("M", bound=BaseModel)


class _UniqueKeys(yaml.SafeLoader):
    """Refuse a key written twice: plain YAML silently keeps the last."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} is written twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML mapping.

    Raises model.Refused when the file is missing, is not UTF-8, is not YAML or repeats a key.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except FileNotFoundError:
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.yaml")]) if path.parent.is_dir() else ""
        raise Refused(str(path), [Problem(str(path), f"there is no such file{near}", "", "Check the name")]) from None
    except UnicodeDecodeError:
        raise Refused(str(path), [Problem(str(path), "the file is not UTF-8", "", "Save it as UTF-8")]) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        problem = Problem(f"{path}, line {line}", error.problem or "not YAML", "", "Mend this line")
        raise Refused(str(path), [problem]) from None
    if not isinstance(content, dict):
        raise Refused(str(path), [Problem(str(path), "the file holds no settings", "a mapping of key: value")])
    return content


def refuse_if_invalid(model: type[M], content: dict[str, Any], path: Path) -> M:
    """Check settings against their declaration and report all problems together (raises model.Refused)."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise Refused(str(path), [_in_words(e, model, path) for e in error.errors()]) from None


def _in_words(error: Any, model: type[BaseModel], path: Path) -> Problem:
    keys = [str(k) for k in error["loc"]]
    where = f"{path}, {'.'.join(keys)}" if keys else str(path)
    given = error.get("input")
    short = repr(given) if isinstance(given, str | int | float | bool) else type(given).__name__
    match error["type"]:
        case "extra_forbidden":
            known = _fields_at(model, keys[:-1])
            wrong = f"the key {keys[-1]!r} is not known{did_you_mean(keys[-1], known)}"
            return Problem(where, wrong, few(known, 12), f"Rename or remove {keys[-1]}")
        case "missing":
            return Problem(where, "this key is missing", "", f"Add {keys[-1]}")
        case "literal_error":
            allowed = error["ctx"]["expected"]
            return Problem(where, f"{short} is not allowed", allowed, "Choose one of these")
        case "value_error":
            return Problem(where, str(error["ctx"]["error"]), "", "Correct this entry")
        case _:
            return Problem(where, f"{short}: {error['msg'][0].lower()}{error['msg'][1:]}", "", "Correct this value")


def _fields_at(model: type[BaseModel], keys: list[str]) -> list[str]:
    """List the keys allowed where `keys` leads, as far as the declaration can be followed."""
    current: Any = model
    for key in keys:
        fields = getattr(current, "model_fields", None)
        if fields is None or key not in fields:
            continue  # a free key of a mapping
        annotation = fields[key].annotation
        args = [a for a in getattr(annotation, "__args__", ()) if isinstance(a, type) and issubclass(a, BaseModel)]
        current = args[-1] if args else annotation
    return list(getattr(current, "model_fields", {}))
