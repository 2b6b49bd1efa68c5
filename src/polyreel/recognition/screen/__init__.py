"""What is written in the picture, as lines with times."""
