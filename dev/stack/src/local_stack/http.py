"""Checks whether a URL answers."""

import requests


def answers(url: str) -> bool:
    """True if a GET is answered with a status below 400."""
    try:
        return bool(requests.get(url, timeout=2, allow_redirects=False).ok)
    except requests.RequestException:
        return False
