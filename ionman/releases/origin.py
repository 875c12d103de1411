"""Addresses of an API and what its answers mean: the rules of the edge, without the network."""

import ipaddress
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ionman.errors import ConfigurationError, InputError, IonmanError, Refused, Unavailable


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: its status, its headers (asked for in lower case), and the `message` of its JSON body."""

    status: int
    headers: Mapping[str, str]
    message: str


def explain(what: str, url: str, answer: Answer, *, token: bool) -> IonmanError:
    """The error for an answer that is neither 200 nor a redirect, to the request for `what`."""
    status, headers, message = answer.status, answer.headers, answer.message
    at = f"{what}: {shown(url)} answered {status}" + (f" ({message})" if message else "")
    if status in {403, 429} and (headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers):
        return Unavailable(f"{at}: too many requests", remedy=_wait(headers, token))
    if status == 404:
        missing = "there is no such release or repository, or the repository is private and "
        missing += "the token may not read it" if token else "no token was given"
        return InputError(
            f"{at}: {missing}",
            remedy="check the repository and the tag; for a private one give a token that may read its contents",
        )
    if status == 401:
        return Refused(
            f"{at}: the token is wrong, revoked or expired", remedy="make a new token and put it where the old one was"
        )
    if status == 403:
        return Refused(f"{at}: not allowed", remedy="give a token that may read the repository's contents")
    if status >= 500:
        return Unavailable(at, remedy="GitHub is not well (githubstatus.com); run the same command again later")
    return Unavailable(at, remedy="check the address of the API (deb_github_url)")


def _wait(headers: Mapping[str, str], token: bool) -> str:
    after = headers.get("retry-after", "")
    seconds = int(after) if after.isdigit() else max(0, int(headers.get("x-ratelimit-reset") or 0) - int(time.time()))
    return f"wait {max(1, -(-seconds // 60))} min" + (
        "" if token else ", or give a token: with one the limit is far higher"
    )


def check_url(url: str) -> str:
    """`url` when it is https, or http to this machine itself; raises ConfigurationError otherwise."""
    parts = urlsplit(url)
    if (
        parts.hostname
        and parts.username is None
        and (parts.scheme == "https" or (parts.scheme == "http" and _loopback(parts.hostname)))
    ):
        return url
    raise ConfigurationError(
        f"address {shown(url)!r} is not https",
        remedy="use https:// (http:// only to 127.0.0.1), without a name or password in it",
    )


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def origin(url: str) -> str:
    """Scheme, host and port of `url`: what a token is bound to."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def shown(url: str) -> str:
    """`url` without its query and without a user: signed addresses are secrets for as long as they live."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def read_token(file: Path | None) -> str | None:
    """The token of `file`, else of GITHUB_TOKEN or GH_TOKEN in the environment, else None."""
    if file is None:
        return os.environ.get("GITHUB_TOKEN") or os.environ.get("GH_TOKEN") or None
    try:
        token = file.read_text().strip()
    except OSError as error:
        raise ConfigurationError(f"token file {file} cannot be read: {error.strerror}") from error
    if not token or not token.isascii() or any(character.isspace() for character in token):
        raise ConfigurationError(f"token file {file} holds no token", remedy="put the token alone on its first line")
    return token
