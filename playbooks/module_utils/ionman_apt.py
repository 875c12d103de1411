"""This host's apt and dpkg, and a repository tried out beside them. Runs on a host: standard library only."""

import fcntl
import glob
import os
import re
import shutil
import tempfile
import time

from ansible.module_utils.ionman_words import complaints, refusal, stanzas

LISTS = "/var/lib/apt/lists"
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none"}
SHORT = ["-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=15", "-o", "Acquire::https::Timeout=15"]
STRICT = ["-o", "APT::Update::Error-Mode=any"]


class Host:
    """This host's dpkg and apt."""

    def __init__(self, module):
        self.module = module

    def run(self, *command, environment=None):
        status, out, err = self.module.run_command(list(command), environ_update={**ENVIRONMENT, **(environment or {})})
        return status, out + err

    def installed(self):
        """{package: version} of what is wholly installed."""
        _, text = self.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package} ${Version}\n")
        rows = (line.split() for line in text.splitlines())
        return {row[1]: row[2] for row in rows if len(row) == 3 and row[0] == "ii"}

    def interrupted(self):
        """Whether dpkg was stopped in the middle (dpkg(1), --audit)."""
        return bool(os.listdir("/var/lib/dpkg/updates")) or bool(self.run("dpkg", "--audit")[1].strip())

    def finish(self):
        status, text = self.run("dpkg", "--force-confold", "--configure", "-a")
        if status:
            self.fail("dpkg was interrupted on this host and cannot finish", "run dpkg --configure -a there by hand", text)

    def wait(self, path, timeout):
        """Wait until nobody holds apt's lock on `path`; apt itself waits for dpkg's lock only."""
        deadline = time.monotonic() + timeout
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "a") as file:
            while True:
                try:
                    return fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    if time.monotonic() > deadline:
                        self.fail("another apt has held %s for %d s" % (path, timeout), "wait for it, or see what it is")
                    time.sleep(0.5)

    def in_use(self, package):
        """Whether a supervised program or a process is of this release; its files must stay."""
        tree = ("/opt/%s/" % package.replace("-", "/", 1), "/opt/%s/%s/" % parts(package))
        for path in glob.glob("/var/lib/ionman/supervise/*/run") + glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as file:
                    text = file.read()
            except OSError:  # the process has ended
                continue
            if any(folder.encode() in text for folder in tree):
                return True
        return False

    def fail(self, what, remedy, output=""):
        told = "\n".join(complaints(output)) or output.strip()[-800:]
        self.module.fail_json(msg="%s. Nothing was changed. %s" % (what, remedy) + ("\n%s" % told if told else ""))


class Repository:
    """The repository's files in a folder of their own, where apt can try them without touching the host's."""

    def __init__(self, host, files, timeout):
        self.host = host
        self.files = files
        self.root = tempfile.mkdtemp(prefix="ionman-apt-", dir="/run")
        os.chmod(self.root, 0o755)  # apt reads keyring and lists as the user _apt
        self.lists = os.path.join(self.root, "lists")
        os.makedirs(os.path.join(self.lists, "partial"))
        host.wait(os.path.join(LISTS, "lock"), timeout)

    def try_out(self):
        """Update from these files alone; fails the task when apt does not accept the repository."""
        source = conf = None
        for path, text in self.files.items():
            staged = self.root + path
            for other in self.files:
                text = text.replace(other, self.root + other)
            os.makedirs(os.path.dirname(staged), exist_ok=True)
            with open(staged, "w") as file:
                file.write(text)
            source = staged if path.endswith(".sources") else source
            conf = staged if "/apt.conf.d/" in path else conf
        options = ["-o", "Dir::Etc::sourcelist=" + source, "-o", "Dir::Etc::sourceparts=/dev/null"]
        options += ["-o", "Dir::State::lists=" + self.lists, "-o", "Acquire::GzipIndexes=false", *SHORT, *STRICT]
        status, text = self.host.run("apt-get", *(["-c", conf] if conf else []), *options, "update")
        return refusal(text) + (text,) if status else None

    def offers(self):
        """{package: [versions]}, of this host's architecture."""
        found = {}
        for path in glob.glob(os.path.join(self.lists, "*_Packages")):
            with open(path, encoding="utf-8") as file:
                for fields in stanzas(file.read()):
                    found.setdefault(fields["Package"], []).append(fields["Version"])
        return found

    def land_lists(self):
        """Give the host the lists that were proven, so that they are not fetched again; returns the new ones."""
        landed = []
        for path in glob.glob(os.path.join(self.lists, "*_*")):
            target = os.path.join(LISTS, os.path.basename(path))
            if not os.path.exists(target):
                landed.append(target)
            shutil.copyfile(path, target)
        return landed

    def close(self):
        shutil.rmtree(self.root)


def parts(package):
    """demo-1.0.0 -> (demo, 1.0.0): name and release of a package that stands beside others of its kind."""
    match = re.fullmatch(r"([a-z0-9][a-z0-9+.-]*)-(\d.*)", package)
    return (match.group(1), match.group(2)) if match else (package, "")
