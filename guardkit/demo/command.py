"""`guardkit demo`."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from guardkit.core.keys import Keys
from guardkit.core.values import JsonObject
from guardkit.demo.answering import Desk, chat_model
from guardkit.demo.showing import Stage
from guardkit.demo.story import Story
from guardkit.errors import InputError
from guardkit.guard import Guard
from guardkit.policy import Policy

ANSWERS = ("approve", "edit", "reject")

OWN_DOCUMENTS: JsonObject = {
    "policy": "own-documents",
    "version": "1",
    "owner": "whoever runs the demo",
    "default": "reject",
    "tools": {},
}


def demo(
    docs: Annotated[
        Path | None, typer.Option(help="Answer from this folder of .md and .txt files instead.")
    ] = None,
    question: Annotated[str | None, typer.Option(help="What to answer; with --docs.")] = None,
    model: Annotated[
        str | None, typer.Option(help="provider:name of a LangChain chat model; offline without.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Keep database and logs here.")] = None,
) -> None:
    """Run an insurance claims desk, or answer a question from your own documents.

    With ANSWER=approve|edit|reject in the environment, the demo person answers that by itself.
    """
    if (docs is None) != (question is None):
        raise InputError("--docs and --question go together")
    answer = os.environ.get("ANSWER") or None
    if answer is not None and answer not in ANSWERS:
        raise InputError(f"ANSWER {answer!r} is not {', '.join(ANSWERS)}")
    stage = Stage(Console())
    place = folder or Path(tempfile.mkdtemp(prefix="guardkit-demo-"))
    place.mkdir(parents=True, exist_ok=True)
    if docs is not None and question is not None:
        guard = Guard(f"sqlite:///{place / 'answers.db'}", policy=Policy.from_dict(OWN_DOCUMENTS))
        stage.outcome(
            Desk(guard, docs, chat_model(model), stage, name="answers").ask(question, os.urandom(4).hex())
        )
        return
    os.environ.update(environment(place))
    Story(stage, place, model=model, answer=answer).tell()


def environment(folder: Path) -> Mapping[str, str]:
    """The configuration that all processes of the demo share. Its keys are new each time: it is a demo."""
    keys = Keys.generate()
    secrets = {
        "GUARDKIT_DECISION_KEY": keys.decision_key,
        "GUARDKIT_AUDIT_KEY": keys.audit_key,
        "GUARDKIT_WEB_SECRET": keys.web_secret,
    }
    return {
        **{name: secret.get_secret_value() for name, secret in secrets.items() if secret is not None},
        "GUARDKIT_DECISION_PUBLIC_KEYS": ",".join(keys.decision_public_keys),
        "GUARDKIT_AUDIT_PUBLIC_KEYS": ",".join(keys.audit_public_keys),
        "GUARDKIT_DATABASE": f"sqlite:///{folder / 'claims.db'}",
        "GUARDKIT_POLICY": str(Path(__file__).parent / "policies" / "claims.yaml"),
        "GUARDKIT_DEMO_FOLDER": str(folder),
    }
