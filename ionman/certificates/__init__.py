"""What ionman.certificate is made of: reading PEM, and what is wrong with a certificate."""
