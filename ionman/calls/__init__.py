"""What ionman.call is made of: reaching a router, logging in, one WAMP session."""
