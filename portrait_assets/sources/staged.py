"""The columns that every staged table has beside those of its file."""

ROW, PROBLEM, LINE = "__row", "__problem", "__line"
OWN = (ROW, PROBLEM, LINE)
ELEMENT, ELEMENT_NUMBER = "element", "element_number"  # of a stream that reads each element of a list
WELL_FORMED = f"null::varchar as {PROBLEM}, null::varchar as {LINE}"
