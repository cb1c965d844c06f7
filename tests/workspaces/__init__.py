"""Workspaces, through real git in a temporary folder and real sandboxes."""
