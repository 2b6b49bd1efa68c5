"""Multi-HowTo100M built anew, from videos or from caption files."""
