"""A server that stands in for the services that audiences are sent to.

It speaks the documented part of each API, on loopback only, remembers who is in which audience,
and fails on demand. The tests and `make demo` send to it.
"""
