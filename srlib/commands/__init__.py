"""The commands of `srlib`, each with its options beside what it does."""
