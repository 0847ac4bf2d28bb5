"""The versioned HTTP API. Imported inside `cove.agent` only."""
