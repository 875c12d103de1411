"""The filter `ionman_with`: the services of an inventory, with one of them changed."""


def with_changes(services, name, **changes):
    """`services` (the list of the role service) with `changes` made to the one called `name`."""
    return [{**service, **changes} if service["name"] == name else service for service in services]


class FilterModule:
    """What Ansible loads."""

    def filters(self):
        """The filters by name."""
        return {"ionman_with": with_changes}
