"""Views as drawings for print: SVG made from the same layouts and figures as those of the page."""
