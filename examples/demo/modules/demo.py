"""Demonstration MicroService Class (demo.py)."""
from IonmanClass import SubscriptionsClass, RegistrationsClass

class Subscriptions(SubscriptionsClass):
    """Local Topic Subscriptions."""
    def __init__(self, conf=None, extra=None):
        """Call the superClass first."""
        SubscriptionsClass.__init__(self, conf, extra)

class Registrations(RegistrationsClass):
    """Local RPC Call Methods."""
    def __init__(self, conf=None, extra=None):
        """Call the superClass first."""
        RegistrationsClass.__init__(self, conf, extra)

    def app_demo_method1(self, argv, details):
        """Non descript demonstration method."""
        user = self.getSession(details)
        if not user:
            return self.fail('not authorized')
        msg = 'User {} called method1'.format(user.name)
        return self.ok({'result': msg})
