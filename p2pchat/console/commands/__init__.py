"""What a person can type, and what is answered."""
