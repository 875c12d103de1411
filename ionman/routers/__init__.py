"""What ionman.router is made of: the check of its description, the permissions of a role, the credentials of a user."""
