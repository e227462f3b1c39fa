"""Checks whether a URL answers."""

import requests


def answers(url: str) -> bool:
    """True if a GET is answered with a status below 400."""
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy, no .netrc: the address is on this machine
            return bool(session.get(url, timeout=2, allow_redirects=False).ok)
    except requests.RequestException:
        return False
