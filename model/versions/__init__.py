"""Model versions: registry, comparison, promotion, rollback, and which one is served."""
