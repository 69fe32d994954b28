"""Adapters as tools of an agent: a server of the Model Context Protocol, and the jobs that it is asked for."""
