"""The supervisors that a program can be given to; only `ionman.hosts.supervisor` asks them."""
