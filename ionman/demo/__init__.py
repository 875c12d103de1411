"""`make demo`: the whole chain on a lab, or its single-machine form, and what it made, one line per noun."""
