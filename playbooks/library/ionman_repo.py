"""A signed apt repository on this host: the part of `ionman_repo` that runs there (the action plugin decides)."""

DOCUMENTATION = """
module: ionman_repo
short_description: Publish packages in a signed apt repository
description:
  - Publishes the Debian packages of a folder of the controller with reprepro, uploads only what the host has not,
    refuses other bytes under a version that was given out, keeps the last releases of each application.
  - Makes the signing key once, in a folder of root's, and brings its public half to the controller.
options:
  debs: {description: Folder of the controller with the packages, type: path}
  keyring: {description: File of the controller where the public key is kept, type: path}
  base: {description: Folder of the repository on its host, type: path, required: true}
  distributions: {description: Text of reprepro's conf/distributions, type: str, required: true}
  codename: {description: The distribution, type: str, required: true}
  key_name: {description: User id of the key that is made, type: str, required: true}
  signing_key: {description: "Armored private key, instead of one made on the host", type: str}
  renew_days: {description: Sign again when less of the validity remains, type: int, default: 20}
  keep: {description: Releases of an application that stay, type: int, default: 3}
  hold: {description: Packages that stay whatever their age, type: list, elements: str, default: []}
  include: {description: "Set by the action plugin: uploaded packages", type: list, elements: dict, default: []}
  remove: {description: "Set by the action plugin: packages to remove", type: list, elements: dict, default: []}
"""

import datetime
import email.utils
import hashlib
import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.ionman_files import Wanted, settle

LIST = "${package}\\t${version}\\t${architecture}\\t${SHA256}\\n"


class Repository:
    """reprepro's base folder; every process that works in it holds one lock, for as long as it lives."""

    def __init__(self, module):
        self.module = module
        self.base = Path(module.params["base"])
        self.codename = module.params["codename"]
        self.home = self.base / "gnupg"
        self.release = self.base / "www" / "dists" / self.codename / "InRelease"

    def run(self, *command, home=None, data=None):
        """Run a program with our key ring; fails the task when it fails."""
        environment = {"GNUPGHOME": str(home or self.home), "LC_ALL": "C.UTF-8"}
        status, out, err = self.module.run_command(list(command), environ_update=environment, data=data)
        if status:
            words = " ".join(part for part in command if not part.startswith("-"))
            self.module.fail_json(msg=f"{words} ended with status {status}:\n{(out + err).strip()[-2000:]}")
        return out

    def reprepro(self, *arguments):
        """Run reprepro alone: its own lock file outlives a killed one, so it is removed while ours is held."""
        lock = ["flock", "--timeout", "300", f"{self.base}/lock"]
        self.run(*lock, "rm", "-f", f"{self.base}/db/lockfile")
        options = ["--basedir", str(self.base), "--outdir", f"{self.base}/www"]
        return self.run(*lock, "reprepro", "--silent", *options, *arguments)

    def folders(self):
        """The folders that are not there yet, or are open to others than they should be."""
        modes = {"": 0o755, "conf": 0o755, "db": 0o700, "www": 0o755}
        folders = [(self.base / name, mode) for name, mode in modes.items()]
        return [(path, mode) for path, mode in folders if not path.is_dir() or path.stat().st_mode & 0o777 != mode]

    def fingerprint(self, home=None):
        """The fingerprint of the secret key, empty when there is none."""
        home = home or self.home
        if not home.is_dir():
            return ""
        text = self.run("gpg", "--batch", "--list-secret-keys", "--with-colons", home=home)
        found = [line.split(":")[9] for line in text.splitlines() if line.startswith("fpr:")]
        return found[0] if found else ""

    def make_key(self):
        """Make or take in the key in a folder beside its place, then rename it there: whole, or not at all."""
        new = self.home.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(0o700)
        quiet = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        if self.module.params["signing_key"]:
            self.run(*quiet, "--import", home=new, data=self.module.params["signing_key"])
        else:
            self.run(
                *quiet, "--quick-generate-key", self.module.params["key_name"], "ed25519", "sign", "never", home=new
            )
        if not self.fingerprint(new):
            self.module.fail_json(
                msg="repo_signing_key holds no secret key: give what gpg --export-secret-keys --armor gives"
            )
        self.run("gpgconf", "--kill", "all", home=new)
        shutil.rmtree(self.home, ignore_errors=True)
        new.rename(self.home)

    def other_key(self):
        """Whether the key that was handed in is not the one that signs here."""
        given = self.module.params["signing_key"]
        if not given or not self.home.is_dir():
            return bool(given)
        text = self.run("gpg", "--batch", "--with-colons", "--import-options", "show-only", "--import", data=given)
        return self.fingerprint() not in [line.split(":")[9] for line in text.splitlines() if line.startswith("fpr:")]

    def present(self):
        """What reprepro has, a row for each architecture of the index."""
        if not (self.base / "conf" / "distributions").exists():
            return []
        names = ("package", "version", "architecture", "sha256")
        text = self.reprepro("--list-format", LIST, "list", self.codename)
        return [dict(zip(names, line.split("\t"), strict=True)) for line in text.splitlines()]

    def stale(self):
        """Whether the signature is missing, or nearer to its end than it should be."""
        try:
            lines = self.release.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return True
        fields = dict(line.split(": ", 1) for line in lines if ": " in line)
        end = email.utils.parsedate_to_datetime(fields["Valid-Until"]) if "Valid-Until" in fields else None
        now = datetime.datetime.now(datetime.UTC)
        return end is None or end - now < datetime.timedelta(days=self.module.params["renew_days"])


def include(repository, todo):
    """Remove and include what the controller planned, proving each upload's bytes first."""
    for package in todo["remove"]:
        apart = [] if package["architecture"] == "all" else ["--architecture", package["architecture"]]
        repository.reprepro("--export=never", *apart, "remove", repository.codename, package["package"])
    for package in todo["include"]:
        with Path(package["file"]).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != package["sha256"]:
            repository.module.fail_json(msg=f"{package['package']} did not arrive whole: deploy again")
        repository.reprepro("--export=never", "includedeb", repository.codename, package["file"])


def main():
    """Make the repository what it should be; report what it holds."""
    text = {"type": "str", "required": True}
    module = AnsibleModule(
        argument_spec={
            "base": {"type": "path", "required": True},
            "distributions": text,
            "codename": text,
            "key_name": text,
            "signing_key": {"type": "str", "no_log": True},
            "renew_days": {"type": "int", "default": 20},
            "include": {"type": "list", "elements": "dict", "default": []},
            "remove": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    repository = Repository(module)
    folders = repository.folders()
    keyless = not repository.home.is_dir() or repository.other_key()
    if not module.check_mode:
        for path, mode in folders:
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(mode)
        if keyless:
            repository.make_key()
    distributions = Wanted(repository.base / "conf" / "distributions", module.params["distributions"].encode())
    diff = settle([distributions], check=module.check_mode)
    todo = {name: module.params[name] for name in ("include", "remove")}
    stale = keyless or bool(diff) or repository.stale() or any(todo.values())
    if not module.check_mode:
        include(repository, todo)
        if stale:
            repository.reprepro("export")
    shown = [("signing key", keyless), ("signature", stale), *((str(path), True) for path, _ in folders)]
    diff += [
        {"before_header": what, "after_header": what, "before": "", "after": "new\n"} for what, new in shown if new
    ]
    answer = {"changed": bool(diff), "diff": diff, "present": repository.present(), "fingerprint": "", "key": ""}
    if repository.home.is_dir():
        answer["fingerprint"] = repository.fingerprint()
        answer["key"] = repository.run("gpg", "--batch", "--armor", "--export-options", "export-minimal", "--export")
        repository.run("gpgconf", "--kill", "all")
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
