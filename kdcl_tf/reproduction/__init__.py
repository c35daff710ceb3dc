"""The paper's tables run again: what each row is, its runs, and the report of them."""
