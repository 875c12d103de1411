"""The bodies of the double of the GitHub API: JSON in GitHub's shape, from the releases on disk."""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ionman.errors import InputError
from ionman.lab.releases import token
from ionman.release import DIGEST, REPOSITORY, version

LOGIN = "ionman-lab"
TYPES = {".gz": "application/gzip", ".tgz": "application/gzip", ".whl": "application/zip"}


@dataclass(frozen=True)
class Shelved:
    """One release on disk."""

    repository: str
    tag: str
    folder: Path

    @property
    def id(self) -> int:
        """A number that stays the same for the same repository and tag."""
        return number(self.repository, self.tag)

    @property
    def prerelease(self) -> bool:
        """Whether the tag is one such as v1.0.0-rc1."""
        return "~" in version(self.tag).debian

    def assets(self) -> list[Path]:
        """Its asset files, in order."""
        return sorted(path for path in (self.folder / "assets").glob("*") if path.is_file())


class Shelf:
    """The folder of releases; read afresh at every question."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = secrets.token_bytes(32)

    def releases(self, repository: str) -> list[Shelved]:
        """The releases of a repository, oldest version first."""
        found = []
        for folder in (self.folder / repository).glob("*/release.json"):
            tag = folder.parent.name
            try:
                version(tag)
            except InputError:
                continue
            found.append(Shelved(repository, tag, folder.parent))
        return sorted(found, key=lambda release: _order(release.tag))

    def release(self, repository: str, wanted: int) -> Shelved | None:
        """The release with that id."""
        return next((release for release in self.releases(repository) if release.id == wanted), None)

    def tagged(self, repository: str, tag: str) -> Shelved | None:
        """The release with that tag."""
        return next((release for release in self.releases(repository) if release.tag == tag), None)

    def opens(self, scheme: str, given: str) -> bool:
        """Whether this is the token."""
        return scheme.lower() in {"bearer", "token"} and hmac.compare_digest(given, token(self.folder))

    def may_read(self, owner: str, name: str, given: str) -> bool:
        """Whether the repository exists for this caller."""
        if not REPOSITORY.fullmatch(f"{owner}/{name}") or ".." in name:
            return False
        folder = self.folder / owner / name
        return folder.is_dir() and (bool(given) or not (folder / "private").exists())

    def path(self, repository: str, tag: str, file: str) -> Path:
        """Where a file of a release lies."""
        return self.folder / repository / tag / file

    def sign(self, repository: str, tag: str, file: str) -> str | None:
        """The key that opens one stored file, or None when it does not exist."""
        release = self.tagged(repository, tag)
        if release is None or ".." in file or not self.path(repository, tag, file).is_file():
            return None
        return hmac.new(self.key, f"{repository} {tag} {file}".encode(), "sha256").hexdigest()


def release_body(release: Shelved, base: str) -> dict[str, Any]:
    """A release as `GET /repos/{owner}/{repo}/releases/tags/{tag}` gives it; `base` is the API's address."""
    published = json.loads((release.folder / "release.json").read_text())["published"]
    at = f"{base}/repos/{release.repository}"
    page = f"{base}/{release.repository}/releases"
    return {
        "url": f"{at}/releases/{release.id}",
        "assets_url": f"{at}/releases/{release.id}/assets",
        "upload_url": f"{at}/releases/{release.id}/assets{{?name,label}}",
        "html_url": f"{page}/tag/{release.tag}",
        "id": release.id,
        "author": user_body(base),
        "node_id": f"RE_{release.id}",
        "tag_name": release.tag,
        "target_commitish": "main",
        "name": f"{release.repository.split('/')[1]} {release.tag}",
        "draft": False,
        "immutable": False,
        "prerelease": release.prerelease,
        "created_at": published,
        "updated_at": published,
        "published_at": published,
        "assets": [_asset_body(release, path, base, published) for path in release.assets()],
        "tarball_url": f"{at}/tarball/{release.tag}",
        "zipball_url": f"{at}/zipball/{release.tag}",
        "body": "",
    }


def _asset_body(release: Shelved, path: Path, base: str, published: str) -> dict[str, Any]:
    asset = number(release.repository, release.tag, path.name)
    stat = path.stat()
    return {
        "url": f"{base}/repos/{release.repository}/releases/assets/{asset}",
        "browser_download_url": f"{base}/{release.repository}/releases/download/{release.tag}/{path.name}",
        "id": asset,
        "node_id": f"RA_{asset}",
        "name": path.name,
        "label": "",
        "uploader": user_body(base),
        "content_type": TYPES.get(path.suffix, "text/plain"),
        "state": "uploaded",
        "size": stat.st_size,
        "digest": api_digest(release, path, stat.st_mtime_ns),
        "download_count": 0,
        "created_at": published,
        "updated_at": published,
    }


def api_digest(release: Shelved, path: Path, changed: int) -> str | None:
    """What the API says of an asset: `digests` of release.json ({name: digest or null}) where it is given there."""
    given = json.loads((release.folder / "release.json").read_text()).get("digests", {})
    if path.name in given:
        stated: str | None = given[path.name]
        if stated is not None and not DIGEST.fullmatch(stated):
            raise ValueError(f"{release.folder}/release.json: {stated!r} is no digest")
        return stated
    return _digest(path, changed)


@cache
def _digest(path: Path, changed: int) -> str:
    del changed  # part of the key: another time, another digest
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def user_body(base: str) -> dict[str, Any]:
    """The account that made the releases."""
    at = f"{base}/users/{LOGIN}"
    links = (
        "followers",
        "following",
        "gists",
        "starred",
        "subscriptions",
        "orgs",
        "repos",
        "events",
        "received_events",
    )
    named = {"orgs": "organizations_url"}
    return {
        "login": LOGIN,
        "id": 1,
        "node_id": "U_1",
        "avatar_url": f"{base}/avatars/1",
        "gravatar_id": "",
        "url": at,
        "html_url": f"{base}/{LOGIN}",
        **{named.get(link, f"{link}_url"): f"{at}/{link}" for link in links},
        "type": "User",
        "site_admin": False,
    }


def error_body(status: int, message: str) -> dict[str, str]:
    """An error as the API shapes it."""
    return {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}


def number(*parts: str) -> int:
    """An id made from names: positive, the same every time."""
    return int.from_bytes(hashlib.sha256("/".join(parts).encode()).digest()[:4], "big") >> 1


def _order(tag: str) -> tuple[list[int], bool, int]:
    name, _, pre = version(tag).debian.partition("~")
    return [int(part) for part in name.split(".")], not pre, int("".join(filter(str.isdigit, pre)) or 0)
