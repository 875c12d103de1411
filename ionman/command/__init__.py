"""The `ionman` command: one module per verb or noun, each with a click command of the same name."""
