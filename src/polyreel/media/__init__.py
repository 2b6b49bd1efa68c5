"""Media files -> frames with true times, subtitles, clips and a record of what went wrong."""
