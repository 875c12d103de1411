"""The lock on all routers: both or none, taken in order, kept while it is needed, given back at once."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ionman import lock
from ionman.lock import Answer, Verdict
from ionman.locks.post import Post
from ionman.runtime import backoff

Say = Callable[[str], None]
AGAIN = (0.1, 0.7)  # s: how soon to ask again, by chance, so that two deployers do not go on meeting
TOLD_EVERY = 10.0  # s
LOOK = 0.3  # s between two looks whether what is held still is
PARTING = 2.0  # s for a last event, and then for leaving; what takes longer is left to the end of the process


class Hold:
    """`take` it, look at `document`, `publish` while it is held, `release` it. Threads may share it."""

    def __init__(self, posts: Sequence[Post]) -> None:
        self._posts = sorted(posts, key=lambda post: post.router)
        self._answers: dict[str, Answer] = {}  # the last of each router
        self._keeping = False  # what is held will be kept: nothing is given back because of another router
        self._end: Verdict | None = None  # refused or lost: for good
        self._over = threading.Event()
        self._taking = threading.Lock()

    @property
    def settled(self) -> bool:
        """Whether what is held will be kept."""
        return self._keeping

    def document(self) -> dict[str, Any]:
        """{"state", "why", "routers": those that are held}."""
        found = self._found()
        state = found.state if self._keeping or self._end else "taking"
        return {"state": state, "why": found.why, "routers": [post.router for post in self._posts if post.got]}

    def take(self, wait: float, say: Say, wanted: Callable[[], bool]) -> Verdict:
        """Take it on every router, waiting up to `wait` s for another holder, as long as it is still `wanted`."""
        with self._taking:
            began, told = time.monotonic(), _Teller(say, wait)
            found = Verdict("open")
            while True:
                found = lock.after(found, self._round())
                coming_back = self._keeping and any(post.joined_once for post in self._posts)
                left = began + lock.patience(wait, found, coming_back=coming_back) - time.monotonic()
                if left <= 0 or not wanted() or self._over.is_set():
                    break
                if found.state == "refused":
                    told.waiting(found.why, time.monotonic() - began)
                self._over.wait(min(left, random.uniform(*AGAIN)))  # noqa: S311 - jitter, no secret
            if found.state == "refused":
                self._finish(Verdict("lost" if self._keeping else "refused", found.why))
            elif not self._keeping:
                self._keep_all()
            return self._end or found

    def publish(self, topic: str, document: dict[str, Any]) -> list[str]:
        """Publish on each router that is held; returns which."""
        return [post.router for post in self._posts if post.publish(lock.EVENTS + topic, document)]

    def release(self, last: Callable[[], object] = lambda: None) -> None:
        """Give it back on every router, after `last` had its time to say something there."""
        self._over.set()
        _each([last])
        _each([post.end for post in self._posts])

    # --- inside -------------------------------------------------------------------------------------------------

    def _found(self) -> Verdict:
        lost = {post.router: Answer(post.router, "away", "the connection was lost") for post in self._posts}
        now = [
            lost[router] if answer.kind == "got" and not self._post(router).got else answer
            for router, answer in self._answers.items()
        ]
        return self._end or lock.verdict(now)

    def _post(self, router: str) -> Post:
        return next(post for post in self._posts if post.router == router)

    def _round(self) -> Verdict:
        """Ask all in order; it ends at the first router that is taken, and then none is kept that was not before."""
        for post in self._posts:
            self._answers[post.router] = post.attempt()
            if self._answers[post.router].kind == "taken":
                if not self._keeping:
                    _each([other.release for other in self._posts if other.got])
                break
        return self._found()

    def _keep_all(self) -> None:
        self._keeping = True
        for post in self._posts:
            threading.Thread(target=self._keep, args=(post,), daemon=True).start()

    def _keep(self, post: Post) -> None:
        """Get one router back (or at last) when it was lost or could not be reached, until all is over."""
        failures = 0
        while not self._over.is_set():
            if post.got:
                failures = 0
                self._over.wait(LOOK)
                continue
            if self._over.wait(LOOK if post.joined_once else backoff.delay(failures)):
                return
            failures += 1
            answer = post.attempt()
            if answer.kind == "taken" and answer.settled:
                self._finish(Verdict("lost", lock.refusal(answer)))
            elif answer.kind == "taken":  # it will be given back, or be kept: then it is settled
                answer = Answer(post.router, "away", lock.refusal(answer))
            self._answers[post.router] = answer

    def _finish(self, end: Verdict) -> None:
        """Somebody else has it: leave them the rest, and say so to whoever asks."""
        self._end = self._end or end
        self._over.set()
        _each([post.end for post in self._posts])


class _Teller:
    """Says who is waited for: at first, when it is somebody else, and now and then."""

    def __init__(self, say: Say, wait: float) -> None:
        self._say, self._wait = say, wait
        self._last, self._when = "", 0.0

    def waiting(self, why: str, since: float) -> None:
        now = time.monotonic()
        if why == self._last and now - self._when < TOLD_EVERY:
            return
        self._last, self._when = why, now
        self._say(f"waiting for the lock, {since:.0f} s of {self._wait:.0f} s: {why}")


def _each(works: Sequence[Callable[[], object]]) -> None:
    """Do them side by side, and wait `PARTING` s for them: a router that hangs must not keep the others' lock."""
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + PARTING
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
