"""Webhooks: what happened, told to an application's own server."""
