"""The base classes a service's modules are written on: the import name of the contract in the README."""

from ionman.runtime.classes import RegistrationsClass, SubscriptionsClass, procedure, topic

__all__ = ["RegistrationsClass", "SubscriptionsClass", "procedure", "topic"]
