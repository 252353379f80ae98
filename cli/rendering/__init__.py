"""Answers as a person wants to read them on a terminal; times are in UTC."""
