"""Says at the very end of a run what runs on each host now, what happened there and why.

Loaded by itself for every playbook beside this folder. Silent when no service was looked at and nothing failed.
"""

from ansible.plugins.callback import CallbackBase

from ionman import roll
from ionman.plays import verdict


class CallbackModule(CallbackBase):
    """Remembers what each host told of its steps, and why a host was lost."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "ionman_verdict"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.steps = {}
        self.left = {}
        self.lost = {}
        self.check = False

    def v2_playbook_on_play_start(self, play):
        """Remember whether this is a check."""
        self.check = bool(play.check_mode)

    def v2_runner_on_ok(self, result):
        """Keep the steps."""
        self._keep(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        """Keep the steps, or that another task failed."""
        if not self._keep(result) and not ignore_errors:
            self.lost[result.host.get_name()] = result.result.get("msg", "failed")

    def v2_runner_on_unreachable(self, result):
        """Keep the steps, or that the host was lost elsewhere."""
        if not self._keep(result):
            self.lost[result.host.get_name()] = f"cannot be reached: {result.result.get('msg', '')}"

    def _keep(self, result):
        steps = roll.steps(result.result)
        if steps:
            host = result.host.get_name()
            if host in self.steps and (gone := verdict.gone(self.steps[host], steps)):
                self.left[host] = gone
            self.steps[host] = steps
        return bool(steps)

    def v2_playbook_on_stats(self, stats):
        """Say it."""
        del stats
        lines = verdict.lines(self.steps, self.lost, self.left, check=self.check)
        if lines:
            self._display.banner("VERDICT")
        for line in lines:
            self._display.display(line, color="red" if "FAILED" in line else None)
