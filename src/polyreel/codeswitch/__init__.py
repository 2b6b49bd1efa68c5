"""Text in which words are replaced by their translations: lexicons, matching, switching, romanisation."""
