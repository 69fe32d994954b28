"""The vault: people's library of adapters, its cards, its index and searches in it."""
