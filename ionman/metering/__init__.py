"""What `ionman.metrics` is made from: looking at a host, calling through its router, and the endpoint that tells it."""
