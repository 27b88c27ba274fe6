"""What a family notes of its data for sampling: pydantic models as JSON in a run's data folder."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from artgen.errors import ArtgenError, UsageError

M = TypeVar("M", bound=BaseModel)


def write_facts(path: Path, facts: BaseModel) -> None:
    """Writes them; the run folder is made under a temporary name, so that they are whole or not there."""
    path.write_text(facts.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_facts(path: Path, kind: type[M]) -> M:
    """Raises ArtgenError that names the file where it is missing or damaged."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ArtgenError(f"{path}: missing, without it the run cannot be sampled") from None
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise ArtgenError(f"{path}: damaged: {where + ': ' if where else ''}{problem['msg']}") from None


def check_fingerprint(folder: Path, before: str, now: str, what: str) -> None:
    """Raises UsageError where a run is continued with others than it began with. folder: the run's data folder; what: such as `pictures`."""
    if before != now:
        raise UsageError(
            f"{folder.parent}: the {what} are not those that the run began with; a continued run keeps them "
            "(begin a new one, or put them back)"
        )
