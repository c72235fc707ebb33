"""The web page: drop photographs, see what the server says of them."""
