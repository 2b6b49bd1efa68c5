"""Multi-HowTo100M: caption files of any size -> videos with lines in nine languages."""
