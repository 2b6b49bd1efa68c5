"""What is said in a video and what is written in its pictures, as lines with times."""
