"""Several adapters as one: aligned module by module, combined, and made as small as wanted."""
