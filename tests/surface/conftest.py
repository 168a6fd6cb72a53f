"""Says more where a comparison of two runs fails."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.surface.pair")
