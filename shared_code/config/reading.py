"""Reading of YAML settings with errors a person can act on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from shared_code.model import Problem, Refused, did_you_mean, few

M = TypeVar("M", bound=BaseModel)


class _AsWritten:
    """Read YAML as people mean it: a key written twice is refused, and codes stay as they were written.

    Plain YAML 1.1 silently keeps the last of two equal keys, and reads No as false, 010 as 8 and 12:30 as 750. Here only
    true and false are truth values, and a number has no leading zero, underscore or colon; everything else is text.
    """

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key is a list or a mapping", problem_mark=key_node.start_mark)
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} is written twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)  # type: ignore[misc]


class _Careful(_AsWritten, yaml.SafeLoader):
    """Say what is wrong in a file, and where."""


class _Quick(_AsWritten, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Read the same three times as fast, where libyaml is there."""


_RESOLVED = ("bool", "int", "float")
for _loader in (_Careful, _Quick):
    _loader.yaml_implicit_resolvers = {
        first: [(tag, form) for tag, form in resolvers if tag.rpartition(":")[2] not in _RESOLVED]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
for _kind, _form, _first in (
    ("bool", "true|false", "tf"),
    ("int", "-?(0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(0|[1-9][0-9]*)\.[0-9]+([eE][-+]?[0-9]+)?", "-0123456789"),
):
    for _loader in (_Careful, _Quick):
        _loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^({_form})$"), list(_first))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML mapping.

    Raises model.Refused when the file is missing, is not UTF-8, is not YAML or repeats a key.
    """
    try:
        text = path.read_text(encoding="utf-8")
        try:
            content = yaml.load(text, Loader=_Quick)
        except yaml.YAMLError:
            content = yaml.load(text, Loader=_Careful)
    except FileNotFoundError:
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.yaml")]) if path.parent.is_dir() else ""
        raise Refused(str(path), [Problem(str(path), f"there is no such file{near}", "", "Check the name")]) from None
    except UnicodeDecodeError:
        raise Refused(str(path), [Problem(str(path), "the file is not UTF-8", "", "Save it as UTF-8")]) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        problem = Problem(f"{path}, line {line}", error.problem or "not YAML", "", "Mend this line")
        raise Refused(str(path), [problem]) from None
    except yaml.YAMLError as error:  # a character that no text file holds
        wrong = f"the file is not YAML ({str(error).splitlines()[0]})"
        raise Refused(str(path), [Problem(str(path), wrong, "", "Save it as plain text")]) from None
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
    keys = [str(k) for k in error["loc"] if k != "[key]"]
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
        case "fault":
            return Problem(where, error["ctx"]["wrong"], error["ctx"]["allowed"], "Correct this entry")
        case "value_error":
            return Problem(where, str(error["ctx"]["error"]), "", "Correct this entry")
        case _:
            return Problem(where, f"{short}: {error['msg'][0].lower()}{error['msg'][1:]}", "", "Correct this value")


def _fields_at(model: type[BaseModel], keys: list[str]) -> list[str]:
    """List the keys allowed where `keys` leads, as they are written in the file."""
    current: Any = model
    for key in keys:
        if get_origin(current) in (dict, list):  # a key of the user's own, or a position
            current = get_args(current)[-1]
        else:
            fields = getattr(current, "model_fields", {})
            current = next((f.annotation for name, f in fields.items() if key in (name, f.alias)), None)
        models = [a for a in get_args(current) if isinstance(a, type) and issubclass(a, BaseModel)]
        if models and get_origin(current) not in (dict, list):  # Model | None
            current = models[0]
    return [f.alias or name for name, f in getattr(current, "model_fields", {}).items()]
