"""The numbers behind the page's script."""
