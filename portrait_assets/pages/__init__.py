"""The explorer's pages as HTML, made of what was published and nothing else. Notebooks only choose and show them."""
