"""The page docs/settings.md, from the settings classes and dvc.yaml: `make reference` writes it.

docs/commands.md, which the same target writes, is typer's own rendering of the command line.
"""

import json
from collections.abc import Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from pipeline.atomic import write_text
from pipeline.settings import DatasetSettings, FeatureSettings, Params, QuestionSettings

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/settings.md"

HEAD = """<!-- made by `make reference` from pipeline/settings.py; change that, not this page -->

# Settings

Everything in `params.yaml`, from the classes of `pipeline/settings.py`. An unknown name or a value
that is not allowed is an error that says what was wanted. Other complete files are in `profiles/`,
and `lmm-vqa COMMAND --params FILE` reads another one.

When a setting has changed, DVC reruns the stages that are named here, and after them those whose
input has changed by it ([the stages](architecture.md#stages)).
"""


def page() -> str:
    """Return the text of docs/settings.md."""
    parts = [HEAD]
    stages = tracked(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
    for name, field in Params.model_fields.items():
        if field.description:  # a setting, not a section
            kind = allowed(schema(Params)[name])
            parts.append(f"## {name}\n\n{field.description} ({kind}, required)\n")
            parts.append(_reruns(stages.get(name, {})))
        elif name == "datasets":
            parts.append(_section("datasets.NAME", DatasetSettings, stages[name]))
            parts.append(_section("datasets.NAME.features.KIND", FeatureSettings, stages[name]))
        else:
            parts.append(_section(name, field.annotation, stages.get(name, {})))
        if name == "answer":
            reruns = {"": stages[name]["questions"]}
            parts.append(_section("answer.questions.NAME", QuestionSettings, reruns))
    return "\n".join(parts)


def schema(section: Any) -> dict[str, Any]:
    """Return the JSON schema of each field of a section."""
    found: dict[str, Any] = section.model_json_schema()["properties"]
    return found


def tracked(stages: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Return which stages track a setting, by section and then name; name "" is all of it."""
    found: dict[str, dict[str, list[str]]] = {}
    for stage, body in stages.items():
        for param in body.get("do", body).get("params", []):
            section, _, name = param.partition(".")
            name = name.partition("${")[0].rstrip(".")
            found.setdefault(section, {}).setdefault(name, []).append(stage)
    return found


def _reruns(by_name: Mapping[str, list[str]]) -> str:
    """Say which stages track all of a section, and which only some of its settings."""
    always = by_name.get("", [])
    also: dict[tuple[str, ...], list[str]] = {}
    for name, stages in by_name.items():
        extra = tuple(stage for stage in dict.fromkeys(stages) if stage not in always)
        if extra:
            also.setdefault(extra, []).append(f"`{name}`")
    said = [f"Reruns: {', '.join(dict.fromkeys(always)) or 'no stage'}."]
    said += [f"{', '.join(names)} also: {', '.join(stages)}." for stages, names in also.items()]
    return "\n".join(said) + "\n"


def _section(title: str, section: Any, by_name: Mapping[str, list[str]]) -> str:
    """Return the part about one section."""
    assert issubclass(section, BaseModel)
    rows = [["setting", "allowed", "default", "meaning"], ["---"] * 4]
    for name, facts in schema(section).items():
        row = [f"`{name}`", allowed(facts), _default(section, name), facts.get("description", "")]
        rows.append([" ".join(cell.split()).replace("|", r"\|") for cell in row])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"## {title}\n\n{cleandoc(section.__doc__ or '')}\n\n{_reruns(by_name)}\n{table}\n"


def _default(section: type[BaseModel], name: str) -> str:
    field = section.model_fields[name]
    if field.is_required():
        return "required"
    value = field.get_default()
    if isinstance(value, BaseModel) or value is None or value == ():
        return "none"
    plain = list(value) if isinstance(value, tuple) else value
    return f"`{json.dumps(plain).strip(chr(34))}`"  # as YAML spells it


def allowed(facts: Mapping[str, Any]) -> str:
    """Say in words which values a JSON schema allows.

    >>> allowed({"type": "integer", "minimum": 4})
    'whole number, at least 4'
    >>> allowed({"type": "array", "items": {"enum": ["a", "b"]}})
    'list: `a`, `b`'
    """
    if "anyOf" in facts:
        return " or ".join(allowed(one) for one in facts["anyOf"] if one.get("type") != "null")
    if "enum" in facts or "const" in facts:
        return ", ".join(f"`{value}`" for value in facts.get("enum", [facts.get("const")]))
    if "prefixItems" in facts:
        return f"list of {len(facts['prefixItems'])}: {allowed(facts['prefixItems'][0])}"
    if facts.get("type") == "array":
        return f"list{', not empty' if facts.get('minItems') else ''}: {allowed(facts['items'])}"
    if "patternProperties" in facts:
        (values,) = facts["patternProperties"].values()
        said = allowed(values)
        return f"mapping of names, each to {said if said.startswith('a ') else f'a {said}'}"
    if "$ref" in facts:
        return "a section of its own, see below"
    return _whole(facts)


_TYPES = {"integer": "whole number", "number": "number", "boolean": "`true`, `false`"}
_BOUNDS = {
    "minimum": "at least", "exclusiveMinimum": "above",
    "maximum": "at most", "exclusiveMaximum": "below",
}  # fmt: skip


def _whole(facts: Mapping[str, Any]) -> str:
    if facts["type"] == "string":
        if "pattern" in facts:
            return "a name: a-z, 0-9, _"
        return "path" if facts.get("format") == "path" else "text"
    bounds = [f"{word} {facts[key]:g}" for key, word in _BOUNDS.items() if key in facts]
    return ", ".join([_TYPES[facts["type"]], *bounds])


if __name__ == "__main__":
    write_text(PAGE, page())
