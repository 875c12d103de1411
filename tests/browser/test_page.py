"""The router's page in a real headless Chromium that trusts the authority: log in, call, see the answer."""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserType, Page, expect, sync_playwright

from ionman import process, router
from ionman.call import Account
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
    web = Path(router.PAGE).parent
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


def test_a_lost_connection_comes_back_with_its_subscriptions(browser: Browser, own_router: Crossbar) -> None:
    """In a browser that trusts another authority, so with its errors ignored: it is the way back that counts here."""
    own_router.start()
    with browser.new_context(ignore_https_errors=True) as context:
        page = context.new_page()
        page.goto(f"https://{own_router.address}/")
        script = """async ([user, password]) => {
            window.states = []; window.news = [];
            window.client = await ionman.connect({ user, password, onstate: (state) => states.push(state) });
            await client.subscribe("app.demo.news", (data) => news.push(data));
        }"""
        page.evaluate(script, ["alice", own_router.users["alice"]])
        own_router.kill()
        page.evaluate(UNTIL, "lost")
        own_router.start()
        page.evaluate(UNTIL, "open")
        publish = """async () => {
            for (let n = 1; news.length === 0 && n < 50; n++) {
                await client.publish("app.demo.news", n);
                await new Promise((resolve) => setTimeout(resolve, 100));
            }
        }"""
        page.evaluate(publish)
        assert page.evaluate("[states, news.length > 0]") == [["open", "lost", "open"], True]
