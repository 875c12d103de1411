"""The filters `ionman_turns`, `ionman_batches`, `ionman_rolled`: who has a turn, how many at a time, if any."""

from ionman import roll

REGISTERED = "service_turn"


def arranged(fleet, hostvars):
    """The turns, from what the hosts of `fleet` said when they were looked at; None before that."""
    found = {host: roll.steps(hostvars[host].get(REGISTERED)) for host in fleet if host in hostvars}
    looks = {host: steps["look"] for host, steps in found.items() if "look" in steps}
    if not looks:
        return None
    settings = next(iter(looks.values()))["settings"]
    return roll.arrange(looks, settings["canary"], settings["batch"])


def turns(fleet, hostvars):
    """The hosts that have a turn, in order; all while nothing is known (a syntax check)."""
    rolling = arranged(fleet, hostvars)
    return list(fleet) or ["services"] if rolling is None else rolling.order


def batches(fleet, hostvars):
    """The sizes of the batches, as `serial` takes them."""
    rolling = arranged(fleet, hostvars)
    return [1] if rolling is None else rolling.sizes


def rolled(fleet, hostvars):
    """All hosts when any of them has a turn, else none: there is nothing to put back, and nobody to tell."""
    rolling = arranged(fleet, hostvars)
    return list(fleet) or ["services"] if rolling is None or rolling.order else []


class FilterModule:
    """What Ansible loads."""

    def filters(self):
        """The filters by name."""
        return {"ionman_turns": turns, "ionman_batches": batches, "ionman_rolled": rolled}
