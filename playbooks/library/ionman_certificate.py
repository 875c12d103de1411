"""Certificates on this host: the part of `ionman_certificate` that runs there (the action plugin makes them)."""

DOCUMENTATION = """
module: ionman_certificate
short_description: A server certificate from an own authority, or one handed in, on a host
description:
  - On the controller makes the authority once, and for each host a leaf with the right names, anew when it nears
    its end or lacks a name. Certificates that are handed in are checked for fit instead.
  - On the host lands C(ca.pem) and C(tls/NAME.pem), C(tls/NAME.key) and, with a chain, C(tls/NAME.chain.pem).
  - Keys are in no diff, log or result.
options:
  name: {description: What the leaf is for; without it only the CA lands, type: str, default: ''}
  dir: {description: Folder of the controller with the authority and the leaves, type: path}
  names: {description: DNS names and addresses of the leaf, type: list, elements: str}
  days: {description: How long a new leaf is valid, type: int, default: 90}
  renew_days: {description: Make a leaf anew when fewer days remain, type: int, default: 30}
  certificate: {description: "File of the controller with a leaf that is handed in", type: str}
  key: {description: File of the controller with its key, type: str}
  chain: {description: "File of the controller with what is between leaf and authority", type: str}
  ca: {description: File of the controller with the authority of what is handed in, type: str}
  folder: {description: Where the files land on the host, type: path, default: /etc/ionman}
  owner: {description: Owner of the key, type: str, default: root}
  group: {description: Group that may read the key, type: str, default: root}
  bundle: {description: "Put the chain into NAME.pem too, as nginx wants it", type: bool, default: false}
"""

import re
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.ionman_files import Wanted, settle


def files(params):
    """The files that should be on the host."""
    folder = Path(params["folder"])
    wanted = [Wanted(folder / "ca.pem", params["ca"].encode())]
    if params["name"]:
        path = folder / "tls" / params["name"]
        chain = params["chain"].encode()
        leaf = params["certificate"].encode() + (chain if params["bundle"] else b"")
        mode = 0o640 if params["group"] != "root" else 0o600
        key = params["key"].encode()
        wanted.append(Wanted(f"{path}.key", key, mode, owner=params["owner"], group=params["group"], secret=True))
        wanted.append(Wanted(f"{path}.pem", leaf))
        if chain:
            wanted.append(Wanted(f"{path}.chain.pem", chain))
    return wanted


def main():
    """Compare, then act."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "default": ""},
            "folder": {"type": "path", "default": "/etc/ionman"},
            "ca": {"type": "str", "required": True},
            "certificate": {"type": "str", "default": ""},
            "chain": {"type": "str", "default": ""},
            "key": {"type": "str", "default": "", "no_log": True},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
            "bundle": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if not re.fullmatch(r"[A-Za-z0-9_-]*", module.params["name"]):
        module.fail_json(msg=f"{module.params['name']!r} is no name for a file: use letters, digits, - and _")
    try:
        diff = settle(files(module.params), check=module.check_mode)
    except KeyError as error:
        module.fail_json(
            msg=f"{error.args[0]}. The package that makes this user or group comes first: run playbooks/host.yml"
        )
    module.exit_json(changed=bool(diff), diff=diff)


if __name__ == "__main__":
    main()
