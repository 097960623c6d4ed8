"""Scripts for developers, run by `make`: nothing of Anju imports them."""
