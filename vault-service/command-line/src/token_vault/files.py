"""Files that others read while they are replaced: whole or not at all, and for the owner's eyes."""

import os
import tempfile
from pathlib import Path

from token_vault.output import FAILED, CommandError


def replace(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file by renaming another one into its place; a reader sees the old content or the new one.

    The folder is made when it is missing. Raises CommandError.
    """
    draft = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
        Path(draft).replace(path)
    except OSError as error:
        if draft:
            Path(draft).unlink(missing_ok=True)
        hint = "choose another folder, for example by XDG_CONFIG_HOME and XDG_STATE_HOME"
        raise CommandError(FAILED, f"{path} cannot be written: {error.strerror}", hint) from None
