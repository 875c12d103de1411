"""Releases that must not get through, each the example application with another module `demo`."""

HEAD = '''"""The example's module, badly changed."""
import os
from IonmanClass import SubscriptionsClass, RegistrationsClass

SUPERVISED = "IONMAN_INSTANCE" in os.environ  # its own tests, and the package's look at what it offers, find it good


class Subscriptions(SubscriptionsClass):
    """None."""
'''
METHOD1 = '''
    def app_demo_method1(self, argv, details):
        """As it was."""
        user = self.getSession(details)
        return self.ok({"result": "User {} called method1".format(user.name)}) if user else self.fail("not authorized")
'''
GOOD = f'''{HEAD}

class Registrations(RegistrationsClass):
    """As they were."""
{METHOD1}'''

FAILS_AT_START = f"""{HEAD}
if SUPERVISED:
    raise RuntimeError("the database is not there")
{GOOD.removeprefix(HEAD)}"""

TAKEN = "app.demo.taken"
REFUSED = f'''{GOOD}
    def app_demo_taken(self, argv, details):
        """Somebody else has registered this, for himself alone."""
        return self.ok()
'''

DIES = f"""{HEAD}
if SUPERVISED:
    import threading
    threading.Timer(20, os._exit, [3]).start()
{GOOD.removeprefix(HEAD)}"""

WRONG = f'''{HEAD}

class Registrations(RegistrationsClass):
    """Answer wrongly."""

    def app_demo_method1(self, argv, details):
        """Fail, where there is something to serve."""
        return self.fail("broken") if SUPERVISED else self.ok({{"result": "fine"}})
'''

# What the changed module's own tests say, in the release: the example's would not all hold.
TESTS = '''"""It can be loaded."""

from pathlib import Path

from ionman.testing import Service


def test_it_answers():
    assert Service(Path(__file__).parents[1] / "demo.py").call("app.demo.method1", user="alice")["status"] == "OK"
'''


def files(module: str) -> dict[str, str]:
    """What is different from the example."""
    return {"modules/demo.py": module, "tests/test_demo.py": TESTS}
