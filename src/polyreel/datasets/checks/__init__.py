"""What is there, what is missing, what is there twice, and what is broken."""
