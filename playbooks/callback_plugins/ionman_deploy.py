"""Tells at the end of a run how it ended, and gives the lock back before ansible-playbook does; see docs/lock.md."""

from ansible.plugins.callback import CallbackBase

from ionman import locks


class CallbackModule(CallbackBase):
    """Loaded because it lies beside the playbooks; does nothing in a run that has no lock."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "ionman_deploy"
    CALLBACK_NEEDS_ENABLED = False

    def v2_playbook_on_stats(self, stats):
        """The end, good or bad."""
        failed = sorted({*stats.failures, *stats.dark})
        if failed:
            locks.end("failed", {"why": f"failed on {', '.join(failed)}", "hosts": failed})
        else:
            locks.end("finished", {"hosts": sorted(stats.processed)})
