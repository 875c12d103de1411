"""Packages on the controller, from releases and from recipes: hands the wanted state to ``ionman deb apply``."""

DOCUMENTATION = """
module: ionman_deb
short_description: Packages of releases and of ionman's own tools, built once
description:
  - Fetches each release from a GitHub API, verifies its digest, and builds its package; builds the tools' packages.
  - A package that stands, from the same bytes, is left alone. One version from other bytes is an error.
  - Runs where a checkout of ionman is, as root, with the Python of its environment.
options:
  github: {description: Address of the GitHub API, type: str, default: "https://api.github.com"}
  releases:
    description: The releases that are wanted.
    type: list
    elements: dict
    default: []
    suboptions:
      repository: {description: owner/name, type: str, required: true}
      tag: {description: "The release's tag, such as v1.0.0", type: str, required: true}
      digest: {description: "The digest its file must have: sha256:...", type: str}
      asset: {description: "The file to take: a name, a glob, or source", type: str}
      app: {description: "The application's name, where it is not that of the repository", type: str}
      token: {description: A token that may read the repository, type: str}
  tools: {description: "ionman's own: ionman, crossbar", type: list, elements: str, default: []}
  output: {description: Folder for the packages, type: path, required: true}
"""

import json
import re
import sys

from ansible.module_utils.basic import AnsibleModule

RELEASE = {
    "repository": {"type": "str", "required": True},
    "tag": {"type": "str", "required": True},
    "digest": {"type": "str"},
    "asset": {"type": "str"},
    "app": {"type": "str"},
    "token": {"type": "str", "no_log": True},
}


def main():
    """Hand over, and say what was built."""
    module = AnsibleModule(
        argument_spec={
            "github": {"type": "str", "default": "https://api.github.com"},
            "releases": {"type": "list", "elements": "dict", "default": [], "options": RELEASE},
            "tools": {"type": "list", "elements": "str", "default": []},
            "output": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    command = [sys.executable, "-m", "ionman.command.main", "deb", "apply", "--json"]
    if module.check_mode:
        command.append("--check")
    status, out, err = module.run_command(command, data=json.dumps(module.params), binary_data=True)
    if status:
        module.fail_json(msg=_message(err), rc=status)
    packages = json.loads(out)["packages"]
    changed = [one for one in packages if one["changed"]]
    module.exit_json(
        changed=bool(changed),
        packages=packages,
        diff={"before": "", "after": "".join(f"{one['package']} {one['version']}\n" for one in changed)},
    )


def _message(err):
    """The error without the progress before it."""
    if "No module named" in err:
        return f"ionman is not in {sys.executable}: name the checkout's .venv/bin/python in ansible_python_interpreter"
    # The message may name ionman too: the first line that begins with the command's name is where it starts.
    found = re.search(r"^ionman: (.*)", err, re.MULTILINE | re.DOTALL)
    return (found[1] if found else err).strip()


if __name__ == "__main__":
    main()
