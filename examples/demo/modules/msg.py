"""Events: what one client says, every subscriber hears, and every instance of this service remembers."""

from collections import deque

from IonmanClass import RegistrationsClass, SubscriptionsClass

LONGEST = 500  # characters of a message
REMEMBERED = 50
# Shared by the two classes of this module. Each instance hears every event, so each has the same memory.
BOARD = deque(maxlen=REMEMBERED)


class Subscriptions(SubscriptionsClass):
    """Local topic subscriptions."""

    def app_msg_posted(self, data, details):
        """Remember what was posted, by any instance or client."""
        user = self.getSession(details)
        if isinstance(data, dict) and isinstance(data.get("text"), str):
            # What this service publishes for a user names that user; a client speaks for itself.
            trusted = user is not None and user.name == self.conf["user"]
            author = data.get("author") if trusted else (user.name if user else "unknown")
            BOARD.append({"author": str(author), "text": data["text"][:LONGEST]})


class Registrations(RegistrationsClass):
    """Local RPC call methods."""

    async def app_msg_post(self, argv, details):
        """Publish {"text": "hello"} to everybody on app.msg.posted."""
        user = self.getSession(details)
        if not user:
            return self.fail("not authorized")
        text = argv.get("text") if isinstance(argv, dict) else None
        if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
            return self.fail(f"text is 1 to {LONGEST} characters")
        await self.publish("app.msg.posted", {"author": user.name, "text": text})
        return self.ok()

    def app_msg_recent(self, argv, details):
        """Answer what was posted lately, oldest first."""
        del argv, details
        return self.ok({"messages": list(BOARD)})
