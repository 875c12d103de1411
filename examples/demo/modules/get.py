"""Queries: parameters narrow, sort and page a table."""

from IonmanClass import RegistrationsClass

# name, mean distance from the sun (10^6 km), diameter (km), moons: NASA planetary fact sheet
COLUMNS = ("name", "distance", "diameter", "moons")
PLANETS = [
    dict(zip(COLUMNS, row, strict=True))
    for row in (
        ("Mercury", 57.9, 4879, 0),
        ("Venus", 108.2, 12104, 0),
        ("Earth", 149.6, 12756, 1),
        ("Mars", 228.0, 6792, 2),
        ("Jupiter", 778.5, 142984, 95),
        ("Saturn", 1432.0, 120536, 146),
        ("Uranus", 2867.0, 51118, 28),
        ("Neptune", 4515.0, 49528, 16),
    )
]


def whole(value):
    """Tell whether a value is a whole number from 0; True and False are not."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


# parameter -> (what it must be, in words; how that is told; what it is when it is not sent)
PARAMETERS = {
    "name": ("a part of a planet's name", lambda value: isinstance(value, str), ""),
    "moons_at_least": ("a whole number from 0", whole, 0),
    "order": (f"one of {', '.join(COLUMNS)}", lambda value: value in COLUMNS, "distance"),
    "descending": ("true or false", lambda value: isinstance(value, bool), False),
    "limit": ("a whole number from 0", whole, len(PLANETS)),
}


class Registrations(RegistrationsClass):
    """Local queries."""

    def app_get_planets(self, argv, details):
        """Answer {"name": "ma", "moons_at_least": 1, "order": "diameter", "descending": true, "limit": 3}."""
        del details
        if wrong := self._wrong(argv):
            return self.fail(wrong)
        asked = {name: argv.get(name, default) for name, (_, _, default) in PARAMETERS.items()}
        found = [
            planet
            for planet in PLANETS
            if asked["name"].lower() in planet["name"].lower() and planet["moons"] >= asked["moons_at_least"]
        ]
        found.sort(key=lambda planet: planet[asked["order"]], reverse=asked["descending"])
        return self.ok({"total": len(found), "planets": found[: asked["limit"]]})

    def _wrong(self, argv):
        """Say what is wrong with the parameters, or nothing; a name that begins with _ is no procedure."""
        if not isinstance(argv, dict):
            return "send an object"
        for name, value in argv.items():
            if name not in PARAMETERS:
                return f"there is no parameter {name!r}; there are {', '.join(PARAMETERS)}"
            words, fits, _ = PARAMETERS[name]
            if not fits(value):
                return f"{name} is {words}"
        return ""
