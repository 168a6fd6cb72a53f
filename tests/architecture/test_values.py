"""Values do not change after they are made."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator

from pydantic import BaseModel

from tests.architecture.source import imported


def _public_classes() -> Iterator[type]:
    for module in imported():
        for name, value in vars(module).items():
            if inspect.isclass(value) and value.__module__ == module.__name__ and not name.startswith("_"):
                yield value


def _is_ours(model: type[BaseModel]) -> bool:
    """Whether pydantic is the only stranger among the bases (a chat model of LangChain's is one by its base)."""
    return all(
        base.__module__.split(".")[0] in {"guardkit", "pydantic", "builtins", "typing", "abc"}
        for base in model.__mro__
    )


def test_public_pydantic_values_are_frozen() -> None:
    models = [value for value in _public_classes() if issubclass(value, BaseModel) and _is_ours(value)]
    assert models, "no values found: this test looks in the wrong place"
    assert [f"{m.__module__}.{m.__name__}" for m in models if m.model_config.get("frozen") is not True] == []


def test_public_pydantic_values_refuse_unknown_fields() -> None:
    """A misspelt field is an error, never silently dropped."""
    models = [value for value in _public_classes() if issubclass(value, BaseModel) and _is_ours(value)]
    assert [f"{m.__module__}.{m.__name__}" for m in models if m.model_config.get("extra") != "forbid"] == []


def test_public_dataclasses_of_core_are_frozen() -> None:
    loose = [
        f"{value.__module__}.{value.__name__}"
        for value in _public_classes()
        if value.__module__.startswith("guardkit.core")
        and dataclasses.is_dataclass(value)
        and not value.__dataclass_params__.frozen  # pyright: ignore[reportAttributeAccessIssue]
    ]
    assert loose == []
