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
PARAMETERS = {"name", "moons_at_least", "order", "descending", "limit"}


class Registrations(RegistrationsClass):
    """Local queries."""

    def app_get_planets(self, argv, details):
        """Answer {"name": "ma", "moons_at_least": 1, "order": "diameter", "descending": true, "limit": 3}."""
        del details
        if wrong := self._wrong(argv):
            return self.fail(wrong)
        found = [
            planet
            for planet in PLANETS
            if argv.get("name", "").lower() in planet["name"].lower() and planet["moons"] >= argv.get("moons_at_least", 0)
        ]
        found.sort(key=lambda planet: planet[argv.get("order", "distance")], reverse=argv.get("descending", False))
        return self.ok({"total": len(found), "planets": found[: argv.get("limit", len(found))]})

    def _wrong(self, argv):
        """Say what is wrong with the parameters, or nothing."""
        if not isinstance(argv, dict):
            return "send an object"
        if unknown := sorted(set(argv) - PARAMETERS):
            return f"unknown parameters: {', '.join(unknown)}; there are {', '.join(sorted(PARAMETERS))}"
        if not isinstance(argv.get("name", ""), str):
            return "name is a part of a planet's name"
        if argv.get("order", "distance") not in COLUMNS:
            return f"order is one of {', '.join(COLUMNS)}"
        if not isinstance(argv.get("descending", False), bool):
            return "descending is true or false"
        for name in ("moons_at_least", "limit"):
            value = argv.get(name, 0)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                return f"{name} is a whole number from 0"
        return ""
