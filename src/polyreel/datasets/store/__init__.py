"""A dataset on disk: one schema, streamed in, mapped out, features beside it."""
