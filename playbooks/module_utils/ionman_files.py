"""Files that land whole or not at all, for the modules beside this folder. Runs on a host: standard library only."""

import grp
import os
import pwd
import tempfile
from pathlib import Path


class Wanted:
    """A file as it should be; `content` is bytes, `mode` a number, `secret` keeps the content out of diffs."""

    def __init__(self, path, content, mode=0o644, *, owner="root", group="root", secret=False):  # noqa: PLR0913
        self.path = Path(path)
        self.content = content
        self.mode = mode
        self.owner = owner
        self.group = group
        self.secret = secret

    def difference(self):
        """What differs from the file that is there, as an entry of Ansible's diff; None when nothing does."""
        before = self.current()
        if before == self.content and self._attributes() == self._wanted_attributes():
            return None
        header = {"before_header": str(self.path), "after_header": str(self.path)}
        if self.secret or before == self.content:
            return {**header, "before": self._summary(before), "after": self._summary(self.content, is_new=True)}
        return {
            **header,
            "before": (before or b"").decode(errors="replace"),
            "after": self.content.decode(errors="replace"),
        }

    def land(self):
        """Write the file beside its place, then rename it there: a reader sees the old one or the new one.

        Raises KeyError for a user or group that the host has not.
        """
        self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".ionman-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.content)
                os.fchown(file.fileno(), pwd.getpwnam(self.owner).pw_uid, grp.getgrnam(self.group).gr_gid)
                os.fchmod(file.fileno(), self.mode)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self.path)
        except BaseException:
            Path(temporary).unlink()
            raise

    def current(self):
        """The bytes that are there now, None when the file is not there: what `restore` takes back."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def restore(self, before):
        """Put back what `current` gave."""
        if before is None:
            self.path.unlink(missing_ok=True)
        else:
            Wanted(self.path, before, self.mode, owner=self.owner, group=self.group).land()

    def _attributes(self):
        found = self.path.stat()
        return (found.st_mode & 0o7777, found.st_uid, found.st_gid)

    def _wanted_attributes(self):
        """Mode and ids; None for a user or group that is not there yet, which a package may bring."""
        try:
            return (self.mode, pwd.getpwnam(self.owner).pw_uid, grp.getgrnam(self.group).gr_gid)
        except KeyError:
            return None

    def _summary(self, content, *, is_new=False):
        """A line about a file whose content is not shown."""
        if content is None:
            return ""
        what = "secret" if self.secret else "the same content"
        if is_new:
            return f"({what}, as it should be) mode {self.mode:04o} owner {self.owner} group {self.group}\n"
        mode, user, group = self._attributes()
        return f"({what}) mode {mode:04o} uid {user} gid {group}\n"


def settle(wanted, *, check):
    """Land what differs; returns the list of differences (nothing is written when `check` is true)."""
    differences = []
    for file in wanted:
        difference = file.difference()
        if difference is not None:
            differences.append(difference)
            if not check:
                file.land()
    return differences
