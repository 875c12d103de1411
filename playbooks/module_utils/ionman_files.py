"""Files that land whole or not at all, for the modules of this folder's neighbour. Runs on a host: standard library only."""

import grp
import os
import pwd
import tempfile


class Wanted:
    """A file as it should be; `content` is bytes, `mode` a number, `secret` keeps the content out of diffs."""

    def __init__(self, path, content, mode=0o644, owner="root", group="root", secret=False):
        self.path = path
        self.content = content
        self.mode = mode
        self.owner = owner
        self.group = group
        self.secret = secret

    def difference(self):
        """What differs from the file that is there, as an entry of Ansible's diff; None when nothing does."""
        before = self._read()
        if before == self.content and self._attributes() == self._wanted_attributes():
            return None
        header = {"before_header": self.path, "after_header": self.path}
        if self.secret or before == self.content:
            return {**header, "before": self._summary(before), "after": self._summary(self.content, self._wanted_attributes())}
        return {**header, "before": _text(before), "after": _text(self.content)}

    def land(self):
        """Write the file beside its place, then rename it there: a reader sees the old one or the new one."""
        folder = os.path.dirname(self.path)
        os.makedirs(folder, mode=0o755, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".ionman-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.content)
                os.fchown(file.fileno(), pwd.getpwnam(self.owner).pw_uid, grp.getgrnam(self.group).gr_gid)
                os.fchmod(file.fileno(), self.mode)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        except BaseException:
            os.unlink(temporary)
            raise

    def current(self):
        """The bytes that are there now, None when the file is not there: what `restore` takes back."""
        return self._read()

    def restore(self, before):
        """Put back what `current` gave."""
        if before is None:
            if os.path.exists(self.path):
                os.unlink(self.path)
        else:
            Wanted(self.path, before, self.mode, self.owner, self.group).land()

    def _read(self):
        try:
            with open(self.path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def _attributes(self):
        found = os.stat(self.path)
        return (found.st_mode & 0o7777, found.st_uid, found.st_gid)

    def _wanted_attributes(self):
        """Mode and ids; None for a user or group that is not there yet, which a package may bring."""
        try:
            return (self.mode, pwd.getpwnam(self.owner).pw_uid, grp.getgrnam(self.group).gr_gid)
        except KeyError:
            return None

    def _summary(self, content, attributes=None):
        if content is None:
            return ""
        if attributes is None and content == self._read():
            attributes = self._attributes()
        shown = "mode %04o owner %d group %d" % attributes if attributes else "owner %s group %s" % (self.owner, self.group)
        return "(%s, %d bytes)\n%s\n" % ("secret" if self.secret else "unchanged", len(content), shown)


def _text(content):
    return "" if content is None else content.decode("utf-8", "replace")


def settle(wanted, check):
    """Land what differs; returns the list of differences (nothing is written when `check` is true)."""
    differences = []
    for file in wanted:
        difference = file.difference()
        if difference is not None:
            differences.append(difference)
            if not check:
                file.land()
    return differences
