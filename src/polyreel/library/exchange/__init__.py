"""Hits as lists that editors, players and spreadsheets read."""
