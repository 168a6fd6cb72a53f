"""The OpenAPI document of the HTTP API, from the command line."""

import json
import sys

from guardkit.errors import ConfigurationError


def openapi() -> None:
    """Print the OpenAPI document of the HTTP API, as the inbox serves it."""
    try:
        from guardkit.web.api import document  # noqa: PLC0415  # an optional extra
    except ImportError as error:
        raise ConfigurationError(
            "the HTTP API needs the extra 'web'", remedy="pip install guardkit[web]"
        ) from error
    sys.stdout.write(json.dumps(document(), indent=2) + "\n")
