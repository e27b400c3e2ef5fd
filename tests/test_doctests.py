"""Every example in a docstring is run."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import encoders
import llm_head
import pipeline

MODULES = [
    "lmm_vqa",
    *(
        module.name
        for package in (encoders, llm_head, pipeline)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ),
]
WITH_EXAMPLES = [
    name
    for name in MODULES
    if ">>> " in Path(importlib.util.find_spec(name).origin).read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_are_right(name: str, tiny_model: Path) -> None:
    module = importlib.import_module(name)
    names = {"model": tiny_model, "clip": tiny_model.parent / "clips/c0.mp4", "Path": Path}
    failed, tried = doctest.testmod(module, extraglobs=names)
    assert tried and not failed
