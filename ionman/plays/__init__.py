"""Playbooks run from Python: by `ionman deploy`, `rollback`, `scale` and by the demo."""
