"""Reads what Prometheus would."""

from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Figures:
    """An exposition."""

    text: str

    def rows(self, name: str) -> dict[Labels, float]:
        """The samples of one name: sorted labels -> value."""
        return {
            tuple(sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
            if sample.name == name
        }
