"""Lab hosts: Debian machines on this machine, in a network namespace of their own, that Ansible reaches over SSH."""

from ionman.lab.requirements import possible

__all__ = ["possible"]
