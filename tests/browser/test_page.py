"""The router's page in a real headless Chromium that trusts the authority: log in, call, see the answer."""

import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserType, Page, expect, sync_playwright

import ionman
from ionman import process
from ionman.call import Account, Client
from ionman.errors import WampError
from ionman.leaving import LEAVING
from ionman.routers.listener import PAGE
from tests.call.relay import Relay
from tests.callee import Callee
from tests.crossbar import Crossbar

pytestmark = pytest.mark.browser

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update"),
    *("--disable-background-networking", "--disable-sync", "--disable-dev-shm-usage", "--no-default-browser-check"),
]


def method1(argv: Any, details: Mapping[str, Any]) -> Any:
    return {"status": "OK", "result": f"User {details['caller_authid']} called method1", "argv": argv}


@pytest.fixture(scope="module", autouse=True)
def bundle() -> None:
    """ionman.js as `npm run build` makes it; built here when it is not there yet."""
    web = PAGE.parent
    if not (web / "static" / "ionman.js").exists():
        process.run(["npm", "ci"], cwd=web)
        process.run(["npm", "run", "build"], cwd=web)


@pytest.fixture(scope="module")
def served(router: Crossbar) -> Iterator[Crossbar]:
    account = Account("ionman", "myserviceusername", router.users["myserviceusername"])
    procedures = {"app.demo.method1": method1, "app.demo.fail": lambda *_: {"status": "FAIL", "message": "no luck"}}
    with Callee(router.address, router.ca, account, procedures):
        yield router


@pytest.fixture(scope="module")
def browser(served: Crossbar, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium with a home of its own, whose certificate database holds the test's authority and nothing else."""
    home = tmp_path_factory.mktemp("home")
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    process.run(["certutil", "-d", f"sql:{database}", "-N", "--empty-password"])
    process.run(["certutil", "-d", f"sql:{database}", "-A", "-t", "C,,", "-n", "test", "-i", served.ca])
    with sync_playwright() as playwright:
        kind: BrowserType = playwright.chromium
        opened = kind.launch(executable_path=CHROMIUM, args=QUIET, env={**os.environ, "HOME": str(home)})
        yield opened
        opened.close()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def page(browser: Browser, served: Crossbar) -> Iterator[Page]:
    """The page, loaded; whatever the console called an error fails the test."""
    opened = browser.new_page()
    errors: list[str] = []
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(f"https://{served.address}/")
    yield opened
    opened.close()
    assert errors == []


def log_in(page: Page, user: str, password: str) -> None:
    page.get_by_label("User").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_log_in_call_and_see_the_answer(page: Page, served: Crossbar) -> None:
    log_in(page, "alice", served.users["alice"])
    expect(page.locator("#state")).to_have_text("connected as alice")
    page.get_by_role("button", name="Call").click()
    expect(page.locator("#list li pre").first).to_contain_text("User alice called method1")
    expect(page.locator("#list li .ok")).to_have_text("OK")


def test_a_wrong_password_is_said_and_the_next_try_works(page: Page, served: Crossbar) -> None:
    log_in(page, "alice", "wrong")
    expect(page.locator("#login-problem")).to_contain_text("does not let you in")
    log_in(page, "alice", served.users["alice"])
    expect(page.locator("#call")).to_be_visible()


def test_failures_are_shown(page: Page, served: Crossbar) -> None:
    log_in(page, "bob", served.users["bob"])
    first = page.locator("#list li pre").first
    for topic, text in (
        ("app.demo.fail", "no luck"),
        ("app.demo.missing", "no callee registered"),
        ("wamp.session.list", "not authorized"),
    ):
        page.get_by_label("Procedure").fill(topic)
        page.get_by_role("button", name="Call").click()
        expect(first).to_contain_text(text)
    page.get_by_label("Parameters").fill("{a: 1}")
    page.get_by_role("button", name="Call").click()
    expect(page.locator("#call-problem")).to_contain_text("not JSON")


def test_the_seeds_idea_of_a_call_works(page: Page, served: Crossbar) -> None:
    script = """async ([user, password]) => {
        await ionman.connect({ user, password });
        return await new Promise((resolve) => {
            function error(problem) { resolve("error: " + problem); }
            function success(data) {
                if (data.status != 'OK') return error(data.message);
                resolve('Success: ' + data.result);
            }
            const params = {'dummy': 'none required'};
            const topic = 'app.demo.method1';
            ionman.call(topic, params, success, error);
        });
    }"""
    assert page.evaluate(script, ["alice", served.users["alice"]]) == "Success: User alice called method1"


# Not wait_for_function: that evaluates text inside the page, which its Content-Security-Policy refuses.
UNTIL = """async (state) => {
    for (let n = 0; n < 200 && states.at(-1) !== state; n++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
}"""


# --- fail-over: the page's router, reached by ways that can be cut or frozen, and a second router -------------------

# Connects a client, and gives the page what() for what became of a promise.
FAILOVER = """async ([user, password, routers]) => {
    window.states = [];
    const [onstate, idempotent] = [(state) => states.push(state), ["app.same."]];
    window.client = await ionman.connect({ user, password, routers, onstate, deadline: 20000, idempotent });
    window.what = (promise) => promise.then(
        (data) => ({ data }),
        ({ kind, message, uri }) => ({ kind, message, uri }),
    );
    window.ask = (...call) => what(client.call(...call));
}"""


class Counting:
    """A procedure that counts, and waits while it is held."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.asked = threading.Event()
        self.free = threading.Event()
        self.free.set()

    def __call__(self, argv: Any = None) -> Any:
        self.calls.append(argv)
        self.asked.set()
        self.free.wait(20)
        return {"argv": argv}

    def hold(self) -> None:
        self.asked.clear()
        self.free.clear()


@pytest.fixture
def caller(browser: Browser, served: Crossbar) -> Iterator[Page]:
    """The page, with leave to reach other routers than its own (a page from elsewhere would have its own policy)."""
    with browser.new_context(bypass_csp=True) as context:
        opened = context.new_page()
        opened.goto(f"https://{served.address}/")
        yield opened


@pytest.fixture
def service(served: Crossbar) -> Iterator[Client]:
    user = "myserviceusername"
    with ionman.connect([served.address], user=user, password=served.users[user], ca=served.ca) as client:
        yield client


def open_client(caller: Page, served: Crossbar, *routers: str) -> None:
    caller.evaluate(FAILOVER, ["alice", served.users["alice"], list(routers)])


def test_what_is_too_large_is_not_sent(caller: Page, served: Crossbar, service: Client) -> None:
    service.register("app.once", Counting())
    open_client(caller, served, served.address)
    answer = caller.evaluate("ask('app.once', 'x'.repeat(1100000))")
    assert (answer["kind"], "the router takes 1048576" in answer["message"]) == ("input", True)
    assert caller.evaluate("ask('app.once', 1)") == {"data": {"argv": 1}}
    assert caller.evaluate("states") == ["open"]


def test_a_call_lost_on_the_way_is_made_again_only_if_it_may_run_twice(
    caller: Page, served: Crossbar, service: Client
) -> None:
    once, same = Counting(), Counting()
    service.register("app.once", once)
    service.register("app.same.x", same)
    with Relay(served.port) as way, Relay(served.port) as next_way:
        open_client(caller, served, way.address, next_way.address)
        once.hold()
        same.hold()
        caller.evaluate("() => { window.lost = ask('app.once', 1); window.kept = ask('app.same.x', 2); }")
        assert once.asked.wait(10)
        assert same.asked.wait(10)
        way.freeze()
        way.close()
        same.free.set()
        once.free.set()
        assert caller.evaluate("lost")["kind"] == "unavailable"
        assert "may have been done or not" in caller.evaluate("lost")["message"]
        assert caller.evaluate("kept") == {"data": {"argv": 2}}
        assert (once.calls, same.calls, caller.evaluate("states")) == ([1], [2, 2], ["open", "lost", "open"])


def test_a_call_while_no_router_is_joined_waits_and_a_deadline_is_kept(
    caller: Page, served: Crossbar, service: Client
) -> None:
    once = Counting()
    service.register("app.once", once)
    with Relay(served.port) as way:
        open_client(caller, served, way.address)
        way.freeze()
        way.cut()
        caller.evaluate(UNTIL, "lost")
        caller.evaluate("() => { window.waits = ask('app.once', 1); }")
        late = caller.evaluate("ask('app.once', 2, { deadline: 200 })")
        assert (late["kind"], "was not asked" in late["message"]) == ("unavailable", True)
        way.thaw()
        assert caller.evaluate("waits") == {"data": {"argv": 1}}
        assert once.calls == [1]
        once.hold()
        late = caller.evaluate("ask('app.once', 3, { deadline: 50 })")
        assert (late["kind"], late["message"]) == ("late", "app.once did not answer in time")
        once.free.set()
        caller.evaluate("() => { window.waits = ask('app.once', 4); client.close(); }")
        assert caller.evaluate("waits")["kind"] == "unavailable"


NEWS = """async () => {
    window.news = [];
    await client.subscribe("app.demo.news", (data) => news.push(data));
}"""
MOVED = """async (url) => {
    for (let n = 0; n < 200 && client.home?.url === url; n++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}"""
PUBLISH = """async () => {
    for (let n = 1; news.length === 0 && n < 50; n++) {
        await client.publish("app.demo.news", n);
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
}"""


def _leave(caller: Page, slow: Counting, router: Crossbar) -> None:
    """The client's router says that it goes away for a moment, with a call in flight and a subscription."""
    slow.hold()
    caller.evaluate("() => { window.slow = ask('app.slow', 7); }")
    assert slow.asked.wait(10)
    with Client([f"unix:{router.door}"], Account("ionman"), deadline=10) as host:
        host.publish(LEAVING, {"seconds": 1})
    caller.evaluate(MOVED, f"wss://{router.address}/ws")
    assert caller.evaluate("ask('app.same.x', 0)") == {"data": "0"}
    caller.evaluate(PUBLISH)
    slow.free.set()
    assert caller.evaluate("slow") == {"data": {"argv": 7}}
    assert caller.evaluate("() => news.splice(0).length") == 1
    assert slow.calls == [7]


def test_a_router_that_leaves_and_a_silent_one_and_a_killed_one_cost_no_call_and_no_subscription(
    caller: Page, served: Crossbar, service: Client, tmp_path_factory: pytest.TempPathFactory
) -> None:
    second = Crossbar(tmp_path_factory.mktemp("second"), authority=served.authority)
    second.description["origins"] = [f"https://{served.address}"]
    user = "myserviceusername"
    try:
        second.start()
        with (
            ionman.connect([second.address], user=user, password=second.users[user], ca=second.ca) as far,
            Relay(served.port) as way,
        ):
            service.register("app.same.x", str)
            far.register("app.same.x", str)
            far.register("app.far", lambda argv: "far")
            slow = Counting()
            far.register("app.slow", slow)
            open_client(caller, served, second.address, way.address)
            caller.evaluate(NEWS)
            _leave(caller, slow, second)
            while caller.evaluate("ask('app.far')") != {"data": "far"}:  # it is back, as everybody is
                assert caller.evaluate("client.home.url") == f"wss://{way.address}/ws"
            assert caller.evaluate("ask('app.nowhere')")["uri"] == "wamp.error.no_such_procedure"
            assert caller.evaluate("states") == ["open", "open"]
            way.freeze()
            began = time.monotonic()
            assert caller.evaluate("ask('app.same.x', 1)") == {"data": "1"}
            assert time.monotonic() - began < 8.0
            assert caller.evaluate("client.home.url") == f"wss://{second.address}/ws"
            way.thaw()
            second.kill()
            assert caller.evaluate("ask('app.same.x', 2)") == {"data": "2"}
            caller.evaluate(PUBLISH)
            assert caller.evaluate("news.length > 0")
            assert caller.evaluate("states") == ["open", "open", "lost", "open", "lost", "open"]
    finally:
        second.kill()


def test_a_drained_call_is_made_again_and_a_missing_one_waited_for(
    caller: Page, served: Crossbar, service: Client
) -> None:
    def drained(argv: Any) -> Any:
        ran.append(argv)
        if len(ran) < 3:
            raise WampError("ionman.error.drained", "leaving")
        return "done"

    ran: list[Any] = []
    service.register("app.same.drained", drained)
    open_client(caller, served, served.address)
    assert caller.evaluate("ask('app.same.drained', 1, { idempotent: false })")["uri"] == "ionman.error.drained"
    assert caller.evaluate("ask('app.same.drained', 2)") == {"data": "done"}
    assert ran == [1, 2, 2]
    caller.evaluate("() => { window.soon = ask('app.same.soon'); }")
    service.register("app.same.soon", lambda argv: "soon")
    assert caller.evaluate("soon") == {"data": "soon"}


def test_a_connection_that_is_never_answered_is_made_again(caller: Page, served: Crossbar, service: Client) -> None:
    with Relay(served.port) as way:
        way.mute = 1
        open_client(caller, served, way.address)
        assert (caller.evaluate("states"), way.taken) == (["open"], 2)
