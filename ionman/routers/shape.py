"""Names and patterns that the description and the rendering share."""

import re
from collections.abc import Mapping
from typing import Any

# Crossbar's ids and, here, roles: facts of 26.10.1, `_CONFIG_ITEM_ID_PAT_STR` in crossbar/common/checkconfig.py.
ID = re.compile(r"[a-z][a-z0-9_]{2,63}")
REALM = re.compile(r"[A-Za-z][A-Za-z0-9_.@-]{2,254}")  # autobahn/wamp/message.py, _URI_PAT_REALM_NAME
SERVICE = re.compile(r"[a-z][a-z0-9_-]{0,54}")  # "service_" before it has to make an id
USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")  # scram signs it as ASCII, between "=" and ","
CERTIFICATE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,252}")  # a DNS name, or a common name like one; no wildcard
URI = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")  # WAMP's strict URIs, without wildcards
URI_PREFIX = re.compile(r"([a-z0-9_]+\.)+")  # ends with a dot: "app" would also stand for "apple.pie"
# The first part is there: an empty one would stand for wamp and ionman too.
URI_WILDCARD = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]*)+")
PUBLIC_KEY = re.compile(r"[0-9a-f]{64}")  # Ed25519, hex
# What stands where a secret should, what that means, and what to do. A password may have dollars and braces of its own,
# so that only what nobody would choose is taken for unset.
UNSET = (
    (re.compile(r"\A\s*\Z"), "is empty", "give one, from the vault"),
    (
        re.compile(r"\A\$(\{\w+\}|[A-Z_][A-Z0-9_]*)\Z"),
        "is a variable that was not replaced",
        "give its value, from the vault",
    ),
    (re.compile(r"\{\{.*\}\}"), "is a template that was not filled in", "let Ansible fill it in, or give the value"),
    (re.compile(r"\A\$ANSIBLE_VAULT;"), "is a vault that was not opened", "give Ansible the vault's password"),
    (re.compile(r"\A(change[ _-]?me|todo|xxx+)\Z", re.IGNORECASE), "was never chosen", "give one, from the vault"),
)

OPS = "ops"
AUTHORIZER = "authorizer"  # the role of what answers for the services' rights, ionman.routers.authorizer
HOST = "host"  # the role of the router's own host, which comes in by a socket of its own
NOBODY = "without_login"  # the role on the router of who has not logged in, with the rights of a realm's `anonymous`
# The first two Crossbar lets pass without looking, and with the third it takes a session for a link that carries calls.
RESERVED = ("trusted", "anonymous", "rlink", AUTHORIZER, HOST, NOBODY)


def slug(name: str) -> str:
    """`name` in the letters of a URI part or an id: lower case, and `_` for everything else."""
    return re.sub(r"[^a-z0-9_]", "_", name.lower())


def service_role(service: str) -> str:
    """The role of a service on the router."""
    return f"service_{slug(service)}"


def service_roles(router: Mapping[str, Any], realm: Mapping[str, Any]) -> dict[str, str]:
    """The roles that the services of `realm` bring, and the service of each."""
    services = router.get("services") or ()
    return {service_role(each["name"]): each["name"] for each in services if each["realm"] == realm["name"]}


def role_names(router: Mapping[str, Any], realm: Mapping[str, Any]) -> set[str]:
    """All roles of `realm`: declared, of its services, and ops."""
    return {role["name"] for role in realm.get("roles") or ()} | {*service_roles(router, realm)} | {OPS}


def rendered(router: Mapping[str, Any], realm: Mapping[str, Any]) -> dict[str, str]:
    """The name of each role of `realm` on the router: its own, but `<role>_<realm>` where an earlier realm has it.

    Crossbar takes the realm of a scram user from the user's own request, and asks only whether that realm has a role of
    the user's role name (crossbar/router/auth/pending.py): with equal names a user of one realm could join another.
    """
    earlier: set[str] = set()
    for other in router["realms"]:
        if other is realm:
            break
        earlier |= role_names(router, other)
    names = {role: f"{role}_{slug(realm['name'])}" if role in earlier else role for role in role_names(router, realm)}
    # Who has not logged in gets one role, in whichever realm: it is there only where `anonymous` is written down.
    return {**names, NOBODY: NOBODY} if "anonymous" in realm else names
