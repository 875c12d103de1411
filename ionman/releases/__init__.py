"""What `ionman.release` decides, done: the edge to the GitHub REST API, and where a release may come from."""
