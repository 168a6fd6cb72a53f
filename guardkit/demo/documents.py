"""A folder of Markdown and text files as sources."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ValidationError

from guardkit.core.sources import Authority, Source, SourceStatus, text_sha256
from guardkit.errors import InputError

SUFFIXES = (".md", ".txt")
MAX_BYTES = 2_000_000
"""Longest file that is read."""

TENANT = "harbour"


def sources_in(folder: Path) -> tuple[Source, ...]:
    """Every .md and .txt file of a folder and the folders in it.

    A file may begin with YAML front matter that says who owns it, its status and validity. One without is taken as
    approved by whoever named the folder.

    Raises:
        InputError: no such folder, no such files, a file that is no text or whose front matter is malformed.
    """
    if not folder.is_dir():
        raise InputError(f"{str(folder)!r} is not a folder")
    files = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    if not files:
        raise InputError(f"{str(folder)!r} holds no {' or '.join(SUFFIXES)} file")
    return tuple(_source(path, folder) for path in files)


def _source(path: Path, folder: Path) -> Source:
    name = path.relative_to(folder).as_posix()
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{name} is longer than {MAX_BYTES} bytes")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 text") from error
    fields, body = _front_matter(name, text)
    defaults: dict[str, Any] = {
        "id": path.stem,
        "title": _title(body) or path.stem,
        "owner": "whoever named this folder",
        "tenant": TENANT,
        "authority": Authority.APPROVED,
        "status": SourceStatus.APPROVED,
        "uri": name,
    }
    try:
        return Source.model_validate({**defaults, **fields, "text": body, "sha256": text_sha256(body)})
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{name}: front matter {where}: {first['msg']}") from None


def _front_matter(name: str, text: str) -> tuple[dict[str, Any], str]:
    if not text.startswith("---\n"):
        return {}, text
    head, separator, body = text[4:].partition("\n---\n")
    if not separator:
        return {}, text
    try:
        fields: object = yaml.safe_load(head)
    except yaml.YAMLError as error:
        raise InputError(f"{name}: the front matter is not YAML") from error
    if not isinstance(fields, dict):
        raise InputError(f"{name}: the front matter is not a mapping")
    return {
        str(key): _aware(value) for key, value in cast("dict[object, object]", fields).items()
    }, body.lstrip("\n")


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _title(text: str) -> str | None:
    headings = [line.lstrip("# ").strip() for line in _lines(text) if line.startswith("# ")]
    return headings[0] if len(headings) == 1 else None


def _lines(text: str) -> Iterator[str]:
    yield from text.splitlines()
