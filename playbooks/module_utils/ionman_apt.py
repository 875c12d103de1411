"""This host's apt and dpkg, and a repository tried out beside them. Runs on a host: standard library only."""

import contextlib
import fcntl
import re
import shutil
import tempfile
import time
from pathlib import Path

from ansible.module_utils.ionman_files import Wanted
from ansible.module_utils.ionman_services import Record
from ansible.module_utils.ionman_tls import refused
from ansible.module_utils.ionman_words import complaints, refusal, stanzas

CA = "/etc/ionman/ca.pem"
LISTS = Path("/var/lib/apt/lists")
# What apt and dpkg lock while they work: a deploy that was interrupted leaves them at work here.
LOCKS = (
    LISTS / "lock",
    Path("/var/cache/apt/archives/lock"),
    Path("/var/lib/dpkg/lock-frontend"),
    Path("/var/lib/dpkg/lock"),
)
OURS = Path("/run/ionman-packages.lock")
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none"}
SHORT = ["-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=15", "-o", "Acquire::https::Timeout=15"]
STRICT = ["-o", "APT::Update::Error-Mode=any"]


class Host:
    """This host's dpkg and apt."""

    def __init__(self, module):
        self.module = module
        self._ours = None

    def alone(self, timeout):
        """Be the only deploy at work on this host's packages while this process lives, with apt and dpkg at rest."""
        self._ours = self._take(OURS, timeout)
        for path in LOCKS:
            self.wait(path, timeout)

    def run(self, *command):
        """(exit status, output and errors) of a program, in a language and manner that does not depend on the host."""
        status, out, err = self.module.run_command(list(command), environ_update=ENVIRONMENT)
        return status, out + err

    def installed(self):
        """{package: version} of what is wholly installed."""
        _, text = self.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package} ${Version}\n")
        rows = (line.split() for line in text.splitlines())
        return {row[1]: row[2] for row in rows if len(row) == 3 and row[0] == "ii"}

    def interrupted(self):
        """Whether dpkg was stopped in the middle (dpkg(1), --audit)."""
        return any(Path("/var/lib/dpkg/updates").iterdir()) or bool(self.run("dpkg", "--audit")[1].strip())

    def finish(self):
        """Have dpkg finish what it began."""
        status, text = self.run("dpkg", "--force-confold", "--configure", "-a")
        if status:
            self.fail("dpkg was interrupted here and cannot finish", "Run dpkg --configure -a by hand", text)

    def wait(self, path, timeout):
        """Wait until nobody holds apt's lock on `path`; apt itself waits for dpkg's lock only."""
        self._take(path, timeout).close()

    def _take(self, path, timeout):
        """The file `path`, open and locked; the lock ends when it is closed."""
        deadline = time.monotonic() + timeout
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
        while True:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() > deadline:
                    self.fail(f"another apt has held {path} for {timeout} s", "Wait for it, or see what it is.")
                time.sleep(0.5)
            else:
                return file

    def in_use(self, package):
        """Whether a supervised program or a process is of this release, or a rollback would need it: it must stay."""
        folder = "/opt/{}/{}/".format(*parts(package)).encode()
        supervised = [*Path("/var/lib/ionman/supervise").glob("*/run"), *Path("/etc/systemd/system").glob("ionman-*")]
        for path in [*supervised, *Path("/proc").glob("[0-9]*/cmdline")]:
            with contextlib.suppress(OSError):  # the process has ended, or it is a folder
                if folder in path.read_bytes():
                    return True
        return package in Record("/").releases()

    def fail(self, what, remedy, output=""):
        """End the task: what failed, what to do, and what apt or dpkg said."""
        told = "\n".join(complaints(output)) or output.strip()[-800:]
        self.module.fail_json(msg=f"{what}. Nothing was changed. {remedy}" + (f"\n{told}" if told else ""))


class Repository:
    """The repository's files in a folder of their own, where apt can try them without touching the host's."""

    def __init__(self, host, files, timeout):
        self.host = host
        self.files = files
        for old in Path("/run").glob("ionman-apt-*"):  # of a deploy that was killed
            if time.time() - old.stat().st_mtime > 3600:
                shutil.rmtree(old)
        self.root = Path(tempfile.mkdtemp(prefix="ionman-apt-", dir="/run"))
        self.root.chmod(0o755)  # nothing secret; apt reads keyring and lists as the user _apt
        self.lists = self.root / "lists"
        (self.lists / "partial").mkdir(parents=True)
        host.wait(LISTS / "lock", timeout)

    def try_out(self):
        """Update from these files alone; None, or (meaning, remedy, output) when apt does not accept the repository."""
        source = conf = None
        for path, text in self.files.items():
            staged = self._stage(path, text)
            source = staged if path.endswith(".sources") else source
            conf = staged if "/apt.conf.d/" in path else conf
        options = ["-o", f"Dir::Etc::sourcelist={source}", "-o", "Dir::Etc::sourceparts=/dev/null"]
        options += ["-o", f"Dir::State::lists={self.lists}", "-o", "Acquire::GzipIndexes=false", *SHORT, *STRICT]
        status, text = self.host.run("apt-get", *(["-c", conf] if conf else []), *options, "update")
        return (*(self._certificate(source) or refusal(text)), text) if status else None

    def _certificate(self, source):
        """(meaning, remedy) when it is the server's certificate that is wrong: apt does not tell all of its faults."""
        found = re.search(r"^URIs: *(\S+)", Path(source).read_text(encoding="utf-8"), re.MULTILINE)
        bundle = f"{self.root}{CA}"
        return refused(found.group(1), bundle) if found and Path(bundle).is_file() else None

    def _stage(self, path, text):
        """Write one file here, speaking of the others where they are here; returns its path."""
        staged = Path(f"{self.root}{path}")
        for other in self.files:
            text = text.replace(other, f"{self.root}{other}")
        staged.parent.mkdir(parents=True, exist_ok=True)
        staged.write_text(text, encoding="utf-8")
        return str(staged)

    def offers(self):
        """{package: [versions]}, of this host's architecture."""
        found = {}
        for path in self.lists.glob("*_Packages"):
            for fields in stanzas(path.read_text(encoding="utf-8")):
                found.setdefault(fields["Package"], []).append(fields["Version"])
        return found

    def land_lists(self):
        """Give the host the lists that were proven; returns what was there before, for Wanted.restore."""
        before = {}
        for path in self.lists.glob("*_*"):
            list_file = Wanted(LISTS / path.name, b"")
            before[list_file.path] = list_file.current()
            shutil.copyfile(path, list_file.path)
        return before

    def close(self):
        """Remove the folder."""
        shutil.rmtree(self.root)


def parts(package):
    """demo-1.0.0 -> (demo, 1.0.0): name and release of a package that stands beside others of its kind."""
    match = re.fullmatch(r"([a-z0-9][a-z0-9+.-]*)-(\d.*)", package)
    return (match.group(1), match.group(2)) if match else (package, "")
