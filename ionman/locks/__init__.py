"""The lock of the run of ansible-playbook that this process belongs to: ask for it, see if it is held, tell events.

What decides is in ionman/lock.py; the lock itself is kept by a process of its own (ionman/locks/holder.py).
"""

from ionman.locks.asking import deploy, end, held, state, take, tell

__all__ = ["deploy", "end", "held", "state", "take", "tell"]
