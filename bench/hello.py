"""The reference for the vault: a minimal Flask route."""

from flask import Flask

app = Flask(__name__, static_folder=None)


@app.get("/hello")
def hello() -> dict[str, bool]:
    """A small JSON body."""
    return {"ok": True}
