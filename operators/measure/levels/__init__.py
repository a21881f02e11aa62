"""Names the bones of a row by their levels: a hidden Markov model of the rows that people have."""
