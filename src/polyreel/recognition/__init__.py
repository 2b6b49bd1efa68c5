"""What is said in a video, as lines with times."""
