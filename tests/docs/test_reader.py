"""The reader of pages itself: what it takes for code must be what a person takes for code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import blocks

PAGE = """\
# Title

```python
x = 1
```

<!-- not run: needs a server -->
```python
connect()
```

=== "Tab"

    ```yaml title="policies/a.yaml"
    policy: a
      nested: true
    ```

<!-- run -->

```bash
true
```

```bash
false
```

````markdown
```python
raise SystemExit("inside another block")
```
````
"""


def test_blocks_are_found_with_their_use(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")

    found = [(block.language, block.use, block.line, block.file) for block in blocks(page)]

    assert found == [
        ("python", "run", 4, None),
        ("python", "parse", 9, None),
        ("yaml", "show", 15, "policies/a.yaml"),
        ("bash", "run", 22, None),
        ("bash", "show", 26, None),
        ("markdown", "show", 30, None),
    ]
    assert blocks(page)[2].text == "policy: a\n  nested: true\n"


def test_a_reason_is_needed_not_to_run_code(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- not run: -->\n```python\nx\n```\n", encoding="utf-8")
    assert [block.use for block in blocks(page)] == ["run"]


def test_an_open_block_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 1\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"page\.md:1: this block is never closed"):
        blocks(page)
