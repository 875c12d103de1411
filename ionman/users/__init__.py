"""People who are not in the inventory: their database, the program that answers for them, what changes them."""
