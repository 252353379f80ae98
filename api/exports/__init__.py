"""Lists and reports as files: CSV, JSON Lines and Parquet."""
