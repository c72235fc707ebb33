"""The file formats that a network is exported to, a module each: its ``FORMAT`` says how to write and try it."""
