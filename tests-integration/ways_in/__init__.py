"""Clients of the vault: JupyterHub and the recipes, each run as people run it."""
