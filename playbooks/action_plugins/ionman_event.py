"""`ionman_event`: publishes what this run of ansible-playbook does, where it holds the lock; never fails a deploy."""

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ionman import lock, locks


class ActionModule(ActionBase):
    """One task: `topic` (started, host, finished, failed) and `document`."""

    def run(self, tmp=None, task_vars=None):
        """Publish `ionman.deploy.<topic>` with the document, the run's id, who and what."""
        del tmp
        result = super().run(task_vars=task_vars)
        topic, document = self._task.args.get("topic"), self._task.args.get("document") or {}
        if topic not in lock.TOPICS:
            raise AnsibleActionFail(f"topic is {topic!r}, which is none of {', '.join(lock.TOPICS)}")
        told = [] if self._task.check_mode else locks.tell(topic, document)
        return result | {"changed": False, "told": told}
