"""How near to the hardware the server is, how it bends, and whether it breaks: ``python -m loadtest.limits``."""
