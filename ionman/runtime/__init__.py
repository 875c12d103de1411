"""The runtime that services are written on: the only part, with `ionman.call`, that knows Twisted and Autobahn."""
