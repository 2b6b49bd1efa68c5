"""Speech to lines, with Whisper."""
