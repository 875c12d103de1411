"""The filters `ionman_router_faults` and `ionman_router_doubts`: what is wrong with a router of the inventory."""

import json

from ionman.routers import inventory


def plain(state):
    """`state` without what Ansible makes of texts."""
    return json.loads(json.dumps(state))


def faults(state):
    """What a host would refuse of `state`, the variable router_state of the role router."""
    return inventory.faults(plain(state))


def doubts(state):
    """What works and is probably not meant."""
    return inventory.doubts(plain(state))


class FilterModule:
    """What Ansible loads."""

    def filters(self):
        """The filters by name."""
        return {"ionman_router_faults": faults, "ionman_router_doubts": doubts}
