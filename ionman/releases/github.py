"""The edge to the GitHub REST API: reads a release, downloads a file of it into a cache that is keyed by digest.

Rules followed (docs.github.com/rest): the version header, `Accept: application/octet-stream` for the bytes of an
asset, 404 instead of 403 for what a caller may not know of, 403 or 429 with `x-ratelimit-*` or `retry-after` when there
were too many requests. The token goes to the API's own origin only, never along a redirect to another host or port.
"""

import hashlib
import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import requests
from requests.auth import AuthBase

from ionman import __version__
from ionman.errors import Late, Unavailable
from ionman.release import (
    Choice,
    Release,
    Trust,
    checksum,
    checksum_files,
    checksum_names,
    choose,
    mismatch,
    parse,
    repository_name,
    trust,
    untrusted,
)
from ionman.releases.origin import Answer, check_url, explain, origin, shown

PUBLIC = "https://api.github.com"
REDIRECTS = 5
TRIES = 3  # for 5xx and a connection that breaks
CHUNK = 1 << 18
SUMS_LIMIT = 1 << 20  # bytes; a larger file lists no checksums

Progress = Callable[[str], None]


def default_cache() -> Path:
    """Where downloads are kept: ``$XDG_CACHE_HOME/ionman/releases``."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "ionman" / "releases"


@dataclass(frozen=True)
class Wanted:
    """A file of a release before it is fetched, with the digest it must have (None: nobody says one)."""

    release: Release
    choice: Choice
    trust: Trust | None


@dataclass(frozen=True)
class Fetched:
    """A file of a release that has the trusted digest: `path` in the cache, `fresh` when it was downloaded just now."""

    repository: str
    tag: str
    name: str
    page: str
    path: Path
    trust: Trust
    fresh: bool


class _Token(AuthBase):
    """Sends the token to `origin` only; set even without a token, so that requests takes none from a .netrc file."""

    def __init__(self, origin: str, token: str | None) -> None:
        self.origin, self.token = origin, token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token and origin(request.url or "") == self.origin:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


@dataclass
class GitHub:
    """One GitHub API: the public one, a GitHub Enterprise (``https://host/api/v3``), or a double on loopback.

    `timeout` is (connect, between two reads) in seconds; `pause` the seconds before the second try.
    """

    url: str = PUBLIC
    token: str | None = None
    cache: Path = field(default_factory=default_cache)
    progress: Progress = lambda _text: None
    timeout: tuple[float, float] = (10.0, 30.0)
    pause: float = 0.5

    def __post_init__(self) -> None:
        self.url = check_url(self.url).rstrip("/")
        self.session = requests.Session()
        self.session.auth = _Token(origin(self.url), self.token)
        self.session.headers["User-Agent"] = f"ionman/{__version__}"

    def release(self, repository: str, tag: str) -> Release:
        """The release `tag` of `repository`; raises Unavailable, Refused or InputError."""
        repository_name(repository)
        where = f"{self.url}/repos/{repository}/releases/tags/{quote(tag, safe='')}"
        what = f"release {tag} of {repository}"
        with self._get(where, "application/vnd.github+json", what) as answer:
            try:
                return parse(answer.json(), repository)
            except requests.JSONDecodeError as error:
                raise Unavailable(
                    f"{what}: {where} answered with no JSON", remedy="check the address of the API (deb_github_url)"
                ) from error

    def look(self, repository: str, tag: str, *, asset: str | None = None, pin: str | None = None) -> Wanted:
        """What would be fetched, and the digest it must have; None where nobody says one."""
        release = self.release(repository, tag)
        choice = choose(release, asset)
        trusted = trust(choice, pin=pin, checksums=None if pin else self._checksums(release, choice))
        return Wanted(release, choice, trusted)

    def fetch(self, wanted: Wanted) -> Fetched:
        """Fetch a file of a release into the cache; raises InputError when its bytes are not the trusted ones."""
        release, choice, trusted = wanted.release, wanted.choice, wanted.trust
        what = f"{choice.name} of {release.repository} {release.tag}"
        path = self._place(trusted.digest, choice) if trusted else None
        if trusted and path and path.is_file() and file_digest(path) == trusted.digest:
            return Fetched(release.repository, release.tag, choice.name, release.page, path, trusted, fresh=False)
        with self._download(choice, what) as (partial, actual):
            if trusted is None:
                raise untrusted(what, actual, str(_keep(partial, self._place(actual, choice))))
            if actual != trusted.digest:
                raise mismatch(what, trusted, actual)
            path = _keep(partial, self._place(actual, choice))
        return Fetched(release.repository, release.tag, choice.name, release.page, path, trusted, fresh=True)

    def _place(self, digest: str, choice: Choice) -> Path:
        return self.cache / digest.removeprefix("sha256:") / Path(choice.name).name

    def _checksums(self, release: Release, choice: Choice) -> str | None:
        for asset in (file for file in checksum_files(release, choice) if file.size <= SUMS_LIMIT):
            what = f"{asset.name} of {release.repository} {release.tag}"
            with self._get(asset.url, "application/octet-stream", what) as answer:
                text = io.BytesIO()
                self._copy(answer, text.write, asset.size, what)
            if found := checksum(text.getvalue().decode(errors="replace"), checksum_names(release, choice)):
                return found
        return None

    @contextmanager
    def _download(self, choice: Choice, what: str) -> Iterator[tuple[Path, str]]:
        """A temporary file with the bytes, and their digest; the file is gone afterwards unless it was moved."""
        accept = "application/vnd.github+json" if choice.source else "application/octet-stream"
        self.cache.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".fetching-", dir=self.cache)
        partial = Path(name)
        try:
            with self._get(choice.url, accept, what) as answer, os.fdopen(handle, "wb") as file:
                sha = self._copy(answer, file.write, choice.size, what)
            yield partial, sha
        finally:
            partial.unlink(missing_ok=True)

    def _copy(self, answer: requests.Response, write: Callable[[bytes], int], size: int | None, what: str) -> str:
        """Write the body on and return its digest; raises Unavailable when it ends early."""
        total = size if size is not None else int(answer.headers.get("Content-Length") or 0)
        sha, done, told = hashlib.sha256(), 0, time.monotonic()
        try:
            for chunk in answer.iter_content(CHUNK):
                write(chunk)
                sha.update(chunk)
                done += len(chunk)
                if time.monotonic() - told > 1:
                    told = time.monotonic()
                    self.progress(f"{what}: {_amount(done, total)}")
        except requests.RequestException as error:
            raise Unavailable(
                f"{what}: the download broke off after {done} bytes ({_reason(error)})",
                remedy="run the same command again",
            ) from error
        if total and done != total:
            raise Unavailable(f"{what}: the download has {done} of {total} bytes", remedy="run the same command again")
        return f"sha256:{sha.hexdigest()}"

    @contextmanager
    def _get(self, url: str, accept: str, what: str) -> Iterator[requests.Response]:
        """The answer to GET `url` after redirects and retries, status 200; raises the error that explains any other."""
        headers = {"Accept": accept, "X-GitHub-Api-Version": "2022-11-28", "Accept-Encoding": "identity"}
        answer = self._try(url, headers, what)
        for _ in range(REDIRECTS):
            if not answer.is_redirect:
                break
            url = check_url(urljoin(url, answer.headers["Location"]))
            answer.close()
            answer = self._try(url, headers, what)
        with answer:
            if answer.is_redirect:
                raise Unavailable(f"{what}: more than {REDIRECTS} redirects, the last to {shown(url)}")
            if answer.status_code != 200:
                reply = Answer(answer.status_code, answer.headers, _message(answer))
                raise explain(what, url, reply, token=bool(self.token))
            yield answer

    def _try(self, url: str, headers: Mapping[str, str], what: str) -> requests.Response:
        """One GET, repeated a few times for an answer 5xx and for a connection that breaks."""
        for attempt in range(1, TRIES + 1):
            try:
                answer = self.session.get(
                    url, headers=headers, timeout=self.timeout, stream=True, allow_redirects=False
                )
                if answer.status_code < 500 or attempt == TRIES:
                    return answer
                answer.close()
                reason = f"status {answer.status_code}"
            except requests.Timeout as error:
                raise Late(
                    f"{what}: {shown(url)} did not answer within {self.timeout[1]:g} s", remedy="try again later"
                ) from error
            except requests.exceptions.SSLError as error:
                raise Unavailable(
                    f"{what}: the certificate of {shown(url)} is not trusted ({_reason(error)})",
                    remedy="name its CA bundle in REQUESTS_CA_BUNDLE",
                ) from error
            except requests.RequestException as error:
                reason = _reason(error)
                if attempt == TRIES:
                    raise Unavailable(
                        f"{what}: {shown(url)} cannot be reached ({reason})",
                        remedy="check the address (deb_github_url) and the network",
                    ) from error
            self.progress(f"{what}: {reason}, try {attempt + 1} of {TRIES}")
            time.sleep(self.pause * attempt)
        raise AssertionError("unreachable")


def _message(answer: requests.Response) -> str:
    try:
        body: Any = answer.json()
    except (requests.RequestException, ValueError):
        return ""
    return str(body.get("message", ""))[:200] if isinstance(body, dict) else ""


def _reason(error: Exception) -> str:
    """The innermost cause in its own words: what requests prints around it names objects, not facts."""
    cause: BaseException = error
    while (
        inner := cause.__context__
        or (cause.args[0] if cause.args and isinstance(cause.args[0], BaseException) else None)
    ) is not None:
        cause = inner
    reason = getattr(cause, "reason", None)
    return str(reason or cause)[:200]


def _amount(done: int, total: int) -> str:
    return f"{done / 1e6:.1f} of {total / 1e6:.1f} MB" if total else f"{done / 1e6:.1f} MB"


def _keep(partial: Path, place: Path) -> Path:
    """Move a whole download to its place in the cache in one step."""
    place.parent.mkdir(parents=True, exist_ok=True)
    partial.chmod(0o644)
    partial.replace(place)
    return place


def file_digest(path: Path) -> str:
    """``sha256:...`` of a file's bytes."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
