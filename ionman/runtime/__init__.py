"""What services are written on: the only place, with `ionman.call`, that knows Twisted and Autobahn."""
