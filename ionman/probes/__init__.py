"""What ionman.probe is made of: the history and what is read from it, and the prober that writes one."""

from ionman.probes.probing import Probing

__all__ = ["Probing"]
