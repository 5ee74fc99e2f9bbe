"""What the tables of the experiments show: a picture and a paragraph of each.

A module for each experiment has `TITLE`, `CLAIM` (what the paper says), `draw(rows, path)` and
`tell(rows)`, which gives Markdown. `rows` are those of `table.read`: list of dict of str.
"""
