"""The ground floor: processes started, bounded, named and ended."""
