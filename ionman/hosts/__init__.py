"""What `ionman.host` decides, done: the state is read, the host looked at, and the plan carried out under svc."""
