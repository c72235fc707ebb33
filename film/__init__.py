"""The core: names, numbers and pixels. Knows no server and no framework."""
