"""A host's own way into its router: by a socket that only root and the router's account can open, without a secret.

It works also when no account has been made and when TLS is what is wrong; it says nothing of what others would see.
"""

from ionman.calls.client import Client
from ionman.calls.login import Account
from ionman.calls.reach import UNIX
from ionman.hosts.layout import Layout

DEADLINE = 5.0  # s


def enter(layout: Layout, realm: str, deadline: float = DEADLINE) -> Client:
    """A client with the role `host`, a context manager; `Unavailable` when the router does not answer."""
    return Client([f"{UNIX}{layout.door}"], Account(realm), deadline=deadline)
