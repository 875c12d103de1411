"""Demonstration MicroService Class (demo.py)."""

import socket

from IonmanClass import RegistrationsClass, SubscriptionsClass


class Subscriptions(SubscriptionsClass):
    """Local topic subscriptions."""


class Registrations(RegistrationsClass):
    """Local RPC call methods."""

    def app_demo_method1(self, argv, details):
        """Non descript demonstration method; since 1.1.0 it greets, and says which version does."""
        del argv
        user = self.getSession(details)
        if not user:
            return self.fail("not authorized")
        return self.ok({"result": f"Hello {user.name}, this is method1 of 1.1.0", "version": "1.1.0"})

    def app_demo_method2(self, argv, details):
        """Answer which host is here; new in 1.1.0."""
        del argv, details
        return self.ok({"host": socket.gethostname()})
