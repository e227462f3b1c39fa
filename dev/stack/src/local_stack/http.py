"""Whether an address answers."""

import requests


def answers(url: str) -> bool:
    """Whether a GET is answered well."""
    try:
        return bool(requests.get(url, timeout=2, allow_redirects=False).ok)
    except requests.RequestException:
        return False
