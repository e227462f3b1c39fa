"""What the vault is compared with: the least that Flask can do."""

from flask import Flask

app = Flask(__name__, static_folder=None)


@app.get("/hello")
def hello() -> dict[str, bool]:
    """A small JSON body."""
    return {"ok": True}
