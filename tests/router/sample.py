"""Requests that show how rights are read: exact URIs, prefixes and wildcards at their edges, `wamp.` included."""

from tests.router.sessions import Request

EXACT = (
    *("app.demo.get", "app.demo.get_all", "app.demo", "app", "app.get", "app.x.get", "app.x.get.y", "apple.get"),
    *("application.x", "app.demo.news", "app.x.y.get", "app.demo.get.x"),
    *("ionman.service.demo.h.ping", "ionman.service.demo_2.h.ping", "ionman.service.other.h.ping"),
    *("ionman.deploy.lock", "ionman.router.leaving", "ionman.router.authorize", "ionman.x"),
    *("wamp.session.count", "wamp.session.on_join", "wamp.registration.lookup", "wamp.registration.count_callees"),
    *("wamp.registration.list", "wamp.x", "wamp"),
)
PREFIXES = (
    *("", "a", "app", "app.", "app.demo", "app.demo.", "app.demo.get", "app.demo.ge", "app.x.", "apple."),
    *("ionman.", "ionman.service.", "ionman.service.demo", "ionman.service.demo.", "ionman.deploy.", "ionman.router."),
    *("ionman.router.leaving", "ionman.router.l", "w", "wamp.", "wamp.session.", "wamp.session.on_join"),
)
WILDCARDS = (
    *("app..get", "app.demo.", "app..", ".demo.get", "..", "app.x.", "app.demo.get", "app.demo.", "app..get.", "."),
    *("ionman..", "ionman.service.demo..ping", "ionman..demo.h.ping", ".session.count", ".router.leaving"),
    *("ionman.router.", "wamp..count", "wamp..", "wamp.session.on_join", "wamp.registration.", ""),
)
SAMPLE = [
    *(Request(action, uri) for action in ("call", "publish") for uri in EXACT),
    *(Request(action, uri, "exact") for action in ("register", "subscribe") for uri in EXACT),
    *(Request(action, uri, "prefix") for action in ("register", "subscribe") for uri in PREFIXES),
    *(Request(action, uri, "wildcard") for action in ("register", "subscribe") for uri in WILDCARDS),
]
TAKEN = Request("register", "ionman.router.authorize")  # by what answers for the rights
