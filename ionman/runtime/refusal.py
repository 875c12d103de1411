"""What a router's refusal means: an end with a message and a status, or another attempt.

The reasons are Crossbar's (crossbar/router/auth/*.py, session.py, dealer.py) and WAMP's.
"""

from ionman.errors import ConfigurationError, IonmanError, Refused
from ionman.settings import Router, Settings

AUTHENTICATION = (
    "wamp.error.authentication_failed",
    "wamp.error.authentication_denied",
    "wamp.error.cannot_authenticate",
    "wamp.error.no_such_principal",
    "wamp.error.not_authorized",
    "wamp.error.no_auth_method",
    "wamp.error.no_matching_auth_method",
    "wamp.error.no_such_role",
)
# Not wamp.error.authorization_failed: it means that the router could not find out, which may pass.
AUTHORISATION = ("wamp.error.not_authorized", "wamp.error.authorization_denied")
OTHER_POLICY = "wamp.error.procedure_exists_with_different_invocation_policy"
TAKEN = "wamp.error.procedure_already_exists"


def of_login(reason: str, message: str, router: Router, settings: Settings) -> IonmanError | None:
    """Return the end that a router's ABORT means, or None when it is worth another attempt."""
    said = f"{reason}: {message}" if message else reason
    if reason == "wamp.error.no_such_realm":
        return ConfigurationError(
            f"{settings.path}: router {router} has no realm {settings.realm!r} ({said})",
            remedy="correct realm, or add it to the router's realms",
        )
    if reason in AUTHENTICATION:
        secret = "key" if settings.key else "password"
        return Refused(
            f"{settings.path}: router {router} refused user {settings.user!r} on realm {settings.realm!r} ({said})",
            remedy=f"correct user and {secret}, or add the user to the router's realm",
        )
    return None


def of_registration(reason: str, message: str, uri: str, router: Router, settings: Settings) -> IonmanError | None:
    """Return the end that a refused registration or subscription of `uri` means, or None for another attempt."""
    said = f"{reason}: {message}" if message else reason
    if reason in AUTHORISATION:
        return Refused(
            f"router {router} does not let user {settings.user!r} offer {uri} ({said})",
            remedy="add it to what the router's configuration allows this service, or take it out of the service",
        )
    if reason == OTHER_POLICY:
        return ConfigurationError(
            f"{settings.path}: {uri} is registered on router {router} with another policy than "
            f"{settings.schedule!r} ({said})",
            remedy="all instances share one policy: set schedule alike, or stop the others first",
        )
    return None
