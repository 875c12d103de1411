"""A double of the GitHub REST API: serves the releases below a folder, from loopback, shaped as GitHub shapes them.

``python -m ionman.lab.github --port 0 --releases DIR --state FILE`` serves until it is ended, and writes
``{"url", "pid", "releases"}`` to FILE once it listens. The folder is read at every request: a release that is published
while it runs is there at once (its layout: `ionman.lab.releases`).

As at GitHub: downloads are redirected to another origin (a second port), where a token sent along is an error; a
private repository is 404 without a token and 401 with a wrong one; errors have `message` and `documentation_url`.
"""

import argparse
import json
import os
import signal
import tempfile
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from flask import Flask, Response, redirect, request, send_file
from werkzeug.exceptions import HTTPException
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from ionman.lab.shapes import Shelf, error_body, release_body

ADDRESS = "127.0.0.1"
DOCS = "https://docs.github.com/rest"


@dataclass(frozen=True)
class Fault:
    """What one request is answered with instead: `status` and `headers`; or the body cut after `cut` bytes."""

    status: int = 200
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    path: str = ""  # only a request whose path contains this


class _Quiet(WSGIRequestHandler):
    """Speaks HTTP/1.1 and keeps no log of requests."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Nothing."""


class Double:
    """The API and its storage, each on a port of its own; `faults` are used up by the requests they fit."""

    def __init__(self, releases: Path, port: int = 0) -> None:
        self.shelf = Shelf(releases)
        self.faults: deque[Fault] = deque()
        self.seen: list[tuple[str, str, bool]] = []  # (origin, path, a token came along)
        self.storage: BaseWSGIServer = make_server(ADDRESS, 0, self._storage(), threaded=True, request_handler=_Quiet)
        self.api: BaseWSGIServer = make_server(ADDRESS, port, self._api(), threaded=True, request_handler=_Quiet)
        self.url = f"http://{ADDRESS}:{self.api.server_port}"
        self.storage_url = f"http://{ADDRESS}:{self.storage.server_port}"

    def __enter__(self) -> "Double":
        for server in (self.storage, self.api):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self.api, self.storage):
            server.shutdown()
            server.server_close()

    def _fault(self, origin: str) -> Response | None:
        self.seen.append((origin, request.path, "Authorization" in request.headers))
        for fault in list(self.faults):
            if fault.cut is None and fault.path in request.path:
                self.faults.remove(fault)
                return problem(fault.status, fault.message, fault.headers)
        return None

    def _api(self) -> Flask:
        app = Flask("api")
        app.before_request(lambda: self._fault("api"))
        app.after_request(_headers)
        app.register_error_handler(HTTPException, lambda error: problem(error.code or 500, str(error.name)))
        for prefix in ("", "/api/v3"):
            at = f"{prefix}/repos/<owner>/<name>"
            for number, (path, answer) in enumerate(
                {
                    "/releases": self._list,
                    "/releases/latest": self._latest,
                    "/releases/<int:release>": self._by_id,
                    "/releases/tags/<tag>": self._by_tag,
                    "/releases/<int:release>/assets": self._assets,
                    "/releases/assets/<int:asset>": self._asset,
                    "/tarball/<tag>": self._tarball,
                    "/tarball/refs/tags/<tag>": self._tarball,
                }.items()
            ):
                app.add_url_rule(at + path, f"{prefix}{number}", self._guarded(answer))
        app.add_url_rule("/<owner>/<name>/releases/download/<tag>/<file>", "browser", self._guarded(self._browser))
        return app

    def _guarded(self, answer: Any) -> Any:
        """`answer`, after the rights to the repository were looked at."""

        def view(owner: str, name: str, **rest: Any) -> Response:
            scheme, _, given = request.headers.get("Authorization", "").partition(" ")
            if given and not self.shelf.opens(scheme, given):
                return problem(401, "Bad credentials")
            if not self.shelf.may_read(owner, name, given):
                return problem(404, "Not Found")
            reply: Response | None = answer(f"{owner}/{name}", **rest)
            return reply or problem(404, "Not Found")

        return view

    def _list(self, repository: str) -> Response:
        releases = reversed(self.shelf.releases(repository))
        return _json([release_body(release, self._base()) for release in releases])

    def _latest(self, repository: str) -> Response | None:
        final = [release for release in self.shelf.releases(repository) if not release.prerelease]
        return _json(release_body(final[-1], self._base())) if final else None

    def _by_id(self, repository: str, release: int) -> Response | None:
        found = self.shelf.release(repository, release)
        return _json(release_body(found, self._base())) if found else None

    def _by_tag(self, repository: str, tag: str) -> Response | None:
        found = self.shelf.tagged(repository, tag)
        return _json(release_body(found, self._base())) if found else None

    def _assets(self, repository: str, release: int) -> Response | None:
        found = self.shelf.release(repository, release)
        return _json(release_body(found, self._base())["assets"]) if found else None

    def _asset(self, repository: str, asset: int) -> Response | None:
        for release in self.shelf.releases(repository):
            for body in release_body(release, self._base())["assets"]:
                if body["id"] == asset:
                    if "application/octet-stream" not in request.headers.get("Accept", ""):
                        return _json(body)
                    return self._stored(repository, release.tag, f"assets/{body['name']}")
        return None

    def _browser(self, repository: str, tag: str, file: str) -> Response | None:
        return self._stored(repository, tag, f"assets/{file}")

    def _tarball(self, repository: str, tag: str) -> Response | None:
        return self._stored(repository, tag, "source.tar.gz")

    def _stored(self, repository: str, tag: str, file: str) -> Response | None:
        """A redirect to the storage, with a signature in the address as GitHub's have."""
        key = self.shelf.sign(repository, tag, file)
        if key is None:
            return None
        target = redirect(f"{self.storage_url}/objects/{repository}/{tag}/{file}?sig={key}", 302)
        return Response(status=302, headers={"Location": target.headers["Location"], "Content-Length": "0"})

    def _storage(self) -> Flask:
        app = Flask("storage")
        app.before_request(lambda: self._fault("storage"))

        @app.get("/objects/<owner>/<name>/<tag>/<path:file>")
        def stored(owner: str, name: str, tag: str, file: str) -> Response:
            if "Authorization" in request.headers:  # as object stores answer: the signature is the only key
                return problem(400, "Only one auth mechanism allowed")
            repository = f"{owner}/{name}"
            if request.args.get("sig") != self.shelf.sign(repository, tag, file):
                return problem(403, "The signature does not match")
            answer = send_file(self.shelf.path(repository, tag, file).resolve(), "application/octet-stream")
            return self._cut(answer)

        return app

    def _cut(self, answer: Response) -> Response:
        """The answer, its body cut short where a fault says so while its length stays."""
        for fault in list(self.faults):
            if fault.cut is not None and fault.path in request.path:
                self.faults.remove(fault)
                answer.direct_passthrough = False
                whole = answer.get_data()
                answer.close()
                short = Response(whole[: fault.cut], headers={"Content-Length": str(len(whole)), "Connection": "close"})
                short.automatically_set_content_length = False
                return short
        return answer

    def _base(self) -> str:
        prefix = "/api/v3" if request.path.startswith("/api/v3/") else ""
        return f"{self.url}{prefix}"


def problem(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error as the API shapes it."""
    answer = _json(error_body(status, message))
    answer.status_code = status
    answer.headers.update(headers or {})
    return answer


def _json(body: Any) -> Response:
    return Response(json.dumps(body), content_type="application/json; charset=utf-8")


def _headers(answer: Response) -> Response:
    """What GitHub sends with every answer of the API."""
    defaults = {
        "x-github-media-type": "github.v3; format=json",
        "x-github-api-version-selected": "2022-11-28",
        "x-github-request-id": f"{os.urandom(2).hex()}:{os.urandom(3).hex()}".upper(),
        "x-ratelimit-limit": "60",
        "x-ratelimit-remaining": "59",
        "x-ratelimit-used": "1",
        "x-ratelimit-resource": "core",
    }
    for name, value in defaults.items():
        answer.headers.setdefault(name, value)
    return answer


def main(argv: list[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m ionman.lab.github", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--releases", type=Path, required=True)
    parser.add_argument("--state", type=Path)
    options = parser.parse_args(argv)
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, end)
    with Double(options.releases, options.port) as double:
        state = json.dumps({"url": double.url, "pid": os.getpid(), "releases": str(options.releases.resolve())})
        if options.state:
            _write(options.state, state)
        else:
            print(state, flush=True)  # noqa: T201 - what a starter reads
        ended.wait()


def _write(file: Path, text: str) -> None:
    """Write in one step, so that a reader sees the whole state or none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(handle, "w") as new:
        new.write(text + "\n")
    Path(name).replace(file)


if __name__ == "__main__":
    main()
