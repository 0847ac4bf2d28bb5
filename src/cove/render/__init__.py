"""From releases to the documents Compose and Traefik read. Pure; imports only the model and ports.

No text of a user's file reaches these documents but through the model.
"""
