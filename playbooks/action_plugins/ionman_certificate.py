"""The part of `ionman_certificate` on the controller: keeps the authority, makes or checks the leaf, hands both over.

What lies in `dir`, and how the authority in it is changed: ionman/certificates/store.py.
"""

import fcntl
from contextlib import contextmanager
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ionman.certificate import LEAF_DAYS, Pair, authority, fingerprint, leaf, names, needs_renewal, verify
from ionman.certificates.pem import blocks
from ionman.certificates.store import Store
from ionman.errors import ConfigurationError, IonmanError
from ionman.files import write

OURS = ("dir", "names", "days", "renew_days", "certificate", "key", "chain", "ca")


class ActionModule(ActionBase):
    """One task: the authority, the leaf, the host's files."""

    def run(self, tmp=None, task_vars=None):
        """Make what is missing on the controller, then have the module land it on the host."""
        del tmp
        super().run(task_vars=task_vars)
        arguments = {name: value for name, value in self._task.args.items() if name not in OURS}
        try:
            with locked(Path(self._task.args["dir"]), writes=not self._task.check_mode) as store:
                given = self._given()
                signer = self._authority(store)
                ca = self._bundle(store, signer, given)
                pair, chain = self._leaf(store, signer, ca, given, task_vars["inventory_hostname"])
        except IonmanError as error:
            raise AnsibleActionFail(str(error)) from error
        arguments |= {"ca": ca.decode(), "chain": b"".join(chain).decode()}
        if pair:
            arguments |= {"certificate": pair.certificate.decode(), "key": pair.key.decode()}
        done = self._execute_module("ionman_certificate", module_args=arguments, task_vars=task_vars)
        done.pop("invocation", None)
        if not done.get("failed") and not self._task.check_mode:
            with locked(Path(self._task.args["dir"]), writes=True) as store:
                landed = pair.certificate if pair else b""
                Store(store).landed(task_vars["inventory_hostname"], ca, self._task.args.get("name") or "", landed)
        if pair and not done.get("failed"):
            done |= {"fingerprint": fingerprint(pair.certificate), "names": names(pair.certificate)}
        return done

    def _given(self):
        """The contents of the files that were handed in, by what they are; empty without any."""
        files = {name: self._task.args.get(name) for name in ("certificate", "key", "chain", "ca")}
        if files["certificate"] and not files["key"]:
            raise ConfigurationError("certificate_certificate is set without certificate_key", remedy="set both")
        return {name: read(Path(path)) for name, path in files.items() if path}

    def _authority(self, store):
        """The own CA, made when there is none."""
        found = Store(store).pair("authority")
        if found is not None:
            return found
        return authority() if self._task.check_mode else Store(store).make()

    def _bundle(self, store, signer, given):
        """What peers trust; an authority that was handed in once stays in it."""
        bundle = Store(store).trusted(signer, given.get("ca", b""))
        if bundle != Store(store).bundle and not self._task.check_mode:
            write(store / "ca.pem", bundle)
        return bundle

    def _leaf(self, store, signer, ca, given, host):
        """(leaf, chain): handed in and checked, kept, or made anew; no leaf without a name."""
        name = self._task.args.get("name")
        wanted = [str(one) for one in dict.fromkeys(self._task.args.get("names") or ())]
        if not name:
            return None, []
        if "certificate" in given:
            pair, chain = Pair(given["certificate"], given["key"]), blocks(given.get("chain", b""))
            problems = verify(pair.certificate, pair.key, ca=ca, chain=chain, wanted=wanted)
            if problems:
                where = self._task.args["certificate"]
                what = f"{where} does not fit {host}: {'; '.join(problems)}"
                raise ConfigurationError(what, remedy="correct the files that certificate_* name")
            return pair, chain
        return self._own_leaf(store / "hosts" / host, name, signer, wanted), []

    def _own_leaf(self, folder, name, signer, wanted):
        """The leaf that is kept for this host, or a new one when that is missing, broken or near its end."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        if certificate.exists() and key.exists():
            kept = Pair(read(certificate), read(key))
            days = int(self._task.args.get("renew_days", 30))
            problems = verify(kept.certificate, kept.key, ca=signer.certificate)
            if not problems and not needs_renewal(kept.certificate, wanted, days=days):
                return kept
        made = leaf(signer, wanted, days=int(self._task.args.get("days", LEAF_DAYS)))
        if not self._task.check_mode:
            folder.mkdir(parents=True, exist_ok=True)
            write(key, made.key, mode=0o600)
            write(certificate, made.certificate)
        return made


@contextmanager
def locked(folder, *, writes):
    """The folder, held for one process; hosts are handled side by side, and there is one authority."""
    if not writes and not folder.exists():
        yield folder
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield folder


def read(path):
    """The bytes of a file of the controller."""
    try:
        return path.read_bytes()
    except OSError as error:
        why = f"{path} cannot be read: {error.strerror}"
        raise ConfigurationError(why, remedy="correct the path or its mode") from error
