"""What `ionman.deb` decides, done: a recipe and a release become a package, in the clean root."""
