"""The report of a table: the paper's numbers beside ours, as HTML, Markdown and pictures."""
