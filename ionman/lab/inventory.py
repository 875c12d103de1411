"""The Ansible inventory of a lab (the JSON that `ansible-inventory --list` takes from a script)."""

from typing import Any

from ionman.lab import place, ssh


def inventory(lab: place.Lab, python: str) -> dict[str, Any]:
    """Groups build, repo, routers and services with their variables; `python` is the controller's interpreter.

    A host with a door to a router's port is one of the routers: `Standing.forward` makes it one.
    """
    names, doors = lab.host_names, routers(lab)
    variables: dict[str, dict[str, Any]] = {host.name: host_variables(lab, host) for host in lab.hosts}
    variables["controller"] = {"ansible_connection": "local", "ansible_python_interpreter": python}
    return {
        "_meta": {"hostvars": variables},
        "all": {"children": ["build", "repo", "routers", "services"], "vars": shared(lab)},
        "build": {"hosts": ["controller"]},
        "repo": {"hosts": names[:1]},
        "routers": {"hosts": [host for host in names if host in doors]},
        "services": {"hosts": names},
    }


def routers(lab: place.Lab) -> dict[str, int]:
    """The hosts with a router, and the port on 127.0.0.1 of the door to each; 0 while it is not open."""
    return {host: lab.forwards.get(door, 0) for door, (host, port) in lab.targets.items() if port == place.ROUTER_PORT}


def host_variables(lab: place.Lab, host: place.Host) -> dict[str, Any]:
    """How Ansible reaches a host: by SSH, as it would any other."""
    directory = ssh.directory(lab)
    return {
        "ansible_host": host.name,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(directory / "id_ed25519"),
        # The shared connections are kept beside the lab's keys, so that they end with the lab.
        "ansible_ssh_common_args": f"-F {directory / 'config'} -o ControlPath={directory / '%h-%r'}",
        "ansible_python_interpreter": "/usr/bin/python3",
        "lab_address": host.address,
        "lab_router_port": routers(lab).get(host.name, 0),
    }


def shared(lab: place.Lab) -> dict[str, Any]:
    """Variables of all hosts."""
    return {
        "lab_name": lab.name,
        "lab_dir": str(lab.directory),
        "lab_routers": [f"localhost:{port}" for port in routers(lab).values()],
        "deb_github_url": lab.github.get("url", ""),
    }
