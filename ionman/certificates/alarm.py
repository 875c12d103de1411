"""What has to be told of the certificates on a host before it is too late. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ionman.certificates import pem
from ionman.errors import ConfigurationError

ALARM_DAYS = 14  # renewal begins with 30 left (ionman.certificate): this is half of them in vain
SILENT = timedelta(days=3)  # the timer tries twice a day


@dataclass(frozen=True)
class Outcome:
    """How the last try of a renewal ended; `message` says what was done, or what failed."""

    tried: datetime
    good: bool
    message: str


def alarms(
    leaves: Mapping[str, bytes], orders: frozenset[str], outcomes: Mapping[str, Outcome], now: datetime
) -> list[str]:
    """One line for each certificate that is near its end, broken, or not being renewed: `leaves` are PEM by name.

    `orders` are the names of those that this host itself renews.
    """
    found = [line for name in sorted(leaves) for line in _leaf(name, leaves[name], now)]
    return found + [line for name in sorted(orders) for line in _renewal(name, outcomes.get(name), now)]


def _leaf(name: str, data: bytes, now: datetime) -> Iterator[str]:
    try:
        leaf = pem.bundle(data, f"certificate {name}")[0]
    except ConfigurationError as error:
        yield str(error.message)
        return
    end, whole = leaf.not_valid_after_utc, leaf.not_valid_after_utc - leaf.not_valid_before_utc
    remedy = "renew it: playbooks/certificate.yml"
    if end <= now:
        yield f"certificate {name} expired on {end:%F}: {remedy}"
    elif end - now < min(timedelta(days=ALARM_DAYS), whole / 6):
        left = end - now
        told = f"{left.days} days" if left >= timedelta(days=2) else f"{left // timedelta(hours=1)} hours"
        yield f"certificate {name} expires in {told}, on {end:%F}: {remedy}"
    if now < leaf.not_valid_before_utc:
        yield f"certificate {name} is not valid before {leaf.not_valid_before_utc:%F %T} UTC: look at the clock"


def _renewal(name: str, last: Outcome | None, now: datetime) -> Iterator[str]:
    timer = "systemctl status ionman-certificate.timer"
    if last is None:
        yield f"certificate {name} was never tried to renew: {timer}"
    elif not last.good:
        yield f"certificate {name} could not be renewed on {last.tried:%F %R} UTC: {last.message}"
    elif now - last.tried > SILENT:
        yield f"certificate {name} was last looked at on {last.tried:%F}: {timer}"
