"""The report of the proof: all its tables in one page, the table that sums it up, its analyses."""
