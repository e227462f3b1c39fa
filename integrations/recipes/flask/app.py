"""A Flask application that calls an API for people who are not there.

A person's browser or program sends `POST /jobs {"owner": …, "grant": …}` once, with the `sub` and the id of a grant
that names this application's client. Later, `POST /jobs/run` (a scheduler's call) goes through all jobs. The
application stores the two ids and no token. Its own endpoints need a login of their own, which this example leaves out.
"""

import os

import requests
from flask import Flask, Response, jsonify, request

from token_vault_client import ClientCredentials, GrantUnusable, TokenVaultClient, VaultError

app = Flask(__name__)
vault = TokenVaultClient(
    os.environ["VAULT_URL"],
    ClientCredentials(os.environ["TOKEN_ENDPOINT"], os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]),
)
jobs: dict[str, str] = {}
"""The grant of each owner; a database in a real application."""


@app.post("/jobs")
def create() -> tuple[Response, int]:
    """Remember a job."""
    job = request.get_json()
    jobs[job["owner"]] = job["grant"]
    return jsonify(job), 201


@app.post("/jobs/run")
def run() -> Response:
    """Call the API for each owner; forget the jobs whose grant has ended."""
    results = {}
    for owner, grant in list(jobs.items()):
        try:
            answer = requests.get(os.environ["API_URL"], auth=vault.auth(grant, subject=owner), timeout=10)
            results[owner] = answer.json()["preferred_username"]
        except GrantUnusable as error:
            results[owner] = f"consent is needed anew: {error.code}"
            del jobs[owner]
        except VaultError as error:
            results[owner] = error.code
    return jsonify(results)


if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ["PORT"]))
